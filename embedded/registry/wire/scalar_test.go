package wire

import (
	"encoding/json"
	"math"
	"testing"
)

func TestInt64(t *testing.T) {
	for in, want := range map[string]Int64{`5`: 5, `"5"`: 5, `5.0`: 5, `-7`: -7, `"9223372036854775807"`: math.MaxInt64, `9223372036854775807`: math.MaxInt64, `1e3`: 1000, `null`: 0} {
		var got Int64
		if err := json.Unmarshal([]byte(in), &got); err != nil || got != want {
			t.Errorf("%s: %d (%v), want %d", in, got, err, want)
		}
	}
	for _, in := range []string{`1.5`, `"x"`, `9223372036854775808`, `true`, `"NaN"`, `1e400`} {
		var got Int64
		if err := json.Unmarshal([]byte(in), &got); err == nil {
			t.Errorf("%s was taken as %d", in, got)
		}
	}
}

func TestFloat64(t *testing.T) {
	for in, want := range map[string]string{`1`: `1.0`, `0.1`: `0.1`, `"2.5"`: `2.5`, `"NaN"`: `"NaN"`, `"Infinity"`: `"Infinity"`, `"-Infinity"`: `"-Infinity"`, `1e308`: `1e+308`, `-0.0`: `-0.0`} {
		var f Float64
		if err := json.Unmarshal([]byte(in), &f); err != nil {
			t.Errorf("%s: %v", in, err)
		}
		if out, err := json.Marshal(f); err != nil || string(out) != want {
			t.Errorf("%s became %s (%v), want %s", in, out, err, want)
		}
	}
	var f Float64
	for _, in := range []string{`"x"`, `true`, `[]`} {
		if err := json.Unmarshal([]byte(in), &f); err == nil {
			t.Errorf("%s was taken", in)
		}
	}
}

func TestEnum(t *testing.T) {
	names := []string{"A", "B"}
	for in, want := range map[string]string{`"A"`: "A", `1`: "A", `2`: "B", `3`: "3", `"x"`: "x", `null`: ""} {
		var e Enum
		if err := json.Unmarshal([]byte(in), &e); err != nil || e.Name(1, names...) != want {
			t.Errorf("%s: %s (%v), want %s", in, e.Name(1, names...), err, want)
		}
	}
}
