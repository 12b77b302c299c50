package appliance

import (
	"cmp"
	"context"
	"net/http"
	"net/url"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/ports"
)

// LabRequest is what a command about a guided lab has to say. Which fields count
// depends on the verb.
type LabRequest struct {
	Task     string `json:"task,omitempty"`     // check, hint, answer, reset, solve
	Question string `json:"question,omitempty"` // answer
	Answer   string `json:"answer,omitempty"`   // answer
	Timed    bool   `json:"timed,omitempty"`    // start, break
	Sure     bool   `json:"sure,omitempty"`     // leave
	Seed     int64  `json:"seed,omitempty"`     // break
	User     string `json:"user,omitempty"`     // leave: whose session; the administrator's if empty
}

// labUser is whose labs the command line speaks of: root is the administrator.
const labUser = "admin"

// labCalls are the calls of the command line about guided labs. What has begun
// goes on when the command ends early.
func (c *control) labCalls(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/labs", c.labCall(func(r *http.Request, l ports.Labs) (any, error) { return l.Catalogue(r.Context(), labUser) }))
	mux.HandleFunc("GET /v1/labs/{lab}", c.labCall(func(r *http.Request, l ports.Labs) (any, error) {
		return l.Lab(r.Context(), labUser, r.PathValue("lab"))
	}))
	mux.HandleFunc("POST /v1/lab-verify", c.labVerify)
	mux.HandleFunc("GET /v1/lab-history", c.labCall(func(r *http.Request, l ports.Labs) (any, error) { return l.Export(r.Context(), labUser) }))
	mux.HandleFunc("POST /v1/labs/{lab}/{verb}", c.labCall(func(r *http.Request, l ports.Labs) (any, error) {
		var in LabRequest
		if err := decodeCall(r, &in); err != nil {
			return nil, err
		}
		out, err := doLab(context.WithoutCancel(r.Context()), l, r.PathValue("lab"), r.PathValue("verb"), in)
		if err == nil {
			c.a.log.Info("guided lab", "lab", r.PathValue("lab"), "verb", r.PathValue("verb"), "task", in.Task)
		}
		return out, err
	}))
}

func doLab(ctx context.Context, l ports.Labs, lab, verb string, in LabRequest) (any, error) {
	nothing := struct{}{}
	switch verb {
	case "start":
		return nothing, l.Start(ctx, labUser, lab, in.Timed)
	case "leave":
		return nothing, mlops.LabSure(l.Leave(ctx, cmp.Or(in.User, labUser), lab, in.Sure), "--sure")
	case "check":
		if err := l.Check(ctx, labUser, lab, in.Task); err != nil {
			return nil, err
		}
		return l.Lab(ctx, labUser, lab)
	case "hint":
		return l.Hint(ctx, labUser, lab, in.Task)
	case "answer":
		return l.Answer(ctx, labUser, lab, in.Task, in.Question, in.Answer)
	case "reset":
		return nothing, l.Reset(ctx, labUser, lab, in.Task)
	case "break":
		return nothing, l.Break(ctx, labUser, lab, in.Seed, in.Timed)
	case "give-up":
		return nothing, l.GiveUp(ctx, labUser, lab)
	case "solve":
		return l.Solve(ctx, labUser, lab, in.Task)
	}
	return nil, mlops.Errorf(mlops.EndpointError, "a guided lab cannot %s", verb)
}

// labCall answers with what the guided labs say, once they can be asked.
func (c *control) labCall(do func(r *http.Request, l ports.Labs) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		out, err := do(r, c.labs)
		c.answer(w, http.StatusOK, out, err)
	}
}

// Labs lists the guided labs with what the administrator has reached in them.
func (c *Control) Labs(ctx context.Context) (out []mlops.LabEntry, err error) {
	return out, c.call(ctx, http.MethodGet, "/v1/labs", nil, &out)
}

// Lab returns everything about one guided lab.
func (c *Control) Lab(ctx context.Context, lab string) (out mlops.LabView, err error) {
	return out, c.call(ctx, http.MethodGet, "/v1/labs/"+url.PathEscape(lab), nil, &out)
}

// LabHistory returns all that is kept of the administrator's guided labs.
func (c *Control) LabHistory(ctx context.Context) (out []mlops.LabHistory, err error) {
	return out, c.call(ctx, http.MethodGet, "/v1/lab-history", nil, &out)
}

// DoLab does something in a guided lab: start, leave, reset, break or give-up.
func (c *Control) DoLab(ctx context.Context, lab, verb string, in LabRequest) error {
	return c.doLab(ctx, lab, verb, in, new(struct{}))
}

func (c *Control) doLab(ctx context.Context, lab, verb string, in LabRequest, out any) error {
	return c.send(ctx, http.MethodPost, "/v1/labs/"+url.PathEscape(lab)+"/"+verb, in, out)
}

// CheckLab looks now at a task, at all open ones if task is "".
func (c *Control) CheckLab(ctx context.Context, lab, task string) (out mlops.LabView, err error) {
	return out, c.doLab(ctx, lab, "check", LabRequest{Task: task}, &out)
}

// LabHint takes the next hint of a task, of the fault that is looked for if task
// is "".
func (c *Control) LabHint(ctx context.Context, lab, task string) (out mlops.LabHintTaken, err error) {
	return out, c.doLab(ctx, lab, "hint", LabRequest{Task: task}, &out)
}

// AnswerLab answers a question.
func (c *Control) AnswerLab(ctx context.Context, lab string, in LabRequest) (out mlops.LabQuestion, err error) {
	return out, c.doLab(ctx, lab, "answer", in, &out)
}

// SolveLab runs the author's solution of a task and returns what it has printed.
func (c *Control) SolveLab(ctx context.Context, lab, task string) (out string, err error) {
	return out, c.doLab(ctx, lab, "solve", LabRequest{Task: task}, &out)
}
