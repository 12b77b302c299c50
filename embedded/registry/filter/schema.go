package filter

import (
	"slices"
	"sort"
	"strings"
)

type valueKind int

const (
	textKind valueKind = iota
	numberKind
	eitherKind
)

// Attr is an attribute that a search may name.
type Attr struct {
	Name     string // canonical
	Kind     valueKind
	Ops      []Op // nil: those usual for the kind
	NoFilter bool // only for order_by
	NoOrder  bool // only for filters
}

// Schema says what a search may mention.
type Schema struct {
	// Plain is the entity of keys without a prefix.
	Plain    Entity
	Entities map[string]Entity
	Attrs    map[string]Attr // by every spelling
	// Ops of entities other than attributes.
	Ops map[Entity][]Op
	// Keys limits the keys of an entity, such as dataset.name.
	Keys map[Entity][]string
	// Ordered lists the entities besides attributes that order_by may name.
	Ordered []Entity
}

type field struct {
	entity    Entity
	key       string
	kind      valueKind
	ops       []Op
	canonical func(string) string
}

// kindFor is the kind of value that an operator wants.
func (f field) kindFor(o Op) valueKind {
	if o == Like || o == ILike || o == RLike {
		return textKind
	}
	return f.kind
}

var (
	numberOps  = []Op{Eq, Ne, Lt, Le, Gt, Ge}
	stringOps  = []Op{Eq, Ne, Like, ILike}
	listOps    = []Op{Eq, Ne, Like, ILike, In, NotIn}
	tagOps     = []Op{Eq, Ne, Like, ILike, IsNull, IsNotNull}
	regexOps   = []Op{Eq, Ne, Like, ILike, RLike, IsNull, IsNotNull}
	traceAttrs = []Op{Eq, Ne, Like, ILike, RLike, In, NotIn}
)

func (s *Schema) split(name string) (Entity, string, error) {
	prefix, key, dotted := cutKey(name)
	if !dotted {
		return s.Plain, unquote(name), nil
	}
	e, ok := s.Entities[unquote(prefix)]
	if !ok {
		return "", "", bad("%q in %q is not known: expected one of %s", unquote(prefix), clip(name), s.prefixes())
	}
	key = unquote(key)
	if key == "" {
		return "", "", bad("%q names no key after the dot", clip(name))
	}
	return e, key, nil
}

// cutKey cuts at the first dot outside of quotes.
func cutKey(name string) (prefix, key string, dotted bool) {
	var q byte
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case q != 0:
			if c == q {
				q = 0
			}
		case c == '`' || c == '"':
			q = c
		case c == '.':
			return name[:i], name[i+1:], true
		}
	}
	return name, "", false
}

func (s *Schema) resolve(name string) (field, error) {
	e, key, err := s.split(name)
	if err != nil {
		return field{}, err
	}
	if e == Attribute {
		a, ok := s.Attrs[key]
		if !ok || a.NoFilter {
			return field{}, bad("there is no attribute %q to filter by: expected one of %s", clip(key), s.names(func(a Attr) bool { return !a.NoFilter }))
		}
		ops := a.Ops
		if ops == nil {
			ops = stringOps
			if a.Kind == numberKind {
				ops = numberOps
			}
		}
		f := field{entity: e, key: a.Name, kind: a.Kind, ops: ops}
		if a.Name == "logged_model_status" {
			f.canonical = fullStatus
		}
		return f, nil
	}
	if keys := s.Keys[e]; keys != nil && !slices.Contains(keys, key) {
		return field{}, bad("%s has no key %q: expected one of %s", e, clip(key), strings.Join(keys, ", "))
	}
	kind := textKind
	switch e {
	case Metric:
		kind = numberKind
	case Feedback, Expectation:
		kind = eitherKind
	}
	return field{entity: e, key: key, kind: kind, ops: s.Ops[e]}, nil
}

func (s *Schema) resolveOrder(name string) (field, error) {
	e, key, err := s.split(name)
	if err != nil {
		return field{}, err
	}
	if e == Attribute {
		a, ok := s.Attrs[key]
		if !ok || a.NoOrder {
			return field{}, bad("there is no attribute %q to order by: expected one of %s", clip(key), s.names(func(a Attr) bool { return !a.NoOrder }))
		}
		return field{entity: e, key: a.Name}, nil
	}
	if !slices.Contains(s.Ordered, e) {
		return field{}, bad("this search cannot be ordered by a %s", e)
	}
	return field{entity: e, key: key}, nil
}

func (s *Schema) prefixes() string {
	var out []string
	for k := range s.Entities {
		out = append(out, k)
	}
	sort.Strings(out)
	return strings.Join(out, ", ")
}

func (s *Schema) names(use func(Attr) bool) string {
	var out []string
	for k, a := range s.Attrs {
		if use(a) {
			out = append(out, k)
		}
	}
	sort.Strings(out)
	return strings.Join(out, ", ")
}
