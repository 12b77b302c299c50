package appliance

import (
	"context"
	"fmt"
	"net"
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
	s, err := NewControl(c.DataDir).Status(ctx)
	if err != nil {
		return nil, err
	}
	if s.State == StateStopped {
		return append(doctor.Before(c.Machine()), doctor.Nameservers(ctx)...), nil
	}
	var out []doctor.Finding
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
	if len(s.Loop) == 0 && s.State == StateReady {
		out = append(out, doctor.Finding{Check: "projects", Level: doctor.OK, Detail: "there are none yet: " + addOne})
	}
	out = append(out, s.Network...)
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

// diagnoseRelease says why the newest revision is not what is served.
func diagnoseRelease(p ProjectStatus) []doctor.Finding {
	if p.Revision == nil {
		return nil
	}
	r := *p.Revision
	f := doctor.Finding{Check: p.Project + " release", Level: doctor.Warn, Detail: fmt.Sprintf("version %d is not served: %s", r.Version, r.Message)}
	switch r.State {
	case mlops.RevisionRejected:
		f.Fix = fmt.Sprintf("train a better one, change the gates with `benchtop gates %s FILE`, or `benchtop promote %s %d --override --reason WHY`", p.Project, r.Deployment, r.Version)
	case mlops.RevisionFailed:
		f.Fix = "what was served before goes on; see `benchtop revisions " + r.Deployment + "` and `benchtop logs " + p.Project + "`"
	case mlops.RevisionWaiting, mlops.RevisionJudging:
		if r.Message == "" {
			return nil // it is looked at just now
		}
		f.Detail = fmt.Sprintf("version %d waits", r.Version)
		f.Fix = r.Message // names the command
	default:
		return nil
	}
	return []doctor.Finding{f}
}

func diagnoseProject(p ProjectStatus) []doctor.Finding {
	var out []doctor.Finding
	if p.Deleting {
		return []doctor.Finding{{Check: p.Project, Level: doctor.OK, Detail: "it is being deleted"}}
	}
	waits := false // for its first model
	if t := p.Training; t != nil {
		waits = !t.State.Terminal() && (p.Deployment == nil || p.Deployment.Version == "")
		f := doctor.Finding{Check: p.Project + " training", Level: doctor.OK, Detail: t.Job + " " + string(t.State)}
		if t.State == mlops.TrainingFailed {
			f.Level, f.Detail, f.Fix = doctor.Fail, t.Job+" failed: "+t.Message, "see `benchtop logs "+p.Project+"`"
		}
		out = append(out, f)
	}
	if d := p.Deployment; d != nil {
		f := doctor.Finding{Check: p.Project + " server", Level: doctor.OK, Detail: fmt.Sprintf("version %s, %d of %d ready", d.Version, d.Ready, d.Replicas)}
		if d.Ready > 0 && d.Version == "" && d.Message != "" {
			f.Level, f.Detail = doctor.Fail, "pods are ready, but predictions do not reach them: "+d.Message
			f.Fix = "see `benchtop kubectl get networkpolicy -A` for policies that keep the ingress out, and `benchtop logs " + p.Project + "`"
		}
		if d.Ready == 0 {
			f.Level, f.Detail, f.Fix = doctor.Fail, "no pod is ready: "+d.Message, "see `benchtop kubectl -n "+d.Namespace+" describe pods` and `benchtop logs "+p.Project+"`"
		}
		if d.Ready == 0 && waits {
			f.Level, f.Detail, f.Fix = doctor.Warn, "no pod is ready: "+d.Message, "wait until the training has ended"
		}
		out = append(out, f)
	}
	return append(out, diagnoseRelease(p)...)
}
