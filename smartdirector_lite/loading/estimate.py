"""How much memory and arithmetic a call needs, before anything is loaded: models without data, traced.

The models are built from their configs on the meta device and run there, at the size that is asked for (see
`tracing`). What the CUDA context, cuBLAS and cuDNN take for themselves comes on top; `memory.RESERVE` stands for it.
"""

import dataclasses
import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import torch
from diffusers import AutoencoderKLWan, ModelMixin
from torch import nn
from transformers import UMT5Config, UMT5EncoderModel

from ..gen.transformer import DirectorTransformer3DModel
from ..sr.restorer import BLOCK, FrameRestorer
from ..sr.sizes import FACTOR
from ..timeline import ChunkPlan
from ..vae.causal import decode_run, encode_clip, latent_shape
from .hub import BUNDLED, LoadError, model_folder
from .memory import Call, Estimate, Stage, Weights
from .shapes import WAN
from .tracing import Tracer

TEXT_TOKENS = 512
STAGE_FOLDER, SR_FOLDER = "director-gen", "director-sr"
SR_WINDOW = 24  # latent frames that Director-SR restores together


def read_configs(model: str | Path, revision: str | None = None) -> dict[str, dict]:
    """The configs of a model's components: of its folder or the hub's cache, or those known by name. LoadError."""
    try:
        folder = model_folder(model, revision)
    except LoadError:
        if str(model) in WAN and revision is None:
            return WAN[str(model)]
        raise
    gen = folder / STAGE_FOLDER if (folder / STAGE_FOLDER).is_dir() else folder
    configs = {}
    for name in ("transformer", "vae", "text_encoder"):
        if (gen / name / "config.json").is_file():
            configs[name] = json.loads((gen / name / "config.json").read_text(encoding="utf-8"))
    for name, part in (("sr_transformer", "transformer"), ("restorer", "restorer")):
        config = gen.parent / SR_FOLDER / part / "config.json"
        if config.is_file():
            configs[name] = json.loads(config.read_text(encoding="utf-8"))
    for name in ("transformer", "vae"):
        if name not in configs:
            raise LoadError(f"model {str(model)!r}: {gen} has no {name}/config.json; give the folder of a Wan pipeline")
    return configs


