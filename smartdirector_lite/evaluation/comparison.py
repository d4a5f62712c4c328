"""A filmer beside others on the same videos: by how much it is nearer to the true videos, and where it loses."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from .benchmark import KINDS
from .distances import Statistic, bootstrap, mean_statistic
from .measure import Quantity
from .records import Record
from .results import DISTANCES, ROWS, TITLES, Section, as_table, distance_of, plain, split_runs, values_of

FEWEST = 6  # videos; fewer all point one way by chance in more than one case of twenty
NOTE = (
    "Each figure says by how much the one that is named first is nearer to `best` than the one above the column; below "
    "0 it is farther away. Only videos count of which both have the figure. A comparison is lost or won where its "
    f"whole interval lies on one side of 0. Where fewer than {FEWEST} videos have a figure, their number follows in "
    "brackets: so few make an interval too narrow."
)


class Difference(NamedTuple):
    """By how much ours is nearer to a figure's best value than another filmer, with the ends of its interval.

    Attributes:
        videos: of which both have the figure.
    """

    value: float
    low: float
    high: float
    videos: int

    def __str__(self) -> str:
        interval = f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"
        return interval if self.videos >= FEWEST else f"{interval} ({self.videos})"


def compare(records: Sequence[Record], ours: Sequence[Record]) -> dict[str, Difference]:
    """By how much ours is nearer to the best value of each figure of ROWS than another filmer.

    Both are resampled together. What makes a video hard is hard for both, so such an interval is narrower than those of
    the two figures. A figure is left out where fewer than two videos have it of both.

    Args:
        records, ours: of one kind, and of the same items in the same order. Several runs are averaged.

    Raises:
        ValueError: the items are others.
    """
    theirs, own, found = split_runs(records), split_runs(ours), {}
    items = [[record.item for run in runs[:1] for record in run] for runs in (theirs, own)]
    if items[0] != items[1]:
        raise ValueError(f"items {items[0]} and {items[1]} can't be compared; film the same benchmark with both")
    for figure in ROWS if theirs else ():
        if figure in DISTANCES:
            count, statistics = len(items[0]), [distance_of(runs, figure) for runs in (theirs, own)]
        else:
            values = [values_of(runs, figure) for runs in (theirs, own)]
            shared = np.logical_and(*(~np.isnan(one).all(axis=0) for one in values))
            count, statistics = int(shared.sum()), [mean_statistic(one[:, shared]) for one in values]
        if count > 1:
            nearer = _nearer(figure, *statistics)
            found[figure.name] = Difference(*bootstrap(count, nearer, mirrored=figure in DISTANCES), count)
    return found


def _nearer(figure: Quantity, theirs: Statistic, own: Statistic) -> Statistic:
    """How much farther than ours another filmer's figure of chosen videos is from the best one."""

    def off(value: float) -> float:
        # A kernel distance below 0 is nearer than one of 0: what is missing is missing in both.
        return value if figure in DISTANCES else abs(value - figure.best)

    return lambda chosen: off(theirs(chosen)) - off(own(chosen))


def by_verdict(found: Mapping[str, Mapping[str, Difference]]) -> dict[str, dict[str, dict[str, Difference]]]:
    """Sort comparisons, by filmer and figure, into those that are lost, won and neither, in this order."""
    verdicts = {
        "loses": lambda one: one.high < 0,
        "wins": lambda one: one.low > 0,
        "neither loses nor wins": lambda one: not (one.high < 0 or one.low > 0),
    }
    return {
        verdict: {name: {key: one for key, one in own.items() if holds(one)} for name, own in found.items()}
        for verdict, holds in verdicts.items()
    }


def comparison(runs: Mapping[str, Sequence[Record]], ours: Sequence[str]) -> Section:
    """Compare filmers with all others, on the same videos. What is lost comes first.

    Args:
        runs: the records of each filmer, by its name.
        ours: the names of those that are compared with all that are not among them.

    Returns:
        Data by our filmer, kind, the other filmer, and figure; a table a verdict.
    """
    data: dict[str, dict] = {name: {} for name in ours}
    parts = []
    for own in ours:
        for kind in KINDS:
            of_kind = {name: [record for record in records if record.kind == kind] for name, records in runs.items()}
            compared = {name: compare(records, of_kind[own]) for name, records in of_kind.items() if name not in ours}
            found = {name: differences for name, differences in compared.items() if differences}
            if found:
                data[own][kind] = {name: plain(differences) for name, differences in found.items()}
                parts += [_text(f"{TITLES[kind]}: where {own}", *verdict) for verdict in by_verdict(found).items()]
    return Section("comparison", data, "\n\n".join([NOTE, *parts]) if parts else "")


def _text(title: str, verdict: str, found: Mapping[str, Mapping[str, Difference]]) -> str:
    """The table of one verdict, without the filmers that it does not meet."""
    met = {name: differences for name, differences in found.items() if differences}
    return f"## {title} {verdict}\n\n{as_table(met) if met else 'Nowhere.'}"
