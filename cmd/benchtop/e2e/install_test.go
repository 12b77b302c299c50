//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/scripts/testhost"
	"github.com/benchtop-lab/benchtop/scripts/testhost/drive"
)

// TestInstall puts the lab under a real systemd and takes it away again.
func TestInstall(t *testing.T) {
	inTurn(t)
	bare := begin(t, "install-without-systemd", testhost.Options{})
	if out := bare.benchtop(t, "install"); !strings.Contains(out, "systemd does not run here") || !strings.Contains(out, "benchtop up") {
		t.Errorf("without systemd, install says %q", out)
	}
	bare.sh(t, "test -x /usr/local/bin/benchtop; grep -q KillMode=process /etc/systemd/system/benchtop.service")
	bare.benchtop(t, "uninstall")
	if left := bare.sh(t, "ls /usr/local/bin/benchtop /etc/systemd/system/benchtop.service 2>/dev/null || true"); left != "" {
		t.Errorf("uninstall left %s", left)
	}

	s := begin(t, "install", testhost.Options{Systemd: true})
	if err := drive.Eventually(t.Context(), patience, func() error {
		_, err := s.Host.Run(t.Context(), "systemctl", "start", "multi-user.target")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	s.benchtop(t, "install")
	if got := s.sh(t, "systemctl is-enabled benchtop"); got != "enabled" {
		t.Errorf("the unit is %s", got)
	}
	s.sh(t, "systemd-analyze verify benchtop.service")
	url := "http://" + s.Host.Address().String() + "/models/iris/predict?x=" + drive.Setosa
	predict := func() error {
		_, err := drive.Predict(t.Context(), s.Host.HTTPFromLAN(), url, "")
		return err
	}
	if err := drive.Eventually(t.Context(), patience, predict); err != nil {
		t.Fatal(err)
	}
	if _, err := s.WaitState(t.Context(), patience, "ready"); err != nil {
		t.Fatal(err)
	}
	// It announces itself a moment after it is ready.
	if err := drive.Eventually(t.Context(), patience, func() error {
		if got := s.sh(t, "journalctl -u benchtop --no-pager | tail -n 40"); !strings.Contains(got, "Password") {
			return fmt.Errorf("the journal does not say where the password is:\n%s", got)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	// The unit stops; what it started goes on.
	stopping := time.Now()
	s.sh(t, "systemctl stop benchtop")
	if took := time.Since(stopping); took > time.Minute {
		t.Errorf("systemctl stop took %.1f s", took.Seconds())
	}
	if err := predict(); err != nil {
		t.Errorf("while it is stopped: %v", err)
	}
	s.benchtop(t, "install") // again changes nothing and is no mistake
	if err := drive.Eventually(t.Context(), patience, func() error {
		_, err := s.Host.Run(t.Context(), "systemctl", "is-active", "benchtop")
		return err
	}); err != nil {
		t.Errorf("after installing again the unit is not active: %v", err)
	}
	s.benchtop(t, "uninstall")
	if left := s.sh(t, "find /usr/local/bin /etc/systemd /usr/lib/systemd /run/systemd/system -name '*benchtop*' 2>/dev/null || true"); left != "" {
		t.Errorf("uninstall left %s", left)
	}
	if got := s.sh(t, "systemctl is-active benchtop || true"); got != "inactive" {
		t.Errorf("after uninstalling the unit is %s:\n%s", got, s.sh(t, "systemctl show benchtop -p Result,ExecMainStatus,ExecMainCode,SubState; journalctl -u benchtop --no-pager | tail -n 30"))
	}
	if s.sh(t, "ls /var/lib/benchtop/secrets") == "" {
		t.Error("uninstall deleted the data")
	}
}
