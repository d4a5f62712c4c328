"""What a study found, as a page without a server and as JSON."""

import itertools
from collections.abc import Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path

from ..media import PathLike, atomic_path, write_json
from .preference import Bounded, Preference, count_preference, wilson
from .study import CHOICES, Study, Vote

HEAD = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>What people preferred</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
div { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { padding: 0.25rem 0.75rem; border-bottom: 1px solid #ccc; text-align: right; }
th:first-child { text-align: left; }
</style>
<h1>What people preferred</h1>
"""
COLUMNS = ("aspect", "good", "same", "bad", "GSB", "wins", "raters", "clips")
HOW = (
    "GSB is (good - bad) / (good + same + bad), and wins are good / (good + same + bad). Brackets hold 95 % confidence "
    "intervals: a bootstrap over raters and clips, widened to Wilson's interval. An interval of GSB that holds 0 shows "
    "no preference."
)


def count_study(study: Study, votes: Sequence[Vote]) -> dict[tuple[str, str], dict[str, Preference]]:
    """Count the votes of each aspect that has some, for each two systems."""
    counted: dict[tuple[str, str], dict[str, Preference]] = {}
    for both, aspect in itertools.product(itertools.combinations(study.systems, 2), study.aspects):
        about = [vote for vote in votes if vote.aspect == aspect and study.pairs[vote.pair].systems == both]
        if about:
            scored = [(vote.rater, study.pairs[vote.pair].clip, 1 - CHOICES.index(vote.choice)) for vote in about]
            counted.setdefault(both, {})[aspect] = count_preference(scored)
    return counted


def share_of_video_1(votes: Sequence[Vote]) -> Bounded | None:
    """How often video 1 won where one did: near a half, unless people favour a side. None where none did."""
    decided = [vote for vote in votes if vote.choice != "same"]
    if not decided:
        return None
    ones = sum((vote.choice == "first") != vote.swapped for vote in decided)
    return Bounded(ones / len(decided), *wilson(ones, len(decided)))


def write_study_report(folder: PathLike, study: Study, votes: Sequence[Vote]) -> Path:
    """Write report.html and report.json into the study's folder. Returns the page's path."""
    counted, side = count_study(study, votes), share_of_video_1(votes)
    parts = [HEAD, f"<p>{len({vote.rater for vote in votes})} raters, {len(votes)} votes. {HOW}</p>"]
    for (one, two), aspects in counted.items():
        rows = [COLUMNS, *((aspect, *_cells(found)) for aspect, found in aspects.items())]
        lines = [f"<tr><th>{row[0]}</th>{''.join(f'<td>{cell}</td>' for cell in row[1:])}</tr>" for row in rows]
        parts.append(f"<h2>{escape(one)} against {escape(two)}</h2>\n<p>Good: {escape(one)} is better.</p>")
        parts.append("<div><table>\n" + "\n".join(lines) + "\n</table></div>")
    if side:
        parts.append(f"<p>Video 1 won {_percent(side)} of the votes that one video won.</p>")
    path = Path(folder) / "report.html"
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join(parts) + "\n", encoding="utf-8")
    found = [
        {"systems": both, "aspect": aspect, **asdict(one)}
        for both, aspects in counted.items()
        for aspect, one in aspects.items()
    ]
    write_json(path.with_suffix(".json"), {"preferences": found, "video_1": side})
    return path


def _cells(found: Preference) -> Sequence[object]:
    value, low, high = found.gsb
    gsb = f"{value:+.2f} [{low:+.2f}, {high:+.2f}]"
    return found.good, found.same, found.bad, gsb, _percent(found.wins), found.raters, found.clips


def _percent(share: Bounded) -> str:
    value, low, high = (100 * one for one in share)
    return f"{value:.0f} % [{low:.0f}, {high:.0f}]"
