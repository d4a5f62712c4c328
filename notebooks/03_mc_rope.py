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
# # 03 MC-RoPE: telling the transformer when each latent happens
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/THIS_REPOSITORY/blob/main/notebooks/03_mc_rope.ipynb)
#
# [Notebook 02](02_multi_chunk.ipynb) split the video at its keyframes. Since then the latents are no longer evenly
# spaced in time: some hold one frame, most hold four, some hold less. The transformer that generates them must know
# *when* each one happens. This notebook is about the number that tells it.
#
# **Goals.** Afterwards you can
# - explain how turning a pair of numbers tells a transformer *where* a token is, and write it down in three axes;
# - compute the temporal index $\tau$ of every latent, under four schemes;
# - say what each scheme misstates at a chunk's border;
# - see what a wrong index costs a trained model.
#
# **Time.** 45 minutes with the exercises; all cells together run in about a minute on a laptop.
#
# **Needs.** Notebook 02, or its one formula: a chunk of $L$ frames has $1 + \lceil (L-1)/s \rceil$ latents, the first
# of one frame, the others of $s = 4$. You have met attention, $\mathrm{softmax}(q k^\top)\,v$. No GPU, no download.

# %%
# On Colab or another fresh machine: get the package, and leave torch and numpy as they are. Here this does nothing.
import importlib.metadata, importlib.util, subprocess, sys

if importlib.util.find_spec("smartdirector_lite") is None:
    kept = [f"{n}=={importlib.metadata.version(n)}" for n in ("torch", "numpy") if importlib.util.find_spec(n)]
    package = "smartdirector-lite[notebooks] @ git+https://github.com/THIS_REPOSITORY"
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", package, *kept], check=True)

# %%
import itertools
import math

import torch
from diffusers.models.embeddings import apply_rotary_emb

from smartdirector_lite import ChunkPlan, Condition, VideoCondition, load_director
from smartdirector_lite.course import lab
from smartdirector_lite.vae.multichunk import encode_video
from smartdirector_lite.course.notebook import figure, pick, strip
from smartdirector_lite.gen.preconditioning import to_velocity
from smartdirector_lite.timeline import TAU_SCHEMES
from smartdirector_lite.toyworld import HELD_OUT_SEED, render, sample_scene
from smartdirector_lite.course.figures import rope as viz
from smartdirector_lite.course.widgets import tau_explorer

torch.set_grad_enabled(False)  # nothing is trained here
gen = load_director().gen  # the bundled model: a VAE, a transformer, a text encoder
gen.set_progress_bar_config(disable=True)
transformer = gen.transformer

# %% [markdown]
# ## Attention sees a set
#
# **Question.** Does attention know the order of its tokens?
#
# Every token asks with a query $q$ and is found by its key $k$; the score is $q \cdot k$, and nothing in it says where
# the two stand. The smallest example: three tokens, and the same three in another order.


# %%
def attend(q, k, v):
    """q, k, v: (tokens, D). Returns (tokens, D)."""
    return torch.softmax(q @ k.T / math.sqrt(q.shape[-1]), dim=-1) @ v


q, k, v = torch.randn(3, 3, 2, generator=torch.Generator().manual_seed(0))
order = torch.tensor([2, 0, 1])
print("in order:", [round(value, 4) for value in attend(q, k, v)[0].tolist()])
print("shuffled:", [round(value, 4) for value in attend(q, k[order], v[order])[0].tolist()])
assert torch.allclose(attend(q, k, v), attend(q, k[order], v[order]), atol=1e-6)

# %% [markdown]
# **Notice.** The first token gets the same answer. To plain attention, a film with its frames shuffled is the same
# film. So the position must be put into $q$ and $k$.
#
# ## One turning pair
#
# **Question.** How can $q \cdot k$ depend on how far apart two tokens are, and on nothing else of their positions?
#
# Take two values of a vector as a point in the plane, and turn it by an angle that grows with the position $m$:
#
# $$ R(\omega m) \begin{pmatrix} x_1 \\ x_2 \end{pmatrix} =
#    \begin{pmatrix} x_1 \cos \omega m - x_2 \sin \omega m \\ x_1 \sin \omega m + x_2 \cos \omega m \end{pmatrix},
#    \qquad R(\omega m)\,q \cdot R(\omega n)\,k = q \cdot R(\omega (n - m))\, k . $$
#
# Turning both by the same angle changes nothing between them, so only the *difference* $n - m$ is left. This is a
# rotary position embedding, RoPE.


