package loop

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func TestDescribe(t *testing.T) {
	d, err := describe("iris", []byte(irisLike))
	if err != nil {
		t.Fatal(err)
	}
	// printf '2,3,setosa,…' | sha256sum
	const digest = "5f9cd73f4da0bd3eafefeeffeb8a91fc3069b4b442e5d58ff14347ee59058005"
	if d.SHA256 != digest || d.Key != "iris/"+digest+".csv" || d.Bucket != "datasets" || d.Bytes != int64(len(irisLike)) {
		t.Errorf("dataset is %+v", d)
	}
	if d.Rows != 2 || d.Features != 3 || strings.Join(d.Classes, " ") != "setosa versicolor" {
		t.Errorf("found %d rows, %d features, classes %v", d.Rows, d.Features, d.Classes)
	}
}

func TestDescribeErrors(t *testing.T) {
	for content, want := range map[string]string{
		"":                              "dataset d: expected a first line with the number of rows, the number of features and the class names",
		"\n\n":                          "dataset d: expected a first line with the number of rows, the number of features and the class names",
		"2\n1\n2\n":                     "dataset d: expected a first line with the number of rows, the number of features and the class names",
		"rows,features\n1,2\n":          `dataset d: first line "rows,features": expected the number of rows and of features, then the class names`,
		"2,four,a\n1,2\n":               `dataset d: first line "2,four,a": expected the number of rows and of features, then the class names`,
		"3,1,a,b\n1,0\n2,1\n":           "dataset d: the first line promises 3 rows, found 2",
		"1,1,a,b\n1,0\n2,1\n":           "dataset d: the first line promises 1 rows, found 2",
		"2,2,a,b\n1,2,0\n1,2\n":         "dataset d: line 3: expected 2 features and a class, found 2 values",
		"1,2,a,b\n1,2,3,0\n":            "dataset d: line 2: expected 2 features and a class, found 4 values",
		"0,4,a,b\n":                     "dataset d: expected at least one row and one feature, found 0 and 4",
		"1,0,a,b\n0\n":                  "dataset d: expected at least one row and one feature, found 1 and 0",
		"1,1,a\n\"1,0\n":                "dataset d: not CSV: parse error on line 2, column 6: extraneous or missing \" in quoted-field",
		"1,1,a\n1\x00\"2,0\nand more\n": "dataset d: not CSV: parse error on line 2, column 3: bare \" in non-quoted-field",
	} {
		_, err := describe("d", []byte(content))
		if mlops.CodeOf(err) != mlops.Invalid || mlops.MessageOf(err) != want {
			t.Errorf("%q: error %v, expected %q", content, err, want)
		}
	}
	if _, err := describe("No Name", []byte(irisLike)); mlops.CodeOf(err) != mlops.Invalid || !strings.HasPrefix(mlops.MessageOf(err), `dataset name "No Name" is not usable`) {
		t.Errorf("a bad name: error %v", err)
	}
}

func TestStoreDataset(t *testing.T) {
	w := newWorld()
	put := func(content string) mlops.Dataset {
		t.Helper()
		d, err := StoreDataset(context.Background(), w, w, "iris", "Fisher 1936", []byte(content))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(w.objects[d.Key], []byte(content)) {
			t.Errorf("object %s holds %q", d.Key, w.objects[d.Key])
		}
		return d
	}
	d := put(irisLike)
	if d.Version != 1 || d.Source != "Fisher 1936" {
		t.Errorf("the first version is %+v", d)
	}
	w.calls = nil
	if again := put(irisLike); again.Version != 1 || len(w.datasets) != 1 {
		t.Errorf("the same bytes made version %d", again.Version)
	}
	if got := strings.Join(w.calls, " "); got != "Dataset Stat" {
		t.Errorf("storing the same bytes did %s, expected a look only", got)
	}
	other := strings.Replace(irisLike, "6.0", "7.0", 1)
	if next := put(other); next.Version != 2 || next.SHA256 == d.SHA256 {
		t.Errorf("other bytes made version %d", next.Version)
	}
	// Somebody deleted the object: it comes back, and no version with it.
	delete(w.objects, w.datasets[1].Key)
	if again := put(other); again.Version != 2 || len(w.datasets) != 2 {
		t.Errorf("restoring the object made version %d", again.Version)
	}
}

func TestStoreDatasetFailures(t *testing.T) {
	full := mlops.Errorf(mlops.Unavailable, "disk full")
	for op, want := range map[string]string{"Put": "store dataset iris: disk full", "PutDataset": "record dataset iris: disk full"} {
		w := newWorld()
		w.broken[op] = full
		_, err := StoreDataset(context.Background(), w, w, "iris", "", []byte(irisLike))
		if err == nil || err.Error() != want || !errors.Is(err, full) {
			t.Errorf("error %v, expected %q", err, want)
		}
		if op == "Put" && len(w.datasets) != 0 {
			t.Error("a row names bytes that were not stored")
		}
	}
	w := newWorld()
	if _, err := StoreDataset(context.Background(), w, w, "iris", "", []byte("1,1\n")); mlops.CodeOf(err) != mlops.Invalid {
		t.Errorf("error %v", err)
	}
	if len(w.objects) != 0 {
		t.Error("a dataset that is refused was stored")
	}
}
