"""`smartdirector evaluate`: a model beside baselines on a benchmark."""

from pathlib import Path
from typing import Literal

from .options import TINY, Model, Out, Rope

NO_MODEL = "none"  # in place of a model's name


def evaluate(
    out: Out = Path("evaluation"),
    task: Literal["film", "enlarge"] = "film",
    model: Model = TINY,
    dataset: Path | None = None,
    quick: bool = False,
    items: int | None = None,
    pacing: Literal["", "documentary", "suspense", "action"] = "",
    baselines: tuple[str, ...] | None = None,
    steps: int | None = None,
    guidance_scale: float | None = None,
    rope: Rope | None = None,
    i3d: Path | None = None,
) -> None:
    """Measure a model on held-out videos, and compare it with baselines that are none of its kind, video by video.

    Half of the videos are single-shot and half are multi-shot. When the command is killed, the same command goes on
    from there, and a larger --items measures the new ones alone.

    Args:
        out: the folder of results.md, results.json and the records
        task: film the frames between keyframes, or enlarge small videos (--model none measures baselines alone)
        dataset: what `smartdirector curate` made, whose held-out part is filmed (None: the toy world)
        quick: the small fixed split: 12 videos of each kind of 3 to 5 s, in place of 250 of 3 to 15 s
        items: how many videos of each kind, in place of those numbers
        pacing: move the keyframes to other times, and measure whether everything happens when it should
        baselines: what is measured beside the model: cross-fade, hold, rife; bicubic, realesrgan, realesrgan-matched
            and realesrgan-x4plus for --task enlarge (None: those that need no package); none for the model alone
        steps: denoising steps (None: the model's own number)
        guidance_scale: how strictly the text is followed (None: the model's own)
        rope: the scheme of temporal positions (None: that of the weights)
        i3d: I3D's TorchScript file, in whose features distances are taken, as in FVD (None: those of a network of ours)
    """
    from ..evaluation.benchmark import FULL, QUICK, QUICK_SECONDS, SECONDS, FilmBenchmark, PacedBenchmark, ToyBenchmark
    from ..evaluation.features import OWN
    from ..evaluation.i3d import load_i3d
    from ..evaluation.tasks import TASKS, Calling, check_baselines
    from ..media.files import make_folder
    from ..timeline import check_int

    count = check_int("items", items if items is not None else QUICK if quick else FULL, 1)
    asked = TASKS[task]
    baselines = asked.usual if baselines is None else baselines
    check_baselines(task, baselines)
    for name, value in {"pacing": pacing, "guidance-scale": guidance_scale}.items():
        if task == "enlarge" and value not in ("", None):
            raise ValueError(f"{name} is {value}, which --task enlarge has no use for; leave it out")
    has_model = model.model != NO_MODEL
    if not (has_model or baselines):
        raise ValueError(f"model is {NO_MODEL} and there are no baselines, so nothing is measured; give one of both")
    filmers = [asked.baselines[name]() for name in baselines]  # first, since a package may be missing
    features = OWN if i3d is None else load_i3d(i3d)
    make_folder(out)
    seconds = QUICK_SECONDS if quick else SECONDS
    if dataset:
        benchmark = FilmBenchmark(dataset, count, seconds, asked.size)
    else:
        benchmark = ToyBenchmark(count, seconds, asked.size)
    benchmark = asked.items(PacedBenchmark(benchmark, pacing) if pacing else benchmark)
    directors = []
    if has_model:
        directors = asked.directors(model.load(), model.model, Calling(steps, guidance_scale, rope))
    film_all(benchmark, directors, filmers, out, features)


def film_all(benchmark, directors: list, baselines: list, out: Path, features) -> None:
    """Measure filmers one after the other. The tables are of those that were done, whatever ends the command.

    Args:
        benchmark: a `Benchmark`.
        directors: of the protocol `Filmer`; each is compared with every baseline.
        baselines: of the same protocol.
        out: the folder of the tables and the records.
        features: the `Features` that distances are taken in.
    """
    from ..evaluation.comparison import comparison
    from ..evaluation.records import Record, run_benchmark
    from ..evaluation.results import write_results

    runs: dict[str, list[Record]] = {}
    try:
        for filmer in [*directors, *baselines]:

            def told(record: Record, name: str = filmer.name) -> None:
                print(f"{name}, {record.item}: {record.seconds:.1f} s", flush=True)

            runs[filmer.name] = run_benchmark(benchmark, filmer, out, told, features)
    finally:
        if runs:
            compared = comparison(runs, [filmer.name for filmer in directors if filmer.name in runs])
            tables = write_results(out, runs, [compared] if compared.text else [])
            print(f"\n{benchmark.source}\n\n{tables}\n\n{out / 'results.md'}, {out / 'results.json'}")
