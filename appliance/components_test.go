package appliance

import "testing"

func TestComponentVersions(t *testing.T) {
	for _, c := range []struct{ module, version, want string }{
		{"github.com/prometheus/prometheus", "v0.311.3", "v3.11.3"},
		{"github.com/prometheus/prometheus", "v0.55.1", "v0.55.1"},
		{"github.com/minio/minio", "v0.0.0-20260212201848-7aac2a2c5b7c", "2026-02-12 (7aac2a2c5b7c)"},
		{"github.com/minio/minio", "(devel)", "(devel)"},
		{"modernc.org/sqlite", "v1.55.0", "v1.55.0"},
	} {
		k := components[c.module]
		if got := k.version.ReplaceAllString(c.version, k.release); got != c.want {
			t.Errorf("%s %s reads %s, want %s", c.module, c.version, got, c.want)
		}
	}
}
