package cluster

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	selectors "k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/client-go/rest"
)

// apiServer is as much of a Kubernetes API as the client uses: discovery,
// server-side apply of whole objects, get, list by label and field, create, delete
// one or those of a label, and merge patches.
type apiServer struct {
	mu      sync.Mutex
	objects map[string]map[string]any // by path
	calls   []string                  // "PATCH /api/v1/namespaces/iris/…"
	broken  string                    // calls with this in them fail
	made    int
}

// kinds are the resources that it serves, by group and version.
var kinds = map[string]map[string]string{
	"v1": {"namespaces": "Namespace", "nodes": "Node", "pods": "Pod", "services": "Service", "secrets": "Secret", "configmaps": "ConfigMap",
		"persistentvolumeclaims": "PersistentVolumeClaim", "persistentvolumes": "PersistentVolume", "serviceaccounts": "ServiceAccount", "events": "Event",
		"resourcequotas": "ResourceQuota", "limitranges": "LimitRange"},
	"apps/v1":                         {"deployments": "Deployment", "replicasets": "ReplicaSet", "daemonsets": "DaemonSet"},
	"batch/v1":                        {"cronjobs": "CronJob", "jobs": "Job"},
	"networking.k8s.io/v1":            {"ingresses": "Ingress", "ingressclasses": "IngressClass", "networkpolicies": "NetworkPolicy"},
	"rbac.authorization.k8s.io/v1":    {"roles": "Role", "rolebindings": "RoleBinding", "clusterroles": "ClusterRole", "clusterrolebindings": "ClusterRoleBinding"},
	"storage.k8s.io/v1":               {"storageclasses": "StorageClass"},
	"admissionregistration.k8s.io/v1": {"validatingadmissionpolicies": "ValidatingAdmissionPolicy", "validatingadmissionpolicybindings": "ValidatingAdmissionPolicyBinding"},
	"discovery.k8s.io/v1":             {"endpointslices": "EndpointSlice"},
	"apiregistration.k8s.io/v1":       {"apiservices": "APIService"},
	"coordination.k8s.io/v1":          {"leases": "Lease"},
	"node.k8s.io/v1":                  {"runtimeclasses": "RuntimeClass"},
}

var clusterScoped = map[string]bool{"Namespace": true, "Node": true, "IngressClass": true, "ClusterRole": true, "ClusterRoleBinding": true, "StorageClass": true, "PersistentVolume": true, "APIService": true, "RuntimeClass": true, "ValidatingAdmissionPolicy": true, "ValidatingAdmissionPolicyBinding": true}

