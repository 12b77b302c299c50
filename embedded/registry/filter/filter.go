// Package filter reads MLflow's search grammar: comparisons joined by AND, and
// order_by clauses. A Schema says what may be compared with what in a search.
// The package knows nothing of SQL.
package filter

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// Entity is what a key belongs to.
type Entity string

// The entities. Schemas map the spellings that clients use to these.
const (
	Metric      Entity = "metric"
	Param       Entity = "param"
	Tag         Entity = "tag"
	Attribute   Entity = "attribute"
	Dataset     Entity = "dataset"
	Metadata    Entity = "request_metadata"
	Span        Entity = "span"
	Feedback    Entity = "feedback"
	Expectation Entity = "expectation"
)

// Op is a comparison operator.
type Op string

// The operators.
const (
	Eq        Op = "="
	Ne        Op = "!="
	Lt        Op = "<"
	Le        Op = "<="
	Gt        Op = ">"
	Ge        Op = ">="
	Like      Op = "LIKE"
	ILike     Op = "ILIKE"
	RLike     Op = "RLIKE"
	In        Op = "IN"
	NotIn     Op = "NOT IN"
	IsNull    Op = "IS NULL"
	IsNotNull Op = "IS NOT NULL"
)

// Comparison is one comparison of a filter.
type Comparison struct {
	Entity Entity
	Key    string // for attributes the canonical name
	Op     Op
	Number float64  // if the key's kind is Number
	Int    int64    // Number as an integer, if it is one
	IsInt  bool     // whether Int is meant
	Text   string   // if it is Text
	List   []string // for In and NotIn
}

// Order is one order_by clause.
type Order struct {
	Entity Entity
	Key    string
	Desc   bool
}

// Parse reads a filter. An empty one has no comparisons.
func Parse(s string, schema *Schema) ([]Comparison, error) {
	tokens, err := lex(s)
	if err != nil {
		return nil, err
	}
	p := &parser{src: s, tokens: tokens, schema: schema}
	if p.peek().kind == end {
		return nil, nil
	}
	var out []Comparison
	for {
		c, err := p.comparison()
		if err != nil {
			return nil, err
		}
		out = append(out, c)
		if len(out) > maxComparisons {
			return nil, bad("the filter has more than %d comparisons", maxComparisons)
		}
		switch t := p.next(); {
		case t.kind == end:
			return out, nil
		case t.keyword("AND"):
		case t.keyword("OR"):
			return nil, bad("OR is not supported in %q: filters are comparisons joined by AND", clip(s))
		default:
			return nil, bad("expected AND or the end after a comparison, found %s at position %d of %q", t, t.pos+1, clip(s))
		}
	}
}

// maxComparisons keeps a filter below what SQLite joins in one statement.
const maxComparisons = 50

type parser struct {
	src    string
	tokens []token
	i      int
	schema *Schema
}

func (p *parser) peek() token { return p.tokens[p.i] }

func (p *parser) next() token {
	t := p.tokens[p.i]
	if t.kind != end {
		p.i++
	}
	return t
}

func (p *parser) comparison() (Comparison, error) {
	t := p.next()
	if t.kind != word {
		return Comparison{}, bad("expected a key such as metrics.accuracy or attributes.status, found %s at position %d of %q", t, t.pos+1, clip(p.src))
	}
	f, err := p.schema.resolve(t.text)
	if err != nil {
		return Comparison{}, err
	}
	c := Comparison{Entity: f.entity, Key: f.key}
	if c.Op, err = p.operator(); err != nil {
		return c, err
	}
	if !slices.Contains(f.ops, c.Op) {
		return c, bad("%s cannot be compared with %s: expected one of %s", t, c.Op, join(f.ops))
	}
	return c, p.value(&c, f, t)
}

