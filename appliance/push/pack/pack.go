// Package pack makes the archive of a folder that is pushed: the code that a
// project runs, known by the archive's digest. It runs where people work, so it
// has to build for every system that they work on.
package pack

import (
	"archive/tar"
	"bufio"
	"bytes"
	"cmp"
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
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Limits are the most that code may have.
type Limits struct {
	Unpacked int64 // bytes of all files
	Packed   int64 // bytes of the archive
	Files    int   // with folders and links
}

// Default is what the appliance takes: a lot for code, and little enough that a
// data set doesn't pass for it.
var Default = Limits{Unpacked: 512 << 20, Packed: 256 << 20, Files: 20_000}

// Packed says what was packed.
type Packed struct {
	Name   string // proposed for the project, from the folder's or the file's name
	SHA256 string // of the archive, lower-case hex
	Bytes  int64  // of the archive
	Files  int    // with links, without folders
	Commit string // of the git repository that the folder is in; "" if none is known
	Dirty  bool   // something in the folder differs from the commit
}

// leftOut are names that never are code that somebody wrote.
var leftOut = []string{".git", ".venv", "venv", "__pycache__", ".ipynb_checkpoints", "node_modules", ".DS_Store", "mlruns"}

// entry is one thing in the archive.
type entry struct {
	name string // from the folder's root, with slashes
	file string // where it is read from
	mode fs.FileMode
	size int64
	link string
}

// Folder packs the folder at path, or a single Python file or notebook, into w
// as a tar.gz that depends on names and contents only. It leaves out what
// .gitignore files leave out, unless git has it anyway, and what no code is.
func Folder(path string, w io.Writer, limits Limits) (Packed, error) {
	called, err := filepath.Abs(path)
	full := called
	if err == nil {
		full, err = filepath.EvalSymlinks(called)
	}
	if err != nil {
		return Packed{}, notThere(path, err)
	}
	info, err := os.Stat(full)
	if err != nil {
		return Packed{}, notThere(path, err)
	}
	var out Packed
	var entries []entry
	switch {
	case info.IsDir():
		git := askGit(full, "")
		out = Packed{Name: proposed(filepath.Base(called)), Commit: git.commit, Dirty: git.dirty}
		if entries, err = walk(path, full, git.kept); err != nil {
			return Packed{}, err
		}
		if err := limits.check(path, entries); err != nil {
			return Packed{}, err
		}
	case info.Mode().IsRegular() && isScript(full):
		base := filepath.Base(full)
		git := askGit(filepath.Dir(full), base)
		out = Packed{Name: proposed(strings.TrimSuffix(base, filepath.Ext(base))), Commit: git.commit, Dirty: git.dirty}
		entries = []entry{{name: base, file: full, mode: info.Mode(), size: info.Size()}}
		if info.Size() > limits.Unpacked {
			return Packed{}, mlops.Errorf(mlops.Invalid, "%s has %s: expected at most %s", path, bytesText(info.Size()), bytesText(limits.Unpacked))
		}
	default:
		return Packed{}, mlops.Errorf(mlops.Invalid, "%s is no folder and ends neither in .py nor in .ipynb: expected a folder, a Python script or a notebook", path)
	}
	for _, e := range entries {
		if !e.mode.IsDir() {
			out.Files++
		}
	}
	if out.Files == 0 {
		return Packed{}, mlops.Errorf(mlops.Invalid, "%s holds no file to push: expected a training script or a notebook that .gitignore does not leave out", path)
	}
	counted := &counter{w: w, limit: limits.Packed, sum: sha256.New()}
	if err := write(counted, entries); err != nil {
		if errors.Is(err, errTooLarge) {
			return Packed{}, mlops.Errorf(mlops.Invalid, "%s has more than %s when it is packed. %s", path, bytesText(limits.Packed), largest(entries))
		}
		return Packed{}, err
	}
	out.SHA256, out.Bytes = hex.EncodeToString(counted.sum.Sum(nil)), counted.n
	return out, nil
}

func notThere(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return mlops.Errorf(mlops.Invalid, "%s is not there: expected a folder, a Python script or a notebook", path)
	}
	return mlops.Errorf(mlops.Invalid, "%s cannot be read: %v", path, reason(err))
}

