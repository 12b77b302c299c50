package mlops

import (
	"regexp"
	"strconv"
	"strings"
)

// migProfile is how NVIDIA writes a size that a GPU can be cut into: compute
// slices, memory, and what it has beside, for example 1g.10gb or 1g.10gb+me.
var migProfile = regexp.MustCompile(`^[1-9]g\.[0-9]+gb([+-][a-z.]+)*$`)

// MaxMIGParts is how many parts no GPU can be cut into more than.
const MaxMIGParts = 7

// ParseMIG reads the parts that a GPU should be cut into: profiles, each as often
// as it is wanted or with a number before it, for example 3g.40gb 2x2g.20gb. No
// words are no parts.
func ParseMIG(words []string) ([]string, error) {
	var out []string
	for _, word := range words {
		n, profile := 1, strings.ToLower(word)
		if times, rest, ok := strings.Cut(profile, "x"); ok {
			var err error
			if n, err = strconv.Atoi(times); err != nil || n < 1 || n > MaxMIGParts {
				return nil, Errorf(Invalid, "%q is not a number of MIG parts: expected a profile such as 1g.10gb, or 1 to %d of it as in 7x1g.10gb", word, MaxMIGParts)
			}
			profile = rest
		}
		if !migProfile.MatchString(profile) {
			return nil, Errorf(Invalid, "%q is not a MIG profile: expected one such as 1g.10gb or 3g.40gb", word)
		}
		for range n {
			out = append(out, profile)
		}
	}
	if len(out) > MaxMIGParts {
		return nil, Errorf(Invalid, "these are %d MIG parts: a GPU has room for %d at most", len(out), MaxMIGParts)
	}
	return out, nil
}

// MIGWords writes parts as ParseMIG reads them.
func MIGWords(parts []string) []string {
	var out []string
	for i := 0; i < len(parts); {
		n := 1
		for i+n < len(parts) && parts[i+n] == parts[i] {
			n++
		}
		word := parts[i]
		if n > 1 {
			word = strconv.Itoa(n) + "x" + word
		}
		out = append(out, word)
		i += n
	}
	return out
}

// ParseReplicas reads how many pods share a GPU in turn.
func ParseReplicas(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, Errorf(Invalid, "%q is not a number of pods that share a GPU in turn: expected 1 for none, or a number such as 4", text)
	}
	return n, nil
}

// ParseGPUShare reads how pods should share the GPUs: a number of pods that take
// turns, mig and profiles, or off.
func ParseGPUShare(words []string) (GPUShare, error) {
	switch {
	case len(words) == 1 && words[0] == "off":
		return GPUShare{}, nil
	case len(words) > 0 && words[0] == "mig":
		parts, err := ParseMIG(words[1:])
		if err == nil && len(parts) == 0 {
			err = Errorf(Invalid, "mig needs the profiles of the parts, for example mig 3g.40gb 2x2g.20gb; off takes all sharing back")
		}
		return GPUShare{MIG: parts}, err
	case len(words) == 1:
		if n, err := ParseReplicas(words[0]); err == nil {
			return GPUShare{Replicas: n}, nil
		}
	}
	return GPUShare{}, Errorf(Invalid, "%q says not how GPUs are shared: expected a number of pods that take turns, mig and profiles, or off", strings.Join(words, " "))
}

// GPUFaultKinds are what can happen to a simulated GPU; none ends it.
var GPUFaultKinds = []string{"xid", "hot", "ecc", "mismatch", "no-uvm", "none"}

// ParseGPUFault reads what should happen to a simulated GPU: a kind, with xid also
// which, for example xid=79.
func ParseGPUFault(gpu int, text string) (GPUFault, error) {
	kind, number, numbered := strings.Cut(text, "=")
	f := GPUFault{GPU: gpu, Kind: kind}
	switch kind {
	case "xid":
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || n > 999 {
			return GPUFault{}, Errorf(Invalid, "%q names no XID: expected a number from 1 to 999, for example xid=79", text)
		}
		f.XID = n
		return f, nil
	case "hot", "ecc", "mismatch", "no-uvm", "none":
		if numbered {
			return GPUFault{}, Errorf(Invalid, "%q: only xid takes a number", text)
		}
		return f, nil
	}
	return GPUFault{}, Errorf(Invalid, "%q is no fault of a simulated GPU: expected xid=NUMBER, hot, ecc, mismatch, no-uvm or none", text)
}

// Simulates reports whether a GPU of this index can be made to fail, and says why
// not.
func (g GPUs) Simulates(gpu int) error {
	if !g.Simulated {
		return Errorf(InvalidState, "these GPUs are real: only simulated ones can be made to fail; `benchtop up --simulate-gpus 2xA100-80GB` has some on a machine without GPUs")
	}
	_, err := g.At(gpu)
	return err
}

// At returns the GPU of an index.
func (g GPUs) At(gpu int) (GPU, error) {
	var have []string
	for _, one := range g.GPUs {
		if one.Index == gpu {
			return one, nil
		}
		have = append(have, strconv.Itoa(one.Index))
	}
	return GPU{}, Errorf(NotFound, "there is no GPU %d: expected one of %s", gpu, strings.Join(have, ", "))
}

// GPUTotal is what a lab has of GPUs in numbers.
type GPUTotal struct {
	Healthy            int   // GPUs
	Offered, Held      int   // of all resources together
	UsedMiB, MemoryMiB int64 // of all GPUs together
}

// Total adds up.
func (g GPUs) Total() GPUTotal {
	var t GPUTotal
	for _, one := range g.GPUs {
		if one.Healthy {
			t.Healthy++
		}
		t.UsedMiB, t.MemoryMiB = t.UsedMiB+one.UsedMiB, t.MemoryMiB+one.MemoryMiB
	}
	for _, r := range g.Resources {
		t.Offered, t.Held = t.Offered+r.Total, t.Held+r.Held
	}
	return t
}
