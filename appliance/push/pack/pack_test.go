package pack

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// contents reads an archive: what each name holds, a link's target, or "" for a folder.
func contents(t *testing.T, archive []byte) (names []string, held map[string]string) {
	t.Helper()
	zr, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	if zr.Name != "" || !zr.ModTime.IsZero() {
		t.Errorf("the archive's header has the name %q and the time %v: expected neither", zr.Name, zr.ModTime)
	}
	held = map[string]string{}
	for tr := tar.NewReader(zr); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return names, held
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.Gname != "" || h.ModTime.Unix() != 0 || h.Mode != 0o644 && h.Mode != 0o755 {
			t.Errorf("%s has owner %d:%d %s:%s, time %v and mode %o: expected nothing of a machine", h.Name, h.Uid, h.Gid, h.Uname, h.Gname, h.ModTime, h.Mode)
		}
		b, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
		held[h.Name] = string(b)
		if h.Typeflag == tar.TypeSymlink {
			held[h.Name] = "-> " + h.Linkname
		}
		if h.Mode == 0o755 && h.Typeflag == tar.TypeReg {
			held[h.Name] += " (runs)"
		}
	}
}

func packed(t *testing.T, path string) (Packed, []string, map[string]string) {
	t.Helper()
	var b bytes.Buffer
	p, err := Folder(path, &b, Default)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b.Bytes())
	if p.SHA256 != hex.EncodeToString(sum[:]) || p.Bytes != int64(b.Len()) {
		t.Errorf("%+v does not say what was written: %d bytes, %x", p, b.Len(), sum)
	}
	names, held := contents(t, b.Bytes())
	return p, names, held
}

func TestFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "House Prices (v2)")
	put(t, dir, map[string]string{
		"train.py": "print(1)", "run.sh": "#!/bin/sh\n", "tool": "x", "data/train.csv": "a,b", "data/big.bin": "x", ".gitignore": "*.bin\n/models/*\n!/models/.gitkeep\n",
		"models/m.pkl": "x", "models/.gitkeep": "", "sub/train.csv": "x", "sub/.gitignore": "*.csv\n", "sub/Data.csv.txt": "x",
		".venv/bin/python": "x", "venv/x.py": "x", "env/pyvenv.cfg": "home = /usr", "env/lib/x.py": "x", "conda/conda-meta/history": "x", "conda/x.py": "x",
		"pkg/__pycache__/x.pyc": "x", ".ipynb_checkpoints/a.ipynb": "x", "web/node_modules/x.js": "x", ".DS_Store": "x", "mlruns/0/meta.yaml": "x", "a-b": "x", "a/b": "x",
	})
	for _, err := range []error{
		os.Chmod(filepath.Join(dir, "tool"), 0o700),
		os.Symlink("data/train.csv", filepath.Join(dir, "latest.csv")),
		os.Symlink(filepath.Join(dir, "data"), filepath.Join(dir, "sub", "data")),
		os.Symlink("../sub/../data/train.csv", filepath.Join(dir, "sub", "round")),
		os.Symlink("../data/gone.csv", filepath.Join(dir, "sub", "dangling")),
		os.Mkdir(filepath.Join(dir, "out"), 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	p, names, held := packed(t, dir)
	want := []string{
		".gitignore", "a-b", "a/", "a/b", "data/", "data/train.csv", "latest.csv", "models/", "models/.gitkeep", "out/", "pkg/", "run.sh", "sub/", "sub/.gitignore", "sub/Data.csv.txt", "sub/dangling", "sub/data", "sub/round", "tool", "train.py", "web/",
	}
	if !slices.Equal(names, want) {
		t.Errorf("packed\n%q\nexpected\n%q", names, want)
	}
	for name, want := range map[string]string{
		"train.py": "print(1)", "run.sh": "#!/bin/sh\n (runs)", "tool": "x (runs)", "latest.csv": "-> data/train.csv", "sub/data": "-> ../data", "sub/round": "-> ../data/train.csv", "sub/dangling": "-> ../data/gone.csv",
	} {
		if held[name] != want {
			t.Errorf("%s is %q, expected %q", name, held[name], want)
		}
	}
	if p.Name != "house-prices-v2" || p.Files != 14 || p.Commit != "" || p.Dirty {
		t.Errorf("packed %+v", p)
	}
}

// The same folder elsewhere, written later and by somebody else's rules, is the same code.
func TestSameFolderSameDigest(t *testing.T) {
	files := map[string]string{"train.py": "x", "src/a.py": "y", "data.csv": strings.Repeat("1,2,3\n", 5000)}
	var first Packed
	for i, mode := range []os.FileMode{0o644, 0o600} {
		dir := filepath.Join(t.TempDir(), "iris")
		put(t, dir, files)
		then := time.Unix(int64(i)*1e8, 0)
		for name := range files {
			file := filepath.Join(dir, name)
			if err := errors.Join(os.Chmod(file, mode), os.Chtimes(file, then, then)); err != nil {
				t.Fatal(err)
			}
		}
		p, _, _ := packed(t, dir)
		if i == 0 {
			first = p
		} else if p != first {
			t.Errorf("%+v and %+v", first, p)
		}
	}
}

func TestOneFile(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{"Train_Model.py": "x", "Explore.ipynb": "{}", "notes.txt": "x", ".gitignore": "*"})
	for file, name := range map[string]string{"Train_Model.py": "train-model", "Explore.ipynb": "explore"} {
		p, names, _ := packed(t, filepath.Join(dir, file))
		if p.Name != name || p.Files != 1 || !slices.Equal(names, []string{file}) {
			t.Errorf("%s: %+v, %q", file, p, names)
		}
	}
}

