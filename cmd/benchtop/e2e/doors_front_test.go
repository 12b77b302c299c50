//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/scripts/testhost/drive"
)

// frontPage types the machine's address into a browser.
func (s *story) frontPage(t *testing.T) {
	address := s.Host.Address().String()
	const browser = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	// It is applied when the rest of the lab has started.
	if err := drive.Eventually(t.Context(), patience, func() error {
		return s.curl(t, 200, "A lab runs on this machine", "-H", browser, "http://"+address+"/")
	}); err != nil {
		t.Fatal(err)
	}
	admin, err := s.Admin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	user := "admin:" + admin.Password
	try := "http://" + address + "/models/iris/predict?x=5.1,3.5,1.4,0.2"
	for _, c := range []struct {
		status int
		want   string
		args   []string
	}{
		{200, `href="http://` + address + `:8080/"`, []string{"-H", browser, "http://" + address + "/"}},
		{200, `href="` + try + `"`, []string{"-H", browser, "http://" + address + "/"}},
		{200, "curl &#39;" + try + "&#39;", []string{"-k", "-H", browser, "https://" + address + "/"}},
		{200, "predictions", []string{try}},
		{404, "Nothing answers at <code>/models/none/predict</code>", []string{"-H", browser, "http://" + address + "/models/none/predict"}},
		{404, "There is nothing at /models/none/predict on this lab's ingress. The web UI is at http://" + address + ":8080/; iris answers at " + try, []string{"http://" + address + "/models/none/predict"}},
		{404, "There is nothing at /models/iris-none/predict", []string{"http://" + address + "/models/iris-none/predict"}},
		{404, "There is nothing at / on", []string{"-X", "POST", "-d", "{}", "http://" + address + "/"}},
		{404, `{"error_code":"ENDPOINT_NOT_FOUND"`, []string{"-H", "Accept: application/json", "http://" + address + "/v2/models"}},
		// The front page opens nothing else of the web UI, not even with the
		// password.
		{404, "Nothing answers at", []string{"-H", browser, "http://" + address + "/login"}},
		{404, "There is nothing at /api/status", []string{"-u", user, "http://" + address + "/api/status"}},
		{404, "There is nothing at", []string{"-u", user, "--path-as-is", "http://" + address + "/../api/status"}},
		{404, "There is nothing at", []string{"-u", user, "--path-as-is", "http://" + address + "/%2e%2e/api/status"}},
		{404, "There is nothing at", []string{"-u", user, "--path-as-is", "http://" + address + "/..%2fapi%2fstatus"}},
		{404, "There is nothing at", []string{"-u", user, "http://" + address + "/front/../prometheus/api/v1/query?query=up"}},
	} {
		if err := s.curl(t, c.status, c.want, c.args...); err != nil {
			t.Error(err)
		}
	}
	// Its style sheet comes with it.
	page, err := s.Host.OnLAN(t.Context(), "curl", "-s", "-H", browser, "http://"+address+"/").Output()
	if err != nil {
		t.Fatal(err)
	}
	_, style, _ := strings.Cut(string(page), `<link rel="stylesheet" href="`)
	style, _, _ = strings.Cut(style, `"`)
	if err := s.curl(t, 200, ".front", "http://"+address+style); err != nil {
		t.Error(err)
	}

	// A user's own rule for everything comes before it, without being told to.
	s.sh(t, drive.Program+` kubectl apply -f - <<'END'
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: everything, namespace: iris}
spec:
  rules:
  - http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: iris, port: {name: http}}}}]}
END`)
	mine := drive.Eventually(t.Context(), patience, func() error { return s.curl(t, 200, `"model"`, "-H", browser, "http://"+address+"/") })
	s.benchtop(t, "kubectl", "delete", "ingress", "-n", "iris", "everything")
	if mine != nil {
		t.Error(mine)
	}
	if err := drive.Eventually(t.Context(), patience, func() error {
		return s.curl(t, 200, "A lab runs on this machine", "-H", browser, "http://"+address+"/")
	}); err != nil {
		t.Error(err)
	}
}

// curl asks on the LAN.
func (s *story) curl(t *testing.T, status int, want string, args ...string) error {
	out, err := s.Host.OnLAN(t.Context(), "curl", append([]string{"-s", "-m", "20", "-w", "\n%{http_code}"}, args...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("curl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	body, code, _ := cutLast(string(out), "\n")
	if code != fmt.Sprint(status) || !strings.Contains(body, want) {
		return fmt.Errorf("curl %s: %s, want %d with %q:\n%.1500s", strings.Join(args, " "), code, status, want, body)
	}
	return nil
}
