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
# [Notebook 02](02_multi_chunk.ipynb) split the video at its keyframes. Since then the latents are no longer evenly
# spaced in time. Some hold one frame, most hold four, and some hold two or three. The transformer that generates them
# must know *when* each latent happens. A number tells it: the *temporal index* $\tau$, `tau` in the code. This notebook
# is about that number.
#
# > **The paper.** SmartDirector, [arXiv 2605.27891](https://arxiv.org/abs/2605.27891), section 3 (method): MC-RoPE.
# >
# > - *The paper's:* fractional temporal indices, so that time runs smoothly over the borders of chunks. The authors'
# >   figure gives numbers for chunks of $s k + 1$ frames, and exercise 03.5 works them out.
# > - *Wan's:* rotary embeddings on three axes, with whole numbers for time.
# > - *Ours:* one formula, `frame_time`, which gives the figure's numbers and holds for chunks of any length; the three
# >   schemes to compare it with; and all measurements.
#
# **Goals.** Afterwards you can
# - explain how turning a pair of numbers tells a transformer *where* a token is, and write it down for three axes;
# - compute the temporal index $\tau$ of every latent, under four schemes;
# - say what each scheme gets wrong at the border of two chunks;
# - measure what a wrong index costs a trained model.
#
# **Time.** 45 minutes with the exercises. All cells together run in about a minute on a laptop.
#
# **Needs.** Notebook 02, or its one formula: a chunk of $L$ frames has $1 + \lceil (L-1)/s \rceil$ latents. The first
# latent holds one frame, and the others hold $s = 4$. You should know attention, $\mathrm{softmax}(q k^\top)\,v$. You
# need no GPU and no download.
#
# **Exercises.** One star (★☆☆) is a warm-up, and three stars are hard. The cells after an exercise run *your* function.
# Until it passes its check, they run the library's. If you are stuck, `lab.hint("03.1")` gives a hint, and each further
# call gives a plainer one. Where the text says **Predict**, write your guess down before you run the cell.

# %%
import itertools
import math
import random

import numpy as np
import torch
from diffusers.models.embeddings import apply_rotary_emb

from smartdirector_lite import ChunkPlan, Condition, VideoCondition, load_director
from smartdirector_lite.course import lab
from smartdirector_lite.course.figures import rope as viz
from smartdirector_lite.course.figures.base import schematic, schematic_text
from smartdirector_lite.course.notebook import bench_results, pick, show_figure, show_strip, show_table, show_videos
from smartdirector_lite.course.widgets import tau_explorer
from smartdirector_lite.flow import State, path, precondition, velocity
from smartdirector_lite.media.size import Size
from smartdirector_lite.timeline import TAU_SCHEMES
from smartdirector_lite.toyworld import HELD_OUT_SEED, render, sample_scene
from smartdirector_lite.vae import decode, encode_conditions, encode_video

torch.set_grad_enabled(False)  # nothing is trained here
gen = load_director().gen  # stage one of the bundled model: a VAE, a transformer and a text encoder
gen.set_progress_bar_config(disable=True)
transformer = gen.transformer

# %% [markdown]
# ## Attention sees a set
#
# **Question.** Does attention know the order of its tokens?
#
# Every token has a query $q$, with which it asks, and a key $k$, by which others find it. The score of two tokens is
# $q \cdot k$. Nothing in this score says where the two tokens stand. The smallest example has three tokens, and then
# the same three tokens in another order.


# %%
def attend(q, k, v):
    """Plain attention. q, k, v: (tokens, D). Return (tokens, D)."""
    return torch.softmax(q @ k.T / math.sqrt(q.shape[-1]), dim=-1) @ v


q, k, v = torch.randn(3, 3, 2, generator=torch.Generator().manual_seed(0))
order = torch.tensor([2, 0, 1])
print("in order:", [round(value, 4) for value in attend(q, k, v)[0].tolist()])
print("shuffled:", [round(value, 4) for value in attend(q, k[order], v[order])[0].tolist()])
assert torch.allclose(attend(q, k, v), attend(q, k[order], v[order]), atol=1e-6)

# %% [markdown]
# **Notice.** The first token gets the same answer both times. To plain attention, a film with shuffled frames is the
# same film. So the position must be put into $q$ and $k$.
#
# ## One turning pair
#
# **Question.** How can $q \cdot k$ depend on how far apart two tokens are, and on nothing else of their positions?
#
# Take two values of a vector as a point in the plane. Turn the point by an angle that grows with the position $m$:
#
# $$ R(\omega m) \begin{pmatrix} x_1 \\ x_2 \end{pmatrix} =
#    \begin{pmatrix} x_1 \cos \omega m - x_2 \sin \omega m \\ x_1 \sin \omega m + x_2 \cos \omega m \end{pmatrix},
#    \qquad R(\omega m)\,q \cdot R(\omega n)\,k = q \cdot R(\omega (n - m))\, k . $$
#
# If we turn both points by the same angle, nothing changes between them. So only the *difference* $n - m$ is left. This
# is a rotary position embedding, RoPE.
#
# **Predict.** The cell below scores four pairs of positions. Which of the four scores will be equal?


