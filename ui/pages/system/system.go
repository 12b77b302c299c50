package system

import (
	"context"
	"fmt"
	"sort"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/health"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/paths"
	"github.com/benchtop-lab/benchtop/ui/pods"
	"github.com/benchtop-lab/benchtop/ui/view"
)

const (
	unitLines     = 40
	objectsShown  = 500
	eventsShown   = 200
	allNamespaces = ""
)

// systemUnits shows the units with their last lines.
func (s *section) systemUnits(c echo.Context) (*page.Page, error) {
	ctx, cancel := page.Gather(c)
	defer cancel()
	r, err := s.charts.RangeOf(c)
	if err != nil {
		return nil, err
	}
	v := view.SystemUnits{Notices: s.health.Notices(), Units: health.Units(s.Units.Status(unitLines)), Ranges: s.charts.RangeView(c, r, "/system", "machine"), Licenses: s.about.Licenses}
	v.Machine, v.Ranges.Problem = s.health.Charts(ctx, r)
	v.Components = []view.Fact{{Name: "Benchtop", Value: view.Text(s.about.Version)}}
	if p, ok := s.health.Sampler.Last(); ok && p.ProcessBytes > 0 {
		v.Process = []view.Fact{{Name: "Memory of this process", Value: view.Text(view.Bytes(float64(p.ProcessBytes)))},
			{Name: "Share of the machine's memory", Value: view.Text(view.Percent(float64(p.ProcessBytes) / float64(p.MemoryTotal)))}}
	}
	v.Components = append(v.Components, s.about.Components...)
	v.Components = append(v.Components, s.gpuDriver(ctx)...)
	return &page.Page{Title: "System", Nav: "system", Body: view.SystemUnitsPage(v), Charts: v.Machine,
		Parts: []page.Part{{Name: "notices", Body: view.Notices(v.Notices)}, {Name: "units", Body: view.UnitPanels(v.Units)}, {Name: "process", Body: view.Facts(v.Process)}}}, nil
}

// gpuPatience bounds how long a driver that hangs holds up the page.
const gpuPatience = time.Second

// gpuDriver says which driver there is for GPUs, nothing where there is none. What
// is wrong with it, the page of GPUs says.
func (s *section) gpuDriver(ctx context.Context) []view.Fact {
	ctx, cancel := context.WithTimeout(ctx, gpuPatience)
	defer cancel()
	g, err := s.GPUs.GPUs(ctx)
	if err != nil {
		return nil
	}
	driver := g.Driver.Version
	if g.Simulated {
		driver += ", simulated"
	}
	return []view.Fact{{Name: "NVIDIA driver", Value: view.Text(driver)}, {Name: "CUDA, at most", Value: view.Text(g.Driver.CUDA)}}
}

// systemPods shows the pods of all namespaces or of one.
func (s *section) systemPods(c echo.Context) (*page.Page, error) {
	ctx, cancel := page.Gather(c)
	defer cancel()
	namespace := c.QueryParam("namespace")
	var v view.SystemPods
	found, err := s.Cluster.Pods(ctx, allNamespaces)
	v.Problem = s.Problem("the pods", err)
	var namespaces []string
	for _, p := range found {
		namespaces = append(namespaces, p.Namespace)
		if namespace == "" || p.Namespace == namespace {
			v.Rows = append(v.Rows, pods.Row(p))
		}
	}
	v.Namespaces = options("All namespaces", namespace, namespaces)
	return &page.Page{Title: "Pods", Nav: "system", Body: view.SystemPodsPage(v), Parts: []page.Part{{Name: "rows", Body: view.SystemPodRows(v)}}}, nil
}

