"""Lines of code by room, and how large the method is.

A line counts if it holds code. Blank lines, comments and docstrings do not count. A room is a folder of the package, or
a module at the package's top.
"""

import argparse
import ast
import io
import tokenize
from collections import Counter
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "smartdirector_lite"
SPINE = ("__init__", "timeline", "flow", "director", "report")
READER = (*SPINE, "vae", "gen", "sr")  # what a reader of the paper needs
METHOD = (*READER, "storyboard", "loading", "media", "cli")
NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def docstring_lines(tree: ast.Module) -> set[int]:
    """The numbers of the lines that docstrings of the module, its classes and its functions take."""
    lines: set[int] = set()
    for node in ast.walk(tree):
        may_have_one = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if may_have_one and ast.get_docstring(node, clean=False) is not None:
            docstring = node.body[0]
            lines.update(range(docstring.lineno, docstring.end_lineno + 1))
    return lines


def count_lines(text: str) -> int:
    """The number of lines of a Python file that hold code."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - docstring_lines(ast.parse(text)))


def count_rooms(package: Path) -> Counter[str]:
    """Lines of code by room."""
    rooms: Counter[str] = Counter()
    for path in sorted(package.rglob("*.py")):
        room = path.relative_to(package).parts[0].removesuffix(".py")
        rooms[room] += count_lines(path.read_text(encoding="utf-8"))
    return rooms


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    rooms = count_rooms(PACKAGE)
    others = sorted(set(rooms) - set(METHOD))
    for title, names in (("the method", METHOD), ("workshop and course", others)):
        print(f"{title}:")
        for name in names:
            print(f"  {rooms[name]:6,}  {name}")
    print(f"{sum(rooms[name] for name in READER):8,}  what a reader of the paper needs: {', '.join(READER)}")
    print(f"{sum(rooms[name] for name in METHOD):8,}  the method: this, and {', '.join(METHOD[len(READER) :])}")
    print(f"{sum(rooms.values()):8,}  the whole package")


if __name__ == "__main__":
    main()
