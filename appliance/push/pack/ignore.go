package pack

import (
	"bytes"
	"strings"
)

// rule is one line of a .gitignore.
type rule struct {
	base     string // folder of the file, from the repository's root; "" is the root
	pattern  string
	negated  bool // takes back what an earlier rule leaves out
	dirOnly  bool
	anchored bool // the pattern is a path from base, otherwise a name anywhere below
}

// parseRules reads a .gitignore in the folder base.
func parseRules(base string, text []byte) []rule {
	var out []rule
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	for line := range strings.Lines(string(text)) {
		line, ended := strings.CutSuffix(line, "\n")
		if ended {
			line = strings.TrimSuffix(line, "\r")
		}
		if strings.HasPrefix(line, "#") {
			continue
		}
		r := rule{base: base, pattern: trimSpaces(line)}
		r.pattern, r.negated = strings.CutPrefix(r.pattern, "!")
		r.pattern, r.dirOnly = strings.CutSuffix(r.pattern, "/")
		r.anchored = strings.Contains(r.pattern, "/")
		if r.anchored {
			r.pattern = strings.TrimPrefix(r.pattern, "/")
		}
		if r.pattern != "" {
			out = append(out, r)
		}
	}
	return out
}

// trimSpaces removes the spaces at the end that no backslash keeps.
func trimSpaces(s string) string {
	end := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case ' ':
			continue
		case '\\':
			i++
		}
		end = min(i+1, len(s))
	}
	return s[:end]
}

// ignored reports whether the last rule that fits a path, which is one from the
// repository's root, leaves it out. Folders above it are the caller's to ask
// about: nothing can be taken back below one that is left out.
func ignored(rules []rule, path string, dir, fold bool) bool {
	name := path[strings.LastIndexByte(path, '/')+1:]
	for i := len(rules) - 1; i >= 0; i-- {
		r := &rules[i]
		if r.dirOnly && !dir {
			continue
		}
		text := name
		if r.anchored {
			below, ok := path, true
			if r.base != "" {
				below, ok = strings.CutPrefix(path, r.base+"/")
			}
			if !ok {
				continue
			}
			text = below
		}
		if matches(r.pattern, text, r.anchored, fold) {
			return !r.negated
		}
	}
	return false
}

