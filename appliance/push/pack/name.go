package pack

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// proposed makes a project's name of the name of a folder or a file: "House
// Prices (v2)" becomes house-prices-v2.
func proposed(from string) string {
	var b strings.Builder
	for _, r := range norm.NFKD.String(from) {
		switch r = unicode.ToLower(r); {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			b.WriteRune(r)
		case unicode.Is(unicode.Mn, r): // the dots of an ä
		default:
			b.WriteByte('-')
		}
	}
	name := strings.Join(strings.FieldsFunc(b.String(), func(r rune) bool { return r == '-' }), "-")
	switch {
	case name == "":
		return "project"
	case name[0] < 'a' || name == mlops.ModelsNamespace:
		name = "project-" + name // a name begins with a letter, and that one is taken
	}
	return strings.TrimRight(name[:min(len(name), 40)], "-")
}
