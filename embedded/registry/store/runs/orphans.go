package runs

import (
	"context"
	"fmt"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// EndRuns ends the runs that a Job's pods left running: a trainer that was
// killed could not do so itself. Runs that have ended keep their status.
func (s *Store) EndRuns(ctx context.Context, job string, status mlops.RunStatus) error {
	if strings.Contains(job, "'") {
		return mlops.Errorf(mlops.Invalid, "job name %q holds a quote", job)
	}
	page, err := s.SearchRuns(ctx, mlops.RunQuery{Max: 100,
		Filter: "tags.`" + mlops.TagJob + "` = '" + job + "' AND attributes.status = 'RUNNING'"})
	if err != nil {
		return fmt.Errorf("find runs of job %s: %w", job, err)
	}
	for _, r := range page.Runs {
		to, end := string(status), s.db.NowMs()
		if _, err := s.UpdateRun(ctx, r.ID, RunUpdate{Status: &to, EndTime: &end}); err != nil {
			return fmt.Errorf("end run %s: %w", r.ID, err)
		}
	}
	return nil
}
