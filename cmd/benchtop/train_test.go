package main

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Who waits for a training reads once why it does not run.
func TestTrainSaysWhyItWaits(t *testing.T) {
	states := []mlops.Training{
		{ID: 7, Job: "wine-train-7", State: mlops.TrainingRequested},
		{ID: 7, Job: "wine-train-7", State: mlops.TrainingRunning, Message: "asks for 2 GPUs, the node has 1; 1 free"},
		{ID: 7, Job: "wine-train-7", State: mlops.TrainingRunning, Message: "asks for 2 GPUs, the node has 1; 1 free"},
		{ID: 7, Job: "wine-train-7", State: mlops.TrainingRunning},
		{ID: 7, Job: "wine-train-7", State: mlops.TrainingSucceeded, RunID: "r7", Message: "done"},
	}
	next := func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(states[0])
		states = states[1:]
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/projects/wine/train", next)
	mux.HandleFunc("GET /v1/projects/wine/trainings/7", next)
	dir := t.TempDir()
	socket := appliance.Paths{Data: dir}.Socket()
	if err := os.MkdirAll(filepath.Dir(socket), 0o700); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: mux}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	out, err := run(t, "", "train", "wine", "--wait", "--data-dir", dir)
	want := `training wine-train-7 requested
training wine-train-7 waits: asks for 2 GPUs, the node has 1; 1 free
training wine-train-7 succeeded, run r7
`
	if err != nil || out != want {
		t.Errorf("printed\n%s%v\nwant\n%s", out, err, want)
	}
}

func TestProjectShowsGPUsAndWait(t *testing.T) {
	p := appliance.ProjectDetails{Project: mlops.Project{Name: "wine", GPU: mlops.GPURequests{Training: 2, Memory: "40Gi"}},
		LastTraining: &mlops.Training{Job: "wine-train-7", State: mlops.TrainingRunning, Message: "asks for 2 GPUs, the node has 1; 1 free"}}
	var out strings.Builder
	printProject(&out, p)
	for _, want := range []string{"\ngpu       2 for training, with 40Gi or more\n", "\ntraining  wine-train-7 running\nwaits     asks for 2 GPUs, the node has 1; 1 free\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("printed\n%s\nwithout %q", out.String(), want)
		}
	}
	p.LastTraining.State = mlops.TrainingFailed
	out.Reset()
	printProject(&out, p)
	if strings.Contains(out.String(), "waits") {
		t.Errorf("a training that has failed waits:\n%s", out.String())
	}
}
