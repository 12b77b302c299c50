package view

import "time"

// Deployments is the list of deployments.
type Deployments struct {
	Rows    []DeploymentRow
	Problem *Problem
}

// DeploymentRow is one deployment.
type DeploymentRow struct {
	Name     string
	URL      string
	Pill     Pill
	Holds    []Pill // pinned, paused
	Model    Value
	Replicas string
	Rate     string
	Errors   string
	P50, P99 string
	Address  string
}

// Deployment is the page of one deployment.
type Deployment struct {
	Name     string
	Pill     Pill
	Holds    []Pill // pinned, paused
	Message  string
	Newest   *Notice // why the newest revision is not served
	Facts    []Fact
	Stats    []Stat
	Charts   []Chart
	Ranges   Ranges
	Findings []Finding // what is wrong
	Pods     []ServerPod
	Logs     DeploymentLog
	Form     PredictForm
	Curl     string
	History  History
	Gates    Gates
	Servers  Servers
	Problem  *Problem
}

// Stat is a number with a name.
type Stat struct {
	Name  string
	Value string
	Kind  string // Bad or Warn if it needs attention
}

// PodRow is one pod.
type PodRow struct {
	Namespace string
	Name      string
	URL       string
	Pill      Pill
	Restarts  int
	Node      string
	IP        string
	Started   time.Time
	Message   string
	LastExit  string // how its container ended last, "" if it never has
}

// ServerPod is a pod of a deployment.
type ServerPod struct {
	PodRow
	Short       string
	Image       string
	Created     time.Time
	EndedAt     time.Time // when its container ended last
	CPU, Memory PodUse
}

// PodUse is what a pod uses of what it asked for and may have.
type PodUse struct {
	Used, Request, Limit string
	Near                 bool // to the limit
}

// Finding is something that is wrong: what is broken, what was seen, and what to
// do.
type Finding struct {
	Kind    string // Bad or Warn
	Detail  string
	Seen    string // lines of a log
	Fix     string
	Link    *Link  // where it can be done
	Command string // how to do it in a terminal, where no page can
}

// DeploymentLog is the log of a deployment's pods.
type DeploymentLog struct {
	Title string
	URL   string // of the stream
	Pods  []RangeLink
	Note  string
}
