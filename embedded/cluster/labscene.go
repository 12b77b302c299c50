package cluster

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// sceneThings is how many things a column has room for.
const sceneThings = 12

// sceneObjects is what a scene is drawn of. Only what the kinds need is there.
type sceneObjects struct {
	ingresses   []networkingv1.Ingress
	services    []corev1.Service
	slices      []discoveryv1.EndpointSlice
	deployments []appsv1.Deployment
	replicaSets []appsv1.ReplicaSet
	pods        []corev1.Pod
	claims      []corev1.PersistentVolumeClaim
	volumes     []corev1.PersistentVolume
	nodes       []corev1.Node
	cronJobs    []batchv1.CronJob
	jobs        []batchv1.Job
}

// LabScene draws what the namespaces of a room have of these kinds, in columns in
// the order of kinds, and what leads to what. Kinds that are not Kubernetes' are
// left out.
func (c *Client) LabScene(ctx context.Context, r mlops.LabRoom, kinds []string) (mlops.LabScene, error) {
	if err := c.roomThere(ctx, r.Name); err != nil {
		return mlops.LabScene{}, err
	}
	o, err := c.sceneObjects(ctx, append([]string{r.Name}, r.Namespaces...), kinds)
	if err != nil {
		return mlops.LabScene{}, fmt.Errorf("look at room %s: %w", r.Name, err)
	}
	return drawScene(o, kinds, time.Now()), nil
}

func (c *Client) sceneObjects(ctx context.Context, namespaces, kinds []string) (o sceneObjects, err error) {
	// needs reports whether one of these kinds is asked for.
	needs := func(of ...string) bool {
		return slices.ContainsFunc(of, func(kind string) bool { return slices.Contains(kinds, kind) })
	}
	all := metav1.ListOptions{}
	for _, ns := range namespaces {
		steps := []struct {
			needed bool
			get    func() error
		}{
			{needs("Ingress"), func() error {
				list, err := c.kube.NetworkingV1().Ingresses(ns).List(ctx, all)
				if err == nil {
					o.ingresses = append(o.ingresses, list.Items...)
				}
				return err
			}},
			{needs("Ingress", "Service"), func() error {
				list, err := c.kube.CoreV1().Services(ns).List(ctx, all)
				if err == nil {
					o.services = append(o.services, list.Items...)
				}
				return err
			}},
			{needs("Service"), func() error {
				list, err := c.kube.DiscoveryV1().EndpointSlices(ns).List(ctx, all)
				if err == nil {
					o.slices = append(o.slices, list.Items...)
				}
				return err
			}},
			{needs("Deployment"), func() error {
				list, err := c.kube.AppsV1().Deployments(ns).List(ctx, all)
				if err == nil {
					o.deployments = append(o.deployments, list.Items...)
				}
				return err
			}},
			{needs("Deployment", "ReplicaSet"), func() error {
				list, err := c.kube.AppsV1().ReplicaSets(ns).List(ctx, all)
				if err == nil {
					o.replicaSets = append(o.replicaSets, list.Items...)
				}
				return err
			}},
			{needs("Pod"), func() error {
				list, err := c.kube.CoreV1().Pods(ns).List(ctx, all)
				if err != nil {
					return err
				}
				for i := range list.Items {
					c.explainPulls(ctx, &list.Items[i])
					c.explainGPUs(ctx, &list.Items[i])
				}
				o.pods = append(o.pods, list.Items...)
				return nil
			}},
			{needs("Claim", "Volume"), func() error {
				list, err := c.kube.CoreV1().PersistentVolumeClaims(ns).List(ctx, all)
				if err == nil {
					o.claims = append(o.claims, list.Items...)
				}
				return err
			}},
			{needs("CronJob"), func() error {
				list, err := c.kube.BatchV1().CronJobs(ns).List(ctx, all)
				if err == nil {
					o.cronJobs = append(o.cronJobs, list.Items...)
				}
				return err
			}},
			{needs("Job", "CronJob"), func() error {
				list, err := c.kube.BatchV1().Jobs(ns).List(ctx, all)
				if err == nil {
					o.jobs = append(o.jobs, list.Items...)
				}
				return err
			}},
		}
		for _, s := range steps {
			if !s.needed {
				continue
			}
			if err := s.get(); err != nil {
				return o, err
			}
		}
	}
	if needs("Volume") {
		list, err := c.kube.CoreV1().PersistentVolumes().List(ctx, all)
		if err != nil {
			return o, err
		}
		// Those of the room: Kubernetes keeps a volume's claim in it.
		o.volumes = slices.DeleteFunc(list.Items, func(v corev1.PersistentVolume) bool {
			return v.Spec.ClaimRef == nil || !slices.Contains(namespaces, v.Spec.ClaimRef.Namespace)
		})
	}
	if needs("Node") {
		list, err := c.kube.CoreV1().Nodes().List(ctx, all)
		if err != nil {
			return o, err
		}
		o.nodes = list.Items
	}
	return o, nil
}

