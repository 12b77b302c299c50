package pack

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// gitKeeps are the files of a folder that git would add.
func gitKeeps(t *testing.T, dir string, config ...string) []string {
	t.Helper()
	out := gitRun(t, dir, append(config, "ls-files", "-z", "--others", "--exclude-per-directory=.gitignore")...)
	names := split(out)
	slices.Sort(names)
	return names
}

func gitRun(t *testing.T, dir string, args ...string) string {
	t.Helper()
	c := exec.Command("git", args...)
	c.Dir = dir
	c.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b")
	var stderr strings.Builder
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, &stderr)
	}
	return string(out)
}

func put(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func weKeep(t *testing.T, dir string, fold bool) []string {
	t.Helper()
	_, rules, err := rulesAbove(dir)
	if err != nil {
		t.Fatal(err)
	}
	w := &walker{root: dir, fold: fold}
	w.folder("", rules, false)
	if len(w.wrong) > 0 {
		t.Fatal(w.wrong)
	}
	var names []string
	for _, e := range w.entries {
		if !e.mode.IsDir() {
			names = append(names, e.name)
		}
	}
	slices.Sort(names)
	return names
}

func needGit(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Fatalf("these rules are held against git itself, which is not there: %v", err)
	}
}

// ignoreFiles are those of repositories as people have them, and those that
// other readers of .gitignore get wrong.
var ignoreFiles = map[string]string{
	"python":             "# Byte-compiled\n__pycache__/\n*.py[cod]\n*$py.class\n*.so\n.Python\nbuild/\ndist/\n/lib64/\n*.egg-info/\n.env\nENV/\n.ipynb_checkpoints\n*.log\n",
	"cookiecutter":       "/data/\n!/data/.gitkeep\n/models/\n*.pkl\ndocs/_build/\n",
	"data kept":          "/data/*\n!/data/raw/\n/data/raw/*\n!/data/raw/train.csv\n",
	"deny by default":    "/*\n!/.gitignore\n!/src/\n!/train.py\n*.log\n",
	"deny all":           "*\n!*/\n!*.py\n",
	"double stars":       "**/models/**\nsrc/**/tmp\n/docs/**\n!docs/keep.md\na/**/*\n!a/b\nfoo**bar\n",
	"node modules":       "**/node_modules/**\n**/generated/**/*\n!**/generated/keep.py\n",
	"escapes":            "\\#note.md\n\\!bang.md\ntrailing \nkept\\ \n\\a\nfoo\\\n",
	"crlf":               "*.log\r\n# comment\r\ndata/\r\n",
	"bom":                "\ufeff*.log\ndata/\n",
	"brackets":           "[!a-m]*.txt\n[]x]y\n[[:digit:]]*\nv[0-9].py\n[abc\n[z-a]q\n[^.]*.md\n[[:nonsense:]]x\nx[\\]]\n",
	"question":           "?.py\ndata/?.csv\ncaf?\n",
	"empty":              "",
	"odd":                "/\n//\n!\n!!a\n \n\t\n*/a\n**\n!**/\n!**/a\n",
	"no newline":         "*.log",
	"directory only":     "link/\ntrain.py/\nsrc/a/\n",
	"middle slash":       "src/a\nb/c/\nmodels/*.pkl\n",
	"escaped case":       "\\A.py\n\\B.TXT\n[A].py\n[A-B].TXT\n[[:upper:]].py\nDATA/RAW\n",
	"stars after a word": "data/r**/train.csv\ndocs/i**/ndex.md\n",
	"three stars":        "***/models\nsrc/***\n",
}

// tree has a name for each kind of pattern above.
var tree = []string{
	"train.py", "v1.py", "a.py", "a", "b.txt", "n.txt", "x.log", ".env", "#note.md", "!bang.md", "bang.md", "trailing", "kept ", "kept", "foo", "foobar", "foo/", "]y", "xy", "x]", "1st.csv", "zq", "[abc", "café", "caf1", "README.md", ".hidden.md",
	"data/.gitkeep", "data/raw/train.csv", "data/raw/test.csv", "data/raw/deep/x.csv", "data/a.csv", "data/ab.csv", "data/x.log",
	"models/m.pkl", "models/best/m.pkl", "src/models/train_model.py", "src/models/m.pkl", "src/a/b/tmp", "src/a/tmp/x.py", "src/tmp", "src/a/a.py", "src/x.log", "src/__init__.py",
	"docs/index.md", "docs/keep.md", "docs/_build/x.html", "b/c/d", "b/src/a/y.py", "build/lib/x.py", "lib64/x", "sub/lib64/x", "web/generated/a/keep.py", "web/generated/a/x.py", "generated/keep.py",
	"foo/x/bar", "fooX/bar", "Data/X.LOG", "SRC/a.PY", "my.egg-info/PKG", "dist/x",
}

