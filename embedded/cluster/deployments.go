package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	selectors "k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

const (
	// labelDeployment names the deployment that an object belongs to.
	labelDeployment = "benchtop.dev/deployment"

	bringRole = "bring"
	// envModelName and envServedModel name the models that a Job looks for.
	envModelName   = "BENCHTOP_MODEL_NAME"
	envServedModel = "BENCHTOP_SERVED_MODEL"
	// jobStays is how long a Job that brings or measures a version stays after
	// its end.
	jobStays = 10 * time.Minute
)

// deploymentLabels are the labels of a deployment's objects and pods. A
// deployment with its own volume has no project label: a project's Service
// selects its servers by project and component, and would select these too. The
// selectors cannot change, because a Deployment's is fixed once it is made.
func deploymentLabels(d mlops.Deployment, component string) map[string]string {
	m := labels(d.Project, component)
	if d.Own {
		m[labelName] = d.Name
		delete(m, labelProject)
	}
	m[labelDeployment] = d.Name
	return m
}

// serverLabels select the servers of a deployment.
func serverLabels(d mlops.Deployment) map[string]string {
	if d.Own {
		return map[string]string{labelDeployment: d.Name, labelComponent: serverRole}
	}
	return map[string]string{labelProject: d.Project, labelComponent: serverRole}
}

func serverSelector(d mlops.Deployment) string {
	return metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: serverLabels(d)})
}

func deploymentMeta(d mlops.Deployment, name, component string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: d.Namespace, Labels: deploymentLabels(d, component)}
}

// modelVolume is the claim of a deployment: its own, or its project's.
func modelVolume(d mlops.Deployment) string {
	if d.Own {
		return d.Name + "-model"
	}
	return d.Project + "-model"
}

// bringSecret is the Secret that brings versions: the project trainer's, or the
// deployment's own.
func bringSecret(d mlops.Deployment) string {
	if d.Own {
		return d.Name + "-" + bringRole
	}
	return d.Project + "-" + trainerRole
}

// bringCode is the trainer's code; one of its programs brings versions.
func bringCode(s mlops.DeploymentSpec) *corev1.ConfigMap {
	d := s.Deployment
	name := d.Name
	if !d.Own {
		name = d.Project
	}
	return codeMap(deploymentMeta(d, name, trainerRole+codeSuffix), s.Bring, s.BringSHA)
}

// serverCode is the code of a deployment's servers.
func serverCode(s mlops.DeploymentSpec) *corev1.ConfigMap {
	return codeMap(deploymentMeta(s.Deployment, s.Deployment.Name, serverRole+codeSuffix), s.Server, s.ServerSHA)
}

func placeOf(s mlops.DeploymentSpec) podPlace {
	return podPlace{node: s.Node, claim: modelVolume(s.Deployment), served: servedName(s.Deployment.Name)}
}

// ApplyDeployment makes a deployment's servers and addresses match the spec.
// ApplyProject makes namespace, volume and trainer of a project's deployment.
func (c *Client) ApplyDeployment(ctx context.Context, s mlops.DeploymentSpec) error {
	d := s.Deployment
	serverCode := serverCode(s)
	var objects []runtime.Object
	keep := []string{serverCode.Name}
	// With a dot an Ingress cannot have the name of another deployment's: no
	// deployment's name has one.
	host, path := d.Name, d.Name+"-path"
	if d.Own {
		if d.Project == "" {
			ns, err := c.modelsNamespace(ctx, d.Namespace)
			if err != nil {
				return err
			}
			objects = append(objects, ns)
		}
		code := bringCode(s)
		host, path = d.Name+".host", d.Name+".path"
		keep = append(keep, code.Name)
		objects = append(objects,
			modelClaim(deploymentMeta(d, modelVolume(d), "model")),
			&corev1.Secret{ObjectMeta: deploymentMeta(d, bringSecret(d), bringRole), Type: corev1.SecretTypeOpaque, Data: bytesOf(s.Secret)},
			code)
	}
	servers := serverDeployment(s, serverCode.Name)
	if s.GPU.Serving > 0 {
		beside, err := c.serversWithoutGPU(ctx, d)
		if err != nil {
			return err
		}
		if beside {
			servers.Spec.Strategy = rolling(1, 0)
		}
	}
	objects = append(objects, serverCode,
		&corev1.Service{ObjectMeta: deploymentMeta(d, d.Name, serverRole), Spec: corev1.ServiceSpec{
			Selector: serverLabels(d),
			Ports:    []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromString("http"), Protocol: corev1.ProtocolTCP}},
		}},
		servers,
		ingress(d, host, d.Host, "/", nil),
		ingress(d, path, "", d.Path, map[string]string{"traefik.ingress.kubernetes.io/router.middlewares": "strip-deployment@file,drop-cookies@file"}))
	if err := c.apply(ctx, objects...); err != nil {
		return fmt.Errorf("apply deployment %s: %w", d.Name, err)
	}
	selector := labelProject + "=" + d.Project + "," + labelComponent + "=" + serverRole + codeSuffix
	if d.Own {
		selector = labelDeployment + "=" + d.Name + "," + labelComponent + " in (" + trainerRole + codeSuffix + "," + serverRole + codeSuffix + ")"
	}
	return c.pruneCode(ctx, d.Namespace, selector, keep...)
}