// scene collects things and lines.
type scene struct {
	sceneObjects
	kinds  []string
	now    time.Time
	things map[string][]sceneThing // by kind
	at     map[string]bool         // IDs
	lines  []mlops.LabLine
	owners map[string]metav1.Object // by ID, of all kinds that own pods
}

type sceneThing struct {
	mlops.LabThing
	made time.Time
}

func drawScene(o sceneObjects, kinds []string, now time.Time) mlops.LabScene {
	s := &scene{sceneObjects: o, now: now, things: map[string][]sceneThing{}, at: map[string]bool{}, owners: map[string]metav1.Object{}}
	for _, kind := range kinds {
		if slices.Contains(mlops.LabClusterKinds, kind) && !slices.Contains(s.kinds, kind) {
			s.kinds = append(s.kinds, kind)
		}
	}
	s.addServices()
	s.addIngresses()
	s.addWorkloads()
	s.addPods()
	s.addStorage()
	s.link()
	out := mlops.LabScene{Columns: []mlops.LabColumn{}, Lines: []mlops.LabLine{}}
	shown := map[string]bool{}
	for _, kind := range s.kinds {
		column := mlops.LabColumn{Kind: kind, Things: []mlops.LabThing{}}
		all := s.things[kind]
		if len(all) > sceneThings {
			column.More = len(all) - sceneThings
			slices.SortStableFunc(all, moreTelling)
			all = all[:sceneThings]
		}
		slices.SortFunc(all, func(a, b sceneThing) int { return strings.Compare(a.ID, b.ID) })
		for _, t := range all {
			shown[t.ID] = true
			column.Things = append(column.Things, t.LabThing)
		}
		out.Columns = append(out.Columns, column)
	}
	seen := map[mlops.LabLine]bool{}
	for _, l := range s.lines {
		if shown[l.From] && shown[l.To] && !seen[l] {
			seen[l] = true
			out.Lines = append(out.Lines, l)
		}
	}
	slices.SortFunc(out.Lines, func(a, b mlops.LabLine) int {
		return cmp.Or(strings.Compare(a.From, b.From), strings.Compare(a.To, b.To))
	})
	return out
}

// moreTelling orders things by how much they are worth a place: trouble first,
// what has ended last, then the newest.
func moreTelling(a, b sceneThing) int {
	rank := func(t sceneThing) int {
		return slices.Index([]string{mlops.LabBad, mlops.LabBusy, mlops.LabOK, mlops.LabNone}, t.Mood)
	}
	return cmp.Or(rank(a)-rank(b), b.made.Compare(a.made))
}

func thingID(kind, namespace, name string) string {
	return strings.ToLower(kind) + "/" + strings.TrimPrefix(namespace+"/"+name, "/")
}

func (s *scene) shows(kind string) bool { return slices.Contains(s.kinds, kind) }

// add puts a thing into its column.
func (s *scene) add(kind string, m metav1.Object, state, mood string, facts ...string) {
	if !s.shows(kind) {
		return
	}
	if m.GetDeletionTimestamp() != nil {
		state, mood = "Terminating", mlops.LabBusy
		if f := m.GetFinalizers(); len(f) > 0 {
			facts = append(facts, "waits for "+strings.Join(f, ", "))
		}
	}
	id := thingID(kind, m.GetNamespace(), m.GetName())
	s.at[id] = true
	s.things[kind] = append(s.things[kind], sceneThing{mlops.LabThing{ID: id, Name: m.GetName(), State: state, Mood: mood,
		Facts: slices.DeleteFunc(facts, func(f string) bool { return f == "" })}, m.GetCreationTimestamp().Time})
}