func (p *parser) operator() (Op, error) {
	t := p.next()
	second := func(k string, o Op) (Op, error) {
		if n := p.next(); !n.keyword(k) {
			return "", bad("expected %s, found %s after %s", o, n, t)
		}
		return o, nil
	}
	switch {
	case t.kind == op:
		switch o := Op(t.text); o {
		case Eq, Ne, Lt, Le, Gt, Ge:
			return o, nil
		case "==":
			return "", bad("expected a comparison operator, found %s: write a single =", t)
		case "<>":
			return "", bad("expected a comparison operator, found %s: write !=", t)
		}
	case t.keyword("LIKE"):
		return Like, nil
	case t.keyword("ILIKE"):
		return ILike, nil
	case t.keyword("RLIKE"):
		return RLike, nil
	case t.keyword("IN"):
		return In, nil
	case t.keyword("NOT"):
		return second("IN", NotIn)
	case t.keyword("IS"):
		if p.peek().keyword("NOT") {
			p.next()
			return second("NULL", IsNotNull)
		}
		return second("NULL", IsNull)
	}
	return "", bad("expected a comparison operator (= != < <= > >= LIKE ILIKE IN, NOT IN, IS NULL, IS NOT NULL), found %s at position %d of %q", t, t.pos+1, clip(p.src))
}

func (p *parser) value(c *Comparison, f field, key token) error {
	switch c.Op {
	case IsNull, IsNotNull:
		return nil
	case In, NotIn:
		return p.list(c)
	}
	t := p.next()
	switch f.kindFor(c.Op) {
	case numberKind:
		if t.kind != number {
			return bad("%s is compared with a number, found %s", key, t)
		}
		return c.setNumber(t)
	case eitherKind:
		if t.kind == number {
			c.Text = t.text
			return c.setNumber(t)
		}
	}
	switch {
	case t.kind == text:
		c.Text = t.text
	case t.kind == word && t.text[0] == '"' && unquote(t.text) != t.text:
		c.Text = unquote(t.text)
	default:
		return bad("%s is compared with a string in quotes, such as 'value', found %s", key, t)
	}
	if f.canonical != nil {
		c.Text = f.canonical(c.Text)
	}
	return nil
}

func (c *Comparison) setNumber(t token) error {
	if n, err := strconv.ParseInt(t.text, 10, 64); err == nil {
		c.Int, c.IsInt, c.Number = n, true, float64(n)
		return nil
	}
	n, err := strconv.ParseFloat(t.text, 64)
	if err != nil && !math.IsInf(n, 0) {
		return bad("%s is not a number", t)
	}
	// The store keeps infinities as the largest double.
	c.Number = math.Max(-math.MaxFloat64, math.Min(math.MaxFloat64, n))
	return nil
}

func (p *parser) list(c *Comparison) error {
	if t := p.next(); t.text != "(" || t.kind != punct {
		return bad("%s needs a list such as ('a', 'b'), found %s", c.Op, t)
	}
	for {
		t := p.next()
		switch {
		case t.kind == text:
			c.List = append(c.List, t.text)
		case t.kind == word && t.text[0] == '"' && unquote(t.text) != t.text:
			c.List = append(c.List, unquote(t.text))
		default:
			return bad("%s needs a list of strings in quotes, such as ('a', 'b'), found %s", c.Op, t)
		}
		if len(c.List) > maxList {
			return bad("the list after %s has more than %d members", c.Op, maxList)
		}
		t = p.next()
		if t.kind == punct && t.text == ")" {
			return nil
		}
		if t.kind != punct || t.text != "," {
			return bad("expected a comma or ) in the list after %s, found %s", c.Op, t)
		}
	}
}

const maxList = 10000

func join(ops []Op) string {
	s := make([]string, len(ops))
	for i, o := range ops {
		s[i] = string(o)
	}
	return strings.Join(s, ", ")
}

// fullStatus completes a logged model's status, which filters spell short.
func fullStatus(s string) string {
	if s == "FAILED" {
		s = "UPLOAD_FAILED" // the client's word for it
	}
	if _, ok := wire.LoggedModelStatusNumber(s); ok {
		return s
	}
	return "LOGGED_MODEL_" + s
}
