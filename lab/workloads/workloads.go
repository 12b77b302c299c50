// Package workloads embeds the code that runs in the pods of projects: a trainer, an inference server, a runner of
// code that was pushed, and a builder of the environments that such code needs, in Python. It is mounted from ConfigMaps, so changing it needs no new image.
//
// Each program is a flat set of files, because a ConfigMap has no folders; `python3 /opt/benchtop/train.py` and
// `python3 /opt/benchtop/serve.py` start them. The trainer's files hold two more programs, bring.py and measure.py.
package workloads

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
)

// The files that start the programs.
const (
	TrainerMain = "train.py"
	ServerMain  = "serve.py"
	// BringMain is among the trainer's files: it brings a model version from the registry to the model volume.
	BringMain = "bring.py"
	// MeasureMain is among the trainer's files: it measures a model version before it is served.
	MeasureMain = "measure.py"
	// RunnerMain runs code that was pushed.
	RunnerMain = "run_code.py"
	// EnvironmentMain makes the environment of code that was pushed.
	EnvironmentMain = "build_environment.py"
)

//go:embed shared/*.py trainer/*.py server/*.py runner/*.py environment/*.py
var files embed.FS

// Trainer returns the trainer's files by name. The caller owns the map.
func Trainer() map[string]string { return program("trainer") }

// Server returns the inference server's files by name. The caller owns the map.
func Server() map[string]string { return program("server") }

// Runner returns the files of the program that runs pushed code, by name. The caller owns the map. It talks to registry
// and object store with the trainer's modules, so these are among them.
func Runner() map[string]string { return program("trainer", "runner") }

// Environment returns the files of the program that makes environments for pushed code, by name. The caller owns the map. It
// reads code with the runner's modules, so these are among them.
func Environment() map[string]string { return program("trainer", "runner", "environment") }

// program merges a program's folders with what the programs share.
func program(folders ...string) map[string]string {
	merged := map[string]string{}
	for _, dir := range append([]string{"shared"}, folders...) {
		entries, err := files.ReadDir(dir)
		if err != nil {
			// The folders are compiled in and a test reads them: this cannot happen in a build that passed its tests.
			panic(fmt.Sprintf("read embedded workload %s: %v", dir, err))
		}
		for _, entry := range entries {
			content, err := files.ReadFile(path.Join(dir, entry.Name()))
			if err != nil {
				panic(fmt.Sprintf("read embedded workload %s/%s: %v", dir, entry.Name(), err))
			}
			merged[entry.Name()] = string(content)
		}
	}
	return merged
}

// Digest returns the sha256 of a set of files as lower-case hex. It covers names and contents, each with its length, so
// that no two different sets share their bytes.
func Digest(files map[string]string) string {
	sum := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		for _, part := range []string{name, files[name]} {
			fmt.Fprintf(sum, "%d:", len(part))
			io.WriteString(sum, part)
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// TrainerDigest is the Digest of Trainer: a run's code version.
func TrainerDigest() string { return Digest(Trainer()) }

// ServerDigest is the Digest of Server.
func ServerDigest() string { return Digest(Server()) }

// RunnerDigest is the Digest of Runner.
func RunnerDigest() string { return Digest(Runner()) }

// EnvironmentDigest is the Digest of Environment.
func EnvironmentDigest() string { return Digest(Environment()) }
