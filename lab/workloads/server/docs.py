"""The page at /docs: what the server takes, with a form to try it. It needs nothing from any network."""

import html
import json
import re

import openapi

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>TITLE</title>
<style>
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse } td, th { text-align: left; padding: .2rem 1rem .2rem 0; vertical-align: top }
code, pre, textarea { font: 14px/1.4 ui-monospace, monospace }
pre { overflow: auto; white-space: pre-wrap } textarea { width: 100%; box-sizing: border-box; min-height: 10rem }
button, select { font: inherit; padding: .2rem .8rem }
</style></head><body>
<h1>TITLE</h1>
SERVED
<h2>Addresses</h2>
<table>ADDRESSES</table>
<p>The same for programs: <a href="openapi.json">openapi.json</a> (OpenAPI 3.1).</p>
TRY
</body></html>
"""
_TRY = """<h2>Try it</h2>
<form id="try">
<p><label>Address <select id="path"></select></label> <button>Send</button></p>
<textarea id="body" aria-label="Body" spellcheck="false"></textarea>
</form>
<pre id="answer" aria-live="polite"></pre>
<script type="application/json" id="examples">EXAMPLES</script>
<script>
const examples = JSON.parse(document.getElementById("examples").textContent)
const [path, body, answer] = ["path", "body", "answer"].map(id => document.getElementById(id))
for (const name of Object.keys(examples)) path.add(new Option("POST /" + name, name))
path.onchange = () => { body.value = JSON.stringify(examples[path.value], null, 2) }
path.onchange()
document.getElementById("try").onsubmit = async event => {
  event.preventDefault()
  answer.textContent = "…"
  try {
    const headers = {"Content-Type": "application/json"}
    const got = await fetch(path.value, {method: "POST", headers, body: body.value})
    answer.textContent = got.status + " " + got.statusText + "\\n" + await got.text()
  } catch (err) { answer.textContent = String(err) }
}
</script>"""


def page(deployment, prefix, model):
    """The page as HTML; its links are relative, so that they work behind any prefix."""
    document = openapi.document(deployment, prefix, model)
    rows = "".join(
        f"<tr><td><code>{html.escape(f'{method.upper()} {prefix}{path}')}</code></td>"
        f"<td>{html.escape(operation['summary'])}</td></tr>"
        for path, methods in sorted(document["paths"].items())
        for method, operation in sorted(methods.items())
    )
    parts = {
        "TITLE": html.escape(document["info"]["title"]),
        "SERVED": _served(prefix, model),
        "ADDRESSES": rows,
        "TRY": _try(model),
    }
    # One pass, so that a model's names are never taken for a place of the page.
    return re.sub(r"\b(TITLE|SERVED|ADDRESSES|TRY)\b", lambda found: parts[found[0]], _PAGE)


def _served(prefix, model):
    if model is None:
        return "<p>No model is loaded. Reload this page when one is.</p>"
    expected = model.expected
    asked = (
        f"GET {prefix}/predict?x={expected.query}"
        if expected.query
        else f"POST {prefix}/predict {_json(expected.body)}"
    )
    return (
        f"<p>Version {html.escape(model.version)} of {html.escape(model.name)} takes {html.escape(expected.sentence)}."
        f"</p><pre>{html.escape(asked)}</pre>"
    )


def _try(model):
    if model is None:
        return ""
    body = model.expected.body
    examples = {"predict": body, "batch-predict": body, "invocations": openapi.mlflow_example(model.expected)}
    # Within a script element only "<" could end it.
    return _TRY.replace("EXAMPLES", _json(examples).replace("<", "\\u003c"))


def _json(value):
    return json.dumps(value, ensure_ascii=False)
