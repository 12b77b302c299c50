package view

// Projects is the page of projects.
type Projects struct {
	CSRF       string
	Notice     *Notice
	Rows       []ProjectRow
	Problem    *Problem
	Samples    []Sample // those that can be added
	Datasets   []string // that a project can be made of
	MayOperate bool
	Push       string // the command that pushes code on this machine
	PushFrom   string // and from another
}

// ProjectRow is one project.
type ProjectRow struct {
	Name, URL, Source string // Source: what it is trained on
	Schedule          Value
	Training          *Pill // the newest, nil for none
	TrainingAt        Value
	TrainingURL       string
	Waits             string // why it does not run yet, "" if it does
	Serves            Value
	Deleting          bool
}

// Sample is a project that comes with its data.
type Sample struct{ Name, Title, Size string }

// Project is the page of one project.
type Project struct {
	Name, CSRF  string
	Deleting    bool
	MayOperate  bool
	MayDelete   bool
	DeleteError string
	Facts       []Fact
	Problem     *Problem
	Form        ProjectForm
	Follows     string // which fields the configuration decides
	Trainings   []TrainingRow
	Datasets    []string // to choose from
	Beside      []Link   // further deployments of its model
}

// ProjectForm is what was typed in, and what is wrong with it.
type ProjectForm struct {
	Dataset, Schedule, TimeZone, Params             string
	CPU, CPULimit, Memory, MemoryLimit, Environment string // of the trainer
	GPU, ServeGPU, GPUKind, GPUMemory, GPUResource  string
	Was                                             string `json:"-"` // the fields as the page showed them, as JSON
	Error                                           string `json:"-"`
}

// amountField is a field for an amount of a resource.
type amountField struct{ ID, Label, Value, Placeholder string }

func amountFields(f ProjectForm) []amountField {
	return []amountField{
		{"cpu_request", "CPU set aside", f.CPU, "nothing"}, {"cpu_limit", "CPU at most", f.CPULimit, "no limit"},
		{"memory_request", "Memory set aside", f.Memory, "nothing"}, {"memory_limit", "Memory at most", f.MemoryLimit, "no limit"},
		{"gpu", "GPUs for training", f.GPU, "none"}, {"serve_gpu", "GPUs for each server", f.ServeGPU, "none"},
	}
}

// moreOfGPUs reports whether the fields that most projects leave empty are shown.
func (f ProjectForm) moreOfGPUs() bool {
	return f.Error != "" || f.GPUKind != "" || f.GPUMemory != "" || f.GPUResource != ""
}

// gpuFields are the wishes that most projects do not have.
func gpuFields(f ProjectForm) []amountField {
	return []amountField{
		{"gpu_kind", "Kind of GPU", f.GPUKind, "any"}, {"gpu_memory", "GPU memory at least", f.GPUMemory, "any"},
		{"gpu_resource", "Resource", f.GPUResource, "nvidia.com/gpu"},
	}
}

// TrainingRow is one training of a project.
type TrainingRow struct {
	Job, URL, Trigger, Message string
	Pill                       Pill
	Created, Took              Value
}
