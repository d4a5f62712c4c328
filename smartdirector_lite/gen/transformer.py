"""The diffusion transformer: diffusers' Wan, with explicit temporal positions and one timestep per latent frame.

`DirectorTransformer3DModel` has the config and the weights of `WanTransformer3DModel`; a folder saved by one loads
into the other. Two things differ, and both are what Multi-Chunk needs (SmartDirector, arXiv 2605.27891, "MC-RoPE"
and the clean anchors of "Multi-Chunk"):

- The temporal rotary position of a latent frame is a float tensor `tau` that the caller gives, not its row number.
- The timestep is given per latent frame, `(B, F)`: 0 for anchors, t for the others. Wan 2.2 does the same per token
  and holds a modulation table `(B, F*S, 6, D)`, about 2 GB at 720p; here it is `(B, F, 6, D)` and is broadcast
  over the S tokens of each frame.

Axes: B batch, C channels, F latent frames, H, W latent height and width, h, w the same in tokens, S = h*w tokens per
frame, D width of the model, D_head of one attention head.
"""

import functools
import types
from typing import Any, ClassVar

import torch
from diffusers.models.embeddings import get_1d_rotary_pos_embed
from diffusers.models.modeling_outputs import Transformer2DModelOutput
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel, WanTransformerBlock
from diffusers.utils import apply_lora_scale


