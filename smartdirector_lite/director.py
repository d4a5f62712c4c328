"""From a storyboard to a video: the stages behind one call, and what comes of it."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers.utils.torch_utils import get_module_execution_device
from numpy.typing import NDArray
from PIL import Image

from .gen.conditions import VideoCondition
from .gen.pipeline import DirectorGenPipeline
from .media import MediaError, PathLike, atomic_path, contact_sheet, write_image, write_json, write_video
from .media.sheets import KEYFRAME_COLOUR
from .progress import Progress, silent, telling
from .report import Report, make_report
from .sr.options import SROptions
from .sr.pipeline import DirectorSRPipeline
from .sr.sizes import FACTOR, to_bytes
from .storyboard.schema import Storyboard
from .timeline import ChunkPlan, Condition, check_int
from .vae.causal import release
from .vae.multichunk import encode_conditions, iter_decode

MAX_SEED = 2**63 - 1
STAGES = ("all", "gen")
SPARE_BYTES = 4_000_000_000  # free on a GPU, with which stage two needs no more room


@dataclass(frozen=True, eq=False)
class DirectorResult:
    """What came of a storyboard.

    frames, draft: uint8 (T, H, W, 3); without a second stage they are the same. fps: frames a second.
    """

    frames: NDArray
    draft: NDArray
    fps: float
    plan: ChunkPlan
    report: Report

    def save(self, path: PathLike) -> tuple[Path, Path, Path]:
        """Write the mp4, and beside it a contact sheet (`.sheet.png`) and the report (`.report.json`): all or none.

        Returns the three paths. MediaError for a name that does not end in .mp4, or a folder that is not there.
        """
        video, sheet, report = paths = result_paths(path)
        with atomic_path(video) as new_video, atomic_path(sheet) as new_sheet, atomic_path(report) as new_report:
            write_video(new_video, self.frames, self.fps)
            self.save_sheet(new_sheet)
            self.save_report(new_report)
        return paths

    def save_sheet(self, path: PathLike, columns: int = 7, count: int = 21) -> None:
        write_image(path, self.sheet(columns, count))

    def save_report(self, path: PathLike) -> None:
        write_json(path, {"num_frames": len(self.frames), "fps": self.fps, **self.report.to_dict()})

    def sheet(self, columns: int = 7, count: int = 21) -> Image.Image:
        """`count` evenly spaced frames and the first of every condition; what was given is framed in orange.

        With more than `count` conditions only the evenly spaced frames are shown.
        """
        given = {c.frame_index + k for c in self.plan.conditions for k in range(c.num_frames)}
        first = {c.frame_index for c in self.plan.conditions}
        even = set(np.linspace(0, len(self.frames) - 1, min(count, len(self.frames))).round().astype(int).tolist())
        shown = sorted(even | first if len(first) <= count else even)
        labels = [f"{frame} given" if frame in given else f"{frame}" for frame in shown]
        borders = [KEYFRAME_COLOUR if frame in given else None for frame in shown]
        return contact_sheet([self.frames[frame] for frame in shown], columns, labels, borders)


def result_paths(path: PathLike) -> tuple[Path, Path, Path]:
    """The video, the sheet and the report that `DirectorResult.save(path)` writes.

    Not `story.json` for `story.mp4`: that may be the storyboard. MediaError for a name that does not end in .mp4.
    """
    path = Path(path)
    if path.suffix.lower() != ".mp4":
        raise MediaError(f"{path}: videos are written as .mp4; end the name so")
    if path.is_dir():
        raise MediaError(f"{path}: is a folder; give the name of a file")
    return path, path.with_suffix(".sheet.png"), path.with_suffix(".report.json")


class Director:
    """Runs a storyboard through the stages it holds. Make one with `load_director`.

    gen, sr: the stages; without `sr` the draft is the result. steps, guidance_scale, sr_steps: what a call uses unless
    it says otherwise. size: (width, height) of the draft where the storyboard has none. fps: the frame rate that the
    model was made for, if it is known; another one gives a note in the report. encode_texts: texts to embeddings
    (B, L, D), where the pipeline's own text encoder is not to do it.
    """

    def __init__(
        self,
        gen: DirectorGenPipeline,
        steps: int = 50,
        guidance_scale: float = 5.0,
        size: tuple[int, int] = (832, 480),
        fps: float | None = None,
        sr: DirectorSRPipeline | None = None,
        sr_steps: int = 4,
        encode_texts: Callable[[list[str]], torch.Tensor] | None = None,
    ):
        self.gen, self.steps, self.guidance_scale, self.size, self.fps = gen, steps, guidance_scale, size, fps
        self.sr, self.sr_steps, self.encode_texts = sr, sr_steps, encode_texts

    def plan(self, storyboard: Storyboard) -> ChunkPlan:
        """The chunks that the storyboard's video is made in."""
        return storyboard.plan(self.gen.vae_scale_factor_temporal)

    def __call__(
        self,
        storyboard: Storyboard,
        seed: int = 0,
        steps: int | None = None,
        guidance_scale: float | None = None,
        rope: str = "frame_time",
        progress: bool = True,
        stage: str = "all",
        watch: Callable[[Progress], None] = silent,
    ) -> DirectorResult:
        """Generate the video of a storyboard; the same seed gives the same video on one machine.

        seed: 0 to MAX_SEED. rope: a scheme of `ChunkPlan.tau`. progress: show a bar. stage: "gen" for the draft alone,
        "all" for the second stage too, where there is one: twice the storyboard's size, with the detail of its
        keyframes. watch: told of every step as it is done; what it raises ends the call. Raises StoryboardError,
        MediaError or ValueError, with one line that says what to change, before anything is generated; MemoryError
        where a GPU runs out of memory.
        """
        if not isinstance(storyboard, Storyboard):
            raise ValueError(f"storyboard is a {type(storyboard).__name__}; give Storyboard.load(path)")
        if stage not in STAGES:
            raise ValueError(f"stage must be one of {', '.join(STAGES)}, got {stage!r}")
        check_int("seed", seed, 0, MAX_SEED)
        try:
            return self._run(storyboard, seed, steps, guidance_scale, rope, progress, stage, watch)
        except torch.OutOfMemoryError as error:
            width, height = storyboard.size or self.size
            raise MemoryError(
                f"the GPU's memory does not suffice for {storyboard.num_frames} frames of {width}x{height}; load the "
                "director with memory='group', or take a smaller size (`smartdirector memory` tells what each needs)"
            ) from error

    def _run(
        self,
        storyboard: Storyboard,
        seed: int,
        steps: int | None,
        guidance_scale: float | None,
        rope: str,
        progress: bool,
        stage: str,
        watch: Callable[[Progress], None],
    ) -> DirectorResult:
        width, height = storyboard.size or self.size
        self.gen.check_size(height, width)
        plan = self.plan(storyboard)
        given, conditions = _conditions(storyboard, plan, (width, height))
        self.gen.set_progress_bar_config(disable=not progress, desc="Director-Gen")
        guidance_scale = self.guidance_scale if guidance_scale is None else guidance_scale
        latents = self.gen(
            **self._texts(storyboard, guidance_scale),
            height=height,
            width=width,
            num_frames=storyboard.num_frames,
            num_inference_steps=self.steps if steps is None else steps,
            guidance_scale=guidance_scale,
            generator=torch.Generator("cpu").manual_seed(seed),
            output_type="latent",
            conditions=conditions,
            cuts=storyboard.cuts,
            rope=rope,
            callback_on_step_end=telling(watch),
        ).frames
        _check_finite(latents)
        draft = self._decode(plan, latents, watch)
        frames, restored = draft, False
        if stage == "all" and self.sr is not None:
            width, height = FACTOR * width, FACTOR * height
            given, conditions = _conditions(storyboard, plan, (width, height))
            source = draft if self.sr.config.upsample == "pixel" else latents
            restored = source is draft and self.sr.restorer is not None  # which shows what was given as it is
            frames = self._upscale(plan, source, draft.shape[1:3], conditions, rope, progress, watch)
        ideal = given if restored else [self._reconstruct(condition, height, width) for condition in conditions]
        self.gen.maybe_free_model_hooks()
        release(self.gen.vae)
        report = make_report(frames, plan, given, ideal, self._notes(storyboard, (width, height)))
        return DirectorResult(frames, draft, storyboard.fps, plan, report)

    def _texts(self, storyboard: Storyboard, guidance_scale: float) -> dict:
        """The caption and what to avoid, as arguments of the pipeline."""
        if self.encode_texts is None:
            return {"prompt": storyboard.caption(), "negative_prompt": storyboard.negative or None}
        embeds = self.encode_texts([storyboard.caption(), *([storyboard.negative or ""] if guidance_scale > 1 else [])])
        return dict(zip(("prompt_embeds", "negative_prompt_embeds"), embeds.split(1), strict=False))

    def _upscale(
        self,
        plan: ChunkPlan,
        source: NDArray | torch.Tensor,
        size: tuple[int, int],
        conditions: list[VideoCondition],
        rope: str,
        progress: bool,
        watch: Callable[[Progress], None],
    ) -> NDArray:
        """The second stage: from the draft, uint8 frames or latents (1, C, F, h, w), to uint8 (T, 2H, 2W, 3)."""
        self.sr.set_progress_bar_config(disable=not progress, desc="Director-SR")
        options, video = SROptions(steps=self.sr_steps, rope=rope), None
        with _room_for(self.sr.transformer, beside=self.gen):
            for start, part in self.sr.stream(
                source, plan.num_frames, size, conditions, cuts=plan.cuts, options=options
            ):
                if video is None:
                    video = np.empty((plan.num_frames, *part.shape[1:]), np.uint8)
                video[start : start + len(part)] = part
                watch(Progress("sr", start + len(part), plan.num_frames))
        release(self.sr.transformer)
        return video

    def _decode(self, plan: ChunkPlan, latents: torch.Tensor, watch: Callable = silent) -> NDArray:
        """(1, C, F, h, w) -> uint8 (T, H, W, 3), a few frames at a time, so that only the bytes are held."""
        device = get_module_execution_device(self.gen.vae)
        video = None
        for start, part in iter_decode(self.gen.vae, plan, latents.to(device)):
            part = to_bytes(part)
            if video is None:
                video = np.empty((plan.num_frames, *part.shape[1:]), np.uint8)
            video[start : start + len(part)] = part
            done = start + len(part)
            watch(Progress("decode", done, plan.num_frames, video if done == plan.num_frames else None))
        return video

    def _reconstruct(self, condition: VideoCondition, height: int, width: int) -> NDArray:
        """A condition passed through the VAE alone, uint8 (L, H, W, 3): the best that any latents can give."""
        length = condition.placement().num_frames
        alone = ChunkPlan.build(length, [Condition(0, length)], self.gen.vae_scale_factor_temporal)
        video = condition.to_tensor(height, width).to(get_module_execution_device(self.gen.vae))
        return self._decode(alone, encode_conditions(self.gen.vae, alone, [video]))

    def _notes(self, storyboard: Storyboard, size: tuple[int, int]) -> tuple[str, ...]:
        notes = storyboard.crops(size)
        if self.fps is not None and self.fps != storyboard.fps:
            notes.append(f"the storyboard has {storyboard.fps:g} frames a second; the model was made for {self.fps:g}")
        return tuple(notes)


