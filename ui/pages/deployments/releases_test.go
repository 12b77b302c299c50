package deployments_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/uitest"
	"github.com/benchtop-lab/benchtop/ui/uitest/visit"
)

const irisPage = "/deployments/iris"

func waits(approved string) mlops.Revision {
	return mlops.Revision{Deployment: "iris", Model: "iris", Version: 11, State: mlops.RevisionWaiting, Cause: mlops.CauseAlias, By: "alias live", CreatedAt: visit.Noon, Approved: approved, Message: "it waits for something"}
}

func TestHistory(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	l := visit.Start(t, w).AsAdmin()
	resp, body := l.Get(irisPage)
	l.Expect(resp, body, 200, "revision 5, live", "alias live", "are served automatically", `id="revision-5"`, "better on small flowers", "by ada",
		"Gate accuracy passed: 0.9771, expected at least 0.9", "Gate accuracy failed: 0.9639, expected at least 0.97", "Roll back to v9", `formaction="/deployments/iris/rollback" name="to" value="3"`,
		`formaction="/deployments/iris/override" name="version" value="11"`, "Pin", "Pause",
		// Revision 5 is compared with 3, which was live before; 4 was refused.
		`<a href="/compare?only=differences&amp;run=`+w.Revisions["iris"][2].RunID+`&amp;run=`+w.Revisions["iris"][0].RunID+`" class="" title="Compares its run with that of v9, which was live before.">What changed</a>`)
	l.Refuse(resp, body, "Gate accuracy failed: 0.9639, expected at least 0.97</span><span", `value="5" aria-label="Roll back`, "Unpin", "Resume", "Approve revision", "pill-warn", "Older revisions are left out")
	if n := strings.Count(body, ">Roll back to this<"); n != 3 {
		t.Errorf("%d revisions can be rolled back to, want 3: those that were live and are not what is served", n)
	}
	// Both pages of the link are there.
	link := body[strings.Index(body, "/compare?only="):]
	resp, body = l.Get(strings.ReplaceAll(link[:strings.Index(link, `"`)], "&amp;", "&"))
	l.Expect(resp, body, 200, "iris-train-13", "iris-train-10")

	w.Change(func() {
		w.Deployments[0].Automatic, w.Deployments[0].Follows, w.Deployments[0].Pinned, w.Deployments[0].Paused = false, "", true, true
	})
	resp, body = l.Get(irisPage)
	l.Expect(resp, body, 200, "are served when somebody says so", "pinned", "paused", "/deployments/iris/unpin", "/deployments/iris/resume")
	l.Refuse(resp, body, `formaction="/deployments/iris/pin"`, `formaction="/deployments/iris/pause"`, "alias live", "/deployments/iris/override")
	resp, body = l.Get("/deployments")
	l.Expect(resp, body, 200, "pinned", "paused")

	w.Change(func() {
		w.Deployments[0].Revision, w.Deployments[0].Pinned, w.Revisions = nil, false, nil
	})
	resp, body = l.Get(irisPage)
	l.Expect(resp, body, 200, "Nothing was served yet.")
	l.Refuse(resp, body, "Roll back", "/pin")
}

// What cannot be read is not shown as nothing.
func TestHistoryThatCannotBeRead(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	w.Down["revisions"] = errors.New("the secret cause")
	l := visit.Start(t, w).AsAdmin()
	resp, body := l.Get(irisPage)
	l.Expect(resp, body, 200, "Cannot show the history.", "see the log", "/deployments/iris/pause")
	l.Refuse(resp, body, "Nothing was served yet", "the secret cause")
	resp, body = l.Get("/models/iris/versions/11")
	l.Expect(resp, body, 200, "unknown", "see the log")
	l.Refuse(resp, body, "was never put into service", "the secret cause")
}

