package appliance

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/lan"
)

// announce waits until a project's deployment serves a model and then prints
// how to use the lab. Trainings that fail are said, not waited for; a lab
// without projects has nothing to wait for.
func (a *Appliance) announce(ctx context.Context, term *Terminal, begin time.Time) {
	term.Progress("waiting for the first model to be trained and served")
	for ctx.Err() == nil {
		projects, err := a.loopPort.Projects(ctx)
		parked := a.parked(ctx)
		if err == nil && !slices.ContainsFunc(projects, func(p mlops.Project) bool { return !p.Deleting && !parked[p.Name] }) {
			a.ready(term, begin)
			lines := a.links("")
			if len(parked) > 0 { // then that is what to do, and not another project
				name := slices.Min(slices.Collect(maps.Keys(parked)))
				lines[len(lines)-1] = "Try       sudo benchtop deploy " + name + " --name " + name + " --replicas 1"
			}
			term.Lines(lines)
			return
		}
		failed := err == nil
		for _, p := range projects {
			if p.Deleting || parked[p.Name] {
				continue
			}
			if a.serves(ctx, p.Name) {
				a.control.setServed()
				a.log.Info("serving", "deployment", p.Name, "took", time.Since(begin).Round(time.Millisecond))
				a.ready(term, begin)
				term.Lines(a.links(p.Name))
				return
			}
			failed = failed && a.lastFailed(ctx, p.Name) != nil
		}
		if failed {
			for _, p := range projects {
				if t := a.lastFailed(ctx, p.Name); t != nil {
					term.Note("the training %s failed: %s; see `benchtop logs %s`", t.Job, t.Message, p.Name)
				}
			}
			term.Lines(a.links(projects[0].Name))
			return
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// parked are the deployments of projects that are kept without servers.
func (a *Appliance) parked(ctx context.Context) map[string]bool {
	out := map[string]bool{}
	store := a.registry.Store()
	if store == nil {
		return out
	}
	deployments, err := store.Deployments.Deployments(ctx)
	if err != nil {
		return out // it is asked again
	}
	for _, d := range deployments {
		if !d.Own && d.Replicas == 0 {
			out[d.Name] = true
		}
	}
	return out
}

func (a *Appliance) ready(term *Terminal, begin time.Time) {
	term.Done(fmt.Sprintf("ready in %s", time.Since(begin).Round(100*time.Millisecond)))
}

// serves asks a deployment for a prediction.
func (a *Appliance) serves(ctx context.Context, project string) bool {
	x, ok := examples()[project]
	if !ok {
		d := mlops.Deployment{Name: project}
		return a.loopPort.ingress.describe(ctx, &d) == nil && d.Version != ""
	}
	body, err := json.Marshal(map[string][][]float64{"instances": {x}})
	if err != nil {
		return false // not with these numbers
	}
	status, _, _, err := a.loopPort.ingress.predict(ctx, project, body)
	return err == nil && status == http.StatusOK
}

// lastFailed returns the newest training of a project if it has failed.
func (a *Appliance) lastFailed(ctx context.Context, project string) *mlops.Training {
	store := a.registry.Store()
	if store == nil {
		return nil
	}
	t, err := store.Projects.Trainings(ctx, project, 1)
	if err != nil || len(t) == 0 || t[0].State != mlops.TrainingFailed {
		return nil
	}
	return &t[0]
}

// links are the lines that a user needs. Without a project the last one says
// how to get one.
func (a *Appliance) links(project string) []string {
	try := "sudo benchtop project add " + DefaultProject
	if project != "" {
		try = "curl '" + a.ingressURL(hostAddress(a.cfg.NodeAddress)) + "/models/" + project
		if x, ok := examples()[project]; ok {
			try += "/predict?x=" + csvOf(x)
		}
		try += "'"
	}
	return []string{
		"UI        " + a.cfg.uiURL() + "/login?token=" + a.tokens.New(),
		"Password  " + a.paths.AdminPassword() + " (user admin)",
		"Try       " + try,
	}
}

// csvOf writes numbers as FEATURES of `benchtop predict`.
func csvOf(x []float64) string {
	fields := make([]string, 0, len(x))
	for _, v := range x {
		fields = append(fields, strconv.FormatFloat(v, 'f', -1, 64))
	}
	return strings.Join(fields, ",")
}

// uiURL is where people find the web UI.
func (c Config) uiURL() string {
	if public := c.publicURL(); public != nil {
		return public.String()
	}
	return "http://" + net.JoinHostPort(hostAddress(c.NodeAddress), fmt.Sprint(portOf(c.HTTPAddr)))
}

func (a *Appliance) ingressURL(ip string) string {
	if a.cfg.HTTPPort == 80 {
		return "http://" + ip
	}
	return "http://" + net.JoinHostPort(ip, fmt.Sprint(a.cfg.HTTPPort))
}

// hostAddress returns the address that others reach this machine at, else the
// node's own.
func hostAddress(nodeAddress string) string {
	at, err := lan.Addresses(net.ParseIP(nodeAddress))
	if err != nil || len(at) == 0 {
		return nodeAddress
	}
	return at[0].String()
}
