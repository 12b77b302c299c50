// Package wire holds the messages of MLflow's REST protocol as Go structs: the
// field names, the number formats and the limits that clients rely on. It does
// no I/O, so that the store can fill these structs and the handlers can send them.
package wire

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
)

// Int64 is an int64 field. Clients may send it as a number or, as protobuf's
// JSON mapping does, as a decimal string; it is always answered as a number.
type Int64 int64

// UnmarshalJSON accepts 5, "5" and 5.0.
func (i *Int64) UnmarshalJSON(b []byte) error {
	s := string(bytes.Trim(b, `"`))
	if s == "null" {
		return nil
	}
	v, err := ParseInt64(s)
	if err != nil {
		return err
	}
	*i = Int64(v)
	return nil
}

// ParseInt64 reads what protobuf's JSON mapping accepts as an int64.
func ParseInt64(s string) (int64, error) {
	if v, err := strconv.ParseInt(s, 10, 64); err == nil {
		return v, nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f != math.Trunc(f) || f < -(1<<63) || f >= 1<<63 {
		return 0, fmt.Errorf("%q is not a 64-bit integer", s)
	}
	return int64(f), nil
}

// Float64 is a double field: a number or one of "NaN", "Infinity", "-Infinity".
type Float64 float64

// UnmarshalJSON accepts numbers and numbers in quotes, NaN and infinities included.
func (f *Float64) UnmarshalJSON(b []byte) error {
	s := string(bytes.Trim(b, `"`))
	if s == "null" {
		return nil
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		// A number beyond the range of a double still has a meaning: the
		// parser has already rounded it to an infinity.
		if ne, ok := err.(*strconv.NumError); !ok || ne.Err != strconv.ErrRange {
			return fmt.Errorf("%q is not a number", s)
		}
	}
	*f = Float64(v)
	return nil
}

// MarshalJSON writes a number, or a string for what JSON has no number for.
func (f Float64) MarshalJSON() ([]byte, error) {
	v := float64(f)
	switch {
	case math.IsNaN(v):
		return []byte(`"NaN"`), nil
	case math.IsInf(v, 1):
		return []byte(`"Infinity"`), nil
	case math.IsInf(v, -1):
		return []byte(`"-Infinity"`), nil
	}
	b := strconv.AppendFloat(make([]byte, 0, 24), v, 'g', -1, 64)
	if !bytes.ContainsAny(b, ".e") {
		b = append(b, ".0"...) // clients written in Python keep the type of what they read
	}
	return b, nil
}

// Enum is an enum field: clients send the value's name or its number.
type Enum string

// UnmarshalJSON accepts a string or a number and keeps what was sent.
func (e *Enum) UnmarshalJSON(b []byte) error {
	s := string(bytes.Trim(b, `"`))
	if s != "null" {
		*e = Enum(s)
	}
	return nil
}

// Name returns the value's name, given the names by number from first on.
// An unknown value is returned as it is.
func (e Enum) Name(first int, names ...string) string {
	if n, err := strconv.Atoi(string(e)); err == nil && n >= first && n < first+len(names) {
		return names[n-first]
	}
	return string(e)
}
