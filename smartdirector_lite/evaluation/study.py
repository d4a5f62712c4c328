"""A study in which people compare videos of several systems, blinded (paper, section 4: Good/Same/Bad by 30 people).

A study is a folder:

    material/       the videos under opaque names, and study.json, which says what each of them is
    votes.sqlite    who voted what
    report.html     what came of it (`study_report`)
"""

import hashlib
import itertools
import json
import os
import random
import secrets
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from ..media import PathLike, Size, probe_video, read_image, read_video, write_image, write_json, write_video
from ..media.files import make_folder

ADHERENCE = "keyframe adherence"
ASPECTS = {  # of the paper, each with what people are asked
    "identity consistency": "In which video do people, things and places stay more the same?",
    "narrative pacing": "In which video do things happen at a better pace?",
    ADHERENCE: "Which video shows the given pictures more faithfully?",
    "overall quality": "Which video is better overall?",
}
CHOICES = ("first", "same", "second")  # which system of a pair is better, in the order of their names
VIDEOS = (".mp4", ".mov", ".m4v", ".webm", ".mkv", ".avi", ".gif")
PICTURES = (".png", ".jpg", ".jpeg", ".webp")
QUALITY = 10  # x264's rate factor of what is shown, fine enough that writing anew is no part of the comparison
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # of codes: none looks like another one
CODE_LENGTH = 10
WAIT = 60  # seconds that a vote waits for the others that are being written
SCHEMA = """
CREATE TABLE IF NOT EXISTS raters (number INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS votes (
    rater INTEGER NOT NULL REFERENCES raters,
    pair INTEGER NOT NULL,
    aspect TEXT NOT NULL,
    choice TEXT NOT NULL CHECK (choice IN ('first', 'same', 'second')),
    swapped INTEGER NOT NULL,
    time TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (rater, pair, aspect)
);
"""


class StudyError(ValueError):
    """A study can't be made, or a vote can't be taken. The message is one line that says why and what to do."""


@dataclass(frozen=True)
class Pair:
    """Two videos that are compared: those of two systems for one clip."""

    clip: str
    systems: tuple[str, str]


@dataclass(frozen=True)
class Showing:
    """A pair as one rater sees it.

    Attributes:
        pair: its index in `Study.pairs`.
        swapped: whether the second system's video is shown as video 1.
    """

    pair: int
    swapped: bool

    def choice(self, place: int) -> str:
        """One of CHOICES for what was chosen on the page: 0 for video 1, 1 for neither, 2 for video 2."""
        return CHOICES[2 - place if self.swapped else place]

    def place(self, choice: str) -> int:
        """The inverse of `choice`."""
        index = CHOICES.index(choice)
        return 2 - index if self.swapped else index


# -- what is compared --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Study:
    """What is compared.

    Attributes:
        systems: their names, in the order of the folders.
        clips: the names that the videos of all systems have.
        size: to which all videos were brought, as "832x480"; "" where each stayed as it was.
        seed: what decides the raters' orders.
        sources: the SHA-256 of each given file, by "system/clip"; by "/clip" that of the picture of its keyframes.
        shown: the opaque name of the file that is shown, by the same keys.
    """

    systems: tuple[str, ...]
    clips: tuple[str, ...]
    size: str
    seed: str
    sources: Mapping[str, str]
    shown: Mapping[str, str]

    @cached_property
    def pairs(self) -> list[Pair]:
        """All pairs of systems, for each clip."""
        return [Pair(clip, both) for clip in self.clips for both in itertools.combinations(self.systems, 2)]

    @property
    def aspects(self) -> list[str]:
        """What is asked: ASPECTS, but nothing about keyframes that nobody sees."""
        return [aspect for aspect in ASPECTS if aspect != ADHERENCE or f"/{self.clips[0]}" in self.shown]

    def showings(self, rater: int) -> list[Showing]:
        """What a rater sees, and in which order.

        After any number of pairs, each system has been video 1 as often as its opponent, or once more. Raters come in
        twos: the second one sees the pairs of the first one with their sides changed.
        """
        couple, second = divmod(rater, 2)
        rng = random.Random(f"{self.seed} {couple}")
        coming: dict[tuple[str, str], list[bool]] = {}
        showings = []
        for index in rng.sample(range(len(self.pairs)), len(self.pairs)):
            sides = coming.setdefault(self.pairs[index].systems, [])
            if not sides:
                sides += rng.sample([False, True], 2)
            showings.append(Showing(index, sides.pop() != bool(second)))
        return showings

    def videos(self, showing: Showing) -> tuple[str, str]:
        """The opaque names of video 1 and video 2."""
        pair = self.pairs[showing.pair]
        one, two = (self.shown[f"{system}/{pair.clip}"] for system in pair.systems)
        return (two, one) if showing.swapped else (one, two)

    def picture(self, showing: Showing) -> str | None:
        """The opaque name of the picture of the keyframes, where there is one."""
        return self.shown.get(f"/{self.pairs[showing.pair].clip}")


