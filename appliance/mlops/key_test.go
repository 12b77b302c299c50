package mlops

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestKeyRequest(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	k, err := KeyRequest{Name: "ada", Role: "editor", Buckets: []string{"data:rw", "other", "third:ro"}, Expires: "90d"}.Key(now)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(k)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"id":0,"name":"ada","role":"editor","buckets":["data:rw","other:ro","third:ro"],"created_at":"2026-11-21T12:00:00Z","expires_at":"2027-02-19T12:00:00Z"}`
	if string(b) != want {
		t.Errorf("the key is\n%s, want\n%s", b, want)
	}
	var back Key
	if err := json.Unmarshal(b, &back); err != nil || len(back.Buckets) != 3 || !back.Buckets[0].Write || back.Buckets[1].Write {
		t.Errorf("read back: %+v %v", back, err)
	}
	for expires, want := range map[string]string{"30s": "2026-11-21T12:00:30Z", "15m": "2026-11-21T12:15:00Z", "12h": "2026-11-22T00:00:00Z", "2w": "2026-12-05T12:00:00Z",
		"2027-01-31": "2027-01-31T00:00:00Z", "2027-01-31T10:00:00Z": "2027-01-31T10:00:00Z"} {
		k, err := KeyRequest{Name: "ada", Role: "reader", Expires: expires}.Key(now)
		if err != nil || k.ExpiresAt.Format(time.RFC3339) != want {
			t.Errorf("expires %s: %s %v, want %s", expires, k.ExpiresAt, err, want)
		}
		if k.Expired(now) || !k.Expired(k.ExpiresAt) {
			t.Errorf("expires %s: wrong end", expires)
		}
	}
	if k, err := (KeyRequest{Name: "ada", Role: "reader"}).Key(now); err != nil || k.Expired(now.AddDate(500, 0, 0)) {
		t.Errorf("without an end: %+v %v", k, err)
	}
	for _, c := range []struct {
		name, role, bucket, expires, text string
	}{
		{"", "reader", "", "", "expected 1 to 40 lower-case letters"},
		{"Ada", "reader", "", "", "expected 1 to 40 lower-case letters"},
		{"a/b", "reader", "", "", "expected 1 to 40 lower-case letters"},
		{"al", "reader", "", "", "needs 3 characters"},
		{"admin", "reader", "", "", "belongs to the appliance itself"},
		{"trainer", "reader", "", "", "belongs to the appliance itself"},
		{"keeper-mlflow", "reader", "", "", "belongs to the appliance itself"},
		{"benchtop-root", "reader", "", "", "belongs to the appliance itself"},
		{"ada", "", "", "", "expected one of admin, editor, trainer, reader"},
		{"ada", "Admin", "", "", "expected one of admin, editor, trainer, reader"},
		{"ada", "admin", "data", "", "reaches every bucket: leave bucket data out"},
		{"ada", "reader", "data:rw", "", "give it data:ro, or choose role trainer"},
		{"ada", "editor", "data:w", "", "expected NAME, NAME:ro or NAME:rw"},
		{"ada", "editor", "data:", "", "expected NAME, NAME:ro or NAME:rw"},
		{"ada", "editor", "Data", "", "bucket name \"Data\" is not usable"},
		{"ada", "editor", "a*b", "", "is not usable"},
		{"ada", "editor", "a..b", "", "is not usable"},
		{"ada", "editor", "*", "", "is not usable"},
		{"ada", "reader", "", "soon", "expected for example 90d"},
		{"ada", "reader", "", "0d", "expected for example 90d"},
		{"ada", "reader", "", "-3d", "expected for example 90d"},
		{"ada", "reader", "", "999999w", "more than 100 years"},
		{"ada", "reader", "", "2026-11-21", "in the past"},
	} {
		req := KeyRequest{Name: c.name, Role: c.role, Expires: c.expires}
		if c.bucket != "" {
			req.Buckets = []string{c.bucket}
		}
		if _, err := req.Key(now); CodeOf(err) != Invalid || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%+v: %v, want %q", req, err, c.text)
		}
	}
	if _, err := (KeyRequest{Name: "ada", Role: "editor", Buckets: []string{"data", "data:rw"}}).Key(now); err == nil || !strings.Contains(err.Error(), "named twice") {
		t.Errorf("a bucket named twice: %v", err)
	}
}

// TestRoles is the table of who may do what, written a second time.
func TestRoles(t *testing.T) {
	for role, want := range map[Role]string{
		RoleReader: "read browse", RoleTrainer: "read record store", RoleEditor: "read browse record store operate",
		RoleAdmin: "read browse record store operate administer", "owner": "", "": "",
	} {
		var may []string
		for _, p := range []Permission{Read, Browse, Record, Store, Operate, Administer} {
			if role.May(p) {
				may = append(may, string(p))
			}
		}
		if got := strings.Join(may, " "); got != want {
			t.Errorf("%q may %s, want %s", role, got, want)
		}
	}
	if len(Roles()) != len(rights) {
		t.Error("Roles leaves one out")
	}
}

func TestKeyRequestOfProjects(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	k, err := KeyRequest{Name: "ada", Role: "trainer", Projects: []string{"wine", "iris"}}.Key(now)
	if err != nil || !k.Principal().Reaches("iris") || k.Principal().Reaches("other") {
		t.Errorf("%+v, %v", k, err)
	}
	for _, c := range []struct {
		role     string
		projects []string
		text     string
	}{
		{"admin", []string{"wine"}, "role admin is for the whole lab, keys and removing for good among it: leave project wine out, or choose role editor"},
		{"reader", []string{"wine", "wine"}, "project wine is named twice"},
		{"reader", []string{""}, "project name"},
		{"reader", []string{"a/b"}, "expected 1 to 40 lower-case letters"},
	} {
		if _, err := (KeyRequest{Name: "ada", Role: c.role, Projects: c.projects}).Key(now); CodeOf(err) != Invalid || !strings.Contains(MessageOf(err), c.text) {
			t.Errorf("%s %q: %v, want %q", c.role, c.projects, err, c.text)
		}
	}
}