// modelsNamespace returns the namespace of deployments without a project. It
// fails if somebody else has made one of that name.
func (c *Client) modelsNamespace(ctx context.Context, name string) (*corev1.Namespace, error) {
	have, err := c.kube.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
	switch {
	case err != nil && !apierrors.IsNotFound(err):
		return nil, fmt.Errorf("look for namespace %s: %w", name, err)
	case err == nil && have.Labels[labelPartOf] != "benchtop":
		return nil, mlops.Errorf(mlops.Exists, "the cluster has a namespace %s that is not Benchtop's: models without a project are served there, so delete that one first, `benchtop kubectl delete namespace %s`", name, name)
	case err == nil && have.DeletionTimestamp != nil:
		return nil, mlops.Errorf(mlops.InvalidState, "namespace %s is still being deleted", name)
	}
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{labelPartOf: "benchtop", "pod-security.kubernetes.io/enforce": "restricted"}}}, nil
}

// serversWithoutGPU reports whether a deployment has servers that hold no GPU:
// those that are to hold one can start beside them.
func (c *Client) serversWithoutGPU(ctx context.Context, d mlops.Deployment) (bool, error) {
	pods, err := c.kube.CoreV1().Pods(d.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selectors.Set(serverLabels(d)).String()})
	if err != nil {
		return false, fmt.Errorf("list servers of deployment %s: %w", d.Name, err)
	}
	for i := range pods.Items {
		if p := &pods.Items[i]; p.DeletionTimestamp == nil && len(gpuRequests(p)) == 0 {
			return true, nil
		}
	}
	return false, nil
}

// rolling replaces servers one after the other: surge more than wanted, or
// unavailable less than wanted.
func rolling(surge, unavailable int) appsv1.DeploymentStrategy {
	return appsv1.DeploymentStrategy{Type: appsv1.RollingUpdateDeploymentStrategyType,
		RollingUpdate: &appsv1.RollingUpdateDeployment{MaxUnavailable: ptr(intstr.FromInt(unavailable)), MaxSurge: ptr(intstr.FromInt(surge))}}
}

// modelImage runs the model of a deployment.
func modelImage(s mlops.DeploymentSpec) string { return cmp.Or(s.EnvironmentImage, s.Image) }

