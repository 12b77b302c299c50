// Package controllers holds what our own Kubernetes controllers share. Each
// has a folder below and does one thing that a cluster in a cloud does and K3s
// alone, on one machine, does not. See DESIGN.md.
package controllers

import (
	"slices"
	"sync"
)

// Problem is something that a user asked the cluster for and does not get.
type Problem struct {
	About  string // what was asked, for example "Service default/web"
	Detail string // what is wrong with it
	Fix    string // what the user can do
}

// Problems is what a controller cannot do now. It may be read at any time.
type Problems struct {
	mu   sync.Mutex
	list []Problem
}

// Set replaces all problems.
func (p *Problems) Set(list []Problem) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.list = list
}

// Problems returns the present ones.
func (p *Problems) Problems() []Problem {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.list)
}
