package packages

import (
	"fmt"
	"runtime"
)

// What the lab's Python is; see assets/images/lab-python.
const (
	pythonMinor = 11 // Python 3.11
	glibcMinor  = 36 // glibc 2.36, which wheels may ask for at most
)

// architecture is the machine's as wheels call it.
func architecture() string {
	if runtime.GOARCH == "arm64" {
		return "aarch64"
	}
	return "x86_64"
}

// platforms are the platforms of wheels that run in the lab, the best first.
func platforms(arch string) (out []string) {
	oldest := 17
	if arch == "x86_64" {
		oldest = 5
	}
	old := map[int]string{17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
	for minor := glibcMinor; minor >= oldest; minor-- {
		out = append(out, fmt.Sprintf("manylinux_2_%d_%s", minor, arch))
		if name := old[minor]; name != "" {
			out = append(out, name+"_"+arch)
		}
	}
	return append(out, "linux_"+arch)
}

// ranks are the tags of wheels that run in the lab, in the order in which pip and
// uv prefer them: 0 is the best.
func ranks(arch string) map[string]int {
	out := map[string]int{}
	add := func(python, abi, platform string) {
		tag := python + "-" + abi + "-" + platform
		if _, ok := out[tag]; !ok {
			out[tag] = len(out)
		}
	}
	all := platforms(arch)
	own := fmt.Sprintf("cp3%d", pythonMinor)
	for _, abi := range []string{own, "abi3", "none"} {
		for _, p := range all {
			add(own, abi, p)
		}
	}
	for minor := pythonMinor - 1; minor >= 2; minor-- {
		for _, p := range all {
			add(fmt.Sprintf("cp3%d", minor), "abi3", p)
		}
	}
	pythons := []string{fmt.Sprintf("py3%d", pythonMinor), "py3"}
	for minor := pythonMinor - 1; minor >= 0; minor-- {
		pythons = append(pythons, fmt.Sprintf("py3%d", minor))
	}
	for _, python := range pythons {
		for _, p := range all {
			add(python, "none", p)
		}
	}
	add(own, "none", "any")
	for _, python := range pythons {
		add(python, "none", "any")
	}
	return out
}

// rank returns the best rank of a wheel's tags, -1 if it does not run in the lab.
func (w wheelName) rank(ranks map[string]int) int {
	best := -1
	for _, python := range w.pythons {
		for _, abi := range w.abis {
			for _, platform := range w.platforms {
				if r, ok := ranks[python+"-"+abi+"-"+platform]; ok && (best < 0 || r < best) {
					best = r
				}
			}
		}
	}
	return best
}
