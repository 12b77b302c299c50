package packages

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/packages/packagestest"
)

func TestParseLock(t *testing.T) {
	a, b := strings.Repeat("a", 64), strings.Repeat("b", 64)
	for file, c := range map[string]struct{ text, want string }{
		"requirements.txt": {
			"# pinned\n--index-url https://x.example/simple\nDemo_One==1.0 \\\n    --hash=sha256:" + a + " \\\n    --hash=sha256:" + strings.ToUpper(b) + "\n    # via two\nthree[x,y] == 2.0+cu1 ; python_version < '3.12' # old\r\nfour===1!2.0\n",
			"[{demo-one 1.0 [" + a + " " + b + "] false} {three 2.0+cu1 [] true} {four 1!2.0 [] false}]"},
		"uv.lock": {
			"version = 1\n[[package]]\nname = \"app\"\nversion = \"0.1\"\nsource = { editable = \".\" }\n[[package]]\nname = \"Demo.One\"\nversion = \"1.0\"\nsource = { registry = \"https://x.example/simple\" }\n" +
				"sdist = { url = \"u\", hash = \"sha256:" + a + "\", size = 1 }\nwheels = [{ url = \"v\", hash = \"sha256:" + b + "\" }]\n",
			"[{demo-one 1.0 [" + b + " " + a + "] true}]"},
	} {
		pins, err := ParseLock(file, []byte(c.text))
		if got := fmt.Sprint(pins); got != c.want || err != nil {
			t.Errorf("%s reads as\n%s (%v), expected\n%s", file, got, err, c.want)
		}
	}
	for text, want := range map[string]string{
		"numpy>=1.20":           `lock: "numpy>=1.20" is no pin: expected NAME==VERSION, as ` + "`uv pip compile` and `pip freeze` write it",
		"numpy":                 `lock: "numpy" is no pin: expected NAME==VERSION, as ` + "`uv pip compile` and `pip freeze` write it",
		"a @ https://x.example": `lock: "a @ https://x.example" is no pin: expected NAME==VERSION, as ` + "`uv pip compile` and `pip freeze` write it",
		"a==1.*":                `lock: "a==1.*" is no pin: expected NAME==VERSION, as ` + "`uv pip compile` and `pip freeze` write it",
		"-r other.txt":          `lock: "-r other.txt" leads to another file: lock all of it into one, as ` + "`uv pip compile` does",
		"--editable=.":          `lock: "--editable=." leads to another file: lock all of it into one, as ` + "`uv pip compile` does",
		"# nothing":             "lock names no packages: expected a wheel, a source archive, a folder of them, a requirements.txt or a uv.lock",
	} {
		if _, err := ParseLock("lock", []byte(text)); mlops.CodeOf(err) != mlops.Invalid || mlops.MessageOf(err) != want {
			t.Errorf("%q: %v, expected\n%s", text, err, want)
		}
	}
	if _, err := ParseLock("uv.lock", []byte("[[package]]\nname='a'\nversion='1'\nsource={git='x'}")); mlops.MessageOf(err) != "uv.lock takes a from elsewhere than an index: build a wheel of it, and add that" {
		t.Error(err)
	}
	if _, err := ParseLock("uv.lock", []byte("[[package]]\nname=")); mlops.CodeOf(err) != mlops.Invalid || !strings.HasPrefix(mlops.MessageOf(err), "uv.lock is no lock of uv: ") {
		t.Error(err)
	}
}

// The order is that of `pip debug --verbose` with Python 3.11 on glibc 2.36.
func TestRanks(t *testing.T) {
	for arch, best := range map[string][]string{
		"x86_64": {"cp311-cp311-manylinux_2_36_x86_64", "cp311-cp311-manylinux_2_17_x86_64", "cp311-cp311-manylinux2014_x86_64", "cp311-cp311-manylinux1_x86_64", "cp311-cp311-linux_x86_64",
			"cp311-abi3-manylinux_2_28_x86_64", "cp38-abi3-manylinux_2_28_x86_64", "py3-none-manylinux_2_28_x86_64", "cp311-none-any", "py3-none-any", "py30-none-any"},
		"aarch64": {"cp311-cp311-manylinux_2_17_aarch64", "cp311-cp311-linux_aarch64", "py3-none-any"},
	} {
		all := ranks(arch)
		for i := 1; i < len(best); i++ {
			a, aok := all[best[i-1]]
			b, bok := all[best[i]]
			if !aok || !bok || a >= b {
				t.Errorf("%s (%d, %t) should come before %s (%d, %t)", best[i-1], a, aok, best[i], b, bok)
			}
		}
		for _, no := range []string{"cp312-cp312-manylinux_2_17_" + arch, "cp312-abi3-manylinux_2_17_" + arch, "cp311-cp311-musllinux_1_2_" + arch, "cp311-cp311-manylinux_2_39_" + arch, "cp311-cp311-win_amd64", "cp310-cp310-linux_" + arch, "py2-none-any"} {
			if _, ok := all[no]; ok {
				t.Errorf("%s is said to run", no)
			}
		}
	}
}

