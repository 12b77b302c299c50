package cluster

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// What the Job of pushed code has of the disk: its folder, and what else it
// writes. A pod that writes more is evicted.
const (
	workDir  = "/work"
	workSize = "10Gi"
	tempSize = "2Gi"
)

// What Jobs are told of environments.
const (
	envEnvironment = "BENCHTOP_ENVIRONMENT" // what the image was built for
	envBaseImage   = "BENCHTOP_BASE_IMAGE"  // what environments are put on
	envCodePlan    = "BENCHTOP_CODE_PLAN"
	envWork        = "BENCHTOP_WORK"
)

// codeEnv tells the runner which code to run, how, and in which environment.
func codeEnv(s mlops.ProjectSpec) ([]corev1.EnvVar, error) {
	p := s.Project
	plan, err := planText(p)
	if err != nil {
		return nil, err
	}
	env := []corev1.EnvVar{
		{Name: "BENCHTOP_CODE_URI", Value: p.Code.URI(p.Name)},
		{Name: envCode, Value: p.Code.SHA256},
		{Name: envCodePlan, Value: plan},
		{Name: envWork, Value: workDir},
		{Name: envBaseImage, Value: s.Image},
	}
	if s.EnvironmentRequest != "" {
		env = append(env, corev1.EnvVar{Name: envEnvironment, Value: s.EnvironmentRequest})
	}
	if p.Code.Commit != "" {
		env = append(env, corev1.EnvVar{Name: "BENCHTOP_CODE_COMMIT", Value: p.Code.Commit}, corev1.EnvVar{Name: "BENCHTOP_CODE_DIRTY", Value: strconv.FormatBool(p.Code.Dirty)})
	}
	return env, nil
}

// planText is how the code of a project is run, as the value of a variable.
func planText(p mlops.Project) (string, error) {
	plan, err := json.Marshal(p.Code.Plan)
	if err != nil {
		return "", fmt.Errorf("encode how the code of project %s is run: %w", p.Name, err)
	}
	return literal(string(plan)), nil
}

// roomToWrite gives a pod a folder of its own, and more for other files than
// the lab's own programs need.
func roomToWrite(pod *corev1.PodSpec) {
	for i := range pod.Volumes {
		if pod.Volumes[i].Name == "tmp" {
			pod.Volumes[i].EmptyDir.SizeLimit = ptr(resource.MustParse(tempSize))
		}
	}
	pod.Volumes = append(pod.Volumes, corev1.Volume{Name: "work", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: ptr(resource.MustParse(workSize))}}})
	c := &pod.Containers[0]
	c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "work", MountPath: workDir})
}

// ownCode gives the Job of pushed code what a script needs: room to write, the
// time that it asks for, and one try if it fails by itself.
func ownCode(job *batchv1.JobSpec, p mlops.Project) error {
	roomToWrite(&job.Template.Spec)
	// A script that was killed, for its memory most of all, would be again. One
	// that needs another environment is not started before that is there.
	endsAt(job, mlops.NeedsEnvironment, killed)
	if limit := p.Code.Plan.Options.TimeLimit; limit != "" {
		d, err := time.ParseDuration(limit)
		if err != nil {
			return fmt.Errorf("time limit of project %s: %w", p.Name, err)
		}
		job.ActiveDeadlineSeconds = ptr(int64(d / time.Second))
	}
	return nil
}

// ProjectManifests are the objects of a project as YAML, in the order in which
// they are applied, without its servers, the values of its secret and the text of
// its code.
func (c *Client) ProjectManifests(s mlops.ProjectSpec) (string, error) {
	s.Secret, s.Trainer = map[string]string{}, map[string]string{}
	objects, _, err := c.projectObjects(s)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for _, o := range objects {
		m, err := manifest(o)
		if err != nil {
			return "", err
		}
		text, err := yaml.Marshal(m.Object)
		if err != nil {
			return "", fmt.Errorf("write %s as YAML: %w", m.GetKind(), err)
		}
		out.WriteString("---\n" + string(text))
	}
	return out.String(), nil
}

// codePolicy says what pushed code may connect to: names, the registry and the
// object store, which ask for its key, the index of packages, and the world outside.
func (c *Client) codePolicy(p mlops.Project) *networkingv1.NetworkPolicy {
	return c.outwardPolicy(p, p.Name+"-code", trainerRole, "What pushed code may connect to: DNS, the registry, the object store, the index of packages, and the world outside.", c.cfg.S3Port, c.cfg.RegistryPort, mlops.PackagesPort)
}

// outwardPolicy lets the pods of a project's component reach names, some ports of
// the node, and the world outside. They reach no other pod, nothing else of the
// machine, and no link-local address, where clouds keep their metadata.
func (c *Client) outwardPolicy(p mlops.Project, name, component, description string, ports ...int) *networkingv1.NetworkPolicy {
	node := c.node()
	outside := networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: "0.0.0.0/0", Except: []string{mlops.PodNetwork, mlops.ServiceNetwork, "169.254.0.0/16", node.IPBlock.CIDR}}}
	m := meta(p, name, component)
	m.Annotations = map[string]string{"kubernetes.io/description": description}
	return &networkingv1.NetworkPolicy{ObjectMeta: m, Spec: networkingv1.NetworkPolicySpec{
		PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{labelProject: p.Name, labelComponent: component}},
		PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress},
		Egress: []networkingv1.NetworkPolicyEgressRule{
			{To: []networkingv1.NetworkPolicyPeer{clusterDNS}, Ports: append(policyPorts(corev1.ProtocolUDP, 53), policyPorts(corev1.ProtocolTCP, 53)...)},
			{To: []networkingv1.NetworkPolicyPeer{node}, Ports: policyPorts(corev1.ProtocolTCP, ports...)},
			{To: []networkingv1.NetworkPolicyPeer{outside}},
		},
	}}
}
