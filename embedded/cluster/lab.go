package cluster

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

const (
	// labelGuidedLab is on the namespace of a room; it names the lab.
	labelGuidedLab = "benchtop.dev/guided-lab"
	labelRoom      = mlops.LabRoomLabel
	// annotationShell tells one version of a shell's pod from the next.
	annotationShell = "benchtop.dev/shell"

	shellRole = "lab-shell"
	// roomObject is what Secret, quota, limits and network policy of a room are
	// called.
	roomObject = "lab"
	// roomObjects is the quota that limits how many objects there are.
	roomObjects = "lab-objects"

	learnerRole   = "benchtop:lab-learner"
	readerRole    = "benchtop:lab-reader"
	jobRunnerRole = "benchtop:lab-job-runner"
)

// Quotas of a room that does not say.
const (
	roomCPU    = "2"
	roomMemory = "2Gi"
	roomPods   = 20
)

// apiPort is where the API server listens at the node's address.
const apiPort = 6443

// serviceAccountDir is where clients look for a token.
const serviceAccountDir = "/var/run/secrets/kubernetes.io/serviceaccount"

// clusterReads are the resources of the whole cluster that a lab may let its
// learners read, by name, with their API groups.
var clusterReads = map[string]string{
	"nodes": "", "persistentvolumes": "", "namespaces": "", "storageclasses": "storage.k8s.io", "ingressclasses": "networking.k8s.io",
	"priorityclasses": "scheduling.k8s.io", "runtimeclasses": "node.k8s.io",
}

func authorOf(room string) string { return room + "-author" }
func tokenOf(room string) string  { return room + "-token" }
func homeOf(room string) string   { return room + "-home" }

func roomLabels(room string) map[string]string {
	return map[string]string{labelName: room, labelComponent: shellRole, labelPartOf: "benchtop", labelRoom: room}
}

func roomMeta(room, namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: namespace, Labels: roomLabels(room)}
}

// OpenLab makes or completes a room: namespace, rights, quota, the Secret lab,
// and the shell's pod. It can be repeated, and does not wait for the pod. The
// first call imports the shell's image.
func (c *Client) OpenLab(ctx context.Context, r mlops.LabRoom) error {
	rules, err := clusterReadRules(r.ClusterRead)
	if err != nil {
		return err
	}
	if err := checkRoom(r); err != nil {
		return err
	}
	if err := c.applySystem(ctx, "lab-rooms.yaml"); err != nil {
		return err
	}
	if err := c.openNamespace(ctx, r); err != nil {
		return err
	}
	learner, author := account(r.Name), account(authorOf(r.Name))
	err = c.apply(ctx,
		&corev1.ServiceAccount{ObjectMeta: roomMeta(r.Name, mlops.LabShells, r.Name), AutomountServiceAccountToken: ptr(false)},
		&corev1.ServiceAccount{ObjectMeta: roomMeta(r.Name, mlops.LabShells, authorOf(r.Name)), AutomountServiceAccountToken: ptr(false)},
		learnerToken(r.Name),
		&corev1.Secret{ObjectMeta: roomMeta(r.Name, mlops.LabShells, r.Name), Type: corev1.SecretTypeOpaque, Data: bytesOf(r.Env)},
		&corev1.ConfigMap{ObjectMeta: roomMeta(r.Name, mlops.LabShells, homeOf(r.Name)), Data: r.Files},
		c.shellPolicy(r),
		&rbacv1.ClusterRole{ObjectMeta: roomMeta(r.Name, "", clusterReader(r.Name)), Rules: rules},
		&rbacv1.ClusterRoleBinding{ObjectMeta: roomMeta(r.Name, "", clusterReader(r.Name)), RoleRef: clusterRole(clusterReader(r.Name)), Subjects: []rbacv1.Subject{learner, author}},
	)
	if err != nil {
		return fmt.Errorf("make the shell of room %s: %w", r.Name, err)
	}
	missing, err := c.openOthers(ctx, r)
	if err != nil {
		return err
	}
	if err := c.images.Bring(ctx, shellRole); err != nil {
		return fmt.Errorf("bring in the image of room %s's shell: %w", r.Name, err)
	}
	if err := c.waitToken(ctx, r.Name); err != nil {
		return err
	}
	if err := c.ensureShell(ctx, r); err != nil {
		return err
	}
	if missing != "" {
		return mlops.Errorf(mlops.Unavailable, "namespace %s, which room %s works in, is not there yet: try again when its project has been made", missing, r.Name)
	}
	return nil
}

