package minio

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// accessKey returns the access key that signed a request, in its header or its
// address; "" if none did.
func accessKey(r *http.Request) string {
	header := r.Header.Get("Authorization")
	if rest, ok := strings.CutPrefix(header, "AWS4-HMAC-SHA256"); ok {
		if _, credential, ok := strings.Cut(rest, "Credential="); ok {
			key, _, _ := strings.Cut(credential, "/") // then date, region, service
			return key
		}
		return ""
	}
	if rest, ok := strings.CutPrefix(header, "AWS "); ok { // signature version 2
		key, _, _ := strings.Cut(rest, ":")
		return key
	}
	q := r.URL.Query()
	if credential := q.Get("X-Amz-Credential"); credential != "" {
		key, _, _ := strings.Cut(credential, "/")
		return key
	}
	return q.Get("AWSAccessKeyId")
}

type guestKey struct{}

// admit refuses keys that the door does not know, and marks the requests of
// those that it knows.
func (p *proxy) admit(w http.ResponseWriter, r *http.Request) (*http.Request, bool) {
	if p.door == nil || healthPaths[r.URL.Path] {
		return r, true
	}
	key := accessKey(r)
	if p.own[key] {
		return r, true
	}
	switch err := p.door.Admit(key); {
	case err == nil:
		return r.WithContext(context.WithValue(r.Context(), guestKey{}, key)), true
	case mlops.CodeOf(err) == mlops.Unavailable:
		w.Header().Set("Retry-After", "1")
		refuse(w, r, http.StatusServiceUnavailable, "ServiceUnavailable", mlops.MessageOf(err))
	case errors.Is(err, mlops.ErrCredentials):
		refuse(w, r, http.StatusForbidden, "InvalidAccessKeyId", "The access key "+key+" is not known here: it was revoked, or never was one.")
	default:
		refuse(w, r, http.StatusForbidden, "AccessDenied", mlops.MessageOf(err))
	}
	return r, false
}

// served tells the door that MinIO has accepted a signature.
func (p *proxy) served(resp *http.Response) error {
	key, _ := resp.Request.Context().Value(guestKey{}).(string)
	if key != "" && (resp.StatusCode < 400 || resp.StatusCode == http.StatusNotFound) {
		p.door.Used(key)
	}
	return nil
}

// ownKeys are the access keys that the door is not asked about: the
// configuration's, this process's and the root's.
func (c Config) ownKeys() map[string]bool {
	own := map[string]bool{c.RootUser: true}
	for _, usr := range c.Users {
		own[usr.AccessKey] = true
	}
	for _, b := range c.Buckets {
		for _, usr := range b.ownUsers(c.RootPassword) {
			own[usr.AccessKey] = true
		}
	}
	return own
}
