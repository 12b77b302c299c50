package loop

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// DatasetBucket holds the datasets, each version under its digest.
const DatasetBucket = "datasets"

// ownDataset is the fact that people have given a sample's dataset versions of
// their own. From then on the newest of them counts, not the program's.
func ownDataset(name string) string { return "own-dataset/" + name }

// dataset returns a project's dataset, the newest version. It stores that of a
// sample if it is missing, or if this version of the program has another one.
func (l *Loop) dataset(ctx context.Context, name string) (mlops.Dataset, error) {
	own := ""
	s, ok := l.sample(name)
	if ok {
		var err error
		if own, err = l.cfg.Store.LoopFact(ctx, ownDataset(name)); err != nil {
			return mlops.Dataset{}, fmt.Errorf("read whose dataset %s is: %w", name, err)
		}
	}
	if !ok || own != "" {
		d, err := l.cfg.Store.Dataset(ctx, name)
		if err == nil {
			return d, nil
		}
		// The fact may have been written and no version of it.
		if !ok || mlops.CodeOf(err) != mlops.NotFound {
			return d, fmt.Errorf("read dataset %s: %w", name, err)
		}
	}
	content, err := s.Content()
	if err != nil {
		return mlops.Dataset{}, fmt.Errorf("open dataset %s: %w", name, err)
	}
	return StoreDataset(ctx, l.cfg.Store, l.cfg.Objects, name, s.Source, content)
}

// checkDataset reports why no project can have a dataset.
func (l *Loop) checkDataset(ctx context.Context, name string) error {
	if _, ok := l.sample(name); ok {
		return nil
	}
	_, err := l.cfg.Store.Dataset(ctx, name)
	if mlops.CodeOf(err) == mlops.NotFound {
		return mlops.Errorf(mlops.Invalid, "there is no dataset %q: store one with `benchtop datasets add %s FILE`, or name one of %s", name, name, strings.Join(l.Samples(), ", "))
	}
	return err
}

// maxSource is how many bytes may say where a dataset comes from.
const maxSource = 1000

// AddDataset makes content the newest version of a dataset. The projects that
// have it train with it from their next training on.
func (l *Loop) AddDataset(ctx context.Context, name, source string, from io.Reader) (mlops.Dataset, error) {
	if err := mlops.ValidateName("dataset", name); err != nil {
		return mlops.Dataset{}, err
	}
	if len(source) > maxSource {
		return mlops.Dataset{}, mlops.Errorf(mlops.Invalid, "the source of dataset %s has %d bytes, expected at most %d", name, len(source), maxSource)
	}
	content, err := io.ReadAll(io.LimitReader(from, mlops.MaxDatasetBytes+1))
	if err != nil {
		return mlops.Dataset{}, fmt.Errorf("read dataset %s: %w", name, err)
	}
	if len(content) > mlops.MaxDatasetBytes {
		return mlops.Dataset{}, mlops.Errorf(mlops.Invalid, "dataset %s is larger than %d MiB: put it into a bucket and let a script of your own read it from there", name, mlops.MaxDatasetBytes>>20)
	}
	d, err := describe(name, content)
	if err != nil {
		return mlops.Dataset{}, err
	}
	d.Source = source
	l.rows.Lock()
	defer l.rows.Unlock()
	// The fact comes first: a version that is stored counts.
	if _, ok := l.sample(name); ok {
		if err := l.cfg.Store.SetLoopFact(ctx, ownDataset(name), "yes"); err != nil {
			return mlops.Dataset{}, fmt.Errorf("remember whose dataset %s is: %w", name, err)
		}
	}
	if d, err = storeDescribed(ctx, l.cfg.Store, l.cfg.Objects, d, content); err != nil {
		return d, err
	}
	newest, err := l.cfg.Store.Dataset(ctx, name)
	if err != nil {
		return d, fmt.Errorf("read dataset %s: %w", name, err)
	}
	if newest.ID != d.ID {
		return d, mlops.Errorf(mlops.Exists, "these bytes are version %d of dataset %s already, and version %d is the newest: a version is not made twice", d.Version, name, newest.Version)
	}
	l.wake()
	return d, nil
}

// StoreDataset makes content the newest version of a dataset, unless it is one
// already. Bytes are stored before the row that names them.
func StoreDataset(ctx context.Context, store Store, objects mlops.ObjectStore, name, source string, content []byte) (mlops.Dataset, error) {
	d, err := describe(name, content)
	if err != nil {
		return d, err
	}
	d.Source = source
	return storeDescribed(ctx, store, objects, d, content)
}

