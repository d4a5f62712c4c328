"""Director-Gen: text and keyframes at chosen frames become a video (SmartDirector, stage one).

A subclass of diffusers' `WanPipeline`: prompt encoding, LoRA loading and the offloading hooks are its own. What is added is
the chunk plan: anchors are encoded first and stay clean (timestep 0) while the other latents are denoised.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from diffusers import WanPipeline
from diffusers.callbacks import MultiPipelineCallbacks, PipelineCallback
from diffusers.pipelines.wan.pipeline_output import WanPipelineOutput
from diffusers.utils import logging
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor

from ..multichunk import decode, encode_conditions
from ..timeline import ChunkPlan
from ..transformer import DirectorTransformer3DModel
from .conditions import VideoCondition

logger = logging.get_logger(__name__)


class DirectorGenPipeline(WanPipeline):
    """Keyframe-conditioned video generation with Multi-Chunk latents and MC-RoPE.

    Components are those of `WanPipeline` (vae, transformer, scheduler, text_encoder, tokenizer); a plain
    `WanTransformer3DModel`, as the hub's Wan folders hold, is adopted as a `DirectorTransformer3DModel` in place.
    `text_encoder` and `tokenizer` may be None when prompt embeddings are given. Raises ValueError for a two-transformer
    model (Wan 2.2 A14B).
    """

    _optional_components = ["text_encoder", "tokenizer", "transformer_2"]

    def __init__(
        self, tokenizer, text_encoder, vae, scheduler, transformer=None, transformer_2=None, boundary_ratio=None, expand_timesteps=True
    ):  # fmt: skip
        if transformer_2 is not None or boundary_ratio is not None:
            raise ValueError("transformer_2: models of two transformers (Wan 2.2 A14B) are not supported; use Wan 2.1 T2V or Wan 2.2 TI2V")
        if transformer is not None:
            transformer = DirectorTransformer3DModel.adopt(transformer)
        super().__init__(tokenizer, text_encoder, vae, scheduler, transformer, None, None, expand_timesteps)

    @property
    def size_multiple(self) -> tuple[int, int]:
        """Height and width must be multiples of these, in pixels."""
        _, patch_height, patch_width = self.transformer.config.patch_size
        return self.vae_scale_factor_spatial * patch_height, self.vae_scale_factor_spatial * patch_width

    def check_size(self, height: int, width: int) -> None:
        """ValueError if the model can't take this size; the message says which it can."""
        down, across = self.size_multiple
        if height < down or width < across or height % down or width % across:
            near = max(down, round(height / down) * down), max(across, round(width / across) * across)
            raise ValueError(
                f"size {width}x{height}: the width must be a multiple of {across} and the height of {down}; the nearest is {near[1]}x{near[0]}"
            )

    def plan(self, num_frames: int, conditions: Sequence[VideoCondition] = (), cuts: Sequence[int] = ()) -> ChunkPlan:
        """The chunks that a call with these arguments works in."""
        placements = [condition.placement() for condition in conditions]
        return ChunkPlan.build(num_frames, placements, self.vae_scale_factor_temporal, cuts)

    @torch.no_grad()
    def __call__(
        self, prompt: str | list[str] | None = None, negative_prompt: str | list[str] | None = None,
        conditions: Sequence[VideoCondition] = (), num_frames: int = 81, height: int = 480, width: int = 832, cuts: Sequence[int] = (),
        num_inference_steps: int = 50, guidance_scale: float = 5.0, num_videos_per_prompt: int = 1,
        generator: torch.Generator | list[torch.Generator] | None = None, latents: Tensor | None = None,
        prompt_embeds: Tensor | None = None, negative_prompt_embeds: Tensor | None = None, rope: str = "frame_time",
        output_type: str = "np", return_dict: bool = True, attention_kwargs: dict[str, Any] | None = None,
        callback_on_step_end: Callable | PipelineCallback | MultiPipelineCallbacks | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",), max_sequence_length: int = 512,
    ) -> WanPipelineOutput | tuple:  # fmt: skip
        """Generate videos.

        conditions: keyframes and clips, anywhere and in any order; the same for every prompt of a batch. cuts: first frames of
        the later shots, each the start of a chunk. num_frames: any number from 1. rope: a scheme of `ChunkPlan.tau`.
        latents: (B, C, F, h, w) noise to start from, F = the plan's latents. output_type: "pil", "np" (B, T, H, W, 3) in
        [0, 1], "pt" (B, T, 3, H, W) in [0, 1] or "latent" (B, C, F, h, w), normalised, anchors included. The other
        arguments are those of `WanPipeline`. Raises ValueError, naming the argument, before anything is computed.
        """
        if isinstance(callback_on_step_end, PipelineCallback | MultiPipelineCallbacks):
            callback_on_step_end_tensor_inputs = callback_on_step_end.tensor_inputs
        self.check_size(height, width)
        if num_inference_steps < 1:
            raise ValueError(f"num_inference_steps = {num_inference_steps}: give 1 or more")
        if output_type not in ("pil", "np", "pt", "latent"):
            raise ValueError(f"output_type = {output_type!r}: give pil, np, pt or latent")
        self.check_inputs(
            prompt, negative_prompt, 16, 16, prompt_embeds, negative_prompt_embeds, list(callback_on_step_end_tensor_inputs)
        )
        plan = self.plan(num_frames, conditions, cuts)
        tau = plan.tau(rope)
        self._guidance_scale, self._attention_kwargs = guidance_scale, attention_kwargs
        self._current_timestep, self._interrupt = None, False
        device = self._execution_device

        prompt_embeds, negative_prompt_embeds = self._embed(
            prompt, negative_prompt, num_videos_per_prompt, prompt_embeds, negative_prompt_embeds, max_sequence_length, device
        )
        batch_size = prompt_embeds.shape[0]
        noise = self._noise(plan, batch_size, height, width, generator, latents, device)
        anchored = torch.tensor(plan.anchors, device=device).view(1, 1, -1, 1, 1)
        anchors = torch.zeros_like(noise)
        if plan.conditions:
            videos = [condition.to_tensor(height, width).to(device) for condition in conditions]
            anchors = encode_conditions(self.vae, plan, videos).to(noise).expand_as(noise)
        latents = torch.where(anchored, anchors, noise)
        latents = self._denoise(
            latents, anchored, tau, prompt_embeds, negative_prompt_embeds, num_inference_steps, callback_on_step_end,
            callback_on_step_end_tensor_inputs,
        )  # fmt: skip
        video = latents
        if output_type != "latent":
            video = self.video_processor.postprocess_video(decode(self.vae, plan, latents), output_type=output_type)
        self.maybe_free_model_hooks()
        return WanPipelineOutput(frames=video) if return_dict else (video,)

    def _embed(self, prompt, negative_prompt, copies, prompt_embeds, negative_prompt_embeds, max_length, device):
        """Prompt and negative embeddings in the transformer's dtype; the tokenizer's own limit on the length counts too."""
        if prompt is not None:
            if self.text_encoder is None or self.tokenizer is None:
                raise ValueError("prompt: this pipeline has no text encoder; give prompt_embeds (and negative_prompt_embeds) instead")
            max_length = min(max_length, self.tokenizer.model_max_length)
            for text in [prompt] if isinstance(prompt, str) else prompt:
                tokens = len(self.tokenizer(text).input_ids)
                if tokens > max_length:
                    logger.warning(f"prompt has {tokens} tokens; the model reads the first {max_length}")
        elif self.do_classifier_free_guidance and negative_prompt_embeds is None and self.text_encoder is None:
            raise ValueError("negative_prompt_embeds: needed with prompt_embeds and guidance_scale > 1 where there is no text encoder")
        embeds = self.encode_prompt(
            prompt, negative_prompt, self.do_classifier_free_guidance, copies, prompt_embeds, negative_prompt_embeds,
            max_sequence_length=max_length, device=device,
        )  # fmt: skip
        return tuple(None if e is None else e.to(self.transformer.dtype) for e in embeds)

    def _noise(self, plan: ChunkPlan, batch_size: int, height: int, width: int, generator, latents, device) -> Tensor:
        ratio = self.vae_scale_factor_spatial
        shape = (batch_size, self.transformer.config.in_channels, plan.num_latents, height // ratio, width // ratio)
        if latents is not None:
            if tuple(latents.shape) != shape:
                raise ValueError(f"latents have shape {tuple(latents.shape)}; this plan needs {shape}")
            return latents.to(device, torch.float32)
        if isinstance(generator, list) and len(generator) != batch_size:
            raise ValueError(f"generator: {len(generator)} generators for {batch_size} videos; give one a video, or one for all")
        return randn_tensor(shape, generator=generator, device=device, dtype=torch.float32)

    def _denoise(
        self, latents: Tensor, anchored: Tensor, tau: list[float], prompt_embeds: Tensor, negative_prompt_embeds: Tensor | None,
        num_inference_steps: int, callback: Callable | None, callback_tensors: Sequence[str],
    ) -> Tensor:  # fmt: skip
        """Integrate the flow from noise to data; `anchored: (1, 1, F, 1, 1)` latents are clean and stay as they are."""
        self.scheduler.set_timesteps(num_inference_steps, device=latents.device)
        self.scheduler.set_begin_index(0)
        timesteps = self.scheduler.timesteps
        self._num_timesteps = len(timesteps)
        if anchored.all():  # nothing to generate
            return latents
        anchors, free = latents, ~anchored.view(1, -1)
        rotary = self.transformer.rotary(tau, *latents.shape[-2:], device=latents.device)
        warmup = len(timesteps) - num_inference_steps * self.scheduler.order
        with self.progress_bar(total=num_inference_steps) as progress_bar:
            for i, t in enumerate(timesteps):
                if self.interrupt:
                    continue
                self._current_timestep = t
                timestep = (free * t).expand(len(latents), -1)
                velocity = self._velocity(i, latents, timestep, rotary, prompt_embeds, negative_prompt_embeds)
                latents = self.scheduler.step(velocity, t, latents, return_dict=False)[0]
                latents = torch.where(anchored, anchors, latents)
                if callback is not None:
                    names = {"latents": latents, "prompt_embeds": prompt_embeds, "negative_prompt_embeds": negative_prompt_embeds}
                    changed = callback(self, i, t, {name: names[name] for name in callback_tensors})
                    latents = changed.pop("latents", latents)
                    prompt_embeds = changed.pop("prompt_embeds", prompt_embeds)
                    negative_prompt_embeds = changed.pop("negative_prompt_embeds", negative_prompt_embeds)
                if i == len(timesteps) - 1 or ((i + 1) > warmup and (i + 1) % self.scheduler.order == 0):
                    progress_bar.update()
        self._current_timestep = None
        return latents

    def _velocity(self, step: int, latents, timestep, rotary, prompt_embeds, negative_prompt_embeds) -> Tensor:
        """Guided velocity v = x_1 - x_0, (B, C, F, h, w)."""

        def predict(name: str, embeds: Tensor) -> Tensor:
            with self.transformer.cache_context(
                name, step_index=step, sigma=float(self.scheduler.sigmas[step]), num_inference_steps=self._num_timesteps
            ):
                return self.transformer(
                    latents.to(self.transformer.dtype), timestep, embeds, attention_kwargs=self.attention_kwargs,
                    return_dict=False, rotary_emb=rotary,
                )[0]  # fmt: skip

        velocity = predict("cond", prompt_embeds)
        if self.do_classifier_free_guidance:
            unconditional = predict("uncond", negative_prompt_embeds)
            velocity = unconditional + self.guidance_scale * (velocity - unconditional)
        return velocity
