package mlflow

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"

	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/store"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/scope"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/traces"
)

// This file decides what a principal that is limited to projects reaches. Every
// call has a row in scopes. The row names the fields of the request that say
// what the call is about, and they are checked before the handler runs. A call
// without a row is refused. Principals without a limit are not checked.
//
// Outside of the projects the answer is 403, whether a thing exists or not:
// get-by-name must not invite clients to create it, and an id must not tell
// that somebody has it.

// aim says how a field tells what a call is about.
type aim int

const (
	experiment   aim = iota // id of an experiment
	experimentOr            // the same; empty is the experiment "0"
	showsLogged             // id of an experiment; some of its logged models are enough
	run                     // id of a run
	loggedModel             // id of a logged model
	trace                   // id of a trace
	newTrace                // the same, or an id that no trace has
	knownTraces             // ids of traces; those outside are dropped, like those that do not exist
	name                    // name of an experiment or a registered model, whether it exists or not
	readRun                 // as run, but reading the run is enough although the call changes something
	readModel               // the same for a logged model
	source                  // where the files of a new version come from
	emptyOnly               // only a principal without a limit may set it
)

// target is a field of a request: its name in the JSON, query, path or header,
// with dots and [] where it lies deeper.
type target struct {
	aim   aim
	field string
}

// callScope says how a call is kept within projects.
type callScope struct {
	targets []target
	// inQuery: the handler limits its search (pageReq.query).
	inQuery bool
	// refused says why the call is refused altogether, if it is.
	refused string
}

func of(targets ...target) callScope { return callScope{targets: targets} }

// Many calls share these rows.
var (
	aboutRun        = of(target{run, "run_id"}, target{run, "run_uuid"})
	aboutExperiment = of(target{experiment, "experiment_id"})
	aboutName       = of(target{name, "name"})
	aboutLogged     = of(target{loggedModel, "model_id"})
	aboutTrace      = of(target{trace, "trace_id"})
	found           = callScope{inQuery: true}
	wholeLab        = callScope{refused: "this is about the whole lab"}
	allData         = callScope{refused: "projects share their datasets, and this tells what came of them everywhere"}
	webhookCalls    = callScope{refused: "webhooks are told of the changes of all projects"}
)

