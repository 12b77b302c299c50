package cluster

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	silent  = `failed to pull and unpack image "docker.io/library/myapp:1": failed to resolve reference "docker.io/library/myapp:1": failed to do request: Head "https://registry-1.docker.io/v2/library/myapp/manifests/1": dial tcp: lookup registry-1.docker.io: no such host`
	unknown = `failed to pull and unpack image "example.com/myapp:1": failed to resolve reference "example.com/myapp:1": example.com/myapp:1: not found`
	refused = `failed to resolve reference "docker.io/library/myapp:1": pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed`
)

func TestPullHint(t *testing.T) {
	for _, c := range []struct {
		f    pullFailure
		want string
	}{
		{pullFailure{image: "myapp:1", policy: corev1.PullIfNotPresent, why: silent},
			"image myapp:1 is not on this machine, and Docker Hub did not answer (dial tcp: lookup registry-1.docker.io: no such host): load it with `benchtop images load FILE`, or connect the machine to Docker Hub"},
		{pullFailure{image: "myapp", policy: corev1.PullAlways, why: silent},
			"image myapp is not on this machine, and Docker Hub did not answer (dial tcp: lookup registry-1.docker.io: no such host): load it with `benchtop images load FILE`, or connect the machine to Docker Hub, and set imagePullPolicy: IfNotPresent (without a tag, or with :latest, the default is Always)"},
		{pullFailure{image: "myapp:1", policy: corev1.PullAlways, here: true, why: silent},
			"image myapp:1 is on this machine, but imagePullPolicy Always asks Docker Hub at each start, which did not answer (dial tcp: lookup registry-1.docker.io: no such host): set imagePullPolicy: IfNotPresent"},
		{pullFailure{image: "example.com/myapp:1", policy: corev1.PullIfNotPresent, why: unknown},
			"image example.com/myapp:1 is not on this machine, and registry example.com does not have it (example.com/myapp:1: not found): correct the reference; or load it with `benchtop images load FILE`"},
		{pullFailure{image: "myapp:1", policy: corev1.PullIfNotPresent, why: refused},
			"image myapp:1 is not on this machine, and Docker Hub refused to give it without the right credentials (imagePullSecrets) (pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed): correct the reference; or load it with `benchtop images load FILE`"},
		{pullFailure{image: "myapp:1", policy: corev1.PullNever, why: "Error: ErrImageNeverPull"},
			"image myapp:1 is not on this machine, and imagePullPolicy Never does not let the kubelet ask a registry: load it with `benchtop images load FILE`"},
		{pullFailure{image: "myapp:1", policy: corev1.PullNever, alike: "localhost/myapp:1"},
			"image myapp:1 is not on this machine, and imagePullPolicy Never does not let the kubelet ask a registry: write localhost/myapp:1 if you mean the image of that name, which is; or load it with `benchtop images load FILE`"},
		{pullFailure{image: "myapp:1", policy: corev1.PullIfNotPresent, why: "write /var/lib/x: no space left on device"},
			"the disk is full, so image myapp:1 could not be pulled: remove images (`benchtop images remove`), or delete old runs and artifacts"},
		{pullFailure{image: "myapp:1", policy: corev1.PullIfNotPresent, why: "something odd"},
			"image myapp:1 is not on this machine, and Docker Hub did not give it (something odd): load it with `benchtop images load FILE`"},
	} {
		if got := c.f.hint(); got != c.want {
			t.Errorf("found\n%s\nexpected\n%s", got, c.want)
		}
	}
}

// The pages say what the events say.
func TestPodsSayWhatToDo(t *testing.T) {
	waiting := []corev1.ContainerStatus{{Name: "main", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "Back-off pulling image: " + silent}}}}
	spec := []corev1.Container{{Name: "main", Image: "myapp:1", ImagePullPolicy: corev1.PullIfNotPresent}}
	for name, p := range map[string]*corev1.Pod{
		"container":      {Spec: corev1.PodSpec{Containers: spec}, Status: corev1.PodStatus{ContainerStatuses: waiting}},
		"init container": {Spec: corev1.PodSpec{InitContainers: spec}, Status: corev1.PodStatus{InitContainerStatuses: waiting}},
	} {
		s, c := newAPIServer(t)
		p.ObjectMeta = metav1.ObjectMeta{Namespace: "iris", Name: "p"}
		if _, err := c.kube.CoreV1().Pods("iris").Create(t.Context(), p, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		pods, err := c.Pods(t.Context(), "iris")
		if err != nil || len(pods) != 1 || !strings.HasPrefix(pods[0].Message, "ImagePullBackOff: image myapp:1 is not on this machine, and Docker Hub did not answer") {
			t.Errorf("%s: %+v, %v (%v)", name, pods, err, s.calls)
		}
	}
}

// However often the kubelet fails, the advice is there once for each kind of
// failure.
func TestAdviceIsGivenOnce(t *testing.T) {
	s, c := newAPIServer(t)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "iris", Name: "p", UID: "1"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "myapp:1", ImagePullPolicy: corev1.PullIfNotPresent}}}}
	if _, err := c.kube.CoreV1().Pods("iris").Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	failed := func(uid types.UID, field, message string) {
		t.Helper()
		if err := c.advise(t.Context(), &corev1.Event{Message: message, InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "iris", Name: "p", UID: uid, FieldPath: field}}); err != nil {
			t.Error(err)
		}
	}
	events := func() []corev1.Event {
		list, err := c.kube.CoreV1().Events("iris").List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return list.Items
	}
	failed("1", "spec.containers{main}", "Error: ErrImagePull")
	failed("1", "spec.containers{main}", "Error: container start failed")
	failed("1", "spec.containers{other}", "Failed to pull image: "+silent)
	failed("2", "spec.containers{main}", "Failed to pull image: "+silent) // of a pod that is gone
	if got := events(); len(got) != 0 {
		t.Errorf("events about nothing: %+v (%v)", got, s.calls)
	}
	for _, port := range []string{"1", "2", "3"} {
		failed("1", "spec.containers{main}", "Failed to pull image: "+silent+" port "+port)
	}
	got := events()
	if len(got) != 1 || got[0].Reason != pullReason || got[0].Type != "Warning" || got[0].InvolvedObject.UID != "1" || !strings.Contains(got[0].Message, "benchtop images load") {
		t.Errorf("the events are %+v", got)
	}
	failed("1", "spec.containers{main}", "Failed to pull image: "+unknown)
	if got := events(); len(got) != 2 {
		t.Errorf("another kind of failure: %+v", got)
	}
}

func TestImageUsers(t *testing.T) {
	_, c := newAPIServer(t)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "iris", Name: "p"}, Spec: corev1.PodSpec{InitContainers: []corev1.Container{{Image: "docker.io/library/a:1"}}, Containers: []corev1.Container{{Image: "a:1"}, {Image: "b"}}}}
	if _, err := c.kube.CoreV1().Pods("iris").Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	users, err := c.imageUsers(t.Context())
	if err != nil || fmt.Sprint(users) != "map[docker.io/library/a:1:[iris/p] docker.io/library/b:latest:[iris/p]]" {
		t.Errorf("users are %v, %v", users, err)
	}
}