// checkRoom refuses what Kubernetes would refuse later.
func checkRoom(r mlops.LabRoom) error {
	for what, s := range map[string]string{"CPU": cmp.Or(r.CPU, roomCPU), "memory": cmp.Or(r.Memory, roomMemory)} {
		if _, err := resource.ParseQuantity(s); err != nil {
			return mlops.Errorf(mlops.Invalid, "the quota of %s of room %s is %q: expected an amount such as 2 or 2Gi", what, r.Name, s)
		}
	}
	return nil
}

func clusterReadRules(names []string) ([]rbacv1.PolicyRule, error) {
	rules := []rbacv1.PolicyRule{}
	for _, name := range names {
		group, ok := clusterReads[name]
		if !ok {
			return nil, mlops.Errorf(mlops.Invalid, "a lab asks to read %q of the whole cluster: expected some of %v", name, slices.Sorted(maps.Keys(clusterReads)))
		}
		rules = append(rules, rbacv1.PolicyRule{APIGroups: []string{group}, Resources: []string{name}, Verbs: []string{"get", "list", "watch"}})
		if name == "nodes" {
			rules = append(rules, rbacv1.PolicyRule{APIGroups: []string{"metrics.k8s.io"}, Resources: []string{name}, Verbs: []string{"get", "list"}})
		}
	}
	return rules, nil
}

// openNamespace makes what the namespace of a room has before a learner comes.
func (c *Client) openNamespace(ctx context.Context, r mlops.LabRoom) error {
	ns, err := c.kube.CoreV1().Namespaces().Get(ctx, r.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
	case err != nil:
		return fmt.Errorf("look for namespace %s: %w", r.Name, err)
	case ns.Labels[labelRoom] != r.Name:
		return mlops.Errorf(mlops.Exists, "the cluster has a namespace %s that no guided lab has made: delete it, `benchtop kubectl delete namespace %s`, and open the lab again", r.Name, r.Name)
	case ns.DeletionTimestamp != nil:
		return mlops.Errorf(mlops.Unavailable, "namespace %s is still being deleted: try again in a few seconds", r.Name)
	}
	labels := roomLabels(r.Name)
	delete(labels, labelComponent)
	labels[labelGuidedLab] = r.Lab
	labels["pod-security.kubernetes.io/enforce"] = "baseline"
	objects := append([]runtime.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: r.Name, Labels: labels}}}, quotas(r)...)
	objects = append(objects,
		&corev1.LimitRange{ObjectMeta: roomMeta(r.Name, r.Name, roomObject), Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{
			Type: corev1.LimitTypeContainer,
			DefaultRequest: corev1.ResourceList{
				corev1.ResourceCPU: resource.MustParse("20m"), corev1.ResourceMemory: resource.MustParse("32Mi"),
			},
		}}}},
		&corev1.Secret{ObjectMeta: roomMeta(r.Name, r.Name, roomObject), Type: corev1.SecretTypeOpaque, Data: bytesOf(r.Env)},
		c.podsPolicy(r, r.Name),
		binding(r.Name, r.Name, learnerRole, account(r.Name)),
		// In its namespaces the author's scripts may do what an administrator may.
		binding(r.Name, r.Name, "cluster-admin", account(authorOf(r.Name))),
	)
	if err := c.apply(ctx, objects...); err != nil {
		return fmt.Errorf("make room %s: %w", r.Name, err)
	}
	return nil
}

// quotas are two: the one that labs speak of, and one that keeps a slip from
// filling the cluster.
func quotas(r mlops.LabRoom) []runtime.Object {
	amount := func(list corev1.ResourceList, n string, names ...string) {
		for _, name := range names {
			list[corev1.ResourceName(name)] = resource.MustParse(n)
		}
	}
	hard, objects := corev1.ResourceList{}, corev1.ResourceList{}
	amount(hard, cmp.Or(r.CPU, roomCPU), "requests.cpu")
	amount(hard, cmp.Or(r.Memory, roomMemory), "requests.memory")
	amount(hard, fmt.Sprint(cmp.Or(r.Pods, roomPods)), "pods")
	if !r.GPUs {
		amount(objects, "0", "requests."+gpuPrefix+"gpu", "requests."+gpuPrefix+"gpu.shared")
	}
	amount(objects, "0", "services.loadbalancers")
	amount(objects, "10", "persistentvolumeclaims")
	amount(objects, "10Gi", "requests.storage")
	amount(objects, "20", "services", "count/deployments.apps", "count/statefulsets.apps", "count/daemonsets.apps", "count/cronjobs.batch")
	amount(objects, "100", "count/configmaps", "count/secrets", "count/jobs.batch", "count/replicasets.apps")
	return []runtime.Object{
		&corev1.ResourceQuota{ObjectMeta: roomMeta(r.Name, r.Name, roomObject), Spec: corev1.ResourceQuotaSpec{Hard: hard}},
		&corev1.ResourceQuota{ObjectMeta: roomMeta(r.Name, r.Name, roomObjects), Spec: corev1.ResourceQuotaSpec{Hard: objects}},
	}
}

