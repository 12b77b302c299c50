package packages

import (
	"regexp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Pin is a package that a lock names.
type Pin struct {
	Name    string   `json:"name"` // normalised
	Version string   `json:"version"`
	SHA256  []string `json:"sha256,omitempty"` // of its files; empty if the lock names none
	// Optional says that the lock wants it on some machines only.
	Optional bool `json:"optional,omitempty"`
}

// ParseLock reads a lock: uv.lock, or else lines as those of requirements.txt. Each
// line must be a pin, NAME==VERSION.
func ParseLock(file string, b []byte) ([]Pin, error) {
	if strings.HasSuffix(file, ".lock") && strings.Contains(string(b), "[[package]]") {
		return parseUVLock(file, b)
	}
	return parseRequirements(file, string(b))
}

func parseUVLock(file string, b []byte) ([]Pin, error) {
	type artifact struct {
		Hash string `toml:"hash"`
	}
	var in struct {
		Packages []struct {
			Name    string         `toml:"name"`
			Version string         `toml:"version"`
			Source  map[string]any `toml:"source"`
			Wheels  []artifact     `toml:"wheels"`
			Sdist   artifact       `toml:"sdist"`
		} `toml:"package"`
	}
	if err := toml.Unmarshal(b, &in); err != nil {
		return nil, mlops.Errorf(mlops.Invalid, "%s is no lock of uv: %v", file, err)
	}
	var pins []Pin
	for _, p := range in.Packages {
		for _, own := range []string{"editable", "virtual"} {
			if _, is := p.Source[own]; is {
				p.Version = "" // the project itself
			}
		}
		if p.Version == "" {
			continue
		}
		if _, is := p.Source["registry"]; !is {
			return nil, mlops.Errorf(mlops.Invalid, "%s takes %s from elsewhere than an index: build a wheel of it, and add that", file, p.Name)
		}
		// uv locks for every machine at once.
		pin := Pin{Name: Normalize(p.Name), Version: p.Version, Optional: true}
		for _, a := range append(p.Wheels, p.Sdist) {
			if sha, ok := strings.CutPrefix(a.Hash, "sha256:"); ok {
				pin.SHA256 = append(pin.SHA256, sha)
			}
		}
		pins = append(pins, pin)
	}
	return pins, nil
}

var (
	pinLine  = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*={2,3}\s*([A-Za-z0-9][A-Za-z0-9.!+_-]*)\s*(;.*)?$`)
	lineHash = regexp.MustCompile(`--hash[= ]sha256:([0-9a-fA-F]{64})`)
	options  = regexp.MustCompile(`\s--[a-z].*$`)
	remark   = regexp.MustCompile(`(^|\s)#.*$`)
)

// What lines of requirements lead elsewhere; other options say how to install.
var elsewhere = []string{"-r", "--requirement", "-c", "--constraint", "-e", "--editable"}

func parseRequirements(file, text string) ([]Pin, error) {
	var pins []Pin
	text = strings.NewReplacer("\r\n", "\n").Replace(text)
	// A remark ends its line even if a backslash ends the remark.
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(remark.ReplaceAllString(lines[i], ""))
	}
	for line := range strings.SplitSeq(strings.ReplaceAll(strings.Join(lines, "\n"), "\\\n", " "), "\n") {
		line = strings.TrimSpace(line)
		option, _, _ := strings.Cut(strings.ReplaceAll(line, "=", " "), " ")
		switch {
		case slices.Contains(elsewhere, option):
			return nil, mlops.Errorf(mlops.Invalid, "%s: %q leads to another file: lock all of it into one, as `uv pip compile` does", file, line)
		case line == "", line[0] == '-':
			continue
		}
		m := pinLine.FindStringSubmatch(options.ReplaceAllString(line, ""))
		if m == nil {
			return nil, mlops.Errorf(mlops.Invalid, "%s: %q is no pin: expected NAME==VERSION, as `uv pip compile` and `pip freeze` write it", file, line)
		}
		pin := Pin{Name: Normalize(m[1]), Version: m[2], Optional: m[3] != ""}
		for _, h := range lineHash.FindAllStringSubmatch(line, -1) {
			pin.SHA256 = append(pin.SHA256, strings.ToLower(h[1]))
		}
		pins = append(pins, pin)
	}
	if len(pins) == 0 {
		return nil, mlops.Errorf(mlops.Invalid, "%s names no packages: expected a wheel, a source archive, a folder of them, a requirements.txt or a uv.lock", file)
	}
	return pins, nil
}
