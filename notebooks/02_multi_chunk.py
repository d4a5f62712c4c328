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
# [Notebook 01](01_causal_vae.ipynb) showed the problem. A picture that is encoded alone is a *first latent*, and the
# decoder cannot read it in the middle of a causal run. The paper SmartDirector
# ([arXiv 2605.27891](https://arxiv.org/abs/2605.27891)) has a short answer: let it be first. The video is split at the
# keyframes, and each keyframe begins a run of its own, a *chunk*. The method is called Multi-Chunk.
#
# > **The paper.** SmartDirector, [arXiv 2605.27891](https://arxiv.org/abs/2605.27891), section 3 (method): Multi-Chunk.
# >
# > - *The paper's:* every keyframe begins a chunk and is encoded alone; chunks have $s k + 1$ frames, so keyframes move
# >   by up to two frames; the model attends over the latents of all chunks.
# > - *Wan's:* the VAE that codes each chunk. Its weights need no change.
# > - *Ours:* chunks of any length with a surplus that is dropped, chunks at cuts, the layout of clips, and all
# >   measurements.
#
# **Goals.** Afterwards you can
# - split a video into chunks, at any frame, and say how many latents that takes;
# - encode and decode chunk by chunk;
# - explain why a keyframe comes back exactly, whatever the model generates around it;
# - place clips and cuts, and decode a video while its latents are still coming.
#
# **Time.** 45 minutes with the exercises. All cells together run in about a minute on a laptop.
#
# **Needs.** Notebook 01, or the paragraph above. You need no GPU and no download.
#
# **Exercises.** One star (★☆☆) is a warm-up, and three stars are hard. The cells after an exercise run *your* function.
# Until it passes its check, they run the library's. If you are stuck, `lab.hint("02.1")` gives a hint, and each further
# call gives a plainer one. Where the text says **Predict**, write your guess down before you run the cell.

# %%
import itertools
import random

import numpy as np
import torch
from diffusers import AutoencoderKLWan

from smartdirector_lite import ChunkPlan, Condition
from smartdirector_lite.course import lab
from smartdirector_lite.course.figures import vae as viz
from smartdirector_lite.course.figures.base import schematic, schematic_text
from smartdirector_lite.course.notebook import pick, show_figure, show_strip, show_table, show_videos
from smartdirector_lite.course.widgets import timeline_editor
from smartdirector_lite.loading import find_model
from smartdirector_lite.loading.cpu import prepare_for_cpu
from smartdirector_lite.media.size import Size
from smartdirector_lite.report import border_report
from smartdirector_lite.toyworld import HELD_OUT_SEED, render, sample_scene
from smartdirector_lite.vae import (
    decode,
    decode_clip,
    decode_naive,
    encode_clip,
    encode_conditions,
    encode_video,
    iter_decode,
    replace_naive,
)

torch.set_grad_enabled(False)  # nothing is trained here
vae = AutoencoderKLWan.from_pretrained(find_model("smartdirector-tiny"), subfolder="vae")  # only the VAE of the model
prepare_for_cpu(vae)  # uses other kernels, which are faster on a CPU and give the same numbers
stride = vae.config.scale_factor_temporal

# %% [markdown]
# The footage and the helpers are the same as in notebook 01. The footage is toy shots that the VAE was not trained on.
# Errors are in *levels*: mean absolute differences on a scale from 0 to 255.

# %%
FPS, NUM_FRAMES, HEIGHT, WIDTH = 12, 30, pick(64, 32), pick(112, 56)


def film(seed, num_shots=1):
    """Return a toy scene, (1, 3, T, H, W) in [-1, 1], and its cuts."""
    scene = sample_scene(HELD_OUT_SEED + seed, NUM_FRAMES, num_shots)
    return render(scene, Size(WIDTH, HEIGHT)).transpose(0, 1)[None] * 2 - 1, list(scene.cuts)


