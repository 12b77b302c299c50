package plan

import (
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Asked is what whoever pushes says of how the code is run. At most one is set.
type Asked struct {
	Command string // a line for a shell
	Entry   string // a Python file or a notebook, from the code's root
}

// Make plans how code is run: as it is asked for; as MLproject, or
// [tool.benchtop] in pyproject.toml or in the header of a script, says; and
// otherwise by the names of its files. What is wrong with the code comes in one
// error, with file and line. The root of code should be one that lets nobody out,
// as os.Root does.
func Make(code fs.FS, asked Asked) (mlops.CodePlan, error) {
	m := &maker{code: code}
	if err := m.look(); err != nil {
		return mlops.CodePlan{}, err
	}
	p := m.plan(asked)
	if len(m.wrong) > 0 {
		return mlops.CodePlan{}, mlops.Errorf(mlops.Invalid, "%s", strings.Join(m.wrong, "\n"))
	}
	return p, nil
}

// maxText and maxTexts are how many bytes a file may have that is read for the
// plan, and all of them: what is larger holds data.
const (
	maxText  = 1 << 20
	maxTexts = 64 << 20
)

type maker struct {
	code  fs.FS
	files []string // all of them, sorted, without hidden folders
	left  int64    // bytes that may still be read
	wrong []string
}

func (m *maker) say(format string, args ...any) {
	m.wrong = append(m.wrong, fmt.Sprintf(format, args...))
}

// look lists the code's files. Links to files are files; what is a link to a
// folder is found where it leads.
func (m *maker) look() error {
	m.left = maxTexts
	return fs.WalkDir(m.code, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fmt.Errorf("read the code: %w", err)
		case d.IsDir():
			if name != "." && strings.HasPrefix(d.Name(), ".") {
				return fs.SkipDir
			}
		case d.Type().IsRegular() || d.Type() == fs.ModeSymlink && isFile(m.code, name):
			m.files = append(m.files, name)
		}
		return nil
	})
}

// text is a file's text; not ok if it is too large to be one that people write,
// or cannot be read.
func (m *maker) text(name string) (text string, ok bool) {
	f, err := m.code.Open(name)
	if err != nil {
		return "", false
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, min(maxText, m.left)+1))
	m.left -= int64(len(b))
	if err != nil || len(b) > maxText || m.left < 0 {
		m.left = max(m.left, 0)
		return "", false
	}
	return strings.TrimPrefix(string(b), "\ufeff"), true
}

// script is a script's text, "" if it holds data rather than code.
func (m *maker) script(name string) string {
	text, _ := m.text(name)
	return text
}

// must is the text of a file that says how the code is run.
func (m *maker) must(name string) []byte {
	text, ok := m.text(name)
	if !ok {
		m.say("%s cannot be read: expected a text of at most %d bytes", name, maxText)
	}
	return []byte(text)
}

func (m *maker) plan(asked Asked) mlops.CodePlan {
	project, doc := m.project()
	ml := m.mlproject(asked)
	var p mlops.CodePlan
	switch {
	case asked.Command != "" && asked.Entry != "":
		m.say("a command and an entry were asked for: expected one of --command and --entry")
		return p
	case asked.Command != "":
		argv, problem := arguments(asked.Command)
		if problem != "" {
			m.say("the command %q %s", asked.Command, problem)
			return p
		}
		p = m.command(argv, mlops.CodeCommand, "This command was asked for.", "the command that was asked for")
	case asked.Entry != "":
		p = m.entry(asked.Entry, "was asked for", "--entry")
	case ml.there && (project.command != nil || project.entry != ""):
		key := "command"
		if project.command == nil {
			key = "entry"
		}
		m.say("%s, line %d: %s says what to run, and so does %s, line %d: remove one of them, or say what is meant with --entry FILE or --command \"…\"", project.file, project.lines[key], key, ml.file, ml.line)
		return p
	case ml.there && ml.command != nil:
		p = m.command(ml.command, mlops.CodeMLproject, fmt.Sprintf("%s has the entry point %s.", ml.file, ml.point), fmt.Sprintf("%s, line %d: the command of the entry point %s", ml.file, ml.line, ml.point))
	case ml.there: // what is wrong with it has been said
	case project.command != nil:
		p = m.command(project.command, mlops.CodeCommand, "[tool.benchtop] in pyproject.toml has this command.", fmt.Sprintf("%s, line %d: command", project.file, project.lines["command"]))
	case project.entry != "":
		p = m.entry(project.entry, "is the entry of [tool.benchtop] in pyproject.toml", fmt.Sprintf("%s, line %d: entry", project.file, project.lines["entry"]))
	default:
		p = m.search(doc)
	}
	p.Options = m.options(&p, project, asked)
	p.Requirements = m.requirements(p, ml)
	return p
}

