"""Director-SR: a small video becomes a large one, and the original keyframes carry the detail (paper: Director-SR).

A flow leads from low-resolution to high-resolution latents (see `flow`), over the Multi-Chunk plan of stage one. Where
a keyframe is known in full size, its latents take the place of the enlarged ones. They are anchors: clean, at timestep
0, and every other latent attends to them. Without keyframes this is a plain video super-resolver.

Director-SR reads no text: the transformer gets one zero vector in its place, as in training.

Latents flow in windows that overlap and are blended, so that memory does not grow with the video's length, and in tiles
where asked. LR and HR mean low and high resolution, half and full size. B is 1 throughout.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from diffusers import AutoencoderKLWan, FlowMatchEulerDiscreteScheduler, WanTransformer3DModel
from diffusers.pipelines.wan.pipeline_output import WanPipelineOutput
from diffusers.utils.torch_utils import get_module_execution_device
from PIL.Image import Image
from torch import Tensor
from transformers import PreTrainedTokenizerBase, UMT5EncoderModel

from ..flow import State
from ..gen.base import OUTPUT_TYPES, Conditions, Cuts, DirectorPipeline, check_finite, in_turn
from ..gen.conditions import Frame, VideoCondition, frame_size
from ..gen.prompt import check_floats
from ..gen.transformer import DirectorTransformer3DModel, given_or_trained
from ..media import to_image
from ..media.size import Size
from ..timeline import TAU_SCHEMES, ChunkPlan, as_list, check_int, check_number, check_one_of
from ..vae.causal import check_shape, encode_clip
from ..vae.multichunk import iter_decode, iter_encode
from .frames import FACTOR, pad, resize, small_frame, to_bytes, upsample_latents
from .restorer import FrameRestorer, Restoration
from .windows import blend_tiles, blend_windows, tiles, windows

WINDOW, OVERLAP = 24, 4  # latent frames that flow together, and that two windows share
MAX_SCALE = 8
UPSAMPLING = ("latent", "pixel")  # what is enlarged: the small video's latents, or its frames before they are encoded


@dataclass(frozen=True)
class SROptions:
    """How Director-SR works on a video.

    Attributes:
        steps: steps of the flow; 1 to 8 make sense.
        rope: a scheme of `ChunkPlan.tau`; None takes that of the weights.
        upsample: "latent" enlarges latents (the paper's way), "pixel" enlarges the frames and encodes them. With
            None the pipeline takes the way that the model was trained with.
        restore: whether decoded frames go through the model's restorer, if it has one. Latents that are given in place
            of frames leave it nothing to compare with, and are not restored.
        window, overlap: latent frames that flow together, and that two neighbouring windows share.
        tile: side, in pixels, of the HR tiles that flow one by one; None for whole frames.
    """

    steps: int = 4
    rope: str | None = None
    upsample: str | None = None
    restore: bool = True
    window: int = WINDOW
    overlap: int = OVERLAP
    tile: int | None = None


@dataclass(frozen=True, eq=False)
class _Call:
    """A call of Director-SR, checked.

    Attributes:
        plan: the chunks of the video.
        given: the size of the small video.
        padded: the next larger size that the model takes.
        out: the size that was asked for.
        videos: the conditions in HR, (1, 3, L, H, W) each, padded.
        options: how Director-SR works; `options.rope` and `options.upsample` are never None.
    """

    plan: ChunkPlan
    given: Size
    padded: Size
    out: Size
    videos: list[Tensor]
    options: SROptions


class DirectorSRPipeline(DirectorPipeline):
    """Video super-resolution by 2 with keyframes as anchors. Components: see DirectorPipeline, and `restorer`."""

    _optional_components = [*DirectorPipeline._optional_components, "restorer"]  # noqa: RUF012

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
        upsample: str | None = None,
        restorer: FrameRestorer | None = None,
        tau_scheme: str | None = None,
    ):
        """Make a pipeline of its components.

        Args:
            upsample: how the start of the flow was enlarged when the transformer was trained; one of UPSAMPLING. None
                takes what the transformer's config says.
            restorer: puts the decoded frames right; None leaves them as they are.
            tau_scheme: the scheme of `ChunkPlan.tau` that the transformer was trained with; None takes what its config
                says.

        Raises:
            ValueError: for another value of these, and for components that `DirectorPipeline.adopt` refuses.
        """
        trained = given_or_trained(transformer, upsample=upsample, tau_scheme=tau_scheme)
        check_one_of("upsample", trained["upsample"], UPSAMPLING)
        transformer = self.adopt(transformer, vae, transformer_2 or boundary_ratio, trained)
        super().__init__(tokenizer, text_encoder, vae, scheduler, transformer, None, None, expand_timesteps)
        self.register_modules(restorer=restorer)
        self.register_to_config(**trained)

    @torch.no_grad()
    @in_turn
    def __call__(
        self,
        video: Sequence | np.ndarray | Tensor | None = None,
        conditions: Conditions = (),
        scale: float = FACTOR,
        *,
        latents: Tensor | None = None,
        num_frames: int | None = None,
        num_inference_steps: int = 4,
        cuts: Cuts = (),
        rope: str | None = None,
        upsample: str | None = None,
        restore: bool = True,
        tile: int | None = None,
        output_type: str = "np",
        return_dict: bool = True,
    ) -> WanPipelineOutput | tuple:
        """Upscale a video.

        Args:
            video: the small video, as `VideoCondition` takes one: images, a uint8 array, or a tensor in [-1, 1].
            conditions: keyframes and clips in full size; images of another size are cover-cropped.
            scale: of width and height. 2 is native; for another, the frames are resized afterwards.
            latents: in place of `video`, normalised LR latents (1, C, F, h, w), as `DirectorGenPipeline` gives for
                these conditions and cuts; `num_frames` says how many frames they hold.
            num_inference_steps, rope, upsample, restore, tile: see `SROptions`.
            output_type: as in `DirectorGenPipeline`; "latent" gives HR latents (1, C, F, 2h, 2w).

        Raises:
            ValueError: naming the argument, before any model runs.
            FloatingPointError: the model gave values that are not finite.
        """
        check_one_of("output_type", output_type, OUTPUT_TYPES)
        if (video is None) == (latents is None):
            raise ValueError("give video or latents, and not both")
        if latents is not None:
            check_floats("latents", latents, 1, "C", "F", "h", "w")
            source, size = latents, Size(latents.shape[-1], latents.shape[-2]).times(self.vae_scale_factor_spatial)
        else:
            # Upright at once: what follows goes by each frame's size.
            source = [to_image(one) if isinstance(one, Image) else one for one in VideoCondition(video=video).frames]
            if num_frames is not None and check_int("num_frames", num_frames, 1) != len(source):
                raise ValueError(f"num_frames is {num_frames}, but video has {len(source)} frames; leave it out")
            num_frames, size = len(source), frame_size(source[0])
            for frame in source:
                small_frame(frame, size)  # each is checked before any model runs
        options = SROptions(num_inference_steps, rope, upsample, restore, tile=tile)
        call = self._check(num_frames, size, conditions, scale, cuts, options)
        if output_type == "latent":
            result = torch.cat(list(self._flow(call, source)), dim=2)
        else:
            frames = torch.cat([part for _, part in self._upscale(call, source)], dim=2)
            result = self.video_processor.postprocess_video(frames, output_type=output_type)
        self.maybe_free_model_hooks()
        return WanPipelineOutput(frames=result) if return_dict else (result,)

    def stream(
        self,
        frames: Iterable[np.ndarray] | Tensor,
        num_frames: int,
        size: Size,
        conditions: Conditions = (),
        scale: float = FACTOR,
        cuts: Cuts = (),
        options: SROptions | None = None,
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Upscale a video of any length as its frames come; memory does not grow with it.

        Args:
            frames: `num_frames` uint8 arrays (H, W, 3), or LR latents (1, C, F, h, w).
            size: the frames' size. The other arguments are as in `__call__`.

        Returns:
            An iterator over (index of the first frame, uint8 (t, H', W', 3)).

        Raises:
            ValueError: for bad arguments at once, and for a frame of another size when it comes.
        """
        call = self._check(num_frames, size, conditions, scale, cuts, options or SROptions())
        return self._as_bytes(self._upscale(call, frames))

    @torch.no_grad()
    def _as_bytes(self, parts: Iterator[tuple[int, Tensor]]) -> Iterator[tuple[int, np.ndarray]]:
        for start, part in parts:
            yield start, to_bytes(part)
        self.maybe_free_model_hooks()

    def _check(
        self, num_frames: int, size: Size, conditions: Conditions, scale: float, cuts: Cuts, options: SROptions
    ) -> _Call:
        """Check a call's arguments, all but its frames."""
        conditions = as_list(conditions)
        plan = self.plan(num_frames, conditions, cuts)
        scale = check_number("scale", scale, 1, MAX_SCALE)
        options = replace(
            options,
            steps=self.check_call(options.steps, needs_vae=True),
            tile=None if options.tile is None else check_int("tile", options.tile, 2 * max(self.size_multiple)),
            rope=self.config.tau_scheme if options.rope is None else options.rope,
            upsample=self.config.upsample if options.upsample is None else options.upsample,
        )
        check_one_of("tau scheme", options.rope, TAU_SCHEMES)
        check_one_of("upsample", options.upsample, UPSAMPLING)
        given = Size(*size)
        steps = (max(self.vae_scale_factor_spatial, side // FACTOR) for side in self.size_multiple)
        padded = Size(*(-(-side // step) * step for side, step in zip(given, steps, strict=True)))
        out = Size(*(round(scale * side) for side in given))
        videos = [pad(condition.to_tensor(given.times(FACTOR)), padded.times(FACTOR)) for condition in conditions]
        return _Call(plan, given, padded, out, videos, options)

    def _upscale(self, call: _Call, source: Iterable[Frame] | Tensor) -> Iterator[tuple[int, Tensor]]:
        """(index, frames (1, 3, t, H, W) in [-1, 1]) in the size that was asked for, of frames or LR latents."""
        device, native = get_module_execution_device(self.vae), call.given.times(FACTOR)
        restores = call.options.restore and self.restorer is not None and not isinstance(source, Tensor)
        source, kept = itertools.tee(source) if restores else (source, None)
        parts = iter_decode(self.vae, call.plan, (latent.to(device) for latent in self._flow(call, source)))
        parts = ((start, frames[..., : native.height, : native.width]) for start, frames in parts)  # no padding
        if restores:
            parts = Restoration(self.restorer, call.plan, kept, call.videos, call.given)(parts)
        if call.out != native:
            parts = ((start, resize(frames, call.out)) for start, frames in parts)
        return parts

    @torch.no_grad()
    def _flow(self, call: _Call, source: Iterable[Frame] | Tensor) -> Iterator[Tensor]:
        """HR latents (1, C, 1, 2h, 2w), one by one."""
        plan, options, ratio = call.plan, call.options, self.vae_scale_factor_spatial
        if isinstance(source, Tensor):
            width, height = (side // ratio for side in call.padded)
            check_shape("latents", source, 1, self.transformer.config.in_channels, plan.num_latents, height, width)
            if options.upsample != "latent":
                raise ValueError(f"upsample is {options.upsample!r}, which needs frames; give them, or take 'latent'")
        tau, spans = plan.tau(options.rope), windows(plan.num_latents, options.window, options.overlap)
        side = None if options.tile is None else options.tile // ratio
        anchored = torch.tensor(plan.anchors, device=self._execution_device)

        def flow(span: range, latents: Tensor) -> Tensor:
            inside, whole = slice(span.start, span.stop), latents.shape[-2:]
            state = State(latents, anchored[inside], tau[inside])
            cut = tiles(whole, side, self.transformer.config.patch_size[1:])
            parts = [(tile, self._integrate(state.crop(*tile), options.steps)) for tile in cut]
            bar.update()
            if span is spans[-1]:
                bar.close()
            return blend_tiles(parts, whole)

        bar = self.progress_bar(total=len(spans))
        return blend_windows(spans, self._start(call, source), self._anchors(call), flow)

    def _anchors(self, call: _Call) -> dict[int, Tensor]:
        """The conditions' HR latents, (1, C, 1, 2h, 2w) each, by their place among the plan's."""
        device, anchors = get_module_execution_device(self.vae), {}
        for chunk in call.plan.chunks:
            if chunk.condition is not None:
                encoded = encode_clip(self.vae, call.videos[chunk.condition].to(device)).to(self._execution_device)
                anchors |= {chunk.latent_start + i: part for i, part in enumerate(encoded.split(1, dim=2))}
        return anchors

    def _start(self, call: _Call, source: Iterable[Frame] | Tensor) -> Iterator[Tensor]:
        """The LR latents at twice the size, one by one; the flow starts from them."""
        if isinstance(source, Tensor):
            small: Iterable[Tensor] = source.split(1, dim=2)
        else:
            device = get_module_execution_device(self.vae)
            frames = (pad(small_frame(frame, call.given), call.padded).to(device) for frame in source)
            if call.options.upsample == "pixel":
                frames = (resize(frame, call.padded.times(FACTOR)) for frame in frames)
            small = iter_encode(self.vae, call.plan, frames)
        for latent in small:
            latent = latent.to(self._execution_device, torch.float32)
            yield latent if call.options.upsample == "pixel" else upsample_latents(latent)

    def _integrate(self, state: State, steps: int) -> Tensor:
        """Follow the flow from LR latents, anchors in their places, to HR ones (1, C, F, h, w), in Euler steps."""
        if state.is_complete:
            return state.latents
        dtype, device = self.transformer.dtype, state.latents.device
        text = torch.zeros(1, 1, self.transformer.config.text_dim, device=device, dtype=dtype)
        rotary = self.transformer.rotary(state.tau, *state.latents.shape[-2:], device=device)
        times = torch.linspace(1, 0, steps + 1).tolist()
        for t, t_next in itertools.pairwise(times):
            timestep = state.times(t) * self.scheduler.config.num_train_timesteps
            latents = state.latents.to(dtype)
            velocity = self.transformer(latents, timestep, text, return_dict=False, rotary_emb=rotary)[0].float()
            state = state.euler_step(velocity, t, t_next)
        return check_finite(state.latents)
