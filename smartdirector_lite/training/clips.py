"""Training clips: toy scenes, film and collages, with keyframes of every kind, and encoded under a chunk plan."""

import json
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import AutoencoderKLWan
from torch import Tensor

from ..collage import Collage, render_collage
from ..media.size import Size
from ..storyboard import Shot, Storyboard
from ..timeline import ChunkPlan, Condition
from ..toyworld import HELD_OUT_SEED, Scene, render, sample_scene
from ..vae import normalize_latents
from .film import FilmShots, Footage
from .shards import fingerprint
from .whole_sequence import encode_whole

FILM_FRAMES = 40  # the longest clip of a film, because few shots of a film are longer
CLOSEST = 0.5  # least share of a film's height and width that a clip shows: half of a final frame is a whole draft
SPARSE = 0.45  # share of the clips that have few keyframes, see `draw_keyframes`
ENCODING = "surplus from the frames that follow"  # change this with `encode_clips`, so that no old shard is read


@dataclass(frozen=True)
class ClipEntry:
    """What is known of a clip.

    Attributes:
        num_frames: its length.
        keyframes: the frames where keyframes stand.
        cuts: the frames where later shots begin.
        caption: the whole caption.
        description: the holistic part of the caption alone.
    """

    num_frames: int
    keyframes: tuple[int, ...]
    cuts: tuple[int, ...]
    caption: str
    description: str

    def plan(self, stride: int) -> ChunkPlan:
        """Return the chunks that the clip is encoded in: one begins at every keyframe and every cut."""
        return ChunkPlan.build(self.num_frames, [Condition(frame) for frame in self.keyframes], stride, self.cuts)


ClipData = tuple[Tensor, ClipEntry]  # frames or latents of a clip, with what is known of it


def scene_caption(scene: Scene) -> str:
    """Write the structured caption of a toy scene, in the words that a storyboard uses."""
    shots = [Shot(**scene.shot_caption(i)) for i in range(len(scene.shots))]
    return Storyboard(description=scene.description, shots=shots, num_frames=scene.num_frames, fps=scene.fps).caption()


def scene_entry(scene: Scene, keyframes: tuple[int, ...]) -> ClipEntry:
    """What is known of a clip that shows a whole toy scene."""
    return ClipEntry(scene.num_frames, keyframes, scene.cuts, scene_caption(scene), scene.description)


def collage_entry(collage: Collage, keyframes: tuple[int, ...]) -> ClipEntry:
    """What is known of a clip that shows a whole collage."""
    shots = [
        Shot(description=shot.description, camera=shot.camera.name, start_frame=shot.start) for shot in collage.shots
    ]
    storyboard = Storyboard(shots=shots, num_frames=collage.num_frames, fps=collage.fps)
    return ClipEntry(collage.num_frames, keyframes, collage.cuts, storyboard.caption(), shots[0].description)


def film_entry(
    film: FilmShots, first: int, num_frames: int, keyframes: tuple[int, ...], mirrored: bool = False
) -> ClipEntry:
    """What is known of a clip of a film's shot, from frame `first` on."""
    storyboard = film.storyboard(first, num_frames, mirrored)
    return ClipEntry(num_frames, keyframes, (), storyboard.caption(), storyboard.description or storyboard.caption())


def draw_keyframes(
    rng: np.random.Generator, num_frames: int, cuts: tuple[int, ...], sparse: float = SPARSE
) -> tuple[int, ...]:
    """Draw keyframes of one of four kinds: about evenly spaced, one or two anywhere, one for each shot, or none.

    Args:
        sparse: how often they are of the last three kinds, where the text decides what happens.

    Returns:
        Frames in ascending order, each once.
    """
    kind = rng.choice(4, p=[1 - sparse, 0.4 * sparse, sparse / 3, 4 * sparse / 15])
    if kind == 0:
        gap, frame, frames = int(rng.integers(8, 17)), 0 if rng.random() < 0.8 else int(rng.integers(1, 6)), []
        while frame < num_frames:
            frames.append(frame)
            frame += gap + int(rng.integers(-2, 3)) * int(rng.random() < 0.5)
        if rng.random() < 0.5:
            frames.append(num_frames - 1)
    elif kind == 1:
        frames = rng.choice(num_frames, size=int(rng.integers(1, 3)), replace=False).tolist()
    elif kind == 2:
        frames = [f + (int(rng.integers(0, 4)) if rng.random() < 0.3 else 0) for f in (0, *cuts)]
    else:
        frames = []
    return tuple(sorted({min(int(frame), num_frames - 1) for frame in frames}))