// want adds a thing that something names and that is not there.
func (s *scene) want(kind, namespace, name string) (id string) {
	id = thingID(kind, namespace, name)
	if !s.at[id] {
		s.add(kind, &metav1.ObjectMeta{Name: name, Namespace: namespace}, mlops.LabMissing, mlops.LabBad)
	}
	return id
}

func (s *scene) line(from, to string, bad bool) {
	s.lines = append(s.lines, mlops.LabLine{From: from, To: to, Bad: bad})
}

func (s *scene) addServices() {
	for i := range s.services {
		o := &s.services[i]
		id := thingID("Service", o.Namespace, o.Name)
		ready, waiting := 0, 0
		for _, slice := range s.slices {
			if slice.Namespace != o.Namespace || slice.Labels[discoveryv1.LabelServiceName] != o.Name {
				continue
			}
			for _, e := range slice.Endpoints {
				isReady := e.Conditions.Ready == nil || *e.Conditions.Ready
				if isReady {
					ready++
				} else {
					waiting++
				}
				if e.TargetRef != nil && e.TargetRef.Kind == "Pod" {
					s.line(id, thingID("Pod", e.TargetRef.Namespace, e.TargetRef.Name), !isReady)
				}
			}
		}
		state, mood := plural(ready, "endpoint"), mlops.LabOK
		switch {
		case o.Spec.Type == corev1.ServiceTypeExternalName:
			state, mood = "ExternalName", mlops.LabNone
		case ready == 0 && waiting > 0:
			state, mood = "none ready", mlops.LabBad
		case ready == 0:
			state, mood = "no endpoints", mlops.LabBad
		}
		var ports []string
		for _, p := range o.Spec.Ports {
			ports = append(ports, fmt.Sprintf("%d → %s", p.Port, p.TargetPort.String()))
		}
		s.add("Service", o, state, mood, selects(o.Spec.Selector), list("port ", ports), cmp.Or(o.Spec.ExternalName, clusterIP(o)), unready(waiting))
	}
}

func clusterIP(o *corev1.Service) string {
	if o.Spec.ClusterIP == corev1.ClusterIPNone {
		return "headless"
	}
	return o.Spec.ClusterIP
}

func unready(n int) string {
	if n == 0 {
		return ""
	}
	return plural(n, "endpoint") + " not ready"
}

func selects(selector map[string]string) string {
	if len(selector) == 0 {
		return "no selector"
	}
	var pairs []string
	for _, k := range slices.Sorted(maps.Keys(selector)) {
		pairs = append(pairs, k+"="+selector[k])
	}
	return "selects " + strings.Join(pairs, ",")
}

