"""What Multi-Chunk and MC-RoPE bring: six ways to put keyframes into a video, trained alike and measured alike.

A small text-to-video model is trained first, on toy videos without keyframes. From it each way of
`evaluation.ablation.WAYS` is trained for the same number of steps, on the same clips, once for each seed. Then

  - all of them film the quick benchmark of `smartdirector evaluate`, beside a cross-fade and the nearest keyframe held;
  - so do two faultless models, which know the latents of the true video: the naive way's, and those of Multi-Chunk;
  - the four schemes of MC-RoPE predict velocities on held-out videos, also on such as no training clip was like.

Every comparison is with `frame_time`, the paper's way. The tables are printed, and written to results.md and
results.json in the folder. A command that was killed goes on where it was. Once the common start is there, several
commands with other `--ways` may share the work.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from common import arguments
from diffusers import AutoencoderKLWan

from smartdirector_lite.evaluation.ablation import (
    NAIVE,
    START,
    WAYS,
    FaultlessFilmer,
    NaiveStage,
    SmallFilmer,
    bank_of,
    make_banks,
    read_bank,
)
from smartdirector_lite.evaluation.benchmark import ToyBenchmark
from smartdirector_lite.evaluation.comparison import comparison
from smartdirector_lite.evaluation.filmers import BASELINES
from smartdirector_lite.evaluation.records import Record, run_benchmark
from smartdirector_lite.evaluation.results import Section, plain, write_results
from smartdirector_lite.evaluation.velocity import (
    Errors,
    NoisyClips,
    average,
    compare_errors,
    held_out_items,
    velocity_errors,
)
from smartdirector_lite.loading import bundled_folder
from smartdirector_lite.media import write_json
from smartdirector_lite.media.files import make_folder
from smartdirector_lite.timeline import TAU_SCHEMES, check_one_of
from smartdirector_lite.training.gen import GenConfig, GenStage
from smartdirector_lite.training.loop import train_stage
from smartdirector_lite.training.vae import load_vae

SIZES = {"heads": 4, "head_dim": 48, "layers": 5, "ffn_dim": 768, "latent_frames": 60}
CUT_GAP = 2.0  # smartdirector-tiny's
OURS = "frame_time"


def train(way: str, run: Path, steps: int, bank: Path, vae: AutoencoderKLWan, **config: object) -> Path:
    """Train in a run's folder, or go on there. Returns the export's folder."""
    stage = NaiveStage if way == NAIVE else GenStage
    settings = GenConfig(out=str(run), steps=steps, **SIZES, save_minutes=5.0, ema=0.99, warmup=50, **config)
    train_stage(stage(settings, vae, read_bank(vae, bank, bank_of(way))))
    return run / "export"


def errors_once(filmer: SmallFilmer, clips: NoisyClips, folder: Path, group: str) -> Errors:
    """Measure a filmer's velocity on a group of clips, or read what was measured before."""
    made_by = {"settings": dict(filmer.settings), "group": group, "clips": len(clips)}
    path = make_folder(folder) / f"{filmer.name}, {group}.json"
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if found.get("made_by") != made_by:
        found = {"made_by": made_by, "errors": velocity_errors(filmer, clips)}
        write_json(path, found)
    return found["errors"]


def velocity_section(
    vae: AutoencoderKLWan, filmers: Mapping[str, Sequence[SmallFilmer]], items: int, folder: Path
) -> Section:
    """Measure the velocity of the schemes of MC-RoPE. filmers: those of every seed, by scheme."""
    data, parts = {}, []
    for group, drawn in held_out_items(items).items():
        clips = NoisyClips(vae, drawn)
        errors = {way: average([errors_once(one, clips, folder, group) for one in own]) for way, own in filmers.items()}
        table = compare_errors(errors, OURS)
        data[group] = {figure: plain(row) for figure, row in table.items()}
        lines = [f"| {' | '.join(['figure', *filmers])} |", f"|{' --- |' * (1 + len(filmers))}"]
        lines += [f"| {' | '.join([figure, *(str(row[name]) for name in filmers)])} |" for figure, row in table.items()]
        parts.append(f"## Error of the velocity, {len(clips)} videos: {group}\n\n" + "\n".join(lines))
    about = f"The column of {OURS} is the mean squared error; the others are percent more than that."
    return Section("velocity", data, "\n\n".join([*parts, about]))


def main() -> None:
    options = arguments(
        __doc__,
        out=("runs/ablation", "folder for banks and runs"),
        ways=(",".join(WAYS), "the ways to train and measure, with commas"),
        shards=(3, "shards of 128 toy clips"),
        start_steps=(1000, "steps of the common start"),
        steps=(300, "steps of each way"),
        seeds=(2, "trainings of each way"),
        minutes=(60.0, "how long each training may take"),
        items=(8, "videos of each kind, single-shot and multi-shot, to film"),
    )
    ways = options.ways.split(",")
    for way in ways:
        check_one_of("ways", way, WAYS)
    out, limit = Path(options.out), {"minutes": options.minutes}
    vae = load_vae(str(bundled_folder() / "director-gen" / "vae"), "vae").eval()
    make_banks(vae, out / "banks", options.shards)
    start = train(START, out / "start", options.start_steps, out / "banks", vae, rope=OURS, cut_gap=0.0, **limit)
    given = {"init": str(start), "cut_gap": CUT_GAP, "drop_anchor": 0.0, "clip_anchor": 0.0, **limit}
    filmers: dict[str, list[SmallFilmer]] = {way: [] for way in ways}
    for seed in range(options.seeds):
        for way in ways:
            name, scheme = f"{way}, seed {seed}", way if way in TAU_SCHEMES else OURS
            run = out / name.replace(", ", "-").replace(" ", "-")
            export = train(way, run, options.steps, out / "banks", vae, seed=seed, rope=scheme, **given)
            filmers[way].append(SmallFilmer(export, way, vae, CUT_GAP, name=name))
    benchmark = ToyBenchmark.quick(options.items)
    runs: dict[str, list[Record]] = {name: run_benchmark(benchmark, make(), out) for name, make in BASELINES.items()}
    for way in (NAIVE, OURS):
        faultless = FaultlessFilmer(way, vae)
        runs[faultless.name] = run_benchmark(benchmark, faultless, out)
    for way, own in filmers.items():
        runs[way] = [record for filmer in own for record in run_benchmark(benchmark, filmer, out)]
    sections = []
    if OURS in ways:
        schemes = {way: own for way, own in filmers.items() if way in TAU_SCHEMES}
        sections = [comparison(runs, [OURS]), velocity_section(vae, schemes, options.items, out / "velocity")]
    print(write_results(out, runs, sections))


if __name__ == "__main__":
    main()
