package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
	"github.com/robfig/cron/v3"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// table is a [tool.benchtop], of pyproject.toml or of a script's header.
type table struct {
	file    string
	there   bool
	command []string
	entry   string
	// environment is that of a CodePlan.
	environment string
	options     mlops.CodeOptions
	lines       map[string]int // of each key, in the file
}

// finding is what is wrong with a key, which may be one in a table.
type finding struct{ key, text string }

// document is a file or a part of one in TOML.
type document struct {
	file  string
	first int // line in the file of the first line of the text
	text  []byte
	tree  map[string]any
}

// parseTOML reads a document. Its error names file and line.
func parseTOML(file string, first int, text []byte) (document, string) {
	d := document{file: file, first: first, text: bytes.TrimPrefix(text, []byte("\ufeff"))}
	if err := toml.Unmarshal(d.text, &d.tree); err != nil {
		var decode *toml.DecodeError
		if errors.As(err, &decode) {
			row, _ := decode.Position()
			return d, fmt.Sprintf("%s, line %d: this is not TOML: %s", file, row+first-1, strings.TrimPrefix(err.Error(), "toml: "))
		}
		return d, fmt.Sprintf("%s: this is not TOML: %s", file, strings.TrimPrefix(err.Error(), "toml: "))
	}
	return d, ""
}

// in returns the table at a path of keys, nil if there is none.
func (d document) in(keys ...string) map[string]any {
	t := d.tree
	for _, k := range keys {
		t, _ = t[k].(map[string]any)
	}
	return t
}

// knownKeys are the keys of [tool.benchtop].
var knownKeys = []string{"command", "entry", "schedule", "time-zone", "params", "cpu", "memory", "gpu", "time-limit", "env", "environment"}

// laterKeys are those that come later. Nothing is done with them yet, so they
// are refused: who writes one believes that something is.
var laterKeys = map[string]string{
	"data":    "store the data with `benchtop datasets add`, or push it with the code",
	"serve":   "models are served by the lab's own server",
	"follows": "a project's deployment follows what passes its gates",
	"image":   "code runs on the lab's Python",
	"gates":   "set them on the project's page or with `benchtop gates`",
}

