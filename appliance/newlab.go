package appliance

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/lab/engine"
)

// NewLab writes the files of a guided lab to begin with into a folder, which must
// not exist; its last part is the lab's name.
func NewLab(dir string) error {
	files, err := engine.New(filepath.Base(dir))
	if err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); errors.Is(err, fs.ErrExist) {
		return mlops.Errorf(mlops.Exists, "%s exists already: choose another name, or remove it", dir)
	} else if err != nil {
		return mlops.Errorf(mlops.Invalid, "can't make the folder %s: %v", dir, err)
	}
	for name, text := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return fmt.Errorf("make a lab: %w", err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return fmt.Errorf("make a lab: %w", err)
		}
	}
	return nil
}
