package appliance

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/appliance/podlogs"
)

// LogRequest says which pods' logs are wanted.
type LogRequest struct {
	Name    string // of a project, with all of its pods, or of a deployment
	Servers bool   // of the deployment of that name, even if a project has it too
	Pod     string // this one alone, by its name or the end of it
	Follow  bool
	Tail    int
}

// DeploymentLogs makes one log of those of a deployment's pods, or of one of
// them.
func (p clusterPort) DeploymentLogs(ctx context.Context, d mlops.Deployment, pod string, follow bool, tail int, emit func([]mlops.LogLine) error) error {
	source := podSource{p.Client, func(ctx context.Context) ([]mlops.Pod, error) {
		pods, err := p.ServerPods(ctx, d)
		return podsNamed(pods, pod), err
	}}
	return podlogs.Merge(ctx, source, podlogs.Options{Follow: follow, Tail: tail}, emit)
}

// podsNamed leaves the pods of a name, or of its last part, or all if it is "".
func podsNamed(pods []mlops.Pod, name string) []mlops.Pod {
	return slices.DeleteFunc(pods, func(p mlops.Pod) bool {
		return name != "" && p.Name != name && mlops.ShortPod(p.Name) != name
	})
}

// logsOf finds the pods of a project, or of a deployment.
func (c *control) logsOf(ctx context.Context, r LogRequest) (podlogs.Source, error) {
	client, err := connected(c.a.cluster)
	if err != nil {
		return nil, err
	}
	store, err := c.a.loopPort.rows()
	if err != nil {
		return nil, err
	}
	list := func(ctx context.Context) ([]mlops.Pod, error) { return client.Pods(ctx, r.Name) }
	if _, err := store.Projects.Project(ctx, r.Name); mlops.CodeOf(err) == mlops.NotFound || r.Servers {
		d, err := store.Deployments.Deployment(ctx, r.Name)
		if mlops.CodeOf(err) == mlops.NotFound {
			return nil, mlops.Errorf(mlops.NotFound, "there is no unit, project or deployment %s: see `benchtop status` and `benchtop deployments` for what there is", r.Name)
		}
		if err != nil {
			return nil, err
		}
		list = func(ctx context.Context) ([]mlops.Pod, error) { return client.ServerPods(ctx, d) }
	} else if err != nil {
		return nil, err
	}
	pods, err := list(ctx)
	if err != nil {
		return nil, err
	}
	if len(pods) == 0 {
		d, err := store.Deployments.Deployment(ctx, r.Name)
		if err != nil && mlops.CodeOf(err) != mlops.NotFound {
			return nil, err
		}
		return nil, withoutPods(r.Name, d)
	}
	if r.Pod != "" && len(podsNamed(slices.Clone(pods), r.Pod)) == 0 {
		names := make([]string, 0, len(pods))
		for _, p := range pods {
			names = append(names, p.Name)
		}
		return nil, mlops.Errorf(mlops.NotFound, "%s has no pod %s: expected one of %v, or the last part of its name", r.Name, r.Pod, names)
	}
	return podSource{client.Client, func(ctx context.Context) ([]mlops.Pod, error) {
		pods, err := list(ctx)
		return podsNamed(pods, r.Pod), err
	}}, nil
}

// withoutPods says why there is no log of a project or of its deployment d, or
// of deployment d; d is empty if there is none.
func withoutPods(name string, d mlops.Deployment) error {
	if d.Name == "" || d.Replicas > 0 {
		return mlops.Errorf(mlops.NotFound, "%s has no pods yet: see `benchtop status`", name)
	}
	model := d.Model // as it is deployed: anything else would be another deployment
	switch {
	case d.Own && d.Follows != "":
		model += "@" + d.Follows
	case d.Own && d.Revision != nil:
		model += "/" + strconv.Itoa(d.Revision.Version)
	}
	if strings.ContainsFunc(model, func(c rune) bool {
		return !unicode.IsLetter(c) && !unicode.IsDigit(c) && !strings.ContainsRune("@/._-", c)
	}) {
		model = "'" + strings.ReplaceAll(model, "'", `'\''`) + "'"
	}
	return mlops.Errorf(mlops.NotFound, "%s is kept without servers, so it has no log: `benchtop deploy %s --name %s --replicas 1` gives it one, as does the deployment's page", name, model, d.Name)
}

// podLogs streams the logs of a project's or a deployment's pods as one, each
// line with its pod.
func (c *control) podLogs(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	tail, err := strconv.Atoi(q.Get("tail"))
	if err != nil || tail < 0 || tail > podlogs.MaxTail {
		c.fail(w, mlops.Errorf(mlops.Invalid, "--tail is %q: expected a number of lines for each pod, up to %d", q.Get("tail"), podlogs.MaxTail))
		return
	}
	req := LogRequest{Name: r.PathValue("name"), Servers: q.Get("servers") == "true", Pod: q.Get("pod"), Follow: q.Get("follow") == "true", Tail: tail}
	source, err := c.logsOf(r.Context(), req)
	if err != nil {
		c.fail(w, err)
		return
	}
	if err := podlogs.Merge(r.Context(), source, podlogs.Options{Follow: req.Follow, Tail: req.Tail}, emitTo(w, printLine)); err != nil {
		c.a.log.Debug("log ended", "of", req.Name, "err", err)
	}
}

// emitTo sends lines as they come.
func emitTo(w http.ResponseWriter, line func(mlops.LogLine) string) func([]mlops.LogLine) error {
	flush := http.NewResponseController(w)
	return func(lines []mlops.LogLine) error {
		for _, l := range lines {
			if _, err := io.WriteString(w, line(l)); err != nil {
				return err
			}
		}
		return flush.Flush()
	}
}

// printLine is a line as the command line shows it.
func printLine(l mlops.LogLine) string {
	if l.Ended {
		return l.Pod + " (ended): " + l.Text + "\n"
	}
	return l.Pod + ": " + l.Text + "\n"
}

// Logs copies the logs of pods to w.
func (c *Control) Logs(ctx context.Context, r LogRequest, w io.Writer) error {
	q := url.Values{"follow": {strconv.FormatBool(r.Follow)}, "tail": {strconv.Itoa(r.Tail)}, "servers": {strconv.FormatBool(r.Servers)}, "pod": {r.Pod}}
	resp, err := c.do(ctx, http.MethodGet, "/v1/logs/"+url.PathEscape(r.Name)+"?"+q.Encode(), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 400 {
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			return fmt.Errorf("read answer of the appliance: %w", err)
		}
		return refused(resp.Status, b)
	}
	if _, err := io.Copy(w, resp.Body); err != nil && ctx.Err() == nil {
		return fmt.Errorf("read log: %w", err)
	}
	return nil
}
