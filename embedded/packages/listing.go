package packages

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// listing is the page of a project as the lab shows it.
type listing struct {
	Name     string
	Versions []string
	Files    []link
}

// listing returns what upstream lists and what is kept; if upstream can't be asked,
// what is kept alone. What somebody has added comes before what upstream has of
// that name.
func (x *Index) listing(ctx context.Context, name string) (listing, error) {
	out := listing{Name: name}
	if !projectName.MatchString(name) {
		return out, mlops.Errorf(mlops.NotFound, "%q is no name of a package", name)
	}
	p, asking := x.page(ctx, name)
	if ctx.Err() != nil {
		return out, context.Cause(ctx)
	}
	all, err := x.keptOf(ctx, name)
	if err != nil {
		return out, err
	}
	kept := map[string]Kept{}
	for _, k := range all {
		kept[k.File] = k
	}
	if asking != nil {
		if len(kept) == 0 {
			return out, x.explain(name, asking)
		}
		x.cfg.Log.Info("upstream is not used", "project", name, "why", asking)
		if p, err = x.seen(ctx, name); err != nil {
			return out, err
		}
	}
	versions := map[string]bool{}
	if p != nil {
		for _, l := range p.Files {
			k, is := kept[l.Name]
			switch {
			case is && (k.From == Added || l.sha256() == ""):
				yank := l.Yanked
				if l = k.link(); k.From != Added {
					l.Yanked = yank
				}
			case is && k.SHA256 == l.sha256() && !l.Metadata.Is:
				l.Metadata = k.link().Metadata
			case !is && asking != nil, is && k.SHA256 != l.sha256() && asking != nil:
				continue
			}
			delete(kept, l.Name)
			out.Files = append(out.Files, l)
		}
		if asking == nil {
			for _, v := range p.Versions {
				versions[v] = true
			}
		}
	}
	for _, k := range kept {
		out.Files = append(out.Files, k.link())
	}
	slices.SortFunc(out.Files, func(a, b link) int { return cmp.Compare(a.Name, b.Name) })
	for _, l := range out.Files {
		v, _, _ := fileOf(name, l.Name)
		versions[v] = true
	}
	out.Versions = slices.Sorted(maps.Keys(versions))
	return out, nil
}

// explain says of a project that is not kept why upstream was not asked.
func (x *Index) explain(name string, err error) error {
	u, is := errors.AsType[*unreachable](err)
	switch {
	case !is:
		return err
	case x.upstream.index == nil:
		return mlops.Errorf(mlops.NotFound, "%s is not in this lab's package index, and there is no index upstream: add it with `benchtop packages add`, or name one in packages.index_url", name)
	}
	return &mlops.Error{Code: mlops.NotFound, Message: name + " is not in this lab's package index, and the index upstream (" + u.host + ") can't be reached: add it with `benchtop packages add`", Err: u.err}
}
