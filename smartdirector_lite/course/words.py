"""The course's texts in other languages: hints, the lines of the checks, and the labels of widgets.

The texts stay in English where they are used. `translate` looks a text up when it is printed, so that the labs need not
know of it. A language is a table from English texts to translations. What it lacks stays English. A text with values in
it stands in the table with names in braces: "hint {number} of {count}: {text}".

    python -m smartdirector_lite.course words > es.json     all texts, to be translated by people
    SMARTDIRECTOR_WORDS=es.json jupyter lab                 a course in that language; "de" is built in
"""

import ast
import json
import os
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

GERMAN = {
    "passed, {points} points": "bestanden, {points} Punkte",
    "not filled in yet": "noch nicht ausgefüllt",
    "; the cells below use the library's until it passes": "; bis dahin rechnen die Zellen darunter mit der Bibliothek",
    "this is the library's function; run the cell in which you define yours again": "das ist die Funktion der "
    "Bibliothek; führe die Zelle noch einmal aus, in der deine steht",
    "give the check a function, not {answer}": "gib der Prüfung eine Funktion, nicht {answer}",
    "your code raised {error}": "dein Code hat {error} ausgelöst",
    "your function returns nothing; is a `return` missing?": "deine Funktion gibt nichts zurück; fehlt ein `return`?",
    "your function changes its input {name}; leave the input as it is, and return something new": "deine Funktion "
    "verändert ihre Eingabe {name}; lass sie, wie sie ist, und gib etwas Neues zurück",
    "your code runs for more than {seconds} seconds; is there a loop that never ends?": "dein Code läuft länger als "
    "{seconds} Sekunden; gibt es eine Schleife, die nie endet?",
    "hint {number} of {count}: {text}": "Hinweis {number} von {count}: {text}",
    "{words} words kept for your teacher": "{words} Wörter für deine Lehrkraft gespeichert",
    "{points} of {total} points": "{points} von {total} Punkten",
    "Your name, for the file to hand in: ": "Dein Name, für die Datei zum Abgeben: ",
    "keyframe {number}, frame": "Keyframe {number}, Bild",
    "clip {number}, frame": "Clip {number}, Bild",
    "index scheme": "Zeitindex",
    "border, percent": "Grenze, Prozent",
    "A is better": "A ist besser",
    "both are the same": "beide gleich gut",
    "B is better": "B ist besser",
    "thank you; all pairs are done": "danke; alle Paare sind bewertet",
}
BUILT_IN = {"de": GERMAN}
BLANK = re.compile(r"\{(\w+)\}")
ENOUGH = 8  # letters that a text must have besides its blanks to be worth a translation

_table: dict[str, str] = {}


def use(language: str) -> None:
    """Translate from now on.

    Args:
        language: "" for English, the name of a language that is built in, or a JSON file with a table.

    Raises:
        ValueError: there is no such language and no such file, or a translation lacks a blank of its text.
    """
    if language and language not in BUILT_IN and not Path(language).is_file():
        raise ValueError(f"language {language!r}: neither a file nor one of {', '.join(BUILT_IN)}")
    table = BUILT_IN.get(language) if not language or language in BUILT_IN else _read(Path(language))
    _table.clear()
    _table.update(table or {})
    _patterns.cache_clear()


def _read(path: Path) -> dict[str, str]:
    table = {text: other for text, other in json.loads(path.read_text(encoding="utf-8")).items() if other}
    for text, other in table.items():
        if set(BLANK.findall(text)) != set(BLANK.findall(other)):
            raise ValueError(f"{path.name}: {other!r} must have the names in braces of {text!r}")
    return table


def translate(text: str) -> str:
    """Return a text in the language of `use`, or as it is where the language has no translation."""
    if not _table or text in _table:
        return _table.get(text, text)
    for pattern, other in _patterns():
        if found := pattern.fullmatch(text):
            return BLANK.sub(lambda blank: translate(found[blank[1]]), other)
    where, colon, said = text.partition(": ")  # many hints say first for which input the answer is wrong
    return f"{translate(where)}{colon}{translate(said)}" if colon else text


@cache
def _patterns() -> list[tuple[re.Pattern, str]]:
    """Return the texts with blanks, as patterns; those that say more come first."""
    texts = sorted((text for text in _table if BLANK.search(text)), key=lambda text: -len(BLANK.sub("", text)))
    return [(re.compile(_pattern(text), re.DOTALL), _table[text]) for text in texts]


def _pattern(text: str) -> str:
    parts = BLANK.split(text)
    return "".join(f"(?P<{part}>.+?)" if place % 2 else re.escape(part) for place, part in enumerate(parts))


def all_texts() -> Mapping[str, str]:
    """Return all texts of the course that can be translated, each with an empty translation."""
    folder = Path(__file__).parent
    files = [*sorted((folder / "lab").glob("*.py")), folder / "widgets.py"]
    found = dict.fromkeys(text for path in files for text in _texts(path.read_text(encoding="utf-8")))
    return dict.fromkeys([*GERMAN, *(text for text in found if text not in GERMAN)], "")


def _texts(source: str) -> Iterator[str]:
    """Yield the texts in a module that people read. Names, docstrings and texts without words are left out."""
    tree, inside = ast.parse(source), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            inside.add(node.value)
        if isinstance(node, ast.JoinedStr):
            inside.update(part for part in ast.walk(node) if isinstance(part, ast.Constant))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in inside:
            text = node.value
        elif isinstance(node, ast.JoinedStr):
            text = "".join(_part(part, place) for place, part in enumerate(node.values))
        else:
            continue
        if " " in text.strip() and len(re.sub(r"\W", "", BLANK.sub("", text))) >= ENOUGH:
            yield text


def _part(part: ast.expr, place: int) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value)
    return f"{{{part.value.id if isinstance(part.value, ast.Name) else f'value_{place}'}}}"


if os.environ.get("SMARTDIRECTOR_WORDS"):
    use(os.environ["SMARTDIRECTOR_WORDS"])
