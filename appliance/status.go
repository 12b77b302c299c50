package appliance

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/doctor"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/appliance/supervise"
	"github.com/benchtop-lab/benchtop/embedded/k3s/imagestore"
)

// State sums an appliance up.
type State string

// The states of an appliance.
const (
	StateStarting State = "starting" // a unit or the first model is not there yet
	StateReady    State = "ready"    // every unit is ready and the default deployment serves
	StateDegraded State = "degraded" // something that was there is not
	StateStopping State = "stopping"
	StateStopped  State = "stopped" // nothing runs; pods may still serve
)

// Status is what `benchtop status` shows.
type Status struct {
	State    State              `json:"state"`
	Version  string             `json:"version,omitempty"`
	PID      int                `json:"pid,omitempty"`
	DataDir  string             `json:"data_dir"`
	UI       string             `json:"ui,omitempty"`
	Units    []supervise.Status `json:"units"`
	Loop     []ProjectStatus    `json:"loop"`
	Serving  []ServingStatus    `json:"serving"` // deployments beside those of projects
	Network  []doctor.Finding   `json:"network"` // what is amiss with it
	Labs     []doctor.Finding   `json:"labs"`    // what is amiss with the guided labs that are open
	Warnings []string           `json:"warnings"`
}

// ProjectStatus is where a project's loop stands.
type ProjectStatus struct {
	Project      string            `json:"project"`
	Dataset      string            `json:"dataset,omitempty"`  // sha256
	Training     *mlops.Training   `json:"training,omitempty"` // the newest
	NextTraining time.Time         `json:"next_training,omitzero"`
	Deployment   *mlops.Deployment `json:"deployment,omitempty"`
	Revision     *mlops.Revision   `json:"revision,omitempty"` // the newest of the deployment
	Findings     []mlops.Finding   `json:"findings,omitempty"` // what is wrong with the deployment, if it was asked for
	Deleting     bool              `json:"deleting,omitempty"`
}

// ServingStatus is a deployment that is not its project's.
type ServingStatus struct {
	Deployment mlops.Deployment `json:"deployment"`
	Revision   *mlops.Revision  `json:"revision,omitempty"` // the newest
	Findings   []mlops.Finding  `json:"findings,omitempty"` // what is wrong with it, if it was asked for
}

// failing reports whether it served and does no more.
func (s ServingStatus) failing() bool {
	d := s.Deployment
	return d.Ready == 0 && d.Replicas > 0 && !d.Deleting && d.Revision != nil && d.Revision.State == mlops.RevisionLive
}

// diagnosis says what is wrong with a deployment.
type diagnosis func(ctx context.Context, d mlops.Deployment) []mlops.Finding

// diagnose is the diagnosis of deployments that are listed. What can't be asked
// yet is left out.
func (a *Appliance) diagnose(ctx context.Context, d mlops.Deployment) []mlops.Finding {
	found, _ := a.loopPort.Diagnose(ctx, d)
	return found
}

// status collects the appliance's status. What can't be read yet is left out;
// so are findings if diagnose is nil: to look for them asks servers, logs and shells.
func (a *Appliance) status(ctx context.Context, served bool, diagnose diagnosis) Status {
	s := Status{State: StateReady, Version: a.version, PID: pid(), DataDir: a.paths.Data, Units: a.units.Status(5),
		UI: a.cfg.uiURL(), Loop: []ProjectStatus{}, Serving: []ServingStatus{}, Network: a.network.findings(), Labs: []doctor.Finding{}, Warnings: []string{}}
	stopping, failed, starting := false, false, false
	for _, u := range s.Units {
		switch u.State {
		case supervise.Stopping, supervise.Stopped:
			stopping = true
		case supervise.Failed:
			failed = true
			s.Warnings = append(s.Warnings, u.Name+" failed: "+u.Error)
		case supervise.Waiting, supervise.Starting:
			if u.Restarts > 0 {
				failed = true
			}
			starting = true
		}
	}
	if diagnose != nil {
		s.Labs = a.labFindings(ctx)
	}
	projects, unread := a.loopPort.Projects(ctx)
	deployments, _ := a.loopPort.Deployments(ctx)
	next, _ := a.loopPort.NextTrainings(ctx)
	for _, p := range projects {
		ps := a.projectStatus(ctx, p, deployments)
		ps.NextTraining = next[p.Name]
		if diagnose != nil && ps.Deployment != nil && !p.Deleting {
			ps.Findings = diagnose(ctx, *ps.Deployment)
		}
		s.Loop = append(s.Loop, ps)
	}
	s.Serving = a.servingStatus(ctx, deployments, diagnose)
	for _, o := range s.Serving {
		if o.failing() {
			failed = true
			s.Warnings = append(s.Warnings, "deployment "+o.Deployment.Name+" is not ready: "+o.Deployment.Message)
		}
	}
	// A lab without projects waits for no model.
	if !served && (unread != nil || len(s.Loop) > 0) {
		serves, trouble := firstModel(s.Loop)
		if serves {
			a.control.setServed()
		}
		starting = starting || !serves
		if trouble != "" {
			failed = true
			s.Warnings = append(s.Warnings, trouble)
		}
	}
	for _, p := range s.Loop {
		// One that waits for its first model is not broken, nor one that goes.
		if d := p.Deployment; d != nil && served && d.Ready == 0 && d.Replicas > 0 && !p.Deleting && !a.beginning(ctx, p) {
			failed = true
			s.Warnings = append(s.Warnings, "deployment "+d.Name+" is not ready: "+d.Message)
		}
	}
	if l := a.loop.get(); l != nil {
		troubles := append(troubleWarnings("project", l.Troubles()), troubleWarnings("deployment", l.DeploymentTroubles())...)
		failed = failed || len(troubles) > 0
		s.Warnings = append(s.Warnings, troubles...)
	}
	for _, f := range s.Network {
		s.Warnings = append(s.Warnings, f.Check+": "+f.Detail+": "+f.Fix)
	}
	if w := a.dnsWarning(ctx); w != "" {
		failed = true
		s.Warnings = append(s.Warnings, w)
	}
	if w := diskWarning(a.paths.Data); w != "" {
		s.Warnings = append(s.Warnings, w)
	}
	for _, f := range imagestore.Failures(a.paths.Images()) {
		s.Warnings = append(s.Warnings, imageWarning+f.File+" was not loaded: "+f.Message)
	}
	switch {
	case stopping:
		s.State = StateStopping
	case failed:
		s.State = StateDegraded
	case starting:
		s.State = StateStarting
	}
	return s
}

