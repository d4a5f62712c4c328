"""Several processes on one training: whose clock counts, what a checkpoint holds, and whole weights out of shards."""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import DistributedType, broadcast_object_list
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.fsdp import MixedPrecisionPolicy

from ..loading.parallel import processes

WEIGHTS = "model.safetensors"  # accelerate's name for the first model of a checkpoint


def join_processes() -> PartialState:
    """The processes that `torchrun` or `accelerate launch` started together, on CPUs where there is no CUDA.

    To be called before anything else of accelerate. ValueError where more of them are started than there are GPUs.
    """
    return processes() if int(os.environ.get("WORLD_SIZE", 1)) > 1 else PartialState()


def agreed(accelerator: Accelerator, *answers: bool) -> Sequence[bool]:
    """What the main process answers, in all of them: one that stopped by its own clock would leave others hanging."""
    if accelerator.num_processes == 1:
        return answers
    return broadcast_object_list(list(answers))


def is_sharded(accelerator: Accelerator) -> bool:
    """Whether the weights are spread over the processes (FSDP)."""
    return accelerator.distributed_type == DistributedType.FSDP


def set_sharding(accelerator: Accelerator, ema: float) -> None:
    """Let sharded weights be gathered in bfloat16 with bfloat16 training, and leave times and positions in float32.

    accelerate's own policy casts every input of every block. ValueError for FSDP's first version, and with an average.
    """
    if not is_sharded(accelerator):
        return
    if not accelerator.is_fsdp2:
        raise ValueError("fsdp_version: 1 is not supported; write fsdp_version: 2 in accelerate's config")
    if ema:
        raise ValueError(f"ema = {ema}: no average is kept of sharded weights; give 0")
    if accelerator.mixed_precision == "bf16":
        accelerator.state.fsdp_plugin.mixed_precision_policy = MixedPrecisionPolicy(
            param_dtype=torch.bfloat16, reduce_dtype=torch.float32, cast_forward_inputs=False
        )


def keep_trained_weights(accelerator: Accelerator) -> None:
    """Leave frozen weights out of accelerate's checkpoints, where it writes one file of weights: that is, without FSDP.

    Names are those of the plain model, so that another number of processes may go on from the file.
    """

    def trained(model: nn.Module) -> dict[str, Tensor]:
        named = accelerator.unwrap_model(model).named_parameters()
        return {name: value.detach() for name, value in named if value.requires_grad}

    def keep(models: list[nn.Module], weights: list[dict[str, Tensor]], folder: str) -> None:
        weights[:] = [trained(model) for model in models[: len(weights)]]

    def load(models: list[nn.Module], folder: str) -> None:
        while models:
            values, found = trained(models.pop()), load_file(Path(folder) / WEIGHTS)
            if differing := values.keys() ^ found.keys():
                raise ValueError(f"it holds other weights, {min(differing)} for one")
            for name, value in values.items():
                value.copy_(found[name])

    accelerator.register_save_state_pre_hook(keep)
    accelerator.register_load_state_pre_hook(load)


def whole_weights(model: nn.Module) -> dict[str, Tensor]:
    """The trained weights, gathered on the main process's CPU; {} in the others, which must all call this."""
    options = StateDictOptions(full_state_dict=True, cpu_offload=True, ignore_frozen_params=True)
    return get_model_state_dict(model, options=options)


def write_folder(folder: Path, write: Callable[[Path], object], accelerator: Accelerator | None = None) -> None:
    """Let `write` fill a new folder, then put it in the place of `folder`, which is whole at every moment.

    accelerator: of processes that all call this, and may each write a part.
    """
    fresh, old = beside(folder, "new"), beside(folder, "old")
    leads = accelerator is None or accelerator.is_main_process
    wait = (lambda: None) if accelerator is None else accelerator.wait_for_everyone
    if leads:
        shutil.rmtree(fresh, ignore_errors=True)
    wait()
    write(fresh)
    wait()
    if leads and folder.exists():
        shutil.rmtree(old, ignore_errors=True)  # left by a run that was killed while it removed it
        folder.rename(old)
    if leads:
        fresh.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    wait()


def beside(folder: Path, suffix: str) -> Path:
    """The name of a folder on its way in or out."""
    return folder.with_name(f"{folder.name}.{suffix}")