func TestMistakes(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{"notes.txt": "x", "links/ok.py": "x", "none/.venv/x.py": "x", "nothing/x.py": "x", "nothing/.gitignore": "*"})
	socket, err := net.Listen("unix", filepath.Join(dir, "links", "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	for name, to := range map[string]string{"links/abs.csv": "/etc/hostname", "links/up.csv": "../notes.txt", "links/self": "..", "links/deep": "sub/../../notes.txt", "links/fine": "ok.py", "other": "none/.venv", "links/through": "away/../ok.py", "links/away": "../links/sub", "links/loop": "loop"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		path string
		want []string
	}{
		{"gone", []string{"gone is not there: expected a folder, a Python script or a notebook"}},
		{"notes.txt", []string{"notes.txt is no folder and ends neither in .py nor in .ipynb: expected a folder, a Python script or a notebook"}},
		{"none", []string{"none holds no file to push: expected a training script or a notebook that .gitignore does not leave out"}},
		{"nothing", []string{"nothing holds no file to push: expected a training script or a notebook that .gitignore does not leave out"}},
		{"links", []string{
			"links cannot be pushed:\n",
			"abs.csv is a link that leads out of the folder, to /etc/hostname: put the file itself there, or leave the link out with .gitignore; data belongs into a dataset (`benchtop datasets add`)\n",
			"up.csv is a link that leads out of the folder, to ../notes.txt:",
			"self is a link that leads out of the folder, to ..:",
			"deep is a link that leads out of the folder, to sub/../../notes.txt:",
			"through is a link through another link, to away/../ok.py: make it name its target directly",
			"socket is neither a file nor a folder nor a link: remove it, or leave it out with .gitignore",
		}},
	} {
		t.Chdir(dir)
		_, err := Folder(c.path, io.Discard, Default)
		if mlops.CodeOf(err) != mlops.Invalid {
			t.Errorf("%s: %v", c.path, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v\nexpected %s", c.path, err, want)
			}
		}
	}
}

func TestLimits(t *testing.T) {
	dir := t.TempDir()
	noise := make([]byte, 40<<10)
	for i := range noise {
		noise[i] = byte(i * i * i >> 7)
	}
	files := map[string]string{"train.py": "x", "data/raw/train.csv": string(noise), "data/raw/x.csv": "1,2", "models/m.bin": strings.Repeat("0", 10<<10), "notes/a.md": strings.Repeat("a", 3000)}
	for i := range 30 {
		files[fmt.Sprintf("images/cats/%d.png", i)] = "x"
	}
	put(t, dir, files)
	const wayOut = ". Data belongs into a dataset (`benchtop datasets add`), and what the code does not need into .gitignore."
	large := "The largest are data/raw/train.csv (40 KiB), models/m.bin (10 KiB), notes/a.md (2.9 KiB)" + wayOut
	t.Chdir(filepath.Dir(dir))
	asked := filepath.Base(dir)
	for _, c := range []struct {
		limits Limits
		want   string
	}{
		{Limits{Unpacked: 50 << 10, Packed: 1 << 20, Files: 100}, asked + " has 53 KiB of files: expected at most 50 KiB. " + large},
		{Limits{Unpacked: 1 << 20, Packed: 1 << 10, Files: 100}, asked + " has more than 1 KiB when it is packed. " + large},
		{Limits{Unpacked: 1 << 20, Packed: 1 << 20, Files: 30}, asked + " has 41 files and folders: expected at most 30. Most are in images/cats/ (30 files), data/raw/ (2 files), models/ (1 files)" + wayOut},
	} {
		_, err := Folder(asked, io.Discard, c.limits)
		if mlops.CodeOf(err) != mlops.Invalid || err.Error() != c.want {
			t.Errorf("%v\nexpected\n%s", err, c.want)
		}
	}
	if _, err := Folder(filepath.Join(asked, "train.py"), io.Discard, Limits{Files: 1}); err == nil || !strings.Contains(err.Error(), "train.py has 1 bytes: expected at most 0 bytes") {
		t.Errorf("one file: %v", err)
	}
}

