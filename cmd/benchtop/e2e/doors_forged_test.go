//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// forgedRequests sends requests as a proxy of Grafana's or a notebook does,
// which adds the password to what its own pages send, and as a browser that was
// tricked into it.
func (s *story) forgedRequests(t *testing.T) {
	admin, err := s.Admin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	user, token := "admin:"+admin.Password, "Authorization: Bearer "+admin.Token
	const query, json, form = "http://appliance:8080/prometheus/api/v1/query", "Content-Type: application/json", "Content-Type: application/x-www-form-urlencoded"
	for _, site := range []string{"same-site", "cross-site"} {
		from := "Sec-Fetch-Site: " + site
		s.programAsks(t, 200, `"status":"success"`, "-u", user, "-H", from, "--data-urlencode", "query=up", query)
		s.programAsks(t, 200, `"status":"success"`, "-u", user, "-H", from, "-H", "Sec-Fetch-Mode: cors", "-H", "Origin: http://grafana.example:3000", "--data-urlencode", "query=up", query)
		for _, base := range []string{"http://appliance:5000", "http://appliance:8080"} {
			search := base + "/api/2.0/mlflow/experiments/search"
			body := `{"max_results": 5}`
			s.programAsks(t, 200, "experiments", "-u", user, "-H", from, "-d", body, search)
			s.programAsks(t, 200, "experiments", "-u", user, "-H", from, "-H", "Sec-Fetch-Mode: cors", "-H", "Origin: http://hub.example", "-H", json, "-d", body, search)
			s.programAsks(t, 200, "experiments", "-H", token, "-H", from, "-H", "Sec-Fetch-Mode: cors", "-H", "Origin: http://hub.example", "-H", form, "-d", body, search)
			for _, browser := range [][]string{{"navigate", form}, {"no-cors", "Content-Type: text/plain"}, {"cors", "Content-Type: text/plain"}} {
				s.programAsks(t, 403, "came from another site", "-u", user, "-H", from, "-H", "Sec-Fetch-Mode: "+browser[0], "-H", "Origin: https://evil.example", "-H", browser[1], "-d", body, search)
			}
		}
	}
	s.programAsks(t, 401, `"error_code":"UNAUTHENTICATED"`, "-u", "admin:wrong", "-H", "Sec-Fetch-Site: cross-site", "--data-urlencode", "query=up", query)
	// Programs read JSON, also when something goes wrong.
	for path, status := range map[string]int{"/api/nothing": 404, "/api/status": 405, "/prometheus/graph": 404, "/prometheus/api/v1/nothing": 404, "/api/2.0/mlflow/nothing": 404, "/api/2.0/mlflow/runs/get": 405} {
		s.programAsks(t, status, "{", "-u", user, "-X", "POST", "-H", "Accept: text/html", "http://appliance:8080"+path)
	}
}

// programAsks runs curl on the LAN and returns the body of the answer. Errors
// must be JSON.
func (s *story) programAsks(t *testing.T, status int, want string, args ...string) string {
	t.Helper()
	// The LAN knows the lab by address only.
	resolve := []string{"-s", "-m", "20", "-w", "\n%{http_code} %{content_type}"}
	for _, port := range []string{"80", "443", "5000", "8080"} {
		resolve = append(resolve, "--resolve", "appliance:"+port+":"+s.Host.Address().String())
	}
	out, err := s.Host.OnLAN(t.Context(), "curl", append(resolve, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("curl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	body, said, _ := cutLast(string(out), "\n")
	if !strings.HasPrefix(said, fmt.Sprint(status)+" ") || !strings.Contains(body, want) || status >= 400 && !strings.HasSuffix(said, " application/json") {
		t.Errorf("curl %s: %s, want %d with %q:\n%.2000s", strings.Join(args, " "), said, status, want, body)
	}
	return body
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
