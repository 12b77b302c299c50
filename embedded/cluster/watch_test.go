package cluster

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

// signal waits for one on a channel.
func signal(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(time.Minute):
		t.Fatalf("nobody is told: %s", what)
	}
}

func quiet(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
		t.Errorf("somebody is told: %s", what)
	case <-time.After(100 * time.Millisecond):
	}
}

func TestWatchJobs(t *testing.T) {
	kube := fake.NewClientset()
	// The watch can be taken away, as a restarted API does.
	var watches []*watch.RaceFreeFakeWatcher
	watching := make(chan struct{}, 10)
	kube.PrependWatchReactor("jobs", func(a clienttesting.Action) (bool, watch.Interface, error) {
		if got := a.(clienttesting.WatchAction).GetWatchRestrictions().Labels.String(); got != labelPartOf+"=benchtop" {
			t.Errorf("it watches jobs of %q", got)
		}
		w := watch.NewRaceFreeFake()
		watches = append(watches, w)
		watching <- struct{}{}
		return true, w, nil
	})
	c := &Client{kube: kube}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	changed := c.WatchJobs(ctx)
	signal(t, "it begins", changed)
	signal(t, "the watch begins", watching)
	quiet(t, "nothing has changed", changed)
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "iris-train-1", Namespace: "iris", Labels: map[string]string{labelProject: "iris", labelPartOf: "benchtop"}, ResourceVersion: "2"}}
	watches[0].Add(job.DeepCopy())
	signal(t, "a job comes", changed)
	job.Status.Succeeded, job.ResourceVersion = 1, "3"
	watches[0].Modify(job.DeepCopy())
	signal(t, "a job changes", changed)
	watches[0].Delete(job.DeepCopy())
	signal(t, "a job goes", changed)

	if _, err := kube.BatchV1().Jobs("iris").Create(t.Context(), &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "iris-train-2", Labels: job.Labels, ResourceVersion: "4"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	watches[0].Error(&metav1.Status{Reason: metav1.StatusReasonExpired, Code: 410, Message: "too old"})
	signal(t, "a job came while nobody watched", changed)
	signal(t, "the watch begins again", watching)
	quiet(t, "all has been told", changed)
}

// failedPull is the kubelet's event about an image of pod p.
func failedPull(uid types.UID) *corev1.Event {
	return &corev1.Event{ObjectMeta: metav1.ObjectMeta{Name: "p." + string(uid), Namespace: "iris"}, Reason: "Failed", Message: "Failed to pull image: " + silent,
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "iris", Name: "p", UID: uid, FieldPath: "spec.containers{main}"}}
}

func TestPullsAreWatched(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "iris", Name: "p", UID: "1"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "myapp:1", ImagePullPolicy: corev1.PullIfNotPresent}}}}
	kube := fake.NewClientset(pod)
	watched := make(chan string, 10)
	events := watch.NewRaceFreeFake()
	kube.PrependWatchReactor("events", func(a clienttesting.Action) (bool, watch.Interface, error) {
		watched <- a.(clienttesting.WatchAction).GetWatchRestrictions().Fields.String()
		return true, events, nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	(&Client{kube: kube}).watchPulls(ctx, slog.New(slog.DiscardHandler))
	if got := <-watched; !strings.Contains(got, "involvedObject.kind=Pod") || !strings.Contains(got, "reason=Failed") {
		t.Errorf("it watches events of %q", got)
	}
	advice := func() []corev1.Event {
		list, err := kube.CoreV1().Events("iris").List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return list.Items
	}
	events.Add(failedPull("2")) // of a pod that is gone
	events.Add(failedPull("1"))
	for range 200 {
		if len(advice()) > 0 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	got := advice()
	if len(got) != 1 || got[0].Reason != pullReason || got[0].InvolvedObject.UID != "1" {
		t.Fatalf("the advice is %+v", got)
	}
	if err := kube.CoreV1().Events("iris").Delete(t.Context(), got[0].Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	events.Delete(failedPull("1")) // an hour later
	time.Sleep(100 * time.Millisecond)
	if got := advice(); len(got) != 0 {
		t.Errorf("an event that the API forgets gives advice again: %+v", got)
	}
}
