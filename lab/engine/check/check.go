// Package check holds what a task expects against what there is. Expectations
// are CEL over sources; a verdict says that all hold, or what was seen instead,
// or that the check itself could not run.
package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/cel-go/cel"
	celast "github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// Expectation is one thing that has to be so, as its author wrote it.
type Expectation struct {
	That  string // CEL: a bool
	Saw   string // CEL: a string that says what was found and what was expected
	Hints []string
}

// Check is a list of expectations over sources.
type Check struct {
	sources map[string]Source
	wanted  []Expectation
	ready   func() compiled // once
}

// compiled is what a check needs to be looked at, or what is wrong with it.
type compiled struct {
	expect []expectation
	wrong  []Error
}

type expectation struct {
	Expectation
	that, saw   cel.Program
	needs, says []string // sources that they read
}

// Verdict is what a look has found.
type Verdict struct {
	Holds bool
	Saw   string   // what was found, if it does not hold
	Fault string   // why the check could not run
	Index int      // of the first expectation that does not hold
	Hints []string // of that expectation, from a nudge to what to do
	At    time.Time
}

// Error is a problem with the expectation of that index.
type Error struct {
	Index int // -1: of Source
	That  bool
	Name  string // of a source
	Text  string
}

func (e Error) Error() string { return e.Text }

// New returns a check. It is compiled when it is first looked at: compiled
// expectations take a hundred times the room of their text, and most labs are
// never opened.
func New(sources map[string]Source, expect []Expectation) *Check {
	c := &Check{sources: sources, wanted: expect}
	c.ready = sync.OnceValue(func() compiled {
		expect, wrong := compile(c.sources, c.wanted)
		return compiled{expect, wrong}
	})
	return c
}

// Problems compiles the check now, and returns all that is wrong with it.
func (c *Check) Problems() []Error { return c.ready().wrong }

