package health

import (
	"context"
	"sync"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/ports"
)

// samplesKept is a quarter of an hour of the machine at one sample each five
// seconds. What lies before is in the metrics.
const samplesKept = 180

type machinePoint struct {
	at time.Time
	mlops.MachineSample
}

// Sampler measures the machine at intervals and keeps the last points, so
// that a page that is opened has a past to show.
type Sampler struct {
	machine ports.Machine
	every   time.Duration
	now     func() time.Time
	mu      sync.Mutex
	points  []machinePoint
}

// NewSampler returns a sampler that has not measured yet.
func NewSampler(m ports.Machine, every time.Duration, now func() time.Time) *Sampler {
	return &Sampler{machine: m, every: every, now: now}
}

// Run measures until ctx ends; warn hears of the first failure of a row.
func (s *Sampler) Run(ctx context.Context, warn func(error)) {
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	failing := false
	for {
		err := s.take(ctx)
		if err != nil && ctx.Err() == nil && !failing {
			warn(err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *Sampler) take(ctx context.Context) error {
	sample, err := s.machine.Sample(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.points = append(s.points, machinePoint{at: s.now(), MachineSample: sample})
	if len(s.points) > samplesKept {
		s.points = append(s.points[:0], s.points[len(s.points)-samplesKept:]...)
	}
	return nil
}

// history returns the kept points, oldest first.
func (s *Sampler) history() []machinePoint {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]machinePoint(nil), s.points...)
}

// Last returns the newest point.
func (s *Sampler) Last() (machinePoint, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.points) == 0 {
		return machinePoint{}, false
	}
	return s.points[len(s.points)-1], true
}
