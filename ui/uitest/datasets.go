package uitest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func (r registry) DatasetSummaries(context.Context) ([]mlops.DatasetSummary, error) {
	r.w.Lock()
	defer r.w.Unlock()
	var out []mlops.DatasetSummary
	for _, d := range r.w.Datasets {
		out = append(out, mlops.DatasetSummary{Name: d.Name, Digest: d.SHA256, Stored: &d})
	}
	for _, run := range r.all() {
		for _, in := range run.Inputs {
			i := slices.IndexFunc(out, func(d mlops.DatasetSummary) bool {
				return d.Name == in.Name && strings.HasPrefix(d.Digest, mlops.LoggedDigest(in.Digest))
			})
			if i < 0 {
				i = len(out)
				out = append(out, mlops.DatasetSummary{Name: in.Name, Digest: in.Digest})
			}
			out[i].Runs++
			out[i].LastRunAt = max(out[i].LastRunAt, run.StartedAt.UnixMilli())
			for _, v := range r.w.Versions {
				if v.RunID == run.ID {
					out[i].Versions++
				}
			}
		}
	}
	slices.SortStableFunc(out, func(a, b mlops.DatasetSummary) int { return int(min(1, max(-1, b.LastRunAt-a.LastRunAt))) })
	return out, nil
}

func (r registry) DatasetUse(_ context.Context, digest string, deployed []mlops.Deployment) (mlops.DatasetUse, error) {
	r.w.Lock()
	defer r.w.Unlock()
	use := mlops.DatasetUse{Digest: mlops.LoggedDigest(digest)}
	for _, d := range r.w.Datasets {
		if strings.HasPrefix(d.SHA256, digest) {
			use.Name, use.Stored = d.Name, &d
		}
	}
	for _, run := range r.all() {
		for _, in := range run.Inputs {
			if mlops.LoggedDigest(in.Digest) != use.Digest {
				continue
			}
			use.Name = in.Name
			use.Runs++
			if !slices.Contains(use.Sources, in.Source) {
				use.Sources = append(use.Sources, in.Source)
			}
			for _, v := range r.w.Versions {
				if v.RunID != run.ID {
					continue
				}
				made := mlops.VersionUse{Model: v.Model, Version: v.Version, RunID: v.RunID, Context: in.Context, CreatedAt: v.CreatedAt.UnixMilli()}
				for _, d := range deployed {
					if d.Model == v.Model && d.Version == strconv.Itoa(v.Version) {
						made.Served = append(made.Served, d.Name)
						use.Deployments = append(use.Deployments, d)
					}
				}
				use.Versions = append(use.Versions, made)
			}
		}
	}
	if use.Stored == nil && use.Runs == 0 {
		return use, mlops.Errorf(mlops.NotFound, "no dataset with the digest %q is stored or was logged by a run", digest)
	}
	slices.SortStableFunc(use.Versions, func(a, b mlops.VersionUse) int { return int(min(1, max(-1, b.CreatedAt-a.CreatedAt))) })
	return use, nil
}

// AddDataset keeps no bytes.
func (l loop) AddDataset(_ context.Context, name, source string, content io.Reader) (d mlops.Dataset, err error) {
	b, err := io.ReadAll(content)
	if err != nil {
		return d, err
	}
	if err := mlops.ValidateName("dataset", name); err != nil {
		return d, err
	}
	header, _, _ := strings.Cut(string(b), "\n")
	if !strings.Contains(header, ",") {
		return d, mlops.Errorf(mlops.Invalid, "dataset %s: expected a first line with the names of the columns, the last one for the class", name)
	}
	sum := sha256.Sum256(b)
	l.w.Change(func() {
		version := 1
		for _, have := range l.w.Datasets {
			if have.Name == name {
				version++
			}
		}
		d = mlops.Dataset{ID: int64(len(l.w.Datasets) + 1), Name: name, Version: version, SHA256: hex.EncodeToString(sum[:]), Bucket: "datasets", Key: name + ".csv", Bytes: int64(len(b)),
			Rows: strings.Count(string(b), "\n") - 1, Features: strings.Count(header, ","), Source: source, CreatedAt: l.w.Clock()}
		l.w.Datasets = append(l.w.Datasets, d)
	})
	return d, nil
}
