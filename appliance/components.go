package appliance

import (
	"regexp"
	"runtime/debug"
	"strings"

	"github.com/benchtop-lab/benchtop/embedded/k3s"
	"github.com/benchtop-lab/benchtop/ui"
)

// Components lists the embedded systems and their versions.
func Components() []ui.Component {
	out := []ui.Component{{Name: "K3s", Version: k3s.Version}}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return out
	}
	for _, d := range info.Deps {
		c, ok := components[d.Path]
		if !ok {
			continue
		}
		v := d.Version
		if d.Replace != nil && strings.HasPrefix(d.Replace.Version, "v") {
			v = d.Replace.Version // else it is a directory: scripts/patch
		}
		v = c.version.ReplaceAllString(strings.TrimSuffix(v, "+incompatible"), c.release)
		out = append(out, ui.Component{Name: c.name, Version: v})
	}
	return out
}

// component says how a module's version reads as the name of a release.
type component struct {
	name    string
	version *regexp.Regexp
	release string
}

var (
	asItIs     = regexp.MustCompile(`^`)
	components = map[string]component{
		"github.com/containerd/containerd/v2": {"containerd", asItIs, ""},
		"modernc.org/sqlite":                  {"SQLite (modernc.org/sqlite)", asItIs, ""},
		// Prometheus 3.11.3 is the module's version v0.311.3.
		"github.com/prometheus/prometheus": {"Prometheus", regexp.MustCompile(`^v0\.(\d)(\d\d)\.(\d+)$`), "v$1.$2.$3"},
		// MinIO names releases by their date; the module has pseudo-versions.
		"github.com/minio/minio": {"MinIO", regexp.MustCompile(`^v0\.0\.0-(\d{4})(\d\d)(\d\d)\d{6}-([0-9a-f]{12})$`), "$1-$2-$3 ($4)"},
	}
)
