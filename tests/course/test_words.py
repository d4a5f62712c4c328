"""course/words.py: hints and labels in other languages."""

import json

import pytest

from smartdirector_lite.course import words
from smartdirector_lite.course.lab import core, record
from smartdirector_lite.course.widgets import tau_explorer
from smartdirector_lite.course.words import BLANK, all_texts, translate, use
from smartdirector_lite.timeline import ChunkPlan, Condition


@pytest.fixture(autouse=True)
def english():
    yield
    use("")


def test_english_stays_as_it_is():
    assert translate("not filled in yet") == "not filled in yet"


def test_texts_with_values_keep_their_values():
    use("de")
    assert translate("your code raised ValueError: a: b") == "dein Code hat ValueError: a: b ausgelöst"
    assert translate("latent 3: not filled in yet") == "latent 3: noch nicht ausgefüllt"
    assert translate("no such text") == "no such text"


def test_checks_hints_and_widgets_speak_the_language(monkeypatch, capsys):
    entries = {}
    for module in (core, record):
        monkeypatch.setattr(module, "EXERCISES", entries)
    monkeypatch.setattr(record, "hints", lambda number: ("a nudge", "more"))

    @core.exercise("98.1", 3, "Twice", reference=7)
    def check(value):
        pass

    use("de")
    check(None)
    check(5)
    record.hint("98.1")
    assert capsys.readouterr().out.splitlines() == [
        "✗ 98.1 Twice: noch nicht ausgefüllt; bis dahin rechnen die Zellen darunter mit der Bibliothek",
        "✓ 98.1 Twice: bestanden, 3 Punkte",
        "98.1 Hinweis 1 von 2: a nudge",
    ]
    explorer = tau_explorer(ChunkPlan.build(30, [Condition(0)], 4))
    assert explorer.sliders[0].description == "Keyframe 1, Bild" and explorer.scheme.description == "Zeitindex"


def test_built_in_tables_keep_the_blanks_and_name_texts_that_exist():
    source = "".join(path.read_text(encoding="utf-8") for path in (words.Path(words.__file__).parent).rglob("*.py"))
    for table in words.BUILT_IN.values():
        for text, other in table.items():
            assert set(BLANK.findall(text)) == set(BLANK.findall(other))
            start = BLANK.split(text)[0] or BLANK.split(text)[2]
            assert source.count(start[:20]) > 1, f"{text!r} is printed nowhere"


def test_a_file_is_a_language(tmp_path):
    table = all_texts()
    assert len(table) > 200 and not any(table.values())
    path = tmp_path / "es.json"
    path.write_text(json.dumps({**table, "not filled in yet": "aún no está hecho"}), encoding="utf-8")
    use(str(path))
    assert translate("not filled in yet") == "aún no está hecho" and translate("of a list") == "of a list"
    path.write_text(json.dumps({"your code raised {error}": "tu código falló"}), encoding="utf-8")
    with pytest.raises(ValueError, match=r"must have the names in braces of 'your code raised \{error\}'"):
        use(str(path))
    with pytest.raises(ValueError, match="neither a file nor one of de"):
        use("xx")
