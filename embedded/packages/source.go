package packages

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/x509"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Source is the index upstream.
type Source struct {
	URL    string // may hold a user and a password; "" if there is no index
	From   string // what names it, such as PIP_INDEX_URL or /etc/pip.conf
	CA     string // file of certificates that are trusted too, "" for none
	CAFrom string
}

// Machine is where FindSource looks.
type Machine struct {
	Env  func(string) string // os.Getenv
	Root string              // of the files, "/"
	Home string              // as seen from Root; "" if there is none
}

// FindSource returns the index that is asked: setting if it is not "", else the one
// that pip or uv of this machine would ask, else standard, which may be "". What is
// set and can't be used is passed over; problems say so.
func FindSource(setting, standard string, m Machine) (s Source, problems []string) {
	pip, troubles := m.pipConfig()
	problems = append(problems, troubles...)
	for _, ca := range []Source{{CA: m.Env("PIP_CERT"), CAFrom: "PIP_CERT"}, pip.cert, {CA: m.Env("SSL_CERT_FILE"), CAFrom: "SSL_CERT_FILE"}} {
		if ca.CA == "" {
			continue
		}
		ca.CA = m.path(ca.CA)
		if _, err := ca.trusted(); err != nil {
			problems = append(problems, mlops.MessageOf(err))
			continue
		}
		s.CA, s.CAFrom = ca.CA, ca.CAFrom
		break
	}
	candidates := []Source{{URL: setting, From: "packages.index_url"}}
	for _, name := range []string{"PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"} {
		candidates = append(candidates, Source{URL: withoutName(m.Env(name)), From: name})
	}
	uv, troubles := m.uvConfig()
	problems = append(problems, troubles...)
	for _, c := range append(candidates, pip.index, uv, Source{URL: standard, From: "the standard of uv"}) {
		if c.URL == "" {
			continue
		}
		if _, err := parseIndex(c.URL); err != nil {
			problems = append(problems, "the index that "+c.From+" names can't be used: "+mlops.MessageOf(err))
			continue
		}
		s.URL, s.From = c.URL, c.From
		break
	}
	return s, problems
}

var namedIndex = regexp.MustCompile(`^[A-Za-z0-9._-]+=`)

// withoutName takes off the name that uv lets an index have: NAME=URL.
func withoutName(v string) string { return namedIndex.ReplaceAllString(strings.TrimSpace(v), "") }

// trusted returns the certificates that are trusted: the system's and those of CA.
// nil stands for the system's alone.
func (s Source) trusted() (*x509.CertPool, error) {
	if s.CA == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(s.CA)
	if err != nil {
		return nil, mlops.Errorf(mlops.Invalid, "the certificates that %s names can't be read: %v", s.CAFrom, err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, mlops.Errorf(mlops.Invalid, "%s, which %s names, holds no certificate: expected PEM", s.CA, s.CAFrom)
	}
	return pool, nil
}

// CheckIndexURL checks the address of an index.
func CheckIndexURL(v string) error {
	_, err := parseIndex(v)
	return err
}

func (m Machine) path(name string) string { return filepath.Join(m.Root, name) }

// pipSettings are those of pip's configuration files that matter here.
type pipSettings struct{ index, cert Source }

// pipConfig reads pip's files in pip's order; later ones win, and what is said of
// installing wins over what is said of all commands.
func (m Machine) pipConfig() (out pipSettings, problems []string) {
	files := []string{}
	if own := m.Env("PIP_CONFIG_FILE"); own != os.DevNull {
		for dir := range strings.SplitSeq(cmp.Or(m.Env("XDG_CONFIG_DIRS"), "/etc/xdg"), ":") {
			files = append(files, dir+"/pip/pip.conf")
		}
		files = append(files, "/etc/pip.conf")
		if m.Home != "" {
			files = append(files, m.Home+"/.pip/pip.conf", cmp.Or(m.Env("XDG_CONFIG_HOME"), m.Home+"/.config")+"/pip/pip.conf")
		}
		if own != "" {
			files = append(files, own)
		}
	}
	found := map[string]Source{}
	for _, file := range files {
		b, err := os.ReadFile(m.path(file))
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			problems = append(problems, "pip's configuration can't be read: "+err.Error())
			continue
		}
		for key, v := range parseINI(b) {
			found[key] = Source{URL: v, From: file, CA: v, CAFrom: file}
		}
	}
	for _, section := range []string{"global.", "install."} {
		if s, ok := found[section+"index-url"]; ok {
			out.index = Source{URL: s.URL, From: s.From}
		}
		if s, ok := found[section+"cert"]; ok {
			out.cert = Source{CA: s.CA, CAFrom: s.CAFrom}
		}
	}
	return out, problems
}

// parseINI returns the values of a file as SECTION.KEY, as pip spells keys.
func parseINI(b []byte) map[string]string {
	out, section := map[string]string{}, ""
	for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if line[0] == '[' {
			section = strings.Trim(line, "[]")
			continue
		}
		if at := strings.IndexAny(line, "=:"); at > 0 {
			key := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(line[:at])), "_", "-")
			out[section+"."+strings.TrimPrefix(key, "--")] = strings.TrimSpace(line[at+1:])
		}
	}
	return out
}

// uvConfig reads uv's files; the user's wins.
func (m Machine) uvConfig() (s Source, problems []string) {
	files := []string{}
	if m.Home != "" {
		files = append(files, cmp.Or(m.Env("XDG_CONFIG_HOME"), m.Home+"/.config")+"/uv/uv.toml")
	}
	for _, file := range append(files, "/etc/uv/uv.toml") {
		b, err := os.ReadFile(m.path(file))
		if os.IsNotExist(err) {
			continue
		}
		var in struct {
			IndexURL string `toml:"index-url"`
			Pip      struct {
				IndexURL string `toml:"index-url"`
			} `toml:"pip"`
			Index []struct {
				URL     string `toml:"url"`
				Default bool   `toml:"default"`
			} `toml:"index"`
		}
		if err == nil {
			err = toml.Unmarshal(b, &in)
		}
		if err != nil {
			problems = append(problems, "uv's configuration "+file+" can't be read")
			continue
		}
		url := cmp.Or(in.IndexURL, in.Pip.IndexURL)
		for _, i := range in.Index {
			if i.Default {
				url = i.URL
				break
			}
		}
		if url != "" {
			return Source{URL: url, From: file}, problems
		}
	}
	return Source{}, problems
}
