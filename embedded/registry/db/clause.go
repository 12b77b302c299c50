package db

import "slices"

// Clause is a piece of SQL with the values of its question marks. Nothing
// that a user sent is ever part of the text.
type Clause struct {
	SQL  string
	Args []any
}

// Add appends; clauses that were copied from this one stay as they are.
func (c *Clause) Add(sql string, args ...any) {
	c.SQL += sql
	c.Args = append(slices.Clip(c.Args), args...)
}

// And appends another condition, unless it is empty.
func (c *Clause) And(o Clause) {
	if o.SQL == "" {
		return
	}
	if c.SQL != "" {
		c.SQL += " AND "
	}
	c.Add(o.SQL, o.Args...)
}

// SQL is a piece of SQL with the values of its question marks.
func SQL(text string, args ...any) Clause { return Clause{text, args} }
