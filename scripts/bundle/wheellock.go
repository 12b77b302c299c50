package main

import (
	"archive/zip"
	"bufio"
	"encoding/json"
	"fmt"
	"net/textproto"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// pipReport is the part of pip's installation report that a lock file is made from.
type pipReport struct {
	Install []struct {
		Metadata struct {
			Name    string `json:"name"`
			Version string `json:"version"`
		} `json:"metadata"`
		DownloadInfo struct {
			ArchiveInfo struct {
				Hashes map[string]string `json:"hashes"`
			} `json:"archive_info"`
		} `json:"download_info"`
	} `json:"install"`
}

// lockWheels resolves requirements.in for the image's Python and writes requirements.<arch>.lock.
func (b *Builder) lockWheels(r *Recipe, python string) error {
	target, err := pipTarget(b.Arch, python)
	if err != nil {
		return err
	}
	// Markers such as python_version are evaluated for the Python that pip runs on; it must be the image's version.
	if got, err := b.output(nil, "", "python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"); err != nil || got != python {
		return fmt.Errorf("python3 is %s, expected %s: run this where that is the system's Python (%v)", got, python, err)
	}
	tmp, err := os.MkdirTemp("", "bundle-lock-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	report := filepath.Join(tmp, "report.json")
	args := append([]string{"-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--report", report, "--target", tmp,
		"-r", filepath.Join(r.Dir, "requirements.in")}, target...)
	// Wheels that lie around on this machine need not be the ones that others get.
	if err := b.run([]string{"PIP_FIND_LINKS=", "PIP_NO_INDEX=0"}, "", "python3", args...); err != nil {
		return err
	}
	data, err := os.ReadFile(report)
	if err != nil {
		return err
	}
	var rep pipReport
	if err := json.Unmarshal(data, &rep); err != nil {
		return fmt.Errorf("read pip's report: %w", err)
	}
	file := wheelLockFile(r, b.Arch)
	lock, err := wheelLock(rep, r.Name, nil)
	if err != nil {
		return err
	}
	if err := replaceFile(file, lock); err != nil {
		return err
	}
	// Licences stand in the wheels; older pips leave them out of the report.
	wheels, err := b.fetchWheels(r, python)
	if err != nil {
		return err
	}
	licenses := map[string]string{}
	for _, wheel := range wheels {
		sum, _, err := hashFile(wheel)
		if err != nil {
			return err
		}
		if licenses[sum], err = wheelLicense(wheel); err != nil {
			return fmt.Errorf("read licence of %s: %w", filepath.Base(wheel), err)
		}
	}
	if lock, err = wheelLock(rep, r.Name, licenses); err != nil {
		return err
	}
	return replaceFile(file, lock)
}

// wheelLock writes a lock file; licenses, by hash, become comments.
func wheelLock(rep pipReport, name string, licenses map[string]string) ([]byte, error) {
	var lines []string
	for _, in := range rep.Install {
		sum := in.DownloadInfo.ArchiveInfo.Hashes["sha256"]
		if sum == "" {
			return nil, fmt.Errorf("pip's report has no sha256 for %s", in.Metadata.Name)
		}
		line := fmt.Sprintf("%s==%s --hash=sha256:%s", strings.ToLower(in.Metadata.Name), in.Metadata.Version, sum)
		if l := licenses[sum]; l != "" {
			line += "  # " + l
		}
		lines = append(lines, line)
	}
	if len(lines) == 0 {
		return nil, fmt.Errorf("pip's report lists nothing to install")
	}
	slices.Sort(lines)
	return []byte("# Written by `go run ./scripts/bundle lock " + name + "` from requirements.in; the comments are licences.\n" + strings.Join(lines, "\n") + "\n"), nil
}

// wheelLicense prefers the SPDX expression, then the classifiers, then the free text, whose first line has the name.
func wheelLicense(wheel string) (string, error) {
	zr, err := zip.OpenReader(wheel)
	if err != nil {
		return "", err
	}
	defer zr.Close()
	for _, zf := range zr.File {
		if dir, file := path.Split(zf.Name); file != "METADATA" || !strings.HasSuffix(dir, ".dist-info/") {
			continue
		}
		f, err := zf.Open()
		if err != nil {
			return "", err
		}
		defer f.Close()
		// Old metadata has lines that are no header; the headers before them are enough here.
		h, _ := textproto.NewReader(bufio.NewReader(f)).ReadMIMEHeader()
		return licenseOf(h), nil
	}
	return "", fmt.Errorf("it has no METADATA")
}

func licenseOf(h textproto.MIMEHeader) string {
	if l := h.Get("License-Expression"); l != "" {
		return l
	}
	var names []string
	for _, c := range h.Values("Classifier") {
		if rest, ok := strings.CutPrefix(c, "License :: "); ok {
			if parts := strings.Split(rest, " :: "); parts[len(parts)-1] != "OSI Approved" {
				names = append(names, parts[len(parts)-1])
			}
		}
	}
	if len(names) > 0 {
		return strings.Join(names, ", ")
	}
	line, _, _ := strings.Cut(strings.TrimSpace(h.Get("License")), "\n")
	if line == "" || len(line) > 60 {
		return "see its metadata"
	}
	return line
}