// storeDescribed is StoreDataset for what describe has looked at.
func storeDescribed(ctx context.Context, store Store, objects mlops.ObjectStore, d mlops.Dataset, content []byte) (mlops.Dataset, error) {
	if have, err := store.Dataset(ctx, d.Name); err == nil && have.SHA256 == d.SHA256 {
		if _, err := objects.Stat(ctx, d.Key); err == nil {
			return have, nil
		}
	}
	if _, err := objects.Put(ctx, d.Key, bytes.NewReader(content), int64(len(content)), "text/csv"); err != nil {
		return d, fmt.Errorf("store dataset %s: %w", d.Name, err)
	}
	d, err := store.PutDataset(ctx, d)
	if err != nil {
		return d, fmt.Errorf("record dataset %s: %w", d.Name, err)
	}
	return d, nil
}

// describe says what a dataset's bytes are. Two layouts of CSV are read. In
// scikit-learn's, the first line holds the number of rows, the number of
// features and the class names, every other line the features and the class
// index. In the plain one, the first line names the columns, and the last
// column is the class.
func describe(name string, content []byte) (mlops.Dataset, error) {
	sum := sha256.Sum256(content)
	digest := hex.EncodeToString(sum[:])
	d := mlops.Dataset{Name: name, SHA256: digest, Bucket: DatasetBucket, Key: name + "/" + digest + ".csv", Bytes: int64(len(content))}
	bad := func(format string, args ...any) (mlops.Dataset, error) {
		return d, mlops.Errorf(mlops.Invalid, "dataset %s: %s", name, fmt.Sprintf(format, args...))
	}
	r := csv.NewReader(bytes.NewReader(content))
	r.FieldsPerRecord = -1
	lines, err := r.ReadAll()
	if err != nil {
		return bad("not CSV: %v", err)
	}
	if len(lines) == 0 || len(lines[0]) < 2 {
		return bad("expected a first line with the names of the columns, the last one for the class; or in scikit-learn's layout with the number of rows, the number of features and the class names")
	}
	rows, err1 := strconv.Atoi(lines[0][0])
	features, err2 := strconv.Atoi(lines[0][1])
	if err1 != nil || err2 != nil {
		if err := describeColumns(&d, lines); err != nil {
			return bad("%v", err)
		}
		return d, d.Validate()
	}
	if len(lines)-1 != rows {
		return bad("the first line promises %d rows, found %d", rows, len(lines)-1)
	}
	for i, line := range lines[1:] {
		if len(line) != features+1 {
			return bad("line %d: expected %d features and a class, found %d values", i+2, features, len(line))
		}
	}
	d.Rows, d.Features, d.Classes = rows, features, lines[0][2:]
	return d, d.Validate()
}

// maxClasses is how many classes a dataset may have. More is no class but a
// number: its column is not the one to predict.
const maxClasses = 100

// minRows is how many rows of a class the trainer needs.
const minRows = 5

// describeColumns describes a dataset whose first line names its columns. Each
// but the last holds finite numbers.
func describeColumns(d *mlops.Dataset, lines [][]string) error {
	header := lines[0]
	for i, name := range header {
		header[i] = strings.TrimSpace(strings.TrimPrefix(name, "\ufeff"))
		switch _, err := strconv.ParseFloat(header[i], 64); {
		case header[i] == "":
			return fmt.Errorf("column %d of the first line has no name", i+1)
		case err == nil:
			return fmt.Errorf("first line %q: expected the names of the columns, found the number %s", strings.Join(header, ","), header[i])
		case slices.Contains(header[:i], header[i]):
			return fmt.Errorf("the first line names two columns %q", header[i])
		}
	}
	classes := map[string]int{}
	for i, line := range lines[1:] {
		if len(line) != len(header) {
			return fmt.Errorf("line %d: expected %d values, found %d", i+2, len(header), len(line))
		}
		for j, field := range line[:len(line)-1] {
			if v, err := strconv.ParseFloat(strings.TrimSpace(field), 64); err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
				return fmt.Errorf("line %d, column %s: expected a finite number, found %q", i+2, header[j], field)
			}
		}
		class := strings.TrimSpace(line[len(line)-1])
		if class == "" {
			return fmt.Errorf("line %d has no %s: the last column is the class", i+2, header[len(header)-1])
		}
		classes[class]++
	}
	if len(classes) < 2 || len(classes) > maxClasses {
		return fmt.Errorf("the last column, %s, has %d different values: expected 2 to %d classes", header[len(header)-1], len(classes), maxClasses)
	}
	for _, class := range slices.Sorted(maps.Keys(classes)) {
		if classes[class] < minRows {
			return fmt.Errorf("class %s has %d rows: expected at least %d, so that a part of them can be held out", class, classes[class], minRows)
		}
	}
	d.Rows, d.Features, d.Classes = len(lines)-1, len(header)-1, slices.Sorted(maps.Keys(classes))
	return nil
}