def pictures(video):
    """Return the first video of a batch as uint8 (T, H, W, 3)."""
    return ((video[0].permute(1, 2, 3, 0) + 1) * 127.5).round().clamp(0, 255).byte().numpy()


def levels(a, b):
    """Return (T,), the mean absolute difference of each frame of two videos (1, 3, T, H, W), in levels of 255."""
    return (a - b).abs().mean(dim=(0, 1, 3, 4)) * 127.5


truth, _ = film(1)

# %% [markdown]
# ## Where chunks begin
#
# **Question.** A video has 30 frames, and its keyframes stand at frames 0, 13 and 23. Which chunks does it have?
#
# A *chunk* is a causal run of frames $[b, e)$ like the run of notebook 01, and the VAE codes each chunk on its own.
# Four things begin a chunk:
#
# - Frame 0 begins the first one.
# - Every *condition* begins one. A condition is whatever is given at a certain frame. A keyframe is a condition of one
#   frame, and a *clip* is a condition of several frames.
# - Every cut to another shot begins one, keyframe or not. (Why? See below, under *Cuts*.)
# - A clip of $s k + 1$ frames fills its latents, and its chunk goes on behind it. In any other clip the last latent is
#   not full. No new frame may go into that latent, so another chunk begins right after the clip.
#
# ### Exercise 02.1 (3 points, ★★☆)
#
# Write `chunk_starts`. It returns the first frames of all chunks in ascending order, each of them once. Conditions are
# pairs (first frame, length), in any order. `cuts` holds the first frame of each later shot.


# %%
def chunk_starts(num_frames, conditions, cuts, stride):
    """conditions: a list of (frame, length). Return the chunks' first frames, ascending, each of them once."""
    ### BEGIN SOLUTION
    starts = {0, *cuts}
    for frame, length in conditions:
        starts.add(frame)
        if (length - 1) % stride and frame + length < num_frames:
            starts.add(frame + length)
    return sorted(starts)
    ### END SOLUTION


chunk_starts = lab.check_chunk_starts(chunk_starts)

# %% [markdown]
# ## How many latents a chunk has
#
# **Question.** How many latents does each chunk have?
#
# A chunk has $L = e - b$ frames. Its first frame gets one latent. Each further group of $s$ frames gets one latent, and
# the last group may be incomplete. But a latent always decodes to a whole group. So a few frames may come out past the
# end of the chunk. They are the *surplus*, and they are dropped:
#
# $$ n = 1 + \left\lceil \frac{L - 1}{s} \right\rceil, \qquad \text{surplus} = 1 + s\,(n - 1) - L . $$
#
# **Predict.** Work out $n$ and the surplus of the three chunks on paper.


