package format_test

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/lab/engine"
	"github.com/benchtop-lab/benchtop/lab/engine/check"
	"github.com/benchtop-lab/benchtop/lab/engine/format"
)

// skeleton is a lab that is right.
func skeleton(t *testing.T) map[string]string {
	t.Helper()
	files, err := engine.New("trial")
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func folder(files map[string]string) fstest.MapFS {
	out := fstest.MapFS{}
	for name, text := range files {
		out[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	return out
}

func TestSkeleton(t *testing.T) {
	lab, err := format.Read(folder(skeleton(t)), "trial")
	if err != nil {
		t.Fatal(err)
	}
	if lab.Title != "Trial" || len(lab.Tasks) != 2 || len(lab.Faults) != 2 || len(lab.Manifests) != 1 || lab.Home["hello.yaml"] == "" || len(lab.Tasks[0].Wrong) != 1 {
		t.Errorf("read %+v", lab)
	}
	if later := lab.Later("greeting"); len(later) != 1 || later[0].ID != "answer" {
		t.Errorf("later than greeting: %v", later)
	}
	if q := lab.Public().Tasks[1].Questions[0]; q.Correct != "" || q.Because != "" {
		t.Errorf("the public lab gives away the answer: %+v", q)
	}
}

// A script may serve several tasks; a task's own comes first.
func TestSharedScript(t *testing.T) {
	files := skeleton(t)
	const source = "greeting: {object: {kind: ConfigMap, name: greeting}}"
	if !strings.Contains(files["lab.yaml"], source) {
		t.Fatalf("the skeleton has no %q", source)
	}
	files["lab.yaml"] = strings.Replace(files["lab.yaml"], source, "greeting: {script: look.sh}", 1)
	files["tasks/look.sh"] = "echo all"
	script := func() string {
		t.Helper()
		lab, err := format.Read(folder(files), "trial")
		if err != nil {
			t.Fatal(err)
		}
		ran := ""
		look := check.NewLook(t.Context(), check.World{Now: time.Now, Script: func(_ context.Context, text string, _ time.Duration) (mlops.LabOutput, error) {
			ran = text
			return mlops.LabOutput{}, nil
		}}, map[string]string{"LAB": "lab"})
		defer look.Close()
		look.Judge(lab.Tasks[0].Check)
		return ran
	}
	if got := script(); got != "echo all" {
		t.Errorf("it reads %q, want the shared script", got)
	}
	delete(files, "tasks/look.sh")
	files["tasks/greeting/look.sh"] = "echo own"
	if got := script(); got != "echo own" {
		t.Errorf("it reads %q, want the task's own", got)
	}
	files["tasks/look.sh"] = "echo all" // and then nothing reads it
	if _, err := format.Read(folder(files), "trial"); err == nil || !strings.Contains(err.Error(), "tasks/look.sh: nothing reads this file") {
		t.Errorf("a shared script that nobody names: %v", err)
	}
}

// Each edit of a lab that is right makes one problem: file, line and what was expected.
func TestProblems(t *testing.T) {
	replace := func(file, old, new string) func(map[string]string) {
		return func(files map[string]string) {
			if !strings.Contains(files[file], old) {
				panic(fmt.Sprintf("%s does not contain %q", file, old))
			}
			files[file] = strings.Replace(files[file], old, new, 1)
		}
	}
	write := func(file, text string) func(map[string]string) {
		return func(files map[string]string) { files[file] = text }
	}
	remove := func(file string) func(map[string]string) {
		return func(files map[string]string) { delete(files, file) }
	}
	for name, tt := range map[string]struct {
		edit func(map[string]string)
		want string
	}{
		"no lab.yaml":          {remove("lab.yaml"), "trial/lab.yaml: the file is missing: a lab needs one"},
		"not YAML":             {write("lab.yaml", "a: [\n"), "trial/lab.yaml:1: this is not YAML"},
		"two documents":        {replace("lab.yaml", "faults:\n", "---\nfaults:\n"), "trial/lab.yaml:64: expected one document"},
		"unknown key":          {replace("lab.yaml", "minutes: 10", "minutes: 10\ncolour: red"), `trial/lab.yaml:5: the lab: the key "colour" is not known: expected title, summary`},
		"key twice":            {replace("lab.yaml", "minutes: 10", "minutes: 10\nminutes: 11"), "trial/lab.yaml:5"},
		"key missing":          {replace("lab.yaml", "minutes: 10\n", ""), `the key "minutes" is missing`},
		"too short":            {replace("lab.yaml", "minutes: 10", "minutes: 9"), "trial/lab.yaml:4: minutes: expected a whole number from 10 to 25"},
		"level":                {replace("lab.yaml", "level: beginner", "level: easy"), `trial/lab.yaml:3: level: "easy" is not known: expected beginner, intermediate, advanced`},
		"column":               {replace("lab.yaml", "shows: [Service", "shows: [Moon"), `shows: "Moon" is not known`},
		"column twice":         {replace("lab.yaml", "shows: [Service", "shows: [Pod"), `shows: Pod is there twice`},
		"id":                   {replace("lab.yaml", "- id: greeting", "- id: Greeting"), `trial/lab.yaml:11: the id of a task: "Greeting" can't be an id`},
		"same id":              {replace("lab.yaml", "- id: answer", "- id: greeting"), "there are two tasks of this id"},
		"after unknown":        {replace("lab.yaml", "after: [greeting]", "after: [nothing]"), "task answer: after: there is no task nothing"},
		"circle":               {replace("lab.yaml", "  title: Keep a greeting", "  title: Keep a greeting\n  after: [answer]"), "tasks wait for each other in a circle: greeting, answer"},
		"no tasks":             {replace("lab.yaml", "tasks:\n", "tasks: []\nx:\n"), "tasks: there are 0: expected 1 to 8"},
		"one fault":            {replace("lab.yaml", "- id: nobody\n", "- id: selector\n"), "fault selector: there are two faults of this id"},
		"source kind":          {replace("lab.yaml", "greeting: {object: {kind: ConfigMap, name: greeting}}", "greeting: {thing: 1}"), `the key "thing" is not known: expected object, objects, http, promql, api, s3, script, timeout`},
		"two kinds":            {replace("lab.yaml", "greeting: {object: {kind: ConfigMap, name: greeting}}", "greeting: {promql: up, script: a.sh}"), "expected one of object, objects, http, promql, api, s3 and script"},
		"source name":          {replace("lab.yaml", "greeting: {object", "Greeting: {object"), `the source "Greeting" needs another name`},
		"reserved name":        {replace("lab.yaml", "greeting: {object", "lab: {object"), `the source "lab" needs another name: CEL uses this one`},
		"unused source":        {replace("lab.yaml", "    greeting: {object", "    other: {promql: up}\n    greeting: {object"), "trial/lab.yaml:14: task greeting: no expectation uses the source other"},
		"namespace":            {replace("lab.yaml", "kind: ConfigMap,", "kind: ConfigMap, namespace: kube-system,"), `namespace: "kube-system" is not known: expected ${LAB}, ${PROJECT}, -`},
		"no project":           {replace("lab.yaml", "kind: ConfigMap,", `kind: ConfigMap, namespace: "${PROJECT}",`), "${PROJECT}: this lab has no project"},
		"api path":             {replace("lab.yaml", "greeting: {object: {kind: ConfigMap, name: greeting}}", "greeting: {api: {path: /healthz}}"), "api: path: expected it to begin with /api/"},
		"url":                  {replace("lab.yaml", `said: {http: {url: "http://hello.${LAB}.svc/hello"}}`, `said: {http: {url: "ftp://x"}}`), "url: expected http://HOST/…"},
		"http timeout":         {replace("lab.yaml", `svc/hello"}}`, `svc/hello", timeout: 1h}}`), "timeout: expected a time up to 5s, for example 2s"},
		"timeout elsewhere":    {replace("lab.yaml", "greeting: {object: {kind: ConfigMap, name: greeting}}", "greeting: {object: {kind: ConfigMap, name: greeting}, timeout: 2s}"), "timeout: only a script has one here"},
		"script missing":       {replace("lab.yaml", "greeting: {object: {kind: ConfigMap, name: greeting}}", "greeting: {script: look.sh}"), "trial/tasks/greeting/look.sh: the file is missing: a source names it"},
		"CEL":                  {replace("lab.yaml", "that: greeting != null", "that: greeting != nothing"), "trial/lab.yaml:16: task greeting: CEL, at letter 13: undeclared reference to 'nothing'"},
		"CEL that":             {replace("lab.yaml", "that: greeting != null", `that: '"yes"'`), "that: expected CEL that is true or false, this is string"},
		"CEL saw":              {replace("lab.yaml", `saw: '"There is no Deployment named hello."'`, "saw: 3 == 4"), "saw: expected CEL that is a string, this is bool"},
		"CEL names":            {replace("lab.yaml", "that: greeting != null", `that: greeting.metadata.namespace == "${LAB}"`), "CEL does not fill in ${LAB}: write LAB without the dollar and the braces"},
		"hints missing":        {replace("lab.yaml", "    hints: *apply\n", ""), "task answer: expected hints, here or for the whole task"},
		"hints":                {replace("lab.yaml", "    - A ConfigMap has keys. One of them has to be hello.", "    - a\n    - b"), "hints: there are 4: expected at most 3"},
		"question answer":      {replace("lab.yaml", "answer: 1", "answer: 3"), "answer: expected the index of the right choice, from 0 to 2"},
		"question kind":        {replace("lab.yaml", "    answer: 1\n", "    answer: 1\n    value: {number: 1}\n"), "expected either value, or choices"},
		"question value":       {replace("lab.yaml", "    choices: [The Deployment, The Service, The ConfigMap]\n    answer: 1\n", "    value: {within: 1}\n"), "value: expected either number"},
		"password":             {replace("tasks/greeting/task.md", "Look at", "Say ${MLFLOW_TRACKING_PASSWORD}"), "trial/tasks/greeting/task.md:2: ${MLFLOW_TRACKING_PASSWORD} is a password"},
		"unknown variable":     {replace("intro.md", "You keep", "You ${KEEP}"), "trial/intro.md:4: ${KEEP} is not known: expected LAB, PROJECT"},
		"heading":              {replace("intro.md", "You keep", "## You"), "trial/intro.md:4: prose has no headings"},
		"code":                 {replace("tasks/greeting/task.md", "configmaps\n```", "configmaps\n"), "a code block is not closed"},
		"long prose":           {write("intro.md", strings.Repeat("a\n", 16)), "trial/intro.md: the prose has 16 lines that aren't empty: expected at most 15"},
		"empty prose":          {write("tasks/answer/task.md", "\n"), "trial/tasks/answer/task.md: the file is empty"},
		"no solution":          {remove("tasks/answer/solution.sh"), "trial/tasks/answer/solution.sh: the file is missing"},
		"no reset":             {remove("tasks/answer/reset.sh"), "trial/tasks/answer/reset.sh: the file is missing"},
		"no inject":            {remove("faults/nobody/inject.sh"), "trial/faults/nobody/inject.sh: the file is missing"},
		"no mend":              {remove("faults/nobody/mend.sh"), "trial/faults/nobody/mend.sh: the file is missing"},
		"no explanation":       {remove("faults/nobody/explain.md"), "trial/faults/nobody/explain.md: the file is missing"},
		"unknown file":         {write("notes.txt", "x"), "trial/notes.txt: nothing reads this file: expected lab.yaml, intro.md, home/, setup/, tasks/ and faults/"},
		"file of no task":      {write("tasks/gone/task.md", "x"), "trial/tasks/gone/task.md: nothing reads this file: lab.yaml has no task gone"},
		"file of a task":       {write("tasks/answer/x.txt", "x"), "nothing reads this file: expected tasks/ID/task.md"},
		"file of no fault":     {write("faults/gone/mend.sh", "x"), "lab.yaml has no fault gone"},
		"folder in home":       {write("home/a/b", "x"), "the learner's home is flat"},
		"name in home":         {write("home/a b", "x"), "expected a name of letters, digits"},
		"big home":             {write("home/big", strings.Repeat("a", 200<<10)), "trial/home: the files have"},
		"big file":             {write("setup/setup.sh", strings.Repeat("a", 65<<10)), "trial/setup/setup.sh: the file has 66560 bytes: expected at most 65536"},
		"not text":             {write("home/x", "\xff"), "trial/home/x: expected text (UTF-8)"},
		"manifest no YAML":     {write("setup/a.yaml", "a: [\n"), "trial/setup/a.yaml:1: this is not YAML"},
		"manifest no object":   {write("setup/a.yaml", "a: 1\n"), "trial/setup/a.yaml:1: expected an object of Kubernetes"},
		"manifest elsewhere":   {write("setup/a.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: kube-system}\n"), "Secret a is for namespace kube-system"},
		"manifest variable":    {write("setup/a.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nx: ${AWS_SECRET_ACCESS_KEY}\n"), "trial/setup/a.yaml:4: ${AWS_SECRET_ACCESS_KEY} is a password"},
		"needs":                {replace("lab.yaml", "minutes: 10", "minutes: 10\nneeds: {project: {dataset: mnist}}"), `needs: project: dataset: "mnist" is not known: expected iris, wine, breast-cancer`},
		"needs of the cluster": {replace("lab.yaml", "minutes: 10", "minutes: 10\nneeds: {cluster: [secrets]}"), `needs: cluster: "secrets" is not known`},
		"needs memory":         {replace("lab.yaml", "minutes: 10", "minutes: 10\nneeds: {memory: lots}"), "needs: memory: expected a quantity of Kubernetes"},
		"needs gpus":           {replace("lab.yaml", "minutes: 10", "minutes: 10\nneeds: {gpus: 2}"), "needs: gpus: expected true or false"},
	} {
		t.Run(name, func(t *testing.T) {
			files := skeleton(t)
			tt.edit(files)
			_, err := format.Read(folder(files), "trial")
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got:\n%v\nwant:\n%s", err, tt.want)
			}
		})
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	files := skeleton(t)
	files["lab.yaml"] = strings.Replace(files["lab.yaml"], "minutes: 10", "minutes: 1", 1)
	delete(files, "tasks/answer/reset.sh")
	files["notes"] = "x"
	_, err := format.Read(folder(files), "trial")
	if problems, ok := err.(format.Problems); !ok || len(problems) != 3 {
		t.Errorf("got:\n%v\nwant three problems", err)
	}
}

func TestNameOfAFolder(t *testing.T) {
	if _, err := format.Read(folder(skeleton(t)), "My lab"); err == nil || !strings.Contains(err.Error(), "the folder of a lab is its name: expected lower-case letters") {
		t.Errorf("got %v", err)
	}
	if _, err := engine.New("My lab"); err == nil || !strings.Contains(err.Error(), `a lab can't be called "My lab": expected lower-case letters`) {
		t.Errorf("got %v", err)
	}
}

func TestPath(t *testing.T) {
	in := func(all fstest.MapFS, name string, edit func(string) string) {
		for path, text := range skeleton(t) {
			if path == "lab.yaml" {
				text = edit(text)
			}
			all[name+"/"+path] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
		}
	}
	order := func(n int, after string) func(string) string {
		return func(text string) string {
			return strings.Replace(text, "order: 9000", fmt.Sprintf("order: %d\nafter: [%s]", n, after), 1)
		}
	}
	all := fstest.MapFS{"content.go": {Data: []byte("package content")}}
	in(all, "second", order(2, "first"))
	in(all, "first", order(1, ""))
	labs, err := format.All(all)
	if err != nil || len(labs) != 2 || labs[0].Name != "first" {
		t.Errorf("got %v, %v", labs, err)
	}
	in(all, "third", order(3, "zero"))
	in(all, "fourth", order(4, "fifth"))
	in(all, "fifth", order(5, ""))
	_, err = format.All(all)
	want := "fourth/lab.yaml: after: lab fifth has order 5: expected less than this lab's 4\nthird/lab.yaml: after: there is no lab zero"
	if fmt.Sprint(err) != want && !strings.Contains(fmt.Sprint(err), "there is no lab zero") {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
	if _, err := format.All(fs.FS(fstest.MapFS{})); err != nil {
		t.Errorf("no labs: %v", err)
	}
}
