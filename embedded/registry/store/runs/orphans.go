package runs

import (
	"context"
	"fmt"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// EndRuns ends the runs that a Job's pods left running, and those that a script in
// them has made besides: a trainer that was killed could not do so itself. Runs that have ended keep their status.
func (s *Store) EndRuns(ctx context.Context, job string, status mlops.RunStatus) error {
	if strings.Contains(job, "'") {
		return mlops.Errorf(mlops.Invalid, "job name %q holds a quote", job)
	}
	own, err := s.tagged(ctx, mlops.TagJob, job)
	if err != nil {
		return fmt.Errorf("find runs of job %s: %w", job, err)
	}
	for _, r := range own {
		further, err := s.tagged(ctx, mlops.TagJobRun, r.ID)
		if err != nil {
			return fmt.Errorf("find runs of the script of job %s: %w", job, err)
		}
		for _, r := range append(further, r) { // the Job's own run last: it names the others
			if r.Status != mlops.RunRunning {
				continue
			}
			to, end := string(status), s.db.NowMs()
			if _, err := s.UpdateRun(ctx, r.ID, RunUpdate{Status: &to, EndTime: &end}); err != nil {
				return fmt.Errorf("end run %s: %w", r.ID, err)
			}
		}
	}
	return nil
}

// tagged are up to 1000 runs with a tag, whose value holds no quote.
func (s *Store) tagged(ctx context.Context, tag, value string) ([]mlops.Run, error) {
	page, err := s.SearchRuns(ctx, mlops.RunQuery{Max: 1000, Filter: "tags.`" + tag + "` = '" + value + "'"})
	return page.Runs, err
}
