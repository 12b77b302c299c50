package format

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/benchtop-lab/benchtop/lab/engine/check"
)

// Problem is one thing that is wrong with a lab.
type Problem struct {
	File string // with the lab's folder
	Line int    // 0: none in particular
	Text string
}

func (p Problem) String() string {
	if p.Line > 0 {
		return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
	}
	return p.File + ": " + p.Text
}

// Problems are all that is wrong with labs. They are an error.
type Problems []Problem

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
}

// All reads the labs of a folder, one in each folder that does not begin with
// '.' or '_', in the order of the path. Labs with problems are left out. The
// error, if any, is Problems.
func All(folder fs.FS) ([]*Lab, error) { return all(folder, false) }

// Trusted is All for labs that All has read before, in a test: expectations are
// not looked at until somebody needs them.
func Trusted(folder fs.FS) ([]*Lab, error) { return all(folder, true) }

func all(folder fs.FS, trusted bool) ([]*Lab, error) {
	entries, err := fs.ReadDir(folder, ".")
	if err != nil {
		return nil, Problems{{File: ".", Text: err.Error()}}
	}
	var labs []*Lab
	var all Problems
	names := map[string]bool{}
	for _, e := range entries {
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") || strings.HasPrefix(e.Name(), "_") {
			continue
		}
		names[e.Name()] = true
		sub, err := fs.Sub(folder, e.Name())
		if err != nil {
			all = append(all, Problem{File: e.Name(), Text: err.Error()})
			continue
		}
		lab, problems := read(sub, e.Name(), trusted)
		all = append(all, problems...)
		if len(problems) == 0 {
			labs = append(labs, lab)
		}
	}
	sort.SliceStable(labs, func(i, j int) bool {
		if labs[i].Order != labs[j].Order {
			return labs[i].Order < labs[j].Order
		}
		return labs[i].Name < labs[j].Name
	})
	order := map[string]int{}
	for _, l := range labs {
		order[l.Name] = l.Order
	}
	for _, l := range labs {
		for _, name := range l.After {
			before, read := order[name]
			switch {
			case !names[name]:
				all = append(all, Problem{File: l.Name + "/lab.yaml", Text: fmt.Sprintf("after: there is no lab %s", name)})
			case read && before >= l.Order:
				all = append(all, Problem{File: l.Name + "/lab.yaml", Text: fmt.Sprintf("after: lab %s has order %d: expected less than this lab's %d", name, before, l.Order)})
			}
		}
	}
	if len(all) > 0 {
		return labs, all
	}
	return labs, nil
}

// Read reads one lab from its own folder. The error, if any, is Problems.
func Read(folder fs.FS, name string) (*Lab, error) {
	lab, problems := read(folder, name, false)
	if len(problems) > 0 {
		return nil, problems
	}
	return lab, nil
}

var (
	labName = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
	letters = "lower-case letters, digits and single '-', beginning with a letter"
)

// The longest names: with "lab-", "-99" and "-model" around it, the lab's name is
// that of a project and a key, which have at most 40 letters.
const (
	maxName = 24
	maxID   = 30
)

// NameProblem says what was expected of a lab's name, "" if it is one.
func NameProblem(name string) string {
	if labName.MatchString(name) && len(name) <= maxName {
		return ""
	}
	return fmt.Sprintf("%s, at most %d letters", letters, maxName)
}

func read(folder fs.FS, name string, trusted bool) (*Lab, Problems) {
	r := &reader{trusted: trusted, lab: &Lab{Name: name, Home: map[string]string{}}, files: map[string]string{}, used: map[string]bool{}}
	if problem := NameProblem(name); problem != "" {
		r.problem("", 0, "the folder of a lab is its name: expected %s", problem)
	}
	r.load(folder)
	if text, ok := r.take("lab.yaml", "a lab needs one"); ok {
		r.yaml(text)
	}
	r.rest(r.lab.Title != "" || r.lab.Tasks != nil)
	slices.SortStableFunc(r.problems, func(a, b Problem) int {
		if a.File != b.File {
			return strings.Compare(a.File, b.File)
		}
		return a.Line - b.Line
	})
	return r.lab, r.problems
}

// reader reads one lab, and notes what is wrong.
type reader struct {
	trusted  bool // expectations are right
	lab      *Lab
	files    map[string]string
	used     map[string]bool
	problems Problems
}

func (r *reader) problem(file string, line int, format string, args ...any) {
	r.problems = append(r.problems, Problem{File: path.Join(r.lab.Name, file), Line: line, Text: fmt.Sprintf(format, args...)})
}

