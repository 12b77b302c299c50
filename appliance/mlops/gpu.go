package mlops

import "time"

// GPUResource is the extended resource of whole GPUs, as NVIDIA's device plugin
// names it. With MIG strategy mixed there are others: nvidia.com/mig-1g.10gb.
const GPUResource = "nvidia.com/gpu"

// GPUs is what a lab has of GPUs at one moment.
type GPUs struct {
	// Simulated says that no GPU is real: nothing is computed on them.
	Simulated bool `json:"simulated"`
	// Driver is what the driver says of itself.
	Driver GPUDriver `json:"driver"`
	// Problem says in words why the GPUs can't be used, "" if they can.
	Problem string `json:"problem,omitempty"`
	GPUs    []GPU  `json:"gpus"`
	// Resources are what pods can ask for, by name.
	Resources []GPUOffer `json:"resources"`
	// Labels are the node's labels that describe its GPUs.
	Labels map[string]string `json:"labels"`
	// Sharing is how pods share the GPUs.
	Sharing GPUSharing `json:"sharing"`
	// Waiting are the pods that wait for a GPU.
	Waiting []GPUWait `json:"waiting,omitempty"`
	// Faults are what was injected into simulated GPUs.
	Faults []GPUFault `json:"faults,omitempty"`
}

// GPUDriver is a driver for NVIDIA GPUs.
type GPUDriver struct {
	Version string `json:"version"` // for example 550.54.15
	CUDA    string `json:"cuda"`    // the newest CUDA that it can run, for example 12.4
	Root    string `json:"root"`    // the folder of the host that holds it, / if it is installed as usual
}

// GPU is one GPU. What the driver does not tell is 0.
type GPU struct {
	Index       int     `json:"index"`
	UUID        string  `json:"uuid"`    // GPU-…
	Product     string  `json:"product"` // for example NVIDIA A100-SXM4-80GB
	PCI         string  `json:"pci"`     // PCI bus id, for example 00000000:07:00.0
	MemoryMiB   int64   `json:"memoryMiB"`
	UsedMiB     int64   `json:"usedMiB"`
	Utilization int     `json:"utilization"` // percent of the last sample's time in which a kernel ran
	Temperature int     `json:"temperature"` // °C
	Watts       float64 `json:"watts"`
	LimitWatts  float64 `json:"limitWatts"`
	// MIG says whether the GPU is partitioned: "Enabled", "Disabled", or "" if
	// it can't be.
	MIG string `json:"mig"`
	// Partitions are the MIG devices.
	Partitions []GPUPartition `json:"partitions,omitempty"`
	// Profiles are the sizes that it can be cut into, for example 1g.10gb.
	Profiles []GPUProfile `json:"profiles,omitempty"`
	// Healthy is false after an error; no pod gets it until it has recovered.
	Healthy bool `json:"healthy"`
	// Fault says in words what is wrong with it.
	Fault string `json:"fault,omitempty"`
	// XID is the number of the driver's last error, 0 if there was none.
	XID     int         `json:"xid,omitempty"`
	Holders []GPUHolder `json:"holders"`
}

// GPUPartition is a MIG device: a part of a GPU that is isolated from the others.
type GPUPartition struct {
	UUID      string `json:"uuid"`    // MIG-…
	Profile   string `json:"profile"` // for example 2g.20gb
	Instance  int    `json:"instance"`
	MemoryMiB int64  `json:"memoryMiB"`
	UsedMiB   int64  `json:"usedMiB"`
	Start     int    `json:"start"` // first memory slice
	Slices    int    `json:"slices"`
}

// GPUProfile is a size that a GPU can be cut into.
type GPUProfile struct {
	Name  string `json:"name"`  // for example 2g.20gb
	Count int    `json:"count"` // how many of it fit into an empty GPU
}

// GPUHolder is a container that got a GPU or a part of it.
type GPUHolder struct {
	Namespace string `json:"namespace"`
	Pod       string `json:"pod"`
	Container string `json:"container"`
	Resource  string `json:"resource"`
	// Devices are the ids that the kubelet gave it: UUIDs, with ::n if the
	// device is shared in time.
	Devices []string `json:"devices"`
}

