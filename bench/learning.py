"""The learning curve of Director-Gen: how good frames between keyframes are after so many steps of a training.

The models are exports of one training, each with the steps that it had taken, and the model that the training began
from, with 0 steps. `--clips` turns the steps into clips seen. Each model fills in frames of held-out toy shots, of
held-out film (`--film`), of drawings and of photo-like scenes, as `bench/inbetween.py` does. Two others fill in the
same frames: a cross-fade, and the model half-way between the first one and the last one, whose weights are the mean of
theirs. Such a mean often keeps most of what both know (WiSE-FT, Wortsman et al. 2022). All figures are over pixels that
move. The gain over the first model is taken shot by shot.

The measurements of each model are kept in runs/learning. When the command is killed, the next call measures only the
models that are missing. Delete the folder after a change of the footage or of the figures. The tables are written to
bench/results/.
"""

import argparse
import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import torch
from common import arguments, generate, load_director
from inbetween import FADE, KEYFRAMES, NUM_FRAMES, OURS, Tally, footage

from smartdirector_lite.director import Director
from smartdirector_lite.evaluation.baselines import cross_fade
from smartdirector_lite.evaluation.metrics import PooledError
from smartdirector_lite.evaluation.results import circumstances
from smartdirector_lite.evaluation.unseen import UNSEEN
from smartdirector_lite.media import atomic_path, write_json
from smartdirector_lite.media.files import make_folder
from smartdirector_lite.training.shards import fingerprint

RESULTS = Path(__file__).parent / "results"
TRUTH = "truth"
FIRST = "smartdirector-tiny=0"
HALF = "half-way"


def sources(options: argparse.Namespace) -> Iterator[tuple[str, argparse.Namespace]]:
    """Yield the kinds of footage by name, each with the options of `footage`."""
    kinds = {"toy": ("", ""), "film": (options.film, ""), **{kind: ("", kind) for kind in UNSEEN}}
    for name, (film, unseen) in kinds.items():
        if name != "film" or film:
            yield name, argparse.Namespace(film=film, unseen=unseen, caption="")


@torch.no_grad()
def measure(director: Director, options: argparse.Namespace, call: dict[str, float]) -> dict[str, dict[str, Tally]]:
    """Fill in the frames: by the kind of footage, the tallies of the model, of a cross-fade and of the truth."""
    tallies = {}
    for kind, chosen in sources(options):
        own = tallies[kind] = {name: Tally() for name in (OURS, FADE, TRUTH)}
        for truth, caption in footage(chosen, options.shots):
            own[OURS].add(generate(director, caption, truth, KEYFRAMES, **call), truth)
            own[FADE].add(cross_fade(truth[list(KEYFRAMES)], KEYFRAMES, NUM_FRAMES), truth)
            own[TRUTH].add(truth, truth)
        print(f"{kind}: {own[OURS].error.psnr:.2f} dB", flush=True)
    return tallies


def measure_once(director: Director, options: argparse.Namespace, call: dict) -> dict[str, dict[str, Tally]]:
    """Measure a model, or read what was measured of the same weights before."""
    made_by = {
        "weights": fingerprint("", director.gen.transformer, director.gen.vae),
        "shots": options.shots,
        "film": options.film,
        **call,
    }
    path = make_folder(options.runs) / f"{made_by['weights']}.json"
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if found.get("made_by") != made_by:
        measured = measure(director, options, call)
        plain = {kind: {name: asdict(tally) for name, tally in own.items()} for kind, own in measured.items()}
        found = {"made_by": made_by, "tallies": plain}
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(found), encoding="utf-8")  # with NaN, where nothing of a shot moves
    return {
        kind: {name: Tally(**{**tally, "error": PooledError(**tally["error"])}) for name, tally in own.items()}
        for kind, own in found["tallies"].items()
    }


@torch.no_grad()
def half_way(first: Director, last: Director) -> Director:
    """Change the first stage of `last` into the mean of both."""
    for part in ("transformer", "text_encoder"):
        own, other = (getattr(director.gen, part).state_dict() for director in (last, first))
        for name, weight in own.items():
            if weight.is_floating_point():
                weight.lerp_(other[name], 0.5)
    return last


