package mlflow

import (
	"mime"
	"net/http"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// refuseForged refuses requests that a web page of another origin has made the
// browser send. Without credentials it refuses all of them. With credentials it
// refuses only those to which the browser may have added a password that it
// remembers: a proxy or a notebook's page that sends its own credentials is no
// forger.
func (s *server) refuseForged(r *http.Request) error {
	err := http.NewCrossOriginProtection().Check(r)
	if err == nil || s.auth != nil && !remembered(r) {
		return nil
	}
	message := "this request came from another site, so it was not carried out"
	if s.auth != nil {
		message += ": send JSON as application/json, or a token as Authorization: Bearer (MLFLOW_TRACKING_TOKEN), which no browser adds by itself"
	}
	return &mlops.Error{Code: mlops.Denied, Message: message, Err: err}
}

// remembered reports whether a browser may have added the credentials of a
// request of another origin by itself. Browsers never add tokens. They add
// passwords to navigations, forms and images, and to requests that a script may
// send without a preflight. A script's own headers, methods other than POST,
// and JSON need a preflight, which we always refuse. The scripts' other
// requests name their origin, unless a proxy has taken that away.
func remembered(r *http.Request) bool {
	if scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " "); !strings.EqualFold(scheme, "Basic") {
		return false
	}
	switch r.Header.Get("Sec-Fetch-Mode") {
	case "navigate", "no-cors":
		return true
	}
	return r.Header.Get("Origin") != "" && r.Method == http.MethodPost && simple(r.Header.Get("Content-Type"))
}

// simple reports whether browsers send bodies of this type anywhere without a
// preflight.
func simple(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	switch {
	case contentType == "" || err != nil:
		return true
	case kind == "text/plain", kind == "application/x-www-form-urlencoded", kind == "multipart/form-data":
		return true
	}
	return false
}
