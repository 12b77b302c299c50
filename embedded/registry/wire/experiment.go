package wire

import (
	"strconv"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// ExperimentNumber reads an experiment's id as clients send it.
func ExperimentNumber(id string) (int64, error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return 0, mlops.Errorf(mlops.Invalid, "experiment id %q is not a number", Head(id))
	}
	return n, nil
}

// ExperimentNumbers is ExperimentNumber for a list.
func ExperimentNumbers(ids []string) ([]int64, error) {
	out := make([]int64, 0, len(ids))
	for _, id := range ids {
		n, err := ExperimentNumber(id)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}
