package filter

import (
	"slices"
)

// ParseOrder reads order_by clauses: a key, then nothing, ASC or DESC.
func ParseOrder(clauses []string, schema *Schema) ([]Order, error) {
	var out []Order
	for _, s := range clauses {
		tokens, err := lex(s)
		if err != nil {
			return nil, err
		}
		if tokens[0].kind != word || len(tokens) > 3 {
			return nil, bad("order_by clause %q is not usable: expected a key, then ASC, DESC or nothing, for example \"metrics.accuracy DESC\"", clip(s))
		}
		f, err := schema.resolveOrder(tokens[0].text)
		if err != nil {
			return nil, err
		}
		o := Order{Entity: f.entity, Key: f.key}
		switch {
		case tokens[1].kind == end || tokens[1].keyword("ASC"):
		case tokens[1].keyword("DESC"):
			o.Desc = true
		default:
			return nil, bad("order_by clause %q: expected ASC or DESC, found %s", clip(s), tokens[1])
		}
		if slices.ContainsFunc(out, func(x Order) bool { return x.Entity == o.Entity && x.Key == o.Key }) {
			return nil, bad("order_by names %s twice", tokens[0])
		}
		out = append(out, o)
		if len(out) > 20 {
			return nil, bad("order_by has more than 20 clauses")
		}
	}
	return out, nil
}
