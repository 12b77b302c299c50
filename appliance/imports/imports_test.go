package imports

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const root = "../.."

// TestImports checks every Go file of the module, tests and other platforms'
// files included.
func TestImports(t *testing.T) {
	if b, err := os.ReadFile(filepath.Join(root, "go.mod")); err != nil || !strings.HasPrefix(string(b), "module "+module+"\n") {
		t.Fatalf("%s is not the module's root (%v)", root, err)
	}
	seen := map[string]int{}
	if err := scan(root, func(dir, file, path string) {
		seen[strings.Split(dir, "/")[0]]++
		if v := violation(dir, path); v != "" {
			t.Errorf("%s: %s", file, v)
		}
		if strings.HasSuffix(file, "_test.go") {
			return
		}
		if v := registryViolation(dir, path); v != "" {
			t.Errorf("%s: %s", file, v)
		}
		if v := uiViolation(dir, path); v != "" {
			t.Errorf("%s: %s", file, v)
		}
	}); err != nil {
		t.Fatal(err)
	}
	for _, top := range []string{"appliance", "assets", "cmd", "embedded", "lab", "scripts", "ui"} {
		if seen[top] == 0 {
			t.Errorf("no import was found in %s: the test does not see it", top)
		}
	}
}

// scan calls f with every import of every Go file below root. Modules of
// their own, and what tools leave behind, are not ours.
func scan(root string, f func(dir, file, path string)) error {
	return filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if file == root {
				return nil
			}
			if _, err := os.Stat(filepath.Join(file, "go.mod")); err == nil {
				return filepath.SkipDir
			}
			if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" || name == "node_modules" || name == "dist" {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		for _, i := range parsed.Imports {
			path, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			f(filepath.ToSlash(filepath.Dir(rel)), rel, path)
		}
		return nil
	})
}