def figures(tally: Tally, first: Tally, truth: Tally) -> dict[str, float | None]:
    """The figures of one way; None where there are too few shots. first: the tally of the first model."""
    mean, error = (value if math.isfinite(value) else None for value in tally.gain(first))
    return {
        "psnr": tally.error.psnr,
        "ssim": tally.similar / max(1, tally.similar_count),
        "gradients": tally.gradients / max(1e-9, truth.gradients),
        "gain": mean,
        "standard_error": error,
    }


def as_markdown(kind: str, rows: list[dict]) -> str:
    """The table of one kind of footage."""
    lines = [
        f"## {kind}",
        "",
        "| steps | clips seen | PSNR (dB) | SSIM | gradients / truth | gain (dB) |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        seen = "-" if row["clips"] is None else f"{row['clips']:,}"
        known = row["clips"] != 0 and row["standard_error"] is not None
        gain = f"{row['gain']:+.2f} ± {row['standard_error']:.2f}" if known else "-"
        lines.append(
            f"| {row['steps']} | {seen} | {row['psnr']:.2f} | {row['ssim']:.3f} | {row['gradients']:.2f} | {gain} |"
        )
    return "\n".join(lines)


def measure_all(models: dict[str, int], options: argparse.Namespace) -> dict[int | str, dict[str, dict[str, Tally]]]:
    """Measure the models, and the one half-way between the first and the last: their tallies, by their steps."""
    first = director = load_director(next(iter(models)))  # the one with 0 steps
    call = {  # an export of a training does not know its own defaults: the first model's hold for all
        "num_inference_steps": options.steps or first.defaults.steps,
        "guidance_scale": first.defaults.guidance_scale,
    }
    measured = {}
    for name, steps in models.items():
        print(f"{name}, {steps} steps", flush=True)
        director = load_director(name) if steps else first
        measured[steps] = measure_once(director, options, call)
    if len(models) > 1:
        print(HALF, flush=True)
        measured[HALF] = measure_once(half_way(first, director), options, call)
    return measured


def main() -> None:
    options = arguments(
        __doc__,
        models=(FIRST, "folders with the steps of each, FOLDER=STEPS, with commas between them; the first one has 0"),
        said=("", "what the training was: shares, batch, learning rate; for the table"),
        clips=(4.0, "clips of one step, on average"),
        film=("", "dataset that `curate` made; its held-out shots are taken, too"),
        shots=(24, "how many of each kind"),
        steps=(0, "denoising steps; 0 for the first model's own"),
        runs=("runs/learning", "folder of what was measured"),
        out=(str(RESULTS / "learning"), "where the tables go, without an ending"),
    )
    pairs = [pair.rpartition("=") for pair in options.models.split(",")]
    models = {name: int(steps) for name, _, steps in pairs if name and steps.isdecimal()}
    steps = list(models.values())
    if len(models) < len(pairs) or steps != sorted({0, *steps}):
        raise SystemExit(f"--models: give FOLDER=0,FOLDER=STEPS,... with more steps each time, got {options.models!r}")
    measured = measure_all(models, options)
    tables: dict[str, list[dict]] = {}
    for kind, base in measured[0].items():
        ways = {FADE: base[FADE], **{steps: tallies[kind][OURS] for steps, tallies in measured.items()}}
        tables[kind] = [
            {
                "steps": steps,
                "clips": round(steps * options.clips) if isinstance(steps, int) else None,
                **figures(tally, base[OURS], base[TRUTH]),
            }
            for steps, tally in ways.items()
        ]
    source = f"Up to {options.shots} shots of each kind, {NUM_FRAMES} frames, keyframes at {list(KEYFRAMES)}"
    made = circumstances(source, {"training": {"said": options.said, "clips_a_step": options.clips}})
    write_json(Path(f"{options.out}.json"), {**made, "tables": tables})
    text = "\n\n".join(as_markdown(kind, rows) for kind, rows in tables.items())
    where = f"Commit {made['commit']}, {made['machine']}, {made['date']}"
    intro = f"# Learning curve\n\n{source}. {options.said}\n\n{where}.\n"
    Path(f"{options.out}.md").write_text(f"{intro}\n{text}\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
