package imagestore

import (
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func arch() string { return runtime.GOARCH }

func other() string {
	if arch() == "arm64" {
		return "amd64"
	}
	return "arm64"
}

func platform(arch string) m { return m{"platform": m{"os": "linux", "architecture": arch}} }

func TestChoose(t *testing.T) {
	for name, c := range map[string]struct {
		archive func(l *layout) []m
		name    string
		want    []string
		err     string
	}{
		"two images": {archive: func(l *layout) []m {
			return []m{named(l.image("linux", arch(), "a"), "a:1"), named(l.image("linux", arch(), "b"), "example.com:5000/b")}
		}, want: []string{"docker.io/library/a:1", "example.com:5000/b:latest"}},
		"two names": {archive: func(l *layout) []m {
			return []m{named(l.image("linux", arch(), "a"), "a:1"), named(l.image("linux", arch(), "a"), "a:2")}
		}, want: []string{"docker.io/library/a:1", "docker.io/library/a:2"}},
		"index of platforms": {archive: func(l *layout) []m {
			return []m{named(l.index(with(l.image("linux", other(), "a"), platform(other())), with(l.image("linux", arch(), "b"), platform(arch()))), "a:1")}
		}, want: []string{"docker.io/library/a:1"}},
		"platforms beside each other": {archive: func(l *layout) []m {
			return []m{named(l.image("linux", other(), "a"), "a:1"), named(l.image("linux", arch(), "b"), "a:1")}
		}, want: []string{"docker.io/library/a:1"}},
		"other platforms left out": {archive: func(l *layout) []m {
			absent := with(m{"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": "sha256:" + strings.Repeat("0", 64), "size": 9}, platform(other()))
			return []m{named(l.index(absent, with(l.image("linux", arch(), "b"), platform(arch()))), "a:1")}
		}, want: []string{"docker.io/library/a:1"}},
		"attestation": {archive: func(l *layout) []m {
			return []m{named(l.index(with(l.image("linux", arch(), "b"), platform(arch())), with(l.image("", "", "sbom"), m{"platform": m{"os": "unknown", "architecture": "unknown"}})), "a:1")}
		}, want: []string{"docker.io/library/a:1"}},
		"skopeo's name": {archive: func(l *layout) []m {
			return []m{with(l.image("linux", arch(), "a"), m{"annotations": m{"org.opencontainers.image.ref.name": "localhost/a:1"}})}
		}, want: []string{"localhost/a:1"}},
		"--name": {archive: func(l *layout) []m { return []m{l.image("linux", arch(), "a")} }, name: "docker.io/library/my:1", want: []string{"docker.io/library/my:1"}},
		"--name for two": {archive: func(l *layout) []m {
			return []m{named(l.image("linux", arch(), "a"), "a:1"), named(l.image("linux", arch(), "b"), "b:1")}
		}, name: "docker.io/library/my:1", err: "it holds several images, and --name names one"},
		"one name for two": {archive: func(l *layout) []m {
			return []m{named(l.image("linux", arch(), "a"), "a:1"), named(l.image("linux", arch(), "b"), "a:1")}
		}, err: `it holds several images with the name "docker.io/library/a:1"`},
		"no name": {archive: func(l *layout) []m { return []m{l.image("linux", arch(), "a")} }, err: "benchtop images load --name"},
		"a tag alone": {archive: func(l *layout) []m {
			return []m{with(l.image("linux", arch(), "a"), m{"annotations": m{"org.opencontainers.image.ref.name": "latest"}})}
		}, err: "benchtop images load --name"},
		"another platform": {archive: func(l *layout) []m { return []m{named(l.image("linux", other(), "a"), "a:1")} },
			err: "docker.io/library/a:1 is for linux/" + other() + ", and this machine is linux/" + arch()},
		"one of two is for another": {archive: func(l *layout) []m {
			return []m{named(l.image("linux", arch(), "a"), "a:1"), named(l.image("windows", arch(), "b"), "b:1")}
		}, err: "docker.io/library/b:1 is for windows/" + arch()},
		"a chart": {archive: func(l *layout) []m {
			config := l.blob("application/vnd.cncf.helm.config.v1+json", m{"name": "chart"})
			return []m{named(l.blob("application/vnd.oci.image.manifest.v1+json", m{"schemaVersion": 2, "config": config, "layers": []m{}}), "a:1")}
		}, err: "it holds no container image"},
		"bad name": {archive: func(l *layout) []m { return []m{named(l.image("linux", arch(), "a"), "A B")} }, err: `"A B" is not an image reference`},
		"missing manifest": {archive: func(*layout) []m {
			return []m{named(m{"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": "sha256:" + strings.Repeat("0", 64), "size": 9}, "a:1")}
		}, err: "it is incomplete: 000000000000 is missing"},
	} {
		l := &layout{}
		top := c.archive(l)
		got, err := names(t, l.archive(t, top...), c.name)
		if c.err != "" {
			if mlops.CodeOf(err) != mlops.Invalid || !strings.Contains(mlops.MessageOf(err), c.err) {
				t.Errorf("%s: error is %v\nexpected %s", name, err, c.err)
			}
		} else if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %v, expected %v", name, got, err, c.want)
		}
	}
}

func TestReference(t *testing.T) {
	for in, want := range map[string]string{"myapp": "docker.io/library/myapp:latest", "myapp:1": "docker.io/library/myapp:1", "team/myapp:1": "docker.io/team/myapp:1",
		"localhost/myapp:1": "localhost/myapp:1", "registry:5000/myapp": "registry:5000/myapp:latest", "a@sha256:" + strings.Repeat("0", 64): "docker.io/library/a@sha256:" + strings.Repeat("0", 64)} {
		if got, err := Reference(in); err != nil || got != want {
			t.Errorf("%s: %s, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "UPPER:1", "a b", "a:", "http://x/y"} {
		if _, err := Reference(in); mlops.CodeOf(err) != mlops.Invalid || !strings.Contains(mlops.MessageOf(err), "such as myapp:1") {
			t.Errorf("%q: error %v", in, err)
		}
	}
}

func TestBundledImagesStay(t *testing.T) {
	s := &Store{Bundled: []string{"benchtop.local/pause:1"}}
	if err := s.Remove(t.Context(), "benchtop.local/pause:1"); mlops.CodeOf(err) != mlops.InvalidState || !strings.Contains(mlops.MessageOf(err), "runs the lab itself") {
		t.Errorf("error %v", err)
	}
}
