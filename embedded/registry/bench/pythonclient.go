package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
)

//go:embed client.py
var clientScript string

// pythonClient times the calls of MLflow's own client, which users wait for.
func pythonClient(python, base string) ([]result, error) {
	f, err := os.CreateTemp("", "bench-client-")
	if err != nil {
		return nil, err
	}
	f.Close()
	defer os.Remove(f.Name())
	cmd := exec.Command(python, "-c", clientScript, base, f.Name())
	cmd.Env = append(os.Environ(), "MLFLOW_DISABLE_TELEMETRY=true", "GIT_PYTHON_REFRESH=quiet", "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR=false")
	if said, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, said)
	}
	out, err := os.ReadFile(f.Name())
	if err != nil {
		return nil, err
	}
	var took [][2]any
	if err := json.Unmarshal(out, &took); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	var rs []result
	for _, t := range took {
		name, ok1 := t[0].(string)
		ms, ok2 := t[1].(float64)
		if !ok1 || !ok2 {
			return nil, fmt.Errorf("expected a name and a number, found %v", t)
		}
		rs = append(rs, result{name: "Python client: " + name + " p50", value: ms, unit: "ms"})
	}
	return rs, nil
}
