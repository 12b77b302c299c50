package loop

import (
	"context"
	"fmt"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// adopt returns the row of a Job. It makes one for a Job that the schedule has
// made; from then on that training is like any other.
func (l *Loop) adopt(ctx context.Context, j mlops.Job) (mlops.Training, error) {
	t, err := l.cfg.Store.AdoptTraining(ctx, j.Project, j.Name, j.Trigger, j.CreatedAt)
	if err != nil {
		return t, fmt.Errorf("record job %s of %s: %w", j.Name, j.Project, err)
	}
	return t, nil
}