def prepare_study(
    folders: Sequence[PathLike], out: PathLike, keyframes: PathLike | None = None, size: str = ""
) -> Study:
    """Make a study of folders of videos, or open it where it has been made of the same files.

    The videos are written anew, without sound, so that neither names nor metadata tell them apart.

    Args:
        folders: one for each system, with videos of equal names.
        out: the study's folder.
        keyframes: a folder with a picture for each video, of the same name, which shows what was to be met.
        size: WIDTHxHEIGHT, to which all videos are brought; "" leaves them as they are, if those of a clip are equal.

    Raises:
        StudyError: the folders do not fit together, or `out` holds another study.
        MediaError: a file can't be read.
    """
    systems, clips, files = find_sources([Path(folder) for folder in folders], keyframes and Path(keyframes))
    sources = {}
    for key, path in files.items():
        with path.open("rb") as file:
            sources[key] = hashlib.file_digest(file, "sha256").hexdigest()
    wanted = Size.parse(size) if size else None
    if (Path(out) / "material").exists():
        study = open_study(out)
        if study.systems != systems or study.size != size or study.sources != sources:
            keys = sorted(set(study.sources.items()) ^ set(sources.items()))
            changed = f" ({keys[0][0].lstrip('/')} differs)" if keys else ""
            raise StudyError(f"{out}: holds another study{changed}; choose another folder")
        return study
    if wanted is None:
        _check_sizes(systems, clips, files)
    names = {key: secrets.token_hex(8) + (".mp4" if _is_video(key) else ".png") for key in files}
    study = Study(systems, clips, size, secrets.token_hex(8), sources, names)
    part = make_folder(out) / "material.part"  # what a killed run left in it is made anew
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    for key in sorted(files, key=names.__getitem__):  # an order that tells nothing
        _write_shown(files[key], part / names[key], wanted)
    write_json(part / "study.json", asdict(study))
    part.rename(Path(out) / "material")
    return study


