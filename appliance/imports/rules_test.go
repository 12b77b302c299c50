package imports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

const module = "github.com/benchtop-lab/benchtop"

// Packages of Kubernetes by what they are for.
var (
	speakKubernetes       = []string{"k8s.io/client-go", "k8s.io/api", "k8s.io/apimachinery"}
	readKubeconfig        = []string{"k8s.io/client-go/rest", "k8s.io/client-go/tools/clientcmd"}
	holdAgainstKubernetes = []string{"k8s.io/pod-security-admission", "sigs.k8s.io/yaml"}
	serveMetrics          = []string{"k8s.io/apiserver", "k8s.io/kubernetes/pkg/generated/openapi", "k8s.io/kubelet/pkg/apis", "k8s.io/metrics", "sigs.k8s.io/metrics-server"}
	playKubelet           = []string{"k8s.io/kubelet/pkg/apis/deviceplugin", "k8s.io/kubelet/pkg/apis/podresources"}
	makeVolumes           = []string{"sigs.k8s.io/sig-storage-lib-external-provisioner"}
)

// border keeps packages of others inside the folders that may use them.
type border struct {
	packages []string // import paths, each with what lies below it
	except   []string // import paths below packages that other borders decide on
	folders  []string // may import them, with what lies below
	why      string
}

var borders = []border{
	{
		packages: []string{"k8s.io", "sigs.k8s.io", "github.com/k3s-io", "github.com/containerd"},
		except:   slices.Concat(speakKubernetes, holdAgainstKubernetes, serveMetrics, playKubelet, makeVolumes),
		folders:  []string{"embedded/k3s"},
		why:      "embedded/k3s alone runs Kubernetes: everybody else links none of it",
	},
	{
		packages: speakKubernetes,
		except:   readKubeconfig,
		folders:  []string{"embedded/cluster", "embedded/controllers"},
		why:      "embedded/cluster and embedded/controllers speak to the Kubernetes API: everybody else sees nouns, and K3s is only run",
	},
	{
		packages: readKubeconfig,
		folders:  []string{"embedded/cluster", "embedded/controllers", "embedded/prometheus"},
		why:      "only those who connect to the cluster read a kubeconfig",
	},
	{
		packages: holdAgainstKubernetes,
		folders:  []string{"embedded/cluster", "embedded/controllers"},
		why:      "only those who write Kubernetes' objects have to hold them against its rules",
	},
	{
		packages: playKubelet,
		folders:  []string{"scripts/gpucheck", "embedded/gpu/simulated"}, // the second in tests
		why:      "scripts/gpucheck and tests of the simulated driver play the kubelet: in a lab the real one does",
	},
	{
		packages: serveMetrics,
		except:   playKubelet,
		folders:  []string{"embedded/controllers/resourcemetrics"},
		why:      "embedded/controllers/resourcemetrics alone serves an API of Kubernetes: what others link of it is slow to build",
	},
	{
		packages: makeVolumes,
		folders:  []string{"embedded/controllers/localpath"},
		why:      "embedded/controllers/localpath alone makes volumes",
	},
	{
		packages: []string{"github.com/minio/minio"},
		folders:  []string{"embedded/minio"},
		why:      "MinIO's server stays behind one port, so that it can be replaced: use mlops.ObjectStore",
	},
	{
		packages: []string{"github.com/prometheus/prometheus"},
		folders:  []string{"embedded/prometheus"},
		why:      "embedded/prometheus is the only importer of Prometheus: ask it with Query and QueryRange, through a port of your own",
	},
	{
		packages: []string{"modernc.org/sqlite"},
		folders:  []string{"embedded/registry/db", "embedded/k3s"},
		why:      "SQLite is embedded/registry/db's (and, for Kubernetes' own state, kine's)",
	},
	{
		packages: []string{"github.com/labstack/echo"},
		folders:  []string{"ui"},
		why:      "echo serves the UI only; others offer an http.Handler",
	},
	{
		packages: []string{"github.com/a-h/templ"},
		folders:  []string{"ui"},
		why:      "templates are the UI's",
	},
	{
		packages: []string{"github.com/google/cel-go"},
		folders:  []string{"lab/engine/check"},
		why:      "lab/engine/check alone knows what expectations are written in",
	},
	{
		packages: []string{"github.com/yuin/goldmark"},
		folders:  []string{"ui"},
		why:      "texts stay Markdown until a page shows them",
	},
	{
		packages: []string{"github.com/spf13/cobra"},
		folders:  []string{"cmd"},
		why:      "the command line ends in cmd",
	},
}

// folder says what the packages of a folder may import of this module. The
// folder itself and what lies below it is always allowed.
type folder struct {
	path    string
	ours    []string
	stdOnly bool // nothing from outside the standard library and this module
	why     string
}

