package format

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// key is a key that a mapping may have.
type key struct {
	name string
	read func(n *yaml.Node)
	must bool
}

// mapping reads a mapping with those keys only.
func (r *reader) mapping(n *yaml.Node, what string, keys ...key) {
	n = meant(n)
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.name
	}
	if n.Kind != yaml.MappingNode {
		r.at(n, "%s: expected a mapping with %s", what, strings.Join(names, ", "))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name := n.Content[i].Value
		at := slices.IndexFunc(keys, func(k key) bool { return k.name == name })
		switch {
		case at < 0:
			r.at(n.Content[i], "%s: the key %q is not known: expected %s", what, name, strings.Join(names, ", "))
		case seen[name]:
			r.at(n.Content[i], "%s: the key %q is there twice", what, name)
		default:
			keys[at].read(n.Content[i+1])
		}
		seen[name] = true
	}
	for _, k := range keys {
		if k.must && !seen[k.name] {
			r.at(n, "%s: the key %q is missing", what, k.name)
		}
	}
}

// at notes a problem of lab.yaml.
func (r *reader) at(n *yaml.Node, format string, args ...any) {
	r.problem("lab.yaml", n.Line, format, args...)
}

// meant follows an alias.
func meant(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// text reads a scalar that says something.
func (r *reader) text(what string, into *string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		n = meant(n)
		if n.Kind != yaml.ScalarNode || n.Tag == "!!null" || strings.TrimSpace(n.Value) == "" {
			r.at(n, "%s: expected text", what)
			return
		}
		r.references("lab.yaml", n.Line, n.Value)
		*into = n.Value
	}
}

// code is text that is CEL: names are not filled in.
func (r *reader) code(what string, into *string, line *int) func(*yaml.Node) {
	return func(n *yaml.Node) {
		n = meant(n)
		*line = n.Line
		if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
			r.at(n, "%s: expected CEL", what)
			return
		}
		*into = n.Value
	}
}

func (r *reader) whole(what string, least, most int, into *int) func(*yaml.Node) {
	return func(n *yaml.Node) {
		v, err := strconv.Atoi(meant(n).Value)
		if err != nil || v < least || v > most {
			r.at(n, "%s: expected a whole number from %d to %d", what, least, most)
			return
		}
		*into = v
	}
}

func (r *reader) number(what string, into *float64) func(*yaml.Node) {
	return func(n *yaml.Node) {
		v, err := strconv.ParseFloat(meant(n).Value, 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			r.at(n, "%s: expected a number", what)
			return
		}
		*into = v
	}
}

func (r *reader) truth(what string, into *bool) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n = meant(n); n.Tag != "!!bool" {
			r.at(n, "%s: expected true or false", what)
			return
		}
		*into = n.Value == "true"
	}
}

func (r *reader) duration(what string, most time.Duration, into *time.Duration) func(*yaml.Node) {
	return func(n *yaml.Node) {
		d, err := time.ParseDuration(meant(n).Value)
		if err != nil || d <= 0 || d > most {
			r.at(n, "%s: expected a time up to %s, for example 2s", what, most)
			return
		}
		*into = d
	}
}

// texts reads a list of texts.
func (r *reader) texts(what string, most int, into *[]string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		r.list(what, n, func(item *yaml.Node) {
			var s string
			r.text(what, &s)(item)
			*into = append(*into, s)
		})
		if len(*into) > most {
			r.at(n, "%s: there are %d: expected at most %d", what, len(*into), most)
		}
	}
}

func (r *reader) list(what string, n *yaml.Node, item func(*yaml.Node)) {
	if n = meant(n); n.Kind != yaml.SequenceNode {
		r.at(n, "%s: expected a list", what)
		return
	}
	for _, c := range n.Content {
		item(c)
	}
}

func (r *reader) hints(what string, into *[]string) func(*yaml.Node) {
	return r.texts(what+": hints", maxHints, into)
}

// body reads text, or something that is sent as JSON.
func (r *reader) body(what string, into *string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if meant(n).Kind == yaml.ScalarNode {
			*into = meant(n).Value
			r.references("lab.yaml", n.Line, *into)
			return
		}
		var v any
		err := n.Decode(&v)
		if err == nil {
			var b []byte
			if b, err = json.Marshal(v); err == nil {
				*into = string(b)
				r.references("lab.yaml", n.Line, *into)
				return
			}
		}
		r.at(n, "%s: expected text or what JSON can say: %v", what, err)
	}
}

// document decodes the one document of a file.
func (r *reader) document(text string) *yaml.Node {
	var doc, more yaml.Node
	d := yaml.NewDecoder(strings.NewReader(text))
	if err := d.Decode(&doc); err != nil {
		r.problem("lab.yaml", yamlLine(err), "this is not YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
		return nil
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		r.problem("lab.yaml", more.Line, "expected one document")
		return nil
	}
	return doc.Content[0]
}

// yamlLine finds the line in an error of the decoder.
func yamlLine(err error) int {
	_, rest, ok := strings.Cut(err.Error(), "line ")
	if !ok {
		return 0
	}
	digits, _, _ := strings.Cut(rest, ":")
	line, _ := strconv.Atoi(digits)
	return line
}

// manifest looks at objects that are applied to the room.
func (r *reader) manifest(file, text string) (objects []Object) {
	for i, line := range strings.Split(text, "\n") {
		r.references(file, i+1, line)
	}
	d := yaml.NewDecoder(bytes.NewReader([]byte(text)))
	for {
		var doc yaml.Node
		err := d.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			r.problem(file, yamlLine(err), "this is not YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
			return objects
		}
		var object struct {
			APIVersion string `yaml:"apiVersion"`
			Kind       string
			Metadata   struct{ Name, Namespace string }
		}
		if len(doc.Content) == 0 || doc.Content[0].Tag == "!!null" {
			continue
		}
		line := doc.Content[0].Line
		switch err := doc.Decode(&object); {
		case err != nil || object.APIVersion == "" || object.Kind == "" || object.Metadata.Name == "":
			r.problem(file, line, "expected an object of Kubernetes with apiVersion, kind and metadata.name")
		case object.Metadata.Namespace != "" && object.Metadata.Namespace != "${LAB}":
			r.problem(file, line, "%s %s is for namespace %s: setup is applied to the room; leave the namespace out", object.Kind, object.Metadata.Name, object.Metadata.Namespace)
		default:
			objects = append(objects, Object{object.Kind, object.Metadata.Name})
		}
	}
}
