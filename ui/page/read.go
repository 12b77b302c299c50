package page

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// gatherTimeout bounds how long a page waits for the ports it reads. What
// has not answered by then is shown as a problem of its part of the page.
const gatherTimeout = 5 * time.Second

// Gather bounds the time that reading for a page may take.
func Gather(c echo.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(c.Request().Context(), gatherTimeout)
}

// Together runs the functions at the same time and waits for all of them. A
// panic in one of them becomes the caller's, which is recovered; in its own
// goroutine it would end the process.
func Together(fs ...func()) {
	var wg sync.WaitGroup
	var first atomic.Value
	for _, f := range fs {
		wg.Go(func() {
			defer func() {
				if r := recover(); r != nil {
					first.CompareAndSwap(nil, fmt.Sprintf("%v\n%s", r, debug.Stack()))
				}
			}()
			f()
		})
	}
	wg.Wait()
	if r := first.Load(); r != nil {
		panic(r)
	}
}

// readers bounds what a page reads at once; the registry has as many
// connections for reading.
const readers = 4

// Each calls f with 0 … n-1, a few at the same time, and waits for all.
func Each(n int, f func(i int)) {
	var next atomic.Int64
	worker := func() {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			f(i)
		}
	}
	Together(slices.Repeat([]func(){worker}, min(n, readers))...)
}

// Find returns the first that is wanted, nil if there is none.
func Find[T any](all []T, wanted func(T) bool) *T {
	if i := slices.IndexFunc(all, wanted); i >= 0 {
		return &all[i]
	}
	return nil
}

// NewestDataset returns the newest version of a dataset, nil if there is none.
func NewestDataset(all []mlops.Dataset, name string) (newest *mlops.Dataset) {
	for i := range all {
		if all[i].Name == name && (newest == nil || all[i].Version > newest.Version) {
			newest = &all[i]
		}
	}
	return newest
}
