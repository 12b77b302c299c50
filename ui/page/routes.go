package page

import (
	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Access is what one needs for an address beyond being signed in.
type Access struct {
	Needs mlops.Permission // none if empty
	Whole bool             // keys of single projects are refused, as it is about the whole lab
}

// What most addresses need. A permission is named here and never a role.
var (
	Anybody    = Access{} // who is signed in
	WholeLab   = Access{Whole: true}
	Operate    = Access{Needs: mlops.Operate}
	Administer = Access{Needs: mlops.Administer}
)

// Routes takes the addresses of a page package, each with what one needs for it.
// The server brings what they have in common: session or credentials, the token
// of forms, bounds, compression.
type Routes interface {
	// Page serves a page, and its event stream at /live before the path.
	Page(path string, f Func, a Access)
	// Still serves a page that has no event stream.
	Still(path string, f Func, a Access)
	// Get answers a browser with something else than a page.
	Get(path string, h echo.HandlerFunc, a Access)
	// Raw is Get without compression, for files and streams.
	Raw(path string, h echo.HandlerFunc, a Access)
	// Change takes a form, by POST, with its token.
	Change(path string, h echo.HandlerFunc, a Access)
	// Upload is Change for what is larger than a form; limit bounds it.
	Upload(path string, h echo.HandlerFunc, limit echo.MiddlewareFunc, a Access)

	// Call serves programs at /api before the path. Whoever may read may call,
	// unless a needs more.
	Call(method, path string, h echo.HandlerFunc, a Access)
	// ReadCall is a Call that reads, and says so to whoever tries to write.
	ReadCall(path string, h echo.HandlerFunc)
	// Methods tells programs which methods a path has, by refusing the others.
	Methods(path, allow string, others ...string)

	// Open serves whoever asks, without credentials, whatever the method.
	Open(path string, h echo.HandlerFunc)
}