// However much there is, a page shows the newest.
func TestHistoryIsBounded(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	for i := range 60 {
		r := visit.RefusedByGate()
		r.Version = 100 + i
		w.Put(r)
	}
	l := visit.Start(t, w).AsAdmin()
	resp, body := l.Get(irisPage)
	l.Expect(resp, body, 200, `id="revision-65"`, `id="revision-16"`, "Older revisions are left out.", `formaction="/deployments/iris/rollback">Roll back<`)
	l.Refuse(resp, body, `id="revision-15"`)
	for range 1000 {
		w.Revisions["iris"] = append(w.Revisions["iris"], w.Revisions["iris"][64])
	}
	resp, body = l.Get("/models/iris/versions/3")
	l.Expect(resp, body, 200, "was never put into service here")
	// That of an old revision is found, however much has come since.
	resp, body = l.Get("/models/iris/versions/9")
	l.Expect(resp, body, 200, "as revision 3")
	resp, body = l.Follow(irisPage, irisPage+"/rollback", nil)
	l.Expect(resp, body, 200, "is being put into service, as revision 66.")
}

func TestNewestRevisionThatIsNotServed(t *testing.T) {
	failed := visit.RefusedByGate()
	failed.State, failed.Message, failed.Gates = mlops.RevisionFailed, "the model cannot be loaded.", nil
	byHand := visit.RefusedByGate()
	byHand.Message, byHand.Gates = "rejected by ada: too slow", nil
	for _, c := range []struct {
		revision mlops.Revision
		approval string
		paused   bool
		want     string
		override bool
	}{
		{visit.RefusedByGate(), "", false, "Version 11 was not put into service: gate accuracy failed: 0.87, expected at least 0.9.", true},
		{byHand, "", false, "Version 11 was not put into service: rejected by ada: too slow.", false},
		{failed, "", false, "Version 11 could not be served: the model cannot be loaded.", false},
		{waits(""), mlops.ApprovalRequired, false, "Version 11 waits for an approval.", false},
		{waits(""), mlops.ApprovalRequired, true, "Version 11 waits for an approval.", false},
		{waits(""), "", true, "Version 11 waits until the deployment is resumed.", false},
		{waits("ada"), mlops.ApprovalRequired, true, "Version 11 waits until the deployment is resumed.", false},
		{waits("ada"), mlops.ApprovalRequired, false, "Version 11 waits: it waits for something.", false},
	} {
		w := uitest.Full(visit.AtNoon)
		w.Put(c.revision)
		w.Projects[0].Gates.Approval, w.Deployments[0].Paused = c.approval, c.paused
		l := visit.Start(t, w).AsAdmin()
		resp, body := l.Get(irisPage)
		l.Expect(resp, body, 200, c.want)
		newest := body[strings.Index(body, `id="revision-6"`):strings.Index(body, `id="revision-5"`)]
		if strings.Contains(newest, "/override") != c.override {
			t.Errorf("%s: override is offered: %t", c.want, !c.override)
		}
		if waiting := c.revision.State == mlops.RevisionWaiting; strings.Contains(newest, "/reject") != waiting || strings.Contains(newest, "/approve") != (waiting && c.revision.Approved == "" && c.approval != "") {
			t.Errorf("%s: the wrong buttons: %s", c.want, newest)
		}
	}
}

