package plan

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/appliance/push/pack"
)

var small = pack.Limits{Unpacked: 64 << 10, Packed: 16 << 10, Files: 20}

func file(name, text string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(text)), Linkname: text}
}

func dir(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o777} }

func link(name, to string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: to}
}

// tarOf writes entries; Linkname of a file is its text.
func tarOf(t testing.TB, entries ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range entries {
		text := ""
		if h.Typeflag == tar.TypeReg {
			text, h.Linkname = h.Linkname, ""
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// noise cannot be packed much.
func noise(n int) string {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return string(b)
}

func zipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestUnpackWhatWasPacked(t *testing.T) {
	from, to := filepath.Join(t.TempDir(), "house"), t.TempDir()
	for name, text := range map[string]string{"train.py": "print(1)", "run.sh": "#!/bin/sh", "src/Data.py": "x", "src/data.py": "y", "ä/ü.py": "z", strings.Repeat("long/", 60) + "x.py": "x"} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(from, name)), 0o755), os.WriteFile(filepath.Join(from, name), []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink("../train.py", filepath.Join(from, "src", "link.py")), os.Mkdir(filepath.Join(from, "models"), 0o755)); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	p, err := pack.Folder(from, &b, pack.Default)
	if err != nil {
		t.Fatal(err)
	}
	u, err := Unpack(iotest.OneByteReader(&b), to, pack.Default)
	if err != nil {
		t.Fatal(err)
	}
	if u.SHA256 != p.SHA256 || u.Bytes != p.Bytes || u.Files != p.Files || u.Files != 7 {
		t.Errorf("unpacked %+v, packed %+v", u, p)
	}
	// Packed again it is the same.
	if again, err := pack.Folder(to, io.Discard, pack.Default); err != nil || again.SHA256 != p.SHA256 {
		t.Errorf("packed again: %+v, %v; expected %s", again, err, p.SHA256)
	}
	if info, err := os.Stat(filepath.Join(to, "run.sh")); err != nil || info.Mode().Perm()&0o100 == 0 {
		t.Errorf("run.sh: %v, %v", info, err)
	}
}

// Other programs write "./", the folder after what is in it, and blocks of zeros behind.
func TestUnpackWhatOthersPack(t *testing.T) {
	b := tarOf(t, tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "pax_global_header", PAXRecords: map[string]string{"comment": "abc"}}, dir("./"), file("./src/a.py", "x"), dir("./src/"), file("./Train.py", "x"), file("./train.py", "y"), link("./src/up", "./../train.py"))
	archive := zipped(t, append(b, make([]byte, 8<<10)...))
	to := t.TempDir()
	u, err := Unpack(bytes.NewReader(archive), to, small)
	sum := sha256.Sum256(archive)
	if err != nil || u.Files != 4 || u.SHA256 != hex.EncodeToString(sum[:]) {
		t.Fatalf("%+v, %v", u, err)
	}
	for name, want := range map[string]string{"src/a.py": "x", "Train.py": "x", "src/up": "y"} {
		if got, err := os.ReadFile(filepath.Join(to, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

const (
	noName  = ", which is no name inside of a folder: expected a relative one without '..', in UTF-8, with at most 1024 bytes, 255 in each part"
	noLink  = ": expected one to something in the folder, with '..' at its beginning only"
	noFile  = ", which is no plain file: expected files, folders and symbolic links"
	twice   = ", twice: expected each name once"
	below   = ", below a file or a link: expected it below a folder"
	holds   = "the code's archive holds "
	noTarGz = "the code is no complete tar.gz: push it again"
	goesOn  = "the code's archive goes on after its end: expected a tar.gz with nothing behind it"
)

func TestHostileArchives(t *testing.T) {
	many := make([]tar.Header, 21)
	for i := range many {
		many[i] = file(fmt.Sprintf("f%d", i), "")
	}
	whole := zipped(t, tarOf(t, file("train.py", strings.Repeat("print(1)\n", 100))))
	flipped := bytes.Clone(whole)
	flipped[len(flipped)-6] ^= 1 // of the checksum
	for name, c := range map[string]struct {
		archive []byte
		want    string
	}{
		"absolute":               {zipped(t, tarOf(t, file("/etc/x", "x"))), holds + `"/etc/x"` + noName},
		"absolute folder":        {zipped(t, tarOf(t, dir("/etc/"))), holds + `"/etc/"` + noName},
		"up":                     {zipped(t, tarOf(t, file("../x", "x"))), holds + `"../x"` + noName},
		"up in the middle":       {zipped(t, tarOf(t, file("a/../../x", "x"))), holds + `"a/../../x"` + noName},
		"up after a dot":         {zipped(t, tarOf(t, file("./../x", "x"))), holds + `"./../x"` + noName},
		"the folder as a file":   {zipped(t, tarOf(t, file("./.", "x"))), holds + `"./."` + noName},
		"no UTF-8":               {zipped(t, tarOf(t, file("a\xff", "x"))), holds + `"a\xff"` + noName},
		"long":                   {zipped(t, tarOf(t, file(strings.Repeat("a/", 600)+"x", "x"))), holds + `"` + strings.Repeat("a/", 100) + `…"` + noName},
		"long part":              {zipped(t, tarOf(t, file(strings.Repeat("a", 256), "x"))), holds + `"` + strings.Repeat("a", 200) + `…"` + noName},
		"link out":               {zipped(t, tarOf(t, link("a", "../x"))), holds + `"a", a link to "../x"` + noLink},
		"absolute link":          {zipped(t, tarOf(t, link("a", "/etc/passwd"))), holds + `"a", a link to "/etc/passwd"` + noLink},
		"deep link out":          {zipped(t, tarOf(t, link("a/b", "../../x"))), holds + `"a/b", a link to "../../x"` + noLink},
		"link through a link":    {zipped(t, tarOf(t, dir("d"), dir("d/e"), link("d/e/b", "../.."), link("d/e/a", "b/../x"))), holds + `"d/e/a", a link to "b/../x"` + noLink},
		"empty link":             {zipped(t, tarOf(t, link("a", ""))), holds + `"a", a link to ""` + noLink},
		"file through a link":    {zipped(t, tarOf(t, dir("b"), link("a", "b"), file("a/x", "x"))), holds + `"a/x"` + below},
		"deep file through link": {zipped(t, tarOf(t, dir("b"), link("a", "b"), file("a/c/d/x", "x"))), holds + `"a/c/d/x"` + below},
		"file over a link":       {zipped(t, tarOf(t, link("a", "b"), file("a", "x"))), holds + `"a"` + twice},
		"file below a file":      {zipped(t, tarOf(t, file("a", "x"), file("a/b", "x"))), holds + `"a/b"` + below},
		"file over a folder":     {zipped(t, tarOf(t, file("a/b", "x"), file("a", "x"))), holds + `"a"` + twice},
		"folder twice":           {zipped(t, tarOf(t, dir("a/"), dir("a/"))), holds + `"a/"` + twice},
		"file twice":             {zipped(t, tarOf(t, file("a", "x"), file("./a", "y"))), holds + `"./a"` + twice},
		"hard link":              {zipped(t, tarOf(t, tar.Header{Name: "a", Typeflag: tar.TypeLink, Linkname: "/etc/passwd"})), holds + `"a"` + noFile},
		"device":                 {zipped(t, tarOf(t, tar.Header{Name: "a", Typeflag: tar.TypeBlock, Devmajor: 8})), holds + `"a"` + noFile},
		"terminal":               {zipped(t, tarOf(t, tar.Header{Name: "a", Typeflag: tar.TypeChar, Devmajor: 5})), holds + `"a"` + noFile},
		"pipe":                   {zipped(t, tarOf(t, tar.Header{Name: "a", Typeflag: tar.TypeFifo})), holds + `"a"` + noFile},
		"too many files":         {zipped(t, tarOf(t, many...)), "the code has more than 20 files and folders, which is the most that is taken: leave data out of it"},
		"too many folders":       {zipped(t, tarOf(t, file(strings.Repeat("a/", 30)+"x", "x"))), "the code has more than 20 files and folders, which is the most that is taken: leave data out of it"},
		"bomb":                   {zipped(t, tarOf(t, file("a", strings.Repeat("0", 1<<20)))), "the code's files have more than 65536 bytes, which is the most that is taken: leave data out of it"},
		"bomb of small files":    {zipped(t, tarOf(t, file("a", strings.Repeat("0", 40<<10)), file("b", strings.Repeat("0", 40<<10)))), "the code's files have more than 65536 bytes, which is the most that is taken: leave data out of it"},
		"bomb behind the end":    {zipped(t, append(tarOf(t, file("a", "x")), make([]byte, 4<<20)...)), goesOn},
		"large":                  {zipped(t, tarOf(t, file("a", noise(40<<10)))), "the code has more than 16384 bytes when it is packed, which is the most that is taken: leave data out of it"},
		"something behind":       {append(bytes.Clone(whole), 'x'), goesOn},
		"two archives":           {append(bytes.Clone(whole), whole...), goesOn},
		"cut off":                {whole[:len(whole)-20], noTarGz},
		"another checksum":       {flipped, noTarGz},
		"nothing":                {nil, noTarGz},
		"no gzip":                {tarOf(t, file("a", "x")), noTarGz},
		"no tar":                 {zipped(t, bytes.Repeat([]byte("no tar"), 200)), noTarGz},
	} {
		t.Run(name, func(t *testing.T) {
			outside := t.TempDir()
			to := filepath.Join(outside, "to")
			if err := os.Mkdir(to, 0o755); err != nil {
				t.Fatal(err)
			}
			_, err := Unpack(bytes.NewReader(c.archive), to, small)
			if mlops.CodeOf(err) != mlops.Invalid || mlops.MessageOf(err) != c.want {
				t.Errorf("%v\nexpected\n%s", err, c.want)
			}
			contained(t, outside, to, small)
		})
	}
}

func TestUnpackSaysWhatItCannotRead(t *testing.T) {
	gone := errors.New("the network is gone")
	archive := zipped(t, tarOf(t, file("a", "x")))
	_, err := Unpack(io.MultiReader(bytes.NewReader(archive[:15]), iotest.ErrReader(gone)), t.TempDir(), small)
	if !errors.Is(err, gone) {
		t.Errorf("%v", err)
	}
	if _, err := Unpack(bytes.NewReader(archive), filepath.Join(t.TempDir(), "none"), small); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "a"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Unpack(bytes.NewReader(archive), full, small); !errors.Is(err, fs.ErrExist) || mlops.CodeOf(err) != mlops.Internal {
		t.Errorf("the folder is not empty: %v", err)
	}
}

// contained checks that nothing came to lie outside, and that nothing inside leads there.
func contained(t *testing.T, outside, to string, limits pack.Limits) {
	t.Helper()
	if list, err := os.ReadDir(outside); err != nil || len(list) != 1 {
		t.Fatalf("beside the folder: %v, %v", list, err)
	}
	var n int
	var bytes int64
	err := filepath.WalkDir(to, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == to {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		n++
		switch {
		case d.IsDir():
		case d.Type().IsRegular():
			bytes += info.Size()
			if info.Mode()&(fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky) != 0 {
				t.Errorf("%s has mode %v", name, info.Mode())
			}
		case d.Type() == fs.ModeSymlink:
			real, err := filepath.EvalSymlinks(name)
			if err == nil && real != to && !strings.HasPrefix(real, to+string(filepath.Separator)) {
				t.Errorf("%s leads to %s", name, real)
			}
		default:
			t.Errorf("%s is a %v", name, d.Type())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if n > limits.Files+1 || bytes > limits.Unpacked+1 {
		t.Errorf("%d things with %d bytes: more than %+v", n, bytes, limits)
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(tarOf(f, file("train.py", "print(1)"), dir("src/"), link("src/up", "../train.py")))
	f.Add(tarOf(f, file("../x", "x"), file("/x", "x")))
	f.Add(tarOf(f, link("a", ".."), file("a/x", "x")))
	f.Add(tarOf(f, dir("d"), dir("d/e"), link("d/e/b", "../.."), link("d/e/a", "b/../x"), file("d/e/a/x", "x")))
	f.Add(tarOf(f, tar.Header{Name: "a", Typeflag: tar.TypeLink, Linkname: "b"}, tar.Header{Name: "c", Typeflag: tar.TypeChar}))
	f.Add(tarOf(f, file(strings.Repeat("ä/", 90)+"x", "x")))
	f.Fuzz(func(t *testing.T, b []byte) {
		outside := t.TempDir()
		outside, err := filepath.EvalSymlinks(outside)
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(outside, "to")
		if err := os.Mkdir(to, 0o755); err != nil {
			t.Fatal(err)
		}
		if _, err := Unpack(bytes.NewReader(zipped(t, b)), to, small); err != nil && mlops.CodeOf(err) != mlops.Invalid {
			t.Errorf("%v", err)
		}
		contained(t, outside, to, small)
	})
}
