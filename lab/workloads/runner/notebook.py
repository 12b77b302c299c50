"""Run a notebook's cells as a script, from top to bottom: python3 -P notebook.py FILE [parameters as JSON].

The lab has no IPython. What notebooks commonly use of it is here: the value of a cell's last line is printed, display,
line magics that configure (left out), %%bash and %%writefile, !commands. What is not here is an error that names it.
The program also runs without the runner's other files.
"""

import ast
import json
import linecache
import os
import re
import subprocess
import sys
import types

# Line magics that say how IPython shows things, or what it loads for that.
_QUIET = ("matplotlib", "config", "load_ext", "reload_ext", "autoreload", "pylab", "precision", "xmode", "pprint")
_LINE = re.compile(r"^(\s*)(%|!|\?)\s*(.*)$")
_ASSIGNED = re.compile(r"^(\s*)([A-Za-z_][\w, ]*?)\s*=\s*(!|%)\s*(.+)$")
_CELL = re.compile(r"%%\s*(\w+)[ \t]*([^\n]*)")
_SHELL = "_benchtop_shell"


def cells(text):
    """The sources of a notebook's code cells, and their tags."""
    document = json.loads(text)
    sheets = document.get("cells")
    if sheets is None:
        sheets = [cell for sheet in document.get("worksheets", []) for cell in sheet.get("cells", [])]
    found = []
    for cell in sheets:
        if cell.get("cell_type") == "code":
            source = cell.get("source", cell.get("input", ""))
            source = "".join(source) if isinstance(source, list) else source
            found.append((source, cell.get("metadata", {}).get("tags", [])))
    return found


def as_module(text):
    """The code cells as one text of Python, without what is none: to see what it imports."""
    return "\n".join(_python(source, number) for number, (source, _) in enumerate(cells(text), 1))


def _python(source, number):
    """A cell's source as Python; raise SyntaxError for what only IPython knows."""
    magic = _CELL.match(source.lstrip())
    if magic:
        name, argument = magic.groups()
        body = source.lstrip().partition("\n")[2]
        match name:
            case "time" | "timeit" | "capture" | "prun":
                return _python(body, number)
            case "bash" | "sh":
                return f"{_SHELL}({body!r})"
            case "writefile" | "file":
                append = argument.startswith("-a ")
                path = argument.removeprefix("-a ").strip()
                return f"open({path!r}, {'a' if append else 'w'!r}).write({body!r})"
            case "html" | "markdown" | "javascript" | "latex" | "svg":
                return ""
        raise SyntaxError(f"cell {number} begins with %%{name}, which needs IPython; write it as Python")
    if _parses(source):
        return source
    return "\n".join(_line(line, number) for line in source.split("\n"))


def _parses(source):
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


def _line(line, number):
    assigned = _ASSIGNED.match(line)
    if assigned and assigned[3] == "!":
        return f"{assigned[1]}{assigned[2]} = {_SHELL}({assigned[4]!r}, keep=True)"
    found = _LINE.match(line)
    if not found:
        # A question about a name.
        return re.sub(r"^(\s*)[\w.]+\?{1,2}\s*$", r"\1pass", line)
    indent, sign, rest = found.groups()
    word, _, argument = rest.partition(" ")
    if sign == "?" or (sign == "%" and word in _QUIET):
        python = "pass"
    elif sign == "!" or word in ("pip", "conda"):
        python = f"{_SHELL}({rest!r})"
    elif word in ("time", "timeit"):
        python = argument
    elif word == "cd":
        python = f"__import__('os').chdir({argument.strip()!r})"
    elif word in ("env", "set_env") and "=" in argument:
        name, _, value = argument.partition("=")
        python = f"__import__('os').environ[{name.strip()!r}] = {value.strip()!r}"
    else:
        raise SyntaxError(f"cell {number} has %{word}, which needs IPython; write it as Python")
    return indent + python


def shell(command, keep=False):
    """A !command: its lines if they are assigned, else they are printed."""
    if re.match(r"(python3? -m )?(pip|conda)\s+install\b", command.strip()):
        print(f"{command.strip()}: left out; the notebook runs with what the lab's Python has", flush=True)
        return []
    sys.stdout.flush()
    done = subprocess.run(["/bin/sh", "-c", command], text=True, stdout=subprocess.PIPE if keep else None, check=False)
    return done.stdout.splitlines() if keep else None


def display(*values, **_options):
    for value in values:
        print(value)


def ipython():
    """A stand-in for IPython.display, for notebooks that import from it."""
    package, shown = types.ModuleType("IPython"), types.ModuleType("IPython.display")

    class Shown:
        def __init__(self, data=None, *_arguments, **_options):
            self.data = data

        def __repr__(self):
            return str(self.data)

    for name in ("HTML", "Markdown", "Image", "Math", "Latex", "SVG", "JSON", "Code"):
        setattr(shown, name, Shown)
    shown.display, shown.clear_output = display, lambda *_, **__: None
    package.display, package.get_ipython, package.__path__ = shown, lambda: None, []
    return {"IPython": package, "IPython.display": shown}


def assignments(params):
    return "".join(f"{name} = {value!r}\n" for name, value in params.items())


def sources(text, params):
    """The cells as Python; parameters follow the cell that is tagged so, as papermill has it, or come first."""
    found = cells(text)
    made = [(f"[{number}]", _python(source, number)) for number, (source, _) in enumerate(found, 1)]
    if params:
        tagged = [index for index, (_, tags) in enumerate(found) if "parameters" in tags]
        made.insert(tagged[0] + 1 if tagged else 0, ("[parameters]", assignments(params)))
    return made


def run(path, params):
    """Run a notebook as the program's main module."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    main = types.ModuleType("__main__")
    main.__dict__.update({"display": display, "get_ipython": lambda: None, _SHELL: shell})
    sys.modules["__main__"] = main
    try:
        import IPython  # noqa: F401
    except ImportError:
        sys.modules.update(ipython())
    for number, source in sources(text, params):
        name = f"{path}{number}"
        # So that tracebacks show the cell's lines.
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        tree = ast.parse(source, name)
        last = tree.body[-1] if tree.body else None
        shown = isinstance(last, ast.Expr) and not source.rstrip().endswith(";")
        body = tree.body[:-1] if shown else tree.body
        exec(compile(ast.Module(body, []), name, "exec"), main.__dict__)  # noqa: S102
        if shown:
            value = eval(compile(ast.Expression(last.value), name, "eval"), main.__dict__)  # noqa: S307
            if value is not None:
                print(repr(value), flush=True)


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(sys.argv[1])))
    sys.argv = sys.argv[1:]
    run(sys.argv[0], json.loads(sys.argv[1]) if len(sys.argv) > 1 else {})
