"""The straight line from a storyboard to a video: storyboard -> take -> stage one -> stage two -> report."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from diffusers import DiffusionPipeline
from diffusers.utils.torch_utils import get_module_execution_device
from numpy.typing import NDArray
from torch import Tensor

from .gen.base import in_turn
from .gen.conditions import VideoCondition
from .gen.pipeline import MAX_GUIDANCE, DirectorGenPipeline
from .media.result import DirectorResult
from .media.size import Size
from .report import make_report
from .sr.frames import FACTOR, to_bytes
from .sr.pipeline import DirectorSRPipeline, SROptions
from .storyboard import Storyboard
from .storyboard.take import Take
from .timeline import ChunkPlan, Condition, check_int, check_number, check_one_of
from .vae.causal import release
from .vae.multichunk import encode_conditions, iter_decode

MAX_SEED = 2**63 - 1
STAGES = ("all", "gen")
WAN_SIZE = Size(832, 480)


@dataclass(frozen=True)
class Defaults:
    """What a call uses unless it says otherwise. Stage one's values are Wan's.

    Attributes:
        steps: denoising steps of stage one.
        guidance_scale: how strictly stage one follows the text.
        size: the draft's size where the storyboard has none.
        fps: the frame rate that the model was made for, if that is known; another one gives a note in the report.
        sr_steps: steps of stage two.
    """

    steps: int = 50
    guidance_scale: float = 5.0
    size: Size = WAN_SIZE
    fps: float | None = None
    sr_steps: int = 4


@dataclass(frozen=True, eq=False)
class Progress:
    """How far a call is.

    Attributes:
        stage: "gen" while `done` of `total` denoising steps are made; "decode" and "sr" while frames are. "sr" begins
            with 0 frames, since the flow comes before the first one.
        draft: the draft, uint8 (T, H, W, 3), in the last report of "decode"; else None.
    """

    stage: str
    done: int
    total: int
    draft: NDArray | None = None


Watch = Callable[[Progress], None]


@dataclass(eq=False, repr=False)
class Director:
    """Runs a storyboard through the stages it holds. Make one with `load_director`.

    Attributes:
        gen: stage one.
        sr: stage two; without it the draft is the result.
        defaults: what a call uses unless it says otherwise.
        encode_texts: takes texts and returns embeddings (B, L, D); None leaves this to the pipeline's own text encoder.
    """

    gen: DirectorGenPipeline
    sr: DirectorSRPipeline | None = None
    defaults: Defaults = field(default_factory=Defaults)
    encode_texts: Callable[[list[str]], Tensor] | None = None

    @in_turn
    def __call__(
        self,
        storyboard: Storyboard,
        seed: int = 0,
        steps: int | None = None,
        guidance_scale: float | None = None,
        rope: str | None = None,
        progress: bool = True,
        stage: str = "all",
        watch: Watch | None = None,
    ) -> DirectorResult:
        """Generate the video of a storyboard. The same seed gives the same video on one machine.

        Calls from several threads wait for each other.

        Args:
            seed: from 0 to MAX_SEED.
            steps, guidance_scale: None takes the model's own.
            rope: a scheme of `ChunkPlan.tau`, for both stages; None takes that of each stage's weights.
            progress: whether to show progress bars.
            stage: "gen" for the draft alone. "all" for the second stage too, where there is one, which makes the video
                twice as large, with the detail of the keyframes.
            watch: is told of every step when it is done; what it raises ends the call.

        Raises:
            ValueError: bad input, found before anything is generated. StoryboardError and MediaError are subclasses.
            FloatingPointError: the model gave values that are not finite.
            MemoryError: where the memory of the GPU or of the computer does not suffice.
        """
        if not isinstance(storyboard, Storyboard):
            raise ValueError(f"storyboard is a {type(storyboard).__name__}; give Storyboard.load(path)")
        check_one_of("stage", stage, STAGES)
        if not (watch is None or callable(watch)):
            raise ValueError(f"watch is a {type(watch).__name__}; give a function that takes a Progress, or None")
        seed, watch = check_int("seed", seed, 0, MAX_SEED), watch or (lambda progress: None)
        guidance_scale = self.defaults.guidance_scale if guidance_scale is None else guidance_scale
        guidance_scale = check_number("guidance_scale", guidance_scale, 0, MAX_GUIDANCE)
        steps = self.gen.check_call(self.defaults.steps if steps is None else steps, needs_vae=True)
        inputs = storyboard.files
        for pipeline, name in ((self.gen, "Director-Gen"), (self.sr, "Director-SR")):
            if pipeline is not None:
                pipeline.set_progress_bar_config(disable=not progress, desc=name)
        try:
            take = self.take(storyboard, stage)
            latents = self._generate(take, seed, steps, guidance_scale, rope, watch)
            draft = self._decode(take.plan, latents, watch)
            if stage == "gen" or self.sr is None:
                frames, asked, ideal = draft, take.frames, self._reconstruct(take.plan, take.frames)
            else:
                frames, asked = self._upscale(take, draft, latents, rope, watch), take.large
                shown_as_given = self.sr.restorer is not None and self.sr.config.upsample == "pixel"
                ideal = asked if shown_as_given else self._reconstruct(take.plan, asked)
        except (MemoryError, RuntimeError) as error:
            if not _says_no_memory(error):
                raise
            raise MemoryError(self._too_large(storyboard, error)) from error
        self.gen.maybe_free_model_hooks()
        release(self.gen.vae)
        report = make_report(frames, take.plan, asked, ideal, take.notes + self._notes(take, guidance_scale))
        return DirectorResult(frames, draft, take.fps, take.plan, report, inputs)

    def plan(self, storyboard: Storyboard) -> ChunkPlan:
        """Return the chunks that the storyboard's video is made in."""
        return storyboard.plan(self.gen.vae_scale_factor_temporal)

    def take(self, storyboard: Storyboard, stage: str = "all") -> Take:
        """Resolve a storyboard for this model: its chunks, and its pictures in the size of each stage."""
        size = Size(*(storyboard.size or self.defaults.size))
        self.gen.check_size(size)
        factor = FACTOR if stage == "all" and self.sr is not None else None
        return Take.of(storyboard, size, self.gen.vae_scale_factor_temporal, factor)

    # ---------------------------------------------------------------- the stages

    def _generate(
        self, take: Take, seed: int, steps: int, guidance_scale: float, rope: str | None, watch: Watch
    ) -> Tensor:
        """Stage one: the draft's normalised latents, (1, C, F, h, w)."""

        def told(pipeline: DiffusionPipeline, step: int, timestep: Tensor, tensors: dict) -> dict:
            watch(Progress("gen", step + 1, pipeline.num_timesteps))
            return tensors

        return self.gen(
            **self._texts(take, guidance_scale),
            height=take.size.height,
            width=take.size.width,
            num_frames=take.plan.num_frames,
            num_inference_steps=steps,
            guidance_scale=guidance_scale,
            generator=torch.Generator("cpu").manual_seed(seed),
            output_type="latent",
            conditions=_conditions(take.plan, take.frames),
            cuts=take.plan.cuts,
            rope=rope,
            callback_on_step_end=told,
        ).frames

    def _texts(self, take: Take, guidance_scale: float) -> dict:
        """The caption and what to avoid, as arguments of stage one."""
        if self.encode_texts is None:
            return {"prompt": take.caption, "negative_prompt": take.negative or None}
        embeds = self.encode_texts([take.caption, *([take.negative] if guidance_scale > 1 else [])])
        return dict(zip(("prompt_embeds", "negative_prompt_embeds"), embeds.split(1), strict=False))

    def _decode(self, plan: ChunkPlan, latents: Tensor, watch: Watch) -> NDArray:
        """Latents (1, C, F, h, w) as uint8 (T, H, W, 3), decoded in small parts, so that only bytes are held."""
        parts = iter_decode(self.gen.vae, plan, latents.to(get_module_execution_device(self.gen.vae)))
        return _collect(((start, to_bytes(part)) for start, part in parts), plan.num_frames, "decode", watch)

    def _upscale(self, take: Take, draft: NDArray, latents: Tensor, rope: str | None, watch: Watch) -> NDArray:
        """Stage two: from the draft, as frames or as latents (1, C, F, h, w), to uint8 (T, 2H, 2W, 3)."""
        source = draft if self.sr.config.upsample == "pixel" else latents
        options = SROptions(steps=self.defaults.sr_steps, rope=rope)
        plan, large = take.plan, _conditions(take.plan, take.large)
        watch(Progress("sr", 0, plan.num_frames))
        parts = self.sr.stream(source, plan.num_frames, take.size, large, cuts=plan.cuts, options=options)
        frames = _collect(parts, plan.num_frames, "sr", watch)
        release(self.sr.transformer)
        return frames

    def _reconstruct(self, plan: ChunkPlan, given: tuple[NDArray, ...]) -> list[NDArray]:
        """Each condition passed through the VAE alone, uint8 (L, H, W, 3): the best that any latents can give."""
        vae, result = self.gen.vae, []
        for frames in given:
            length, height, width = frames.shape[:3]
            alone = ChunkPlan.build(length, [Condition(0, length)], plan.stride)
            video = VideoCondition(video=frames).to_tensor(Size(width, height)).to(get_module_execution_device(vae))
            result.append(self._decode(alone, encode_conditions(vae, alone, [video]), lambda progress: None))
        return result

    def _notes(self, take: Take, guidance_scale: float) -> tuple[str, ...]:
        fps, notes = self.defaults.fps, []
        if fps is not None and fps != take.fps:
            notes.append(f"the storyboard has {take.fps:g} frames a second; the model was made for {fps:g}")
        if take.negative and guidance_scale <= 1:
            reason = f"guidance_scale is {guidance_scale:g}; take more than 1"
            notes.append(f"the storyboard's negative had no effect: {reason}")
        return tuple(notes)

    def _too_large(self, storyboard: Storyboard, error: Exception) -> str:
        """What to do where a storyboard needs more memory than there is."""
        whose, remedy = "computer's", "take a smaller size or fewer frames, or close other programs"
        if isinstance(error, torch.OutOfMemoryError):
            whose, remedy = "GPU's", "load the director with memory='group', or take a smaller size"
        size = Size(*(storyboard.size or self.defaults.size))
        asked = f"the {whose} memory does not suffice for {storyboard.num_frames} frames of {size}"
        return f"{asked}; {remedy} (`smartdirector memory` tells what each needs)"


def _says_no_memory(error: Exception) -> bool:
    """Whether an error means that there is too little memory; torch has a type of its own for a GPU's only."""
    known = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return known or any(words in str(error) for words in ("DefaultCPUAllocator", "bad_alloc"))


def _conditions(plan: ChunkPlan, given: tuple[NDArray, ...]) -> list[VideoCondition]:
    """A plan's conditions as a pipeline takes them; `given` holds the frames of each, uint8 (L, H, W, 3)."""
    placed = zip(plan.conditions, given, strict=True)
    return [VideoCondition(video=frames, frame_index=condition.frame_index) for condition, frames in placed]


def _collect(parts, num_frames: int, stage: str, watch: Watch) -> NDArray:
    """Put parts of a video, (index of the first frame, uint8 (t, H, W, 3)), together as they come, and tell of each."""
    video = None
    for start, part in parts:
        if video is None:
            video = np.empty((num_frames, *part.shape[1:]), np.uint8)
        done = start + len(part)
        video[start:done] = part
        watch(Progress(stage, done, num_frames, video if stage == "decode" and done == num_frames else None))
    return video
