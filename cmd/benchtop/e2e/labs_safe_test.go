//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/scripts/testhost"
	"github.com/benchtop-lab/benchtop/scripts/testhost/drive"
)

// TestLabsHold tries to get out of guided labs, and to lose them.
func TestLabsHold(t *testing.T) {
	inTurn(t)
	s := &labStory{story: begin(t, "labs-hold", testhost.Options{})}
	chapter(t, "boot", s.boot)
	chapter(t, "idle", s.safeIdle)
	chapter(t, "the shell reaches its room and nothing else", s.safeShell)
	chapter(t, "pods of a room reach no more than the shell", s.safePods)
	chapter(t, "the key of a room", s.safeKey)
	chapter(t, "the shell is deleted by hand", s.safeShellDeleted)
	chapter(t, "nothing is left", s.safeNothingLeft)
	chapter(t, "two users", s.safeTwoUsers)
	chapter(t, "kill -9", s.safeKilled)
}

const (
	safeLab  = "from-name-to-pod"
	safeRoom = "lab-" + safeLab
)

// safeState is the state of the administrator's session, "" if there is none.
func (s *labStory) safeState(t *testing.T, lab string) string {
	t.Helper()
	var v struct {
		Session *struct {
			State string `json:"state"`
		} `json:"session"`
	}
	if err := json.Unmarshal([]byte(s.benchtop(t, "lab", "status", lab, "--json")), &v); err != nil {
		t.Fatal(err)
	}
	if v.Session == nil {
		return ""
	}
	return v.Session.State
}

// safeIn runs a script with a learner's rights, in the shell of a room. The
// answer has both outputs.
func (s *labStory) safeIn(t *testing.T, room, script string) (out string, code int) {
	t.Helper()
	r, err := s.Try(t.Context(), "", "kubectl", "exec", "-n", "lab-shells", room, "-c", "shell", "--", "bash", "-c", script)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(r.All()), r.Code
}

// may runs what a learner must be able to do, or the tries to do something else
// would prove nothing.
func (s *labStory) may(t *testing.T, room, script string) string {
	t.Helper()
	out, code := s.safeIn(t, room, script)
	if code != 0 {
		t.Fatalf("a learner in %s can't do\n%s\n%s", room, script, out)
	}
	return out
}

// mayNot runs scripts that a learner must be refused, each with the reason.
func (s *labStory) mayNot(t *testing.T, room string, refused map[string]string) {
	t.Helper()
	args := []string{"kubectl", "exec", "-n", "lab-shells", room, "-c", "shell", "--", "bash", "-c", `for s; do bash -c "$s" 2>&1; printf '\n@@%s\n' $?; done`, "bash"}
	var scripts []string
	for script := range refused {
		scripts = append(scripts, script)
	}
	r, err := s.Try(t.Context(), "", append(args, scripts...)...)
	if err != nil {
		t.Fatal(err)
	}
	rest := r.Stdout
	for _, script := range scripts {
		out, after, found := strings.Cut(rest, "\n@@")
		code, next, _ := strings.Cut(after, "\n")
		if rest = next; !found {
			t.Fatalf("the tries ended early: %s", r.All())
		}
		if code == "0" {
			t.Errorf("a learner in %s could do\n%s\n%s", room, script, out)
		}
		if want := refused[script]; !strings.Contains(out, want) {
			t.Errorf("a learner in %s did\n%s\n%s\nexpected: %s", room, script, out, want)
		}
	}
}

// safeUsed is the CPU time that the appliance has used, in seconds.
func (s *labStory) safeUsed(t *testing.T) float64 {
	t.Helper()
	pid, err := s.PID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var ticks float64
	if _, err := fmt.Sscan(s.sh(t, `set -- $(sed 's/.*) //' /proc/$1/stat); echo $((${12} + ${13}))`, pid), &ticks); err != nil {
		t.Fatal(err)
	}
	return ticks / 100 // a tick has 10 ms
}

// safeIdle logs what the appliance uses without a lab and with one that nobody
// looks at, and opens the lab of the next chapters.
func (s *labStory) safeIdle(t *testing.T) {
	const watched = 15 * time.Second
	before := s.safeUsed(t)
	time.Sleep(watched)
	without := s.safeUsed(t) - before
	s.benchtop(t, "lab", "start", safeLab)
	// The kernel's own count for the pod.
	var bytes int
	out := s.sh(t, `uid=$1; other=$(echo $uid | tr - _)
cat $(find /sys/fs/cgroup \( -path "*pod$uid/memory.*" -o -path "*pod$other.slice/memory.*" \) \( -name memory.current -o -name memory.usage_in_bytes \) 2>/dev/null | head -n 1)`,
		s.benchtop(t, "kubectl", "get", "pod", "-n", "lab-shells", safeRoom, "-o", "jsonpath={.metadata.uid}"))
	if _, err := fmt.Sscan(out, &bytes); err != nil || bytes < 100_000 || bytes > 25_000_000 {
		t.Errorf("the pod of the shell uses %q bytes, expected at most 25 MB", out)
	}
	time.Sleep(15 * time.Second) // nobody has asked for 10 s: it isn't watched
	before = s.safeUsed(t)
	time.Sleep(watched)
	t.Logf("the shell's pod uses %.1f MB. In %s the appliance used %.2f s of CPU without a lab, %.2f s with one that nobody looks at",
		float64(bytes)/1e6, watched, without, s.safeUsed(t)-before)
}

