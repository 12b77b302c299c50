// Patch changes a few lines of modules that Benchtop links and prints the path
// of a go.mod that uses them, for `go build -modfile`. It is for behaviour that
// a module offers no choice about: what it does while it is initialised, sizes
// that are written into its code, and errors for which it ends the process.
//
// The copies lie in $BENCHTOP_CACHE (default: the user's cache directory),
// under the same name for every checkout, so that the go command's own cache
// goes on working. An overlay (go build -overlay) would be simpler, but cannot
// replace files of the module cache.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// module is what is changed in one module.
type module struct {
	path    string
	changes []change
}

// change replaces the only occurrence of old in a file.
type change struct{ file, old, new string }

var modules = []module{{"github.com/minio/minio", []change{
	// MinIO reads its whole executable for a checksum that the nodes of a
	// distributed MinIO compare: half a gigabyte and 0.7 s of CPU for every
	// command of ours. There is one node here.
	{"cmd/bootstrap-peer-server.go", "var binaryChecksum = getBinaryChecksum()", `var binaryChecksum = "one node"`},
	// Queues of tiering, replication, healing and notifications, none of which
	// one node with one disk has: 130 MB that the collector takes for live.
	{"cmd/bucket-lifecycle.go", "make(chan transitionTask, 100000)", "make(chan transitionTask, 100)"},
	{"cmd/bucket-replication.go", "mrfReplicaCh:    make(chan ReplicationWorkerOperation, 100000)", "mrfReplicaCh:    make(chan ReplicationWorkerOperation, 100)"},
	{"cmd/bucket-replication.go", "make(chan MRFReplicateEntry, 100000)", "make(chan MRFReplicateEntry, 100)"},
	{"cmd/bucket-replication.go", "for len(p.lrgworkers) < n {\n\t\tinput := make(chan ReplicationWorkerOperation, 100000)", "for len(p.lrgworkers) < n {\n\t\tinput := make(chan ReplicationWorkerOperation, 100)"},
	{"cmd/mrf.go", "mrfOpsQueueSize = 100000", "mrfOpsQueueSize = 100"},
	{"internal/event/targetlist.go", "make(chan asyncEvent, maxConcurrentAsyncSend)", "make(chan asyncEvent, 100)"},
}}, {"github.com/cosnicolaou/pbzip2", []change{
	// MinIO reads bzip2 with it where a SELECT asks for that. Its tables, 10 MB and a
	// fifth of the CPU that a command of ours takes to start, are made then.
	{"scanner.go", "\t\"strings\"\n\n", "\t\"strings\"\n\t\"sync\"\n\n"},
	{"scanner.go", "func init() {\n\tpretest", "var makeTables = sync.OnceFunc(func() {\n\tpretest"},
	{"scanner.go", "eosMagic[:], bzip2.EOSMagic[:])\n}\n", "eosMagic[:], bzip2.EOSMagic[:])\n})\n"},
	{"scanner.go", "*Scanner {\n\to := scannerOpts{\n", "*Scanner {\n\tmakeTables()\n\to := scannerOpts{\n"},
}}, {"github.com/k3s-io/k3s", []change{
	// Files that others watch are written in place. containerd reads the configuration
	// of the pods' network whenever it changes: half of it, now and then, which is an
	// error in the log of a healthy lab, and no network until the next look.
	{"pkg/agent/util/file.go", "\terr := os.WriteFile(name, []byte(content), 0644)\n", `	err := os.WriteFile(name+".new", []byte(content), 0644)
	if err == nil {
		err = os.Rename(name+".new", name)
	}
	if err != nil {
		os.Remove(name + ".new")
	}
`},
}}, {"github.com/prometheus/prometheus", []change{
	// Once a minute Prometheus moves full chunks of memory into files. Where there
	// is no space for one it panics, and the whole lab ends with it. Now a chunk
	// that can't be written stays in memory and is tried again, in a new file.
	{"tsdb/head_append.go", "\t\tchunkRef := chunkDiskMapper.WriteChunk(s.ref, chk.minTime, chk.maxTime, chk.chunk, false, handleChunkWriteError)\n", `		var failed error
		chunkRef := chunkDiskMapper.WriteChunk(s.ref, chk.minTime, chk.maxTime, chk.chunk, false, func(err error) { failed = err })
		if failed != nil && !errors.Is(failed, chunks.ErrChunkDiskMapperClosed) {
			chk.prev = nil // those before it are written
			return count
		}
`},
	{"tsdb/chunks/head_chunks.go", "Unlock()\n\tref, cutFile := cdm.evtlPos.getNextChunkRef(chk)\n", "Unlock()\n\tbefore := cdm.evtlPos\n\tref, cutFile := cdm.evtlPos.getNextChunkRef(chk)\n"},
	{"tsdb/chunks/head_chunks.go", "chk, ref, isOOO, cutFile)\n\tif callback != nil {\n", `chk, ref, isOOO, cutFile)
	if err != nil {
		cdm.evtlPos = before
		cdm.evtlPos.cutFile = true
	}
	if callback != nil {
`},
	// The file before the new one is closed already if that could not be made.
	{"tsdb/chunks/head_chunks.go", "cdm.curFile.Sync(); err != nil {\n\t\treturn err\n\t}\n\n\treturn cdm.curFile.Close()\n", `cdm.curFile.Sync(); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}

	if err := cdm.curFile.Close(); !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
`},
}}}

