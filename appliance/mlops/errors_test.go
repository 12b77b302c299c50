package mlops

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"
)

func TestCodeAndMessage(t *testing.T) {
	full := &Error{Code: Unavailable, Message: "the disk is full: free some space", Err: fs.ErrPermission}
	for _, c := range []struct {
		err     error
		code    Code
		message string
		text    string
	}{
		{Errorf(NotFound, "run %q does not exist", "x"), NotFound, `run "x" does not exist`, `run "x" does not exist`},
		{full, Unavailable, "the disk is full: free some space", "the disk is full: free some space: permission denied"},
		{fmt.Errorf("store artifact: %w", full), Unavailable, "the disk is full: free some space", "store artifact: the disk is full: free some space: permission denied"},
		{errors.Join(errors.New("first"), full), Unavailable, "the disk is full: free some space", "first\nthe disk is full: free some space: permission denied"},
		{fmt.Errorf("outer: %w", &Error{Code: Invalid, Message: "outer", Err: full}), Invalid, "outer", "outer: outer: the disk is full: free some space: permission denied"},
		{errors.New("sql: database is locked"), Internal, "internal error: see the log", "sql: database is locked"},
	} {
		if got := CodeOf(c.err); got != c.code {
			t.Errorf("%v: code %s, expected %s", c.err, got, c.code)
		}
		if got := MessageOf(c.err); got != c.message {
			t.Errorf("%v: message %q, expected %q", c.err, got, c.message)
		}
		if got := c.err.Error(); got != c.text {
			t.Errorf("text %q, expected %q", got, c.text)
		}
	}
	if got := CodeOf(nil); got != "" {
		t.Errorf("no error has the code %q", got)
	}
	if !errors.Is(fmt.Errorf("x: %w", full), fs.ErrPermission) {
		t.Error("the cause cannot be found")
	}
}

// MLflow's clients act on these words; they are its protocol's, not ours.
func TestCodesAreMLflows(t *testing.T) {
	for code, want := range map[Code]string{
		Invalid: "INVALID_PARAMETER_VALUE", NotFound: "RESOURCE_DOES_NOT_EXIST", Exists: "RESOURCE_ALREADY_EXISTS",
		InvalidState: "INVALID_STATE", Denied: "PERMISSION_DENIED", Unauthorized: "UNAUTHENTICATED",
		Unavailable: "TEMPORARILY_UNAVAILABLE", NotSupported: "NOT_IMPLEMENTED", BadRequest: "BAD_REQUEST",
		EndpointError: "ENDPOINT_NOT_FOUND", Internal: "INTERNAL_ERROR",
	} {
		if string(code) != want {
			t.Errorf("code %s, expected %s", code, want)
		}
	}
}

func TestHTTPStatus(t *testing.T) {
	for code, want := range map[Code]int{
		Invalid: 400, Exists: 400, InvalidState: 400, BadRequest: 400, Unauthorized: 401, Denied: 403, NotFound: 404, EndpointError: 404,
		Internal: 500, "": 500, "UNKNOWN": 500, NotSupported: 501, Unavailable: 503,
	} {
		if got := code.HTTPStatus(); got != want {
			t.Errorf("%s is answered with %d, expected %d", code, got, want)
		}
	}
}
