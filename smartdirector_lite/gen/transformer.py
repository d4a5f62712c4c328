"""The diffusion transformer: diffusers' Wan, with explicit temporal positions and one timestep for each latent frame.

`DirectorTransformer3DModel` has the config and the weights of `WanTransformer3DModel`, and a folder saved by one loads
into the other. Two things differ, and both are what Multi-Chunk needs (SmartDirector, arXiv 2605.27891, section 3):

- The temporal rotary position of a latent frame is a float, tau, that the caller gives. It is not the frame's number.
- The timestep is given for each latent frame, (B, F): 0 for anchors, t for the others. Wan 2.2 does the same for each
  token, with a modulation table (B, F*S, 6, D) of about 2 GB at 720p. Here the table is (B, F, 6, D), and is broadcast
  over the S tokens of each frame.

Its config may also say how the weights were trained (`TRAINED_WITH`), so that this goes wherever the weights go.

Axes: B batch, C channels, F latent frames, H, W latent height and width, h, w the same in tokens, S = h*w tokens of a
frame, L text tokens, D width of the model, D_head of one attention head.
"""

import copy
import functools
import inspect
import types
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from diffusers import ModelMixin  # diffusers looks for this name here when it loads the transformer of a saved folder
from diffusers.models.embeddings import get_1d_rotary_pos_embed
from diffusers.models.modeling_outputs import Transformer2DModelOutput
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel, WanTransformerBlock
from diffusers.utils import apply_lora_scale
from torch import Tensor

from ..timeline import TAU_SCHEMES, check_one_of

Rotary = tuple[Tensor, Tensor]  # cosines and sines, each (1 or B, F*S, 1, D_head)
# How weights were trained, as their config may say, and what holds where it does not: the values of Wan's own weights.
# The scheme is not called `rope`: diffusers shows config entries as attributes, and `rope` is a module of Wan's.
TRAINED_WITH = {"sigma_data": None, "cut_gap": 0.0, "tau_scheme": "frame_time", "upsample": "latent"}


