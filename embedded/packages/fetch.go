package packages

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Fetched says what became of a pin.
type Fetched struct {
	Kept    *Kept  `json:"kept,omitempty"` // nil if it was skipped
	Already bool   `json:"already,omitempty"`
	Skipped string `json:"skipped,omitempty"` // why
}

// Fetch keeps the file of a pin that an installer in the lab would take: of the
// version's wheels that run there the one that pip prefers, else the source
// archive. If the lock names digests it is one of those files. Conditions of a lock
// are not worked out: what has a condition and no file for the lab is skipped.
func (x *Index) Fetch(ctx context.Context, pin Pin) (Fetched, error) {
	if !projectName.MatchString(pin.Name) || pin.Version == "" {
		return Fetched{}, mlops.Errorf(mlops.Invalid, "%s==%s is no pin: expected NAME==VERSION", pin.Name, pin.Version)
	}
	all, err := x.listing(ctx, pin.Name)
	if err != nil {
		return Fetched{}, err
	}
	l, why := choose(all, pin)
	if why != "" {
		if pin.Optional {
			return Fetched{Skipped: why}, nil
		}
		return Fetched{}, mlops.Errorf(mlops.NotFound, "%s", why)
	}
	k, err := x.keptFile(ctx, pin.Name, l.Name)
	if err != nil {
		return Fetched{}, err
	}
	if k != nil && (l.sha256() == "" || l.sha256() == k.SHA256) {
		return Fetched{Kept: k, Already: true}, nil
	}
	p, err := x.seen(ctx, pin.Name)
	if err != nil {
		return Fetched{}, err
	}
	if p != nil {
		l, _ = p.file(l.Name)
	}
	f, release, err := x.fly(pin.Name, l)
	if err != nil {
		return Fetched{}, err
	}
	defer release()
	select {
	case <-f.ended:
		return Fetched{Kept: &f.kept}, f.err
	case <-ctx.Done():
		return Fetched{}, context.Cause(ctx)
	}
}

// choose returns the file of a pin, or why there is none.
func choose(all listing, pin Pin) (best link, why string) {
	ranks, arch := ranks(architecture()), architecture()
	const noRank = 1 << 30
	at, there, locked := -1, false, false
	build := ""
	for _, l := range all.Files {
		version, wheel, _ := fileOf(pin.Name, l.Name)
		if !sameVersion(version, pin.Version) {
			continue
		}
		there = true
		if len(pin.SHA256) > 0 && !slices.Contains(pin.SHA256, l.sha256()) {
			continue
		}
		locked = true
		rank, thisBuild := noRank, ""
		if wheel {
			w, err := parseWheel(l.Name)
			if err != nil {
				continue
			}
			if rank = w.rank(ranks); rank < 0 {
				continue
			}
			thisBuild = w.build
		}
		if at < 0 || rank < at || rank == at && newerBuild(thisBuild, build) {
			best, at, build = l, rank, thisBuild
		}
	}
	pinned := pin.Name + "==" + pin.Version
	switch {
	case at >= 0:
		return best, ""
	case !there:
		return best, "the index has no " + pinned
	case !locked:
		return best, "none of the files of " + pinned + " in the index has a digest that the lock names"
	}
	return best, pinned + " has no file for Python 3.11 on Linux, " + arch
}

// newerBuild compares build numbers of wheels: their digits, as a number.
func newerBuild(a, b string) bool {
	digits := func(s string) string { return s[:len(s)-len(strings.TrimLeft(s, "0123456789"))] }
	da, db := strings.TrimLeft(digits(a), "0"), strings.TrimLeft(digits(b), "0")
	return cmp.Or(cmp.Compare(len(da), len(db)), cmp.Compare(da, db)) > 0
}
