package ports

import (
	"context"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Labs are the guided labs. Each method is about one user, by name. A lab that
// does not exist is NotFound; what needs an open session is InvalidState without one.
type Labs interface {
	// Catalogue returns all labs, in the order of the path.
	Catalogue(ctx context.Context, user string) ([]mlops.LabEntry, error)
	// Lab returns everything about one lab. For as long as somebody asks for it
	// every few seconds, its tasks are watched.
	Lab(ctx context.Context, user, lab string) (mlops.LabView, error)
	// Changed is closed when something of the user's session in the lab has changed.
	Changed(user, lab string) <-chan struct{}

	// Start opens a session, and returns at once: its room is made in the
	// background. Timed wants a stopwatch.
	Start(ctx context.Context, user, lab string, timed bool) error
	// Leave closes the session. With work in it, it is refused (InvalidState with
	// mlops.ErrUnsure, the message says what is there) unless sure.
	Leave(ctx context.Context, user, lab string, sure bool) error
	// Check looks now, at one task or at all open ones if task is "".
	Check(ctx context.Context, user, lab, task string) error
	// Hint takes the next hint of a task, or of the fault that is looked for if task is "".
	Hint(ctx context.Context, user, lab, task string) (mlops.LabHintTaken, error)
	// Answer answers a question.
	Answer(ctx context.Context, user, lab, task, question, answer string) (mlops.LabQuestion, error)
	// Reset brings back how a task, or the lab if task is "", began.
	Reset(ctx context.Context, user, lab, task string) error
	// Break injects a fault. The seed chooses which; 0 is chosen by chance, and
	// prefers one that the user has not mended yet.
	Break(ctx context.Context, user, lab string, seed int64, timed bool) error
	// GiveUp ends the search: the fault is explained, and mended by the author.
	GiveUp(ctx context.Context, user, lab string) error
	// Solve runs the author's solution of a task, and returns what it has printed.
	Solve(ctx context.Context, user, lab, task string) (string, error)
	// Export returns all that is kept of the user's labs.
	Export(ctx context.Context, user string) ([]mlops.LabHistory, error)
	// Terminal attaches to the session's shell until t.In or ctx ends.
	Terminal(ctx context.Context, user, lab string, t mlops.LabTerminal) error
}
