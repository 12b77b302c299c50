package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

const (
	// servedFile is the file of the ConfigMap that names the version to serve.
	servedFile = "version.json"
	servedDir  = "/served"
	// annotationServed is changed to make the kubelet refresh a pod's
	// ConfigMaps at once. By itself it does so about once a minute.
	annotationServed = "benchtop.dev/served"
)

func servedName(deployment string) string { return deployment + "-served" }

// Serve tells the servers of a deployment which version to serve, unless they
// have been told. Pods that start later read the same. So do those that make
// room on the volume: they leave the versions to keep.
func (c *Client) Serve(ctx context.Context, d mlops.Deployment, version int, runID string, keep []int) error {
	kept := make([]string, len(keep))
	for i, v := range keep {
		kept[i] = fmt.Sprint(v)
	}
	b, err := json.Marshal(map[string]any{"version": fmt.Sprint(version), "run_id": runID, "keep": kept})
	if err != nil {
		return fmt.Errorf("encode served version: %w", err)
	}
	maps := c.kube.CoreV1().ConfigMaps(d.Namespace)
	have, err := maps.Get(ctx, servedName(d.Name), metav1.GetOptions{})
	if err == nil && have.Data[servedFile] == string(b) {
		return nil
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("get served version of %s: %w", d.Name, err)
	}
	m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: servedName(d.Name), Namespace: d.Namespace, Labels: deploymentLabels(d, "served")}, Data: map[string]string{servedFile: string(b)}}
	if err := c.apply(ctx, m); err != nil {
		return fmt.Errorf("set served version of %s: %w", d.Name, err)
	}
	return c.NudgeServers(ctx, d)
}

// ServeNothing takes back what Serve has told the servers of a deployment.
func (c *Client) ServeNothing(ctx context.Context, d mlops.Deployment) error {
	maps := c.kube.CoreV1().ConfigMaps(d.Namespace)
	_, err := maps.Get(ctx, servedName(d.Name), metav1.GetOptions{})
	if err == nil {
		err = maps.Delete(ctx, servedName(d.Name), metav1.DeleteOptions{})
	}
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("take back the served version of %s: %w", d.Name, err)
	}
	return c.NudgeServers(ctx, d)
}

// NudgeServers makes a deployment's servers see what Serve has written.
func (c *Client) NudgeServers(ctx context.Context, d mlops.Deployment) error {
	pods, err := c.serverPods(ctx, d)
	if err != nil {
		return err
	}
	patch := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, annotationServed, time.Now().UTC().Format(time.RFC3339Nano))
	for _, p := range pods {
		_, err := c.kube.CoreV1().Pods(d.Namespace).Patch(ctx, p.Name, types.MergePatchType, patch, metav1.PatchOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("tell pod %s what to serve: %w", p.Name, err)
		}
	}
	return nil
}

func (c *Client) serverPods(ctx context.Context, d mlops.Deployment) ([]corev1.Pod, error) {
	list, err := c.kube.CoreV1().Pods(d.Namespace).List(ctx, metav1.ListOptions{LabelSelector: serverSelector(d)})
	if err != nil {
		return nil, fmt.Errorf("list servers of %s: %w", d.Name, err)
	}
	out := list.Items[:0]
	for _, p := range list.Items {
		// An evicted pod stays as Failed; another has taken its place.
		if p.DeletionTimestamp == nil && p.Status.Phase != corev1.PodFailed && p.Status.Phase != corev1.PodSucceeded {
			out = append(out, p)
		}
	}
	return out, nil
}

var askServers = &http.Client{Timeout: time.Second}

// Serving asks every running server of a deployment what it serves.
func (c *Client) Serving(ctx context.Context, d mlops.Deployment) ([]mlops.Serving, error) {
	pods, err := c.serverPods(ctx, d)
	if err != nil {
		return nil, err
	}
	image, err := c.serverImage(ctx, d)
	if err != nil {
		return nil, err
	}
	out := make([]mlops.Serving, len(pods))
	var wg sync.WaitGroup
	for i := range pods {
		pod := podOf(&pods[i])
		out[i] = mlops.Serving{Pod: pod.Name, Ready: pod.Ready, Outdated: image != "" && pod.Image != image}
		if pods[i].Status.PodIP == "" || pods[i].Status.Phase != corev1.PodRunning {
			continue
		}
		wg.Go(func() { askServer(ctx, pods[i].Status.PodIP, &out[i]) })
	}
	wg.Wait()
	return out, nil
}

// serverImage is what the servers of a deployment are to run, "" if the cluster
// does not have them yet. Pods that run another one are about to be replaced.
func (c *Client) serverImage(ctx context.Context, d mlops.Deployment) (string, error) {
	servers, err := c.kube.AppsV1().Deployments(d.Namespace).Get(ctx, d.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("get servers of deployment %s: %w", d.Name, err)
	}
	for _, c := range servers.Spec.Template.Spec.Containers {
		return c.Image, nil
	}
	return "", nil
}

// askServer fills in what a server says of itself. A server that does not
// answer counts as serving nothing.
func askServer(ctx context.Context, ip string, s *mlops.Serving) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(ip, "8080")+"/healthz", nil)
	if err != nil {
		s.Error = err.Error()
		return
	}
	resp, err := askServers.Do(req)
	if err != nil {
		return
	}
	defer resp.Body.Close() //nolint:errcheck // only read from
	var said struct {
		Version *string `json:"version"`
		Error   *string `json:"load_error"`
		Wanted  *string `json:"wanted"`
		Loading bool    `json:"loading"`
	}
	if json.NewDecoder(io.LimitReader(resp.Body, 1<<16)).Decode(&said) != nil {
		return
	}
	if said.Version != nil {
		s.Version = *said.Version
	}
	s.Loading = said.Loading
	if said.Wanted != nil {
		s.Wanted = *said.Wanted
	}
	if said.Error != nil {
		s.Error = *said.Error
	}
}
