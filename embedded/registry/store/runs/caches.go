package runs

import (
	"container/list"
	"sync"

	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// runCache is the writer's memory of the runs being written to: without it
// each logged metric would cost two look-ups. Only the writer's goroutine
// touches it; it is emptied whenever a request is undone.
type runCache struct {
	runs   map[string]*runRow
	series int
}

type runRow struct {
	id, exp   int64
	runID     string
	lifecycle string
	latest    map[string]*latestRow // by metric key; only what was looked up
}

type latestRow struct {
	series          int64
	value           float64
	isNaN           bool
	timestamp, step int64
}

const (
	maxCachedRuns   = 512
	maxCachedSeries = 20000
)

func newRunCache() *runCache { return &runCache{runs: map[string]*runRow{}} }

func (c *runCache) reset() {
	clear(c.runs)
	c.series = 0
}

func (c *runCache) put(r *runRow) {
	if len(c.runs) >= maxCachedRuns || c.series >= maxCachedSeries {
		c.reset()
	}
	c.runs[r.runID] = r
}

// docCache keeps runs as searches return them. Pages show the newest runs
// again and again, and to gather a run from its tables costs far more than to
// find it. Least recently used documents leave first.
type docCache struct {
	mu    sync.Mutex
	max   int
	size  int
	byRun map[int64]*list.Element
	order *list.List // front is the most recently used
	// epoch counts drops: a document read before a commit must not be
	// stored after it.
	epoch uint64
}

type doc struct {
	run  int64
	size int
	r    *wire.Run
}

func newDocCache(maxBytes int) *docCache {
	return &docCache{max: maxBytes, byRun: map[int64]*list.Element{}, order: list.New()}
}

func (c *docCache) now() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.epoch
}

func (c *docCache) get(run int64) *wire.Run {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byRun[run]
	if !ok {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*doc).r
}

// put stores documents that were read while the epoch was as given.
func (c *docCache) put(epoch uint64, ids []int64, docs []*wire.Run) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if epoch != c.epoch {
		return
	}
	for i, id := range ids {
		if _, ok := c.byRun[id]; ok {
			continue
		}
		d := &doc{id, docSize(docs[i]), docs[i]}
		c.byRun[id] = c.order.PushFront(d)
		c.size += d.size
	}
	for c.size > c.max {
		c.remove(c.order.Back())
	}
}

func (c *docCache) drop(runs []int64) {
	if len(runs) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
	for _, run := range runs {
		if e, ok := c.byRun[run]; ok {
			c.remove(e)
		}
	}
}

func (c *docCache) remove(e *list.Element) {
	d := c.order.Remove(e).(*doc)
	delete(c.byRun, d.run)
	c.size -= d.size
}

// docSize estimates the bytes that a document occupies.
func docSize(r *wire.Run) int {
	n := 600 + len(r.Info.RunName) + len(r.Info.ArtifactURI)
	for _, m := range r.Data.Metrics {
		n += 160 + len(m.Key)
	}
	for _, kvs := range [][]wire.KV{r.Data.Params, r.Data.Tags} {
		for _, kv := range kvs {
			n += 48 + len(kv.Key) + len(kv.Value)
		}
	}
	for _, in := range r.Inputs.DatasetInputs {
		n += 200 + len(in.Dataset.Source) + len(in.Dataset.Schema) + len(in.Dataset.Profile) + 64*len(in.Tags)
	}
	return n
}
