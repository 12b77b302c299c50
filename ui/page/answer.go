package page

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// StatusOf is the HTTP status of the page that shows an error.
func StatusOf(err error) int { return mlops.CodeOf(err).HTTPStatus() }

// Sentence makes a sentence of the message of an error that users see.
func Sentence(err error) error {
	var e *mlops.Error
	if !errors.As(err, &e) {
		return err
	}
	first, size := utf8.DecodeRuneInString(e.Message)
	return &mlops.Error{Code: e.Code, Message: string(unicode.ToUpper(first)) + strings.TrimSuffix(e.Message[size:], ".") + ".", Err: e.Err}
}

// Fragment answers with a piece of a page.
func Fragment(c echo.Context, status int, body templ.Component) error {
	var out bytes.Buffer
	if err := body.Render(c.Request().Context(), &out); err != nil {
		return err
	}
	return c.HTMLBlob(status, out.Bytes())
}

// DecodeBody reads one JSON value and refuses fields that mean nothing. The
// error of an empty body is io.EOF too.
func DecodeBody(c echo.Context, v any, example string) error {
	dec := json.NewDecoder(http.MaxBytesReader(c.Response(), c.Request().Body, 1<<20))
	dec.DisallowUnknownFields()
	err := dec.Decode(v)
	if err == nil && dec.More() {
		err = errors.New("there is more than one JSON value")
	}
	if err == nil || mlops.CodeOf(err) != mlops.Internal {
		return err
	}
	return &mlops.Error{Code: mlops.Invalid, Err: err,
		Message: fmt.Sprintf("the request is not as expected, for example %s: %s", example, strings.TrimPrefix(err.Error(), "json: "))}
}

// Call is the call of a program. What has begun goes on when it hangs up: Ctx does
// not end with the request.
type Call struct {
	echo.Context
	Ctx context.Context
}

// AnswerCall answers a call with what h returns, as JSON.
func AnswerCall(h func(*Call) (any, error)) echo.HandlerFunc {
	return func(c echo.Context) error {
		out, err := h(&Call{c, context.WithoutCancel(c.Request().Context())})
		if err != nil {
			return err
		}
		return c.JSONPretty(http.StatusOK, out, "  ")
	}
}

// ReadJSON reads the body of a change, of which nothing need be said: no body at
// all is an empty one.
func ReadJSON(c echo.Context, into any, example string) error {
	if err := DecodeBody(c, into, example); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// ActOf says who changes something, and why.
func ActOf(c echo.Context, reason string) mlops.Act {
	return mlops.Act{By: VisitorOf(c).Principal.Name, Reason: reason}
}
