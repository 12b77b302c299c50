package imagestore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// The note about an archive lies beside it.
const (
	loadedSuffix = ".loaded" // the references
	errorSuffix  = ".error"  // what was wrong
)

// Folder loads the archives that are put into a directory. A note beside each
// archive says what became of it. The note carries the archive's time, so that
// the next start loads new archives only.
type Folder struct {
	Dir  string
	Load func(ctx context.Context, r io.Reader, name string) ([]mlops.Image, error)
	Log  *slog.Logger
}

// Run loads the archives that are there and then each that comes, until ctx
// ends. The kernel reports a file that was written and closed, or moved in.
func (f Folder) Run(ctx context.Context) error {
	for {
		if err := os.MkdirAll(f.Dir, 0o755); err != nil {
			return fmt.Errorf("create images folder: %w", err)
		}
		w, err := watch(ctx, f.Dir)
		if err != nil {
			return err
		}
		f.scan(ctx)
		err = w.each(func(name string) {
			if name == "" {
				f.scan(ctx) // the kernel could not keep up
				return
			}
			f.look(ctx, name, false)
		})
		if err != nil || ctx.Err() != nil {
			return err
		}
		f.Log.Warn("the images folder was deleted or moved away; it is made again", "dir", f.Dir)
	}
}

func (f Folder) scan(ctx context.Context) {
	entries, err := os.ReadDir(f.Dir)
	if err != nil {
		f.Log.Error("can't read the images folder", "dir", f.Dir, "err", err)
	}
	for _, e := range entries {
		f.look(ctx, archiveOf(e.Name()), true)
	}
}

// archiveOf returns the archive that a file in the folder is about.
func archiveOf(name string) string {
	return strings.TrimSuffix(strings.TrimSuffix(name, loadedSuffix), errorSuffix)
}

// unfinished reports whether programs give such names to files that they are
// writing.
func unfinished(name string) bool {
	for _, suffix := range []string{".part", ".partial", ".crdownload", ".filepart", ".tmp", ".swp", "~"} {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return strings.HasPrefix(name, ".")
}

// look loads one file. With noted it skips an archive whose note is up to date.
func (f Folder) look(ctx context.Context, name string, noted bool) {
	if unfinished(name) || ctx.Err() != nil {
		return
	}
	path := filepath.Join(f.Dir, name)
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		_, _ = os.Remove(path+loadedSuffix), os.Remove(path+errorSuffix) // most have only one
		return
	}
	if err == nil && noted && f.tried(path, st) {
		return
	}
	var images []mlops.Image
	if err == nil {
		images, err = f.load(ctx, path, st)
	}
	if ctx.Err() != nil {
		return // it is loaded at the next start
	}
	var text strings.Builder
	suffix, other := loadedSuffix, errorSuffix
	if err != nil {
		suffix, other = errorSuffix, loadedSuffix
		message := err.Error()
		if mlops.CodeOf(err) != mlops.Internal {
			message = mlops.MessageOf(err)
		}
		f.Log.Error("an image archive was not loaded", "file", path, "why", message)
		fmt.Fprintln(&text, message)
	}
	for _, img := range images {
		f.Log.Info("image loaded", "image", img.Reference, "file", path)
		fmt.Fprintln(&text, img.Reference)
	}
	_ = os.Remove(path + other)
	if err := os.WriteFile(path+suffix, []byte(text.String()), 0o644); err != nil {
		f.Log.Error("can't note what became of an image archive", "file", path, "err", err)
		return
	}
	if st != nil {
		if err := os.Chtimes(path+suffix, st.ModTime(), st.ModTime()); err != nil {
			f.Log.Error("can't note what became of an image archive", "file", path, "err", err)
		}
	}
}

func (f Folder) tried(path string, st fs.FileInfo) bool {
	for _, suffix := range []string{loadedSuffix, errorSuffix} {
		if note, err := os.Stat(path + suffix); err == nil && note.ModTime().Equal(st.ModTime()) {
			return true
		}
	}
	return false
}

func (f Folder) load(ctx context.Context, path string, st fs.FileInfo) ([]mlops.Image, error) {
	if !st.Mode().IsRegular() {
		return nil, mlops.Errorf(mlops.Invalid, "it is not a file: %s", whatIsExpected)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open image archive: %w", err)
	}
	defer file.Close()
	return f.Load(ctx, file, "")
}

// Failure is an archive in the folder that could not be loaded.
type Failure struct{ File, Message string }

// Failures returns what could not be loaded from the folder.
func Failures(dir string) []Failure {
	notes, _ := filepath.Glob(filepath.Join(dir, "*"+errorSuffix)) // the pattern is fine
	var out []Failure
	for _, note := range notes {
		file := strings.TrimSuffix(note, errorSuffix)
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			continue // the archive was taken away
		}
		if b, err := os.ReadFile(note); err == nil {
			out = append(out, Failure{file, strings.TrimSpace(string(b))})
		}
	}
	return out
}