func list(what string, items []string) string {
	if len(items) == 0 {
		return ""
	}
	return what + strings.Join(items, ", ")
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (s *scene) addIngresses() {
	for i := range s.ingresses {
		o := &s.ingresses[i]
		id := thingID("Ingress", o.Namespace, o.Name)
		state, mood := "any host", mlops.LabOK
		var hosts, ways []string
		back := func(b *networkingv1.IngressBackend, from string) {
			if b == nil || b.Service == nil {
				return
			}
			name, port := b.Service.Name, cmp.Or(b.Service.Port.Name, fmt.Sprint(b.Service.Port.Number))
			ways = append(ways, fmt.Sprintf("%s → %s:%s", from, name, port))
			n := slices.IndexFunc(s.services, func(svc corev1.Service) bool { return svc.Namespace == o.Namespace && svc.Name == name })
			if n < 0 {
				mood = mlops.LabBad
				s.line(id, s.want("Service", o.Namespace, name), true)
				return
			}
			has := slices.ContainsFunc(s.services[n].Spec.Ports, func(p corev1.ServicePort) bool {
				return p.Name != "" && p.Name == b.Service.Port.Name || p.Port == b.Service.Port.Number
			})
			if !has {
				mood = mlops.LabBad
				ways = append(ways, fmt.Sprintf("Service %s has no port %s", name, port))
			}
			s.line(id, thingID("Service", o.Namespace, name), !has)
		}
		back(o.Spec.DefaultBackend, "any")
		for _, rule := range o.Spec.Rules {
			if rule.Host != "" && !slices.Contains(hosts, rule.Host) {
				hosts = append(hosts, rule.Host)
			}
			if rule.HTTP == nil {
				continue
			}
			for j := range rule.HTTP.Paths {
				back(&rule.HTTP.Paths[j].Backend, rule.Host+rule.HTTP.Paths[j].Path)
			}
		}
		if len(hosts) > 0 {
			state = hosts[0]
		}
		if len(hosts) > 1 {
			state = plural(len(hosts), "host")
		}
		s.add("Ingress", o, state, mood, ways...)
	}
}

func (s *scene) addWorkloads() {
	for i := range s.deployments {
		o := &s.deployments[i]
		s.owners[thingID("Deployment", o.Namespace, o.Name)] = o
		want := replicas(o)
		state, mood := readyOf(o.Status.ReadyReplicas, want)
		if mood == mlops.LabOK && (o.Status.UpdatedReplicas < want || o.Status.Replicas > want || o.Status.ObservedGeneration < o.Generation) {
			state, mood = "rolling out", mlops.LabBusy
		}
		var why string
		for _, cond := range o.Status.Conditions {
			failed := cond.Type == appsv1.DeploymentReplicaFailure && cond.Status == corev1.ConditionTrue ||
				cond.Type == appsv1.DeploymentProgressing && cond.Status == corev1.ConditionFalse
			if failed {
				mood, why = mlops.LabBad, cmp.Or(cond.Message, cond.Reason)
			}
		}
		if o.Spec.Paused {
			state, mood = "paused", mlops.LabBusy
		}
		s.add("Deployment", o, state, mood, fmt.Sprintf("%d of %d ready", o.Status.ReadyReplicas, want), selects(matchLabels(o.Spec.Selector)), why)
	}
	for i := range s.replicaSets {
		o := &s.replicaSets[i]
		s.owners[thingID("ReplicaSet", o.Namespace, o.Name)] = o
		want := int32(1)
		if o.Spec.Replicas != nil {
			want = *o.Spec.Replicas
		}
		if want == 0 && o.Status.Replicas == 0 && metav1.GetControllerOf(o) != nil {
			continue // an old one, which a deployment keeps to go back
		}
		state, mood := readyOf(o.Status.ReadyReplicas, want)
		s.add("ReplicaSet", o, state, mood, selects(matchLabels(o.Spec.Selector)))
	}
	for i := range s.cronJobs {
		o := &s.cronJobs[i]
		s.owners[thingID("CronJob", o.Namespace, o.Name)] = o
		state, mood := "waiting", mlops.LabNone
		if len(o.Status.Active) > 0 {
			state, mood = fmt.Sprintf("%d active", len(o.Status.Active)), mlops.LabBusy
		}
		if o.Spec.Suspend != nil && *o.Spec.Suspend {
			state, mood = "suspended", mlops.LabNone
		}
		last := "has not run yet"
		if o.Status.LastScheduleTime != nil {
			last = "ran " + s.age(o.Status.LastScheduleTime.Time) + " ago"
		}
		s.add("CronJob", o, state, mood, "schedule "+o.Spec.Schedule, last, "concurrency "+string(o.Spec.ConcurrencyPolicy))
	}
	for i := range s.jobs {
		o := &s.jobs[i]
		s.owners[thingID("Job", o.Namespace, o.Name)] = o
		state, mood, why := "Running", mlops.LabBusy, ""
		if o.Spec.Suspend != nil && *o.Spec.Suspend {
			state, mood = "Suspended", mlops.LabNone
		}
		for _, cond := range o.Status.Conditions {
			if cond.Status != corev1.ConditionTrue {
				continue
			}
			switch cond.Type {
			case batchv1.JobComplete:
				state, mood = "Complete", mlops.LabOK
			case batchv1.JobFailed:
				state, mood, why = "Failed", mlops.LabBad, strings.TrimSuffix(cond.Reason+": "+cond.Message, ": ")
			}
		}
		s.add("Job", o, state, mood, list("", slices.DeleteFunc([]string{count(o.Status.Active, "active"), count(o.Status.Succeeded, "succeeded"), count(o.Status.Failed, "failed")},
			func(f string) bool { return f == "" })), why)
	}
}

func matchLabels(s *metav1.LabelSelector) map[string]string {
	if s == nil {
		return nil
	}
	return s.MatchLabels
}

func count(n int32, what string) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d %s", n, what)
}