// benchtop reads [tool.benchtop] and everything that is wrong with it.
func (d document) benchtop() (t table, wrong []string) {
	t = table{file: d.file, lines: map[string]int{}}
	raw, there := d.in("tool")["benchtop"]
	if !there {
		return t, nil
	}
	t.there = true
	lines := d.keyLines()
	say := func(key, format string, args ...any) {
		wrong = append(wrong, fmt.Sprintf("%s, line %d: %s", d.file, lines.of(key), fmt.Sprintf(format, args...)))
	}
	sayEach := func(list []finding) {
		slices.SortStableFunc(list, func(a, b finding) int { return lines.of(a.key) - lines.of(b.key) })
		for _, f := range list {
			say(f.key, "%s", f.text)
		}
	}
	keys, ok := raw.(map[string]any)
	if !ok {
		say("", "tool.benchtop is %s: expected a table [tool.benchtop]", shown(raw))
		return t, wrong
	}
	for _, key := range slices.SortedFunc(maps.Keys(keys), lines.compare) {
		t.lines[key] = lines.of(key)
		expected := func(what string) { say(key, "%s is %s: expected %s", key, shown(keys[key]), what) }
		switch value := keys[key]; key {
		case "command":
			argv, problem := commandOf(value)
			if problem != "" {
				say(key, "command %s", problem)
			}
			t.command = argv
		case "entry":
			if s, ok := value.(string); ok && s != "" {
				t.entry = s
			} else {
				expected("the path of a script or a notebook, such as \"src/train.py\"")
			}
		case "schedule":
			if s, ok := value.(string); ok && schedule(s) {
				t.options.Schedule = &s
			} else {
				expected("five cron fields (minute hour day month weekday) such as \"*/30 * * * *\", or \"\" for trainings by hand only")
			}
		case "time-zone":
			if s, ok := value.(string); ok && zone(s) {
				t.options.TimeZone = &s
			} else {
				expected("the IANA name of a time zone such as \"UTC\" or \"Europe/Berlin\"")
			}
		case "params":
			params, bad := object(value)
			if params == "" {
				expected("a table such as {C = 0.5}")
			}
			sayEach(bad)
			t.options.Params = params
		case "cpu":
			if s, ok := amount(value, cpuAmount); ok {
				t.options.CPU = s
			} else {
				expected("cores, such as 2 or 0.5, or \"500m\"")
			}
		case "memory":
			if s, ok := value.(string); ok && memoryAmount.MatchString(s) && strings.ContainsAny(s, "123456789") {
				t.options.Memory = s
			} else {
				expected("an amount with its unit, such as \"512Mi\" or \"4Gi\"")
			}
		case "gpu":
			if n, ok := value.(int64); ok && n >= 0 && n <= mlops.MaxGPUs {
				t.options.GPU = int(n)
			} else {
				expected(fmt.Sprintf("a number from 0 to %d", mlops.MaxGPUs))
			}
		case "time-limit":
			s, ok := value.(string)
			if limit, err := time.ParseDuration(s); ok && err == nil && limit >= time.Second {
				t.options.TimeLimit = s
			} else {
				expected("a time of at least a second, such as \"2h\" or \"1h30m\"")
			}
		case "env":
			env, bad := variables(value)
			if env == nil && bad == nil {
				expected("a table of strings such as {OMP_NUM_THREADS = \"2\"}")
			}
			sayEach(bad)
			t.options.Environment = env
		case "environment":
			if value != mlops.EnvironmentLab {
				expected("\"lab\", for code that runs on the lab's Python as it is; without the key the lab makes what the code needs, and variables are set with env")
			} else {
				t.environment = mlops.EnvironmentLab
			}
		default:
			if instead, later := laterKeys[key]; later {
				say(key, "%s is not known yet: remove it; %s", key, instead)
			} else {
				say(key, "the key %q is not known: expected one of %s", key, strings.Join(knownKeys, ", "))
			}
		}
	}
	if t.command != nil && t.entry != "" {
		say("entry", "command and entry both say what to run: expected one of them")
	}
	return t, wrong
}

func commandOf(value any) (argv []string, problem string) {
	switch v := value.(type) {
	case string:
		return arguments(v)
	case []any:
		for _, word := range v {
			s, ok := word.(string)
			if !ok || strings.ContainsRune(s, 0) {
				argv = nil
				break
			}
			argv = append(argv, s)
		}
		if len(argv) == len(v) && len(argv) > 0 && argv[0] != "" {
			return withoutEnvironment(argv), ""
		}
	}
	return nil, fmt.Sprintf("is %s: expected text such as \"python src/train.py --data data.csv\", or a list of words", shown(value))
}

func schedule(s string) bool {
	_, err := cron.ParseStandard(s)
	return s == "" || err == nil && !strings.Contains(s, "TZ=")
}

func zone(s string) bool {
	_, err := time.LoadLocation(s)
	return err == nil && s != "" && !strings.EqualFold(s, "local")
}

