package packages

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// IsDistribution reports whether a file's name ends as those of wheels and source
// archives do.
func IsDistribution(name string) bool {
	if strings.HasSuffix(name, wheelEnding) {
		return true
	}
	for _, ending := range sdistEndings {
		if strings.HasSuffix(name, ending) {
			return true
		}
	}
	return false
}

// Add keeps a wheel or a source archive. Its name says what it is, and is compared
// with its metadata. A file of that name which was kept before is replaced.
func (x *Index) Add(ctx context.Context, name string, r io.Reader) (k Kept, err error) {
	if !IsDistribution(name) || !fileName.MatchString(name) {
		return k, mlops.Errorf(mlops.Invalid, "%s is neither a wheel (.whl) nor a source archive (%s)", name, strings.Join(sdistEndings, ", "))
	}
	file, err := os.CreateTemp(x.cfg.Scratch, "package-*")
	if err != nil {
		return k, fmt.Errorf("make a file for %s: %w", name, err)
	}
	defer func() { err = errors.Join(err, os.Remove(file.Name()), file.Close()) }()
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(file, sum), r)
	if err != nil {
		return k, mlops.Errorf(mlops.BadRequest, "%s broke off on its way: %v", name, err)
	}
	metadata, a, err := inspect(file, n, name)
	if err != nil {
		return k, err
	}
	k = Kept{Name: Normalize(a.name), Version: a.version, File: name, Bytes: n, SHA256: hex.EncodeToString(sum.Sum(nil)), From: Added, RequiresPython: a.requiresPython}
	return x.keep(ctx, k, file, metadata)
}