# %%
def turn(pair, angle):
    """Turn a pair (x_1, x_2) by an angle in radians."""
    x_1, x_2 = pair
    return x_1 * math.cos(angle) - x_2 * math.sin(angle), x_1 * math.sin(angle) + x_2 * math.cos(angle)


def score(query, key, m, n, omega):
    (a, b), (c, d) = turn(query, omega * m), turn(key, omega * n)
    return a * c + b * d


query, key, omega = (1.0, 0.2), (0.8, 0.5), 0.3
for m, n in ((0, 2), (10, 12), (3.25, 5.25), (0, 5)):
    print(f"query at {m:5}, key at {n:5}: score {score(query, key, m, n, omega):.4f}")
assert math.isclose(score(query, key, 0, 2, omega), score(query, key, 3.25, 5.25, omega))

# %%
figure(
    viz.pair_figure(query, key, omega, [(0, 2), (10, 12), (0, 5)]),
    alt="Three panels, each with a query and a key as arrows. In the first two, two positions apart, both are turned "
    "further, with the same angle between them and the same score; in the third, five apart, the angle is wider.",
)

# %% [markdown]
# **Notice.** The first three scores are equal: two apart is two apart. And nothing asked for a whole number: 3.25 is a
# position as good as 3. All of MC-RoPE rests on that.
#
# ### Exercise 03.1 (3 points)
#
# A real vector has many pairs. Write `rotate(x, angles)`, which turns values 0 and 1 by the first angle, 2 and 3 by
# the second, and so on. No loop over the pairs is needed: `x[:, 0::2]` are all first values.


# %%
def rotate(x, angles):
    """x: (S, D), angles: (S, D / 2), radians. Returns (S, D); x stays as it is."""
    ### BEGIN SOLUTION
    x_1, x_2 = x[:, 0::2], x[:, 1::2]
    cos, sin = angles.cos(), angles.sin()
    return torch.stack([x_1 * cos - x_2 * sin, x_1 * sin + x_2 * cos], dim=-1).flatten(1)
    ### END SOLUTION


lab.check_rotate(rotate)

# %% [markdown]
# ## Many pairs: fast and slow clocks
#
# **Question.** One pair comes round again, and then mistakes far for near. What helps?
#
# More pairs, each with a speed of its own. An axis of $D$ values has $D/2$ pairs; pair $i$ turns by
#
# $$ \omega_i = \theta^{-2i/D}, \qquad \theta = 10\,000, $$
#
# for each step of the position. In the bundled model, time has 24 values of each head, so 12 pairs.


# %%
def clocks(dim, theta=10000.0):
    """The angle of one step, in radians, of every pair: (dim / 2,)."""
    return theta ** (-torch.arange(0, dim, 2, dtype=torch.float64) / dim)


time_dim = transformer.rope.t_dim
for index, omega_i in enumerate(clocks(time_dim).tolist()):
    if index in (0, 1, 2, 6, 11):
        print(f"pair {index:2}: {math.degrees(omega_i):8.4f} degrees a latent frame")

# %%
figure(
    viz.clocks_figure(clocks(time_dim)),
    alt="Left: cosines of four pairs against the distance, the first one fast, the last ones nearly flat. Right: the "
    "mean of all twelve, 1 at distance 0, falling on both sides, with small waves.",
)

# %% [markdown]
# **Notice.** The fast pairs tell neighbours apart, and repeat. The slow ones hardly move over a short video, and tell
# early from late in a long one. Their mean has its one peak at distance 0: *nearby in time* has a meaning now. (The
# mean is the score of a query and a key whose values are all alike. A trained model sets the weights of the pairs
# through its queries and keys, so its heads may prefer any distance.)
#
# ### Exercise 03.2 (2 points)
#
# Write `turning_period(pair, dim, theta)`: how far must the position go until this pair has turned once around?


# %%
def turning_period(pair, dim, theta):
    """pair: 0 to dim / 2 - 1. Returns a distance, in steps of the position."""
    ### BEGIN SOLUTION
    return 2 * math.pi * theta ** (2 * pair / dim)
    ### END SOLUTION


lab.check_turning_period(turning_period)

