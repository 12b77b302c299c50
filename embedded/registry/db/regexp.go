package db

import (
	"database/sql/driver"
	"regexp"
	"sync/atomic"

	sqlite "modernc.org/sqlite"
)

// SQLite knows the operator REGEXP but leaves the function to the program.
func init() {
	var last atomic.Pointer[regexp.Regexp] // the last pattern: one search asks for it with every row
	sqlite.MustRegisterDeterministicScalarFunction("regexp", 2, func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
		pattern, _ := args[0].(string)
		value, ok := args[1].(string)
		if !ok {
			return nil, nil
		}
		re := last.Load()
		if re == nil || re.String() != pattern {
			var err error
			if re, err = regexp.Compile(pattern); err != nil {
				return nil, err
			}
			last.Store(re)
		}
		return re.MatchString(value), nil
	})
}
