package appliance

import (
	"context"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/benchtop-lab/benchtop/appliance/doctor"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/appliance/podlogs"
	"github.com/benchtop-lab/benchtop/embedded/cluster"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/models"
	"github.com/benchtop-lab/benchtop/ui/machine"
)

// lastWordLines is how much a diagnosis shows of the log of a container that has
// ended.
const lastWordLines = 8

// Diagnose says what is wrong with a deployment that was just listed: the same
// for its page and for `benchtop doctor`. What cannot be asked is left out.
func (p loopPort) Diagnose(ctx context.Context, d mlops.Deployment) ([]mlops.Finding, error) {
	store, err := p.rows()
	if err != nil {
		return nil, err
	}
	c, err := connected(p.cluster)
	if err != nil {
		return nil, err
	}
	e := doctor.Evidence{Deployment: d, Disk: diskSpace(p.dataDir), Now: time.Now(), Words: map[string]string{}}
	newest, err := store.Deployments.Revisions(ctx, d.Name, 1)
	if err != nil {
		return nil, err
	}
	if len(newest) > 0 {
		e.Newest = &newest[0]
	}
	if d.Revision == nil && !d.Own {
		trainings, err := store.Projects.Trainings(ctx, d.Project, 1)
		if err != nil {
			return nil, err
		}
		if len(trainings) > 0 {
			e.Training = &trainings[0]
		}
	}
	if e.NoModel, e.NoAlias, err = missing(ctx, store.Models, d); err != nil {
		return nil, err
	}
	// Servers that are well need not be asked again.
	if d.Replicas > 0 && (d.Ready < d.Replicas || d.Unreached != "" || d.Revision != nil && d.Revision.State != mlops.RevisionLive) {
		if serving, err := c.Serving(ctx, d); err == nil {
			e.Serving = serving
		}
	}
	for _, pod := range d.Pods {
		if pod.Deleting || !doctor.Ended(pod, e.Now) || pod.LastExit.Code == 0 {
			continue // its last words are of no interest
		}
		if words := lastWords(ctx, c.Client, pod); words != "" {
			e.Words[pod.Name] = words
		}
	}
	return doctor.Deployment(e), nil
}

// missing reports whether the model of a deployment, or the alias that it
// follows, is there no more.
func missing(ctx context.Context, s *models.Store, d mlops.Deployment) (model, alias bool, err error) {
	m, err := s.Model(ctx, d.Model)
	if mlops.CodeOf(err) == mlops.NotFound {
		return true, false, nil
	}
	if err != nil {
		return false, false, err
	}
	has := slices.ContainsFunc(m.Aliases, func(a mlops.Alias) bool { return a.Alias == d.Follows })
	return false, d.Follows != "" && !has, nil
}

// lastWords are the last lines of the container of a pod that has ended.
func lastWords(ctx context.Context, c *cluster.Client, pod mlops.Pod) string {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	var said, before []string
	_ = podlogs.Merge(ctx, podSource{c, func(context.Context) ([]mlops.Pod, error) { return []mlops.Pod{pod}, nil }}, podlogs.Options{Tail: lastWordLines},
		func(lines []mlops.LogLine) error {
			for _, l := range lines {
				if l.Ended {
					before = append(before, l.Text)
				} else {
					said = append(said, l.Text)
				}
			}
			return nil
		})
	if len(before) > 0 {
		said = before // what runs now has not ended
	}
	return strings.Join(said, "\n")
}

// podSource is where merged logs come from.
type podSource struct {
	*cluster.Client
	pods func(ctx context.Context) ([]mlops.Pod, error)
}

func (s podSource) Pods(ctx context.Context) ([]mlops.Pod, error) { return s.pods(ctx) }

// scrapedMachine measures the machine for the metrics.
func scrapedMachine(dir string) func() (mlops.MachineSample, error) {
	m := machine.New(dir)
	return func() (mlops.MachineSample, error) { return m.Sample(context.Background()) }
}

// diskSpace is the room for the data dir, nothing if it is unknown.
func diskSpace(dir string) mlops.DiskSpace {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return mlops.DiskSpace{}
	}
	return mlops.DiskSpace{Free: st.Bavail * uint64(st.Bsize), Total: (st.Blocks - st.Bfree + st.Bavail) * uint64(st.Bsize)}
}
