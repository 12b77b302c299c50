package labs

import (
	"bytes"
	"html"
	"strings"

	"github.com/a-h/templ"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/util"
)

// markdown reads what authors have written. HTML in it is left out: the text has
// names of the session filled in, and what is served comes from one place.
var markdown = goldmark.New(
	goldmark.WithExtensions(extension.Table),
	goldmark.WithRendererOptions(renderer.WithNodeRenderers(util.Prioritized(blocks{}, 100))),
)

// prose makes a part of a page of Markdown.
func prose(text string) templ.Component {
	var out bytes.Buffer
	if err := markdown.Convert([]byte(text), &out); err != nil {
		return templ.Raw("<p>" + html.EscapeString(text) + "</p>") // the writer does not fail
	}
	return templ.Raw(out.String())
}

// inline makes a piece of a line of a text in which `code` may be marked, and
// nothing else: it may quote what a learner has typed.
func inline(text string) templ.Component {
	var out strings.Builder
	for {
		before, rest, opens := strings.Cut(text, "`")
		code, after, closes := strings.Cut(rest, "`")
		if !opens || !closes {
			out.WriteString(html.EscapeString(text))
			return templ.Raw(out.String())
		}
		out.WriteString(html.EscapeString(before) + "<code>" + html.EscapeString(code) + "</code>")
		text = after
	}
}

// blocks renders code with its buttons, and headings as what they are in a page.
type blocks struct{}

// RegisterFuncs implements renderer.NodeRenderer.
func (b blocks) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindFencedCodeBlock, b.fenced)
	r.Register(ast.KindCodeBlock, b.indented)
	r.Register(ast.KindHeading, b.heading)
}

func (blocks) fenced(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if entering {
		block := n.(*ast.FencedCodeBlock)
		code(w, string(block.Language(source)), string(block.Lines().Value(source)))
	}
	return ast.WalkSkipChildren, nil
}

func (blocks) indented(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if entering {
		code(w, "", string(n.Lines().Value(source)))
	}
	return ast.WalkSkipChildren, nil
}

// code writes a block of code. The script shows the button that runs it where
// there is a terminal.
func code(w util.BufWriter, language, text string) {
	label := "Code"
	if language == "sh" {
		label = "Commands"
	}
	_, _ = w.WriteString(`<div class="codeblock"><pre class="snippet" tabindex="0" role="group" aria-label="` + label + `"><code>` + html.EscapeString(strings.TrimSuffix(text, "\n")) + `</code></pre>`)
	if language == "sh" {
		_, _ = w.WriteString(`<button type="button" class="button button-small" data-run hidden>Run</button>`)
	}
	_, _ = w.WriteString(`<button type="button" class="button button-small" data-copy><span data-copy-text>Copy</span></button></div>`)
}

// heading writes a heading below that of its task, which is the second level.
func (blocks) heading(w util.BufWriter, _ []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	tag := "h3>"
	if n.(*ast.Heading).Level > 3 {
		tag = "h4>"
	}
	if entering {
		_, _ = w.WriteString("<" + tag)
	} else {
		_, _ = w.WriteString("</" + tag + "\n")
	}
	return ast.WalkContinue, nil
}
