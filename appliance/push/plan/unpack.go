package plan

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/appliance/push/pack"
)

// Unpacked says what was unpacked.
type Unpacked struct {
	SHA256 string // of the archive, lower-case hex
	Bytes  int64  // of the archive
	Files  int    // with links, without folders
}

// maxName and maxPart are how many bytes a name in an archive and what is
// between its slashes may have: the second is what Linux' file systems take.
const (
	maxName = 1024
	maxPart = 255
)

// maxPadding is how many bytes may follow the end of the tar inside of the
// gzip: programs fill up their last block.
const maxPadding = 1 << 20

// Unpack unpacks code into the folder to, which has to be there and empty. The
// archive may come from anybody: nothing of it gets outside of the folder, and it
// holds plain files, folders, and links that stay inside. After an error the
// folder holds a part of it, which is the caller's to remove.
func Unpack(r io.Reader, to string, limits pack.Limits) (Unpacked, error) {
	root, err := os.OpenRoot(to)
	if err != nil {
		return Unpacked{}, fmt.Errorf("unpack code: %w", err)
	}
	defer root.Close()
	in := &archive{r: r, limit: limits.Packed, sum: sha256.New()}
	u := &unpacker{root: root, limits: limits, known: map[string]kind{".": folder}}
	if err := u.all(bufio.NewReader(in)); err != nil {
		switch {
		case in.err != nil: // whatever it is called by those who read through it
			return Unpacked{}, in.err
		case broken(err):
			return Unpacked{}, &mlops.Error{Code: mlops.Invalid, Message: "the code is no complete tar.gz: push it again", Err: err}
		}
		return Unpacked{}, err
	}
	return Unpacked{SHA256: hex.EncodeToString(in.sum.Sum(nil)), Bytes: in.n, Files: u.files}, nil
}

func broken(err error) bool {
	var refused *mlops.Error
	var system *fs.PathError
	var link *os.LinkError
	return !errors.As(err, &refused) && !errors.As(err, &system) && !errors.As(err, &link)
}

// archive counts what is read, takes its digest and remembers why it could not
// be read.
type archive struct {
	r     io.Reader
	n     int64
	limit int64
	sum   hash.Hash
	err   error
}

func (a *archive) Read(b []byte) (int, error) {
	n, err := a.r.Read(b)
	a.n += int64(n)
	a.sum.Write(b[:n])
	if a.n > a.limit {
		err = mlops.Errorf(mlops.Invalid, "the code has more than %d bytes when it is packed, which is the most that is taken: leave data out of it", a.limit)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		a.err = err
	}
	return n, err
}

type kind int

const (
	nothing  kind = iota
	implied       // a folder that something is in, but that has no entry of its own yet
	folder        // a folder with an entry
	anything      // a file or a link: nothing is below it
)

type unpacker struct {
	root   *os.Root
	limits pack.Limits
	known  map[string]kind
	files  int
	bytes  int64
}

func (u *unpacker) all(in *bufio.Reader) error {
	zr, err := gzip.NewReader(in)
	if err != nil {
		return err
	}
	zr.Multistream(false)
	tr := tar.NewReader(zr)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := u.one(h, tr); err != nil {
			return err
		}
	}
	// To the end: only there gzip compares its checksum.
	if n, err := io.CopyN(io.Discard, zr, maxPadding+1); n > maxPadding {
		return mlops.Errorf(mlops.Invalid, "the code's archive goes on after its end: expected a tar.gz with nothing behind it")
	} else if !errors.Is(err, io.EOF) {
		return err
	}
	if _, err := in.ReadByte(); !errors.Is(err, io.EOF) {
		return mlops.Errorf(mlops.Invalid, "the code's archive goes on after its end: expected a tar.gz with nothing behind it")
	}
	return nil
}

func refuse(name, format string, args ...any) error {
	if len(name) > 200 {
		name = name[:200] + "…"
	}
	return mlops.Errorf(mlops.Invalid, "the code's archive holds %q, %s", name, fmt.Sprintf(format, args...))
}

func (u *unpacker) one(h *tar.Header, content io.Reader) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil // what git archive says of the commit
	}
	name := strings.TrimPrefix(h.Name, "./")
	if h.Typeflag == tar.TypeDir {
		name = strings.TrimSuffix(name, "/")
		if name == "" || name == "." {
			return nil
		}
	}
	part := func(p string) bool { return len(p) > maxPart }
	if !fs.ValidPath(name) || name == "." || len(name) > maxName || slices.ContainsFunc(strings.Split(name, "/"), part) {
		return refuse(h.Name, "which is no name inside of a folder: expected a relative one without '..', in UTF-8, with at most %d bytes, %d in each part", maxName, maxPart)
	}
	switch {
	case u.known[name] == implied && h.Typeflag == tar.TypeDir:
		u.known[name] = folder
		return nil
	case u.known[name] != nothing:
		return refuse(h.Name, "twice: expected each name once")
	}
	if err := u.parents(h.Name, path.Dir(name)); err != nil {
		return err
	}
	if err := u.count(); err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir:
		u.known[name] = folder
		return u.root.Mkdir(name, 0o755)
	case tar.TypeReg:
		u.known[name] = anything
		u.files++
		return u.file(name, h, content)
	case tar.TypeSymlink:
		u.known[name] = anything
		u.files++
		if !staysInside(name, h.Linkname) {
			return refuse(h.Name, "a link to %q: expected one to something in the folder, with '..' at its beginning only", h.Linkname)
		}
		return u.root.Symlink(h.Linkname, name)
	}
	return refuse(h.Name, "which is no plain file: expected files, folders and symbolic links")
}

// count counts what is made, folders too.
func (u *unpacker) count() error {
	if len(u.known) > u.limits.Files {
		return mlops.Errorf(mlops.Invalid, "the code has more than %d files and folders, which is the most that is taken: leave data out of it", u.limits.Files)
	}
	return nil
}

// parents makes the folders that an entry is in. A link is none of them.
func (u *unpacker) parents(entry, dir string) error {
	switch u.known[dir] {
	case folder, implied:
		return nil
	case anything:
		return refuse(entry, "below a file or a link: expected it below a folder")
	}
	if err := u.parents(entry, path.Dir(dir)); err != nil {
		return err
	}
	if err := u.count(); err != nil {
		return err
	}
	u.known[dir] = implied
	return u.root.Mkdir(dir, 0o755)
}

func (u *unpacker) file(name string, h *tar.Header, content io.Reader) error {
	mode := fs.FileMode(0o644)
	if h.Mode&0o111 != 0 {
		mode = 0o755
	}
	f, err := u.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	left := u.limits.Unpacked - u.bytes
	n, err := io.CopyN(f, content, left+1) // counted here: what the header says is anybody's word
	u.bytes += n
	closed := f.Close()
	switch {
	case n > left:
		return mlops.Errorf(mlops.Invalid, "the code's files have more than %d bytes, which is the most that is taken: leave data out of it", u.limits.Unpacked)
	case err != nil && !errors.Is(err, io.EOF):
		return err
	}
	return closed
}

// staysInside reports whether a link leads to something in the folder, whatever
// else in there is a link: it goes up at its beginning only, through folders.
func staysInside(name, target string) bool {
	if target == "" || len(target) > maxName || strings.HasPrefix(target, "/") || strings.ContainsRune(target, 0) {
		return false
	}
	up, down := 0, false
	for _, part := range strings.Split(target, "/") {
		switch part {
		case "", ".":
		case "..":
			if up++; down {
				return false
			}
		default:
			down = true
		}
	}
	return up <= strings.Count(name, "/")
}
