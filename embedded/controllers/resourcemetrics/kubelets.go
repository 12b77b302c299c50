package resourcemetrics

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"k8s.io/client-go/kubernetes"
	stats "k8s.io/kubelet/pkg/apis/stats/v1alpha1"
)

const (
	// fresh is how long a reading serves everybody who asks: autoscalers ask
	// one by one. The kubelet itself measures every ten seconds.
	fresh = 3 * time.Second
	// patience bounds one question to the API or, through it, to a kubelet.
	patience = 10 * time.Second
)

// kubelets reads what kubelets know of their pods, when somebody asks.
type kubelets struct {
	read func(ctx context.Context, node string) ([]byte, error)

	mu   sync.Mutex
	last map[string]reading
}

type reading struct {
	at      time.Time
	summary *stats.Summary
}

func newKubelets(kube kubernetes.Interface) *kubelets {
	return &kubelets{last: map[string]reading{}, read: func(ctx context.Context, node string) ([]byte, error) {
		return kube.CoreV1().RESTClient().Get().Resource("nodes").Name(node).SubResource("proxy").Suffix("stats/summary").
			Param("only_cpu_and_memory", "true").DoRaw(ctx)
	}}
}

// summaries returns the nodes' readings. A node that doesn't answer is left
// out, unless none does.
func (k *kubelets) summaries(nodes []string) ([]*stats.Summary, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []*stats.Summary
	var failed error
	for _, node := range nodes {
		s, err := k.summary(node)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		out = append(out, s)
	}
	if failed != nil && len(out) == 0 {
		return nil, failed
	}
	if failed != nil {
		slog.Error("some nodes are missing in resource metrics", "err", failed)
	}
	return out, nil
}

func (k *kubelets) summary(node string) (*stats.Summary, error) {
	if r := k.last[node]; r.summary != nil && time.Since(r.at) < fresh {
		return r.summary, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	b, err := k.read(ctx, node)
	if err != nil {
		return nil, fmt.Errorf("read the usage of node %s: %w", node, err)
	}
	s := &stats.Summary{}
	if err := json.Unmarshal(b, s); err != nil {
		return nil, fmt.Errorf("decode the usage of node %s: %w", node, err)
	}
	k.last[node] = reading{time.Now(), s}
	return s, nil
}
