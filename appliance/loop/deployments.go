package loop

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Deploy makes a deployment of a registered model, beside those that there
// are. The row with its first revision is all that it writes; the passes that
// follow make servers and bring the version. To ask for what is there already
// changes its replicas, or nothing.
func (l *Loop) Deploy(ctx context.Context, req mlops.DeployRequest) (mlops.Deployed, error) {
	if err := req.Validate(); err != nil {
		return mlops.Deployed{}, err
	}
	if err := req.Act.Validate(); err != nil {
		return mlops.Deployed{}, err
	}
	l.rows.Lock()
	defer l.rows.Unlock()
	version, err := l.resolve(ctx, &req)
	if err != nil {
		return mlops.Deployed{}, err
	}
	names := []string{req.Name}
	if req.Name == "" {
		names = []string{mlops.DeploymentName(req.Model, ""), mlops.DeploymentName(req.Model, cmp.Or(req.Alias, strconv.Itoa(version)))}
	}
	replicas := 1
	if req.Replicas != nil {
		replicas = *req.Replicas
	}
	var taken []string
	for _, name := range names {
		d, err := l.cfg.Store.CreateDeployment(ctx, mlops.Deployment{Name: name, Model: req.Model, Follows: req.Alias, Replicas: replicas}, version, req.Act)
		if err == nil {
			l.cfg.Log.Info("deployment added", "deployment", name, "model", req.Model, "version", version, "follows", req.Alias, "by", req.Act.By)
			l.wake()
			out := mlops.Deployed{Deployment: d, Created: true}
			if len(taken) > 0 {
				out.Beside = names[0]
			}
			return out, nil
		}
		if mlops.CodeOf(err) != mlops.Exists {
			return mlops.Deployed{}, err
		}
		have, herr := l.cfg.Store.Deployment(ctx, name)
		if mlops.CodeOf(herr) == mlops.NotFound { // that of a project which was just added
			if req.Name != "" {
				return mlops.Deployed{}, err
			}
			taken = append(taken, name+" is a project's")
			continue
		}
		if herr != nil {
			return mlops.Deployed{}, herr
		}
		differs, err := l.differs(ctx, have, req, version)
		if err != nil {
			return mlops.Deployed{}, err
		}
		if differs == "" && (req.Name != "" || have.Own) {
			return l.redeploy(ctx, have, req.Replicas)
		}
		if req.Name != "" {
			return mlops.Deployed{}, mlops.Errorf(mlops.Exists, "deployment %s is there already: %s", name, differs)
		}
		taken = append(taken, name+" serves "+servesText(have))
	}
	return mlops.Deployed{}, mlops.Errorf(mlops.Exists, "%s: give this deployment another name, with --name", strings.Join(taken, ", "))
}

// resolve finds the model and the version that are asked for. A model whose
// name looks like MODEL@alias is taken by its name.
func (l *Loop) resolve(ctx context.Context, req *mlops.DeployRequest) (version int, err error) {
	if req.Ref != "" {
		req.Model = mlops.TrimModelScheme(req.Ref)
		version, err = l.cfg.Store.ResolveVersion(ctx, req.Model, "", 0)
		if mlops.CodeOf(err) != mlops.NotFound {
			return version, err
		}
		req.Model, req.Alias, req.Version = mlops.ParseModelRef(req.Ref)
	}
	return l.cfg.Store.ResolveVersion(ctx, req.Model, req.Alias, req.Version)
}

func servesText(d mlops.Deployment) string {
	switch {
	case d.Follows != "":
		return fmt.Sprintf("model %q and follows its alias %s", d.Model, d.Follows)
	case d.Revision != nil:
		return fmt.Sprintf("version %d of model %q", d.Revision.Version, d.Model)
	}
	return fmt.Sprintf("model %q", d.Model)
}