// Every button does what it says, with the reason that was typed, and leads to
// a page that says so for as long as it is true.
func TestReleases(t *testing.T) {
	w := uitest.Full(time.Now)
	w.Put(waits(""))
	l := visit.Start(t, w).AsAdmin()
	live := l.Stream("/live" + irisPage)
	l.Await(live, "history", "revision-6")
	for _, c := range []struct {
		path string
		form url.Values
		act  string
		says string
	}{
		{"/approve", url.Values{"revision": {"6"}, "reason": {" it was tried by hand "}}, "approve 6 iris by admin: it was tried by hand", "Version 11 is being put into service, as revision 6."},
		{"/rollback", url.Values{"to": {"3"}, "reason": {"complaints"}}, "rollback 3 iris by admin: complaints", "Version 9 is being put into service, as revision 7."},
		{"/promote", url.Values{"version": {"12"}}, "promote 12 iris by admin: ", "Version 12 is being put into service, as revision 8."},
		{"/override", url.Values{"version": {"11"}, "reason": {"we know"}}, "promote 11 override iris by admin: we know", "Version 11 is being put into service, as revision 9."},
		{"/pin", nil, "hold pinned=true iris by : ", "Pinned: version 11 stays in service until Unpin, whatever is trained and wherever an alias is moved."},
		{"/unpin", nil, "hold pinned=false iris by : ", "Unpinned: new versions are taken up again as before."},
		{"/pause", nil, "hold paused=true iris by : ", "Paused: new versions wait until Resume."},
		{"/resume", nil, "hold paused=false iris by : ", "Resumed: what has waited goes on."},
	} {
		resp, body := l.Follow(irisPage, irisPage+c.path, c.form)
		l.Expect(resp, body, 200, c.says)
		if got := w.Acts[len(w.Acts)-1]; got != c.act {
			t.Errorf("%s: %q, want %q", c.path, got, c.act)
		}
	}
	e := l.Await(live, "history", "revision-9")
	if strings.Contains(e.Data, "is being put into service") {
		t.Error("another window tells of a change that it did not make")
	}
	w.Put(waits(""))
	resp, body := l.Follow(irisPage, irisPage+"/reject", url.Values{"revision": {"10"}, "reason": {"too slow"}})
	l.Expect(resp, body, 200, "Revision 10 was rejected: version 11 is not put into service.")
	w.Change(func() { w.Revisions["iris"][1].State = mlops.RevisionLive })
	resp, body = l.Get(irisPage + "?done=promoted&revision=9")
	l.Expect(resp, body, 200, "Version 11 is in service, as revision 9.")
	w.Change(func() { w.Revisions["iris"][1].State = mlops.RevisionWaiting })
	resp, body = l.Get(irisPage + "?done=promoted&revision=9")
	l.Expect(resp, body, 200, "Version 11 is not in service yet: revision 9 is waiting.")
	// What was undone since, or was made up.
	for _, query := range []string{"?done=pinned", "?done=paused", "?done=promoted&revision=3", "?done=rolled-back&revision=1", "?done=approved&revision=5", "?done=rejected&revision=5", "?done=promoted&revision=99", "?done=x&revision=9"} {
		resp, body = l.Get(irisPage + query)
		l.Expect(resp, body, 200)
		l.Refuse(resp, body, "Pinned:", "Paused:", "service, as revision", "was rejected:", "not in service yet")
	}
	if want := `msg="what is served was changed" deployment=iris revision=7 version=9 state=starting by=admin`; !strings.Contains(l.Log.String(), want) {
		t.Errorf("%s is not in the log: %s", want, l.Log)
	}
}