class MetaModels:
    """The models of a director, without data: shapes and code alone.

    dtype: of the transformers and the text encoder; the others are float32. ValueError for configs that don't fit.
    """

    def __init__(self, configs: dict[str, dict], dtype: torch.dtype = torch.bfloat16):
        try:
            with torch.device("meta"):
                self.models = {name: _build(name, config).eval() for name, config in configs.items()}
        except (TypeError, ValueError, KeyError, RuntimeError) as error:
            raise ValueError(f"the model's configs don't fit: {' '.join(str(error).split())}") from error
        for name, model in self.models.items():
            if name not in ("vae", "restorer"):
                _cast(model, dtype)
        self.vae: AutoencoderKLWan = self.models["vae"]
        self.transformer: DirectorTransformer3DModel = self.models["transformer"]

    @cached_property
    def weights(self) -> dict[str, Weights]:
        return {name: measure_weights(model) for name, model in self.models.items()}

    def estimate_both(self, call: Call) -> tuple[Estimate, Estimate]:
        """What a call needs as it is, and with the VAE in tiles."""
        return tuple(self.estimate(dataclasses.replace(call, tiled=tiled)) for tiled in (False, True))

    @torch.no_grad()
    def estimate(self, call: Call) -> Estimate:
        """Trace every stage of a call. ValueError for a size that the model can't take."""
        width, height = call.size
        plan = call.plan(self.vae.config.scale_factor_temporal)
        stages = [
            self._text(call),
            self._keyframes(1 if call.tiled else len(plan.conditions), plan, height, width),
            self._denoise(call, plan),
            self._decode(plan, height, width, call.tiled),
        ]
        if "sr_transformer" in self.models:
            stages.append(self._restore(plan, 2 * height, 2 * width, call.tiled))
        return Estimate(self.weights, tuple(stage for stage in stages if stage is not None))

    def _text(self, call: Call) -> Stage | None:
        encoder = self.models.get("text_encoder")
        if encoder is None:
            return None
        with Tracer() as trace:
            encoder(torch.empty(1, TEXT_TOKENS, dtype=torch.long, device="meta"))
        return Stage("text", ("text_encoder",), trace.peak, (1 + call.guided) * trace.flops)

    def _keyframes(self, at_once: int, plan: ChunkPlan, height: int, width: int) -> Stage | None:
        if not plan.conditions:
            return None
        with Tracer() as trace:
            encode_clip(self.vae, torch.empty(at_once, 3, 1, height, width, device="meta"))
        return Stage("keyframes", ("vae",), trace.peak, trace.flops * len(plan.conditions) // at_once)

    def _denoise(self, call: Call, plan: ChunkPlan) -> Stage:
        width, height = call.size
        shape = latent_shape(self.vae, plan.num_latents, height, width)
        trace = _trace_transformer(self.transformer, shape)
        return Stage("denoise", ("transformer",), trace.peak, (1 + call.guided) * call.steps * trace.flops)

    def _decode(self, plan: ChunkPlan, height: int, width: int, tiled: bool) -> Stage:
        """Memory does not grow after the third latent; work does, by the same for each."""
        full, count = latent_shape(self.vae, 1, height, width), plan.num_latents
        shape, tiles = full, 1
        if tiled:
            ratio = self.vae.spatial_compression_ratio
            sides = (self.vae.tile_sample_min_height, self.vae.tile_sample_min_width)
            steps = (self.vae.tile_sample_stride_height, self.vae.tile_sample_stride_width)
            shape = (*full[:2], *(min(side // ratio, whole) for side, whole in zip(sides, full[2:], strict=True)))
            for whole, step in zip(full[2:], steps, strict=True):
                tiles *= -(-whole // (step // ratio))
        traces = []
        for length in sorted({1, min(2, count), min(3, count)}):
            with Tracer() as trace:
                for _ in decode_run(self.vae, (torch.empty(1, *shape, device="meta") for _ in range(length))):
                    pass
            traces.append(trace)
        chunks = len(plan.chunks)
        later = traces[-1].flops - traces[-2].flops if len(traces) > 1 else 0
        flops = tiles * (chunks * traces[0].flops + (count - chunks) * later)
        return Stage("decode", ("vae",), max(trace.peak for trace in traces), flops)

    def _restore(self, plan: ChunkPlan, height: int, width: int, tiled: bool) -> Stage:
        """Director-SR on a window of latents; encoding and decoding come between, one after the other."""
        window = min(SR_WINDOW, plan.num_latents)
        trace = _trace_transformer(self.models["sr_transformer"], latent_shape(self.vae, window, height, width))
        decode = self._decode(plan, height, width, tiled)
        passes, models = plan.num_latents / window, ("sr_transformer", "vae")
        size, flops = decode.bytes, round(passes * trace.flops) + decode.flops
        if "restorer" in self.models:  # frames wait for it in blocks, while the next ones are decoded
            block = trace_restorer(self.models["restorer"], height, width)
            models, size = (*models, "restorer"), size + block.peak
            flops += block.flops * plan.num_frames // BLOCK
        return Stage("restore", models, max(trace.peak, size), flops)


def _trace_transformer(transformer: DirectorTransformer3DModel, shape: tuple[int, int, int, int]) -> Tracer:
    """One call on latents of shape (C, F, h, w)."""
    dtype, (_, frames, height, width) = transformer.dtype, shape
    _, down, across = transformer.config.patch_size
    tokens = frames * (height // down) * (width // across)
    with Tracer() as trace:
        rotary = tuple(
            torch.empty(1, tokens, 1, transformer.config.attention_head_dim, device="meta") for _ in range(2)
        )
        latents = torch.empty(1, *shape, device="meta")
        text = torch.empty(1, TEXT_TOKENS, transformer.config.text_dim, device="meta", dtype=dtype)
        transformer(latents.to(dtype), torch.empty(1, frames, device="meta"), text, rotary_emb=rotary)
    return trace


def trace_restorer(restorer: FrameRestorer, height: int, width: int, device: str = "meta") -> Tracer:
    """A block of frames of height x width, gone through both ways."""
    small = (height // FACTOR, width // FACTOR)
    with Tracer() as trace:
        given = torch.zeros(1, dtype=torch.bool, device=device)
        frames = [
            (torch.zeros(1, 3, height, width, device=device), torch.zeros(1, 3, *small, device=device), given)
            for _ in range(BLOCK)
        ]
        torch.stack([restored.frame.clamp(-1, 1) for restored in restorer.both_ways(frames)], dim=2)
    return trace


def _build(name: str, config: dict) -> nn.Module:
    if name == "text_encoder":
        return UMT5EncoderModel(UMT5Config.from_dict(config))
    if name == "vae":
        vae = AutoencoderKLWan.from_config(config)
        vae.register_to_config(latents_mean=[0.0] * vae.config.z_dim, latents_std=[1.0] * vae.config.z_dim)
        return vae
    return (FrameRestorer if name == "restorer" else DirectorTransformer3DModel).from_config(config)


def _cast(model: nn.Module, dtype: torch.dtype) -> None:
    """To `dtype`, but for what diffusers keeps in float32 when it loads."""
    kept = model._keep_in_fp32_modules if isinstance(model, ModelMixin) else ()
    for name, parameter in model.named_parameters():
        if not any(part in kept for part in name.split(".")):
            parameter.data = parameter.data.to(dtype)


def _own_bytes(module: nn.Module) -> int:
    return sum(p.numel() * p.element_size() for p in module.parameters(recurse=False))


def measure_weights(model: nn.Module) -> Weights:
    """Blocks are the items of the model's module lists, of the outermost ones."""
    total = sum(p.numel() * p.element_size() for p in model.parameters())  # shared ones once
    blocks = [sum(_own_bytes(module) for module in block.modules()) for block in _blocks(model)]
    layer = max(_own_bytes(module) for module in model.modules())
    return Weights(total, max(blocks, default=0), layer, total - sum(blocks))


def _blocks(module: nn.Module) -> Iterator[nn.Module]:
    for child in module.children():
        yield from child if isinstance(child, nn.ModuleList) else _blocks(child)


def estimate_memory(
    model: str | Path = BUNDLED, call: Call | None = None, revision: str | None = None, dtype=torch.bfloat16
) -> Estimate:
    """What a call of a model needs; nothing is loaded or fetched. call: None for 81 frames of 832x480, one keyframe.

    LoadError for the model, ValueError for the call.
    """
    return MetaModels(read_configs(model, revision), dtype).estimate(call or Call((832, 480), 81, 1))
