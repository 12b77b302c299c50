package gpus

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/charts"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/paths"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// try is how a machine without GPUs gets some.
const try = "sudo benchtop up --simulate-gpus 2xA100-80GB"

// forms are the forms of the page as they were sent, and why they were refused.
type forms struct {
	wish       wish
	shareError string
	fault      view.GPUFaults
}

func (s *section) gpus(c echo.Context) (*page.Page, error) {
	f := forms{wish: wishOf(c.QueryParams())}
	p, err := s.gpusPage(c, f)
	if err == nil && f.wish.err != nil {
		return p.Refused(page.StatusOf(f.wish.err)), nil
	}
	return p, err
}

// gpusPage shows the GPUs, with the forms as they were sent. What kind of page it
// is, is its view: the browser loads it again when there are GPUs, or no more.
func (s *section) gpusPage(c echo.Context, f forms) (*page.Page, error) {
	ctx, cancel := page.Gather(c)
	defer cancel()
	r, err := s.charts.RangeOf(c)
	if err != nil {
		return nil, err
	}
	out := &page.Page{Title: "GPUs", Nav: "gpus"}
	g, err := s.GPUs.GPUs(ctx)
	if mlops.CodeOf(err) == mlops.NotFound {
		none := view.Empty{Icon: "gpus", Title: "No GPUs", Text: mlops.MessageOf(page.Sentence(err)) + " To try what a lab with GPUs is like:", Code: try}
		out.View, out.Body = "none", view.GPUsPage(view.GPUs{None: &none})
		out.Parts = []page.Part{{Name: "none", Body: view.EmptyBox(none)}}
		return out, nil
	}
	if problem := s.Problem("the GPUs", err); problem != nil {
		out.View, out.Body = "problem", view.GPUsPage(view.GPUs{Problem: problem})
		out.Parts = []page.Part{{Name: "problem", Body: view.ProblemBox(problem)}}
		return out, nil
	}
	may := page.May(c, mlops.Administer)
	v := view.GPUs{Head: head(g), Offers: offers(g), Ranges: s.charts.RangeView(c, r, "/gpus", "usage")}
	var known projects
	var planned *plan
	var chartErr error
	page.Together(
		func() { known = s.projects(ctx) },
		func() { v.Charts, chartErr = s.usage(ctx, g, r) },
		func() { planned = s.plan(ctx, c, g, f) },
	)
	v.Ranges.Problem = s.Problem("the usage", chartErr)
	for _, one := range g.GPUs {
		v.Cards = append(v.Cards, card(g, one, known, may, page.VisitorOf(c).CSRF))
	}
	if planned != nil {
		planned.Pods = holders(g, planned.holders, known)
		v.Plan = &planned.GPUPlan
	}
	for _, w := range g.Waiting {
		v.Waiting = append(v.Waiting, view.GPUWait{Pod: podValue(w.Namespace, w.Pod), Asks: fmt.Sprintf("%d × %s", w.Count, w.Resource), Reason: w.Reason})
	}
	v.Sharing = sharing(c, g, f, may)
	for _, name := range slices.Sorted(maps.Keys(g.Labels)) {
		v.Labels = append(v.Labels, view.Fact{Name: name, Value: view.Text(g.Labels[name])})
	}
	v.LabelsOf = view.Plural(len(v.Labels), "label", "labels")
	out.View, out.Charts = "gpus", v.Charts
	out.Parts = []page.Part{{Name: "head", Body: view.GPUHeadBox(v.Head)}, {Name: "waiting", Body: view.GPUWaiting(v.Waiting)}, {Name: "cards", Body: view.GPUCards(v.Cards)},
		{Name: "offers", Body: view.GPUOffers(v.Offers)}, {Name: "sharing", Body: view.GPUSharingNow(v.Sharing)}, {Name: "labels", Body: view.GPULabels(v.Labels)}}
	if v.Plan != nil {
		out.Parts = append(out.Parts, page.Part{Name: "plan", Body: view.GPUPlanBox(*v.Plan)})
	}
	if g.Simulated {
		faults := faultsView(c, g, f.fault, may)
		v.Faults = &faults
		out.Parts = append(out.Parts, page.Part{Name: "faults", Body: view.GPUFaultRows(faults)})
	} else if f.fault.Error != "" {
		return nil, mlops.Errorf(mlops.InvalidState, "%s", f.fault.Error) // there is no form to say it at
	}
	out.Body = view.GPUsPage(v)
	return out, nil
}

