package packages

import (
	"encoding/hex"
	"encoding/json"
	"regexp"
	"strings"
)

// link is a file as the page of a project lists it; its JSON is PEP 691's.
type link struct {
	Name           string            `json:"filename"`
	URL            string            `json:"url"`
	Hashes         map[string]string `json:"hashes"`
	RequiresPython string            `json:"requires-python,omitempty"`
	Size           int64             `json:"size,omitempty"` // bytes, 0 if not known
	Uploaded       string            `json:"upload-time,omitempty"`
	Yanked         yanked            `json:"yanked"`
	Metadata       metadataClaim     `json:"core-metadata"`
	// OldMetadata is the name that the draft of PEP 714 had for it.
	OldMetadata metadataClaim `json:"dist-info-metadata"`
}

var hexSHA256 = regexp.MustCompile(`^[0-9a-f]{64}$`)

// sha256 returns the digest that upstream names, "" if it names none.
func (l link) sha256() string {
	if s := strings.ToLower(l.Hashes["sha256"]); hexSHA256.MatchString(s) {
		return s
	}
	return ""
}

// yanked says that a file should not be used, and why (PEP 592): false, true or a
// text in JSON.
type yanked struct {
	Is  bool
	Why string
}

func (y yanked) MarshalJSON() ([]byte, error) {
	if y.Is && y.Why != "" {
		return json.Marshal(y.Why)
	}
	return json.Marshal(y.Is)
}

func (y *yanked) UnmarshalJSON(b []byte) error {
	if json.Unmarshal(b, &y.Why) == nil && string(b) != "null" {
		y.Is = true
		return nil
	}
	return json.Unmarshal(b, &y.Is)
}

// metadataClaim says that the metadata of a wheel can be had by itself (PEP 714):
// false, true or its hashes in JSON.
type metadataClaim struct {
	Is     bool
	Hashes map[string]string
}

func (m metadataClaim) MarshalJSON() ([]byte, error) {
	if m.Is && len(m.Hashes) > 0 {
		return json.Marshal(m.Hashes)
	}
	return json.Marshal(m.Is)
}

func (m *metadataClaim) UnmarshalJSON(b []byte) error {
	if json.Unmarshal(b, &m.Hashes) == nil && string(b) != "null" {
		m.Is = true
		return nil
	}
	return json.Unmarshal(b, &m.Is)
}

// hashesOf reads NAME=HEX, as fragments and attributes have it; nil if it is not
// that.
func hashesOf(text string) map[string]string {
	name, value, ok := strings.Cut(text, "=")
	if _, err := hex.DecodeString(value); !ok || err != nil || value == "" {
		return nil
	}
	return map[string]string{strings.ToLower(name): strings.ToLower(value)}
}
