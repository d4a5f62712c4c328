"""notebooks/claims.py: numbers and words in the text are those that the cells have computed."""

import build
import claims
import execution
import nbformat
import pytest

HEADER = "# ---\n# jupyter:\n#   jupytext:\n#     text_representation:\n#       format_name: percent\n# ---\n\n"
SOURCE = """# %% [markdown]
# # 09 Made up

# %%
error, verdict = 12.3456, "flash"
print(f"{error:.1f}")

# %% [markdown]
# **Notice.** The error is 12.3<!-- = error --> levels, **two**<!-- = len([1, 2]) --> keyframes, and the report says
# "flash"<!-- = verdict -->.

# %%
error = 7
error
"""


def run(tmp_path, text: str, **options) -> tuple[list[str], object]:
    path = tmp_path / "09_made_up.py"
    path.write_text(HEADER + text, encoding="utf-8")
    notebook = build.read_source(path, "")
    return execution.execute(notebook, tmp_path, **options), notebook


def test_true_claims_leave_no_trace(tmp_path):
    untrue, notebook = run(tmp_path, SOURCE)
    assert not untrue
    assert "The error is 12.3 levels, **two** keyframes" in notebook.cells[3].source
    assert [cell.id for cell in notebook.cells] == [f"09-00{i}" for i in range(5)]
    assert [cell.get("execution_count") for cell in notebook.cells if cell.cell_type == "code"] == [1, 2, 3]
    assert notebook.cells[-1].outputs[0].execution_count == 3
    text = nbformat.writes(notebook)
    assert "<!--" not in text and "probe" not in text and "claims" not in text


@pytest.mark.parametrize(
    ("true", "changed", "said"),
    [
        ("12.3<", "12.4<", "cell 09-003: the text says 12.4, and the value is 12.3456, in `error`"),
        ("**two**", "**three**", "the text says three, and the value is 2"),
        ('"flash"<', '"fine"<', "and the value is 'flash'"),
        ("12.3<!-- = error", "12.3<!-- = eror", "NameError"),
        ("error, verdict = 12.3456", "error, verdict = 12.4456", "the text says 12.3, and the value is 12.4456"),
    ],
)
def test_the_build_is_red_when_text_and_value_part(tmp_path, true, changed, said):
    assert true in SOURCE
    (untrue,), _ = run(tmp_path, SOURCE.replace(true, changed, 1))
    assert said in untrue


def test_the_command_fails_and_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(build, "HERE", tmp_path)
    monkeypatch.setattr(build, "LABS", tmp_path / "labs")
    path = tmp_path / "09_made_up.py"
    path.write_text(HEADER + SOURCE.replace("12.3<", "12.9<"), encoding="utf-8")
    assert build.main([]) == 1
    assert "the text says 12.9" in capsys.readouterr().out and not path.with_suffix(".ipynb").exists()
    path.write_text(HEADER + SOURCE, encoding="utf-8")
    assert build.main([]) == 0 and path.with_suffix(".ipynb").exists()
    assert build.main(["--check"]) == 0
    path.write_text(HEADER + SOURCE.replace("12.3456", "14.2"), encoding="utf-8")
    assert build.main(["--check"]) == 1


def test_another_machine_may_round_otherwise_and_the_fast_mode_computes_less(tmp_path):
    other = SOURCE.replace("12.3456", "12.5")
    assert (
        run(tmp_path, other)[0]
        and not run(tmp_path, other, tolerance=0.05)[0]
        and not run(tmp_path, other, fast=True)[0]
    )
    assert run(tmp_path, other.replace("= error -->", "= eror -->"), fast=True)[0]


@pytest.mark.parametrize(
    ("said", "value", "is_so"),
    [
        ("13.0", 13.04, True),
        ("13.0", 13.06, False),
        ("13", 13.4, True),
        ("−2.5", -2.46, True),
        ("1,200 frames", 1200, True),
        ("1e-4", 1.4e-4, True),
        ("1e-4", 1.6e-4, False),
        ("30 dB and 4 %", 4.2, True),  # the last number counts
        ("Twelve", 12, True),
        ("no number", 3, False),
    ],
)
def test_numbers_are_compared_as_they_are_written(said, value, is_so):
    assert (claims._wrong(said, {"number": value}, fast=False, tolerance=0.0) is None) is is_so


def test_in_the_fast_mode_an_entry_may_be_missing_and_a_name_may_not():
    for error, counts in (("KeyError: 'midpoint'", False), ("IndexError: 3", False), ("NameError: eror", True)):
        assert bool(claims._wrong("3", {"error": error}, fast=True, tolerance=0.0)) is counts
        assert claims._wrong("3", {"error": error}, fast=False, tolerance=0.0) == error