// scopes has a row for every call. Calls of the protocol stand without their
// root.
var scopes = map[string]callScope{
	"POST experiments/create":                of(target{name, "name"}, target{emptyOnly, "artifact_location"}),
	"GET experiments/get":                    aboutExperiment,
	"GET experiments/get-by-name":            of(target{name, "experiment_name"}),
	"GET experiments/search":                 found,
	"POST experiments/search":                found,
	"POST experiments/update":                of(target{experiment, "experiment_id"}, target{name, "new_name"}),
	"POST experiments/delete":                aboutExperiment,
	"POST experiments/restore":               aboutExperiment,
	"POST experiments/set-experiment-tag":    aboutExperiment,
	"POST experiments/delete-experiment-tag": aboutExperiment,
	"POST experiments/search-datasets":       of(target{experiment, "experiment_ids[]"}),

	"POST runs/create":                      of(target{experimentOr, "experiment_id"}),
	"POST runs/update":                      aboutRun,
	"GET runs/get":                          aboutRun,
	"POST runs/delete":                      of(target{run, "run_id"}),
	"POST runs/restore":                     of(target{run, "run_id"}),
	"POST runs/search":                      of(target{experiment, "experiment_ids[]"}),
	"POST runs/set-tag":                     aboutRun,
	"POST runs/delete-tag":                  of(target{run, "run_id"}),
	"POST runs/log-inputs":                  of(target{run, "run_id"}, target{readModel, "models[].model_id"}),
	"POST runs/outputs":                     of(target{run, "run_id"}, target{loggedModel, "models[].model_id"}),
	"POST runs/log-model":                   of(target{run, "run_id"}),
	"POST runs/log-metric":                  of(target{run, "run_id"}, target{run, "run_uuid"}, target{loggedModel, "model_id"}),
	"POST runs/log-parameter":               aboutRun,
	"POST runs/log-batch":                   of(target{run, "run_id"}, target{loggedModel, "metrics[].model_id"}),
	"GET metrics/get-history":               aboutRun,
	"GET metrics/get-history-bulk":          of(target{run, "run_id[]"}),
	"GET metrics/get-history-bulk-interval": of(target{run, "run_ids[]"}),
	"GET artifacts/list":                    aboutRun,
	"GET /get-artifact":                     aboutRun,
	"GET get-artifact":                      aboutRun,

	"POST logged-models":                                 of(target{experiment, "experiment_id"}, target{readRun, "source_run_id"}),
	"POST logged-models/search":                          of(target{showsLogged, "experiment_ids[]"}), // and the search finds what is shown
	"GET logged-models/{model_id}":                       aboutLogged,
	"PATCH logged-models/{model_id}":                     aboutLogged,
	"DELETE logged-models/{model_id}":                    aboutLogged,
	"PATCH logged-models/{model_id}/tags":                aboutLogged,
	"DELETE logged-models/{model_id}/tags/{tag_key}":     aboutLogged,
	"POST logged-models/{model_id}/params":               aboutLogged,
	"GET logged-models/{model_id}/artifacts/directories": aboutLogged,
	"GET logged-models/{model_id}/artifacts/files":       aboutLogged,

	"POST registered-models/create":              aboutName,
	"GET registered-models/get":                  aboutName,
	"POST registered-models/rename":              of(target{name, "name"}, target{name, "new_name"}),
	"PATCH registered-models/update":             aboutName,
	"DELETE registered-models/delete":            aboutName,
	"GET registered-models/search":               found,
	"GET registered-models/get-latest-versions":  aboutName,
	"POST registered-models/get-latest-versions": aboutName,
	"POST registered-models/set-tag":             aboutName,
	"DELETE registered-models/delete-tag":        aboutName,
	"POST registered-models/alias":               aboutName,
	"DELETE registered-models/alias":             aboutName,
	"GET registered-models/alias":                aboutName,

	"POST model-versions/create":           of(target{name, "name"}, target{readRun, "run_id"}, target{readModel, "model_id"}, target{source, "source"}),
	"GET model-versions/get":               aboutName,
	"PATCH model-versions/update":          aboutName,
	"POST model-versions/transition-stage": aboutName,
	"DELETE model-versions/delete":         aboutName,
	"GET model-versions/search":            found,
	"GET model-versions/get-download-uri":  aboutName,
	"POST model-versions/set-tag":          aboutName,
	"DELETE model-versions/delete-tag":     aboutName,
	"GET /model-versions/get-artifact":     aboutName,

	"GET /api/lineage/datasets":                        allData,
	"GET /api/lineage/datasets/{digest}":               allData,
	"GET /api/lineage/model-versions/{name}/{version}": aboutName, // and its handler leaves out what is elsewhere

	"POST traces":                                          of(target{experiment, "trace.trace_info.trace_location.mlflow_experiment.experiment_id"}, target{newTrace, "trace.trace_info.trace_id"}),
	"GET traces/{trace_id}":                                aboutTrace,
	"GET traces/get":                                       aboutTrace,
	"GET traces/batchGet":                                  of(target{knownTraces, "trace_ids[]"}),
	"POST traces/batchGetInfos":                            of(target{knownTraces, "trace_ids[]"}),
	"POST traces/search":                                   of(target{experiment, "locations[].mlflow_experiment.experiment_id"}),
	"PATCH traces/{trace_id}/tags":                         aboutTrace,
	"DELETE traces/{trace_id}/tags":                        aboutTrace,
	"POST traces/delete-traces":                            aboutExperiment, // which the traces must lie in
	"POST traces/link-to-run":                              of(target{trace, "trace_ids[]"}, target{run, "run_id"}),
	"POST traces/link-prompts":                             of(target{trace, "trace_id"}, target{name, "prompt_versions[].name"}),
	"POST traces/{trace_id}/assessments":                   aboutTrace,
	"GET traces/{trace_id}/assessments/{assessment_id}":    aboutTrace,
	"PATCH traces/{trace_id}/assessments/{assessment_id}":  aboutTrace,
	"DELETE traces/{trace_id}/assessments/{assessment_id}": aboutTrace,
	"POST /v1/traces":                                      of(target{experiment, "X-Mlflow-Experiment-Id"}, target{run, "X-Mlflow-Run-Id"}), // and reachSpans

	"POST webhooks":                   webhookCalls,
	"GET webhooks":                    webhookCalls,
	"GET webhooks/{webhook_id}":       webhookCalls,
	"PATCH webhooks/{webhook_id}":     webhookCalls,
	"DELETE webhooks/{webhook_id}":    webhookCalls,
	"POST webhooks/{webhook_id}/test": webhookCalls,
	"POST /api/registry/gc":           wholeLab,
}

