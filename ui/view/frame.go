// Package view holds the templates of the pages and the models that they
// render. The models carry everything decided: a template only loops, shows
// and hides. The *_templ.go files are generated; see generate.go.
package view

import "github.com/a-h/templ"

// Frame is what surrounds every page.
type Frame struct {
	Title   string
	Nav     string // the current entry: overview, labs, projects, runs, models, datasets, deployments, gpus, system or access
	Bare    bool   // no navigation: sign-in, and errors of those who are not signed in
	User    string
	Admin   bool // sees what only administrators may use
	Limited bool // to single projects: does not see what belongs to the whole lab
	CSRF    string
	Theme   string // "light", "dark" or "" for what the system prefers
	Version string
	Live    string // address of the page's event stream, "" if it has none
	View    string // what kind of page this is; the script reloads it when that changes
	Script  string
	Style   string
	Icon    string
	Build   string // what the script compares with the server's build
	// Terminal and TerminalStyle are loaded besides, if they are not "".
	Terminal, TerminalStyle string
}

// Link is a named address.
type Link struct {
	Text string
	URL  string
}

type navEntry struct {
	key, text, url string
	admin, whole   bool // who sees it: administrators, or who is not limited to single projects
}

var navigation = []navEntry{
	{"overview", "Overview", "/", false, false},
	{"labs", "Labs", "/labs", false, true},
	{"projects", "Projects", "/projects", false, false},
	{"runs", "Runs", "/runs", false, false},
	{"models", "Models", "/models", false, false},
	{"datasets", "Datasets", "/datasets", false, true},
	{"deployments", "Deployments", "/deployments", false, false},
	{"gpus", "GPUs", "/gpus", false, true},
	{"system", "System", "/system", false, true},
	{"access", "Access", "/access", true, true},
}

// shows reports whether who looks sees a navigation entry.
func (f Frame) shows(n navEntry) bool { return (f.Admin || !n.admin) && (!f.Limited || !n.whole) }

// current is the value of aria-current for a navigation entry.
func current(is bool) string {
	if is {
		return "page"
	}
	return "false"
}

// invalid are the attributes of a control whose value is wrong; the element
// with that id says why.
func invalid(message, id string) templ.Attributes {
	if message == "" {
		return nil
	}
	return templ.Attributes{"aria-invalid": "true", "aria-errormessage": id}
}