// reason is an error without the name of the file, which the message has already.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func isScript(name string) bool {
	ext := strings.ToLower(filepath.Ext(name))
	return ext == ".py" || ext == ".ipynb"
}

// walk lists what of the folder root is packed, sorted by name. Mistakes are
// collected: who mends one should not find the next by another try.
func walk(asked, root string, kept map[string]bool) ([]entry, error) {
	repository, rules, err := rulesAbove(root)
	if err != nil {
		return nil, err
	}
	above := ""
	if rel, err := filepath.Rel(repository, root); err == nil && rel != "." {
		above = filepath.ToSlash(rel) + "/"
	}
	// Folders of kept files are kept, too: git looks into them.
	keptFolders := map[string]bool{}
	for name := range kept {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			keptFolders[dir] = true
		}
	}
	w := &walker{root: root, above: above, kept: kept, keptFolders: keptFolders, fold: foldsCase}
	w.folder("", rules, false)
	if len(w.wrong) > 0 {
		return nil, mlops.Errorf(mlops.Invalid, "%s cannot be pushed:\n%s", asked, strings.Join(w.wrong, "\n"))
	}
	slices.SortFunc(w.entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return w.entries, nil
}

type walker struct {
	root, above       string
	kept, keptFolders map[string]bool // what git has although a rule leaves it out
	fold              bool
	entries           []entry
	wrong             []string
}

// folder walks one folder; within says that a rule leaves it out, so that only
// what is kept is taken.
func (w *walker) folder(dir string, rules []rule, within bool) {
	list, err := os.ReadDir(filepath.Join(w.root, filepath.FromSlash(dir)))
	if err != nil {
		w.wrong = append(w.wrong, fmt.Sprintf("%s cannot be read: %v", cmp.Or(dir, "the folder"), reason(err)))
		return
	}
	if dir != "" {
		own, err := readRules(filepath.Join(w.root, filepath.FromSlash(dir)), w.above+dir)
		if err != nil {
			w.wrong = append(w.wrong, err.Error())
		}
		rules = append(slices.Clip(rules), own...)
	}
	for _, d := range list {
		if slices.Contains(leftOut, d.Name()) {
			continue
		}
		name := path.Join(dir, d.Name())
		out := within || ignored(rules, w.above+name, d.IsDir(), w.fold)
		if !utf8.ValidString(name) && !out {
			w.wrong = append(w.wrong, fmt.Sprintf("%q is no UTF-8: rename it, or leave it out with .gitignore", name))
			continue
		}
		if d.IsDir() {
			if out && !w.keptFolders[name] || isEnvironment(filepath.Join(w.root, filepath.FromSlash(name))) {
				continue
			}
			before := len(w.entries)
			w.folder(name, rules, out)
			if len(w.entries) > before || !out {
				w.entries = append(w.entries, entry{name: name + "/", mode: fs.ModeDir | 0o755})
			}
			continue
		}
		if !out || w.kept[name] {
			w.add(name, d)
		}
	}
}

func (w *walker) add(name string, d fs.DirEntry) {
	e := entry{name: name, file: filepath.Join(w.root, filepath.FromSlash(name))}
	info, err := d.Info()
	if err != nil {
		w.wrong = append(w.wrong, fmt.Sprintf("%s cannot be read: %v", name, reason(err)))
		return
	}
	e.mode, e.size = info.Mode(), info.Size()
	switch {
	case e.mode.IsRegular():
	case e.mode&fs.ModeSymlink != 0:
		e.size = 0
		if e.link, err = w.link(e); err != nil {
			w.wrong = append(w.wrong, err.Error())
			return
		}
	default:
		w.wrong = append(w.wrong, fmt.Sprintf("%s is neither a file nor a folder nor a link: remove it, or leave it out with .gitignore", name))
		return
	}
	w.entries = append(w.entries, e)
}

