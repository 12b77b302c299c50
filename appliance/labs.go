package appliance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/access"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/appliance/supervise"
	"github.com/benchtop-lab/benchtop/embedded/images"
	"github.com/benchtop-lab/benchtop/lab/engine"
)

var _ engine.Cluster = clusterPort{}

// labsUnit runs guided labs as a unit: it goes on with rooms that were being made
// or removed when the process ended.
type labsUnit struct{ *engine.Engine }

func (u labsUnit) Name() string { return "labs" }

// Run is ready at once: nothing waits for a guided lab.
func (u labsUnit) Run(ctx context.Context, h *supervise.Handle) error {
	h.Ready()
	return u.Engine.Run(ctx)
}

// labPorts is what the engine of guided labs gets of the rest of the process.
func (a *Appliance) labPorts(bundle *images.Bundle) engine.Ports {
	return engine.Ports{
		Store: func() (engine.Store, error) {
			if s := a.registry.Store(); s != nil {
				return s.Labs, nil
			}
			return nil, unavailable("the registry")
		},
		Cluster: func() (engine.Cluster, error) { return connected(a.cluster) },
		Loop: func() (engine.Loop, error) {
			s, err := a.loopPort.steps()
			return labLoop{s, a.keys}, err
		},
		Keys: labKeys{a.keys, a}, Metrics: a.prometheus, Left: a.leftOfLab,
		Env:  func(room, token string) map[string]string { return a.labEnv(bundle, room, token) },
		GPUs: func(context.Context) (bool, error) { return a.gpus.any(), nil },
		Call: a.labCall, Objects: a.minio.ListBucket, Clear: a.clearLab, Dial: a.labDialer().dial,
	}
}

// labEnv is what shells, scripts and texts of a room are told.
func (a *Appliance) labEnv(bundle *images.Bundle, room, token string) map[string]string {
	return map[string]string{
		"MLFLOW_TRACKING_URI": "http://mlflow.benchtop.svc:5000", "MLFLOW_TRACKING_USERNAME": room, "MLFLOW_TRACKING_PASSWORD": token,
		"AWS_ACCESS_KEY_ID": room, "AWS_SECRET_ACCESS_KEY": token, "AWS_ENDPOINT_URL": "http://s3.benchtop.svc:9000", "AWS_DEFAULT_REGION": "us-east-1",
		"PROMETHEUS_URL": "http://prometheus.benchtop.svc:8080/prometheus", "API_URL": "http://prometheus.benchtop.svc:8080/api",
		"DOMAIN": a.cfg.Domain, "ADDRESS": a.cfg.NodeAddress, "PYTHON_IMAGE": bundle.Ref("lab-python"), "SHELL_IMAGE": bundle.Ref("lab-shell"),
		// Offline both would only make people wait and wonder.
		"MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet",
	}
}

// labLoop makes and removes the projects that guided labs work on.
type labLoop struct {
	steps
	keys *access.Keys
}

// AddLabProject implements engine.Loop. The project is trained once, and then by
// hand only: nothing changes behind the learner's back.
func (l labLoop) AddLabProject(ctx context.Context, room, dataset string) error {
	name := mlops.LabProject(room)
	_, err := l.Add(ctx, mlops.ProjectRequest{Name: name, Dataset: dataset})
	if mlops.CodeOf(err) == mlops.Exists {
		have, herr := l.port.Project(ctx, name)
		if herr != nil || have.Dataset != dataset || have.Deleting {
			return err
		}
	} else if err != nil {
		return err
	}
	_, err = l.Edit(ctx, name, mlops.ProjectEdit{Schedule: new(string)})
	return err
}

// DeleteLabProject implements engine.Loop. A project of that name without a room
// is somebody's own.
func (l labLoop) DeleteLabProject(ctx context.Context, room string) (gone bool, err error) {
	if !l.keys.HasRoom(room) {
		return true, nil
	}
	_, err = l.Delete(ctx, mlops.LabProject(room))
	return mlops.CodeOf(err) == mlops.NotFound, ignoreNotFound(err)
}

func ignoreNotFound(err error) error {
	if mlops.CodeOf(err) == mlops.NotFound {
		return nil
	}
	return err
}

// maxLabAnswer bounds what a check of a guided lab reads of an answer.
const maxLabAnswer = 1 << 20

