package main

import (
	"fmt"
	"regexp"
	"strings"
)

// globs matches slash-separated paths. * stands for anything but a slash, ** for anything; a pattern also matches
// everything below a path that it matches.
type globs []*regexp.Regexp

func compileGlobs(patterns []string) (globs, error) {
	var all globs
	for _, p := range patterns {
		if p == "" || strings.HasPrefix(p, "/") {
			return nil, fmt.Errorf("pattern %q: write a path relative to the image's root, without a leading slash", p)
		}
		re := regexp.QuoteMeta(p)
		re = strings.ReplaceAll(re, `\*\*/`, `(?:.*/)?`)
		re = strings.ReplaceAll(re, `\*\*`, `.*`)
		re = strings.ReplaceAll(re, `\*`, `[^/]*`)
		all = append(all, regexp.MustCompile(`^`+re+`(?:/.*)?$`))
	}
	return all, nil
}

func (g globs) match(path string) bool {
	for _, re := range g {
		if re.MatchString(path) {
			return true
		}
	}
	return false
}
