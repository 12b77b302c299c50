package simulated

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"T4":                         "1xT4",
		"2xA100-80GB,1xT4":           "2xA100-80GB,1xT4",
		"2xa100-80gb, rtx3090 ,h200": "2xA100-80GB,1xRTX-3090,1xH200",
		"1xL4,1xL4":                  "2xL4",
		"rtx-4090":                   "1xRTX-4090",
		"16xH100":                    "16xH100",
		"A100-40GB":                  "1xA100-40GB",
	} {
		s, err := Parse(text)
		if err != nil || s.String() != want {
			t.Errorf("Parse(%q) = %v (%v), expected %s", text, s, err, want)
		}
	}
	for text, want := range map[string]string{
		"":            "expected a number and one of A100-40GB, A100-80GB, H100, H200, L4, T4, RTX-3090, RTX-4090, for example 2xA100-80GB",
		"2xB200":      `"2xB200": expected a number and one of`,
		"A100":        "expected a number and one of",
		"0xT4":        "expected 1 to 16 GPUs in all",
		"-1xT4":       "expected 1 to 16 GPUs in all",
		"17xT4":       "expected 1 to 16 GPUs in all",
		"9xT4,8xH100": "expected 1 to 16 GPUs in all",
		"2xT4,":       `"": expected a number and one of`,
	} {
		if s, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q) = %v, %v, expected %q", text, s, err, want)
		}
	}
}

// TestProfileNames compares the names with those of NVIDIA's MIG User Guide.
func TestProfileNames(t *testing.T) {
	for name, want := range map[string]string{
		"A100-40GB": "1g.5gb 1g.5gb+me 1g.10gb 2g.10gb 3g.20gb 4g.20gb 7g.40gb",
		"A100-80GB": "1g.10gb 1g.10gb+me 1g.20gb 2g.20gb 3g.40gb 4g.40gb 7g.80gb",
		"H100":      "1g.10gb 1g.10gb+me 1g.20gb 2g.20gb 3g.40gb 4g.40gb 7g.80gb",
		"H200":      "1g.18gb 1g.18gb+me 1g.35gb 2g.35gb 3g.71gb 4g.71gb 7g.141gb",
		"L4":        "",
		"RTX-4090":  "",
	} {
		k := kind(name)
		var names []string
		for _, p := range k.Profiles {
			names = append(names, k.ProfileName(p))
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s can be cut into %q, expected %q", name, got, want)
		}
	}
}