// link returns what a link is packed with: the way to its target from its own
// folder, which has '..' at its beginning only, so that it stays inside whatever
// else is a link.
func (w *walker) link(e entry) (string, error) {
	target, err := os.Readlink(e.file)
	if err != nil {
		return "", fmt.Errorf("%s cannot be read: %v", e.name, reason(err))
	}
	leads := fmt.Errorf("%s is a link that leads out of the folder, to %s: put the file itself there, or leave the link out with .gitignore; data belongs into a dataset (`benchtop datasets add`)", e.name, target)
	dir := filepath.Dir(e.file)
	way := target
	if filepath.IsAbs(target) {
		if way, err = filepath.Rel(dir, target); err != nil {
			return "", leads
		}
	}
	way = filepath.Clean(way)
	inside, err := filepath.Rel(w.root, filepath.Join(dir, way))
	if err != nil || !filepath.IsLocal(inside) {
		return "", leads
	}
	// Through another link the cleaned way may lead elsewhere than the link does.
	is, err := os.Stat(e.file)
	cleaned, cleanedErr := os.Stat(filepath.Join(dir, way))
	if (err == nil) != (cleanedErr == nil) || err == nil && !os.SameFile(is, cleaned) {
		return "", fmt.Errorf("%s is a link through another link, to %s: make it name its target directly", e.name, target)
	}
	return filepath.ToSlash(way), nil
}

// isEnvironment reports whether a folder is a Python environment, whatever its
// name: by what venv and conda leave in theirs.
func isEnvironment(dir string) bool {
	for _, mark := range []string{"pyvenv.cfg", "conda-meta"} {
		if _, err := os.Lstat(filepath.Join(dir, mark)); err == nil {
			return true
		}
	}
	return false
}

