package ui

import (
	"fmt"
	"strconv"
	"sync"
	"time"
)

// Failed sign-ins that one address, and all addresses together, may make
// before they have to wait. The second bound stops a guesser with many
// addresses; it is high, because it locks the owner out as well.
const (
	attemptsPerAddress = 6
	attemptsTogether   = 60
	attemptsWindow     = time.Minute
)

// tooMany says that the caller has to wait before it tries again.
type tooMany struct{ wait time.Duration }

func (e *tooMany) Error() string {
	return fmt.Sprintf("Too many failed attempts: wait %s seconds and try again.", e.seconds())
}

func (e *tooMany) seconds() string {
	return strconv.Itoa(max(1, int((e.wait+time.Second-1)/time.Second)))
}

// limiter counts failures in a sliding window. Successes cost nothing.
type limiter struct {
	mu       sync.Mutex
	now      func() time.Time
	failures map[string][]time.Time
	all      []time.Time
}

func newLimiter(now func() time.Time) *limiter {
	return &limiter{now: now, failures: map[string][]time.Time{}}
}

// check returns *tooMany if address has to wait.
func (l *limiter) check(address string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	l.prune(now)
	if f := l.failures[address]; len(f) >= attemptsPerAddress {
		return &tooMany{wait: f[0].Add(attemptsWindow).Sub(now)}
	}
	if len(l.all) >= attemptsTogether {
		return &tooMany{wait: l.all[0].Add(attemptsWindow).Sub(now)}
	}
	return nil
}

// failed counts a failure of address.
func (l *limiter) failed(address string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	l.failures[address] = append(l.failures[address], now)
	l.all = append(l.all, now)
}

// prune forgets what is older than the window, so that the maps stay small.
func (l *limiter) prune(now time.Time) {
	since := now.Add(-attemptsWindow)
	l.all = newer(l.all, since)
	for address, f := range l.failures {
		if f = newer(f, since); len(f) == 0 {
			delete(l.failures, address)
		} else {
			l.failures[address] = f
		}
	}
}

func newer(times []time.Time, since time.Time) []time.Time {
	i := 0
	for i < len(times) && !times[i].After(since) {
		i++
	}
	return times[i:]
}
