package mlops

import (
	"net/url"
	"strconv"
)

// Pushed is what came of a push: the project, and the training that it asked for.
type Pushed struct {
	Project  Project  `json:"project"`
	Training Training `json:"training"`
}

// PushRequest says what comes with the code of a push.
type PushRequest struct {
	Project string // its name; it is made if it is not there
	Entry   string // the file to run, "" to look for one
	Command string // what to run instead of a file, as a shell would be given it
	Commit  string // of git
	Dirty   bool
	Explain bool // only say what would happen
	By      string
}

// Query is the request as the parameters of a call. Project is part of its path,
// and By is known to whoever answers.
func (r PushRequest) Query() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"entry": r.Entry, "command": r.Command, "commit": r.Commit} {
		if value != "" {
			q.Set(name, value)
		}
	}
	for name, value := range map[string]bool{"dirty": r.Dirty, "explain": r.Explain} {
		if value {
			q.Set(name, "true")
		}
	}
	return q
}

// ParsePush reads the parameters of a call. An unknown one is an error.
func ParsePush(project string, q url.Values) (PushRequest, error) {
	r := PushRequest{Project: project}
	texts := map[string]*string{"entry": &r.Entry, "command": &r.Command, "commit": &r.Commit}
	flags := map[string]*bool{"dirty": &r.Dirty, "explain": &r.Explain}
	for name, values := range q {
		switch {
		case len(values) != 1:
			return r, Errorf(Invalid, "parameter %s is there %d times: expected once", name, len(values))
		case texts[name] != nil:
			*texts[name] = values[0]
		case flags[name] != nil:
			b, err := strconv.ParseBool(values[0])
			if err != nil {
				return r, Errorf(Invalid, "parameter %s is %q: expected true or false", name, values[0])
			}
			*flags[name] = b
		default:
			return r, Errorf(Invalid, "parameter %s is not known: expected entry, command, commit, dirty or explain", name)
		}
	}
	return r, nil
}

// PushAnswer is what the lab says of a push: what it has found, and what it does.
type PushAnswer struct {
	SHA256 string   `json:"sha256"`
	Bytes  int64    `json:"bytes"`
	Files  int      `json:"files"`
	Plan   CodePlan `json:"plan"`
	// Manifests is what will be applied, as YAML: only if that was asked for.
	Manifests string `json:"manifests,omitempty"`
	// Pushed is nil if only that was asked for.
	Pushed *Pushed `json:"pushed,omitempty"`
}

// PushState is how far a training of pushed code has come, up to what is served.
type PushState struct {
	Training Training `json:"training"`
	// Version is the newest one that the training's run has registered of the model
	// that is served, 0 for none.
	Version int `json:"version,omitempty"`
	// Revision puts that version into service, nil before there is one.
	Revision *Revision `json:"revision,omitempty"`
	// Address answers predictions once the revision is live.
	Address string `json:"address"`
	// Held says why no version is put into service by itself, "" if it is.
	Held string `json:"held,omitempty"`
}
