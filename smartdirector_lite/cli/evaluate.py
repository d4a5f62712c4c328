"""`smartdirector evaluate`: a model beside baselines on a benchmark."""

from pathlib import Path
from typing import Literal

from .options import TINY, Model, Out, Rope


def evaluate(
    out: Out = Path("evaluation"),
    model: Model = TINY,
    dataset: Path | None = None,
    quick: bool = False,
    items: int | None = None,
    pacing: Literal["", "documentary", "suspense", "action"] = "",
    baselines: tuple[str, ...] = ("cross-fade", "hold"),
    steps: int | None = None,
    guidance_scale: float | None = None,
    rope: Rope = "frame_time",
) -> None:
    """Measure a model on held-out videos, beside baselines that need none.

    Half of the videos are single-shot and half are multi-shot. When the command is killed, the same command goes on
    from there, and a larger --items measures the new ones alone.

    Args:
        out: the folder of results.md, results.json and the records
        dataset: what `smartdirector curate` made, whose held-out part is filmed (None: the toy world)
        quick: the small fixed split: 12 videos of each kind of 3 to 5 s, in place of 250 of 3 to 15 s
        items: how many videos of each kind, in place of those numbers
        pacing: move the keyframes to other times, and measure whether everything happens when it should
        baselines: what is filmed beside the model; none for the model alone
        steps: denoising steps (None: the model's own number)
        guidance_scale: how strictly the text is followed (None: the model's own)
        rope: the scheme of temporal positions
    """
    from ..evaluation.benchmark import FULL, QUICK, QUICK_SECONDS, SECONDS, FilmBenchmark, PacedBenchmark, ToyBenchmark
    from ..evaluation.filmers import BASELINES, DirectorFilmer
    from ..evaluation.records import Record, run_benchmark
    from ..evaluation.results import as_text, write_results
    from ..media.files import make_folder
    from ..timeline import check_int, check_one_of

    count = check_int("items", items if items is not None else QUICK if quick else FULL, 1)
    for name in baselines:
        check_one_of("baselines", name, BASELINES)
    seconds = QUICK_SECONDS if quick else SECONDS
    make_folder(out)
    benchmark = FilmBenchmark(dataset, count, seconds) if dataset else ToyBenchmark(count, seconds)
    benchmark = PacedBenchmark(benchmark, pacing) if pacing else benchmark
    director = model.load()
    filmers = [DirectorFilmer(director, model.model, steps, guidance_scale, rope), *(BASELINES[b]() for b in baselines)]
    runs = {}
    for filmer in filmers:

        def told(record: Record, name: str = filmer.name) -> None:
            print(f"{name}, {record.item}: {record.seconds:.1f} s", flush=True)

        runs[filmer.name] = run_benchmark(benchmark, filmer, out, told)
        write_results(out, runs)
    print(f"\n{benchmark.source}\n\n{as_text(runs)}\n\n{out / 'results.md'}, {out / 'results.json'}")
