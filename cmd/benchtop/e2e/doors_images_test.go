//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/scripts/testhost/drive"
)

// put writes a file inside the host by cp, as somebody with a USB stick does.
func (s *story) put(t *testing.T, path string, content []byte) {
	t.Helper()
	cmd := s.Host.Command(t.Context(), "sh", "-c", `cat > "$1"`, "sh", path)
	cmd.Stdin = bytes.NewReader(content)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("write %s: %v: %s", path, err, out)
	}
}

// pod starts a pod that prints the text of its image.
func (s *story) pod(t *testing.T, pod, image, policy string) {
	t.Helper()
	args := []string{"kubectl", "run", pod, "--image=" + image, "--restart=Never", "--labels=story=images"}
	if policy != "" {
		args = append(args, "--image-pull-policy="+policy)
	}
	s.benchtop(t, args...)
}

func (s *story) says(t *testing.T, pod, want string) {
	t.Helper()
	if err := drive.Eventually(t.Context(), patience, func() error {
		r, err := s.Try(t.Context(), "", "kubectl", "logs", pod)
		if err == nil && !strings.Contains(r.Stdout, want) {
			err = fmt.Errorf("pod %s says %q", pod, r.All())
		}
		return err
	}); err != nil {
		t.Fatalf("%v\n%s", err, s.benchtop(t, "kubectl", "describe", "pod", pod))
	}
}

func (s *story) noPods(t *testing.T) {
	t.Helper()
	s.benchtop(t, "kubectl", "delete", "pods", "-l", "story=images", "--now")
}

// stored is what containerd keeps: files, half-written ones, and unpacked layers of the images here.
func (s *story) stored(t *testing.T) string {
	t.Helper()
	return s.sh(t, `cd /var/lib/benchtop/k3s/agent/containerd/io.containerd.content.v1.content; find blobs -type f | sort; find ingest -mindepth 1; find ../io.containerd.snapshotter.v1.*/snapshots -name hello | sort`)
}

func (s *story) load(t *testing.T, archive []byte, args ...string) string {
	t.Helper()
	s.put(t, "/root/archive", archive)
	return s.benchtop(t, append(append([]string{"images", "load"}, args...), "/root/archive")...)
}

