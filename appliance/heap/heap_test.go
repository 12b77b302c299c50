package heap

import (
	"context"
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"testing/synctest"
	"time"
)

func TestPace(t *testing.T) {
	const mb = 1 << 20
	var p pace
	total := uint64(300 * mb) // what starting has taken
	for i, look := range []struct {
		mb   uint64 // in the five seconds before
		want int
	}{
		{0, 0},                     // much: that was the start
		{12, 0}, {12, 0}, {12, 20}, // idle
		{12, 0}, {39, 0}, // still
		{41, 100}, {200, 0}, // busy
		{12, 0}, {12, 0}, {90, 0}, // not for long enough
		{0, 0}, {0, 0}, {0, 20}, {0, 0},
		{500, 100},
	} {
		total += look.mb * mb
		if got := p.next(total, 5*time.Second); got != look.want {
			t.Errorf("look %d, %d MB allocated in 5 s: %d %%, want %d", i, look.mb, got, look.want)
		}
	}
}

// percent is what the collector is set to.
func percent() int {
	s := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(s)
	if v := s[0].Value.Uint64(); v < math.MaxInt32 {
		return int(v)
	}
	return -1
}

// sink keeps what is allocated from being left out.
var sink []byte

func TestKeep(t *testing.T) {
	t.Setenv("GOGC", "")
	defer debug.SetGCPercent(debug.SetGCPercent(roomy))
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		go Keep(ctx)
		time.Sleep((quiet + 1) * pause) // of a clock that costs nothing
		synctest.Wait()
		if got := percent(); got != small {
			t.Errorf("an idle process collects at %d %%, want %d", got, small)
		}
		sink = make([]byte, busy*2*int(pause/time.Second))
		time.Sleep(pause)
		synctest.Wait()
		if got := percent(); got != roomy {
			t.Errorf("a busy process collects at %d %%, want %d", got, roomy)
		}
		cancel()
		synctest.Wait()
	})
}

// began is the percentage after package heap was initialised: its files' init
// functions run in the order of their names.
var began int

func init() { began = percent() }

func TestACommandBeginsBrief(t *testing.T) {
	if os.Getenv("GOGC") == "" && began != brief {
		t.Errorf("a process begins with %d %%, want %d", began, brief)
	}
}

func TestStay(t *testing.T) {
	t.Setenv("GOGC", "")
	defer debug.SetGCPercent(debug.SetGCPercent(brief))
	if Stay(); percent() != roomy {
		t.Errorf("a process that stays collects at %d %%, want %d", percent(), roomy)
	}
}

func TestStayLeavesAnOperatorsChoice(t *testing.T) {
	t.Setenv("GOGC", "70")
	defer debug.SetGCPercent(debug.SetGCPercent(70))
	if Stay(); percent() != 70 {
		t.Errorf("it collects at %d %%, want the 70 of GOGC", percent())
	}
}

func TestKeepLeavesAnOperatorsChoice(t *testing.T) {
	t.Setenv("GOGC", "70")
	Keep(t.Context()) // returns
}
