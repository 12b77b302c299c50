package packages

import (
	"regexp"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

var (
	runsOfDots  = regexp.MustCompile(`[-_.]+`)
	projectName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,198}[a-z0-9])?$`)
	fileName    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+!-]{0,239}$`)
)

// Normalize returns a project's name as indexes spell it (PEP 503).
func Normalize(name string) string {
	return strings.ToLower(runsOfDots.ReplaceAllString(name, "-"))
}

// sdistEndings are those of source archives that installers unpack.
var sdistEndings = []string{".tar.gz", ".zip", ".tgz", ".tar.bz2"}

const wheelEnding = ".whl"

// fileOf reads the name of a file of a project: its version, and whether it is a
// wheel. ok is false if it is neither a wheel nor a source archive of the project.
func fileOf(project, name string) (version string, wheel, ok bool) {
	if !fileName.MatchString(name) {
		return "", false, false
	}
	if w, err := parseWheel(name); err == nil {
		return w.version, true, w.project == project
	}
	for _, ending := range sdistEndings {
		stem, is := strings.CutSuffix(name, ending)
		if !is {
			continue
		}
		for i := range stem {
			if stem[i] == '-' && i+1 < len(stem) && Normalize(stem[:i]) == project {
				return stem[i+1:], false, true
			}
		}
	}
	return "", false, false
}

// wheelName is the name of a wheel in its parts (PEP 427).
type wheelName struct {
	project                  string // normalised
	version                  string
	build                    string // "" for most
	pythons, abis, platforms []string
}

func parseWheel(name string) (wheelName, error) {
	stem, is := strings.CutSuffix(name, wheelEnding)
	parts := strings.Split(stem, "-")
	if !is || len(parts) < 5 || len(parts) > 6 || !fileName.MatchString(name) || !projectName.MatchString(Normalize(parts[0])) || parts[1] == "" {
		return wheelName{}, mlops.Errorf(mlops.Invalid, "%s is no wheel's name: expected NAME-VERSION-PYTHON-ABI-PLATFORM.whl", name)
	}
	w := wheelName{project: Normalize(parts[0]), version: strings.ReplaceAll(parts[1], "_", "-")}
	if len(parts) == 6 {
		w.build = parts[2]
	}
	tags := parts[len(parts)-3:]
	w.pythons, w.abis, w.platforms = strings.Split(tags[0], "."), strings.Split(tags[1], "."), strings.Split(tags[2], ".")
	return w, nil
}

// sameVersion reports whether two texts are the same version, as far as pins and
// names of files differ in practice: v1.0, 1.0 and 1.0.0 are.
func sameVersion(a, b string) bool { return plainVersion(a) == plainVersion(b) }

func plainVersion(v string) string {
	v = strings.TrimPrefix(strings.ToLower(strings.TrimSpace(v)), "v")
	v, local, isLocal := strings.Cut(v, "+")
	v = strings.NewReplacer("-", ".", "_", ".").Replace(v)
	for strings.HasSuffix(v, ".0") {
		v = strings.TrimSuffix(v, ".0")
	}
	if isLocal {
		v += "+" + strings.NewReplacer("-", ".", "_", ".").Replace(local)
	}
	return v
}
