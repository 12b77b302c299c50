package view

import "time"

// SystemUnits shows the units, versions and the disk.
type SystemUnits struct {
	Notices    []Notice
	Units      []Unit
	Machine    []Chart
	Ranges     Ranges
	Process    []Fact
	Components []Fact
	Licenses   string // address of the licences of the browser's bundle
}

// SystemPods shows pods.
type SystemPods struct {
	Namespaces []Option
	Rows       []PodRow
	Problem    *Problem
}

// SystemPod shows one pod.
type SystemPod struct {
	Pod     PodRow
	Facts   []Fact
	Log     string
	Problem *Problem
}

// SystemImages shows the images that pods can start from.
type SystemImages struct {
	Rows    []ImageRow
	Shown   string
	Problem *Problem
}

// ImageRow is one image.
type ImageRow struct {
	Reference, Source, Size, Digest string
	Pods                            int // that use it
}

// SystemObjects shows the cluster's objects.
type SystemObjects struct {
	Kinds      []Option
	Namespaces []Option
	Rows       []ObjectRow
	Shown      string
	Problem    *Problem
}

// Option is one choice: of a list, or a box that can be ticked.
type Option struct {
	Value    string
	Text     string
	Selected bool
}

// ObjectRow is one object.
type ObjectRow struct {
	Kind, Namespace, Name, Status string
	Created                       time.Time
}

// SystemEvents shows events, warnings first.
type SystemEvents struct {
	Rows    []EventRow
	Problem *Problem
}

// EventRow is one event.
type EventRow struct {
	Pill      Pill
	Reason    string
	Object    string
	Namespace string
	Message   string
	Count     int
	Time      time.Time
}
