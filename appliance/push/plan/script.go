package plan

import (
	"fmt"
	"strings"
)

// header is the block of TOML at the head of a Python script that PEP 723
// describes.
type header struct {
	toml string
	line int // in the script, of the block's first line of TOML
}

// readHeader finds a script's header; it returns nil if there is none. A block
// that does not end is none: PEP 723 wants it so, because it may be a comment.
func readHeader(text string) (*header, error) {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	lines := strings.Split(text, "\n")
	var found *header
	for i := 0; i < len(lines); i++ {
		kind, opens := strings.CutPrefix(lines[i], "# /// ")
		if !opens || !isBlockName(kind) {
			continue
		}
		// It goes on while there are comments, and ends with the last line of them that can end it.
		end, next := -1, i+1
		for ; next < len(lines) && (lines[next] == "#" || strings.HasPrefix(lines[next], "# ")); next++ {
			if lines[next] == "# ///" {
				end = next
			}
		}
		if end < i+2 {
			continue // it does not end, or nothing is in it
		}
		if kind == "script" {
			if found != nil {
				return nil, fmt.Errorf("line %d: a second block `# /// script`, the first is in line %d: expected one", i+1, found.line-1)
			}
			toml := make([]string, 0, end-i)
			for _, l := range lines[i+1 : end] {
				toml = append(toml, strings.TrimPrefix(strings.TrimPrefix(l, "#"), " "))
			}
			found = &header{toml: strings.Join(toml, "\n") + "\n", line: i + 2}
		}
		i = end
	}
	return found, nil
}

func isBlockName(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return s != ""
}
