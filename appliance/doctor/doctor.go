// Package doctor checks a machine before the appliance starts, and deployments
// while it runs. It says what is broken and how to mend it, and changes
// nothing.
package doctor

import (
	"net"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Level is how bad a finding is.
type Level = mlops.Level

// The levels.
const (
	OK   = mlops.LevelOK
	Warn = mlops.LevelWarn // it will run, with less
	Fail = mlops.LevelFail // it will not run
)

// Finding is the outcome of one check.
type Finding = mlops.Finding

// Machine is what the checks need to know.
type Machine struct {
	DataDir     string
	BundledBins string // where the appliance's own helpers are, searched last
	NodeAddress net.IP
	Ports       []Port
}

// Port is a port that the appliance will listen on.
type Port struct {
	Number int
	For    string // for example "web UI"
	Change string // how to choose another, for example "set http_addr"
}

// Before runs the checks that matter before the appliance starts.
func Before(m Machine) []Finding {
	return []Finding{
		checkRoot(), checkKernel(), checkCgroups(), checkMemory(), checkDisk(m.DataDir),
		checkBridge(), checkOverlay(), checkIptables(m.BundledBins), checkMount(), checkInotify(), checkSubnets(m.NodeAddress), checkPorts(m.Ports),
	}
}

// Worst returns the worst level among findings.
func Worst(findings []Finding) Level {
	worst := OK
	for _, f := range findings {
		if f.Level == Fail || f.Level == Warn && worst == OK {
			worst = f.Level
		}
	}
	return worst
}

func ok(check, detail string) Finding { return Finding{Check: check, Level: OK, Detail: detail} }

func warn(check, detail, fix string) Finding {
	return Finding{Check: check, Level: Warn, Detail: detail, Fix: fix}
}

func fail(check, detail, fix string) Finding {
	return Finding{Check: check, Level: Fail, Detail: detail, Fix: fix}
}
