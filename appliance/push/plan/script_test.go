package plan

import (
	"regexp"
	"strings"
	"testing"
)

func TestReadHeader(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		toml string
		line int
	}{
		"of PEP 723":         {"# /// script\n# requires-python = \">=3.11\"\n# dependencies = [\n#   \"pandas\",\n# ]\n# ///\nimport pandas\n", "requires-python = \">=3.11\"\ndependencies = [\n  \"pandas\",\n]\n", 2},
		"below a first line": {"#!/usr/bin/env python\n\n# /// script\n# a = 1\n# ///", "a = 1\n", 4},
		"CRLF":               {"# /// script\r\n# a = 1\r\n#\r\n# b = 2\r\n# ///\r\n", "a = 1\n\nb = 2\n", 2},
		"ends late":          {"# /// script\n# a = 1\n# ///\n# b = 2\n# ///\n", "a = 1\n///\nb = 2\n", 2},
		"of another kind":    {"# /// pyproject\n# a = 1\n# ///\n", "", 0},
		"after another":      {"# /// other\n# a = 1\n# ///\n\n# /// script\n# b = 2\n# ///\n", "b = 2\n", 6},
		"without an end":     {"# /// script\n# a = 1\nimport x\n", "", 0},
		"empty":              {"# /// script\n# ///\n", "", 0},
		"indented":           {"  # /// script\n  # a = 1\n  # ///\n", "", 0},
		"no space":           {"#/// script\n# a = 1\n# ///\n", "", 0},
		"more on the line":   {"# /// script x\n# a = 1\n# ///\n", "", 0},
		"code in between":    {"# /// script\n# a = 1\nx = 1\n# ///\n", "", 0},
		"nothing":            {"", "", 0},
	} {
		h, err := readHeader(c.text)
		switch {
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case h == nil && c.line != 0, h != nil && (h.toml != c.toml || h.line != c.line):
			t.Errorf("%s: %+v, expected %q in line %d", name, h, c.toml, c.line)
		}
	}
	_, err := readHeader("# /// script\n# a = 1\n# ///\n\n# /// script\n# b = 2\n# ///\n")
	if want := "line 5: a second block `# /// script`, the first is in line 1: expected one"; err == nil || err.Error() != want {
		t.Errorf("twice: %v, expected %s", err, want)
	}
}

// A block as PEP 723 defines it: it opens, has comments only, and ends with the last line that can end it.
var block = regexp.MustCompile(`(?m)^# /// ([a-zA-Z0-9-]+)\n((?:#(?: [^\n]*)?\n)+)# ///$`)

func FuzzReadHeader(f *testing.F) {
	for _, s := range []string{
		"# /// script\n# a = 1\n# ///\n", "# /// script\n#\n# ///\n# ///\nx", "# /// a\n# /// script\n# x\n# ///\n", "# /// script\n# ///\n# ///", "# /// script\n#x\n# ///\n", "\n# /// script\r\n# [tool.benchtop]\r\n# gpu = 1\r\n# ///",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
		var want []string
		for _, m := range block.FindAllStringSubmatch(text, -1) {
			if m[1] == "script" {
				want = append(want, m[2])
			}
		}
		h, err := readHeader(text)
		switch {
		case len(want) > 1:
			if err == nil {
				t.Errorf("%q has %d blocks and no error", text, len(want))
			}
		case err != nil:
			t.Errorf("%q: %v", text, err)
		case len(want) == 0:
			if h != nil {
				t.Errorf("%q: found %+v, expected no header", text, h)
			}
		case h == nil:
			t.Errorf("%q: no header found, expected %q", text, want[0])
		default:
			lines := strings.Split(text, "\n")
			for i, l := range strings.Split(strings.TrimSuffix(h.toml, "\n"), "\n") {
				if is := lines[h.line-1+i]; is != "# "+l && is != "#"+l {
					t.Errorf("%q: line %d is %q, in the header %q", text, h.line+i, is, l)
				}
			}
			if n := strings.Count(want[0], "\n"); strings.Count(h.toml, "\n") != n {
				t.Errorf("%q: %q, expected the %d lines of %q", text, h.toml, n, want[0])
			}
			// Whatever it is, reading it as TOML ends.
			if d, problem := parseTOML("train.py", h.line, []byte(h.toml)); problem == "" {
				d.benchtop()
			}
		}
	})
}