func main() {
	path, err := patch(".")
	if err != nil {
		fmt.Fprintln(os.Stderr, "patch:", err)
		os.Exit(1)
	}
	fmt.Println(path)
}

// patch writes the copies and the go.mod; root has the one to start from.
func patch(root string) (string, error) {
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	gomod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return "", err
	}
	gosum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		return "", err
	}
	for _, m := range modules {
		dir, err := m.copy(root, cache)
		if err != nil {
			return "", fmt.Errorf("change module %s: %w", m.path, err)
		}
		gomod = fmt.Appendf(gomod, "\nreplace %s => %s\n", m.path, dir)
	}
	return keep(cache, gomod, gosum)
}

func cacheDir() (string, error) {
	if dir := os.Getenv("BENCHTOP_CACHE"); dir != "" {
		return filepath.Abs(filepath.Join(dir, "patch"))
	}
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "benchtop", "patch"), err
}

// apply returns a file as it is changed.
func (c change) apply(source []byte) ([]byte, error) {
	if n := bytes.Count(source, []byte(c.old)); n != 1 {
		return nil, fmt.Errorf("%s has %q %d times, expected once: see what this version does there and change scripts/patch", c.file, c.old, n)
	}
	return bytes.Replace(source, []byte(c.old), []byte(c.new), 1), nil
}

// copy returns a directory with the changed module.
func (m module) copy(root, cache string) (string, error) {
	cmd := exec.Command("go", "mod", "download", "-json", m.path)
	cmd.Dir, cmd.Stderr = root, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("find it: %w", err)
	}
	var found struct{ Dir, Sum string }
	if err := json.Unmarshal(out, &found); err != nil {
		return "", fmt.Errorf("find it: %w", err)
	}
	changed := map[string][]byte{}
	id := []byte(found.Sum)
	for _, c := range m.changes {
		source, ok := changed[c.file]
		if !ok {
			if source, err = os.ReadFile(filepath.Join(found.Dir, filepath.FromSlash(c.file))); err != nil {
				return "", err
			}
		}
		if changed[c.file], err = c.apply(source); err != nil {
			return "", err
		}
		id = fmt.Appendf(id, "\n%q", c)
	}
	dest := filepath.Join(cache, "module-"+name(id))
	return dest, whole(dest, func(dir string) error {
		if err := copyFiles(dir, os.DirFS(found.Dir)); err != nil {
			return err
		}
		for file, content := range changed {
			if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(file)), content, 0o644); err != nil {
				return err
			}
		}
		return nil
	})
}

// copyFiles copies files, which are read-only in the module cache, so that
// they can be written and deleted.
func copyFiles(dir string, from fs.FS) error {
	return fs.WalkDir(from, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(dir, filepath.FromSlash(path))
		if d.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		content, err := fs.ReadFile(from, path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, content, 0o644)
	})
}

// keep writes go.mod and go.sum into a directory of their own.
func keep(cache string, gomod, gosum []byte) (string, error) {
	dest := filepath.Join(cache, "mod-"+name(gomod, gosum))
	err := whole(dest, func(dir string) error {
		if err := os.WriteFile(filepath.Join(dir, "go.sum"), gosum, 0o644); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, "go.mod"), gomod, 0o644)
	})
	return filepath.Join(dest, "go.mod"), err
}

// name is a digest of contents.
func name(contents ...[]byte) string {
	h := sha256.New()
	for _, c := range contents {
		fmt.Fprintf(h, "%d ", len(c))
		h.Write(c)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// whole fills the directory dest unless it is there: all of it or nothing.
func whole(dest string, fill func(dir string) error) error {
	if _, err := os.Stat(dest); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(dest), 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dest), "tmp-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := fill(tmp); err != nil {
		return err
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	if err := os.Rename(tmp, dest); err != nil {
		if _, statErr := os.Stat(dest); statErr == nil {
			return nil // another process was faster
		}
		return err
	}
	return nil
}
