//go:build e2e

package e2e

import (
	"flag"
	"os"
	"slices"
	"sync"
	"testing"
)

// beside is how many stories run beside each other: with two, two cores were idle
// for a fifth of the time.
const beside = 3

// longest are the stories that take longest, the longest first. They begin first, in
// this order, or one of them would run on alone when all others have ended; others
// fill the gaps.
var longest = []string{"TestLabs", "TestFirstDay", "TestDeploy", "TestPush", "TestReleases", "TestOpenDoors", "TestEnvironments", "TestLabsHold", "TestProjects", "TestGPUs", "TestUpgrade"}

func TestMain(m *testing.M) {
	flag.Parse()
	// Go starts parallel tests in an order of its own, so it may start them all.
	if err := flag.Set("test.parallel", "100"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// turns has stories begin in order, so many beside each other.
type turns struct {
	mu      sync.Mutex
	changed *sync.Cond // of mu
	waiting []string
	running int
}

var stories = newTurns()

func newTurns() *turns {
	q := &turns{}
	q.changed = sync.NewCond(&q.mu)
	return q
}

// inTurn lets a story go on when its turn has come. All have joined by then: Go
// releases parallel tests when the last of them has called Parallel.
func inTurn(t *testing.T) {
	t.Helper()
	stories.join(t.Name())
	t.Parallel()
	stories.wait(t.Name())
	t.Cleanup(stories.leave)
}

func (q *turns) join(name string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, name)
	slices.SortStableFunc(q.waiting, func(a, b string) int { return rank(a) - rank(b) })
}

func rank(story string) int {
	if i := slices.Index(longest, story); i >= 0 {
		return i
	}
	return len(longest)
}

func (q *turns) wait(name string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.running == beside || q.waiting[0] != name {
		q.changed.Wait()
	}
	q.waiting = q.waiting[1:]
	q.running++
	q.changed.Broadcast()
}

func (q *turns) leave() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.running--
	q.changed.Broadcast()
}
