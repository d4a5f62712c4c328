"""What the two stages share: Wan's components, adopted, and the chunk plan that a call works in."""

import json
import math
from collections.abc import Sequence

from diffusers import AutoencoderKLWan, FlowMatchEulerDiscreteScheduler, WanPipeline, WanTransformer3DModel
from diffusers.utils import logging
from torch import Tensor
from transformers import PreTrainedTokenizerBase, UMT5EncoderModel

from ..timeline import ChunkPlan
from .checks import check_size
from .conditions import VideoCondition
from .transformer import DirectorTransformer3DModel

logger = logging.get_logger(__name__)


class DirectorPipeline(WanPipeline):
    """A `WanPipeline` over Multi-Chunk latents. Its prompt encoding, LoRA loading and offloading hooks are kept.

    Components are those of `WanPipeline` (vae, transformer, scheduler, text_encoder, tokenizer). A plain
    `WanTransformer3DModel`, as the hub's Wan folders hold, is adopted as a `DirectorTransformer3DModel` in place; a
    saved folder states plain diffusers' names, so `WanPipeline` can load it too. Any component that a call does not
    need may be None: the text encoder and tokenizer when prompt embeddings are given, for instance. expand_timesteps:
    kept for diffusers, which reads it from a saved folder (Wan 2.2 TI2V states it, Wan 2.1 does not); here every latent
    frame has its own timestep anyway.
    sigma_data: of a transformer trained behind a skip, see `to_velocity`; None, as for Wan's, predicts the velocity.
    cut_gap: between shots, see `ChunkPlan.tau`; 0 or more. Stage one's alone, as is sigma_data.

    Raises:
        ValueError: for numbers out of range, a model of two transformers (Wan 2.2 A14B), an image-to-video one, or a
            VAE of other channels.
    """

    _optional_components = ["tokenizer", "text_encoder", "transformer", "transformer_2"]  # noqa: RUF012
    is_wan = True  # whether diffusers' `WanPipeline` can do what this one does, but for the conditions

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase | None,
        text_encoder: UMT5EncoderModel | None,
        vae: AutoencoderKLWan | None,
        scheduler: FlowMatchEulerDiscreteScheduler,
        transformer: DirectorTransformer3DModel | WanTransformer3DModel | None = None,
        transformer_2: None = None,
        boundary_ratio: None = None,
        expand_timesteps: bool = False,
        sigma_data: float | None = None,
        cut_gap: float = 0.0,
    ):
        if transformer_2 is not None or boundary_ratio is not None:
            raise ValueError(
                "transformer_2: models of two transformers (Wan 2.2 A14B) are not supported; "
                "use Wan 2.1 T2V or Wan 2.2 TI2V"
            )
        if sigma_data is not None and not (self.is_wan and sigma_data > 0):
            wanted = "more than 0, or None" if self.is_wan else "None, for this stage predicts the velocity itself"
            raise ValueError(f"sigma_data = {sigma_data}: give {wanted}")
        if not 0 <= cut_gap < math.inf:
            raise ValueError(f"cut_gap = {cut_gap}: give 0 or more")
        if transformer is not None:
            transformer = DirectorTransformer3DModel.adopt(transformer)
            if vae is not None and transformer.config.in_channels != vae.config.z_dim:
                raise ValueError(
                    f"transformer takes {transformer.config.in_channels} channels, the VAE's latents have "
                    f"{vae.config.z_dim}; use the VAE that it was trained with"
                )
        super().__init__(tokenizer, text_encoder, vae, scheduler, transformer, None, None, expand_timesteps)
        self.register_to_config(sigma_data=sigma_data)
        if self.is_wan:
            self.register_to_config(cut_gap=cut_gap)

    def to_json_string(self) -> str:
        """The text of model_index.json, with the names of the plain diffusers classes that the folder loads into.

        A pipeline with a skip or a gap keeps its own name: `WanPipeline` would leave them out.
        """
        index = json.loads(super().to_json_string())
        for name, plain in (("sigma_data", None), ("cut_gap", 0.0)):
            if index.get(name) == plain:
                index.pop(name, None)
        if self.is_wan and not {"sigma_data", "cut_gap"} & set(index):
            index["_class_name"] = WanPipeline.__name__
        index.pop("_name_or_path", None)  # where it was loaded from is nobody's business
        if self.transformer is not None:
            index["transformer"] = ["diffusers", WanTransformer3DModel.__name__]
        return json.dumps(index, indent=2, sort_keys=True) + "\n"

    @property
    def size_multiple(self) -> tuple[int, int]:
        """(height, width) of a frame must be multiples of these, in pixels."""
        _, patch_height, patch_width = self.transformer.config.patch_size
        return self.vae_scale_factor_spatial * patch_height, self.vae_scale_factor_spatial * patch_width

    def check_size(self, height: int, width: int) -> None:
        """ValueError if the model can't take this size; the message says which it can."""
        check_size(height, width, self.size_multiple)

    def plan(self, num_frames: int, conditions: Sequence[VideoCondition] = (), cuts: Sequence[int] = ()) -> ChunkPlan:
        """The chunks that a call with these arguments works in. ValueError names what does not fit."""
        for i, condition in enumerate(conditions):
            if not isinstance(condition, VideoCondition):
                kind = type(condition).__name__
                raise ValueError(f"conditions[{i}] is a {kind}; write VideoCondition(image=..., frame_index=...)")
        placements = [condition.placement() for condition in conditions]
        return ChunkPlan.build(num_frames, placements, self.vae_scale_factor_temporal, cuts)

    def _embed(self, texts: tuple, embeds: tuple, copies: int, max_length: int) -> tuple[Tensor, Tensor | None]:
        """Embeddings (B, L, D) of prompts and negative prompts: computed, or those given, once for each copy."""
        prompt, device = texts[0], self._execution_device
        if self.tokenizer is not None:  # longer padding than it was trained with would be other input to the model
            max_length = min(max_length, self.tokenizer.model_max_length)
        for text in [prompt] if isinstance(prompt, str) else prompt or ():
            if len(self.tokenizer(text, truncation=True, max_length=max_length + 1).input_ids) > max_length:
                logger.warning(f"The prompt has more than {max_length} tokens; the rest is not read: {text[-60:]!r}")
        guided = self.do_classifier_free_guidance
        made = self.encode_prompt(*texts, guided, copies, *embeds, max_sequence_length=max_length, device=device)
        result = []
        for given, value in zip(embeds, made, strict=True):
            value = value if given is None else given.repeat_interleave(copies, dim=0)
            result.append(None if value is None else value.to(device, self.transformer.dtype))
        return tuple(result)