// matches holds a text against a pattern as git does, byte by byte. In paths
// '*', '?' and brackets don't match '/', and a '**' that stands alone between
// slashes matches any number of folders.
func matches(pattern, text string, path, fold bool) bool {
	if fold {
		// Not the whole of it: [[:upper:]] would become another class.
		pattern, text = foldPattern(pattern), lower(text)
	}
	if path {
		// What is literal at the beginning counts first, and what follows then
		// stands at a beginning: foo**/bar is foobar, too.
		literal := strings.IndexAny(pattern, `*?[\`)
		if literal < 0 {
			return pattern == text
		}
		if !strings.HasPrefix(text, pattern[:literal]) {
			return false
		}
		pattern, text = pattern[literal:], text[literal:]
	}
	m := matcher{pattern: pattern, text: text, path: path, fold: fold}
	return m.from(0, 0)
}

type matcher struct {
	pattern, text string
	path, fold    bool
	failed        map[[2]int]bool // where a star has been tried, so that many stars end soon
}

func (m *matcher) from(p, t int) bool {
	for p < len(m.pattern) {
		c := m.pattern[p]
		if c == '*' {
			return m.star(p, t)
		}
		if t >= len(m.text) {
			return false
		}
		switch c {
		case '?':
			if m.path && m.text[t] == '/' {
				return false
			}
			p++
		case '[':
			in, next := bracket(m.pattern, p, m.text[t], m.fold)
			if next < 0 || !in || m.path && m.text[t] == '/' {
				return false
			}
			p = next
		case '\\':
			if p++; p == len(m.pattern) || m.pattern[p] != m.text[t] {
				return false
			}
			p++
		default:
			if c != m.text[t] {
				return false
			}
			p++
		}
		t++
	}
	return t == len(m.text)
}

// star matches from the stars at p on.
func (m *matcher) star(p, t int) bool {
	at := [2]int{p, t}
	if m.failed[at] {
		return false
	}
	end := p
	for end < len(m.pattern) && m.pattern[end] == '*' {
		end++
	}
	slashes := !m.path
	if m.path && end-p >= 2 {
		before := p == 0 || m.pattern[p-1] == '/'
		after := end == len(m.pattern) || m.pattern[end] == '/' || strings.HasPrefix(m.pattern[end:], `\/`)
		if slashes = before && after; slashes && end < len(m.pattern) && m.pattern[end] == '/' && m.from(end+1, t) {
			return true // no folder at all
		}
	}
	for ; ; t++ {
		if m.from(end, t) {
			return true
		}
		if t == len(m.text) || !slashes && m.text[t] == '/' {
			break
		}
	}
	if m.failed == nil {
		m.failed = map[[2]int]bool{}
	}
	m.failed[at] = true
	return false
}

// bracket reports whether c is in the set that begins at p, and where the
// pattern goes on; -1 if the set does not end or names a class that is none.
func bracket(pattern string, p int, c byte, fold bool) (in bool, next int) {
	p++
	negated := p < len(pattern) && (pattern[p] == '!' || pattern[p] == '^')
	if negated {
		p++
	}
	for first := true; ; first = false {
		if p >= len(pattern) {
			return false, -1
		}
		if pattern[p] == ']' && !first {
			return in != negated, p + 1
		}
		if strings.HasPrefix(pattern[p:], "[:") {
			name, _, closed := strings.Cut(pattern[p+2:], "]")
			if !closed {
				return false, -1
			}
			if class, ok := strings.CutSuffix(name, ":"); ok {
				is, known := classes[class]
				if !known {
					return false, -1
				}
				// A folded text has no upper-case letters.
				in = in || is(c) || fold && class == "upper" && classes["lower"](c)
				p += len("[:]") + len(name)
				continue
			}
		}
		low, after := escaped(pattern, p)
		if after < 0 {
			return false, -1
		}
		in = in || c == low
		if p = after; p+1 >= len(pattern) || pattern[p] != '-' || pattern[p+1] == ']' {
			continue
		}
		high, after := escaped(pattern, p+1)
		if p = after; p < 0 {
			return false, -1
		}
		in = in || low <= c && c <= high
		if fold && classes["lower"](c) { // git does this for ranges only
			in = in || low <= c-'a'+'A' && c-'a'+'A' <= high
		}
	}
}

func escaped(pattern string, p int) (c byte, next int) {
	if pattern[p] == '\\' {
		p++
	}
	if p >= len(pattern) {
		return 0, -1
	}
	return pattern[p], p + 1
}

var classes = map[string]func(byte) bool{
	"alnum":  func(c byte) bool { return letter(c) || digit(c) },
	"alpha":  letter,
	"blank":  func(c byte) bool { return c == ' ' || c == '\t' },
	"cntrl":  func(c byte) bool { return c < ' ' || c == 0x7f },
	"digit":  digit,
	"graph":  func(c byte) bool { return c > ' ' && c < 0x7f },
	"lower":  func(c byte) bool { return 'a' <= c && c <= 'z' },
	"print":  func(c byte) bool { return c >= ' ' && c < 0x7f },
	"punct":  func(c byte) bool { return c > ' ' && c < 0x7f && !letter(c) && !digit(c) },
	"space":  func(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' },
	"upper":  func(c byte) bool { return 'A' <= c && c <= 'Z' },
	"xdigit": func(c byte) bool { return digit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' },
}

func letter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
func digit(c byte) bool  { return '0' <= c && c <= '9' }

// lower folds ASCII only, as git does.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c - 'A' + 'a'
		}
	}
	return string(b)
}

// foldPattern folds what stands outside of brackets: bracket folds what it
// compares with.
func foldPattern(pattern string) string {
	b := []byte(pattern)
	for p := 0; p < len(b); p++ {
		switch c := b[p]; {
		case c == '\\':
			p++ // git does not fold what is escaped
		case c == '[':
			if _, next := bracket(pattern, p, 0, false); next > 0 {
				p = next - 1
			}
		default:
			b[p] = lower(pattern[p : p+1])[0]
		}
	}
	return string(b)
}
