package imagestore

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images/archive"
	"github.com/containerd/containerd/v2/core/metadata"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	"go.etcd.io/bbolt"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

type m map[string]any

// tarOf writes files, given as name, content, name, content, …
func tarOf(t *testing.T, files ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for i := 0; i < len(files); i += 2 {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: files[i], Size: int64(len(files[i+1]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, files[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// layout is an OCI layout in the making.
type layout struct{ files []string }

func (l *layout) blob(mediaType string, v any) m {
	s, ok := v.(string)
	if !ok {
		s = asJSON(v)
	}
	d := digest.FromString(s)
	l.files = append(l.files, "blobs/sha256/"+d.Encoded(), s)
	return m{"mediaType": mediaType, "digest": d.String(), "size": len(s)}
}

// image adds an image for a platform.
func (l *layout) image(os, arch, what string) m {
	layer := l.blob("application/vnd.oci.image.layer.v1.tar", "layer "+what)
	config := l.blob("application/vnd.oci.image.config.v1+json", m{"os": os, "architecture": arch, "rootfs": m{"type": "layers", "diff_ids": []any{layer["digest"]}}})
	return l.blob("application/vnd.oci.image.manifest.v1+json", m{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": []m{layer}})
}

func (l *layout) index(manifests ...m) m {
	return l.blob("application/vnd.oci.image.index.v1+json", m{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": manifests})
}

func (l *layout) archive(t *testing.T, manifests ...m) []byte {
	return tarOf(t, append([]string{"oci-layout", `{"imageLayoutVersion":"1.0.0"}`, "index.json", asJSON(m{"schemaVersion": 2, "manifests": manifests})}, l.files...)...)
}

func with(d m, more m) m {
	for k, v := range more {
		d[k] = v
	}
	return d
}

func named(d m, name string) m {
	return with(d, m{"annotations": m{"io.containerd.image.name": name}})
}

// newContent returns a content store as containerd has it.
func newContent(t *testing.T) (context.Context, content.Store) {
	t.Helper()
	dir := t.TempDir()
	files, err := local.NewStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(filepath.Join(dir, "meta.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return namespaces.WithNamespace(t.Context(), namespace), metadata.NewDB(db, files, nil).ContentStore()
}

// names imports an archive and returns the images that are chosen.
func names(t *testing.T, b []byte, name string) ([]string, error) {
	t.Helper()
	ctx, store := newContent(t)
	in, err := openArchive(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	defer in.Close()
	index, err := archive.ImportIndex(ctx, ingester{store, "a load"}, in)
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(io.Discard, in); err != nil {
		return nil, err
	}
	found, err := choose(ctx, store, index, name)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, img := range found {
		if err := keep(ctx, store, img.Target); err != nil {
			return nil, err
		}
		out = append(out, img.Name)
	}
	return out, nil
}

func gzipOf(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zstdOf(t *testing.T, b []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(b, nil)
}

func TestCompressed(t *testing.T) {
	l := &layout{}
	plain := l.archive(t, named(l.image("linux", arch(), "a"), "docker.io/library/a:1"))
	for name, b := range map[string][]byte{"plain": plain, "gzip": gzipOf(t, plain), "zstd": zstdOf(t, plain)} {
		if got, err := names(t, b, ""); err != nil || len(got) != 1 || got[0] != "docker.io/library/a:1" {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// Each kind of damage has its own message, with what to do.
func TestDamage(t *testing.T) {
	l := &layout{}
	img := named(l.image("linux", arch(), strings.Repeat("a", 5000)), "a:1")
	whole := l.archive(t, img)
	flip := func(b []byte, at int) []byte {
		b = bytes.Clone(b)
		b[at] ^= 1
		return b
	}
	lost := &layout{files: l.files[2:]} // without the layer
	bad := map[string]struct {
		b    []byte
		want string
	}{
		"empty":                {nil, "it is empty"},
		"text":                 {[]byte(strings.Repeat("hello\n", 200)), "it is no image archive: expected a tar"},
		"short text":           {[]byte("hello"), "it is no image archive"},
		"xz":                   {[]byte("\xfd7zXZ\x00 and more"), "xz -d"},
		"bzip2":                {[]byte("BZh9 and more"), "bzip2 -d"},
		"cut off":              {whole[:len(whole)/2], "it ends too early"},
		"cut off between":      {whole[:1024], "no image"},
		"gzip cut off":         {gzipOf(t, whole)[:200], "it ends too early"},
		"gzip without its end": {gzipOf(t, whole)[:len(gzipOf(t, whole))-8], "it ends too early"},
		"zstd cut off":         {zstdOf(t, whole)[:200], "it ends too early"},
		"gzip checksum":        {flip(gzipOf(t, whole), len(gzipOf(t, whole))-6), "it can't be uncompressed"},
		"zstd checksum":        {flip(zstdOf(t, whole), len(zstdOf(t, whole))-2), "it can't be uncompressed"},
		"a wrong bit":          {flip(whole, bytes.Index(whole, []byte("layer a"))+100), "is not what its name says"},
		"a wrong header":       {flip(whole, bytes.Index(whole, []byte("blobs/sha256/"))+1), "a part of the tar can't be read"},
		"a missing layer":      {lost.archive(t, img), "it is incomplete"},
		"a file system":        {tarOf(t, "bin/sh", "#!"), "docker export"},
		"index is no JSON":     {tarOf(t, "oci-layout", `{"imageLayoutVersion":"1.0.0"}`, "index.json", "{"), "index.json"},
		"docker's is no JSON":  {tarOf(t, "manifest.json", "["), "it ends too early"},
		"docker's lacks":       {tarOf(t, "manifest.json", `[{"Config":"c.json","RepoTags":["a:1"],"Layers":["l.tar"]}]`), "damaged or incomplete"},
	}
	for name, c := range bad {
		_, err := names(t, c.b, "")
		if err == nil {
			t.Errorf("%s is loaded", name)
			continue
		}
		err = (&Store{Dir: "/"}).explain(err)
		if mlops.CodeOf(err) != mlops.Invalid || !strings.Contains(mlops.MessageOf(err), c.want) {
			t.Errorf("%s: error is %v\nexpected %s", name, err, c.want)
		}
	}
}

// Blobs that are here already are not written again, and still checked.
func TestKnownBlobs(t *testing.T) {
	ctx, store := newContent(t)
	l := &layout{}
	b := l.archive(t, named(l.image("linux", arch(), strings.Repeat("a", 5000)), "a:1"))
	for _, load := range []string{"first", "second"} {
		if _, err := archive.ImportIndex(ctx, ingester{store, load}, bytes.NewReader(b)); err != nil {
			t.Fatalf("%s: %v", load, err)
		}
	}
	blob := digest.FromString(l.files[1])
	w, err := ingester{store, "third"}.Writer(ctx, content.WithRef("tar-blobs/sha256/"+blob.Encoded()))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := w.(*known); !ok {
		t.Errorf("a blob that is here is written by %T", w)
	}
	b[bytes.Index(b, []byte("layer a"))+100] ^= 1
	if _, err := archive.ImportIndex(ctx, ingester{store, "fourth"}, bytes.NewReader(b)); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("error %v", err)
	}
}

// A writer that is given up waits until the store has closed its file. Whoever
// then removes the ingest leaves nothing.
func TestGivenUpWriteIsEnded(t *testing.T) {
	ctx, store := newContent(t)
	in := ingester{store, "a load"}
	for _, ref := range []string{"tar-index.json", "tar-blobs/sha256/" + digest.FromString("a").Encoded()} {
		under := &counting{Store: store}
		in.Store = under
		w, err := in.Writer(ctx, content.WithRef(ref))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte("half")); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if under.commits != 1 {
			t.Errorf("%s: containerd was asked %d times whether the write is over; expected once", ref, under.commits)
		}
		if _, err := store.Info(ctx, digest.FromString("half")); err == nil {
			t.Errorf("%s: half a blob is kept", ref)
		}
	}
}

// counting counts the commits of its writers.
type counting struct {
	content.Store
	commits int
}

func (c *counting) Writer(ctx context.Context, opts ...content.WriterOpt) (content.Writer, error) {
	w, err := c.Store.Writer(ctx, opts...)
	return counted{w, c}, err
}

type counted struct {
	content.Writer
	of *counting
}

func (c counted) Commit(ctx context.Context, size int64, expected digest.Digest, opts ...content.Opt) error {
	c.of.commits++
	return c.Writer.Commit(ctx, size, expected, opts...)
}
