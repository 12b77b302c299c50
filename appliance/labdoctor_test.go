package appliance

import (
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func TestWhatIsWrongWithALab(t *testing.T) {
	gone := mlops.LabShell{Why: "its pod has not been made yet"}
	for _, c := range []struct {
		session      mlops.LabSession
		shell        mlops.LabShell
		want, advice string
	}{
		{mlops.LabSession{Lab: "names", User: "admin", State: mlops.LabOpen}, mlops.LabShell{Ready: true}, "", ""},
		{mlops.LabSession{Lab: "names", User: "admin", State: mlops.LabOpening}, gone, "", ""}, // on its way
		{mlops.LabSession{Lab: "names", User: "admin", State: mlops.LabOpen}, gone,
			"the shell of guided lab names of admin does not run: its pod has not been made yet", "benchtop lab status names"},
		{mlops.LabSession{Lab: "names", User: "ada", State: mlops.LabOpen}, gone,
			"the shell of guided lab names of ada does not run", "benchtop lab leave names --sure --user ada"},
		{mlops.LabSession{Lab: "names", User: "admin", State: mlops.LabOpening, Problem: "the disk is full"}, gone,
			"guided lab names of admin is opening and gets no further: the disk is full", "benchtop lab leave names --sure"},
		{mlops.LabSession{Lab: "names", User: "ada", State: mlops.LabClosing, Problem: "no API"}, gone,
			"guided lab names of ada is closing and gets no further: no API", "benchtop lab leave names --sure --user ada"},
	} {
		f := labFinding(c.session, c.shell)
		if !strings.HasPrefix(f.Detail, c.want) || c.want == "" && f.Detail != "" || f.Command != c.advice {
			t.Errorf("of %+v it says %q and advises %q, expected %q and %q", c.session, f.Detail, f.Command, c.want, c.advice)
		}
	}
}
