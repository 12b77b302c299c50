package check

import (
	"math"
	"regexp"
	"sync"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/ext"
)

// maxCost bounds what an expression may cost. A look at 100 pods is below
// 10,000; a million takes about a tenth of a second.
const maxCost = 1_000_000

var (
	identifier = regexp.MustCompile(`^[a-z][A-Za-z0-9_]*$`)
	reserved   = []string{"lab", "project", "now", "as", "break", "const", "continue", "else", "for", "function", "if", "import", "in", "let", "loop",
		"package", "namespace", "return", "var", "void", "while", "true", "false", "null", "optional", "math", "sets", "strings", "type", "size",
		"int", "uint", "double", "string", "bool", "bytes", "list", "map", "timestamp", "duration", "dyn", "cel"}
)

// baseEnv is what every expression can use.
var baseEnv = sync.OnceValue(func() *cel.Env {
	options := []cel.EnvOption{
		cel.CrossTypeNumericComparisons(true),
		cel.DefaultUTCTimeZone(true),
		cel.OptionalTypes(),
		ext.Strings(ext.StringsVersion(4)),
		ext.Lists(),
		ext.Sets(),
		ext.Math(),
		ext.TwoVarComprehensions(),
		cel.Variable("lab", cel.StringType),
		cel.Variable("project", cel.StringType),
		cel.Variable("now", cel.TimestampType),
		cel.Function("sum", cel.MemberOverload("list_sum", []*cel.Type{cel.ListType(cel.DynType)}, cel.DynType, cel.UnaryBinding(sum))),
	}
	for _, name := range Public {
		options = append(options, cel.Variable(name, cel.StringType))
	}
	env, err := cel.NewEnv(options...)
	if err != nil {
		panic(err) // the options are constants
	}
	return env
})

// sum adds the numbers of a list: a whole number if all are, else a double.
func sum(v ref.Val) ref.Val {
	list, ok := v.(traits.Lister)
	if !ok {
		return types.NewErr("sum() wants a list of numbers, this is %s", v.Type().TypeName())
	}
	var whole types.Int
	var real types.Double
	double := false
	for it := list.Iterator(); it.HasNext() == types.True; {
		switch n := it.Next().(type) {
		case types.Int:
			whole += n
			real += types.Double(n)
		case types.Uint:
			whole += types.Int(n)
			real += types.Double(n)
		case types.Double:
			double = true
			real += n
		default:
			return types.NewErr("sum() wants a list of numbers, one is %s", n.Type().TypeName())
		}
	}
	if double {
		return real
	}
	return whole
}

// Normal is decoded JSON as expressions see it: whole numbers are ints, and what
// JSON can't say has become what it can.
func Normal(v any) any {
	switch v := v.(type) {
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return int64(v)
		}
	case float32:
		return Normal(float64(v))
	case int:
		return int64(v)
	case int32:
		return int64(v)
	case time.Time:
		return v.UTC().Format(time.RFC3339)
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, value := range v {
			out[key] = Normal(value)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, value := range v {
			out[i] = Normal(value)
		}
		return out
	}
	return v
}