def modulated_block(
    block: WanTransformerBlock,
    x: torch.Tensor,
    text: torch.Tensor,
    mod: torch.Tensor,
    rotary: tuple[torch.Tensor, torch.Tensor],
) -> torch.Tensor:
    """Run the modules of a Wan block with one shift, scale and gate per latent frame.

    The operations, their order and their precision are those of `WanTransformerBlock.forward`; only the shape that
    the modulation is broadcast in differs.

    Args:
        block: a diffusers `WanTransformerBlock`; its weights are used where they are.
        x: (B, F*S, D) tokens, frame by frame.
        text: (B, L, D) embedded text.
        mod: (B, F, 6, D) projected timestep of every latent frame.
        rotary: cosines and sines, each (1 or B, F*S, 1, D_head), from `DirectorTransformer3DModel.rotary`.

    Returns:
        (B, F*S, D), in the dtype of `x`.
    """
    frames = (mod.shape[1], -1)
    shift_1, scale_1, gate_1, shift_2, scale_2, gate_2 = (block.scale_shift_table.unsqueeze(0) + mod.float()).chunk(
        6, dim=2
    )  # each (B, F, 1, D)

    def modulate(normed: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
        return (normed.unflatten(1, frames) * (1 + scale) + shift).flatten(1, 2).type_as(x)

    def add_gated(base: torch.Tensor, update: torch.Tensor, gate: torch.Tensor) -> torch.Tensor:
        return (base.float().unflatten(1, frames) + update.unflatten(1, frames) * gate).flatten(1, 2).type_as(x)

    # 1. self-attention over all tokens of all frames
    update = block.attn1(modulate(block.norm1(x.float()), scale_1, shift_1), None, None, rotary)
    x = add_gated(x, update, gate_1)

    # 2. cross-attention to the text
    x = x + block.attn2(block.norm2(x.float()).type_as(x), text, None, None)

    # 3. feed-forward
    update = block.ffn(modulate(block.norm3(x.float()), scale_2, shift_2))
    return add_gated(x, update.float(), gate_2)


class DirectorTransformerBlock(WanTransformerBlock):
    """A Wan block whose forward is `modulated_block`.

    It is a module that is called, so whatever hooks on to blocks (group and sequential offloading, first-block
    cache, regional compilation, gradient checkpointing) works as with the parent. Argument names are the parent's.
    """

    def forward(
        self,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        temb: torch.Tensor,
        rotary_emb: tuple[torch.Tensor, torch.Tensor],
    ) -> torch.Tensor:
        """hidden_states (B, F*S, D), encoder_hidden_states (B, L, D), temb (B, F, 6, D) -> (B, F*S, D)."""
        return modulated_block(self, hidden_states, encoder_hidden_states, temb, rotary_emb)


class DirectorTransformer3DModel(WanTransformer3DModel):
    """Wan's transformer with explicit `tau` and one timestep per latent frame; same config, same weights.

    Raises:
        ValueError: for image-to-video checkpoints (they need an image encoder) and for a temporal patch other than 1.
    """

    _no_split_modules: ClassVar[list[str]] = ["DirectorTransformerBlock"]
    _repeated_blocks: ClassVar[list[str]] = ["DirectorTransformerBlock"]
    _cp_plan = None  # the parent's knows nothing of one timestep per frame

    @functools.wraps(WanTransformer3DModel.__init__)
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._check_and_adopt_blocks()

    def _check_and_adopt_blocks(self) -> None:
        for name in ("image_dim", "added_kv_proj_dim"):
            if getattr(self.config, name) is not None:
                raise ValueError(
                    f"{name}={getattr(self.config, name)}: this is an image-to-video checkpoint; "
                    "use a Wan T2V or TI2V one (keyframes enter as latents, not through an image encoder)"
                )
        if self.config.patch_size[0] != 1:
            raise ValueError(
                f"patch_size={tuple(self.config.patch_size)}: the temporal patch must be 1, "
                "so that every latent frame has its own tau and timestep"
            )
        # Adopting the class keeps the weights as the parent made them: nothing is initialised twice or copied, on
        # the meta device as elsewhere, and every state-dict key stays.
        for block in self.blocks:
            block.__class__ = DirectorTransformerBlock

    @classmethod
    def adopt(cls, transformer: WanTransformer3DModel) -> "DirectorTransformer3DModel":
        """Turn a loaded `WanTransformer3DModel` into this class, in place; one of this class is returned as it is.

        ValueError as in the constructor, for another class, and where a cache or group offloading holds old methods.
        """
        core = getattr(transformer, "_orig_mod", transformer)  # of torch.compile
        if isinstance(core, cls):
            return transformer
        if type(core) is not WanTransformer3DModel:
            raise ValueError(f"transformer is a {type(core).__name__}: give a WanTransformer3DModel")
        modules = (core, *core.blocks)
        if any("forward" in vars(module) and not hasattr(module, "_old_forward") for module in modules):
            raise ValueError("transformer has hooks: make the pipeline first, then enable group offloading or a cache")
        cls._check_and_adopt_blocks(core)
        core.__class__ = cls
        for module in modules:
            if hasattr(module, "_old_forward"):  # what accelerate's hooks call
                module._old_forward = types.MethodType(type(module).forward, module)
        return transformer

    def enable_cache(self, config) -> None:
        """As in diffusers (first-block cache and others), which look blocks up by their class."""
        from diffusers.hooks._helpers import TransformerBlockMetadata, TransformerBlockRegistry

        metadata = TransformerBlockMetadata(return_hidden_states_index=0, return_encoder_hidden_states_index=None)
        TransformerBlockRegistry.register(DirectorTransformerBlock, metadata)
        super().enable_cache(config)

    def rotary(
        self, tau: torch.Tensor | list[float], height: int, width: int, device: torch.device | str | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Rotary tables of every token, from explicit temporal positions (MC-RoPE). Compute once per generation.

        Args:
            tau: (F,), the same for the whole batch, or (B, F); any finite floats, negative and fractional ones too.
            height: H, in latent cells (not tokens).
            width: W, in latent cells.
            device: where to put the tables; None keeps them on the CPU, where cosines and sines are computed.

        Returns:
            Cosines and sines, float32 in [-1, 1], each (1, F*h*w, 1, D_head), or (B, F*h*w, 1, D_head) for a (B, F)
            tau. At tau = 0, 1, 2, ... they are bit for bit the tables of `WanRotaryPosEmbed`.

        Raises:
            ValueError: tau of another shape or not finite; height or width not a multiple of the patch size.
        """
        h, w = self._grid(height, width)
        dtype = torch.float32 if torch.backends.mps.is_available() else torch.float64  # MPS has none
        tau = torch.as_tensor(tau).to("cpu", dtype)
        if tau.ndim not in (1, 2):
            raise ValueError(f"tau has shape {tuple(tau.shape)}: give one position per latent frame, (F,) or (B, F)")
        if not tau.isfinite().all():
            raise ValueError(f"tau={tau.tolist()}: every position must be finite")
        rows, num_frames = (1 if tau.ndim == 1 else tau.shape[0]), tau.shape[-1]

        def tables(dim: int, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return get_1d_rotary_pos_embed(dim, positions, use_real=True, freqs_dtype=dtype)

        in_time = tables(self.rope.t_dim, tau.flatten())
        in_height = tables(self.rope.h_dim, torch.arange(h, dtype=dtype))
        in_width = tables(self.rope.w_dim, torch.arange(w, dtype=dtype))
        grid = (rows, num_frames, h, w, -1)
        cos, sin = (
            torch.cat(
                [
                    t.to(device).view(rows, num_frames, 1, 1, -1).expand(grid),
                    y.to(device).view(1, 1, h, 1, -1).expand(grid),
                    x.to(device).view(1, 1, 1, w, -1).expand(grid),
                ],
                dim=-1,
            ).reshape(rows, num_frames * h * w, 1, -1)
            for t, y, x in zip(in_time, in_height, in_width, strict=True)
        )
        return cos, sin

    def _grid(self, height: int, width: int) -> tuple[int, int]:
        """Latent height and width -> the same in tokens."""
        _, p_h, p_w = self.config.patch_size
        if height % p_h or width % p_w:
            raise ValueError(f"latents are {height} x {width}: height and width must be multiples of {p_h} x {p_w}")
        return height // p_h, width // p_w

    @apply_lora_scale("attention_kwargs")
    def forward(
        self,
        hidden_states: torch.Tensor,
        timestep: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        encoder_hidden_states_image: torch.Tensor | None = None,
        return_dict: bool = True,
        attention_kwargs: dict[str, Any] | None = None,
        *,
        tau: torch.Tensor | list[float] | None = None,
        rotary_emb: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> Transformer2DModelOutput | tuple[torch.Tensor]:
        """Predict the velocity v = x_1 - x_0 of noisy latents.

        Args:
            hidden_states: (B, C, F, H, W) normalised latents.
            timestep: (B,), or (B, F) with one per latent frame; 0 (clean, an anchor) to 1000 (noise).
            encoder_hidden_states: (B, L, text_dim) text embeddings.
            encoder_hidden_states_image: must be None; it is here to keep the parent's argument order.
            attention_kwargs: as in diffusers; `scale` scales LoRA layers.
            tau: temporal positions, (F,) or (B, F); None is 0, 1, ..., F-1, which is plain Wan.
            rotary_emb: instead of `tau`, the tables made by `rotary`, so that many calls share them.

        Returns:
            (B, C, F, H, W), in a `Transformer2DModelOutput` or, without `return_dict`, in a tuple.

        Raises:
            ValueError: where a shape does not fit, both `tau` and `rotary_emb` are given, or image embeddings are.
        """
        if encoder_hidden_states_image is not None:
            raise ValueError("encoder_hidden_states_image is given: put keyframes into hidden_states, as anchors")
        batch_size, _, num_frames, height, width = hidden_states.shape
        h, w = self._grid(height, width)
        timestep = _timestep_per_frame(timestep, batch_size, num_frames)
        rotary_emb = self._rotary_for(hidden_states, tau, rotary_emb)

        x = self.patch_embedding(hidden_states).flatten(2).transpose(1, 2).contiguous()  # (B, F*S, D)
        temb, mod, text, _ = self.condition_embedder(
            timestep.flatten(), encoder_hidden_states, None, timestep_seq_len=num_frames
        )
        mod = mod.unflatten(2, (6, -1))  # (B, F, 6, D)

        for block in self.blocks:
            if torch.is_grad_enabled() and self.gradient_checkpointing:
                x = self._gradient_checkpointing_func(block, x, text, mod, rotary_emb)
            else:
                x = block(x, text, mod, rotary_emb)

        # (B, F, 1, D) each; with a model spread over several devices, x ends on the last one
        table = self.scale_shift_table.unsqueeze(0).to(temb.device)
        shift, scale = (table + temb.unsqueeze(2)).to(x.device).chunk(2, dim=2)
        normed = self.norm_out(x.float()).unflatten(1, (num_frames, h * w))
        x = self.proj_out((normed * (1 + scale) + shift).type_as(x))  # (B, F, S, p_h*p_w*C)

        _, p_h, p_w = self.config.patch_size
        x = x.reshape(batch_size, num_frames, h, w, p_h, p_w, -1)
        sample = x.permute(0, 6, 1, 2, 4, 3, 5).flatten(5, 6).flatten(3, 4)
        return Transformer2DModelOutput(sample=sample) if return_dict else (sample,)

    def _rotary_for(
        self,
        hidden_states: torch.Tensor,
        tau: torch.Tensor | list[float] | None,
        rotary_emb: tuple[torch.Tensor, torch.Tensor] | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The rotary tables for latents (B, C, F, H, W), given or computed, checked against them."""
        batch_size, _, num_frames, height, width = hidden_states.shape
        if tau is not None and rotary_emb is not None:
            raise ValueError("tau and rotary_emb are both given: give one of them")
        if rotary_emb is None:
            times = range(num_frames) if tau is None else tau
            rotary_emb = self.rotary(times, height, width, hidden_states.device)
        h, w = self._grid(height, width)
        rows, num_tokens = rotary_emb[0].shape[:2]
        if rows not in (1, batch_size) or num_tokens != num_frames * h * w:
            raise ValueError(
                f"tau or rotary_emb covers {rows} samples of {num_tokens} tokens: the latents are {batch_size} samples "
                f"of {num_frames * h * w} tokens ({num_frames} frames); give one tau per latent frame, (F,) or (B, F)"
            )
        return tuple(table.to(hidden_states.device) for table in rotary_emb)


def _timestep_per_frame(timestep: torch.Tensor, batch_size: int, num_frames: int) -> torch.Tensor:
    """(B,) or (B, F) -> (B, F)."""
    if timestep.shape == (batch_size,):
        return timestep[:, None].expand(batch_size, num_frames)
    if timestep.shape == (batch_size, num_frames):
        return timestep
    raise ValueError(
        f"timestep has shape {tuple(timestep.shape)}: give one per sample, ({batch_size},), "
        f"or one per latent frame, ({batch_size}, {num_frames})"
    )