// folders is the table of the design; the longest path that fits decides.
var folders = []folder{
	{path: "cmd/benchtop/e2e", ours: []string{"scripts/testhost"}, why: "the stories drive the built binary from outside, as a user does"},
	{path: "cmd/internal/pushcmd", ours: []string{"appliance/mlops", "appliance/push/client"}, why: "laptops need no more than what pushes"},
	{path: "cmd/benchtop", ours: []string{"appliance", "cmd/internal/pushcmd"}, why: "the command line speaks to the appliance only; what it lacks belongs there"},
	{path: "cmd/benchtop-push", ours: []string{"appliance/mlops", "cmd/internal/pushcmd"}, why: "laptops need no more than what pushes"},
	{path: "cmd", ours: []string{"appliance/mlops"}, why: "small programs that run inside images must stay small"},
	{path: "appliance/supervise", stdOnly: true, why: "the supervisor is generic: standard library only"},
	{path: "appliance/mlops", stdOnly: true, why: "the nouns do no I/O: standard library only"},
	{path: "appliance/access", ours: []string{"appliance/mlops"}, stdOnly: true, why: "access keys are decided on nouns and ports: rows and object store are wired in by the appliance"},
	{path: "appliance/heap", stdOnly: true, why: "it knows the Go runtime and nothing of what is allocated"},
	{path: "appliance/loop", ours: []string{"appliance/mlops"}, stdOnly: true, why: "the loop knows nouns and ports, no embedded system"},
	{path: "appliance/doctor", ours: []string{"appliance/mlops", "appliance/nameservers"}, why: "the doctor looks at the machine before anything of ours runs, and at nouns; the name servers it asks are those that pods get"},
	{path: "appliance/nameservers", ours: []string{"appliance/supervise"}, why: "it knows the machine's name servers and nothing of who is told about them"},
	{path: "appliance/gatesfile", ours: []string{"appliance/mlops"}, why: "the file of gates is read the same way by pages and commands: it knows the nouns only"},
	{path: "appliance/podlogs", ours: []string{"appliance/mlops"}, stdOnly: true, why: "logs are merged the same way for pages and commands: it knows nouns and a port"},
	{path: "appliance/push", ours: []string{"appliance/mlops"}, why: "what packs code runs on laptops, and what plans it must read no row: they know the nouns only"},
	{path: "appliance/imports", stdOnly: true, why: "this test links nothing"},
	{path: "appliance", ours: []string{"assets", "embedded", "lab", "ui"}, why: "the composition root wires what is below it"},
	{path: "embedded/k3s", ours: append(slices.Clone(sharedByEmbedded), "embedded/images"), why: "embedded systems do not know each other; images is the one that K3s runs from"},
	{path: "embedded/cluster", ours: sharedByEmbedded, why: "who speaks to the cluster does not know who runs it: the appliance wires them"},
	{path: "embedded/controllers", ours: append(slices.Clone(sharedByEmbedded), "embedded/cluster"), why: "a controller knows the cluster and no other embedded system: the appliance wires them"},
	{path: "embedded/gpu", ours: sharedByEmbedded, why: whyEmbedded},
	{path: "embedded/images", ours: sharedByEmbedded, why: whyEmbedded},
	{path: "embedded/lan", why: "it asks the kernel and knows nothing of ours"},
	{path: "embedded/minio", ours: sharedByEmbedded, why: whyEmbedded},
	{path: "embedded/packages", ours: []string{"appliance/mlops", "appliance/supervise"}, why: whyEmbedded},
	{path: "embedded/prometheus", ours: sharedByEmbedded, why: whyEmbedded},
	{path: "embedded/registry", ours: sharedByEmbedded, why: whyEmbedded},
	{path: "ui", ours: []string{"appliance/gatesfile", "appliance/mlops", "appliance/supervise", "assets"}, why: "pages read through ports that the appliance fills"},
	{path: "lab", ours: []string{"appliance/mlops", "assets"}, why: "labs know the nouns only"},
	{path: "assets", why: "what is embedded depends on nothing"},
	{path: "scripts/gpucheck", ours: []string{"appliance/mlops", "appliance/supervise", "embedded/gpu", "embedded/images"}, why: "it runs the part of GPUs as the appliance does, and nothing else of it"},
	{path: "scripts", ours: []string{"assets", "embedded/images"}, why: "the binary does not need scripts, nor they it: they share the bundle's format"},
}

// lan is shared because certificates, load balancers and what is printed have
// to agree on how this machine is reached.
var sharedByEmbedded = []string{"appliance/mlops", "appliance/supervise", "assets", "embedded/lan"}

const whyEmbedded = "embedded systems do not know each other or the UI: the appliance wires them"

