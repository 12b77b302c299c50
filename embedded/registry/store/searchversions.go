package store

import (
	"context"

	"github.com/benchtop-lab/benchtop/embedded/registry/filter"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// SearchModelVersions returns a page of versions, the newest first unless
// ordered. Versions of prompts are left out unless the filter asks for them.
func (s *Store) SearchModelVersions(ctx context.Context, q PageQuery) ([]wire.ModelVersion, string, error) {
	comps, err := filter.Parse(q.Filter, filter.ModelVersions)
	if err != nil {
		return nil, "", err
	}
	orders, err := filter.ParseOrder(q.OrderBy, filter.ModelVersions)
	if err != nil {
		return nil, "", err
	}
	names := map[string]string{"name": "m.name", "version_number": "v.version", "run_id": "v.run_id", "source_path": "v.source",
		"creation_timestamp": "v.created", "last_updated_timestamp": "v.updated"}
	var cond clause
	wantsPrompts := false
	for _, c := range comps {
		switch {
		case c.Entity == filter.Tag && c.Key == tagIsPrompt:
			wantsPrompts = true
			cond.and(promptCondition(c))
		case c.Entity == filter.Tag:
			cond.and(compareTag("model_version_tags", "version", "v.id", c))
		case c.Key == "version_number":
			cond.and(compareNumber("v.version", c))
		default:
			cond.and(compareText(names[c.Key], c))
		}
	}
	if !wantsPrompts {
		cond.and(clause{"m.prompt = 0", nil})
	}
	cond.and(ofProjects("m.name", q.Projects))
	ties := []sortCol{{"v.updated", true}, {"m.name", false}, {"v.version", true}}
	return page(ctx, s, versionColumns, cond, orderCols(orders, names, ties...), q, scanVersion)
}
