package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// usage is the memory of a process and its descendants, in MB. Pages that
// processes share are counted in full in rss, and divided in pss.
type usage struct{ rss, pss float64 }

func memory(pid int) usage {
	children := map[int][]int{}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, d := range dirs {
		p, _ := strconv.Atoi(filepath.Base(d))
		parent := int(field(d+"/status", "PPid:"))
		children[parent] = append(children[parent], p)
	}
	var sum func(int) usage
	sum = func(p int) usage {
		rollup := "/proc/" + strconv.Itoa(p) + "/smaps_rollup"
		u := usage{field(rollup, "Rss:") * 1024 / 1e6, field(rollup, "Pss:") * 1024 / 1e6}
		for _, c := range children[p] {
			of := sum(c)
			u.rss, u.pss = u.rss+of.rss, u.pss+of.pss
		}
		return u
	}
	return sum(pid)
}

// field is the number behind a name in a file of /proc; 0 if the process has
// ended meanwhile.
func field(path, name string) float64 {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	for line := range strings.SplitSeq(string(b), "\n") {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == name {
			n, _ := strconv.ParseFloat(f[1], 64)
			return n
		}
	}
	return 0
}