// imagesLoad brings images in all the ways that archives are made, and runs
// pods from them.
func (s *story) imagesLoad(t *testing.T) {
	platform := "linux/" + runtime.GOARCH
	docker := dockerArchive(t, runtime.GOARCH, "docker", "hello:1", "registry.example.com/team/hello:2")
	cmd := s.Host.Command(t.Context(), drive.Program, "images", "load", "-")
	cmd.Stdin = bytes.NewReader(gzipped(t, docker))
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "loaded docker.io/library/hello:1 (") || !strings.Contains(string(out), "loaded registry.example.com/team/hello:2 (") {
		t.Fatalf("load from standard input: %v: %s", err, out)
	}
	s.pod(t, "docker", "hello:1", "") // IfNotPresent is the default of a tag
	s.pod(t, "never", "registry.example.com/team/hello:2", "Never")

	started := time.Now()
	s.load(t, docker)
	t.Logf("the same archive again: %s", time.Since(started).Round(time.Millisecond))

	multi := ociArchive(t, "multi", "docker.io/library/multi:1", otherArch(), runtime.GOARCH)
	if out := s.load(t, multi); !strings.Contains(out, "loaded docker.io/library/multi:1 (") {
		t.Errorf("it printed %s", out)
	}
	s.pod(t, "multi", "multi:1", "")

	// Archives of real tools.
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "docker.tar"), docker, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{"oci-archive:" + dir + "/oci.tar:skopeo:1", "docker-archive:" + dir + "/docker2.tar:skopeo-docker:1"} {
		if out, err := exec.CommandContext(t.Context(), "skopeo", "--insecure-policy", "copy", "docker-archive:"+dir+"/docker.tar:hello:1", to).CombinedOutput(); err != nil {
			t.Fatalf("skopeo: %v: %s", err, out)
		}
	}
	if out, err := exec.CommandContext(t.Context(), "zstd", "-q", dir+"/oci.tar").CombinedOutput(); err != nil {
		t.Fatalf("zstd: %v: %s", err, out)
	}
	for file, name := range map[string]string{"oci.tar.zst": "skopeo:1", "docker2.tar": "skopeo-docker:1"} {
		b, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		if out := s.load(t, b); !strings.Contains(out, "loaded docker.io/library/"+name+" (") {
			t.Errorf("%s: it printed %s", file, out)
		}
	}
	s.pod(t, "skopeo", "skopeo:1", "")

	if out := s.load(t, ociArchive(t, "named", "", runtime.GOARCH), "--name", "named"); !strings.Contains(out, "loaded docker.io/library/named:latest (") {
		t.Errorf("it printed %s", out)
	}
	s.pod(t, "named", "named", "IfNotPresent")
	for pod, want := range map[string]string{"docker": "docker", "never": "docker", "multi": "multi", "skopeo": "docker", "named": "named"} {
		s.says(t, pod, "hello from "+want)
	}

	before := s.stored(t)
	refuses := func(name string, archive []byte, want string, args ...string) {
		t.Run(name, func(t *testing.T) {
			s.put(t, "/root/archive", archive)
			s.refuses(t, []string{"/root/archive: ", want}, append(append([]string{"images", "load"}, args...), "/root/archive")...)
			if after := s.stored(t); after != before {
				t.Errorf("it left something behind; before %d bytes of names, after %d:\n%s", len(before), len(after), after)
			}
		})
	}
	other := ociArchive(t, "other", "", otherArch())
	refuses("another platform", other, "for linux/"+otherArch()+", and this machine is "+platform)
	refuses("no name", ociArchive(t, "nameless", "", runtime.GOARCH), "--name myapp:1")
	refuses("an empty file", nil, "it is empty")
	broken := ociArchive(t, "broken", "broken:1", runtime.GOARCH)
	refuses("cut off", broken[:len(broken)/2], "ends too early")
	refuses("cut off, compressed", gzipped(t, broken)[:len(broken)/3], "ends too early")
	flipped := bytes.Clone(broken)
	flipped[len(flipped)/2] ^= 1
	refuses("one wrong bit", flipped, "damaged")
	flipped = gzipped(t, broken)
	flipped[len(flipped)/2] ^= 1
	refuses("one wrong bit, compressed", flipped, "damaged")
	dockerBroken := dockerArchive(t, runtime.GOARCH, "broken", "broken:1")
	dockerBroken[len(dockerBroken)/2] ^= 1
	refuses("one wrong bit in a layer", dockerBroken, "damaged")
	refuses("no archive", []byte(strings.Repeat("not a tar\n", 1000)), "no image archive")
	l, _ := hello(t, runtime.GOARCH, "")
	refuses("a file system", l, "docker save")
	refuses("bad name", broken, "expected one such as", "--name", "UPPER CASE")
	refuses("a bundled image", broken, "travels inside benchtop", "--name", s.labPython(t))
	s.refuses(t, []string{"/root/none.tar", "no such file"}, "images", "load", "/root/none.tar")

	s.noPods(t)
}

func (s *story) labPython(t *testing.T) string {
	t.Helper()
	return s.benchtop(t, "kubectl", "-n", "iris", "get", "deploy", "iris", "-o", "jsonpath={..image}")
}

// imagesRemove lists loaded images and removes them.
func (s *story) imagesRemove(t *testing.T) {
	list := s.benchtop(t, "images")
	for _, want := range []string{`docker.io/library/hello:1 .* loaded +0`, `benchtop.local/lab-python:.* bundled +[1-9]`, `registry.example.com/team/hello:2 .* loaded`} {
		if !regexp.MustCompile(want).MatchString(list) {
			t.Errorf("the list lacks %s:\n%s", want, list)
		}
	}
	s.pod(t, "uses-multi", "multi:1", "")
	s.says(t, "uses-multi", "hello from multi")
	s.refuses(t, []string{"used by default/uses-multi", "--force"}, "images", "remove", "multi:1")
	if out := s.benchtop(t, "images", "remove", "--force", "multi:1"); out != "removed docker.io/library/multi:1" {
		t.Errorf("it printed %s", out)
	}
	s.refuses(t, []string{"runs the lab itself"}, "images", "remove", s.labPython(t), "--force")
	s.refuses(t, []string{"not on this machine", "benchtop images"}, "images", "remove", "multi:1")
	s.benchtop(t, "images", "remove", "hello:1", "registry.example.com/team/hello:2", "skopeo:1", "skopeo-docker:1", "named")
	if out := s.benchtop(t, "images", "list"); strings.Contains(out, "loaded") {
		t.Errorf("loaded images are left:\n%s", out)
	}
	if out := s.benchtop(t, "crictl", "images"); regexp.MustCompile("hello|skopeo|<none>").MatchString(out) {
		t.Errorf("crictl still has them:\n%s", out)
	}
	s.noPods(t)
}