// openOthers gives the rights in the other namespaces of a room. It returns one
// that is not there.
func (c *Client) openOthers(ctx context.Context, r mlops.LabRoom) (missing string, err error) {
	for _, namespace := range r.Namespaces {
		if _, err := c.kube.CoreV1().Namespaces().Get(ctx, namespace, metav1.GetOptions{}); apierrors.IsNotFound(err) {
			missing = namespace
			continue
		} else if err != nil {
			return "", fmt.Errorf("look for namespace %s: %w", namespace, err)
		}
		// The policy first: a learner's Jobs run there.
		objects := []runtime.Object{c.podsPolicy(r, namespace), binding(r.Name, namespace, "cluster-admin", account(authorOf(r.Name)))}
		if r.ProjectRead {
			objects = append(objects, binding(r.Name, namespace, readerRole, account(r.Name)), binding(r.Name, namespace, jobRunnerRole, account(r.Name)))
		}
		if err := c.apply(ctx, objects...); err != nil {
			return "", fmt.Errorf("give room %s its rights in %s: %w", r.Name, namespace, err)
		}
	}
	return missing, nil
}

func account(name string) rbacv1.Subject {
	return rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Name: name, Namespace: mlops.LabShells}
}

func clusterRole(name string) rbacv1.RoleRef {
	return rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name}
}

func clusterReader(room string) string { return "benchtop:" + room }

// binding gives an account a role in a namespace.
func binding(room, namespace, role string, who rbacv1.Subject) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{ObjectMeta: roomMeta(room, namespace, roomBinding(room, role)), RoleRef: clusterRole(role), Subjects: []rbacv1.Subject{who}}
}

func roomBinding(room, role string) string { return "benchtop:" + room + ":" + role }

// learnerToken is filled in by Kubernetes. A pod's own token is that of its one
// account, the author's; so the learner's comes from a Secret.
func learnerToken(room string) *corev1.Secret {
	m := roomMeta(room, mlops.LabShells, tokenOf(room))
	m.Annotations = map[string]string{corev1.ServiceAccountNameKey: room}
	return &corev1.Secret{ObjectMeta: m, Type: corev1.SecretTypeServiceAccountToken}
}

// tokenWait is how long Kubernetes may take to fill a token in.
const tokenWait = 10 * time.Second

// waitToken returns when the learner's token is there: a pod that comes before it
// would be tried again only seconds later.
func (c *Client) waitToken(ctx context.Context, room string) error {
	ctx, cancel := context.WithTimeout(ctx, tokenWait)
	defer cancel()
	for {
		s, err := c.kube.CoreV1().Secrets(mlops.LabShells).Get(ctx, tokenOf(room), metav1.GetOptions{})
		if err == nil && len(s.Data[corev1.ServiceAccountTokenKey]) > 0 {
			return nil
		}
		if !wait(ctx, 50*time.Millisecond) {
			return &mlops.Error{Code: mlops.Unavailable, Message: "Kubernetes has not made a token for room " + room + " yet: try again in a few seconds", Err: err}
		}
	}
}

// shellPolicy says what a shell may connect to. Nobody connects to a shell.
func (c *Client) shellPolicy(r mlops.LabRoom) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{ObjectMeta: roomMeta(r.Name, mlops.LabShells, r.Name), Spec: networkingv1.NetworkPolicySpec{
		PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{labelRoom: r.Name}},
		PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress},
		Egress:      c.roomEgress(r, apiPort),
	}}
}

