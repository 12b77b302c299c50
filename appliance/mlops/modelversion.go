package mlops

import (
	"regexp"
	"strings"
	"time"
)

// RegisteredModel names a line of model versions.
type RegisteredModel struct {
	Name         string        `json:"name"`
	Description  string        `json:"description,omitempty"`
	CreatedAt    time.Time     `json:"created_at"`
	LastUpdateAt time.Time     `json:"last_update_at"`
	Aliases      []Alias       `json:"aliases,omitempty"`
	Tags         []KV          `json:"tags,omitempty"`
	Versions     int           `json:"versions"`         // how many there are
	Latest       *ModelVersion `json:"latest,omitempty"` // the newest of them
}

// ModelQuery selects registered models by name. Prompts are none.
type ModelQuery struct {
	Name      string   // part of the name, in any case; "" for all
	Projects  []string // whose models; of all if it is empty
	Max       int      // 1 to 1000
	PageToken string
}

// ModelPage is a page of registered models; NextPageToken is "" on the last.
type ModelPage struct {
	Models        []RegisteredModel
	NextPageToken string
}

// VersionQuery selects the versions of a model, the newest first.
type VersionQuery struct {
	Model     string
	Max       int // 1 to 1000
	PageToken string
}

// VersionPage is a page of versions; NextPageToken is "" on the last.
type VersionPage struct {
	Versions      []ModelVersion
	NextPageToken string
}

// Alias is a movable name for one version of a registered model.
type Alias struct {
	Alias   string `json:"alias"`
	Version int    `json:"version"`
}

// ModelVersion is one immutable model. It points at the run that made it.
type ModelVersion struct {
	Model       string    `json:"model"`
	Version     int       `json:"version"`
	RunID       string    `json:"run_id,omitempty"`
	Source      string    `json:"source"` // artifact URI of the model's files
	Status      string    `json:"status"` // PENDING_REGISTRATION, FAILED_REGISTRATION or READY
	Stage       string    `json:"stage"`  // None, Staging, Production or Archived
	Description string    `json:"description,omitempty"`
	CreatedAt   time.Time `json:"created_at"`
	Aliases     []string  `json:"aliases,omitempty"`
	Tags        []KV      `json:"tags,omitempty"`
}

const maxAlias = 255

var (
	aliasName    = regexp.MustCompile(`^[\w\-]+$`)
	versionAlias = regexp.MustCompile(`^[vV]\d+$`)
)

// ValidateAlias reports whether s can be an alias, by MLflow's rules.
func ValidateAlias(s string) error {
	shown := s
	if r := []rune(s); len(r) > 80 {
		shown = string(r[:80])
	}
	switch {
	case s == "":
		return Errorf(Invalid, "the alias must not be empty")
	case len(s) > maxAlias:
		return Errorf(Invalid, "the alias %q… is longer than %d characters", shown, maxAlias)
	case !aliasName.MatchString(s):
		return Errorf(Invalid, "the alias %q is not usable: expected letters, digits, '_' and '-' only", shown)
	case strings.EqualFold(s, "latest"):
		return Errorf(Invalid, "the alias 'latest' is reserved: it always means the newest version")
	case versionAlias.MatchString(s):
		return Errorf(Invalid, "the alias %q is reserved: 'v' and a number would be taken for a version number", s)
	}
	return nil
}
