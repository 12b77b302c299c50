package appliance

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
)

// Secrets are made at first start and never shown, but for the
// administrator's password, which lies in a file of its own.
type Secrets struct {
	AdminPassword string  `json:"-"`
	AdminToken    string  `json:"admin_token"`    // bearer token of the administrator
	S3Root        KeyPair `json:"s3_root"`        // never leaves the process
	Trainer       string  `json:"mlflow_trainer"` // password of user trainer at the registry: trainings that an earlier version has started come with it
	AccessKeys    string  `json:"access_keys"`    // the tokens of access keys are derived with it
}

// KeyPair is an S3 access key with its secret.
type KeyPair struct {
	Access string `json:"access"`
	Secret string `json:"secret"`
}

// LoadSecrets reads the secrets of a data dir and makes those that are
// missing. Files are 0600, written whole or not at all.
func LoadSecrets(p Paths) (Secrets, error) {
	var s Secrets
	file := filepath.Join(p.Secrets(), "secrets.json")
	b, err := os.ReadFile(file)
	switch {
	case err == nil:
		if err := json.Unmarshal(b, &s); err != nil {
			return s, fmt.Errorf("read %s: %w (restore it from a backup, or delete it to make new secrets)", file, err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return s, fmt.Errorf("read secrets: %w", err)
	}
	before := s
	if s.S3Root.Access == "" {
		s.S3Root = KeyPair{Access: "benchtop-root-" + randomText(5), Secret: randomText(25)}
	}
	for _, t := range []*string{&s.AdminToken, &s.Trainer, &s.AccessKeys} {
		if *t == "" {
			*t = randomText(20)
		}
	}
	if s != before {
		b, err := json.MarshalIndent(s, "", "  ")
		if err != nil {
			return s, fmt.Errorf("encode secrets: %w", err)
		}
		if err := writeFileAtomic(file, b, 0o600); err != nil {
			return s, err
		}
	}
	pw, err := os.ReadFile(p.AdminPassword())
	if errors.Is(err, fs.ErrNotExist) {
		pw = []byte(randomText(15) + "\n")
		if err := writeFileAtomic(p.AdminPassword(), pw, 0o600); err != nil {
			return s, err
		}
	} else if err != nil {
		return s, fmt.Errorf("read administrator's password: %w", err)
	}
	if s.AdminPassword = strings.TrimSpace(string(pw)); s.AdminPassword == "" {
		return s, fmt.Errorf("%s is empty: write a password into it, or delete it to get a new one", p.AdminPassword())
	}
	return s, nil
}

// randomText returns n random bytes as lower-case base 32, 8 characters for 5.
func randomText(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b))
}

// writeFileAtomic replaces a file durably: after a crash it holds the old or
// the new content.
func writeFileAtomic(name string, b []byte, mode os.FileMode) error {
	f, err := pendingFile(name, mode)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	defer f.Cleanup() //nolint:errcheck // nothing is left to do about it
	_, err = f.Write(b)
	if err == nil {
		err = f.CloseAtomicallyReplace()
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// pendingFile opens a file that takes its name when it is whole and on disk.
func pendingFile(name string, mode os.FileMode) (*renameio.PendingFile, error) {
	return renameio.NewPendingFile(name, renameio.WithTempDir(filepath.Dir(name)), renameio.WithStaticPermissions(mode))
}