// rulesAbove returns the root of the repository that a folder is in, the folder
// itself if in none, and the rules from there down to the folder.
func rulesAbove(folder string) (repository string, rules []rule, err error) {
	repository = folder
	for dir := folder; ; dir = filepath.Dir(dir) {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			repository = dir
			break
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	rel, err := filepath.Rel(repository, folder)
	if err != nil {
		return "", nil, err
	}
	rules, err = readRules(repository, "")
	if err != nil || rel == "." {
		return repository, rules, err
	}
	base := ""
	for _, part := range strings.Split(filepath.ToSlash(rel), "/") {
		base = path.Join(base, part)
		own, err := readRules(filepath.Join(repository, filepath.FromSlash(base)), base)
		if err != nil {
			return "", nil, err
		}
		rules = append(rules, own...)
	}
	return repository, rules, nil
}

// readRules reads the .gitignore in dir. As git does, it takes no link for one.
func readRules(dir, base string) ([]rule, error) {
	file := filepath.Join(dir, ".gitignore")
	info, err := os.Lstat(file)
	if err != nil || !info.Mode().IsRegular() {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, mlops.Errorf(mlops.Invalid, "%s cannot be read: %v", file, reason(err))
	}
	return parseRules(base, text), nil
}

// write writes the archive. Names are sorted; times, owners and the rest of the
// modes are left out: they differ between machines and mean nothing to the code.
func write(w io.Writer, entries []entry) error {
	zw, err := gzip.NewWriterLevel(w, gzip.DefaultCompression)
	if err != nil {
		return err
	}
	tw := tar.NewWriter(zw)
	for _, e := range entries {
		if err := writeEntry(tw, e); err != nil {
			return err
		}
	}
	if err := tw.Close(); err != nil {
		return err
	}
	return zw.Close()
}

func writeEntry(tw *tar.Writer, e entry) error {
	h := &tar.Header{Name: e.name, Mode: 0o644, ModTime: time.Unix(0, 0), Typeflag: tar.TypeReg, Size: e.size}
	switch {
	case e.mode.IsDir():
		h.Typeflag, h.Mode = tar.TypeDir, 0o755
		return tw.WriteHeader(h)
	case e.link != "":
		h.Typeflag, h.Linkname = tar.TypeSymlink, e.link
		return tw.WriteHeader(h)
	}
	f, err := os.Open(e.file)
	if err != nil {
		return mlops.Errorf(mlops.Invalid, "%s cannot be read: %v", e.name, reason(err))
	}
	defer f.Close()
	r := bufio.NewReader(f)
	// Windows has no mode that says what can be run; what begins with #! can.
	if start, _ := r.Peek(2); e.mode&0o111 != 0 || bytes.Equal(start, []byte("#!")) {
		h.Mode = 0o755
	}
	if err := tw.WriteHeader(h); err != nil {
		return err
	}
	changed := mlops.Errorf(mlops.Invalid, "%s changed while it was packed: push again", e.name)
	switch _, err := io.CopyN(tw, r, e.size); {
	case errors.Is(err, io.EOF):
		return changed
	case err != nil:
		return err
	}
	if _, err := r.ReadByte(); !errors.Is(err, io.EOF) {
		return changed
	}
	return nil
}

var errTooLarge = errors.New("the archive is too large")

// counter passes on what is written, counts it and takes its digest.
type counter struct {
	w     io.Writer
	n     int64
	limit int64
	sum   hash.Hash
}

func (c *counter) Write(b []byte) (int, error) {
	if c.n+int64(len(b)) > c.limit {
		return 0, errTooLarge
	}
	n, err := c.w.Write(b)
	c.n += int64(n)
	c.sum.Write(b[:n])
	return n, err
}

// check refuses what is too much before anything is read.
func (l Limits) check(asked string, entries []entry) error {
	var total int64
	for _, e := range entries {
		total += e.size
	}
	switch {
	case len(entries) > l.Files:
		return mlops.Errorf(mlops.Invalid, "%s has %d files and folders: expected at most %d. %s", asked, len(entries), l.Files, most(entries))
	case total > l.Unpacked:
		return mlops.Errorf(mlops.Invalid, "%s has %s of files: expected at most %s. %s", asked, bytesText(total), bytesText(l.Unpacked), largest(entries))
	}
	return nil
}

const wayOut = "Data belongs into a dataset (`benchtop datasets add`), and what the code does not need into .gitignore."

func largest(entries []entry) string {
	return "The largest are " + top(entries, func(e entry) int64 { return e.size }, bytesText) + ". " + wayOut
}

func most(entries []entry) string {
	one := func(e entry) int64 {
		if e.mode.IsDir() {
			return 0
		}
		return 1
	}
	return "Most are in " + top(entries, one, func(n int64) string { return fmt.Sprintf("%d files", n) }) + ". " + wayOut
}

// top names the three files or folders that weigh most. A folder stands for what
// is in it, unless one thing in it is most of it: then that is what to look at.
func top(entries []entry, weigh func(entry) int64, text func(int64) string) string {
	weight := map[string]int64{} // folders end with a slash
	children := map[string][]string{}
	for _, e := range entries {
		n := weigh(e)
		for child := e.name; child != ""; {
			parent := ""
			if i := strings.LastIndexByte(strings.TrimSuffix(child, "/"), '/'); i >= 0 {
				parent = child[:i+1]
			}
			if _, known := weight[child]; !known {
				children[parent] = append(children[parent], child)
			}
			weight[child] += n
			child = parent
		}
	}
	var found []string
	var descend func(name string)
	descend = func(name string) {
		for _, child := range children[name] {
			if weight[child] > 1 && weight[child]*3 > weight[name]*2 {
				descend(child)
				return
			}
		}
		if name == "" {
			return
		}
		found = append(found, name)
	}
	for _, child := range children[""] {
		descend(child)
	}
	slices.SortFunc(found, func(a, b string) int {
		return cmp.Or(cmp.Compare(weight[b], weight[a]), strings.Compare(a, b))
	})
	var parts []string
	for _, name := range found[:min(3, len(found))] {
		parts = append(parts, fmt.Sprintf("%s (%s)", name, text(weight[name])))
	}
	return strings.Join(parts, ", ")
}

// bytesText is an amount as people read it.
func bytesText(n int64) string {
	for _, u := range []struct {
		name string
		size int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= u.size {
			return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(n)/float64(u.size)), ".0") + " " + u.name
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
