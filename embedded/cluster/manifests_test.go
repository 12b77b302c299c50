package cluster

import (
	"io/fs"
	"sigs.k8s.io/yaml"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// files lists the packaged manifests.
func files(t *testing.T) []string {
	t.Helper()
	names, err := fs.Glob(manifests, "manifests/*.yaml")
	if err != nil || len(names) < 6 {
		t.Fatalf("manifests are %v (%v)", names, err)
	}
	for i := range names {
		names[i] = strings.TrimPrefix(names[i], "manifests/")
	}
	return names
}

func render(t *testing.T, c Config, name string) []*unstructured.Unstructured {
	t.Helper()
	objects, err := c.render(name)
	if err != nil {
		t.Fatal(err)
	}
	if len(objects) == 0 {
		t.Fatalf("%s holds nothing", name)
	}
	return objects
}

// typed converts o strictly: a field that Kubernetes does not know is an error.
func typed(t *testing.T, o *unstructured.Unstructured) runtime.Object {
	t.Helper()
	to, err := scheme.Scheme.New(o.GroupVersionKind())
	if err == nil {
		err = runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, to, true)
	}
	if err != nil {
		t.Errorf("%s %s: %v", o.GetKind(), o.GetName(), err)
	}
	return to
}

func TestEveryObjectIsWellFormed(t *testing.T) {
	seen := map[string]string{}
	for _, name := range files(t) {
		for _, o := range render(t, testConfig(t), name) {
			if o.GetKind() == "" || o.GetAPIVersion() == "" || o.GetName() == "" {
				t.Errorf("%s: an object lacks kind, version or name: %v", name, o.Object)
				continue
			}
			key := o.GetKind() + " " + o.GetNamespace() + "/" + o.GetName()
			if other := seen[key]; other != "" {
				t.Errorf("%s is in %s and in %s", key, other, name)
			}
			seen[key] = name
			if o.GetKind() != "APIService" { // not in client-go's scheme
				typed(t, o)
			}
		}
	}
}

func TestSystemPodsAreRestricted(t *testing.T) {
	pods := map[string]bool{}
	for _, name := range files(t) {
		for _, o := range render(t, testConfig(t), name) {
			d, ok := typedWorkload(t, o)
			if !ok {
				continue
			}
			spec := d.Spec.Template.Spec
			pods[d.Name] = true
			for i := range spec.Containers {
				for j, p := range spec.Containers[i].Ports {
					if p.HostPort == 0 {
						continue
					}
					// The one that others reach from outside.
					if d.Name != "traefik" {
						t.Errorf("%s takes host port %d", d.Name, p.HostPort)
					}
					spec.Containers[i].Ports[j].HostPort = 0
				}
			}
			checkPod(t, d.Name, spec)
			if d.Spec.Selector == nil || len(d.Spec.Selector.MatchLabels) == 0 {
				t.Errorf("%s selects no pods", d.Name)
				continue
			}
			for k, v := range d.Spec.Selector.MatchLabels {
				if d.Spec.Template.Labels[k] != v {
					t.Errorf("%s selects %s=%s, its pods have %q", d.Name, k, v, d.Spec.Template.Labels[k])
				}
			}
		}
	}
	for _, want := range []string{"coredns", "traefik"} {
		if !pods[want] {
			t.Errorf("no pod of %s was checked", want)
		}
	}
}

// typedWorkload returns o as a Deployment. Another kind that makes pods is an
// error: its pods would go unchecked.
func typedWorkload(t *testing.T, o *unstructured.Unstructured) (*appsv1.Deployment, bool) {
	t.Helper()
	if o.GetKind() == "DaemonSet" && o.GetName() == gpuPlugin {
		return nil, false // TestTheGPUPodMountsNoMoreThanItNeeds looks at it
	}
	if _, found, _ := unstructured.NestedMap(o.Object, "spec", "template"); found && o.GetKind() != "Deployment" || o.GetKind() == "Pod" || o.GetKind() == "CronJob" {
		t.Errorf("%s %s makes pods that this test does not check", o.GetKind(), o.GetName())
	}
	if o.GetKind() != "Deployment" {
		return nil, false
	}
	d, ok := typed(t, o).(*appsv1.Deployment)
	return d, ok
}

func TestServicesPointAtTheAppliance(t *testing.T) {
	want := map[string][2]int{"s3": {9000, 19000}, "mlflow": {5000, 15000}, "prometheus": {8080, 18080}, "packages": {3141, 3141}}
	services, slices := map[string]bool{}, map[string]bool{}
	for _, o := range render(t, testConfig(t), "services.yaml") {
		switch s := typed(t, o).(type) {
		case *corev1.Service:
			if s.Name == "resource-metrics" { // its endpoints come with its API
				continue
			}
			services[s.Name] = true
			if w := want[s.Name]; s.Namespace != "benchtop" || int(s.Spec.Ports[0].Port) != w[0] || s.Spec.Ports[0].TargetPort != intstr.FromInt(w[1]) {
				t.Errorf("service %s/%s has the ports %+v, expected %v", s.Namespace, s.Name, s.Spec.Ports, w)
			}
			if len(s.Spec.Selector) != 0 {
				t.Errorf("service %s selects pods", s.Name)
			}
		case *discoveryv1.EndpointSlice:
			name := s.Labels["kubernetes.io/service-name"]
			slices[name] = true
			if s.Endpoints[0].Addresses[0] != "10.44.0.1" || int(*s.Ports[0].Port) != want[name][1] || *s.Ports[0].Name != "http" {
				t.Errorf("the endpoints of %s are %+v at %+v", name, s.Endpoints, s.Ports)
			}
		default:
			t.Errorf("unexpected %s", o.GetKind())
		}
	}
	for name := range want {
		if !services[name] || !slices[name] {
			t.Errorf("%s: service %t, endpoints %t", name, services[name], slices[name])
		}
	}
}