// differs says what keeps a request from meaning a deployment that is there,
// and what to do; "" if it means that one. Whoever gives its name and no
// version means the deployment, whatever it serves.
func (l *Loop) differs(ctx context.Context, have mlops.Deployment, req mlops.DeployRequest, version int) (string, error) {
	switch {
	case have.Deleting:
		return "it is being deleted, try again when it is gone", nil
	case have.Model != req.Model:
		return "it serves " + servesText(have) + ". Choose another name", nil
	case req.Alias != "" && req.Alias != have.Follows:
		return "it serves " + servesText(have) + " and does not follow " + req.Alias + ". Choose another name", nil
	case req.Alias != "" || req.Name != "" && req.Version == 0:
		return "", nil
	case have.Follows != "":
		return "it serves " + servesText(have) + ", not a version of its own. Choose another name", nil
	}
	if have.Revision == nil {
		history, err := l.cfg.Store.Revisions(ctx, have.Name, 1)
		if err != nil {
			return "", fmt.Errorf("read history of %s: %w", have.Name, err)
		}
		if len(history) == 0 || history[0].Version == version && !history[0].State.Terminal() {
			return "", nil
		}
		if r := history[0]; r.Version == version {
			return fmt.Sprintf("version %d is %s there: %s. To try again, `benchtop promote %s %d`", version, r.State, r.Message, have.Name, version), nil
		}
	} else if have.Revision.Version == version {
		return "", nil
	}
	return fmt.Sprintf("it serves %s. To put version %d into service there, `benchtop promote %s %d`; to serve it beside, choose another name", servesText(have), version, have.Name, version), nil
}

// redeploy gives a deployment that is there the number of servers that is
// asked for, if one is.
func (l *Loop) redeploy(ctx context.Context, have mlops.Deployment, replicas *int) (mlops.Deployed, error) {
	if replicas == nil || *replicas == have.Replicas {
		return mlops.Deployed{Deployment: have}, nil
	}
	d, err := l.scale(ctx, have.Name, *replicas)
	return mlops.Deployed{Deployment: d, Changed: true}, err
}

// Scale sets how many servers a deployment ought to have.
func (l *Loop) Scale(ctx context.Context, name string, replicas int) (mlops.Deployment, error) {
	l.rows.Lock()
	defer l.rows.Unlock()
	return l.scale(ctx, name, replicas)
}

func (l *Loop) scale(ctx context.Context, name string, replicas int) (mlops.Deployment, error) {
	if _, err := l.deployment(ctx, name); err != nil {
		return mlops.Deployment{}, err
	}
	if err := l.cfg.Store.SetReplicas(ctx, name, replicas); err != nil {
		return mlops.Deployment{}, err
	}
	l.wake()
	return l.deployment(ctx, name)
}

// Undeploy marks a deployment of its own volume. The passes that follow take
// it out of the cluster and end with its row.
func (l *Loop) Undeploy(ctx context.Context, name string) (mlops.Deployment, error) {
	l.rows.Lock()
	defer l.rows.Unlock()
	d, err := l.cfg.Store.Deployment(ctx, name)
	if err != nil || d.Deleting {
		return d, err
	}
	if !d.Own {
		return d, mlops.Errorf(mlops.InvalidState, "deployment %s is that of project %s and goes with it: `benchtop project delete %s`", name, d.Project, d.Project)
	}
	if err := l.cfg.Store.EndDeployment(ctx, name); err != nil {
		return d, err
	}
	l.wake()
	return l.cfg.Store.Deployment(ctx, name)
}

// deploymentsPass makes the cluster match the rows of all deployments. One
// that fails is in the answer, and holds up no other.
func (l *Loop) deploymentsPass(ctx context.Context) (ailing map[string]error, err error) {
	deployments, err := l.cfg.Store.Deployments(ctx)
	if err != nil {
		return nil, fmt.Errorf("list deployments: %w", err)
	}
	ailing = map[string]error{}
	for _, d := range deployments {
		if _, there := l.applied[d.Project]; d.Project != "" && !there && !d.Deleting {
			continue // its namespace is not there, or goes
		}
		var err error
		if d.Deleting {
			var gone bool
			if gone, err = l.endDeployment(ctx, d); !gone {
				l.again = soon
			}
		} else {
			err = l.bringDeployment(ctx, d)
		}
		if err != nil {
			ailing[d.Name] = err
			l.again = cmp.Or(l.again, later)
		}
	}
	return ailing, nil
}

