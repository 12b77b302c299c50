//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/scripts/testhost/drive"
)

// nginxConfig has one server for each way in which people set a proxy up.
const nginxConfig = `
daemon off; master_process off; pid DIR/pid; error_log DIR/error.log;
events {}
http {
  access_log off;
  client_body_temp_path DIR/body; proxy_temp_path DIR/proxy; fastcgi_temp_path DIR/f; uwsgi_temp_path DIR/u; scgi_temp_path DIR/s;
  ssl_certificate DIR/cert.pem; ssl_certificate_key DIR/key.pem;
  server { listen 8091; location / { proxy_pass http://127.0.0.1:8080; } }
  server { listen 8092; location / { proxy_pass http://127.0.0.1:8080; proxy_set_header Host $host; } }
  server { listen 8093; location / { proxy_pass http://127.0.0.1:8080; proxy_set_header Host $http_host; } }
  server { listen 8094 ssl; location / { proxy_pass http://127.0.0.1:8080; } }
  server {
    listen 8095 ssl;
    location / {
      proxy_pass http://127.0.0.1:8080;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }
  }
  server { listen 8096; location /lab/ { proxy_pass http://127.0.0.1:8080/; } }
}
`

// behindNginx signs in through a real nginx on the lab's machine, with a real
// browser on the LAN.
func (s *story) behindNginx(t *testing.T) {
	dir := t.TempDir()
	cert, key := selfSigned(t, "lab")
	for name, content := range map[string][]byte{"cert.pem": cert, "key.pem": key} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(strings.ReplaceAll(nginxConfig, "DIR", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	nginx := s.Host.InNetwork(t.Context(), "/usr/sbin/nginx", "-p", dir, "-c", filepath.Join(dir, "nginx.conf"))
	nginx.Stdout, nginx.Stderr = &said, &said
	if err := nginx.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = nginx.Process.Kill() // its child dies with it
		_ = nginx.Wait()
	}()
	address := s.Host.Address().String()
	if err := drive.Eventually(t.Context(), patience, func() error {
		r, err := s.Host.HTTPFromLAN().Get("http://" + address + ":8091/login")
		if err == nil {
			_ = r.Body.Close()
		}
		return err
	}); err != nil {
		t.Fatalf("nginx does not serve: %v\n%s", err, said.String())
	}

	admin, err := s.Admin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	password := filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte(admin.Password), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := filepath.Abs(filepath.Join(artifacts(t), "proxies"))
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		url, cookie string // cookie is the session's, "" if nobody is signed in
		text        []string
	}{
		{"http://" + address + ":8091/", "", []string{"came from another site", "proxy_set_header Host $http_host;", "public_url: http://" + address + ":8091"}},
		{"http://" + address + ":8092/", "", []string{"came from another site", "proxy_set_header Host $http_host;", "with the port"}},
		{"http://" + address + ":8093/", "benchtop_session", []string{"Overview"}},
		{"https://" + address + ":8094/", "benchtop_session", []string{"Overview"}}, // the browser vouches; nobody says HTTPS
		{"https://" + address + ":8095/", "__Host-benchtop_session", []string{"Overview"}},
		{"http://" + address + ":8096/lab/", "", []string{"The style sheet of this page did not load.", "give it a host name of its own"}},
	}
	args := []string{"browser/proxies.mjs", "--password-file", password, "--out", out}
	for _, c := range cases {
		args = append(args, c.url)
	}
	browser := s.Host.OnLAN(t.Context(), "node", args...)
	browser.Dir = filepath.Join(repository, "assets", "web")
	var complaints bytes.Buffer
	browser.Stderr = &complaints
	printed, err := browser.Output()
	if err != nil {
		t.Fatalf("%v\n%s%s", err, printed, complaints.String())
	}
	results := json.NewDecoder(bytes.NewReader(printed))
	for _, c := range cases {
		var got struct {
			URL, At, Text string
			Live          bool
			Cookies       []struct {
				Name   string
				Secure bool
			}
		}
		if err := results.Decode(&got); err != nil {
			t.Fatal(err)
		}
		session := ""
		for _, k := range got.Cookies {
			if strings.HasSuffix(k.Name, "benchtop_session") {
				session = k.Name
				if k.Secure != strings.HasPrefix(k.Name, "__Host-") {
					t.Errorf("%s: cookie %+v", c.url, k)
				}
			}
		}
		if session != c.cookie || got.Live != (c.cookie != "") {
			t.Errorf("%s: the session is %q and live %t, want %q:\n%s", c.url, session, got.Live, c.cookie, got.Text)
		}
		for _, want := range c.text {
			if !strings.Contains(got.Text, want) {
				t.Errorf("%s does not say %q:\n%s", c.url, want, got.Text)
			}
		}
	}
	s.countsTheClient(t, "https://"+address+":8095")
}