// imagesFolder drops archives into the folder.
func (s *story) imagesFolder(t *testing.T) {
	const dir = drive.DataDir + "/images"
	good := dockerArchive(t, runtime.GOARCH, "folder", "folder:1")
	note := func(t *testing.T, name, want string) {
		t.Helper()
		if err := drive.Eventually(t.Context(), patience, func() error {
			b, err := s.ReadFile(t.Context(), dir+"/"+name)
			if err == nil && !strings.Contains(b, want) {
				err = fmt.Errorf("%s says %q", name, b)
			}
			return err
		}); err != nil {
			t.Error(err)
		}
	}
	s.put(t, dir+"/app.tar", good)
	note(t, "app.tar.loaded", "docker.io/library/folder:1")
	s.pod(t, "from-folder", "folder:1", "")
	s.says(t, "from-folder", "hello from folder")
	s.noPods(t)

	s.put(t, dir+"/bad.tar", good[:len(good)/2])
	note(t, "bad.tar.error", "ends too early")
	for _, command := range []string{"status", "doctor"} {
		if r, err := s.Try(t.Context(), "", command); err != nil || !strings.Contains(r.All(), dir+"/bad.tar was not loaded: it ends too early") {
			t.Errorf("%s does not say that bad.tar was not loaded: %v\n%s", command, err, r.All())
		}
	}
	s.put(t, "/var/lib/better.tar", dockerArchive(t, runtime.GOARCH, "better", "better:1"))
	s.sh(t, "mv /var/lib/better.tar "+dir+"/bad.tar")
	note(t, "bad.tar.loaded", "better:1")
	if out := s.sh(t, "ls "+dir); out != "app.tar\napp.tar.loaded\nbad.tar\nbad.tar.loaded" {
		t.Errorf("the folder has\n%s", out)
	}
	if r, err := s.Try(t.Context(), "", "status"); err != nil || strings.Contains(r.All(), "image archive") {
		t.Errorf("status still complains: %v\n%s", err, r.All())
	}
	s.sh(t, "rm "+dir+"/*.tar")
	if err := drive.Eventually(t.Context(), patience, func() error {
		if out := s.sh(t, "ls "+dir); out != "" {
			return fmt.Errorf("notes are left: %s", out)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	s.benchtop(t, "images", "remove", "--force", "folder:1", "better:1")
}

// imagesMissing starts pods whose images nobody can get.
func (s *story) imagesMissing(t *testing.T) {
	s.load(t, dockerArchive(t, runtime.GOARCH, "missing", "here:latest", "localhost/mine:1"))
	pods := map[string]struct {
		image, policy string
		want          []string
	}{
		"nowhere": {"nowhere:1", "", []string{"image nowhere:1 is not on this machine, and Docker Hub did not answer (", "load it with `benchtop images load FILE`, or connect the machine"}},
		"always":  {"here", "", []string{"image here is on this machine, but imagePullPolicy Always asks Docker Hub", "set imagePullPolicy: IfNotPresent (without a tag, or with :latest, the default is Always)"}},
		"never":   {"nowhere:1", "Never", []string{"image nowhere:1 is not on this machine, and imagePullPolicy Never", "benchtop images load FILE"}},
		"podman":  {"mine:1", "", []string{"write localhost/mine:1 if you mean the image of that name"}},
	}
	for pod, c := range pods {
		s.pod(t, pod, c.image, c.policy)
	}
	for pod, c := range pods {
		if err := drive.Eventually(t.Context(), patience, func() error {
			out := s.benchtop(t, "kubectl", "describe", "pod", pod)
			for _, want := range c.want {
				if !strings.Contains(out, want) {
					return fmt.Errorf("describe pod %s lacks %q:\n%s", pod, want, out)
				}
			}
			if n := strings.Count(out, "ImageUnavailable"); n != 1 {
				return fmt.Errorf("describe pod %s has the advice %d times:\n%s", pod, n, out)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
	s.noPods(t)
	s.benchtop(t, "images", "remove", "here", "localhost/mine:1")
}
