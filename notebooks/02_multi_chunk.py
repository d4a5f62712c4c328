# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 02 Multi-Chunk: every keyframe begins a run of its own
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/THIS_REPOSITORY/blob/main/notebooks/02_multi_chunk.ipynb)
#
# [Notebook 01](01_causal_vae.ipynb) showed the trouble: a picture encoded alone is a *first latent*, and in the middle
# of a causal run the decoder cannot read it. SmartDirector's answer is short: then let it be first. Split the video at
# the keyframes, and let each begin a run of its own, a *chunk*.
#
# **Goals.** Afterwards you can
# - split a video into chunks, at any frame, and say how many latents that takes;
# - encode and decode chunk by chunk;
# - explain why a keyframe comes back exactly, whatever the model generates around it;
# - place clips and cuts, and decode a video while its latents are still coming.
#
# **Time.** 45 minutes with the exercises; all cells together run in about a minute on a laptop.
#
# **Needs.** Notebook 01, or the sentence above. No GPU, no download.

# %%
# On Colab or another fresh machine: get the package, and leave torch and numpy as they are. Here this does nothing.
import importlib.metadata, importlib.util, subprocess, sys

if importlib.util.find_spec("smartdirector_lite") is None:
    kept = [f"{n}=={importlib.metadata.version(n)}" for n in ("torch", "numpy") if importlib.util.find_spec(n)]
    package = "smartdirector-lite[notebooks] @ git+https://github.com/THIS_REPOSITORY"
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", package, *kept], check=True)

# %%
import itertools
import random

import numpy as np
import torch
from diffusers import AutoencoderKLWan

from smartdirector_lite import ChunkPlan, Condition
from smartdirector_lite.course import lab
from smartdirector_lite.loading.loader import find_model
from smartdirector_lite.vae.multichunk import (
    decode,
    decode_clip,
    encode_clip,
    encode_conditions,
    encode_video,
    iter_decode,
)
from smartdirector_lite.vae.naive import decode_naive, replace_naive
from smartdirector_lite.course.notebook import figure, pick, strip
from smartdirector_lite.loading.cpu import prepare_for_cpu
from smartdirector_lite.report import border_report
from smartdirector_lite.toyworld import HELD_OUT_SEED, render, sample_scene
from smartdirector_lite.course.figures import vae as viz
from smartdirector_lite.course.figures.base import timeline_figure
from smartdirector_lite.course.widgets import timeline_editor

torch.set_grad_enabled(False)  # nothing is trained here
vae = AutoencoderKLWan.from_pretrained(
    find_model("smartdirector-tiny"), subfolder="vae"
)  # the bundled model's VAE alone
prepare_for_cpu(vae)  # other kernels: faster on a CPU, the same numbers
stride = vae.config.scale_factor_temporal

# %% [markdown]
# The footage and the helpers are those of notebook 01: toy shots from seeds that were never trained on, and errors
# in *levels*, mean absolute differences on the scale of 0 to 255.

# %%
NUM_FRAMES, HEIGHT, WIDTH = 30, pick(64, 32), pick(112, 56)


def film(seed, num_shots=1):
    """A toy scene: (1, 3, T, H, W) in [-1, 1], and the first frames of its later shots."""
    scene = sample_scene(HELD_OUT_SEED + seed, NUM_FRAMES, num_shots)
    return render(scene, HEIGHT, WIDTH).transpose(0, 1)[None] * 2 - 1, list(scene.cuts)


def pictures(video):
    """The first video of a batch as uint8 (T, H, W, 3)."""
    return ((video[0].permute(1, 2, 3, 0) + 1) * 127.5).round().clamp(0, 255).byte().numpy()


def levels(a, b):
    """(1, 3, T, H, W) twice -> (T,), the mean difference of each frame in levels of 255."""
    return (a - b).abs().mean(dim=(0, 1, 3, 4)) * 127.5


truth, _ = film(1)

# %% [markdown]
# ## Splitting at the keyframes
#
# **Question.** Keyframes at frames 0, 13 and 23 of 30. Which chunks, and how many latents?
#
# A chunk covers the frames $[b, e)$, so $L = e - b$ of them. It is a causal run like any other: one latent for its
# first frame, one for each further $s$ frames, the last group perhaps incomplete. It decodes to whole groups, so a few
# frames come out past its end. They are its *surplus*, and are dropped:
#
# $$ n = 1 + \left\lceil \frac{L - 1}{s} \right\rceil, \qquad \text{surplus} = 1 + s\,(n - 1) - L . $$
#
# In plain Python, with `cuts` for the places where another shot begins (we come to them below):


