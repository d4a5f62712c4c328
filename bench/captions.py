"""What curated captions bring: two short trainings of Director-Gen on film, with them and with one sentence for all.

Both trainings start from the shipped weights and have the same clips, batches, noise and steps; only the film clips'
captions differ. Then both film held-out shots from a keyframe every 12 frames, and from the first keyframe alone, each
with the kind of caption it was trained with. No two of the shots share a frame. Printed are the PSNR over moving
pixels, and the mean difference of the shots with its standard error. The results are written to
bench/results/captions.json.
"""

import itertools
import shutil
import statistics
from dataclasses import replace
from pathlib import Path

import torch
from common import DRAFT, arguments, generate, load_director

from smartdirector_lite.director import Director
from smartdirector_lite.evaluation.metrics import PooledError, moving_pixels
from smartdirector_lite.evaluation.results import circumstances
from smartdirector_lite.gen import DirectorGenPipeline
from smartdirector_lite.loading import bundled_folder
from smartdirector_lite.media import write_json
from smartdirector_lite.training.bank import build_shard, read_clips, write_clips
from smartdirector_lite.training.clips import vae_fingerprint
from smartdirector_lite.training.film import FilmShots, Footage
from smartdirector_lite.training.gen import GenConfig, train_gen
from smartdirector_lite.training.shards import make_shards, shard_paths
from smartdirector_lite.training.vae import load_vae

ONE_SENTENCE = "A scene of an animated film about a big rabbit in a green forest."
NUM_FRAMES = 37
TASKS = {"a keyframe every 12 frames": (0, 12, 24, 36), "the first keyframe alone": (0,)}
RESULTS = Path(__file__).parent / "results" / "captions.json"


def say_one_sentence(bank: Path, copy: Path, made_by: str) -> None:
    """Copy a bank's film clips, with ONE_SENTENCE for every caption."""
    for path in shard_paths(bank):
        clips = read_clips(path, made_by)
        told = [(latents, replace(entry, caption=ONE_SENTENCE, description=ONE_SENTENCE)) for latents, entry in clips]
        write_clips(copy / path.name, made_by, told)


@torch.no_grad()
def measure(director: Director, film: FilmShots, shots: int, curated: bool) -> dict[str, list[PooledError]]:
    """Film held-out shots. Returns the errors of each shot, for each of TASKS."""
    found = {task: [] for task in TASKS}
    for first in film.apart(NUM_FRAMES, shots):
        truth = film.clip(first, NUM_FRAMES, size=DRAFT)
        caption = film.storyboard(first, NUM_FRAMES).caption() if curated else ONE_SENTENCE
        for task, keyframes in TASKS.items():
            error, video = PooledError(), generate(director, caption, truth, keyframes)
            for a, b in itertools.pairwise(sorted({*keyframes, NUM_FRAMES - 1})):
                error.add(video[a + 1 : b], truth[a + 1 : b], moving_pixels(truth[a], truth[b]))
            found[task].append(error)
    return found


def main() -> None:
    options = arguments(
        __doc__,
        film=("runs/film", "dataset that `curate` made"),
        out=("runs/captions", "folder for the runs"),
        shards=(4, "shards of 128 film clips"),
        steps=(300, "steps of each training"),
        minutes=(60.0, "how long each training may take"),
        shots=(12, "held-out shots to film; all that there are, where there are fewer"),
    )
    out, gen = Path(options.out), str(bundled_folder() / "director-gen")
    vae = load_vae(f"{gen}/vae", "vae").eval()
    made_by = vae_fingerprint(vae)
    banks = {"one sentence": out / "bank-one", "curated": out / "bank"}
    footage = Footage.open(options.film, 1.0)
    make_shards(banks["curated"], options.shards, lambda index: build_shard(vae, banks["curated"], index, 128, footage))
    shutil.rmtree(banks["one sentence"], ignore_errors=True)
    say_one_sentence(banks["curated"], banks["one sentence"], made_by)
    film, errors = FilmShots.load(options.film, held_out=True), {}
    for name, bank in banks.items():
        run = out / name.replace(" ", "-")
        rates = {"lr": 4e-4, "adam_lr": 2e-4, "warmup": 20, "ema": 0.98}
        train_gen(
            GenConfig(
                **{"vae": f"{gen}/vae", "init": gen, "bank": str(bank), "shards": 0, "out": str(run)},
                **{"steps": options.steps, "minutes": options.minutes, "save_minutes": 10.0, "latent_frames": 60},
                **rates,
            )
        )
        director = load_director(options.model)
        trained = DirectorGenPipeline.from_pretrained(run / "export", dtype=torch.float32)
        director.gen.register_modules(transformer=trained.transformer, text_encoder=trained.text_encoder)
        errors[name] = measure(director, film, options.shots, name == "curated")
    tasks = {}
    for task in TASKS:
        one, curated = (errors[name][task] for name in banks)
        gains = [b.psnr - a.psnr for a, b in zip(one, curated, strict=True)]
        figures = {name: round(pooled(errors[name][task]), 2) for name in banks}
        figures["gain"] = round(statistics.mean(gains), 2)
        figures["standard error"] = round(statistics.stdev(gains) / len(gains) ** 0.5, 2)
        print(f"{task}: " + ", ".join(f"{name} {value:.2f} dB" for name, value in figures.items()))
        tasks[task] = figures
    held_out = len(film.apart(NUM_FRAMES, options.shots))
    made = circumstances(f"{held_out} held-out shots of {NUM_FRAMES} frames", {"training": {"steps": options.steps}})
    write_json(RESULTS, {**made, "clips": options.shards * 128, "tasks": tasks})


def pooled(errors: list[PooledError]) -> float:
    """The PSNR over all shots together."""
    return PooledError(sum(one.total for one in errors), sum(one.count for one in errors)).psnr


if __name__ == "__main__":
    main()
