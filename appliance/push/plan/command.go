package plan

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// pythonName is what Python is called by on machines where it is several.
var pythonName = regexp.MustCompile(`^(/usr/bin/|/usr/local/bin/)?(python|python[23]|python3\.[0-9]+|py)$`)

// environments run a command in the environment that they make. Here that is the
// lab's, so the command alone is meant.
var environments = []string{"uv", "poetry", "pipenv", "pdm", "rye", "hatch"}

// arguments makes the arguments of a process out of a line for a shell. What needs
// a shell gets one.
func arguments(line string) (argv []string, problem string) {
	file, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(line), "")
	if err != nil {
		var at syntax.ParseError
		if errors.As(err, &at) {
			return nil, fmt.Sprintf("is no command that a shell reads: at character %d, %s", at.Pos.Offset()+1, at.Text)
		}
		return nil, "is no command that a shell reads: " + err.Error()
	}
	if len(file.Stmts) == 0 {
		return nil, "is empty: expected a command such as \"python train.py\""
	}
	if argv := simple(file); argv != nil {
		return withoutEnvironment(argv), ""
	}
	return []string{"sh", "-c", strings.TrimSpace(line)}, ""
}

// simple returns the words of a line that is one command without anything that a
// shell has to do, nil for every other.
func simple(file *syntax.File) []string {
	if len(file.Stmts) != 1 {
		return nil
	}
	s := file.Stmts[0]
	call, ok := s.Cmd.(*syntax.CallExpr)
	if !ok || len(call.Assigns) > 0 || len(s.Redirs) > 0 || s.Negated || s.Background || s.Coprocess || s.Disown {
		return nil
	}
	for _, w := range call.Args {
		for _, part := range w.Parts {
			if !plain(part) {
				return nil
			}
		}
	}
	words, err := expand.Fields(&expand.Config{}, call.Args...)
	if err != nil || len(words) == 0 {
		return nil
	}
	return words
}

func plain(part syntax.WordPart) bool {
	switch p := part.(type) {
	case *syntax.Lit:
		return !strings.ContainsAny(p.Value, "*?[~{")
	case *syntax.SglQuoted:
		return !p.Dollar
	case *syntax.DblQuoted:
		for _, inner := range p.Parts {
			if _, ok := inner.(*syntax.Lit); !ok {
				return false
			}
		}
		return !p.Dollar
	}
	return false
}

// withoutEnvironment is a command without what makes its environment, and with
// the lab's Python.
func withoutEnvironment(argv []string) []string {
	if len(argv) > 2 && slices.Contains(environments, argv[0]) && argv[1] == "run" && !strings.HasPrefix(argv[2], "-") {
		argv = argv[2:]
		if strings.HasSuffix(argv[0], ".py") {
			argv = append([]string{"python"}, argv...)
		}
	}
	if pythonName.MatchString(argv[0]) {
		argv = append([]string{"python"}, argv[1:]...)
	}
	return argv
}

// entryOf finds the file of the code that a command runs, "" if it is not plain,
// and the file that it names but that is not there.
func entryOf(code fs.FS, argv []string) (entry, missing string) {
	if argv[0] == "sh" && len(argv) == 3 && argv[1] == "-c" {
		return entryOfShell(code, argv[2]), ""
	}
	for i, word := range argv {
		switch {
		case word == "-m" && i > 0 && i+1 < len(argv):
			return moduleFile(code, argv[i+1]), ""
		case word == "-c":
			return "", ""
		case strings.HasSuffix(word, ".py"):
			if name := path.Clean(word); isFile(code, name) {
				return name, ""
			}
			if i == 1 && argv[0] == "python" && !path.IsAbs(word) {
				return "", word
			}
			return "", ""
		}
	}
	return "", ""
}

// entryOfShell is the last script that a line for a shell names: what comes
// before prepares it.
func entryOfShell(code fs.FS, line string) (entry string) {
	file, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(line), "")
	if err != nil {
		return ""
	}
	syntax.Walk(file, func(n syntax.Node) bool {
		if w, ok := n.(*syntax.Word); ok {
			if name := path.Clean(w.Lit()); strings.HasSuffix(name, ".py") && isFile(code, name) {
				entry = name
			}
		}
		return true
	})
	return entry
}

// moduleFile is the file of a module that `python -m` runs.
func moduleFile(code fs.FS, module string) string {
	below := strings.ReplaceAll(module, ".", "/")
	for _, root := range []string{"", "src"} {
		for _, name := range []string{below + ".py", below + "/__main__.py"} {
			if name = path.Join(root, name); isFile(code, name) {
				return name
			}
		}
	}
	return ""
}

func isFile(code fs.FS, name string) bool {
	if !fs.ValidPath(name) {
		return false
	}
	info, err := fs.Stat(code, name)
	return err == nil && info.Mode().IsRegular()
}
