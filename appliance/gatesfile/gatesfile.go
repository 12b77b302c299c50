// Package gatesfile reads and writes quality_gates.yaml, which says what a
// model version must pass before it is served.
package gatesfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

const (
	layout       = "expected metrics: {NAME: {minimum: NUMBER, maximum: NUMBER, comparison: gte or lte}} and approval: required"
	boundsLayout = "expected {minimum: NUMBER, maximum: NUMBER, comparison: gte or lte}"
)

// Parse reads gates. Nothing at all is no gate; a key that is not known is an
// error, which names its line and says what was expected.
func Parse(b []byte) (mlops.Gates, error) {
	var doc, more yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(&doc); errors.Is(err, io.EOF) {
		return mlops.Gates{}, nil
	} else if err != nil {
		return mlops.Gates{}, broken(err)
	}
	if err := d.Decode(&more); err == nil {
		return mlops.Gates{}, at(&more, "there is a second document: expected one")
	} else if !errors.Is(err, io.EOF) {
		return mlops.Gates{}, broken(err)
	}
	return gates(doc.Content[0])
}

func broken(err error) error {
	return mlops.Errorf(mlops.Invalid, "gates: this is not YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
}

func at(n *yaml.Node, format string, args ...any) error {
	return mlops.Errorf(mlops.Invalid, "gates, line %d: %s", n.Line, fmt.Sprintf(format, args...))
}

func gates(n *yaml.Node) (g mlops.Gates, err error) {
	err = entries(n, "the gates", layout, func(key, value *yaml.Node) (err error) {
		switch key.Value {
		case "metrics":
			g.Metrics, err = metrics(value)
		case "approval":
			if null(value) {
				return nil
			}
			if g.Approval, err = text(value, "approval", mlops.ApprovalRequired+", or nothing"); err != nil {
				return err
			}
			if err := (mlops.Gates{Approval: g.Approval}).Validate(); err != nil {
				return at(value, "%s", mlops.MessageOf(err))
			}
		default:
			return at(key, "the key %q is not known: %s", key.Value, layout)
		}
		return err
	})
	if err != nil {
		return mlops.Gates{}, err
	}
	return g, nil
}

func metrics(n *yaml.Node) (map[string]mlops.Bound, error) {
	var out map[string]mlops.Bound
	err := entries(n, "metrics", "expected NAME: "+strings.TrimPrefix(boundsLayout, "expected "), func(key, value *yaml.Node) error {
		b, err := bound(key.Value, value)
		if err != nil {
			return err
		}
		if err := (mlops.Gates{Metrics: map[string]mlops.Bound{key.Value: b}}).Validate(); err != nil {
			return at(key, "%s", mlops.MessageOf(err))
		}
		if out == nil {
			out = map[string]mlops.Bound{}
		}
		out[key.Value] = b
		return nil
	})
	return out, err
}

func bound(metric string, n *yaml.Node) (b mlops.Bound, err error) {
	what := "metric " + metric
	err = entries(n, what, boundsLayout, func(key, value *yaml.Node) (err error) {
		switch key.Value {
		case "minimum":
			b.Minimum, err = number(value, what+": minimum")
		case "maximum":
			b.Maximum, err = number(value, what+": maximum")
		case "comparison":
			b.Comparison, err = text(value, what+": comparison", mlops.CompareGTE+" or "+mlops.CompareLTE)
		default:
			return at(key, "%s: the key %q is not known: %s", what, key.Value, boundsLayout)
		}
		return err
	})
	return b, err
}

// entries calls f with the keys and values of a mapping. Nothing is an empty
// one.
func entries(n *yaml.Node, what, expected string, f func(key, value *yaml.Node) error) error {
	n = meant(n)
	if null(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		return at(n, "%s: %s", what, expected)
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := meant(n.Content[i])
		if key.Kind != yaml.ScalarNode {
			return at(n.Content[i], "%s: a key is not a name: %s", what, expected)
		}
		if seen[key.Value] {
			return at(n.Content[i], "%s: the key %q is there twice: expected it once", what, key.Value)
		}
		seen[key.Value] = true
		if err := f(key, n.Content[i+1]); err != nil {
			return err
		}
	}
	return nil
}

// meant is the node that an alias stands for.
func meant(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func null(n *yaml.Node) bool {
	n = meant(n)
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}

func number(n *yaml.Node, what string) (*float64, error) {
	v := meant(n)
	var f float64
	if tag := v.ShortTag(); v.Kind != yaml.ScalarNode || tag != "!!int" && tag != "!!float" || v.Decode(&f) != nil {
		return nil, at(n, "%s is %s: expected a number", what, shown(v))
	}
	return &f, nil
}

func text(n *yaml.Node, what, expected string) (string, error) {
	v := meant(n)
	if v.Kind != yaml.ScalarNode || v.ShortTag() != "!!str" {
		return "", at(n, "%s is %s: expected %s", what, shown(v), expected)
	}
	return v.Value, nil
}

// shown is a value as an error quotes it.
func shown(n *yaml.Node) string {
	switch n.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "a mapping"
	}
	return fmt.Sprintf("%q", n.Value)
}

// Print writes gates as Parse reads them; no gate is no text.
func Print(g mlops.Gates) string {
	type bound struct {
		Minimum    *float64 `yaml:"minimum,omitempty"`
		Maximum    *float64 `yaml:"maximum,omitempty"`
		Comparison string   `yaml:"comparison,omitempty"`
	}
	var file struct {
		Metrics  map[string]bound `yaml:"metrics,omitempty"`
		Approval string           `yaml:"approval,omitempty"`
	}
	file.Approval = g.Approval
	if len(g.Metrics) == 0 && g.Approval == "" {
		return ""
	}
	file.Metrics = make(map[string]bound, len(g.Metrics))
	for name, b := range g.Metrics {
		file.Metrics[name] = bound(b)
	}
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	if err := e.Encode(file); err != nil {
		panic(err) // strings and numbers can be written
	}
	return out.String()
}
