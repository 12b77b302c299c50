package doctor

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Evidence collects the facts about a deployment.
type Evidence struct {
	Deployment mlops.Deployment
	Newest     *mlops.Revision   // of its history, nil if it has none
	Training   *mlops.Training   // the newest of its project, nil if there is none
	Serving    []mlops.Serving   // what each server says of itself
	Words      map[string]string // last lines of the pods whose container has ended
	NoModel    bool              // the deployment's registered model is gone
	NoAlias    bool              // the model no longer has the alias that is followed
	Disk       mlops.DiskSpace
	Now        time.Time
}

// modelless reports whether nothing was ever put into service. Until then
// servers run and are not ready.
func (e Evidence) modelless() bool { return e.Deployment.Revision == nil && e.Deployment.Version == "" }

// barren reports whether nothing was ever put into service and the attempt has
// ended.
func (e Evidence) barren() bool {
	return e.Deployment.Own && e.modelless() && e.Newest != nil && e.Newest.State.Terminal()
}

// CheckDisk names the finding about the disk.
const CheckDisk = "disk"

// Ended reports whether the end of a pod's container still matters: the pod is
// not ready again, or became ready only a short time ago.
func Ended(p mlops.Pod, now time.Time) bool {
	return p.LastExit != nil && (!p.Ready || now.Sub(p.LastExit.At) < recently)
}

// recently is how long a restart still matters after the pod has recovered.
const recently = 10 * time.Minute

// patience is how long a pod may take to start before it is reported.
const patience = time.Minute

// Deployment says what is wrong with a deployment, causes before their effects;
// nothing if all is well. Pages and `benchtop doctor` both call it.
func Deployment(e Evidence) []Finding {
	d := e.Deployment
	if d.Deleting {
		return nil
	}
	var out []Finding
	explained := false // why it is not ready
	if e.Disk.NearlyFull() {
		out = append(out, diskFinding(e.Disk))
	}
	for _, p := range d.Pods {
		f := podFinding(e, p)
		if f == nil {
			continue
		}
		f.Check = d.Name + " pod " + mlops.ShortPod(p.Name)
		out = append(out, *f)
		explained = explained || !p.Ready
	}
	if f := serverFinding(e, explained); f != nil {
		f.Check = d.Name + " server"
		out = append(out, *f)
	}
	if e.barren() {
		return out // said already
	}
	if f := followedFinding(e); f != nil {
		f.Check = d.Name + " model"
		out = append(out, *f)
	}
	if f := releaseFinding(e.Newest); f != nil {
		f.Check = d.Name + " release"
		out = append(out, *f)
	}
	return out
}

func diskFinding(space mlops.DiskSpace) Finding {
	return Finding{Check: CheckDisk, Level: Warn, Detail: fmt.Sprintf("the disk is nearly full: %d MiB of %d MiB are free. Predictions go on; trainings and uploads will fail", space.Free>>20, space.Total>>20),
		Fix: "delete old runs and artifacts, or move the data dir to a larger disk"}
}

// podFinding says what is wrong with one pod, nil if nothing is.
func podFinding(e Evidence, p mlops.Pod) *Finding {
	name := "pod " + mlops.ShortPod(p.Name)
	logs := func(f Finding) *Finding {
		f.Place = cmp.Or(f.Place, "#logs")
		f.Command = cmp.Or(f.Command, "benchtop logs "+e.Deployment.Name)
		return &f
	}
	describe := "benchtop kubectl -n " + p.Namespace + " describe pod " + p.Name
	exit := p.LastExit
	switch {
	case p.Deleting:
		return nil // another takes its place
	case strings.Contains(p.Waiting, "Image") || p.Waiting == "RegistryUnavailable":
		return &Finding{Level: Fail, Detail: fmt.Sprintf("%s cannot start without its image %s: %s", name, p.Image, p.Message),
			Fix: "load the image; the pod then starts by itself", Command: "benchtop images load FILE", Place: "/system/images"}
	case p.Waiting == "Unschedulable":
		return &Finding{Level: Fail, Detail: name + " finds no place to run: " + p.Message, Fix: placeFix(p), Command: describe, Place: "/system/pods"}
	case p.Waiting == "CreateContainerConfigError" || p.Waiting == "CreateContainerError" || p.Waiting == "RunContainerError":
		return &Finding{Level: Fail, Detail: name + " cannot be started: " + p.Message, Fix: "mend what the message names", Command: describe, Place: "/system/events"}
	case Ended(p, e.Now) && exit.Reason == "OOMKilled":
		limit := "the memory limit of the machine"
		if p.Limits.Memory > 0 {
			limit = fmt.Sprintf("its memory limit of %d MiB", p.Limits.Memory>>20)
		}
		return logs(Finding{Level: levelOf(p), Seen: e.Words[p.Name], Detail: fmt.Sprintf("%s needed more than %s and was killed (OOMKilled, exit code %d, %s)", name, limit, exit.Code, restarts(p)),
			Fix: "serve a smaller model, send smaller requests, or roll back to the version before", Place: "#history", Command: "benchtop rollback " + e.Deployment.Name})
	case Ended(p, e.Now) && exit.Code != 0 && p.Restarts > 0:
		return logs(Finding{Level: levelOf(p), Seen: e.Words[p.Name], Detail: fmt.Sprintf("%s keeps ending: last with exit code %d (%s, %s)", name, exit.Code, cmp.Or(exit.Reason, "no reason given"), restarts(p)),
			Fix: "read what it said last; if a new version began this, roll back to the one before"})
	case p.Phase == "Failed":
		return &Finding{Level: Warn, Detail: name + " was ended: " + cmp.Or(p.Message, "Kubernetes gives no reason"), Fix: "nothing, if another pod has taken its place", Command: describe, Place: "/system/events"}
	}
	if s := servingOf(e.Serving, p.Name); s != nil && !s.Outdated && s.Error != "" && !e.modelless() && !e.loading() {
		goesOn := ""
		if s.Version != "" {
			goesOn = "; it goes on with version " + s.Version
		}
		return logs(Finding{Level: levelOf(p), Detail: fmt.Sprintf("%s cannot load %s: %s%s", name, wanted(s.Wanted), s.Error, goesOn),
			Fix: "wait while the lab brings the version from the registry; if that fails, put another version into service", Place: "#history", Command: "benchtop revisions " + e.Deployment.Name})
	}
	if p.Phase == "Pending" && p.Message != "" && e.Now.Sub(p.CreatedAt) > patience {
		return &Finding{Level: Fail, Detail: name + " has not started yet: " + p.Message, Fix: "mend what the message names", Command: describe, Place: "/system/events"}
	}
	if p.Phase == "Running" && !p.Ready && !e.modelless() && !e.loading() && e.Now.Sub(p.StartedAt) > patience {
		return logs(Finding{Level: Fail, Detail: name + " runs, but is not ready" + after(p.Message), Fix: "read what it says"})
	}
	return nil
}

