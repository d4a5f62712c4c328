"""Director-Gen: text and keyframes at chosen frames become a video (SmartDirector, arXiv 2605.27891, stage one).

What it adds to diffusers' `WanPipeline` is the chunk plan: anchors are encoded first and stay clean (timestep 0) while
the other latents are denoised. With one keyframe at frame 0 that is what Wan 2.2 TI2V does; without any, plain Wan.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from diffusers.callbacks import MultiPipelineCallbacks, PipelineCallback
from diffusers.pipelines.wan.pipeline_output import WanPipelineOutput
from diffusers.utils.torch_utils import get_module_execution_device, randn_tensor
from torch import Tensor

from ..timeline import ChunkPlan
from ..vae.causal import release
from ..vae.multichunk import decode, encode_conditions
from .base import DirectorPipeline
from .checks import check_latents, check_numbers, check_output_type, check_texts
from .conditions import VideoCondition
from .preconditioning import to_velocity


class DirectorGenPipeline(DirectorPipeline):
    """Keyframe-conditioned video generation with Multi-Chunk latents and MC-RoPE. Components: see DirectorPipeline.

    Without conditions it makes what diffusers' `WanPipeline` makes; with one keyframe at frame 0, on Wan 2.2 TI2V, what
    `WanImageToVideoPipeline` makes; both within rounding. Not as in diffusers, and why:

    - `num_frames` is exact (diffusers rounds to 4k + 1). A size that does not fit the model, latents of another shape,
      another output type are errors before a model runs (diffusers rounds the size down, and trusts the rest).
    - A keyframe of another shape than the frame is cropped, not stretched.
    - What a callback sees at an anchor is the anchor, and it can't change it (diffusers: noise, until the end). Where
      everything is given there is nothing to denoise: no step, no callback.
    - A callback that sets `_guidance_scale` sets the scale of the next step (in diffusers' Wan, only guidance or none).
    - Guidance and scheduler compute in float32, whatever the transformer's dtype; diffusers rounds to that dtype.
    - A scheduler that draws noise as it goes (`stochastic_sampling`) draws it from `generator` (diffusers' Wan: from
      torch's own).
    - Given embeddings of several prompts are repeated for `num_videos_per_prompt`; diffusers fails on them.
    - Texts are padded to the tokenizer's `model_max_length`, if that is less than `max_sequence_length`.
    - No `guidance_scale_2`, no `image_embeds`: such models are refused. `last_image` is a condition at the last frame.
    """

    @torch.no_grad()
    def __call__(
        self,
        prompt: str | list[str] | None = None,
        negative_prompt: str | list[str] | None = None,
        height: int = 480,
        width: int = 832,
        num_frames: int = 81,
        num_inference_steps: int = 50,
        guidance_scale: float = 5.0,
        num_videos_per_prompt: int = 1,
        generator: torch.Generator | list[torch.Generator] | None = None,
        latents: Tensor | None = None,
        prompt_embeds: Tensor | None = None,
        negative_prompt_embeds: Tensor | None = None,
        output_type: str = "np",
        return_dict: bool = True,
        attention_kwargs: dict[str, Any] | None = None,
        callback_on_step_end: Callable | PipelineCallback | MultiPipelineCallbacks | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
        max_sequence_length: int = 512,
        *,
        conditions: Sequence[VideoCondition] = (),
        cuts: Sequence[int] = (),
        rope: str = "frame_time",
    ) -> WanPipelineOutput | tuple:
        """Generate videos. The arguments are those of `WanPipeline`, in its order, except for these.

        conditions: keyframes and clips, anywhere and in any order; the same for every prompt of a batch. cuts: first
        frames of the later shots, each the start of a chunk. num_frames: any number from 1. rope: a scheme of
        `ChunkPlan.tau`. latents: (B, C, F, h, w) noise to start from, F the plan's latents. output_type: "pil", "np"
        (B, T, H, W, 3) in [0, 1], "pt" (B, T, 3, H, W) in [0, 1], or "latent" (B, C, F, h, w), normalised, anchors
        included. ValueError, naming the argument, before any model runs.
        """
        if isinstance(callback_on_step_end, PipelineCallback | MultiPipelineCallbacks):
            callback_on_step_end_tensor_inputs = callback_on_step_end.tensor_inputs
        self._guidance_scale, self._attention_kwargs = guidance_scale, attention_kwargs
        self._current_timestep, self._interrupt = None, False
        self._check_components(output_type, conditions)
        self.check_size(height, width)
        max_steps = self.scheduler.config.num_train_timesteps
        check_numbers(num_inference_steps, max_steps, guidance_scale, num_videos_per_prompt, max_sequence_length)
        texts, embeds = (prompt, negative_prompt), (prompt_embeds, negative_prompt_embeds)
        has_encoder = self.text_encoder is not None and self.tokenizer is not None
        text_dim, guided = self.transformer.config.text_dim, self.do_classifier_free_guidance
        num_prompts = check_texts(texts, embeds, guided, has_encoder, text_dim)
        names = list(callback_on_step_end_tensor_inputs)
        self.check_inputs(*texts, 16, 16, *embeds, names)  # 16: the size was checked, by the model's own ratios
        plan = self.plan(num_frames, conditions, cuts)
        tau = plan.tau(rope, self.config.cut_gap)
        videos = [condition.to_tensor(height, width) for condition in conditions]
        noise = self._noise(plan, num_prompts * num_videos_per_prompt, height, width, generator, latents)

        embeds = self._embed(texts, embeds, num_videos_per_prompt, max_sequence_length)
        start, anchored = self._place_anchors(plan, videos, noise)
        run = (num_inference_steps, generator, callback_on_step_end, names)
        latents = self._denoise(start, anchored, tau, *embeds, *run)
        video = self._decode(plan, latents, output_type)
        self.maybe_free_model_hooks()
        return WanPipelineOutput(frames=video) if return_dict else (video,)

    def _check_components(self, output_type: str, conditions: Sequence[VideoCondition]) -> None:
        check_output_type(output_type)
        if self.transformer is None:
            raise ValueError("transformer: this pipeline was made without one; nothing can be generated")
        if self.vae is None and (conditions or output_type != "latent"):
            raise ValueError("vae: this pipeline was made without one; give no conditions, and output_type='latent'")

    def _noise(self, plan: ChunkPlan, batch_size: int, height: int, width: int, generator, latents) -> Tensor:
        """Standard normal (B, C, F, h, w), or the `latents` that were given, float32, where the models run."""
        ratio, device = self.vae_scale_factor_spatial, self._execution_device
        shape = (batch_size, self.transformer.config.in_channels, plan.num_latents, height // ratio, width // ratio)
        if latents is not None:
            check_latents(latents, shape)
            return latents.to(device, torch.float32)
        if isinstance(generator, list) and len(generator) != batch_size:
            raise ValueError(f"generator: {len(generator)} for {batch_size} videos; give one each, or one for all")
        return randn_tensor(shape, generator=generator, device=device, dtype=torch.float32)

    def _place_anchors(self, plan: ChunkPlan, videos: list[Tensor], noise: Tensor) -> tuple[Tensor, Tensor]:
        """The latents to start from, (B, C, F, h, w), and which are anchors, (1, 1, F, 1, 1)."""
        anchored = torch.tensor(plan.anchors, device=noise.device).view(1, 1, -1, 1, 1)
        if not videos:
            return noise, anchored
        device = get_module_execution_device(self.vae)
        encoded = encode_conditions(self.vae, plan, [video.to(device) for video in videos])
        release(self.vae)
        return torch.where(anchored, encoded.to(noise), noise), anchored

    def _denoise(
        self,
        latents: Tensor,
        anchored: Tensor,
        tau: list[float],
        prompt_embeds: Tensor,
        negative_prompt_embeds: Tensor | None,
        num_inference_steps: int,
        generator: torch.Generator | list[torch.Generator] | None,
        callback: Callable | None,
        callback_tensors: list[str],
    ) -> Tensor:
        """Integrate the flow from noise to data; anchors are clean (timestep 0) and stay as they are."""
        self.scheduler.set_timesteps(num_inference_steps, device=latents.device)
        self.scheduler.set_begin_index(0)
        timesteps = self.scheduler.timesteps
        self._num_timesteps = len(timesteps)
        if anchored.all():  # nothing to generate
            return latents
        anchors, free = latents, ~anchored.view(1, -1)
        rotary = self.transformer.rotary(tau, *latents.shape[-2:], device=latents.device)
        warmup = len(timesteps) - num_inference_steps * self.scheduler.order
        draws = "generator" in inspect.signature(self.scheduler.step).parameters
        options = {"return_dict": False, **({"generator": generator} if draws else {})}
        with self.progress_bar(total=num_inference_steps) as progress_bar:
            for i, t in enumerate(timesteps):
                if self.interrupt:
                    continue
                self._current_timestep = t
                timestep = (free * t).expand(len(latents), -1)
                velocity = self._velocity(i, latents, timestep, rotary, prompt_embeds, negative_prompt_embeds)
                latents = self.scheduler.step(velocity, t, latents, **options)[0]
                latents = torch.where(anchored, anchors, latents)
                if callback is not None:
                    now = {"latents": latents, "prompt_embeds": prompt_embeds}
                    now["negative_prompt_embeds"] = negative_prompt_embeds
                    changed = callback(self, i, t, {name: now[name] for name in callback_tensors})
                    latents = torch.where(anchored, anchors, changed.pop("latents", latents))
                    prompt_embeds = changed.pop("prompt_embeds", prompt_embeds)
                    negative_prompt_embeds = changed.pop("negative_prompt_embeds", negative_prompt_embeds)
                if i == len(timesteps) - 1 or ((i + 1) > warmup and (i + 1) % self.scheduler.order == 0):
                    progress_bar.update()
        self._current_timestep = None
        return latents

    def _velocity(self, step: int, latents, timestep, rotary, prompt_embeds, negative_prompt_embeds) -> Tensor:
        """Guided velocity v = x_1 - x_0, (B, C, F, h, w), float32, so that the scheduler keeps the latents so."""

        def predict(name: str, embeds: Tensor) -> Tensor:
            context = {"step_index": step, "sigma": float(self.scheduler.sigmas[step])}
            with self.transformer.cache_context(name, **context, num_inference_steps=self._num_timesteps):
                output = self.transformer(
                    latents.to(self.transformer.dtype),
                    timestep,
                    embeds,
                    attention_kwargs=self.attention_kwargs,
                    return_dict=False,
                    rotary_emb=rotary,
                )[0].float()
            t = timestep / self.scheduler.config.num_train_timesteps
            return to_velocity(output, latents, t, self.config.sigma_data)

        velocity = predict("cond", prompt_embeds)
        if self.do_classifier_free_guidance:
            unconditional = predict("uncond", negative_prompt_embeds)
            velocity = unconditional + self.guidance_scale * (velocity - unconditional)
        return velocity

    def _decode(self, plan: ChunkPlan, latents: Tensor, output_type: str):
        if output_type == "latent":
            return latents
        video = decode(self.vae, plan, latents.to(get_module_execution_device(self.vae)))
        return self.video_processor.postprocess_video(video, output_type=output_type)
