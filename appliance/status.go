package appliance

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

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
	Network  []doctor.Finding   `json:"network"` // what is amiss with it
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
	Deleting     bool              `json:"deleting,omitempty"`
}

// status collects the appliance's status. What can't be read yet is left out.
func (a *Appliance) status(ctx context.Context, served bool) Status {
	s := Status{State: StateReady, Version: a.version, PID: pid(), DataDir: a.paths.Data, Units: a.units.Status(5),
		UI: a.cfg.uiURL(), Loop: []ProjectStatus{}, Network: a.network.findings(), Warnings: []string{}}
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
	projects, unread := a.loopPort.Projects(ctx)
	deployments, _ := a.loopPort.Deployments(ctx)
	for _, p := range projects {
		s.Loop = append(s.Loop, a.projectStatus(ctx, p, deployments))
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
		if d := p.Deployment; d != nil && served && d.Ready == 0 && !p.Deleting && !a.beginning(ctx, p) {
			failed = true
			s.Warnings = append(s.Warnings, "deployment "+d.Name+" is not ready: "+d.Message)
		}
	}
	if l := a.loop.get(); l != nil {
		for project, err := range l.Troubles() {
			failed = true
			s.Warnings = append(s.Warnings, "project "+project+" is not up to date, it is tried again: "+err.Error())
		}
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

// firstModel reports whether a deployment serves a model, and otherwise why
// none will without somebody's help: the newest training has failed.
func firstModel(loop []ProjectStatus) (serves bool, trouble string) {
	for _, p := range loop {
		if d := p.Deployment; d != nil && d.Ready > 0 && d.Version != "" {
			return true, ""
		}
		if t := p.Training; t != nil && t.State == mlops.TrainingFailed {
			trouble = "nothing is served yet, and training " + t.Job + " failed: " + t.Message + "; see `benchtop logs " + p.Project + "`"
		}
	}
	return false, trouble
}

// beginning reports whether a project has yet to end its first training.
func (a *Appliance) beginning(ctx context.Context, p ProjectStatus) bool {
	store := a.registry.Store()
	if store == nil || p.Training == nil {
		return true
	}
	trainings, err := store.Trainings(ctx, p.Project, 20)
	return err == nil && !slices.ContainsFunc(trainings, func(t mlops.Training) bool { return t.State.Terminal() })
}

func (a *Appliance) projectStatus(ctx context.Context, p mlops.Project, deployments []mlops.Deployment) ProjectStatus {
	out := ProjectStatus{Project: p.Name, Deleting: p.Deleting}
	store := a.registry.Store()
	if store == nil {
		return out
	}
	if d, err := store.Dataset(ctx, p.Dataset); err == nil {
		out.Dataset = d.SHA256
	}
	if t, err := store.Trainings(ctx, p.Name, 1); err == nil && len(t) > 0 {
		out.Training = &t[0]
	}
	if next, err := a.loopPort.NextTraining(ctx, p.Name); err == nil {
		out.NextTraining = next
	}
	for i := range deployments {
		if deployments[i].Project == p.Name {
			out.Deployment = &deployments[i]
			if r, err := store.Revisions(ctx, deployments[i].Name, 1); err == nil && len(r) > 0 {
				out.Revision = &r[0]
			}
		}
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

// Disk space below which the appliance warns: 5 % and 2 GiB.
const (
	lowShare = 0.05
	lowBytes = 2 << 30
)

// diskWarning says when the data dir's file system is nearly full.
func diskWarning(dir string) string {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil || st.Blocks == 0 {
		return ""
	}
	free, total := st.Bavail*uint64(st.Bsize), st.Blocks*uint64(st.Bsize)
	if float64(free) > lowShare*float64(total) && free > min(lowBytes, total/5) {
		return ""
	}
	return fmt.Sprintf("the disk of %s is nearly full: %d MiB of %d MiB are free. Predictions go on; trainings and uploads will fail. Delete old runs and artifacts, or move the data dir to a larger disk",
		dir, free>>20, total>>20)
}
