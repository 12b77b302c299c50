package main

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Layer is a layer blob.
type Layer struct {
	Digest   string // of the compressed blob, sha256:…
	Size     int64  // compressed
	DiffID   string // of the tar
	Unpacked int64  // bytes of the tar
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
	zw, err := zstd.NewWriter(blob, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithWindowSize(8<<20), zstd.WithEncoderConcurrency(2))
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
	tw := tar.NewWriter(w)
	// WalkDir visits in lexical order within each directory, and directories before what they hold.
	err := filepath.WalkDir(stage, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == stage {
			return err
		}
		rel, err := filepath.Rel(stage, path)
		if err != nil {
			return err
		}
		return writeTarEntry(tw, path, filepath.ToSlash(rel))
	})
	if err != nil {
		return err
	}
	return tw.Close()
}

func writeTarEntry(tw *tar.Writer, path, name string) error {
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

// digester counts and hashes what passes through it.
type digester struct {
	w io.Writer
	h hash.Hash
	n int64
}

func newDigester(w io.Writer) *digester { return &digester{w: w, h: sha256.New()} }

func (d *digester) Write(p []byte) (int, error) {
	n, err := d.w.Write(p)
	d.h.Write(p[:n])
	d.n += int64(n)
	return n, err
}

func (d *digester) digest() string { return "sha256:" + hex.EncodeToString(d.h.Sum(nil)) }