// countsTheClient guesses once through a trusted proxy, with a header that the
// client has made up.
func (s *story) countsTheClient(t *testing.T, base string) {
	if out, err := s.Host.OnLAN(t.Context(), "curl", "-sk", "-m", "20", "-H", "X-Forwarded-For: 203.0.113.7", "-H", "Authorization: Bearer guess", base+"/api/status").CombinedOutput(); err != nil || !strings.Contains(string(out), "These credentials are not right.") {
		t.Fatalf("a guess: %v %s", err, out)
	}
	lines := strings.Split(s.sh(t, "grep -h 'credentials refused' /var/lib/benchtop/log/*.log"), "\n")
	logged := regexp.MustCompile(`address=(\S+)`).FindStringSubmatch(lines[len(lines)-1])
	own, err := s.Host.OnLAN(t.Context(), "ip", "-4", "-o", "addr").Output()
	if err != nil {
		t.Fatal(err)
	}
	if logged == nil || !strings.Contains(string(own), " "+logged[1]+"/") || logged[1] == "127.0.0.1" {
		t.Errorf("the attempt counts for %v, want the client, which has:\n%s", logged, own)
	}
}

// behindConfiguredProxy signs in as a browser that reaches the lab at the
// configured public address, and through a proxy on the LAN.
func (s *story) behindConfiguredProxy(t *testing.T, base string) {
	password, err := s.ReadFile(t.Context(), s.said.PasswordFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		origin, host string
		status       int
	}{
		{"https://lab.home.arpa", "", http.StatusSeeOther},
		{"https://other.home.arpa", "other.home.arpa", http.StatusSeeOther},
		{"https://evil.home.arpa", "", http.StatusForbidden},
	} {
		ask := func(method, cookie string, form url.Values) *http.Response {
			req, err := http.NewRequestWithContext(t.Context(), method, base+"/login", strings.NewReader(form.Encode()))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if method == http.MethodPost {
				req.Header.Set("Origin", c.origin)
				req.Header.Set("Cookie", cookie)
			}
			if c.host != "" {
				req.Header.Set("X-Forwarded-Host", c.host)
				req.Header.Set("X-Forwarded-Proto", "https")
			}
			r, err := s.Host.HTTPFromLAN().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		r := ask(http.MethodGet, "", nil)
		page, err := io.ReadAll(r.Body)
		_ = r.Body.Close()
		token := regexp.MustCompile(`name="csrf" value="([^"]*)"`).FindSubmatch(page)
		if err != nil || token == nil || len(r.Cookies()) != 1 {
			t.Fatalf("no form: %v %s", err, page)
		}
		r = ask(http.MethodPost, r.Cookies()[0].Name+"="+r.Cookies()[0].Value, url.Values{"name": {"admin"}, "password": {strings.TrimSpace(password)}, "csrf": {string(token[1])}})
		_ = r.Body.Close()
		secure := false
		for _, k := range r.Cookies() {
			secure = secure || k.Name == "__Host-benchtop_session" && k.Secure
		}
		if r.StatusCode != c.status || secure != (c.status == http.StatusSeeOther) {
			t.Errorf("sign-in from %s: %s, %v; want %d", c.origin, r.Status, r.Cookies(), c.status)
		}
	}
}
