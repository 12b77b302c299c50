package loop

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// DatasetBucket holds the datasets, each version under its digest.
const DatasetBucket = "datasets"

// StoreDataset makes content the newest version of a dataset, unless it is
// already. The format is scikit-learn's: a header line with the number of
// rows, the number of features and the class names, then features and class
// index, comma separated. Bytes are stored before the row that names them.
func StoreDataset(ctx context.Context, store Store, objects mlops.ObjectStore, name, source string, content []byte) (mlops.Dataset, error) {
	d, err := describe(name, content)
	if err != nil {
		return d, err
	}
	d.Source = source
	if have, err := store.Dataset(ctx, name); err == nil && have.SHA256 == d.SHA256 {
		if _, err := objects.Stat(ctx, d.Key); err == nil {
			return have, nil
		}
	}
	if _, err := objects.Put(ctx, d.Key, bytes.NewReader(content), int64(len(content)), "text/csv"); err != nil {
		return d, fmt.Errorf("store dataset %s: %w", name, err)
	}
	if d, err = store.PutDataset(ctx, d); err != nil {
		return d, fmt.Errorf("record dataset %s: %w", name, err)
	}
	return d, nil
}

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
		return bad("expected a first line with the number of rows, the number of features and the class names")
	}
	rows, err1 := strconv.Atoi(lines[0][0])
	features, err2 := strconv.Atoi(lines[0][1])
	if err1 != nil || err2 != nil {
		return bad("first line %q: expected the number of rows and of features, then the class names", strings.Join(lines[0], ","))
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