class DirectorTransformerBlock(WanTransformerBlock):
    """A Wan block with one shift, scale and gate for each latent frame.

    The operations, their order and their precision are those of `WanTransformerBlock.forward`. Only the shape in which
    the modulation is broadcast differs. It is a module that is called, so that whatever hooks on to Wan's blocks works
    here too: offloading, caches, regional compilation, gradient checkpointing.
    """

    def forward(self, hidden_states: Tensor, encoder_hidden_states: Tensor, temb: Tensor, rotary_emb: Rotary) -> Tensor:
        """Run the block.

        Args:
            hidden_states: (B, F*S, D) tokens, frame by frame.
            encoder_hidden_states: (B, L, D) embedded text.
            temb: (B, F, 6, D), the projected timestep of every latent frame.
            rotary_emb: from `DirectorTransformer3DModel.rotary`.

        Returns:
            (B, F*S, D), in the dtype of `hidden_states`.
        """
        x, frames = hidden_states, (temb.shape[1], -1)
        modulation = (self.scale_shift_table.unsqueeze(0) + temb.float()).chunk(6, dim=2)
        shift_1, scale_1, gate_1, shift_2, scale_2, gate_2 = modulation  # each (B, F, 1, D)

        def modulate(normed: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
            return (normed.unflatten(1, frames) * (1 + scale) + shift).flatten(1, 2).type_as(x)

        def add_gated(base: Tensor, update: Tensor, gate: Tensor) -> Tensor:
            return (base.float().unflatten(1, frames) + update.unflatten(1, frames) * gate).flatten(1, 2).type_as(x)

        # self-attention over all tokens of all frames, cross-attention to the text, feed-forward
        update = self.attn1(modulate(self.norm1(x.float()), scale_1, shift_1), None, None, rotary_emb)
        x = add_gated(x, update, gate_1)
        x = x + self.attn2(self.norm2(x.float()).type_as(x), encoder_hidden_states, None, None)
        update = self.ffn(modulate(self.norm3(x.float()), scale_2, shift_2))
        return add_gated(x, update.float(), gate_2)


def _arguments() -> inspect.Signature:
    """The arguments of Wan's transformer, and those of TRAINED_WITH."""
    wan, kind = inspect.signature(WanTransformer3DModel.__init__), inspect.Parameter.KEYWORD_ONLY
    trained = [inspect.Parameter(name, kind, default=value) for name, value in TRAINED_WITH.items()]
    return wan.replace(parameters=[*wan.parameters.values(), *trained])


class DirectorTransformer3DModel(WanTransformer3DModel):
    """Wan's transformer with explicit tau and one timestep for each latent frame; same config, same weights.

    Args:
        sigma_data, cut_gap: what a `DirectorGenPipeline` of these weights works with.
        tau_scheme: the scheme of `ChunkPlan.tau` that the pipelines of both stages take, unless a call names another.
        upsample: what a `DirectorSRPipeline` of these weights works with. The others are those of the parent.

    Raises:
        ValueError: for image-to-video checkpoints, which need an image encoder; for a temporal patch other than 1; and
            for an unknown scheme.
    """

    _no_split_modules: ClassVar[list[str]] = ["DirectorTransformerBlock"]
    _repeated_blocks: ClassVar[list[str]] = ["DirectorTransformerBlock"]
    _cp_plan = None  # diffusers would split tokens by the parent's plan, which knows no timestep for each frame

    @functools.wraps(WanTransformer3DModel.__init__)
    def __init__(self, *args, **kwargs):
        trained = {name: kwargs.pop(name) for name in TRAINED_WITH if name in kwargs}
        super().__init__(*args, **kwargs)
        self.register_to_config(**trained)
        self._adopt_blocks()

    __init__.__signature__ = _arguments()  # from which diffusers reads what a config may hold

    def _adopt_blocks(self) -> None:
        """Check the config, and give the blocks their class, with the weights that the parent made."""
        for name in ("image_dim", "added_kv_proj_dim"):
            value = getattr(self.config, name)
            if value is not None:
                raise ValueError(f"{name}={value}: this is an image-to-video checkpoint; use a Wan T2V or TI2V one")
        if self.config.patch_size[0] != 1:
            raise ValueError(f"patch_size={tuple(self.config.patch_size)}: the first number, in time, must be 1")
        check_one_of("tau_scheme", trained_with(self)["tau_scheme"], TAU_SCHEMES)
        for block in self.blocks:
            block.__class__ = DirectorTransformerBlock

    @classmethod
    def adopt(
        cls, transformer: WanTransformer3DModel, trained: Mapping[str, object] | None = None
    ) -> "DirectorTransformer3DModel":
        """Make one of this class of a `WanTransformer3DModel`, which stays what it is. Both share their weights.

        Layers, hooks and LoRAs are each one's own: what is added to one is not seen by the other. What is written into
        the weights is seen by both, and both are where the weights are.

        Args:
            transformer: one of this class is returned as it is, unless `trained` says something else than its config.
            trained: entries for the config, see TRAINED_WITH.

        Raises:
            ValueError: as in the constructor; for another class; where a cache, group offloading or compiling holds the
                methods of the module that it was made for.
        """
        core = getattr(transformer, "_orig_mod", transformer)  # the module inside torch.compile's wrapper
        if not isinstance(core, cls) and type(core) is not WanTransformer3DModel:  # FSDP makes subclasses of ours
            raise ValueError(f"transformer is a {type(core).__name__}: give a WanTransformer3DModel")
        changes = {name: value for name, value in (trained or {}).items() if trained_with(core)[name] != value}
        if isinstance(core, cls) and not changes:
            return transformer
        modules = (core, *core.blocks)
        holds = any("forward" in vars(module) and not hasattr(module, "_old_forward") for module in modules)
        if holds or core is not transformer or any(module._compiled_call_impl for module in modules):
            later = "group offloading, a cache or compiling"
            raise ValueError(f"transformer has hooks or is compiled: make the pipeline first, then enable {later}")
        shared = [*core.parameters(), core.rope]  # the buffers of rope move with the module, not with the weights
        shared += [module._hf_hook for module in core.modules() if hasattr(module, "_hf_hook")]
        twin = copy.deepcopy(core, {id(one): one for one in shared})
        cls._adopt_blocks(twin)
        twin.__class__ = cls
        twin.register_to_config(**changes)
        for module in (twin, *twin.blocks):
            if hasattr(module, "_old_forward"):  # accelerate's hooks call it
                module._old_forward = types.MethodType(type(module).forward, module)
        return twin

    def enable_cache(self, config) -> None:
        """Enable one of diffusers' caches, such as the first-block cache.

        diffusers looks blocks up by their class in a registry for which it has no public name.
        """
        from diffusers.hooks._helpers import TransformerBlockMetadata, TransformerBlockRegistry

        metadata = TransformerBlockMetadata(return_hidden_states_index=0, return_encoder_hidden_states_index=None)
        TransformerBlockRegistry.register(DirectorTransformerBlock, metadata)
        super().enable_cache(config)

    def rotary(
        self, tau: Tensor | list[float], height: int, width: int, device: torch.device | str | None = None
    ) -> Rotary:
        """Make the rotary tables of every token from explicit temporal positions (paper: MC-RoPE).

        Args:
            tau: (F,), the same for the whole batch, or (B, F); any finite floats, negative and fractional ones too.
            height, width: H and W, in latent cells (not tokens).
            device: where to put the tables; None keeps them on the CPU, where cosines and sines are computed.

        Returns:
            Cosines and sines, float32 in [-1, 1], each (1, F*h*w, 1, D_head), or (B, F*h*w, 1, D_head) for a (B, F)
            tau. At tau = 0, 1, 2, ... they are bit for bit the tables of `WanRotaryPosEmbed`.

        Raises:
            ValueError: for tau of another shape or not finite; for sides that are no multiples of the patch size.
        """
        h, w = self._grid(height, width)
        dtype = torch.float32 if torch.backends.mps.is_available() else torch.float64  # MPS has no float64
        tau = torch.as_tensor(tau).to("cpu", dtype)
        if tau.ndim not in (1, 2):
            raise ValueError(f"tau has shape {tuple(tau.shape)}: give one position per latent frame, (F,) or (B, F)")
        if not tau.isfinite().all():
            raise ValueError(f"tau={tau.tolist()}: every position must be finite")
        rows, num_frames = (1 if tau.ndim == 1 else tau.shape[0]), tau.shape[-1]

        def table(dim: int, positions: Tensor, shape: tuple[int, ...]) -> tuple[Tensor, ...]:
            """The cosines and sines of one axis, (rows, F, h, w, dim)."""
            pair = get_1d_rotary_pos_embed(dim, positions, use_real=True, freqs_dtype=dtype)
            return tuple(part.to(device).view(*shape, -1).expand(rows, num_frames, h, w, -1) for part in pair)

        in_time = table(self.rope.t_dim, tau.flatten(), (rows, num_frames, 1, 1))
        in_height = table(self.rope.h_dim, torch.arange(h, dtype=dtype), (1, 1, h, 1))
        in_width = table(self.rope.w_dim, torch.arange(w, dtype=dtype), (1, 1, 1, w))
        axes = zip(in_time, in_height, in_width, strict=True)
        return tuple(torch.cat(parts, dim=-1).reshape(rows, num_frames * h * w, 1, -1) for parts in axes)

    def _grid(self, height: int, width: int) -> tuple[int, int]:
        """Latent height and width, in tokens."""
        _, p_h, p_w = self.config.patch_size
        if height % p_h or width % p_w:
            raise ValueError(f"latents are {height} x {width}: height and width must be multiples of {p_h} x {p_w}")
        return height // p_h, width // p_w

    @apply_lora_scale("attention_kwargs")
    def forward(
        self,
        hidden_states: Tensor,
        timestep: Tensor,
        encoder_hidden_states: Tensor,
        encoder_hidden_states_image: Tensor | None = None,
        return_dict: bool = True,
        attention_kwargs: dict[str, Any] | None = None,
        *,
        tau: Tensor | list[float] | None = None,
        rotary_emb: Rotary | None = None,
    ) -> Transformer2DModelOutput | tuple[Tensor]:
        """Predict the velocity v = x_1 - x_0 of noisy latents.

        Args:
            hidden_states: (B, C, F, H, W) normalised latents.
            timestep: (B,), or (B, F) with one for each latent frame; from 0 (clean, an anchor) to 1000 (noise). Wan's
                own pipelines give (B, F*S), the same for all tokens of a frame.
            encoder_hidden_states: (B, L, text_dim) text embeddings.
            encoder_hidden_states_image: must be None; it keeps the parent's argument order.
            attention_kwargs: as in diffusers; `scale` scales LoRA layers.
            tau: temporal positions, (F,) or (B, F); None is 0, 1, ..., F-1, which is plain Wan.
            rotary_emb: in place of `tau`, the tables made by `rotary`, so that many calls share them.

        Returns:
            (B, C, F, H, W), in a `Transformer2DModelOutput` or, without `return_dict`, in a tuple.

        Raises:
            ValueError: where a shape does not fit, both `tau` and `rotary_emb` are given, or image embeddings are; and
                where neither is given, as by Wan's own pipelines, for weights that these would use wrongly.
        """
        if encoder_hidden_states_image is not None:
            raise ValueError("encoder_hidden_states_image is given: put keyframes into hidden_states, as anchors")
        if tau is None and rotary_emb is None and (sigma_data := trained_with(self)["sigma_data"]) is not None:
            way = "make a DirectorGenPipeline.from_pipe(...) of this one, or give tau"
            raise ValueError(f"transformer: trained behind a skip (sigma_data = {sigma_data}), which Wan's lack; {way}")
        batch_size, _, num_frames, height, width = hidden_states.shape
        (h, w), (_, p_h, p_w) = self._grid(height, width), self.config.patch_size
        if timestep.shape == (batch_size, num_frames * h * w):
            of_tokens = timestep.unflatten(1, (num_frames, -1))
            timestep = of_tokens[..., 0]
            if (of_tokens != timestep[..., None]).any():
                raise ValueError("timestep differs within a frame: give all tokens of a frame the same")
        if timestep.shape not in ((batch_size,), (batch_size, num_frames)):
            needed = f"({batch_size},) or ({batch_size}, {num_frames})"
            raise ValueError(f"timestep has shape {tuple(timestep.shape)}: give {needed}, (B,) or (B, F)")
        times = timestep.view(batch_size, -1).expand(batch_size, num_frames).flatten()
        if tau is not None and rotary_emb is not None:
            raise ValueError("tau and rotary_emb are both given: give one of them")
        if rotary_emb is None:
            rotary_emb = self.rotary(range(num_frames) if tau is None else tau, height, width, hidden_states.device)
        rows, num_tokens = rotary_emb[0].shape[:2]
        if rows not in (1, batch_size) or num_tokens != num_frames * h * w:
            found, needed = f"{rows} samples of {num_tokens} tokens", f"{batch_size} of {num_frames * h * w}"
            raise ValueError(f"tau or rotary_emb covers {found}, the latents {needed}; give one tau per latent frame")
        rotary_emb = tuple(table.to(hidden_states.device) for table in rotary_emb)

        x = self.patch_embedding(hidden_states).flatten(2).transpose(1, 2).contiguous()  # (B, F*S, D)
        temb, modulation, text, _ = self.condition_embedder(times, encoder_hidden_states, None, num_frames)
        modulation = modulation.unflatten(2, (6, -1))  # (B, F, 6, D)
        for block in self.blocks:
            if torch.is_grad_enabled() and self.gradient_checkpointing:
                x = self._gradient_checkpointing_func(block, x, text, modulation, rotary_emb)
            else:
                x = block(x, text, modulation, rotary_emb)

        # (B, F, 1, D) each; where a model is spread over several devices, x ends on the last one
        table = self.scale_shift_table.unsqueeze(0).to(temb.device)
        shift, scale = (table + temb.unsqueeze(2)).to(x.device).chunk(2, dim=2)
        normed = self.norm_out(x.float()).unflatten(1, (num_frames, h * w))
        x = self.proj_out((normed * (1 + scale) + shift).type_as(x))  # (B, F, S, p_h*p_w*C)
        x = x.reshape(batch_size, num_frames, h, w, p_h, p_w, -1)
        sample = x.permute(0, 6, 1, 2, 4, 3, 5).flatten(5, 6).flatten(3, 4)
        return Transformer2DModelOutput(sample=sample) if return_dict else (sample,)


def trained_with(transformer: ModelMixin | None) -> dict[str, object]:
    """Return how a transformer was trained: see TRAINED_WITH."""
    said = getattr(transformer, "config", {})
    return {name: said.get(name, value) for name, value in TRAINED_WITH.items()}


def given_or_trained(transformer: ModelMixin | None, **given: object) -> dict[str, object]:
    """Return what was given, by names of TRAINED_WITH, and where that is None, how the transformer was trained."""
    own = trained_with(transformer)
    return {name: own[name] if value is None else value for name, value in given.items()}