func plant(t *testing.T, dir string) {
	files := map[string]string{}
	for _, name := range tree {
		if !slices.ContainsFunc(tree, func(other string) bool { return strings.HasPrefix(other, name+"/") }) && !strings.HasSuffix(name, "/") {
			files[name] = "x"
		}
	}
	put(t, dir, files)
}

func TestIgnoreAsGit(t *testing.T) {
	needGit(t)
	dir := t.TempDir()
	plant(t, dir)
	put(t, dir, map[string]string{"src/.gitignore": "!*.log\n/a/b\n", "data/raw/deep/.gitignore": "*\n"})
	gitRun(t, dir, "init", "-q")
	for name, text := range ignoreFiles {
		t.Run(name, func(t *testing.T) {
			put(t, dir, map[string]string{".gitignore": text})
			compare(t, dir)
		})
	}
}

// compare asks both twice: on Linux case counts, on other systems it does not.
func compare(t *testing.T, dir string) {
	t.Helper()
	compareCase(t, dir, false)
	compareCase(t, dir, true)
}

func compareCase(t *testing.T, dir string, fold bool) {
	t.Helper()
	want, got := gitKeeps(t, dir, "-c", fmt.Sprintf("core.ignorecase=%v", fold)), weKeep(t, dir, fold)
	if slices.Equal(want, got) {
		return
	}
	for _, n := range want {
		if !slices.Contains(got, n) {
			t.Errorf("git keeps %q, we leave it out; fold %v", n, fold)
		}
	}
	for _, n := range got {
		if !slices.Contains(want, n) {
			t.Errorf("git leaves %q out, we keep it; fold %v", n, fold)
		}
	}
	text, _ := os.ReadFile(filepath.Join(dir, ".gitignore"))
	t.Logf(".gitignore:\n%s", text)
}

// Patterns that nobody thought of, against git: always the same ones.
func TestIgnoreAsGitAtRandom(t *testing.T) {
	needGit(t)
	r := rand.New(rand.NewPCG(10, 1))
	parts := []string{"a", "b", "A", "*", "**", "?", "[ab]", "[!a]", "[a-c]", "[[:upper:]]", "\\a", "\\*", "ab", "a*", "*b", "a**b", "***", "", " ", ".a", "[", "]", "[]a]", "\\"}
	names := []string{"a", "b", "ab", "A", ".a", "*", "[", "c"}
	dir := t.TempDir()
	files := map[string]string{}
	for _, x := range names {
		for _, y := range names {
			files["d/"+x+"/"+y] = "x"
			files[x+"x/"+y] = "x"
			files["b/"+x+y+"/"+x] = "x"
		}
		files[x] = "x"
	}
	delete(files, "b")
	put(t, dir, files)
	gitRun(t, dir, "init", "-q")
	for range 40 {
		text := ""
		for range 1 + r.IntN(6) {
			if r.IntN(3) == 0 {
				text += "!"
			}
			for i := range 1 + r.IntN(4) {
				if i > 0 || r.IntN(4) == 0 {
					text += "/"
				}
				for range 1 + r.IntN(2) {
					text += parts[r.IntN(len(parts))]
				}
			}
			if r.IntN(4) == 0 {
				text += "/"
			}
			text += "\n"
		}
		nested := ""
		if r.IntN(2) == 0 {
			nested = "!" + parts[r.IntN(len(parts))] + "\n" + parts[r.IntN(len(parts))] + "/" + parts[r.IntN(len(parts))] + "\n"
		}
		put(t, dir, map[string]string{".gitignore": text, "d/.gitignore": nested})
		compare(t, dir)
		if t.Failed() {
			return
		}
	}
}

func TestManyStarsEndSoon(t *testing.T) {
	for _, path := range []bool{false, true} {
		if matches(strings.Repeat("**/a*", 40)+"b", strings.Repeat("a/a", 80), path, false) {
			t.Error("it matches")
		}
	}
}
