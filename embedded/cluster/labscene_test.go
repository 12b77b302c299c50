package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// placeYAML puts objects of lab-names, or of the cluster, into the API server.
func (s *apiServer) placeYAML(t *testing.T, documents string) {
	t.Helper()
	for _, doc := range strings.Split(documents, "\n---\n") {
		var o struct {
			APIVersion, Kind string
			Metadata         struct{ Name string }
		}
		if err := yaml.Unmarshal([]byte(doc), &o); err != nil {
			t.Fatal(err)
		}
		b, err := yaml.YAMLToJSON([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		plural := ""
		for name, kind := range kinds[o.APIVersion] {
			if kind == o.Kind {
				plural = name
			}
		}
		root, in := "/apis/", "namespaces/lab-names/"
		if o.APIVersion == "v1" {
			root = "/api/"
		}
		if clusterScoped[o.Kind] {
			in = ""
		} else {
			var m map[string]any
			if err := json.Unmarshal(b, &m); err != nil {
				t.Fatal(err)
			}
			m["metadata"].(map[string]any)["namespace"] = "lab-names"
			if b, err = json.Marshal(m); err != nil {
				t.Fatal(err)
			}
		}
		s.place(t, root+o.APIVersion+"/"+in+plural+"/"+o.Metadata.Name, string(b))
	}
}

const sceneYAML = `
apiVersion: v1
kind: Namespace
metadata: {name: lab-names}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec: {rules: [{host: lab-names.lab.internal, http: {paths: [{path: /, backend: {service: {name: model, port: {number: 80}}}}, {path: /b, backend: {service: {name: gone, port: {number: 80}}}}, {path: /c, backend: {service: {name: model, port: {number: 81}}}}]}}]}
---
apiVersion: v1
kind: Service
metadata: {name: model}
spec: {selector: {app: model}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: wrong}
spec: {selector: {app: modl}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: model-1, labels: {kubernetes.io/service-name: model}}
endpoints:
- {conditions: {ready: true}, targetRef: {kind: Pod, namespace: lab-names, name: model-a}}
- {conditions: {ready: false}, targetRef: {kind: Pod, namespace: lab-names, name: model-b}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: model, generation: 1}
spec: {replicas: 2, selector: {matchLabels: {app: model}}}
status: {readyReplicas: 1, updatedReplicas: 2, replicas: 2, observedGeneration: 1}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: model-new, ownerReferences: [{kind: Deployment, name: model, controller: true}]}
spec: {replicas: 2}
status: {readyReplicas: 1, replicas: 2}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: model-old, ownerReferences: [{kind: Deployment, name: model, controller: true}]}
spec: {replicas: 0}
---
apiVersion: v1
kind: Pod
metadata: {name: model-a, ownerReferences: [{kind: ReplicaSet, name: model-new, controller: true}]}
spec: {nodeName: node-a, volumes: [{name: d, persistentVolumeClaim: {claimName: data}}], containers: [{name: c}]}
status: {phase: Running, conditions: [{type: Ready, status: "True"}], containerStatuses: [{restartCount: 2, state: {running: {}}}]}
---
apiVersion: v1
kind: Pod
metadata: {name: model-b, ownerReferences: [{kind: ReplicaSet, name: model-new, controller: true}]}
spec: {nodeName: node-a, volumes: [{name: d, persistentVolumeClaim: {claimName: lost}}], containers: [{name: c}]}
status: {phase: Running, containerStatuses: [{state: {waiting: {reason: CrashLoopBackOff, message: back-off}}}]}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {volumeName: pvc-1, storageClassName: local-path, resources: {requests: {storage: 1Gi}}}
status: {phase: Bound}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: pvc-1}
spec:
  claimRef: {namespace: lab-names, name: data}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [node-a]}]}]}}
status: {phase: Bound}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: pvc-2}
spec: {claimRef: {namespace: iris, name: iris-model}}
status: {phase: Bound}
---
apiVersion: v1
kind: Node
metadata: {name: node-a}
status: {conditions: [{type: Ready, status: "True"}], allocatable: {cpu: "2", memory: 1Gi}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: train}
spec: {schedule: "* * * * *", concurrencyPolicy: Forbid, suspend: true}
---
apiVersion: batch/v1
kind: Job
metadata: {name: train-1, ownerReferences: [{kind: CronJob, name: train, controller: true}]}
status: {failed: 1, conditions: [{type: Failed, status: "True", reason: BackoffLimitExceeded, message: too often}]}
---
apiVersion: v1
kind: Pod
metadata: {name: train-1-x, deletionTimestamp: "2026-01-01T00:00:00Z", ownerReferences: [{kind: Job, name: train-1, controller: true}]}
spec: {nodeName: node-a, containers: [{name: c}]}
status: {phase: Failed}`

func sceneOf(t *testing.T, kinds ...string) (states map[string]string, lines []string, order []string) {
	t.Helper()
	s, c, _ := newLabServer(t)
	s.placeYAML(t, strings.TrimPrefix(sceneYAML, "\n"))
	scene, err := c.LabScene(context.Background(), mlops.LabRoom{Name: "lab-names"}, kinds)
	if err != nil {
		t.Fatal(err)
	}
	states = map[string]string{}
	for _, column := range scene.Columns {
		order = append(order, column.Kind)
		for _, thing := range column.Things {
			if thing.Name == "" {
				t.Errorf("%s has no name", thing.ID)
			}
			states[strings.Replace(thing.ID, "lab-names/", "", 1)] = thing.State + ", " + thing.Mood
		}
	}
	for _, l := range scene.Lines {
		line := strings.ReplaceAll(l.From+" > "+l.To, "lab-names/", "")
		if l.Bad {
			line += " !"
		}
		lines = append(lines, line)
	}
	return states, lines, order
}

func TestLabScene(t *testing.T) {
	states, lines, order := sceneOf(t, append([]string{"Version", "Traffic"}, mlops.LabClusterKinds...)...)
	if !slices.Equal(order, mlops.LabClusterKinds) {
		t.Errorf("columns are %v", order)
	}
	for id, want := range map[string]string{
		"ingress/web": "lab-names.lab.internal, bad", "service/model": "1 endpoint, ok", "service/wrong": "no endpoints, bad", "service/gone": "not there, bad",
		"deployment/model": "1/2 ready, busy", "replicaset/model-new": "1/2 ready, busy", "pod/model-a": "Running, ok", "pod/model-b": "CrashLoopBackOff, bad",
		"pod/train-1-x": "Terminating, busy", "claim/data": "Bound, ok", "claim/lost": "not there, bad", "volume/pvc-1": "Bound, ok", "node/node-a": "Ready, ok",
		"cronjob/train": "suspended, none", "job/train-1": "Failed, bad",
	} {
		if states[id] != want {
			t.Errorf("%s is %q, expected %q", id, states[id], want)
		}
		delete(states, id)
	}
	if len(states) > 0 {
		t.Errorf("it shows what is none of the room's, or old: %v", states)
	}
	want := []string{
		"claim/data > volume/pvc-1", "cronjob/train > job/train-1", "deployment/model > replicaset/model-new", "ingress/web > service/gone !", "ingress/web > service/model",
		"ingress/web > service/model !", "job/train-1 > pod/train-1-x", "pod/model-a > claim/data", "pod/model-b > claim/lost !", "replicaset/model-new > pod/model-a",
		"replicaset/model-new > pod/model-b", "service/model > pod/model-a", "service/model > pod/model-b !", "volume/pvc-1 > node/node-a",
	}
	slices.Sort(lines)
	if !slices.Equal(lines, want) {
		t.Errorf("lines are\n%q, expected\n%q", lines, want)
	}
}

func TestLabSceneSkipsColumns(t *testing.T) {
	_, lines, order := sceneOf(t, "Deployment", "Pod", "Node", "CronJob")
	want := []string{"deployment/model > pod/model-a", "deployment/model > pod/model-b", "pod/model-a > node/node-a", "pod/model-b > node/node-a", "pod/train-1-x > node/node-a"}
	if !slices.Equal(order, []string{"Deployment", "Pod", "Node", "CronJob"}) || !slices.Equal(slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, "cronjob") }), want) {
		t.Errorf("columns %v have the lines %q, expected %q", order, lines, want)
	}
	if _, lines, _ := sceneOf(t, "Deployment", "Pod", "CronJob"); !slices.Contains(lines, "cronjob/train > pod/train-1-x") {
		t.Errorf("without jobs the lines are %q, expected one from cron job to pod", lines)
	}
}