// head says what is true of all GPUs together.
func head(g mlops.GPUs) view.GPUHead {
	h := view.GPUHead{Simulated: g.Simulated}
	if g.Simulated {
		h.Notices = append(h.Notices, view.Notice{Kind: view.Warn, Text: "These GPUs are simulated: nothing is computed on them. Pods get them and see them, and CUDA tells them that there is no device."})
	}
	if g.Problem != "" {
		h.Notices = append(h.Notices, view.Notice{Kind: view.Bad, Text: "No pod can use a GPU: " + g.Problem})
	}
	if g.Sharing.Problem != "" {
		h.Notices = append(h.Notices, view.Notice{Kind: view.Bad, Text: "The sharing that was asked for cannot be done: " + g.Sharing.Problem, Link: &view.Link{Text: "See how they are shared.", URL: "#sharing"}})
	}
	t := g.Total()
	healthy := view.Stat{Name: "Healthy", Value: fmt.Sprintf("%d of %d", t.Healthy, len(g.GPUs))}
	if t.Healthy < len(g.GPUs) {
		healthy.Kind = view.Bad
	}
	waiting := view.Stat{Name: "Pods that wait", Value: strconv.Itoa(len(g.Waiting))}
	if len(g.Waiting) > 0 {
		waiting.Kind = view.Warn
	}
	h.Stats = []view.Stat{healthy, {Name: "Given to pods", Value: fmt.Sprintf("%d of %d", t.Held, t.Offered)}, waiting, {Name: "Memory used", Value: mib(t.UsedMiB) + " of " + mib(t.MemoryMiB)}}
	h.Facts = []view.Fact{{Name: "Driver", Value: view.Text(g.Driver.Version)}, {Name: "CUDA, at most", Value: view.Text(g.Driver.CUDA)}, {Name: "Driver files", Value: view.Code(g.Driver.Root)}}
	return h
}

func mib(n int64) string { return view.Bytes(float64(n) * (1 << 20)) }

func offers(g mlops.GPUs) []view.GPUOffer {
	var out []view.GPUOffer
	for _, o := range g.Resources {
		out = append(out, view.GPUOffer{Name: o.Name, Total: strconv.Itoa(o.Total), Healthy: strconv.Itoa(o.Healthy), Held: strconv.Itoa(o.Held), Ailing: o.Healthy < o.Total})
	}
	return out
}

// projects are the projects by their namespace.
type projects map[string]string

// projects are only linked to: without them the page goes without the links.
func (s *section) projects(ctx context.Context) projects {
	all, err := s.Loop.Projects(ctx)
	s.Problem("the projects", err)
	out := projects{}
	for _, p := range all {
		out[mlops.NamespaceOf(p.Name)] = p.Name
	}
	return out
}

func podValue(namespace, name string) view.Value {
	return view.Ref(namespace+"/"+name, paths.Pod(mlops.Pod{Namespace: namespace, Name: name}))
}

func holders(g mlops.GPUs, all []mlops.GPUHolder, known projects) []view.GPUHolder {
	var out []view.GPUHolder
	for _, h := range all {
		row := view.GPUHolder{Pod: podValue(h.Namespace, h.Pod), Container: h.Container, Resource: h.Resource, Share: share(g, h)}
		if project := known[h.Namespace]; project != "" {
			row.Project = view.Ref(project, paths.Project(project))
		}
		out = append(out, row)
	}
	return out
}

