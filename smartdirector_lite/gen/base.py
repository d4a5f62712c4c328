"""This module holds what both stages share: Wan's components, the chunk plan and the argument checks."""

import functools
import inspect
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Self

from diffusers import AutoencoderKLWan, DiffusionPipeline, WanPipeline, WanTransformer3DModel
from torch import Tensor

from ..media.size import Size
from ..timeline import TAU_SCHEMES, ChunkPlan, as_list, check_int, check_one_of
from .conditions import VideoCondition
from .transformer import TRAINED_WITH, DirectorTransformer3DModel, trained_with

OUTPUT_TYPES = ("pil", "np", "pt", "latent")
MAX_SIDE = 16_384  # of a frame, in pixels
# Schedulers, offloading hooks and progress bars keep the state of a call, and pipelines share them in any combination.
# One lock for the process is right for all of them. It is no attribute, so that pipelines can be copied and pickled.
_TURN = threading.RLock()
Conditions = Sequence[VideoCondition] | VideoCondition | None
Cuts = Sequence[int] | None


def in_turn(call: Callable) -> Callable:
    """Let a call wait until the calls of other threads have ended. A call may make others, also from a callback."""

    @functools.wraps(call)
    def waiting(*args, **options):
        with _TURN:
            return call(*args, **options)

    return waiting


class DirectorPipeline(WanPipeline):
    """A `WanPipeline` over Multi-Chunk latents; its prompt encoding, LoRA loading and offloading hooks are kept.

    The components are those of `WanPipeline`: vae, transformer, scheduler, text_encoder and tokenizer. A component that
    a call does not need may be None, such as the text encoder where embeddings are given. `expand_timesteps` is only
    kept for diffusers, which reads it from a saved folder; here every latent frame has its own timestep anyway.
    """

    _optional_components = ["tokenizer", "text_encoder", "transformer", "transformer_2"]  # noqa: RUF012

    @staticmethod
    def adopt(
        transformer: WanTransformer3DModel | None,
        vae: AutoencoderKLWan | None,
        second: object = None,
        trained: Mapping[str, object] | None = None,
    ) -> DirectorTransformer3DModel | None:
        """Make a `DirectorTransformer3DModel` of a plain Wan transformer, which stays as it is; both share the weights.

        Args:
            transformer: of a Wan text-to-video model, or None.
            vae: the VAE that it must fit, or None.
            second: what belongs to a model of two transformers, which is refused.
            trained: how the weights were trained, see `DirectorTransformer3DModel.adopt`.

        Raises:
            ValueError: for a model of two transformers (Wan 2.2 A14B), an image-to-video one, another VAE, and
                an unknown scheme.
        """
        if second is not None:
            raise ValueError("transformer_2: models of two transformers don't run here; use Wan 2.1 T2V or 2.2 TI2V")
        check_one_of("tau_scheme", {**TRAINED_WITH, **(trained or {})}["tau_scheme"], TAU_SCHEMES)
        if transformer is None:
            return None
        transformer = DirectorTransformer3DModel.adopt(transformer, trained)
        takes = transformer.config.in_channels
        if vae is not None and takes != vae.config.z_dim:
            raise ValueError(f"transformer takes {takes} channels, the VAE gives {vae.config.z_dim}; give another VAE")
        return transformer

    @classmethod
    def from_pipe(cls, pipeline: DiffusionPipeline, **changes) -> Self:
        """Make a pipeline of another one's components and settings, of which `changes` replaces some.

        Both share the weights, which keep their types: diffusers' own method would turn those of both into float32.
        """
        made = {**pipeline.config, **pipeline.components, **changes}
        return cls(**{name: made[name] for name in inspect.signature(cls).parameters if name in made})

    def to_json_string(self) -> str:
        """Return the text of model_index.json. Where diffusers' own classes do what ours do, it names them."""
        index = self.model_index(json.loads(super().to_json_string()))
        return json.dumps(index, indent=2, sort_keys=True) + "\n"

    def model_index(self, index: dict) -> dict:
        """Return what model_index.json says, given what diffusers would write. Children add to it."""
        index.pop("_name_or_path", None)  # where a model was loaded from is nobody's business
        own = trained_with(self.transformer)
        if self.transformer is not None and own == TRAINED_WITH:
            index["transformer"] = ["diffusers", WanTransformer3DModel.__name__]
        # How weights were trained stands in the transformer's own config.
        return {name: value for name, value in index.items() if name not in own or value != own[name]}

    @property
    def size_multiple(self) -> Size:
        """The sides of a frame must be multiples of these, in pixels."""
        _, down, across = self.transformer.config.patch_size
        return Size(self.vae_scale_factor_spatial * across, self.vae_scale_factor_spatial * down)

    def check_size(self, size: Size) -> Size:
        """Return the size; raise a ValueError if the model can't take it, which names the nearest that it can."""
        return check_size(size, self.size_multiple)

    def check_call(self, steps: int, needs_vae: bool) -> int:
        """Return the steps; raise a ValueError if the models that a call needs are missing, or they are too many."""
        for name in ("transformer", "scheduler", *(["vae"] if needs_vae else [])):
            if getattr(self, name) is None:
                raise ValueError(f"{name}: this pipeline was made without one; this call needs it")
        return check_int("num_inference_steps", steps, 1, self.scheduler.config.num_train_timesteps)

    def plan(self, num_frames: int, conditions: Conditions = (), cuts: Cuts = ()) -> ChunkPlan:
        """Return the chunks that a call with these arguments works in. ValueError names what does not fit."""
        conditions = as_list(conditions)
        for i, condition in enumerate(conditions):
            if not isinstance(condition, VideoCondition):
                raise ValueError(f"conditions[{i}] is a {type(condition).__name__}; write VideoCondition(image=...)")
        placements = [condition.placement() for condition in conditions]
        return ChunkPlan.build(num_frames, placements, self.vae_scale_factor_temporal, cuts)


def check_size(size: Size, multiple: Size) -> Size:
    """Return the size as ints; raise a ValueError unless its sides are multiples of those of `multiple`.

    The message names the nearest size that fits.
    """
    size = Size(check_int("width", size.width, 1, MAX_SIDE), check_int("height", size.height, 1, MAX_SIDE))
    if size.height % multiple.height or size.width % multiple.width:
        near = Size(*(max(step, round(side / step) * step) for side, step in zip(size, multiple, strict=True)))
        raise ValueError(f"size {size}: the sides must be multiples of {multiple}; the nearest size is {near}")
    return size


def check_finite(values: Tensor) -> Tensor:
    """Return what a model made; raise a FloatingPointError where a value is infinite or not a number."""
    if not values.isfinite().all():
        remedy = "load the model in float32 (dtype=torch.float32), or look for such values in its weights or LoRAs"
        raise FloatingPointError(f"the model's values are not finite; {remedy}")
    return values