// safeManifest applies an object from the shell.
func safeManifest(object string) string {
	return "kubectl apply -f - <<'MANIFEST'\n" + object + "\nMANIFEST\n"
}

// safePod is a pod that sleeps, with more in its specification and container.
func safePod(image, name, spec, container string) string {
	return safeManifest(`{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "` + name + `"}, "spec": {"terminationGracePeriodSeconds": 0, ` + spec +
		`"containers": [{"name": "c", "image": "` + image + `", "imagePullPolicy": "Never", "command": ["sleep", "9999"]` + container + `}]}}`)
}

func (s *labStory) safeShell(t *testing.T) {
	s.benchtop(t, "lab", "start", "experiments") // somebody else's room
	image := s.may(t, safeRoom, `echo "$PYTHON_IMAGE"; kubectl get pods,secrets,networkpolicies >/dev/null`)
	const forbidden = "is forbidden: User \"system:serviceaccount:lab-shells:" + safeRoom + "\" cannot "
	elsewhere := map[string]string{}
	for _, namespace := range []string{"kube-system", "benchtop", "lab-shells", "iris", "default", "lab-experiments"} {
		for _, what := range []string{"get secrets", "get pods", "get configmaps", "delete networkpolicies --all", "create configmap x"} {
			elsewhere["kubectl "+what+" -n "+namespace] = forbidden
		}
		elsewhere["kubectl auth can-i get secrets -n "+namespace] = "no"
	}
	s.mayNot(t, safeRoom, elsewhere)
	node := s.benchtop(t, "kubectl", "get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")
	s.mayNot(t, safeRoom, map[string]string{
		"kubectl get secrets -A": forbidden,
		"kubectl get nodes":      forbidden,
		"kubectl get --raw /api/v1/nodes/" + node + "/proxy/pods":                          forbidden,
		"kubectl get --raw /api/v1/nodes/" + node + "/proxy/logs/":                         forbidden,
		"kubectl get --raw /api/v1/namespaces/iris/services/iris/proxy/":                   forbidden,
		"kubectl get --raw /api/v1/namespaces/$LAB/services/shop/proxy/":                   forbidden,
		"kubectl get --raw /metrics":                                                       "Forbidden",
		"kubectl create namespace mine":                                                    forbidden,
		"kubectl label namespace $LAB benchtop.dev/guided-lab-":                            forbidden,
		"kubectl label namespace $LAB pod-security.kubernetes.io/enforce-":                 forbidden,
		"kubectl create token default":                                                     forbidden,
		"kubectl create token -n lab-shells $LAB-author":                                   forbidden,
		"kubectl create serviceaccount mine":                                               forbidden,
		"kubectl create role mine --verb=get --resource=pods":                              forbidden,
		"kubectl create rolebinding mine --clusterrole=admin --user=me":                    forbidden,
		"kubectl create clusterrolebinding mine --clusterrole=admin --user=me":             forbidden,
		"kubectl delete rolebindings --all":                                                forbidden,
		"kubectl delete resourcequota lab":                                                 forbidden,
		"kubectl get pods --as=system:admin --as-group=system:masters":                     "cannot impersonate",
		"kubectl exec -n lab-shells $LAB -c author -- id":                                  forbidden,
		"kubectl create service loadbalancer mine --tcp=80":                                "use a Service of type ClusterIP and an Ingress",
		"kubectl delete networkpolicy lab":                                                 "network policy lab belongs to the room",
		"kubectl delete networkpolicy --all":                                               "network policy lab belongs to the room",
		"kubectl patch networkpolicy lab -p '{\"spec\": {\"egress\": [{}]}}'":              "network policy lab belongs to the room",
		"kubectl patch validatingadmissionpolicy lab-networkpolicies.benchtop.dev -p '{}'": forbidden,
		// The node's files, the administrator's and the author's secrets.
		"ls /var/lib/benchtop":              "No such file",
		"ls /proc/1/root/var/lib/benchtop":  "No such file",
		"ls /proc/1/cwd/../var/lib/rancher": "No such file",
		"cat /proc/sys/kernel/core_pattern >/dev/null; echo x >/proc/sys/kernel/core_pattern": "Read-only file system",
		"cat /dev/sda /dev/vda /dev/loop0": "No such file",
		"mount -t tmpfs none /mnt":         "ermission denied",
		"su -c id":                         "",
		safePod(image, "files", `"volumes": [{"name": "v", "hostPath": {"path": "/"}}], `, ""):                                                                  "hostPath volumes",
		safePod(image, "files", `"nodeName": "`+node+`", "volumes": [{"name": "v", "hostPath": {"path": "/var/lib/benchtop"}}], `, ""):                          "hostPath volumes",
		safePod(image, "net", `"hostNetwork": true, `, ""):                                                                                                      "host namespaces",
		safePod(image, "pids", `"hostPID": true, `, ""):                                                                                                         "host namespaces",
		safePod(image, "root", "", `, "securityContext": {"privileged": true}`):                                                                                 "privileged",
		safePod(image, "caps", "", `, "securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}`):                                                             "non-default capabilities",
		safePod(image, "port", "", `, "ports": [{"containerPort": 80, "hostPort": 8081}]`):                                                                      "hostPort",
		safePod(image, "author", `"serviceAccountName": "`+safeRoom+`-author", `, ""):                                                                           "not found",
		safePod(image, "first", `"priorityClassName": "system-node-critical", `, ""):                                                                            "leave priorityClassName out",
		safeManifest(`{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "mine"}, "spec": {"externalIPs": ["10.9.8.7"], "ports": [{"port": 4711}]}}`): "leave externalIPs out",
		// Where the ingress would follow.
		safeManifest(`{"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": "mine"}, "addressType": "IPv4", "endpoints": []}`): forbidden,
		safeManifest(`{"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "mine"}}`):                                                              forbidden,
		safeIngress("host: iris.lab.internal", "/", ""):                                                                                                      "a guided lab answers for its own hosts only",
		safeIngress("host: '*.lab.internal'", "/", ""):                                                                                                       "a guided lab answers for its own hosts only",
		safeIngress("host: lab-experiments.lab.internal", "/", ""):                                                                                           "a guided lab answers for its own hosts only",
		safeIngress("host: ''", "/models/iris", ""):                                                                                                          "a guided lab answers for its own hosts only",
		safeIngress("host: x."+safeRoom+".lab.internal", "/`) || PathPrefix(`/", ""):                                                                         "paths in a guided lab consist of",
		safeIngress("host: x."+safeRoom+".lab.internal", "/", "tls: [{hosts: [iris.lab.internal], secretName: t}]"):                                          "a guided lab brings no certificates",
		// A policy adds to ours, so it must not allow more.
		safePolicy("egress: [{}]"):                                                                  "name pods of this namespace by podSelector",
		safePolicy("egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}]"):                                "name pods of this namespace by podSelector",
		safePolicy("egress: [{to: [{namespaceSelector: {}}]}]"):                                     "name pods of this namespace by podSelector",
		safePolicy("egress: [{to: [{podSelector: {}}, {namespaceSelector: {}, podSelector: {}}]}]"): "name pods of this namespace by podSelector",
	})
	s.may(t, safeRoom, safePolicy("ingress: [{from: [{podSelector: {}}]}]")+safePolicy("egress: [{to: [{podSelector: {}}]}]")+"kubectl delete networkpolicy mine")
	if out := s.may(t, safeRoom, "kubectl get networkpolicy lab -o yaml"); !strings.Contains(out, "kubernetes.io/description: 'Made with the room") {
		t.Errorf("the room's policy does not explain itself:\n%s", out)
	}
	// What the machine keeps secret is nowhere in the shell.
	found := s.may(t, safeRoom, "env; cat /proc/[0-9]*/environ /var/run/secrets/kubernetes.io/serviceaccount/* 2>/dev/null | tr '\\0' '\\n'")
	secrets := s.sh(t, "cat /var/lib/benchtop/secrets/* 2>/dev/null")
	for _, secret := range strings.Fields(secrets) {
		if len(secret) >= 8 && strings.Contains(found, secret) {
			t.Errorf("the shell holds one of the machine's secrets: %.4s…", secret)
		}
	}
	if len(strings.Fields(secrets)) == 0 {
		t.Error("the machine has no secrets: look for them elsewhere")
	}
	author := s.benchtop(t, "kubectl", "exec", "-n", "lab-shells", safeRoom, "-c", "author", "--", "cat", "/var/run/secrets/kubernetes.io/serviceaccount/token")
	if strings.Contains(found, author) {
		t.Error("the shell holds the author's token")
	}
	s.safeNetwork(t, "the shell", func(script string) string { out, _ := s.safeIn(t, safeRoom, script); return out }, true)
}

