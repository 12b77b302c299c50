package main

import (
	"fmt"
	"net/url"
	"os"
	"path"
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
