package models

import (
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/paths"
	"github.com/benchtop-lab/benchtop/ui/pills"
	"github.com/benchtop-lab/benchtop/ui/runtable"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// What the picture shows of what there may be many of; the list below it has
// all of them.
const (
	lineageDatasets    = 5
	lineageOthers      = 5
	lineageDeployments = 5
)

// lineageGraph draws where a version comes from and what serves it. What is
// not known is said, not left out. problem is why nobody knows what is
// deployed, nil if that is known.
func lineageGraph(mv mlops.ModelVersion, l mlops.Lineage, problem *view.Problem) view.Lineage {
	g := view.Lineage{Label: fmt.Sprintf("Lineage of %s v%d", mv.Model, mv.Version)}
	g.Stages = []view.Stage{
		{Kind: "inputs", Title: "Data, code and image", Nodes: inputNodes(l)},
		{Kind: "run", Title: "Run", Nodes: []view.LineageNode{runNode(mv, l)}},
		{Kind: "versions", Title: "Model version", Nodes: versionNodes(mv, l)},
		{Kind: "deployments", Title: "Deployments", Nodes: deploymentNodes(l, problem)},
	}
	g.Full = lineageFacts(mv, l)
	return g
}

func missing(kind, label, title, why string) view.LineageNode {
	return view.LineageNode{Kind: kind, Label: label, Title: title, Missing: true, Facts: []view.Value{view.Text(why)}}
}

func inputNodes(l mlops.Lineage) []view.LineageNode {
	if l.Run == nil {
		return []view.LineageNode{missing("dataset", "Data, code and image", "unknown", "They are known through the run that makes a version.")}
	}
	var nodes []view.LineageNode
	for i, d := range l.Datasets {
		if i == lineageDatasets {
			nodes = append(nodes, view.LineageNode{Kind: "dataset", Label: "Datasets", Title: fmt.Sprintf("and %d more", len(l.Datasets)-i), Facts: []view.Value{view.Text("all of them are in the list below")}})
			break
		}
		nodes = append(nodes, datasetNode(d))
	}
	if len(l.Datasets) == 0 {
		nodes = append(nodes, missing("dataset", "Dataset", "none", "The run has logged no dataset."))
	}
	return append(nodes, codeNode(l.Code), imageNode(l.Image))
}

func datasetNode(d mlops.LineageDataset) view.LineageNode {
	n := view.LineageNode{Kind: "dataset", Label: "Dataset", Title: shorten(d.Name), Hover: d.Name}
	if d.Context != "" {
		n.Label += " · " + d.Context
	}
	if d.Stored != nil {
		if d.Stored.Name == d.Name {
			n.Title = fmt.Sprintf("%s v%d", shorten(d.Name), d.Stored.Version)
		}
		n.Facts = append(n.Facts, view.Text(fmt.Sprintf("%d rows × %d features", d.Stored.Rows, d.Stored.Features)))
	}
	n.URL = paths.Dataset(wholeOf(d))
	n.Facts = append(n.Facts, view.Digest(wholeOf(d)))
	if uri := paths.Source(d.Source); uri != "" {
		n.Facts = append(n.Facts, view.Value{Text: shorten(uri), Title: uri, Code: true})
	}
	return n
}

// wholeOf returns as much of a dataset's digest as is known.
func wholeOf(d mlops.LineageDataset) string {
	if d.SHA256 != "" {
		return d.SHA256
	}
	return d.Digest
}

// shorten keeps where a name or an address begins and ends.
func shorten(s string) string {
	const keep = 44
	if r := []rune(s); len(r) > keep {
		return string(r[:22]) + "…" + string(r[len(r)-(keep-23):])
	}
	return s
}

func codeNode(c mlops.LineageCode) view.LineageNode {
	if c.Commit == "" && c.SHA256 == "" && c.Source == "" {
		return missing("code", "Code", "unknown", "The run names neither a git commit nor a source.")
	}
	n := view.LineageNode{Kind: "code", Label: "Code", Title: shorten(path.Base(c.Source)), Hover: c.Source}
	if c.Source == "" {
		n.Title = "source not named"
	}
	if c.Commit != "" {
		n.Facts = append(n.Facts, view.Value{Text: "commit " + view.Short(c.Commit), Title: c.Commit, Code: true})
	}
	if c.Branch != "" {
		n.Facts = append(n.Facts, view.Value{Text: "branch " + shorten(c.Branch), Title: c.Branch})
	}
	if c.Repo != "" {
		n.Facts = append(n.Facts, view.Value{Text: shorten(c.Repo), Title: c.Repo, Code: true})
	}
	if c.SHA256 != "" {
		n.Facts = append(n.Facts, view.Digest(c.SHA256))
	} else if c.Commit == "" {
		n.Facts = append(n.Facts, view.Text("no commit or digest was logged"))
	}
	return n
}

func imageNode(image string) view.LineageNode {
	if image == "" {
		return missing("image", "Image", "unknown", "The run names no container image.")
	}
	name, digest, _ := strings.Cut(image, "@")
	n := view.LineageNode{Kind: "image", Label: "Image", Title: shorten(path.Base(name)), Hover: image}
	if dir := path.Dir(name); dir != "." {
		n.Facts = append(n.Facts, view.Value{Text: dir, Code: true})
	}
	if digest != "" {
		n.Facts = append(n.Facts, view.Value{Text: view.Short(digest), Title: digest, Code: true})
	}
	return n
}

func lineageRunName(r mlops.LineageRun) string {
	return runtable.Name(mlops.Run{ID: r.RunID, Name: r.Name})
}

func runNode(mv mlops.ModelVersion, l mlops.Lineage) view.LineageNode {
	if mv.RunID == "" {
		return missing("run", "Run", "none", "This version was registered without a run.")
	}
	if l.Run == nil {
		n := missing("run", "Run", "gone", "The run is not in the registry any more.")
		n.Facts = append(n.Facts, view.Digest(mv.RunID))
		return n
	}
	pill := pills.Run(mlops.RunStatus(l.Run.Status))
	if l.Run.Deleted {
		pill = view.Pill{Kind: view.Bad, Text: "deleted"}
	}
	n := view.LineageNode{Kind: "run", Label: "Run", Title: shorten(lineageRunName(*l.Run)), URL: paths.Run(l.Run.RunID), Hover: l.Run.RunID, Pill: &pill,
		Facts: []view.Value{view.Text("experiment " + l.Run.Experiment), view.At(time.UnixMilli(l.Run.StartTime))}}
	if l.Job != nil && l.Job.Trigger != "" {
		n.Facts = append(n.Facts, view.Text("trigger: "+l.Job.Trigger))
	} else if l.Run.User != "" {
		n.Facts = append(n.Facts, view.Text("by "+l.Run.User))
	}
	return n
}

func versionNodes(mv mlops.ModelVersion, l mlops.Lineage) []view.LineageNode {
	pill := pills.Version(mv.Status)
	n := view.LineageNode{Kind: "version", Label: "Model version", Title: fmt.Sprintf("%s v%d", shorten(mv.Model), mv.Version), Hover: mv.Model, Current: true, Pill: &pill, Facts: []view.Value{view.At(mv.CreatedAt)}}
	for i, a := range mv.Aliases {
		if i == aliasesInList {
			n.Facts = append(n.Facts, view.Text(fmt.Sprintf("and %d more", len(mv.Aliases)-i)))
			break
		}
		n.Facts = append(n.Facts, view.Text("@"+shorten(a)))
	}
	if len(l.Others) == 0 {
		return []view.LineageNode{n}
	}
	others := view.LineageNode{Kind: "version", Label: "Also made by this run"}
	for i, o := range l.Others {
		if i == lineageOthers {
			more := fmt.Sprintf("and %d more", len(l.Others)-i)
			if len(l.Others) == mlops.MaxLineageOthers {
				more = "and many more"
			}
			others.Facts = append(others.Facts, view.Text(more))
			break
		}
		number, _ := strconv.Atoi(o.Version) // the registry's numbers are numbers
		others.Links = append(others.Links, view.Link{Text: shorten(o.Name) + " v" + o.Version, URL: paths.Version(o.Name, number)})
	}
	return []view.LineageNode{n, others}
}

func deploymentNodes(l mlops.Lineage, problem *view.Problem) []view.LineageNode {
	if problem != nil {
		return []view.LineageNode{missing("deployment", "Deployments", "unknown", problem.Message)}
	}
	if len(l.Deployments) == 0 {
		return []view.LineageNode{missing("deployment", "Deployments", "none", "No deployment serves this version now.")}
	}
	var nodes []view.LineageNode
	for i, d := range l.Deployments {
		if i == lineageDeployments {
			nodes = append(nodes, view.LineageNode{Kind: "deployment", Label: "Deployments", Title: fmt.Sprintf("and %d more", len(l.Deployments)-i), URL: "/deployments"})
			break
		}
		pill := pills.Deployment(d)
		nodes = append(nodes, view.LineageNode{Kind: "deployment", Label: "Deployment", Title: d.Name, URL: paths.Deployment(d.Name), Pill: &pill, Flow: d.Ready > 0,
			Facts: []view.Value{view.Text(fmt.Sprintf("%d of %d replicas ready", d.Ready, d.Replicas)), view.At(d.LoadedAt)}})
	}
	return nodes
}

// lineageFacts is the whole of what the picture shortens.
func lineageFacts(mv mlops.ModelVersion, l mlops.Lineage) []view.Fact {
	var facts []view.Fact
	add := func(name, value string) {
		if value != "" {
			facts = append(facts, view.Fact{Name: name, Value: view.Code(value)})
		}
	}
	for _, d := range l.Datasets {
		name := "Dataset " + d.Name
		add(name+", digest", wholeOf(d))
		add(name+", source", paths.Source(d.Source))
		if d.Stored != nil && d.Stored.URI() != paths.Source(d.Source) {
			add(name+", stored at", d.Stored.URI())
		}
	}
	add("Git commit", l.Code.Commit)
	add("Git branch", l.Code.Branch)
	add("Git repository", l.Code.Repo)
	add("Code digest", l.Code.SHA256)
	add("Source", l.Code.Source)
	add("Image", l.Image)
	add("Run", mv.RunID)
	if j := l.Job; j != nil {
		add("Job", j.Job)
		add("Pod", j.Pod)
		add("Node", j.Node)
	}
	if l.Model != nil {
		add("Logged model", l.Model.ModelID)
	}
	add("Files", l.ArtifactURI)
	return facts
}