// What is refused is said at the form, and what was typed is still there.
func TestReleasesThatAreRefused(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	w.Put(visit.RefusedByGate())
	l := visit.Start(t, w).AsAdmin()
	refused := func(path string, form url.Values, status int, text string) {
		t.Helper()
		if form == nil {
			form = url.Values{}
		}
		form.Set("reason", "because of <this>")
		resp, body := l.Post(irisPage, irisPage+path, form)
		l.Expect(resp, body, status, "<h1>iris</h1>", text, `value="because of &lt;this&gt;"`, `id="release-error" role="alert"`, `aria-describedby="release-error"`, `aria-invalid="true"`)
		l.Refuse(resp, body, "sse-connect")
	}
	refused("/rollback", url.Values{"to": {"three"}}, 400, "The field to is &#34;three&#34;: expected the number of a revision.")
	refused("/rollback", url.Values{"to": {"-1"}}, 400, "expected the number of a revision.")
	refused("/approve", url.Values{"revision": {"x"}}, 400, "The field revision is &#34;x&#34;: expected the number of a revision.")
	refused("/reject", url.Values{"revision": {"x"}}, 400, "The field revision is &#34;x&#34;")
	refused("/promote", url.Values{"version": {"x"}}, 400, "The field version is &#34;x&#34;: expected the number of a model version.")
	refused("/promote", nil, 400, "The version is 0: expected the number of a model version, from 1.")
	refused("/override", url.Values{"version": {"0"}}, 400, "The version is 0")
	resp, body := l.Post(irisPage, irisPage+"/override", url.Values{"version": {"11"}, "reason": {"  "}})
	l.Expect(resp, body, 400, "To overrule a gate needs a reason: type why version 11 is served anyway, and press the button again.", `id="release-error"`)
	w.Deployments[0].Paused = true
	refused("/promote", url.Values{"version": {"11"}}, 400, "Deployment iris is paused: press Resume on its page first.")
	w.Deployments[0].Paused = false
	if len(w.Acts) > 0 {
		t.Errorf("%v", w.Acts)
	}

	paths := []string{"/promote", "/override", "/rollback", "/approve", "/reject", "/pin", "/unpin", "/pause", "/resume"}
	for _, c := range []struct {
		err    error
		status int
		text   string
	}{
		{mlops.Errorf(mlops.InvalidState, "version 11 of iris was not put into service: gate accuracy failed: 0.87, expected at least 0.9"), 400, "Version 11 of iris was not put into service: gate accuracy failed: 0.87, expected at least 0.9."},
		{mlops.Errorf(mlops.Invalid, "the reason has 2000 bytes, expected at most 1000"), 400, "The reason has 2000 bytes, expected at most 1000."},
		{mlops.Errorf(mlops.NotFound, "deployment iris has no revision 77"), 404, "Deployment iris has no revision 77."},
		{mlops.Errorf(mlops.Unavailable, "the registry is not ready yet"), 503, "The registry is not ready yet."},
		{errors.New("the secret cause"), 500, "see the log"},
	} {
		w.Refuse = c.err
		for _, path := range paths {
			refused(path, url.Values{"version": {"11"}, "revision": {"6"}, "to": {"3"}}, c.status, c.text)
		}
	}
	if !strings.Contains(l.Log.String(), "the secret cause") {
		t.Error("the cause is not in the log")
	}
	w.Refuse = nil
	for _, path := range append(paths, "/gates") {
		resp, body = l.Post(irisPage, "/deployments/unknown"+path, url.Values{"version": {"11"}})
		l.Expect(resp, body, 404, "There is no deployment &#34;unknown&#34;.")
		for _, token := range []string{"", "made-up"} {
			resp, body = l.Do(l.Client, http.MethodPost, irisPage+path, url.Values{"version": {"11"}, "csrf": {token}})
			l.Expect(resp, body, 403, "The form has expired")
		}
	}
	w.Down["loop"] = uitest.Starting("The loop")
	resp, body = l.Post("/system", irisPage+"/rollback", nil)
	l.Expect(resp, body, 503, "The loop is not ready yet")
	if len(w.Acts) > 0 {
		t.Errorf("%v", w.Acts)
	}
}

// Enter in the field for the reason must not press a button: the first one of
// the form, in the order of the page, does nothing.
func TestEnterChangesNothing(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	w.Put(waits(""))
	l := visit.Start(t, w).AsAdmin()
	for page, id := range map[string]string{irisPage: "release", "/models/iris/versions/3": "serve-form"} {
		_, body := l.Get(page)
		form, idle, first := strings.Index(body, `<form id="`+id+`"`), strings.Index(body, `<button type="submit" hidden disabled>`), strings.Index(body, `form="`+id+`"`)
		if form < 0 || idle < form || first < idle {
			t.Errorf("%s: form at %d, idle button at %d, the first that does something at %d", page, form, idle, first)
		}
	}
}

func TestReadersChangeNoRelease(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	w.Put(waits(""))
	l := visit.Start(t, w).SignIn("guest", "guest")
	resp, body := l.Get(irisPage)
	l.Expect(resp, body, 200, "better on small flowers", "Version 11 waits", "What changed", "accuracy")
	l.Refuse(resp, body, "formaction", `name="reason"`, `name="gates"`, "Roll back to", "Approve revision")
	resp, body = l.Get("/models/iris/versions/11")
	l.Expect(resp, body, 200, "Serve this version", "as revision 6")
	l.Refuse(resp, body, "formaction", `name="reason"`, "Promote")
	for _, path := range []string{"promote", "override", "rollback", "approve", "reject", "pin", "unpin", "pause", "resume", "gates"} {
		resp, body = l.Post(irisPage, irisPage+"/"+path, url.Values{"version": {"11"}, "reason": {"x"}})
		l.Expect(resp, body, 403, "guest may not do this: its role is reader. It takes role editor or admin.")
	}
	for _, path := range []string{"/serve", "/serve/override"} {
		resp, body = l.Post(irisPage, "/models/iris/versions/11"+path, url.Values{"deployment": {"iris"}, "reason": {"x"}})
		l.Expect(resp, body, 403, "guest may not do this: its role is reader. It takes role editor or admin.")
	}
	if len(w.Acts) > 0 {
		t.Errorf("%v", w.Acts)
	}
}

