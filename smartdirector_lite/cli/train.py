"""`smartdirector train`: everything from a film and the toy world to the weights that ship, and fine-tuning of Wan.

The options of most stages are those of the stage's config class, which is imported when the stage is chosen.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import tyro

from ..timeline import check_int
from .options import Positional


def train_film(movie: Positional[Path], cache: Path = Path("runs/film"), start: float = 0.0, stop: float = 1e9) -> None:
    """Decode a film once, cut it into shots, and keep it small on disk, for the other stages.

    Args:
        movie: the film's file
        cache: the folder to write to
        start: the second at which to begin, after the titles
        stop: the second at which to end, before the credits
    """
    from ..training.film import FilmShots, prepare_film

    prepare_film(movie, cache, seconds=(start, stop))
    training, held_out = FilmShots.load(cache), FilmShots.load(cache, held_out=True)
    print(f"{cache}: {len(training.shots)} shots to train on, {len(held_out.shots)} held out")


def train_bank(
    bank: Path = Path("runs/bank"),
    vae: Path = Path("runs/vae/export"),
    film: str = "",
    film_share: float = 0.2,
    first: int = 0,
    count: int = 8,
    seed: int = 0,
    sparse: float = 0.45,
) -> None:
    """Render and encode shards of clips for `train gen`. This command may run before it or beside it.

    Args:
        bank: the folder of shards
        vae: the trained VAE's folder
        film: a folder made by `train film`; without it all clips come from the toy world
        film_share: the share of the clips that come from the film
        first: the number of the first shard
        count: how many shards to make
        seed: the same seed gives the same clips
        sparse: the share of the clips that have few keyframes or none, where only the text says what happens
    """
    check_int("first", first, 0)
    check_int("count", count, 1)
    check_int("seed", seed, 0)
    for option, share in (("film_share", film_share), ("sparse", sparse)):
        if not 0 <= share <= 1:
            raise ValueError(f"{option} must be from 0 to 1, got {share}")
    import torch

    from ..training.bank import build_shard
    from ..training.film import Footage
    from ..training.vae import load_vae

    coder = load_vae(vae, "vae").eval().to("cuda" if torch.cuda.is_available() else "cpu")
    footage = Footage.open(film, film_share)
    for index in range(first, first + count):
        print(build_shard(coder, bank, index, footage=footage, seed=seed, sparse=sparse), flush=True)


def _stage(module: str, config: str, run: str, summary: str) -> Callable[[Any], None]:
    """A command whose options are the fields of a config class, and which hands them to a function."""

    def find(name: str) -> Any:
        return getattr(import_module(f"smartdirector_lite.training.{module}"), name)

    options = tyro.conf.arg(constructor_factory=lambda: find(config))

    def command(config: Annotated[Any, options, tyro.conf.OmitArgPrefixes]) -> None:
        find(run)(config)

    command.__doc__ = summary
    return command


STAGES = {
    "film": train_film,
    "vae": _stage("vae", "VAEConfig", "train_vae", "Train the VAE."),
    "bank": train_bank,
    "gen": _stage("gen", "GenConfig", "train_gen", "Train Director-Gen; with --base FOLDER, fine-tune a Wan model."),
    "sr": _stage("sr", "SRConfig", "train_sr", "Train Director-SR; with --base FOLDER, from a Wan model."),
    "restorer": _stage("restorer", "RestorerConfig", "train_restorer", "Train the restorer of a Director-SR."),
}
FINETUNING = {  # in place of the stages of these names, where there is --base
    "gen": _stage("finetune", "GenFinetune", "finetune", "Fine-tune Director-Gen from a Wan model."),
    "sr": _stage("finetune", "SRFinetune", "finetune", "Fine-tune Director-SR from a Wan model."),
}


def train() -> None:
    """Train smartdirector-tiny, or fine-tune a Wan model: `train --help` lists the stages."""
    # This is only here to be listed by `--help`. What follows `train` is parsed with `stages`.


def stages(arguments: list[str]) -> dict[str, Callable[..., None]]:
    """Return the stages that the arguments of `train` choose among, by name."""
    finetunes = any(argument.partition("=")[0] == "--base" for argument in arguments)
    return STAGES | (FINETUNING if finetunes else {})
