package appliance

import (
	"bytes"
	"encoding/csv"
	"runtime"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/benchtop-lab/benchtop/appliance/loop"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/assets/datasets"
	"github.com/benchtop-lab/benchtop/embedded/cluster"
	"github.com/benchtop-lab/benchtop/ui"
)

// noSample is the value of project.sample for a lab that begins empty.
const noSample = "none"

func sampleInfos() []datasets.Info {
	var out []datasets.Info
	for _, name := range datasets.Names() {
		info, err := datasets.Describe(name)
		if err != nil {
			panic(err) // it is embedded
		}
		out = append(out, info)
	}
	return out
}

// samples are the projects that come with their data.
func samples() []loop.Sample {
	var out []loop.Sample
	for _, info := range sampleInfos() {
		out = append(out, loop.Sample{Name: info.Name, Source: info.Title + ", " + info.Source + ", " + info.Licence,
			Content: func() ([]byte, error) { return datasets.Bytes(info.Name) }})
	}
	return out
}

func uiSamples() []ui.SampleProject {
	var out []ui.SampleProject
	for _, info := range sampleInfos() {
		out = append(out, ui.SampleProject{Name: info.Name, Title: info.Title, Rows: info.Rows, Features: len(info.Features)})
	}
	return out
}

// examples holds the first row of each sample: what a form is filled with and
// what a deployment is asked to see whether it answers.
var examples = sync.OnceValue(func() map[string][]float64 {
	out := map[string][]float64{}
	for _, name := range datasets.Names() {
		content, err := datasets.Bytes(name)
		if err != nil {
			panic(err) // it is embedded
		}
		r := csv.NewReader(bytes.NewReader(content))
		r.FieldsPerRecord = -1
		_, _ = r.Read() // the header
		row, err := r.Read()
		if err != nil {
			panic(err)
		}
		for _, field := range row[:len(row)-1] {
			v, err := strconv.ParseFloat(field, 64)
			if err != nil {
				panic(err)
			}
			out[name] = append(out[name], v)
		}
	}
	return out
})

// firstSample is the sample that the first start makes, "" for none.
func (c Config) firstSample() string {
	if c.Sample == noSample {
		return ""
	}
	return c.Sample
}

func (c Config) projectDefaults() mlops.ProjectDefaults {
	environment, _ := mlops.ParseVariables(c.Environment) // checked with the configuration
	return mlops.ProjectDefaults{Schedule: c.Schedule, TimeZone: c.TimeZone, Params: mlops.JSONObject(c.Params), Environment: environment,
		Resources: mlops.TrainerResources{
			Requests: mlops.ResourceAmounts{CPU: c.CPURequest, Memory: c.MemoryRequest},
			Limits:   mlops.ResourceAmounts{CPU: c.CPULimit, Memory: c.MemoryLimit},
		}}
}

// machineRoom is what this machine has for trainings, 0 for what is unknown.
func machineRoom() mlops.Resources {
	room := mlops.Resources{CPU: float64(runtime.NumCPU())}
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		room.Memory = int64(info.Totalram) * int64(info.Unit) //nolint:gosec // no machine has that much
	}
	return room
}

// checkProject refuses what the cluster or the trainer would not take on a
// machine, in the words of the settings.
func checkProject(p mlops.Project, machine mlops.Resources) error {
	for _, c := range []struct {
		what, value string
		check       func(string) error
	}{
		{"schedule", p.Schedule, optional(schedule)},
		{"time zone", p.TimeZone, timeZone},
		{"params", string(p.Params), optional(jsonObject)},
	} {
		if err := c.check(c.value); err != nil {
			return mlops.Errorf(mlops.Invalid, "%s of project %s: %v", c.what, p.Name, err)
		}
	}
	if err := cluster.CheckResources(p.Resources, machine); err != nil {
		return mlops.Errorf(mlops.Invalid, "resources of project %s: %s", p.Name, mlops.MessageOf(err))
	}
	if err := cluster.CheckGPUs(p.GPU); err != nil {
		return mlops.Errorf(mlops.Invalid, "GPUs of project %s: %s", p.Name, mlops.MessageOf(err))
	}
	if err := p.Environment.Validate(); err != nil {
		return mlops.Errorf(mlops.Invalid, "environment of project %s: %s", p.Name, mlops.MessageOf(err))
	}
	return nil
}

// WithoutSample returns the configuration of a lab that begins empty.
func (c Config) WithoutSample() Config {
	c.Sample = noSample
	return c
}
