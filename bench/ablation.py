"""What Multi-Chunk and MC-RoPE bring: six ways to put keyframes into a video, trained alike and measured alike.

A small text-to-video model is trained first, on toy videos without keyframes. From it each way of
`evaluation.ablation.WAYS` is trained for the same number of steps, on the same clips. Then all of them film the quick
benchmark of `smartdirector evaluate`, beside a cross-fade and the nearest keyframe held. The tables are printed and
written to results.md and results.json in the folder. A command that was killed goes on where it was.
"""

from pathlib import Path

from common import arguments

from smartdirector_lite.evaluation.ablation import (
    NAIVE,
    START,
    WAYS,
    NaiveStage,
    SmallFilmer,
    bank_of,
    make_banks,
    read_bank,
)
from smartdirector_lite.evaluation.benchmark import QUICK, ToyBenchmark
from smartdirector_lite.evaluation.filmers import BASELINES
from smartdirector_lite.evaluation.records import run_benchmark
from smartdirector_lite.evaluation.results import as_text, write_results
from smartdirector_lite.loading import bundled_folder
from smartdirector_lite.training.gen import GenConfig, GenStage
from smartdirector_lite.training.loop import train_stage
from smartdirector_lite.training.vae import load_vae

SIZES = {"heads": 4, "head_dim": 48, "layers": 5, "ffn_dim": 768, "latent_frames": 60}
CUT_GAP = 2.0  # smartdirector-tiny's


def main() -> None:
    options = arguments(
        __doc__,
        out=("runs/ablation", "folder for banks and runs"),
        shards=(8, "shards of 128 toy clips"),
        start_steps=(800, "steps of the common start"),
        steps=(400, "steps of each way"),
        seed=(0, "seed of the weights, the batches and the noise"),
        minutes=(60.0, "how long each training may take"),
        items=(QUICK, "videos of each kind, single-shot and multi-shot, to film"),
    )
    out = Path(options.out)
    vae = load_vae(str(bundled_folder() / "director-gen" / "vae"), "vae").eval()
    make_banks(vae, out / "banks", options.shards)

    def train(way: str, run: Path, steps: int, **config: object) -> Path:
        stage = NaiveStage if way == NAIVE else GenStage
        shared = {"seed": options.seed, "minutes": options.minutes, "save_minutes": 5.0, "ema": 0.99, "warmup": 50}
        settings = GenConfig(out=str(run), steps=steps, **SIZES, **shared, **config)
        train_stage(stage(settings, vae, read_bank(vae, out / "banks", bank_of(way))))
        return run / "export"

    start = train(START, out / f"start-{options.seed}", options.start_steps, cut_gap=0.0)
    filmers = [make() for make in BASELINES.values()]
    for way in WAYS:
        scheme = {"rope": way} if bank_of(way) == "chunks" else {}
        run = out / f"{way.replace(' ', '-')}-{options.seed}"
        given = {"init": str(start), "cut_gap": CUT_GAP, "drop_anchor": 0.0, "clip_anchor": 0.0}
        filmers.append(SmallFilmer(train(way, run, options.steps, **given, **scheme), way, vae, CUT_GAP))
    benchmark = ToyBenchmark.quick(options.items)
    runs = {filmer.name: run_benchmark(benchmark, filmer, out) for filmer in filmers}
    write_results(out, runs)
    print(as_text(runs))


if __name__ == "__main__":
    main()
