package plan

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func TestTable(t *testing.T) {
	const text = `
[project]
name = "house"

[tool.benchtop]
command = "python src/train.py --data 'my data.csv'"
schedule = "0 3 * * *"
time-zone = "Europe/Berlin"
cpu = 1.5
memory = "4Gi"
gpu = 1
time-limit = "1h30m"
params = {C = 0.5, rate = 1.0, n = 100, layers = [64, 32], on = true, day = 2026-11-28, at = 2026-11-28T10:00:00Z, deep.er = "x"}

[tool.benchtop.env]
OMP_NUM_THREADS = "2"
`
	for name, text := range map[string]string{
		"as tables":      text,
		"as dotted keys": strings.NewReplacer("[tool.benchtop.env]\nOMP_NUM_THREADS", "env.OMP_NUM_THREADS", "\ngpu = 1", "\n\"gpu\" = 1").Replace(text),
	} {
		d, problem := parseTOML("pyproject.toml", 1, []byte(text))
		if problem != "" {
			t.Fatal(problem)
		}
		table, wrong := d.benchtop()
		if len(wrong) > 0 {
			t.Fatalf("%s: %q", name, wrong)
		}
		if got := strings.Join(table.command, "|"); got != "python|src/train.py|--data|my data.csv" {
			t.Errorf("%s: command %s", name, got)
		}
		b, err := json.Marshal(table.options)
		if err != nil {
			t.Fatal(err)
		}
		const want = `{"schedule":"0 3 * * *","time_zone":"Europe/Berlin","params":{"C":0.5,"at":"2026-11-28T10:00:00Z","day":"2026-11-28","deep":{"er":"x"},"layers":[64,32],"n":100,"on":true,"rate":1.0},"cpu":"1.5","memory":"4Gi","gpu":1,"time_limit":"1h30m","environment":{"OMP_NUM_THREADS":"2"}}`
		if string(b) != want {
			t.Errorf("%s:\n%s\nexpected\n%s", name, b, want)
		}
		var back mlops.CodeOptions
		if err := json.Unmarshal(b, &back); err != nil || back.Params != table.options.Params || *back.Schedule != "0 3 * * *" {
			t.Errorf("%s: read back %+v, %v", name, back, err)
		}
	}
	d, _ := parseTOML("pyproject.toml", 1, []byte("tool.benchtop.schedule = ''\n"))
	if table, wrong := d.benchtop(); wrong != nil || table.options.Schedule == nil || *table.options.Schedule != "" {
		t.Errorf("no schedule: %+v %q", table, wrong)
	}
	for _, none := range []string{"", "[tool.ruff]\nline-length = 100\n", "tool = 1\n"} {
		d, problem := parseTOML("pyproject.toml", 1, []byte(none))
		if table, wrong := d.benchtop(); problem != "" || table.there || wrong != nil {
			t.Errorf("%q: %+v %q %s", none, table, wrong, problem)
		}
	}
}

// All that is wrong comes at once, each with its line and what was expected.
func TestTableMistakes(t *testing.T) {
	const text = `[tool.benchtop]
command = 'python "train.py'
entry = 3
schedule = "every day"
time-zone = "Local"
params = [1]
cpu = true
memory = 4
gpu = 99
time-limit = 3600
gpus = 1
data = "iris"
serve = "uvicorn main:app"
follows = "iris"
image = "x"
gates = {}
environment = "conda"

[tool.benchtop.env]
N = 2
MLFLOW_TRACKING_URI = "http://x"
"1x" = "y"
`
	const want = `pyproject.toml, line 2: command is no command that a shell reads: at character 8, reached EOF without closing quote ` + "`\"`" + `
pyproject.toml, line 3: entry is 3: expected the path of a script or a notebook, such as "src/train.py"
pyproject.toml, line 4: schedule is "every day": expected five cron fields (minute hour day month weekday) such as "*/30 * * * *", or "" for trainings by hand only
pyproject.toml, line 5: time-zone is "Local": expected the IANA name of a time zone such as "UTC" or "Europe/Berlin"
pyproject.toml, line 6: params is a list: expected a table such as {C = 0.5}
pyproject.toml, line 7: cpu is true: expected cores, such as 2 or 0.5, or "500m"
pyproject.toml, line 8: memory is 4: expected an amount with its unit, such as "512Mi" or "4Gi"
pyproject.toml, line 9: gpu is 99: expected a number from 0 to 16
pyproject.toml, line 10: time-limit is 3600: expected a time of at least a second, such as "2h" or "1h30m"
pyproject.toml, line 11: the key "gpus" is not known: expected one of command, entry, schedule, time-zone, params, cpu, memory, gpu, time-limit, env, environment
pyproject.toml, line 12: data is not known yet: remove it; store the data with ` + "`benchtop datasets add`" + `, or push it with the code
pyproject.toml, line 13: serve is not known yet: remove it; models are served by the lab's own server
pyproject.toml, line 14: follows is not known yet: remove it; a project's deployment follows what passes its gates
pyproject.toml, line 15: image is not known yet: remove it; code runs on the lab's Python
pyproject.toml, line 16: gates is not known yet: remove it; set them on the project's page or with ` + "`benchtop gates`" + `
pyproject.toml, line 17: environment is "conda": expected "lab", for code that runs on the lab's Python as it is; without the key the lab makes what the code needs, and variables are set with env
pyproject.toml, line 20: env: N is 2: expected text in quotation marks
pyproject.toml, line 21: env: MLFLOW_TRACKING_URI is Benchtop's to set: expected a name other than HOME, PATH, NO_PROXY, no_proxy that begins with none of BENCHTOP_, MLFLOW_, AWS_, KUBERNETES_, PYTHON, LD_
pyproject.toml, line 22: env: "1x" is no name of an environment variable: expected letters, digits and '_', not beginning with a digit, such as OMP_NUM_THREADS`
	_, err := Make(files(map[string]string{"train.py": "", "pyproject.toml": text}), Asked{})
	if mlops.CodeOf(err) != mlops.Invalid || mlops.MessageOf(err) != want {
		t.Errorf("%v\nexpected\n%s", err, want)
	}
}

func TestMoreTableMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"tool.benchtop = 1":                                               "line 1: tool.benchtop is 1: expected a table [tool.benchtop]",
		"[[tool.benchtop]]\ngpu = 1":                                      "line 1: tool.benchtop is a list: expected a table [tool.benchtop]",
		"[tool]\nbenchtop = {gpu = -1}":                                   "line 2: gpu is -1: expected a number from 0 to 16",
		"[tool]\n\nbenchtop.gpu = 1.5":                                    "line 3: gpu is 1.5: expected a number from 0 to 16",
		"[tool.benchtop]\n[tool.benchtop.params]\na = nan\nb = {c = inf}": "line 3: params.a is NaN: expected a finite number\npyproject.toml, line 4: params.b.c is +Inf: expected a finite number",
		"[tool.benchtop]\ncommand = []":                                   `line 2: command is a list: expected text such as "python src/train.py --data data.csv", or a list of words`,
		"[tool.benchtop]\ncommand = ['python', 1]":                        `line 2: command is a list: expected text such as "python src/train.py --data data.csv", or a list of words`,
		"[tool.benchtop]\ncommand = '# nothing'":                          `line 2: command is empty: expected a command such as "python train.py"`,
		"[tool.benchtop]\nentry = 'a.py'\n\ncommand = 'x'":                "line 2: command and entry both say what to run: expected one of them",
		"[tool.benchtop]\nentry = ''":                                     `line 2: entry is "": expected the path of a script or a notebook, such as "src/train.py"`,
		"[tool.benchtop]\ncpu = 0":                                        `line 2: cpu is 0: expected cores, such as 2 or 0.5, or "500m"`,
		"[tool.benchtop]\ncpu = '1e3'":                                    `line 2: cpu is "1e3": expected cores, such as 2 or 0.5, or "500m"`,
		"[tool.benchtop]\nmemory = '4 GB'":                                `line 2: memory is "4 GB": expected an amount with its unit, such as "512Mi" or "4Gi"`,
		"[tool.benchtop]\nmemory = '0Gi'":                                 `line 2: memory is "0Gi": expected an amount with its unit, such as "512Mi" or "4Gi"`,
		"[tool.benchtop]\ntime-limit = '10ms'":                            `line 2: time-limit is "10ms": expected a time of at least a second, such as "2h" or "1h30m"`,
		"[tool.benchtop]\nschedule = 'CRON_TZ=UTC 0 * * * *'":             `line 2: schedule is "CRON_TZ=UTC 0 * * * *": expected five cron fields (minute hour day month weekday) such as "*/30 * * * *", or "" for trainings by hand only`,
		"[tool.benchtop]\nenv = 'A=1'":                                    `line 2: env is "A=1": expected a table of strings such as {OMP_NUM_THREADS = "2"}`,
		"[tool.benchtop]\nenv = {A = '" + big + "'}":                      "line 2: env: the variables have 32769 bytes in all, expected at most 32768: put what is larger into the dataset or the parameters",
		"[project]\nname = 'x'\n[tool.benchtop\n":                         "line 3: this is not TOML: ",
		"[tool.benchtop]\ngpu = 1\n[tool.benchtop]\ncpu = 1\n":            "this is not TOML: ",
	} {
		_, err := Make(files(map[string]string{"train.py": "", "pyproject.toml": text}), Asked{})
		got := mlops.MessageOf(err)
		if mlops.CodeOf(err) != mlops.Invalid || got != "pyproject.toml, "+want && !(strings.HasSuffix(want, "TOML: ") && strings.HasPrefix(got, "pyproject.toml") && strings.Contains(got, want)) {
			t.Errorf("%s\n%v\nexpected\n%s", strings.ReplaceAll(text, big, "…"), err, want)
		}
	}
}

var big = strings.Repeat("x", 32768)

func FuzzTable(f *testing.F) {
	for _, s := range []string{"[tool.benchtop]\ngpu = 1\n", "tool.benchtop = {env = {A = 'x'}, params = {a = [1, {b = 2}]}}", "[[tool.benchtop]]", "[tool]\nbenchtop.command = 'a && b'\n", "[tool.benchtop]\nx = '''\n\n'''\ny = 1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, problem := parseTOML("pyproject.toml", 1, []byte(text))
		if problem != "" {
			return
		}
		table, wrong := d.benchtop()
		lines := strings.Count(text, "\n") + 1
		for key, line := range table.lines {
			if line < 1 || line > lines {
				t.Errorf("%q: key %q is in line %d of %d", text, key, line, lines)
			}
		}
		if len(wrong) == 0 {
			if _, err := json.Marshal(table.options); err != nil {
				t.Errorf("%q: %v", text, err)
			}
		}
	})
}
