package appliance

import (
	"context"
	"sync/atomic"

	"github.com/benchtop-lab/benchtop/appliance/loop"
	"github.com/benchtop-lab/benchtop/appliance/supervise"
)

// loopUnit runs the loop as a unit. The loop is built at start, because it
// needs the cluster's client, which exists only then.
type loopUnit struct {
	build func(h *supervise.Handle) *loop.Loop
	loop  atomic.Pointer[loop.Loop]
}

func (u *loopUnit) Name() string { return "loop" }

func (u *loopUnit) get() *loop.Loop { return u.loop.Load() }

// Run is ready when every project is stored and applied, as far as it can be.
func (u *loopUnit) Run(ctx context.Context, h *supervise.Handle) error {
	l := u.build(h)
	h.Progress("bringing the projects up to date")
	if err := l.Prepare(ctx); err != nil {
		return err
	}
	u.loop.Store(l)
	h.Ready()
	l.Run(ctx)
	return nil
}
