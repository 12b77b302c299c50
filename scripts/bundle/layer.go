package main

import (
	"archive/tar"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/zstd"
	godigest "github.com/opencontainers/go-digest"
)

// Layer is a layer blob.
type Layer struct {
	Digest   godigest.Digest // of the compressed blob
	Size     int64           // compressed
	DiffID   godigest.Digest // of the tar
	Unpacked int64           // bytes of the tar
}

// epoch is every file's time: a build leaves no trace of when it ran.
var epoch = time.Unix(0, 0).UTC()

// stickyDirs are writable by every user of the image.
var stickyDirs = map[string]bool{"tmp": true, "var/tmp": true}

// writeLayer writes the stage as a zstd-compressed tar to w. The bytes depend only on names, contents, link targets
// and execute bits: order, owner (root), times and modes are fixed.
func writeLayer(w io.Writer, stage string) (Layer, error) {
	blob := newDigester(w)
	// Blocks are compressed in parallel but written in order: the result does not depend on the number of CPUs.
	zw, err := zstd.NewWriter(blob, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithWindowSize(32<<20), zstd.WithEncoderConcurrency(2))
	if err != nil {
		return Layer{}, err
	}
	diff := newDigester(zw)
	if err := writeTar(diff, stage); err != nil {
		return Layer{}, fmt.Errorf("write layer: %w", err)
	}
	if err := zw.Close(); err != nil {
		return Layer{}, fmt.Errorf("compress layer: %w", err)
	}
	return Layer{Digest: blob.digest(), Size: blob.n, DiffID: diff.digest(), Unpacked: diff.n}, nil
}

func writeTar(w io.Writer, stage string) error {
	tw := &layerTar{Writer: tar.NewWriter(w), seen: map[string]string{}}
	// WalkDir visits in lexical order within each directory, and directories before what they hold.
	err := filepath.WalkDir(stage, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == stage {
			return err
		}
		rel, err := filepath.Rel(stage, path)
		if err != nil {
			return err
		}
		return tw.add(path, filepath.ToSlash(rel))
	})
	if err != nil {
		return err
	}
	return tw.Close()
}

// layerTar writes files with the same content once and links the others to it: wheels bring the same Fortran library
// several times, and a linked one is also loaded once.
type layerTar struct {
	*tar.Writer
	seen map[string]string // content and mode → name
}

// linkFrom is the size in bytes from which a second copy becomes a link.
const linkFrom = 4096

func (tw *layerTar) add(path, name string) error {
	st, err := os.Lstat(path)
	if err != nil {
		return err
	}
	// The PAX format is used only where a field needs it, so small archives stay plain ustar.
	h := &tar.Header{Name: name, ModTime: epoch}
	switch {
	case st.IsDir():
		h.Typeflag, h.Name, h.Mode = tar.TypeDir, name+"/", 0o755
		if stickyDirs[name] {
			h.Mode = 0o1777
		}
	case st.Mode()&fs.ModeSymlink != 0:
		h.Typeflag, h.Mode = tar.TypeSymlink, 0o777
		if h.Linkname, err = os.Readlink(path); err != nil {
			return err
		}
	case st.Mode().IsRegular():
		h.Typeflag, h.Mode, h.Size = tar.TypeReg, 0o644, st.Size()
		if st.Mode()&0o111 != 0 {
			h.Mode = 0o755
		}
		if err := tw.link(h, path); err != nil {
			return err
		}
	default:
		return fmt.Errorf("%s is neither a file, a directory nor a symbolic link", name)
	}
	if err := tw.WriteHeader(h); err != nil {
		return err
	}
	if h.Typeflag != tar.TypeReg {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(tw, f)
	return err
}

// link turns h into a hard link if its content has been written before.
func (tw *layerTar) link(h *tar.Header, path string) error {
	if h.Size < linkFrom {
		return nil
	}
	sum, _, err := hashFile(path)
	if err != nil {
		return err
	}
	id := fmt.Sprintf("%s %o", sum, h.Mode)
	if first, ok := tw.seen[id]; ok {
		h.Typeflag, h.Linkname, h.Size = tar.TypeLink, first, 0
		return nil
	}
	tw.seen[id] = h.Name
	return nil
}

// digester counts and hashes what passes through it.
type digester struct {
	w io.Writer
	h godigest.Digester
	n int64
}

func newDigester(w io.Writer) *digester { return &digester{w: w, h: godigest.SHA256.Digester()} }

func (d *digester) Write(p []byte) (int, error) {
	n, err := d.w.Write(p)
	d.h.Hash().Write(p[:n])
	d.n += int64(n)
	return n, err
}

func (d *digester) digest() godigest.Digest { return d.h.Digest() }
