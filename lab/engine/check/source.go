package check

import (
	"encoding/json"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Source is something that expectations look at: one of its fields is set.
type Source struct {
	Object  *Objects `json:",omitempty"` // one: a map, or null
	Objects *Objects `json:",omitempty"` // a list by name
	HTTP    *HTTP    `json:",omitempty"`
	PromQL  string   `json:",omitempty"`
	API     *API     `json:",omitempty"`
	S3      *S3      `json:",omitempty"`
	Script  *Script  `json:",omitempty"`
}

// Objects are objects of Kubernetes.
type Objects struct {
	APIVersion, Kind, Namespace, Name, Labels, Fields string
}

// HTTP is a request to something that runs in the lab.
type HTTP struct {
	URL, Method, Body string
	Headers           map[string]string
	Timeout           time.Duration
}

// API is a request to the lab's own API. With a Body it is a POST.
type API struct{ Path, Body string }

// S3 is what lies in a bucket below a prefix.
type S3 struct{ Bucket, Prefix string }

// Script runs in the container of the author.
type Script struct {
	Name, Text string
	Timeout    time.Duration
}

// Bounds of how long sources may take.
const (
	SourceTimeout     = 3 * time.Second
	DefaultHTTP       = 2 * time.Second
	DefaultScript     = 10 * time.Second
	LongestHTTP       = 5 * time.Second
	LongestScript     = 30 * time.Second
	maxBody       int = 64 << 10
)

// expanded is the source with the names of a session filled in.
func (s Source) expanded(env map[string]string) Source {
	x := func(text string) string { return Expand(text, env) }
	objects := func(o *Objects) *Objects {
		if o == nil {
			return nil
		}
		return &Objects{APIVersion: o.APIVersion, Kind: o.Kind, Namespace: x(o.Namespace), Name: x(o.Name), Labels: x(o.Labels), Fields: x(o.Fields)}
	}
	out := Source{Object: objects(s.Object), Objects: objects(s.Objects), PromQL: x(s.PromQL), Script: s.Script}
	if h := s.HTTP; h != nil {
		out.HTTP = &HTTP{URL: x(h.URL), Method: h.Method, Body: x(h.Body), Headers: map[string]string{}, Timeout: h.Timeout}
		for name, value := range h.Headers {
			out.HTTP.Headers[name] = x(value)
		}
	}
	if s.API != nil {
		out.API = &API{Path: x(s.API.Path), Body: x(s.API.Body)}
	}
	if s.S3 != nil {
		out.S3 = &S3{Bucket: x(s.S3.Bucket), Prefix: x(s.S3.Prefix)}
	}
	return out
}

// key is the same for sources that say the same.
func (s Source) key() string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings, maps of strings and numbers have a JSON
	}
	return string(b)
}

// dear reports whether asking costs a process or an open connection to
// somebody's server: such a source is asked only once an expectation needs it.
func (s Source) dear() bool { return s.Script != nil || s.HTTP != nil }

// timeout is how long the source may take.
func (s Source) timeout() time.Duration {
	switch {
	case s.HTTP != nil:
		return s.HTTP.Timeout
	case s.Script != nil:
		return s.Script.Timeout
	}
	return SourceTimeout
}

// query is what the cluster is asked.
func (o *Objects) query() mlops.LabObjects {
	q := mlops.LabObjects{APIVersion: o.APIVersion, Kind: o.Kind, Namespace: o.Namespace, Name: o.Name, Labels: o.Labels, Fields: o.Fields}
	if q.Namespace == "-" {
		q.Namespace = ""
	}
	return q
}
