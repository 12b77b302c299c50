//go:build e2e

package e2e

import (
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/scripts/testhost"
)

// TestInstall writes and removes a systemd unit. The host has no systemd, so
// a stand-in notes what it is asked for.
func TestInstall(t *testing.T) {
	s := begin(t, "install", testhost.Options{})
	s.refuses(t, []string{"systemd"}, "install")
	s.sh(t, `mkdir -p /run/systemd/system /etc/systemd/system
		printf '#!/bin/sh\necho "$@" >> /tmp/systemctl.log\n' > /usr/bin/systemctl; chmod +x /usr/bin/systemctl`)
	s.benchtop(t, "install")
	unit := s.sh(t, "cat /etc/systemd/system/benchtop.service")
	for _, want := range []string{"[Unit]", "[Service]", "[Install]", "ExecStart=/usr/local/bin/benchtop up", "KillMode=process", "WantedBy=multi-user.target", "Delegate=yes"} {
		if !strings.Contains(unit, want) {
			t.Errorf("the unit has no %q:\n%s", want, unit)
		}
	}
	asked := s.sh(t, "cat /tmp/systemctl.log; : > /tmp/systemctl.log")
	for _, want := range []string{"daemon-reload", "enable", "benchtop"} {
		if !strings.Contains(asked, want) {
			t.Errorf("systemctl was not asked to %s: %s", want, asked)
		}
	}
	s.benchtop(t, "install") // again changes nothing and is no mistake
	s.benchtop(t, "uninstall")
	if left := s.sh(t, "find /etc/systemd /usr/lib/systemd -name '*benchtop*' 2>/dev/null || true"); left != "" {
		t.Errorf("uninstall left %s", left)
	}
	asked = s.sh(t, "cat /tmp/systemctl.log")
	for _, want := range []string{"disable", "daemon-reload"} {
		if !strings.Contains(asked, want) {
			t.Errorf("systemctl was not asked to %s: %s", want, asked)
		}
	}
}