var (
	cpuAmount    = regexp.MustCompile(`^[0-9]+(\.[0-9]{1,3})?$|^[0-9]+m$`)
	memoryAmount = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?(k|M|G|T|Ki|Mi|Gi|Ti)$`)
)

// amount is text or a number that says how much, and more than nothing.
func amount(value any, pattern *regexp.Regexp) (string, bool) {
	var s string
	switch v := value.(type) {
	case string:
		s = v
	case int64:
		s = strconv.FormatInt(v, 10)
	case float64:
		s = strconv.FormatFloat(v, 'f', -1, 64)
	}
	return s, pattern.MatchString(s) && strings.ContainsAny(s, "123456789")
}

// object makes JSON of a table; "" if it is none.
func object(value any) (mlops.JSONObject, []finding) {
	t, ok := value.(map[string]any)
	if !ok {
		return "", nil
	}
	var bad []finding
	plain := plainValue("params", t, &bad)
	if bad != nil {
		return "{}", bad
	}
	b, err := json.Marshal(plain)
	if err != nil {
		return "{}", []finding{{"params", "params: " + err.Error()}}
	}
	return mlops.JSONObject(b), nil
}

// plainValue is a value of TOML as JSON has it. Dates become the text they are
// written as.
func plainValue(name string, value any, bad *[]finding) any {
	switch v := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			out[k] = plainValue(name+"."+k, v[k], bad)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = plainValue(name, v[i], bad)
		}
		return out
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			*bad = append(*bad, finding{name, fmt.Sprintf("%s is %v: expected a finite number", name, v)})
			return nil
		}
		if v == math.Trunc(v) && math.Abs(v) < 1e15 {
			return json.RawMessage(strconv.FormatFloat(v, 'f', 1, 64)) // 1.0 stays a float for Python
		}
		return v
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case toml.LocalDate, toml.LocalTime, toml.LocalDateTime:
		return fmt.Sprint(v)
	}
	return value
}

func variables(value any) (mlops.Variables, []finding) {
	t, ok := value.(map[string]any)
	if !ok {
		return nil, nil
	}
	env, bad := mlops.Variables{}, []finding(nil)
	for _, name := range slices.Sorted(maps.Keys(t)) {
		s, ok := t[name].(string)
		if !ok {
			bad = append(bad, finding{"env." + name, fmt.Sprintf("env: %s is %s: expected text in quotation marks", name, shown(t[name]))})
		}
		if err := (mlops.Variables{name: s}).Validate(); err != nil {
			bad = append(bad, finding{"env." + name, "env: " + mlops.MessageOf(err)})
			continue
		}
		env[name] = s
	}
	if bad == nil {
		if err := env.Validate(); err != nil {
			bad = append(bad, finding{"env", "env: " + mlops.MessageOf(err)})
		}
	}
	return env, bad
}

// shown is a value as an error quotes it.
func shown(value any) string {
	switch v := value.(type) {
	case map[string]any:
		return "a table"
	case []any:
		return "a list"
	case string:
		return strconv.Quote(v)
	}
	return fmt.Sprint(value)
}

// keyLines are the lines of the keys of [tool.benchtop], with dots between those
// of tables in it; "" is that of the table itself.
type keyLines map[string]int

func (l keyLines) of(key string) int {
	for {
		if n, ok := l[key]; ok {
			return n
		}
		i := strings.LastIndexByte(key, '.')
		if i < 0 {
			return l[""]
		}
		key = key[:i]
	}
}

// compare puts keys into the order of the file.
func (l keyLines) compare(a, b string) int {
	if d := l.of(a) - l.of(b); d != 0 {
		return d
	}
	return strings.Compare(a, b)
}

// keyLines finds where the keys of [tool.benchtop] stand: as a table, as dotted
// keys or as a table in one line.
func (d document) keyLines() keyLines {
	lines := keyLines{}
	p := &unstable.Parser{}
	p.Reset(d.text)
	note := func(keys []string, line int) {
		if len(keys) < 2 || keys[0] != "tool" || keys[1] != "benchtop" {
			return
		}
		for n := 2; n <= len(keys); n++ {
			if key := strings.Join(keys[2:n], "."); lines[key] == 0 {
				lines[key] = line
			}
		}
	}
	var value func(at []string, n *unstable.Node)
	value = func(at []string, n *unstable.Node) {
		keys, line := d.key(p, at, n)
		note(keys, line)
		if v := n.Value(); v.Kind == unstable.InlineTable {
			for it := v.Children(); it.Next(); {
				value(keys, it.Node())
			}
		}
	}
	var within []string
	for p.NextExpression() {
		switch n := p.Expression(); n.Kind {
		case unstable.Table, unstable.ArrayTable:
			keys, line := d.key(p, nil, n)
			within = keys
			note(keys, line)
		case unstable.KeyValue:
			value(within, n)
		}
	}
	return lines
}

// key is a dotted key below at, and the line that it stands in.
func (d document) key(p *unstable.Parser, at []string, n *unstable.Node) (keys []string, line int) {
	keys = slices.Clone(at)
	for it := n.Key(); it.Next(); {
		k := it.Node()
		keys = append(keys, string(k.Data))
		if line == 0 {
			line = p.Shape(k.Raw).Start.Line + d.first - 1
		}
	}
	return keys, line
}
