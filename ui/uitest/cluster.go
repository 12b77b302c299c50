package uitest

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

type cluster struct{ w *World }

func (c cluster) Objects(context.Context) ([]mlops.Object, error) {
	c.w.Lock()
	defer c.w.Unlock()
	return append([]mlops.Object(nil), c.w.Objects...), nil
}

func (c cluster) Events(_ context.Context, limit int) ([]mlops.Event, error) {
	c.w.Lock()
	defer c.w.Unlock()
	return append([]mlops.Event(nil), c.w.Events[:min(limit, len(c.w.Events))]...), nil
}

func (c cluster) KubeconfigUsers(context.Context) ([]mlops.KubeconfigUser, error) {
	c.w.Lock()
	defer c.w.Unlock()
	return slices.Clone(c.w.KubeconfigUsers), nil
}

func (c cluster) RevokeKubeconfig(_ context.Context, user string) error {
	c.w.Lock()
	defer c.w.Unlock()
	before := len(c.w.KubeconfigUsers)
	c.w.KubeconfigUsers = slices.DeleteFunc(c.w.KubeconfigUsers, func(u mlops.KubeconfigUser) bool { return u.Name == user })
	if len(c.w.KubeconfigUsers) == before {
		return mlops.Errorf(mlops.NotFound, "user %q has no kubeconfig: see `benchtop kubeconfig list`", user)
	}
	return nil
}

func (c cluster) Images(context.Context) ([]mlops.Image, error) {
	c.w.Lock()
	defer c.w.Unlock()
	return append([]mlops.Image(nil), c.w.Images...), nil
}

func (c cluster) Pods(_ context.Context, namespace string) ([]mlops.Pod, error) {
	c.w.Lock()
	defer c.w.Unlock()
	var out []mlops.Pod
	for _, p := range c.w.Pods {
		if namespace == "" || p.Namespace == namespace {
			out = append(out, p)
		}
	}
	return out, nil
}

// DeploymentLogs says what the pods have said as if each line had taken a second,
// all at the same time.
func (c cluster) DeploymentLogs(ctx context.Context, d mlops.Deployment, pod string, follow bool, tail int, emit func([]mlops.LogLine) error) error {
	c.w.Lock()
	var all []mlops.LogLine
	var last mlops.Pod
	for _, p := range d.Pods {
		if pod != "" && pod != p.Name && pod != mlops.ShortPod(p.Name) {
			continue
		}
		last = p
		lines := c.w.Logs[p.Namespace+"/"+p.Name]
		for i, text := range lines[max(0, len(lines)-tail):] {
			all = append(all, mlops.LogLine{Time: p.StartedAt.Add(time.Duration(i) * time.Second), Pod: p.Name, Ended: i == 0 && p.Restarts > 0, Text: text})
		}
	}
	c.w.Unlock()
	slices.SortStableFunc(all, func(a, b mlops.LogLine) int { return a.Time.Compare(b.Time) })
	if err := emit(all); err != nil {
		return err
	}
	for i := 0; follow && last.Name != ""; i++ {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
		if err := emit([]mlops.LogLine{{Time: c.w.Clock(), Pod: last.Name, Text: fmt.Sprintf("INFO:     10.42.0.1:%d - \"GET /healthz HTTP/1.1\" 200 OK", 40000+i)}}); err != nil {
			return err
		}
	}
	return nil
}

func (c cluster) Logs(ctx context.Context, namespace, pod string, follow bool, tail int) (io.ReadCloser, error) {
	c.w.Lock()
	lines, ok := c.w.Logs[namespace+"/"+pod]
	c.w.Unlock()
	if !ok {
		return nil, mlops.Errorf(mlops.NotFound, "There is no pod %s in namespace %s.", pod, namespace)
	}
	lines = lines[max(0, len(lines)-tail):]
	r, w := io.Pipe()
	go func() {
		for _, line := range lines {
			if _, err := io.WriteString(w, line+"\n"); err != nil {
				return
			}
		}
		for i := 0; follow; i++ {
			select {
			case <-ctx.Done():
				_ = w.CloseWithError(ctx.Err())
				return
			case <-time.After(time.Second):
			}
			if _, err := fmt.Fprintf(w, "INFO:     10.42.0.1:%d - \"GET /healthz HTTP/1.1\" 200 OK\n", 40000+i); err != nil {
				return
			}
		}
		_ = w.Close()
	}()
	return r, nil
}