// readyOf says how many replicas are ready.
func readyOf(ready, want int32) (state, mood string) {
	state = fmt.Sprintf("%d/%d ready", ready, want)
	switch {
	case want == 0:
		return "scaled to 0", mlops.LabNone
	case ready < want:
		return state, mlops.LabBusy
	}
	return state, mlops.LabOK
}

func (s *scene) age(t time.Time) string { return duration.HumanDuration(s.now.Sub(t)) }

func (s *scene) addPods() {
	for i := range s.pods {
		p := &s.pods[i]
		pod := podOf(p)
		state, mood := podState(p, pod)
		restarts := ""
		if pod.Restarts > 0 {
			restarts = plural(pod.Restarts, "restart")
		}
		exit := ""
		if pod.LastExit != nil {
			exit = fmt.Sprintf("last exit %d %s", pod.LastExit.Code, pod.LastExit.Reason)
		}
		s.add("Pod", p, state, mood, restarts, pod.Message, exit, pod.IP, memoryOf(pod))
	}
}

func memoryOf(p mlops.Pod) string {
	if p.Limits.Memory == 0 {
		return ""
	}
	return fmt.Sprintf("limit %d Mi", p.Limits.Memory>>20)
}

// podState is what kubectl calls a pod's status.
func podState(p *corev1.Pod, pod mlops.Pod) (state, mood string) {
	if p.Status.Reason != "" && p.Status.Phase == corev1.PodFailed {
		return p.Status.Reason, mlops.LabBad // Evicted
	}
	if p.Spec.NodeName == "" && pod.Waiting != "" {
		return "Pending", mlops.LabBad // the scheduler has said why
	}
	for _, init := range []bool{true, false} {
		statuses := p.Status.ContainerStatuses
		if init {
			statuses = p.Status.InitContainerStatuses
		}
		for _, c := range statuses {
			switch {
			case c.State.Waiting != nil && c.State.Waiting.Reason == "PodInitializing" && !init:
				return "Init", mlops.LabBusy
			case c.State.Waiting != nil && c.State.Waiting.Reason != "" && c.State.Waiting.Reason != "PodInitializing":
				if c.State.Waiting.Reason == "ContainerCreating" {
					return c.State.Waiting.Reason, mlops.LabBusy
				}
				return c.State.Waiting.Reason, mlops.LabBad
			case c.State.Terminated != nil && (c.State.Terminated.ExitCode != 0 || c.State.Terminated.Signal != 0):
				return cmp.Or(c.State.Terminated.Reason, "Error"), mlops.LabBad
			}
		}
	}
	switch p.Status.Phase {
	case corev1.PodSucceeded:
		return "Completed", mlops.LabNone
	case corev1.PodRunning:
		if pod.Ready {
			return "Running", mlops.LabOK
		}
		return "not ready", mlops.LabBad
	case corev1.PodFailed:
		return "Error", mlops.LabBad
	}
	return cmp.Or(string(p.Status.Phase), "Pending"), mlops.LabBusy
}