// load reads all files.
func (r *reader) load(folder fs.FS) {
	home := 0
	err := fs.WalkDir(folder, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			return nil
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		inHome := strings.HasPrefix(name, "home/")
		if inHome {
			home += int(info.Size())
		}
		switch {
		case !info.Mode().IsRegular():
			r.problem(name, 0, "expected a plain file")
			return nil
		case !inHome && info.Size() > maxFile:
			r.problem(name, 0, "the file has %d bytes: expected at most %d", info.Size(), maxFile)
			r.used[name] = true
			r.files[name] = ""
			return nil
		}
		b, err := fs.ReadFile(folder, name)
		if err != nil {
			return err
		}
		if !utf8.Valid(b) || strings.ContainsRune(string(b), 0) {
			r.problem(name, 0, "expected text (UTF-8)")
		}
		r.files[name] = string(b)
		return nil
	})
	if err != nil {
		r.problem("", 0, "%v", err)
	}
	if home > maxHome {
		r.problem("home", 0, "the files have %d bytes together: expected at most %d", home, maxHome)
	}
}

// take returns a file that has to be there and says something.
func (r *reader) take(name, why string) (string, bool) {
	text, ok := r.files[name]
	r.used[name] = true
	switch {
	case !ok:
		r.problem(name, 0, "the file is missing: %s", why)
		return "", false
	case strings.TrimSpace(text) == "" && !r.known(name):
		r.problem(name, 0, "the file is empty: %s", why)
		return "", false
	}
	return text, true
}

func (r *reader) has(name string) bool {
	_, ok := r.files[name]
	return ok
}

// known reports whether something is known to be wrong with a file.
func (r *reader) known(name string) bool {
	return slices.ContainsFunc(r.problems, func(p Problem) bool { return p.File == path.Join(r.lab.Name, name) })
}

// prose returns a Markdown file.
func (r *reader) prose(name, why string, lines int) string {
	text, ok := r.take(name, why)
	if !ok {
		return ""
	}
	count, code := 0, false
	for i, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(line)
		if strings.HasPrefix(trimmed, "```") {
			code = !code
		}
		if !code && strings.HasPrefix(trimmed, "#") && strings.HasPrefix(strings.TrimLeft(trimmed, "#"), " ") {
			r.problem(name, i+1, "prose has no headings: titles are in lab.yaml")
		}
		if trimmed != "" {
			count++
		}
		r.references(name, i+1, line)
	}
	if code {
		r.problem(name, 0, "a code block is not closed: expected another line with ```")
	}
	if count > lines {
		r.problem(name, 0, "the prose has %d lines that aren't empty: expected at most %d", count, lines)
	}
	return strings.TrimSpace(text) + "\n"
}

// references finds names that nothing is filled in for.
func (r *reader) references(file string, line int, text string) {
	for _, name := range check.References(text) {
		switch {
		case slices.Contains(check.Secret, name):
			r.problem(file, line, "${%s} is a password: it is in the environment of shells and scripts as $%s, and is filled in nowhere else", name, name)
		case name == "PROJECT" && r.lab.Needs.Dataset == "":
			r.problem(file, line, "${PROJECT}: this lab has no project: expected needs: {project: {dataset: …}} in lab.yaml")
		case !slices.Contains(check.Public, name):
			r.problem(file, line, "${%s} is not known: expected %s; write $${%s} for the text itself", name, strings.Join(check.Public, ", "), name)
		}
	}
}

var fileName = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)

// rest reads what lab.yaml does not name, and notes files that nothing reads,
// unless lab.yaml itself could not be read.
func (r *reader) rest(named bool) {
	l := r.lab
	l.Intro = r.prose("intro.md", "it says what the lab is about, in 5 to 15 lines", introLines)
	names := make([]string, 0, len(r.files))
	for name := range r.files {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		text, dir, base := r.files[name], path.Dir(name), path.Base(name)
		switch {
		case r.used[name]:
		case dir == "home":
			if !fileName.MatchString(base) || len(base) > 100 {
				r.problem(name, 0, "expected a name of letters, digits, '_', '.' and '-'")
			}
			l.Home[base] = text
		case strings.HasPrefix(name, "home/"):
			r.problem(name, 0, "the learner's home is flat: expected the file in home/ itself")
		case name == "setup/setup.sh":
			l.Setup = text
		case dir == "setup" && path.Ext(base) == ".yaml":
			l.Manifests = append(l.Manifests, Manifest{base, text, r.manifest(name, text)})
		case named:
			r.problem(name, 0, "nothing reads this file: %s", r.expected(name))
		}
	}
}

// expected says what could be where a file is that nothing reads.
func (r *reader) expected(name string) string {
	parts := strings.Split(name, "/")
	switch {
	case parts[0] == "tasks" && len(parts) > 2 && r.lab.Task(parts[1]) == nil:
		return fmt.Sprintf("lab.yaml has no task %s", parts[1])
	case parts[0] == "tasks":
		return "expected tasks/ID/task.md, solution.sh, reset.sh, wrong-….sh, and scripts that a source of the task names"
	case parts[0] == "faults" && len(parts) > 2 && r.lab.Fault(parts[1]) == nil:
		return fmt.Sprintf("lab.yaml has no fault %s", parts[1])
	case parts[0] == "faults":
		return "expected faults/ID/inject.sh, mend.sh and explain.md, and scripts in faults/ that a source of break names"
	case parts[0] == "setup":
		return "expected setup/….yaml and setup/setup.sh"
	}
	return "expected lab.yaml, intro.md, home/, setup/, tasks/ and faults/"
}
