package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

const (
	environmentRole = "environment"
	buildMain       = "build_environment.py"
	buildImage      = "lab-build" // imported when the first environment is built
	// buildMemory is what a build may use. Packages are unpacked one by one; only
	// one that has to be compiled needs more.
	buildMemory = "2Gi"
	envRequest  = "BENCHTOP_REQUEST"
	// maxWhy is how many bytes of a reason are kept.
	maxWhy = 1000
)

func environmentJob(project string, training int64) string {
	return fmt.Sprintf("%s-%s-%d", project, environmentRole, training)
}

// EnvironmentAsked is the environment that the code of a training's Job has asked
// for when the Job ended, and why. ok is false if the Job has ended otherwise, or
// not yet.
func (c *Client) EnvironmentAsked(ctx context.Context, j mlops.Job) (request, why string, ok bool, err error) {
	job, err := c.kube.BatchV1().Jobs(j.Project).Get(ctx, j.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return "", "", false, nil
	}
	if err != nil {
		return "", "", false, fmt.Errorf("get job %s/%s: %w", j.Project, j.Name, err)
	}
	pods, err := c.jobPods(ctx, j.Project, j.Name)
	if err != nil {
		return "", "", false, err
	}
	for i := range pods {
		p := &pods[i]
		// A Job of the same name was there before the environment was, and its pods
		// may go later than it.
		if owner := p.Labels[batchv1.ControllerUidLabel]; owner != "" && types.UID(owner) != job.UID {
			continue
		}
		for _, s := range p.Status.ContainerStatuses {
			end := s.State.Terminated
			if end == nil || end.ExitCode != mlops.NeedsEnvironment {
				continue
			}
			var said struct {
				Environment struct{ Request, Why string }
			}
			// A script may end with the same code, and says something else.
			if json.Unmarshal([]byte(end.Message), &said) == nil && mlops.IsSHA256(said.Environment.Request) {
				why = said.Environment.Why
				return said.Environment.Request, strings.ToValidUTF8(why[:min(len(why), maxWhy)], ""), true, nil
			}
		}
	}
	return "", "", false, nil
}

// BuildEnvironment starts the Job that builds the environment of a training's
// code, unless it has been started, and says how far the Job is. The message of
// one that has ended is what it has said. A Job that was made for another request
// or another base is made again. So is one that a fault has ended: it counts as
// running, and its message says what is wrong.
func (c *Client) BuildEnvironment(ctx context.Context, s mlops.EnvironmentBuild) (mlops.Job, error) {
	out, err := c.built(ctx, s)
	if err != nil {
		return mlops.Job{}, fmt.Errorf("build the environment of training %d of project %s: %w", s.Training.ID, s.Project.Name, err)
	}
	return out, nil
}

func (c *Client) built(ctx context.Context, s mlops.EnvironmentBuild) (mlops.Job, error) {
	fresh, err := buildJob(s)
	if err != nil {
		return mlops.Job{}, err
	}
	job, err := c.kube.BatchV1().Jobs(fresh.Namespace).Get(ctx, fresh.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return c.startBuild(ctx, s, fresh)
	case err != nil:
		return mlops.Job{}, err
	case job.DeletionTimestamp != nil || buildsOther(job, fresh):
		return c.discardJob(ctx, job)
	}
	out := jobOf(job)
	switch out.State {
	case mlops.TrainingRunning:
		return out, nil
	case mlops.TrainingSucceeded:
		out.Message, _, err = c.saidBy(ctx, job.Namespace, job.Name, corev1.PodSucceeded)
		return out, err
	}
	if again, faulty, err := c.tryAgain(ctx, job); err != nil || faulty {
		return again, err
	}
	said, err := c.buildSaid(ctx, job)
	if err != nil {
		return mlops.Job{}, err
	}
	if said == "" && overtime(job) {
		said = fmt.Sprintf("it took longer than %s", mlops.EnvironmentBuildTime)
	}
	out.Message = cmp.Or(said, out.Message)
	return out, nil
}

// buildsOther reports whether a Job was made for another environment.
func buildsOther(job, want *batchv1.Job) bool {
	for _, name := range []string{envRequest, envBaseImage} {
		was, _ := envOf(job, name)
		if is, _ := envOf(want, name); was != is {
			return true
		}
	}
	return false
}

// buildSaid is what the pods of a build that failed have said.
func (c *Client) buildSaid(ctx context.Context, job *batchv1.Job) (string, error) {
	pods, err := c.jobPods(ctx, job.Namespace, job.Name)
	if err != nil {
		return "", err
	}
	for _, p := range pods {
		// It has written more than it may.
		if p.Status.Phase == corev1.PodFailed && p.Status.Reason == "Evicted" {
			return "it was evicted: " + p.Status.Message, nil
		}
	}
	said, _, err := c.saidBy(ctx, job.Namespace, job.Name, corev1.PodFailed)
	if strings.HasPrefix(said, mlops.OutOfMemory) {
		said = mlops.OutOfMemory + ": it needed more than its memory limit of " + buildMemory + ", as compiling a package does; ask for a version that has a wheel for this machine"
	}
	return said, err
}

