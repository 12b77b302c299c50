package view

// DeployForm asks for a further deployment of a version, as it was sent.
type DeployForm struct {
	Action   string
	CSRF     string
	Version  string // for example v12
	Name     string
	Suggests string // the name that an empty field means
	Replicas string
	Error    string
}

// Servers is how many servers a deployment has, and its end.
type Servers struct {
	Operator    bool
	Name        string
	CSRF        string
	Own         bool   // it can be deleted; else it goes with its project
	Project     string // its own, or that of its model; "" for none
	Deleting    bool
	Replicas    string
	Max         int
	Error       string
	DeleteError string
	Notice      *Notice
}

// At is where the forms are sent.
func (s Servers) At() string { return "/deployments/" + s.Name }
