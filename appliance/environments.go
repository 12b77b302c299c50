package appliance

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/loop"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/lab/workloads"
)

// environmentPath is where an image of an environment has its packages.
const environmentPath = "/opt/environment"

// maxReport is how long the report on an environment may be. A lock of a thousand
// packages has half of that.
const maxReport = 16 << 20

// imageTime is how long making an image of a layer may take: one of 10 GB is
// written twice.
const imageTime = 30 * time.Minute

// environments has the layers of environments in the object store, and makes images
// of them. It works only while it is asked to.
type environments struct {
	code, layers interface { // buckets mlops.CodeBucket and mlops.EnvironmentBucket
		mlops.ObjectStore
		mlops.Presigner
	}
	images interface {
		HasImage(ctx context.Context, ref string) (bool, error)
		MakeEnvironment(ctx context.Context, name, base string, layer io.Reader, diffID string, env map[string]string) (mlops.Image, error)
		RemoveEnvironment(ctx context.Context, name string) error
	}
	base, builder string // images
	index         string // of packages, as pods reach it
	log           *slog.Logger
	made          chan struct{}

	mu     sync.Mutex
	making map[string]bool  // images
	failed map[string]error // what hindered an image that is not being made
}

var _ loop.Environments = (*environments)(nil)

// Base implements loop.Environments.
func (e *environments) Base() string { return e.base }

// Made implements loop.Environments.
func (e *environments) Made() <-chan struct{} { return e.made }

// Spec implements loop.Environments.
func (e *environments) Spec(ctx context.Context, p mlops.Project, t mlops.Training, request string, known []string) (mlops.EnvironmentBuild, error) {
	b := mlops.EnvironmentBuild{Project: p, Training: t, Request: request, Base: e.base, Image: e.builder, IndexURL: e.index, KnownLocks: known,
		Code: workloads.Environment(), CodeSHA: workloads.EnvironmentDigest()}
	// A Job that a fault has ended is made again with new ones.
	const valid = 2 * mlops.EnvironmentBuildTime
	var err error
	if b.CodeURL, err = e.code.PresignGet(ctx, p.Code.Key(p.Name), valid); err == nil {
		b.LayerURL, err = e.layers.PresignPut(ctx, mlops.EnvironmentLayerKey(p.Name, request), valid)
	}
	if err == nil {
		b.ReportURL, err = e.layers.PresignPut(ctx, mlops.EnvironmentReportKey(p.Name, request), valid)
	}
	if err != nil {
		return b, fmt.Errorf("make addresses to build an environment of project %s: %w", p.Name, err)
	}
	return b, nil
}

// Report implements loop.Environments.
func (e *environments) Report(ctx context.Context, project, request string) (mlops.EnvironmentReport, error) {
	r, info, err := e.layers.Get(ctx, mlops.EnvironmentReportKey(project, request))
	if err != nil {
		return mlops.EnvironmentReport{}, err
	}
	defer func() { _ = r.Close() }()
	if info.Bytes > maxReport {
		return mlops.EnvironmentReport{}, mlops.Errorf(mlops.Invalid, "the report on environment %.12s has %d bytes: expected %d at most", request, info.Bytes, maxReport)
	}
	text, err := io.ReadAll(io.LimitReader(r, maxReport))
	if err != nil {
		return mlops.EnvironmentReport{}, fmt.Errorf("read the report on environment %.12s: %w", request, err)
	}
	return mlops.ParseEnvironmentReport(text, request)
}

// Image implements loop.Environments. Making an image may take minutes, which no
// other project should wait for.
func (e *environments) Image(ctx context.Context, env mlops.CodeEnvironment) (image string, ready bool, err error) {
	image = env.EnvironmentImage(e.base)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.making[image] {
		return image, false, nil
	}
	if err := e.failed[image]; err != nil {
		delete(e.failed, image)
		return image, false, err
	}
	if ready, err = e.images.HasImage(ctx, image); err != nil || ready {
		return image, ready, err
	}
	e.making[image] = true
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), imageTime)
		defer cancel()
		begun := time.Now()
		err := e.make(ctx, env, image)
		e.mu.Lock()
		delete(e.making, image)
		if err != nil {
			e.failed[image] = err
		}
		e.mu.Unlock()
		if err == nil {
			e.log.Info("environment is on the machine", "project", env.Project, "image", image, "took", time.Since(begun).Round(time.Millisecond))
		}
		select {
		case e.made <- struct{}{}:
		default:
		}
	}()
	return image, false, nil
}

func (e *environments) make(ctx context.Context, env mlops.CodeEnvironment, image string) error {
	layer, _, err := e.layers.Get(ctx, env.LayerKey())
	if mlops.CodeOf(err) == mlops.NotFound {
		return mlops.Errorf(mlops.NotFound, "the layer of an environment of project %s is not in bucket %s any more: %s", env.Project, mlops.EnvironmentBucket, env.LayerKey())
	}
	if err != nil {
		return fmt.Errorf("read the layer of an environment of project %s: %w", env.Project, err)
	}
	defer func() { _ = layer.Close() }()
	_, err = e.images.MakeEnvironment(ctx, image, e.base, layer, env.LayerSHA256, map[string]string{"BENCHTOP_ENVIRONMENT_PATH": environmentPath})
	if err != nil {
		return fmt.Errorf("make the image of an environment of project %s: %w", env.Project, err)
	}
	return nil
}

// Drop implements loop.Environments.
func (e *environments) Drop(ctx context.Context, project string, all []mlops.CodeEnvironment) error {
	for _, env := range all {
		if err := e.images.RemoveEnvironment(ctx, env.EnvironmentImage(e.base)); err != nil {
			return err
		}
	}
	if err := e.layers.Delete(ctx, project+"/"); err != nil {
		return fmt.Errorf("remove the environments of project %s: %w", project, err)
	}
	return nil
}
