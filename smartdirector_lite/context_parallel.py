"""Context parallelism: the processes share the tokens of one video, whole latent frames each, and attend over all.

diffusers does the work: its hooks split and gather what `CP_PLAN` names, and its attention exchanges tokens between the
processes. This module says where `DirectorTransformer3DModel` may be split, and what can't be shared.
"""

import contextlib
from typing import TYPE_CHECKING
from unittest import mock

import torch
from diffusers import ContextParallelConfig
from diffusers.models._modeling_parallel import ContextParallelInput, ContextParallelOutput
from diffusers.models.attention_dispatch import AttentionBackendName, _AttentionBackendRegistry

from .timeline import ChunkPlan

if TYPE_CHECKING:
    from accelerate import PartialState

KINDS = ("ulysses", "ring")
# Ring attention merges its parts by their log-sum-exp, which these don't return.
NOT_FOR_RING = {"native", "_native_npu"}

# Tokens (B, F*S, D) are split once; the modulation (B, F, 6, D) and the rotary tables (1 or B, F*S, 1, D_head) come to
# every block anew. Where F is a multiple of the number of processes, all three are cut between the same latent frames.
CP_PLAN = {
    "blocks.0": {"hidden_states": ContextParallelInput(split_dim=1, expected_dims=3)},
    "blocks.*": {
        "temb": ContextParallelInput(split_dim=1, expected_dims=4),
        "rotary_emb": [ContextParallelInput(split_dim=1, expected_dims=4)] * 2,
    },
    "norm_out": ContextParallelOutput(gather_dim=1, expected_dims=3),
}


def num_shares(transformer: torch.nn.Module | None) -> int:
    """The number of processes that share a transformer's tokens; 1 without context parallelism."""
    config = getattr(transformer, "_parallel_config", None)
    config = getattr(config, "context_parallel_config", None)
    return 1 if config is None else config.ring_degree * config.ulysses_degree


def check_shares(plan: ChunkPlan, transformer: torch.nn.Module | None) -> None:
    """ValueError if the processes can't share a plan's latent frames evenly; it names lengths that would do."""
    count = num_shares(transformer)
    if count == 1:
        return
    if transformer.is_cache_enabled:
        raise ValueError(
            "the transformer has a cache, and each process would skip other blocks and wait for the rest forever; "
            "call transformer.disable_cache(), or leave context parallelism out"
        )
    if plan.num_latents % count:
        lengths = " or ".join(map(str, fitting_lengths(plan, count)))
        raise ValueError(
            f"num_frames = {plan.num_frames} makes {plan.num_latents} latent frames, which {count} processes can't "
            f"share evenly; with the same keyframes and cuts, num_frames = {lengths} can be shared"
        )


def fitting_lengths(plan: ChunkPlan, count: int) -> list[int]:
    """The nearest shorter, if there is one, and longer num_frames whose latents are a multiple of `count`."""
    found, end = [], max([1, *(cut + 1 for cut in plan.cuts), *(condition.stop for condition in plan.conditions)])
    for lengths in (range(plan.num_frames - 1, end - 1, -1), range(plan.num_frames + 1, plan.num_frames + 2**62)):
        for length in lengths:
            if ChunkPlan.build(length, plan.conditions, plan.stride, plan.cuts).num_latents % count == 0:
                found.append(length)
                break
    return found


def share_tokens(transformer: torch.nn.Module, kind: str, state: "PartialState") -> None:
    """Enable context parallelism over all processes of `state`. ValueError, before anything changes."""
    count, heads = state.num_processes, transformer.config.num_attention_heads
    if num_shares(transformer) > 1:
        raise ValueError("context parallelism is enabled already; load the director again to change it")
    if transformer.device.type != state.device.type or transformer.device.index not in (state.device.index, None):
        raise ValueError(
            f"the transformer is on {transformer.device}, this process has {state.device}; "
            "load it there: load_director(..., device=process_device())"
        )
    if kind == "ulysses" and heads % count:
        fitting = ", ".join(str(n) for n in range(2, heads + 1) if heads % n == 0)
        raise ValueError(f"{count} processes can't share {heads} attention heads; start {fitting}, or use kind='ring'")
    _check_backend(transformer, kind)
    shape = (1, count) if kind == "ulysses" else (count, 1)
    mesh = torch.distributed.init_device_mesh(state.device.type, shape, mesh_dim_names=("ring", "ulysses"))
    config = ContextParallelConfig(**{f"{kind}_degree": count}, mesh=mesh)
    # diffusers 0.42 divides by the number of accelerators, which is 0 without one
    on_cpu = mock.patch.object(torch.accelerator, "device_count", return_value=1)
    with on_cpu if state.device.type == "cpu" else contextlib.nullcontext():
        transformer.enable_parallelism(config=config)


def _check_backend(transformer: torch.nn.Module, kind: str) -> None:
    """ValueError unless the transformer's attention backend can run over several processes."""
    chosen = transformer.blocks[0].attn1.processor._attention_backend
    backend = _AttentionBackendRegistry.get_active_backend()[0] if chosen is None else AttentionBackendName(chosen)
    able = set(_AttentionBackendRegistry._supports_context_parallel) - (NOT_FOR_RING if kind == "ring" else set())
    if backend.value not in able:
        raise ValueError(
            f"attention backend {backend.value!r} can't do context parallelism of kind {kind!r}; choose one of "
            f"{', '.join(sorted(able))} with transformer.set_attention_backend(NAME) or DIFFUSERS_ATTN_BACKEND=NAME"
            + ("; or use kind='ulysses'" if kind == "ring" else "")
        )
