//go:build e2e

package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// pages lets a real browser on the LAN walk through every page, in light and
// dark, wide and narrow; its screenshots are kept.
func (s *story) pages(t *testing.T) {
	s.loginLink(t)
	admin, err := s.Admin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte(admin.Password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := filepath.Abs(filepath.Join(artifacts(t), "pages"))
	if err != nil {
		t.Fatal(err)
	}
	browser := s.Host.OnLAN(t.Context(), "node", "browser/main.mjs", "--url", "http://"+s.Host.Address().String()+":8080",
		"--password-file", password, "--out", out, "--train", "--require", "run,run-parent,artifacts,artifact,experiments,comparing,projects,project,model,version,version-of-a-script,lineage,dataset,alias,deployment,pod,prediction,rollback")
	browser.Dir = filepath.Join(repository, "assets", "web")
	said, err := browser.CombinedOutput()
	if err != nil {
		t.Errorf("%v:\n%s", err, said)
	}
	t.Logf("%s", said)
	if shots, _ := filepath.Glob(filepath.Join(out, "*.png")); len(shots) < 10 {
		t.Errorf("%d screenshots in %s, want one a page at least", len(shots), out)
	}
}

// loginLink follows the printed link, which signs in once.
func (s *story) loginLink(t *testing.T) {
	client := s.Host.HTTPFromLAN()
	for i, want := range []int{http.StatusSeeOther, http.StatusUnauthorized} {
		r, err := client.Get(s.said.UI)
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Body.Close()
		if r.StatusCode != want {
			t.Errorf("use %d of the login link: %s, want %d", i+1, r.Status, want)
		}
		signedIn := false
		for _, c := range r.Cookies() {
			signedIn = signedIn || c.Name == "benchtop_session" && c.HttpOnly && c.Value != ""
		}
		if signedIn != (i == 0) {
			t.Errorf("use %d of the login link: signed in is %v", i+1, signedIn)
		}
	}
}
