package mlops

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Key is an access key: one name and one token for every door of the lab. The
// token is not part of it; see appliance/access.
type Key struct {
	ID         int64       `json:"id"`
	Name       string      `json:"name"` // also the user name, and the access key of S3
	Role       Role        `json:"role"`
	Buckets    []KeyBucket `json:"buckets"`
	Projects   []string    `json:"projects,omitempty"` // all that it reaches of the registry and the API; empty is everything
	Room       string      `json:"room,omitempty"`     // of a guided lab, if it is the key that the lab comes with
	Gone       []string    `json:"gone,omitempty"`     // those of Projects that do not exist any more
	CreatedAt  time.Time   `json:"created_at"`
	ExpiresAt  time.Time   `json:"expires_at,omitzero"`   // zero is never
	LastUsedAt time.Time   `json:"last_used_at,omitzero"` // to the minute
	Salt       []byte      `json:"-"`                     // what its token is derived from, with the server's secret
}

// NewKey is a key just made. Its token is shown this once.
type NewKey struct {
	Key
	Token string `json:"token"`
}

// Expired reports whether the key has ended.
func (k Key) Expired(now time.Time) bool { return !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt) }

// Principal is who comes with the key.
func (k Key) Principal() Principal {
	return Principal{Name: k.Name, Role: k.Role, Key: k.ID, Projects: k.Projects, Metrics: k.Room != ""}
}

// ProjectNames are the key's projects as lists show them: what is gone says so.
func (k Key) ProjectNames() []string {
	names := slices.Clone(k.Projects)
	for i, name := range names {
		if slices.Contains(k.Gone, name) {
			names[i] = name + "(gone)"
		}
	}
	return names
}

// KeyBucket is a bucket that a key reaches, or what begins with a prefix in
// it. As text it is NAME:ro, NAME:rw, NAME/PREFIX:ro or NAME/PREFIX:rw.
type KeyBucket struct {
	Name   string
	Prefix string // without wildcards, for example wine/
	Write  bool
}

func (b KeyBucket) String() string {
	name := b.Name
	if b.Prefix != "" {
		name += "/" + b.Prefix
	}
	if b.Write {
		return name + ":rw"
	}
	return name + ":ro"
}

// MarshalText implements encoding.TextMarshaler.
func (b KeyBucket) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. Without a mode it is ro.
func (b *KeyBucket) UnmarshalText(text []byte) error {
	where, mode, given := strings.Cut(string(text), ":")
	name, prefix, _ := strings.Cut(where, "/")
	if !bucketName.MatchString(name) || strings.Contains(name, "..") {
		return Errorf(Invalid, "bucket name %q is not usable: expected 3 to 63 lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit", name)
	}
	if !bucketPrefix.MatchString(prefix) {
		return Errorf(Invalid, "bucket %q: the prefix %q is not usable: expected letters, digits and any of / - _ . = +, and no leading '/'", string(text), prefix)
	}
	if given && mode != "ro" && mode != "rw" {
		return Errorf(Invalid, "bucket %q: expected NAME, NAME:ro or NAME:rw", string(text))
	}
	*b = KeyBucket{Name: name, Prefix: prefix, Write: mode == "rw"}
	return nil
}

var bucketPrefix = regexp.MustCompile(`^([A-Za-z0-9_.=+-][A-Za-z0-9/_.=+-]*)?$`)

// ProjectKeyName is the name of the key that a project's trainer comes with.
func ProjectKeyName(project string) string { return projectKeyPrefix + project }

const projectKeyPrefix = "project-"

// DeploymentKeyName is the name of the key that a deployment of its own brings
// versions with.
func DeploymentKeyName(deployment string) string { return deploymentKeyPrefix + deployment }

const deploymentKeyPrefix = "deployment-"

// DeploymentOf returns the deployment that brings versions with the key, if
// one does.
func (k Key) DeploymentOf() (deployment string, ok bool) {
	deployment, ok = strings.CutPrefix(k.Name, deploymentKeyPrefix)
	return deployment, ok && k.Role == RoleReader && len(k.Buckets) == 0
}

// ProjectOf returns the project whose trainer comes with the key, if one does.
func (k Key) ProjectOf() (project string, ok bool) {
	project, ok = strings.CutPrefix(k.Name, projectKeyPrefix)
	return project, ok && k.Role == RoleTrainer && len(k.Buckets) == 1 && k.Buckets[0].Prefix != ""
}

// OnlyOfRoom reports whether somebody has made the key for the bucket of a guided
// lab's room, and for nothing else that is stored.
func (k Key) OnlyOfRoom(room string) bool {
	return k.Room == "" && len(k.Buckets) > 0 && !slices.ContainsFunc(k.Buckets, func(b KeyBucket) bool { return b.Name != room })
}

