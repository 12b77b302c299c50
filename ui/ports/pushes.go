package ports

import (
	"context"
	"io"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Pushes takes code that people push, and says what becomes of it.
type Pushes interface {
	// Push stores the code, a tar.gz, and requests a training of its project; or
	// only says what it would do, if that is asked for.
	Push(ctx context.Context, req mlops.PushRequest, code io.Reader) (mlops.PushAnswer, error)
	// PushState says how far the training of a push has come.
	PushState(ctx context.Context, project string, training int64) (mlops.PushState, error)
	// PushLog follows the log of a training, until ctx ends, emit fails or the
	// training has ended.
	PushLog(ctx context.Context, project string, training int64, emit func([]mlops.LogLine) error) error
}