func compile(sources map[string]Source, expect []Expectation) (ready []expectation, wrong []Error) {
	options := []cel.EnvOption{}
	for name := range sources {
		if text := nameProblem(name); text != "" {
			wrong = append(wrong, Error{Index: -1, Name: name, Text: text})
			continue
		}
		options = append(options, cel.Variable(name, cel.DynType))
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	env, err := baseEnv().Extend(options...)
	if err != nil {
		return nil, []Error{{Index: -1, Text: "CEL: " + err.Error()}}
	}
	used := map[string]bool{}
	for i, e := range expect {
		n := expectation{Expectation: e}
		one := func(text string, that bool, result *cel.Type, what string) (cel.Program, []string) {
			p, needs, problem := program(env, sources, text, result, what)
			if problem != "" {
				wrong = append(wrong, Error{Index: i, That: that, Text: problem})
			}
			for _, name := range needs {
				used[name] = true
			}
			return p, needs
		}
		if names := References(e.That); len(names) > 0 {
			wrong = append(wrong, Error{Index: i, That: true, Text: fmt.Sprintf("CEL does not fill in ${%s}: write %s without the dollar and the braces", names[0], names[0])})
			continue
		}
		n.that, n.needs = one(e.That, true, cel.BoolType, "that: expected CEL that is true or false")
		n.saw, n.says = one(e.Saw, false, cel.StringType, "saw: expected CEL that is a string")
		ready = append(ready, n)
	}
	for name := range sources {
		if !used[name] && len(wrong) == 0 {
			wrong = append(wrong, Error{Index: -1, Name: name, Text: fmt.Sprintf("no expectation uses the source %s: use it or take it out", name)})
		}
	}
	return ready, wrong
}

// nameProblem says why a source can't be called so.
func nameProblem(name string) string {
	switch {
	case !identifier.MatchString(name):
		return fmt.Sprintf("the source %q needs another name: expected a lower-case letter, then letters, digits and _", name)
	case slices.Contains(reserved, name):
		return fmt.Sprintf("the source %q needs another name: CEL uses this one", name)
	}
	return ""
}

// program compiles one expression.
func program(env *cel.Env, sources map[string]Source, text string, result *cel.Type, what string) (cel.Program, []string, string) {
	if strings.TrimSpace(text) == "" {
		return nil, nil, what
	}
	ast, issues := env.Compile(text)
	if issues.Err() != nil {
		said := make([]string, 0, len(issues.Errors()))
		for _, e := range issues.Errors() {
			said = append(said, fmt.Sprintf("CEL, at letter %d: %s", e.Location.Column()+1, e.Message))
		}
		return nil, nil, strings.Join(said, "; ")
	}
	if t := ast.OutputType(); !t.IsExactType(result) && !t.IsExactType(cel.DynType) {
		return nil, nil, fmt.Sprintf("%s, this is %s", what, t)
	}
	p, err := env.Program(ast, cel.CostLimit(maxCost), cel.InterruptCheckFrequency(100))
	if err != nil {
		return nil, nil, err.Error()
	}
	var needs []string
	celast.PreOrderVisit(ast.NativeRep().Expr(), celast.NewExprVisitor(func(e celast.Expr) {
		if e.Kind() == celast.IdentKind {
			if _, ok := sources[e.AsIdent()]; ok && !slices.Contains(needs, e.AsIdent()) {
				needs = append(needs, e.AsIdent())
			}
		}
	}))
	return p, needs, ""
}

// judge looks at the expectations in order.
func (c *Check) judge(ctx context.Context, l *Look) Verdict {
	fault := func(text string) Verdict { return Verdict{Fault: text} }
	ready := c.ready()
	if len(ready.wrong) > 0 {
		return fault(ready.wrong[0].Text)
	}
	for _, e := range ready.expect {
		for _, name := range e.needs {
			if s := c.sources[name]; !s.dear() {
				l.ask(s)
			}
		}
	}
	values := map[string]any{"lab": l.env["LAB"], "project": l.env["PROJECT"], "now": l.now}
	for _, name := range Public {
		values[name] = l.env[name]
	}
	gather := func(names []string) string {
		asked := make([]*answer, len(names))
		for i, name := range names {
			asked[i] = l.ask(c.sources[name])
		}
		for i, a := range asked {
			select {
			case <-a.done:
			case <-ctx.Done():
				return fmt.Sprintf("%s: %v", names[i], context.Cause(ctx))
			}
			if a.err != nil {
				return fmt.Sprintf("%s: %s", names[i], a.err)
			}
			values[names[i]] = a.value
		}
		return ""
	}
	for i, e := range ready.expect {
		if problem := gather(e.needs); problem != "" {
			return fault(problem)
		}
		out, _, err := e.that.ContextEval(ctx, values)
		holds, isBool := out.(types.Bool)
		switch {
		case err != nil:
			return fault(fmt.Sprintf("expectation %d: %s", i+1, err))
		case !isBool:
			return fault(fmt.Sprintf("expectation %d: expected true or false, got %s", i+1, typeName(out)))
		case bool(holds):
			continue
		}
		if problem := gather(e.says); problem != "" {
			return fault(problem)
		}
		out, _, err = e.saw.ContextEval(ctx, values)
		saw, isString := out.(types.String)
		switch {
		case err != nil:
			return fault(fmt.Sprintf("what expectation %d saw: %s", i+1, err))
		case !isString:
			return fault(fmt.Sprintf("what expectation %d saw: expected a string, got %s", i+1, typeName(out)))
		}
		return Verdict{Saw: Expand(string(saw), l.env), Index: i, Hints: e.Hints}
	}
	return Verdict{Holds: true}
}

func typeName(v ref.Val) string {
	if v == nil {
		return "nothing"
	}
	return v.Type().TypeName()
}

// ErrLate is why a look has ended without an answer.
var ErrLate = errors.New("no answer in time")