func safeIngress(host, path, more string) string {
	if more != "" {
		more = "\n  " + more
	}
	return safeManifest(`apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: mine}
spec:` + more + `
  rules:
  - ` + host + `
    http: {paths: [{path: "` + path + `", pathType: ImplementationSpecific, backend: {service: {name: shop, port: {number: 80}}}}]}`)
}

func safePolicy(spec string) string {
	return safeManifest(`{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: mine}, spec: {podSelector: {matchLabels: {app: none}}, ` + spec + `}}`)
}

// connects is a Python program that tells of each address whether it answers.
const connects = `import socket
for a in %q.split():
    host, port = a.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), 3).close()
        print(a, "open")
    except OSError as e:
        print(a, "shut")
`

// safeNetwork tells open addresses from closed ones. run runs a shell script.
func (s *labStory) safeNetwork(t *testing.T, who string, run func(script string) string, api bool) {
	t.Helper()
	address := func(args ...string) string { return s.benchtop(t, append([]string{"kubectl", "get"}, args...)...) }
	iris := address("pods", "-n", "iris", "-l", "app.kubernetes.io/component=server", "-o", "jsonpath={.items[0].status.podIP}")
	other := address("pods", "-n", "lab-shells", "lab-experiments", "-o", "jsonpath={.status.podIP}")
	service := address("services", "-n", "iris", "iris", "-o", "jsonpath={.spec.clusterIP}")
	node, lan := "10.44.0.1", s.Host.Address().String()
	want := map[string]string{
		node + ":9000": "open", node + ":5000": "open", node + ":8080": "open", node + ":80": "open", node + ":443": "open", "10.43.0.10:53": "open",
		iris + ":8080": "shut", service + ":80": "shut", other + ":22": "shut",
		// kubelet, its health, metrics of kube-proxy, MinIO's console and others: what is not offered.
		node + ":10250": "shut", node + ":10249": "shut", node + ":10256": "shut", node + ":22": "shut", node + ":6444": "shut", node + ":9001": "shut",
		lan + ":10250": "shut", "169.254.169.254:80": "shut", node + ":6443": "shut", "10.43.0.1:443": "shut",
	}
	if api {
		want[node+":6443"], want["10.43.0.1:443"] = "open", "open"
	}
	var all []string
	for a := range want {
		all = append(all, a)
	}
	program := fmt.Sprintf(connects, strings.Join(all, " "))
	// The rules for a new pod take some tenths of a second.
	if err := drive.Eventually(t.Context(), patience, func() error {
		out := run("python3 - <<'PROGRAM'\n" + program + "PROGRAM\n")
		for a, state := range want {
			if !strings.Contains(out, a+" "+state) {
				return fmt.Errorf("for %s %s should be %s:\n%s", who, a, state, out)
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// safePods does from a pod, where learners run any program, what a shell can't.
func (s *labStory) safePods(t *testing.T) {
	image := s.may(t, safeRoom, `echo "$PYTHON_IMAGE"`)
	s.may(t, safeRoom, safePod(image, "mine", "", "")+"kubectl wait --for=condition=Ready pod/mine --timeout=180s")
	in := func(script string) string {
		out, _ := s.safeIn(t, safeRoom, "kubectl exec -i mine -- sh <<'SCRIPT'\n"+script+"\nSCRIPT\n")
		return out
	}
	s.safeNetwork(t, "a pod of the room", in, false)
	// Neighbours, their names, and the registry by its name are there.
	if err := drive.Eventually(t.Context(), patience, func() error {
		if out := in("python3 -c 'import urllib.request as r; print(r.urlopen(\"http://mlflow.benchtop.svc:5000/health\", timeout=3).read(), \"names and registry work\")'"); !strings.Contains(out, "names and registry work") {
			return fmt.Errorf("a pod of the room does not reach the registry: %s", out)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	out := s.may(t, safeRoom, `token=$(kubectl exec mine -- cat /var/run/secrets/kubernetes.io/serviceaccount/token)
test -n "$token" && curl -s -k -H "Authorization: Bearer $token" "https://kubernetes.default.svc/api/v1/namespaces/$LAB/pods"`)
	if !strings.Contains(out, `system:serviceaccount:`+safeRoom+`:default\" cannot list`) {
		t.Errorf("the account of the room's pods has rights: %s", out)
	}
	s.may(t, safeRoom, "kubectl delete pod mine --force --grace-period=0")
}

// safeCurl asks with the room's key and returns status and body.
func (s *labStory) safeCurl(t *testing.T, room string, args string) (status, body string) {
	t.Helper()
	out := s.may(t, room, `curl -s -m 10 -w '\n%{http_code}' -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" -H 'Content-Type: application/json' `+args)
	lines := strings.Split(out, "\n")
	return lines[len(lines)-1], strings.Join(lines[:len(lines)-1], "\n")
}

func (s *labStory) safeKey(t *testing.T) {
	const mlflow, api, ui = "http://mlflow.benchtop.svc:5000/api/2.0/mlflow/", "http://prometheus.benchtop.svc:8080/api/", "http://prometheus.benchtop.svc:8080"
	admin, err := s.Admin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var iris struct {
		Versions []struct {
			RunID string `json:"run_id"`
		} `json:"model_versions"`
	}
	if err := admin.MLflow(t.Context(), http.MethodGet, "model-versions/search?filter=name%3D%27iris%27", nil, &iris); err != nil || len(iris.Versions) == 0 {
		t.Fatalf("iris has no version: %v", err)
	}
	run := iris.Versions[0].RunID
	for _, c := range []struct{ args, status, want string }{
		{mlflow + `experiments/create -d '{"name": "` + safeRoom + `"}'`, "200", "experiment_id"},
		{mlflow + `experiments/create -d '{"name": "` + safeRoom + `.gone"}'`, "200", "experiment_id"},
		{mlflow + `registered-models/create -d '{"name": "` + safeRoom + `.x"}'`, "200", "registered_model"},
		{ui + "/prometheus/api/v1/query?query=up", "200", `"success"`},
		{mlflow + `experiments/create -d '{"name": "mine"}'`, "403", "is limited to project"},
		{mlflow + `experiments/create -d '{"name": "` + safeRoom + `-2"}'`, "403", "is limited to project"},
		{mlflow + `experiments/create -d '{"name": "lab-experiments"}'`, "403", "is limited to project"},
		{mlflow + "runs/get?run_id=" + run, "403", "is limited to project"},
		{mlflow + `runs/log-metric -d '{"run_id": "` + run + `", "key": "accuracy", "value": 0, "timestamp": 1}'`, "403", "is limited to project"},
		{mlflow + `runs/delete -d '{"run_id": "` + run + `"}'`, "403", "is limited to project"},
		{mlflow + "artifacts/list?run_id=" + run, "403", "is limited to project"},
		{mlflow + "registered-models/get?name=iris", "403", "is limited to project"},
		{mlflow + "model-versions/get-download-uri?name=iris\\&version=1", "403", "is limited to project"},
		{mlflow + `registered-models/alias -d '{"name": "iris", "alias": "live", "version": "1"}'`, "403", "is limited to project"},
		{"http://mlflow.benchtop.svc:5000/get-artifact?path=model\\&run_uuid=" + run, "403", "is limited to project"},
		{"http://mlflow.benchtop.svc:5000/api/2.0/mlflow-artifacts/artifacts?path=1", "403", "is limited to project"},
		{api + "labs", "403", "is limited to project"},
		{api + "labs/" + safeLab, "403", "is limited to project"},
		{api + "labs/export", "403", "is limited to project"},
		{api + "labs/experiments/start -d '{}'", "403", "is limited to project"},
		{api + "labs/experiments/leave -d '{\"sure\": true}'", "403", "is limited to project"},
		{api + "gpus", "403", "is limited to project"},
		{api + "projects/iris", "404", "no project"},
		{api + "projects/iris -X DELETE", "403", ""},
		{api + "projects/iris/train -X POST", "403", "does not reach"},
		{api + "deployments/iris/rollback -d '{}'", "403", ""},
		{api + `projects -d '{"name": "mine", "dataset": "wine"}'`, "403", "does not reach"},
		{api + "keys/lab-experiments -X DELETE", "403", ""},
		{api + "keys/registry -X DELETE", "403", ""},
		// Pages take a session, never a key; no page answers.
		{ui + "/access", "303", ""}, {ui + "/labs", "303", ""}, {ui + "/labs/" + safeLab + "/terminal", "303", ""},
	} {
		status, body := s.safeCurl(t, safeRoom, c.args)
		if status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("with the room's key, %s: %s %.300s\nexpected %s %s", c.args, status, body, c.status, c.want)
		}
	}
	for call, want := range map[string]string{"experiments/search -d '{\"max_results\": 100}'": safeRoom, "registered-models/search": safeRoom + ".x"} {
		if _, body := s.safeCurl(t, safeRoom, mlflow+call); !strings.Contains(body, want) || strings.Contains(body, `"iris"`) || strings.Contains(body, "lab-experiments") {
			t.Errorf("with the room's key, %s finds %s", call, body)
		}
	}
	if _, body := s.safeCurl(t, safeRoom, api+"projects"); strings.Contains(body, "iris") {
		t.Errorf("with the room's key there are the projects %s", body)
	}
	s.may(t, safeRoom, `echo mine >/tmp/x; s3cmd put /tmp/x "s3://$BUCKET/x" && s3cmd get --force "s3://$BUCKET/x" /tmp/y && grep mine /tmp/y`)
	if out := s.may(t, safeRoom, "s3cmd ls"); strings.Contains(out, "mlflow") || strings.Contains(out, "datasets") {
		t.Errorf("with the room's key there are the buckets\n%s", out)
	}
	s.mayNot(t, safeRoom, map[string]string{
		"s3cmd ls s3://mlflow": "enied", "s3cmd ls s3://datasets": "enied", "s3cmd ls s3://lab-experiments": "enied", "s3cmd put /tmp/x s3://mlflow/x": "enied",
		"s3cmd mb s3://mine": "enied", "s3cmd rb s3://datasets": "enied", "s3cmd rb --force --recursive s3://lab-experiments": "enied",
	})
	// In a deleted experiment there may be work, too.
	_, body := s.safeCurl(t, safeRoom, mlflow+"experiments/get-by-name?experiment_name="+safeRoom+".gone")
	id := regexp.MustCompile(`"experiment_id": *"([0-9]+)"`).FindStringSubmatch(body)
	if id == nil {
		t.Fatalf("there is no experiment .gone: %s", body)
	}
	if status, body := s.safeCurl(t, safeRoom, mlflow+`experiments/delete -d '{"experiment_id": "`+id[1]+`"}'`); status != "200" {
		t.Errorf("an experiment can't be deleted: %s", body)
	}
}

func (s *labStory) safeShellDeleted(t *testing.T) {
	var state drive.Status
	state, err := s.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.benchtop(t, "kubectl", "delete", "pod", "-n", "lab-shells", safeRoom)
	s.doctorSays(t, "the shell of guided lab "+safeLab+" of admin does not run", "`benchtop lab status "+safeLab+"`")
	if now, err := s.Status(t.Context()); err != nil || now.State != state.State {
		t.Errorf("without the shell of a lab the machine is %s, before it was %s (%v)", now.State, state.State, err)
	}
	if err := drive.Eventually(t.Context(), patience, func() error {
		s.benchtop(t, "lab", "status", safeLab) // who looks brings it back
		if out := s.benchtop(t, "kubectl", "get", "pods", "-n", "lab-shells", safeRoom, "--ignore-not-found"); !strings.Contains(out, "2/2") {
			return fmt.Errorf("the shell does not come back: %s", out)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	s.may(t, safeRoom, `kubectl get pods && s3cmd ls "s3://$BUCKET/x" | grep -q /x`)
}

// safeTraces are all that a room may have left, line by line: in Kubernetes, in
// the registry, in S3, as keys, on the node.
func (s *labStory) safeTraces(t *testing.T, room string) string {
	t.Helper()
	var out strings.Builder
	note := func(where, text string) {
		for line := range strings.SplitSeq(text, "\n") {
			if strings.Contains(line, room) {
				fmt.Fprintln(&out, where+": "+strings.TrimSpace(line))
			}
		}
	}
	note("Kubernetes", s.benchtop(t, "kubectl", "get", "namespaces,pods,secrets,configmaps,serviceaccounts,rolebindings,clusterroles,clusterrolebindings,networkpolicies,ingresses,services,persistentvolumes", "-A", "-o", "name"))
	note("Kubernetes", s.benchtop(t, "kubectl", "get", "pods,secrets,services,ingresses,persistentvolumeclaims", "-A", "--no-headers"))
	note("keys", s.benchtop(t, "keys"))
	admin, err := s.Admin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for call, in := range map[string]any{
		"experiments/search":                        map[string]any{"max_results": 1000, "view_type": "ALL"},
		"registered-models/search?max_results=1000": nil,
	} {
		var found any
		method := http.MethodPost
		if in == nil {
			method = http.MethodGet
		}
		if err := admin.MLflow(t.Context(), method, call, in, &found); err != nil {
			t.Fatal(err)
		}
		b, err := json.MarshalIndent(found, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		note("registry", string(b))
	}
	store, err := s.ObjectStore(admin.S3.Access, admin.S3.Secret)
	if err != nil {
		t.Fatal(err)
	}
	buckets, err := store.ListBuckets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range buckets {
		note("bucket", b.Name)
	}
	// The log and Prometheus' own data may speak of it; MinIO's trash is emptied later.
	note("file", s.sh(t, `find /var/lib/benchtop /var/log/pods /run -xdev -name "*$1*" -not -path '*/.minio.sys/tmp/*' -not -path '*/log/*' 2>/dev/null || true`, room))
	if status, err := s.safeRoute(t, "x."+room+".lab.internal"); err != nil || status != http.StatusNotFound {
		note("route", fmt.Sprintf("x.%s.lab.internal answers %d (%v)", room, status, err))
	}
	return out.String()
}

// safeRoute asks the ingress for a host.
func (s *labStory) safeRoute(t *testing.T, host string) (int, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://appliance/", nil)
	if err != nil {
		return 0, err
	}
	req.Host = host
	r, err := s.Host.HTTPFromLAN().Do(req)
	if err != nil {
		return 0, err
	}
	defer r.Body.Close()
	_, _ = io.Copy(io.Discard, r.Body)
	return r.StatusCode, nil
}

func (s *labStory) safeNothingLeft(t *testing.T) {
	s.benchtop(t, "lab", "solve", safeLab, "pods")
	s.may(t, safeRoom, safeManifest(`{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: mine}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}}`)+
		safePod(s.may(t, safeRoom, `echo "$PYTHON_IMAGE"`), "stubborn", `"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "mine"}}], `, `, "volumeMounts": [{"name": "v", "mountPath": "/v"}]`)+
		"kubectl wait --for=condition=Ready pod/stubborn --timeout=180s; kubectl annotate pod stubborn a=b; kubectl patch pod stubborn -p '{\"metadata\": {\"finalizers\": [\"example.org/never\"]}}'\n"+
		safeIngress("host: x."+safeRoom+".lab.internal", "/", ""))
	if traces := s.safeTraces(t, safeRoom); strings.Count(traces, "\n") < 10 || !strings.Contains(traces, "bucket: ") || !strings.Contains(traces, "registry: ") || !strings.Contains(traces, "keys: ") {
		t.Fatalf("of an open room only this was found:\n%s", traces)
	}
	s.refuses(t, []string{"--sure"}, "lab", "leave", safeLab)
	s.benchtop(t, "lab", "leave", safeLab, "--sure")
	s.benchtop(t, "lab", "leave", "experiments", "--sure")
	s.safeGone(t, safeRoom, "lab-experiments")
	s.refuses(t, []string{"open it first with `benchtop lab start " + safeLab + "`"}, "lab", "shell", safeLab)
}

// safeGone waits until nothing is left of rooms.
func (s *labStory) safeGone(t *testing.T, rooms ...string) {
	t.Helper()
	for _, room := range rooms {
		if err := drive.Eventually(t.Context(), patience, func() error {
			if traces := s.safeTraces(t, room); traces != "" {
				return fmt.Errorf("of room %s is left\n%s", room, traces)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
}

// safeAPI asks /api with somebody's key.
func (s *labStory) safeAPI(t *testing.T, k accessKey, method, path, body string, into any) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://appliance:8080/api/"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+k.Token)
	req.Header.Set("Content-Type", "application/json")
	r, err := s.Host.HTTPFromLAN().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	said, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	if into != nil {
		if err := json.Unmarshal(said, into); err != nil {
			t.Fatalf("%s: %v: %.300s", path, err, said)
		}
	}
	return r.StatusCode, string(said)
}

type safeView struct {
	Session *struct {
		ID    int64  `json:"id"`
		User  string `json:"user"`
		Room  string `json:"room"`
		State string `json:"state"`
	} `json:"session"`
	Tasks []struct {
		ID   string          `json:"id"`
		Pass json.RawMessage `json:"pass"`
	} `json:"tasks"`
}

func (v safeView) passed() (n int) {
	for _, t := range v.Tasks {
		if len(t.Pass) > 0 {
			n++
		}
	}
	return n
}

func (s *labStory) safeTwoUsers(t *testing.T) {
	ada, rex := s.createKey(t, "ada", "--role", "editor"), s.createKey(t, "rex", "--role", "reader")
	s.signIn(t, "ada", ada.Token)
	// A reader looks at the catalogue, and that is all.
	var catalogue struct {
		Labs []json.RawMessage `json:"labs"`
	}
	if status, _ := s.safeAPI(t, rex, http.MethodGet, "labs", "", &catalogue); status != http.StatusOK || len(catalogue.Labs) == 0 {
		t.Errorf("a reader finds %d labs (%d)", len(catalogue.Labs), status)
	}
	if status, said := s.safeAPI(t, rex, http.MethodPost, "labs/"+safeLab+"/start", "{}", nil); status != http.StatusForbidden || !strings.Contains(said, "its role is reader") {
		t.Errorf("a reader starts a lab: %d %s", status, said)
	}
	s.benchtop(t, "lab", "start", safeLab)
	if status, said := s.safeAPI(t, ada, http.MethodPost, "labs/"+safeLab+"/start", "{}", nil); status != http.StatusOK {
		t.Fatalf("ada can't start a lab: %d %s", status, said)
	}
	var v safeView
	if err := drive.Eventually(t.Context(), patience, func() error {
		v = safeView{}
		if _, said := s.safeAPI(t, ada, http.MethodGet, "labs/"+safeLab, "", &v); v.Session == nil || v.Session.State != "open" {
			return fmt.Errorf("ada's lab does not open: %.300s", said)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if v.Session.Room != safeRoom+"-2" || v.Session.User != "ada" {
		t.Fatalf("ada's session is %+v", v.Session)
	}
	rooms := []string{safeRoom, safeRoom + "-2"}
	for i, room := range rooms {
		other := rooms[1-i]
		s.mayNot(t, room, map[string]string{
			"kubectl get pods -n " + other:                         "cannot list resource",
			"kubectl get secret lab -n " + other:                   "cannot get resource",
			"s3cmd ls s3://" + other:                               "denied",
			safeIngress("host: x."+other+".lab.internal", "/", ""): "a guided lab answers for its own hosts only",
		})
		if status, body := s.safeCurl(t, room, `http://mlflow.benchtop.svc:5000/api/2.0/mlflow/experiments/create -d '{"name": "`+other+`"}'`); status != "403" {
			t.Errorf("with the key of %s: %s %s", room, status, body)
		}
	}
	// What one reaches is not the other's.
	s.benchtop(t, "lab", "solve", safeLab, "pods")
	if err := drive.Eventually(t.Context(), patience, func() error {
		if out := s.benchtop(t, "lab", "check", safeLab, "pods"); !strings.Contains(out, "passed") {
			return fmt.Errorf("the solution does not pass: %s", out)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if s.safeAPI(t, ada, http.MethodGet, "labs/"+safeLab, "", &v); v.passed() != 0 {
		t.Errorf("ada has passed what the administrator has solved: %+v", v.Tasks)
	}
	model := "curl -sS -m 3 http://" + s.benchtop(t, "kubectl", "get", "pods", "-n", safeRoom, "-l", "app=model", "-o", "jsonpath={.items[0].status.podIP}") + ":8080/healthz"
	s.may(t, safeRoom, model)
	s.mayNot(t, safeRoom+"-2", map[string]string{model: "Failed to connect"})
	if status, text := s.safeAPI(t, ada, http.MethodPost, "labs/"+safeLab+"/leave", `{"sure": true}`, nil); status != http.StatusOK {
		t.Errorf("ada can't leave: %d %s", status, text)
	}
	s.safeGone(t, safeRoom+"-2")
	s.may(t, safeRoom, "kubectl get deployment model") // the administrator's is untouched
	s.benchtop(t, "keys", "revoke", "ada")
	s.benchtop(t, "keys", "revoke", "rex")
}

// safeKill kills the process and starts it again.
func (s *labStory) safeKill(t *testing.T) {
	t.Helper()
	if err := s.up.Kill(); err != nil {
		t.Fatal(err)
	}
	s.start(t)
}

// safeAsync asks for something without waiting for it.
func (s *labStory) safeAsync(t *testing.T, k accessKey, verb, body string) {
	t.Helper()
	if status, said := s.safeAPI(t, k, http.MethodPost, "labs/"+safeLab+"/"+verb, body, nil); status != http.StatusOK {
		t.Fatalf("%s: %d %s", verb, status, said)
	}
}

// safeKilled kills the process while a lab is opened, in use, broken and closed.
func (s *labStory) safeKilled(t *testing.T) {
	if s.safeState(t, safeLab) != "" {
		s.benchtop(t, "lab", "leave", safeLab, "--sure")
		s.safeGone(t, safeRoom)
	}
	bob := s.createKey(t, "bob", "--role", "editor")
	view := func() (v safeView) {
		s.safeAPI(t, bob, http.MethodGet, "labs/"+safeLab, "", &v)
		return v
	}
	opened := func() {
		t.Helper()
		if err := drive.Eventually(t.Context(), patience, func() error {
			if v := view(); v.Session == nil || v.Session.State != "open" || v.Session.Room != safeRoom {
				return fmt.Errorf("the lab does not open: %+v", v.Session)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	left := func() {
		t.Helper()
		if err := drive.Eventually(t.Context(), patience, func() error {
			if v := view(); v.Session != nil {
				return fmt.Errorf("the lab is not left: %+v", v.Session)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		s.safeGone(t, safeRoom)
	}
	s.safeAsync(t, bob, "start", "{}")
	opened()
	id := view().Session.ID
	// A terminal is a tmux session in the pod. It, and what is written there, stay.
	s.may(t, safeRoom, "tmux new-session -d -s main; tmux send-keys -t main 'kept=yes' Enter; echo mine >~/notes")
	passed := func(want int) {
		t.Helper()
		// After several restarts Traefik looks for new routes a minute later.
		if err := drive.Eventually(t.Context(), patience, func() error {
			if v := view(); v.passed() != want || v.Session == nil || v.Session.ID != id {
				return fmt.Errorf("%d tasks are passed in session %+v, expected %d in %d", v.passed(), v.Session, want, id)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	solve := func(upTo int) {
		t.Helper()
		for i, task := range view().Tasks[:upTo] {
			if len(task.Pass) > 0 {
				continue
			}
			if status, said := s.safeAPI(t, bob, http.MethodPost, "labs/"+safeLab+"/solve", `{"task": "`+task.ID+`"}`, nil); status != http.StatusOK {
				t.Fatalf("%s is not solved: %d %s", task.ID, status, said)
			}
			passed(i + 1) // the next one was locked
		}
	}
	solve(2)
	uid := s.benchtop(t, "kubectl", "get", "pod", "-n", "lab-shells", safeRoom, "-o", "jsonpath={.metadata.uid}")
	s.safeKill(t)
	passed(2)
	if now := s.benchtop(t, "kubectl", "get", "pod", "-n", "lab-shells", safeRoom, "-o", "jsonpath={.metadata.uid}"); now != uid {
		t.Error("the shell's pod was made again")
	}
	// The way to the kubelet opens a moment after K3s is ready.
	if err := drive.Eventually(t.Context(), patience, func() error {
		if out, code := s.safeIn(t, safeRoom, "true"); code != 0 {
			return errors.New(out)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	s.may(t, safeRoom, `grep -q mine ~/notes && tmux send-keys -t main 'echo "<$kept>"' Enter && sleep 1 && tmux capture-pane -p -t main | grep '<yes>'`)
	all := len(view().Tasks)
	solve(all)
	s.safeKilledWhile(t, bob, "break", `{"seed": 1}`)
	passed(all)
	// Whatever of it was done, the user can go on.
	var b struct {
		Break    json.RawMessage `json:"break"`
		CanBreak string          `json:"can_break"`
	}
	s.safeAPI(t, bob, http.MethodGet, "labs/"+safeLab, "", &b)
	if len(b.Break) > 0 {
		s.safeAsync(t, bob, "give-up", "{}")
	}
	// The mended route may be one that Traefik looks for a minute later, as above.
	if err := drive.Eventually(t.Context(), patience, func() error {
		status, said := s.safeAPI(t, bob, http.MethodPost, "labs/"+safeLab+"/break", `{"seed": 2}`, nil)
		if status != http.StatusOK {
			// The fault was there, and no row says so: a reset is the way out.
			s.safeAPI(t, bob, http.MethodPost, "labs/"+safeLab+"/give-up", "{}", nil)
			return fmt.Errorf("a fault can't be injected any more: %d %s", status, said)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	// A lab that is broken on purpose is nobody's fault.
	if out, err := s.Try(t.Context(), "", "doctor"); err != nil || strings.Contains(out.All(), safeRoom) || strings.Contains(out.All(), "guided lab") {
		t.Errorf("doctor complains of a lab that is broken on purpose (%v):\n%s", err, out.All())
	}
	if _, err := s.WaitState(t.Context(), patience, "ready"); err != nil {
		t.Error(err)
	}
	s.safeKilledWhile(t, bob, "reset", "{}")
	opened()
	passed(0)
	s.safeAsync(t, bob, "leave", `{"sure": true}`)
	left()
	// A room that is half made is completed, one that is half gone goes: the engine's
	// own tests end it at every step.
	const half = 1500 * time.Millisecond
	s.safeAsync(t, bob, "start", "{}")
	time.Sleep(half)
	s.safeKill(t)
	opened()
	s.safeAsync(t, bob, "leave", `{"sure": true}`)
	time.Sleep(half)
	s.safeKill(t)
	left()
	var history struct {
		Sessions []struct {
			Room   string            `json:"room"`
			Passes []json.RawMessage `json:"passes"`
			Breaks []json.RawMessage `json:"breaks"`
		} `json:"sessions"`
	}
	s.safeAPI(t, bob, http.MethodGet, "labs/export", "", &history)
	if len(history.Sessions) != 2 {
		t.Errorf("twice the lab was taken, on record is %+v", history.Sessions)
	}
	s.benchtop(t, "keys", "revoke", "bob")
}

// safeKilledWhile kills the process while it is doing something.
func (s *labStory) safeKilledWhile(t *testing.T, k accessKey, verb, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://appliance:8080/api/labs/"+safeLab+"/"+verb, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+k.Token)
	req.Header.Set("Content-Type", "application/json")
	done := make(chan struct{})
	go func() {
		defer close(done)
		if r, err := s.Host.HTTPFromLAN().Do(req); err == nil {
			_ = r.Body.Close()
		}
	}()
	time.Sleep(700 * time.Millisecond)
	s.safeKill(t)
	<-done
}