var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// KeyRequest asks for a key, in the words of who asks.
type KeyRequest struct {
	Name     string   `json:"name"`
	Role     string   `json:"role"`
	Buckets  []string `json:"buckets,omitempty"`  // NAME, NAME:ro or NAME:rw
	Projects []string `json:"projects,omitempty"` // all that it reaches; everything if empty
	Expires  string   `json:"expires,omitempty"`  // 90d, 12h, 2027-01-31, or "" for never
}

// Key checks the request and returns the key it asks for.
func (r KeyRequest) Key(now time.Time) (Key, error) {
	if err := validateKeyName(r.Name); err != nil {
		return Key{}, err
	}
	k := Key{Name: r.Name, CreatedAt: now, Buckets: []KeyBucket{}}
	var err error
	if k.Role, err = ParseRole(r.Role); err != nil {
		return Key{}, err
	}
	if k.ExpiresAt, err = parseExpiry(r.Expires, now); err != nil {
		return Key{}, err
	}
	for _, project := range r.Projects {
		switch err := ValidateName("project", project); {
		case err != nil:
			return Key{}, err
		case k.Role.May(Administer):
			return Key{}, Errorf(Invalid, "role %s is for the whole lab, keys and removing for good among it: leave project %s out, or choose role %s", k.Role, project, RoleEditor)
		case slices.Contains(k.Projects, project):
			return Key{}, Errorf(Invalid, "project %s is named twice", project)
		}
		k.Projects = append(k.Projects, project)
	}
	seen := map[string]bool{}
	for _, text := range r.Buckets {
		var b KeyBucket
		if err := b.UnmarshalText([]byte(text)); err != nil {
			return Key{}, err
		}
		switch {
		case k.Role.May(Administer):
			return Key{}, Errorf(Invalid, "role %s reaches every bucket: leave bucket %s out", k.Role, b.Name)
		case b.Write && !k.Role.May(Store):
			return Key{}, Errorf(Invalid, "role %s may only read: give it %s:ro, or choose role %s", k.Role, b.Name, RoleTrainer)
		case seen[b.Name+"/"+b.Prefix]:
			return Key{}, Errorf(Invalid, "bucket %s is named twice", strings.TrimSuffix(b.Name+"/"+b.Prefix, "/"))
		}
		seen[b.Name+"/"+b.Prefix] = true
		k.Buckets = append(k.Buckets, b)
	}
	return k, nil
}

func validateKeyName(s string) error {
	if err := ValidateName("key", s); err != nil {
		return err
	}
	if len(s) < 3 {
		return Errorf(Invalid, "key name %q is too short: it is also an access key of S3, which needs 3 characters", s)
	}
	if s == "admin" || s == "trainer" || s == "root" || strings.HasPrefix(s, "benchtop-") || strings.HasPrefix(s, "keeper-") {
		return Errorf(Invalid, "key name %q belongs to the appliance itself: choose another, for example the name of who will use it", s)
	}
	if strings.HasPrefix(s, projectKeyPrefix) {
		return Errorf(Invalid, "key name %q looks like that of a project's trainer: choose one that does not begin with %s", s, projectKeyPrefix)
	}
	if strings.HasPrefix(s, deploymentKeyPrefix) {
		return Errorf(Invalid, "key name %q looks like that of a deployment: choose one that does not begin with %s", s, deploymentKeyPrefix)
	}
	return nil
}

var fromNow = regexp.MustCompile(`^([1-9][0-9]{0,5})([smhdw])$`)

// parseExpiry reads when a key ends, zero for "".
func parseExpiry(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if m := fromNow.FindStringSubmatch(s); m != nil {
		n, _ := strconv.Atoi(m[1]) // at most six digits
		unit := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour}[m[2]]
		if time.Duration(n) <= maxExpiry/unit {
			return now.Add(time.Duration(n) * unit), nil
		}
		return time.Time{}, Errorf(Invalid, "expires %q is more than 100 years away: leave it out for a key that does not expire", s)
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if end, err := time.Parse(layout, s); err == nil {
			if !end.After(now) {
				return time.Time{}, Errorf(Invalid, "expires %q is in the past: it is now %s", s, now.UTC().Format(time.RFC3339))
			}
			return end, nil
		}
	}
	return time.Time{}, Errorf(Invalid, "expires %q is not a time: expected for example 90d, 12h or 2w from now, or a date such as %s", s, now.AddDate(0, 3, 0).UTC().Format(time.DateOnly))
}

const maxExpiry = 100 * 366 * 24 * time.Hour

// ObjectUser is a key as the object store knows it: the name is its access
// key, the token its secret.
type ObjectUser struct {
	Name, Secret string
	All          bool // every bucket, and making new ones
	Buckets      []KeyBucket
}
