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
	Name    string
	Pill    Pill
	Holds   []Pill // pinned, paused
	Message string
	Newest  *Notice // why the newest revision is not served
	Facts   []Fact
	Stats   []Stat
	Charts  []Chart
	Pods    []PodRow
	Logs    []Link // per pod: its live log
	Form    PredictForm
	Curl    string
	History History
	Gates   Gates
	Servers Servers
	Problem *Problem
	Metrics *Problem
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
}