func TestResourceMetricsPointAtTheProcess(t *testing.T) {
	service, slice, api := false, false, false
	// The Service comes first: the API server complains of an API without one.
	for _, o := range append(render(t, testConfig(t), "services.yaml"), render(t, testConfig(t), "resource-metrics.yaml")...) {
		if o.GetKind() == "APIService" {
			name, _, _ := unstructured.NestedString(o.Object, "spec", "service", "name")
			namespace, _, _ := unstructured.NestedString(o.Object, "spec", "service", "namespace")
			api = name == "resource-metrics" && namespace == "benchtop"
			continue
		}
		switch s := typed(t, o).(type) {
		case *corev1.Service:
			if s.Name == "resource-metrics" {
				service = !slice && !api && s.Namespace == "benchtop" && len(s.Spec.Selector) == 0 && s.Spec.Ports[0].Name == "https" && s.Spec.Ports[0].Port == 443
			}
		case *discoveryv1.EndpointSlice:
			if s.Labels["kubernetes.io/service-name"] == "resource-metrics" {
				slice = s.Endpoints[0].Addresses[0] == "10.44.0.1" && *s.Ports[0].Port == 14443 && *s.Ports[0].Name == "https"
			}
		}
	}
	if !service || !slice || !api {
		t.Errorf("service %t, endpoints %t, API %t", service, slice, api)
	}
}

func TestIngressTakesTheConfiguredPorts(t *testing.T) {
	for _, o := range render(t, testConfig(t), "traefik.yaml") {
		if o.GetKind() != "Deployment" {
			continue
		}
		d := typed(t, o).(*appsv1.Deployment)
		got := map[string]int32{}
		for _, p := range d.Spec.Template.Spec.Containers[0].Ports {
			got[p.Name] = p.HostPort
		}
		if got["web"] != 8081 || got["websecure"] != 8443 {
			t.Errorf("host ports are %v, expected 8081 and 8443", got)
		}
		return
	}
	t.Error("there is no Deployment")
}

// The front page must lose against any rule of a user's, and must not open the
// rest of the web UI to clients of the ingress.
func TestFrontPageComesLast(t *testing.T) {
	objects := render(t, testConfig(t), "front.yaml")
	in, ok := typed(t, objects[0]).(*networkingv1.Ingress)
	if !ok || len(objects) != 1 {
		t.Fatalf("it holds %v", objects)
	}
	const router = "traefik.ingress.kubernetes.io/router."
	if a := in.Annotations; a[router+"priority"] != "1" || a[router+"middlewares"] != "front@file" || a[router+"entrypoints"] != "web,websecure" {
		t.Errorf("annotations are %v", in.Annotations)
	}
	rule := in.Spec.Rules[0]
	if b := rule.HTTP.Paths[0].Backend.Service; rule.Host != "" || rule.HTTP.Paths[0].Path != "/" || b.Name != "prometheus" || b.Port.Name != "http" {
		t.Errorf("rule is %+v", rule)
	}
	for _, o := range render(t, testConfig(t), "traefik.yaml") {
		m, ok := typed(t, o).(*corev1.ConfigMap)
		if !ok {
			continue
		}
		var file struct {
			HTTP struct {
				Middlewares map[string]struct {
					Chain     struct{ Middlewares []string }
					AddPrefix struct{ Prefix string }
					Headers   struct{ CustomRequestHeaders map[string]string }
				}
			}
		}
		if err := yaml.Unmarshal([]byte(m.Data["middlewares.yaml"]), &file); err != nil {
			t.Fatal(err)
		}
		prefix, anonymous := "", 0
		for _, name := range file.HTTP.Middlewares["front"].Chain.Middlewares {
			prefix += file.HTTP.Middlewares[name].AddPrefix.Prefix
			for _, header := range []string{"Cookie", "Authorization"} {
				if v, set := file.HTTP.Middlewares[name].Headers.CustomRequestHeaders[header]; set && v == "" {
					anonymous++
				}
			}
		}
		if prefix != "/front" || anonymous != 2 {
			t.Errorf("the prefix is %q, %d of 2 headers are removed: %s", prefix, anonymous, m.Data["middlewares.yaml"])
		}
		return
	}
	t.Error("there are no middlewares")
}

func TestClusterDNSHasItsAddress(t *testing.T) {
	for _, o := range render(t, testConfig(t), "coredns.yaml") {
		if s, ok := typed(t, o).(*corev1.Service); ok {
			if s.Spec.ClusterIP != mlops.ClusterDNS {
				t.Errorf("it is %s, but pods are told %s", s.Spec.ClusterIP, mlops.ClusterDNS)
			}
			return
		}
	}
	t.Error("there is no Service")
}

func TestEveryBundledImageIsUsed(t *testing.T) {
	c := testConfig(t)
	all := ""
	for _, name := range files(t) {
		for _, o := range render(t, c, name) {
			b, err := o.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			all += string(b)
		}
	}
	for _, name := range bundled {
		if !slices.Contains([]string{"lab-python", "lab-shell"}, name) && !strings.Contains(all, c.Image(name)) {
			t.Errorf("image %s is carried for nobody", name)
		}
	}
}

func TestRenderErrors(t *testing.T) {
	c := testConfig(t)
	_, err := c.render("none.yaml")
	expectError(t, err, "read manifest: open manifests/none.yaml: file does not exist")
	c.Image = imageOf("coredns")
	_, err = c.render("traefik.yaml")
	expectError(t, err, `the bundle holds no image "traefik"`)
	if _, err := c.render("coredns.yaml"); err != nil {
		t.Error(err)
	}
}
