// Package mlops holds the nouns of the loop — dataset, run, model version,
// deployment — with their states, their validation and their error codes. It
// does no I/O and imports the standard library only.
package mlops

import (
	"errors"
	"fmt"
)

// Code classifies an error for those who have to act on it. The values are
// MLflow's error codes, so that one mapping serves every API.
type Code string

// The codes; HTTPStatus says what each becomes in HTTP.
const (
	Invalid       Code = "INVALID_PARAMETER_VALUE"
	NotFound      Code = "RESOURCE_DOES_NOT_EXIST"
	Exists        Code = "RESOURCE_ALREADY_EXISTS"
	InvalidState  Code = "INVALID_STATE"
	Denied        Code = "PERMISSION_DENIED"
	Unauthorized  Code = "UNAUTHENTICATED"
	Unavailable   Code = "TEMPORARILY_UNAVAILABLE"
	NotSupported  Code = "NOT_IMPLEMENTED"
	BadRequest    Code = "BAD_REQUEST"
	EndpointError Code = "ENDPOINT_NOT_FOUND"
	Internal      Code = "INTERNAL_ERROR"
)

// HTTPStatus is the status of an answer with an error of this code, 500 for a
// code that is not known. A user's mistake is never a 5xx: MLflow's clients
// would repeat it for minutes. What exists already is 400, as MLflow answers.
func (c Code) HTTPStatus() int {
	switch c {
	case Invalid, Exists, InvalidState, BadRequest:
		return 400
	case Unauthorized:
		return 401
	case Denied:
		return 403
	case NotFound, EndpointError:
		return 404
	case NotSupported:
		return 501
	case Unavailable:
		return 503
	}
	return 500
}

// Error is an error that a user may see: Message says what was expected and
// what to do; Err, if any, is the cause and goes to the log only.
type Error struct {
	Code    Code
	Message string
	Err     error
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

func (e *Error) Unwrap() error { return e.Err }

// Errorf returns an *Error with the given code and message.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// CodeOf returns the code of the first *Error in err's chain, Internal for
// any other error and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Internal
}

// MessageOf returns what a user may see of err.
func MessageOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Message
	}
	return "internal error: see the log"
}
