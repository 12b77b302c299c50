package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/util/exec"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// broughtImages notes which images were imported on demand.
type broughtImages struct {
	Images
	names []string
	err   error
}

func (b *broughtImages) Bring(_ context.Context, name string) error {
	b.names = append(b.names, name)
	return b.err
}

var testRoom = mlops.LabRoom{
	Name: "lab-names", Lab: "names", Env: map[string]string{"LAB": "lab-names", "AWS_SECRET_ACCESS_KEY": "secret"}, Files: map[string]string{"model.yaml": "kind: Pod"},
	ClusterRead: []string{"nodes", "storageclasses"}, Namespaces: []string{"lab-names-model"}, ProjectRead: true,
}

// newLabServer returns an API server with a client that can open rooms, and a
// project's namespace.
func newLabServer(t *testing.T) (*apiServer, *Client, *broughtImages) {
	t.Helper()
	s, c := newAPIServer(t)
	images := &broughtImages{}
	c.images = images
	s.place(t, "/api/v1/namespaces/lab-names-model", `{"metadata": {"name": "lab-names-model"}}`)
	return s, c, images
}

func (s *apiServer) place(t *testing.T, path, object string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var o map[string]any
	if err := json.Unmarshal([]byte(object), &o); err != nil {
		t.Fatal(err)
	}
	gv, kind, _ := parsePath(path)
	if kind == "" {
		t.Fatalf("no resource has the path %s", path)
	}
	o["apiVersion"], o["kind"] = gv, kind
	s.objects[path] = o
}

// paths are those of all objects.
func (s *apiServer) paths() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for p := range s.objects {
		out = append(out, p)
	}
	slices.Sort(out)
	return out
}

func get[T any](t *testing.T, s *apiServer, path string) *T {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.objects[path] == nil {
		t.Fatalf("there is no %s", path)
	}
	b, err := json.Marshal(s.objects[path])
	if err != nil {
		t.Fatal(err)
	}
	var out T
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return &out
}

func open(t *testing.T, c *Client, r mlops.LabRoom) {
	t.Helper()
	if err := c.OpenLab(context.Background(), r); err != nil {
		t.Fatal(err)
	}
}

const shellPath = "/api/v1/namespaces/lab-shells/pods/lab-names"

func TestOpenLab(t *testing.T) {
	s, c, images := newLabServer(t)
	open(t, c, testRoom)
	if !slices.Equal(images.names, []string{"lab-shell"}) {
		t.Errorf("images %v were brought in", images.names)
	}
	ns := get[corev1.Namespace](t, s, "/api/v1/namespaces/lab-names")
	if ns.Labels[labelGuidedLab] != "names" || ns.Labels["pod-security.kubernetes.io/enforce"] != "baseline" {
		t.Errorf("the namespace has the labels %v", ns.Labels)
	}
	if l := get[corev1.Namespace](t, s, "/api/v1/namespaces/lab-shells").Labels["pod-security.kubernetes.io/enforce"]; l != "restricted" {
		t.Errorf("pods of shells are held to %q", l)
	}
	secret := get[corev1.Secret](t, s, "/api/v1/namespaces/lab-names/secrets/lab")
	if string(secret.Data["AWS_SECRET_ACCESS_KEY"]) != "secret" {
		t.Errorf("the room's Secret is %v", secret.Data)
	}
	quota := get[corev1.ResourceQuota](t, s, "/api/v1/namespaces/lab-names/resourcequotas/lab")
	if cpu, memory := quota.Spec.Hard["requests.cpu"], quota.Spec.Hard["requests.memory"]; cpu.String() != "2" || memory.String() != "2Gi" || quota.Spec.Hard.Pods().Value() != 20 {
		t.Errorf("the quota is %v", quota.Spec.Hard)
	}
	if gpus, ok := get[corev1.ResourceQuota](t, s, "/api/v1/namespaces/lab-names/resourcequotas/lab-objects").Spec.Hard["requests.nvidia.com/gpu"]; !ok || gpus.Value() != 0 {
		t.Error("a lab without GPUs may use them")
	}
	for namespace, roles := range map[string][]string{"lab-names": {"benchtop:lab-learner", "cluster-admin"}, "lab-names-model": {"benchtop:lab-reader", "benchtop:lab-job-runner", "cluster-admin"}} {
		for _, role := range roles {
			b := get[rbacv1.RoleBinding](t, s, "/apis/rbac.authorization.k8s.io/v1/namespaces/"+namespace+"/rolebindings/benchtop:lab-names:"+role)
			want := "lab-names"
			if role == "cluster-admin" {
				want = "lab-names-author"
			}
			if b.RoleRef.Name != role || len(b.Subjects) != 1 || b.Subjects[0].Name != want || b.Subjects[0].Namespace != "lab-shells" {
				t.Errorf("in %s role %s is given to %v, expected %s", namespace, b.RoleRef.Name, b.Subjects, want)
			}
		}
	}
	rules := get[rbacv1.ClusterRole](t, s, "/apis/rbac.authorization.k8s.io/v1/clusterroles/benchtop:lab-names").Rules
	for _, r := range rules {
		if slices.ContainsFunc(r.Verbs, func(v string) bool { return !slices.Contains([]string{"get", "list", "watch"}, v) }) || slices.ContainsFunc(r.Resources, func(res string) bool { return strings.Contains(res, "/") }) {
			t.Errorf("of the cluster a learner may %v %v", r.Verbs, r.Resources)
		}
	}
	if len(rules) != 3 {
		t.Errorf("of the cluster a learner may read %v, expected nodes, their metrics and storage classes", rules)
	}
}