// systemPod shows one pod and its live log.
func (s *section) systemPod(c echo.Context) (*page.Page, error) {
	ctx, cancel := page.Gather(c)
	defer cancel()
	namespace, name := c.Param("namespace"), c.Param("name")
	v := view.SystemPod{Pod: view.PodRow{Namespace: namespace, Name: name}, Log: paths.PodLog(namespace, name)}
	var pod mlops.Pod
	found, err := s.Cluster.Pods(ctx, namespace)
	v.Problem = s.Problem("the pod", err)
	there := false
	for _, p := range found {
		if p.Name == name && p.Namespace == namespace {
			there = true
			pod, v.Pod = p, pods.Row(p)
		}
	}
	if err == nil && !there {
		return nil, mlops.Errorf(mlops.NotFound, "There is no pod %s in namespace %s; it may have been replaced.", name, namespace)
	}
	v.Facts = []view.Fact{{Name: "Namespace", Value: view.Text(namespace)}, {Name: "Node", Value: view.Text(v.Pod.Node)}, {Name: "Address", Value: view.Code(v.Pod.IP)},
		{Name: "Started", Value: view.At(v.Pod.Started)}, {Name: "Restarts", Value: view.Text(fmt.Sprint(v.Pod.Restarts))}}
	if there {
		v.Facts = append(v.Facts, pods.Facts(pod)...)
	}
	if v.Pod.Message != "" {
		v.Facts = append(v.Facts, view.Fact{Name: "Message", Value: view.Text(v.Pod.Message)})
	}
	return &page.Page{Title: name, Nav: "system", Body: view.SystemPodPage(v), Parts: []page.Part{{Name: "head", Body: view.SystemPodHead(v)}}}, nil
}

// systemObjects shows the cluster's objects by kind and namespace.
func (s *section) systemObjects(c echo.Context) (*page.Page, error) {
	ctx, cancel := page.Gather(c)
	defer cancel()
	kind, namespace := c.QueryParam("kind"), c.QueryParam("namespace")
	var v view.SystemObjects
	objects, err := s.Cluster.Objects(ctx)
	v.Problem = s.Problem("the objects", err)
	var kinds, namespaces []string
	for _, o := range objects {
		kinds = append(kinds, o.Kind)
		if o.Namespace != "" {
			namespaces = append(namespaces, o.Namespace)
		}
		if (kind == "" || o.Kind == kind) && (namespace == "" || o.Namespace == namespace) {
			v.Rows = append(v.Rows, view.ObjectRow{Kind: o.Kind, Namespace: o.Namespace, Name: o.Name, Status: o.Status, Created: o.CreatedAt})
		}
	}
	sort.SliceStable(v.Rows, func(i, j int) bool {
		a, b := v.Rows[i], v.Rows[j]
		if a.Kind != b.Kind {
			return a.Kind < b.Kind
		}
		if a.Namespace != b.Namespace {
			return a.Namespace < b.Namespace
		}
		return a.Name < b.Name
	})
	v.Shown = view.Plural(len(v.Rows), "object", "objects")
	if len(v.Rows) > objectsShown {
		v.Shown = fmt.Sprintf("The first %d of %d objects: choose a kind or a namespace to see the others.", objectsShown, len(v.Rows))
		v.Rows = v.Rows[:objectsShown]
	}
	v.Kinds, v.Namespaces = options("All kinds", kind, kinds), options("All namespaces", namespace, namespaces)
	return &page.Page{Title: "Objects", Nav: "system", Body: view.SystemObjectsPage(v), Parts: []page.Part{{Name: "rows", Body: view.ObjectRows(v)}}}, nil
}

// options returns the choices of a filter: all, and each distinct value.
func options(all, selected string, values []string) []view.Option {
	out := []view.Option{{Text: all, Selected: selected == ""}}
	known := map[string]bool{}
	if selected != "" {
		values = append(values, selected)
	}
	sort.Strings(values)
	for _, v := range values {
		if !known[v] {
			known[v] = true
			out = append(out, view.Option{Value: v, Text: v, Selected: v == selected})
		}
	}
	return out
}

// systemEvents shows events, warnings first.
func (s *section) systemEvents(c echo.Context) (*page.Page, error) {
	ctx, cancel := page.Gather(c)
	defer cancel()
	var v view.SystemEvents
	events, err := s.Cluster.Events(ctx, eventsShown)
	v.Problem = s.Problem("the events", err)
	sort.SliceStable(events, func(i, j int) bool {
		a, b := events[i], events[j]
		if (a.Type == "Warning") != (b.Type == "Warning") {
			return a.Type == "Warning"
		}
		return a.Time.After(b.Time)
	})
	for _, e := range events {
		row := view.EventRow{Pill: view.Pill{Kind: view.Idle, Text: e.Reason}, Reason: e.Reason, Object: e.Object, Namespace: e.Namespace,
			Message: e.Message, Count: e.Count, Time: e.Time}
		if e.Type == "Warning" {
			row.Pill.Kind = view.Warn
		}
		v.Rows = append(v.Rows, row)
	}
	return &page.Page{Title: "Events", Nav: "system", Body: view.SystemEventsPage(v), Parts: []page.Part{{Name: "rows", Body: view.EventRows(v)}}}, nil
}
