package mlops

// The kinds of a CodePlan: what of the code is run.
const (
	CodeCommand   = "command"   // a command that somebody has written
	CodeMLproject = "mlproject" // the entry point main of a file MLproject
	CodeScript    = "script"    // a Python file
	CodeNotebook  = "notebook"  // a Jupyter notebook
)

// CodePlan says how the code that was pushed is run, and why so.
type CodePlan struct {
	Command []string `json:"command"`         // argv, run in the code's root; "python" is the lab's; none for a notebook
	Entry   string   `json:"entry,omitempty"` // the file that is run, from the code's root; "" if it is not known
	Kind    string   `json:"kind"`            // CodeCommand, CodeMLproject, CodeScript or CodeNotebook
	Why     string   `json:"why"`             // one sentence, such as "train.py is in the folder's root."
	// Requirements are files that say what the code needs, the one that counts
	// first: a uv.lock, the entry itself (PEP 723), requirements*.txt,
	// environments of conda and MLflow, pyproject.toml.
	Requirements []string `json:"requirements,omitempty"`
	// Environment is EnvironmentLab, or "": the lab makes one if its Python does not
	// have what the code needs.
	Environment string      `json:"environment,omitempty"`
	Options     CodeOptions `json:"options,omitzero"`
}

// EnvironmentLab is the environment of code that runs on the lab's Python as it is,
// whatever it says that it needs.
const EnvironmentLab = "lab"

// CodeOptions are what [tool.benchtop] sets of a project. What is nil, "" or 0
// is not set.
type CodeOptions struct {
	Schedule    *string    `json:"schedule,omitempty"`  // five-field cron, "" for trainings by hand only
	TimeZone    *string    `json:"time_zone,omitempty"` // IANA name
	Params      JSONObject `json:"params,omitempty"`
	CPU         string     `json:"cpu,omitempty"`    // request and limit, as Kubernetes writes it
	Memory      string     `json:"memory,omitempty"` // request and limit, as Kubernetes writes it
	GPU         int        `json:"gpu,omitempty"`
	TimeLimit   string     `json:"time_limit,omitempty"` // as time.ParseDuration reads it, for example 1h30m
	Environment Variables  `json:"environment,omitempty"`
}

// Of returns p with what the code asks for. What it does not name stays as it is,
// for somebody may have changed it by hand.
func (o CodeOptions) Of(p Project) Project {
	if o.Schedule != nil {
		p.Schedule, p.Edited.Schedule = *o.Schedule, true
	}
	if o.TimeZone != nil {
		p.TimeZone, p.Edited.TimeZone = *o.TimeZone, true
	}
	if o.Params != "" {
		p.Params, p.Edited.Params = o.Params.compact(), true
	}
	if o.CPU != "" {
		p.Resources.Requests.CPU, p.Resources.Limits.CPU, p.Edited.Resources = o.CPU, o.CPU, true
	}
	if o.Memory != "" {
		p.Resources.Requests.Memory, p.Resources.Limits.Memory, p.Edited.Resources = o.Memory, o.Memory, true
	}
	if o.GPU > 0 {
		p.GPU.Training = o.GPU
	}
	if len(o.Environment) > 0 {
		p.Environment, p.Edited.Environment = o.Environment, true
	}
	return p
}