// TestLearnersCannotEscalate reads the roles that learners get.
func TestLearnersCannotEscalate(t *testing.T) {
	read := []string{"get", "list", "watch"}
	for _, o := range render(t, testConfig(t), "lab-rooms.yaml") {
		role, ok := typed(t, o).(*rbacv1.ClusterRole)
		if !ok {
			continue
		}
		for _, r := range role.Rules {
			for _, name := range r.Resources {
				if strings.Contains(name, "*") || slices.Contains([]string{"serviceaccounts/token", "services/proxy", "nodes", "nodes/proxy", "pods/binding", "bindings"}, name) {
					t.Errorf("%s may use %s", role.Name, name)
				}
				writes := slices.ContainsFunc(r.Verbs, func(v string) bool { return !slices.Contains(read, v) })
				if writes && slices.Contains([]string{"roles", "rolebindings", "serviceaccounts", "resourcequotas", "limitranges", "namespaces", "endpoints", "endpointslices"}, name) {
					t.Errorf("%s may write %s", role.Name, name)
				}
				if name == "secrets" && role.Name != learnerRole {
					t.Errorf("%s may use Secrets", role.Name)
				}
			}
			for _, v := range r.Verbs {
				if !slices.Contains(append([]string{"create", "update", "patch", "delete", "deletecollection"}, read...), v) {
					t.Errorf("%s may %s %v", role.Name, v, r.Resources)
				}
			}
		}
	}
}

func TestTheShellHoldsNothingOfTheAuthor(t *testing.T) {
	s, c, _ := newLabServer(t)
	open(t, c, testRoom)
	p := get[corev1.Pod](t, s, shellPath)
	if len(p.Spec.Containers) != 2 || p.Spec.Containers[0].Name != mlops.LabLearner || p.Spec.Containers[1].Name != mlops.LabAuthor {
		t.Fatalf("containers are %+v", p.Spec.Containers)
	}
	for _, m := range p.Spec.Containers[0].VolumeMounts {
		for _, v := range p.Spec.Volumes {
			if v.Name != m.Name || v.Projected == nil {
				continue
			}
			for _, source := range v.Projected.Sources {
				if source.ServiceAccountToken != nil {
					t.Errorf("the learner has the token of account %s", p.Spec.ServiceAccountName)
				}
			}
		}
		if m.Name == "author" {
			t.Error("the learner has the author's folder")
		}
	}
	if *p.Spec.AutomountServiceAccountToken || p.Spec.HostNetwork || p.Spec.HostPID || p.Spec.ShareProcessNamespace != nil {
		t.Errorf("the pod is %+v", p.Spec)
	}
	for _, container := range p.Spec.Containers {
		sc := container.SecurityContext
		if *sc.AllowPrivilegeEscalation || !slices.Equal(sc.Capabilities.Drop, []corev1.Capability{"ALL"}) || container.ImagePullPolicy != corev1.PullNever || container.Resources.Limits.Memory().IsZero() {
			t.Errorf("container %s is %+v", container.Name, container)
		}
	}
	if !*p.Spec.SecurityContext.RunAsNonRoot || p.Spec.SecurityContext.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Errorf("the pod's security context is %+v", p.Spec.SecurityContext)
	}
	if token := get[corev1.Secret](t, s, "/api/v1/namespaces/lab-shells/secrets/lab-names-token"); token.Annotations[corev1.ServiceAccountNameKey] != "lab-names" {
		t.Errorf("the learner's token is of account %v", token.Annotations)
	}
}

