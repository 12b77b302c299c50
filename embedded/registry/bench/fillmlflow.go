package main

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed fill.py
var fillScript string

// fillMLflow puts the runs into MLflow's database with SQL: through its API it
// would take hours, and searches find the same rows.
func fillMLflow(dir, python string, size int, c *client) error {
	exp, err := c.experiment(fmt.Sprintf("n%d", size))
	if err != nil {
		return err
	}
	specs := filepath.Join(dir, "specs")
	f, err := os.Create(specs)
	if err != nil {
		return err
	}
	defer f.Close()
	for i := range size {
		s := specOf(i)
		fmt.Fprintf(f, "%d,%g,%g,%s,%s,%s\n", s.start, s.acc, s.loss, s.lr, s.team, s.variant)
	}
	if err := f.Close(); err != nil {
		return err
	}
	out, err := exec.Command(python, "-c", fillScript, filepath.Join(dir, "mlflow.db"), exp, specs).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}