func serverDeployment(s mlops.DeploymentSpec, code string) *appsv1.Deployment {
	d, image := s.Deployment, modelImage(s)
	c := container(serverRole, image, append([]corev1.EnvVar{
		{Name: "BENCHTOP_DEPLOYMENT", Value: d.Name},
		{Name: "BENCHTOP_PORT", Value: "8080"},
	}, commonEnv(image)...))
	c.Command = []string{"python3", "/opt/benchtop/" + s.ServerMain}
	c.Ports = []corev1.ContainerPort{{Name: "http", ContainerPort: 8080, Protocol: corev1.ProtocolTCP}}
	c.Resources = serverResources()
	askForGPUs(&c.Resources, s.GPU, s.GPU.Serving)
	probe := func(path string, period, failures int32) *corev1.Probe {
		return &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromString("http")}},
			PeriodSeconds: period, TimeoutSeconds: 5, FailureThreshold: failures}
	}
	c.StartupProbe = probe("/healthz", 1, 60)
	c.LivenessProbe = probe("/healthz", 10, 3)
	c.ReadinessProbe = probe("/readyz", 1, 3)
	pod := podSpec(placeOf(s), c, code, true)
	pod.Affinity = gpuAffinity(s.GPU, s.GPU.Serving)
	strategy := rolling(1, 0)
	if s.GPU.Serving > 0 {
		// The GPU of a new server is that of an old one, which has to go first.
		strategy = rolling(0, 1)
	}
	return &appsv1.Deployment{ObjectMeta: deploymentMeta(d, d.Name, serverRole), Spec: appsv1.DeploymentSpec{
		Replicas:             ptr(int32(d.Replicas)), //nolint:gosec // at most MaxReplicas
		RevisionHistoryLimit: ptr(int32(3)),
		Strategy:             strategy,
		Selector:             &metav1.LabelSelector{MatchLabels: serverLabels(d)},
		Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: deploymentLabels(d, serverRole), Annotations: map[string]string{
				"prometheus.io/scrape": "true", "prometheus.io/port": "8080", "prometheus.io/path": "/metrics",
			}},
			Spec: pod,
		},
	}}
}

// serverResources leave room for any model and its libraries: a project's
// servers get such versions too.
func serverResources() corev1.ResourceRequirements {
	return corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("50m"), corev1.ResourceMemory: resource.MustParse("128Mi")},
		Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")},
	}
}

func ingress(d mlops.Deployment, name, host, path string, annotations map[string]string) runtime.Object {
	m := deploymentMeta(d, name, serverRole)
	m.Annotations = annotations
	return &networkingv1.Ingress{ObjectMeta: m, Spec: networkingv1.IngressSpec{
		IngressClassName: ptr("traefik"),
		Rules: []networkingv1.IngressRule{{Host: host, IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{
			Paths: []networkingv1.HTTPIngressPath{{Path: path, PathType: ptr(networkingv1.PathTypePrefix), Backend: networkingv1.IngressBackend{
				Service: &networkingv1.IngressServiceBackend{Name: d.Name, Port: networkingv1.ServiceBackendPort{Name: "http"}},
			}}},
		}}}},
	}}
}

// Bring starts the Job that brings a model version to the volume of a
// deployment, unless it has been started, and says how far the Job is. One that
// was made when the model had another name is made again. So is one that a
// fault has ended: it counts as running, and its message says what is wrong.
func (c *Client) Bring(ctx context.Context, s mlops.DeploymentSpec, r mlops.Revision) (mlops.Job, error) {
	d := s.Deployment
	out, err := c.brought(ctx, bringJob(s, r, fmt.Sprintf("%s-%s-%d", d.Name, bringRole, r.ID)))
	if err != nil {
		return mlops.Job{}, fmt.Errorf("bring version %d to deployment %s: %w", r.Version, d.Name, err)
	}
	return out, nil
}

func (c *Client) brought(ctx context.Context, fresh *batchv1.Job) (mlops.Job, error) {
	jobs := c.kube.BatchV1().Jobs(fresh.Namespace)
	job, err := jobs.Get(ctx, fresh.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		job, err = jobs.Create(ctx, fresh, metav1.CreateOptions{})
	}
	if err != nil {
		return mlops.Job{}, err
	}
	if job.DeletionTimestamp != nil || renamed(job, fresh) {
		return c.discardJob(ctx, job)
	}
	out := jobOf(job)
	if out.State != mlops.TrainingFailed {
		return out, nil
	}
	if again, faulty, err := c.tryAgain(ctx, job); err != nil || faulty {
		return again, err
	}
	said, _, err := c.saidBy(ctx, job.Namespace, job.Name, corev1.PodFailed)
	if err != nil {
		return mlops.Job{}, err
	}
	if said != "" {
		out.Message = said
	}
	return out, nil
}

func bringJob(s mlops.DeploymentSpec, r mlops.Revision, name string) *batchv1.Job {
	return versionJob(s, r, name, bringRole, s.BringMain, bringSecret(s.Deployment))
}

