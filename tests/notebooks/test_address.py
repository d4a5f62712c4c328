"""notebooks/address.py: the public address of the repository, in and out again, and no placeholder for it anywhere."""

import re
import shutil
import subprocess
from pathlib import Path

import address
import build
import nbformat
import pytest
import yaml

ROOT = address.ROOT
FIRST, SECOND = "somebody/films", "another-one/film.s"
NOTEBOOKS = ("notebooks/00_quickstart.ipynb", "notebooks/labs/01_causal_vae.ipynb")
PLACEHOLDER = re.compile(r"\b(THIS|YOUR)_[A-Z]+\b")


def contents(root: Path) -> dict[str, str]:
    return {path: (root / path).read_text(encoding="utf-8") for path in (*address.LINES, *NOTEBOOKS)}


@pytest.fixture
def checkout(tmp_path):
    """A copy of the files with an address and of two notebooks, without an address."""
    for path in (*address.LINES, *NOTEBOOKS):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, tmp_path / path)
    address.write_address(tmp_path, "")
    return tmp_path


def test_the_address_is_written_into_everything_that_links_to_it(checkout):
    changed = address.write_address(checkout, FIRST)
    assert {path.relative_to(checkout).as_posix() for path in changed} == set(contents(checkout))
    assert all(FIRST in text for text in contents(checkout).values())
    assert build.public_repository(checkout) == FIRST
    citation = yaml.safe_load((checkout / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["repository-code"] == f"https://github.com/{FIRST}"
    compile((checkout / "space/lessons_page.py").read_text(encoding="utf-8"), "lessons_page.py", "exec")


def test_notebooks_get_badge_and_install_cell_and_keep_their_outputs(checkout):
    before = [nbformat.read(checkout / path, as_version=4) for path in NOTEBOOKS]
    address.write_address(checkout, FIRST)
    for path, old in zip(NOTEBOOKS, before, strict=True):
        new = nbformat.read(checkout / path, as_version=4)
        assert (
            f"{build.BADGE}(https://colab.research.google.com/github/{FIRST}/blob/main/{path})" in new.cells[0].source
        )
        assert f"git+https://github.com/{FIRST}" in new.cells[1].source
        assert new.cells[2:] == old.cells[2:] and len(new.cells) == len(old.cells)


def test_another_address_takes_the_place_of_the_first(checkout):
    address.write_address(checkout, FIRST)
    address.write_address(checkout, SECOND)
    assert not any(FIRST in text for text in contents(checkout).values())
    assert all(SECOND in text for text in contents(checkout).values())
    assert not address.write_address(checkout, SECOND)


def test_an_empty_address_leaves_no_trace(checkout):
    before = contents(checkout)
    assert not any("written by make" in text or "colab.research" in text for text in before.values())
    address.write_address(checkout, FIRST)
    address.write_address(checkout, "")
    assert contents(checkout) == before


def test_nothing_is_written_where_a_line_has_no_place(checkout):
    citation = checkout / "CITATION.cff"
    citation.write_text(citation.read_text(encoding="utf-8").replace("license:", "licence:"), encoding="utf-8")
    before = contents(checkout)
    with pytest.raises(ValueError, match=r"CITATION.cff: 0 lines begin with 'license: '; there must be one"):
        address.write_address(checkout, FIRST)
    assert contents(checkout) == before


def test_a_notebook_without_an_install_cell_is_refused(checkout):
    path = checkout / NOTEBOOKS[0]
    notebook = nbformat.read(path, as_version=4)
    del notebook.cells[1]
    nbformat.write(notebook, path)
    with pytest.raises(ValueError, match=r"00_quickstart.ipynb: the second cell is not the install cell"):
        address.write_address(checkout, FIRST)


@pytest.mark.parametrize(
    "wrong", ["films", "https://github.com/somebody/films", "a/b/c", "some body/films", "-a/b", "a/"]
)
def test_what_is_no_repository_is_refused(capsys, wrong):
    assert address.main(["--", wrong]) == 2
    assert capsys.readouterr().err == f"REPOSITORY={wrong}: write owner/name, as in https://github.com/owner/name\n"


def test_all_files_of_the_repository_agree_on_the_address():
    repository = build.public_repository()
    for path, text in contents(ROOT).items():
        if path in address.LINES:
            assert address.write_lines(path, text, repository) == text, f"{path}: run make address again"


def test_no_file_has_a_placeholder_for_the_address():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    found = []
    for name in listed.stdout.split("\0"):
        if name and (ROOT / name).is_file():
            text = (ROOT / name).read_bytes().decode("utf-8", errors="ignore")
            found += [f"{name}: {hit[0]}" for hit in PLACEHOLDER.finditer(text)]
    assert not found, "\n".join(found)