# %%
def turn(pair, angle):
    """Return the pair (x_1, x_2), turned by an angle in radians."""
    x_1, x_2 = pair
    return x_1 * math.cos(angle) - x_2 * math.sin(angle), x_1 * math.sin(angle) + x_2 * math.cos(angle)


def score(query, key, m, n, omega):
    """Return the score of a query at position m and a key at position n."""
    (a, b), (c, d) = turn(query, omega * m), turn(key, omega * n)
    return a * c + b * d


query, key, omega = (1.0, 0.2), (0.8, 0.5), 0.3
for m, n in ((0, 2), (10, 12), (3.25, 5.25), (0, 5)):
    print(f"query at {m:5}, key at {n:5}: score {score(query, key, m, n, omega):.4f}")
assert math.isclose(score(query, key, 0, 2, omega), score(query, key, 3.25, 5.25, omega))

# %%
show_figure(
    viz.pair_figure(query, key, omega, [(0, 2), (10, 12), (0, 5)]),
    alt="Three panels, each with a query and a key as arrows. In the first two panels the positions differ by two. "
    "Both arrows are turned further in the second panel, but the angle between them and the score are the same. In the "
    "third panel the positions differ by five, and the angle is wider.",
)

# %% [markdown]
# **Notice.** The first three scores are equal, because the two tokens are two positions apart each time. And the
# position need not be a whole number. 3.25 is a position as good as 3. All of MC-RoPE rests on that.
#
# ### Exercise 03.1 (3 points, ★★☆)
#
# A real vector has many pairs. Write `rotate(x, angles)`. It turns values 0 and 1 by the first angle, values 2 and 3 by
# the second angle, and so on. You need no loop over the pairs: `x[:, 0::2]` holds the first value of every pair.


# %%
def rotate(x, angles):
    """x: (S, D), angles: (S, D / 2) in radians. Return a new tensor (S, D); x itself does not change."""
    ### BEGIN SOLUTION
    x_1, x_2 = x[:, 0::2], x[:, 1::2]
    cos, sin = angles.cos(), angles.sin()
    return torch.stack([x_1 * cos - x_2 * sin, x_1 * sin + x_2 * cos], dim=-1).flatten(1)
    ### END SOLUTION


rotate = lab.check_rotate(rotate)

# %% [markdown]
# ## Many pairs: fast and slow clocks
#
# **Question.** One pair turns like the hand of a clock. After a full turn, a large distance looks like a small one.
# What helps?
#
# More pairs help, each with a speed of its own. An axis of $D$ values has $D/2$ pairs. For each step of the position,
# pair $i$ turns by
#
# $$ \omega_i = \theta^{-2i/D}, \qquad \theta = 10\,000. $$
#
# In the bundled model, each head has 24 values for time, so time has 12 pairs.


# %%
def clocks(dim, theta=10000.0):
    """Return the angle of one step of the position, in radians, for every pair: (dim / 2,)."""
    return theta ** (-torch.arange(0, dim, 2, dtype=torch.float64) / dim)


time_dim = transformer.rope.t_dim
omega_time = clocks(time_dim)
show_figure(
    viz.clocks_figure(omega_time),
    alt="Left: the cosines of four pairs against the distance. The first pair is fast, and the last ones are nearly "
    "flat. Right: the mean of all twelve pairs. It is 1 at distance 0 and falls on both sides, with waves.",
)

# %% [markdown]
# **Notice.** The fast pairs tell neighbours apart, but they repeat. The slow pairs hardly move over a short video, but
# they tell early from late in a long one. The mean of all pairs has its one peak at distance 0. So *nearby in time* has
# a meaning now. (The mean is the score of a query and a key whose values are all alike. A trained model weights the
# pairs through its queries and keys, so its heads may prefer any distance.)
#
# ### Exercise 03.2 (2 points, ★☆☆)
#
# Write `turning_period(pair, dim, theta)`. How far must the position go until this pair has turned once around?


# %%
def turning_period(pair, dim, theta):
    """pair: an int from 0 to dim / 2 - 1. Return a distance, in steps of the position."""
    ### BEGIN SOLUTION
    return 2 * math.pi * theta ** (2 * pair / dim)
    ### END SOLUTION


turning_period = lab.check_turning_period(turning_period)

# %%
FPS, rows = 12, []
for pair, omega_i in enumerate(omega_time.tolist()):
    period = float(turning_period(pair, time_dim, 10000.0))
    x_1, x_2 = turn((1.0, 0.0), omega_i * period)
    assert math.isclose(x_1, 1, abs_tol=1e-3) and abs(x_2) < 1e-3  # after a period, the pair is where it was
    if pair in (0, 1, 2, 3, 6, 11):
        rows.append((pair, f"{period:,.1f}", f"{period * 4 / FPS:,.1f}"))