func TestServeThisVersion(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	w.Put(visit.RefusedByGate())
	w.Deployments = append(w.Deployments, mlops.Deployment{Name: "iris-lab", Model: "iris", Project: "gone"}, mlops.Deployment{Name: "wine", Model: "wine", Version: "1"})
	l := visit.Start(t, w).AsAdmin()
	resp, body := l.Get("/models/iris/versions/11")
	l.Expect(resp, body, 200, "Serve this version", "iris v12", "as revision 6", "Gate accuracy failed: 0.87, expected at least 0.9", "Gate log_loss passed", "Promote v11 to iris", "Promote v11 to iris-lab",
		"Serve it anyway, v11 on iris", "was never put into service here", "no model yet", `formaction="/models/iris/versions/11/serve/override" name="deployment" value="iris"`)
	l.Refuse(resp, body, "/deployments/wine", "anyway, v11 on iris-lab")
	resp, body = l.Get("/models/iris/versions/12")
	l.Expect(resp, body, 200, "as revision 5", "Promote v12 to iris-lab")
	l.Refuse(resp, body, `aria-label="Promote v12 to iris"`)
	resp, body = l.Get("/models/digits-forest/versions/1")
	l.Expect(resp, body, 200, "No deployment serves this model.")
	l.Refuse(resp, body, `name="reason"`)

	const at = "/models/iris/versions/11"
	resp, body = l.Follow(at, at+"/serve/override", url.Values{"deployment": {"iris"}, "reason": {"we know"}})
	l.Expect(resp, body, 200, "<h1>iris</h1>", "Version 11 is being put into service, as revision 7.")
	resp, body = l.Follow(at, "/models/iris/versions/3/serve", url.Values{"deployment": {"iris"}})
	l.Expect(resp, body, 200, "Version 3 is being put into service, as revision 8.")
	if got := fmt.Sprint(w.Acts); got != "[promote 11 override iris by admin: we know promote 3 iris by admin: ]" {
		t.Errorf("%s", got)
	}
	w.Change(func() { w.Deployments[0].Paused = true })
	resp, body = l.Get(at)
	l.Expect(resp, body, 200)
	l.Refuse(resp, body, `aria-label="Promote v11 to iris"`)
	w.Change(func() { w.Deployments[0].Paused = false })
	w.Put(waits(""))
	resp, body = l.Get(at)
	l.Expect(resp, body, 200, "waiting")
	l.Refuse(resp, body, `aria-label="Promote v11 to iris"`)

	live := l.Stream("/live" + at)
	l.Await(live, "serve", "as revision 9")
	w.Change(func() { w.Revisions["iris"][0].State = mlops.RevisionStarting })
	l.Await(live, "serve", "starting")

	w.Down["loop"] = uitest.Starting("The loop")
	resp, body = l.Get(at)
	l.Expect(resp, body, 200, "Serve this version", "The loop is not ready yet")
}