// newAPIServer returns a server and a client that speaks to it.
func newAPIServer(t *testing.T) (*apiServer, *Client) {
	t.Helper()
	s := &apiServer{objects: map[string]map[string]any{}}
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	c, err := newClient(testConfig(t), &rest.Config{Host: web.URL, QPS: 1000, Burst: 1000, ContentConfig: rest.ContentConfig{ContentType: "application/json"}})
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := r.URL.Path
	if body, ok := discover(path); ok {
		answer(w, http.StatusOK, body)
		return
	}
	call := r.Method + " " + path
	s.calls = append(s.calls, call)
	if s.broken != "" && strings.Contains(call, s.broken) {
		fail(w, http.StatusForbidden, metav1.StatusReasonForbidden, "quota exceeded")
		return
	}
	gv, kind, item := parsePath(path)
	body, _ := io.ReadAll(r.Body)
	var o map[string]any
	_ = json.Unmarshal(body, &o)
	switch {
	case kind == "":
		fail(w, http.StatusNotFound, metav1.StatusReasonNotFound, "no such resource")
	case r.Method == http.MethodPatch && r.Header.Get("Content-Type") == "application/merge-patch+json":
		have := s.objects[path]
		if have == nil {
			fail(w, http.StatusNotFound, metav1.StatusReasonNotFound, "not found")
			return
		}
		mergePatch(have, o)
		answer(w, http.StatusOK, have)
	case r.Method == http.MethodPatch:
		q := r.URL.Query()
		if r.Header.Get("Content-Type") != "application/apply-patch+yaml" || q.Get("fieldManager") != "benchtop" || q.Get("force") != "true" {
			fail(w, http.StatusBadRequest, metav1.StatusReasonBadRequest, "not a forced apply of benchtop: "+r.URL.RawQuery)
			return
		}
		if o["type"] == "kubernetes.io/service-account-token" {
			o["data"] = map[string]any{"token": "dG9rZW4="} // Kubernetes fills it in
		}
		s.objects[path] = o
		answer(w, http.StatusOK, o)
	case r.Method == http.MethodPost:
		path += "/" + o["metadata"].(map[string]any)["name"].(string)
		if s.objects[path] != nil {
			fail(w, http.StatusConflict, metav1.StatusReasonAlreadyExists, "it exists")
			return
		}
		s.made++
		o["apiVersion"], o["kind"] = gv, kind
		s.objects[path] = o
		answer(w, http.StatusCreated, o)
	case r.Method == http.MethodDelete && s.objects[path] != nil:
		delete(s.objects, path)
		answer(w, http.StatusOK, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Success"})
	case r.Method == http.MethodDelete && !item:
		for _, o := range s.listFields(path, gv, kind, r.URL.Query()) {
			delete(s.objects, path+"/"+o.(map[string]any)["metadata"].(map[string]any)["name"].(string))
		}
		answer(w, http.StatusOK, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Success"})
	case item && s.objects[path] != nil:
		answer(w, http.StatusOK, s.objects[path])
	case item:
		fail(w, http.StatusNotFound, metav1.StatusReasonNotFound, "not found")
	default:
		answer(w, http.StatusOK, map[string]any{"kind": kind + "List", "apiVersion": gv, "items": s.listFields(path, gv, kind, r.URL.Query())})
	}
}

// listFields lists what label and field selectors of a question choose. Fields
// are of one word after the first, as spec.nodeName.
func (s *apiServer) listFields(path, gv, kind string, q url.Values) []any {
	wanted, err := fields.ParseSelector(q.Get("fieldSelector"))
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(s.list(path, gv, kind, q.Get("labelSelector")), func(o any) bool {
		for _, r := range wanted.Requirements() {
			first, second, _ := strings.Cut(r.Field, ".")
			part, _ := o.(map[string]any)[first].(map[string]any)
			have, _ := part[second].(string)
			if (have == r.Value) != (r.Operator == selection.Equals) {
				return true
			}
		}
		return false
	})
}

func (s *apiServer) list(path, gv, kind, selector string) []any {
	wanted, err := selectors.Parse(selector)
	if err != nil {
		return nil
	}
	var paths []string
	for p := range s.objects {
		ogv, okind, _ := parsePath(p)
		if ogv == gv && okind == kind && (!strings.Contains(path, "/namespaces/") || strings.HasPrefix(p, path+"/")) {
			paths = append(paths, p)
		}
	}
	sort.Strings(paths)
	items := []any{}
	for _, p := range paths {
		set := selectors.Set{}
		if l, ok := s.objects[p]["metadata"].(map[string]any)["labels"].(map[string]any); ok {
			for k, v := range l {
				set[k] = fmt.Sprint(v)
			}
		}
		if wanted.Matches(set) {
			items = append(items, s.objects[p])
		}
	}
	return items
}

// parsePath takes a path apart: /api/v1/… or /apis/group/version/…, perhaps
// namespaces/<name>, then the plural and perhaps a name.
func parsePath(path string) (gv, kind string, item bool) {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	n := 2
	if parts[0] == "apis" {
		n = 3
	}
	if len(parts) <= n {
		return "", "", false
	}
	gv = strings.Join(parts[1:n], "/")
	parts = parts[n:]
	if parts[0] == "namespaces" && len(parts) > 2 {
		parts = parts[2:]
	}
	return gv, kinds[gv][parts[0]], len(parts) > 1
}

func discover(path string) (any, bool) {
	switch path {
	case "/api":
		return metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions"}, Versions: []string{"v1"}}, true
	case "/apis":
		list := metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}}
		for gv := range kinds {
			if group, version, ok := strings.Cut(gv, "/"); ok {
				v := metav1.GroupVersionForDiscovery{GroupVersion: gv, Version: version}
				list.Groups = append(list.Groups, metav1.APIGroup{Name: group, Versions: []metav1.GroupVersionForDiscovery{v}, PreferredVersion: v})
			}
		}
		return list, true
	}
	gv := strings.TrimPrefix(strings.TrimPrefix(path, "/apis/"), "/api/")
	resources, ok := kinds[gv]
	if !ok {
		return nil, false
	}
	list := metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: gv}
	for plural, kind := range resources {
		list.APIResources = append(list.APIResources, metav1.APIResource{Name: plural, Kind: kind, Namespaced: !clusterScoped[kind], Verbs: metav1.Verbs{"get", "list", "patch", "create", "delete", "deletecollection"}})
	}
	return list, true
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func fail(w http.ResponseWriter, status int, reason metav1.StatusReason, message string) {
	answer(w, status, metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Reason: reason, Message: message, Code: int32(status)})
}

// mergePatch is RFC 7386.
func mergePatch(into, patch map[string]any) {
	for key, value := range patch {
		from, isMap := value.(map[string]any)
		switch have, hasMap := into[key].(map[string]any); {
		case value == nil:
			delete(into, key)
		case isMap && hasMap:
			mergePatch(have, from)
		case isMap:
			fresh := map[string]any{}
			mergePatch(fresh, from)
			into[key] = fresh
		default:
			into[key] = value
		}
	}
}
