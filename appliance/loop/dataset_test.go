package loop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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
		"":                              "dataset d: expected a first line with the names of the columns, the last one for the class; or in scikit-learn's layout with the number of rows, the number of features and the class names",
		"\n\n":                          "dataset d: expected a first line with the names of the columns, the last one for the class; or in scikit-learn's layout with the number of rows, the number of features and the class names",
		"2\n1\n2\n":                     "dataset d: expected a first line with the names of the columns, the last one for the class; or in scikit-learn's layout with the number of rows, the number of features and the class names",
		"2,four,a\n1,2\n":               `dataset d: first line "2,four,a": expected the names of the columns, found the number 2`,
		"age,age,left\n1,2,no\n":        `dataset d: the first line names two columns "age"`,
		"age,,left\n1,2,no\n":           "dataset d: column 2 of the first line has no name",
		"age,left\n1,no\n1\n":           "dataset d: line 3: expected 2 values, found 1",
		"age,left\nold,no\n":            `dataset d: line 2, column age: expected a finite number, found "old"`,
		"age,left\nNaN,no\n":            `dataset d: line 2, column age: expected a finite number, found "NaN"`,
		"age,left\n1, \n":               "dataset d: line 2 has no left: the last column is the class",
		"age,left\n1,no\n2,no\n":        "dataset d: the last column, left, has 1 different values: expected 2 to 100 classes",
		"age,left\n1,no\n2,yes\n":       "dataset d: class no has 1 rows: expected at least 5, so that a part of them can be held out",
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

// plain is a dataset with named columns.
func plain(rows int) string {
	s := "\ufeffage,income,left\n"
	for i := range rows {
		s += fmt.Sprintf("%d,%d.5,%s\n", i, i, []string{"yes", "no"}[i%2])
	}
	return s
}

func TestDescribeNamedColumns(t *testing.T) {
	d, err := describe("churn", []byte(plain(10)))
	if err != nil || d.Rows != 10 || d.Features != 2 || strings.Join(d.Classes, " ") != "no yes" {
		t.Errorf("described as %+v, %v", d, err)
	}
}

// TestOwnDatasets: what people store is used from the next pass on, for a
// sample's dataset too, and a program with another sample does not take it back.
func TestOwnDatasets(t *testing.T) {
	w := newWorld()
	l := w.start()
	run(t, l.Prepare)
	last := func() mlops.ProjectSpec { return w.applied[len(w.applied)-1] }
	applied := len(w.applied)
	run(t, l.Reconcile)
	if len(w.applied) != applied {
		t.Fatal("a pass without a change applied a project")
	}
	if _, err := l.AddDataset(t.Context(), "iris", "mine", strings.NewReader(plain(10))); err != nil {
		t.Fatal(err)
	}
	run(t, l.Reconcile)
	if d := last().Dataset; d.Version != 2 || d.Source != "mine" {
		t.Errorf("trains with %+v", d)
	}
	run(t, w.start().Prepare)
	if d := last().Dataset; d.Version != 2 {
		t.Errorf("after a restart it trains with %+v", d)
	}
	if _, err := l.AddDataset(t.Context(), "churn", "", strings.NewReader(plain(12))); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Add(t.Context(), mlops.ProjectRequest{Name: "leaving", Dataset: "churn"}); err != nil {
		t.Fatal(err)
	}
	run(t, l.Reconcile)
	if s := last(); s.Project.Name != "leaving" || s.Dataset.Name != "churn" || w.keys["leaving"] != (mlops.KeyBucket{Name: "datasets", Prefix: "churn/"}) {
		t.Errorf("applied %+v with a key to %s", s, w.keys["leaving"])
	}
	iris := "iris"
	if _, err := l.Edit(t.Context(), "leaving", mlops.ProjectEdit{Dataset: &iris}); err != nil {
		t.Fatal(err)
	}
	run(t, l.Reconcile)
	if s := last(); s.Project.Name != "leaving" || s.Dataset.Name != "iris" || s.Dataset.Version != 2 || w.keys["leaving"].Prefix != "iris/" {
		t.Errorf("after the edit: %+v", s)
	}
}

func TestOwnDatasetErrors(t *testing.T) {
	w := newWorld()
	l := w.start()
	run(t, l.Prepare)
	fresh := func(name, source, content string) error {
		_, err := l.AddDataset(t.Context(), name, source, strings.NewReader(content))
		return err
	}
	if err := errors.Join(fresh("churn", "", plain(10)), fresh("churn", "", plain(12)), fresh("churn", "", plain(12))); err != nil {
		t.Fatal(err)
	}
	nowhere := "nowhere"
	_, missing := l.Edit(t.Context(), "iris", mlops.ProjectEdit{Dataset: &nowhere})
	_, none := l.Add(t.Context(), mlops.ProjectRequest{Name: "p", Dataset: "nowhere"})
	_, both := l.Add(t.Context(), mlops.ProjectRequest{Sample: "wine", Name: "p"})
	_, reserved := l.Add(t.Context(), mlops.ProjectRequest{Name: "models", Dataset: "churn"})
	_, nameless := l.Add(t.Context(), mlops.ProjectRequest{Dataset: "churn"})
	for want, err := range map[string]error{
		"these bytes are version 1 of dataset churn already, and version 2 is the newest": fresh("churn", "", plain(10)),
		`dataset name "No" is not usable`:                                                 fresh("No", "", plain(10)),
		"the source of dataset churn has 1001 bytes, expected at most 1000":               fresh("churn", strings.Repeat("x", 1001), plain(10)),
		"dataset churn is larger than 64 MiB: put it into a bucket":                       fresh("churn", "", strings.Repeat("x", mlops.MaxDatasetBytes+1)),
		`there is no dataset "nowhere": store one with`:                                   missing,
		"or name one of iris, wine":                                                       none,
		"no project can be called models":                                                 reserved,
		"expected a sample, or a name and a dataset, not both":                            both,
		"expected a sample such as wine, or the name of the project and of it":            nameless,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, expected %q", err, want)
		}
	}
	if len(w.projects) != 1 || w.projects[0].Dataset != "iris" {
		t.Errorf("projects are %+v", w.projects)
	}
}
