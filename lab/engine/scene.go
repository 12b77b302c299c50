package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/lab/engine/check"
	"github.com/benchtop-lab/benchtop/lab/engine/format"
)

// maxThings is how many things a column shows.
const maxThings = 8

// paint draws the columns that the lab shows: those of Kubernetes by the
// cluster, the others from the API and S3.
func (s *stay) paint(ctx context.Context, c Cluster, env map[string]string) (mlops.LabScene, error) {
	ours := map[string]func(context.Context) (mlops.LabColumn, []mlops.LabLine, error){
		"Version": s.versions, "Traffic": s.traffic, "Bucket": s.bucket, "Experiment": s.experiments,
	}
	scene := mlops.LabScene{Columns: []mlops.LabColumn{}, Lines: []mlops.LabLine{}}
	var kinds []string
	for _, kind := range s.lab.Shows {
		if ours[kind] == nil {
			kinds = append(kinds, kind)
		}
	}
	drawn := map[string]mlops.LabColumn{}
	var errs []error
	if len(kinds) > 0 {
		k, err := c.LabScene(ctx, s.cluster(env), kinds)
		if err != nil {
			return scene, err
		}
		for _, column := range k.Columns {
			drawn[column.Kind] = column
		}
		scene.Lines = append(scene.Lines, k.Lines...)
	}
	for _, kind := range s.lab.Shows {
		if draw := ours[kind]; draw != nil {
			column, lines, err := draw(ctx)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", kind, err))
				column.Things = []mlops.LabThing{{ID: strings.ToLower(kind) + "/?", Name: "can't be read", State: plain(err), Mood: mlops.LabBad}}
			}
			column.Kind = kind
			if n := len(column.Things) - maxThings; n > 0 {
				column.Things, column.More = column.Things[:maxThings], n
			}
			drawn[kind] = column
			scene.Lines = append(scene.Lines, lines...)
		}
		column := drawn[kind]
		column.Kind = kind
		if column.Things == nil {
			column.Things = []mlops.LabThing{}
		}
		scene.Columns = append(scene.Columns, column)
	}
	there := map[string]bool{}
	for _, column := range scene.Columns {
		for _, t := range column.Things {
			there[t.ID] = true
		}
	}
	scene.Lines = slices.DeleteFunc(scene.Lines, func(l mlops.LabLine) bool { return !there[l.From] || !there[l.To] })
	if ctx.Err() != nil {
		return scene, errors.Join(append(errs, ctx.Err())...)
	}
	return scene, nil
}

// call asks the API with the room's key and decodes the answer.
func (s *stay) call(ctx context.Context, method, path string, body, into any) error {
	s.mu.Lock()
	token := s.token
	s.mu.Unlock()
	var sent []byte
	if body != nil {
		var err error
		if sent, err = json.Marshal(body); err != nil {
			return err
		}
	}
	status, answer, err := s.e.ports.Call(ctx, token, method, path, sent)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return mlops.Errorf(mlops.Unavailable, "%s answered %d", path, status)
	}
	b, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, into)
}

// belongs reports whether something of that name is the room's or its project's.
func (s *stay) belongs(name string) bool {
	return mlops.Belongs(name, s.room) || mlops.Belongs(name, s.project())
}

type registered struct {
	Models []struct {
		Name    string
		Aliases []struct{ Alias, Version string }
	} `json:"registered_models"`
}

type versioned struct {
	Versions []struct {
		Name, Version, Status, Description string
		Aliases                            []string
		RunID                              string `json:"run_id"`
	} `json:"model_versions"`
}

func (s *stay) models(ctx context.Context) (out registered, err error) {
	err = s.call(ctx, http.MethodGet, "/api/2.0/mlflow/registered-models/search?"+url.Values{"filter": {"name LIKE '" + s.room + "%'"}, "max_results": {"100"}}.Encode(), nil, &out)
	return out, err
}

func (s *stay) versions(ctx context.Context) (column mlops.LabColumn, _ []mlops.LabLine, _ error) {
	models, err := s.models(ctx)
	if err != nil {
		return column, nil, err
	}
	for _, m := range models.Models {
		if !s.belongs(m.Name) {
			continue
		}
		var found versioned
		q := url.Values{"filter": {"name='" + m.Name + "'"}, "max_results": {"100"}}
		if err := s.call(ctx, http.MethodGet, "/api/2.0/mlflow/model-versions/search?"+q.Encode(), nil, &found); err != nil {
			return column, nil, err
		}
		for _, v := range found.Versions {
			var aliases []string
			for _, a := range m.Aliases {
				if a.Version == v.Version {
					aliases = append(aliases, "@"+a.Alias)
				}
			}
			slices.Sort(aliases)
			mood := mlops.LabNone
			if len(aliases) > 0 {
				mood = mlops.LabOK
			}
			column.Things = append(column.Things, mlops.LabThing{ID: versionID(v.Name, v.Version), Name: v.Name + " v" + v.Version,
				State: strings.Join(aliases, " "), Mood: mood})
		}
	}
	return column, nil, nil
}

