package view

import (
	"math"
	"testing"
	"time"
)

func TestFormats(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{Bytes(0), "0 B"}, {Bytes(1023), "1023 B"}, {Bytes(1024), "1.0 KiB"}, {Bytes(200 << 30), "200 GiB"}, {Bytes(1.5 * (1 << 40)), "1.5 TiB"},
		{Duration(-1), "–"}, {Duration(12 * time.Millisecond), "12 ms"}, {Duration(1500 * time.Millisecond), "1.5 s"}, {Duration(42 * time.Second), "42 s"},
		{Duration(61 * time.Second), "1 min 1 s"}, {Duration(3*time.Hour + 5*time.Minute), "3 h 5 min"}, {Duration(50 * time.Hour), "2 d 2 h"},
		{Seconds(math.NaN()), "–"}, {Seconds(0.00042), "420 µs"}, {Seconds(0.0021), "2.1 ms"}, {Seconds(0.25), "250 ms"}, {Seconds(2.5), "2.50 s"},
		{Rate(math.NaN()), "–"}, {Rate(0), "0/s"}, {Rate(0.0167), "0.017/s"}, {Rate(4.2), "4.20/s"}, {Rate(42.12), "42.1/s"}, {Rate(1234), "1234/s"},
		{Percent(0), "0 %"}, {Percent(0.003), "0.3 %"}, {Percent(0.978), "98 %"}, {Percent(1), "100 %"}, {Percent(0.0002), "< 0.1 %"}, {Percent(math.Inf(1)), "–"},
		{Number(math.NaN()), "NaN"}, {Number(math.Inf(-1)), "-Inf"}, {Number(math.Inf(1)), "Inf"}, {Number(60), "60"}, {Number(0.97333333), "0.9733"}, {Number(1e-7), "1e-07"},
		{Number(0.5), "0.5"}, {Number(12345678.9), "1.235e+07"},
		{Short("sha256:0123456789abcdef"), "0123456789ab"}, {Short("abc"), "abc"},
		{Plural(1, "row", "rows"), "1 row"}, {Plural(2, "row", "rows"), "2 rows"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
