"""Bind what the text says to what the cells have computed: `an error of 12.3<!-- = error.mean() --> levels`.

The comment follows a number, a number word, or a word. Its expression is evaluated in the kernel right after the cells
above. The build fails unless the value, rounded as the number is written, is the number. A word must be the value.
Readers do not see the comments: the written notebooks and labs have none.
"""

import json
import re

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

CLAIM = re.compile(r"<!--\s*=\s*(.+?)\s*-->", re.DOTALL)
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
VALUES = {word: float(number) for number, word in enumerate(WORDS)} | {"half": 0.5, "once": 1.0, "twice": 2.0}
TOKEN = re.compile(r"[-−]?\d+(?:,\d{3})*(?:\.\d+)?(?:e[+-]?\d+)?|\b(?:" + "|".join(VALUES) + r")\b", re.IGNORECASE)
REACH = 60  # characters before a comment in which its number or word stands
PROBE = "probe"  # the tag of a cell that evaluates the expressions of the text above it
CODE = """\
import json as _json

def _claim(function):
    try:
        value = function()
        return {"text": value} if isinstance(value, str) else {"number": float(value)}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}

def measured(name):
    with open(f"../bench/results/{name}.json", encoding="utf-8") as file:
        return _json.load(file)

print(_json.dumps([EXPRESSIONS]))"""


def take_claims(notebook: NotebookNode) -> None:
    """Move the claims from the texts into the cells' metadata, as pairs of what is said and the expression."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and CLAIM.search(cell.source):
            parts = CLAIM.split(cell.source)
            said = ["".join(parts[: place + 1 : 2])[-REACH:] for place in range(0, len(parts) - 1, 2)]
            cell.metadata["claims"] = [list(pair) for pair in zip(said, parts[1::2], strict=True)]
            cell.source = "".join(parts[::2])


def add_probes(notebook: NotebookNode) -> None:
    """Put a cell that evaluates the claims below each text that has some."""
    cells = []
    for cell in notebook.cells:
        cells.append(cell)
        if claims := cell.metadata.get("claims"):
            expressions = ", ".join(f"_claim(lambda: ({expression}))" for _, expression in claims)
            code = CODE.replace("EXPRESSIONS", expressions)
            cells.append(new_code_cell(code, id=f"{cell.id}-probe", metadata={"tags": [PROBE]}))
    notebook.cells = cells


def take_probes(notebook: NotebookNode, fast: bool, tolerance: float) -> list[str]:
    """Remove the cells of `add_probes` and number the others again; return what is said and not so, one line each.

    Args:
        fast: the cells did less work. Only expressions that fail count, and not those that miss an entry.
        tolerance: the relative difference that is allowed besides rounding.
    """
    found, cells, count = [], [], 0
    for cell in notebook.cells:
        if PROBE in cell.metadata.get("tags", []):
            values = json.loads("".join(output.get("text", "") for output in cell.outputs if output.name == "stdout"))
            for (said, expression), value in zip(cells[-1].metadata.claims, values, strict=True):
                wrong = _wrong(said, value, fast, tolerance)
                found += [f"cell {cells[-1].id}: {wrong}, in `{expression}`"] if wrong else []
            continue
        if cell.get("execution_count"):
            count += 1
            cell.execution_count = count
            for output in cell.outputs:
                if output.output_type == "execute_result":
                    output.execution_count = count
        cells.append(cell)
    for cell in cells:
        cell.metadata = nbformat.from_dict({key: item for key, item in cell.metadata.items() if key != "claims"})
    notebook.cells = cells
    return found


def _wrong(said: str, value: dict, fast: bool, tolerance: float) -> str | None:
    """Return what is wrong with one claim, or None."""
    tail = said.rstrip(" *_`\"'”$")
    if "error" in value:
        return None if fast and value["error"].startswith(("KeyError", "IndexError")) else value["error"]
    if "text" in value:
        is_so = fast or tail.endswith(value["text"])
        return None if is_so else f"the text says {tail[-20:]!r}, and the value is {value['text']!r}"
    tokens = TOKEN.findall(said)
    if not tokens:
        return f"no number stands before the comment, in {said!r}"
    number, half_step = _number(tokens[-1])
    is_so = fast or abs(value["number"] - number) <= half_step * (1 + 1e-6) + tolerance * abs(number)
    return None if is_so else f"the text says {tokens[-1]}, and the value is {value['number']:.6g}"


def _number(token: str) -> tuple[float, float]:
    """Return the number that a token means, and half of a step of its last digit."""
    if token.lower() in VALUES:
        return VALUES[token.lower()], 0.0
    mantissa, _, exponent = token.replace("−", "-").replace(",", "").lower().partition("e")
    scale = 10.0 ** int(exponent or 0)
    return float(mantissa) * scale, 0.5 * scale * 10.0 ** -len(mantissa.partition(".")[2])
