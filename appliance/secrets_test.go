package appliance

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func TestSecrets(t *testing.T) {
	p := newPaths(t)
	s, err := LoadSecrets(p)
	if err != nil {
		t.Fatal(err)
	}
	expectMode(t, p.Secrets()+"/secrets.json", 0o600)
	expectMode(t, p.AdminPassword(), 0o600)
	again, err := LoadSecrets(p)
	if err != nil || again != s {
		t.Errorf("the second start has other secrets: %v", err)
	}
	other, err := LoadSecrets(newPaths(t))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, s := range []Secrets{s, other} {
		for _, v := range []string{s.AdminPassword, s.AdminToken, s.Trainer, s.S3Root.Access, s.S3Root.Secret} {
			if len(v) < 20 && !strings.HasPrefix(v, "benchtop-") || all[v] {
				t.Errorf("secret %q is short, or shared", v)
			}
			all[v] = true
		}
	}
	b, err := os.ReadFile(p.Secrets() + "/secrets.json")
	if err != nil || bytes.Contains(b, []byte(s.AdminPassword)) {
		t.Errorf("the administrator's password lies in two places (%v)", err)
	}
}

func TestSecretsOfAnEarlierVersionAreCompleted(t *testing.T) {
	p := newPaths(t)
	write(t, p.Secrets()+"/secrets.json", `{"s3_root": {"access": "old", "secret": "kept"}}`)
	write(t, p.AdminPassword(), "  chosen by me \n")
	s, err := LoadSecrets(p)
	if err != nil {
		t.Fatal(err)
	}
	if s.S3Root != (KeyPair{"old", "kept"}) || s.AdminPassword != "chosen by me" {
		t.Errorf("what was there changed: %+v", s)
	}
	if s.Trainer == "" || s.AdminToken == "" {
		t.Errorf("what was missing is still: %+v", s)
	}
	if again, err := LoadSecrets(p); err != nil || again != s {
		t.Errorf("they did not last: %v", err)
	}
}

func TestSecretsErrors(t *testing.T) {
	p := newPaths(t)
	file := p.Secrets() + "/secrets.json"
	write(t, file, `{"s3_root": `)
	_, err := LoadSecrets(p)
	if err == nil || err.Error() != "read "+file+": unexpected end of JSON input (restore it from a backup, or delete it to make new secrets)" {
		t.Errorf("damaged secrets: error %v", err)
	}
	if b, _ := os.ReadFile(file); string(b) != `{"s3_root": ` {
		t.Errorf("damaged secrets were overwritten with %s", b)
	}
	p = newPaths(t)
	write(t, p.AdminPassword(), " \n")
	if _, err := LoadSecrets(p); err == nil || err.Error() != p.AdminPassword()+" is empty: write a password into it, or delete it to get a new one" {
		t.Errorf("an empty password: error %v", err)
	}
}

func TestWriteFileAtomic(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "f")
	for _, content := range []string{"long content", "short"} {
		if err := writeFileAtomic(file, []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(file); string(b) != content || err != nil {
			t.Errorf("it holds %q (%v)", b, err)
		}
	}
	expectMode(t, file, 0o640)
	if err := writeFileAtomic(filepath.Join(dir, "none", "f"), nil, 0o600); err == nil || !strings.HasPrefix(err.Error(), "write "+dir+"/none/f: ") {
		t.Errorf("error %v", err)
	}
	if err := os.Mkdir(filepath.Join(dir, "d"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := writeFileAtomic(filepath.Join(dir, "d"), nil, 0o600); err == nil {
		t.Error("a directory was replaced by a file")
	}
	if left, _ := filepath.Glob(dir + "/.*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestLoginTokens(t *testing.T) {
	tokens := newLoginTokens()
	a, b := tokens.New(), tokens.New()
	if a == b || len(a) < 26 {
		t.Errorf("tokens are %q and %q", a, b)
	}
	if tokens.TakeLoginToken("") || tokens.TakeLoginToken(a+"x") {
		t.Error("a token that was never given out works")
	}
	if !tokens.TakeLoginToken(a) || tokens.TakeLoginToken(a) {
		t.Error("a token works once, neither never nor twice")
	}
	for key, end := range tokens.live {
		if left := time.Until(end); left > tokenValid || left < tokenValid-time.Minute {
			t.Errorf("a token is good for %s", left)
		}
		tokens.live[key] = time.Now().Add(-time.Second)
	}
	if tokens.TakeLoginToken(b) {
		t.Error("a token works after its end")
	}
	if len(tokens.live) != 0 {
		t.Error("used tokens are kept")
	}
}

func TestAuth(t *testing.T) {
	a := NewAuth(Secrets{AdminPassword: "pw", AdminToken: "token", Trainer: "train"}, nil)
	for _, c := range []struct {
		name, password string
		want           mlops.Role
	}{
		{"admin", "pw", mlops.RoleAdmin}, {"trainer", "train", mlops.RoleTrainer},
		{"admin", "train", ""}, {"trainer", "pw", ""}, {"admin", "", ""}, {"", "", ""}, {"nobody", "pw", ""}, {"Admin", "pw", ""}, {"admin", "pw ", ""},
	} {
		p, err := a.Password(c.name, c.password)
		if (err == nil) != (c.want != "") || p.Role != c.want || err == nil && p.Name != c.name {
			t.Errorf("%s with %q: %+v, %v", c.name, c.password, p, err)
		}
	}
	if p, err := a.Token("token"); err != nil || p.Role != mlops.RoleAdmin || p.Name != "admin" {
		t.Errorf("the administrator's token is %+v, %v", p, err)
	}
	for _, bad := range []string{"", "pw", "token "} {
		if p, err := a.Token(bad); err == nil {
			t.Errorf("token %q is %+v", bad, p)
		}
	}
	// What must not happen: an account without a password lets everybody in.
	empty := NewAuth(Secrets{}, nil)
	if _, err := empty.Password("admin", ""); err == nil {
		t.Error("without secrets the empty password is the administrator's")
	}
	if _, err := empty.Token(""); err == nil {
		t.Error("without secrets the empty token is the administrator's")
	}
}
