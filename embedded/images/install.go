package images

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"
)

// markerFile remembers, beside installed programs, which bytes they hold, so that a warm start need not read them.
const markerFile = ".bundle.json"

// installed is what the marker says about one program. A file whose size or time differs is installed anew.
type installed struct {
	SHA256 string    `json:"sha256"`
	Size   int64     `json:"size"`
	MTime  time.Time `json:"mtime"`
	Links  []string  `json:"links,omitempty"`
}

// InstallBins puts the bundle's programs into dir (created when absent) with mode 0755. A program that is already
// there is left alone. An old one is replaced by renaming the new file over it: a running shim keeps its old file,
// and no moment exists at which a program is missing or half written. Programs that an earlier version installed and
// this one no longer has are removed; files that InstallBins did not put there are not touched.
func (b *Bundle) InstallBins(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("install programs: %w", err)
	}
	have := readMarker(dir)
	want := make(map[string]installed, len(b.index.Bins))
	for _, bin := range b.index.Bins {
		m, ok := have[bin.Name]
		if !ok || m.SHA256 != bin.SHA256 || !unchanged(filepath.Join(dir, bin.Name), m) {
			var err error
			if m, err = b.install(dir, bin); err != nil {
				return fmt.Errorf("install program %s in %s: %w", bin.Name, dir, err)
			}
		}
		if err := installLinks(dir, bin); err != nil {
			return fmt.Errorf("install links to %s in %s: %w", bin.Name, dir, err)
		}
		m.Links = bin.Links
		want[bin.Name] = m
	}
	if err := removeStale(dir, have, want); err != nil {
		return fmt.Errorf("remove programs of an earlier version from %s: %w", dir, err)
	}
	if err := writeMarker(dir, want); err != nil {
		return fmt.Errorf("install programs: %w", err)
	}
	return nil
}

func (b *Bundle) install(dir string, bin Bin) (installed, error) {
	target := filepath.Join(dir, bin.Name)
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return installed{}, err
	}
	src, err := b.open(BinDir + bin.Name)
	if err != nil {
		return installed{}, err
	}
	defer src.Close()
	tmp, err := renameio.NewPendingFile(target, renameio.WithTempDir(filepath.Dir(target)), renameio.WithStaticPermissions(0o755))
	if err != nil {
		return installed{}, err
	}
	defer tmp.Cleanup() //nolint:errcheck // nothing is left to do about it
	h := sha256.New()
	if _, err := io.Copy(io.MultiWriter(tmp, h), src); err != nil {
		return installed{}, err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != bin.SHA256 {
		return installed{}, fmt.Errorf("its sha256 is %s, expected %s: the binary is damaged, download or build it again", got, bin.SHA256)
	}
	st, err := tmp.Stat()
	if err != nil {
		return installed{}, err
	}
	// It is on disk before it gets its name: after a power cut a truncated runc would look installed.
	if err := tmp.CloseAtomicallyReplace(); err != nil {
		return installed{}, err
	}
	return installed{SHA256: bin.SHA256, Size: bin.Size, MTime: st.ModTime()}, nil
}

func installLinks(dir string, bin Bin) error {
	for _, name := range bin.Links {
		link := filepath.Join(dir, path.Dir(bin.Name), name)
		to := path.Base(bin.Name)
		if old, err := os.Readlink(link); err == nil && old == to {
			continue
		}
		if err := renameio.Symlink(to, link); err != nil {
			return err
		}
	}
	return nil
}

func removeStale(dir string, have, want map[string]installed) error {
	keep := map[string]bool{}
	each := func(all map[string]installed, f func(name string)) {
		for name, m := range all {
			f(name)
			for _, link := range m.Links {
				f(path.Join(path.Dir(name), link))
			}
		}
	}
	each(want, func(name string) { keep[name] = true })
	var first error
	each(have, func(name string) {
		if keep[name] || !filepath.IsLocal(name) {
			return
		}
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !os.IsNotExist(err) && first == nil {
			first = err
		}
	})
	return first
}

func unchanged(file string, m installed) bool {
	st, err := os.Lstat(file)
	return err == nil && st.Mode() == 0o755 && st.Size() == m.Size && st.ModTime().Equal(m.MTime)
}

// readMarker returns nothing when the marker is absent or damaged: everything is then installed anew.
func readMarker(dir string) map[string]installed {
	data, err := os.ReadFile(filepath.Join(dir, markerFile))
	if err != nil {
		return nil
	}
	var m map[string]installed
	if json.Unmarshal(data, &m) != nil {
		return nil
	}
	return m
}

func writeMarker(dir string, m map[string]installed) error {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	file := filepath.Join(dir, markerFile)
	if old, err := os.ReadFile(file); err == nil && string(old) == string(data) {
		return nil
	}
	return renameio.WriteFile(file, data, 0o644, renameio.WithTempDir(dir))
}