// bringDeployment makes the cluster match a deployment's row, unless it does
// already.
func (l *Loop) bringDeployment(ctx context.Context, d mlops.Deployment) error {
	gpu := mlops.GPURequests{}
	if !d.Own {
		gpu = l.applied[d.Project].project.GPU
	}
	last, there := l.served[d.Name]
	there = there && last.ID == d.ID
	now := served{Deployment: d, gpu: gpu}
	var run string
	if d.Revision != nil {
		now.revision, run = d.Revision.ID, d.Revision.RunID
	}
	if there && last.revision == now.revision && last.Replicas == d.Replicas && last.gpu == gpu {
		return nil
	}
	image, ready, err := l.modelImage(ctx, run)
	if err != nil || !ready {
		l.again = cmp.Or(l.again, later)
		return err
	}
	if now.image = image; there && last.image == image && last.Replicas == d.Replicas && last.gpu == gpu {
		l.served[d.Name] = now
		return nil
	}
	spec, err := l.specOf(ctx, d)
	if err != nil {
		return err
	}
	spec.EnvironmentImage = image
	if d.Own {
		key, err := l.cfg.Keys.DeploymentKey(ctx, d.Name, d.Project)
		if err != nil {
			return fmt.Errorf("make the key of deployment %s: %w", d.Name, err)
		}
		spec.Secret = signIn(key)
	}
	if err := l.cfg.Cluster.ApplyDeployment(ctx, spec); err != nil {
		return err
	}
	if err := l.restore(ctx, d.Name); err != nil {
		return err
	}
	l.served[d.Name] = now
	// New servers may lack what they ought to serve.
	select {
	case l.look <- struct{}{}:
	default:
	}
	return nil
}

// signIn is the environment of what comes with a key.
func signIn(key mlops.NewKey) map[string]string {
	return map[string]string{
		"AWS_ACCESS_KEY_ID": key.Name, "AWS_SECRET_ACCESS_KEY": key.Token,
		"MLFLOW_TRACKING_USERNAME": key.Name, "MLFLOW_TRACKING_PASSWORD": key.Token,
	}
}

// specOf is what the cluster needs to know of a deployment, but for secrets.
func (l *Loop) specOf(ctx context.Context, d mlops.Deployment) (mlops.DeploymentSpec, error) {
	if d.Own {
		return l.cfg.DeploymentSpec(d, l.cfg.Node), nil
	}
	p, err := l.cfg.Store.Project(ctx, d.Project)
	if err != nil {
		return mlops.DeploymentSpec{}, fmt.Errorf("read project of deployment %s: %w", d.Name, err)
	}
	spec := l.cfg.DeploymentSpec(d, p.Node)
	spec.GPU = p.GPU
	if p.Code != nil { // what runs the code has all that brings versions
		runner := l.cfg.Spec(p, mlops.Dataset{})
		spec.Bring, spec.BringSHA = runner.Trainer, runner.TrainerSHA
	}
	return spec, nil
}

func (l *Loop) bringJob(ctx context.Context, d mlops.Deployment, r mlops.Revision) (mlops.Job, error) {
	spec, err := l.specOf(ctx, d)
	if err != nil {
		return mlops.Job{}, err
	}
	// What brings a model looks whether it can be loaded.
	var ready bool
	if spec.EnvironmentImage, ready, err = l.modelImage(ctx, r.RunID); err != nil {
		return mlops.Job{}, err
	}
	if !ready {
		return mlops.Job{State: mlops.TrainingRunning, Message: "its environment is not on the machine yet"}, nil
	}
	return l.cfg.Cluster.Bring(ctx, spec, r)
}

// endDeployment takes a deployment out of the cluster, and then its key and
// its row away. It reports whether it is gone; until then it has to be called
// again.
func (l *Loop) endDeployment(ctx context.Context, d mlops.Deployment) (gone bool, err error) {
	delete(l.served, d.Name)
	if gone, err := l.cfg.Cluster.DeleteDeployment(ctx, d); err != nil || !gone {
		return false, err
	}
	if err := l.cfg.Keys.DropDeploymentKey(ctx, d.Name); err != nil {
		return false, fmt.Errorf("revoke the key of deployment %s: %w", d.Name, err)
	}
	l.rows.Lock()
	defer l.rows.Unlock()
	if err := l.cfg.Store.DeleteDeployment(ctx, d.Name); err != nil {
		return false, fmt.Errorf("delete deployment %s: %w", d.Name, err)
	}
	l.cfg.Log.Info("deployment deleted", "deployment", d.Name, "model", d.Model)
	return true, nil
}

// dropKeysOf revokes the keys of a project's deployments that have one.
func (l *Loop) dropKeysOf(ctx context.Context, project string) error {
	deployments, err := l.cfg.Store.Deployments(ctx)
	if err != nil {
		return fmt.Errorf("list deployments of project %s: %w", project, err)
	}
	for _, d := range deployments {
		if d.Project != project {
			continue
		}
		delete(l.served, d.Name)
		if !d.Own {
			continue
		}
		if err := l.cfg.Keys.DropDeploymentKey(ctx, d.Name); err != nil {
			return fmt.Errorf("revoke the key of deployment %s: %w", d.Name, err)
		}
	}
	return nil
}
