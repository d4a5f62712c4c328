"""Ways to put keyframes into a video, each trained alike from a common start that knows no keyframes.

    clip by clip   films each piece between neighbouring keyframes alone, and joins the pieces
    naive          one causal sequence, in which the latents of the keyframes replace those at their places (the way of
                   Pusa and DreaMontage)
    restart, continuous, midpoint, frame_time
                   Multi-Chunk with one of the schemes of MC-RoPE; the last one is the paper's

The common start is a small text-to-video model, trained on whole videos without keyframes, as Wan's weights are. From
there each way is trained for the same number of steps on the same clips (paper, section 4: ablations).
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKLWan
from torch import Tensor

from ..flow import State, spread
from ..gen import DirectorGenPipeline
from ..timeline import TAU_SCHEMES, Condition, num_latents_for
from ..training.bank import LatentBank, write_clips
from ..training.clips import ClipData, ClipEntry, draw_clip, encode_clips, vae_fingerprint
from ..training.film import Footage
from ..training.gen import GenStage, TrainedGen, caption_of
from ..training.shards import fingerprint, make_shards, shard_path
from ..training.stage import on_device
from ..training.tiny import DRAFT
from ..vae import decode, decode_naive, naive_latent_index, replace_naive
from ..vae.multichunk import encode_conditions
from .benchmark import Item

CLIP_BY_CLIP, NAIVE = "clip by clip", "naive"
WAYS = (CLIP_BY_CLIP, NAIVE, *TAU_SCHEMES)
START = "without keyframes"  # the bank of the common start
CLIPS_AT_ONCE = 16


# -- training ----------------------------------------------------------------------------------------------------------


def bank_of(way: str) -> str:
    """The bank that a way is trained on: those of Multi-Chunk share one."""
    return "chunks" if way in TAU_SCHEMES else way


@torch.no_grad()
def make_banks(vae: AutoencoderKLWan, folder: Path, shards: int, clips: int = 128, seed: int = 0) -> None:
    """Encode the same toy clips in every way, where that is missing.

    Args:
        folder: holds a folder for each bank: "chunks", NAIVE, CLIP_BY_CLIP, and START for the common start.
        clips: how many clips a shard holds.
    """
    made_by = vae_fingerprint(vae)

    def make(index: int) -> None:
        rng = np.random.default_rng((seed, index))
        banks: dict[str, list[ClipData]] = {}
        for start in range(0, clips, CLIPS_AT_ONCE):
            group = [draw_clip(rng, Footage(), DRAFT, sparse=0.0) for _ in range(min(CLIPS_AT_ONCE, clips - start))]
            for name, encoded in encode_in_every_way(vae, group).items():
                banks.setdefault(name, []).extend(encoded)
        for name, encoded in banks.items():  # "chunks" comes last: where it is, the others are too
            write_clips(shard_path(folder / name, index), made_by, encoded)

    make_shards(folder / "chunks", shards, make)


def encode_in_every_way(vae: AutoencoderKLWan, clips: list[ClipData]) -> dict[str, list[ClipData]]:
    """Encode clips (T, 3, H, W) in [0, 1] as one causal run and in chunks, and make the other banks' latents of both.

    A keyframe's latent is the same in every way, since it is always encoded alone. A piece between two keyframes is
    the chunks from the first one up to the second one's anchor.
    """
    entries = [entry for _, entry in clips]
    plain = [replace(entry, keyframes=(), cuts=()) for entry in entries]
    runs = encode_clips(vae, [(video, entry) for (video, _), entry in zip(clips, plain, strict=True)])
    chunked = encode_clips(vae, clips)
    stride = vae.config.scale_factor_temporal
    naive = [put_in_place(run, *given, stride) for run, given in zip(runs, zip(chunked, entries), strict=True)]
    pieces = [piece for latents, entry in zip(chunked, entries) for piece in cut_at_keyframes(latents, entry, stride)]
    return {
        START: list(zip(runs, plain, strict=True)),
        NAIVE: list(zip(naive, entries, strict=True)),
        CLIP_BY_CLIP: pieces,
        "chunks": list(zip(chunked, entries, strict=True)),
    }


def put_in_place(run: Tensor, chunked: Tensor, entry: ClipEntry, stride: int) -> Tensor:
    """Give one causal run of latents (C, n, h, w) the keyframes' latents of the chunks (C, F, h, w) at their places."""
    run = run.clone()
    for chunk in entry.plan(stride).chunks:
        if chunk.condition is not None:
            run[:, naive_latent_index(chunk.start, stride)] = chunked[:, chunk.latent_start]
    return run


