package ui

import (
	"fmt"
	"testing"
	"time"
)

func TestLimiter(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	l := newLimiter(func() time.Time { return now })
	for range attemptsPerAddress {
		if err := l.check("a"); err != nil {
			t.Fatal(err)
		}
		l.failed("a")
		now = now.Add(time.Second)
	}
	if err := l.check("a"); err == nil || err.(*tooMany).seconds() != "54" {
		t.Errorf("a: %v", err)
	}
	if err := l.check("b"); err != nil {
		t.Errorf("b pays for a: %v", err)
	}
	for i := range attemptsTogether {
		l.failed(fmt.Sprint(i))
	}
	if err := l.check("b"); err == nil {
		t.Error("many addresses together are not bounded")
	}
	now = now.Add(attemptsWindow + time.Second)
	for _, address := range []string{"a", "b"} {
		if err := l.check(address); err != nil {
			t.Errorf("%s after the window: %v", address, err)
		}
	}
	if len(l.failures) != 0 || len(l.all) != 0 {
		t.Errorf("the past is kept: %d addresses, %d failures", len(l.failures), len(l.all))
	}
}

func TestCSRFTokens(t *testing.T) {
	a, b := csrfToken("secret"), csrfToken("secret")
	if a == b {
		t.Error("two tokens look the same, which compression would give away")
	}
	for _, token := range []string{a, b} {
		if !csrfValid("secret", token) {
			t.Error("a good token is refused")
		}
		if csrfValid("other", token) || csrfValid("", token) || csrfValid("secret", token[1:]) || csrfValid("secret", "") || csrfValid("secret", "%%%") {
			t.Error("a bad token is accepted")
		}
	}
	if csrfValid("", csrfToken("")) {
		t.Error("a token without a secret is accepted")
	}
}

func TestRemembered(t *testing.T) {
	var r remembered[int]
	asked := 0
	ask := func() (int, error) { asked++; return asked, nil }
	first := make(chan struct{})
	for range 3 {
		if v, err := r.get(first, ask); v != 1 || err != nil {
			t.Errorf("got %d, %v", v, err)
		}
	}
	close(first)
	second := make(chan struct{})
	if v, _ := r.get(second, ask); v != 2 {
		t.Errorf("after a change: %d", v)
	}
	// The source had changed when the answer was read: it is not kept.
	third := make(chan struct{})
	close(third)
	r.get(third, ask)
	if v, _ := r.get(third, ask); v != 4 {
		t.Errorf("an answer that was old at once is kept: %d", v)
	}
	failing := func() (int, error) { return 0, fmt.Errorf("no") }
	if _, err := r.get(make(chan struct{}), failing); err == nil {
		t.Error("an error is swallowed")
	}
}
