package appliance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Where `benchtop install` puts things.
const (
	InstalledBinary = "/usr/local/bin/benchtop"
	InstalledUnit   = "/etc/systemd/system/benchtop.service"
)

// unitFile is the systemd unit. Killing the process only leaves the pods
// alone; delegation lets the kubelet manage their cgroups.
func unitFile(dataDir string) string {
	return `[Unit]
Description=Benchtop MLOps lab
Documentation=https://github.com/benchtop-lab/benchtop
After=network.target

[Service]
Type=notify
NotifyAccess=all
ExecStart=` + InstalledBinary + ` up --data-dir ` + systemdQuote(dataDir) + `
KillMode=process
Delegate=yes
Restart=always
RestartSec=2
TimeoutStartSec=0
TimeoutStopSec=30
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity

[Install]
WantedBy=multi-user.target
`
}

// systemdQuote quotes an argument of ExecStart, see systemd.service(5).
func systemdQuote(s string) string {
	if !strings.ContainsAny(s, " \t\"'\\%$;") {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%", "$", "$$").Replace(s) + `"`
}

// Install copies the running binary to InstalledBinary and writes the systemd
// unit. With start it also enables and starts the unit. It returns what it
// did, a line each.
func Install(ctx context.Context, cfg Config, start bool) (did []string, err error) {
	if os.Geteuid() != 0 {
		return nil, mlops.Errorf(mlops.Denied, "only root may install: run this with sudo")
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own executable: %w", err)
	}
	if exe != InstalledBinary {
		if err := copyExecutable(exe, InstalledBinary); err != nil {
			return nil, err
		}
		did = append(did, "installed "+InstalledBinary)
	}
	if err := os.MkdirAll("/etc/systemd/system", 0o755); err != nil {
		return did, fmt.Errorf("create unit directory: %w", err)
	}
	if err := writeFileAtomic(InstalledUnit, []byte(unitFile(cfg.DataDir)), 0o644); err != nil {
		return did, err
	}
	did = append(did, "wrote "+InstalledUnit)
	if _, err := os.Stat(DefaultConfigFile); errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll("/etc/benchtop", 0o755); err != nil {
			return did, fmt.Errorf("create configuration directory: %w", err)
		}
		mode := fs.FileMode(0o644)
		if strings.Contains(cfg.IndexURL, "@") {
			mode = 0o600 // it has a password
		}
		if err := writeFileAtomic(DefaultConfigFile, []byte(cfg.YAML()), mode); err != nil {
			return did, err
		}
		did = append(did, "wrote "+DefaultConfigFile)
	}
	if !start {
		return did, nil
	}
	if !systemdRuns() {
		return append(did, "systemd does not run here: start the lab with `benchtop up`, or with the machine's own init"), nil
	}
	for _, args := range [][]string{{"daemon-reload"}, {"enable", "--now", "--no-block", "benchtop.service"}} {
		if err := systemctl(ctx, args...); err != nil {
			return did, err
		}
	}
	return append(did, "started benchtop.service; follow it with `benchtop status` and `benchtop logs -f`"), nil
}

// Uninstall removes what Install made. Configuration and data stay.
func Uninstall(ctx context.Context) (did []string, err error) {
	if os.Geteuid() != 0 {
		return nil, mlops.Errorf(mlops.Denied, "only root may uninstall: run this with sudo")
	}
	if _, err := os.Stat(InstalledUnit); err == nil && systemdRuns() {
		if err := systemctl(ctx, "disable", "--now", "benchtop.service"); err != nil {
			return nil, err
		}
		did = append(did, "stopped benchtop.service")
	}
	for _, f := range []string{InstalledUnit, InstalledBinary} {
		err := os.Remove(f)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return did, fmt.Errorf("remove %s: %w", f, err)
		}
		did = append(did, "removed "+f)
	}
	if systemdRuns() {
		if err := systemctl(ctx, "daemon-reload"); err != nil {
			return did, err
		}
	}
	if len(did) == 0 {
		return []string{"nothing was installed"}, nil
	}
	return append(did, "data and configuration stay; pods go on serving. `benchtop reset` deletes both"), nil
}

// systemdRuns is sd_booted(3).
func systemdRuns() bool {
	st, err := os.Lstat("/run/systemd/system")
	return err == nil && st.IsDir()
}

func systemctl(ctx context.Context, args ...string) error {
	out, err := exec.CommandContext(ctx, "systemctl", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("systemctl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// copyExecutable replaces the destination as a whole, so that a running
// copy at the destination goes on with its old file.
func copyExecutable(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("open own executable: %w", err)
	}
	defer src.Close()
	dst, err := pendingFile(to, 0o755)
	if err != nil {
		return fmt.Errorf("install %s: %w", to, err)
	}
	defer dst.Cleanup() //nolint:errcheck // nothing is left to do about it
	_, err = io.Copy(dst, src)
	if err == nil {
		err = dst.CloseAtomicallyReplace()
	}
	if err != nil {
		return fmt.Errorf("install %s: %w", to, err)
	}
	return nil
}
