package cluster

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
		got, err := nextFire(schedule, "UTC", now)
		if err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("%s fires at %s (%v), expected %s", schedule, got.Format(time.RFC3339), err, want)
		}
	}
}

func TestNextFireInAZone(t *testing.T) {
	for _, c := range []struct{ zone, now, want string }{
		{"UTC", "2026-03-28T12:00:00Z", "2026-03-29T02:30:00Z"},
		{"Europe/Berlin", "2026-03-27T12:00:00Z", "2026-03-28T01:30:00Z"},
		{"Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-30T00:30:00Z"}, // the 29th has no half past two
		{"Asia/Kolkata", "2026-03-28T12:00:00Z", "2026-03-28T21:00:00Z"},
	} {
		now, err := time.Parse(time.RFC3339, c.now)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := nextFire("30 2 * * *", c.zone, now); err != nil || got.Format(time.RFC3339) != c.want {
			t.Errorf("in %s after %s it fires at %s (%v), expected %s", c.zone, c.now, got.Format(time.RFC3339), err, c.want)
		}
	}
}

func TestNextFireErrors(t *testing.T) {
	for _, bad := range []string{"", "* * * *", "61 * * * *", "0 0 * * * *", "often", "*/0 * * * *"} {
		_, err := nextFire(bad, "UTC", time.Unix(0, 0))
		want := "schedule " + bad + ` is not a cron expression: expected five fields (minute hour day month weekday), for example "*/30 * * * *"`
		if mlops.CodeOf(err) != mlops.Invalid || mlops.MessageOf(err) != want {
			t.Errorf("%q: error %v", bad, err)
		}
	}
	_, err := nextFire("* * * * *", "Middle/Earth", time.Unix(0, 0))
	if want := "time zone Middle/Earth is not known: expected an IANA name, for example Europe/Berlin"; mlops.CodeOf(err) != mlops.Invalid || mlops.MessageOf(err) != want {
		t.Errorf("error %v", err)
	}
}