func TestFetch(t *testing.T) {
	l := newLab(t)
	arch := architecture()
	put := func(names ...string) {
		for _, n := range names {
			project, rest, _ := strings.Cut(n, "-")
			version, _, _ := strings.Cut(strings.TrimSuffix(rest, ".tar.gz"), "-")
			b := packagestest.Wheel(project, version, "X-File: "+n)
			if strings.HasSuffix(n, ".tar.gz") {
				b = packagestest.Sdist(project, version)
			}
			l.up.Put(project, n, packagestest.File{Bytes: b})
		}
	}
	put("a-1.0-cp311-cp311-manylinux_2_17_"+arch+".manylinux2014_"+arch+".whl", "a-1.0-cp311-cp311-manylinux_2_28_"+arch+".whl", "a-1.0-cp311-cp311-musllinux_1_2_"+arch+".whl", "a-1.0-cp312-cp312-manylinux_2_28_"+arch+".whl", "a-1.0-py3-none-any.whl", "a-1.0.tar.gz", "a-1.1-cp311-cp311-manylinux_2_28_"+arch+".whl")
	put("b-1.0.tar.gz", "b-1.0-cp39-cp39-win32.whl")
	put("c-1.0-cp39-cp39-win32.whl")
	put("d-1.0-9-py3-none-any.whl", "d-1.0-10-py3-none-any.whl", "d-1.0-py2.py3-none-any.whl")
	const want = "a-1.0-cp311-cp311-manylinux_2_28_"
	for _, c := range []struct {
		pin     Pin
		file    string
		already bool
		skipped string
		err     string
	}{
		{pin: Pin{Name: "a", Version: "1"}, file: want + arch + ".whl"},
		{pin: Pin{Name: "a", Version: "1.0"}, file: want + arch + ".whl", already: true},
		{pin: Pin{Name: "a", Version: "1.0", SHA256: []string{packagestest.SHA256(packagestest.Wheel("a", "1.0", "X-File: a-1.0-py3-none-any.whl"))}}, file: "a-1.0-py3-none-any.whl"},
		{pin: Pin{Name: "a", Version: "1.0", SHA256: []string{strings.Repeat("0", 64)}}, err: "none of the files of a==1.0 in the index has a digest that the lock names"},
		{pin: Pin{Name: "a", Version: "7"}, err: "the index has no a==7"},
		{pin: Pin{Name: "b", Version: "1.0"}, file: "b-1.0.tar.gz"},
		{pin: Pin{Name: "c", Version: "1.0"}, err: "c==1.0 has no file for Python 3.11 on Linux, " + arch},
		{pin: Pin{Name: "c", Version: "1.0", Optional: true}, skipped: "c==1.0 has no file for Python 3.11 on Linux, " + arch},
		{pin: Pin{Name: "d", Version: "1.0"}, file: "d-1.0-10-py3-none-any.whl"},
		{pin: Pin{Name: "e", Version: "1.0", Optional: true}, err: "e does not exist on " + l.Upstream() + ", the index upstream"},
		{pin: Pin{Name: "E", Version: "1.0"}, err: "E==1.0 is no pin: expected NAME==VERSION"},
	} {
		got, err := l.Fetch(t.Context(), c.pin)
		file := ""
		if got.Kept != nil && err == nil {
			file = got.Kept.File
		}
		if file != c.file || got.Already != c.already || got.Skipped != c.skipped || c.err != "" && mlops.MessageOf(err) != c.err || c.err == "" && err != nil {
			t.Errorf("%v: %+v (%v), expected %+v", c.pin, got, err, c)
		}
	}
	expectKeys(t, l.store, "kept/", "kept/a/"+want+arch+".whl.json", "kept/a/a-1.0-py3-none-any.whl.json", "kept/b/b-1.0.tar.gz.json", "kept/d/d-1.0-10-py3-none-any.whl.json")
	b := packagestest.Wheel("f", "1.0")
	l.up.Put("f", "f-1.0-py3-none-any.whl", packagestest.File{Bytes: b, Hash: "sha256=" + packagestest.SHA256([]byte("x"))})
	if got, err := l.Fetch(t.Context(), Pin{Name: "f", Version: "1.0"}); mlops.CodeOf(err) != mlops.Unavailable || !strings.Contains(err.Error(), "is not what the index upstream lists (sha256 "+packagestest.SHA256(b)+", expected "+packagestest.SHA256([]byte("x"))+"): nothing of it is kept") {
		t.Errorf("a wrong file: %+v (%v)", got, err)
	}
	if _, err := l.Add(t.Context(), "g-1.0-py3-none-any.whl", bytes.NewReader(packagestest.Wheel("g", "1.0"))); err != nil {
		t.Fatal(err)
	}
	if got, err := l.Fetch(t.Context(), Pin{Name: "g", Version: "1.0"}); err != nil || !got.Already {
		t.Errorf("what was added: %+v (%v)", got, err)
	}
}
