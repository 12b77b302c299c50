package gpu

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/cluster"
)

// What Share writes into the ConfigMap: a layout of this name, under this key.
const (
	ownLayout = "benchtop"
	layoutKey = "mig-parted.yaml"
)

// shareTimeout is how long a change may take: the plugin is given ten seconds to
// register, and a partition a second or two.
const shareTimeout = 45 * time.Second

// Share changes how pods share the GPUs, and returns when they are offered so.
// It writes what a person would write by NVIDIA's documents, and the controller
// obeys it like any other.
func (c *Controller) Share(ctx context.Context, s mlops.GPUShare, gpus []mlops.GPU) error {
	c.mu.Lock()
	client := c.client
	c.mu.Unlock()
	if client == nil {
		return mlops.Errorf(mlops.Unavailable, "the cluster is not ready yet")
	}
	ctx, cancel := context.WithTimeout(ctx, shareTimeout)
	defer cancel()
	c.sharers.Lock()
	defer c.sharers.Unlock()
	data, config, err := ownConfig(s, gpus)
	if err != nil {
		return err
	}
	configs := client.CoreV1().ConfigMaps(cluster.GPUSharingNamespace)
	m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: cluster.GPUSharingNamespace, Name: cluster.GPUSharing, Labels: map[string]string{"app.kubernetes.io/part-of": "benchtop"}}, Data: data}
	if _, err = configs.Update(ctx, m, metav1.UpdateOptions{FieldManager: "benchtop"}); apierrors.IsNotFound(err) {
		_, err = configs.Create(ctx, m, metav1.CreateOptions{FieldManager: "benchtop"})
	}
	if err != nil {
		return fmt.Errorf("write ConfigMap %s/%s: %w", cluster.GPUSharingNamespace, cluster.GPUSharing, err)
	}
	// Only then do the labels name what is in it.
	if err := c.until(ctx, func(l look) bool { return reflect.DeepEqual(l.own, data) }); err != nil {
		return err
	}
	layout := any(ownLayout)
	if len(s.MIG) == 0 {
		layout = any("all-disabled")
		if !canBeCut(gpus) {
			layout = nil
		}
	}
	if err := c.patch(ctx, map[string]any{cluster.LabelGPUConfig: config, cluster.LabelMIG: layout}, nil); err != nil {
		return err
	}
	// What was refused before may go now.
	asked := c.asked.Add(1)
	kick(c.kicked)
	if s.DeletePods {
		// The agent has refused, and gives these GPUs to nobody else until they
		// are cut: so what makes the pods anew does not get them again.
		name, _ := layout.(string)
		if err := c.until(ctx, func(l look) bool {
			return l.asked >= asked && l.sharing.Config == config && l.sharing.MIGConfig == name && (l.sharing.Problem != "" || l.sharing.MIGState != migPending)
		}); err != nil {
			return err
		}
		if err := deleteHolders(ctx, client, gpus, s); err != nil {
			return err
		}
	}
	return c.settled(ctx, config, layout, asked)
}

func canBeCut(gpus []mlops.GPU) bool {
	for _, g := range gpus {
		if g.MIG != "" {
			return true
		}
	}
	return false
}

// ownConfig returns the content of our ConfigMap, and the key of the plugin's
// configuration in it.
func ownConfig(s mlops.GPUShare, gpus []mlops.GPU) (data map[string]string, key string, err error) {
	// The flag is the plugin's default: without any, the file would not be known
	// as one of the plugin's.
	plugin := map[string]any{"version": "v1", "flags": map[string]any{"failOnInitError": true}}
	key = "not-shared"
	if s.Replicas > 1 {
		key = fmt.Sprintf("time-slicing-%d", s.Replicas)
		// Every name that the partitions may be offered under.
		names := map[string]bool{mlops.GPUResource: true}
		for _, p := range s.MIG {
			names[resourceOf(p)] = true
		}
		var resources []any
		for _, name := range slices.Sorted(maps.Keys(names)) {
			resources = append(resources, map[string]any{"name": name, "replicas": s.Replicas})
		}
		plugin["sharing"] = map[string]any{"timeSlicing": map[string]any{"resources": resources}}
	}
	b, err := json.MarshalIndent(plugin, "", "  ")
	if err != nil {
		return nil, "", fmt.Errorf("write configuration: %w", err)
	}
	data = map[string]string{key: string(b) + "\n"}
	if len(s.MIG) > 0 {
		var layout migLayout
		for _, g := range gpus {
			if len(g.Profiles) == 0 {
				continue
			}
			e := migEntry{Devices: []any{float64(g.Index)}, Enabled: true, Partitions: map[string]int{}}
			for _, p := range s.MIG {
				e.Partitions[p]++
			}
			layout = append(layout, e)
		}
		b, err := json.MarshalIndent(map[string]any{"version": "v1", "mig-configs": map[string]any{ownLayout: layout}}, "", "  ")
		if err != nil {
			return nil, "", fmt.Errorf("write MIG layout: %w", err)
		}
		data[layoutKey] = string(b) + "\n"
	}
	return data, key, nil
}

// settled waits until the controller has done what the labels say.
func (c *Controller) settled(ctx context.Context, config string, layout any, asked int64) error {
	name, _ := layout.(string)
	var problem string
	err := c.until(ctx, func(l look) bool {
		s := l.sharing
		if l.asked < asked || s.Config != config || s.MIGConfig != name {
			return false
		}
		problem = s.Problem
		return s.MIGState != migPending
	})
	if problem != "" {
		return mlops.Errorf(mlops.InvalidState, "%s", problem)
	}
	return err
}

// until waits for a look after which done holds.
func (c *Controller) until(ctx context.Context, done func(look) bool) error {
	for {
		now, changed := c.last()
		if done(now) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return mlops.Errorf(mlops.Unavailable, "the GPUs are not offered as asked yet: see `benchtop gpu` and `benchtop doctor gpu`")
		}
	}
}

// deleteHolders deletes the pods that hold a GPU which is to be cut anew, and
// waits until they are gone.
func deleteHolders(ctx context.Context, client kubernetes.Interface, gpus []mlops.GPU, s mlops.GPUShare) error {
	p, err := Plan(mlops.GPUs{GPUs: gpus}, mlops.GPUShare{Replicas: s.Replicas, MIG: s.MIG})
	if err != nil || p.Blocked == "" {
		return err
	}
	pods := map[types.UID]mlops.GPUHolder{}
	for _, h := range p.Pods {
		pod, err := client.CoreV1().Pods(h.Namespace).Get(ctx, h.Pod, metav1.GetOptions{})
		if err == nil {
			pods[pod.UID] = h
			err = client.CoreV1().Pods(h.Namespace).Delete(ctx, h.Pod, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(pod.UID))})
		}
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("delete pod %s/%s: %w", h.Namespace, h.Pod, err)
		}
	}
	for uid, h := range pods {
		for {
			// Its successor may have its name.
			pod, err := client.CoreV1().Pods(h.Namespace).Get(ctx, h.Pod, metav1.GetOptions{})
			if apierrors.IsNotFound(err) || err == nil && pod.UID != uid {
				break
			}
			select {
			case <-time.After(200 * time.Millisecond):
			case <-ctx.Done():
				return mlops.Errorf(mlops.InvalidState, "pod %s/%s does not end: look at it, and try again", h.Namespace, h.Pod)
			}
		}
	}
	return nil
}
