package ui

import (
	"context"
	"slices"

	"github.com/benchtop-lab/benchtop/ui/page"
)

// datasetNames are the datasets that a project can have; among them always the
// one that it has.
func (s *Server) datasetNames(ctx context.Context, has string) []string {
	all, err := s.site.Registry.Datasets(ctx)
	s.site.Problem("the datasets", err) // logged; the choice is smaller
	var names []string
	for _, d := range all {
		names = append(names, d.Name)
	}
	for _, sample := range s.cfg.Samples {
		if !page.PrincipalOf(ctx).Limited() {
			names = append(names, sample.Name)
		}
	}
	if has != "" {
		names = append(names, has)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
