package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	podresources "k8s.io/kubelet/pkg/apis/podresources/v1"
)

// holders asks the kubelet which containers hold which devices.
type holders struct {
	socket string
	mine   func(resource string) bool

	mu   sync.Mutex
	conn *grpc.ClientConn
}

// list is what containers hold of our resources, in the order of their names.
func (h *holders) list(ctx context.Context) ([]gpuHolder, error) {
	h.mu.Lock()
	if h.conn == nil {
		conn, err := dial(h.socket)
		if err != nil {
			h.mu.Unlock()
			return nil, err
		}
		h.conn = conn
	}
	conn := h.conn
	h.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	res, err := podresources.NewPodResourcesListerClient(conn).List(ctx, &podresources.ListPodResourcesRequest{})
	if err != nil {
		return nil, fmt.Errorf("ask the kubelet at %s: %w", h.socket, err)
	}
	var list []gpuHolder
	for _, pod := range res.PodResources {
		for _, c := range pod.Containers {
			byResource := map[string][]string{}
			for _, d := range c.Devices {
				if h.mine(d.ResourceName) {
					byResource[d.ResourceName] = append(byResource[d.ResourceName], d.DeviceIds...)
				}
			}
			for name, ids := range byResource {
				slices.Sort(ids)
				list = append(list, gpuHolder{Namespace: pod.Namespace, Pod: pod.Name, Container: c.Name, Resource: name, Devices: ids})
			}
		}
	}
	slices.SortFunc(list, func(a, b gpuHolder) int {
		return strings.Compare(a.Namespace+"/"+a.Pod+"/"+a.Container+"/"+a.Resource, b.Namespace+"/"+b.Pod+"/"+b.Container+"/"+b.Resource)
	})
	return list, nil
}
