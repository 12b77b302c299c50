package k3s

import (
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func TestNextFire(t *testing.T) {
	// Half past one in the night of the change to summer time, in Berlin.
	berlin := time.FixedZone("CET", 3600)
	now := time.Date(2026, 3, 29, 1, 30, 0, 0, berlin) // 00:30 UTC
	for schedule, want := range map[string]string{
		"*/30 * * * *":      "2026-03-29T01:00:00Z",
		"0 2 * * *":         "2026-03-29T02:00:00Z", // UTC has no gap at two
		"15 0 1 1 *":        "2027-01-01T00:15:00Z",
		"0 0 * * 1":         "2026-03-30T00:00:00Z",
		"@hourly":           "2026-03-29T01:00:00Z",
		"5,10-12 0-1 * * *": "2026-03-29T01:05:00Z",
	} {
		got, err := nextFire(schedule, now)
		if err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("%s fires at %s (%v), expected %s", schedule, got.Format(time.RFC3339), err, want)
		}
	}
}

func TestValidateSchedule(t *testing.T) {
	if err := ValidateSchedule("*/5 * * * *"); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "* * * *", "61 * * * *", "0 0 * * * *", "often", "*/0 * * * *"} {
		err := ValidateSchedule(bad)
		want := "schedule " + bad + ` is not a cron expression: expected five fields (minute hour day month weekday), for example "*/30 * * * *"`
		if mlops.CodeOf(err) != mlops.Invalid || mlops.MessageOf(err) != want {
			t.Errorf("%q: error %v", bad, err)
		}
	}
}