// versionJob is a Job that runs a program of the trainer's code on one version.
func versionJob(s mlops.DeploymentSpec, r mlops.Revision, name, role, program, secret string, env ...corev1.EnvVar) *batchv1.Job {
	d, image := s.Deployment, modelImage(s)
	c := container(role, image, slices.Concat([]corev1.EnvVar{
		{Name: "BENCHTOP_DEPLOYMENT", Value: d.Name},
		{Name: envModelName, Value: literal(r.Model)},
		{Name: "BENCHTOP_MODEL_VERSION", Value: fmt.Sprint(r.Version)},
		{Name: "BENCHTOP_MODEL_RUN_ID", Value: r.RunID},
	}, env, doorsEnv(), commonEnv(image)))
	c.Command = []string{"python3", "/opt/benchtop/" + program}
	c.Resources = corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("256Mi")},
		Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")},
	}
	spec := workJob(c, secret, placeOf(s), bringCode(s).Name, deploymentLabels(d, role))
	spec.TTLSecondsAfterFinished = ptr(int32(jobStays / time.Second))
	return &batchv1.Job{ObjectMeta: deploymentMeta(d, name, role), Spec: spec}
}

// literal keeps Kubernetes from taking $(NAME) in a value for a variable:
// people choose the names of models.
func literal(s string) string { return strings.ReplaceAll(s, "$", "$$") }

// DeleteDeployment deletes all that was made for a deployment with its own
// volume. It reports whether everything is gone, the volume included; until
// then call it again.
func (c *Client) DeleteDeployment(ctx context.Context, d mlops.Deployment) (gone bool, err error) {
	if !d.Own {
		return false, mlops.Errorf(mlops.InvalidState, "deployment %s is its project's: it goes with the project", d.Name)
	}
	background := metav1.DeleteOptions{PropagationPolicy: ptr(metav1.DeletePropagationBackground)}
	mine := metav1.ListOptions{LabelSelector: labelDeployment + "=" + d.Name}
	var errs []error
	for _, err := range []error{
		c.kube.NetworkingV1().Ingresses(d.Namespace).DeleteCollection(ctx, background, mine),
		c.kube.CoreV1().Services(d.Namespace).Delete(ctx, d.Name, background),
		c.kube.AppsV1().Deployments(d.Namespace).DeleteCollection(ctx, background, mine),
		c.kube.BatchV1().Jobs(d.Namespace).DeleteCollection(ctx, background, mine),
		// Nobody waits for answers any more, so pods need not linger.
		c.kube.CoreV1().Pods(d.Namespace).DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: ptr(int64(2))}, mine),
		c.kube.CoreV1().ConfigMaps(d.Namespace).DeleteCollection(ctx, background, mine),
		c.kube.CoreV1().Secrets(d.Namespace).DeleteCollection(ctx, background, mine),
		c.kube.CoreV1().PersistentVolumeClaims(d.Namespace).DeleteCollection(ctx, background, mine),
	} {
		if err != nil && !apierrors.IsNotFound(err) {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return false, fmt.Errorf("delete deployment %s: %w", d.Name, errors.Join(errs...))
	}
	pods, err := c.kube.CoreV1().Pods(d.Namespace).List(ctx, mine)
	if err != nil {
		return false, fmt.Errorf("list pods of deployment %s: %w", d.Name, err)
	}
	claims, err := c.kube.CoreV1().PersistentVolumeClaims(d.Namespace).List(ctx, mine)
	if err != nil {
		return false, fmt.Errorf("list volume claims of deployment %s: %w", d.Name, err)
	}
	if len(pods.Items) > 0 || len(claims.Items) > 0 {
		return false, nil
	}
	return c.volumesReleased(ctx, func(ref corev1.ObjectReference) bool {
		return ref.Namespace == d.Namespace && ref.Name == modelVolume(d)
	})
}

// volumesReleased reports whether the folders of the volumes of the meant
// claims are gone.
func (c *Client) volumesReleased(ctx context.Context, meant func(claim corev1.ObjectReference) bool) (bool, error) {
	volumes, err := c.kube.CoreV1().PersistentVolumes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return false, fmt.Errorf("list volumes: %w", err)
	}
	for _, v := range volumes.Items {
		if ref := v.Spec.ClaimRef; ref != nil && meant(*ref) &&
			v.Spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimDelete && v.Status.Phase != corev1.VolumeFailed {
			return false, nil // its folder is being removed
		}
	}
	return true, nil
}
