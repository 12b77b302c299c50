package appliance

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

var unitNames = []string{"control", "web", "minio", "registry", "packages", "prometheus", "dns", "k3s", "loop", "labs"}

// IsUnit reports whether name is a unit of the appliance.
func IsUnit(name string) bool { return slices.Contains(unitNames, name) }

// ofUnit reports whether a line of the log file belongs to a unit, to any if
// it is "". Lines start with the unit's name; Kubernetes writes its own form.
func ofUnit(line, unit string) bool {
	if unit == "" {
		return true
	}
	name, _, ok := strings.Cut(line, ": ")
	if ok && IsUnit(name) {
		return name == unit
	}
	// So does K3s itself, which quotes the time; the appliance does not.
	return unit == "k3s" && (strings.HasPrefix(line, `time="`) || !strings.HasPrefix(line, "time="))
}

// UnitLogs copies the last tail lines of a unit, "" for all, from the log
// file; with follow it goes on until ctx ends. The appliance need not run.
func UnitLogs(ctx context.Context, dataDir, unit string, follow bool, tail int, w io.Writer) error {
	p := Paths{Data: dataDir}
	f, err := os.Open(p.LogFile())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return mlops.Errorf(mlops.NotFound, "there is no log in %s: benchtop has not run with this data dir", dataDir)
	case errors.Is(err, fs.ErrPermission):
		return mlops.Errorf(mlops.Denied, "only root may read %s: run this with sudo", p.LogFile())
	case err != nil:
		return fmt.Errorf("open log: %w", err)
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 64<<10)
	var last []string
	partial := ""
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			partial = line
			break
		}
		if ofUnit(line, unit) {
			if last = append(last, line); len(last) > max(tail, 0) {
				last = last[1:]
			}
		}
	}
	for _, line := range last {
		if _, err := io.WriteString(w, line); err != nil {
			return fmt.Errorf("print log: %w", err)
		}
	}
	rotated := false
	for follow {
		line, err := r.ReadString('\n')
		partial += line
		if err == nil {
			if ofUnit(partial, unit) {
				if _, err := io.WriteString(w, partial); err != nil {
					return fmt.Errorf("print log: %w", err)
				}
			}
			partial = ""
			continue
		}
		if rotated { // and read to its end
			next, err := os.Open(p.LogFile())
			if err != nil {
				return fmt.Errorf("open log: %w", err)
			}
			defer next.Close()
			f, partial, rotated = next, "", false
			r.Reset(f)
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(200 * time.Millisecond):
		}
		// After a rotation the name belongs to a new file. What was written
		// to the old one since we last read comes first.
		if now, err := os.Stat(p.LogFile()); err == nil {
			if open, err := f.Stat(); err == nil && !os.SameFile(now, open) {
				rotated = true
			}
		}
	}
	return nil
}
