package filter

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

type kind int

const (
	end    kind = iota
	word        // an identifier, a keyword or a double-quoted string; text is as written
	text        // a single-quoted string; text is between the quotes
	number      // text is as written
	op          // = != <> < <= > >=
	punct       // ( ) ,
)

type token struct {
	kind kind
	text string
	pos  int
}

func (t token) keyword(k string) bool { return t.kind == word && strings.EqualFold(t.text, k) }

func (t token) String() string {
	if t.kind == end {
		return "the end"
	}
	return "`" + t.text + "`"
}

func bad(format string, args ...any) error {
	return mlops.Errorf(mlops.Invalid, format, args...)
}

// lex cuts a filter into tokens.
func lex(s string) ([]token, error) {
	var out []token
	if !utf8.ValidString(s) {
		return nil, bad("the filter is not valid UTF-8")
	}
	for i := 0; i < len(s); {
		c, size := utf8.DecodeRuneInString(s[i:])
		start := i
		switch {
		case unicode.IsSpace(c):
			i += size
			continue
		case c == '(' || c == ')' || c == ',':
			i++
			out = append(out, token{punct, s[start:i], start})
		case strings.ContainsRune("=!<>", c):
			for i < len(s) && strings.IndexByte("=!<>", s[i]) >= 0 {
				i++
			}
			out = append(out, token{op, s[start:i], start})
		case c == '\'':
			v, n, err := quoted(s[i:])
			if err != nil {
				return nil, err
			}
			i += n
			out = append(out, token{text, v, start})
		case c >= '0' && c <= '9' || (c == '-' || c == '.') && i+1 < len(s):
			for i < len(s) && (s[i] >= '0' && s[i] <= '9' || strings.IndexByte(".eE", s[i]) >= 0 ||
				(s[i] == '-' || s[i] == '+') && (i == start || s[i-1] == 'e' || s[i-1] == 'E')) {
				i++
			}
			if i == start {
				return nil, unexpected(s, i)
			}
			out = append(out, token{number, s[start:i], start})
		case c == '`' || c == '"' || c == '_' || unicode.IsLetter(c):
			n, err := identifier(s[i:])
			if err != nil {
				return nil, err
			}
			i += n
			out = append(out, token{word, s[start:i], start})
		default:
			return nil, unexpected(s, i)
		}
	}
	return append(out, token{kind: end, pos: len(s)}), nil
}

func unexpected(s string, i int) error {
	c, _ := utf8.DecodeRuneInString(s[i:])
	return bad("unexpected %q at position %d of %q: keys with characters other than letters, digits, '_' and '.' must be quoted, for example metrics.`train/loss`", c, i+1, clip(s))
}

// quoted reads a string in quotes; two quotes in a row stand for one.
func quoted(s string) (value string, n int, err error) {
	q := s[0]
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != q {
			b.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == q {
			b.WriteByte(q)
			i++
			continue
		}
		return b.String(), i + 1, nil
	}
	return "", 0, bad("the quote %c that opens before %q is never closed", q, clip(s[1:]))
}

// identifier measures a dotted name whose parts may be quoted.
func identifier(s string) (int, error) {
	for i := 0; ; {
		if i < len(s) && (s[i] == '`' || s[i] == '"') {
			_, n, err := quoted(s[i:])
			if err != nil {
				return 0, err
			}
			i += n
		} else {
			start := i
			for i < len(s) {
				c, size := utf8.DecodeRuneInString(s[i:])
				if c != '_' && c != '$' && !unicode.IsLetter(c) && !unicode.IsDigit(c) {
					break
				}
				i += size
			}
			if i == start {
				return i, nil // a trailing dot; the parser refuses the empty key
			}
		}
		if i >= len(s) || s[i] != '.' {
			return i, nil
		}
		i++
	}
}

// unquote takes backticks or double quotes off.
func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '`' || s[0] == '"') && s[len(s)-1] == s[0] {
		if v, n, err := quoted(s); err == nil && n == len(s) {
			return v
		}
	}
	return s
}

func clip(s string) string {
	if utf8.RuneCountInString(s) <= 120 {
		return s
	}
	return string([]rune(s)[:120]) + "…"
}
