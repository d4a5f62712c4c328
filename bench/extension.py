"""Drift of extensions: longer films of a given clip, made in one go or in rounds from the last frame so far.

Held-out single shots of the toy world. A clip of 13 frames is given and 72 frames are made after it or before it, or
two clips are given and the 48 frames between them are made. The director films each in one go, with the clips as
conditions of its storyboard. The same model films in rounds of 25 frames, each from a single keyframe, which is the
last frame of the film so far (before a clip: the first one; between clips: it goes on from the left one). All films are
watched with the given frames as they were given. The nearest given frame held, and the true film through the VAE alone,
stand beside them. Drift is read at distances from the given clip. The films are kept, so that a killed command goes on
where it was. The tables are written to bench/results/.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from common import arguments, as_footage, as_levels, as_video, load_director
from torch import Tensor

from smartdirector_lite.director import Director
from smartdirector_lite.evaluation.baselines import hold_nearest
from smartdirector_lite.evaluation.benchmark import Filmer, Item
from smartdirector_lite.evaluation.distances import Interval, mean_estimate
from smartdirector_lite.evaluation.drift import drift, join_excess
from smartdirector_lite.evaluation.extension import (
    EXTENSION_SEED,
    NEW,
    ClipFilmer,
    ExtensionBenchmark,
    RoundFilmer,
    new_frames,
    with_given,
)
from smartdirector_lite.evaluation.filmers import BlendFilmer
from smartdirector_lite.evaluation.results import circumstances
from smartdirector_lite.media import atomic_path, contact_sheet, write_image, write_json
from smartdirector_lite.media.files import make_folder
from smartdirector_lite.media.sheets import KEYFRAME_COLOUR
from smartdirector_lite.timeline import ChunkPlan, Condition
from smartdirector_lite.vae.multichunk import decode, encode_video

DISTANCES = (6, 12, 24, 36, 48, 72)  # frames from the given clip
OURS, ROUNDS = "in one go", "in rounds"
FIGURES = {
    "identity": "share",
    "creature sharpness": "over the true one's",
    "colour shift": "levels",
    "sharpness": "over the true frame's",
    "PSNR": "dB",
}
RATIOS = ("sharpness", "join")  # their means are geometric, and they are compared by quotients
JOINS = ("clip", "rounds", "right clip")
RESULTS = Path(__file__).parent / "results"
NOTE = """Means over scenes with 95 % bootstrap intervals over scenes. Each figure is read in the three frames up to its
distance from the given clip; between two clips the distance is counted from the left one. Identity is the share of the
creatures that are found anywhere in the frame with their eyes, outline and colour. Sharpness is the energy of the
brightness' slopes, of the creature or of the frame, over the true one's. The colour shift is how far the mean colour of
the creature's body is from the true one. Both are read where the creature's likeness is best, which is anywhere once
the creature is lost. PSNR is taken against the true frames. `difference` is in one go less in rounds (of the frames'
sharpness their quotient), scene by scene. The last table of each direction is the jump of the film where two
of its parts meet, over the jump of the true film there; a film as
smooth as the true one has 1. `rounds` are the steps at which filming in rounds starts anew."""

Scene = Mapping[str, Mapping]  # of one film: its figures by distance, and its joins


@dataclass(frozen=True)
class VaeFilmer:
    """Passes the true film through the VAE, in the chunks that the given clips ask for: the best that there can be."""

    director: Director
    name: str = "VAE alone"
    settings: Mapping[str, object] = field(default_factory=dict)

    def __call__(self, item: Item) -> Tensor:
        vae = self.director.gen.vae
        conditions = [Condition(frame) for frame in item.keyframes if frame - 1 not in item.keyframes]
        plan = ChunkPlan.build(item.num_frames, conditions, vae.config.scale_factor_temporal)
        return as_footage(decode(vae, plan, encode_video(vae, plan, as_video(item.frames)))).clamp(0, 1)


def film_once(filmer: Filmer, item: Item, source: str, folder: Path) -> Tensor:
    """The film of an item, (T, 3, H, W) in [0, 1]. It is made where the folder does not hold it yet."""
    made_by = json.dumps([filmer.name, dict(filmer.settings), source], sort_keys=True)
    name = f"{item.name}-{hashlib.sha256(made_by.encode()).hexdigest()[:12]}.npy"
    path = make_folder(folder / filmer.name.replace(" ", "-")) / name
    if not path.exists():
        with torch.no_grad(), atomic_path(path) as temporary, temporary.open("wb") as file:
            np.save(file, as_levels(filmer(item)), allow_pickle=False)
        print(f"{filmer.name}: {item.name}", flush=True)
    return torch.from_numpy(np.load(path, allow_pickle=False)).permute(0, 3, 1, 2).float() / 255


def measure_film(video: Tensor, item: Item) -> Scene:
    """The figures of a film at all distances that it has, and its joins."""
    distances = [distance for distance in DISTANCES if distance <= len(new_frames(item))]
    return {"drift": drift(video, item, distances), "joins": join_excess(video, item)}


def estimate(values: Sequence[float], figure: str) -> Interval:
    """The mean with its interval; of a ratio the geometric one."""
    if figure in RATIOS:
        return Interval(*(math.exp(value) for value in mean_estimate([math.log(value) for value in values])))
    return mean_estimate(values)


def column(films: Sequence[Scene], figure: str, distance: int) -> dict[int, float]:
    """A figure at a distance, by the scene's number. Scenes that have none are left out."""
    at = {number: film["drift"].get(distance, {}).get(figure) for number, film in enumerate(films)}
    return {number: value for number, value in at.items() if value is not None}


