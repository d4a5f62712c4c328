"""`smartdirector train ...`: everything from a film and the toy world to the weights that ship."""

from collections.abc import Sequence
from pathlib import Path

import tyro

from ..timeline import check_int
from .parsing import choose, later, parse

Positional = tyro.conf.Positional
PROGRAM = "smartdirector"
STAGES = ("film", "vae", "bank", "gen", "sr", "restorer")


def train_film(movie: Positional[Path], cache: Path = Path("runs/film"), start: float = 0.0, stop: float = 1e9) -> None:
    """Decode a film once, cut it into shots, and keep it small on disk, for `train vae` and `train gen`.

    Args:
        movie: the film's file.
        cache: the folder to write to.
        start: seconds to leave out at the beginning (titles).
        stop: second to end at (credits).
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
    """Render and encode shards of clips, for `train gen` to read; may run beside it.

    Args:
        bank: the folder of shards.
        vae: the trained VAE's folder.
        film: a folder made by `train film`, or nothing.
        film_share: the share of the clips that come from the film.
        first: number of the first shard.
        count: how many shards to make.
        seed: the clips' seed.
        sparse: the share of the clips that have few keyframes or none: what happens there, the text alone says.
    """
    check_int("first", first, 0)
    check_int("count", count, 1)
    check_int("seed", seed, 0)
    for option, share in (("film_share", film_share), ("sparse", sparse)):
        if not 0 <= share <= 1:
            raise ValueError(f"{option} must be from 0 to 1, got {share}")
    import torch

    from ..training.bank import build_shard
    from ..training.film import FilmShots
    from ..training.vae import load_vae

    coder = load_vae(vae, "vae").eval().to("cuda" if torch.cuda.is_available() else "cpu")
    footage = FilmShots.load(film) if film else None
    options = {"film": footage, "film_share": film_share, "seed": seed, "sparse": sparse}
    for index in range(first, first + count):
        print(build_shard(coder, bank, index, **options), flush=True)


TRAIN_USAGE = f"""usage: {PROGRAM} train STAGE [--help] ...

  film      decode a film and cut it into shots
  vae       train the VAE
  bank      render and encode clips, ahead of the next stage
  gen       train Director-Gen: the text encoder and the transformer
  sr        train Director-SR
  restorer   train the restorer of a Director-SR

gen and sr with --base FOLDER fine-tune a Wan model of that folder instead, as a LoRA or whole, on a folder of videos;
`{PROGRAM} train gen --base FOLDER --help` tells the options.
"""


def train(arguments: Sequence[str]) -> None:
    """`train film | vae | bank | gen | sr | restorer`."""
    stage, rest = choose("training stage", arguments, STAGES, TRAIN_USAGE)
    name = f"{PROGRAM} train {stage}"
    if stage in ("film", "bank"):
        parse(later(train_film if stage == "film" else train_bank), name, rest)()
    elif stage == "vae":
        from ..training.vae import VAEConfig, train_vae

        train_vae(parse(VAEConfig, name, rest))
    elif stage == "restorer":
        from ..training.restorer import RestorerConfig, train_restorer

        train_restorer(parse(RestorerConfig, name, rest))
    elif any(argument.partition("=")[0] == "--base" for argument in rest):
        from ..training.finetune import GenFinetune, SRFinetune, finetune

        finetune(parse(GenFinetune if stage == "gen" else SRFinetune, name, rest))
    elif stage == "gen":
        from ..training.gen import GenConfig, train_gen

        train_gen(parse(GenConfig, name, rest))
    else:
        from ..training.sr import SRConfig, train_sr

        train_sr(parse(SRConfig, name, rest))
