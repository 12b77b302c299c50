package doctor

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func TestDeployment(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	const name = "iris-7c9d8b6f54-q2x7k"
	pod := func(change func(*mlops.Pod)) mlops.Pod {
		p := mlops.Pod{Namespace: "iris", Name: name, Phase: "Running", Image: "lab:1", CreatedAt: now.Add(-time.Hour), StartedAt: now.Add(-time.Hour), Limits: mlops.Resources{Memory: 512 << 20}, Requests: mlops.Resources{CPU: 0.05, Memory: 128 << 20}}
		change(&p)
		return p
	}
	waiting := func(why, message string) mlops.Pod {
		return pod(func(p *mlops.Pod) { p.Phase, p.Waiting, p.Message = "Pending", why, message })
	}
	exited := func(ready bool, code int, reason string, ago time.Duration) mlops.Pod {
		return pod(func(p *mlops.Pod) {
			p.Ready, p.Restarts, p.LastExit = ready, 3, &mlops.Exit{At: now.Add(-ago), Code: code, Reason: reason}
		})
	}
	well := pod(func(p *mlops.Pod) { p.Ready = true })
	unready := pod(func(*mlops.Pod) {})
	logs := "benchtop logs iris"
	for title, c := range map[string]struct {
		pods     []mlops.Pod
		change   func(*Evidence)
		findings []string // check, level, detail
		fix      string   // of the first
		command  string
		place    string
		seen     string
	}{
		"all is well": {pods: []mlops.Pod{well}},
		"a deployment of its own volume whose first version could not be brought": {pods: []mlops.Pod{unready}, change: func(e *Evidence) {
			e.Deployment.Own, e.Deployment.Revision, e.Deployment.Version = true, nil, ""
			e.Newest = &mlops.Revision{Deployment: "iris", Version: 1, State: mlops.RevisionFailed, Message: "no package xgboost"}
		}, findings: []string{"iris server fail it serves nothing: no package xgboost"}, fix: "put a version into service that can be served", command: "benchtop promote iris VERSION", place: "#history"},
		"one whose first version is on its way": {pods: []mlops.Pod{unready}, change: func(e *Evidence) {
			e.Deployment.Own, e.Deployment.Revision, e.Deployment.Version = true, nil, ""
			e.Newest = &mlops.Revision{Deployment: "iris", Version: 1, State: mlops.RevisionJudging}
		}, findings: []string{"iris server warn no pod is ready: its first version is being brought"}, fix: "wait a little", command: "benchtop revisions iris", place: "#history"},
		"one that is being deleted": {pods: []mlops.Pod{exited(false, 1, "Error", time.Minute)}, change: func(e *Evidence) { e.Deployment.Deleting = true }},
		"crash loop": {pods: []mlops.Pod{exited(false, 1, "Error", time.Minute)}, change: func(e *Evidence) { e.Words = map[string]string{name: "KeyError: x"} },
			findings: []string{"iris pod q2x7k fail pod q2x7k keeps ending: last with exit code 1 (Error, 3 restarts)"}, fix: "roll back to the one before", command: logs, place: "#logs", seen: "KeyError: x"},
		"it has crashed a while ago, and another one serves": {pods: []mlops.Pod{exited(true, 1, "Error", time.Hour), well}},
		"it has just crashed and is back": {pods: []mlops.Pod{exited(true, 1, "Error", time.Minute)},
			findings: []string{"iris pod q2x7k warn pod q2x7k keeps ending: last with exit code 1 (Error, 3 restarts)"}, fix: "read what it said last", command: logs, place: "#logs"},
		"out of memory": {pods: []mlops.Pod{exited(false, 137, "OOMKilled", time.Minute)},
			findings: []string{"iris pod q2x7k fail pod q2x7k needed more than its memory limit of 512 MiB and was killed (OOMKilled, exit code 137, 3 restarts)"}, fix: "smaller model", command: "benchtop rollback iris", place: "#history"},
		"no image": {pods: []mlops.Pod{waiting("ErrImageNeverPull", "image lab:1 is not on this machine")},
			findings: []string{"iris pod q2x7k fail pod q2x7k cannot start without its image lab:1: image lab:1 is not on this machine"}, fix: "load the image", command: "benchtop images load FILE", place: "/system/images"},
		"no node": {pods: []mlops.Pod{waiting("Unschedulable", "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.")},
			findings: []string{"iris pod q2x7k fail pod q2x7k finds no place to run: 0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."}, fix: "bring the node back", place: "/system/pods"},
		"no volume": {pods: []mlops.Pod{waiting("Unschedulable", `0/1 nodes are available: persistentvolumeclaim "iris-model" not found.`)},
			findings: []string{`iris pod q2x7k fail pod q2x7k finds no place to run: 0/1 nodes are available: persistentvolumeclaim "iris-model" not found.`}, fix: "volume claim is bound", place: "/system/pods"},
		"no cores": {pods: []mlops.Pod{waiting("Unschedulable", "0/1 nodes are available: 1 Insufficient cpu.")},
			findings: []string{"iris pod q2x7k fail pod q2x7k finds no place to run: 0/1 nodes are available: 1 Insufficient cpu."}, fix: "it asks for 0.05", place: "/system/pods"},
		"no memory": {pods: []mlops.Pod{waiting("Unschedulable", "0/1 nodes are available: 1 Insufficient memory.")},
			findings: []string{"iris pod q2x7k fail pod q2x7k finds no place to run: 0/1 nodes are available: 1 Insufficient memory."}, fix: "it asks for 128 MiB", place: "/system/pods"},
		"no Secret": {pods: []mlops.Pod{waiting("CreateContainerConfigError", `CreateContainerConfigError: secret "x" not found`)},
			findings: []string{`iris pod q2x7k fail pod q2x7k cannot be started: CreateContainerConfigError: secret "x" not found`}, fix: "mend what", place: "/system/events"},
		"evicted": {pods: []mlops.Pod{pod(func(p *mlops.Pod) { p.Phase, p.Message = "Failed", "The node was low on resource: memory." }), well},
			findings: []string{"iris pod q2x7k warn pod q2x7k was ended: The node was low on resource: memory."}, fix: "nothing", place: "/system/events"},
		"on its way out": {pods: []mlops.Pod{pod(func(p *mlops.Pod) { p.Deleting = true }), well}},
		"a version that cannot be loaded": {pods: []mlops.Pod{unready}, change: func(e *Evidence) {
			e.Serving = []mlops.Serving{{Pod: name, Wanted: "4", Error: "xgboost is not installed"}}
		}, findings: []string{"iris pod q2x7k fail pod q2x7k cannot load version 4: xgboost is not installed"}, fix: "put another version into service", command: "benchtop revisions iris", place: "#history"},
		"a version that cannot be loaded beside one that serves": {pods: []mlops.Pod{well}, change: func(e *Evidence) {
			e.Serving = []mlops.Serving{{Pod: name, Ready: true, Version: "3", Wanted: "4", Error: "xgboost is not installed"}}
		}, findings: []string{"iris pod q2x7k warn pod q2x7k cannot load version 4: xgboost is not installed; it goes on with version 3"}, fix: "another version", place: "#history"},
		"a version that cannot be loaded by one that is being replaced": {pods: []mlops.Pod{well}, change: func(e *Evidence) {
			e.Serving = []mlops.Serving{{Pod: name, Ready: true, Version: "3", Wanted: "4", Error: "xgboost is not installed", Outdated: true}}
		}},
		"not ready and silent": {pods: []mlops.Pod{unready}, findings: []string{"iris pod q2x7k fail pod q2x7k runs, but is not ready"}, fix: "read what it says", command: logs, place: "#logs"},
		"starting": {pods: []mlops.Pod{pod(func(p *mlops.Pod) { p.StartedAt = now })},
			findings: []string{"iris server fail no pod is ready: they are starting"}, fix: "see what Kubernetes says", command: "benchtop kubectl -n iris describe pods", place: "#logs"},
		"its first training failed": {pods: []mlops.Pod{unready}, change: func(e *Evidence) {
			e.Deployment.Revision, e.Training = nil, &mlops.Training{Job: "iris-train-1", State: mlops.TrainingFailed, Message: "no such column"}
		}, findings: []string{"iris server fail no pod is ready: there is no model yet, and training iris-train-1 failed: no such column"}, fix: "train again", command: "benchtop train iris", place: "/projects/iris"},
		"a version is being brought": {pods: []mlops.Pod{unready}, change: func(e *Evidence) {
			e.Deployment.Revision, e.Serving = &mlops.Revision{Version: 4, State: mlops.RevisionStarting, CreatedAt: now.Add(-time.Second)}, []mlops.Serving{{Pod: name, Wanted: "4", Error: "not on the volume"}}
		}, findings: []string{"iris server warn no pod is ready: version 4 is being loaded"}, fix: "wait"},
		"one that has waited for an approval is being brought": {pods: []mlops.Pod{unready}, change: func(e *Evidence) {
			e.Deployment.Revision = &mlops.Revision{Version: 4, State: mlops.RevisionStarting, CreatedAt: now.Add(-time.Hour), StartedAt: now.Add(-time.Second)}
		}, findings: []string{"iris server warn no pod is ready: version 4 is being loaded"}, fix: "wait"},
		"it takes too long to be brought": {pods: []mlops.Pod{unready}, change: func(e *Evidence) {
			e.Deployment.Revision = &mlops.Revision{Version: 4, State: mlops.RevisionStarting, CreatedAt: now.Add(-time.Hour), StartedAt: now.Add(-2 * time.Minute)}
		}, findings: []string{"iris pod q2x7k fail pod q2x7k runs, but is not ready"}, fix: "read what it says", command: logs, place: "#logs"},
		"waits for its first model": {pods: []mlops.Pod{unready}, change: func(e *Evidence) {
			e.Deployment.Revision, e.Serving = nil, []mlops.Serving{{Pod: name, Error: "no model"}}
		}, findings: []string{"iris server warn no pod is ready: there is no model yet"}, fix: "wait until the training has ended"},
		"no pods":        {findings: []string{"iris server fail no pod is ready: there is none"}, fix: "ReplicaSet", place: "/system/events"},
		"scaled to zero": {change: func(e *Evidence) { e.Deployment.Replicas = 0 }},
		"too few": {pods: []mlops.Pod{well, pod(func(p *mlops.Pod) { p.Name, p.StartedAt = "iris-b", now })}, change: func(e *Evidence) { e.Deployment.Replicas = 2 },
			findings: []string{"iris server warn 1 of 2 pods are ready"}, fix: "wait", place: "#pods"},
		"the ingress is down": {pods: []mlops.Pod{well}, change: func(e *Evidence) {
			e.Deployment.Unreached, e.Serving = "connection refused", []mlops.Serving{{Pod: name, Version: "3"}}
		}, findings: []string{"iris server fail pods are ready, but predictions do not reach them: connection refused. Asked directly, pod q2x7k answers with version 3"}, fix: "Traefik", command: "benchtop kubectl get pods,networkpolicy -A", place: "/system/pods?namespace=kube-system"},
		"disk": {pods: []mlops.Pod{well}, change: func(e *Evidence) { e.Disk = mlops.DiskSpace{Free: 1 << 30, Total: 100 << 30} },
			findings: []string{"disk warn the disk is nearly full: 1024 MiB of 102400 MiB are free. Predictions go on; trainings and uploads will fail"}, fix: "delete old runs"},
		"refused by a gate": {pods: []mlops.Pod{well}, change: func(e *Evidence) {
			e.Newest = &mlops.Revision{Deployment: "iris", Version: 4, State: mlops.RevisionRejected, Message: "gate accuracy failed"}
		}, findings: []string{"iris release warn version 4 is not served: gate accuracy failed"}, fix: "overrule them", command: "benchtop promote iris 4 --override --reason WHY", place: "#history"},
		"could not be brought": {pods: []mlops.Pod{well}, change: func(e *Evidence) {
			e.Newest = &mlops.Revision{Deployment: "iris", Version: 4, State: mlops.RevisionFailed, Message: "version 4 could not be brought to the servers: no such key"}
		}, findings: []string{"iris release warn version 4 is not served: version 4 could not be brought to the servers: no such key"}, fix: "what was served before goes on", command: "benchtop revisions iris", place: "#history"},
		"waits for an approval": {pods: []mlops.Pod{well}, change: func(e *Evidence) {
			e.Newest = &mlops.Revision{Deployment: "iris", Version: 4, State: mlops.RevisionWaiting, Message: "it waits for an approval"}
		}, findings: []string{"iris release warn version 4 waits"}, fix: "it waits for an approval", place: "#history"},
		"is being judged": {pods: []mlops.Pod{well}, change: func(e *Evidence) { e.Newest = &mlops.Revision{State: mlops.RevisionJudging} }},
		"the model of a deployment of its own volume was deleted": {pods: []mlops.Pod{well}, change: func(e *Evidence) { e.Deployment.Model, e.Deployment.Own, e.NoModel = "my model", true, true },
			findings: []string{`iris model warn model "my model" is not registered any more: it was deleted. The served version goes on, and no other can be put into service`}, fix: "register a model under this name again", command: "benchtop undeploy iris", place: "/models"},
		"the model of a project was renamed": {pods: []mlops.Pod{well}, change: func(e *Evidence) { e.Deployment.Model, e.NoModel = "iris", true },
			findings: []string{`iris model warn model "iris" is not registered any more: it was deleted or renamed. The served version goes on`}, fix: "train again", command: "benchtop train iris", place: "/projects/iris"},
		"a project has no model yet": {pods: []mlops.Pod{unready}, change: func(e *Evidence) { e.Deployment.Revision, e.NoModel, e.NoAlias = nil, true, true },
			findings: []string{"iris server warn no pod is ready: there is no model yet"}, fix: "wait"},
		"the alias of a deployment of its own volume was deleted": {pods: []mlops.Pod{well}, change: func(e *Evidence) {
			e.Deployment.Model, e.Deployment.Own, e.Deployment.Follows, e.NoAlias = "my model", true, "champion", true
		}, findings: []string{`iris model warn model "my model" has no alias "champion" any more, so the deployment follows nothing. The served version goes on`}, fix: "set the alias again", command: "benchtop promote iris VERSION", place: "/models/my%20model"},
		"the alias of a project was deleted": {pods: []mlops.Pod{well}, change: func(e *Evidence) { e.Deployment.Model, e.Deployment.Follows, e.NoAlias = "iris", "live", true },
			findings: []string{`iris model warn model "iris" has no alias "live" any more. The served version goes on`}, fix: "which sets the alias again", command: "benchtop promote iris VERSION", place: "/models/iris"},
		"the alias of a pinned one was deleted": {pods: []mlops.Pod{well}, change: func(e *Evidence) { e.Deployment.Pinned, e.NoAlias = true, true }},
		"is live":                               {pods: []mlops.Pod{well}, change: func(e *Evidence) { e.Newest = &mlops.Revision{State: mlops.RevisionLive} }},
	} {
		e := Evidence{Now: now, Deployment: mlops.Deployment{Name: "iris", Project: "iris", Namespace: "iris", Replicas: 1, Pods: c.pods, Revision: &mlops.Revision{Version: 3, State: mlops.RevisionLive}}}
		for _, p := range c.pods {
			if p.Ready {
				e.Deployment.Ready++
			}
		}
		if c.change != nil {
			c.change(&e)
		}
		got := Deployment(e)
		var said []string
		for _, f := range got {
			said = append(said, strings.Join([]string{f.Check, string(f.Level), f.Detail}, " "))
			if f.Fix == "" {
				t.Errorf("%s: %s says nothing of what to do", title, f.Check)
			}
		}
		if !slices.Equal(said, c.findings) {
			t.Errorf("%s: found\n%s\nwant\n%s", title, strings.Join(said, "\n"), strings.Join(c.findings, "\n"))
			continue
		}
		if len(got) == 0 {
			continue
		}
		if f := got[0]; !strings.Contains(f.Fix, c.fix) || c.command != "" && f.Command != c.command || f.Place != c.place || f.Seen != c.seen {
			t.Errorf("%s: to do is %+v", title, f)
		}
	}
}
