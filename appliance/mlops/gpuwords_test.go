package mlops

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestParseGPUShare(t *testing.T) {
	for text, want := range map[string]GPUShare{
		"off":                       {},
		"4":                         {Replicas: 4},
		"mig 1g.10gb":               {MIG: []string{"1g.10gb"}},
		"mig 3g.40gb 2x2g.20gb":     {MIG: []string{"3g.40gb", "2g.20gb", "2g.20gb"}},
		"mig 7X1G.10GB":             {MIG: slices.Repeat([]string{"1g.10gb"}, 7)},
		"mig 1g.10gb+me 1g.20gb":    {MIG: []string{"1g.10gb+me", "1g.20gb"}},
		"mig 1g.10gb+me.all 1g.5gb": {MIG: []string{"1g.10gb+me.all", "1g.5gb"}},
	} {
		got, err := ParseGPUShare(strings.Fields(text))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
		if again, err := ParseMIG(MIGWords(got.MIG)); err != nil || !slices.Equal(again, got.MIG) {
			t.Errorf("%s is written as %q, which is read as %q, %v", text, MIGWords(got.MIG), again, err)
		}
	}
	for text, want := range map[string]string{
		"":                      `"" says not how GPUs are shared: expected a number of pods that take turns, mig and profiles, or off`,
		"many":                  `"many" says not how GPUs are shared: expected a number of pods that take turns, mig and profiles, or off`,
		"0":                     `"0" says not how GPUs are shared: expected a number of pods that take turns, mig and profiles, or off`,
		"4 5":                   `"4 5" says not how GPUs are shared: expected a number of pods that take turns, mig and profiles, or off`,
		"mig":                   "mig needs the profiles of the parts, for example mig 3g.40gb 2x2g.20gb; off takes all sharing back",
		"mig half":              `"half" is not a MIG profile: expected one such as 1g.10gb or 3g.40gb`,
		"mig 0x1g.10gb":         `"0x1g.10gb" is not a number of MIG parts: expected a profile such as 1g.10gb, or 1 to 7 of it as in 7x1g.10gb`,
		"mig 7x1g.10gb 1g.10gb": "these are 8 MIG parts: a GPU has room for 7 at most",
	} {
		if _, err := ParseGPUShare(strings.Fields(text)); CodeOf(err) != Invalid || MessageOf(err) != want {
			t.Errorf("%q: %v\nexpected %s", text, err, want)
		}
	}
}

func TestParseGPUFault(t *testing.T) {
	for text, want := range map[string]GPUFault{"xid=79": {GPU: 2, Kind: "xid", XID: 79}, "hot": {GPU: 2, Kind: "hot"}, "no-uvm": {GPU: 2, Kind: "no-uvm"}, "none": {GPU: 2, Kind: "none"}} {
		if got, err := ParseGPUFault(2, text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"xid":     `"xid" names no XID: expected a number from 1 to 999, for example xid=79`,
		"xid=0":   `"xid=0" names no XID: expected a number from 1 to 999, for example xid=79`,
		"hot=90":  `"hot=90": only xid takes a number`,
		"on fire": `"on fire" is no fault of a simulated GPU: expected xid=NUMBER, hot, ecc, mismatch, no-uvm or none`,
	} {
		if _, err := ParseGPUFault(0, text); CodeOf(err) != Invalid || MessageOf(err) != want {
			t.Errorf("%s: %v\nexpected %s", text, err, want)
		}
	}
}

func TestSimulates(t *testing.T) {
	g := GPUs{Simulated: true, GPUs: []GPU{{Index: 0}, {Index: 1}}}
	if err := g.Simulates(1); err != nil {
		t.Error(err)
	}
	if err := g.Simulates(2); CodeOf(err) != NotFound || MessageOf(err) != "there is no GPU 2: expected one of 0, 1" {
		t.Error(err)
	}
	g.Simulated = false
	if err := g.Simulates(1); CodeOf(err) != InvalidState || !strings.HasPrefix(MessageOf(err), "these GPUs are real: only simulated ones can be made to fail") {
		t.Error(err)
	}
}
