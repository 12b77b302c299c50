package minio

import (
	"strings"
	"testing"
)

func TestUsage(t *testing.T) {
	t.Parallel()
	u := sharedUnit(t)
	store := u.Bucket("datasets")
	if _, err := store.Put(t.Context(), "usage/x", strings.NewReader("12345"), 5, ""); err != nil {
		t.Fatal(err)
	}
	got, err := u.Usage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.DiskBytes <= 0 || got.FreeBytes <= 0 || got.FreeBytes > got.DiskBytes || got.At.IsZero() {
		t.Errorf("disk: %+v", got)
	}
	if len(got.Buckets) != 2 || got.Buckets[0].Name != "datasets" || got.Buckets[0].Objects < 1 || got.Buckets[0].Bytes < 5 {
		t.Errorf("buckets: %+v", got.Buckets)
	}
}
