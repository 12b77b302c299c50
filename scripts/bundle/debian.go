package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// DebianStep unpacks files of Debian packages. No maintainer script runs. The packages are those of
// debian.<arch>.lock, pinned by checksum.
type DebianStep struct {
	Packages []string `json:"packages"`
	Keep     []string `json:"keep,omitempty"` // globs; empty keeps everything
	Drop     []string `json:"drop,omitempty"` // globs
}

// snapshotURL is Debian's archive of everything it ever published; a mirror keeps only the newest version.
const snapshotURL = "https://snapshot.debian.org/archive"

// deb is one line of a Debian lock file.
type deb struct {
	Name, Version, SHA256 string
	Archive               string // debian or debian-security
	Path                  string // pool/…
}

type debLock struct {
	Snapshot string // time at which snapshot.debian.org had all of them
	Debs     []deb
}

func (s *DebianStep) key(b *Builder, r *Recipe) (string, error) { return "", nil }

func (s *DebianStep) run(b *Builder, r *Recipe, stage string) error {
	keep, err := compileGlobs(s.Keep)
	if err != nil {
		return err
	}
	drop, err := compileGlobs(s.Drop)
	if err != nil {
		return err
	}
	lock, err := readDebLock(debLockFile(r, b.Arch))
	if err != nil {
		return err
	}
	for _, name := range s.Packages {
		d, err := lock.find(name)
		if err != nil {
			return fmt.Errorf("%w: run `go run ./scripts/bundle lock %s`", err, r.Name)
		}
		file, err := b.fetchDeb(lock, d)
		if err != nil {
			return fmt.Errorf("fetch Debian package %s: %w", name, err)
		}
		if err := unpackDeb(file, stage, func(p string) bool { return (len(keep) == 0 || keep.match(p)) && !drop.match(p) }); err != nil {
			return fmt.Errorf("unpack Debian package %s: %w", name, err)
		}
	}
	return nil
}

func debLockFile(r *Recipe, arch string) string { return filepath.Join(r.Dir, "debian."+arch+".lock") }

func readDebLock(file string) (debLock, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return debLock{}, err
	}
	var lock debLock
	for i, line := range strings.Split(string(data), "\n") {
		f := strings.Fields(line)
		switch {
		case len(f) == 2 && f[0] == "snapshot":
			lock.Snapshot = f[1]
		case len(f) == 5:
			lock.Debs = append(lock.Debs, deb{Name: f[0], Version: f[1], SHA256: f[2], Archive: f[3], Path: f[4]})
		case len(f) != 0 && !strings.HasPrefix(f[0], "#"):
			return debLock{}, fmt.Errorf("%s:%d: expected `package version sha256 archive path`", file, i+1)
		}
	}
	if lock.Snapshot == "" {
		return debLock{}, fmt.Errorf("%s: the line `snapshot TIME` is missing", file)
	}
	return lock, nil
}

func (l debLock) find(name string) (deb, error) {
	for _, d := range l.Debs {
		if d.Name == name {
			return d, nil
		}
	}
	return deb{}, fmt.Errorf("package %s is not in the lock file", name)
}

// fetchDeb returns the package's file: from the cache, from the machine's own apt sources, or, when they have moved
// on to a newer version, from snapshot.debian.org.
func (b *Builder) fetchDeb(lock debLock, d deb) (string, error) {
	file := filepath.Join(b.Cache.dir, "debs", d.SHA256+".deb")
	if sum, _, err := hashFile(file); err == nil && sum == d.SHA256 {
		return file, nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return "", err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(file), ".new-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	got, aptErr := b.aptDownload(tmp, d)
	if aptErr != nil {
		got = filepath.Join(tmp, "snapshot.deb")
		url := fmt.Sprintf("%s/%s/%s/%s", b.Snapshot, d.Archive, lock.Snapshot, d.Path)
		if err := download(url, got); err != nil {
			return "", errors.Join(aptErr, err, errors.New("check the network; `go run ./scripts/bundle lock` moves the lock files to the versions that apt offers now"))
		}
	}
	sum, _, err := hashFile(got)
	if err != nil {
		return "", err
	}
	if sum != d.SHA256 {
		return "", fmt.Errorf("%s %s has sha256 %s, the lock file says %s", d.Name, d.Version, sum, d.SHA256)
	}
	return file, os.Rename(got, file)
}

func (b *Builder) aptDownload(dir string, d deb) (string, error) {
	if err := b.run(nil, dir, "apt-get", "download", fmt.Sprintf("%s:%s=%s", d.Name, b.debArch(), d.Version)); err != nil {
		return "", err
	}
	found, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("apt-get download left %d files (%v), expected one", len(found), err)
	}
	return found[0], nil
}

// debArch is the architecture in Debian's words; for those that Benchtop knows they equal Go's.
func (b *Builder) debArch() string { return b.Arch }

func download(url, file string) error {
	resp, err := http.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("download %s: %s", url, resp.Status)
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.Copy(f, resp.Body); err != nil {
		return fmt.Errorf("download %s: %w", url, err)
	}
	return f.Close()
}

func unpackDeb(file, stage string, want func(path string) bool) error {
	var stderr bytes.Buffer
	cmd := exec.Command("dpkg-deb", "--fsys-tarfile", file)
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%w (the package dpkg has dpkg-deb)", err)
	}
	untarErr := untar(out, stage, want)
	if untarErr != nil {
		out.Close() // dpkg-deb ends on the broken pipe
	}
	if err := cmd.Wait(); err != nil && untarErr == nil {
		return fmt.Errorf("dpkg-deb: %w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return untarErr
}

func untar(r io.Reader, stage string, want func(path string) bool) error {
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		name := mergeUsr(strings.Trim(strings.TrimPrefix(h.Name, "./"), "/"))
		if name == "" || h.Typeflag == tar.TypeDir || !want(name) {
			continue // directories come with the files in them
		}
		switch h.Typeflag {
		case tar.TypeReg:
			data, err := io.ReadAll(tr)
			if err != nil {
				return err
			}
			if err := writeStaged(stage, name, data, h.FileInfo().Mode().Perm()&0o755|0o600); err != nil {
				return err
			}
		case tar.TypeSymlink:
			if err := linkStaged(stage, name, h.Linkname); err != nil {
				return err
			}
		case tar.TypeLink:
			data, err := os.ReadFile(filepath.Join(stage, mergeUsr(strings.TrimPrefix(h.Linkname, "./"))))
			if err != nil {
				return fmt.Errorf("hard link %s: %w", name, err)
			}
			if err := writeStaged(stage, name, data, 0o755); err != nil {
				return err
			}
		default:
			return fmt.Errorf("%s has the unexpected type %q", name, h.Typeflag)
		}
	}
}

// mergeUsr moves /bin, /sbin and /lib* below /usr, as Debian's installer does; recipes add the links.
func mergeUsr(name string) string {
	for _, dir := range []string{"bin/", "sbin/", "lib/", "lib64/"} {
		if strings.HasPrefix(name, dir) {
			return "usr/" + name
		}
	}
	return name
}