// podsPolicy says what the pods of a room's namespace may connect to: they run
// what a learner likes. Who may connect to them is left to the learner, who
// meets policies in a lab.
func (c *Client) podsPolicy(r mlops.LabRoom, namespace string) *networkingv1.NetworkPolicy {
	m := roomMeta(r.Name, namespace, roomObject)
	m.Annotations = map[string]string{"kubernetes.io/description": "Made with the room: its pods reach the room, its project, DNS, S3, the registry, Prometheus and the ingress, and nothing else. " +
		"It does not decide who reaches them."}
	return &networkingv1.NetworkPolicy{ObjectMeta: m, Spec: networkingv1.NetworkPolicySpec{
		PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeEgress},
		Egress:      c.roomEgress(r),
	}}
}

// roomEgress is what a room may connect to: itself, its project, names, the
// ingress, and what the machine serves on ports of its own, with more of them.
// Services without selectors lead to the node's own address.
func (c *Client) roomEgress(r mlops.LabRoom, more ...int) []networkingv1.NetworkPolicyEgressRule {
	rule := func(protocol corev1.Protocol, ports []int, to networkingv1.NetworkPolicyPeer) networkingv1.NetworkPolicyEgressRule {
		ports = slices.Compact(slices.Sorted(slices.Values(ports)))
		return networkingv1.NetworkPolicyEgressRule{To: []networkingv1.NetworkPolicyPeer{to}, Ports: policyPorts(protocol, ports...)}
	}
	egress := []networkingv1.NetworkPolicyEgressRule{
		rule(corev1.ProtocolUDP, []int{53}, clusterDNS),
		rule(corev1.ProtocolTCP, []int{53}, clusterDNS),
		rule(corev1.ProtocolTCP, nil, policyPeer(systemNamespace, map[string]string{labelName: "traefik"})),
		rule(corev1.ProtocolTCP, append(more, c.cfg.S3Port, c.cfg.RegistryPort, c.cfg.UIPort, c.cfg.HTTPPort, c.cfg.HTTPSPort), c.node()),
	}
	for _, namespace := range append([]string{r.Name}, r.Namespaces...) {
		egress = append(egress, networkingv1.NetworkPolicyEgressRule{To: []networkingv1.NetworkPolicyPeer{policyPeer(namespace, nil)}})
	}
	return egress
}

// ensureShell makes the shell's pod. One that is as it should be stays, whatever
// happens to the appliance: the learner's terminal is in it.
func (c *Client) ensureShell(ctx context.Context, r mlops.LabRoom) error {
	want, err := c.shellPod(r)
	if err != nil {
		return err
	}
	pods := c.kube.CoreV1().Pods(mlops.LabShells)
	deadline := time.Now().Add(shellLeaves)
	for {
		have, err := pods.Get(ctx, r.Name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			if _, err := pods.Create(ctx, want, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
				return fmt.Errorf("make the shell of room %s: %w", r.Name, err)
			}
			return nil
		case err != nil:
			return fmt.Errorf("look for the shell of room %s: %w", r.Name, err)
		case have.DeletionTimestamp == nil && have.Annotations[annotationShell] == want.Annotations[annotationShell] && !podEnded(have):
			return nil
		}
		if have.DeletionTimestamp == nil {
			if err := pods.Delete(ctx, r.Name, metav1.DeleteOptions{GracePeriodSeconds: ptr(int64(1))}); err != nil && !apierrors.IsNotFound(err) {
				return fmt.Errorf("replace the shell of room %s: %w", r.Name, err)
			}
		}
		if time.Now().After(deadline) {
			return mlops.Errorf(mlops.Unavailable, "the old shell of room %s is still ending: try again in a few seconds", r.Name)
		}
		if !wait(ctx, 100*time.Millisecond) {
			return ctx.Err()
		}
	}
}

// shellLeaves is how long an old shell may take to end.
const shellLeaves = 10 * time.Second

func podEnded(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded
}