func TestWriteErrorIsSaid(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{"train.py": "x"})
	broken := errors.New("the network is gone")
	if _, err := Folder(dir, writer(func([]byte) (int, error) { return 0, broken }), Default); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }

func TestFileThatChanges(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log.txt")
	if err := os.WriteFile(file, []byte("12345"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int64{4, 6} {
		err := write(io.Discard, []entry{{name: "log.txt", file: file, mode: 0o644, size: size}})
		if err == nil || err.Error() != "log.txt changed while it was packed: push again" {
			t.Errorf("size %d: %v", size, err)
		}
	}
}

// A link to a folder gives the project its own name: that is what was pushed.
func TestLinkToFolder(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{"v3/train.py": "x"})
	if err := os.Symlink("v3", filepath.Join(dir, "house")); err != nil {
		t.Fatal(err)
	}
	if p, names, _ := packed(t, filepath.Join(dir, "house")); p.Name != "house" || !slices.Equal(names, []string{"train.py"}) {
		t.Errorf("%+v %q", p, names)
	}
}

func TestNames(t *testing.T) {
	for from, want := range map[string]string{
		"iris": "iris", "House_Prices": "house-prices", "Häuser & Preise": "hauser-preise", "2024-housing": "project-2024-housing", "模型": "project", "...": "project", "models": "project-models",
		strings.Repeat("ab-", 30): strings.Repeat("ab-", 13) + "a", "x--y": "x-y", "ﬁsh": "fish", "--x--": "x", strings.Repeat("a", 39) + "-b": strings.Repeat("a", 39),
	} {
		got := proposed(from)
		if got != want {
			t.Errorf("%q becomes %q, expected %q", from, got, want)
		}
		if err := mlops.ValidateName("project", got); err != nil {
			t.Error(err)
		}
	}
}

func TestGit(t *testing.T) {
	needGit(t)
	t.Setenv("GIT_DIR", filepath.Join(t.TempDir(), "another")) // as in a hook: not this one
	top := t.TempDir()
	dir := filepath.Join(top, "projects", "house")
	put(t, top, map[string]string{".gitignore": "*.tmp\n/projects/house/secret.txt\n**/house/data/*\n", "projects/.gitignore": "*.bak\n", "README.md": "x"})
	put(t, dir, map[string]string{"train.py": "x", "x.tmp": "x", "y.bak": "x", "secret.txt": "x", "data/train.csv": "x", "data/more.csv": "x"})
	os.Unsetenv("GIT_DIR")
	gitRun(t, top, "init", "-q")
	if p, names, _ := packed(t, dir); p.Commit != "" || p.Dirty || !slices.Equal(names, []string{"data/", "train.py"}) {
		t.Errorf("before the first commit: %+v %q", p, names)
	}
	gitRun(t, top, "add", ".")
	gitRun(t, top, "add", "-f", "projects/house/data/train.csv") // git has it although a rule leaves it out
	gitRun(t, top, "commit", "-qm", "first")
	head := strings.TrimSpace(gitRun(t, top, "rev-parse", "HEAD"))
	put(t, top, map[string]string{"README.md": "another change", "projects/house/.venv/x": "x", "projects/house/mlruns/0/meta.yaml": "x", "outside/train.py": "x"})
	t.Setenv("GIT_DIR", filepath.Join(t.TempDir(), "another"))

	want := []string{"data/", "data/train.csv", "train.py"}
	if p, names, _ := packed(t, dir); p.Commit != head || p.Dirty || !slices.Equal(names, want) {
		t.Errorf("changes elsewhere: %+v %q, expected commit %s, not dirty, %q", p, names, head, want)
	}
	if p, _, _ := packed(t, filepath.Join(top, "outside")); p.Commit != "" || p.Dirty {
		t.Errorf("a folder that is in no commit: %+v", p)
	}
	put(t, dir, map[string]string{"new.py": "x"})
	if p, _, _ := packed(t, dir); p.Commit != head || !p.Dirty {
		t.Errorf("a new file: %+v", p)
	}
	if p, _, _ := packed(t, filepath.Join(dir, "train.py")); p.Commit != head || p.Dirty {
		t.Errorf("one file, and another is new: %+v", p)
	}
	put(t, dir, map[string]string{"train.py": "changed"})
	if p, _, _ := packed(t, filepath.Join(dir, "train.py")); p.Commit != head || !p.Dirty {
		t.Errorf("one file that has changed: %+v", p)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := exec.LookPath("git"); err == nil {
		t.Fatal("git is still there")
	}
	if p, names, _ := packed(t, dir); p.Commit != "" || p.Dirty || !slices.Equal(names, []string{"data/", "new.py", "train.py"}) {
		t.Errorf("without git: %+v %q", p, names)
	}
}