func TestWhereAShellConnects(t *testing.T) {
	s, c, _ := newLabServer(t)
	open(t, c, testRoom)
	policy := get[networkingv1.NetworkPolicy](t, s, "/apis/networking.k8s.io/v1/namespaces/lab-shells/networkpolicies/lab-names")
	if len(policy.Spec.Ingress) != 0 || len(policy.Spec.PolicyTypes) != 2 || policy.Spec.PodSelector.MatchLabels[labelRoom] != "lab-names" {
		t.Errorf("the policy is %+v", policy.Spec)
	}
	for where, policy := range map[string]*networkingv1.NetworkPolicy{
		" 6443": policy,
		"":      get[networkingv1.NetworkPolicy](t, s, "/apis/networking.k8s.io/v1/namespaces/lab-names/networkpolicies/lab"),
		" ":     get[networkingv1.NetworkPolicy](t, s, "/apis/networking.k8s.io/v1/namespaces/lab-names-model/networkpolicies/lab"),
	} {
		var to []string
		for _, rule := range policy.Spec.Egress {
			for _, peer := range rule.To {
				where := ""
				if peer.IPBlock != nil {
					where = peer.IPBlock.CIDR
				} else {
					where = peer.NamespaceSelector.MatchLabels[corev1.LabelMetadataName] + fmt.Sprint(peer.PodSelector.MatchLabels)
				}
				for _, p := range rule.Ports {
					where += " " + p.Port.String()
				}
				to = append(to, where)
			}
		}
		want := []string{"kube-system" + fmt.Sprint(map[string]string{"k8s-app": "kube-dns"}) + " 53", "kube-system" + fmt.Sprint(map[string]string{"k8s-app": "kube-dns"}) + " 53",
			"kube-system" + fmt.Sprint(map[string]string{labelName: "traefik"}), "10.44.0.1/32" + strings.TrimRight(where, " ") + " 8081 8443 15000 18080 19000", "lab-names" + fmt.Sprint(map[string]string{}), "lab-names-model" + fmt.Sprint(map[string]string{})}
		if !slices.Equal(to, want) {
			t.Errorf("policy %s of %s lets connect to\n%q, expected\n%q", policy.Name, policy.Namespace, to, want)
		}
		// A lab's fault is a policy about who may come in: ours must not allow it.
		if inRoom := policy.Namespace != mlops.LabShells; inRoom && (!slices.Equal(policy.Spec.PolicyTypes, []networkingv1.PolicyType{networkingv1.PolicyTypeEgress}) || len(policy.Spec.PodSelector.MatchLabels) > 0 || policy.Annotations["kubernetes.io/description"] == "") {
			t.Errorf("policy %s of %s is %+v, expected one of all pods about egress alone, explained", policy.Name, policy.Namespace, policy)
		}
	}
}

func TestOpenAgain(t *testing.T) {
	s, c, _ := newLabServer(t)
	open(t, c, testRoom)
	made := s.made
	open(t, c, testRoom)
	if s.made != made {
		t.Errorf("opening a room again made its pod again")
	}
	changed := testRoom
	changed.Env = map[string]string{"LAB": "lab-names", "AWS_SECRET_ACCESS_KEY": "another"}
	open(t, c, changed)
	if s.made != made+1 {
		t.Errorf("with another key the pod was made %d times, expected once", s.made-made)
	}
	s.mu.Lock()
	s.objects[shellPath]["status"] = map[string]any{"phase": "Failed", "reason": "Evicted"}
	s.mu.Unlock()
	open(t, c, changed)
	if s.made != made+2 {
		t.Error("a pod that was evicted was not made again")
	}
}