func versionID(model, version string) string { return "version/" + model + "/" + version }

func (s *stay) traffic(ctx context.Context) (column mlops.LabColumn, lines []mlops.LabLine, _ error) {
	var found struct{ Deployments []mlops.Deployment }
	if err := s.call(ctx, http.MethodGet, "/api/deployments", nil, &found); err != nil {
		return column, nil, err
	}
	for _, d := range found.Deployments {
		if !s.belongs(d.Name) && !s.belongs(d.Project) && !s.belongs(d.Model) {
			continue
		}
		t := mlops.LabThing{ID: "traffic/" + d.Name, Name: d.Name, State: fmt.Sprintf("%d of %d ready", d.Ready, d.Replicas), Mood: mlops.LabOK}
		switch {
		case d.Message != "":
			t.Mood, t.Facts = mlops.LabBad, []string{d.Message}
		case d.Ready == 0:
			t.Mood = mlops.LabBad
		case d.Ready < d.Replicas:
			t.Mood = mlops.LabBusy
		}
		if d.Paused {
			t.Facts = append(t.Facts, "paused")
		}
		if d.Pinned {
			t.Facts = append(t.Facts, "pinned")
		}
		column.Things = append(column.Things, t)
		if d.Version != "" {
			lines = append(lines, mlops.LabLine{From: t.ID, To: versionID(d.Model, d.Version), Label: "100 %", Bad: !d.Answers()})
		}
	}
	return column, lines, nil
}

func (s *stay) bucket(ctx context.Context) (column mlops.LabColumn, _ []mlops.LabLine, _ error) {
	objects, _, err := s.e.ports.Objects(ctx, s.room, "")
	if err != nil {
		return column, nil, err
	}
	for _, o := range objects {
		column.Things = append(column.Things, mlops.LabThing{ID: "object/" + o.Key, Name: o.Key, State: size(o.Bytes), Mood: mlops.LabNone})
	}
	return column, nil, nil
}

func size(n int64) string {
	switch {
	case n < 1<<10:
		return strconv.FormatInt(n, 10) + " B"
	case n < 1<<20:
		return strconv.FormatInt(n>>10, 10) + " KiB"
	}
	return strconv.FormatInt(n>>20, 10) + " MiB"
}

type experimented struct {
	Experiments []struct {
		ID   string `json:"experiment_id"`
		Name string
	}
}

func (s *stay) experimentsOf(ctx context.Context) (out experimented, err error) {
	err = s.call(ctx, http.MethodPost, "/api/2.0/mlflow/experiments/search", map[string]any{"max_results": 100, "filter": "name LIKE '" + s.room + "%'"}, &out)
	return out, err
}

func (s *stay) experiments(ctx context.Context) (column mlops.LabColumn, _ []mlops.LabLine, _ error) {
	found, err := s.experimentsOf(ctx)
	if err != nil {
		return column, nil, err
	}
	for _, x := range found.Experiments {
		if !s.belongs(x.Name) {
			continue
		}
		var runs struct {
			Runs []struct {
				Info struct {
					Status string
				}
			}
		}
		if err := s.call(ctx, http.MethodPost, "/api/2.0/mlflow/runs/search", map[string]any{"experiment_ids": []string{x.ID}, "max_results": 1000}, &runs); err != nil {
			return column, nil, err
		}
		t := mlops.LabThing{ID: "experiment/" + x.Name, Name: x.Name, State: fmt.Sprintf("%d runs", len(runs.Runs)), Mood: mlops.LabNone}
		if len(runs.Runs) == 1 {
			t.State = "1 run"
		}
		count := map[string]int{}
		for _, r := range runs.Runs {
			count[r.Info.Status]++
		}
		if n := count["FAILED"]; n > 0 {
			t.Mood, t.Facts = mlops.LabBad, append(t.Facts, fmt.Sprintf("%d failed", n))
		}
		if n := count["RUNNING"]; n > 0 {
			t.Mood, t.Facts = mlops.LabBusy, append(t.Facts, fmt.Sprintf("%d running", n))
		}
		column.Things = append(column.Things, t)
	}
	return column, nil, nil
}