// share says in words what a container holds.
func share(g mlops.GPUs, h mlops.GPUHolder) string {
	var out []string
	for _, id := range h.Devices {
		uuid, turn, shared := strings.Cut(id, "::")
		text := "the whole GPU"
		if part := partOf(g, uuid); part != nil {
			text = "part " + part.Profile
		}
		if shared {
			text = strings.TrimPrefix(text+", ", "the whole GPU, ") + "turn " + turn + " of " + strconv.Itoa(max(g.Sharing.Replicas, 1))
		}
		if !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return strings.Join(out, ", ")
}

func partOf(g mlops.GPUs, uuid string) *mlops.GPUPartition {
	for _, one := range g.GPUs {
		if p := page.Find(one.Partitions, func(p mlops.GPUPartition) bool { return p.UUID == uuid }); p != nil {
			return p
		}
	}
	return nil
}

// card shows one GPU.
func card(g mlops.GPUs, one mlops.GPU, known projects, may bool, csrf string) view.GPUCard {
	v := view.GPUCard{ID: fmt.Sprintf("gpu-%d", one.Index), Name: fmt.Sprintf("GPU %d", one.Index), Product: one.Product, Simulated: g.Simulated, UUID: one.UUID, PCI: one.PCI,
		Pill: view.Pill{Kind: view.Good, Text: "healthy"}, Meters: meters(one), Holders: holders(g, one.Holders, known)}
	if !one.Healthy {
		v.Pill = view.Pill{Kind: view.Bad, Text: "unhealthy"}
		if v.Fault = one.Fault; v.Fault == "" {
			v.Fault = "The driver has reported an error."
		}
		if one.XID != 0 && !strings.Contains(v.Fault, "XID") {
			v.XID = fmt.Sprintf("The driver's last error is XID %d.", one.XID)
		}
		if may {
			v.Recover, v.CSRF = fmt.Sprintf("/gpus/%d/recover", one.Index), csrf
		}
	}
	v.Parts, v.Columns = layout(one)
	return v
}

// hot is from what temperature on a GPU stands out: most slow down a little above.
const hot = 85

func meters(one mlops.GPU) []view.Meter {
	meter := func(name, text string, share float64) view.Meter {
		m := view.Meter{Name: name, Text: text, Percent: min(max(share, 0), 1) * 100}
		if share >= 0.95 {
			m.Kind = view.Warn
		}
		return m
	}
	out := []view.Meter{
		meter("Memory", mib(one.UsedMiB)+" of "+mib(one.MemoryMiB), float64(one.UsedMiB)/max(float64(one.MemoryMiB), 1)),
		meter("Utilisation", view.Percent(float64(one.Utilization)/100), float64(one.Utilization)/100),
	}
	out[1].Kind = "" // to be busy is what it is for
	temperature := view.Meter{Name: "Temperature", Text: fmt.Sprintf("%d °C", one.Temperature), Percent: min(float64(one.Temperature), 100)}
	if one.Temperature >= hot {
		temperature.Kind = view.Bad
	}
	power := view.Meter{Name: "Power", Text: fmt.Sprintf("%.0f W", one.Watts), NoBar: true}
	if one.LimitWatts > 0 {
		power = meter("Power", fmt.Sprintf("%.0f of %.0f W", one.Watts, one.LimitWatts), one.Watts/one.LimitWatts)
	}
	return append(out, temperature, power)
}

// layout draws the parts of a GPU from its first memory slice to the last, with
// what no part has. There are 8 slices, or 4 where no more than 4 of the smallest
// part fit.
func layout(one mlops.GPU) (out []view.MIGPart, columns int) {
	if len(one.Partitions) == 0 {
		return nil, 0
	}
	columns = 4
	for _, p := range one.Profiles {
		if p.Count > 4 {
			columns = 8
		}
	}
	names := map[string]int{}
	for i, p := range one.Profiles {
		names[p.Name] = i
	}
	parts := slices.SortedFunc(slices.Values(one.Partitions), func(a, b mlops.GPUPartition) int { return a.Start - b.Start })
	next := 0
	free := func(to int) {
		if to > next {
			name := "unused"
			if to-next == 1 {
				name = "–" // there is no room for a word
			}
			out = append(out, view.MIGPart{Profile: name, Title: view.Plural(to-next, "slice", "slices") + " that no part has", At: next, Slices: to - next, Free: true})
		}
	}
	for _, p := range parts {
		if last := p.Start + p.Slices; last > columns {
			columns = 8
		}
		free(p.Start)
		v := view.MIGPart{Profile: p.Profile, Text: "free", At: p.Start, Slices: max(p.Slices, 1), Colour: names[p.Profile] % 6,
			Title: fmt.Sprintf("%s, %s of %s used, %s", p.Profile, mib(p.UsedMiB), mib(p.MemoryMiB), p.UUID)}
		for _, h := range one.Holders {
			if slices.ContainsFunc(h.Devices, func(id string) bool { uuid, _, _ := strings.Cut(id, "::"); return uuid == p.UUID }) {
				v.Text, v.URL = h.Pod, paths.Pod(mlops.Pod{Namespace: h.Namespace, Name: h.Pod})
			}
		}
		out = append(out, v)
		next = v.At + v.Slices
	}
	free(columns)
	return out, columns
}

// usage returns the charts: a question for each, however many GPUs there are. Where
// pods take turns each of them has a series of the same values, and each part of a
// GPU has its own memory.
func (s *section) usage(ctx context.Context, g mlops.GPUs, r charts.Range) ([]view.Chart, error) {
	shown := []view.Chart{
		{ID: "gpu-utilisation", Title: "Utilisation", Unit: "percent", Max: 1},
		{ID: "gpu-memory", Title: "Memory", Unit: "bytes"},
		{ID: "gpu-temperature", Title: "Temperature in °C", Unit: "number"},
		{ID: "gpu-power", Title: "Power in watts", Unit: "number"},
	}
	var used, memory, hottest int64
	var busy, watts float64
	for _, one := range g.GPUs {
		used, memory, hottest = used+one.UsedMiB, max(memory, one.MemoryMiB), max(hottest, int64(one.Temperature))
		busy, watts = busy+float64(one.Utilization)/100/float64(len(g.GPUs)), watts+one.Watts
	}
	shown[1].Max = float64(memory) * (1 << 20)
	now := []string{view.Percent(busy) + " on average", mib(used) + " in all", fmt.Sprintf("%d °C at most", hottest), fmt.Sprintf("%.0f W in all", watts)}
	for i := range shown {
		shown[i].Now, shown[i].Summary = now[i], "now "+now[i]
		for _, one := range g.GPUs {
			shown[i].Lines = append(shown[i].Lines, fmt.Sprintf("GPU %d", one.Index))
		}
	}
	to := s.charts.Until(r)
	over := func(series string) string { return r.Over("avg_over_time", series) }
	for i, expr := range []string{
		"max by (UUID) (" + over("DCGM_FI_DEV_GPU_UTIL") + ") / 100",
		"sum by (UUID) (max by (UUID, GPU_I_ID) (" + over("DCGM_FI_DEV_FB_USED") + ")) * 1048576",
		"max by (UUID) (" + over("DCGM_FI_DEV_GPU_TEMP") + ")",
		"max by (UUID) (" + over("DCGM_FI_DEV_POWER_USAGE") + ")",
	} {
		by, err := s.charts.By(ctx, "UUID", expr, r, to)
		if err != nil {
			return shown, err
		}
		var lines [][]mlops.Point
		for _, one := range g.GPUs {
			lines = append(lines, by[one.UUID])
		}
		charts.Fill(&shown[i], to, r, lines...)
	}
	return shown, nil
}