// loading reports whether a revision was put into service a moment ago: its
// version may still be on its way to the servers.
func (e Evidence) loading() bool {
	r := e.Deployment.Revision
	if r == nil || r.State != mlops.RevisionStarting {
		return false
	}
	since := r.StartedAt
	if since.IsZero() {
		since = r.CreatedAt // it was started before that was noted
	}
	return e.Now.Sub(since) < patience
}

// levelOf rates what happened to a pod. It is no failure if the pod is ready
// again.
func levelOf(p mlops.Pod) Level {
	if p.Ready {
		return Warn
	}
	return Fail
}

func restarts(p mlops.Pod) string {
	if p.Restarts == 1 {
		return "1 restart"
	}
	return fmt.Sprintf("%d restarts", p.Restarts)
}

func wanted(version string) string {
	if version == "" {
		return "a model"
	}
	return "version " + version
}

func after(message string) string {
	if message == "" {
		return ""
	}
	return ": " + message
}

func servingOf(all []mlops.Serving, pod string) *mlops.Serving {
	for i := range all {
		if all[i].Pod == pod {
			return &all[i]
		}
	}
	return nil
}

// placeFix says what to do when the scheduler finds no place for a pod.
func placeFix(p mlops.Pod) string {
	said := strings.ToLower(p.Message)
	switch {
	case strings.Contains(said, "persistentvolumeclaim") || strings.Contains(said, "volume"):
		return "see whether its volume claim is bound; the volume's node has to be there too"
	case strings.Contains(said, "insufficient cpu"):
		return fmt.Sprintf("stop other pods, or give the machine more cores: it asks for %g", p.Requests.CPU)
	case strings.Contains(said, "insufficient memory"):
		return fmt.Sprintf("stop other pods, or give the machine more memory: it asks for %d MiB", p.Requests.Memory>>20)
	case strings.Contains(said, "too many pods"):
		return "stop other pods: the node runs as many as it may"
	case strings.Contains(said, "node selector") || strings.Contains(said, "node affinity") || strings.Contains(said, "no nodes available"):
		return "bring the node back that its volume lies on; it runs nowhere else"
	case strings.Contains(said, "taint"):
		return "mend what the node's taint names, such as a lack of memory, or take the taint away"
	}
	return "mend what the message names"
}