# %% [markdown]
# ## Three axes
#
# **Question.** A token of a video stands in time, height and width. How does one vector hold three positions?
#
# It is cut in three. Of the $D$ values of a head, $2 \lfloor D/6 \rfloor$ are turned by the row, as many by the
# column, and the rest, at the front, by the time $\tau$:
#
# $$ \underbrace{\tau\, \omega^{(t)}_0,\ \tau\, \omega^{(t)}_1, \dots}_{\text{time}} \quad
#    \underbrace{y\, \omega^{(h)}_0, \dots}_{\text{height}} \quad
#    \underbrace{x\, \omega^{(w)}_0, \dots}_{\text{width}} $$
#
# Each axis has clocks of its own. Written out for a whole video, in plain torch: `tau` has one number for each latent
# frame, and rows and columns are counted in tokens. Here each cell of the latent is one; in Wan, 2 x 2 cells are.


# %%
def rotary_angles(tau, rows, columns, head_dim):
    """The angles of all tokens, frame by frame, row by row: (F * rows * columns, head_dim / 2)."""
    side = 2 * (head_dim // 6)
    in_time = torch.outer(torch.tensor(tau, dtype=torch.float64), clocks(head_dim - 2 * side))
    in_height = torch.outer(torch.arange(rows, dtype=torch.float64), clocks(side))
    in_width = torch.outer(torch.arange(columns, dtype=torch.float64), clocks(side))
    grid = (len(tau), rows, columns, -1)
    return torch.cat(
        [
            in_time[:, None, None].expand(grid),
            in_height[None, :, None].expand(grid),
            in_width[None, None].expand(grid),
        ],
        dim=-1,
    ).reshape(len(tau) * rows * columns, head_dim // 2)


tau = [0.0, 1.0, 3.25, 5.5]
head_dim = transformer.config.attention_head_dim
ours = rotary_angles(tau, rows=8, columns=14, head_dim=head_dim)
cos, sin = transformer.rotary(tau, height=8, width=14)  # the library's: (1, tokens, 1, head_dim), latent cells
assert torch.allclose(ours.cos().repeat_interleave(2, dim=-1), cos[0, :, 0].double(), atol=1e-6)
assert torch.allclose(ours.sin().repeat_interleave(2, dim=-1), sin[0, :, 0].double(), atol=1e-6)
print(
    f"{len(ours)} tokens of {head_dim} values: {transformer.rope.t_dim} time, {transformer.rope.h_dim} height,", end=" "
)
print(f"{transformer.rope.w_dim} width; our tables are the library's")

# %% [markdown]
# The table holds each cosine twice, once for each value of a pair. diffusers applies it so; ours, pair by pair, is the
# same:

# %%
x = torch.randn(len(ours), head_dim, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
x_1, x_2 = x[:, 0::2], x[:, 1::2]
by_hand = torch.stack([x_1 * ours.cos() - x_2 * ours.sin(), x_1 * ours.sin() + x_2 * ours.cos()], dim=-1).flatten(1)
by_diffusers = apply_rotary_emb(x[None, None], (cos[0, :, 0], sin[0, :, 0]))[0, 0]
assert torch.allclose(by_hand, by_diffusers, atol=1e-5)
print("by hand and by diffusers: equal to within 1e-5")

# %% [markdown]
# **Notice.** Plain Wan takes the latent's number for $\tau$, and its table has whole numbers only. The library's
# `rotary` asks for $\tau$ and takes any. That is the whole change in the model: no weight is added.
#
# ### Exercise 03.3 (3 points)
#
# Write `token_angles(tau, row, column, head_dim)`: the angles of *one* token. You may call `clocks`.


# %%
def token_angles(tau, row, column, head_dim):
    """tau: any number; row, column: whole numbers. Returns (head_dim / 2,), radians."""
    ### BEGIN SOLUTION
    side = 2 * (head_dim // 6)
    return torch.cat([tau * clocks(head_dim - 2 * side), row * clocks(side), column * clocks(side)])
    ### END SOLUTION


lab.check_token_angles(token_angles)

# %% [markdown]
# ## Which number is tau?
#
# **Question.** 30 frames at 12 a second, keyframes at frames 0, 13 and 23. Three chunks, 11 latents. Which number does
# each get?
#
# Plain Wan encodes one run. Its latent $i$ shows, as its last frame, frame $s\,i$. So its number is also a time:
# $i = (\text{last frame}) / s$. We keep that meaning when the run is split (ours; the paper asks for fractional
# indices that run smoothly over the borders, and leaves the formula open to us):
#
# $$ \tau = \frac{\text{the last frame that the latent shows, inside its chunk}}{s}
#    \qquad\text{(scheme \texttt{frame\_time})} $$
#
# Three others stand beside it, to compare: `continuous` counts all latents, `restart` counts from 0 in every chunk, and
# `midpoint` counts the latents that are not anchors, and puts each anchor half-way between its neighbours.

# %%
FPS, NUM_FRAMES, KEYFRAMES = 12, 30, (0, 13, 23)
plan = ChunkPlan.build(NUM_FRAMES, [Condition(frame) for frame in KEYFRAMES])


def row(name, values):
    print(f"{name:12}", " ".join(f"{value:6g}" for value in values))


row("chunk", plan.latent_chunks)
row("anchor", plan.anchors)
row("last frame", plan.last_frames)
for scheme in TAU_SCHEMES:
    row(scheme, plan.tau(scheme))
assert plan.tau("frame_time") == [frame / plan.stride for frame in plan.last_frames]

# %%
figure(
    viz.schemes_figure(plan, FPS),
    alt="Four panels, tau against the last frame a latent shows. frame_time lies on the line frame / stride. "
    "continuous rises above it at every border. restart falls back to 0 at each. midpoint starts half a step "
    "below the line and runs beside it, at a distance that changes.",
)

# %% [markdown]
# **Notice.** Only `frame_time` lies on the line. `continuous` steps by a whole latent, four frames, from frame 12 to
# frame 13, and so gains on the clock at every keyframe. `restart` gives frames 0, 13 and 23 the same time. `midpoint`
# is closer: half a latent to an anchor, half a latent on. But it, too, takes a chunk's short last latent for a full
# one, and the frame at the border for two.
#
# In numbers: for each border, how far apart in frames are its two latents, and how far does each scheme claim?

# %%
last = plan.last_frames
borders = [chunk.latent_start for chunk in plan.chunks[1:]]
for i in borders:
    print(f"latents {i - 1} and {i}: frames {last[i - 1]} and {last[i]}, truly {last[i] - last[i - 1]} apart")
    for scheme in TAU_SCHEMES:
        values = plan.tau(scheme)
        print(f"    {scheme:12} says {plan.stride * (values[i] - values[i - 1]):5.1f} frames")

# %% [markdown]
# ### Exercise 03.4 (4 points)
#
# Write `frame_time(num_frames, keyframes, stride)`: $\tau$ of every latent, from keyframes alone, without the library.
# Remember that a chunk begins at frame 0 too, and that what lies past a chunk's end is never shown.


# %%
def frame_time(num_frames, keyframes, stride):
    """keyframes: frames, ascending. Returns a list of floats, one for each latent."""
    ### BEGIN SOLUTION
    borders = sorted({0, *keyframes}) + [num_frames]
    tau = []
    for start, stop in itertools.pairwise(borders):
        num_latents = 1 + -(-(stop - start - 1) // stride)
        tau += [min(start + stride * i, stop - 1) / stride for i in range(num_latents)]
    return tau
    ### END SOLUTION


lab.check_frame_time(frame_time)

# %% [markdown]
# ### Exercise 03.5 (2 points)
#
# Frame 12 is shown by the last latent of the first chunk, frame 13 by the anchor of the second. How many *frames* apart
# does `continuous` claim they are?

# %%
believed_gap = None
### BEGIN SOLUTION
running = plan.tau("continuous")
believed_gap = plan.stride * (running[4] - running[3])
### END SOLUTION
lab.check_believed_gap(believed_gap)

# %% [markdown]
# ## Attention against distance in time
#
# **Question.** What does a wrong index do to attention?
#
# The mean over the pairs, $\frac{1}{P} \sum_i \cos(\omega_i \, \Delta\tau)$, is the score of a query and a key that are
# alike. For every two latents we draw it against their *true* distance in frames. If the index is true, all points
# lie on one curve: equal distance, equal score.


# %%
def rotary_score(tau):
    """(F,) positions -> (F, F) mean cosines between any two."""
    tau = torch.tensor(tau, dtype=torch.float64)
    return torch.cos((tau[:, None] - tau)[..., None] * clocks(time_dim)).mean(dim=-1)


true_score = rotary_score([frame / plan.stride for frame in plan.last_frames])
off = {scheme: (rotary_score(plan.tau(scheme)) - true_score).abs() for scheme in TAU_SCHEMES}
for scheme, difference in off.items():
    print(f"{scheme:12} off the curve by {difference.mean():.3f} on average, at most {difference.max():.3f}")
assert off["frame_time"].max() < 1e-12 < off["midpoint"].mean() < off["restart"].mean()

# %%
figure(
    viz.distance_figure(plan, clocks(time_dim)),
    alt="Four panels, the score of every two latents against their true distance in frames, and the curve of the "
    "true index. For frame_time all points lie on it. For continuous, pairs across a border lie below it; for restart "
    "they scatter widely, some at the full score although far apart; for midpoint they lie close to it.",
)

# %% [markdown]
# **Notice.** Within one chunk every scheme is nearly right; a wrong index shows between chunks, and there is where a
# keyframe must hand its detail on. Under `restart`, latents that are far apart score as if they were one and the same.
# Under `continuous`, a keyframe and the frame just before it score as if they were four frames apart.
#
# ## Drag a keyframe
#
# **Question.** How does $\tau$ follow when a keyframe moves?
#
# Move a slider, choose a scheme, and watch the circles under the frames. A line that joins a latent to its last frame
# stands upright where the index tells the true time.

# %%
tau_explorer(plan)

# %%
for scheme in ("frame_time", "continuous"):
    figure(
        viz.sweep_figure(NUM_FRAMES, fixed=(0, 23), stride=plan.stride, scheme=scheme),
        alt=f"tau of all latents under {scheme}, in columns, one for each place of the middle keyframe. "
        + (
            "The anchor moves up by a quarter with every frame, and no other latent jumps by more than one."
            if scheme == "frame_time"
            else "The anchor stays on a whole number for four places, then jumps to the next."
        ),
    )

# %% [markdown]
# **Notice.** The static twin of the widget: each column is one placement. Under `frame_time` the anchor climbs by a
# quarter for each frame it moves, and the last latent never moves. Under `continuous` four placements share one
# number: the model is not told where the keyframe stands.
#
# ## Where the trained model looks
#
# **Question.** Does the trained transformer use $\tau$ at all?
#
# We take a held-out toy shot, encode it over a plan of four chunks, add noise to everything but the anchors
# (notebook 04 says why; here it is only the model's usual input), and read the attention of one layer. Queries and
# keys come from the layer itself; the rotation is the one above.

# %%
FILM = ChunkPlan.build(37, [Condition(frame) for frame in (0, 13, 23, 36)])
anchors = torch.tensor(FILM.anchors)
no_text = gen.encode_prompt("", None, False, max_sequence_length=gen.tokenizer.model_max_length)[0]


def noisy_shot(seed, t):
    """Latents x_0 of a toy shot, the noise x_1, their mixture x_t, and each latent frame's own t: 0 for anchors."""
    scene = sample_scene(HELD_OUT_SEED + seed, FILM.num_frames, num_shots=1)
    x_0 = encode_video(gen.vae, FILM, render(scene, height=64, width=112).transpose(0, 1)[None] * 2 - 1)
    x_1 = torch.randn(x_0.shape, generator=torch.Generator().manual_seed(seed))
    times = torch.where(anchors, 0.0, t)[None]  # (1, F)
    share = times[:, None, :, None, None]
    return x_0, x_1, (1 - share) * x_0 + share * x_1, times


def attention_of(layer, x_t, times, tau):
    """Attention between latent frames in one layer, mean over heads and tokens: (F, F), rows add up to 1."""
    kept = []
    attention = transformer.blocks[layer].attn1
    hook = attention.register_forward_pre_hook(lambda module, arguments: kept.append(arguments[0]))
    transformer(x_t, 1000 * times, no_text, tau=tau)
    hook.remove()
    tables = [table[0, :, 0] for table in transformer.rotary(tau, *x_t.shape[-2:])]
    projected = attention.norm_q(attention.to_q(kept[0])), attention.norm_k(attention.to_k(kept[0]))
    q, k = (part.unflatten(2, (attention.heads, -1)).transpose(1, 2) for part in projected)
    q, k = apply_rotary_emb(q, tables), apply_rotary_emb(k, tables)
    weights = torch.softmax(q @ k.transpose(2, 3) / math.sqrt(head_dim), dim=-1).mean(dim=(0, 1))
    frames = FILM.num_latents
    return weights.unflatten(0, (frames, -1)).unflatten(2, (frames, -1)).sum(dim=3).mean(dim=1)


# %%
_, _, x_t, times = noisy_shot(0, 0.9)
SHOWN = ("frame_time", "continuous", "restart")
maps = torch.stack([attention_of(4, x_t, times, FILM.tau(scheme)) for scheme in SHOWN])
assert torch.allclose(maps.sum(dim=-1), torch.ones(len(SHOWN), FILM.num_latents), atol=1e-4)
before = [chunk.latent_start - 1 for chunk in FILM.chunks[1:]]  # the last latent of each chunk but the last one
ahead = [weights[before, [i + 1 for i in before]].mean().item() for weights in maps]
for scheme, share in zip(SHOWN, ahead, strict=True):
    print(f"{scheme:12} a chunk's last latent gives the next keyframe {100 * share:.0f} % of its attention")
assert ahead[0] > ahead[1] > ahead[2]

# %%
figure(
    viz.attention_figure(maps, FILM, SHOWN),
    alt="Three maps of attention between latent frames in one layer of the trained model. Under frame_time it lies "
    "about the diagonal and most strongly on the anchors, also just before them. Under continuous it looks ahead to "
    "them less. Under restart it is spread thinly and repeats in every chunk.",
)

# %% [markdown]
# **Notice.** A row is a latent that looks, a column one that is looked at. The same weights and the same input give
# other maps when only the index changes, so the model does use it. Look at the last latent of each chunk. Under
# `frame_time` it knows that the next keyframe is one frame away, and looks there most. Under `continuous` that keyframe
# seems four frames away, and gets less. Under `restart` the model cannot tell the chunks apart, and looks everywhere.
#
# ## What a wrong index costs
#
# **Question.** How much worse does the trained model predict when it is told the wrong times?
#
# The bundled model was trained under `frame_time`. Every pipeline call takes `rope=`, so the index can be swapped at
# inference. First the measure that it was trained on: the mean squared error of the velocity $v = x_1 - x_0$, over the
# latents that are not anchors. Same shots, same noise, four indices.


# %%
def velocity_error(x_0, x_1, x_t, times, tau):
    output = transformer(x_t, 1000 * times, no_text, tau=tau).sample
    v = to_velocity(output, x_t, times, gen.config.sigma_data)  # notebook 04 explains this step
    return (v - (x_1 - x_0)).square()[:, :, ~anchors].mean().item()


SHOTS, TIMES = pick(4, 2), (0.9, 0.6, 0.3)
errors = {scheme: [0.0] * len(TIMES) for scheme in TAU_SCHEMES}
for seed in range(SHOTS):
    for place, t in enumerate(TIMES):
        shot = noisy_shot(seed, t)
        for scheme in TAU_SCHEMES:
            errors[scheme][place] += velocity_error(*shot, FILM.tau(scheme)) / SHOTS
for scheme, values in errors.items():
    ratios = [value / best for value, best in zip(values, errors["frame_time"], strict=True)]
    print(f"{scheme:12}", "  ".join(f"t = {t}: x {ratio:.2f}" for t, ratio in zip(TIMES, ratios, strict=True)))
assert min(errors, key=lambda scheme: errors[scheme][0]) == "frame_time"
assert errors["restart"][0] > 1.2 * errors["frame_time"][0]

# %%
figure(
    viz.errors_figure(TIMES, errors),
    alt="Bars of the velocity's error at three flow times for four schemes. At t = 0.9 frame_time is lowest, midpoint "
    "and continuous a little higher, restart much higher. At t = 0.3 the first three are about equal.",
)

# %% [markdown]
# **Notice.** Near pure noise ($t = 0.9$) the other latents say little, and the model must take from the anchors what it
# needs. There a wrong time costs most: under `restart` the error is over four times as large, under `continuous` and
# `midpoint` more than one and a half times. Later the latents' own content says enough, these two hardly matter any
# more, and only `restart` still hurts.
#
# Now the whole generation: the same keyframes, noise and weights, four indices.

# %%
scene = sample_scene(HELD_OUT_SEED, NUM_FRAMES, num_shots=1)
film = render(scene, height=64, width=112) * 2 - 1  # (T, 3, H, W)
conditions = [VideoCondition(image=film[frame], frame_index=frame) for frame in KEYFRAMES]
SHOWN_FRAMES = (0, 6, 12, 13, 18, 26)
truth = ((film + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
strip(
    truth[list(SHOWN_FRAMES)],
    alt="The true shot: six frames of a toy scene.",
    labels=[f"{i} true" for i in SHOWN_FRAMES],
)
before_keyframe = {}  # the error of frame 12, in levels of 255
for scheme in TAU_SCHEMES[: pick(4, 1)]:
    video = gen(
        prompt="",
        conditions=conditions,
        num_frames=NUM_FRAMES,
        height=64,
        width=112,
        num_inference_steps=pick(12, 1),
        guidance_scale=1.0,
        generator=torch.Generator().manual_seed(0),
        rope=scheme,
    ).frames[0]
    before_keyframe[scheme] = abs(255 * video[12] - truth[12]).mean()
    print(f"{scheme}: frame 12 is {before_keyframe[scheme]:.1f} levels off")
    strip(
        (255 * video[list(SHOWN_FRAMES)]).round().astype("uint8"),
        alt=f"The same frames, generated under {scheme}; 0 and 13 are keyframes.",
        labels=[f"{i} given" if i in KEYFRAMES else str(i) for i in SHOWN_FRAMES],
    )
assert min(before_keyframe, key=before_keyframe.get) == "frame_time"

# %% [markdown]
# **Notice.** Frames 0 and 13 are the same under all four: keyframes are pinned (notebook 02), whatever the index says.
# Between them the tiny model softens what moves, under its own index too. But look at frame 12, the last before a
# keyframe. Under `frame_time` the model is told that the keyframe is one frame away, and the frame is nearly as sharp.
# Under `continuous` it is told of a longer way, and sign and figures lag behind. `midpoint` is nearly right,
# and so is its frame. Under `restart` every chunk claims the same times, and the square figure gets lost between its
# keyframes. (One shot is an example, no measurement; that was the figure before.)
#
# **What this shows, and what it does not.** The model was trained under `frame_time`. That it does worse under another
# index shows that it reads the index; it does not show which index is best to *train* with. That takes trainings of
# equal length, one for each scheme, each measured with its own index on held-out shots. They are too long for a
# notebook: four small transformers with the same first weights, 500 steps on the same batches and noise. The command
# `python bench/rope.py` makes them; these are its results, over the latents just before a keyframe, where the schemes
# differ most.

# %%
SHORT_TRAININGS = {  # mean squared error of the velocity at t = 0.9 and t = 0.6, from bench/results/rope.json
    "frame_time": (0.4568, 0.6078),
    "continuous": (0.4409, 0.6025),
    "restart": (0.5666, 0.6249),
    "midpoint": (0.4464, 0.6064),
}
figure(
    viz.errors_figure((0.9, 0.6), SHORT_TRAININGS),
    alt="Bars of the error after short trainings. At t = 0.9 restart is highest by a quarter, the other three are "
    "within four percent; at t = 0.6 all four are close, restart still the highest.",
)
assert max(SHORT_TRAININGS, key=SHORT_TRAININGS.get) == "restart"

# %% [markdown]
# **Notice.** `restart` is clearly the worst: folding time costs a quarter more error near pure noise. The three that
# never go back lie within four percent, and `frame_time` is not the first of them: after so little training, whole
# numbers serve as well or a little better. One seed, 500 steps, a model of 1.3 million weights: enough to say that the
# index must not fold time, too little to rank the rest. `frame_time` has another merit: it is the one that is true at
# every border, and it is Wan's own index where there are no keyframes.
#
# ## Recap
#
# - Attention sees a set. RoPE turns pairs of values by position, so that a score depends on the difference alone.
# - A head is cut in three: time, height and width, each with fast and slow clocks.
# - Positions may be fractions. MC-RoPE uses that: $\tau$ is the last frame shown, divided by $s$ (our formula).
# - `continuous` stretches time at every border, `restart` folds it, `midpoint` is near but not true.
# - The trained model reads the index, most of all while there is little else to go by.
#
# **Next:** [notebook 04](04_director_gen.ipynb), Director-Gen: from noise and anchors to a video.

# %%
lab.summary("03")