// TestScanSees proves that a forbidden import in any kind of file is found.
func TestScanSees(t *testing.T) {
	dir := t.TempDir()
	for file, content := range map[string]string{
		"ui/a.go":                        "package ui\nimport \"k8s.io/api/core/v1\"\n",
		"ui/a_test.go":                   "package ui\nimport _ \"k8s.io/api/apps/v1\"\n",
		"ui/b_windows.go":                "//go:build windows\n\npackage ui\nimport (\n\tx \"k8s.io/klog/v2\"\n)\nfunc f() { x.Info() }\n",
		"ui/testdata/c.go":               "package c\nimport \"k8s.io/hidden\"\n",
		"ui/node_modules/d/d.go":         "package d\nimport \"k8s.io/hidden\"\n",
		"assets/images/own/go.mod":       "module own\n",
		"assets/images/own/main.go":      "package main\nimport \"k8s.io/hidden\"\n",
		"assets/images/own/below/sub.go": "package below\nimport \"k8s.io/hidden\"\n",
	} {
		full := filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found := map[string]string{}
	if err := scan(dir, func(dir, file, path string) { found[file] = dir + " " + path }); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"ui/a.go": "ui k8s.io/api/core/v1", "ui/a_test.go": "ui k8s.io/api/apps/v1", "ui/b_windows.go": "ui k8s.io/klog/v2"}
	if len(found) != len(want) {
		t.Errorf("found %v", found)
	}
	for file, w := range want {
		if found[file] != w {
			t.Errorf("%s: found %q, expected %q", file, found[file], w)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "broken.go"), []byte("pakage x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := scan(dir, func(string, string, string) {}); err == nil || !strings.Contains(err.Error(), "broken.go:1:1") {
		t.Errorf("a file that cannot be parsed: error %v", err)
	}
}

func TestViolation(t *testing.T) {
	const ours = module + "/"
	for _, c := range []struct{ dir, path, want string }{
		{"embedded/k3s/tools", "sigs.k8s.io/cri-tools/cmd/crictl", ""},
		{"embedded/k3s", "github.com/k3s-io/k3s/pkg/cli/server", ""},
		{"embedded/k3s", "k8s.io/client-go/kubernetes", "embedded/k3s imports k8s.io/client-go/kubernetes: embedded/cluster and embedded/controllers speak to the Kubernetes API: everybody else sees nouns, and K3s is only run"},
		{"embedded/k3s", "k8s.io/api/core/v1", "embedded/k3s imports k8s.io/api/core/v1: embedded/cluster and embedded/controllers speak to the Kubernetes API: everybody else sees nouns, and K3s is only run"},
		{"embedded/cluster", "k8s.io/client-go/kubernetes", ""},
		{"embedded/cluster", "k8s.io/apimachinery/pkg/types", ""},
		{"embedded/cluster", "sigs.k8s.io/yaml", ""},
		{"embedded/cluster", "github.com/k3s-io/k3s/pkg/cli/server", "embedded/cluster imports github.com/k3s-io/k3s/pkg/cli/server: embedded/k3s alone runs Kubernetes: everybody else links none of it"},
		{"embedded/cluster", "github.com/containerd/containerd/v2/client", "embedded/cluster imports github.com/containerd/containerd/v2/client: embedded/k3s alone runs Kubernetes: everybody else links none of it"},
		{"embedded/cluster", "k8s.io/klog/v2", "embedded/cluster imports k8s.io/klog/v2: embedded/k3s alone runs Kubernetes: everybody else links none of it"},
		{"embedded/gpu", "k8s.io/client-go/kubernetes", "embedded/gpu imports k8s.io/client-go/kubernetes: embedded/cluster and embedded/controllers speak to the Kubernetes API: everybody else sees nouns, and K3s is only run"},
		{"embedded/controllers/loadbalancer", "k8s.io/api/core/v1", ""},
		{"embedded/controllers/loadbalancer", "github.com/k3s-io/k3s/pkg/cli/server", "embedded/controllers/loadbalancer imports github.com/k3s-io/k3s/pkg/cli/server: embedded/k3s alone runs Kubernetes: everybody else links none of it"},
		{"embedded/controllers/resourcemetrics", "k8s.io/apiserver/pkg/server", ""},
		{"embedded/controllers/resourcemetrics", "k8s.io/kubernetes/pkg/kubelet", "embedded/controllers/resourcemetrics imports k8s.io/kubernetes/pkg/kubelet: embedded/k3s alone runs Kubernetes: everybody else links none of it"},
		{"embedded/cluster", "k8s.io/apiserver/pkg/server", "embedded/cluster imports k8s.io/apiserver/pkg/server: embedded/controllers/resourcemetrics alone serves an API of Kubernetes: what others link of it is slow to build"},
		{"embedded/controllers/localpath", "sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller", ""},
		{"embedded/controllers/loadbalancer", "sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller", "embedded/controllers/loadbalancer imports sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller: embedded/controllers/localpath alone makes volumes"},
		{"ui", "sigs.k8s.io/yaml", "ui imports sigs.k8s.io/yaml: only those who write Kubernetes' objects have to hold them against its rules"},
		{"appliance", "k8s.io/client-go/rest", "appliance imports k8s.io/client-go/rest: only those who connect to the cluster read a kubeconfig"},
		{"embedded/k3s", "k8s.io/client-go/tools/clientcmd", "embedded/k3s imports k8s.io/client-go/tools/clientcmd: only those who connect to the cluster read a kubeconfig"},
		{"embedded/cluster", "k8s.io/client-go/tools/clientcmd", ""},
		{"embedded/prometheus", "k8s.io/client-go/tools/clientcmd", ""},
		{"embedded/prometheus", "k8s.io/client-go/kubernetes", "embedded/prometheus imports k8s.io/client-go/kubernetes: embedded/cluster and embedded/controllers speak to the Kubernetes API: everybody else sees nouns, and K3s is only run"},
		{"ui", "k8s.io/klog/v2", "ui imports k8s.io/klog/v2: embedded/k3s alone runs Kubernetes: everybody else links none of it"},
		{"ui", "github.com/containerd/containerd/v2/client", "ui imports github.com/containerd/containerd/v2/client: embedded/k3s alone runs Kubernetes: everybody else links none of it"},
		{"embedded/minio", "github.com/minio/minio/cmd", ""},
		{"embedded/registry", "github.com/minio/minio-go/v7", ""},
		{"embedded/registry", "github.com/minio/minio/cmd", "embedded/registry imports github.com/minio/minio/cmd: MinIO's server stays behind one port, so that it can be replaced: use mlops.ObjectStore"},
		{"embedded/k3s", "github.com/prometheus/client_golang/prometheus", ""},
		{"embedded/k3s", "github.com/prometheus/prometheus/tsdb", "embedded/k3s imports github.com/prometheus/prometheus/tsdb: embedded/prometheus is the only importer of Prometheus: ask it with Query and QueryRange, through a port of your own"},
		{"embedded/registry/db", "modernc.org/sqlite", ""},
		{"embedded/registry/store/runs", "modernc.org/sqlite", "embedded/registry/store/runs imports modernc.org/sqlite: SQLite is embedded/registry/db's (and, for Kubernetes' own state, kine's)"},
		{"embedded/k3s", "modernc.org/sqlite/lib", ""},
		{"ui", "modernc.org/sqlite", "ui imports modernc.org/sqlite: SQLite is embedded/registry/db's (and, for Kubernetes' own state, kine's)"},
		{"ui/uitest", "github.com/labstack/echo/v4", ""},
		{"embedded/registry", "github.com/labstack/echo/v4", "embedded/registry imports github.com/labstack/echo/v4: echo serves the UI only; others offer an http.Handler"},
		{"ui/view", "github.com/a-h/templ/runtime", ""},
		{"lab", "github.com/a-h/templ", "lab imports github.com/a-h/templ: templates are the UI's"},
		{"cmd/benchtop", "github.com/spf13/cobra", ""},
		{"appliance", "github.com/spf13/cobra", "appliance imports github.com/spf13/cobra: the command line ends in cmd"},

		{"cmd/benchtop", ours + "appliance", ""},
		{"cmd/benchtop", ours + "appliance/doctor", ""},
		{"cmd/benchtop", ours + "embedded/k3s", "cmd/benchtop imports embedded/k3s: the command line speaks to the appliance only; what it lacks belongs there"},
		{"cmd/benchtop", ours + "ui", "cmd/benchtop imports ui: the command line speaks to the appliance only; what it lacks belongs there"},
		{"cmd/benchtop/e2e", ours + "scripts/testhost/drive", ""},
		{"cmd/benchtop/e2e", ours + "appliance", "cmd/benchtop/e2e imports appliance: the stories drive the built binary from outside, as a user does"},
		{"cmd/cni", ours + "appliance/mlops", ""},
		{"cmd/cni", ours + "appliance", "cmd/cni imports appliance: small programs that run inside images must stay small"},
		{"appliance", ours + "embedded/minio", ""},
		{"appliance", ours + "ui/machine", ""},
		{"appliance", ours + "appliance/loop", ""},
		{"appliance", ours + "cmd/benchtop", "appliance imports cmd/benchtop: the composition root wires what is below it"},
		{"appliance", ours + "scripts/testhost", "appliance imports scripts/testhost: the composition root wires what is below it"},
		{"appliance/supervise", "log/slog", ""},
		{"appliance/supervise", "golang.org/x/sync/errgroup", "appliance/supervise imports golang.org/x/sync/errgroup: the supervisor is generic: standard library only"},
		{"appliance/supervise", ours + "appliance/mlops", "appliance/supervise imports appliance/mlops: the supervisor is generic: standard library only"},
		{"appliance/mlops", "C", ""},
		{"appliance/mlops", ours + "appliance", "appliance/mlops imports appliance: the nouns do no I/O: standard library only"},
		{"appliance/loop", ours + "appliance/mlops", ""},
		{"appliance/loop", ours + "appliance/supervise", "appliance/loop imports appliance/supervise: the loop knows nouns and ports, no embedded system"},
		{"appliance/loop", ours + "embedded/registry", "appliance/loop imports embedded/registry: the loop knows nouns and ports, no embedded system"},
		{"embedded/k3s", ours + "embedded/images", ""},
		{"embedded/k3s", ours + "embedded/registry", "embedded/k3s imports embedded/registry: embedded systems do not know each other; images is the one that K3s runs from"},
		{"embedded/k3s", ours + "embedded/cluster", "embedded/k3s imports embedded/cluster: embedded systems do not know each other; images is the one that K3s runs from"},
		{"embedded/cluster", ours + "embedded/k3s", "embedded/cluster imports embedded/k3s: who speaks to the cluster does not know who runs it: the appliance wires them"},
		{"embedded/cluster", ours + "embedded/controllers/localpath", "embedded/cluster imports embedded/controllers/localpath: who speaks to the cluster does not know who runs it: the appliance wires them"},
		{"embedded/controllers/localpath", ours + "embedded/cluster", ""},
		{"embedded/controllers/localpath", ours + "embedded/k3s/imagestore", "embedded/controllers/localpath imports embedded/k3s/imagestore: a controller knows the cluster and no other embedded system: the appliance wires them"},
		{"embedded/registry/mlflow", ours + "embedded/registry/store", ""},
		{"embedded/registry", ours + "embedded/minio", "embedded/registry imports embedded/minio: " + whyEmbedded},
		{"embedded/minio", ours + "embedded/images", "embedded/minio imports embedded/images: " + whyEmbedded},
		{"embedded/prometheus", ours + "ui", "embedded/prometheus imports ui: " + whyEmbedded},
		{"embedded/prometheus", ours + "appliance", "embedded/prometheus imports appliance: " + whyEmbedded},
		{"ui", ours + "appliance/mlops", ""},
		{"ui", ours + "ui/view", ""},
		{"ui", ours + "appliance", "ui imports appliance: pages read through ports that the appliance fills"},
		{"ui", ours + "embedded/registry", "ui imports embedded/registry: pages read through ports that the appliance fills"},
		{"lab/workloads", ours + "embedded/k3s", "lab/workloads imports embedded/k3s: labs know the nouns only"},
		{"assets/datasets", ours + "appliance/mlops", "assets/datasets imports appliance/mlops: what is embedded depends on nothing"},
		{"scripts/bundle", ours + "embedded/images", ""},
		{"scripts/gpucheck", ours + "embedded/gpu/simulated", ""},
		{"scripts/gpucheck", ours + "embedded/k3s", "scripts/gpucheck imports embedded/k3s: it runs the part of GPUs as the appliance does, and nothing else of it"},
		{"scripts/gpucheck", "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1", ""},
		{"embedded/controllers/gpu", "k8s.io/kubelet/pkg/apis/podresources/v1", "embedded/controllers/gpu imports k8s.io/kubelet/pkg/apis/podresources/v1: scripts/gpucheck and tests of the simulated driver play the kubelet: in a lab the real one does"},
		{"scripts/bench", ours + "appliance", "scripts/bench imports appliance: the binary does not need scripts, nor they it: they share the bundle's format"},

		{"embedded/redis", "os", "embedded/redis imports os: the folder is not in the table of folders; put the code where it belongs, or extend the table and the design"},
		{"pkg/util", "os", "pkg/util imports os: the folder is not in the table of folders; put the code where it belongs, or extend the table and the design"},
		// A name that only begins like another is another.
		{"ui", ours + "uix", "ui imports uix: pages read through ports that the appliance fills"},
		{"lab", "github.com/labstack/echo-contrib", ""},
	} {
		if got := violation(c.dir, c.path); got != c.want {
			t.Errorf("%s imports %s:\nfound    %q\nexpected %q", c.dir, c.path, got, c.want)
		}
	}
}

func TestRegistryViolation(t *testing.T) {
	const registry = module + "/embedded/registry/"
	for _, c := range []struct{ dir, path, want string }{
		{"embedded/registry/store/deployments", registry + "store/models", ""},
		{"embedded/registry/store/deployments", module + "/appliance/mlops", ""},
		{"embedded/registry/store", registry + "store/models", ""},
		{"embedded/registry/mlflow", registry + "store/runs", ""},
		{"embedded/registry/db", registry + "store/runs", "db imports store/runs: the registry's stores know few others, so that each can be read alone: pass in what it needs, or extend the table and the DESIGN"},
		{"embedded/registry/store/keys", registry + "store/runs", "store/keys imports store/runs: the registry's stores know few others, so that each can be read alone: pass in what it needs, or extend the table and the DESIGN"},
		{"embedded/registry/store/pipelines", registry + "db", "embedded/registry/store/pipelines is a store that is not in the table of the registry's parts: add it there and to the DESIGN"},
	} {
		if got := registryViolation(c.dir, c.path); got != c.want {
			t.Errorf("%s imports %s: %q, expected %q", c.dir, c.path, got, c.want)
		}
	}
}

func TestUIViolation(t *testing.T) {
	const ui = module + "/ui"
	const whyPage = ": a page knows what pages share, and neither another page nor the server: what two pages need gets a package of its own"
	for _, c := range []struct{ dir, path, want string }{
		{"ui", ui + "/pages/runs", ""},
		{"ui/uitest/serve", ui, ""},
		{"ui/pages/runs", ui + "/view", ""},
		{"ui/pages/runs", ui + "/page", ""},
		{"ui/pages/runs", ui + "/serving", ""},
		{"ui/pages/runs", module + "/appliance/mlops", ""},
		{"ui/pages/runs", ui + "/pages/models", "pages/runs imports pages/models" + whyPage},
		{"ui/pages/runs", ui, "pages/runs imports ui" + whyPage},
		{"ui/pages/runs", ui + "/uitest", "pages/runs imports uitest" + whyPage},
		{"ui/pages/runs", ui + "/sessionfile", "pages/runs imports sessionfile" + whyPage},
		{"ui/serving", ui + "/pages/models", "serving imports pages/models: what pages share knows little, so that each can be read alone: pass in what it needs, or extend the table and the DESIGN"},
		{"ui/page", ui, "page imports ui: what pages share knows little, so that each can be read alone: pass in what it needs, or extend the table and the DESIGN"},
		{"ui/paths", ui + "/page", "paths imports page: what pages share knows little, so that each can be read alone: pass in what it needs, or extend the table and the DESIGN"},
		{"ui/tables", ui + "/view", "ui/tables is a package that is not in the table of the UI's parts: add it there and to the DESIGN"},
		{"ui/pages/runs/files", ui + "/view", "ui/pages/runs/files is a package that is not in the table of the UI's parts: add it there and to the DESIGN"},
	} {
		if got := uiViolation(c.dir, c.path); got != c.want {
			t.Errorf("%s imports %s: %q, expected %q", c.dir, c.path, got, c.want)
		}
	}
}