func (s *scene) addStorage() {
	for i := range s.claims {
		o := &s.claims[i]
		mood := map[corev1.PersistentVolumeClaimPhase]string{corev1.ClaimBound: mlops.LabOK, corev1.ClaimLost: mlops.LabBad}[o.Status.Phase]
		class := ""
		if o.Spec.StorageClassName != nil {
			class = "class " + *o.Spec.StorageClassName
		}
		size := o.Spec.Resources.Requests[corev1.ResourceStorage]
		s.add("Claim", o, cmp.Or(string(o.Status.Phase), string(corev1.ClaimPending)), cmp.Or(mood, mlops.LabBusy), "asks for "+size.String(), class)
	}
	for i := range s.volumes {
		o := &s.volumes[i]
		mood := map[corev1.PersistentVolumePhase]string{corev1.VolumeBound: mlops.LabOK, corev1.VolumeFailed: mlops.LabBad, corev1.VolumeReleased: mlops.LabNone, corev1.VolumeAvailable: mlops.LabNone}[o.Status.Phase]
		size := o.Spec.Capacity[corev1.ResourceStorage]
		s.add("Volume", o, cmp.Or(string(o.Status.Phase), string(corev1.VolumePending)), cmp.Or(mood, mlops.LabBusy), size.String(), "reclaim "+string(o.Spec.PersistentVolumeReclaimPolicy), list("on node ", volumeNodes(o)))
	}
	for i := range s.nodes {
		o := &s.nodes[i]
		state, mood := "NotReady", mlops.LabBad
		for _, cond := range o.Status.Conditions {
			if cond.Type == corev1.NodeReady && cond.Status == corev1.ConditionTrue {
				state, mood = "Ready", mlops.LabOK
			}
		}
		if o.Spec.Unschedulable {
			state, mood = "cordoned", mlops.LabBusy
		}
		s.add("Node", o, state, mood, fmt.Sprintf("%s CPUs, %d Mi", o.Status.Allocatable.Cpu(), o.Status.Allocatable.Memory().Value()>>20))
	}
}

// volumeNodes are the nodes that a volume can be used on, as far as it names them.
func volumeNodes(v *corev1.PersistentVolume) []string {
	var out []string
	if v.Spec.NodeAffinity == nil || v.Spec.NodeAffinity.Required == nil {
		return nil
	}
	for _, term := range v.Spec.NodeAffinity.Required.NodeSelectorTerms {
		for _, e := range term.MatchExpressions {
			if e.Key == corev1.LabelHostname && e.Operator == corev1.NodeSelectorOpIn {
				out = append(out, e.Values...)
			}
		}
	}
	return out
}

// link draws the lines that need all things: from owners to what they own, and
// from pods to where they keep their data and run.
func (s *scene) link() {
	for _, kind := range []string{"ReplicaSet", "Job"} {
		for id, o := range s.owners {
			if strings.HasPrefix(id, strings.ToLower(kind)+"/") {
				s.owned(o, id)
			}
		}
	}
	for i := range s.pods {
		p := &s.pods[i]
		id := thingID("Pod", p.Namespace, p.Name)
		s.owned(p, id)
		for _, v := range p.Spec.Volumes {
			if v.PersistentVolumeClaim == nil || !s.shows("Claim") {
				continue
			}
			claim := v.PersistentVolumeClaim.ClaimName
			there := s.at[thingID("Claim", p.Namespace, claim)]
			s.line(id, s.want("Claim", p.Namespace, claim), !there)
		}
		if p.Spec.NodeName != "" && !s.shows("Volume") && s.shows("Node") {
			there := s.at[thingID("Node", "", p.Spec.NodeName)]
			s.line(id, s.want("Node", "", p.Spec.NodeName), !there)
		}
	}
	for i := range s.claims {
		c := &s.claims[i]
		if c.Spec.VolumeName != "" && s.shows("Volume") {
			there := s.at[thingID("Volume", "", c.Spec.VolumeName)]
			s.line(thingID("Claim", c.Namespace, c.Name), s.want("Volume", "", c.Spec.VolumeName), !there)
		}
	}
	for i := range s.volumes {
		v := &s.volumes[i]
		for _, node := range volumeNodes(v) {
			s.line(thingID("Volume", "", v.Name), thingID("Node", "", node), false)
		}
	}
}

// owned draws a line from the nearest owner that is shown.
func (s *scene) owned(o metav1.Object, id string) {
	for owner := metav1.GetControllerOf(o); owner != nil; owner = metav1.GetControllerOf(o) {
		above := thingID(owner.Kind, o.GetNamespace(), owner.Name)
		if s.at[above] {
			s.line(above, id, false)
			return
		}
		if o = s.owners[above]; o == nil {
			return
		}
	}
}
