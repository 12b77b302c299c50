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
