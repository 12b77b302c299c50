package uitest

import (
	"context"
	"slices"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Deploy makes a deployment with its first revision. A name that is taken is
// refused, unless it is of the same model.
func (l loop) Deploy(_ context.Context, req mlops.DeployRequest) (out mlops.Deployed, err error) {
	if err := req.Validate(); err != nil {
		return out, err
	}
	replicas := 1
	if req.Replicas != nil {
		replicas = *req.Replicas
	}
	name := req.Name
	if name == "" {
		name = mlops.DeploymentName(req.Model, "2")
	}
	if err := l.changed(name, "deploy "+req.Model, req.Act); err != nil {
		return out, err
	}
	l.w.Change(func() {
		if i := l.at(name); i >= 0 {
			if l.w.Deployments[i].Model != req.Model {
				err = mlops.Errorf(mlops.Exists, "deployment %s is there already", name)
				return
			}
			out.Changed = l.w.Deployments[i].Replicas != replicas
			l.w.Deployments[i].Replicas = replicas
			out.Deployment = l.w.Deployments[i]
			return
		}
		project := ""
		if slices.ContainsFunc(l.w.Projects, func(p mlops.Project) bool { return p.Name == req.Model }) {
			project = req.Model
		}
		d := mlops.Deployment{ID: int64(len(l.w.Deployments) + 1), Name: name, Project: project, Namespace: mlops.NamespaceOf(project), Model: req.Model, Follows: req.Alias, Own: true, Replicas: replicas,
			Host: name + ".lab.internal", Path: "/models/" + name, Message: "its servers have not been made yet"}
		l.w.Deployments = append(l.w.Deployments, d)
		r := mlops.Revision{Deployment: name, Number: 1, Model: req.Model, Version: max(req.Version, 1), State: mlops.RevisionStarting, Cause: mlops.CauseDeploy, By: req.Act.By, CreatedAt: l.w.Clock()}
		if l.w.Revisions == nil {
			l.w.Revisions = map[string][]mlops.Revision{}
		}
		l.w.Revisions[name] = []mlops.Revision{r}
		out = mlops.Deployed{Deployment: d, Created: true}
	})
	return out, err
}

// Scale sets the number of servers.
func (l loop) Scale(_ context.Context, deployment string, replicas int) (d mlops.Deployment, err error) {
	if err := mlops.ValidateReplicas(replicas); err != nil {
		return d, err
	}
	if err := l.changed(deployment, "scale", mlops.Act{}); err != nil {
		return d, err
	}
	return l.alter(deployment, func(d *mlops.Deployment) { d.Replicas = replicas })
}

// Undeploy marks the deployment; nothing ends it.
func (l loop) Undeploy(_ context.Context, deployment string) (d mlops.Deployment, err error) {
	if err := l.changed(deployment, "undeploy", mlops.Act{}); err != nil {
		return d, err
	}
	if i := l.at(deployment); i >= 0 && !l.w.Deployments[i].Own {
		return d, mlops.Errorf(mlops.InvalidState, "deployment %s is its project's", deployment)
	}
	return l.alter(deployment, func(d *mlops.Deployment) { d.Deleting = true })
}

func (l loop) at(name string) int {
	return slices.IndexFunc(l.w.Deployments, func(d mlops.Deployment) bool { return d.Name == name })
}

func (l loop) alter(name string, how func(*mlops.Deployment)) (d mlops.Deployment, err error) {
	l.w.Change(func() {
		i := l.at(name)
		if i < 0 {
			err = mlops.Errorf(mlops.NotFound, "there is no deployment %q", name)
			return
		}
		how(&l.w.Deployments[i])
		d = l.w.Deployments[i]
	})
	return d, err
}

// AddOwn adds a deployment of a model that no project trains, whose features
// are not known.
func (w *World) AddOwn() {
	t := w.Clock()
	r := mlops.Revision{ID: 90, Deployment: "forest", Number: 1, Model: "digits-forest", Version: 1, State: mlops.RevisionLive, Cause: mlops.CauseDeploy, By: "ada", CreatedAt: t, LiveAt: t}
	w.Deployments = append(w.Deployments, mlops.Deployment{ID: 9, Name: "forest", Namespace: "models", Model: "digits-forest", Own: true, Replicas: 2, Ready: 2, Version: "1", Revision: &r,
		Image: "benchtop.local/lab-python:3.11-4be1c09a77d2", Host: "forest.lab.internal", Path: "/models/forest"})
	if w.Revisions == nil {
		w.Revisions = map[string][]mlops.Revision{}
	}
	w.Revisions["forest"] = []mlops.Revision{r}
}