def cut_at_keyframes(chunked: Tensor, entry: ClipEntry, stride: int) -> list[ClipData]:
    """Cut latents in chunks (C, F, h, w) into the pieces between keyframes, each with the keyframes at its ends."""
    begins = {chunk.start: chunk.latent_start for chunk in entry.plan(stride).chunks}
    pieces = []
    for start, stop in pieces_between(entry.keyframes, entry.num_frames):
        end = begins[stop - 1] + 1 if stop - 1 in entry.keyframes else chunked.shape[1]
        pieces.append((chunked[:, begins[start] : end], piece_of(entry, start, stop)))
    return pieces


def pieces_between(keyframes: Sequence[int], num_frames: int) -> list[tuple[int, int]]:
    """The frames [start, stop) of each piece: from a keyframe to the next one, or from or to an end of the video."""
    edges = sorted({0, *keyframes, num_frames - 1})
    return [(start, stop + 1) for start, stop in itertools.pairwise(edges)]


def piece_of(entry: ClipEntry, start: int, stop: int) -> ClipEntry:
    """What is known of a piece of a clip."""
    keyframes = tuple(frame - start for frame in entry.keyframes if start <= frame < stop)
    cuts = tuple(frame - start for frame in entry.cuts if start < frame < stop)
    return replace(entry, num_frames=stop - start, keyframes=keyframes, cuts=cuts)


class NaiveStage(GenStage):
    """The training of the naive way: one run of latents, of which those at the keyframes' places are given."""

    def batch(self, number: int, device: torch.device | str) -> dict[str, Tensor]:
        """Draw what `flow_loss` takes."""
        rng = self.rng(number)
        clips = self.bank.draw(rng, self.config.latent_frames)
        tokens, mask = self._tokens([caption_of(rng, entry, self.config) for _, entry in clips])
        t = rng.normal(self.config.time_mean, self.config.time_std, len(clips))
        anchors = [naive_anchors(entry.keyframes, entry.num_frames, self.stride) for _, entry in clips]
        batch = {
            "x_0": torch.stack([latents for latents, _ in clips]).float(),
            "anchors": torch.tensor(anchors),
            "tau": torch.arange(float(len(anchors[0]))).expand(len(clips), -1),
            "t": torch.sigmoid(torch.tensor(t, dtype=torch.float32)),
            "tokens": tokens,
            "mask": mask,
        }
        return on_device(batch, device)

    def sample(self, folder: Path, step: int) -> None:
        """Draw nothing: the pipeline's own plan is another one."""


def naive_anchors(keyframes: Sequence[int], num_frames: int, stride: int) -> list[bool]:
    """For each latent of one causal run, whether a keyframe's latent takes its place."""
    given = {naive_latent_index(frame, stride) for frame in keyframes}
    return [index in given for index in range(num_latents_for(num_frames, stride))]


def read_bank(vae: AutoencoderKLWan, folder: Path, bank: str) -> LatentBank:
    """Read a bank that `make_banks` made."""
    return LatentBank(folder / bank, vae_fingerprint(vae))


# -- filming -----------------------------------------------------------------------------------------------------------


