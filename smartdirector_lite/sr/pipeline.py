"""Director-SR: a small video becomes a large one, and the original keyframes carry the detail (paper: Director-SR).

Flow matching from low-resolution to high-resolution latents, `x_t = (1 - t) z_HR + t z_LR`, `v = z_LR - z_HR`, over the
Multi-Chunk plan of stage one. Where a keyframe is known in full size its latents take the place of the upsampled ones:
an anchor, clean, at timestep 0, which every other latent attends to. Without keyframes it is a plain video
super-resolver.

Latents are restored in windows that overlap and are blended, so that memory does not grow with the video's length, and
in tiles where asked. LR / HR: low / high resolution, half and full size. B is 1 throughout.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from diffusers import AutoencoderKLWan, FlowMatchEulerDiscreteScheduler, WanTransformer3DModel
from diffusers.pipelines.wan.pipeline_output import WanPipelineOutput
from diffusers.utils.torch_utils import get_module_execution_device
from torch import Tensor
from transformers import PreTrainedTokenizerBase, UMT5EncoderModel

from ..gen.base import DirectorPipeline
from ..gen.checks import check_latents, check_numbers, check_output_type, check_texts
from ..gen.conditions import VideoCondition
from ..gen.transformer import DirectorTransformer3DModel
from ..timeline import ChunkPlan, check_int
from ..vae.multichunk import encode_clip, iter_decode, iter_encode
from .options import SROptions, check_upsample
from .restorer import FrameRestorer, Restoration
from .sizes import FACTOR, Sizes, frame_size, large_condition, pad, resize, small_frame, to_bytes, upsample_latents
from .windows import Window, blend_tiles, blend_windows, tiles, windows


class DirectorSRPipeline(DirectorPipeline):
    """Video super-resolution by 2 with keyframes as anchors. Components: see DirectorPipeline.

    Text encoder and tokenizer may be None: the transformer then reads one zero vector in place of a text. upsample:
    how the latents that the flow starts from were enlarged when the transformer was trained, one of UPSAMPLING.
    restorer: puts the decoded frames right; without one they stay as they are.
    """

    _optional_components = [*DirectorPipeline._optional_components, "restorer"]  # noqa: RUF012
    is_wan = False

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
        sigma_data: None = None,
        upsample: str = "latent",
        restorer: FrameRestorer | None = None,
    ):
        check_upsample(upsample)
        parts = tokenizer, text_encoder, vae, scheduler, transformer, transformer_2
        super().__init__(*parts, boundary_ratio, expand_timesteps, sigma_data)
        self.register_modules(restorer=restorer)
        self.register_to_config(upsample=upsample)

    @torch.no_grad()
    def __call__(
        self,
        video: Sequence | np.ndarray | Tensor | None = None,
        conditions: Sequence[VideoCondition] = (),
        scale: float = FACTOR,
        *,
        latents: Tensor | None = None,
        num_frames: int | None = None,
        prompt: str = "",
        prompt_embeds: Tensor | None = None,
        num_inference_steps: int = 4,
        cuts: Sequence[int] = (),
        rope: str = "frame_time",
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
            scale: of width and height. 2 is native; after it the frames are resized to another one.
            latents: instead of `video`, normalised LR latents (1, C, F, h, w), as `DirectorGenPipeline` gives for these
                conditions and cuts; `num_frames` says how many frames they hold.
            prompt, prompt_embeds: for a model with a text encoder; at most one.
            num_inference_steps, rope, upsample, restore, tile: see `SROptions`.
            output_type: as in `DirectorGenPipeline`; "latent" gives HR latents (1, C, F, 2h, 2w).

        Raises:
            ValueError: naming the argument, before any model runs.
        """
        check_output_type(output_type)
        self._check_components()
        if (video is None) == (latents is None):
            raise ValueError("give video or latents, and not both")
        if latents is not None:
            source, size = latents, self._size_of(latents)
        else:
            source = VideoCondition(video=video).frames
            if num_frames not in (None, len(source)):
                raise ValueError(f"num_frames is {num_frames}, but video has {len(source)} frames; leave it out")
            num_frames, size = len(source), frame_size(source[0])
            for frame in source:
                small_frame(frame, size)  # each is checked before any model runs
        plan, sizes = self.plan(num_frames, conditions, cuts), self._sizes(size, scale)
        options = SROptions(num_inference_steps, rope, upsample, restore, tile=tile)
        latents, parts = self._enlarge(plan, source, sizes, conditions, options, prompt, prompt_embeds)
        if output_type == "latent":
            result = torch.cat(list(latents), dim=2)
        else:
            frames = torch.cat([part for _, part in parts], dim=2)
            result = self.video_processor.postprocess_video(frames, output_type=output_type)
        self.maybe_free_model_hooks()
        return WanPipelineOutput(frames=result) if return_dict else (result,)

    def stream(
        self,
        frames: Iterable[np.ndarray] | Tensor,
        num_frames: int,
        size: tuple[int, int],
        conditions: Sequence[VideoCondition] = (),
        scale: float = FACTOR,
        cuts: Sequence[int] = (),
        options: SROptions | None = None,
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Upscale a video of any length as its frames come; memory does not grow with it.

        frames: num_frames uint8 arrays (H, W, 3), or LR latents (1, C, F, h, w). size: their (height, width). The rest
        is as in `__call__`. Returns an iterator over (index of the first frame, uint8 (t, H', W', 3)). ValueError for
        bad arguments at once, for a frame of another size when it comes.
        """
        self._check_components()
        plan, sizes = self.plan(num_frames, conditions, cuts), self._sizes(size, scale)
        return self._as_bytes(self._enlarge(plan, frames, sizes, conditions, options or SROptions())[1])

    @torch.no_grad()
    def _as_bytes(self, parts: Iterator[tuple[int, Tensor]]) -> Iterator[tuple[int, np.ndarray]]:
        for start, part in parts:
            yield start, to_bytes(part)
        self.maybe_free_model_hooks()

    def _check_components(self) -> None:
        for name in ("transformer", "vae"):
            if getattr(self, name) is None:
                raise ValueError(f"{name}: this pipeline was made without one; nothing can be upscaled")

    def _sizes(self, given: tuple[int, int], scale: float) -> Sizes:
        return Sizes.of(given, scale, [max(self.vae_scale_factor_spatial, m // FACTOR) for m in self.size_multiple])

    def _size_of(self, latents: Tensor) -> tuple[int, int]:
        if not isinstance(latents, Tensor) or latents.ndim != 5:
            kind = f"{type(latents).__name__} {tuple(getattr(latents, 'shape', ()))}"
            raise ValueError(f"latents is a {kind}; give a tensor (1, C, F, h, w)")
        return tuple(self.vae_scale_factor_spatial * side for side in latents.shape[-2:])

    def _enlarge(
        self,
        plan: ChunkPlan,
        source: Iterable | Tensor,
        sizes: Sizes,
        conditions: Sequence[VideoCondition],
        options: SROptions,
        prompt: str = "",
        prompt_embeds: Tensor | None = None,
    ) -> tuple[Iterator[Tensor], Iterator[tuple[int, Tensor]]]:
        """HR latents and the frames they make; one of them is to be read. Checks its arguments at once."""
        restore, videos = None, [large_condition(condition, sizes) for condition in conditions]
        if options.restore and self.restorer is not None and not isinstance(source, Tensor):
            source, kept = itertools.tee(source)
            restore = Restoration(self.restorer, plan, kept, videos, sizes.given)
        latents = self._flow(plan, source, sizes, videos, options, prompt, prompt_embeds)
        return latents, self._decoded(plan, latents, sizes, restore)

    @torch.no_grad()
    def _flow(
        self,
        plan: ChunkPlan,
        source: Iterable | Tensor,
        sizes: Sizes,
        videos: list[Tensor],
        options: SROptions,
        prompt: str,
        prompt_embeds: Tensor | None,
    ) -> Iterator[Tensor]:
        """HR latents (1, C, 1, 2h, 2w), one by one, of frames or LR latents. Checks its arguments at once."""
        check_numbers(options.steps, self.scheduler.config.num_train_timesteps, 1.0, 1, 1)
        tau, smallest = plan.tau(options.rope), 2 * max(self.size_multiple)
        upsample = self.config.upsample if options.upsample is None else options.upsample
        check_upsample(upsample)
        if isinstance(source, Tensor):
            cells = (side // self.vae_scale_factor_spatial for side in sizes.padded)
            check_latents(source, (1, self.transformer.config.in_channels, plan.num_latents, *cells))
            if upsample != "latent":
                raise ValueError(f"upsample is {upsample!r}, which needs frames: give them, or upsample='latent'")
        if options.tile is not None:
            check_int("tile", options.tile, smallest)
        spans = windows(plan.num_latents, options.window, options.overlap)
        embeds = self._text(prompt, prompt_embeds)
        latents = self._upsampled(plan, source, sizes, upsample)
        cells = None if options.tile is None else options.tile // self.vae_scale_factor_spatial
        anchored = torch.tensor(plan.anchors, device=self._execution_device).view(1, 1, -1, 1, 1)

        def restore(span: Window, latents: Tensor) -> Tensor:
            inside, whole = slice(span.start, span.stop), latents.shape[-2:]
            fixed, place = anchored[:, :, inside], tau[inside]
            parts = [
                (box, self._integrate(latents[..., box.rows, box.columns], fixed, place, embeds, options.steps))
                for box in tiles(whole, cells, self.transformer.config.patch_size[1:])
            ]
            bar.update()
            if span is spans[-1]:
                bar.close()
            return blend_tiles(parts, whole)

        bar = self.progress_bar(total=len(spans))
        return blend_windows(spans, latents, self._anchors(plan, videos), restore)

    def _anchors(self, plan: ChunkPlan, videos: list[Tensor]) -> dict[int, Tensor]:
        """The conditions' HR latents, (1, C, 1, 2h, 2w) each, by their place among the plan's."""
        device, anchors = get_module_execution_device(self.vae), {}
        for chunk in plan.chunks:
            if chunk.condition is not None:
                encoded = encode_clip(self.vae, videos[chunk.condition].to(device)).to(self._execution_device)
                anchors |= {chunk.latent_start + i: part for i, part in enumerate(encoded.split(1, dim=2))}
        return anchors

    def _upsampled(self, plan: ChunkPlan, source: Iterable | Tensor, sizes: Sizes, upsample: str) -> Iterator[Tensor]:
        """The LR latents at twice the size, one by one: what the flow starts from."""
        if isinstance(source, Tensor):
            small: Iterable[Tensor] = source.split(1, dim=2)
        else:
            device = get_module_execution_device(self.vae)
            padded = (pad(small_frame(frame, sizes.given), sizes.padded).to(device) for frame in source)
            if upsample == "pixel":
                padded = (resize(frame, tuple(FACTOR * side for side in sizes.padded)) for frame in padded)
            small = iter_encode(self.vae, plan, padded)
        for latent in small:
            latent = latent.to(self._execution_device, torch.float32)
            yield latent if upsample == "pixel" else upsample_latents(latent)

    def _integrate(self, latents: Tensor, anchored: Tensor, tau: list[float], embeds: Tensor, steps: int) -> Tensor:
        """The flow from LR latents (1, C, F, h, w), anchors in their places, to HR ones, in Euler steps."""
        anchors, free = latents, ~anchored.view(1, -1)
        if anchored.all():
            return latents
        rotary = self.transformer.rotary(tau, *latents.shape[-2:], device=latents.device)
        times = torch.linspace(1, 0, steps + 1).tolist()
        for t, t_next in itertools.pairwise(times):
            timestep = free * t * self.scheduler.config.num_train_timesteps
            velocity = self.transformer(
                latents.to(self.transformer.dtype), timestep, embeds, return_dict=False, rotary_emb=rotary
            )[0].float()
            latents = torch.where(anchored, anchors, latents - (t - t_next) * velocity)
        return latents

    def _text(self, prompt: str, prompt_embeds: Tensor | None) -> Tensor:
        """(1, L, D) embeddings; one zero vector for a model without a text encoder."""
        device, dtype, text_dim = self._execution_device, self.transformer.dtype, self.transformer.config.text_dim
        has_encoder = self.text_encoder is not None and self.tokenizer is not None
        if prompt or prompt_embeds is not None:
            given = (prompt or None, None), (prompt_embeds, None)
            if check_texts(*given, False, has_encoder, text_dim) != 1:
                raise ValueError("prompt: give one text, since there is one video")
        if prompt_embeds is not None:
            return prompt_embeds.to(device, dtype)
        if not has_encoder:
            return torch.zeros(1, 1, text_dim, device=device, dtype=dtype)
        self._guidance_scale = 1.0
        return self._embed((prompt, None), (None, None), 1, 512)[0]

    def _decoded(
        self, plan: ChunkPlan, restored: Iterator[Tensor], sizes: Sizes, restore: Restoration | None
    ) -> Iterator[tuple[int, Tensor]]:
        """(index, frames (1, 3, t, H, W) in [-1, 1]) in the size that was asked for, the padding cut off."""
        device = get_module_execution_device(self.vae)
        parts = iter_decode(self.vae, plan, (latent.to(device) for latent in restored))
        parts = ((start, frames[..., : sizes.native[0], : sizes.native[1]]) for start, frames in parts)
        for start, frames in parts if restore is None else restore(parts):
            yield start, frames if sizes.out == sizes.native else resize(frames, sizes.out)