// workKinds are the kinds whose objects are somebody's work.
var workKinds = []string{"Deployment", "StatefulSet", "DaemonSet", "CronJob", "Job", "Pod", "Service", "Ingress", "ConfigMap", "Secret", "PersistentVolumeClaim", "HorizontalPodAutoscaler", "NetworkPolicy"}

// holds lists what is in the room that no other object has made.
func (s *stay) holds(ctx context.Context) (out []string, err error) {
	c, err := s.e.ports.Cluster()
	if err != nil {
		return nil, err
	}
	for _, kind := range workKinds {
		list, err := c.LabObjects(ctx, mlops.LabObjects{Kind: kind, Namespace: s.room})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", kind, err)
		}
		all, _ := list.([]any)
		for _, o := range all {
			object, _ := o.(map[string]any)
			meta, _ := object["metadata"].(map[string]any)
			name, _ := meta["name"].(string)
			labels, _ := meta["labels"].(map[string]any)
			owners, _ := meta["ownerReferences"].([]any)
			_, ours := labels[mlops.LabRoomLabel]
			if name != "" && len(owners) == 0 && !ours && name != "kube-root-ca.crt" {
				out = append(out, kind+" "+name)
			}
		}
	}
	objects, _, err := s.e.ports.Objects(ctx, s.room, "")
	if err != nil {
		return nil, err
	}
	for _, o := range objects {
		out = append(out, "object "+o.Key)
	}
	found, err := s.experimentsOf(ctx)
	if err != nil {
		return nil, err
	}
	for _, x := range found.Experiments {
		if mlops.Belongs(x.Name, s.room) {
			out = append(out, "experiment "+x.Name)
		}
	}
	models, err := s.models(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range models.Models {
		if mlops.Belongs(m.Name, s.room) {
			out = append(out, "model "+m.Name)
		}
	}
	return out, nil
}

// ownFiles lists what is in the learner's home, or differs there, and did not come
// with the lab. Hidden files are tools'.
const ownFiles = `cd ~ && busybox find . -path './.*' -prune -o -type f -print | while read -r file; do
	busybox cmp -s "$file" "/lab/home/$file" || echo "file ~/${file#./}"
done`

// files lists the learner's own files. They go with the shell: where there is none
// any more, there are none.
func (s *stay) files(ctx context.Context, c Cluster, env map[string]string) ([]string, error) {
	shell, err := c.LabShell(ctx, s.room)
	if err != nil || !shell.Ready {
		return nil, err
	}
	out, err := s.run(ctx, mlops.LabLearner, ownFiles, env, format.Longest)
	if err == nil && out.Code != 0 {
		err = fmt.Errorf("the files of the shell can't be listed: %s", lastLines(out))
	}
	if err != nil {
		return nil, err
	}
	return strings.FieldsFunc(out.Stdout, func(r rune) bool { return r == '\n' }), nil
}

// contents says what work there is in the room, "" for none.
func (s *stay) contents(ctx context.Context) (string, error) {
	s.mu.Lock()
	passed, brought := len(s.passes), s.brought
	s.mu.Unlock()
	var parts []string
	if passed > 0 {
		tasks := "?"
		if s.lab != nil {
			tasks = strconv.Itoa(len(s.lab.Tasks))
		}
		parts = append(parts, fmt.Sprintf("%d of %s tasks passed", passed, tasks))
	}
	env, err := s.names(ctx)
	if err != nil {
		return "", err
	}
	c, err := s.e.ports.Cluster()
	if err != nil {
		return "", err
	}
	all, err := s.holds(ctx)
	if err != nil {
		return "", err
	}
	files, err := s.files(ctx, c, env)
	if err != nil {
		return "", err
	}
	if brought == nil {
		brought = s.manifested()
	}
	var made []string
	for _, what := range all {
		if !brought[what] {
			made = append(made, what)
		}
	}
	made = append(made, files...)
	const shown = 5
	if n := len(made); n > shown {
		made = append(made[:shown], fmt.Sprintf("%d more", n-shown))
	}
	return strings.Join(append(parts, made...), ", "), nil
}

// manifested is what the manifests of the setup make: all that is known of the
// setup after a restart.
func (s *stay) manifested() map[string]bool {
	out := map[string]bool{}
	if s.lab == nil {
		return out
	}
	for _, m := range s.lab.Manifests {
		for _, o := range m.Objects {
			out[o.Kind+" "+check.Expand(o.Name, map[string]string{"LAB": s.room, "PROJECT": s.project(), "BUCKET": s.room})] = true
		}
	}
	return out
}