// startBuild makes a Job, after its image and the rule about what it may connect
// to.
func (c *Client) startBuild(ctx context.Context, s mlops.EnvironmentBuild, job *batchv1.Job) (mlops.Job, error) {
	if err := c.images.Bring(ctx, buildImage); err != nil {
		return mlops.Job{}, err
	}
	code := buildCode(s)
	if err := c.apply(ctx, c.buildPolicy(s.Project), code); err != nil {
		return mlops.Job{}, err
	}
	if err := c.pruneCode(ctx, s.Project.Name, labelProject+"="+s.Project.Name+","+labelComponent+"="+environmentRole+codeSuffix, code.Name); err != nil {
		return mlops.Job{}, err
	}
	made, err := c.kube.BatchV1().Jobs(job.Namespace).Create(ctx, job, metav1.CreateOptions{})
	if err != nil {
		return mlops.Job{}, fmt.Errorf("create job %s/%s: %w", job.Namespace, job.Name, err)
	}
	return jobOf(made), nil
}

// DropEnvironmentBuild removes the Job that builds a training's environment, with
// its pods. One that is not there is no error.
func (c *Client) DropEnvironmentBuild(ctx context.Context, project string, training int64) error {
	name := environmentJob(project, training)
	err := c.kube.BatchV1().Jobs(project).Delete(ctx, name, metav1.DeleteOptions{PropagationPolicy: ptr(metav1.DeletePropagationBackground)})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete job %s/%s: %w", project, name, err)
	}
	return nil
}

func buildCode(s mlops.EnvironmentBuild) *corev1.ConfigMap {
	return codeMap(meta(s.Project, s.Project.Name, environmentRole+codeSuffix), s.Code, s.CodeSHA)
}

// buildPolicy says what a build may connect to: names, the object store, the
// package index, and the world outside. Packages may run programs of their own
// while they are built.
func (c *Client) buildPolicy(p mlops.Project) *networkingv1.NetworkPolicy {
	return c.outwardPolicy(p, p.Name+"-"+environmentRole, environmentRole, "What builds environments may connect to: DNS, the object store, the package index, and the world outside.", c.cfg.S3Port, mlops.PackagesPort)
}

// buildJob has no key and no account: what it reads and writes is at addresses
// that carry their own right to that.
func buildJob(s mlops.EnvironmentBuild) (*batchv1.Job, error) {
	p := s.Project
	plan, err := planText(p)
	if err != nil {
		return nil, err
	}
	c := container(environmentRole, s.Image, []corev1.EnvVar{
		{Name: "BENCHTOP_PROJECT", Value: p.Name},
		{Name: "BENCHTOP_CODE_URL", Value: literal(s.CodeURL)},
		{Name: envCode, Value: p.Code.SHA256},
		{Name: envCodePlan, Value: plan},
		{Name: envWork, Value: workDir},
		{Name: envRequest, Value: s.Request},
		{Name: envBaseImage, Value: s.Base},
		{Name: "BENCHTOP_KNOWN_LOCKS", Value: strings.Join(s.KnownLocks, " ")},
		{Name: "BENCHTOP_INDEX_URL", Value: literal(s.IndexURL)},
		{Name: "BENCHTOP_LAYER_URL", Value: literal(s.LayerURL)},
		{Name: "BENCHTOP_REPORT_URL", Value: literal(s.ReportURL)},
		{Name: "HOME", Value: "/tmp"},
	})
	c.Command = []string{"python3", "/opt/benchtop/" + buildMain}
	c.Resources = corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("256Mi")},
		Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(buildMemory)},
	}
	c.VolumeMounts = []corev1.VolumeMount{{Name: "code", MountPath: "/opt/benchtop", ReadOnly: true}, {Name: "tmp", MountPath: "/tmp"}}
	pod := pinnedPod(p.Node, c, codeVolume(buildCode(s).Name), tempVolume())
	roomToWrite(&pod)
	m := meta(p, environmentJob(p.Name, s.Training.ID), environmentRole)
	spec := triedJob(pod, m.Labels)
	endsAt(&spec, killed)
	spec.ActiveDeadlineSeconds = ptr(int64(mlops.EnvironmentBuildTime / time.Second))
	spec.TTLSecondsAfterFinished = ptr(int32(finishedJobStays / time.Second))
	return &batchv1.Job{ObjectMeta: m, Spec: spec}, nil
}