def open_study(folder: PathLike) -> Study:
    """Open a study that `prepare_study` made. StudyError where there is none."""
    path = Path(folder) / "material" / "study.json"
    try:
        study = Study(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise StudyError(f"{folder}: holds no whole study; make one of two folders of videos") from error
    return replace(study, systems=tuple(study.systems), clips=tuple(study.clips))


def find_sources(folders: Sequence[Path], keyframes: Path | None) -> tuple[tuple[str, ...], tuple[str, ...], dict]:
    """Find the systems' names, the clips' names, and each file by its key, as `Study` has them."""
    if len(folders) < 2 or len({os.path.realpath(folder) for folder in folders}) < len(folders):
        raise StudyError("give two folders of videos or more, each once")
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        names = [folder.as_posix() for folder in folders]
    found = {name: _by_stem(folder, VIDEOS) for name, folder in zip(names, folders, strict=True)}
    if keyframes is not None:
        found[""] = _by_stem(keyframes, PICTURES)
    clips = found[names[0]]
    for name, files in found.items():
        if odd := sorted(clips.keys() ^ files.keys()):
            place = name or keyframes
            lacks, has = (place, names[0]) if odd[0] in clips else (names[0], place)
            raise StudyError(f"{lacks} has nothing called {odd[0]!r}, and {has} has; give each folder the same names")
    if not clips:
        raise StudyError(f"{folders[0]}: holds no video ({', '.join(VIDEOS)})")
    files = {f"{name}/{clip}": path for name, paths in found.items() for clip, path in paths.items()}
    return tuple(names), tuple(sorted(clips)), files


def _by_stem(folder: Path, suffixes: Sequence[str]) -> dict[str, Path]:
    if not folder.is_dir():
        raise StudyError(f"{folder}: no such folder")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in suffixes and not path.name.startswith("."):
            if path.stem in found:
                raise StudyError(f"{path}: {found[path.stem].name} has the same name; keep one of them")
            found[path.stem] = path
    return found


def _is_video(key: str) -> bool:
    return not key.startswith("/")


def _check_sizes(systems: Sequence[str], clips: Sequence[str], files: Mapping[str, Path]) -> None:
    """Raise a StudyError where the size of a video would tell whose it is."""
    for clip in clips:
        sizes = {system: probe_video(files[f"{system}/{clip}"]).size for system in systems}
        for system, size in sizes.items():
            if size != sizes[systems[0]]:
                raise StudyError(
                    f"{clip!r} is {sizes[systems[0]]} in {systems[0]} and {size} in {system}; "
                    "give a size (--size), to which all are brought"
                )


def _write_shown(source: Path, shown: Path, size: Size | None) -> None:
    """Write a file anew, with nothing but its pixels and its times."""
    if shown.suffix == ".png":
        write_image(shown, np.array(read_image(source)))
    else:
        fps = probe_video(source).fps
        write_video(shown, read_video(source, size, fps), fps, QUALITY)
    os.utime(shown, (0, 0))  # a server tells when a file was written


# -- votes -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Vote:
    """What one rater says of one aspect of one pair. `choice` is one of CHOICES, see `Showing` for `swapped`."""

    rater: int
    pair: int
    aspect: str
    choice: str
    swapped: bool


class Votes:
    """The votes of a study, in an SQLite file. Any number of threads and processes may use it at once.

    A vote that was taken is on the disk. A rater's later vote on the same aspect of a pair replaces the earlier one.
    """

    def __init__(self, path: PathLike) -> None:
        self.path = Path(path)
        with self._connection() as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.executescript(SCHEMA)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """A transaction. It is undone where the block raises."""
        connection = sqlite3.connect(self.path, timeout=WAIT)
        try:
            with connection:
                yield connection
        except sqlite3.Error as error:
            raise StudyError(f"{self.path}: the votes can't be read or written ({error}); is the disk full?") from error
        finally:
            connection.close()

    def add_rater(self) -> str:
        """Register a rater. Returns the code by which the rater is known from then on."""
        code = "".join(secrets.choice(LETTERS) for _ in range(CODE_LENGTH))
        with self._connection() as connection:
            connection.execute("INSERT INTO raters (code) VALUES (?)", (code,))
        return code

    def rater(self, code: str) -> int | None:
        """The number of the rater with this code, from 0; None for a code that was not given out."""
        with self._connection() as connection:
            found = connection.execute("SELECT number FROM raters WHERE code = ?", (code,)).fetchone()
        return found and found[0] - 1

    def put(self, rater: int, showing: Showing, choices: Mapping[str, str]) -> None:
        """Take a rater's choices for a pair, by aspect: all of them or, where one is wrong, none."""
        rows = [(rater + 1, showing.pair, aspect, choice, showing.swapped) for aspect, choice in choices.items()]
        query = "INSERT OR REPLACE INTO votes (rater, pair, aspect, choice, swapped) VALUES (?, ?, ?, ?, ?)"
        with self._connection() as connection:
            connection.executemany(query, rows)

    def of(self, rater: int) -> dict[int, dict[str, str]]:
        """What a rater has chosen, by pair and aspect."""
        chosen: dict[int, dict[str, str]] = {}
        for vote in self._read("WHERE rater = ?", rater + 1):
            chosen.setdefault(vote.pair, {})[vote.aspect] = vote.choice
        return chosen

    def all(self) -> list[Vote]:
        """All votes, in the order of raters and pairs."""
        return self._read("ORDER BY rater, pair, aspect")

    def _read(self, which: str, *values: object) -> list[Vote]:
        with self._connection() as connection:
            rows = connection.execute(f"SELECT rater - 1, pair, aspect, choice, swapped FROM votes {which}", values)
            return [Vote(*row[:4], bool(row[4])) for row in rows]
