package plan

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"mvdan.cc/sh/v3/syntax"
)

// mlproject is what a file MLproject, of MLflow's projects, says.
type mlproject struct {
	file    string
	there   bool // it names entry points
	command []string
	point   string // the entry point that is run
	line    int    // in which its command stands
	needs   []string
}

// readMLproject reads an MLproject: the entry point that trains, with its
// parameters' defaults.
func readMLproject(file string, text []byte) (p mlproject, wrong []string) {
	p.file = file
	say := func(n *yaml.Node, format string, args ...any) {
		wrong = append(wrong, fmt.Sprintf("%s, line %d: %s", file, n.Line, fmt.Sprintf(format, args...)))
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return p, []string{fmt.Sprintf("%s: this is not YAML: %s", file, strings.TrimPrefix(err.Error(), "yaml: "))}
	}
	if doc.Kind == 0 {
		return p, nil
	}
	top := meant(doc.Content[0])
	if top.Kind != yaml.MappingNode {
		say(top, "expected a mapping with entry_points")
		return p, wrong
	}
	for key, value := range entries(top) {
		switch key.Value {
		case "docker_env", "databricks_spark_job":
			say(key, "%s is not known here: remove it, or say how the code is run with --command \"…\"; it runs on the lab's Python", key.Value)
		case "conda_env", "python_env":
			if value.Kind == yaml.ScalarNode && value.Value != "" {
				p.needs = append(p.needs, path.Clean(value.Value))
			}
		}
	}
	points := child(top, "entry_points")
	if points == nil {
		return p, wrong
	}
	if points.Kind != yaml.MappingNode || len(points.Content) == 0 {
		say(points, "entry_points: expected a mapping such as {main: {command: \"python train.py\"}}")
		return p, wrong
	}
	p.there = true
	names := slices.Sorted(maps.Keys(named(points)))
	if p.point = meantPoint(names); p.point == "" {
		say(points, "there is no entry point main, but %s: say which is meant with --command \"…\"", strings.Join(names, ", "))
		return p, wrong
	}
	main := child(points, p.point)
	command := child(main, "command")
	if command == nil || command.Kind != yaml.ScalarNode || command.ShortTag() != "!!str" {
		say(main, "entry point %s: expected a command such as \"python train.py\"", p.point)
		return p, wrong
	}
	p.line = command.Line
	line, problems := filled(command.Value, parameters(child(main, "parameters")))
	for _, problem := range problems {
		say(command, "entry point %s: %s", p.point, problem)
	}
	if problems != nil {
		return p, wrong
	}
	argv, problem := arguments(line)
	if problem != "" {
		say(command, "entry point %s: its command %s", p.point, problem)
	}
	p.command = argv
	return p, wrong
}

// meantPoint is the entry point that trains: main, the only one, or the only one
// whose name begins with train; "" if there is none of these.
func meantPoint(names []string) string {
	if slices.Contains(names, "main") {
		return "main"
	}
	if len(names) == 1 {
		return names[0]
	}
	training := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !strings.HasPrefix(n, "train") })
	if len(training) == 1 {
		return training[0]
	}
	return ""
}

// parameters are the defaults of an entry point's parameters; nil for one that
// has none. A parameter is its type, or a mapping with type and default.
func parameters(n *yaml.Node) map[string]*string {
	out := map[string]*string{}
	if n == nil || n.Kind != yaml.MappingNode {
		return out
	}
	for key, value := range entries(n) {
		out[key.Value] = nil
		if d := child(value, "default"); d != nil && d.Kind == yaml.ScalarNode {
			text := d.Value
			if d.ShortTag() == "!!bool" { // as Python writes it
				text = map[bool]string{true: "True", false: "False"}[strings.EqualFold(text, "true")]
			}
			if d.ShortTag() == "!!null" {
				text = "None"
			}
			out[key.Value] = &text
		}
	}
	return out
}

// filled is a command with its parameters: {alpha} stands for the value of
// alpha, {{ and }} for braces.
func filled(command string, values map[string]*string) (string, []string) {
	var out strings.Builder
	var problems []string
	for i := 0; i < len(command); {
		c := command[i]
		if i+1 < len(command) && (c == '{' || c == '}') && command[i+1] == c {
			out.WriteByte(c)
			i += 2
			continue
		}
		if c == '}' {
			return "", append(problems, "its command has a } without {: expected {NAME} for a parameter, or }} for a brace")
		}
		if c != '{' {
			out.WriteByte(c)
			i++
			continue
		}
		name, _, closed := strings.Cut(command[i+1:], "}")
		if !closed {
			return "", append(problems, "its command has a { without }: expected {NAME} for a parameter, or {{ for a brace")
		}
		i += len("{}") + len(name)
		switch value, known := values[name]; {
		case !known:
			problems = append(problems, fmt.Sprintf("its command names the parameter %s, which is not among its parameters", name))
		case value == nil:
			problems = append(problems, fmt.Sprintf("its parameter %s has no default: give it one, or say how the code is run with --command \"…\"", name))
		default:
			quoted, err := syntax.Quote(*value, syntax.LangPOSIX)
			if err != nil {
				problems = append(problems, fmt.Sprintf("the default of its parameter %s cannot stand in a command: %v", name, err))
			}
			out.WriteString(quoted)
		}
	}
	return out.String(), problems
}

// meant is the node that an alias stands for.
func meant(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// entries are the keys and values of a mapping.
func entries(n *yaml.Node) func(yield func(key, value *yaml.Node) bool) {
	return func(yield func(key, value *yaml.Node) bool) {
		if n.Kind != yaml.MappingNode {
			return
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(meant(n.Content[i]), meant(n.Content[i+1])) {
				return
			}
		}
	}
}

func named(n *yaml.Node) map[string]*yaml.Node {
	out := map[string]*yaml.Node{}
	for key, value := range entries(n) {
		out[key.Value] = value
	}
	return out
}

// child is the value of a key, nil if there is none.
func child(n *yaml.Node, name string) *yaml.Node {
	if n == nil {
		return nil
	}
	return named(n)[name]
}
