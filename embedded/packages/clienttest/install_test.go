//go:build clients

// Package clienttest has pip and uv install from the index.
//
//	BENCHTOP_INSTALLERS="$(embedded/registry/clienttest/run venv installers)" go test -tags clients ./embedded/packages/clienttest
package clienttest

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/embedded/packages"
	"github.com/benchtop-lab/benchtop/embedded/packages/packagestest"
)

// lab is an index that installers reach.
type lab struct {
	*packages.Index
	store *packagestest.Store
	url   string
}

func newLab(t *testing.T, upstream string) *lab {
	t.Helper()
	l := &lab{store: packagestest.NewStore()}
	var err error
	if l.Index, err = packages.New(packages.Config{Store: l.store, Source: packages.Source{URL: upstream}, Scratch: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(l.Handler())
	l.url = server.URL + "/simple/"
	t.Cleanup(func() { l.Close(); server.Close() })
	return l
}

// installers is the environment that pip and uv are in.
func installers(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("BENCHTOP_INSTALLERS")
	if dir == "" {
		t.Fatal("BENCHTOP_INSTALLERS is not set: expected what `embedded/registry/clienttest/run venv installers` prints")
	}
	return dir
}

// machine is a fresh environment without any cache.
type machine struct{ home, python string }

func newMachine(t *testing.T) machine {
	t.Helper()
	home := t.TempDir()
	m := machine{home, filepath.Join(home, "venv", "bin", "python")}
	if out, err := m.run(t, filepath.Join(installers(t), "bin", "python"), "-m", "venv", "--without-pip", filepath.Join(home, "venv")); err != nil {
		t.Fatalf("make an environment: %v\n%s", err, out)
	}
	return m
}

func (m machine) run(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = m.home
	cmd.Env = []string{"HOME=" + m.home, "PATH=" + os.Getenv("PATH"), "PYTHONDONTWRITEBYTECODE=1", "PIP_CONFIG_FILE=/dev/null", "PIP_DISABLE_PIP_VERSION_CHECK=1", "UV_NO_CONFIG=1"}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// clients are how each installs what it is given from an index.
var clients = map[string]func(t *testing.T, m machine, index string, what ...string) (string, error){
	"pip": func(t *testing.T, m machine, index string, what ...string) (string, error) {
		return m.run(t, filepath.Join(installers(t), "bin", "pip"), append([]string{"--python", m.python, "install", "--retries", "1", "--index-url", index}, what...)...)
	},
	"uv": func(t *testing.T, m machine, index string, what ...string) (string, error) {
		return m.run(t, filepath.Join(installers(t), "bin", "uv"), append([]string{"pip", "install", "--python", m.python, "--default-index", index}, what...)...)
	},
}

func (m machine) has(t *testing.T, module, version string) {
	t.Helper()
	if out, err := m.run(t, m.python, "-c", "import "+module+"; print("+module+".VERSION)"); err != nil || strings.TrimSpace(out) != version {
		t.Errorf("%s is %s (%v), expected %s", module, out, err, version)
	}
}

// fill puts packages of some kinds onto an index.
func fill(u *packagestest.Upstream, hash string) {
	put := func(project, file, metadata string, f packagestest.File) {
		f.Hash = hash
		if hash == "" {
			f.Metadata = metadata // by itself too
		}
		u.Put(project, file, f)
	}
	requires := "Requires-Dist: My.Dep>=1"
	for _, v := range []string{"1.0", "1.1", "2.0", "3.0"} {
		f := packagestest.File{Bytes: packagestest.Wheel("demo", v, requires)}
		switch v {
		case "2.0":
			f.Yanked = "it hurts"
		case "3.0":
			f.Requires = ">=3.99"
		}
		put("demo", "demo-"+v+"-py3-none-any.whl", packagestest.Metadata("demo", v, requires), f)
	}
	put("my-dep", "my_dep-1.0-py3-none-any.whl", packagestest.Metadata("My.Dep", "1.0"), packagestest.File{Bytes: packagestest.Wheel("My.Dep", "1.0")})
}

func TestInstall(t *testing.T) {
	for client, install := range clients {
		for _, c := range []struct {
			name string
			html bool
			hash string
		}{{"JSON", false, ""}, {"HTML", true, ""}, {"HTML without digests", true, "none"}} {
			t.Run(client+" "+c.name, func(t *testing.T) {
				t.Parallel()
				up := packagestest.New()
				defer up.Close()
				up.HTML, up.CacheControl = c.html, "max-age=600"
				fill(up, c.hash)
				l := newLab(t, up.Index())
				for _, offline := range []bool{false, true} {
					if offline {
						up.Close()
					}
					m := newMachine(t)
					if out, err := install(t, m, l.url, "demo"); err != nil {
						t.Fatalf("offline %t: %v\n%s", offline, err, out)
					}
					m.has(t, "demo", "1.1") // 2.0 is yanked, 3.0 for another Python
					m.has(t, "my_dep", "1.0")
				}
				kept, err := l.Kept(t.Context())
				if err != nil || len(kept) != 2 {
					t.Errorf("kept is %+v (%v)", kept, err)
				}
				start := time.Now()
				m := newMachine(t)
				if out, err := install(t, m, l.url, "xgboost"); err == nil {
					t.Errorf("what is nowhere was installed: %s", out)
				}
				if out, err := install(t, m, l.url, "demo==1.0"); err == nil {
					t.Errorf("what is not kept was installed: %s", out)
				}
				if took := time.Since(start); took > time.Minute {
					t.Errorf("two refusals took %s", took)
				}
			})
		}
	}
}

func TestYankedIfPinned(t *testing.T) {
	for client, install := range clients {
		t.Run(client, func(t *testing.T) {
			t.Parallel()
			up := packagestest.New()
			defer up.Close()
			fill(up, "")
			l := newLab(t, up.Index())
			m := newMachine(t)
			if out, err := install(t, m, l.url, "DEMO==2.0"); err != nil || !strings.Contains(out, "it hurts") {
				t.Errorf("%v: it should warn\n%s", err, out)
			}
			m.has(t, "demo", "2.0")
		})
	}
}

func TestWithDigests(t *testing.T) {
	for client, install := range clients {
		t.Run(client, func(t *testing.T) {
			t.Parallel()
			up := packagestest.New()
			defer up.Close()
			fill(up, "")
			l := newLab(t, up.Index())
			m := newMachine(t)
			lock := fmt.Sprintf("demo==1.0 --hash=sha256:%s\nMy.Dep==1.0 --hash=sha256:%s\n", packagestest.SHA256(packagestest.Wheel("demo", "1.0", "Requires-Dist: My.Dep>=1")), packagestest.SHA256(packagestest.Wheel("My.Dep", "1.0")))
			if err := os.WriteFile(filepath.Join(m.home, "lock.txt"), []byte(lock), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := install(t, m, l.url, "--require-hashes", "-r", "lock.txt"); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			m.has(t, "demo", "1.0")
		})
	}
}

// What is wrong upstream is neither installed nor kept.
func TestWrongFile(t *testing.T) {
	for client, install := range clients {
		t.Run(client, func(t *testing.T) {
			t.Parallel()
			up := packagestest.New()
			defer up.Close()
			up.Put("demo", "demo-1.0-py3-none-any.whl", packagestest.File{Bytes: packagestest.Wheel("demo", "1.0"), Hash: "sha256=" + strings.Repeat("0", 64)})
			l := newLab(t, up.Index())
			m := newMachine(t)
			if out, err := install(t, m, l.url, "demo"); err == nil {
				t.Errorf("it was installed:\n%s", out)
			}
			if keys := append(l.store.Below("files/"), l.store.Below("kept/")...); len(keys) > 0 {
				t.Errorf("kept is %v", keys)
			}
		})
	}
}

// Python's own server of folders is an index, too.
func TestFolderUpstream(t *testing.T) {
	root := t.TempDir()
	for name, b := range map[string][]byte{
		"demo/demo-1.0-py3-none-any.whl":     packagestest.Wheel("demo", "1.0", "Requires-Dist: My.Dep>=1"),
		"my-dep/my_dep-1.0-py3-none-any.whl": packagestest.Wheel("My.Dep", "1.0"),
	} {
		file := filepath.Join(root, "simple", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	address := serveFolder(t, root)
	for client, install := range clients {
		l := newLab(t, address+"/simple")
		for range 2 {
			m := newMachine(t)
			if out, err := install(t, m, l.url, "demo"); err != nil {
				t.Errorf("%s: %v\n%s", client, err, out)
			}
			m.has(t, "demo", "1.0")
		}
	}
}

// serveFolder runs `python -m http.server` until the test ends.
func serveFolder(t *testing.T, root string) string {
	t.Helper()
	port := httptest.NewServer(http.NotFoundHandler())
	address := port.Listener.Addr().String()
	port.Close()
	_, number, _ := strings.Cut(address, ":")
	cmd := exec.Command(filepath.Join(installers(t), "bin", "python"), "-m", "http.server", "--bind", "127.0.0.1", "--directory", root, number)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for range 100 {
		if resp, err := http.Get("http://" + address + "/"); err == nil {
			_ = resp.Body.Close()
			return "http://" + address
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the folder is not served")
	return ""
}

// What was added by hand installs without any index upstream.
func TestAdded(t *testing.T) {
	for client, install := range clients {
		l := newLab(t, "")
		for name, b := range map[string][]byte{"demo-1.0-py3-none-any.whl": packagestest.Wheel("demo", "1.0", "Requires-Dist: My.Dep>=1"), "my_dep-1.0-py3-none-any.whl": packagestest.Wheel("My.Dep", "1.0")} {
			if _, err := l.Add(t.Context(), name, strings.NewReader(string(b))); err != nil {
				t.Fatal(err)
			}
		}
		m := newMachine(t)
		if out, err := install(t, m, l.url, "demo"); err != nil {
			t.Errorf("%s: %v\n%s", client, err, out)
		}
		m.has(t, "demo", "1.0")
	}
}
