package mlops

import (
	"errors"
	"testing"
)

func TestLabSure(t *testing.T) {
	err := LabSure(&Error{Code: InvalidState, Message: "There is work in lab names.", Err: ErrUnsure}, "--sure")
	if got, want := MessageOf(err), "There is work in lab names. Say that you are sure with --sure."; got != want || CodeOf(err) != InvalidState || !errors.Is(err, ErrUnsure) {
		t.Errorf("got %s %q, want %q", CodeOf(err), got, want)
	}
	for _, other := range []error{nil, Errorf(InvalidState, "It is not open.")} {
		if got := LabSure(other, "--sure"); got != other {
			t.Errorf("%v became %v", other, got)
		}
	}
}
