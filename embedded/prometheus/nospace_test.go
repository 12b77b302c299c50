package prometheus

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// A file of chunks that can't be made ends neither the process nor what is known:
// the chunks stay in memory. This is what scripts/patch changes, so it needs the
// go.mod of that (make race).
func TestChunksThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	db, err := tsdb.Open(dir, nil, nil, tsdb.DefaultOptions(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	at := time.Now().Add(-time.Hour).UnixMilli()
	appended := 0
	add := func(n int) {
		t.Helper()
		a := db.Appender(t.Context())
		for range n {
			at += 5000
			if _, err := a.Append(0, labels.FromStrings(labels.MetricName, "fruit"), at, float64(appended)); err != nil {
				t.Fatal(err)
			}
			appended++
		}
		if err := a.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	heads := filepath.Join(dir, "chunks_head")
	files := func() int {
		t.Helper()
		all, err := os.ReadDir(heads)
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	full := func() { // a folder that is away fails as one without space does
		t.Helper()
		if err := os.Rename(heads, heads+".away"); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			db.ForceHeadMMap()
		}
		if err := os.Rename(heads+".away", heads); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(when string, from int64, want int) {
		t.Helper()
		q, err := db.Querier(from, at)
		if err != nil {
			t.Fatal(err)
		}
		defer q.Close()
		if got := samples(t, q); got != want {
			t.Errorf("%s there are %d samples, want %d", when, got, want)
		}
	}

	// The first file.
	add(300)
	full()
	expect("without a file", 0, 300)
	db.ForceHeadMMap()
	if files() != 1 {
		t.Errorf("%d files, want the first one", files())
	}
	add(50)
	expect("with the first file", 0, 350)

	// One after it: cutting old samples off begins another file.
	old := at - 200*5000
	if err := db.Head().Truncate(old); err != nil {
		t.Fatal(err)
	}
	add(300)
	full()
	expect("without a second file", old+1, 500)
	before := files()
	db.ForceHeadMMap()
	if files() != before+1 {
		t.Errorf("%d files, want one more than %d", files(), before)
	}
	expect("with a second file", old+1, 500)

	// Nothing of it is lost with the process.
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if db, err = tsdb.Open(dir, nil, nil, tsdb.DefaultOptions(), nil); err != nil {
		t.Fatal(err)
	}
	expect("opened again", old+1, 500)
}

// samples counts all that a querier finds.
func samples(t *testing.T, q storage.Querier) (n int) {
	t.Helper()
	set := q.Select(t.Context(), false, nil, labels.MustNewMatcher(labels.MatchEqual, labels.MetricName, "fruit"))
	for set.Next() {
		it := set.At().Iterator(nil)
		for it.Next() != chunkenc.ValNone {
			n++
		}
		if it.Err() != nil {
			t.Fatal(it.Err())
		}
	}
	if set.Err() != nil {
		t.Fatal(set.Err())
	}
	return n
}
