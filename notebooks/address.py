"""Write the repository's public address into everything that links to it, or take it out again.

    make address REPOSITORY=owner/name      write https://github.com/owner/name
    make address REPOSITORY=                take every such link out again

The home of the address is pyproject.toml (`urls.Repository`). The builder reads it there and gives each notebook a
Colab badge and a cell that installs the package. This command writes the same into the notebooks that are built
already, so nothing has to be executed again. In the other files it owns whole lines, and marks each of them.
"""

import argparse
import re
import sys
from pathlib import Path

import build
import nbformat

ROOT = Path(__file__).resolve().parent.parent
MARK = "written by make address"
REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+")


# In each file, the lines that this command owns: the beginning of the line below, and the line itself.
LINES = {
    "pyproject.toml": {'license = "': 'urls.Repository = "{address}"'},
    "CITATION.cff": {"license: ": 'repository-code: "{address}"'},
    "README.md": {
        "In a clone of this repository:": "`git clone {address}` copies the repository.",
        "The notebooks can be read": "[Colab]({colab}) opens the first notebook, and [Binder]({binder}) all of them.",
    },
    "notebooks/README.md": {
        "On [mybinder.org]": "The badge of each notebook opens it in Colab, and [Binder]({binder}) opens all of them."
    },
    "space/README.md": {"- **From a program:**": "- **The repository:** <{address}>"},
    "space/lessons_page.py": {"FILM = ": 'REPOSITORY = REPOSITORY or "{address}"'},
}


def write_lines(path: str, text: str, repository: str) -> str:
    """Return the text of a file with its lines for a repository, in place of those that it has.

    Args:
        path: a key of LINES.
        text: the file's text.
        repository: "owner/name"; without it the lines are left out.

    Raises:
        ValueError: a line that an address line stands above is missing, or is there twice.
    """
    comment = f"<!-- {MARK} -->" if path.endswith(".md") else f" # {MARK}"
    lines = [line for line in text.splitlines() if not line.endswith(comment)]
    for below, line in LINES[path].items():
        found = [number for number, there in enumerate(lines) if there.startswith(below)]
        if len(found) != 1:
            raise ValueError(f"{path}: {len(found)} lines begin with {below!r}; there must be one")
        if repository:
            lines.insert(found[0], f"{line.format(**links(repository))} {comment}")
    return "\n".join(lines) + "\n"


def links(repository: str) -> dict[str, str]:
    """Return what stands in the braces of LINES."""
    return {
        "colab": build.colab_link(repository, "00_quickstart"),
        "address": build.HOST + repository,
        "binder": f"https://mybinder.org/v2/gh/{repository}/main?urlpath=lab/tree/notebooks",
    }


def write_address(root: Path, repository: str) -> list[Path]:
    """Write the address into the text files and the built notebooks of a checkout.

    Args:
        root: the checkout.
        repository: "owner/name", or "" to take the address out.

    Returns:
        The files that have changed.

    Raises:
        ValueError: a place for the address, or a notebook's install cell, is not where it should be. Nothing is
            written in that case.
    """
    new = {root / path: write_lines(path, (root / path).read_text(encoding="utf-8"), repository) for path in LINES}
    for path in sorted((root / "notebooks").rglob("[0-9][0-9]*_*.ipynb")):
        name = path.relative_to(root / "notebooks").with_suffix("").as_posix()
        notebook = nbformat.read(path, as_version=4)
        if len(notebook.cells) < 2 or build.SEEKS_PACKAGE not in notebook.cells[1].source:
            raise ValueError(f"{path.name}: the second cell is not the install cell; build the notebook again")
        build.stamp(notebook, name, repository)
        new[path] = nbformat.writes(notebook) + "\n"
    changed = [path for path, text in new.items() if path.read_text(encoding="utf-8") != text]
    for path in changed:
        temporary = path.with_name(f".{path.name}.tmp")
        temporary.write_text(new[path], encoding="utf-8", newline="\n")
        temporary.replace(path)
    return changed


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repository", help='owner/name; "" takes the address out')
    repository = parser.parse_args(arguments).repository
    if repository and not REPOSITORY.fullmatch(repository):
        print(f"REPOSITORY={repository}: write owner/name, as in {build.HOST}owner/name", file=sys.stderr)
        return 2
    try:
        changed = write_address(ROOT, repository)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{build.HOST + repository if repository else 'no address'}: {len(changed)} files changed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