func principalOf(ctx context.Context) mlops.Principal {
	p, _ := ctx.Value(principalKey{}).(mlops.Principal)
	return p
}

// reach is one request of a principal that is limited to projects. If changes
// is true the call writes, and reading what it is about is not enough.
type reach struct {
	store   *store.Store
	who     mlops.Principal
	changes bool
}

// inScope checks a call by its row. values returns a field's values. For
// knownTraces, inScope calls drop to take values out.
func (s *server) inScope(ctx context.Context, call string, changes bool, values func(field string) []string, drop func(field string, keep func(string) bool)) error {
	who := principalOf(ctx)
	if !who.Limited() {
		return nil
	}
	sc, known := scopes[call]
	switch {
	case !known || len(sc.targets) == 0 && !sc.inQuery && sc.refused == "":
		return who.Outside("what belongs to a project is not known of " + call + ": use a key without projects")
	case sc.refused != "":
		return who.Outside(sc.refused + ": use a key without projects")
	}
	r := reach{s.store, who, changes}
	for _, t := range sc.targets {
		if t.aim == knownTraces {
			var err error
			drop(t.field, func(id string) bool {
				ok, e := r.holds(ctx, scope.KindTrace, id, false)
				if e != nil {
					err = e
				}
				return ok
			})
			if err != nil {
				return err
			}
			continue
		}
		all := values(t.field)
		if t.aim == experimentOr && (len(all) == 0 || all[0] == "") {
			all = []string{"0"}
		}
		for _, v := range all {
			if v == "" {
				continue // the handler says what is missing
			}
			if err := r.check(ctx, t.aim, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// check refuses a value if what it names is outside.
func (r reach) check(ctx context.Context, a aim, v string) error {
	switch a {
	case experiment, experimentOr:
		return r.thing(ctx, scope.KindExperiment, v, r.changes)
	case showsLogged:
		return r.showsLogged(ctx, v)
	case run:
		return r.thing(ctx, scope.KindRun, v, r.changes)
	case readRun:
		return r.thing(ctx, scope.KindRun, v, false)
	case loggedModel:
		return r.thing(ctx, scope.KindLoggedModel, v, r.changes)
	case readModel:
		return r.thing(ctx, scope.KindLoggedModel, v, false)
	case trace:
		return r.thing(ctx, scope.KindTrace, v, r.changes)
	case newTrace:
		of, exists, err := r.store.Scope.ExperimentOf(ctx, scope.KindTrace, v)
		if err == nil && exists && !r.who.Holds(of) {
			err = r.outside(scope.KindTrace, v)
		}
		return err
	case name:
		return r.name(v)
	case source:
		return r.source(v)
	case emptyOnly:
		return r.who.Outside("only who reaches the whole lab may choose where artifacts lie: leave artifact_location out")
	}
	return fmt.Errorf("scope: no check for aim %d", a)
}

func (r reach) name(v string) error {
	if r.who.Holds(v) {
		return nil
	}
	p := r.who.Projects[0]
	return r.who.Outside(fmt.Sprintf("%q is not part of it: expected %s, or a name that begins with %s. (an experiment's also with %s/)", clip(v), strings.Join(r.who.Projects, " or "), p, p))
}

// source checks models:/<name>/<version> and models:/<name>@<alias>. Any other
// source on this server has to name a run or a logged model, and these are
// checked by fields of their own.
func (r reach) source(v string) error {
	u, err := url.Parse(v)
	if err != nil || u.Scheme != "models" {
		return nil // the store says what is wrong
	}
	model, _, isVersion := strings.Cut(strings.Trim(u.Path, "/"), "/")
	model, _, isAlias := strings.Cut(model, "@")
	if !isVersion && !isAlias {
		return nil
	}
	return r.name(model)
}

func (r reach) thing(ctx context.Context, kind scope.Kind, id string, changes bool) error {
	ok, err := r.holds(ctx, kind, id, changes)
	if err == nil && !ok {
		err = r.outside(kind, id)
	}
	return err
}

// showsLogged lets a search into an experiment of others if a version of one's
// models comes from it: MLflow's client looks there for the files of runs:/
// sources.
func (r reach) showsLogged(ctx context.Context, experiment string) error {
	ok, err := r.holds(ctx, scope.KindExperiment, experiment, false)
	if err == nil && !ok {
		ok, err = r.store.Scope.ShowsLogged(ctx, experiment, r.who.Projects)
	}
	if err == nil && !ok {
		err = r.outside(scope.KindExperiment, experiment)
	}
	return err
}

func (r reach) holds(ctx context.Context, kind scope.Kind, id string, changes bool) (bool, error) {
	of, exists, err := r.store.Scope.ExperimentOf(ctx, kind, id)
	if err != nil || changes || exists && r.who.Holds(of) {
		return err == nil && exists && r.who.Holds(of), err
	}
	// A version still names what is gone for good. Then the handler says that
	// it is gone, and clients know what to do about that.
	return r.store.Scope.MadeVersion(ctx, kind, id, r.who.Projects)
}

func (r reach) outside(kind scope.Kind, id string) error {
	return r.who.Outside(fmt.Sprintf("there is no %s %s for it", kind, clip(id)))
}

func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}

// reachPath checks a key of the artifact store.
func (s *server) reachPath(ctx context.Context, key string, changes bool) error {
	who := principalOf(ctx)
	if !who.Limited() {
		return nil
	}
	above, below, err := s.store.Scope.ExperimentsAt(ctx, key)
	if err != nil {
		return err
	}
	ok := len(above) > 0
	for _, name := range append(above, below...) {
		ok = ok && who.Holds(name)
	}
	if !ok && !changes {
		if ok, err = s.store.Scope.VersionAt(ctx, key, who.Projects); err != nil {
			return err
		}
	}
	if !ok {
		return who.Outside(fmt.Sprintf("the path %q is not one of its experiments' artifacts", clip(key)))
	}
	return nil
}

// reachSpans checks that spans are not added to a trace of others.
func (s *server) reachSpans(ctx context.Context, data *tracev1.TracesData) error {
	who := principalOf(ctx)
	if !who.Limited() {
		return nil
	}
	r, seen := reach{s.store, who, true}, map[string]bool{}
	for _, rs := range data.GetResourceSpans() {
		for _, ss := range rs.GetScopeSpans() {
			for _, sp := range ss.GetSpans() {
				id := traces.TraceIDOf(hex.EncodeToString(sp.GetTraceId()))
				if seen[id] {
					continue
				}
				seen[id] = true
				if err := r.check(ctx, newTrace, id); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// handle registers a call that reads its request itself.
func (s *server) handle(pattern string, h http.HandlerFunc) {
	call := callOf(pattern)
	s.calls = append(s.calls, call)
	s.scoped[pattern] = true
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if err := s.inScope(r.Context(), call, r.Method != http.MethodGet && r.Method != http.MethodHead, requestValues(r), nil); err != nil {
			s.fail(w, r, err)
			return
		}
		h(w, r)
	})
}

// callOf is the key in scopes of a pattern.
func callOf(pattern string) string {
	method, p, _ := strings.Cut(pattern, " ")
	for _, root := range roots {
		if rest, ok := strings.CutPrefix(p, root); ok {
			return method + " " + rest
		}
	}
	return pattern
}

// requestValues reads fields of the path, the query and the headers.
func requestValues(r *http.Request) func(field string) []string {
	return func(field string) []string {
		return slices.Concat([]string{r.PathValue(field)}, r.URL.Query()[field], r.Header.Values(field))
	}
}

// fieldValues reads fields of a decoded request, a pointer to a struct.
func fieldValues(q any) func(field string) []string {
	return func(field string) (out []string) {
		walk(reflect.ValueOf(q), strings.Split(field, "."), func(v reflect.Value) { out = append(out, v.String()) })
		return out
	}
}

// dropValues takes those of a list out that are not to be kept.
func dropValues(q any) func(field string, keep func(string) bool) {
	return func(field string, keep func(string) bool) {
		list := member(reflect.ValueOf(q).Elem(), strings.TrimSuffix(field, "[]"))
		kept := reflect.MakeSlice(list.Type(), 0, list.Len())
		for i := range list.Len() {
			if keep(list.Index(i).String()) {
				kept = reflect.Append(kept, list.Index(i))
			}
		}
		list.Set(kept)
	}
}

// walk calls f with the texts at the end of a field's path.
func walk(v reflect.Value, steps []string, f func(reflect.Value)) {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return
		}
		v = v.Elem()
	}
	if len(steps) == 0 {
		f(v)
		return
	}
	step, list := strings.CutSuffix(steps[0], "[]")
	v = member(v, step)
	if !list {
		walk(v, steps[1:], f)
		return
	}
	for i := range v.Len() {
		walk(v.Index(i), steps[1:], f)
	}
}

// member finds a field by its name in the JSON or the path, in embedded
// structs too. That it is there is checked when a call is registered.
func member(v reflect.Value, name string) reflect.Value {
	i := fieldOf(v.Type(), name)
	if i == nil {
		panic("scope: " + v.Type().String() + " has no field " + name)
	}
	return v.FieldByIndex(i)
}

func fieldOf(t reflect.Type, name string) []int {
	if t.Kind() != reflect.Struct {
		return nil
	}
	for i := range t.NumField() {
		f := t.Field(i)
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag == name || f.Tag.Get("path") == name {
			return []int{i}
		}
		if f.Anonymous && tag == "" {
			if rest := fieldOf(f.Type, name); rest != nil {
				return append([]int{i}, rest...)
			}
		}
	}
	return nil
}

// checkFields panics if a row names a field that the request does not have.
func checkFields(call string, q reflect.Type) {
	for _, t := range scopes[call].targets {
		at := q
		for _, step := range strings.Split(t.field, ".") {
			step, list := strings.CutSuffix(step, "[]")
			for at.Kind() == reflect.Pointer {
				at = at.Elem()
			}
			i := fieldOf(at, step)
			if i == nil {
				panic(fmt.Sprintf("scope: the request of %s has no field %s", call, t.field))
			}
			if at = at.FieldByIndex(i).Type; list {
				at = at.Elem()
			}
		}
		if at.Kind() != reflect.String {
			panic(fmt.Sprintf("scope: the field %s of %s is no text", t.field, call))
		}
	}
}
