package appliance

import (
	"fmt"
	"os"
	"path/filepath"
)

// Paths are the places where the appliance keeps things. Everything but the
// sockets lies below the data dir.
type Paths struct{ Data string }

// Dir returns the directory of one part, for example Dir("minio").
func (p Paths) Dir(part string) string { return filepath.Join(p.Data, part) }

// Registry returns the registry's database file.
func (p Paths) Registry() string { return filepath.Join(p.Data, "registry", "registry.db") }

// Secrets returns the directory that only root may read.
func (p Paths) Secrets() string { return filepath.Join(p.Data, "secrets") }

// AdminPassword returns the file that holds the administrator's password.
func (p Paths) AdminPassword() string { return filepath.Join(p.Secrets(), "admin-password") }

// LogFile returns the log of the appliance and everything embedded in it.
func (p Paths) LogFile() string { return filepath.Join(p.Data, "log", "benchtop.log") }

// Socket returns the control socket that the command line speaks to.
func (p Paths) Socket() string { return filepath.Join(p.Data, "run", "control.sock") }

// Lock returns the lock file: one instance a data dir.
func (p Paths) Lock() string { return filepath.Join(p.Data, "lock") }

// Unclean returns the marker that exists while the appliance runs. Finding it
// at start means that the last instance did not stop in order.
func (p Paths) Unclean() string { return filepath.Join(p.Data, "unclean") }

// Kubeconfig returns the administrator's kubeconfig.
func (p Paths) Kubeconfig() string { return filepath.Join(p.Data, "k3s", "kubeconfig.yaml") }

// Bin returns where the bundled programs are installed.
func (p Paths) Bin() string { return filepath.Join(p.Data, "bin") }

// Scratch returns where things lie for as long as they are looked at. It is
// emptied at each start.
func (p Paths) Scratch() string { return filepath.Join(p.Data, "scratch") }

// Images returns the folder whose image archives are loaded.
func (p Paths) Images() string { return filepath.Join(p.Data, "images") }

// RunDir is cleared by the machine at reboot; pods do not outlive one either.
const RunDir = "/run/benchtop"

func (p Paths) create() error {
	for dir, mode := range map[string]os.FileMode{
		p.Data: 0o711, p.Secrets(): 0o700, p.Dir("log"): 0o700, p.Dir("run"): 0o700,
		p.Dir("registry"): 0o700, p.Dir("minio"): 0o700, p.Dir("prometheus"): 0o700, p.Dir("k3s"): 0o711, p.Bin(): 0o755,
	} {
		if err := os.MkdirAll(dir, mode); err != nil {
			return fmt.Errorf("create directory %s: %w", dir, err)
		}
		if err := os.Chmod(dir, mode); err != nil {
			return fmt.Errorf("set mode of %s: %w", dir, err)
		}
	}
	// What a process that was killed has left.
	if err := os.RemoveAll(p.Scratch()); err != nil {
		return fmt.Errorf("empty directory %s: %w", p.Scratch(), err)
	}
	if err := os.Mkdir(p.Scratch(), 0o700); err != nil {
		return fmt.Errorf("create directory %s: %w", p.Scratch(), err)
	}
	// It may be a link or a mount, whose mode is not ours to set.
	if err := os.MkdirAll(p.Images(), 0o755); err != nil {
		return fmt.Errorf("create images folder: %w", err)
	}
	return nil
}
