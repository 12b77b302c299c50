"""What code imports, read from its text: nothing is run."""

import ast
import sys
from dataclasses import dataclass
from pathlib import Path

import notebook

# Parts of the code that training does not touch, where nothing says what it starts with.
_ASIDE = ("test", "tests", "docs", "notebooks", "examples")


@dataclass(frozen=True)
class Import:
    """One import of a package that is not part of the code."""

    name: str  # the top-level module
    file: Path
    line: int


class Code:
    """The modules of a folder, as they find each other."""

    def __init__(self, root, own=()):
        self.root = root
        # As script.py sets PYTHONPATH.
        others = [path for package in own if package.folder != root.resolve() for path in package.places]
        self.paths = [path for path in (root / "src", root, *others) if path.is_dir()]

    def reachable(self, entries):
        """(the imports of other packages, the files that were read) of all that the entries import, and they."""
        todo, seen, found = list(entries), set(), []
        while todo:
            file = todo.pop()
            if file in seen or not file.is_file():
                continue
            seen.add(file)
            for module, level, line, forgiven in _imports(_parse(file)):
                local = self._local(file, module, level)
                todo += local
                top = module.partition(".")[0]
                if not local and not level and not forgiven and top and top not in sys.stdlib_module_names:
                    found.append(Import(top, file, line))
        return found, seen

    def all(self):
        """Every Python file that is not a test or an example."""
        return [
            file
            for file in sorted(self.root.rglob("*.py"))
            if not any(part in _ASIDE or part.startswith(".") for part in file.relative_to(self.root).parts[:-1])
        ]

    def entries(self, plan):
        """The files that a plan starts with; none if its command does not tell."""
        if plan.entry.endswith((".py", ".ipynb")):
            return [self.root / plan.entry]
        command = plan.command
        if command[1:2] == ["-c"]:
            command = command[2].split()
        for index, word in enumerate(command):
            if word == "-m" and index + 1 < len(command):
                module = command[index + 1].replace(".", "/")
                tried = [path / name for path in self.paths for name in (f"{module}.py", f"{module}/__main__.py")]
                return [path for path in tried if path.is_file()][:1]
            if word.endswith((".py", ".ipynb")):
                return [self.root / word]
        return []

    def _local(self, file, module, level):
        """The files that an import of the code's own modules reads."""
        if level:
            base = file.parent
            for _ in range(level - 1):
                base = base.parent
            bases = [base]
        else:
            bases = [file.parent, *self.paths]
        parts = [part for part in module.split(".") if part]
        for base in bases:
            found = []
            place = base
            for part in parts:
                place /= part
                for candidate in (place / "__init__.py", place.with_suffix(".py")):
                    if candidate.is_file():
                        found.append(candidate)
            if found:
                return found
        # A package may also be a folder without a file of its own, if nothing else has the name.
        for base in bases:
            if parts and (base / parts[0]).is_dir() and any((base / parts[0]).rglob("*.py")):
                return [base.joinpath(*parts)]
        return [base / "__init__.py" for base in bases[:1]] if level else []


def is_relative(file):
    """Whether a file imports from its own package, so that it can only be run as a part of it."""
    tree = _parse(file)
    return any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(tree))


def _parse(file):
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
        if file.suffix == ".ipynb":
            text = notebook.as_module(text)
        return ast.parse(text)
    except (SyntaxError, ValueError):
        # Python says it better, when the file is run.
        return ast.Module(body=[], type_ignores=[])


def _imports(tree):
    """(module, level of dots, line, whether it may be missing) of each import in a syntax tree."""
    todo = [(tree, False)]
    while todo:
        node, forgiven = todo.pop()
        match node:
            case ast.Import():
                for alias in node.names:
                    yield alias.name, 0, node.lineno, forgiven
                continue
            case ast.ImportFrom():
                yield node.module or "", node.level, node.lineno, forgiven
                # from package import module
                for alias in node.names:
                    name = f"{node.module}.{alias.name}" if node.module else alias.name
                    if alias.name != "*":
                        yield name, node.level, node.lineno, True
                continue
            case ast.Try() if any(_forgives(handler) for handler in node.handlers):
                todo += [(child, True) for child in [*node.body, *node.handlers]]
                todo += [(child, forgiven) for child in [*node.orelse, *node.finalbody]]
                continue
            case ast.If() if "TYPE_CHECKING" in ast.unparse(node.test):
                todo += [(child, True) for child in node.body] + [(child, forgiven) for child in node.orelse]
                continue
        todo += [(child, forgiven) for child in ast.iter_child_nodes(node)]


def _forgives(handler):
    if handler.type is None:
        return True
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(
        isinstance(kind, ast.Name) and kind.id in ("ImportError", "ModuleNotFoundError", "Exception") for kind in kinds
    )
