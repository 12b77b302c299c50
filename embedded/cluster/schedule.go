package cluster

import (
	"time"

	"github.com/robfig/cron/v3"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// nextFire parses a schedule as Kubernetes does and returns when it fires next
// after now. The schedule's hours are those of zone; the result is in UTC.
func nextFire(schedule, zone string, now time.Time) (time.Time, error) {
	s, err := cron.ParseStandard(schedule)
	if err != nil {
		return time.Time{}, &mlops.Error{Code: mlops.Invalid, Err: err,
			Message: "schedule " + schedule + " is not a cron expression: expected five fields (minute hour day month weekday), for example \"*/30 * * * *\""}
	}
	in, err := time.LoadLocation(zone)
	if err != nil {
		return time.Time{}, &mlops.Error{Code: mlops.Invalid, Err: err,
			Message: "time zone " + zone + " is not known: expected an IANA name, for example Europe/Berlin"}
	}
	return s.Next(now.In(in)).UTC(), nil
}
