package cluster

import (
	corev1 "k8s.io/api/core/v1"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func TestCheckResources(t *testing.T) {
	of := func(cpu, memory string) mlops.ResourceAmounts { return mlops.ResourceAmounts{CPU: cpu, Memory: memory} }
	machine := mlops.Resources{CPU: 2, Memory: 8 << 30}
	for _, c := range []struct {
		requests, limits mlops.ResourceAmounts
		want             string
	}{
		{},
		{of("100m", "256Mi"), of("", "1Gi"), ""},
		{of("2", "8Gi"), of("64", "1Ti"), ""},
		{of("0.5", "500M"), of("1.5", "0.5Gi"), ""},
		{of("half", ""), of("", ""), `CPU request: expected cores such as 500m, for half of one, or 2, found "half"`},
		{of("-1", ""), of("", ""), `CPU request: expected cores such as 500m, for half of one, or 2, found "-1"`},
		{of("0", ""), of("", ""), `CPU request: expected cores such as 500m, for half of one, or 2, found "0"`},
		{of("1u", ""), of("", ""), `CPU request: expected cores in thousandths such as 500m, found "1u"`},
		{of("", ""), of("2 cores", ""), `CPU limit: expected cores such as 500m, for half of one, or 2, found "2 cores"`},
		{of("", ""), of("", "2 GB"), `memory limit: expected memory such as 512Mi or 2Gi, at least 16Mi, found "2 GB"`},
		{of("", ""), of("", "512m"), `memory limit: expected memory such as 512Mi or 2Gi, at least 16Mi, found "512m"`},
		{of("", "512"), of("", ""), `memory request: expected memory such as 512Mi or 2Gi, at least 16Mi, found "512"`},
		{of("", "2Gi"), of("", "1Gi"), "memory request 2Gi is above the memory limit 1Gi: expected a request that is at most the limit"},
		{of("1", ""), of("500m", ""), "CPU request 1 is above the CPU limit 500m: expected a request that is at most the limit"},
		{of("500", ""), of("", ""), "CPU request 500 is more than this machine has, 2 cores: expected a request that it can meet"},
		{of("", "9Gi"), of("", ""), "memory request 9Gi is more than this machine has, 8 GiB: expected a request that it can meet"},
	} {
		err := CheckResources(mlops.TrainerResources{Requests: c.requests, Limits: c.limits}, machine)
		if c.want == "" && err != nil || c.want != "" && (mlops.CodeOf(err) != mlops.Invalid || mlops.MessageOf(err) != c.want) {
			t.Errorf("%+v, %+v: %v, want %q", c.requests, c.limits, err, c.want)
		}
	}
	if err := CheckResources(mlops.TrainerResources{Requests: of("500", "500Gi")}, mlops.Resources{}); err != nil {
		t.Errorf("on a machine that is not known: %v", err)
	}
}

func TestTrainersResourcesAndEnvironment(t *testing.T) {
	s := testSpec()
	s.Project.Resources = mlops.TrainerResources{Requests: mlops.ResourceAmounts{CPU: "500m", Memory: "512Mi"}, Limits: mlops.ResourceAmounts{Memory: "2Gi"}}
	s.Project.Environment = mlops.Variables{"OMP_NUM_THREADS": "2", "GREETING": "$(HOME) $x"}
	s.Project.Params = `{"note": "$(HOME)"}`
	c := mustJob(t, s, "code").Template.Spec.Containers[0]
	if r := c.Resources; r.Requests.Cpu().String() != "500m" || r.Requests.Memory().String() != "512Mi" || r.Limits.Memory().String() != "2Gi" || len(r.Limits) != 1 {
		t.Errorf("its resources are %+v", r)
	}
	// Kubernetes makes one $ of two, and nothing of $(HOME) then.
	expectEnv(t, c, map[string]string{"OMP_NUM_THREADS": "2", "GREETING": "$$(HOME) $$x", "BENCHTOP_PARAMS": `{"note": "$$(HOME)"}`})
	if r := bringJob(testDeployment(), mlops.Revision{Version: 1}, "b").Spec.Template.Spec.Containers[0].Resources; r.Limits.Memory().String() != "1Gi" {
		t.Errorf("what brings versions has %+v", r)
	}
	s.Project.Resources.Limits.Memory = "much"
	_, client := newAPIServer(t)
	expectError(t, client.ApplyProject(t.Context(), s), "resources of project iris: memory limit: expected memory such as 512Mi")
}

// Kubernetes takes a limit for the request that is missing.
func TestALimitSetsNothingAside(t *testing.T) {
	r := trainerResources(mlops.TrainerResources{Requests: mlops.ResourceAmounts{CPU: "500m"}, Limits: mlops.ResourceAmounts{CPU: "2", Memory: "64Gi"}})
	if memory, ok := r.Requests[corev1.ResourceMemory]; !ok || !memory.IsZero() {
		t.Errorf("it sets %v of memory aside, expected 0: %+v", memory, r)
	}
	if cpu := r.Requests[corev1.ResourceCPU]; cpu.String() != "500m" {
		t.Errorf("it sets %s of a processor aside, expected 500m", cpu.String())
	}
	if none := trainerResources(mlops.TrainerResources{}); len(none.Requests) != 0 || len(none.Limits) != 0 {
		t.Errorf("without amounts it has %+v", none)
	}
}