// GPUOffer is a resource that pods can ask for.
type GPUOffer struct {
	Name    string `json:"name"` // for example nvidia.com/gpu
	Total   int    `json:"total"`
	Healthy int    `json:"healthy"`
	Held    int    `json:"held"` // given to containers
}

// GPUSharing is how pods share GPUs.
type GPUSharing struct {
	// Config is the key of the ConfigMap that decides, "" if none does.
	Config string `json:"config,omitempty"`
	// Source is the ConfigMap, namespace/name.
	Source string `json:"source,omitempty"`
	// Replicas is how many pods share a device in time; 1 if none does.
	Replicas int `json:"replicas"`
	// MIGStrategy is none, single or mixed.
	MIGStrategy string `json:"migStrategy"`
	// MIGConfig names the layout that was asked for, and MIGState says what
	// came of it: pending, success or failed.
	MIGConfig string `json:"migConfig,omitempty"`
	MIGState  string `json:"migState,omitempty"`
	// Problem says in words what was asked for and can't be done.
	Problem string `json:"problem,omitempty"`
}

// GPUFault is something that happens to a simulated GPU.
type GPUFault struct {
	GPU   int       `json:"gpu"`           // index; of the whole driver for mismatch and no-uvm
	Kind  string    `json:"kind"`          // xid, hot, ecc, mismatch or no-uvm
	XID   int       `json:"xid,omitempty"` // for xid
	Since time.Time `json:"since"`
}

// GPUShare is a wish how pods should share the GPUs. The zero value takes all
// sharing back.
type GPUShare struct {
	// Replicas is how many pods share each device in time; 0 or 1 for none.
	Replicas int `json:"replicas,omitempty"`
	// MIG is how each GPU that can be partitioned is cut: its profiles, with
	// repetitions, for example 3g.40gb, 2g.20gb, 2g.20gb. Empty for not at all.
	MIG []string `json:"mig,omitempty"`
	// DeletePods deletes the pods that hold a GPU which has to be free first.
	// What made them makes new ones.
	DeletePods bool `json:"deletePods,omitempty"`
}

// GPUPlan is what a change of sharing will do.
type GPUPlan struct {
	Share  GPUShare   `json:"share"`
	Before []GPUOffer `json:"before"`
	After  []GPUOffer `json:"after"` // Total alone is known
	// Steps say in words, in order, what will happen.
	Steps []string `json:"steps"`
	// Pods are those that it concerns: they hold a GPU.
	Pods []GPUHolder `json:"pods"`
	// Blocked says in words why it can't be done now, "" if it can.
	Blocked string `json:"blocked,omitempty"`
}

// GPUWait is a pod that waits for a GPU.
type GPUWait struct {
	Namespace string `json:"namespace"`
	Pod       string `json:"pod"`
	Resource  string `json:"resource"`
	Count     int    `json:"count"`
	// Reason says in words why the scheduler finds no room.
	Reason string `json:"reason"`
}

// GPUState is what the agent on a node says.
type GPUState struct {
	// Generation grows with every change of what is offered.
	Generation int64     `json:"generation"`
	GPUs       GPUs      `json:"gpus"`
	Plugin     GPUPlugin `json:"plugin"`
}

// GPUPlugin says how NVIDIA's device plugin is.
type GPUPlugin struct {
	Running  bool   `json:"running"`
	Error    string `json:"error"` // its last words, if it has ended
	Restarts int    `json:"restarts"`
}

// GPUPod is a pod that wants a GPU or a runtime class, and what the cluster says
// about it.
type GPUPod struct {
	Namespace string
	Name      string
	// Reason is why its phase is what it is, for example UnexpectedAdmissionError.
	Reason string
	// Said are the messages of its events.
	Said []string
	// CUDA is the version that its image was made for, "" if that is not known.
	CUDA string
}
