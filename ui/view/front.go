package view

import (
	"cmp"
	"strings"
)

// Front is the page that the ingress shows where nothing is.
type Front struct {
	UI          string // address of the pages
	Missing     string // the path that was asked for, "" for the root
	Deployments []FrontDeployment
	Problem     *Problem
}

// FrontDeployment is a deployment as strangers may see it.
type FrontDeployment struct {
	Name  string
	Ready bool
	URL   string // a prediction
	Curl  string
}

// Text is the page for programs.
func (f Front) Text() string {
	var b strings.Builder
	b.WriteString("There is nothing at " + cmp.Or(f.Missing, "/") + " on this lab's ingress. The web UI is at " + f.UI)
	for _, d := range f.Deployments {
		b.WriteString("; " + d.Name + " answers at " + d.URL)
	}
	return b.String()
}
