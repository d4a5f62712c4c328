"""What a call needs, found before anything is loaded: by running its code on tensors without data.

The models are built from their configs on torch's meta device, where a tensor has a shape and no data, and a call is
run on them at the size that is asked for. Every operation is seen. The peak of the bytes that live at once is therefore
counted as the code itself makes and drops its tensors, not by a formula beside the code. What a kernel allocates for
itself is not seen, nor what CUDA's context, cuBLAS and cuDNN take; `memory.RESERVE` stands for that.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from diffusers import AutoencoderKLWan
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode  # torch documents it, but has no public name for it
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.weak import WeakIdKeyDictionary
from transformers import UMT5Config, UMT5EncoderModel

from ..gen.prompt import MAX_TOKENS
from ..gen.transformer import DirectorTransformer3DModel
from ..media.size import Size
from ..sr.frames import FACTOR
from ..sr.pipeline import WINDOW
from ..sr.restorer import BLOCK, FrameRestorer
from ..timeline import ChunkPlan
from ..vae.causal import decode_run, encode_clip, latent_shape
from .hub import SR_FOLDER, LoadError, find_model, read_object
from .memory import Call, Estimate, StageNeeds, Weights

# ---------------------------------------------------------------- tracing


class Trace(NamedTuple):
    """What a piece of code needed.

    Attributes:
        peak: the most bytes that lived at once, beyond those that were there before.
        flops: the operations of matrix products and convolutions; a multiplication and an addition are two.
    """

    peak: int
    flops: int


def trace(run: Callable[[], object]) -> Trace:
    """Run code, on the meta device or on another, and return what it needed."""
    attention, counter, memory = _FusedAttention(), FlopCounterMode(display=False), _LiveBytes()
    with attention, counter, memory:
        run()
    return Trace(memory.peak, attention.flops + counter.get_total_flops())


class _LiveBytes(TorchDispatchMode):
    """Counts the bytes of storages that operations have made since it was entered and that something still holds."""

    def __init__(self):
        super().__init__()
        self.peak = 0
        # By identity, since all storages on the meta device have the same address, 0. torch keeps one Python object for
        # a storage as long as a tensor holds the storage.
        self._bytes = WeakIdKeyDictionary()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        given = {id(storage) for storage in _storages([*args, *kwargs.values()])}
        result = func(*args, **kwargs)
        for storage in _storages(result):
            if id(storage) not in given:  # an operation may also hand on what it was given, or a view of it
                self._bytes[storage] = storage.nbytes()
        self.peak = max(self.peak, sum(self._bytes.values()))
        return result


def _storages(value: object) -> Iterator[torch.UntypedStorage]:
    if isinstance(value, Tensor):
        yield value.untyped_storage()
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _storages(item)


class _FusedAttention(TorchFunctionMode):
    """Attention as the fused kernels do it: they never hold anything of the size of tokens x tokens."""

    def __init__(self):
        super().__init__()
        self.flops = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is not F.scaled_dot_product_attention:
            return func(*args, **kwargs)
        given = dict(zip(("query", "key", "value"), args, strict=False)) | kwargs
        query, key, value = given["query"], given["key"], given["value"]
        products = query.numel() * key.shape[-2] + query[..., 0].numel() * value.shape[-2] * value.shape[-1]
        self.flops += 2 * products
        return query.new_empty(*query.shape[:-1], value.shape[-1])


# ---------------------------------------------------------------- configs

# The Wan models whose sizes are known by name, so that what they need can be told before they are fetched. These are
# the values of their configs on the hub that size them (diffusers 0.42); what is left out is as the classes have it.
_UMT5_XXL = {"d_model": 4096, "d_ff": 10240, "num_layers": 24, "num_heads": 64, "vocab_size": 256384}
_VAE_21 = {"base_dim": 96, "z_dim": 16}
_VAE_22 = {"base_dim": 160, "decoder_base_dim": 256, "z_dim": 48, "is_residual": True, "patch_size": 2}
_VAE_22 |= {"in_channels": 12, "out_channels": 12, "scale_factor_spatial": 16}


def _wan(heads: int, ffn_dim: int, layers: int, vae: dict) -> dict[str, dict]:
    transformer = {"num_attention_heads": heads, "ffn_dim": ffn_dim, "num_layers": layers, "text_dim": 4096}
    transformer |= {"in_channels": vae["z_dim"], "out_channels": vae["z_dim"]}
    return {"transformer": transformer, "vae": vae, "text_encoder": _UMT5_XXL}


WAN = {
    "Wan-AI/Wan2.2-TI2V-5B-Diffusers": _wan(24, 14336, 30, _VAE_22),
    "Wan-AI/Wan2.1-T2V-14B-Diffusers": _wan(40, 13824, 40, _VAE_21),
    "Wan-AI/Wan2.1-T2V-1.3B-Diffusers": _wan(12, 8960, 30, _VAE_21),
}


def read_configs(model: str | Path, revision: str | None = None) -> dict[str, dict]:
    """Return the config of each component of a model: from its folder, from the hub's cache, or from WAN.

    Raises:
        LoadError: for a model that is neither here nor in WAN, and for a folder without a transformer or a VAE.
    """
    try:
        gen = find_model(model, revision)
    except LoadError:
        if str(model) in WAN and revision is None:
            return WAN[str(model)]
        raise
    sr = gen.parent / SR_FOLDER
    configs = {name: read_object(gen / name / "config.json") for name in ("transformer", "vae")}
    others = {"text_encoder": gen / "text_encoder", "sr_transformer": sr / "transformer", "restorer": sr / "restorer"}
    found = {name: folder / "config.json" for name, folder in others.items()}
    return configs | {name: read_object(path) for name, path in found.items() if path.is_file()}


# ---------------------------------------------------------------- models without data


class MetaModels:
    """The models of a director, without data: their shapes and their code alone.

    Attributes:
        models: the models, by the names that `read_configs` gives them.
        weights: what their weights take.
    """

    def __init__(self, configs: Mapping[str, dict], dtype: torch.dtype = torch.bfloat16):
        """Build the models.

        Args:
            configs: by component, from `read_configs`; ValueError where they do not fit.
            dtype: of the transformers and the text encoder. The VAE and the restorer are in float32.
        """
        try:
            with torch.device("meta"):
                self.models = {name: _build(name, config, dtype).eval() for name, config in configs.items()}
        except (TypeError, ValueError, KeyError, RuntimeError) as error:
            raise ValueError(f"the model's configs don't fit: {' '.join(str(error).split())}") from error
        self.vae: AutoencoderKLWan = self.models["vae"]
        self.transformer: DirectorTransformer3DModel = self.models["transformer"]
        self.weights = {name: Weights.of(model) for name, model in self.models.items()}

    def estimate_both(self, call: Call) -> tuple[Estimate, Estimate]:
        """Return what a call needs as it is, and with the VAE in tiles."""
        return tuple(self.estimate(dataclasses.replace(call, tiled=tiled)) for tiled in (False, True))

    @torch.no_grad()
    def estimate(self, call: Call) -> Estimate:
        """Trace every stage of a call. ValueError for a size that the model can't take."""
        size, plan = Size(*call.size), call.plan(self.vae.config.scale_factor_temporal)
        passes, keyframes = 1 + call.guided, len(plan.conditions)
        stages = []
        if "text_encoder" in self.models:
            text = trace(lambda: self.models["text_encoder"](_empty(1, MAX_TOKENS, dtype=torch.long)))
            stages.append(StageNeeds("text", ("text_encoder",), text.peak, passes * text.flops))
        if keyframes:
            at_once = 1 if call.tiled else keyframes
            encoding = trace(lambda: encode_clip(self.vae, _empty(at_once, 3, 1, size.height, size.width)))
            stages.append(StageNeeds("keyframes", ("vae",), encoding.peak, encoding.flops * keyframes // at_once))
        step = self._trace_step(self.transformer, plan.num_latents, size)
        stages.append(StageNeeds("denoise", ("transformer",), step.peak, passes * call.steps * step.flops))
        stages.append(self._decode(plan, size, call.tiled))
        if "sr_transformer" in self.models:
            stages.append(self._upscale(plan, size.times(FACTOR), call.tiled))
        return Estimate(self.weights, tuple(stages))

    def _trace_step(self, transformer: DirectorTransformer3DModel, num_latents: int, size: Size) -> Trace:
        """One call of a transformer on the latents of frames of this size."""
        channels, _, height, width = latent_shape(self.vae, num_latents, size.height, size.width)
        config = transformer.config
        _, down, across = config.patch_size
        table = (1, num_latents * (height // down) * (width // across), 1, config.attention_head_dim)

        def run() -> None:
            rotary = (_empty(*table), _empty(*table))
            latents = _empty(1, channels, num_latents, height, width)
            text = _empty(1, MAX_TOKENS, config.text_dim, dtype=transformer.dtype)
            transformer(latents.to(transformer.dtype), _empty(1, num_latents), text, rotary_emb=rotary)

        return trace(run)

    def _decode(self, plan: ChunkPlan, size: Size, tiled: bool) -> StageNeeds:
        """Three latents tell all: after the third one the memory does not grow, and each takes the same work."""
        channels, count, *sides = latent_shape(self.vae, plan.num_latents, size.height, size.width)
        sides, tiles = self._tiles(sides) if tiled else (sides, 1)

        def run(length: int) -> None:
            for _ in decode_run(self.vae, (_empty(1, channels, 1, *sides) for _ in range(length))):
                pass

        traces = [trace(lambda length=length: run(length)) for length in range(1, min(3, count) + 1)]
        later = traces[-1].flops - traces[-2].flops if count > 1 else 0
        first = len(plan.chunks)
        flops = tiles * (first * traces[0].flops + (count - first) * later)
        return StageNeeds("decode", ("vae",), max(found.peak for found in traces), flops)

    def _tiles(self, sides: list[int]) -> tuple[list[int], int]:
        """The height and width of a tile, in latents, and how many tiles there are for latents of these sides."""
        vae, ratio = self.vae, self.vae.spatial_compression_ratio
        tile = vae.tile_sample_min_height // ratio, vae.tile_sample_min_width // ratio
        step = vae.tile_sample_stride_height // ratio, vae.tile_sample_stride_width // ratio
        tiles = math.prod(-(-side // by) for side, by in zip(sides, step, strict=True))
        return [min(pair) for pair in zip(sides, tile, strict=True)], tiles

    def _upscale(self, plan: ChunkPlan, size: Size, tiled: bool) -> StageNeeds:
        """Director-SR on a window of latents. Between windows it encodes and decodes, one after the other."""
        window, models = min(WINDOW, plan.num_latents), ("sr_transformer", "vae")
        step, decode = self._trace_step(self.models["sr_transformer"], window, size), self._decode(plan, size, tiled)
        beside, flops = decode.bytes, round(plan.num_latents / window * step.flops) + decode.flops
        if "restorer" in self.models:  # frames wait for it in blocks, while the next ones are decoded
            block = trace_restorer(self.models["restorer"], size)
            models, beside = (*models, "restorer"), beside + block.peak
            flops += block.flops * plan.num_frames // BLOCK
        return StageNeeds("upscale", models, max(step.peak, beside), flops)


def trace_restorer(restorer: FrameRestorer, size: Size, device: str = "meta") -> Trace:
    """Trace one block of frames of this size, which a restorer goes through both ways."""
    small = size.height // FACTOR, size.width // FACTOR

    def run() -> None:
        with torch.device(device):
            given = torch.zeros(1, dtype=torch.bool)
            frames = [(torch.zeros(1, 3, *size[::-1]), torch.zeros(1, 3, *small), given) for _ in range(BLOCK)]
        torch.stack([restored.frame.clamp(-1, 1) for restored in restorer.both_ways(frames)], dim=2)

    return trace(run)


def _empty(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")


def _build(name: str, config: dict, dtype: torch.dtype) -> nn.Module:
    if name == "vae":
        vae = AutoencoderKLWan.from_config(config)
        vae.register_to_config(latents_mean=[0.0] * vae.config.z_dim, latents_std=[1.0] * vae.config.z_dim)
        return vae
    if name == "restorer":
        return FrameRestorer.from_config(config)
    if name == "text_encoder":
        return UMT5EncoderModel(UMT5Config.from_dict(config)).to(dtype)
    transformer = DirectorTransformer3DModel.from_config(config)
    # diffusers leaves a few of its modules in float32 when it loads it. Only a private attribute says which ones; a
    # test compares the bytes with those of a loaded model.
    for part, parameter in transformer.named_parameters():
        if not any(kept in part.split(".") for kept in transformer._keep_in_fp32_modules):
            parameter.data = parameter.data.to(dtype)
    return transformer
