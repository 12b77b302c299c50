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

// codeEnv tells the runner which code to run, and how.
func codeEnv(p mlops.Project) ([]corev1.EnvVar, error) {
	plan, err := json.Marshal(p.Code.Plan)
	if err != nil {
		return nil, fmt.Errorf("encode how the code of project %s is run: %w", p.Name, err)
	}
	env := []corev1.EnvVar{
		{Name: "BENCHTOP_CODE_URI", Value: p.Code.URI(p.Name)},
		{Name: envCode, Value: p.Code.SHA256},
		{Name: "BENCHTOP_CODE_PLAN", Value: literal(string(plan))},
		{Name: "BENCHTOP_WORK", Value: workDir},
	}
	if p.Code.Commit != "" {
		env = append(env, corev1.EnvVar{Name: "BENCHTOP_CODE_COMMIT", Value: p.Code.Commit}, corev1.EnvVar{Name: "BENCHTOP_CODE_DIRTY", Value: strconv.FormatBool(p.Code.Dirty)})
	}
	return env, nil
}

// ownCode gives the Job of pushed code what a script needs: room to write, the
// time that it asks for, and one try if it fails by itself.
func ownCode(job *batchv1.JobSpec, p mlops.Project) error {
	pod := &job.Template.Spec
	for i := range pod.Volumes {
		if pod.Volumes[i].Name == "tmp" {
			pod.Volumes[i].EmptyDir.SizeLimit = ptr(resource.MustParse(tempSize))
		}
	}
	pod.Volumes = append(pod.Volumes, corev1.Volume{Name: "work", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: ptr(resource.MustParse(workSize))}}})
	c := &pod.Containers[0]
	c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "work", MountPath: workDir})
	// A script that was killed, for its memory most of all, would be again.
	codes := job.PodFailurePolicy.Rules[0].OnExitCodes
	codes.Values = append(codes.Values, 137)
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
// object store, which ask for its key, and the world outside. It reaches no other
// pod, nothing else of the machine, and no link-local address, where clouds keep
// their metadata.
func (c *Client) codePolicy(p mlops.Project) *networkingv1.NetworkPolicy {
	node := c.node()
	outside := networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: "0.0.0.0/0", Except: []string{mlops.PodNetwork, mlops.ServiceNetwork, "169.254.0.0/16", node.IPBlock.CIDR}}}
	m := meta(p, p.Name+"-code", trainerRole)
	m.Annotations = map[string]string{"kubernetes.io/description": "What pushed code may connect to: DNS, the registry, the object store, and the world outside."}
	return &networkingv1.NetworkPolicy{ObjectMeta: m, Spec: networkingv1.NetworkPolicySpec{
		PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{labelProject: p.Name, labelComponent: trainerRole}},
		PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress},
		Egress: []networkingv1.NetworkPolicyEgressRule{
			{To: []networkingv1.NetworkPolicyPeer{clusterDNS}, Ports: append(policyPorts(corev1.ProtocolUDP, 53), policyPorts(corev1.ProtocolTCP, 53)...)},
			{To: []networkingv1.NetworkPolicyPeer{node}, Ports: policyPorts(corev1.ProtocolTCP, c.cfg.S3Port, c.cfg.RegistryPort)},
			{To: []networkingv1.NetworkPolicyPeer{outside}},
		},
	}}
}
