package models

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// VersionByAlias returns the version an alias points at; the alias "latest"
// means the newest.
func (s *Store) VersionByAlias(ctx context.Context, name, alias string) (wire.ModelVersion, error) {
	if _, err := s.RegisteredModel(ctx, name); err != nil {
		return wire.ModelVersion{}, err
	}
	var version int
	var found bool
	var err error
	if strings.EqualFold(alias, "latest") {
		found, err = s.db.Row(ctx, "SELECT v.version FROM model_versions v JOIN registered_models m ON m.id = v.model WHERE m.name = ? ORDER BY v.version DESC LIMIT 1", []any{name}, &version)
	} else {
		found, err = s.db.Row(ctx, "SELECT a.version FROM model_aliases a JOIN registered_models m ON m.id = a.model WHERE m.name = ? AND a.alias = ?", []any{name, alias}, &version)
	}
	if err != nil {
		return wire.ModelVersion{}, err
	}
	if !found {
		return wire.ModelVersion{}, mlops.Errorf(mlops.Invalid, "registered model %q has no alias %q", wire.Head(name), wire.Head(alias))
	}
	return s.Version(ctx, name, strconv.Itoa(version))
}

// LatestVersions returns the newest version of each of the stages, of all
// stages if none are named.
func (s *Store) LatestVersions(ctx context.Context, name string, want []string) ([]wire.ModelVersion, error) {
	var wanted []string
	for _, w := range want {
		stage, err := canonicalStage(w)
		if err != nil {
			return nil, err
		}
		wanted = append(wanted, stage)
	}
	vs, err := s.versions(ctx, `WHERE m.name = ?1 AND v.version IN (SELECT max(x.version) FROM model_versions x JOIN registered_models y ON y.id = x.model WHERE y.name = ?1 GROUP BY x.stage) ORDER BY v.version`, name)
	if err != nil || wanted == nil {
		return vs, err
	}
	return slices.DeleteFunc(vs, func(v wire.ModelVersion) bool { return !slices.Contains(wanted, v.CurrentStage) }), nil
}

// DownloadURI says where the files of a version lie.
func (s *Store) DownloadURI(ctx context.Context, name, version string) (string, error) {
	n, err := parseVersion(version)
	if err != nil {
		return "", err
	}
	var uri string
	found, err := s.db.Row(ctx, "SELECT v.storage_location FROM model_versions v JOIN registered_models m ON m.id = v.model WHERE m.name = ? AND v.version = ?", []any{name, n}, &uri)
	if err == nil && !found {
		err = mlops.Errorf(mlops.NotFound, "registered model %q has no version %d", wire.Head(name), n)
	}
	return uri, err
}