// project reads pyproject.toml.
func (m *maker) project() (table, document) {
	const file = "pyproject.toml"
	if !slices.Contains(m.files, file) {
		return table{file: file}, document{}
	}
	doc, problem := parseTOML(file, 1, m.must(file))
	if problem != "" {
		m.wrong = append(m.wrong, problem)
		return table{file: file}, document{}
	}
	t, wrong := doc.benchtop()
	m.wrong = append(m.wrong, wrong...)
	return t, doc
}

// mlproject reads MLproject, which MLflow finds in any case of its letters. Who
// asks for something else does not need it.
func (m *maker) mlproject(asked Asked) mlproject {
	for _, file := range m.files {
		if asked == (Asked{}) && strings.EqualFold(file, "MLproject") {
			p, wrong := readMLproject(file, m.must(file))
			m.wrong = append(m.wrong, wrong...)
			return p
		}
	}
	return mlproject{}
}

func (m *maker) command(argv []string, kind, why, what string) mlops.CodePlan {
	entry, missing := entryOf(m.code, argv)
	if missing != "" {
		m.say("%s runs %s, which is not in the code: %s", what, missing, m.scriptsText())
	}
	return mlops.CodePlan{Command: argv, Entry: entry, Kind: kind, Why: why}
}

// entry plans a file that somebody has named.
func (m *maker) entry(name, why, what string) mlops.CodePlan {
	name = path.Clean(strings.ReplaceAll(name, `\`, "/"))
	if !isFile(m.code, name) {
		m.say("%s is %s, which is not in the code: %s", what, name, m.scriptsText())
		return mlops.CodePlan{}
	}
	switch strings.ToLower(path.Ext(name)) {
	case ".py", ".ipynb":
		return script(name, name+" "+why+".")
	}
	m.say("%s is %s: expected a file that ends in .py or .ipynb; how anything else is run says --command \"…\"", what, name)
	return mlops.CodePlan{}
}

func script(name, why string) mlops.CodePlan {
	if strings.EqualFold(path.Ext(name), ".ipynb") {
		return mlops.CodePlan{Command: []string{}, Entry: name, Kind: mlops.CodeNotebook, Why: why}
	}
	return mlops.CodePlan{Command: []string{"python", name}, Entry: name, Kind: mlops.CodeScript, Why: why}
}

// scriptsText says which scripts and notebooks there are.
func (m *maker) scriptsText() string {
	var names []string
	for _, name := range m.files {
		if isScript(name) && !aside(name) || strings.HasSuffix(name, ".ipynb") {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "it holds no Python file and no notebook"
	}
	return "it holds " + some(names)
}

// some lists names, not hundreds of them.
func some(names []string) string {
	if len(names) > 10 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:10], ", "), len(names)-10)
	}
	return strings.Join(names, ", ")
}

// search finds what is run by headers and by names.
func (m *maker) search(doc document) mlops.CodePlan {
	for _, look := range []func(document) (found []string, why string){
		m.withTable,
		m.named("train.py", "main.py"),
		m.training("src/", " below src"),
		m.alone(false),
		m.training("", ""),
		m.alone(true),
		m.projectScripts,
		m.notebook(""),
		m.notebook("notebooks/"),
		m.anyNotebook,
	} {
		switch found, why := look(doc); {
		case len(m.wrong) > 0 && len(found) == 0:
			return mlops.CodePlan{}
		case len(found) == 1 && strings.HasPrefix(found[0], programPrefix):
			return m.program(strings.TrimPrefix(found[0], programPrefix), why)
		case len(found) == 1:
			return script(found[0], fmt.Sprintf(why, found[0]))
		case len(found) > 1:
			m.say("several could be what is run: %s. Say which with --entry FILE, or how with --command \"…\"; [tool.benchtop] in pyproject.toml can keep it as entry or command", some(plainNames(found)))
			return mlops.CodePlan{}
		}
	}
	if len(m.wrong) == 0 {
		m.say("there is nothing that could be run: expected MLproject, [tool.benchtop] in pyproject.toml or in the header of a script, train.py, main.py, src/**/train*.py, a single .py file or a notebook, but %s. Say what is run with --entry FILE or --command \"…\"", m.scriptsText())
	}
	return mlops.CodePlan{}
}

// withTable finds scripts whose header has [tool.benchtop].
func (m *maker) withTable(document) ([]string, string) {
	var found []string
	for _, name := range m.files {
		if isScript(name) && strings.Contains(m.script(name), "tool.benchtop") {
			if t, ok := m.header(name); ok && t.there {
				found = append(found, name)
			}
		}
	}
	return found, "%s has [tool.benchtop] in its header."
}

func (m *maker) named(names ...string) func(document) ([]string, string) {
	return func(document) ([]string, string) {
		for _, name := range names {
			if slices.Contains(m.files, name) {
				return []string{name}, "%s is in the folder's root."
			}
		}
		return nil, ""
	}
}

// training finds scripts below a folder whose names begin with train.
func (m *maker) training(below, where string) func(document) ([]string, string) {
	return func(document) ([]string, string) {
		var found []string
		for _, name := range m.files {
			if strings.HasPrefix(name, below) && isScript(name) && strings.HasPrefix(path.Base(name), "train") && !aside(name) {
				found = append(found, name)
			}
		}
		return m.narrowed(found, "script"+where+" whose name begins with train")
	}
}

// alone finds the only script in the root; with several, all of them.
func (m *maker) alone(several bool) func(document) ([]string, string) {
	return func(document) ([]string, string) {
		var found []string
		for _, name := range m.files {
			if !strings.Contains(name, "/") && isScript(name) && !aside(name) {
				found = append(found, name)
			}
		}
		found, why := m.narrowed(found, "script in the folder's root")
		if len(found) > 1 && !several {
			return nil, ""
		}
		return found, why
	}
}

// narrowed leaves out of several scripts those that others import, and then
// those that do nothing when they are run.
func (m *maker) narrowed(found []string, what string) (left []string, why string) {
	why = "%s is the only " + what
	if len(found) < 2 {
		return found, why + "."
	}
	imported := m.imported()
	own := slices.DeleteFunc(slices.Clone(found), func(name string) bool {
		return imported[strings.TrimSuffix(path.Base(name), ".py")]
	})
	if len(own) == 1 {
		return own, why + ", and that no other file imports."
	}
	if len(own) == 0 {
		own = found
	}
	run := slices.DeleteFunc(slices.Clone(own), func(name string) bool { return !mainGuard.MatchString(m.script(name)) })
	if len(run) == 1 {
		return run, why + ", and that has a part for when it is run."
	}
	return own, ""
}

var (
	mainGuard  = regexp.MustCompile(`(?m)^if\s+__name__\s*==\s*['"]__main__['"]`)
	importLine = regexp.MustCompile(`(?m)^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]+\(?([^#\n]*)|import[ \t]+([^#\n]+))`)
	word       = regexp.MustCompile(`[A-Za-z_]\w*`)
)

// imported are the names of modules that the code's scripts import, without the
// packages that they are in. Tests import what they test.
func (m *maker) imported() map[string]bool {
	out := map[string]bool{}
	for _, name := range m.files {
		if !isScript(name) || aside(name) {
			continue
		}
		for _, found := range importLine.FindAllStringSubmatch(m.script(name), -1) {
			for _, part := range found[1:] {
				for _, w := range word.FindAllString(part, -1) {
					if w != strings.TrimSuffix(path.Base(name), ".py") {
						out[w] = true
					}
				}
			}
		}
	}
	return out
}

// isScript reports whether a name is one of Python's files.
func isScript(name string) bool { return strings.HasSuffix(name, ".py") }

var (
	asideFolders = []string{"test", "tests", "doc", "docs", "example", "examples", "migrations", "site-packages"}
	asideFiles   = []string{"__init__.py", "setup.py", "conftest.py", "noxfile.py", "fabfile.py", "manage.py"}
)

// aside reports whether a script is by its name not what trains.
func aside(name string) bool {
	parts := strings.Split(name, "/")
	base := parts[len(parts)-1]
	return slices.Contains(asideFiles, base) || strings.HasPrefix(base, "test_") || strings.HasSuffix(base, "_test.py") ||
		slices.ContainsFunc(parts[:len(parts)-1], func(p string) bool { return slices.Contains(asideFolders, p) })
}

// programPrefix marks what is found as a program of [project.scripts].
const programPrefix = "\x00"

func plainNames(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = strings.TrimPrefix(n, programPrefix)
	}
	return out
}

// projectScripts finds the programs of a package: [project.scripts] in pyproject.toml.
func (m *maker) projectScripts(doc document) ([]string, string) {
	scripts := doc.in("project", "scripts")
	var found []string
	for _, name := range slices.Sorted(maps.Keys(scripts)) {
		if to, ok := scripts[name].(string); ok && programTarget.MatchString(to) {
			found = append(found, programPrefix+name+" = "+to)
		}
	}
	training := slices.DeleteFunc(slices.Clone(found), func(f string) bool { return !strings.HasPrefix(f, programPrefix+"train") })
	if len(training) == 1 {
		return training, "%s is the only program of [project.scripts] in pyproject.toml whose name begins with train."
	}
	return found, "%s is the only program of [project.scripts] in pyproject.toml."
}

var programTarget = regexp.MustCompile(`^([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)$`)

// program plans a program of a package, which is not installed: it is called as
// the installed one would call it.
func (m *maker) program(line, why string) mlops.CodePlan {
	name, target, _ := strings.Cut(line, " = ")
	parts := programTarget.FindStringSubmatch(target)
	module, object := parts[1], parts[2]
	first, _, _ := strings.Cut(object, ".")
	entry := moduleFile(m.code, module)
	if entry == "" {
		for _, root := range []string{"", "src"} {
			if init := path.Join(root, strings.ReplaceAll(module, ".", "/"), "__init__.py"); isFile(m.code, init) {
				entry = init
			}
		}
	}
	if entry == "" {
		m.say("pyproject.toml: the program %s of [project.scripts] is %s, whose module is not in the code: %s", name, target, m.scriptsText())
	}
	call := fmt.Sprintf("import sys; from %s import %s; sys.exit(%s())", module, first, object)
	return mlops.CodePlan{Command: []string{"python", "-c", call}, Entry: entry, Kind: mlops.CodeScript, Why: fmt.Sprintf(why, name)}
}

func (m *maker) notebook(below string) func(document) ([]string, string) {
	return func(document) ([]string, string) {
		var found []string
		for _, name := range m.files {
			if rest, ok := strings.CutPrefix(name, below); ok && !strings.Contains(rest, "/") && strings.HasSuffix(rest, ".ipynb") {
				found = append(found, name)
			}
		}
		return trainingFirst(found, "%s is the only notebook in "+cmp.Or(strings.TrimSuffix(below, "/"), "the folder's root"))
	}
}

func (m *maker) anyNotebook(document) ([]string, string) {
	found := slices.DeleteFunc(slices.Clone(m.files), func(name string) bool { return !strings.HasSuffix(name, ".ipynb") })
	return trainingFirst(found, "%s is the only notebook")
}

// trainingFirst takes the only notebook that says that it trains.
func trainingFirst(found []string, why string) ([]string, string) {
	training := slices.DeleteFunc(slices.Clone(found), func(name string) bool { return !strings.Contains(strings.ToLower(path.Base(name)), "train") })
	if len(found) > 1 && len(training) == 1 {
		return training, why + " whose name has train in it."
	}
	return found, why + "."
}

// header reads the header of a script; ok is false if it has none.
func (m *maker) header(name string) (t table, ok bool) {
	doc, ok := m.headerDocument(name)
	if !ok {
		return table{}, false
	}
	t, wrong := doc.benchtop()
	m.wrong = append(m.wrong, wrong...)
	return t, true
}

func (m *maker) headerDocument(name string) (document, bool) {
	h, err := readHeader(m.script(name))
	if err != nil {
		m.say("%s, %v", name, err)
		return document{}, false
	}
	if h == nil {
		return document{}, false
	}
	doc, problem := parseTOML(name, h.line, []byte(h.toml))
	if problem != "" {
		m.wrong = append(m.wrong, problem)
		return document{}, false
	}
	return doc, true
}

// options are those of pyproject.toml and of the entry's header together, and the
// plan's environment is theirs. A command in the header says how this script is run.
func (m *maker) options(p *mlops.CodePlan, project table, asked Asked) mlops.CodeOptions {
	out := project.options
	p.Environment = project.environment
	if !isScript(p.Entry) {
		return out
	}
	m.wrong = unique(m.wrong)
	t, ok := m.header(p.Entry)
	m.wrong = unique(m.wrong) // the search may have read it already
	if !ok || !t.there {
		return out
	}
	for key := range t.lines {
		if line, both := project.lines[key]; both && !slices.Contains([]string{"command", "entry"}, key) {
			m.say("%s, line %d: %s is set in pyproject.toml, line %d, too: expected it once", t.file, t.lines[key], key, line)
		}
	}
	if t.entry != "" && path.Clean(t.entry) != p.Entry {
		m.say("%s, line %d: entry is %q: expected it in pyproject.toml, because this script is the entry already", t.file, t.lines["entry"], t.entry)
	}
	if t.command != nil && p.Kind == mlops.CodeScript {
		why := strings.TrimSuffix(p.Why, ".") + ", and its header has this command."
		entry := p.Entry
		if asked.Entry == "" && strings.HasSuffix(p.Why, " in its header.") {
			why = "[tool.benchtop] in the header of " + entry + " has this command."
		}
		*p = m.command(t.command, mlops.CodeCommand, why, fmt.Sprintf("%s, line %d: command", t.file, t.lines["command"]))
		p.Entry = entry
	}
	p.Environment = cmp.Or(t.environment, project.environment)
	return merged(out, t.options)
}

func unique(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func merged(a, b mlops.CodeOptions) mlops.CodeOptions {
	a.Schedule, a.TimeZone = cmp.Or(b.Schedule, a.Schedule), cmp.Or(b.TimeZone, a.TimeZone)
	a.Params, a.CPU, a.Memory = cmp.Or(b.Params, a.Params), cmp.Or(b.CPU, a.CPU), cmp.Or(b.Memory, a.Memory)
	a.GPU, a.TimeLimit = cmp.Or(b.GPU, a.GPU), cmp.Or(b.TimeLimit, a.TimeLimit)
	if b.Environment != nil {
		a.Environment = b.Environment
	}
	return a
}

// requirements lists the files that say what the code needs, from the entry's
// folder up to the root, and in each folder what is most exact first. A script
// with a header needs nothing else: uv takes it so, too.
func (m *maker) requirements(p mlops.CodePlan, ml mlproject) []string {
	var out []string
	if p.Kind == mlops.CodeMLproject {
		for _, name := range ml.needs {
			if !isFile(m.code, name) {
				m.say("%s names %s, which is not in the code: push it, too, or remove the line", ml.file, name)
				continue
			}
			out = append(out, name)
		}
	}
	if isScript(p.Entry) {
		if doc, ok := m.headerDocument(p.Entry); ok && doc.tree["dependencies"] != nil {
			out = append(out, p.Entry)
		}
		m.wrong = unique(m.wrong)
	}
	for dir := path.Dir(cmp.Or(p.Entry, "x")); ; dir = path.Dir(dir) {
		for _, name := range m.requirementsIn(dir) {
			if !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
		if dir == "." {
			return out
		}
	}
}

// forOthers are parts of the names of requirements that not training has.
var forOthers = regexp.MustCompile(`(?i)(^|[-_.])(dev|develop|development|tests?|testing|docs?|lint|ci|build)([-_.]|$)`)

func (m *maker) requirementsIn(dir string) (out []string) {
	var pip []string
	for _, name := range m.files {
		base := path.Base(name)
		if path.Dir(name) == dir && strings.HasPrefix(base, "requirements") && strings.HasSuffix(base, ".txt") && base != "requirements.txt" && !forOthers.MatchString(strings.TrimSuffix(base, ".txt")) {
			pip = append(pip, base)
		}
	}
	slices.SortStableFunc(pip, func(a, b string) int { return trainingRank(a) - trainingRank(b) })
	for _, base := range slices.Concat([]string{"uv.lock", "requirements.txt"}, pip, []string{"environment.yml", "environment.yaml", "conda.yaml", "conda.yml", "pyproject.toml"}) {
		if name := path.Join(dir, base); slices.Contains(m.files, name) && (base != "pyproject.toml" || m.declares(name)) {
			out = append(out, name)
		}
	}
	return out
}

func trainingRank(base string) int {
	if strings.Contains(base, "train") {
		return 0
	}
	return 1
}

// declares reports whether a pyproject.toml says what the code needs: many only
// set up linters.
func (m *maker) declares(name string) bool {
	doc, problem := parseTOML(name, 1, []byte(m.script(name)))
	return problem == "" && doc.in("project")["dependencies"] != nil
}