func TestServeThisVersionIsRefused(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	w.Deployments = append(w.Deployments, mlops.Deployment{Name: "wine", Model: "wine"})
	l := visit.Start(t, w).AsAdmin()
	const at = "/models/iris/versions/11"
	refused := func(path, deployment, reason string, status int, text string) {
		t.Helper()
		resp, body := l.Post(at, at+path, url.Values{"deployment": {deployment}, "reason": {reason}})
		l.Expect(resp, body, status, "<h1>iris v11</h1>", text, `value="`+reason+`"`, `id="serve-form-error" role="alert"`)
		l.Refuse(resp, body, "sse-connect")
	}
	refused("/serve", "", "why", 404, "There is no deployment &#34;&#34;.")
	refused("/serve", "unknown", "why", 404, "There is no deployment &#34;unknown&#34;.")
	refused("/serve", "wine", "why", 400, "Deployment wine serves the model &#34;wine&#34;: expected one that serves &#34;iris&#34;.")
	refused("/serve/override", "iris", "", 400, "To overrule a gate needs a reason")
	w.Deployments[0].Paused = true
	refused("/serve", "iris", "why", 400, "is paused: press Resume on its page first.")
	w.Deployments[0].Paused = false
	w.Refuse = mlops.Errorf(mlops.InvalidState, "version 11 of iris was not put into service: gate accuracy failed: 0.87, expected at least 0.9")
	refused("/serve", "iris", "why", 400, "gate accuracy failed: 0.87, expected at least 0.9")
	w.Refuse = errors.New("the secret cause")
	refused("/serve", "iris", "why", 500, "see the log")
	w.Refuse = nil
	resp, body := l.Post(at, "/models/iris/versions/x/serve", url.Values{"deployment": {"iris"}})
	l.Expect(resp, body, 404, "expected a number such as 12")
	for _, path := range []string{"/serve", "/serve/override"} {
		resp, body = l.Do(l.Client, http.MethodPost, at+path, url.Values{"deployment": {"iris"}, "csrf": {"made-up"}})
		l.Expect(resp, body, 403, "The form has expired")
	}
	if len(w.Acts) > 0 {
		t.Errorf("%v", w.Acts)
	}
}

func TestGates(t *testing.T) {
	w := uitest.Full(time.Now)
	l := visit.Start(t, w).AsAdmin()
	resp, body := l.Get(irisPage)
	l.Expect(resp, body, 200, ">metrics:\n  accuracy:\n    minimum: 0.9\n    comparison: gte\n  log_loss:\n    comparison: lte\n</textarea>", "not lower", "not higher", "No approval is needed.")
	live := l.Stream("/live" + irisPage)
	l.Await(live, "gates", "log_loss")

	resp, body = l.Follow(irisPage, irisPage+"/gates", url.Values{"gates": {"metrics:\r\n  f1: {maximum: 0.5}\r\napproval: required\r\n"}})
	l.Expect(resp, body, 200, "The gates were saved.", "f1", "Every version waits until a person approves it.", "    maximum: 0.5\napproval: required\n</textarea>")
	l.Await(live, "gates", "f1")
	address := resp.Request.URL.RequestURI()
	resp, body = l.Follow(irisPage, irisPage+"/gates", url.Values{"gates": {""}})
	l.Expect(resp, body, 200, "The gates were saved.", "No metric is checked yet before a new version of project iris is served.", "></textarea>")
	resp, body = l.Get(address)
	l.Expect(resp, body, 200)
	l.Refuse(resp, body, "The gates were saved.")
	if want := []string{"gates 1 required iris by : ", "gates 0  iris by : "}; !slices.Equal(w.Acts, want) {
		t.Errorf("%q", w.Acts)
	}

	for text, want := range map[string]string{
		"metrics:\r\n  f1: {min: 1}":       "gates, line 2: metric f1: the key &#34;min&#34; is not known: expected {minimum: NUMBER, maximum: NUMBER, comparison: gte or lte}",
		"metrics:\n  f1: {minimum: <b>}":   "gates, line 2: metric f1: minimum is &#34;&lt;b&gt;&#34;: expected a number",
		"metrics: {f1: {comparison: more}": "this is not YAML",
		"approval: perhaps":                "approval is &#34;perhaps&#34;: expected &#34;required&#34;, or nothing",
	} {
		resp, body = l.Post(irisPage, irisPage+"/gates", url.Values{"gates": {text}})
		l.Expect(resp, body, 400, strings.TrimPrefix(want, "gates"), `id="gates-error" role="alert"`, `aria-describedby="gates-error gates-hint"`,
			">"+strings.NewReplacer("\r\n", "\n", "<", "&lt;", ">", "&gt;").Replace(text)+"</textarea>")
	}
	w.Refuse = errors.New("the secret cause")
	resp, body = l.Post(irisPage, irisPage+"/gates", url.Values{"gates": {"approval: required"}})
	l.Expect(resp, body, 500, "see the log", ">approval: required</textarea>")
	l.Refuse(resp, body, "secret cause")

	w.Change(func() { w.Projects = nil })
	resp, body = l.Get(irisPage)
	l.Expect(resp, body, 200, "This deployment belongs to no project, so it has no gates.")
	l.Refuse(resp, body, `name="gates"`)
}
