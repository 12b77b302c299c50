package imagestore

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/errdefs"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

const whatIsExpected = "expected a tar archive, plain or compressed with gzip or zstd, as `docker save`, `podman save`, `skopeo copy … oci-archive:FILE:NAME` and `docker buildx build -o type=oci,dest=FILE` write it"

// openArchive looks at how an archive begins and returns the tar inside.
func openArchive(r io.Reader) (io.ReadCloser, error) {
	in := bufio.NewReaderSize(r, 1<<20)
	magic, err := in.Peek(6)
	switch {
	case len(magic) == 0 && errors.Is(err, io.EOF):
		return nil, mlops.Errorf(mlops.Invalid, "it is empty: %s", whatIsExpected)
	case err != nil && !errors.Is(err, io.EOF):
		return nil, err
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, err
		}
		return openTar(z, z.Close)
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(2))
		if err != nil {
			return nil, err
		}
		return openTar(z, func() error { z.Close(); return nil })
	case bytes.HasPrefix(magic, []byte("\xfd7zXZ")):
		return nil, mlops.Errorf(mlops.Invalid, "it is compressed with xz: unpack it with `xz -d`, or compress it with gzip or zstd")
	case bytes.HasPrefix(magic, []byte("BZh")):
		return nil, mlops.Errorf(mlops.Invalid, "it is compressed with bzip2: unpack it with `bzip2 -d`, or compress it with gzip or zstd")
	}
	return openTar(in, func() error { return nil })
}

type readCloser struct {
	io.Reader
	close func() error
}

func (r readCloser) Close() error { return r.close() }

func openTar(r io.Reader, closer func() error) (io.ReadCloser, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	first, err := in.Peek(512)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, errors.Join(err, closer())
	}
	if _, err := tar.NewReader(bytes.NewReader(first)).Next(); errors.Is(err, tar.ErrHeader) || len(first) < 512 {
		return nil, errors.Join(mlops.Errorf(mlops.Invalid, "it is no image archive: %s", whatIsExpected), closer())
	}
	return readCloser{in, closer}, nil
}

// ingester is a content store for one load. It checks blobs that the archive
// names by digest, and does not write those that are here already. Each load
// has its own names of ingests, so loads neither wait for each other nor go on
// with what an earlier one left.
type ingester struct {
	content.Store
	load string
}

// Writer implements content.Ingester.
func (i ingester) Writer(ctx context.Context, opts ...content.WriterOpt) (content.Writer, error) {
	var w content.WriterOpts
	for _, o := range opts {
		if err := o(&w); err != nil {
			return nil, err
		}
	}
	opts = append(opts, content.WithRef(i.load+" "+w.Ref))
	// containerd names an ingest "tar-" and the file.
	_, hash, isBlob := strings.Cut(w.Ref, "tar-blobs/sha256/")
	named := digest.NewDigestFromEncoded(digest.SHA256, hash)
	if !isBlob || named.Validate() != nil {
		out, err := i.Store.Writer(ctx, opts...)
		if err != nil {
			return nil, err
		}
		return &ending{Writer: out}, nil
	}
	opts = append(opts, content.WithDescriptor(ocispec.Descriptor{Digest: named, Size: w.Desc.Size}))
	out, err := i.Store.Writer(ctx, opts...)
	if errdefs.IsAlreadyExists(err) {
		return &known{digester: digest.SHA256.Digester(), named: named, ref: w.Ref}, nil
	}
	if err != nil {
		return nil, err
	}
	return checked{&ending{Writer: out}, named}, nil
}

// ending is a writer whose Close waits until containerd has closed the file
// too. A plain Close only says that no more follows. containerd then writes the
// time of the last change beside the file, and if the lease ends at that moment
// this file stays for ever.
type ending struct {
	content.Writer
	ended bool
}

// Commit implements content.Writer.
func (e *ending) Commit(ctx context.Context, size int64, expected digest.Digest, opts ...content.Opt) error {
	e.ended = true
	return e.Writer.Commit(ctx, size, expected, opts...)
}

// Close implements content.Writer. It ends an ingest that was not committed by
// committing a size that no file has: containerd answers after it has closed
// the file.
func (e *ending) Close() error {
	if !e.ended {
		_ = e.Commit(context.Background(), math.MaxInt64, "")
	}
	return e.Writer.Close()
}

// checked is a writer of a blob that must have the digest that names it.
type checked struct {
	content.Writer
	named digest.Digest
}

// Commit implements content.Writer.
func (c checked) Commit(ctx context.Context, size int64, _ digest.Digest, opts ...content.Opt) error {
	err := c.Writer.Commit(ctx, size, c.named, opts...)
	if errdefs.IsFailedPrecondition(err) {
		return damaged(c.named)
	}
	return err
}

// known takes a blob that is here already, and still checks it.
type known struct {
	digester digest.Digester
	named    digest.Digest
	ref      string
	written  int64
}

func (k *known) Write(p []byte) (int, error) {
	k.written += int64(len(p))
	return k.digester.Hash().Write(p)
}
func (k *known) Close() error          { return nil }
func (k *known) Digest() digest.Digest { return k.digester.Digest() }
func (k *known) Status() (content.Status, error) {
	return content.Status{Ref: k.ref, Offset: k.written}, nil
}
func (k *known) Truncate(int64) error { return errdefs.ErrNotImplemented }

// Commit implements content.Writer.
func (k *known) Commit(context.Context, int64, digest.Digest, ...content.Opt) error {
	if k.Digest() != k.named {
		return damaged(k.named)
	}
	return nil
}

func damaged(d digest.Digest) error {
	return mlops.Errorf(mlops.Invalid, "it is damaged: %s is not what its name says; copy or write the archive again", short(d))
}

func short(d digest.Digest) string { return fmt.Sprintf("%.12s", d.Encoded()) }