class SmallFilmer:
    """Films in one of WAYS. A `benchmark.Filmer`.

    Args:
        folder: the export of a training.
        way: one of WAYS.
        vae: what encodes keyframes and decodes.
        cut_gap: see `ChunkPlan.tau`.
        steps: of the sampling.
        name: what tables call it; the way, unless it is given.
    """

    def __init__(
        self, folder: Path, way: str, vae: AutoencoderKLWan, cut_gap: float, steps: int = 12, name: str = ""
    ) -> None:
        self.pipeline = DirectorGenPipeline.from_pretrained(folder, vae=None, dtype=torch.float32)
        parts = self.pipeline.text_encoder, self.pipeline.transformer, self.pipeline.config.sigma_data
        self.model, self.vae = TrainedGen(*parts).eval(), vae
        self.way, self.name, self.cut_gap, self.steps = way, name or way, cut_gap, steps
        self.settings = {"weights": fingerprint("", self.model), "cut_gap": cut_gap, "steps": steps}

    @torch.no_grad()
    def __call__(self, item: Item) -> Tensor:
        """Film an item: (T, 3, H, W) in [0, 1]."""
        entry = ClipEntry(item.num_frames, item.keyframes, item.cuts, item.caption, item.caption)
        generator, given = torch.Generator().manual_seed(item.seed), item.given
        if self.way == NAIVE:
            return self._film_naive(entry, given, generator)
        if self.way != CLIP_BY_CLIP:
            return self._film_chunks(entry, given, generator, self.way)
        pieces = []
        for start, stop in pieces_between(entry.keyframes, item.num_frames):
            piece = piece_of(entry, start, stop)
            given = {frame: item.given[start + frame] for frame in piece.keyframes}
            pieces.append(self._film_chunks(piece, given, generator, "frame_time"))
        return torch.cat([piece[:-1] for piece in pieces[:-1]] + pieces[-1:])

    def _film_chunks(self, entry: ClipEntry, keyframes: Mapping, generator: torch.Generator, scheme: str) -> Tensor:
        plan = entry.plan(self.vae.config.scale_factor_temporal)
        images = [keyframes[frame][None, :, None] * 2 - 1 for frame in entry.keyframes]
        given = encode_conditions(self.vae, plan, images)
        state = State(given, torch.tensor(plan.anchors), plan.tau(scheme, self.cut_gap))
        return as_frames(decode(self.vae, plan, self._sample(state, entry.caption, generator)))

    def _film_naive(self, entry: ClipEntry, keyframes: Mapping, generator: torch.Generator) -> Tensor:
        stride, size = self.vae.config.scale_factor_temporal, next(iter(keyframes.values())).shape[1:]
        anchored = torch.tensor(naive_anchors(entry.keyframes, entry.num_frames, stride))
        ratio = self.vae.config.scale_factor_spatial
        blank = torch.zeros(1, self.vae.config.z_dim, len(anchored), *(side // ratio for side in size))
        images = [keyframes[frame][None, :, None] * 2 - 1 for frame in entry.keyframes]
        given = replace_naive(self.vae, blank, [Condition(frame) for frame in entry.keyframes], images)
        state = State(given, anchored, [float(index) for index in range(len(anchored))])
        return as_frames(decode_naive(self.vae, entry.num_frames, self._sample(state, entry.caption, generator)))

    def _sample(self, state: State, caption: str, generator: torch.Generator) -> Tensor:
        """Go from noise to data, as `DirectorGenPipeline` does; the anchors stay as they are."""
        text = self.pipeline.tokenizer([caption], padding="max_length", truncation=True, return_tensors="pt")
        tau, scheduler = torch.tensor([state.tau]), self.pipeline.scheduler
        noise = torch.randn(state.latents.shape, generator=generator)
        state = replace(state, latents=torch.where(spread(state.anchored), state.latents, noise))
        scheduler.set_timesteps(self.steps)
        for t in scheduler.timesteps:
            times = state.times(t / scheduler.config.num_train_timesteps)
            velocity = self.model(state.latents, times, text.input_ids, text.attention_mask, tau)
            stepped = scheduler.step(velocity, t, state.latents, generator=generator, return_dict=False)[0]
            state = state.moved(stepped)
        return state.latents


class FaultlessFilmer:
    """Films what a faultless model of a way would film: the latents of the true video. A `benchmark.Filmer`.

    What is wrong in its videos is the way's own fault, and no training mends it.

    Args:
        way: NAIVE, or one of TAU_SCHEMES, which share the latents of Multi-Chunk.
        vae: what encodes and decodes.
    """

    def __init__(self, way: str, vae: AutoencoderKLWan) -> None:
        self.bank, self.vae = bank_of(way), vae
        self.name = f"faultless {NAIVE if way == NAIVE else 'Multi-Chunk'}"
        self.settings = {"vae": vae_fingerprint(vae)}

    @torch.no_grad()
    def __call__(self, item: Item) -> Tensor:
        """Film an item: (T, 3, H, W) in [0, 1]."""
        entry = ClipEntry(item.num_frames, item.keyframes, item.cuts, item.caption, item.caption)
        ((latents, _),) = encode_in_every_way(self.vae, [(item.frames, entry)])[self.bank]
        if self.bank == NAIVE:
            return as_frames(decode_naive(self.vae, item.num_frames, latents[None]))
        return as_frames(decode(self.vae, entry.plan(self.vae.config.scale_factor_temporal), latents[None]))


def as_frames(video: Tensor) -> Tensor:
    """(1, 3, T, H, W) in [-1, 1] -> (T, 3, H, W) in [0, 1]."""
    return ((video[0].transpose(0, 1).float() + 1) / 2).clamp(0, 1)

