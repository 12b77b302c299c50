package cluster

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// GPUPods returns the pods that ask for GPUs or name a runtime class, with what
// is said about them; and those that could not be made, because the runtime
// class that they name is not there, under the name of what should make them.
func (c *Client) GPUPods(ctx context.Context) ([]mlops.GPUPod, error) {
	pods, err := c.kube.CoreV1().Pods("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list pods: %w", err)
	}
	events, err := c.kube.CoreV1().Events("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list events: %w", err)
	}
	said := map[string][]string{}
	var out []mlops.GPUPod
	for _, e := range events.Items {
		name := e.InvolvedObject.Namespace + "/" + e.InvolvedObject.Name
		switch {
		case e.InvolvedObject.Kind == "Pod":
			said[name] = append(said[name], e.Message)
		case e.Reason == "FailedCreate" && strings.Contains(e.Message, "RuntimeClass"):
			out = append(out, mlops.GPUPod{Namespace: e.InvolvedObject.Namespace, Name: e.InvolvedObject.Name, Said: []string{e.Message}})
		}
	}
	for i := range pods.Items {
		p := &pods.Items[i]
		asks := len(gpuRequests(p)) > 0
		if !asks && p.Spec.RuntimeClassName == nil {
			continue
		}
		pod := mlops.GPUPod{Namespace: p.Namespace, Name: p.Name, Reason: p.Status.Reason, Said: said[p.Namespace+"/"+p.Name]}
		if asks && c.images != nil {
			for _, container := range p.Spec.Containers {
				// What can't be read is not there yet.
				env, _ := c.images.Environment(ctx, container.Image)
				if v := cudaOf(env); v != "" {
					pod.CUDA = v
				}
			}
		}
		out = append(out, pod)
	}
	return out, nil
}

var cudaRequired = regexp.MustCompile(`cuda>=([0-9]+\.[0-9]+)`)

// cudaOf returns the version of CUDA that an image was made for, by the
// variables of NVIDIA's images.
func cudaOf(env []string) string {
	version := ""
	for _, v := range env {
		name, value, _ := strings.Cut(v, "=")
		switch name {
		case "CUDA_VERSION":
			return value
		case "NVIDIA_REQUIRE_CUDA":
			if m := cudaRequired.FindStringSubmatch(value); m != nil {
				version = m[1]
			}
		}
	}
	return version
}
