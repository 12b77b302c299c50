package appliance

import (
	"context"

	"github.com/benchtop-lab/benchtop/appliance/doctor"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// labFindings say what is wrong with the guided labs that are open. What can't be
// asked yet is left out.
func (a *Appliance) labFindings(ctx context.Context) []doctor.Finding {
	out := []doctor.Finding{}
	store := a.registry.Store()
	if store == nil {
		return out
	}
	sessions, err := store.Labs.Sessions(ctx)
	if err != nil {
		return append(out, doctor.Finding{Check: "labs", Level: doctor.Warn, Detail: "the sessions of guided labs can't be read: " + mlops.MessageOf(err), Fix: "look into the log of unit registry"})
	}
	c, err := connected(a.cluster)
	for _, s := range sessions {
		shell := mlops.LabShell{Ready: true}
		if err == nil && s.Problem == "" && s.State == mlops.LabOpen {
			if found, err := c.LabShell(ctx, s.Room); err == nil {
				shell = found
			}
		}
		if f := labFinding(s, shell); f.Detail != "" {
			out = append(out, f)
		}
	}
	return out
}

// labFinding says what is wrong with a session, if anything is. What a lab has
// broken on purpose is not.
func labFinding(s mlops.LabSession, shell mlops.LabShell) doctor.Finding {
	leave := "benchtop lab leave " + s.Lab + " --sure"
	if s.User != labUser {
		leave += " --user " + s.User
	}
	switch {
	case s.Problem != "":
		return doctor.Finding{Check: "labs", Level: doctor.Warn, Detail: "guided lab " + s.Lab + " of " + s.User + " is " + string(s.State) + " and gets no further: " + s.Problem,
			Fix: "it is tried again by itself; to give it up", Command: leave}
	case s.State == mlops.LabOpen && !shell.Ready:
		f := doctor.Finding{Check: "labs", Level: doctor.Warn, Detail: "the shell of guided lab " + s.Lab + " of " + s.User + " does not run: " + shell.Why,
			Fix: "it is made again within a minute of " + s.User + " opening the lab's page; if it stays so, the lab can be left", Command: leave}
		if s.User == labUser {
			f.Fix, f.Command = "it is made again within a minute of somebody looking; if it stays so, `benchtop lab reset "+s.Lab+"` begins anew. To look", "benchtop lab status "+s.Lab
		}
		return f
	}
	return doctor.Finding{}
}