show_table(rows, ("pair", "once around in (latents)", f"in seconds, at {FPS} frames a second"))
slow = sum(turning_period(pair, time_dim, 10000.0) > 15 for pair in range(time_dim // 2))

# %% [markdown]
# **Notice.** The periods are those of your function. In a video of 15 latents, which is five seconds here,
# 10<!-- = slow --> of the 12<!-- = time_dim // 2 --> pairs do not get once around. They tell the beginning from the
# end.

# %% [markdown]
# ## Three axes
#
# **Question.** A token of a video has a place in time, in height and in width. How does one vector hold three
# positions?
#
# The vector is cut into three parts. A head has $D$ values. $2 \lfloor D/6 \rfloor$ of them are turned by the row $y$,
# and as many by the column $x$. The rest stand at the front and are turned by the time $\tau$:
#
# $$ \underbrace{\tau\, \omega^{(t)}_0,\ \tau\, \omega^{(t)}_1, \dots}_{\text{time}} \quad
#    \underbrace{y\, \omega^{(h)}_0, \dots}_{\text{height}} \quad
#    \underbrace{x\, \omega^{(w)}_0, \dots}_{\text{width}} $$
#
# Each axis has clocks of its own. Rows and columns are counted in tokens. In our model one cell of a latent is a token.
# In Wan, 2 x 2 cells make one token.
#
# ### Exercise 03.3 (3 points, ★★☆)
#
# Write `token_angles(tau, row, column, head_dim)`. It returns the angles of *one* token. You may call `clocks`.


# %%
def token_angles(tau, row, column, head_dim):
    """tau: any number; row, column: whole numbers. Return (head_dim / 2,), in radians."""
    ### BEGIN SOLUTION
    side = 2 * (head_dim // 6)
    return torch.cat([tau * clocks(head_dim - 2 * side), row * clocks(side), column * clocks(side)])
    ### END SOLUTION


token_angles = lab.check_token_angles(token_angles)

# %% [markdown]
# **Check.** We ask your function for every token of a video, and hold the result against the table that the library
# gives to diffusers. The library's table holds each cosine twice, once for each value of a pair. Then your `rotate`
# turns random tokens by these angles, and diffusers turns them by its table.


# %%
def rotary_angles(tau, rows, columns, head_dim):
    """Return the angles of all tokens, latent by latent and row by row: (F * rows * columns, head_dim / 2)."""
    places = itertools.product(tau, range(rows), range(columns))
    return torch.stack([token_angles(*place, head_dim) for place in places]).double()


tau = [0.0, 1.0, 3.25, 5.5]
head_dim = transformer.config.attention_head_dim
angles = rotary_angles(tau, rows=8, columns=14, head_dim=head_dim)
cos, sin = (table[0, :, 0] for table in transformer.rotary(tau, height=8, width=14))  # (tokens, head_dim)
assert torch.allclose(angles.cos().repeat_interleave(2, dim=-1), cos.double(), atol=1e-4)
assert torch.allclose(angles.sin().repeat_interleave(2, dim=-1), sin.double(), atol=1e-4)

x = torch.randn(len(angles), head_dim, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
assert torch.allclose(rotate(x, angles), apply_rotary_emb(x[None, None], (cos, sin))[0, 0], atol=1e-3)
sizes = transformer.rope.t_dim, transformer.rope.h_dim, transformer.rope.w_dim
print(f"{len(angles)} tokens of {head_dim} values: time, height and width have {sizes}; table and rotation agree")

# %% [markdown]
# **Notice.** Plain Wan takes the number of the latent as $\tau$, so its table has whole numbers only. The library's
# `rotary` asks for $\tau$ and takes any number. That is the whole change in the model. It adds no weight.
#
# ## Which number is tau?
#
# **Question.** A video has 30 frames at 12 frames a second, with keyframes at frames 0, 13 and 23. So it has three
# chunks and 11 latents. Which number does each latent get?
#
# Plain Wan encodes one run. The last frame that its latent $i$ shows is frame $s\,i$. So the number of the latent is
# also a time: $i = (\text{last frame}) / s$.
#
# SmartDirector wants time to run smoothly over the borders of the chunks. So its index may be a fraction. The paper
# calls this MC-RoPE. The meaning that the index has in Wan leads to one formula for chunks of any length:
#
# $$ \tau = \frac{\text{the last frame that the latent shows, inside its chunk}}{s}
#    \qquad\text{(scheme \texttt{frame\_time})} $$
#
# ### Exercise 03.4 (4 points, ★★★)
#
# Write `frame_time(num_frames, keyframes, stride)`. It returns $\tau$ of every latent, from the keyframes alone and
# without the library. Remember that a chunk begins at frame 0, too, and that the surplus past a chunk's end is never
# shown.


# %%
def frame_time(num_frames, keyframes, stride):
    """keyframes: frames in ascending order. Return a list of floats, one for each latent."""
    ### BEGIN SOLUTION
    borders = sorted({0, *keyframes}) + [num_frames]
    tau = []
    for start, stop in itertools.pairwise(borders):
        num_latents = 1 + -(-(stop - start - 1) // stride)
        tau += [min(start + stride * i, stop - 1) / stride for i in range(num_latents)]
    return tau
    ### END SOLUTION


frame_time = lab.check_frame_time(frame_time)

# %% [markdown]
# From here on, everything that needs this index asks your function. We compare it with three other schemes, which the
# library keeps for teaching:
#
# - `continuous` counts all latents.
# - `restart` counts from 0 in every chunk.
# - `midpoint` counts the latents that are not anchors, and puts each anchor half-way between its neighbours.
#
# **Predict.** Frame 12 is the last frame of the first chunk, and frame 13 is the keyframe after it. How many frames
# apart will each scheme put them?


# %%
def index_of(scheme, plan):
    """Return tau of every latent of a plan: your function's, or the library's for another scheme."""
    if scheme == "frame_time":
        keyframes = [condition.frame_index for condition in plan.conditions]
        return [float(value) for value in frame_time(plan.num_frames, keyframes, plan.stride)]
    return plan.tau(scheme)


NUM_FRAMES, KEYFRAMES = 30, (0, 13, 23)
plan = ChunkPlan.build(NUM_FRAMES, [Condition(frame) for frame in KEYFRAMES])
taus = {scheme: index_of(scheme, plan) for scheme in TAU_SCHEMES}
assert np.allclose(taus["frame_time"], plan.tau("frame_time"))
columns = zip(plan.latent_chunks, plan.last_frames, *taus.values(), strict=True)
rows = [[index, *(f"{value:g}" for value in column)] for index, column in enumerate(columns)]
show_table(rows, ("latent", "chunk", "last frame", *TAU_SCHEMES))

# %%
last, borders = plan.last_frames, [chunk.latent_start for chunk in plan.chunks[1:]]
claims = [[plan.stride * (taus[scheme][i] - taus[scheme][i - 1]) for scheme in TAU_SCHEMES] for i in borders]
rows = [
    (f"{last[i - 1]} and {last[i]}", last[i] - last[i - 1], *claim) for i, claim in zip(borders, claims, strict=True)
]
show_table(rows, ("frames", "truly apart", *TAU_SCHEMES))
show_figure(
    viz.schemes_figure(plan, FPS),
    alt="Four panels with tau against the last frame that a latent shows. frame_time lies on the line frame / stride. "
    "continuous rises above the line at every border. restart falls back to 0 at every border. midpoint starts half a "
    "step below the line and runs beside it, at a distance that changes.",
)

# %% [markdown]
# **Notice.** Only `frame_time` lies on the line.
#
# - `continuous` steps by a whole latent from frame 12 to frame 13, as if they were four<!-- = claims[0][1] --> frames
#   apart. So its clock gains time at every keyframe.
# - `restart` gives frames 0, 13 and 23 the same time. It folds time.
# - `midpoint` is closer. It steps by half a latent to an anchor, and by another half after it. But it takes the one
#   frame at the border for two<!-- = claims[0][3] -->.
#
# ## What the paper's figure says
#
# **Question.** Is this the index of the paper?
#
# The authors have published a figure of their method, with a few numbers in it. The figure shows four chunks. Each
# chunk begins with a keyframe, and $f_1, f_2, f_3, f_4$ latents follow the keyframes. Three numbers stand below the
# axis of time. The first keyframe stands at $0$, the second one at $f_1 + \frac{1}{4}$, and the video ends at $f_1 +
# f_2 + f_3 + f_4 + 1$.
#
# ### Exercise 03.5 (2 points, ★★☆)
#
# What lies behind these numbers? Work it out, and write `figure_numbers(f, stride)`. It returns where *all* keyframes
# stand, and where the video ends, for any number of chunks and any stride. The figure has a stride of 4. Mind that in
# the figure a keyframe is one frame, and any other latent is `stride` frames.


# %%
def figure_numbers(f, stride):
    """f: for each chunk, how many latents follow its keyframe. Return (keyframes, end), in latents."""
    ### BEGIN SOLUTION
    ends = list(itertools.accumulate(latents + 1 / stride for latents in f))
    return [0.0, *ends[:-1]], ends[-1]
    ### END SOLUTION


figure_numbers = lab.check_figure_numbers(figure_numbers)

# %% [markdown]
# **Check.** Now your two functions meet. Chunks as in the figure have $4 f_i + 1$ frames, so we know on which frames
# their keyframes stand. Does `frame_time` give the keyframes the figure's numbers?

# %%
rng = random.Random(0)
for f in [[5, 3, 2, 4], *([rng.randint(1, 9) for _ in range(rng.randint(1, 6))] for _ in range(100))]:
    *starts, total = itertools.accumulate((4 * latents + 1 for latents in f), initial=0)
    figure_plan = ChunkPlan.build(total, [Condition(frame) for frame in starts], 4)
    tau = frame_time(total, starts, 4)
    keyframes, end = figure_numbers(f, 4)
    assert np.allclose([tau[chunk.latent_start] for chunk in figure_plan.chunks], keyframes)
    assert math.isclose(end, total / 4)
    if f == [5, 3, 2, 4]:
        print(f"f = {f}: keyframes at {[float(place) for place in keyframes]}, the end at {end:g}")
        figure_keyframes, figure_end, example = keyframes, end, figure_plan
show_figure(schematic(example, ("chunks", "latents", "tau")), alt=schematic_text(example, ("chunks", "latents", "tau")))

# %% [markdown]
# **Notice.** They agree for every $f$. With $f = (5, 3, 2, 4)$ the keyframes stand at 0<!-- = figure_keyframes[0] -->,
# 5.25<!-- = figure_keyframes[1] -->, 8.5<!-- = figure_keyframes[2] --> and 10.75<!-- = figure_keyframes[3] -->, and the
# video ends at 15<!-- = figure_end -->: each keyframe takes a quarter of a latent's time, which is one frame. So
# `frame_time` has the numbers of the paper. What is ours is its use for chunks that are not full, where the figure says
# nothing. (The bundled model also adds 2<!-- = gen.config.cut_gap --> to the index at each cut to another shot. That is
# ours, too, and there is no cut in this notebook.)
#
# ## Attention against distance in time
#
# **Question.** What does a wrong index do to attention?
#
# The mean over the pairs, $\frac{1}{P} \sum_i \cos(\omega_i \, \Delta\tau)$, is the score of a query and a key that are
# alike. We draw it for every two latents, against their *true* distance in frames. If the index is true, all points lie
# on one curve: equal distance, equal score.


# %%
def rotary_score(tau):
    """Return (F, F), the mean cosine for every two of the F positions in tau."""
    tau = torch.tensor(tau, dtype=torch.float64)
    return torch.cos((tau[:, None] - tau)[..., None] * omega_time).mean(dim=-1)


true_score = rotary_score([frame / plan.stride for frame in plan.last_frames])
off = {scheme: (rotary_score(taus[scheme]) - true_score).abs() for scheme in TAU_SCHEMES}
for scheme, difference in off.items():
    print(f"{scheme:12} off the curve by {difference.mean():.3f} on average, at most {difference.max():.3f}")
assert off["frame_time"].max() < 1e-12 < off["midpoint"].mean() < off["restart"].mean()

# %%
show_figure(
    viz.scores_figure(plan, omega_time),
    alt="Four panels with the score of every two latents against their true distance in frames, and the curve of the "
    "true index. For frame_time all points lie on the curve. For continuous, many pairs across a border lie below it. "
    "For restart such pairs scatter widely, and some have the full score although they are far apart. For midpoint all "
    "points lie close to the curve.",
)

# %% [markdown]
# **Notice.** Blue points are pairs of latents in one chunk. They lie near the curve under every scheme. Red points are
# pairs in two chunks, and there the schemes differ. Under `restart`, two latents that are far apart can have the score
# of two latents at the same time. Under `continuous`, a keyframe and the frame just before it have the score of two
# frames that are four frames apart. This matters, because a keyframe must pass on its detail to the chunk before it,
# too.
#
# ## Drag a keyframe
#
# **Question.** How does $\tau$ follow when a keyframe moves?
#
# Move a slider, choose a scheme, and watch the circles under the frames. A line joins each latent to its last frame.
# Where the index tells the true time, the line stands upright.

# %%
tau_explorer(plan)

# %%
for scheme in ("frame_time", "continuous"):
    show_figure(
        viz.sweep_figure(NUM_FRAMES, fixed=(0, 23), stride=plan.stride, scheme=scheme),
        alt=f"tau of all latents under {scheme}, with one column for each place of the middle keyframe. "
        + (
            "The keyframe's anchor climbs in a straight line, by a quarter with every frame."
            if scheme == "frame_time"
            else "The keyframe's anchor climbs in stairs: it stays on a whole number for up to four places."
        ),
    )

# %% [markdown]
# **Notice.** These figures show the same as the widget, and need no kernel. Each column is one place of the middle
# keyframe. Under `frame_time` the anchor climbs by a quarter for each frame that the keyframe moves, and the last
# latent never moves. Under `continuous` up to four places share one number. So the model is not told where the keyframe
# stands.
#
# ## Where the trained model looks
#
# **Question.** Does the trained transformer use $\tau$ at all?
#
# We take a toy shot that the model was not trained on, and encode it over a plan of four chunks. Then we add noise to
# everything but the anchors. (Notebook 04 says why. Here it is only the usual input of the model.) Finally we read the
# attention of one layer. Queries and keys come from the layer itself, and the rotation is the one above.

# %%
FILM = ChunkPlan.build(37, [Condition(frame) for frame in (0, 13, 23, 36)])
anchors = torch.tensor(FILM.anchors)
no_text = gen.encode_prompt("", None, False, max_sequence_length=gen.tokenizer.model_max_length)[0]


def noisy_shot(seed, t):
    """Return a toy shot's latents x_0, noise x_1, their mixture x_t, and the time of each latent (0 for anchors)."""
    scene = sample_scene(HELD_OUT_SEED + seed, FILM.num_frames, num_shots=1)
    x_0 = encode_video(gen.vae, FILM, render(scene, Size(112, 64)).transpose(0, 1)[None] * 2 - 1)
    x_1 = torch.randn(x_0.shape, generator=torch.Generator().manual_seed(seed))
    times = torch.where(anchors, 0.0, t)[None]  # (1, F)
    return x_0, x_1, path(x_0, x_1, times), times


def attention_of(layer, x_t, times, tau):
    """Return one layer's attention between latents, the mean over heads and tokens: (F, F), rows add up to 1."""
    kept = []
    attention = transformer.blocks[layer].attn1
    hook = attention.register_forward_pre_hook(lambda module, arguments: kept.append(arguments[0]))
    transformer(x_t, 1000 * times, no_text, tau=tau)
    hook.remove()
    angles = rotary_angles(tau, *x_t.shape[-2:], head_dim).float()  # by your token_angles
    projected = attention.norm_q(attention.to_q(kept[0])), attention.norm_k(attention.to_k(kept[0]))
    heads = (part[0].unflatten(1, (attention.heads, -1)).unbind(1) for part in projected)  # (tokens, head_dim) each
    q, k = (torch.stack([rotate(head, angles) for head in part]) for part in heads)  # by your rotate
    weights = torch.softmax(q @ k.transpose(1, 2) / math.sqrt(head_dim), dim=-1).mean(dim=0)
    frames = FILM.num_latents
    return weights.unflatten(0, (frames, -1)).unflatten(2, (frames, -1)).sum(dim=3).mean(dim=1)


# %%
_, _, x_t, times = noisy_shot(0, 0.9)
SHOWN = ("frame_time", "continuous", "restart")
maps = torch.stack([attention_of(4, x_t, times, index_of(scheme, FILM)) for scheme in SHOWN])
before = [chunk.latent_start - 1 for chunk in FILM.chunks[1:]]  # the last latent of every chunk except the last chunk
ahead = [weights[before, [i + 1 for i in before]].mean().item() for weights in maps]
for scheme, share in zip(SHOWN, ahead, strict=True):
    print(f"{scheme:12} a chunk's last latent gives the next keyframe {100 * share:.0f} % of its attention")
assert ahead[0] > ahead[1] > ahead[2]
show_figure(
    viz.attention_figure(maps, FILM, SHOWN),
    alt="Three maps of the attention between latents in one layer of the trained model. Under frame_time the attention "
    f"lies near the diagonal. The rows just before an anchor give it {100 * ahead[0]:.0f} % on average. Under "
    f"continuous they give it {100 * ahead[1]:.0f} %. Under restart they give it {100 * ahead[2]:.0f} %, and the "
    "pattern near the diagonal repeats in every chunk.",
)

# %% [markdown]
# **Notice.** A row is a latent that looks. A column is a latent that is looked at. The weights and the input are the
# same each time. Only the index changes, and the maps change with it. So the model does use the index.
#
# Look at the last latent of each chunk. Under `frame_time` the model is told that the next keyframe is one frame away,
# and the latent gives it 31<!-- = 100 * ahead[0] --> % of its attention. Under `continuous` the keyframe seems four
# frames away, and it gets 17<!-- = 100 * ahead[1] --> %. Under `restart` the keyframe seems to lie in the past, and it
# gets 7<!-- = 100 * ahead[2] --> %. There the model cannot tell the chunks apart, and the pattern of the map repeats
# from chunk to chunk.
#
# ## What a wrong index costs
#
# **Question.** How much worse does the trained model predict when it is told the wrong times?
#
# The bundled model was trained under `frame_time`. Every call of the pipeline takes `rope=`, so we can change the index
# at inference. We begin with the error that the training minimised: the mean squared error of the velocity
# $v = x_1 - x_0$, over the latents that are not anchors. The four schemes get the same shots and the same noise.
#
# **Predict.** At which flow time will a wrong index cost most: near pure noise, or near the finished video?


# %%
def velocity_error(x_0, x_1, x_t, times, tau):
    """Return the mean squared error of the velocity over the latents that are not anchors."""
    output = transformer(x_t, 1000 * times, no_text, tau=tau).sample
    v = precondition(output, x_t, times, gen.config.sigma_data)  # notebook 04 explains this step
    return (v - velocity(x_0, x_1)).square()[:, :, ~anchors].mean().item()


SHOTS, TIMES = pick(4, 1), pick((0.9, 0.6, 0.3), (0.9,))
errors = {scheme: [0.0] * len(TIMES) for scheme in TAU_SCHEMES}
for seed in range(SHOTS):
    for place, t in enumerate(TIMES):
        shot = noisy_shot(seed, t)
        for scheme in TAU_SCHEMES:
            errors[scheme][place] += velocity_error(*shot, index_of(scheme, FILM)) / SHOTS
ratios = {name: [v / best for v, best in zip(values, errors["frame_time"])] for name, values in errors.items()}
for scheme, values in ratios.items():
    print(f"{scheme:12}", "  ".join(f"t = {t}: x {ratio:.2f}" for t, ratio in zip(TIMES, values, strict=True)))
assert min(errors, key=lambda scheme: errors[scheme][0]) == "frame_time"

# %%
show_figure(
    viz.errors_figure(TIMES, errors),
    alt="Bars of the velocity's error at three flow times for four schemes, measured against frame_time. "
    + " ".join(
        f"At t = {t} continuous has {ratios['continuous'][i]:.2f} times its error, midpoint "
        f"{ratios['midpoint'][i]:.2f}, and restart {ratios['restart'][i]:.2f}."
        for i, t in enumerate(TIMES)
    ),
)

# %% [markdown]
# **Notice.** `continuous` and `midpoint` cost most near pure noise, at $t = 0.9$: their errors are
# 1.73<!-- = ratios["continuous"][0] --> and 1.75<!-- = ratios["midpoint"][0] --> times as large as under `frame_time`.
# There the noisy latents say little, and the model must take from the anchors what it needs. At $t = 0.3$ the latents'
# own content says enough, and both schemes are within
# 2<!-- = 100 * (max(ratios["continuous"][2], ratios["midpoint"][2]) - 1) --> %. `restart` costs much at every time:
# 4.5<!-- = ratios["restart"][0] -->, 5.3<!-- = ratios["restart"][1] --> and 2.8<!-- = ratios["restart"][2] --> times
# the error.
#
# Now we generate a whole video: the same keyframes, noise and weights, and four indices. The loop is that of the
# pipeline, and notebook 04 writes it step by step. Here it is short, so that it takes the index that your function
# gives.
#
# **Predict.** Which frames will differ most between the four videos? Will the keyframes differ?


# %%
def generate(tau):
    """Film the keyframes with these temporal indices, from the same noise. Return uint8 (T, H, W, 3)."""
    random_ = torch.Generator().manual_seed(0)
    noise = torch.randn(x_anchors.shape, generator=random_)
    state = State(torch.where(anchored.view(1, 1, -1, 1, 1), x_anchors, noise), anchored, tau)
    gen.scheduler.set_timesteps(STEPS)
    gen.scheduler.set_begin_index(0)
    for t in gen.scheduler.timesteps:
        times = state.times(t)
        output = transformer(state.latents, times, no_text, tau=tau).sample
        v = precondition(output, state.latents, times / 1000, gen.config.sigma_data)
        state = state.moved(gen.scheduler.step(v, t, state.latents, generator=random_).prev_sample)
    video = decode(gen.vae, plan, state.latents)[0].permute(1, 2, 3, 0)
    return ((video + 1) * 127.5).clamp(0, 255).round().byte().numpy()


STEPS = pick(12, 1)
size = Size(pick(112, 56), pick(64, 32))
shot = render(sample_scene(HELD_OUT_SEED, NUM_FRAMES, num_shots=1), size) * 2 - 1  # (T, 3, H, W)
truth = ((shot + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
anchored = torch.tensor(plan.anchors)
x_anchors = encode_conditions(gen.vae, plan, [shot[frame][None, :, None] for frame in KEYFRAMES])
films = {scheme: generate(taus[scheme]) for scheme in TAU_SCHEMES}
by_library = gen(
    prompt="",
    conditions=[VideoCondition(image=shot[frame], frame_index=frame) for frame in KEYFRAMES],
    num_frames=NUM_FRAMES,
    height=size.height,
    width=size.width,
    num_inference_steps=STEPS,
    guidance_scale=1.0,
    generator=torch.Generator().manual_seed(0),
).frames[0]
assert abs(films["frame_time"] - 255 * by_library).max() < 2  # levels; the pipeline makes the same film

# %%
before_keyframe = {scheme: abs(1.0 * film[12] - truth[12]).mean() for scheme, film in films.items()}
print("frame 12 is off by", ", ".join(f"{value:.1f} ({scheme})" for scheme, value in before_keyframe.items()), "levels")
show_videos(
    films,
    FPS,
    alt="The same toy shot, filmed under four index schemes: a pink square figure, a round grey one, and a sign that "
    "says STOP. Keyframes are at 0, 13 and 23. "
    + " ".join(f"Under {scheme} frame 12 is {value:.0f} levels off." for scheme, value in before_keyframe.items()),
)
show_strip(
    np.concatenate([frames[11:14] for frames in (truth, *films.values())], axis=1),  # one above the other
    labels=["11", "12", "13, given"],
    alt=f"Frames 11, 12 and 13 in rows: the true shot, then {', '.join(films)}. Frame 13 is a keyframe, and it is "
    "the same in all films. Frame 12 is clear under frame_time, and it is worst under restart",
)
assert pick(min(before_keyframe, key=before_keyframe.get), "frame_time") == "frame_time"  # one step says little

# %% [markdown]
# **Notice.** The keyframes are the same under all four schemes. They are pinned (notebook 02), whatever the index says.
# Between the keyframes the tiny model softens what moves, under its own index, too. But look at frame 12, the last
# frame before a keyframe:
#
# - Under `frame_time` the model is told that the keyframe is one frame away. Frame 12 is
#   8.0<!-- = before_keyframe["frame_time"] --> levels off.
# - `midpoint` says two frames, and frame 12 is 8.2<!-- = before_keyframe["midpoint"] --> levels off.
# - `continuous` says four frames, and it is 12.6<!-- = before_keyframe["continuous"] --> levels off.
# - Under `restart` every chunk claims the same times, and it is 21.4<!-- = before_keyframe["restart"] --> levels off.
#
# One shot is an example and no measurement. The figure before was the measurement.
#
# **What this shows, and what it does not.** The model was trained under `frame_time`, and it does worse under another
# index. This shows that it reads the index. It does not show which index is best to *train* with. For that, one must
# train a model for each scheme, all of them equally long, and measure each one with its own index on held-out shots.
#
# Such trainings are too long for a notebook. The command `python bench/ablation.py` makes them. It begins with one
# small text-to-video model that knows no keyframes, as Wan's weights are. From there it trains each scheme twice, for
# equally many steps on the same clips and noise. Then it measures the error of the velocity on held-out videos of three
# kinds. The next cell shows how much more error than `frame_time` the other schemes have near noise, over the latents
# just before a keyframe, where the schemes differ most. The brackets hold intervals of 95 % (notebook 09 explains
# them).

# %%
OTHERS = [scheme for scheme in TAU_SCHEMES if scheme != "frame_time"]
velocities = bench_results("ablation").get("velocity", {})
trained = {group: figures["t = 0.9, beside keyframes"] for group, figures in velocities.items()}
rows = [
    [group, *("{value:+.1f} % [{low:+.1f}, {high:+.1f}]".format(**of[scheme]) for scheme in OTHERS)]
    for group, of in trained.items()
]
show_table(rows, ["held-out videos", *OTHERS])
assert all(of[scheme]["high"] < 0 for of in trained.values() for scheme in ("continuous", "midpoint"))

# %% [markdown]
# **Notice.** `restart` is clearly the worst: its error is
# 74<!-- = trained["as in training"]["restart"]["value"] --> % above that of `frame_time` on videos as in training. The
# index must not fold time. But `frame_time` is not the best. `continuous` has
# 2.7<!-- = -trained["as in training"]["continuous"]["value"] --> % less error, where keyframes are near each other
# 8<!-- = -trained["keyframes 1 to 3 frames apart"]["continuous"]["value"] --> % less, and on long videos
# 10<!-- = -trained["longer than in training"]["continuous"]["value"] --> % less. `midpoint` lies between the two. No
# interval of the two holds 0. In filmed videos the three can hardly be told apart. These are small models after a short
# training, and they contradict the reason that is given for a true index: perhaps it helps more that any two latents
# are at least half a step apart than that every time is exact.
#
# So which index do we use? Because of this measurement, `smartdirector train gen` takes `continuous` for new weights,
# and `--rope frame_time` asks for the other one. The weights that ship were trained with `frame_time`, which has the
# numbers of the paper's figure, and they keep it. The transformer's config says with which index it was trained
# (`tau_scheme`), and the pipeline takes that index, unless a call names another with `rope=`.
#
# **In your own words.** A friend says: "I trained with `restart`, and my keyframes come back exactly. So the index does
# not matter." What do you answer, in one or two sentences? No program checks this answer.

# %%
lab.free_text("03.6", "...")

# %% [markdown]
# ## Recap
#
# - Attention sees a set. RoPE turns pairs of values by position, so that a score depends on the difference alone.
# - A head is cut into three parts, for time, height and width. Each part has fast and slow clocks.
# - Positions may be fractions. MC-RoPE uses that: $\tau$ is the last frame shown, divided by $s$. For full chunks these
#   are the numbers of the paper's figure.
# - `continuous` stretches time at every border, `restart` folds it, and `midpoint` is near but not true.
# - The trained model reads the index. If it gets another one than in training, its error grows, most under `restart`.
#
# **Next:** [notebook 04](04_director_gen.ipynb), Director-Gen: from noise and anchors to a video.

# %%
lab.summary("03")
