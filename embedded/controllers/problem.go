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

// Report is what a controller cannot do now. It may be read at any time.
type Report struct {
	mu   sync.Mutex
	list []Problem
}

// Set replaces all problems.
func (r *Report) Set(list []Problem) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = list
}

// Problems returns the present ones.
func (r *Report) Problems() []Problem {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.list)
}
