package page

import (
	"context"
	"slices"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Visitor is who a request comes from, as far as pages need to know.
type Visitor struct {
	Principal mlops.Principal
	CSRF      string // the token for the forms of a page, the same for the length of an event stream
	HTTPS     bool   // the browser's side of the way is encrypted
}

const visitorKey = "page visitor"

type principalKey struct{}

// Admit makes a visitor the one who asks in this request. The server calls it.
func Admit(c echo.Context, v Visitor) {
	c.Set(visitorKey, v)
	c.SetRequest(c.Request().WithContext(context.WithValue(c.Request().Context(), principalKey{}, v.Principal)))
}

// VisitorOf returns who asks.
func VisitorOf(c echo.Context) Visitor {
	v, _ := c.Get(visitorKey).(Visitor)
	return v
}

// May reports whether who asks may do something.
func May(c echo.Context, p mlops.Permission) bool { return VisitorOf(c).Principal.Role.May(p) }

// PrincipalOf returns who asks in the context of a request, nobody if the server
// asks for itself.
func PrincipalOf(ctx context.Context) mlops.Principal {
	p, _ := ctx.Value(principalKey{}).(mlops.Principal)
	return p
}

// ByItself is the context for what the server asks for itself, in a request.
func ByItself(ctx context.Context) context.Context {
	return context.WithValue(ctx, principalKey{}, mlops.Principal{})
}

// Only returns those of a list that who asks reaches.
func Only[T any](ctx context.Context, list []T, reaches func(mlops.Principal, T) bool) []T {
	p := PrincipalOf(ctx)
	if !p.Limited() {
		return list
	}
	return slices.DeleteFunc(slices.Clone(list), func(v T) bool { return !reaches(p, v) })
}