// labCall asks our own API as a room's key would.
func (a *Appliance) labCall(ctx context.Context, token, method, path string, body []byte) (status int, answer any, err error) {
	if !strings.HasPrefix(path, "/api/") {
		return 0, nil, mlops.Errorf(mlops.Invalid, "path %q: expected one that begins with /api/", path)
	}
	host, port, err := net.SplitHostPort(a.cfg.HTTPAddr)
	if err != nil {
		return 0, nil, fmt.Errorf("find own address: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+net.JoinHostPort(host, port)+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, fmt.Errorf("build request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("ask own API: %w", err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxLabAnswer))
	if err != nil {
		return 0, nil, fmt.Errorf("read the answer of own API: %w", err)
	}
	if json.Unmarshal(raw, &answer) != nil {
		answer = string(raw)
	}
	return resp.StatusCode, answer, nil
}

// labKeys makes the keys of rooms. The key of a room is the sign that what has its
// name is the room's, so it is refused where somebody has something of that name.
type labKeys struct {
	*access.Keys
	a *Appliance
}

// LabKey implements engine.Keys.
func (k labKeys) LabKey(ctx context.Context, room string, projects []string) (mlops.NewKey, error) {
	if !k.HasRoom(room) {
		found, err := k.a.leftOfLab(ctx, room)
		if err != nil {
			return mlops.NewKey{}, err
		}
		// A key's bucket is made before its row: an empty one may be what a killed
		// process has left, and is nobody's loss.
		if objects, _, err := k.a.minio.ListBucket(ctx, room, ""); err != nil {
			return mlops.NewKey{}, err
		} else if len(objects) == 0 {
			found = slices.DeleteFunc(found, func(what string) bool { return what == "bucket "+room })
		}
		if len(found) > 0 {
			return mlops.NewKey{}, mlops.Errorf(mlops.Exists, "the lab would be called %s, and that name is taken by %s, which the lab would remove in the end: rename or remove it first", room, strings.Join(found, ", "))
		}
	}
	return k.Keys.LabKey(ctx, room, projects)
}

// leftOfLab names what there is outside of Kubernetes under the name of a room.
func (a *Appliance) leftOfLab(ctx context.Context, room string) ([]string, error) {
	store := a.registry.Store()
	if store == nil {
		return nil, unavailable("the registry")
	}
	out := []string{}
	switch err := a.minio.NeedBucket(ctx, room, false); mlops.CodeOf(err) {
	case "":
		out = append(out, "bucket "+room)
	case mlops.NotFound:
	default:
		return nil, err
	}
	keys, err := a.keys.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if k.Name == room || k.Name == room+access.LeakSuffix {
			out = append(out, "key "+k.Name)
		}
	}
	projects, err := store.Projects.Projects(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range projects {
		if p.Name == room || p.Name == mlops.LabProject(room) {
			out = append(out, "project "+p.Name)
		}
	}
	experiments, err := store.Experiments.ExperimentSummaries(ctx) // deleted ones too
	if err != nil {
		return nil, err
	}
	for _, e := range experiments {
		if labOwns(room, e.Name) {
			out = append(out, "experiment "+e.Name)
		}
	}
	models, err := store.Models.Models(ctx, mlops.ModelQuery{Projects: []string{room, mlops.LabProject(room)}, Max: 100})
	for _, m := range models.Models {
		out = append(out, "model "+m.Name)
	}
	return out, err
}

// labOwns reports whether an experiment or a model of that name is a room's.
func labOwns(room, name string) bool {
	return mlops.Belongs(name, room) || mlops.Belongs(name, mlops.LabProject(room))
}

// clearLab removes what a room has made outside of Kubernetes. Without its key
// what has its name is somebody's own.
func (a *Appliance) clearLab(ctx context.Context, room string, all bool) error {
	if !a.keys.HasRoom(room) {
		return nil
	}
	store := a.registry.Store()
	if store == nil {
		return unavailable("the registry")
	}
	clearBucket := a.minio.ClearBucket
	if all {
		clearBucket = a.minio.DropBucket
	}
	if err := clearBucket(ctx, room); err != nil {
		return err
	}
	// Models first: what lies under the source of a version is spared.
	names := []string{room}
	if all { // else its project lives on
		names = append(names, mlops.LabProject(room))
	}
	for _, name := range names {
		if _, err := store.Models.RemoveOf(ctx, name); err != nil {
			return err
		}
		if _, err := store.Artifacts.RemoveOf(ctx, name); err != nil {
			return err
		}
	}
	return nil
}
