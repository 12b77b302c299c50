package mlops

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"
)

// CodeEnvironment is what code that was pushed runs in if the lab's Python does not
// have what it needs: packages, in a layer that is put on the lab's image. It
// belongs to one project: building a package may run any program, so that no other
// project may have to trust the result.
type CodeEnvironment struct {
	ID          int64                `json:"id"`
	Project     string               `json:"project"`
	Request     string               `json:"request"`     // digest of what the code asked for, lower-case hex
	LockSHA256  string               `json:"lock_sha256"` // digest of Lock, the base and the architecture
	Base        string               `json:"base"`        // image that it was made for
	LayerSHA256 string               `json:"layer_sha256"`
	LayerBytes  int64                `json:"layer_bytes"`
	LayerOf     string               `json:"layer_of"` // the request whose layer it is: that of an earlier one with the same lock
	Packages    []EnvironmentPackage `json:"packages"` // what the layer holds
	Kept        []EnvironmentPackage `json:"kept"`     // what the lab's Python has of the lock
	Lock        string               `json:"lock"`     // requirements with hashes, as pip reads them
	CreatedAt   time.Time            `json:"created_at"`
}

// EnvironmentPackage is a package of an environment.
type EnvironmentPackage struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Bytes   int64  `json:"bytes,omitempty"`  // on disk
	From    string `json:"from,omitempty"`   // name of the file that it was installed from
	SHA256  string `json:"sha256,omitempty"` // of that file
}

// LayerKey is the place of the layer in EnvironmentBucket.
func (e CodeEnvironment) LayerKey() string { return EnvironmentLayerKey(e.Project, e.LayerOf) }

// EnvironmentLayerKey is where the layer of an environment goes that is built.
func EnvironmentLayerKey(project, request string) string { return project + "/" + request + ".tar" }

// EnvironmentReportKey is where the report on an environment goes that is built.
func EnvironmentReportKey(project, request string) string { return project + "/" + request + ".json" }

// EnvironmentImage is the name of the image that the environment makes of base. It
// is the project's own, so that it can go with the project.
func (e CodeEnvironment) EnvironmentImage(base string) string {
	sum := sha256.Sum256([]byte(e.Project + ": " + e.LayerSHA256 + " on " + base))
	return EnvironmentRepository + ":" + hex.EncodeToString(sum[:])[:12]
}

// EnvironmentReport is what the Job that builds an environment says of it.
type EnvironmentReport struct {
	Request    string `json:"request"`
	LockSHA256 string `json:"lock_sha256"`
	Python     string `json:"python"`
	// Known says that the lock is one of those that there is an environment for:
	// nothing was built.
	Known bool `json:"known"`
	Layer *struct {
		Bytes  int64  `json:"bytes"`
		SHA256 string `json:"sha256"`
	} `json:"layer"`
	Packages []EnvironmentPackage `json:"packages"`
	Kept     []EnvironmentPackage `json:"kept"`
	Lock     string               `json:"lock"`
}

// ParseEnvironmentReport reads a report on what was asked for. It was written where
// packages may have run programs of their own, so it is checked.
func ParseEnvironmentReport(text []byte, request string) (r EnvironmentReport, err error) {
	wrong := func(what string) error {
		return Errorf(Invalid, "the report on environment %.12s can't be used: %s", request, what)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, wrong(err.Error())
	}
	switch {
	case r.Request != request:
		return r, wrong("it is about another one")
	case !IsSHA256(r.LockSHA256):
		return r, wrong("it names no lock")
	case !r.Known && (r.Layer == nil || !IsSHA256(r.Layer.SHA256) || r.Layer.Bytes <= 0):
		return r, wrong("it names no layer")
	}
	return r, nil
}