func (c *Client) shellPod(r mlops.LabRoom) (*corev1.Pod, error) {
	image := c.cfg.Image(shellRole)
	if image == "" {
		return nil, fmt.Errorf("the bundle holds no image %q", shellRole)
	}
	container := func(name, memory string, env []corev1.EnvVar, mounts ...corev1.VolumeMount) corev1.Container {
		return corev1.Container{
			Name: name, Image: image, ImagePullPolicy: corev1.PullNever,
			Env:     append(env, corev1.EnvVar{Name: "TERM", Value: "xterm-256color"}),
			EnvFrom: []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: r.Name}}}},
			Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m"), corev1.ResourceMemory: resource.MustParse("16Mi")},
				// A runaway ends here and not with the machine's memory.
				Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(memory)},
			},
			SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: ptr(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}},
			VolumeMounts:    mounts,
		}
	}
	namespace := corev1.VolumeProjection{DownwardAPI: &corev1.DownwardAPIProjection{Items: []corev1.DownwardAPIVolumeFile{
		{Path: "namespace", FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.name"}}, // a room is called as its namespace
	}}}
	account := func(name string, token ...corev1.VolumeProjection) corev1.Volume {
		return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{DefaultMode: ptr(int32(0o440)), Sources: append(token, namespace)}}}
	}
	pod := &corev1.Pod{ObjectMeta: roomMeta(r.Name, mlops.LabShells, r.Name), Spec: corev1.PodSpec{
		ServiceAccountName: authorOf(r.Name), AutomountServiceAccountToken: ptr(false), EnableServiceLinks: ptr(false),
		TerminationGracePeriodSeconds: ptr(int64(1)), Hostname: "lab",
		// The names of the room's Services, as its own pods know them.
		DNSConfig: &corev1.PodDNSConfig{Searches: []string{r.Name + ".svc.cluster.local"}},
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: ptr(true), RunAsUser: ptr(int64(labUser)), RunAsGroup: ptr(int64(labUser)), FSGroup: ptr(int64(labUser)),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Containers: []corev1.Container{
			container(mlops.LabLearner, "1Gi", nil,
				corev1.VolumeMount{Name: "home", MountPath: "/home/lab"},
				corev1.VolumeMount{Name: "files", MountPath: "/lab/home", ReadOnly: true},
				corev1.VolumeMount{Name: "learner", MountPath: serviceAccountDir, ReadOnly: true}),
			container(mlops.LabAuthor, "512Mi", []corev1.EnvVar{{Name: "HOME", Value: "/tmp"}},
				corev1.VolumeMount{Name: "author", MountPath: serviceAccountDir, ReadOnly: true}),
		},
		Volumes: []corev1.Volume{
			{Name: "home", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
			{Name: "files", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: homeOf(r.Name)}}}},
			account("learner", corev1.VolumeProjection{Secret: &corev1.SecretProjection{LocalObjectReference: corev1.LocalObjectReference{Name: tokenOf(r.Name)},
				Items: []corev1.KeyToPath{{Key: corev1.ServiceAccountTokenKey, Path: "token"}, {Key: corev1.ServiceAccountRootCAKey, Path: "ca.crt"}}}}),
			account("author",
				corev1.VolumeProjection{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token", ExpirationSeconds: ptr(int64(3600))}},
				corev1.VolumeProjection{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: corev1.LocalObjectReference{Name: "kube-root-ca.crt"},
					Items: []corev1.KeyToPath{{Key: "ca.crt", Path: "ca.crt"}}}}),
		},
	}}
	// Variables reach a container when it starts, and files a home when it is new.
	all, err := json.Marshal([]any{pod.Spec, r.Env, r.Files})
	if err != nil {
		return nil, fmt.Errorf("describe the shell of room %s: %w", r.Name, err)
	}
	sum := sha256.Sum256(all)
	pod.Annotations = map[string]string{annotationShell: hex.EncodeToString(sum[:16])}
	return pod, nil
}

// LabShell says whether the shell's pod runs, and why not.
func (c *Client) LabShell(ctx context.Context, room string) (mlops.LabShell, error) {
	p, err := c.kube.CoreV1().Pods(mlops.LabShells).Get(ctx, room, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return mlops.LabShell{Why: "its pod has not been made yet"}, c.roomThere(ctx, room)
	}
	if err != nil {
		return mlops.LabShell{}, fmt.Errorf("look for the shell of room %s: %w", room, err)
	}
	pod := podOf(p)
	switch {
	case pod.Deleting:
		return mlops.LabShell{Why: "its pod is being replaced"}, nil
	case pod.Ready:
		return mlops.LabShell{Ready: true}, nil
	}
	return mlops.LabShell{Why: cmp.Or(pod.Message, pod.Waiting, "its pod is starting")}, nil
}

// roomThere is NotFound if there is no such room.
func (c *Client) roomThere(ctx context.Context, room string) error {
	_, err := c.kube.CoreV1().Namespaces().Get(ctx, room, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return mlops.Errorf(mlops.NotFound, "there is no room %s: open its lab", room)
	}
	if err != nil {
		return fmt.Errorf("look for namespace %s: %w", room, err)
	}
	return nil
}