// serverFinding is about the deployment as a whole.
func serverFinding(e Evidence, explained bool) *Finding {
	d := e.Deployment
	describe := "benchtop kubectl -n " + d.Namespace + " describe pods"
	switch {
	case e.barren():
		return &Finding{Level: Fail, Detail: "it serves nothing: " + e.Newest.Message, Fix: "put a version into service that can be served, or delete the deployment",
			Command: "benchtop promote " + d.Name + " VERSION", Place: "#history"}
	case d.Ready == 0 && d.Replicas == 0, d.Ready == 0 && explained:
		return nil
	case d.Ready == 0 && d.Own && e.modelless():
		return &Finding{Level: Warn, Detail: "no pod is ready: its first version is being brought" + after(d.Message), Fix: "wait a little", Command: "benchtop revisions " + d.Name, Place: "#history"}
	case d.Ready == 0 && e.modelless() && e.Training != nil && e.Training.State == mlops.TrainingFailed:
		return &Finding{Level: Fail, Detail: "no pod is ready: there is no model yet, and training " + e.Training.Job + " failed" + after(e.Training.Message),
			Fix: "mend what failed, and train again", Command: "benchtop train " + d.Project, Place: "/projects/" + d.Project}
	case d.Ready == 0 && e.modelless():
		return &Finding{Level: Warn, Detail: "no pod is ready" + after(cmp.Or(d.Message, "there is no model yet")), Fix: "wait until the training has ended"}
	case d.Ready == 0 && e.loading():
		return &Finding{Level: Warn, Detail: fmt.Sprintf("no pod is ready: version %d is being loaded", d.Revision.Version), Fix: "wait a moment"}
	case d.Ready == 0 && len(d.Pods) == 0:
		return &Finding{Level: Fail, Detail: "no pod is ready: there is none" + after(d.Message), Fix: "see what Kubernetes says of its ReplicaSet", Command: "benchtop kubectl -n " + d.Namespace + " describe replicasets", Place: "/system/events"}
	case d.Ready == 0:
		return &Finding{Level: Fail, Detail: "no pod is ready: " + cmp.Or(d.Message, "they are starting"), Fix: "see what Kubernetes says of them, and what they say themselves", Command: describe, Place: "#logs"}
	case d.Unreached != "":
		detail, fix := "pods are ready, but predictions do not reach them: "+d.Unreached, "see whether Traefik, the ingress, runs, and whether a network policy keeps it out"
		for _, s := range e.Serving {
			if s.Version != "" {
				detail += fmt.Sprintf(". Asked directly, pod %s answers with version %s", mlops.ShortPod(s.Pod), s.Version)
				break
			}
		}
		return &Finding{Level: Fail, Detail: detail, Fix: fix, Command: "benchtop kubectl get pods,networkpolicy -A", Place: "/system/pods?namespace=kube-system"}
	case d.Ready < d.Replicas && !explained:
		return &Finding{Level: Warn, Detail: fmt.Sprintf("%d of %d pods are ready", d.Ready, d.Replicas), Fix: "wait until the others have started", Command: describe, Place: "#pods"}
	}
	return nil
}

// followedFinding reports that the model or alias that new versions come from
// is gone. A project has no model before its first training and no alias before
// its first release, and a pinned deployment follows nothing: neither is a
// fault.
func followedFinding(e Evidence) *Finding {
	d := e.Deployment
	switch {
	case e.modelless():
		return nil
	case e.NoModel && d.Own:
		return &Finding{Level: Warn, Detail: fmt.Sprintf("model %q is not registered any more: it was deleted. The served version goes on, and no other can be put into service", d.Model),
			Fix: "register a model under this name again, or delete the deployment", Command: "benchtop undeploy " + d.Name, Place: "/models"}
	case e.NoModel:
		return &Finding{Level: Warn, Detail: fmt.Sprintf("model %q is not registered any more: it was deleted or renamed. The served version goes on", d.Model),
			Fix: "train again, which registers it anew; or give the renamed model this name back", Command: "benchtop train " + d.Project, Place: "/projects/" + d.Project}
	case e.NoAlias && !d.Pinned && d.Own:
		return &Finding{Level: Warn, Detail: fmt.Sprintf("model %q has no alias %q any more, so the deployment follows nothing. The served version goes on", d.Model, d.Follows),
			Fix: "set the alias again, with an MLflow client or on the model's page; or put versions into service by hand", Command: "benchtop promote " + d.Name + " VERSION", Place: "/models/" + url.PathEscape(d.Model)}
	case e.NoAlias && !d.Pinned:
		return &Finding{Level: Warn, Detail: fmt.Sprintf("model %q has no alias %q any more. The served version goes on", d.Model, d.Follows),
			Fix: "put a version into service, which sets the alias again", Command: "benchtop promote " + d.Name + " VERSION", Place: "/models/" + url.PathEscape(d.Model)}
	}
	return nil
}

// releaseFinding says why the newest revision is not the one that is served.
func releaseFinding(r *mlops.Revision) *Finding {
	if r == nil {
		return nil
	}
	f := Finding{Level: Warn, Detail: fmt.Sprintf("version %d is not served: %s", r.Version, r.Message), Place: "#history"}
	switch r.State {
	case mlops.RevisionRejected:
		f.Fix = "train a better one, change the gates, or overrule them with a reason"
		f.Command = fmt.Sprintf("benchtop promote %s %d --override --reason WHY", r.Deployment, r.Version)
	case mlops.RevisionFailed:
		f.Fix = "what was served before goes on; see the history for the reason"
		f.Command = "benchtop revisions " + r.Deployment
	case mlops.RevisionWaiting, mlops.RevisionJudging:
		if r.Message == "" {
			return nil // it is looked at just now
		}
		f.Detail = fmt.Sprintf("version %d waits", r.Version)
		f.Fix = r.Message // names the command
	default:
		return nil
	}
	return &f
}