// troubleWarnings say what could not be brought into the cluster, by name.
func troubleWarnings(kind string, troubles map[string]error) (out []string) {
	for _, name := range slices.Sorted(maps.Keys(troubles)) {
		out = append(out, kind+" "+name+" is not up to date, it is tried again: "+troubles[name].Error())
	}
	return out
}

// firstModel reports whether a deployment serves a model, and otherwise why
// none will without somebody's help: the newest training has failed. A lab
// whose deployments are all kept without servers waits for none.
func firstModel(loop []ProjectStatus) (serves bool, trouble string) {
	serves = len(loop) > 0
	for _, p := range loop {
		if d := p.Deployment; d != nil && d.Replicas == 0 {
			continue
		}
		serves = false
		if d := p.Deployment; d != nil && d.Answers() {
			return true, ""
		}
		if t := p.Training; t != nil && t.State == mlops.TrainingFailed {
			trouble = "nothing is served yet, and training " + t.Job + " failed: " + t.Message + "; see `benchtop logs " + p.Project + "`"
		}
	}
	return serves, trouble
}

// beginning reports whether a project has yet to end its first training.
func (a *Appliance) beginning(ctx context.Context, p ProjectStatus) bool {
	store := a.registry.Store()
	if store == nil || p.Training == nil {
		return true
	}
	trainings, err := store.Projects.Trainings(ctx, p.Project, 20)
	return err == nil && !slices.ContainsFunc(trainings, func(t mlops.Training) bool { return t.State.Terminal() })
}

func (a *Appliance) projectStatus(ctx context.Context, p mlops.Project, deployments []mlops.Deployment) ProjectStatus {
	out := ProjectStatus{Project: p.Name, Deleting: p.Deleting}
	store := a.registry.Store()
	if store == nil {
		return out
	}
	if d, err := store.Datasets.Dataset(ctx, p.Dataset); err == nil {
		out.Dataset = d.SHA256
	}
	if t, err := store.Projects.Trainings(ctx, p.Name, 1); err == nil && len(t) > 0 {
		out.Training = &t[0]
	}
	for i := range deployments {
		if deployments[i].IsOf(p.Name) {
			out.Deployment = &deployments[i]
			if r, err := store.Deployments.Revisions(ctx, deployments[i].Name, 1); err == nil && len(r) > 0 {
				out.Revision = &r[0]
			}
		}
	}
	return out
}

// servingStatus is where the deployments stand that are not their project's.
func (a *Appliance) servingStatus(ctx context.Context, deployments []mlops.Deployment, diagnose diagnosis) []ServingStatus {
	out := []ServingStatus{}
	store := a.registry.Store()
	for _, d := range deployments {
		if !d.Own || store == nil {
			continue
		}
		s := ServingStatus{Deployment: d}
		if r, err := store.Deployments.Revisions(ctx, d.Name, 1); err == nil && len(r) > 0 {
			s.Revision = &r[0]
		}
		if diagnose != nil {
			s.Findings = diagnose(ctx, d)
		}
		out = append(out, s)
	}
	return out
}

// imageWarning begins the warnings about archives in the images folder.
const imageWarning = "image archive "

// dnsWarning says when the cluster's DNS does not answer. While Kubernetes
// starts, or can't be asked, there is nothing to say.
func (a *Appliance) dnsWarning(ctx context.Context) string {
	c := a.cluster.Client()
	if c == nil {
		return ""
	}
	if ready, why, err := c.DNSReady(ctx); err != nil || ready {
		return ""
	} else {
		return dnsWarningStart + ": " + why + ". Pods cannot resolve names, those of the lab included"
	}
}

const dnsWarningStart = "the cluster's DNS is not ready"

// diskWarning says when the data dir's file system is nearly full.
func diskWarning(dir string) string {
	space := diskSpace(dir)
	if !space.NearlyFull() {
		return ""
	}
	return fmt.Sprintf("the disk of %s is nearly full: %d MiB of %d MiB are free. Predictions go on; trainings and uploads will fail. Delete old runs and artifacts, or move the data dir to a larger disk",
		dir, space.Free>>20, space.Total>>20)
}
