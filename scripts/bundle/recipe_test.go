package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const recipesDir = "../../assets/images"

// TestRecipes checks the real recipes against the files beside them.
func TestRecipes(t *testing.T) {
	recipes, err := loadRecipes(recipesDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cni-plugins", "containerd-shim", "coredns", "iptables", "lab-python", "pause", "runc", "traefik"} {
		if !strings.Contains(" "+strings.Join(recipeNames(recipes), " ")+" ", " "+name+" ") {
			t.Errorf("the recipe of %s is missing", name)
		}
	}
	for _, r := range recipes {
		for _, s := range r.Steps {
			if s.Go != nil {
				checkGoVersion(t, r, s.Go)
			}
			if s.Debian != nil {
				checkDebianLock(t, r, s.Debian)
			}
			if s.Wheels != nil {
				checkWheelLock(t, r)
			}
		}
	}
}

// checkGoVersion finds a version in the recipe that go.mod does not build.
func checkGoVersion(t *testing.T, r *Recipe, s *GoStep) {
	file := filepath.Join(r.Dir, "go.mod")
	if s.MainModule {
		file = "../../go.mod"
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Error(err)
		return
	}
	version := `\sv` + regexp.QuoteMeta(r.Version)
	if rest, ok := strings.CutPrefix(r.Version, "1."); ok { // the libraries of Kubernetes 1.x are modules 0.x
		version += `|\sk8s\.io/\S+ v0\.` + regexp.QuoteMeta(rest)
	}
	if !regexp.MustCompile(`(` + version + `)(\s|$)`).Match(data) {
		t.Errorf("%s: the recipe says version %s, %s has no module of that version", r.Name, r.Version, file)
	}
	for name, value := range s.Vars {
		if strings.HasSuffix(strings.ToLower(name), "version") && strings.TrimPrefix(value, "v") != r.Version {
			t.Errorf("%s: %s is set to %s, the version is %s", r.Name, name, value, r.Version)
		}
	}
}

func checkDebianLock(t *testing.T, r *Recipe, s *DebianStep) {
	lock, err := readDebLock(debLockFile(r, "amd64"))
	if err != nil {
		t.Error(err)
		return
	}
	for _, name := range s.Packages {
		if _, err := lock.find(name); err != nil {
			t.Errorf("%s: %v", r.Name, err)
		}
	}
	if len(lock.Debs) != len(s.Packages) {
		t.Errorf("%s: %d packages are locked, the recipe names %d", r.Name, len(lock.Debs), len(s.Packages))
	}
}

// checkWheelLock finds a requirement that is not locked; TestLockedHashes and pip check the rest.
func checkWheelLock(t *testing.T, r *Recipe) {
	lock, err := os.ReadFile(wheelLockFile(r, "amd64"))
	if err != nil {
		t.Error(err)
		return
	}
	in, err := os.ReadFile(filepath.Join(r.Dir, "requirements.in"))
	if err != nil {
		t.Error(err)
		return
	}
	for _, line := range strings.Split(string(in), "\n") {
		name := regexp.MustCompile(`^[a-z0-9-]*`).FindString(line)
		if name != "" && !regexp.MustCompile(`(?m)^`+strings.ReplaceAll(name, "-", "[-_]")+`==\S+ --hash=sha256:[0-9a-f]{64}  # .`).Match(lock) {
			t.Errorf("%s: %s is not locked with a hash and a licence", r.Name, name)
		}
	}
}

func TestRecipeErrors(t *testing.T) {
	const good = `"title": "x", "version": "1", "licenses": "MIT", "source": "x"`
	for content, want := range map[string]string{
		`{"kind": "image", ` + good + `, "entripoint": ["/x"]}`:                                                  "unknown field",
		`{"kind": "image", ` + good + `, "steps": [{"files": {}}]}`:                                              "entrypoint is missing",
		`{"kind": "image", ` + good + `, "entrypoint": ["/x"], "user": "nobody"}`:                                "expected numbers uid:gid",
		`{"kind": "disk", ` + good + `}`:                                                                         `kind is "disk", expected "image" or "bin"`,
		`{"kind": "bin", ` + good + `}`:                                                                          "it has no steps",
		`{"kind": "bin", ` + good + `, "steps": [{}]}`:                                                           "step 1: it has 0 actions",
		`{"kind": "bin", ` + good + `, "steps": [{"files": {}, "c": {}}]}`:                                       "step 1: it has 2 actions",
		`{"kind": "bin", ` + good + `, "steps": [{"go": {"programs": {"x": "."}, "link": "static"}}]}`:           `step 1: link is "static", expected static or dynamic, for programs with cgo`,
		`{"kind": "bin", ` + good + `, "steps": [{"go": {"programs": {"x": "."}, "cgo": true, "link": "pie"}}]}`: `step 1: link is "pie", expected static or dynamic`,
		`{"kind": "bin", ` + good + `, "steps": [{"c": {"out": "x"}}]}`:                                          "step 1: a c step needs sources and out",
		`{"kind": "bin", "title": "x", "version": "v1", "licenses": "MIT", "source": "x"}`:                       "without the v",
		`{"kind": "bin", "title": "x", "licenses": "MIT", "source": "x", "steps": [{"files":{}}]}`:               "version is missing",
	} {
		file := filepath.Join(t.TempDir(), "recipe.json")
		overwrite(t, file, content)
		if _, err := loadRecipe(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("recipe %s: error %v, expected %q", content, err, want)
		}
	}
	if _, err := loadRecipes(t.TempDir()); err == nil || !strings.Contains(err.Error(), "run this from the repository's root") {
		t.Errorf("no recipes: error %v", err)
	}
}

func TestGlobs(t *testing.T) {
	for pattern, paths := range map[string]map[string]bool{
		"usr/lib":       {"usr/lib": true, "usr/lib/a/b": true, "usr/lib64": false, "x/usr/lib": false},
		"usr/*/copy":    {"usr/a/copy": true, "usr/a/b/copy": false, "usr/a/copyright": false},
		"**/tests":      {"tests": true, "a/b/tests/c": true, "a/mytests": false},
		"**/*.h":        {"a.h": true, "a/b.h": true, "a/b.hpp": false},
		"data/*/**":     {"data/ec2/x.gz": true, "data/endpoints.json": false},
		"lib*.so.1.(2)": {"libx.so.1.(2)": true, "libx.so.1.2": false},
	} {
		g, err := compileGlobs([]string{pattern})
		if err != nil {
			t.Fatal(err)
		}
		for path, want := range paths {
			if g.match(path) != want {
				t.Errorf("%s matches %s: %v, expected %v", pattern, path, !want, want)
			}
		}
	}
	if _, err := compileGlobs([]string{"/etc"}); err == nil || !strings.Contains(err.Error(), "without a leading slash") {
		t.Errorf("an absolute pattern: error %v", err)
	}
}

func TestComponentsPageIsCurrent(t *testing.T) {
	recipes, err := loadRecipes(recipesDir)
	if err != nil {
		t.Fatal(err)
	}
	b := testBuilder(t)
	want, err := b.componentTable(recipes)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(recipesDir, "COMPONENTS.md"))
	if err != nil || string(got) != string(want) {
		t.Errorf("assets/images/COMPONENTS.md is out of date (%v); run `go run ./scripts/bundle components`", err)
	}
}