// registryParts says which packages of the registry know which; tests may know
// all. The nouns' stores are below store, and know few others.
var registryParts = map[string][]string{
	"wire":               nil,
	"filter":             {"wire"},
	"db":                 {"wire"},
	"search":             {"db", "filter", "wire"},
	"store/experiments":  {"db", "filter", "search", "wire"},
	"store/runs":         {"db", "search", "wire", "store/experiments"},
	"store/loggedmodels": {"db", "filter", "search", "wire", "store/experiments"},
	"store/models":       {"db", "filter", "search", "wire", "store/loggedmodels", "store/runs"},
	"store/traces":       {"db", "filter", "search", "wire", "store/experiments", "store/runs"},
	"store/artifacts":    {"db", "wire", "store/runs"},
	"store/webhooks":     {"db", "wire"},
	"store/datasets":     {"db", "wire"},
	"store/projects":     {"db", "wire"},
	"store/deployments":  {"db", "wire", "store/models"},
	"store/keys":         {"db", "wire"},
	"store/labs":         {"db"},
	"store/scope":        {"db", "search", "store/artifacts", "store/experiments"},
	"store/lineage":      {"db", "wire", "store/datasets", "store/experiments", "store/loggedmodels", "store/models", "store/runs"},
}

// registryViolation is violation inside of the registry, for files that are no tests.
func registryViolation(dir, path string) string {
	const registry = "embedded/registry/"
	from, in := strings.CutPrefix(dir, registry)
	to, ours := strings.CutPrefix(path, module+"/"+registry)
	if !in || !ours {
		return ""
	}
	may, known := registryParts[from]
	if !known {
		if strings.HasPrefix(from, "store/") && from != "store/storetest" {
			return fmt.Sprintf("%s is a store that is not in the table of the registry's parts: add it there and to the DESIGN", dir)
		}
		return "" // who puts the parts together knows all of them
	}
	if slices.Contains(may, to) {
		return ""
	}
	return fmt.Sprintf("%s imports %s: the registry's stores know few others, so that each can be read alone: pass in what it needs, or extend the table and the DESIGN", from, to)
}

// uiParts says which packages of the UI know which; tests may know all. Those
// below ui/pages know these and no other page, and nobody knows the server but who
// starts it.
var uiParts = map[string][]string{
	"view":        nil,
	"ports":       nil,
	"paths":       nil,
	"pills":       {"view"},
	"page":        {"ports", "view"},
	"charts":      {"paths", "ports", "view"},
	"traffic":     {"charts", "ports", "view"},
	"health":      {"charts", "page", "pills", "ports", "view"},
	"pods":        {"page", "paths", "pills", "view"},
	"runtable":    {"page", "paths", "pills", "view"},
	"serving":     {"page", "paths", "pills", "traffic", "view"},
	"machine":     {"ports"},
	"sessionfile": {""},
}

// uiViolation is violation inside of the UI, for files that are no tests.
func uiViolation(dir, path string) string {
	from, in := strings.CutPrefix(dir, "ui/")
	to, ours := strings.CutPrefix(path, module+"/ui")
	if !in || !ours || within(from, []string{"uitest"}) {
		return "" // the server puts the pages together, and a lab of memory is for tests
	}
	to = strings.TrimPrefix(to, "/")
	may, known := uiParts[from]
	if name, page := strings.CutPrefix(from, "pages/"); page && !strings.Contains(name, "/") {
		if _, shared := uiParts[to]; shared && to != "machine" && to != "sessionfile" {
			return ""
		}
		return fmt.Sprintf("%s imports %s: a page knows what pages share, and neither another page nor the server: what two pages need gets a package of its own", from, cmp.Or(to, "ui"))
	}
	switch {
	case !known:
		return fmt.Sprintf("%s is a package that is not in the table of the UI's parts: add it there and to the DESIGN", dir)
	case slices.Contains(may, to):
		return ""
	}
	return fmt.Sprintf("%s imports %s: what pages share knows little, so that each can be read alone: pass in what it needs, or extend the table and the DESIGN", from, cmp.Or(to, "ui"))
}

// violation returns why the package in dir (relative to the module's root)
// must not import path, "" if it may.
func violation(dir, path string) string {
	f := folderOf(dir)
	if f == nil {
		return fmt.Sprintf("%s imports %s: the folder is not in the table of folders; put the code where it belongs, or extend the table and the design", dir, path)
	}
	if ours, ok := strings.CutPrefix(path, module+"/"); ok {
		if within(ours, f.ours) || within(ours, []string{f.path}) {
			return ""
		}
		return fmt.Sprintf("%s imports %s: %s", dir, ours, f.why)
	}
	if first, _, _ := strings.Cut(path, "/"); !strings.Contains(first, ".") {
		return "" // the standard library, or C
	}
	if f.stdOnly {
		return fmt.Sprintf("%s imports %s: %s", dir, path, f.why)
	}
	for _, b := range borders {
		if within(path, b.packages) && !within(path, b.except) && !within(dir, b.folders) {
			return fmt.Sprintf("%s imports %s: %s", dir, path, b.why)
		}
	}
	return ""
}

func folderOf(dir string) *folder {
	var best *folder
	for i, f := range folders {
		if within(dir, []string{f.path}) && (best == nil || len(f.path) > len(best.path)) {
			best = &folders[i]
		}
	}
	return best
}

// within reports whether path is one of the roots or lies below one.
func within(path string, roots []string) bool {
	for _, r := range roots {
		if path == r || strings.HasPrefix(path, r+"/") {
			return true
		}
	}
	return false
}
