package k3s

import (
	"time"

	"github.com/robfig/cron/v3"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// nextFire parses a schedule as Kubernetes does and returns its next time in
// UTC after now.
func nextFire(schedule string, now time.Time) (time.Time, error) {
	s, err := cron.ParseStandard(schedule)
	if err != nil {
		return time.Time{}, &mlops.Error{Code: mlops.Invalid, Err: err,
			Message: "schedule " + schedule + " is not a cron expression: expected five fields (minute hour day month weekday), for example \"*/30 * * * *\""}
	}
	return s.Next(now.UTC()), nil
}

// ValidateSchedule reports whether the schedule can be given to a CronJob.
func ValidateSchedule(schedule string) error {
	_, err := nextFire(schedule, time.Unix(0, 0))
	return err
}
