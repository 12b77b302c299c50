package view

import "time"

// GPUs is the page of GPUs.
type GPUs struct {
	Problem  *Problem // why they cannot be shown
	None     *Empty   // there are none
	Head     GPUHead
	Cards    []GPUCard
	Charts   []Chart
	Ranges   Ranges
	Offers   []GPUOffer
	Waiting  []GPUWait
	Sharing  GPUSharing
	Plan     *GPUPlan
	Faults   *GPUFaults // of simulated GPUs
	Labels   []Fact
	LabelsOf string // how many there are
}

// GPUHead is what is said of all GPUs together.
type GPUHead struct {
	Simulated bool
	Notices   []Notice
	Stats     []Stat
	Facts     []Fact
}

// GPUCard is one GPU.
type GPUCard struct {
	ID        string // gpu-0
	Name      string // GPU 0
	Product   string
	Simulated bool
	Pill      Pill
	UUID, PCI string
	Meters    []Meter
	Fault     string // what is wrong with it, in words
	XID       string
	Recover   string // where it is said that it works again, "" for who may not
	CSRF      string
	Parts     []MIGPart // from the first slice to the last, with what is not used
	Columns   int       // slices that the GPU has
	Holders   []GPUHolder
}

// Meter is how much of something is used.
type Meter struct {
	Name, Text string
	Percent    float64 // of the bar
	Kind       string  // Warn or Bad if it is near its end
	NoBar      bool    // the end is not known
}

// MIGPart is a part of a GPU, or what no part has of it.
type MIGPart struct {
	Profile, Text, Title string
	URL                  string // of the pod that holds it
	At, Slices           int    // first slice, and how many
	Colour               int
	Free                 bool // no part
}

// GPUHolder is a container that holds a GPU or a part of one.
type GPUHolder struct {
	Pod       Value
	Project   Value
	Container string
	Resource  string
	Share     string // what it holds
}

// GPUOffer is a resource that pods can ask for.
type GPUOffer struct {
	Name                 string
	Total, Healthy, Held string
	Ailing               bool // some of it is not healthy
}

// GPUWait is a pod that waits for a GPU.
type GPUWait struct {
	Pod    Value
	Asks   string
	Reason string
}

// GPUSharing is how the GPUs are shared, and the form that changes it.
type GPUSharing struct {
	Notice *Notice
	Facts  []Fact
	May    bool // change it
	Form   GPUForm
}

// GPUForm asks for another way to share.
type GPUForm struct {
	Replicas, MIG string
	Profiles      string // what the GPUs can be cut into, in words; "" if they can't be
	Error         string
	Shared        bool // there is something to take back
}

// GPUPlan is what a change of sharing will do.
type GPUPlan struct {
	Title         string
	Error         string // why it was refused
	Rows          []GPUPlanRow
	Steps         []string
	Pods          []GPUHolder
	PodsTitle     string
	Blocked       string
	Confirm       string // what the button says, "" if it can't be done
	Delete        string // what is ticked for pods to be deleted, "" if none has to be
	Replicas, MIG string
	CSRF          string
}

// GPUPlanRow is a resource before and after.
type GPUPlanRow struct{ Name, Before, After string }

// GPUFaults is what was made to fail of simulated GPUs, and the form for more.
type GPUFaults struct {
	May   bool
	Rows  []GPUFault
	GPUs  []Option
	Kinds []Option
	XID   string
	Error string
	CSRF  string
}

// GPUFault is one thing that was made to fail.
type GPUFault struct {
	What  string
	GPU   string // its index
	Name  string
	Since time.Time
}

// GPULine is what the overview says of the GPUs.
type GPULine struct {
	Count, Text string
	Pill        *Pill
	Tags        []string
}
