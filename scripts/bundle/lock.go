package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// lock rewrites the lock files of the named components (all when none is named) for the builder's architecture, with
// the newest versions that pip and apt offer now.
func (b *Builder) lock(recipes []*Recipe, names []string) error {
	for _, name := range names {
		if !slices.Contains(recipeNames(recipes), name) {
			return fmt.Errorf("no component is called %q; there are: %s", name, strings.Join(recipeNames(recipes), ", "))
		}
	}
	for _, r := range recipes {
		if len(names) > 0 && !slices.Contains(names, r.Name) {
			continue
		}
		for _, s := range r.Steps {
			var err error
			switch {
			case s.Debian != nil:
				err = b.lockDebian(r, s.Debian.Packages)
			case s.Wheels != nil:
				err = b.lockWheels(r, s.Wheels.Python)
			}
			if err != nil {
				return fmt.Errorf("lock %s: %w", r.Name, err)
			}
		}
	}
	return nil
}

func (b *Builder) lockDebian(r *Recipe, packages []string) error {
	var lines []string
	for _, name := range packages {
		out, err := b.output(nil, "", "apt-get", "download", "--print-uris", name+":"+b.debArch())
		if err != nil {
			return err
		}
		d, err := parseAptURI(out)
		if err != nil {
			return err
		}
		lines = append(lines, strings.Join([]string{d.Name, d.Version, d.SHA256, d.Archive, d.Path}, " "))
	}
	slices.Sort(lines)
	head := fmt.Sprintf("# package version sha256 archive path; written by `go run ./scripts/bundle lock %s`\n# snapshot: when snapshot.debian.org has all of them\nsnapshot %s\n",
		r.Name, time.Now().UTC().Format("20060102T150405Z"))
	file := debLockFile(r, b.Arch)
	if old, err := os.ReadFile(file); err == nil && strings.HasSuffix(string(old), "\n"+strings.Join(lines, "\n")+"\n") && strings.Count(string(old), "\n") == len(lines)+3 {
		return nil // the same packages: keep the older time, and the recipe's hash
	}
	return replaceFile(file, []byte(head+strings.Join(lines, "\n")+"\n"))
}

// parseAptURI reads a line of apt-get download --print-uris: 'http://…/pool/…' file size SHA256:….
func parseAptURI(line string) (deb, error) {
	f := strings.Fields(line)
	if len(f) != 4 || !strings.HasPrefix(f[3], "SHA256:") {
		return deb{}, fmt.Errorf("apt-get said %q, expected 'address' file size SHA256:…; run apt-get update", line)
	}
	addr, err := url.PathUnescape(strings.Trim(f[0], "'"))
	if err != nil {
		return deb{}, err
	}
	base, pool, ok := strings.Cut(addr, "/pool/")
	if !ok {
		return deb{}, fmt.Errorf("address %q has no pool/ in it", addr)
	}
	file, err := url.PathUnescape(f[1])
	if err != nil {
		return deb{}, err
	}
	parts := strings.Split(strings.TrimSuffix(file, ".deb"), "_")
	if len(parts) != 3 {
		return deb{}, fmt.Errorf("file name %q: expected package_version_architecture.deb", file)
	}
	return deb{Name: parts[0], Version: parts[1], SHA256: strings.TrimPrefix(f[3], "SHA256:"), Archive: path.Base(base), Path: "pool/" + pool}, nil
}

// pipReport is the part of pip's installation report that a lock file is made from.
type pipReport struct {
	Install []struct {
		Metadata     pipMetadata `json:"metadata"`
		DownloadInfo struct {
			ArchiveInfo struct {
				Hashes map[string]string `json:"hashes"`
			} `json:"archive_info"`
		} `json:"download_info"`
	} `json:"install"`
}

type pipMetadata struct {
	Name       string   `json:"name"`
	Version    string   `json:"version"`
	Expression string   `json:"license_expression"`
	License    string   `json:"license"`
	Classifier []string `json:"classifier"`
}

func (b *Builder) lockWheels(r *Recipe, python string) error {
	target, err := pipTarget(b.Arch, python)
	if err != nil {
		return err
	}
	tmp, err := os.MkdirTemp("", "bundle-lock-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	report := filepath.Join(tmp, "report.json")
	args := append([]string{"-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--report", report, "--target", tmp,
		"-r", filepath.Join(r.Dir, "requirements.in")}, target...)
	// Markers such as python_version are evaluated for the Python that pip runs on; it must be the image's version.
	if got, err := b.output(nil, "", "python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"); err != nil || got != python {
		return fmt.Errorf("python3 is %s, expected %s: run this where that is the system's Python (%v)", got, python, err)
	}
	if err := b.run([]string{"PIP_FIND_LINKS=", "PIP_NO_INDEX=0"}, "", "python3", args...); err != nil {
		return err
	}
	data, err := os.ReadFile(report)
	if err != nil {
		return err
	}
	lock, err := wheelLock(data, r.Name)
	if err != nil {
		return err
	}
	return replaceFile(wheelLockFile(r, b.Arch), lock)
}

func wheelLock(report []byte, name string) ([]byte, error) {
	var rep pipReport
	if err := json.Unmarshal(report, &rep); err != nil {
		return nil, fmt.Errorf("read pip's report: %w", err)
	}
	var lines []string
	for _, in := range rep.Install {
		sum := in.DownloadInfo.ArchiveInfo.Hashes["sha256"]
		if sum == "" {
			return nil, fmt.Errorf("pip's report has no sha256 for %s", in.Metadata.Name)
		}
		lines = append(lines, fmt.Sprintf("%s==%s --hash=sha256:%s  # %s", strings.ToLower(in.Metadata.Name), in.Metadata.Version, sum, in.Metadata.license()))
	}
	if len(lines) == 0 {
		return nil, fmt.Errorf("pip's report lists nothing to install")
	}
	slices.Sort(lines)
	return []byte("# Written by `go run ./scripts/bundle lock " + name + "` from requirements.in; the comments are licences.\n" + strings.Join(lines, "\n") + "\n"), nil
}

// license prefers the SPDX expression, then the classifiers, then the free text, whose first line has the name.
func (m pipMetadata) license() string {
	if m.Expression != "" {
		return m.Expression
	}
	var names []string
	for _, c := range m.Classifier {
		if rest, ok := strings.CutPrefix(c, "License :: "); ok {
			if name := path.Base(strings.ReplaceAll(rest, " :: ", "/")); name != "OSI Approved" {
				names = append(names, name)
			}
		}
	}
	if len(names) > 0 {
		return strings.Join(names, ", ")
	}
	line, _, _ := strings.Cut(strings.TrimSpace(m.License), "\n")
	if line == "" {
		return "see its metadata"
	}
	return line
}
