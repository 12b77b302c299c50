package appliance

import "testing"

func TestSystemdQuote(t *testing.T) {
	for in, want := range map[string]string{
		"/var/lib/benchtop": "/var/lib/benchtop",
		"/srv/my data":      `"/srv/my data"`,
		`/srv/100%"$x\y`:    `"/srv/100%%\"$$x\\y"`,
	} {
		if got := systemdQuote(in); got != want {
			t.Errorf("systemdQuote(%q) = %s, want %s", in, got, want)
		}
	}
}