def difference(ours: Mapping[int, float], other: Mapping[int, float], figure: str) -> Interval:
    """Ours less the other's, scene by scene; of a ratio their quotient."""
    if figure in RATIOS:
        return estimate([ours[number] / other[number] for number in ours], figure)
    return estimate([ours[number] - other[number] for number in ours], figure)


def summarize_direction(films: Mapping[str, Sequence[Scene]]) -> dict[str, dict[str, dict[str, Interval]]]:
    """Estimates by figure, filmer (and "difference") and distance, of one direction. `films` holds each filmer's."""
    found = {}
    distances = list(films[OURS][0]["drift"])
    for figure in FIGURES:
        rows = {name: {d: column(own, figure, d) for d in distances} for name, own in films.items()}
        found[figure] = {
            name: {str(d): estimate(list(at.values()), figure) for d, at in row.items()} for name, row in rows.items()
        }
        pairs = {str(d): difference(rows[OURS][d], rows[ROUNDS][d], figure) for d in distances}
        found[figure]["difference"] = pairs
    found["join"] = {
        name: {
            join: estimate([film["joins"][join] for film in own if join in film["joins"]], "join")
            for join in JOINS
            if any(join in film["joins"] for film in own)
        }
        for name, own in films.items()
    }
    return found


def as_tables(summaries: Mapping[str, dict]) -> str:
    """A Markdown table for each direction and figure: a row a filmer, a column a distance or a join."""
    parts = []
    for direction, figures in summaries.items():
        parts.append(f"## {direction.capitalize()}")
        for figure, rows in figures.items():
            heads = list(rows[OURS])
            title = f"{figure} ({FIGURES[figure]})" if figure in FIGURES else "jump over the true jump at the"
            lines = [[title, *heads], ["---"] * (1 + len(heads))]
            lines += [[name, *(str(row.get(head, "-")) for head in heads)] for name, row in rows.items()]
            parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines))
    return "\n\n".join(parts)


def plain(value: Mapping | Interval) -> dict:
    """Nested summaries as plain values for JSON."""
    if isinstance(value, Interval):
        return value._asdict()
    return {key: plain(one) for key, one in value.items()}


def draw(path: Path, item: Item, films: Mapping[str, Tensor]) -> None:
    """Draw the true film and all others, a row each, every sixth frame; given frames are framed."""
    frames = range(0, item.num_frames, 6)
    shown = [as_levels(video)[frame] for video in (item.frames, *films.values()) for frame in frames]
    borders = [KEYFRAME_COLOUR if frame in item.keyframes else None for frame in frames] * (1 + len(films))
    write_image(path, contact_sheet(shown, columns=len(frames), borders=borders))


def main() -> None:
    options = arguments(
        __doc__,
        scenes=(8, "of each direction"),
        out=("runs/extension", "folder of the films and their contact sheets"),
    )
    director, out = load_director(options.model), Path(options.out)
    benchmark = ExtensionBenchmark(options.scenes)
    hold = BlendFilmer("nearest given frame held", hold_nearest)
    filmers = [ClipFilmer(director, OURS), RoundFilmer(director, ROUNDS), hold, VaeFilmer(director)]
    films = {direction: {filmer.name: [] for filmer in filmers} for direction in NEW}
    for index, name in enumerate(benchmark.names):
        item = benchmark[index]
        videos = {one.name: with_given(film_once(one, item, benchmark.source, out), item) for one in filmers}
        draw(out / f"{name}.png", item, videos)
        for filmer, video in videos.items():
            films[name.rpartition("-")[0]][filmer].append(measure_film(video, item))
    summaries = {direction: summarize_direction(own) for direction, own in films.items()}
    made = circumstances(benchmark.source, {filmer.name: filmer.settings for filmer in filmers})
    made |= {"scenes": options.scenes, "seeds": {name: benchmark[i].seed for i, name in enumerate(benchmark.names)}}
    write_json(RESULTS / "extension.json", {**made, "results": plain(summaries)})
    settings = ", ".join(f"{key} {value}" for key, value in filmers[0].settings.items())
    about = f"{made['source']}; {options.scenes} scenes of each direction, seeds from {EXTENSION_SEED} on"
    made_by = f"{about}; commit {made['commit']}; {made['machine']}; {made['date']}.\n\n{options.model}: {settings}."
    text = f"# Drift of extensions\n\n{made_by}\n\n{NOTE}\n\n{as_tables(summaries)}\n"
    (RESULTS / "extension.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