def _conditions(
    storyboard: Storyboard, plan: ChunkPlan, size: tuple[int, int]
) -> tuple[list[NDArray], list[VideoCondition]]:
    """A storyboard's keyframes and clips in one size (width, height): as uint8 frames, and as a pipeline takes them."""
    given = [frames for _, frames in storyboard.load_conditions(size)]
    placed = zip(plan.conditions, given, strict=True)
    return given, [VideoCondition(video=frames, frame_index=place.frame_index) for place, frames in placed]


def _check_finite(latents: torch.Tensor) -> None:
    if not latents.isfinite().all():
        raise FloatingPointError(
            "the model gave values that are not finite; try load_director(..., dtype=torch.float32)"
        )


@contextlib.contextmanager
def _room_for(model: torch.nn.Module, beside: DirectorGenPipeline) -> Iterator[None]:
    """Where a GPU is short of memory for `model`, keep the transformer and text encoder `beside` it on the CPU."""
    device = model.device
    parts = [part for part in (beside.transformer, beside.text_encoder) if part is not None and part.device == device]
    if device.type != "cuda" or torch.cuda.mem_get_info(device)[0] > SPARE_BYTES:
        parts = []
    for part in parts:
        part.to("cpu")
    if parts:
        torch.cuda.empty_cache()
    try:
        yield
    finally:
        for part in parts:
            part.to(device)
