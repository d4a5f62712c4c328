"""What the two stages share: Wan's components, adopted; the chunk plan of a call; checks of a call's arguments."""

import json
import reprlib
from collections.abc import Sequence

from diffusers import AutoencoderKLWan, WanPipeline, WanTransformer3DModel
from torch import Tensor

from ..media.size import Size
from ..timeline import ChunkPlan, check_int
from .conditions import VideoCondition
from .transformer import DirectorTransformer3DModel

OUTPUT_TYPES = ("pil", "np", "pt", "latent")


class DirectorPipeline(WanPipeline):
    """A `WanPipeline` over Multi-Chunk latents; its prompt encoding, LoRA loading and offloading hooks are kept.

    The components are those of `WanPipeline`: vae, transformer, scheduler, text_encoder and tokenizer. A component that
    a call does not need may be None, such as the text encoder where embeddings are given. `expand_timesteps` is only
    kept for diffusers, which reads it from a saved folder; here every latent frame has its own timestep anyway.
    """

    _optional_components = ["tokenizer", "text_encoder", "transformer", "transformer_2"]  # noqa: RUF012

    @staticmethod
    def adopt(
        transformer: WanTransformer3DModel | None, vae: AutoencoderKLWan | None, second: object = None
    ) -> DirectorTransformer3DModel | None:
        """Turn a plain Wan transformer into a `DirectorTransformer3DModel`, in place.

        Args:
            transformer: of a Wan text-to-video model, or None.
            vae: the VAE that it must fit, or None.
            second: what belongs to a model of two transformers, which is refused.

        Raises:
            ValueError: for a model of two transformers (Wan 2.2 A14B), an image-to-video one, or another VAE.
        """
        if second is not None:
            raise ValueError(
                "transformer_2: models of two transformers (Wan 2.2 A14B) are not supported; "
                "use Wan 2.1 T2V or Wan 2.2 TI2V"
            )
        if transformer is None:
            return None
        transformer = DirectorTransformer3DModel.adopt(transformer)
        if vae is not None and transformer.config.in_channels != vae.config.z_dim:
            raise ValueError(
                f"transformer takes {transformer.config.in_channels} channels, the VAE's latents have "
                f"{vae.config.z_dim}; use the VAE that it was trained with"
            )
        return transformer

    def to_json_string(self) -> str:
        """Return the text of model_index.json. The transformer goes by its plain class, so that diffusers loads it."""
        index = self.model_index(json.loads(super().to_json_string()))
        return json.dumps(index, indent=2, sort_keys=True) + "\n"

    def model_index(self, index: dict) -> dict:
        """Return what model_index.json says, given what diffusers would write. Children add to it."""
        index.pop("_name_or_path", None)  # where a model was loaded from is nobody's business
        if self.transformer is not None:
            index["transformer"] = ["diffusers", WanTransformer3DModel.__name__]
        return index

    @property
    def size_multiple(self) -> Size:
        """The sides of a frame must be multiples of these, in pixels."""
        _, down, across = self.transformer.config.patch_size
        return Size(self.vae_scale_factor_spatial * across, self.vae_scale_factor_spatial * down)

    def check_size(self, size: Size) -> None:
        """Raise a ValueError if the model can't take this size; the message names the nearest that it can."""
        check_size(size, self.size_multiple)

    def plan(self, num_frames: int, conditions: Sequence[VideoCondition] = (), cuts: Sequence[int] = ()) -> ChunkPlan:
        """Return the chunks that a call with these arguments works in. ValueError names what does not fit."""
        for i, condition in enumerate(conditions):
            if not isinstance(condition, VideoCondition):
                kind = type(condition).__name__
                raise ValueError(f"conditions[{i}] is a {kind}; write VideoCondition(image=..., frame_index=...)")
        placements = [condition.placement() for condition in conditions]
        return ChunkPlan.build(num_frames, placements, self.vae_scale_factor_temporal, cuts)


# ---------------------------------------------------------------- checks: each raises a ValueError of one line


def check_size(size: Size, multiple: Size) -> None:
    """Check that the sides are multiples of those of `multiple`; the message names the nearest size that fits."""
    check_int("height", size.height, 1)
    check_int("width", size.width, 1)
    if size.height % multiple.height or size.width % multiple.width:
        near = Size(*(max(step, round(side / step) * step) for side, step in zip(size, multiple, strict=True)))
        raise ValueError(
            f"size {size}: the width must be a multiple of {multiple.width} and the height of {multiple.height}; "
            f"the nearest is {near}"
        )


def check_output_type(output_type: str) -> None:
    """Check that it is one of OUTPUT_TYPES."""
    if output_type not in OUTPUT_TYPES:
        raise ValueError(f"output_type must be one of {', '.join(OUTPUT_TYPES)}, got {reprlib.repr(output_type)}")


def check_latents(latents: Tensor, needed: tuple[int, ...]) -> None:
    """Check the shape of latents that were given."""
    if tuple(latents.shape) != needed:
        raise ValueError(f"latents has shape {tuple(latents.shape)}; this call needs {needed}")
