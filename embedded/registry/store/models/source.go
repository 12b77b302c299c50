package models

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// promptSources are the words that stand where a prompt has no files.
var promptSources = []string{"dummy-source", "prompt-template"}

// checkSource makes sure that the source of a new version is an address, and
// that an address below this server's artifacts belongs to the run or logged
// model that the version names: whoever may read a version may read its files.
func (s *Store) checkSource(ctx context.Context, n *NewVersion) error {
	if slices.ContainsFunc(n.Tags, isPromptTag) {
		if !slices.Contains(promptSources, n.Source) {
			return mlops.Errorf(mlops.Invalid, "the source of a prompt is one of %s, found %q: prompts have no files", strings.Join(promptSources, ", "), wire.Head(n.Source))
		}
		return nil
	}
	plain := n.Source
	for {
		u, err := url.PathUnescape(plain)
		if err != nil || u == plain {
			break
		}
		plain = u
	}
	if strings.Contains(plain, "\x00") || slices.Contains(strings.Split(plain, "/"), "..") {
		return mlops.Errorf(mlops.Invalid, "the source %q must be an absolute address without '..'", wire.Head(n.Source))
	}
	u, err := url.Parse(n.Source)
	if err != nil || u.Scheme == "" || u.Scheme == "file" {
		return mlops.Errorf(mlops.Invalid, "the source %q is not an address that others can read: expected a URI such as runs:/<run id>/model, models:/<model id> or s3://bucket/model; local paths are not taken", wire.Head(n.Source))
	}
	switch {
	case u.Scheme == "runs":
		if id, _, _ := strings.Cut(strings.TrimLeft(u.Path, "/"), "/"); u.Host != "" || n.RunID == "" || n.ModelID != "" || id != n.RunID {
			return mlops.Errorf(mlops.Invalid, "the source %q names a run: run_id must be that run, and model_id must be empty", wire.Head(n.Source))
		}
	case u.Scheme == "models":
		return s.checkModelSource(ctx, n, u)
	case u.Scheme == "mlflow-artifacts", strings.HasPrefix(u.Scheme, "http") && strings.Contains(plain, "/api/2.0/mlflow-artifacts/artifacts"):
		root, err := s.rootOf(ctx, n)
		if err != nil {
			return err
		}
		if root == "" || !within(n.Source, root) {
			return mlops.Errorf(mlops.Invalid, "the source %q lies on this server: run_id or model_id must name the run or logged model that it belongs to", wire.Head(n.Source))
		}
	}
	return nil
}

// checkModelSource checks models:/<model id> and models:/<name>/<version>. From
// the latter the new version inherits fields that it does not set itself.
func (s *Store) checkModelSource(ctx context.Context, n *NewVersion, u *url.URL) error {
	name, version, isVersion := strings.Cut(strings.Trim(u.Path, "/"), "/")
	if !isVersion && !strings.Contains(name, "@") {
		if u.Host != "" || n.ModelID == "" || name != n.ModelID {
			return mlops.Errorf(mlops.Invalid, "the source %q names a logged model: model_id must be that model", wire.Head(n.Source))
		}
		return nil
	}
	var v wire.ModelVersion
	var err error
	if model, alias, isAlias := strings.Cut(name, "@"); isAlias {
		v, err = s.VersionByAlias(ctx, model, alias)
	} else {
		v, err = s.Version(ctx, name, version)
	}
	if err != nil {
		return err
	}
	if n.RunID != "" && n.RunID != v.RunID || n.ModelID != "" && n.ModelID != v.ModelID {
		return mlops.Errorf(mlops.Invalid, "the source %q names a version of another run or logged model than run_id and model_id", wire.Head(n.Source))
	}
	n.RunID, n.ModelID = v.RunID, v.ModelID
	n.Source = "models:/" + v.Name + "/" + v.Version
	return nil
}

// rootOf is the artifact root of the run or logged model that a version names.
func (s *Store) rootOf(ctx context.Context, n *NewVersion) (string, error) {
	if n.ModelID != "" {
		m, err := s.logged.LoggedModel(ctx, n.ModelID, false)
		if mlops.CodeOf(err) == mlops.NotFound {
			return "", nil
		}
		return m.Info.ArtifactURI, err
	}
	if n.RunID == "" {
		return "", nil
	}
	r, err := s.runs.RunByID(ctx, n.RunID)
	if mlops.CodeOf(err) == mlops.NotFound {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return r.Info.ArtifactURI, nil
}

// within reports whether an address lies below a root, part by part.
func within(source, root string) bool {
	a, err1 := url.Parse(source)
	b, err2 := url.Parse(root)
	if err1 != nil || err2 != nil || !strings.EqualFold(a.Scheme, b.Scheme) || !strings.EqualFold(a.Host, b.Host) {
		return false
	}
	rest, ok := strings.CutPrefix(strings.Trim(a.Path, "/")+"/", strings.Trim(b.Path, "/")+"/")
	return ok && strings.Trim(b.Path, "/") != "" && rest != ".."
}
