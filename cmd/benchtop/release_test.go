package main

import (
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// What clients and pods say neither steers the terminal nor breaks a line.
func TestPrintRevisions(t *testing.T) {
	made := time.Date(2026, 11, 2, 3, 4, 0, 0, time.Local)
	var b strings.Builder
	err := printRevisions(&b, []mlops.Revision{
		{Number: 2, Version: 7, State: mlops.RevisionLive, Cause: mlops.CauseVersion, By: "ann", CodeSHA256: strings.Repeat("c0de", 16), Reason: "better", Message: "on Müller's word", CreatedAt: made},
		{Number: 1, Version: 6, State: mlops.RevisionFailed, Cause: mlops.CauseAlias, By: "a\tb", CodeSHA256: "\x1b]0;own\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\a", Message: "no\nluck\r\u009b2J\u202e\x9b", CreatedAt: made},
		{Number: 0, Version: 5, State: mlops.RevisionSuperseded, Cause: mlops.CauseVersion, By: "ann", CreatedAt: made},
	})
	if err != nil {
		t.Fatal(err)
	}
	const want = `REVISION  VERSION  STATE       CAUSE        BY   WHEN                 CODE          WHY
2         7        live        new version  ann  2026-11-02 03:04:00  c0dec0dec0de  better; on Müller's word
1         6        failed      alias        a b  2026-11-02 03:04:00   ]0;ownüüüüü  no luck  2J \uFFFD
0         5        superseded  new version  ann  2026-11-02 03:04:00  -             
`
	if got := b.String(); got != strings.ReplaceAll(want, `\uFFFD`, "\uFFFD") {
		t.Errorf("printed\n%s\nexpected\n%s", got, want)
	}
}
