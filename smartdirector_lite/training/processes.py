"""What several processes need beyond accelerate: one clock, checkpoints of the trained weights, whole exports.

The processes are started by `accelerate launch` or `torchrun`. Sharded weights are those of FSDP2.
"""

import atexit
import os
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import DistributedType
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.fsdp import MixedPrecisionPolicy

from ..media.files import writing

WEIGHTS = "model.safetensors"  # accelerate's name for the first model of a checkpoint
PATIENCE = timedelta(days=30)  # processes wait for each other while clips are encoded; the default is ten minutes


def join_processes() -> PartialState:
    """Join the processes that were started together. Call this before anything else of accelerate."""
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        return PartialState()
    if torch.cuda.is_available():
        return PartialState(timeout=PATIENCE)
    atexit.register(_leave_group)
    return PartialState(cpu=True, timeout=PATIENCE)


def _leave_group() -> None:
    """Leave the group while Python is whole: threads of gloo that outlive Python may abort the process."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def agreed(accelerator: Accelerator, answer: bool) -> bool:
    """Tell every process whether any of them says yes: one that stopped alone would leave the others waiting."""
    if accelerator.num_processes == 1:
        return answer
    if answer:
        accelerator.set_trigger()
    return accelerator.check_trigger()


def set_sharding(accelerator: Accelerator, ema: float) -> None:
    """Set how FSDP2 gathers sharded weights: in bfloat16 where the training computes in bfloat16.

    accelerate's own policy would also cast the inputs of every block, and times and positions must stay in float32.

    Raises:
        ValueError: for FSDP's first version, and for averaged weights, which `EMAModel` can't keep of shards.
    """
    if accelerator.distributed_type != DistributedType.FSDP:
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
    """Leave frozen weights out of accelerate's checkpoints: those of a LoRA's base are many gigabytes.

    Weights have the names of the plain model, so that a run may go on with another number of processes. With FSDP
    accelerate writes shards of all weights, and these hooks find nothing to do.
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
    """Gather the trained weights on the main process's CPU. All processes must call this; the others get {}.

    `Accelerator.get_state_dict` would gather the frozen weights too.
    """
    options = StateDictOptions(full_state_dict=True, cpu_offload=True, ignore_frozen_params=True)
    return get_model_state_dict(model, options=options)


def write_folder(folder: Path, write: Callable[[Path], object], accelerator: Accelerator | None = None) -> None:
    """Let `write` fill a new folder, then put it in the place of `folder`, which is whole at every moment.

    Args:
        write: is given the new folder's path, which does not exist yet.
        accelerator: where several processes call this, each of which may write a part.

    Raises:
        MediaError: nothing more can be written there.
    """
    fresh, old = beside(folder, "new"), beside(folder, "old")
    leads = accelerator is None or accelerator.is_main_process
    wait = (lambda: None) if accelerator is None else accelerator.wait_for_everyone
    if leads:
        shutil.rmtree(fresh, ignore_errors=True)
    wait()
    try:
        with writing(folder):
            write(fresh)
    except BaseException:  # an end from outside too: what is half written takes room and is of no use
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    wait()
    if leads and folder.exists():
        shutil.rmtree(old, ignore_errors=True)  # a run that was killed while it removed this left it behind
        folder.rename(old)
    if leads:
        fresh.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    wait()


def beside(folder: Path, suffix: str) -> Path:
    """The name that a folder has before (`new`) or after (`old`) it stands in its place."""
    return folder.with_name(f"{folder.name}.{suffix}")
