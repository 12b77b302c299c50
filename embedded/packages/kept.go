package packages

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Kept is a file that the index has.
type Kept struct {
	Name           string    `json:"name"` // normalised
	Version        string    `json:"version"`
	File           string    `json:"file"`
	Bytes          int64     `json:"bytes"`
	SHA256         string    `json:"sha256"`
	From           string    `json:"from"` // the host that it came from, or "added"
	AddedAt        time.Time `json:"added_at"`
	RequiresPython string    `json:"requires_python,omitempty"`
	MetadataSHA256 string    `json:"metadata_sha256,omitempty"` // "" if its metadata is not kept
	Uploaded       string    `json:"uploaded,omitempty"`        // when it came upstream, as that says it
	Yanked         bool      `json:"yanked,omitempty"`
	YankedWhy      string    `json:"yanked_why,omitempty"`
}

// Added is where a file is from that somebody has added.
const Added = "added"

// What is kept of a project NAME:
//
//	pages/NAME.json                      its page upstream
//	kept/NAME/FILE.json                  a Kept: the file is there when this is
//	files/NAME/SHA256/FILE               the file
//	files/NAME/SHA256/FILE.metadata      a wheel's metadata, with the wheel or without
func keptKey(name, file string) string { return "kept/" + name + "/" + file + ".json" }

func fileKey(name, sha, file string) string { return "files/" + name + "/" + sha + "/" + file }

const metadataEnding = ".metadata"

// link is the file as a page lists it.
func (k Kept) link() link {
	l := link{Name: k.File, Hashes: map[string]string{"sha256": k.SHA256}, RequiresPython: k.RequiresPython, Size: k.Bytes, Uploaded: k.Uploaded, Yanked: yanked{k.Yanked, k.YankedWhy}}
	if k.MetadataSHA256 != "" {
		l.Metadata = metadataClaim{true, map[string]string{"sha256": k.MetadataSHA256}}
	}
	return l
}

// keptFile returns the record of a file, nil if it is not kept.
func (x *Index) keptFile(ctx context.Context, name, file string) (*Kept, error) {
	var k Kept
	err := x.read(ctx, keptKey(name, file), &k)
	if mlops.CodeOf(err) == mlops.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &k, nil
}

// keptOf returns the kept files of a project, by their name, sorted.
func (x *Index) keptOf(ctx context.Context, name string) ([]Kept, error) {
	objects, err := x.cfg.Store.List(ctx, "kept/"+name, false)
	if err != nil && mlops.CodeOf(err) != mlops.NotFound {
		return nil, fmt.Errorf("list kept files of %s: %w", name, err)
	}
	var out []Kept
	for _, o := range objects {
		k, err := x.keptFile(ctx, name, strings.TrimSuffix(path.Base(o.Key), ".json"))
		if err != nil {
			return nil, err
		}
		if k != nil {
			out = append(out, *k)
		}
	}
	return out, nil
}

// names returns the projects that files are kept of, sorted.
func (x *Index) names(ctx context.Context) ([]string, error) {
	objects, err := x.cfg.Store.List(ctx, "kept", false)
	if err != nil && mlops.CodeOf(err) != mlops.NotFound {
		return nil, fmt.Errorf("list kept projects: %w", err)
	}
	out := []string{}
	for _, o := range objects {
		out = append(out, path.Base(o.Key))
	}
	return out, nil
}

// Kept lists every file that the index has, by project and name.
func (x *Index) Kept(ctx context.Context) ([]Kept, error) {
	names, err := x.names(ctx)
	if err != nil {
		return nil, err
	}
	out := []Kept{}
	for _, name := range names {
		of, err := x.keptOf(ctx, name)
		if err != nil {
			return nil, err
		}
		out = append(out, of...)
	}
	slices.SortFunc(out, func(a, b Kept) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.File, b.File)) })
	return out, nil
}

// Remove removes what is kept of NAME, or of NAME==VERSION, and returns what that
// was. What upstream has comes back when it is asked for.
func (x *Index) Remove(ctx context.Context, what string) ([]Kept, error) {
	name, version, pinned := strings.Cut(what, "==")
	name = Normalize(strings.TrimSpace(name))
	if !projectName.MatchString(name) || pinned && strings.TrimSpace(version) == "" {
		return nil, mlops.Errorf(mlops.Invalid, "%q names no package: expected NAME or NAME==VERSION", what)
	}
	x.writing.Lock()
	defer x.writing.Unlock()
	all, err := x.keptOf(ctx, name)
	if err != nil {
		return nil, err
	}
	gone := slices.DeleteFunc(slices.Clone(all), func(k Kept) bool { return pinned && !sameVersion(k.Version, version) })
	if len(gone) == 0 {
		return nil, mlops.Errorf(mlops.NotFound, "%s is not in the lab's package index: `benchtop packages list` shows what is", what)
	}
	for _, k := range gone {
		if err := x.cfg.Store.Delete(ctx, keptKey(name, k.File)); err != nil {
			return nil, fmt.Errorf("remove %s: %w", k.File, err)
		}
		if err := x.drop(ctx, k); err != nil {
			return nil, err
		}
	}
	if len(gone) < len(all) {
		return gone, nil
	}
	for _, key := range []string{"files/" + name + "/", pageKey(name)} {
		if err := x.cfg.Store.Delete(ctx, key); err != nil {
			return nil, fmt.Errorf("remove %s: %w", name, err)
		}
	}
	return gone, nil
}

// drop deletes the bytes of a file whose record is gone.
func (x *Index) drop(ctx context.Context, k Kept) error {
	key := fileKey(k.Name, k.SHA256, k.File)
	for _, key := range []string{key, key + metadataEnding} {
		if err := x.cfg.Store.Delete(ctx, key); err != nil {
			return fmt.Errorf("remove %s: %w", k.File, err)
		}
	}
	return nil
}

// keep stores a file whose digest is k's: bytes first, the record last.
func (x *Index) keep(ctx context.Context, k Kept, file *os.File, metadata []byte) (Kept, error) {
	key := fileKey(k.Name, k.SHA256, k.File)
	if _, err := x.cfg.Store.Put(ctx, key, io.NewSectionReader(file, 0, k.Bytes), k.Bytes, octets); err != nil {
		return k, fmt.Errorf("keep %s: %w", k.File, err)
	}
	if metadata != nil {
		k.MetadataSHA256 = digestOf(metadata)
		if err := x.put(ctx, key+metadataEnding, metadata); err != nil {
			return k, err
		}
	}
	x.writing.Lock()
	defer x.writing.Unlock()
	before, err := x.keptFile(ctx, k.Name, k.File)
	if err != nil {
		return k, err
	}
	// It may have been removed meanwhile.
	if _, err := x.cfg.Store.Stat(ctx, key); err != nil {
		return k, fmt.Errorf("keep %s: %w", k.File, err)
	}
	k.AddedAt = x.cfg.now().UTC().Truncate(time.Second)
	if err := x.write(ctx, keptKey(k.Name, k.File), k); err != nil {
		return k, err
	}
	if before != nil && before.SHA256 != k.SHA256 {
		return k, x.drop(ctx, *before)
	}
	return k, nil
}