def draw_clip(
    rng: np.random.Generator,
    footage: Footage,
    size: Size,
    device: torch.device | str = "cpu",
    sparse: float = SPARSE,
) -> ClipData:
    """Draw a training clip of 13 to 73 frames: a toy scene or a collage with one or more shots, or a shot of the film.

    Returns:
        (T, 3, H, W) in [0, 1], and what is known of it.
    """
    lengths = [rng.integers(13, 26), rng.integers(24, 50), rng.integers(24, 50), rng.integers(49, 74)]
    num_frames = int(rng.choice(lengths))
    first = footage.sample(rng, min(num_frames, FILM_FRAMES))
    if first is not None:
        num_frames = min(num_frames, FILM_FRAMES)
        video, mirrored = film_clip(rng, footage.film, first, num_frames, size)
        keyframes = draw_keyframes(rng, num_frames, (), sparse)
        return video.to(device), film_entry(footage.film, first, num_frames, keyframes, mirrored)
    collage = footage.collage(rng, num_frames)
    if collage is not None:
        entry = collage_entry(collage, draw_keyframes(rng, num_frames, collage.cuts, sparse))
        return render_collage(collage, size, device=device), entry
    scene = sample_scene(int(rng.integers(HELD_OUT_SEED)), num_frames)
    entry = scene_entry(scene, draw_keyframes(rng, num_frames, scene.cuts, sparse))
    return render(scene, size, device=device), entry


def film_clip(
    rng: np.random.Generator, film: FilmShots, first: int, num_frames: int, size: Size
) -> tuple[Tensor, bool]:
    """Cut frames [first, first + num_frames) out of a film.

    A film is short. So half of its clips show a part of the frame, down to CLOSEST of it, and half are mirrored.

    Returns:
        The clip at `size`, (T, 3, H, W) in [0, 1], and whether it is mirrored.
    """
    share = 1.0 if rng.random() < 0.5 else rng.uniform(CLOSEST, 1)
    height, width = film.frames.shape[1:3]
    rows, columns = round(share * height), round(share * width)
    top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1))
    video = film.clip(first, num_frames, (top, left, rows, columns), size)
    mirrored = rng.random() < 0.5
    return video.flip(-1) if mirrored else video, mirrored


def encode_clips(vae: AutoencoderKLWan, clips: list[ClipData], latents_at_once: int = 60) -> list[Tensor]:
    """Encode clips, each under its own plan, to what `multichunk.encode_video` gives, but faster.

    The chunks of all clips go through the whole-sequence encoder in a few padded batches. The VAE is causal, so the
    frames that pad the end of a chunk do not change the latents before them.

    Args:
        clips: videos (T, 3, H, W) in [0, 1], all of one size, with their entries.
        latents_at_once: latent frames in a batch.

    Returns:
        Normalised latents (C, F, h, w) of each clip.
    """
    stride = vae.config.scale_factor_temporal
    chunks = [(i, chunk) for i, (_, entry) in enumerate(clips) for chunk in entry.plan(stride).chunks]
    order = sorted(range(len(chunks)), key=lambda k: chunks[k][1].num_latents)
    pieces: dict[int, Tensor] = {}
    while order:
        longest = chunks[order[-1]][1].num_latents
        batch = [order.pop() for _ in range(min(len(order), max(1, latents_at_once // longest)))]
        length = 1 + stride * (longest - 1)
        videos = []
        for k in batch:
            i, chunk = chunks[k]
            video = clips[i][0][chunk.start : chunk.stop + chunk.overrun]
            videos.append(torch.cat([video, video[-1:].expand(length - len(video), -1, -1, -1)]))
        moments = encode_whole(vae, torch.stack(videos).transpose(1, 2) * 2 - 1)
        latents = normalize_latents(vae, moments[:, : vae.config.z_dim])
        for k, latent in zip(batch, latents, strict=True):
            pieces[k] = latent[:, : chunks[k][1].num_latents]
    joined: list[list[Tensor]] = [[] for _ in clips]
    for k, (i, _) in enumerate(chunks):
        joined[i].append(pieces[k])
    return [torch.cat(parts, dim=1) for parts in joined]


def vae_fingerprint(vae: AutoencoderKLWan) -> str:
    """Hash what makes latents: the encoder's weights, the normalisation, and the way of encoding (`ENCODING`)."""
    settings = json.dumps([ENCODING, vae.config.latents_mean, vae.config.latents_std])
    return fingerprint(settings, vae.encoder, vae.quant_conv)