# %%
def split(num_frames, keyframes, cuts, stride):
    """Frames where keyframes stand and shots begin -> one (start, stop, latents, surplus) for each chunk."""
    borders = sorted({0, *keyframes, *cuts}) + [num_frames]
    chunks = []
    for start, stop in itertools.pairwise(borders):
        length = stop - start
        n = 1 + -(-(length - 1) // stride)  # -(-a // b) is a / b, rounded up
        chunks.append((start, stop, n, 1 + stride * (n - 1) - length))
    return chunks


for start, stop, n, surplus in split(30, [0, 13, 23], [], stride):
    print(f"frames {start:2} to {stop - 1:2}: {n} latents, surplus {surplus}")

# %% [markdown]
# **Check.** The library keeps all this in one object, the `ChunkPlan`: where the chunks lie, which latents come from
# keyframes, what is dropped. Every other module asks it and counts no frames itself. Ours must agree with it, for any
# keyframes.

# %%
rng = random.Random(0)
for _ in range(500):
    total = rng.randint(2, 60)
    places = rng.sample(range(total), rng.randint(0, min(5, total)))
    cuts = rng.sample(range(1, total), rng.randint(0, min(2, total - 1)))
    made = ChunkPlan.build(total, [Condition(frame) for frame in places], stride, cuts)
    ours = split(total, places, cuts, stride)
    assert ours == [(c.start, c.stop, c.num_latents, c.surplus) for c in made.chunks]

KEYFRAMES = [0, 13, 23]
plan = ChunkPlan.build(NUM_FRAMES, [Condition(frame) for frame in KEYFRAMES], stride)
print(plan.table())
figure(
    timeline_figure(plan, fps=12),
    alt="Timeline of 30 frames in three chunks from frames 0, 13 and 23, with 4, 4 and 3 latents; each chunk's first "
    "frame and first latent are marked as given",
)

# %% [markdown]
# **Notice.** The keyframe at 13 stands on frame 13. Nothing was rounded: the chunk before it just ends there. The
# orange latents are *anchors*. They come from keyframes, stay clean, and the model never changes them. `tau` is each
# latent's position in time, the subject of notebook 03.
#
# With a kernel running you can move the keyframes; the figure above is the start.

# %%
timeline_editor(plan)

# %% [markdown]
# ### Exercise 02.1 (3 points)
#
# A condition may also be a *clip* of several frames. It begins a chunk, too. If its length is $s k + 1$, it fills its
# latents and the chunk goes on behind it. If not, its last latent is not full; no new frame may go in there, and a
# chunk begins right after the clip.
#
# Write `chunk_starts`: the first frames of all chunks, ascending. Conditions are pairs (frame, length); a keyframe has
# length 1.


# %%
def chunk_starts(num_frames, conditions, cuts, stride):
    """conditions: list of (frame, length). Returns the chunks' first frames, ascending, each once."""
    ### BEGIN SOLUTION
    starts = {0, *cuts}
    for frame, length in conditions:
        starts.add(frame)
        if (length - 1) % stride and frame + length < num_frames:
            starts.add(frame + length)
    return sorted(starts)
    ### END SOLUTION


lab.check_chunk_starts(chunk_starts)

# %% [markdown]
# ### Exercise 02.2 (3 points)
#
# The paper's chunks have $s k + 1$ frames, so that no surplus arises. Then a keyframe cannot stand anywhere: it moves
# to the nearest frame that fits. (Surplus frames, and with them exact placement, are ours.)
#
# Write `rounded_place(frame, start, stride)`: the chunk before begins at `start`; the keyframe is wanted at `frame`.
# Return the nearest frame $b$ > `start` for which $[start, b)$ has $s k + 1$ frames, $k \ge 0$. If two are equally
# near, either will do. How far can it move, at most?


# %%
def rounded_place(frame, start, stride):
    """All ints, frame > start. Returns the frame where the keyframe would stand, an int."""
    ### BEGIN SOLUTION
    k = max(0, round((frame - start - 1) / stride))
    return start + 1 + stride * k
    ### END SOLUTION


lab.check_rounded_place(rounded_place)

# %% [markdown]
# ## Encoding chunk by chunk
#
# **Question.** What does the VAE get to see?
#
# Each chunk, and the frames of its surplus: they follow it in the same shot. (Where nothing follows, at the end of the
# video or before a cut, its last frame is repeated instead.) It goes through the encoder with an empty cache, and is
# normalised with the channel statistics of the VAE's config: $z = (z_\text{VAE} - \mu) / \sigma$. The latents of all
# chunks are laid end to end. We build this from diffusers' own `vae.encode`.


# %%
def encode_by_chunks(video, follow=True):
    """video: (1, 3, N, H, W) in [-1, 1] -> normalised latents (1, C, F, h, w). follow: encode what follows a chunk."""
    mean, std = (
        torch.tensor(values).view(1, -1, 1, 1, 1) for values in (vae.config.latents_mean, vae.config.latents_std)
    )
    parts = []
    for start, stop, _, surplus in split(NUM_FRAMES, KEYFRAMES, [], stride):
        chunk = video[:, :, start : stop + surplus if follow else stop]  # ends with the video at the latest
        missing = stop + surplus - start - chunk.shape[2]
        chunk = torch.cat([chunk, chunk[:, :, -1:].expand(-1, -1, missing, -1, -1)], dim=2)  # repeat the last frame
        parts.append((vae.encode(chunk).latent_dist.mode() - mean) / std)
    return torch.cat(parts, dim=2)


z = encode_video(vae, plan, truth)
assert torch.allclose(encode_by_chunks(truth), z, atol=1e-4)
print("latents", tuple(z.shape), "for", NUM_FRAMES, "frames; as one run it would be", encode_clip(vae, truth).shape[2])

# %% [markdown]
# ### Exercise 02.3 (2 points)
#
# Decoding goes the same way: every chunk alone, with an empty cache. Write the last step, `join_chunks`: it gets what
# the chunks decode to, surplus included, and their spans, and returns the video.


# %%
def join_chunks(decoded, spans):
    """decoded: list of (B, 3, 1 + s (n - 1), H, W); spans: list of (start, stop). Returns (B, 3, N, H, W)."""
    ### BEGIN SOLUTION
    return torch.cat([frames[:, :, : stop - start] for frames, (start, stop) in zip(decoded, spans)], dim=2)
    ### END SOLUTION


lab.check_join_chunks(join_chunks)

# %% [markdown]
# **How well does it work?** We decode with the library's `decode`, which does just that, and compare with two others:
# the whole video as one run, which has no keyframes at all, and the naive way of notebook 01, which puts the keyframes'
# own latents into that run. As before, all latents come from the true video.

# %%
by_chunks = decode(vae, plan, z)
z_run = encode_clip(vae, truth)
one_run = decode_naive(vae, NUM_FRAMES, z_run)
keyframes = [truth[:, :, frame : frame + 1] for frame in KEYFRAMES]
naive = decode_naive(vae, NUM_FRAMES, replace_naive(vae, z_run, plan.conditions, keyframes))

errors = {name: levels(v, truth) for name, v in (("one run", one_run), ("Multi-Chunk", by_chunks), ("naive", naive))}
figure(
    viz.frame_curves(
        {name: error.tolist() for name, error in errors.items()},
        "error (levels of 255)",
        marks={"keyframe at 13": 13, "keyframe at 23": 23},
        fps=12,
    ),
    alt="Error by frame. One run and Multi-Chunk stay low and together, Multi-Chunk with small dips at the keyframes. "
    "The naive curve has two humps, from frames 13 and 21 on, several times as high",
)
for name, error in errors.items():
    print(f"{name:12} keyframes {error[KEYFRAMES[1:]].mean():5.1f}   all frames {error.mean():5.1f}")
assert errors["Multi-Chunk"].mean() < 1.1 * errors["one run"].mean() < errors["naive"].mean()

# %% [markdown]
# **Notice.** The humps are gone. With Multi-Chunk a keyframe is even a little better than in one run, since a first
# latent has a single frame to describe. The naive hump at the second keyframe begins at frame 21, two frames *before*
# it: its latent holds frames 21 to 24, and the decoder takes it for all of them.
#
# ### What the surplus should show
#
# Frame 22 is the last before a keyframe. Its latent holds this one frame and three of surplus, which nobody will see.
# Does it matter what they are? We encode the same video with repeats of the last frame in their place.

# %%
halted = decode(vae, plan, encode_by_chunks(truth, follow=False))
steps = {}
for name, frames in (("frames that follow", by_chunks), ("last frame repeated", halted)):
    steps[name] = border_report(pictures(frames), 23).ratio
    print(f"{name:19} error of frame 22: {levels(frames, truth)[22]:.1f}   step into frame 23: {steps[name]:.2f}")
assert steps["frames that follow"] < steps["last frame repeated"]

# %% [markdown]
# **Notice.** It does, though little here. Repeated, the frames tell of a figure that halts before every keyframe, and
# the encoder, which has one latent for all four, mixes that halt into the frame that is seen; then the keyframe comes
# as a jerk. Over 12 videos the steps over borders are 1.08 times the motion beside them so, instead of 1.05, and the
# last frame of a chunk is as good either way (`bench/vae.py --clips 12`). This VAE has seen many chunks end in
# repeats; for one that had seen fewer that frame was 1.0 and 1.7 dB worse with a surplus of 1 and 3, and a
# transformer learnt the jerk with the latents. What nobody sees leaves its mark on what is seen beside it. (The
# paper's chunks have no surplus; this rule is ours.)
#
# ## The pinned keyframe
#
# **Question.** What happens to the keyframe if the model fails, and all other latents are rubbish?
#
# The decoder is causal inside a chunk, and the anchor is the chunk's first latent. There is nothing before it that
# could touch it. So at a keyframe the decoder gives
#
# $$ \text{decode}(\text{encode}(\text{keyframe})), $$
#
# whatever all other latents are. That is a strong claim. Let us put noise there and look.

# %%
anchors = torch.tensor(plan.anchors).view(1, 1, -1, 1, 1)
z_anchors = encode_conditions(vae, plan, keyframes)  # the keyframes' latents in their places, zeros elsewhere
noise = torch.randn(z.shape, generator=torch.Generator().manual_seed(0))
ours = decode(vae, plan, torch.where(anchors, z_anchors, noise))

run_noise = noise[:, :, : z_run.shape[2]]
theirs = decode_naive(vae, NUM_FRAMES, replace_naive(vae, run_noise, plan.conditions, keyframes))

shown = [0, 1, 12, 13, 14]
labels = [str(frame) for frame in shown]
strip(
    pictures(ours)[shown],
    alt="Multi-Chunk with noise: frame 12 is all blotches, 1 and 14 are spoilt, 0 and 13 are the keyframes, clear",
    labels=labels,
)
strip(
    pictures(theirs)[shown],
    alt="Naive replacement with the same noise: frame 0 is clear, frame 13 is spoilt like its neighbours",
    labels=labels,
)

# %%
for frame, keyframe in zip(KEYFRAMES, keyframes):
    alone = decode_clip(vae, encode_clip(vae, keyframe))
    gap = (ours[:, :, frame : frame + 1] - alone).abs().max().item()
    there = levels(theirs[:, :, frame : frame + 1], alone).item()
    print(f"frame {frame:2}: Multi-Chunk differs by {127.5 * gap:.3f} levels at most, naive by {there:.0f} on average")
    assert gap < 1e-4

# %% [markdown]
# **Notice.** Exact, to float rounding, in the middle of noise. No training is needed for this and no loss asks for it:
# the layout alone guarantees it. (What is guaranteed is the keyframe *as the VAE shows it*. The bundled VAE is soft, so
# its keyframes are soft. Detail is the subject of notebook 05.)
#
# And the neighbours? Frame 14 shows what the decoder remembers of the keyframe, and noise on top. That the frames
# around a keyframe look right is the model's work, not the layout's.
#
# ### Exercise 02.4 (2 points)
#
# Write `pinned_frames(plan)`: the frames of a plan that come back the same whatever the latents hold that are not
# anchors. Mind the clips: an anchor that follows an anchor is pinned, too. You have `plan.conditions` (with
# `frame_index` and `num_frames`), `plan.chunks` (with `start`, `stop`, `num_anchors`) and `plan.stride`.


# %%
def pinned_frames(plan):
    """Returns a list of frame numbers, ascending."""
    ### BEGIN SOLUTION
    return sorted(c.frame_index + k for c in plan.conditions for k in range(c.num_frames))
    ### END SOLUTION


lab.check_pinned_frames(pinned_frames)

# %% [markdown]
# ## What does it cost?
#
# **Question.** How many more latents does the model have to work on?
#
# One keyframe first. Splitting a run of $N$ frames at frame $b$ gives two runs, each with a first latent of its own.
# The extra latents are
#
# $$ \left(1 + \left\lceil \frac{b - 1}{s} \right\rceil\right)
#    + \left(1 + \left\lceil \frac{N - b - 1}{s} \right\rceil\right)
#    - \left(1 + \left\lceil \frac{N - 1}{s} \right\rceil\right) . $$

# %%
alone = ChunkPlan.build(NUM_FRAMES, [], stride).num_latents
extra = [ChunkPlan.build(NUM_FRAMES, [Condition(b)], stride).num_latents - alone for b in range(NUM_FRAMES)]
print("extra latents for a keyframe at frame 0, 1, 2, ...:", *extra)
for total in range(2, 80):
    run = ChunkPlan.build(total, [], stride).num_latents
    assert {ChunkPlan.build(total, [Condition(b)], stride).num_latents - run for b in range(total)} <= {0, 1, 2}

# %% [markdown]
# **Notice.** At frame 0 a keyframe is free. Elsewhere it costs nothing, one or two latents, never more, depending on
# how the two lengths fall into groups. (Two need other lengths than 30: try 32.)
#
# With many keyframes it adds up. The model attends over all latents at once, so attention's work grows with the square
# of their number. The curve: 49 frames, random places.

# %%
counts, total, rng = list(range(13)), 49, random.Random(0)
draws = pick(200, 40)
latents = np.array(
    [
        [
            ChunkPlan.build(total, [Condition(f) for f in rng.sample(range(total), count)], stride).num_latents
            for _ in range(draws)
        ]
        for count in counts
    ]
)
run = ChunkPlan.build(total, [], stride).num_latents
figure(
    viz.cost_figure(counts, latents, run),
    alt="Left: latents over the number of keyframes, from 13 without any to about 26 with twelve, nearly a line. "
    "Right: pairs of latents, from 1 to about 4 times as many",
)
per_keyframe = (latents[-1].mean() - run) / counts[-1]
print(
    f"one run: {run} latents; with 12 keyframes {latents[-1].mean():.1f} on average, {per_keyframe:.1f} more for each"
)
assert latents.max() <= run + 2 * counts[-1]

# %% [markdown]
# **Notice.** About one more latent for each keyframe. 49 frames are four seconds here. With a keyframe every second or
# so, that is three or four latents on top of 13. This is the price, and it is paid at every denoising step.
#
# ## Clips as conditions
#
# **Question.** To extend a video, its last second is the condition, not one frame. How is a clip laid out?
#
# Like a keyframe, with more anchors. Compare a clip of 5 frames ($s k + 1$) with one of 6.

# %%
for length in (5, 6):
    print(ChunkPlan.build(NUM_FRAMES, [Condition(8, length)], stride).table(), "\n")

# %% [markdown]
# **Notice.** 5 frames make 2 anchors, both full, and the chunk goes on with free latents. 6 frames make 3 anchors, and
# the third is not full: its chunk ends with the clip, surplus 3, and another begins. That chunk has no anchor. It need
# not: the model attends across all chunks.
#
# Are clips pinned like keyframes? The same test: noise everywhere else.

# %%
for length in (5, 6):
    clip = truth[:, :, 8 : 8 + length]
    clip_plan = ChunkPlan.build(pick(24, 16), [Condition(8, length)], stride)
    z_clip = encode_conditions(vae, clip_plan, [clip])
    free = ~torch.tensor(clip_plan.anchors).view(1, 1, -1, 1, 1)
    z_noisy = torch.where(free, noise[:, :, : clip_plan.num_latents], z_clip)
    seen = decode(vae, clip_plan, z_noisy)[:, :, 8 : 8 + length]
    expected = decode_clip(vae, encode_clip(vae, clip))[:, :, :length]
    print(f"{length} frames: differ by {127.5 * (seen - expected).abs().max():.3f} levels at most")
    assert torch.allclose(seen, expected, atol=1e-4)

# %% [markdown]
# ## Cuts
#
# **Question.** A new shot begins inside a group of four frames. What does one latent make of two shots?
#
# It smears them. So (ours) a chunk begins at every cut, with or without a keyframe: then no latent holds frames of two
# shots, and the cut is exact. The measurement: a scene of two shots, once as one run, once with a chunk at the cut.

# %%
two_shots, (cut,) = film(pick(5, 2), num_shots=2)
smeared = decode_naive(vae, NUM_FRAMES, encode_clip(vae, two_shots))
cut_plan = ChunkPlan.build(NUM_FRAMES, [], stride, cuts=[cut])
exact = decode(vae, cut_plan, encode_video(vae, cut_plan, two_shots))
error_smeared, error_exact = levels(smeared, two_shots), levels(exact, two_shots)

shown = list(range(cut - 2, cut + 3))
labels = [str(frame) for frame in shown]
strip(pictures(smeared)[shown], alt="The cut in one run: the first frame of the new shot is smeared", labels=labels)
strip(pictures(exact)[shown], alt="The cut with a chunk of its own: the new shot is clear at once", labels=labels)
figure(
    viz.frame_curves(
        {"one run": error_smeared.tolist(), "a chunk at the cut": error_exact.tolist()},
        "error (levels of 255)",
        marks={"cut": cut},
    ),
    alt="Error by frame. One run has a spike at the cut, several times as high as the rest; with a chunk at the cut "
    "the curve stays low",
)
print(
    f"cut at frame {cut}. Its worst neighbour: {error_smeared[cut - 2 : cut + 3].max():.0f} levels in one run,", end=" "
)
print(f"{error_exact[cut - 2 : cut + 3].max():.0f} with a chunk at the cut")
assert error_smeared[cut - 2 : cut + 3].max() > 1.4 * error_exact[cut - 2 : cut + 3].max()

# %% [markdown]
# ## Decoding as the latents come
#
# **Question.** Must all latents be there before the first frame can be shown?
#
# No. Inside a chunk the decoder keeps its caches from latent to latent, and at a chunk's start it throws them away. So
# the video can be handed out latent by latent, and the memory does not grow with its length. `iter_decode` does this.

# %%
pieces = list(iter_decode(vae, plan, z))
for index, (start, frames) in enumerate(pieces):
    new = " <- a chunk begins: empty caches" if start in KEYFRAMES else ""
    print(f"latent {index:2} gives frames {start:2} to {start + frames.shape[2] - 1:2}{new}")
assert torch.allclose(torch.cat([frames for _, frames in pieces], dim=2), by_chunks, atol=1e-5)

# %% [markdown]
# **Notice.** One frame, then four at a time, from each keyframe on; where a chunk ends, fewer than four are left after
# the surplus is dropped. No piece is held back, and together they are the video that `decode` gave.
#
# ### Exercise 02.5 (2 points)
#
# Write `latents_for(plan, frame)`: how many latents of the sequence, from the start, must be decoded until `frame` can
# be shown? `plan.chunks` have `start`, `stop` and `latent_start`, the index of their first latent in the sequence.


# %%
def latents_for(plan, frame):
    """frame: an int, 0 <= frame < plan.num_frames. Returns a number of latents, at least 1."""
    ### BEGIN SOLUTION
    chunk = next(chunk for chunk in plan.chunks if chunk.start <= frame < chunk.stop)
    return chunk.latent_start + 1 + -(-(frame - chunk.start) // plan.stride)
    ### END SOLUTION


lab.check_latents_for(latents_for)

# %% [markdown]
# ## What Multi-Chunk leaves to others
#
# The decoder knows nothing of the chunk before. So is the step over a border visible? With true latents we can measure
# the layout alone, without a model: the step into a chunk's first frame, divided by the median step beside it (the jump
# ratio of notebook 01; 1 is as if nothing were there).

# %%
for name, frames in (("truth", truth), ("Multi-Chunk", by_chunks)):
    reports = [border_report(pictures(frames), frame) for frame in KEYFRAMES[1:]]
    print(f"{name:12}", "   ".join(f"frame {r.frame}: {r.ratio:.2f} ({r.verdict})" for r in reports))
borders = [border_report(pictures(by_chunks), frame).ratio for frame in KEYFRAMES[1:]]
assert all(0.5 < ratio < 2 for ratio in borders)

# %% [markdown]
# **Notice.** With true latents the steps over the borders are hardly larger than those beside them, and far below 2,
# from where the report speaks of a flash. They are small because the latents on both sides describe one movement. In
# generation it is the transformer that must make them so. It can, because it attends over all chunks at once; but only
# if it knows *when* each latent happens. After a split, the latents are no longer evenly spaced: some hold one frame,
# some four, some less. Numbering them 0, 1, 2, ... would tell it the wrong times.
#
# ## Recap
#
# - A chunk begins at frame 0, at every condition, at every cut, and after a clip that does not fill its last latent.
# - A chunk of $L$ frames has $1 + \lceil (L-1)/s \rceil$ latents; what it decodes past its end is surplus and dropped.
#   So keyframes and cuts stand on any frame (ours; the paper rounds).
# - Chunks are decoded alone, encoded alone but for what their surplus shows, and their latents laid end to end.
# - A keyframe is pinned: it comes back as decode(encode(keyframe)), with noise around it if need be.
# - The price is zero, one or two latents for a keyframe.
#
# **Next:** [03 MC-RoPE](03_mc_rope.ipynb): giving each latent its true time.

# %%
lab.summary("02")