func TestLabSceneCountsWhatItLeavesOut(t *testing.T) {
	var pods []corev1.Pod
	for i := range 20 {
		p := corev1.Pod{}
		p.Name, p.Namespace, p.Status.Phase = fmt.Sprintf("p-%02d", i), "lab-names", corev1.PodSucceeded
		p.CreationTimestamp.Time = time.Unix(int64(i), 0)
		pods = append(pods, p)
	}
	pods[3].Status.Phase = corev1.PodFailed
	scene := drawScene(sceneObjects{pods: pods}, []string{"Pod"}, time.Now())
	things := scene.Columns[0].Things
	if scene.Columns[0].More != 8 || len(things) != sceneThings || things[0].Name != "p-03" || things[1].Name != "p-09" || things[11].Name != "p-19" {
		t.Errorf("it shows %v and %d more, expected the failed one and the newest", things, scene.Columns[0].More)
	}
}

func TestPodStates(t *testing.T) {
	for doc, want := range map[string]string{
		`{}`: "Pending busy",
		`{status: {phase: Pending, conditions: [{type: PodScheduled, status: "False", reason: Unschedulable}]}}`:                                    "Pending bad",
		`{spec: {nodeName: a}, status: {phase: Pending, containerStatuses: [{state: {waiting: {reason: ContainerCreating}}}]}}`:                     "ContainerCreating busy",
		`{spec: {nodeName: a}, status: {phase: Pending, containerStatuses: [{state: {waiting: {reason: PodInitializing}}}]}}`:                       "Init busy",
		`{spec: {nodeName: a}, status: {phase: Pending, containerStatuses: [{state: {waiting: {reason: ImagePullBackOff}}}]}}`:                      "ImagePullBackOff bad",
		`{spec: {nodeName: a}, status: {phase: Running, containerStatuses: [{state: {running: {}}}]}}`:                                              "not ready bad",
		`{spec: {nodeName: a}, status: {phase: Failed, reason: Evicted}}`:                                                                           "Evicted bad",
		`{spec: {nodeName: a}, status: {phase: Failed, containerStatuses: [{state: {terminated: {exitCode: 137, reason: OOMKilled}}}]}}`:            "OOMKilled bad",
		`{spec: {nodeName: a}, status: {phase: Succeeded, containerStatuses: [{state: {terminated: {exitCode: 0, reason: Completed}}}]}}`:           "Completed none",
		`{spec: {nodeName: a}, status: {phase: Pending, initContainerStatuses: [{state: {terminated: {exitCode: 1, reason: Error}}}]}}`:             "Error bad",
		`{spec: {nodeName: a}, status: {phase: Running, conditions: [{type: Ready, status: "True"}], containerStatuses: [{state: {running: {}}}]}}`: "Running ok",
	} {
		var p corev1.Pod
		if err := yaml.Unmarshal([]byte(doc), &p); err != nil {
			t.Fatal(err)
		}
		state, mood := podState(&p, podOf(&p))
		if got := state + " " + mood; got != want {
			t.Errorf("%s is %q, expected %q", doc, got, want)
		}
	}
}

func TestLabSceneErrors(t *testing.T) {
	s, c, _ := newLabServer(t)
	_, err := c.LabScene(context.Background(), mlops.LabRoom{Name: "lab-names"}, mlops.LabClusterKinds)
	expectError(t, err, "there is no room lab-names: open its lab")
	s.place(t, "/api/v1/namespaces/lab-names", `{"metadata": {"name": "lab-names"}}`)
	s.broken = "endpointslices"
	_, err = c.LabScene(context.Background(), mlops.LabRoom{Name: "lab-names"}, mlops.LabClusterKinds)
	expectError(t, err, "look at room lab-names: ")
}