func TestOpenLabErrors(t *testing.T) {
	for what, c := range map[string]struct {
		room   func(r *mlops.LabRoom)
		object string // of namespace lab-names
		images error
		code   mlops.Code
		want   string
	}{
		"somebody else's namespace": {object: `{"metadata": {"name": "lab-names"}}`, code: mlops.Exists, want: "namespace lab-names that no guided lab has made: delete it, `benchtop kubectl delete namespace lab-names`"},
		"a namespace that goes": {object: `{"metadata": {"name": "lab-names", "labels": {"benchtop.dev/lab-room": "lab-names"}, "deletionTimestamp": "2026-01-01T00:00:00Z"}}`,
			code: mlops.Unavailable, want: "still being deleted: try again in a few seconds"},
		"all secrets":    {room: func(r *mlops.LabRoom) { r.ClusterRead = []string{"secrets"} }, code: mlops.Invalid, want: `a lab asks to read "secrets" of the whole cluster: expected some of [ingressclasses namespaces nodes`},
		"a quota":        {room: func(r *mlops.LabRoom) { r.Memory = "much" }, code: mlops.Invalid, want: `the quota of memory of room lab-names is "much": expected an amount`},
		"no project yet": {room: func(r *mlops.LabRoom) { r.Namespaces = []string{"lab-names-later"} }, code: mlops.Unavailable, want: "namespace lab-names-later, which room lab-names works in, is not there yet"},
		"no image":       {images: errors.New("the disk is full"), code: mlops.Internal, want: "bring in the image of room lab-names's shell: the disk is full"},
	} {
		s, client, images := newLabServer(t)
		images.err = c.images
		if c.object != "" {
			s.place(t, "/api/v1/namespaces/lab-names", c.object)
		}
		r := testRoom
		if c.room != nil {
			c.room(&r)
		}
		err := client.OpenLab(context.Background(), r)
		expectError(t, err, c.want)
		if mlops.CodeOf(err) != c.code {
			t.Errorf("%s: code %s, expected %s", what, mlops.CodeOf(err), c.code)
		}
		if what == "no project yet" {
			get[corev1.Pod](t, s, shellPath) // all else is there
		}
	}
}

func TestClearLab(t *testing.T) {
	s, c, _ := newLabServer(t)
	open(t, c, testRoom)
	s.place(t, "/api/v1/namespaces/lab-names/configmaps/kube-root-ca.crt", `{"metadata": {"name": "kube-root-ca.crt", "namespace": "lab-names"}}`)
	s.place(t, "/api/v1/namespaces/lab-names/serviceaccounts/default", `{"metadata": {"name": "default", "namespace": "lab-names"}}`)
	fresh := s.paths()
	for _, p := range []string{"/api/v1/namespaces/lab-names/pods/model", "/apis/apps/v1/namespaces/lab-names/deployments/model", "/api/v1/namespaces/lab-names/secrets/mine",
		"/apis/networking.k8s.io/v1/namespaces/lab-names/ingresses/model", "/api/v1/namespaces/lab-names/events/e", "/apis/rbac.authorization.k8s.io/v1/namespaces/lab-names/rolebindings/more",
		"/apis/coordination.k8s.io/v1/namespaces/lab-names/leases/l"} {
		s.place(t, p, `{"metadata": {"namespace": "lab-names", "labels": {"benchtop.dev/lab-room": "lab-names"}, "name": "`+p[strings.LastIndex(p, "/")+1:]+`"}}`)
	}
	other := "/api/v1/namespaces/iris/pods/iris"
	s.place(t, other, `{"metadata": {"namespace": "iris", "name": "iris"}}`)
	// What a learner has deleted of ours comes back.
	s.mu.Lock()
	delete(s.objects, "/api/v1/namespaces/lab-names/secrets/lab")
	delete(s.objects, "/apis/networking.k8s.io/v1/namespaces/lab-names/networkpolicies/lab")
	s.mu.Unlock()
	if err := c.ClearLab(context.Background(), testRoom); err != nil {
		t.Fatal(err)
	}
	if got, want := s.paths(), append(slices.Clone(fresh), other); !slices.Equal(got, sorted(want)) {
		t.Errorf("a cleared room leaves\n%q, expected\n%q", got, want)
	}
	start := time.Now()
	if err := c.ClearLab(context.Background(), testRoom); err != nil || time.Since(start) > clearPause*5 {
		t.Errorf("an empty room took %v (%v)", time.Since(start), err)
	}
}

func sorted(s []string) []string { slices.Sort(s); return s }