# %%
def split(num_frames, conditions, cuts=()):
    """Return (start, stop, latents, surplus) of each chunk. The chunks begin where your function says."""
    borders = [*chunk_starts(num_frames, list(conditions), list(cuts), stride), num_frames]
    chunks = []
    for start, stop in itertools.pairwise(borders):
        n = 1 + -(-(stop - start - 1) // stride)  # -(-a // b) is a / b, rounded up
        chunks.append((start, stop, n, 1 + stride * (n - 1) - (stop - start)))
    return chunks


KEYFRAMES = [0, 13, 23]
chunks = split(NUM_FRAMES, [(frame, 1) for frame in KEYFRAMES])
show_table(
    [(f"{start} to {stop - 1}", n, surplus) for start, stop, n, surplus in chunks], ("frames", "latents", "surplus")
)

# %% [markdown]
# **Check.** The library keeps all this in one object, the `ChunkPlan`. It says where the chunks lie, which latents come
# from conditions, and which frames are dropped. All other modules ask the plan, and none of them counts frames itself.
# Your chunks must be those of the plan, for any keyframes, clips and cuts.

# %%
rng = random.Random(0)
for _ in range(500):
    total = rng.randint(8, 60)
    places = rng.sample(range(0, total - 7, 7), rng.randint(0, min(3, (total - 1) // 7)))
    conditions = [(frame, rng.choice((1, 1, 4, 5, 6))) for frame in places]
    cuts = [frame + 6 for frame in places if rng.random() < 0.3]
    made = ChunkPlan.build(total, [Condition(*condition) for condition in conditions], stride, cuts)
    assert split(total, conditions, cuts) == [(c.start, c.stop, c.num_latents, c.surplus) for c in made.chunks]

plan = ChunkPlan.build(NUM_FRAMES, [Condition(frame) for frame in KEYFRAMES], stride)
show_figure(schematic(plan), alt=schematic_text(plan))

# %% [markdown]
# **Notice.** Read the figure from top to bottom: frames, chunks, latents, their places in time, and the frames that
# come back. The keyframe at 13 stands on frame 13. Nothing was rounded, because the chunk before it simply ends there.
# The gold latents are *anchors*. They come from conditions and stay clean, and the model never changes them. The
# hatched parts are surplus. `tau` is the position of each latent in time, and notebook 03 is about it.
#
# With a running kernel you can move the keyframes below. The figure above shows where they start.

# %%
timeline_editor(plan)

# %% [markdown]
# ### Exercise 02.2 (3 points, ★★☆)
#
# The paper's chunks have $s k + 1$ frames, so that there is no surplus. Then a keyframe cannot stand at every frame. It
# moves to the nearest frame that fits. (The surplus, and the exact placement that comes with it, are ours.)
#
# Write `rounded_place(frame, start, stride)`. The chunk before begins at `start`, and the keyframe is wanted at
# `frame`. Return the nearest frame $b$ > `start` for which $[start, b)$ has $s k + 1$ frames, $k \ge 0$. If two frames
# are equally near, either of them will do. How far can a keyframe move, at most?


# %%
def rounded_place(frame, start, stride):
    """All arguments are ints, frame > start. Return the frame where the keyframe would stand, an int."""
    ### BEGIN SOLUTION
    k = max(0, round((frame - start - 1) / stride))
    return start + 1 + stride * k
    ### END SOLUTION


rounded_place = lab.check_rounded_place(rounded_place)

# %%
moves = [abs(rounded_place(frame, 0, stride) - frame) for frame in range(1, NUM_FRAMES)]
rounded = [0]
for frame in KEYFRAMES[1:]:
    rounded.append(rounded_place(frame, rounded[-1], stride))
surplus = [surplus for *_, surplus in split(NUM_FRAMES, [(frame, 1) for frame in rounded])]
print("wanted", KEYFRAMES, "  with rounding", rounded, "  surplus", surplus)
print("a keyframe moves by at most", max(moves), "frames, and on average by", round(sum(moves) / len(moves), 2))
assert surplus[:-1] == [0] * (len(surplus) - 1)

# %% [markdown]
# **Notice.** In the paper's way, only the last chunk can have a surplus, and a keyframe moves by up to
# two<!-- = max(moves) --> frames. At 24 frames a second that is hardly seen. At 12 it is a sixth of a second. We keep
# each keyframe where it was asked for, and pay with the surplus.

# %% [markdown]
# ## Encoding chunk by chunk
#
# **Question.** What does the VAE see?
#
# The VAE sees one chunk at a time, together with the frames of its surplus. They are the frames that follow the chunk
# in the same shot. At the end of the video or before a cut, nothing follows. There the last frame of the chunk is
# repeated instead. (The [appendix 02a](02a_surplus.ipynb) measures why.)
#
# The chunk goes through the encoder with an empty cache. Then its latents are normalised with the channel statistics of
# the VAE's config: $z = (z_\text{VAE} - \mu) / \sigma$. At the end, the latents of all chunks are joined in time, one
# chunk after the other. We build this from diffusers' own `vae.encode`.


# %%
def encode_by_chunks(video, chunks):
    """Encode a video of one shot, (1, 3, N, H, W) in [-1, 1]. Return normalised latents (1, C, F, h, w)."""
    mean, std = (
        torch.tensor(values).view(1, -1, 1, 1, 1) for values in (vae.config.latents_mean, vae.config.latents_std)
    )
    parts = []
    for start, stop, _, surplus in chunks:
        chunk = video[:, :, start : stop + surplus]  # it ends where the video ends, at the latest
        missing = stop + surplus - start - chunk.shape[2]
        chunk = torch.cat([chunk, chunk[:, :, -1:].expand(-1, -1, missing, -1, -1)], dim=2)  # repeat the last frame
        parts.append((vae.encode(chunk).latent_dist.mode() - mean) / std)
    return torch.cat(parts, dim=2)


z = encode_by_chunks(truth, chunks)
assert torch.allclose(z, encode_video(vae, plan, truth), atol=1e-4)
print("latents", tuple(z.shape), "for", NUM_FRAMES, "frames; as one run it would be", encode_clip(vae, truth).shape[2])

# %% [markdown]
# ### Exercise 02.3 (2 points, ★☆☆)
#
# Decoding works in the same way: every chunk is decoded alone, with an empty cache. Write the last step, `join_chunks`.
# It gets the frames that each chunk decodes to, surplus included, and the span of each chunk. It returns the video.


# %%
def join_chunks(decoded, spans):
    """decoded: a list of (B, 3, 1 + s (n - 1), H, W); spans: a list of (start, stop). Return (B, 3, N, H, W)."""
    ### BEGIN SOLUTION
    return torch.cat([frames[:, :, : stop - start] for frames, (start, stop) in zip(decoded, spans)], dim=2)
    ### END SOLUTION


join_chunks = lab.check_join_chunks(join_chunks)

# %% [markdown]
# Now everything is there for Multi-Chunk: your chunks, the encoder, the decoder, and your last step. We compare the
# result with two others. The first is the whole video as one run, without any keyframe. The second is the naive way of
# notebook 01, which puts the keyframes' own latents into that run. All latents come from the true video.
#
# **Predict.** Where will the naive video stumble? Before, at, or after its keyframes?


# %%
def decode_by_chunks(z, chunks):
    """Decode latents (B, C, F, h, w) chunk by chunk. Return the video (B, 3, N, H, W)."""
    parts = z.split([n for _, _, n, _ in chunks], dim=2)
    return join_chunks([decode_clip(vae, part) for part in parts], [(start, stop) for start, stop, _, _ in chunks])


by_chunks = decode_by_chunks(z, chunks)
assert torch.allclose(by_chunks, decode(vae, plan, z), atol=1e-4)
z_run = encode_clip(vae, truth)
one_run = decode_naive(vae, NUM_FRAMES, z_run)
keyframes = [truth[:, :, frame : frame + 1] for frame in KEYFRAMES]
naive = decode_naive(vae, NUM_FRAMES, replace_naive(vae, z_run, plan.conditions, keyframes))
show_videos(
    {"naive": pictures(naive), "Multi-Chunk": pictures(by_chunks)},
    FPS,
    scale=3,
    alt="The toy shot, twice. On the left, the naive way: the shot stumbles around frames 13 and 23, with ghosts. On "
    "the right, Multi-Chunk: everything moves evenly",
)

# %%
errors = {name: levels(v, truth) for name, v in (("one run", one_run), ("Multi-Chunk", by_chunks), ("naive", naive))}
show_figure(
    viz.frame_curves(
        {name: error.tolist() for name, error in errors.items()},
        "error (levels of 255)",
        marks={"keyframe at 13": 13, "keyframe at 23": 23},
        fps=FPS,
    ),
    alt=f"The error of each frame. One run is off by {errors['one run'].max():.1f} levels at most, and Multi-Chunk by "
    f"{errors['Multi-Chunk'].max():.1f}. The naive curve has two humps, from frames 13 and 21 on. They are "
    f"{errors['naive'][13:20].max():.0f} and {errors['naive'][20:].max():.0f} levels high, with a dip at keyframe 23",
)
for name, error in errors.items():
    print(f"{name:12} keyframes {error[KEYFRAMES[1:]].mean():5.1f}   all frames {error.mean():5.1f}")
assert errors["Multi-Chunk"].mean() < 1.1 * errors["one run"].mean() < errors["naive"].mean()

# %% [markdown]
# **Notice.** Multi-Chunk has no humps. Its keyframes are off by
# 2.8<!-- = errors["Multi-Chunk"][KEYFRAMES[1:]].mean() --> levels, even a little less than the
# 3.5<!-- = errors["one run"][KEYFRAMES[1:]].mean() --> of one run, because a first latent describes only a single
# frame. In the naive way they are off by 10.7<!-- = errors["naive"][KEYFRAMES[1:]].mean() -->. Its second hump begins
# at frame 21, two frames *before* the keyframe at 23: the keyframe's latent holds frames 21 to 24, and the decoder
# takes the keyframe for all of them.
#
# ## The pinned keyframe
#
# **Question.** What happens to the keyframe if the model fails and all other latents are useless?
#
# The decoder is causal inside a chunk, and the anchor is the chunk's first latent. Nothing comes before the anchor, so
# nothing can change it. At a keyframe the decoder therefore gives
#
# $$ \text{decode}(\text{encode}(\text{keyframe})), $$
#
# whatever all other latents are. We say that the keyframe is *pinned*. That is a strong claim. We test it with noise in
# the place of all other latents.


# %%
def with_noise(plan, given, seed):
    """Return latents (1, C, F, h, w): those of the given frames at the anchors, and noise everywhere else."""
    z_given = encode_conditions(vae, plan, given)  # the conditions' latents in their places, zeros elsewhere
    noise = torch.randn(z_given.shape, generator=torch.Generator().manual_seed(seed))
    return torch.where(torch.tensor(plan.anchors).view(1, 1, -1, 1, 1), z_given, noise)


ours = decode_by_chunks(with_noise(plan, keyframes, seed=0), chunks)
run_noise = torch.randn(z_run.shape, generator=torch.Generator().manual_seed(0))
theirs = decode_naive(vae, NUM_FRAMES, replace_naive(vae, run_noise, plan.conditions, keyframes))

shown = [0, 1, 12, 13, 14]
labels = [str(frame) for frame in shown]
show_strip(
    pictures(ours)[shown],
    alt="Multi-Chunk with noise. Frames 0 and 13 are the keyframes, and they are clear. Frames 1, 12 and 14 are full "
    "of blotches",
    labels=labels,
)
show_strip(
    pictures(theirs)[shown],
    alt="Naive replacement with noise. Frame 0 is clear. Frame 13, the keyframe, is covered by noise, and frame 14 "
    "shows a pale version of it",
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
# **Notice.** The keyframes are exact, apart from floating-point rounding, in the middle of noise. This needs no
# training, and no loss asks for it. The layout of the chunks alone guarantees it. (The layout guarantees the keyframe
# *as the VAE shows it*. The bundled VAE is soft, so its keyframes are soft. Notebook 05 is about detail.)
#
# And the neighbours? Frame 14 shows what the decoder remembers of the keyframe, with noise on top. The layout does not
# make the frames around a keyframe look right. That is the model's work.
#
# ### Exercise 02.4 (2 points, ★★☆)
#
# Write `pinned_frames(plan)`. Suppose that all latents change except the anchors. The function returns the frames that
# stay the same, in ascending order. Mind the clips: an anchor that follows an anchor is pinned, too. You have
# `plan.conditions` (each with `frame_index` and `num_frames`), `plan.chunks` (each with `start`, `stop` and
# `num_anchors`) and `plan.stride`. The function must hold for VAEs of any stride.


# %%
def pinned_frames(plan):
    """Return a list of frame numbers, ascending."""
    ### BEGIN SOLUTION
    return sorted(c.frame_index + k for c in plan.conditions for k in range(c.num_frames))
    ### END SOLUTION


pinned_frames = lab.check_pinned_frames(pinned_frames)

# %% [markdown]
# **Check.** We measure it. The same conditions get two different noises, for plans with keyframes, with a clip of 5
# frames ($s k + 1$), and with a clip of 6 frames. The frames that are equal in both videos must be those that your
# function names.

# %%
layouts = [[(0, 1), (13, 1)], [(8, 5)], [(8, 6)]]
for conditions in layouts:
    total = pick(24, 16)
    some = ChunkPlan.build(total, [Condition(*condition) for condition in conditions], stride)
    given = [truth[:, :, frame : frame + length] for frame, length in conditions]
    one, two = (decode_by_chunks(with_noise(some, given, seed), split(total, conditions)) for seed in (1, 2))
    same = [frame for frame in range(total) if (one - two)[:, :, frame].abs().max() < 1e-4]
    print(f"conditions {conditions}: frames {same} are pinned; chunks begin at {[c.start for c in some.chunks]}")
    assert same == list(pinned_frames(some))

# %% [markdown]
# **Notice.** A clip of 5 frames makes 2 anchors. Both are full, so the chunk goes on with latents that the model
# generates. A clip of 6 frames makes 3 anchors, and the third is not full. So its chunk ends with the clip, and another
# chunk begins at frame 14. That chunk has no anchor. It needs none, because the model attends across all chunks.
#
# ## What does it cost?
#
# **Question.** How many more latents does the model have to work on?
#
# We begin with one keyframe. It splits a run of $N$ frames at frame $b$ into two runs, and each of them has a first
# latent of its own. The number of extra latents is
#
# $$ \left(1 + \left\lceil \frac{b - 1}{s} \right\rceil\right)
#    + \left(1 + \left\lceil \frac{N - b - 1}{s} \right\rceil\right)
#    - \left(1 + \left\lceil \frac{N - 1}{s} \right\rceil\right) . $$
#
# **Predict.** Can this be negative? Can it be more than 2?

# %%
alone = ChunkPlan.build(NUM_FRAMES, [], stride).num_latents
extra = [ChunkPlan.build(NUM_FRAMES, [Condition(b)], stride).num_latents - alone for b in range(NUM_FRAMES)]
print("extra latents for a keyframe at frame 0, 1, 2, ...:", *extra)
for total in range(2, 80):
    run = ChunkPlan.build(total, [], stride).num_latents
    assert {ChunkPlan.build(total, [Condition(b)], stride).num_latents - run for b in range(total)} <= {0, 1, 2}

# %% [markdown]
# **Notice.** At frame 0 a keyframe is free. Elsewhere it costs zero, one or two extra latents, and never more. The
# number depends on how the two lengths fall into groups. (With 30 frames it is never two. Try 32.)
#
# The cost of many keyframes adds up. The model attends over all latents at once, so the work of attention grows with
# the square of their number. The next figure shows this for 49 frames and keyframes at random places.

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
show_figure(
    viz.cost_figure(counts, latents, run),
    alt=f"Left: the number of latents grows nearly in a line with the number of keyframes, from {run} without any to "
    f"{latents[-1].mean():.0f} with twelve. Right: the number of pairs of latents grows to "
    f"{((latents[-1] / run) ** 2).mean():.1f} times as many",
)
per_keyframe = (latents[-1].mean() - run) / counts[-1]
print(
    f"one run: {run} latents; with 12 keyframes {latents[-1].mean():.1f} on average, {per_keyframe:.1f} more for each"
)
assert latents.max() <= run + 2 * counts[-1]

# %% [markdown]
# **Notice.** Each keyframe costs about 1.1<!-- = per_keyframe --> more latents. 49 frames are four seconds here. With a
# keyframe every second, that is four or five latents on top of 13<!-- = run -->. This is the price, and it is paid at
# every denoising step.
#
# ## Cuts
#
# **Question.** A new shot begins inside a group of four frames. What does one latent make of two shots?
#
# It smears them. So in this project a chunk begins at every cut, with or without a keyframe. (This rule is ours.) Then
# no latent holds frames of two shots, and the cut is exact. To measure this, we take a scene of two shots. We encode it
# once as one run, and once with a chunk at the cut.
#
# **Predict.** Which frames will be smeared in one run: the last of the old shot, or the first of the new one?

# %%
two_shots, (cut,) = film(pick(9, 2), num_shots=2)
smeared = decode_naive(vae, NUM_FRAMES, encode_clip(vae, two_shots))
cut_plan = ChunkPlan.build(NUM_FRAMES, [], stride, cuts=[cut])
exact = decode_by_chunks(encode_video(vae, cut_plan, two_shots), split(NUM_FRAMES, [], [cut]))
error_smeared, error_exact = levels(smeared, two_shots), levels(exact, two_shots)
show_videos(
    {"one run": pictures(smeared), "chunk at cut": pictures(exact)},
    FPS,
    scale=3,
    alt="A toy scene of two shots, twice. On the left, coded as one run, the pictures are smeared around the cut. On "
    "the right, with a chunk at the cut, they are clear",
)
shown = list(range(cut - 2, cut + 3))
show_strip(
    np.concatenate([pictures(smeared)[shown], pictures(exact)[shown]], axis=1),  # one above the other
    alt=f"Two rows of five frames around the cut at frame {cut}. Above, in one run, the last frame of the old shot and "
    "the first of the new one are smeared. Below, with a chunk at the cut, all are clear",
    labels=[str(frame) for frame in shown],
)
print(f"cut at frame {cut}. The largest error near it:", end=" ")
print(f"{error_smeared[cut - 2 : cut + 3].max():.0f} levels in one run,", end=" ")
print(f"{error_exact[cut - 2 : cut + 3].max():.0f} with a chunk at the cut")
assert error_smeared[cut - 2 : cut + 3].max() > 1.4 * error_exact[cut - 2 : cut + 3].max()

# %% [markdown]
# **Notice.** Both are smeared. Frames 13<!-- = cut - 1 --> and 14<!-- = cut --> belong to two shots, but in one run
# they share a latent. The last frame of the old shot is 9<!-- = error_smeared[cut - 1] --> levels off, and the first of
# the new one 10<!-- = error_smeared[cut] -->. With a chunk at the cut they are 3<!-- = error_exact[cut - 1] --> and
# 4<!-- = error_exact[cut] --> levels off, as all other frames are.
#
# ## Decoding as the latents come
#
# **Question.** Must all latents be there before the first frame can be shown?
#
# No. Inside a chunk the decoder keeps its caches from latent to latent. At the start of a chunk it throws them away. So
# the video can be shown latent by latent, and the memory does not grow with the length of the video. The function
# `iter_decode` does this.

# %%
pieces = list(iter_decode(vae, plan, z))
for index, (start, frames) in enumerate(pieces):
    new = " <- a chunk begins: empty caches" if start in KEYFRAMES else ""
    print(f"latent {index:2} gives frames {start:2} to {start + frames.shape[2] - 1:2}{new}")
assert torch.allclose(torch.cat([frames for _, frames in pieces], dim=2), by_chunks, atol=1e-5)

# %% [markdown]
# **Notice.** A chunk first gives one frame, and then four frames at a time. At the end of a chunk fewer than four may
# be left, because the surplus is dropped. No frame is held back. Together the pieces are the video that `decode` gave.
#
# ### Exercise 02.5 (2 points, ★★☆)
#
# Write `latents_for(plan, frame)`. How many latents of the sequence, counted from its start, must be decoded until
# `frame` can be shown? Each chunk in `plan.chunks` has `start`, `stop` and `latent_start`, which is the index of its
# first latent in the sequence.


# %%
def latents_for(plan, frame):
    """frame: an int, 0 <= frame < plan.num_frames. Return a number of latents, at least 1."""
    ### BEGIN SOLUTION
    chunk = next(chunk for chunk in plan.chunks if chunk.start <= frame < chunk.stop)
    return chunk.latent_start + 1 + -(-(frame - chunk.start) // plan.stride)
    ### END SOLUTION


latents_for = lab.check_latents_for(latents_for)

# %%
arrival = [count for count, (_, frames) in enumerate(pieces, 1) for _ in range(frames.shape[2])]  # of each frame
waits = [latents_for(plan, frame) for frame in range(NUM_FRAMES)]
assert waits == arrival
one_by_one = [latents_for(ChunkPlan.build(NUM_FRAMES, [], stride), frame) for frame in range(NUM_FRAMES)]
show_figure(
    viz.frame_curves({"three keyframes": waits, "one run": one_by_one}, "latents to wait for", fps=FPS),
    alt=f"Two stairs: the latents that must be decoded until a frame can be shown. One run goes up by one every four "
    f"frames and ends at {one_by_one[-1]}. With three keyframes the stairs are steeper around frames 13 and 23 and "
    f"end at {waits[-1]}",
)

# %% [markdown]
# **Notice.** Your function agrees with what `iter_decode` did. The extra steps of the upper stairs are the price of the
# keyframes: each begins with a latent of a single frame, and the chunk before it may end with a latent that is not
# full.
#
# ## What Multi-Chunk leaves to others
#
# The decoder knows nothing of the chunk before. So can we see the step over a border? With true latents we can measure
# the layout alone, without a model. We use the jump ratio of notebook 01: the step into a chunk's first frame, divided
# by the median step beside it. If the ratio is 1, the border is a step like any other.

# %%
for name, frames in (("truth", truth), ("Multi-Chunk", by_chunks)):
    reports = [border_report(pictures(frames), frame) for frame in KEYFRAMES[1:]]
    print(f"{name:12}", "   ".join(f"frame {r.frame}: {r.ratio:.2f} ({r.verdict})" for r in reports))
borders = [border_report(pictures(by_chunks), frame).ratio for frame in KEYFRAMES[1:]]
assert all(0.5 < ratio < 2 for ratio in borders)

# %% [markdown]
# **Notice.** With true latents, the steps over the borders are hardly larger than the steps beside them. They are far
# below 2, where the report begins to say "flash". They are small because the latents on both sides of a border describe
# one movement.
#
# When a video is generated, the transformer must make the latents fit in this way. It can, because it attends over all
# chunks at once. But it has to know *when* each latent happens. After a split, the latents are no longer evenly spaced
# in time: some hold one frame, some hold four, and some hold two or three. If we numbered them 0, 1, 2, ..., we would
# tell the transformer wrong times.
#
# **In your own words.** Why does a keyframe come back exactly, even if all other latents are noise? Answer in one or
# two sentences. No program checks this answer.

# %%
lab.free_text("02.6", "...")

# %% [markdown]
# ## Recap
#
# - A chunk begins at frame 0, at every condition, at every cut, and after a clip that does not fill its last latent.
# - A chunk of $L$ frames has $1 + \lceil (L-1)/s \rceil$ latents. The frames that it decodes past its end are the
#   surplus, and they are dropped. So keyframes and cuts stand on any frame. (This is ours. The paper rounds.)
# - Each chunk is encoded together with its surplus, and decoded alone. The latents of all chunks are joined in time.
# - A keyframe is pinned. It comes back as decode(encode(keyframe)), even with noise around it.
# - A keyframe costs zero, one or two extra latents.
#
# **Next:** [03 MC-RoPE](03_mc_rope.ipynb). It gives each latent its true time.

# %%
lab.summary("02")
