package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// FilesStep writes small files, directories and symbolic links, and removes what is not needed. Paths are relative
// to the image's root.
type FilesStep struct {
	Dirs  []string            `json:"dirs,omitempty"`
	Text  map[string][]string `json:"text,omitempty"` // lines
	Links map[string]string   `json:"links,omitempty"`
	Copy  map[string]string   `json:"copy,omitempty"` // from the recipe's folder; a script is made executable
	Drop  []string            `json:"drop,omitempty"` // globs
	Move  []Move              `json:"move,omitempty"`
}

// Move renames what matches From, a shell pattern that must match. A To that ends in a slash is a directory to move to.
type Move struct {
	From string `json:"from"`
	To   string `json:"to"`
}

func (m Move) run(stage string) error {
	found, err := filepath.Glob(filepath.Join(stage, m.From))
	if err != nil {
		return err
	}
	if len(found) == 0 || len(found) > 1 && !strings.HasSuffix(m.To, "/") {
		return fmt.Errorf("move %s to %s: it matches %d files", m.From, m.To, len(found))
	}
	for _, from := range found {
		name := m.To
		if strings.HasSuffix(name, "/") {
			name += filepath.Base(from)
		}
		to, err := stagedPath(stage, name)
		if err != nil {
			return err
		}
		if err := os.Rename(from, to); err != nil {
			return err
		}
	}
	return nil
}

func (s *FilesStep) key(b *Builder, r *Recipe) (string, error) { return "", nil }

func (s *FilesStep) run(b *Builder, r *Recipe, stage string) error {
	drop, err := compileGlobs(s.Drop)
	if err != nil {
		return err
	}
	if err := dropFiles(stage, drop); err != nil {
		return err
	}
	for _, m := range s.Move {
		if err := m.run(stage); err != nil {
			return err
		}
	}
	for _, dir := range s.Dirs {
		if err := os.MkdirAll(filepath.Join(stage, dir), 0o755); err != nil {
			return err
		}
	}
	for _, name := range sortedKeys(s.Text) {
		if err := writeStaged(stage, name, []byte(strings.Join(s.Text[name], "\n")+"\n"), 0o644); err != nil {
			return err
		}
	}
	for _, name := range sortedKeys(s.Copy) {
		data, err := os.ReadFile(filepath.Join(r.Dir, s.Copy[name]))
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if bytes.HasPrefix(data, []byte("#!")) {
			mode = 0o755
		}
		if err := writeStaged(stage, name, data, mode); err != nil {
			return err
		}
	}
	for _, name := range sortedKeys(s.Links) {
		if err := linkStaged(stage, name, s.Links[name]); err != nil {
			return err
		}
	}
	return nil
}

func dropFiles(stage string, drop globs) error {
	if len(drop) == 0 {
		return nil
	}
	return filepath.WalkDir(stage, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(stage, path)
		if err != nil || rel == "." || !drop.match(filepath.ToSlash(rel)) {
			return err
		}
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		if d.IsDir() {
			return fs.SkipDir
		}
		return nil
	})
}

// stagedPath refuses names that would leave the stage.
func stagedPath(stage, name string) (string, error) {
	if !filepath.IsLocal(name) {
		return "", fmt.Errorf("path %q leads out of the image", name)
	}
	path := filepath.Join(stage, name)
	// A package could ship a link and a file below it; following the link would write outside the stage.
	for dir := filepath.Dir(path); len(dir) > len(stage); dir = filepath.Dir(dir) {
		if st, err := os.Lstat(dir); err == nil && !st.IsDir() {
			return "", fmt.Errorf("path %q goes through %s, which is no directory", name, dir)
		}
	}
	return path, os.MkdirAll(filepath.Dir(path), 0o755)
}

func writeStaged(stage, name string, data []byte, mode fs.FileMode) error {
	path, err := stagedPath(stage, name)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	return os.WriteFile(path, data, mode)
}

func linkStaged(stage, name, to string) error {
	path, err := stagedPath(stage, name)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	return os.Symlink(to, path)
}
