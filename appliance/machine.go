package appliance

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/doctor"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/appliance/supervise"
	"github.com/benchtop-lab/benchtop/embedded/k3s"
)

// Machine returns what doctor needs to check this configuration's machine.
func (c Config) Machine() doctor.Machine {
	return doctor.Machine{
		DataDir: c.DataDir, BundledBins: k3s.BundledIptables(Paths{Data: c.DataDir}.Bin()), NodeAddress: net.ParseIP(c.NodeAddress),
		Ports: c.ports(),
	}
}

// ports are the TCP ports that the lab holds on the machine's addresses.
func (c Config) ports() []doctor.Port {
	return []doctor.Port{
		{Number: mlops.KubernetesPort, For: "Kubernetes API", Change: "stop the other Kubernetes"},
		{Number: mlops.KubeletPort, For: "kubelet", Change: "stop the other Kubernetes"},
		{Number: mlops.PackagesPort, For: "package index", Change: "stop the other package index"},
		{Number: portOf(c.HTTPAddr), For: "web UI", Change: "set http_addr"},
		{Number: portOf(c.RegistryAddr), For: "registry", Change: "set registry_addr"},
		{Number: portOf(c.S3Addr), For: "S3", Change: "set s3_addr"},
		{Number: c.HTTPPort, For: "ingress HTTP", Change: "set ingress.http_port"},
		{Number: c.HTTPSPort, For: "ingress HTTPS", Change: "set ingress.https_port"},
	}
}

// Diagnose checks the machine while nothing runs, and otherwise looks for the
// layer that is broken, from the bottom up.
func Diagnose(ctx context.Context, c Config) ([]doctor.Finding, error) {
	s, err := NewControl(c.DataDir).diagnosed(ctx)
	if err != nil {
		return nil, err
	}
	out := c.diagnoseRequests(machineRoom())
	gpus, err := DiagnoseGPUs(ctx, c)
	if err != nil {
		return nil, err
	}
	// `benchtop doctor gpu` has the good news too.
	gpus = slices.DeleteFunc(gpus, func(f doctor.Finding) bool { return f.Level == doctor.OK })
	if s.State == StateStopped {
		return slices.Concat(doctor.Before(c.Machine()), out, gpus, doctor.Nameservers(ctx)), nil
	}
	for _, u := range s.Units {
		f := doctor.Finding{Check: u.Name, Level: doctor.OK, Detail: string(u.State)}
		switch u.State {
		case supervise.Failed:
			f.Level, f.Detail = doctor.Fail, "failed: "+u.Error
			f.Fix = "see `benchtop logs " + u.Name + "`; `benchtop down` and `benchtop up` start it again"
		case supervise.Waiting, supervise.Starting:
			f.Level, f.Detail = doctor.Warn, strings.TrimSuffix(string(u.State)+": "+u.Progress, ": ")
			f.Fix = "wait a little; see `benchtop logs " + u.Name + "` if it stays so"
		}
		out = append(out, f)
	}
	for _, p := range s.Loop {
		out = append(out, diagnoseProject(p)...)
	}
	for _, o := range s.Serving {
		out = append(out, diagnoseServing(o)...)
	}
	if len(s.Loop) == 0 && s.State == StateReady {
		out = append(out, doctor.Finding{Check: "projects", Level: doctor.OK, Detail: "there are none yet: " + addOne})
	}
	out = append(out, s.Network...)
	out = append(out, s.Labs...)
	out = append(out, gpus...)
	out = append(out, doctor.Nameservers(ctx)...)
	for _, w := range s.Warnings {
		switch {
		case strings.HasPrefix(w, dnsWarningStart):
			out = append(out, doctor.Finding{Check: "cluster dns", Level: doctor.Fail, Detail: w,
				Fix: "see `benchtop kubectl -n kube-system describe pods -l k8s-app=kube-dns`"})
		case strings.HasPrefix(w, "the disk"):
			out = append(out, doctor.Finding{Check: "disk", Level: doctor.Warn, Detail: w, Fix: "free some space"})
		case strings.HasPrefix(w, imageWarning):
			out = append(out, doctor.Finding{Check: "images", Level: doctor.Warn, Detail: w, Fix: "replace the archive, or delete it; `benchtop images` lists what is there"})
		}
	}
	return out, nil
}

// diagnoseRequests says what a machine cannot give the trainings of projects
// that have the configuration's resources.
func (c Config) diagnoseRequests(machine mlops.Resources) []doctor.Finding {
	err := c.checkTrainer(machine)
	if err == nil {
		return nil
	}
	return []doctor.Finding{{Check: "requests", Level: doctor.Warn, Detail: mlops.MessageOf(err) + "; trainings would wait for ever, and `benchtop up` does not start",
		Fix: lowerRequest}}
}

// diagnoseServing says what is wrong with a deployment that is not its
// project's, or that nothing is.
func diagnoseServing(s ServingStatus) []doctor.Finding {
	d := s.Deployment
	f := doctor.Finding{Check: d.Name + " server", Level: doctor.OK}
	switch {
	case d.Deleting:
		f.Detail = "it is being deleted"
	case d.Replicas == 0:
		f.Detail = "it is kept without servers"
	case d.Answers() && d.Ready >= d.Replicas:
		f.Detail = fmt.Sprintf("version %s of %s, %d of %d ready", d.Version, d.Model, d.Ready, d.Replicas)
	default:
		return withoutDisk(s.Findings)
	}
	return append([]doctor.Finding{f}, withoutDisk(s.Findings)...)
}

// withoutDisk leaves out what all deployments share: it has a finding of its own.
func withoutDisk(all []mlops.Finding) (out []doctor.Finding) {
	for _, f := range all {
		if f.Check != doctor.CheckDisk {
			out = append(out, f)
		}
	}
	return out
}

// diagnoseProject says how the newest training ended, and what is wrong with what
// is served. The disk, which all deployments share, has a finding of its own.
func diagnoseProject(p ProjectStatus) []doctor.Finding {
	var out []doctor.Finding
	if p.Deleting {
		return []doctor.Finding{{Check: p.Project, Level: doctor.OK, Detail: "it is being deleted"}}
	}
	if t := p.Training; t != nil {
		f := doctor.Finding{Check: p.Project + " training", Level: doctor.OK, Detail: t.Job + " " + string(t.State)}
		if t.State == mlops.TrainingFailed {
			f.Level, f.Detail, f.Fix, f.Command = doctor.Fail, t.Job+" failed: "+t.Message, "mend what its log names, and train again", "benchtop logs "+p.Project
			if strings.HasPrefix(t.Message, mlops.OutOfMemory) {
				f.Fix, f.Command = "give its trainings more memory, and train again", "benchtop project edit "+p.Project+" --memory AMOUNT"
			}
		}
		out = append(out, f)
	}
	if d := p.Deployment; d != nil && d.Answers() && d.Ready >= d.Replicas {
		out = append(out, doctor.Finding{Check: d.Name + " server", Level: doctor.OK, Detail: fmt.Sprintf("version %s, %d of %d ready", d.Version, d.Ready, d.Replicas)})
	}
	return append(out, withoutDisk(p.Findings)...)
}
