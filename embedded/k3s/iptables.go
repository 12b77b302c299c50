package k3s

import (
	"os/exec"
	"path/filepath"
)

// BundledIptables returns the directory of the bundled iptables that works
// with this kernel. It is for machines that have none: see
// assets/images/iptables.
func BundledIptables(binDir string) string {
	nft := filepath.Join(binDir, "aux", "nft")
	if exec.Command(filepath.Join(nft, "iptables"), "-w", "5", "-t", "nat", "-n", "-L", "POSTROUTING").Run() == nil {
		return nft
	}
	return filepath.Join(binDir, "aux", "legacy")
}
