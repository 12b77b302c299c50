package mlops

import (
	"regexp"
	"time"
)

// Dataset is one immutable version of a named set of examples. Its bytes lie
// in the object store at s3://Bucket/Key and are known by their digest.
type Dataset struct {
	ID        int64     `json:"id"`
	Name      string    `json:"name"`
	Version   int       `json:"version"` // 1, 2, … per name
	SHA256    string    `json:"sha256"`  // lower-case hex of the bytes
	Bucket    string    `json:"bucket"`
	Key       string    `json:"key"`
	Bytes     int64     `json:"bytes"`
	Rows      int       `json:"rows"`
	Features  int       `json:"features"`
	Classes   []string  `json:"classes,omitempty"`
	Source    string    `json:"source,omitempty"` // where it came from, with its licence
	CreatedAt time.Time `json:"created_at"`
}

// MaxDatasetBytes is how many bytes a dataset that people store may have: it is
// looked at in memory, by the lab and by the trainer.
const MaxDatasetBytes = 64 << 20

// URI returns the dataset's address in the object store.
func (d Dataset) URI() string { return "s3://" + d.Bucket + "/" + d.Key }

var (
	dnsLabel  = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$`)
	sha256Hex = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// IsSHA256 reports whether s is a SHA-256 as datasets are known by.
func IsSHA256(s string) bool { return sha256Hex.MatchString(s) }

// ValidateName reports whether s can name a project, dataset or deployment:
// a DNS label of at most 40 characters, because it becomes a namespace and a
// host name with a suffix.
func ValidateName(what, s string) error {
	if !dnsLabel.MatchString(s) {
		return Errorf(Invalid, "%s name %q is not usable: expected 1 to 40 lower-case letters, digits or '-', starting with a letter and not ending with '-'", what, s)
	}
	return nil
}

// Validate checks the fields that a caller sets.
func (d Dataset) Validate() error {
	if err := ValidateName("dataset", d.Name); err != nil {
		return err
	}
	if !IsSHA256(d.SHA256) {
		return Errorf(Invalid, "dataset %s: digest %q is not 64 lower-case hex digits", d.Name, d.SHA256)
	}
	if d.Bucket == "" || d.Key == "" {
		return Errorf(Invalid, "dataset %s: bucket and key must be set", d.Name)
	}
	if d.Rows < 1 || d.Features < 1 {
		return Errorf(Invalid, "dataset %s: expected at least one row and one feature, found %d and %d", d.Name, d.Rows, d.Features)
	}
	return nil
}
