package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// formatVersion is part of every key. Raise it when the builder comes to write other bytes from the same recipe;
// TestImageBytes fails when that happens.
const formatVersion = 2

// key hashes everything that determines a component: the files of its folder, the target architecture, and what its
// steps bring in from outside (compilers, the versions of modules). Two machines with the same key make the same
// bytes, so a result found under a key needs no building.
func (b *Builder) key(r *Recipe) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "format %d\nname %s\narch %s\n", formatVersion, r.Name, b.Arch)
	if err := hashDir(h, r.Dir, b.Arch); err != nil {
		return "", fmt.Errorf("hash recipe %s: %w", r.Name, err)
	}
	if r.base != nil {
		k, err := b.key(r.base)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "base %s\n", k)
	}
	for i, s := range r.Steps {
		a, err := s.action()
		if err != nil {
			return "", err
		}
		k, err := a.key(b, r)
		if err != nil {
			return "", fmt.Errorf("hash recipe %s, step %d: %w", r.Name, i+1, err)
		}
		fmt.Fprintf(h, "step %d %s\n", i, k)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// hashDir hashes names and contents of the files below dir, in order. Locks of other architectures are left out, so
// that refreshing one does not rebuild the others.
func hashDir(h io.Writer, dir, arch string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if strings.HasSuffix(path, ".lock") && !strings.HasSuffix(path, "."+arch+".lock") {
			return nil
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fmt.Fprintf(h, "file %q %d %x\n", filepath.ToSlash(rel), len(data), sha256.Sum256(data))
		return nil
	})
}
