package appliance

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// VersionLineage is a model version with where it comes from and what serves
// it.
type VersionLineage struct {
	Version mlops.ModelVersion `json:"model_version"`
	mlops.Lineage
}

// lineageCalls are the calls of the command line about where versions come
// from and what came of datasets.
func (c *control) lineageCalls(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/lineage", func(w http.ResponseWriter, r *http.Request) {
		out, err := c.lineage(r.Context(), r.URL.Query().Get("of"))
		c.answer(w, http.StatusOK, out, err)
	})
	mux.HandleFunc("GET /v1/datasets", func(w http.ResponseWriter, r *http.Request) {
		var all []mlops.DatasetSummary
		registry, err := openRegistry(c.a.registry)
		if err == nil {
			all, err = registry.DatasetSummaries(r.Context())
		}
		c.answer(w, http.StatusOK, all, err)
	})
	mux.HandleFunc("POST /v1/datasets/{dataset}", func(w http.ResponseWriter, r *http.Request) {
		c.answerStep(w, http.StatusCreated, func(s steps) (any, error) {
			return s.AddDataset(r.Context(), r.PathValue("dataset"), r.URL.Query().Get("source"), r.Body)
		})
	})
	mux.HandleFunc("GET /v1/datasets/{dataset}", func(w http.ResponseWriter, r *http.Request) {
		use, err := c.datasetUse(r.Context(), r.PathValue("dataset"))
		c.answer(w, http.StatusOK, use, err)
	})
}

// lineage is the lineage of MODEL/VERSION, or of what a deployment serves now.
func (c *control) lineage(ctx context.Context, of string) (VersionLineage, error) {
	deployed, err := c.a.loopPort.Deployments(ctx)
	if err != nil {
		return VersionLineage{}, err
	}
	model, number, named := cutLast(of, "/")
	if !named {
		if model, number, err = servedVersion(deployed, of); err != nil {
			return VersionLineage{}, err
		}
	}
	version, err := strconv.Atoi(number)
	if err != nil || version < 1 {
		return VersionLineage{}, mlops.Errorf(mlops.Invalid, "%q is not the number of a version: expected MODEL/VERSION such as %s/3, or the name of a deployment", number, model)
	}
	registry, err := openRegistry(c.a.registry)
	if err != nil {
		return VersionLineage{}, err
	}
	v, l, err := registry.Lineage(ctx, model, version, deployed)
	return VersionLineage{Version: v, Lineage: l}, err
}

// cutLast cuts at the last separator: names of models may hold others.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

func servedVersion(deployed []mlops.Deployment, name string) (model, version string, err error) {
	names := make([]string, 0, len(deployed))
	for _, d := range deployed {
		if d.Name != name {
			names = append(names, d.Name)
			continue
		}
		if d.Version == "" {
			return "", "", mlops.Errorf(mlops.InvalidState, "deployment %s serves nothing yet: ask for a version, `benchtop lineage %s/1`", name, d.Model)
		}
		return d.Model, d.Version, nil
	}
	if len(names) == 0 {
		return "", "", mlops.Errorf(mlops.NotFound, "there is no deployment %q, the lab has none yet: expected MODEL/VERSION", name)
	}
	return "", "", mlops.Errorf(mlops.NotFound, "there is no deployment %q: expected one of %s, or MODEL/VERSION", name, strings.Join(names, ", "))
}

// datasetUse is what came of a dataset, which is named by its digest, or by
// its name for the newest version that is stored.
func (c *control) datasetUse(ctx context.Context, dataset string) (mlops.DatasetUse, error) {
	deployed, err := c.a.loopPort.Deployments(ctx)
	if err != nil {
		return mlops.DatasetUse{}, err
	}
	registry, err := openRegistry(c.a.registry)
	if err != nil {
		return mlops.DatasetUse{}, err
	}
	all, err := registry.DatasetSummaries(ctx)
	if err != nil {
		return mlops.DatasetUse{}, err
	}
	digest, newest := dataset, -1
	for _, d := range all {
		version := 0 // of one that only runs know
		if d.Stored != nil {
			version = d.Stored.Version
		}
		if d.Name == dataset && version > newest {
			digest, newest = d.Digest, version
		}
	}
	use, err := registry.DatasetUse(ctx, digest, deployed)
	if mlops.CodeOf(err) == mlops.NotFound {
		err = mlops.Errorf(mlops.NotFound, "there is no dataset %q: `benchtop datasets` lists names and digests", dataset)
	}
	return use, err
}

// Lineage returns the lineage of MODEL/VERSION, or of what a deployment serves.
func (c *Control) Lineage(ctx context.Context, of string) (VersionLineage, error) {
	var out VersionLineage
	return out, c.call(ctx, http.MethodGet, "/v1/lineage?of="+url.QueryEscape(of), nil, &out)
}

// Datasets lists the datasets that the lab or its runs know.
func (c *Control) Datasets(ctx context.Context) ([]mlops.DatasetSummary, error) {
	var all []mlops.DatasetSummary
	return all, c.call(ctx, http.MethodGet, "/v1/datasets", nil, &all)
}

// AddDataset makes what is read the newest version of a dataset.
func (c *Control) AddDataset(ctx context.Context, name, source string, content io.Reader) (mlops.Dataset, error) {
	var d mlops.Dataset
	return d, c.call(ctx, http.MethodPost, "/v1/datasets/"+url.PathEscape(name)+"?source="+url.QueryEscape(source), content, &d)
}

// DatasetUse returns what came of a dataset, by its name or digest.
func (c *Control) DatasetUse(ctx context.Context, dataset string) (mlops.DatasetUse, error) {
	var use mlops.DatasetUse
	return use, c.call(ctx, http.MethodGet, fmt.Sprintf("/v1/datasets/%s", url.PathEscape(dataset)), nil, &use)
}
