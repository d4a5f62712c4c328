"""Director-Gen: text and keyframes at chosen frames become a video (SmartDirector, arXiv 2605.27891, stage one).

The pipeline adds the chunk plan to diffusers' `WanPipeline`. Anchors are encoded first. They stay clean, at timestep 0,
while the other latents are denoised. With one keyframe at frame 0 this is what Wan 2.2 TI2V does, and without any it is
plain Wan.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from diffusers import (
    AutoencoderKLWan,
    FlowMatchEulerDiscreteScheduler,
    FlowMatchHeunDiscreteScheduler,
    FlowMatchLCMScheduler,
    SchedulerMixin,
    WanPipeline,
    WanTransformer3DModel,
)
from diffusers.callbacks import MultiPipelineCallbacks, PipelineCallback
from diffusers.pipelines.wan.pipeline_output import WanPipelineOutput
from diffusers.utils.torch_utils import get_module_execution_device, randn_tensor
from torch import Tensor
from transformers import PreTrainedTokenizerBase, UMT5EncoderModel

from ..flow import State, precondition, spread
from ..media.size import Size
from ..timeline import ChunkPlan, as_list, check_int, check_number, check_one_of
from ..vae.causal import check_shape, release
from ..vae.multichunk import decode, encode_conditions
from .base import OUTPUT_TYPES, Conditions, Cuts, DirectorPipeline, check_finite, in_turn
from .prompt import MAX_TOKENS, Prompt, check_floats
from .transformer import TRAINED_WITH, DirectorTransformer3DModel, given_or_trained

MAX_GUIDANCE = 100
TIMESTEPS = 1000  # that Wan counts from clean to noise
MAX_VIDEOS = 1000  # of one prompt
FLOW_SCHEDULERS = (FlowMatchEulerDiscreteScheduler, FlowMatchHeunDiscreteScheduler, FlowMatchLCMScheduler)


class DirectorGenPipeline(DirectorPipeline):
    """Keyframe-conditioned video generation with Multi-Chunk latents and MC-RoPE. Components: see DirectorPipeline.

    Without conditions it makes what diffusers' `WanPipeline` makes. With one keyframe at frame 0, on Wan 2.2 TI2V, it
    makes what `WanImageToVideoPipeline` makes. Both hold within rounding. It differs from diffusers in these points:

    - `num_frames` is exact, where diffusers rounds to 4k + 1. A size that does not fit the model, latents of another
      shape and an unknown output type are errors before a model runs, where diffusers rounds the size down.
    - A keyframe of another shape than the frame is cropped, not stretched.
    - A callback sees the anchors as they are and can't change them. Diffusers shows noise there until the end. Where
      every frame is given there is no step and no callback.
    - A callback that sets `_guidance_scale` sets the scale of the next step. In diffusers it only turns guidance off.
    - Guidance and scheduler compute in float32. Diffusers rounds to the transformer's dtype.
    - A scheduler that draws noise in each step (`stochastic_sampling`) draws it from `generator`.
    - Given embeddings of several prompts are repeated for `num_videos_per_prompt`, where diffusers fails.
    - Texts are padded to the tokenizer's `model_max_length` if that is less than `max_sequence_length`.
    - There is no `guidance_scale_2` and no `image_embeds`. What `last_image` does, a condition at the last frame does.
    """

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
        cut_gap: float | None = None,
        tau_scheme: str | None = None,
    ):
        """Make a pipeline of its components. How the weights were trained is taken from the transformer's config.

        Args:
            sigma_data: where the config does not say it: for a transformer trained behind a skip, see
                `flow.precondition`; Wan's have none.
            cut_gap: where the config does not say it: what the temporal index gains at each cut, see `ChunkPlan.tau`; 0
                or more, 0 for Wan's weights.
            tau_scheme: where the config does not say it: the scheme of `ChunkPlan.tau` that the weights were trained
                with; "frame_time" for Wan's.

        Raises:
            ValueError: for numbers out of range, and for components that `DirectorPipeline.adopt` refuses.
        """
        trained = given_or_trained(transformer, sigma_data=sigma_data, cut_gap=cut_gap, tau_scheme=tau_scheme)
        if trained["sigma_data"] is not None and not check_number("sigma_data", trained["sigma_data"], 0):
            raise ValueError("sigma_data = 0: give more than 0, or None")
        check_number("cut_gap", trained["cut_gap"], 0)
        transformer = self.adopt(transformer, vae, transformer_2 or boundary_ratio, trained)
        super().__init__(tokenizer, text_encoder, vae, scheduler, transformer, None, None, expand_timesteps)
        self.register_to_config(**trained)

    def model_index(self, index: dict) -> dict:
        """Return what model_index.json says: `WanPipeline`, unless there is more to say than that reads."""
        index = super().model_index(index)
        if TRAINED_WITH.keys().isdisjoint(index):
            index["_class_name"] = WanPipeline.__name__
        return index

    @torch.no_grad()  # as in a call: with gradients the encoder takes other kernels, which round otherwise
    def encode_prompt(
        self,
        prompt: str | list[str] | None,
        negative_prompt: str | list[str] | None = None,
        do_classifier_free_guidance: bool = True,
        num_videos_per_prompt: int = 1,
        prompt_embeds: Tensor | None = None,
        negative_prompt_embeds: Tensor | None = None,
        max_sequence_length: int = MAX_TOKENS,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Embed texts as a call does: padded to `max_sequence_length`, but no further than the tokenizer's limit."""
        if self.tokenizer is not None:  # a model must not see longer padding than in training
            max_sequence_length = min(max_sequence_length, self.tokenizer.model_max_length)
        words = (prompt, negative_prompt, do_classifier_free_guidance, num_videos_per_prompt)
        return super().encode_prompt(*words, prompt_embeds, negative_prompt_embeds, max_sequence_length, device, dtype)

    @torch.no_grad()
    @in_turn
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
        max_sequence_length: int = MAX_TOKENS,
        *,
        conditions: Conditions = (),
        cuts: Cuts = (),
        rope: str | None = None,
    ) -> WanPipelineOutput | tuple:
        """Generate videos. The arguments are those of `WanPipeline`, in its order, except for these.

        Args:
            num_frames: any number from 1.
            guidance_scale: up to MAX_GUIDANCE.
            latents: (B, C, F, h, w) noise to start from, F being the number of the plan's latents.
            output_type: "pil"; "np" for (B, T, H, W, 3) in [0, 1]; "pt" for (B, T, 3, H, W) in [0, 1]; or "latent" for
                normalised latents (B, C, F, h, w), anchors included.
            conditions: keyframes and clips, anywhere and in any order; the same for every prompt of a batch.
            cuts: the first frames of the later shots; each begins a chunk.
            rope: a scheme of `ChunkPlan.tau`; None takes that of the weights.

        Raises:
            ValueError: naming the argument, before any model runs.
            FloatingPointError: the model gave values that are not finite.
        """
        check_one_of("output_type", output_type, OUTPUT_TYPES)
        conditions = as_list(conditions)
        steps = self.check_call(num_inference_steps, needs_vae=bool(conditions) or output_type != "latent")
        check_scheduler(self.scheduler)
        size = self.check_size(Size(width, height))
        num_videos_per_prompt = check_int("num_videos_per_prompt", num_videos_per_prompt, 1, MAX_VIDEOS)
        max_sequence_length = check_int("max_sequence_length", max_sequence_length, 1, MAX_TOKENS)
        self._guidance_scale = check_number("guidance_scale", guidance_scale, 0, MAX_GUIDANCE)
        if not isinstance(attention_kwargs, dict | None):
            raise ValueError(f"attention_kwargs is a {type(attention_kwargs).__name__}; give a dict or None")
        self._attention_kwargs, self._current_timestep, self._interrupt = attention_kwargs, None, False
        words = Prompt(prompt, negative_prompt, prompt_embeds, negative_prompt_embeds)
        num_videos = num_videos_per_prompt * words.check(self)
        generator = _generators(generator, num_videos)
        names = self._callback_names(callback_on_step_end, callback_on_step_end_tensor_inputs)
        plan = self.plan(num_frames, conditions, cuts)
        tau = plan.tau(self.config.tau_scheme if rope is None else rope, self.config.cut_gap)
        videos = [condition.to_tensor(size) for condition in conditions]
        noise = self._noise(plan, num_videos, size, generator, latents)

        embeds = words.embed(self, num_videos_per_prompt, max_sequence_length)
        state = self._start(plan, videos, noise, tau)
        latents = check_finite(self._denoise(state, embeds, steps, generator, callback_on_step_end, names))
        result = latents
        if output_type != "latent":
            video = check_finite(decode(self.vae, plan, latents.to(get_module_execution_device(self.vae))))
            result = self.video_processor.postprocess_video(video, output_type=output_type)
        self.maybe_free_model_hooks()
        return WanPipelineOutput(frames=result) if return_dict else (result,)

    def _callback_names(self, callback: object, names: Sequence[str] | str | None) -> list[str]:
        """The names of the tensors that a callback is to see. ValueError for an unknown one, and for no callback."""
        if callback is not None and not callable(callback):
            raise ValueError(f"callback_on_step_end is a {type(callback).__name__}; give a function, or None")
        if isinstance(callback, PipelineCallback | MultiPipelineCallbacks):
            names = callback.tensor_inputs
        names = [names] if isinstance(names, str) else as_list(names)
        for name in names:
            check_one_of("callback_on_step_end_tensor_inputs: each", name, self._callback_tensor_inputs)
        return names

    def _noise(self, plan: ChunkPlan, num_videos: int, size: Size, generator, latents: Tensor | None) -> Tensor:
        """Standard normal (B, C, F, h, w), or the latents that were given; float32, on the models' device."""
        ratio, device = self.vae_scale_factor_spatial, self._execution_device
        channels = self.transformer.config.in_channels
        shape = (num_videos, channels, plan.num_latents, size.height // ratio, size.width // ratio)
        if latents is not None:
            check_floats("latents", latents, *shape)
            return latents.to(device, torch.float32)
        return randn_tensor(shape, generator=generator, device=device, dtype=torch.float32)

    def _start(self, plan: ChunkPlan, videos: list[Tensor], noise: Tensor, tau: list[float]) -> State:
        """The state to start from: encoded conditions at the anchors, noise everywhere else."""
        anchored = torch.tensor(plan.anchors, device=noise.device)
        if videos:
            device = get_module_execution_device(self.vae)
            encoded = encode_conditions(self.vae, plan, [video.to(device) for video in videos])
            release(self.vae)
            noise = torch.where(spread(anchored), encoded.to(noise), noise)
        return State(noise, anchored, tau)

    def _denoise(
        self,
        state: State,
        embeds: tuple[Tensor, Tensor | None],
        steps: int,
        generator: torch.Generator | list[torch.Generator] | None,
        callback: Callable | None,
        callback_tensors: list[str],
    ) -> Tensor:
        """Follow the flow from noise to data, (B, C, F, h, w); the anchors stay as they are."""
        self.scheduler.set_timesteps(steps, device=state.latents.device)
        self.scheduler.set_begin_index(0)
        timesteps = self.scheduler.timesteps
        self._num_timesteps = len(timesteps)
        if state.is_complete:
            return state.latents
        rotary = self.transformer.rotary(state.tau, *state.latents.shape[-2:], device=state.latents.device)
        draws = "generator" in inspect.signature(self.scheduler.step).parameters
        options = {"return_dict": False, **({"generator": generator} if draws else {})}
        with self.progress_bar(total=len(timesteps)) as progress_bar:
            for i, t in enumerate(timesteps):
                if self.interrupt:
                    continue
                self._current_timestep = t
                velocity = self._velocity(i, state.latents, state.times(t), rotary, embeds)
                state = state.moved(self.scheduler.step(velocity, t, state.latents, **options)[0])
                if callback is not None:
                    now = {"latents": state.latents, "prompt_embeds": embeds[0], "negative_prompt_embeds": embeds[1]}
                    changed = callback(self, i, t, {name: now[name] for name in callback_tensors})
                    if not isinstance(changed, dict | None):
                        kind = type(changed).__name__
                        raise ValueError(f"callback_on_step_end returned a {kind}; return a dict of tensors, or None")
                    now |= changed or {}
                    check_shape("latents that callback_on_step_end returned", now["latents"], *state.latents.shape)
                    state = state.moved(now["latents"])
                    embeds = now["prompt_embeds"], now["negative_prompt_embeds"]
                progress_bar.update()
        self._current_timestep = None
        return state.latents

    def _velocity(self, step: int, latents: Tensor, timestep: Tensor, rotary: tuple, embeds: tuple) -> Tensor:
        """The guided velocity v = x_1 - x_0, (B, C, F, h, w), in float32, so that the scheduler keeps latents so."""

        def predict(name: str, text: Tensor) -> Tensor:
            context = {"step_index": step, "sigma": float(self.scheduler.sigmas[step])}
            options = {"attention_kwargs": self.attention_kwargs, "rotary_emb": rotary, "return_dict": False}
            with self.transformer.cache_context(name, **context, num_inference_steps=self._num_timesteps):
                output = self.transformer(latents.to(self.transformer.dtype), timestep, text, **options)[0].float()
            t = timestep / self.scheduler.config.num_train_timesteps
            return precondition(output, latents, t, self.config.sigma_data)

        conditional = predict("cond", embeds[0])
        if not self.do_classifier_free_guidance:
            return conditional
        unconditional = predict("uncond", embeds[1])
        return unconditional + self.guidance_scale * (conditional - unconditional)


def check_scheduler(scheduler: SchedulerMixin) -> None:
    """Raise a ValueError unless a scheduler follows a flow from noise at t = 1 to data, as the model was trained."""
    if not isinstance(scheduler, SchedulerMixin):
        raise ValueError(f"scheduler is a {type(scheduler).__name__}; take FlowMatchEulerDiscreteScheduler(shift=...)")
    config, options = scheduler.config, inspect.signature(type(scheduler).__init__).parameters
    if config.num_train_timesteps != TIMESTEPS or config.get("use_dynamic_shifting"):
        wanted = f"num_train_timesteps={TIMESTEPS}, use_dynamic_shifting=False"
        raise ValueError(f"scheduler: it counts or shifts its timesteps in another way than the model; take {wanted}")
    does_flows = {"prediction_type", "use_flow_sigmas"} <= options.keys()  # UniPC, DPM-Solver and others
    if does_flows and config.prediction_type == "flow_prediction" and config.use_flow_sigmas:
        return
    if not isinstance(scheduler, FLOW_SCHEDULERS) or config.get("invert_sigmas"):
        name = type(scheduler).__name__
        way = "prediction_type='flow_prediction', use_flow_sigmas=True, flow_shift=..."
        remedy = f"{name}.from_config(..., {way})" if does_flows else "FlowMatchEulerDiscreteScheduler(shift=...)"
        raise ValueError(f"scheduler: this {name} does not follow a flow, as the model does; take {remedy}")


def _generators(given: object, num_videos: int) -> torch.Generator | list[torch.Generator] | None:
    """The generators of a call, each checked."""
    if given is None or isinstance(given, torch.Generator):
        return given
    listed = list(given) if isinstance(given, list | tuple) else [given]
    for one in listed:
        if not isinstance(one, torch.Generator):
            raise ValueError(f"generator is a {type(one).__name__}; give torch.Generator().manual_seed(...)")
    if len(listed) != num_videos:
        raise ValueError(f"generator: {len(listed)} for {num_videos} videos; give one each, or one for all")
    return listed
