// Package engine runs guided labs: it reads them, makes their rooms, watches their
// tasks, and breaks and mends them. It knows nouns and ports only.
package engine

import (
	"context"
	"net"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Ports are what the engine needs of the rest of the process. Each is a function
// that returns the port, or an *mlops.Error with the code Unavailable while what
// is behind it is still starting.
type Ports struct {
	Store   func() (Store, error)
	Cluster func() (Cluster, error)
	Loop    func() (Loop, error)
	Keys    Keys
	Metrics Metrics
	// Call asks the lab's own HTTP API, MLflow's among it, with the key of a
	// room. The path begins with /api/. The answer is decoded JSON, or text.
	Call func(ctx context.Context, token, method, path string, body []byte) (status int, answer any, err error)
	// Objects lists what lies in a bucket below a prefix; there is false if the
	// bucket does not exist.
	Objects func(ctx context.Context, bucket, prefix string) (objects []mlops.ObjectInfo, there bool, err error)
	// Clear removes what a room has made outside of Kubernetes: experiments and
	// models whose names belong to it (mlops.Belongs), and the contents of its
	// bucket. With all the bucket goes as well. It can be repeated. It does nothing
	// while the room has no key: what is there is not the room's.
	Clear func(ctx context.Context, room string, all bool) error
	// Left says what exists outside of Kubernetes under a room's name, in words for
	// a person: bucket, experiments, models, keys, project. It makes nothing.
	Left func(ctx context.Context, room string) ([]string, error)
	// Dial connects to what a URL names as pods and the LAN would: Services of
	// the cluster by name, hosts of the ingress.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Env returns the variables of a room's shells and scripts, with the token of its
	// key: all but LAB, PROJECT and BUCKET. Token is "" for a room that isn't open.
	Env func(room, token string) map[string]string
	// GPUs reports whether pods can have GPUs, real or simulated ones.
	GPUs func(ctx context.Context) (bool, error)
}

// Cluster is what the engine needs of Kubernetes.
type Cluster interface {
	// OpenLab makes or completes a room: namespaces, rights, quota, the Secret
	// lab with Env, and the shell's pod. It can be repeated; it does not wait for the pod.
	OpenLab(ctx context.Context, r mlops.LabRoom) error
	// LabShell says whether the shell's pod runs, and why not.
	LabShell(ctx context.Context, room string) (mlops.LabShell, error)
	// ClearLab deletes all that the namespace holds but what OpenLab has made,
	// without waiting for pods to end kindly, and returns when it is gone.
	ClearLab(ctx context.Context, r mlops.LabRoom) error
	// CloseLab removes all that OpenLab has made. It can be repeated until gone.
	CloseLab(ctx context.Context, room string) (gone bool, err error)
	// LabRooms lists the rooms that the cluster has something of.
	LabRooms(ctx context.Context) ([]string, error)
	// ApplyLab applies YAML documents to a namespace by server-side apply.
	ApplyLab(ctx context.Context, namespace string, manifest []byte) error
	// LabObjects returns one object (map[string]any, or nil if there is none) if
	// q names one, else a []any of objects, by name.
	LabObjects(ctx context.Context, q mlops.LabObjects) (any, error)
	// RunLab runs a script in the shell's pod. A script that ends with another
	// code than 0 is no error; one that could not run is.
	RunLab(ctx context.Context, room string, s mlops.LabScript) (mlops.LabOutput, error)
	// LabTerminal attaches to the shell's session until t.In or ctx ends.
	LabTerminal(ctx context.Context, room string, t mlops.LabTerminal) error
	// LabScene draws what a room has of these kinds.
	LabScene(ctx context.Context, r mlops.LabRoom, kinds []string) (mlops.LabScene, error)
}

// Store keeps sessions as rows.
type Store interface {
	// CreateSession adds a session in state opening and gives it its ID and a
	// Room of its own: lab-NAME, or lab-NAME-2 and so on while that is taken by
	// a session that isn't closed. It is Exists if the user has one of the lab.
	CreateSession(ctx context.Context, s mlops.LabSession) (mlops.LabSession, error)
	SetSession(ctx context.Context, id int64, state mlops.LabState, problem string, at time.Time) error
	// Sessions returns those that aren't closed.
	Sessions(ctx context.Context) ([]mlops.LabSession, error)
	// DeleteSession removes the rows of a closed session for good: verify's own.
	DeleteSession(ctx context.Context, id int64) error
	// History returns all sessions of a user, the oldest first, with what they hold.
	History(ctx context.Context, user string) ([]mlops.LabHistory, error)
	// Session returns one with what it holds.
	Session(ctx context.Context, id int64) (mlops.LabHistory, error)

	// AddPass notes a pass. The first one of a task counts.
	AddPass(ctx context.Context, session int64, p mlops.LabPass) error
	// DropPasses takes passes back, all if none is named, for a reset; what was
	// ever passed stays in the history's Progress.
	DropPasses(ctx context.Context, session int64, tasks ...string) error
	AddHint(ctx context.Context, session int64, h mlops.LabHintTaken) error
	DropHints(ctx context.Context, session int64, tasks ...string) error
	// AddAnswer notes an answer. The first one counts.
	AddAnswer(ctx context.Context, session int64, a mlops.LabAnswer) error
	AddBreak(ctx context.Context, session int64, b mlops.LabBreak) (mlops.LabBreak, error)
	EndBreak(ctx context.Context, id int64, mended, gaveUp time.Time) error
	// Progress says what a user has reached, by lab: tasks that were ever passed
	// by the learner, and different faults that were mended.
	Progress(ctx context.Context, user string) (map[string]mlops.LabReached, error)
}

// Loop makes and removes the project that a lab works on, mlops.LabProject.
type Loop interface {
	AddLabProject(ctx context.Context, room, dataset string) error // none if it is there
	// DeleteLabProject removes it. While the room has no key, a project of that
	// name is not the room's: it stays, and counts as gone.
	DeleteLabProject(ctx context.Context, room string) (gone bool, err error)
}

// Keys makes the key that a room comes with to registry, S3, API and metrics.
type Keys interface {
	// LabKey returns the key of a room; it makes it, and its bucket, if there is none. It
	// reaches projects, what belongs to the name of the room, the bucket of that name, and the
	// metrics. It is Exists if there is no key yet and a user has something of the room's name.
	LabKey(ctx context.Context, room string, projects []string) (mlops.NewKey, error)
	// LeakKey makes another key for a lab to leak. It goes with the room's.
	LeakKey(ctx context.Context, room string) (mlops.NewKey, error)
	DropLabKey(ctx context.Context, room string) error
}

// Metrics answers PromQL.
type Metrics interface {
	Query(ctx context.Context, promql string, at time.Time) ([]mlops.Sample, error)
}
