package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/benchtop-lab/benchtop/embedded/images"
)

// buildBundle makes every component and lays them out in out as the binary will hold them. With only, nothing but the
// named components is built; of the others out keeps what it has.
func (b *Builder) buildBundle(recipes []*Recipe, out string, only []string) error {
	for _, name := range only {
		if !slices.ContainsFunc(recipes, func(r *Recipe) bool { return r.Name == name }) {
			return fmt.Errorf("no component is called %q; there are: %s", name, strings.Join(recipeNames(recipes), ", "))
		}
	}
	idx := images.Index{Arch: b.Arch, Images: []images.Image{}, Bins: []images.Bin{}}
	for _, r := range recipes {
		if len(only) > 0 && !slices.Contains(only, r.Name) {
			continue
		}
		e, err := b.component(r)
		if err != nil {
			return err
		}
		if err := place(e, r, out, &idx); err != nil {
			return fmt.Errorf("lay out %s: %w", r.Name, err)
		}
		if r.Name == uvComponent {
			if idx.PackageIndex, err = b.packageIndex(e); err != nil {
				return fmt.Errorf("ask the uv in %s for its package index: %w", r.Name, err)
			}
		}
	}
	if len(only) > 0 {
		if old, err := readIndex(out); err == nil && old.Arch == b.Arch {
			keepOthers(&idx, old, recipes, only)
		}
	}
	slices.SortFunc(idx.Images, func(a, c images.Image) int { return strings.Compare(a.Name, c.Name) })
	slices.SortFunc(idx.Bins, func(a, c images.Bin) int { return strings.Compare(a.Name, c.Name) })
	if err := removeOthers(out, idx); err != nil {
		return err
	}
	data, err := json.MarshalIndent(idx, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(filepath.Join(out, images.IndexFile), append(data, '\n'))
}

// keepOthers keeps the components of old that this build did not make.
func keepOthers(idx *images.Index, old images.Index, recipes []*Recipe, only []string) {
	keep := func(name string) bool {
		return slices.Contains(recipeNames(recipes), name) && !slices.Contains(only, name)
	}
	if keep(uvComponent) {
		idx.PackageIndex = old.PackageIndex
	}
	for _, img := range old.Images {
		if keep(img.Name) {
			idx.Images = append(idx.Images, img)
		}
	}
	for _, bin := range old.Bins {
		if keep(bin.Component) {
			idx.Bins = append(idx.Bins, bin)
		}
	}
}

func place(e *Entry, r *Recipe, out string, idx *images.Index) error {
	for _, f := range e.Meta.Files {
		name, mode := images.BinDir+f.Name, os.FileMode(0o755)
		if r.Kind == kindImage {
			name, mode = images.ImageDir+f.Name, 0o644
		}
		if err := placeFile(filepath.Join(e.Dir, f.Name), filepath.Join(out, name), f, mode); err != nil {
			return err
		}
		if r.Kind == kindBin {
			idx.Bins = append(idx.Bins, images.Bin{Name: f.Name, Component: r.Name, Version: r.Version, Recipe: e.Meta.Key, SHA256: f.SHA256, Size: f.Size, Links: f.Links})
			continue
		}
		idx.Images = append(idx.Images, images.Image{Name: r.Name, Base: r.Base, Version: r.Version, Ref: imageRef(r, e.Meta.Key), Digest: e.Meta.Digest,
			Recipe: e.Meta.Key, Size: f.Size, Unpacked: e.Meta.Unpacked, SHA256: f.SHA256})
	}
	return nil
}

// placeFile copies rather than links: whoever writes to dist must not reach into the cache.
func placeFile(from, to string, f MetaFile, mode os.FileMode) error {
	if sum, _, err := hashFile(to); err == nil && sum == f.SHA256 {
		return os.Chmod(to, mode)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	tmp := to + ".new"
	dst, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	defer dst.Close()
	if _, err := io.Copy(dst, src); err != nil {
		return err
	}
	if err := dst.Close(); err != nil {
		return err
	}
	return os.Rename(tmp, to)
}

// removeOthers deletes what an earlier build left in the bundle's folders.
func removeOthers(out string, idx images.Index) error {
	keep := map[string]bool{}
	for _, img := range idx.Images {
		keep[images.ImageDir+img.Name+".tar"] = true
	}
	for _, bin := range idx.Bins {
		keep[images.BinDir+bin.Name] = true
	}
	for _, dir := range []string{images.ImageDir, images.BinDir} {
		err := filepath.Walk(filepath.Join(out, dir), func(path string, st os.FileInfo, err error) error {
			if os.IsNotExist(err) {
				return nil
			}
			if err != nil || st.IsDir() {
				return err
			}
			rel, err := filepath.Rel(out, path)
			if err != nil || keep[filepath.ToSlash(rel)] {
				return err
			}
			return os.Remove(path)
		})
		if err != nil {
			return fmt.Errorf("remove leftovers: %w", err)
		}
	}
	return nil
}

func replaceFile(file string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	tmp := file + ".new"
	if err := os.WriteFile(tmp, data, 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, file)
}

func recipeNames(recipes []*Recipe) []string {
	var names []string
	for _, r := range recipes {
		names = append(names, r.Name)
	}
	return names
}
