package engine

import (
	"embed"
	"io/fs"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/lab/engine/format"
)

//go:embed all:skeleton
var skeleton embed.FS

// New returns the files of a lab to begin with, by path below its folder. It
// passes verify as it is.
func New(name string) (map[string]string, error) {
	folder, err := fs.Sub(skeleton, "skeleton")
	if err != nil {
		return nil, err
	}
	if problem := format.NameProblem(name); problem != "" {
		return nil, mlops.Errorf(mlops.Invalid, "a lab can't be called %q: expected %s", name, problem)
	}
	files := map[string]string{}
	title := strings.ToUpper(name[:1]) + strings.ReplaceAll(name[1:], "-", " ")
	return files, fs.WalkDir(folder, ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := fs.ReadFile(folder, path)
		if path == "lab.yaml" {
			b = []byte(strings.Replace(string(b), "title: NAME", "title: "+title, 1))
		}
		files[path] = string(b)
		return err
	})
}
