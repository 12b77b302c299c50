package workloads_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/benchtop-lab/benchtop/lab/workloads"
)

// The keys and the total size that the Kubernetes API accepts for a ConfigMap.
var configMapKey = regexp.MustCompile(`^[-._a-zA-Z0-9]{1,253}$`)

const configMapBytes = 1 << 20

func TestProgramsFitInConfigMaps(t *testing.T) {
	for name, program := range map[string]struct {
		files   map[string]string
		mains   []string
		folders []string
	}{
		"trainer": {workloads.Trainer(), []string{workloads.TrainerMain, workloads.BringMain, workloads.MeasureMain}, []string{"trainer"}},
		"server":  {workloads.Server(), []string{workloads.ServerMain}, []string{"server"}},
		"runner":  {workloads.Runner(), []string{workloads.RunnerMain}, []string{"trainer", "runner"}},
		"builder": {workloads.Environment(), []string{workloads.EnvironmentMain}, []string{"trainer", "runner", "environment"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, main := range program.mains {
				if program.files[main] == "" {
					t.Errorf("%s is missing or empty", main)
				}
			}
			size := 0
			for name, content := range program.files {
				size += len(name) + len(content)
				if !configMapKey.MatchString(name) {
					t.Errorf("%q can't be a ConfigMap key", name)
				}
			}
			if size > configMapBytes/2 {
				t.Errorf("%d bytes leave too little room in a ConfigMap", size)
			}
			// A file in two folders would silently shadow the other.
			want := count(t, "shared")
			for _, folder := range program.folders {
				want += count(t, folder)
			}
			if len(program.files) != want {
				t.Errorf("%d files, the folders hold %d", len(program.files), want)
			}
		})
	}
}

func count(t *testing.T, folder string) int {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, entry := range entries {
		if !entry.IsDir() {
			n++
		}
	}
	return n
}

func TestDigestCoversNamesAndContents(t *testing.T) {
	base := map[string]string{"a.py": "1", "b.py": "2"}
	seen := map[string]string{workloads.Digest(base): "base"}
	for what, changed := range map[string]map[string]string{
		"content":       {"a.py": "1", "b.py": "3"},
		"name":          {"a.py": "1", "c.py": "2"},
		"fewer":         {"a.py": "1"},
		"moved border":  {"a.py": "1b", ".py": "2"},
		"empty":         {},
		"swapped":       {"a.py": "2", "b.py": "1"},
		"trailing line": {"a.py": "1\n", "b.py": "2"},
	} {
		digest := workloads.Digest(changed)
		if other, ok := seen[digest]; ok {
			t.Errorf("%s has the digest of %s", what, other)
		}
		seen[digest] = what
	}
	if workloads.Digest(map[string]string{"b.py": "2", "a.py": "1"}) != workloads.Digest(base) {
		t.Error("the digest depends on order")
	}
	for what, digest := range map[string]string{
		"trainer": workloads.TrainerDigest(), "server": workloads.ServerDigest(), "runner": workloads.RunnerDigest(), "builder": workloads.EnvironmentDigest(),
	} {
		if other, ok := seen[digest]; ok {
			t.Errorf("%s has the digest of %s", what, other)
		}
		seen[digest] = what
	}
}

// A caller that changes what it got must not change what the next one gets.
func TestProgramsAreCopies(t *testing.T) {
	workloads.Server()[workloads.ServerMain] = "changed"
	if workloads.Server()[workloads.ServerMain] == "changed" {
		t.Error("Server returns shared state")
	}
}
