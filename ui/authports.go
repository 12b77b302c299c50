package ui

import (
	"context"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// What the server alone needs stands here; what the pages need is in package
// ports.

// Auth checks who is asking.
type Auth interface {
	mlops.Authenticator
	// TakeLoginToken reports whether token is an unused one-time token, and
	// uses it up.
	TakeLoginToken(token string) bool
	// Valid reports why a session of p must end although its time has not
	// come: its access key was revoked or has expired.
	Valid(p mlops.Principal) error
}

// Session is a signed-in browser.
type Session struct {
	Hash      string // hex SHA-256 of the id in the cookie; the id itself is never stored
	Principal mlops.Principal
	CreatedAt time.Time
	ExpiresAt time.Time
}

// Sessions keeps sessions across restarts. Package ui/sessionfile has one.
type Sessions interface {
	Create(ctx context.Context, s Session) error
	// Check returns the session with that hash; the code of the error is
	// NotFound if there is none or it has expired.
	Check(ctx context.Context, hash string) (Session, error)
	// Delete removes a session. Deleting what is not there is no error.
	Delete(ctx context.Context, hash string) error
}
