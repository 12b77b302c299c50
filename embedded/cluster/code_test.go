package cluster

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func codeSpec() mlops.ProjectSpec {
	s := testSpec()
	s.Dataset = mlops.Dataset{}
	s.Project.Name, s.Project.Dataset = "prices", ""
	s.Project.Code = &mlops.ProjectCode{SHA256: strings.Repeat("0c", 32), Commit: "c0ffee", Dirty: true,
		Plan: mlops.CodePlan{Kind: "script", Entry: "train.py", Command: []string{"python", "train.py", "--price=$(COST)"}, Options: mlops.CodeOptions{TimeLimit: "90m"}}}
	s.Trainer, s.TrainerMain = map[string]string{"run_code.py": "print()"}, "run_code.py"
	return s
}

func TestCodeJob(t *testing.T) {
	s := codeSpec()
	job := mustJob(t, s, "code-1")
	checkLabPod(t, "runner", job.Template.Spec, "prices-model", "code-1", false)
	c := job.Template.Spec.Containers[0]
	expectEnv(t, c, map[string]string{
		"BENCHTOP_CODE_URI": "s3://code/prices/" + strings.Repeat("0c", 32) + ".tar.gz", "BENCHTOP_CODE_SHA256": strings.Repeat("0c", 32),
		"BENCHTOP_CODE_COMMIT": "c0ffee", "BENCHTOP_CODE_DIRTY": "true", "BENCHTOP_WORK": "/work", "BENCHTOP_PROJECT": "prices", "BENCHTOP_TRIGGER": "schedule",
		"BENCHTOP_JOB": "field metadata.labels['batch.kubernetes.io/job-name']", "MLFLOW_TRACKING_URI": "http://mlflow.benchtop.svc:5000",
	})
	env := environ(c)
	for name := range env {
		if strings.HasPrefix(name, "BENCHTOP_DATASET_") {
			t.Errorf("it is told of a dataset: %s", name)
		}
	}
	var plan mlops.CodePlan
	// Kubernetes makes $ of $$.
	if err := json.Unmarshal([]byte(strings.ReplaceAll(env["BENCHTOP_CODE_PLAN"], "$$", "$")), &plan); err != nil || !slices.Equal(plan.Command, s.Project.Code.Plan.Command) {
		t.Errorf("the plan is %s: %v", env["BENCHTOP_CODE_PLAN"], err)
	}
	if !slices.Equal(c.Command, []string{"python3", "/opt/benchtop/run_code.py"}) {
		t.Errorf("it runs %v", c.Command)
	}
	if got := *job.ActiveDeadlineSeconds; got != 5400 {
		t.Errorf("it may take %d s, want 5400", got)
	}
	if got := job.PodFailurePolicy.Rules[0].OnExitCodes.Values; !slices.Equal(got, []int32{2, 42, 137}) {
		t.Errorf("it is not tried again after %v, want 2, 42 and 137, in order", got)
	}
	sizes := map[string]string{}
	for _, v := range job.Template.Spec.Volumes {
		if v.EmptyDir != nil {
			sizes[v.Name] = v.EmptyDir.SizeLimit.String()
		}
	}
	if sizes["work"] != "10Gi" || sizes["tmp"] != "2Gi" {
		t.Errorf("its folders are %v", sizes)
	}
	if !slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == "/work" && !m.ReadOnly }) {
		t.Errorf("it mounts %+v, want /work to write", c.VolumeMounts)
	}
	s.Project.Code.Plan.Options.TimeLimit = ""
	if got := *mustJob(t, s, "code-1").ActiveDeadlineSeconds; got != 3600 {
		t.Errorf("without a limit of its own it may take %d s, want 3600", got)
	}
	s.Project.Code.Plan.Options.TimeLimit = "soon"
	if _, err := trainerJob(s, "code-1"); err == nil || !strings.Contains(err.Error(), "time limit of project prices") {
		t.Errorf("a time limit that is none: %v", err)
	}
	if got := jobOf(&batchv1.Job{Spec: job}); got.CodeSHA256 != strings.Repeat("0c", 32) {
		t.Errorf("its training runs code %s", got.CodeSHA256)
	}
}

func TestCodePolicy(t *testing.T) {
	_, c := newAPIServer(t)
	p := c.codePolicy(codeSpec().Project)
	if got := p.Spec.PodSelector.MatchLabels; got[labelProject] != "prices" || got[labelComponent] != trainerRole {
		t.Errorf("it is about pods with %v", got)
	}
	if len(p.Spec.Ingress) > 0 || len(p.Spec.PolicyTypes) != 2 {
		t.Errorf("it lets somebody in: %+v", p.Spec)
	}
	var rules []string
	for _, e := range p.Spec.Egress {
		var to, ports []string
		for _, peer := range e.To {
			if peer.IPBlock == nil {
				to = append(to, fmt.Sprint(peer.NamespaceSelector.MatchLabels, peer.PodSelector.MatchLabels))
				continue
			}
			to = append(to, fmt.Sprint(peer.IPBlock.CIDR, peer.IPBlock.Except))
		}
		for _, port := range e.Ports {
			ports = append(ports, fmt.Sprint(*port.Protocol, port.Port.IntValue()))
		}
		rules = append(rules, strings.Join(to, " ")+" "+strings.Join(ports, " "))
	}
	node := c.cfg.NodeAddress.String() + "/32"
	want := []string{
		"map[kubernetes.io/metadata.name:kube-system] map[k8s-app:kube-dns] UDP53 TCP53",
		fmt.Sprintf("%s[] TCP%d TCP%d TCP3141", node, c.cfg.S3Port, c.cfg.RegistryPort),
		fmt.Sprintf("0.0.0.0/0[10.42.0.0/16 10.43.0.0/16 169.254.0.0/16 %s] ", node),
	}
	if !slices.Equal(rules, want) {
		t.Errorf("it reaches\n%s\nwant\n%s", strings.Join(rules, "\n"), strings.Join(want, "\n"))
	}
}

func TestApplyCode(t *testing.T) {
	s, c := newAPIServer(t)
	if err := c.ApplyProject(t.Context(), codeSpec()); err != nil {
		t.Fatal(err)
	}
	policy, cron := -1, -1
	for i, call := range s.calls {
		if strings.Contains(call, "/namespaces/prices/networkpolicies/prices-code") {
			policy = i
		}
		if strings.Contains(call, "/namespaces/prices/cronjobs/") {
			cron = i
		}
	}
	if policy < 0 || cron < policy {
		t.Errorf("the policy has to be there before what it is about: %v", s.calls)
	}
	if err := c.StopTraining(t.Context(), mlops.Training{Project: "prices", Job: "none"}); err != nil {
		t.Errorf("stop a training whose Job is gone: %v", err)
	}
}
