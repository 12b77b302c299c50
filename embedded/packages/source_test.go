package packages

import (
	"crypto/md5" //nolint:gosec // what an old index names
	"encoding/hex"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/packages/packagestest"
)

func mustURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func itoa(n int) string { return strconv.Itoa(n) }

func md5Of(b []byte) string {
	sum := md5.Sum(b)
	return hex.EncodeToString(sum[:])
}

func TestFindSource(t *testing.T) {
	tls := httptest.NewTLSServer(nil)
	defer tls.Close()
	const own, std = "https://own.example/simple", "https://standard.example/simple/"
	for _, c := range []struct {
		what      string
		setting   string
		env       map[string]string
		files     map[string]string
		url, from string
		ca        string
	}{
		{what: "nothing", url: std, from: "the standard of uv"},
		{what: "the setting", setting: own, env: map[string]string{"PIP_INDEX_URL": std}, url: own, from: "packages.index_url"},
		{what: "pip's variable first", env: map[string]string{"PIP_INDEX_URL": own, "UV_DEFAULT_INDEX": std}, url: own, from: "PIP_INDEX_URL"},
		{what: "uv's variable", env: map[string]string{"UV_DEFAULT_INDEX": "corp=" + own, "UV_INDEX_URL": std}, url: own, from: "UV_DEFAULT_INDEX"},
		{what: "uv's old variable", env: map[string]string{"UV_INDEX_URL": own}, files: map[string]string{"etc/pip.conf": "[global]\nindex-url = " + std}, url: own, from: "UV_INDEX_URL"},
		{what: "pip's file", files: map[string]string{"etc/pip.conf": "# ours\n[global]\ntimeout = 5\nindex_url: " + own + "\ncert=/a.pem\n[list]\nindex-url = x"}, url: own, from: "/etc/pip.conf", ca: "/a.pem"},
		{what: "pip's user", files: map[string]string{"etc/pip.conf": "[global]\nindex-url=" + std, "root/.config/pip/pip.conf": "[global]\nindex-url = " + own}, url: own, from: "/root/.config/pip/pip.conf"},
		{what: "pip's old place", files: map[string]string{"etc/xdg/pip/pip.conf": "[global]\nindex-url=" + std, "root/.pip/pip.conf": "[global]\nindex-url = " + own}, url: own, from: "/root/.pip/pip.conf"},
		{what: "of installing", files: map[string]string{"etc/pip.conf": "[install]\nindex-url = " + own, "root/.config/pip/pip.conf": "[global]\nindex-url = " + std}, url: own, from: "/etc/pip.conf"},
		{what: "pip's named file", env: map[string]string{"PIP_CONFIG_FILE": "/opt/p.conf"}, files: map[string]string{"opt/p.conf": "[global]\nindex-url = " + own, "etc/pip.conf": "[global]\nindex-url=" + std}, url: own, from: "/opt/p.conf"},
		{what: "no file of pip", env: map[string]string{"PIP_CONFIG_FILE": "/dev/null"}, files: map[string]string{"etc/pip.conf": "[global]\nindex-url=" + own}, url: std, from: "the standard of uv"},
		{what: "uv's file", files: map[string]string{"etc/uv/uv.toml": "index-url = '" + own + "'"}, url: own, from: "/etc/uv/uv.toml"},
		{what: "uv's user", files: map[string]string{"etc/uv/uv.toml": "index-url = '" + std + "'", "root/.config/uv/uv.toml": "index-url = '" + std + "'\n[[index]]\nname = 'x'\nurl = '" + std + "'\n[[index]]\nurl = '" + own + "'\ndefault = true"}, url: own, from: "/root/.config/uv/uv.toml"},
		{what: "an index beside the standard one", files: map[string]string{"etc/uv/uv.toml": "[[index]]\nurl = '" + own + "'"}, url: std, from: "the standard of uv"},
		{what: "variables for certificates", env: map[string]string{"PIP_CERT": "/b.pem", "SSL_CERT_FILE": "/c.pem"}, files: map[string]string{"etc/pip.conf": "[global]\ncert=/a.pem"}, url: std, from: "the standard of uv", ca: "/b.pem"},
		{what: "the system's certificates", env: map[string]string{"SSL_CERT_FILE": "/c.pem"}, url: std, from: "the standard of uv", ca: "/c.pem"},
	} {
		root := t.TempDir()
		for name, text := range c.files {
			file := filepath.Join(root, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"a.pem", "b.pem", "c.pem"} {
			if err := os.WriteFile(filepath.Join(root, name), pemOf(tls), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if c.ca != "" {
			c.ca = filepath.Join(root, c.ca)
		}
		m := Machine{Env: func(k string) string { return c.env[k] }, Root: root, Home: "/root"}
		s, problems := FindSource(c.setting, std, m)
		if s.URL != c.url || s.From != c.from || s.CA != c.ca || len(problems) > 0 {
			t.Errorf("%s: found %+v %v, expected %s from %s, CA %s", c.what, s, problems, c.url, c.from, c.ca)
		}
	}
	if s, _ := FindSource("", "", Machine{Env: func(string) string { return "" }, Root: t.TempDir()}); s.URL != "" {
		t.Errorf("without any it is %+v", s)
	}
}

func TestFindSourceSaysWhatItPassesOver(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "etc/uv"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "etc/uv/uv.toml"), []byte("index-url = "), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(root, "etc/pip.conf"), 0o755); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"PIP_INDEX_URL": "file:///s3cret", "PIP_CERT": "/none.pem"}
	s, problems := FindSource("", "https://standard.example/simple", Machine{Env: func(k string) string { return env[k] }, Root: root})
	said := strings.Join(problems, "\n")
	if s.From != "the standard of uv" || len(problems) != 4 || s.CA != "" || strings.Contains(said, "s3cret") ||
		!strings.Contains(said, "the certificates that PIP_CERT names can't be read: ") || !strings.Contains(said, "pip's configuration can't be read: ") || !strings.Contains(said, "uv's configuration /etc/uv/uv.toml can't be read") ||
		!strings.Contains(said, "the index that PIP_INDEX_URL names can't be used: expected the address of a package index such as https://packages.example.org/simple/") {
		t.Errorf("found %+v, and says\n%s", s, said)
	}
}

func TestCertificates(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for ca, want := range map[string]string{
		empty:       empty + ", which PIP_CERT names, holds no certificate: expected PEM",
		dir + "/no": "the certificates that PIP_CERT names can't be read: open " + dir + "/no: no such file or directory",
	} {
		_, err := New(Config{Source: Source{URL: "https://own.example/simple", CA: ca, CAFrom: "PIP_CERT"}})
		if mlops.CodeOf(err) != mlops.Invalid || mlops.MessageOf(err) != want {
			t.Errorf("%s: %v", ca, err)
		}
	}
}

func pemOf(s *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

// An index whose certificate only pip's setting knows is believed; without it, it is
// not reached.
func TestOwnCertificate(t *testing.T) {
	up := packagestest.New()
	defer up.Close()
	up.Put("demo", wheel1, packagestest.File{Bytes: packagestest.Wheel("demo", "1.0")})
	secure := httptest.NewTLSServer(up)
	defer secure.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pemOf(secure), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]int{ca: http.StatusOK, "": http.StatusNotFound} {
		l := newLab(t, func(c *Config) { c.Source = Source{URL: secure.URL + "/simple", CA: file, CAFrom: "PIP_CERT"} })
		if status, _, b, _ := l.fetched(t, "/simple/demo/"); status != want {
			t.Errorf("with certificates %q it is %d %s", file, status, b)
		}
	}
}
