package prometheus

import (
	_ "embed"
	"fmt"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

const rulesFile = "rules.yaml"

//go:embed rules.yaml
var rulesText []byte

// ruleLoader gives the rule manager the embedded file.
type ruleLoader struct {
	parser parser.Parser
}

// Load implements rules.GroupLoader.
func (l ruleLoader) Load(name string, ignoreUnknown bool, scheme model.ValidationScheme) (*rulefmt.RuleGroups, []error) {
	return rulefmt.Parse(rulesText, ignoreUnknown, scheme, l.parser)
}

// Parse implements rules.GroupLoader.
func (l ruleLoader) Parse(query string) (parser.Expr, error) {
	e, err := l.parser.ParseExpr(query)
	if err != nil {
		return nil, fmt.Errorf("parse %q: %w", query, err)
	}
	return e, nil
}