func TestClearLabTakesFinalizers(t *testing.T) {
	s, c, _ := newLabServer(t)
	open(t, c, testRoom)
	path := "/api/v1/namespaces/lab-names/configmaps/stuck"
	s.place(t, path, `{"metadata": {"namespace": "lab-names", "name": "stuck", "finalizers": ["example.org/never"], "deletionTimestamp": "2026-01-01T00:00:00Z"}}`)
	if left, err := c.clearOnce(context.Background(), testRoom.Name, nil); err != nil || left != 1 {
		t.Errorf("%d objects are left (%v), expected the one", left, err)
	}
	if f := get[corev1.ConfigMap](t, s, path).Finalizers; len(f) != 0 {
		t.Errorf("an object that waits for ever still has the finalizers %v", f)
	}
}

func TestCloseLab(t *testing.T) {
	s, c, _ := newLabServer(t)
	before := s.paths()
	open(t, c, testRoom)
	rooms, err := c.LabRooms(context.Background())
	if err != nil || !slices.Equal(rooms, []string{"lab-names"}) {
		t.Errorf("rooms are %v (%v)", rooms, err)
	}
	s.place(t, "/api/v1/persistentvolumes/pvc-1", `{"metadata": {"name": "pvc-1"}, "spec": {"persistentVolumeReclaimPolicy": "Delete", "claimRef": {"namespace": "lab-names", "name": "data"}}}`)
	for _, step := range []struct {
		gone bool
		then func()
	}{
		{false, func() {}}, // its namespace is there
		{false, func() { s.mu.Lock(); delete(s.objects, "/api/v1/persistentvolumes/pvc-1"); s.mu.Unlock() }}, // its volume is
		{true, func() {}},
		{true, func() {}},
	} {
		gone, err := c.CloseLab(context.Background(), "lab-names")
		if err != nil || gone != step.gone {
			t.Errorf("gone is %v (%v), expected %v", gone, err, step.gone)
		}
		step.then()
	}
	var left []string
	for _, p := range s.paths() {
		if strings.Contains(p, "lab-names") && !slices.Contains(before, p) {
			left = append(left, p)
		}
	}
	// The fake does not delete what lies in a namespace.
	left = slices.DeleteFunc(left, func(p string) bool {
		return strings.HasPrefix(p, "/api/v1/namespaces/lab-names/") || strings.HasPrefix(p, "/apis/networking.k8s.io/v1/namespaces/lab-names/")
	})
	if len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestCloseLabLeavesOthersAlone(t *testing.T) {
	s, c, _ := newLabServer(t)
	s.place(t, "/api/v1/namespaces/lab-names", `{"metadata": {"name": "lab-names"}}`)
	if gone, err := c.CloseLab(context.Background(), "lab-names"); err != nil || !gone {
		t.Errorf("gone is %v (%v), expected that nothing of it is ours", gone, err)
	}
	get[corev1.Namespace](t, s, "/api/v1/namespaces/lab-names")
}

func TestLabShell(t *testing.T) {
	s, c, _ := newLabServer(t)
	_, err := c.LabShell(context.Background(), "lab-names")
	expectError(t, err, "there is no room lab-names: open its lab")
	if mlops.CodeOf(err) != mlops.NotFound {
		t.Errorf("code is %s", mlops.CodeOf(err))
	}
	s.place(t, "/api/v1/namespaces/lab-names", `{"metadata": {"name": "lab-names"}}`)
	for status, want := range map[string]mlops.LabShell{
		"":             {Why: "its pod has not been made yet"},
		`"status": {}`: {Why: "its pod is starting"},
		`"status": {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no CPU"}]}`: {Why: "no CPU"},
		`"status": {"conditions": [{"type": "Ready", "status": "True"}]}`:                                                         {Ready: true},
		`"metadata": {"name": "lab-names", "deletionTimestamp": "2026-01-01T00:00:00Z"}`:                                          {Why: "its pod is being replaced"},
	} {
		s.mu.Lock()
		delete(s.objects, shellPath)
		s.mu.Unlock()
		if status != "" {
			s.place(t, shellPath, "{"+status+"}")
		}
		if got, err := c.LabShell(context.Background(), "lab-names"); err != nil || got != want {
			t.Errorf("with %s it is %+v (%v), expected %+v", status, got, err, want)
		}
	}
}

func TestApplyLab(t *testing.T) {
	s, c, _ := newLabServer(t)
	err := c.ApplyLab(context.Background(), "lab-names", []byte(`
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
---
# nothing
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Service, metadata: {name: b, namespace: lab-names}}
`))
	if err != nil {
		t.Fatal(err)
	}
	get[corev1.ConfigMap](t, s, "/api/v1/namespaces/lab-names/configmaps/a")
	get[corev1.Service](t, s, "/api/v1/namespaces/lab-names/services/b")
	for manifest, want := range map[string]string{
		"{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: iris}}":                        "ConfigMap a lies in namespace iris, expected lab-names: leave its namespace out",
		"{apiVersion: v1, kind: Node, metadata: {name: a}}":                                              "Node a belongs to the whole cluster",
		"{apiVersion: v1, kind: Cofnigmap, metadata: {name: a}}":                                         `Cofnigmap a: this cluster does not know apiVersion "v1" with kind "Cofnigmap"`,
		"{apiVersion: v1, kind: ConfigMap}":                                                              "document 1 lacks apiVersion, kind or metadata.name",
		"{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n---\n{apiVersion: v1, kind: [ConfigMap": "document 2 is no YAML object",
	} {
		err := c.ApplyLab(context.Background(), "lab-names", []byte(manifest))
		expectError(t, err, want)
		if mlops.CodeOf(err) != mlops.Invalid {
			t.Errorf("%s: code %s", manifest, mlops.CodeOf(err))
		}
	}
	s.broken = "configmaps"
	expectError(t, c.ApplyLab(context.Background(), "lab-names", []byte("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}")), "Kubernetes refuses ConfigMap a")
}

func TestLabObjects(t *testing.T) {
	s, c, _ := newLabServer(t)
	for _, name := range []string{"b", "a"} {
		s.place(t, "/api/v1/namespaces/lab-names/pods/"+name, `{"metadata": {"name": "`+name+`", "namespace": "lab-names", "managedFields": [{}], "labels": {"app": "model"}}, "spec": {"priority": 3}}`)
	}
	s.place(t, "/api/v1/nodes/node-a", `{"metadata": {"name": "node-a"}}`)
	ask := func(q mlops.LabObjects) any {
		t.Helper()
		o, err := c.LabObjects(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	pod, ok := ask(mlops.LabObjects{Kind: "Pod", Namespace: "lab-names", Name: "a"}).(map[string]any)
	if !ok || pod["metadata"].(map[string]any)["managedFields"] != nil || pod["spec"].(map[string]any)["priority"] != int64(3) {
		t.Errorf("the pod is %v", pod)
	}
	if o := ask(mlops.LabObjects{Kind: "Pod", Namespace: "lab-names", Name: "none"}); o != nil {
		t.Errorf("an object that isn't there is %v, expected nil", o)
	}
	all, ok := ask(mlops.LabObjects{Kind: "Pod", Namespace: "lab-names", Labels: "app=model"}).([]any)
	if !ok || len(all) != 2 || all[0].(map[string]any)["metadata"].(map[string]any)["name"] != "a" {
		t.Errorf("pods are %v, expected a and b", all)
	}
	if none, ok := ask(mlops.LabObjects{Kind: "EndpointSlice", Namespace: "lab-names"}).([]any); !ok || len(none) != 0 {
		t.Errorf("no objects are %v, expected an empty list", none)
	}
	if nodes := ask(mlops.LabObjects{APIVersion: "v1", Kind: "Node", Namespace: "lab-names"}).([]any); len(nodes) != 1 {
		t.Errorf("nodes are %v: a kind of the whole cluster has no namespace", nodes)
	}
	for _, q := range []mlops.LabObjects{{Kind: "pod"}, {APIVersion: "apps/v1", Kind: "Pod"}, {APIVersion: "none/v1", Kind: "Pod"}} {
		_, err := c.LabObjects(context.Background(), q)
		expectError(t, err, "this cluster knows no kind")
		if mlops.CodeOf(err) != mlops.Invalid {
			t.Errorf("%v: code %s", q, mlops.CodeOf(err))
		}
	}
}

// fakeExec answers in place of containers.
type fakeExec struct {
	mu    sync.Mutex
	calls []execAt
	stdin []string
	run   func(ctx context.Context, streams remotecommand.StreamOptions) error
}

func (f *fakeExec) exec(ctx context.Context, at execAt, streams remotecommand.StreamOptions) error {
	f.mu.Lock()
	f.calls = append(f.calls, at)
	f.mu.Unlock()
	if streams.Stdin != nil && !streams.Tty {
		b, _ := io.ReadAll(streams.Stdin)
		f.stdin = append(f.stdin, string(b))
	}
	return f.run(ctx, streams)
}

func TestRunLab(t *testing.T) {
	_, c, _ := newLabServer(t)
	f := &fakeExec{run: func(_ context.Context, s remotecommand.StreamOptions) error {
		_, _ = io.WriteString(s.Stdout, strings.Repeat("x", labOutput)+"more")
		_, _ = io.WriteString(s.Stdout, "even more")
		_, _ = io.WriteString(s.Stderr, "oh")
		return exec.CodeExitError{Err: errors.New("exit 3"), Code: 3}
	}}
	c.exec = f.exec
	out, err := c.RunLab(context.Background(), "lab-names", mlops.LabScript{Container: mlops.LabAuthor, Text: "exit 3", Env: map[string]string{"B": "it's", "A": "1"}, Timeout: 1500 * time.Millisecond})
	if err != nil || out.Code != 3 || out.Stderr != "oh" || len(out.Stdout) != labOutput {
		t.Errorf("the script said %d, %q and %d bytes (%v)", out.Code, out.Stderr, len(out.Stdout), err)
	}
	at := f.calls[0]
	if at.pod != "lab-names" || at.namespace != "lab-shells" || at.container != "author" || at.command[3] != "1.500" || slices.ContainsFunc(at.command, func(s string) bool { return strings.Contains(s, "it's") }) {
		t.Errorf("it ran %q", at)
	}
	if want := "export A='1'\nexport B='it'\\''s'\nexit 3"; f.stdin[0] != want {
		t.Errorf("the shell reads %q, expected %q", f.stdin[0], want)
	}
	_, err = c.RunLab(context.Background(), "lab-names", mlops.LabScript{Container: "other"})
	expectError(t, err, `container "other": expected shell or author`)
}

func TestRunLabErrors(t *testing.T) {
	s, c, _ := newLabServer(t)
	f := &fakeExec{}
	c.exec = f.exec
	script := mlops.LabScript{Container: mlops.LabLearner, Text: "sleep 9", Timeout: 10 * time.Millisecond}
	f.run = func(context.Context, remotecommand.StreamOptions) error {
		time.Sleep(20 * time.Millisecond)
		return exec.CodeExitError{Err: errors.New("exit 124"), Code: 124}
	}
	_, err := c.RunLab(context.Background(), "lab-names", script)
	expectError(t, err, "the script did not end within 10ms")
	if mlops.CodeOf(err) != mlops.Unavailable {
		t.Errorf("code is %s", mlops.CodeOf(err))
	}
	f.run = func(context.Context, remotecommand.StreamOptions) error { return errors.New("container not found") }
	_, err = c.RunLab(context.Background(), "lab-names", script)
	expectError(t, err, "there is no room lab-names: open its lab")
	s.place(t, "/api/v1/namespaces/lab-names", `{"metadata": {"name": "lab-names"}}`)
	_, err = c.RunLab(context.Background(), "lab-names", script)
	expectError(t, err, "the shell of room lab-names is not ready (its pod has not been made yet): try again in a few seconds")
	s.place(t, shellPath, `{"status": {"conditions": [{"type": "Ready", "status": "True"}]}}`)
	_, err = c.RunLab(context.Background(), "lab-names", script)
	expectError(t, err, "the shell of room lab-names can't be reached: try again in a few seconds (container not found)")
}

// After a start the kubelet is not reached at once: nothing has run then, and the
// script gets another try.
func TestRunLabWaitsForTheKubelet(t *testing.T) {
	s, c, _ := newLabServer(t)
	s.place(t, "/api/v1/namespaces/lab-names", `{"metadata": {"name": "lab-names"}}`)
	s.place(t, shellPath, `{"status": {"conditions": [{"type": "Ready", "status": "True"}]}}`)
	tries := 0
	f := &fakeExec{run: func(_ context.Context, o remotecommand.StreamOptions) error {
		switch tries++; tries {
		case 1:
			return errors.New("Internal error occurred: error sending request: Post \"https://10.44.0.1:10250/exec/lab-shells\": proxy error from 127.0.0.1:6443 while dialing 10.44.0.1:10250, code 502: 502 Bad Gateway")
		case 2:
			return errors.New("Internal error occurred: unable to upgrade connection: pod does not exist")
		case 3:
			return &httpstream.UpgradeFailureError{Cause: errors.New("error dialing backend")}
		}
		_, _ = io.WriteString(o.Stdout, "done")
		return nil
	}}
	c.exec = f.exec
	out, err := c.RunLab(t.Context(), "lab-names", mlops.LabScript{Container: mlops.LabLearner, Text: "true"})
	if err != nil || out.Stdout != "done" || tries != 4 {
		t.Errorf("after %d tries it said %q: %v", tries, out.Stdout, err)
	}
	for _, script := range f.stdin {
		if script != "true" {
			t.Errorf("a try was given %q", script)
		}
	}
	s.place(t, shellPath, `{"status": {}}`) // no shell, nothing to wait for
	tries = 0
	if _, err := c.RunLab(t.Context(), "lab-names", mlops.LabScript{Container: mlops.LabLearner, Text: "true"}); err == nil || tries != 1 {
		t.Errorf("without a shell it tried %d times: %v", tries, err)
	}
}

func TestLabTerminal(t *testing.T) {
	_, c, _ := newLabServer(t)
	f := &fakeExec{}
	c.exec = f.exec
	in, typed := io.Pipe()
	shown := &strings.Builder{}
	sizes := make(chan mlops.LabSize, 1)
	sizes <- mlops.LabSize{Columns: 80, Rows: 0}
	detached := make(chan struct{})
	f.run = func(ctx context.Context, s remotecommand.StreamOptions) error {
		if !s.Tty {
			close(detached)
			return nil
		}
		if size := s.TerminalSizeQueue.Next(); *size != (remotecommand.TerminalSize{Width: 80, Height: 1}) {
			t.Errorf("the first size is %v", *size)
		}
		_, err := io.Copy(s.Stdout, s.Stdin)
		<-detached
		if ctx.Err() != nil {
			t.Error("the connection was cut before the terminal had ended")
		}
		return err
	}
	go func() { _, _ = io.WriteString(typed, "ls\r"); typed.Close() }()
	if err := c.LabTerminal(context.Background(), "lab-names", mlops.LabTerminal{In: in, Out: shown, Sizes: sizes}); err != nil {
		t.Errorf("a terminal whose user leaves: %v", err)
	}
	if shown.String() != "ls\r" {
		t.Errorf("the screen shows %q", shown)
	}
	// The process in the pod would go on.
	if len(f.calls) != 2 || f.calls[1].command[2] != detach || !slices.Equal(f.calls[0].command[3:], f.calls[1].command[3:]) || f.calls[0].container != mlops.LabLearner {
		t.Errorf("it ran %q", f.calls)
	}
	// A page that is closed ends the request, and nothing is typed any more.
	detached = make(chan struct{})
	ctx, leave := context.WithCancel(context.Background())
	f.run = func(ctx context.Context, s remotecommand.StreamOptions) error {
		if !s.Tty {
			close(detached)
			return nil
		}
		leave()
		<-detached
		return nil
	}
	if err := c.LabTerminal(ctx, "lab-names", mlops.LabTerminal{In: in, Out: shown}); err != nil {
		t.Errorf("a terminal whose request ends: %v", err)
	}
	in, _ = io.Pipe()
	f.run = func(context.Context, remotecommand.StreamOptions) error { return nil }
	if err := c.LabTerminal(context.Background(), "lab-names", mlops.LabTerminal{In: in, Out: shown}); err != nil {
		t.Errorf("a session that ends: %v", err)
	}
	f.run = func(context.Context, remotecommand.StreamOptions) error {
		return exec.CodeExitError{Err: errors.New("exit 1"), Code: 1}
	}
	expectError(t, c.LabTerminal(context.Background(), "lab-names", mlops.LabTerminal{In: in, Out: shown}), "ended with code 1: connect again")
	f.run = func(context.Context, remotecommand.StreamOptions) error { return errors.New("no") }
	expectError(t, c.LabTerminal(context.Background(), "lab-names", mlops.LabTerminal{In: in, Out: shown}), "there is no room lab-names: open its lab")
}

// TestWhatLabsMayRead: each resource that a lab may name has its API group here.
func TestWhatLabsMayRead(t *testing.T) {
	if have, want := slices.Sorted(maps.Keys(clusterReads)), slices.Sorted(slices.Values(mlops.LabClusterReads)); !slices.Equal(have, want) {
		t.Errorf("the groups of %v are known, and labs may read %v", have, want)
	}
}
