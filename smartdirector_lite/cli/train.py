"""`smartdirector train`: the weights that ship, from curated films and the toy world, and fine-tuning of Wan.

The options of a stage are the fields of its config class, which is imported when the stage is chosen.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Annotated, Any

import tyro


def _stage(module: str, config: str, run: str, summary: str) -> Callable[[Any], None]:
    """A command whose options are the fields of a config class, and which hands them to a function."""

    def find(name: str) -> Any:
        return getattr(import_module(f"smartdirector_lite.training.{module}"), name)

    options = tyro.conf.arg(constructor_factory=lambda: find(config))

    def command(config: Annotated[Any, options, tyro.conf.OmitArgPrefixes, tyro.conf.PositionalRequiredArgs]) -> None:
        find(run)(config)

    command.__doc__ = summary
    return command


STAGES = {
    "vae": _stage("vae", "VAEConfig", "train_vae", "Train the VAE."),
    "bank": _stage("bank", "BankConfig", "build_bank", "Encode clips for `train gen`, before it or beside it."),
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
