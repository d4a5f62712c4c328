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

# %%
import itertools
import math

import torch
from diffusers.models.embeddings import apply_rotary_emb

from smartdirector_lite import ChunkPlan, Condition, VideoCondition, load_director
from smartdirector_lite.course import lab
from smartdirector_lite.course.figures import rope as viz
from smartdirector_lite.course.notebook import pick, show_figure, show_strip
from smartdirector_lite.course.widgets import tau_explorer
from smartdirector_lite.flow import precondition
from smartdirector_lite.media.size import Size
from smartdirector_lite.timeline import TAU_SCHEMES
from smartdirector_lite.toyworld import HELD_OUT_SEED, render, sample_scene
from smartdirector_lite.vae import encode_video

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
# ### Exercise 03.1 (3 points)
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
for index, omega_i in enumerate(clocks(time_dim).tolist()):
    if index in (0, 1, 2, 6, 11):
        print(f"pair {index:2}: {math.degrees(omega_i):8.4f} degrees per latent frame")

# %%
show_figure(
    viz.clocks_figure(clocks(time_dim)),
    alt="Left: the cosines of four pairs against the distance. The first pair is fast, and the last ones are nearly "
    "flat. Right: the mean of all twelve pairs. It is 1 at distance 0 and falls on both sides, with waves.",
)

# %% [markdown]
# **Notice.** The fast pairs tell neighbours apart, but they repeat. The slow pairs hardly move over a short video, but
# they tell early from late in a long one. The mean of all pairs has its one peak at distance 0. So *nearby in time* has
# a meaning now. (The mean is the score of a query and a key whose values are all alike. A trained model weights the
# pairs through its queries and keys, so its heads may prefer any distance.)
#
# ### Exercise 03.2 (2 points)
#
# Write `turning_period(pair, dim, theta)`. How far must the position go until this pair has turned once around?


# %%
def turning_period(pair, dim, theta):
    """pair: an int from 0 to dim / 2 - 1. Return a distance, in steps of the position."""
    ### BEGIN SOLUTION
    return 2 * math.pi * theta ** (2 * pair / dim)
    ### END SOLUTION


turning_period = lab.check_turning_period(turning_period)

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
# Each axis has clocks of its own. The next cell writes this out for a whole video, in plain torch. `tau` has one number
# for each latent. Rows and columns are counted in tokens. In our model one cell of a latent is a token. In Wan, 2 x 2
# cells make one token.


# %%
def rotary_angles(tau, rows, columns, head_dim):
    """Return the angles of all tokens, latent by latent and row by row: (F * rows * columns, head_dim / 2)."""
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
cos, sin = transformer.rotary(tau, height=8, width=14)  # the library's tables: (1, tokens, 1, head_dim)
assert torch.allclose(ours.cos().repeat_interleave(2, dim=-1), cos[0, :, 0].double(), atol=1e-6)
assert torch.allclose(ours.sin().repeat_interleave(2, dim=-1), sin[0, :, 0].double(), atol=1e-6)
print(
    f"{len(ours)} tokens of {head_dim} values: {transformer.rope.t_dim} time, {transformer.rope.h_dim} height,", end=" "
)
print(f"{transformer.rope.w_dim} width; our tables are the library's")

# %% [markdown]
# The library's table holds each cosine twice, once for each value of a pair, and diffusers applies this table. We apply
# ours pair by pair. Both give the same result:

# %%
x = torch.randn(len(ours), head_dim, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
x_1, x_2 = x[:, 0::2], x[:, 1::2]
by_hand = torch.stack([x_1 * ours.cos() - x_2 * ours.sin(), x_1 * ours.sin() + x_2 * ours.cos()], dim=-1).flatten(1)
by_diffusers = apply_rotary_emb(x[None, None], (cos[0, :, 0], sin[0, :, 0]))[0, 0]
assert torch.allclose(by_hand, by_diffusers, atol=1e-5)
print("by hand and by diffusers: equal to within 1e-5")

# %% [markdown]
# **Notice.** Plain Wan takes the number of the latent as $\tau$, so its table has whole numbers only. The library's
# `rotary` asks for $\tau$ and takes any number. That is the whole change in the model. It adds no weight.
#
# ### Exercise 03.3 (3 points)
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
# ## Which number is tau?
#
# **Question.** A video has 30 frames at 12 frames a second, with keyframes at frames 0, 13 and 23. So it has three
# chunks and 11 latents. Which number does each latent get?
#
# Plain Wan encodes one run. The last frame that its latent $i$ shows is frame $s\,i$. So the number of the latent is
# also a time: $i = (\text{last frame}) / s$.
#
# The paper SmartDirector ([arXiv 2605.27891](https://arxiv.org/abs/2605.27891)) wants time to run smoothly over the
# borders of the chunks. So its index may be a fraction. The paper calls this MC-RoPE. Our formula keeps the meaning
# that the index has in Wan:
#
# $$ \tau = \frac{\text{the last frame that the latent shows, inside its chunk}}{s}
#    \qquad\text{(scheme \texttt{frame\_time})} $$
#
# (The formula is ours. For chunks of $s k + 1$ frames, it gives the numbers in the paper's figure.) We compare it with
# three other schemes:
#
# - `continuous` counts all latents.
# - `restart` counts from 0 in every chunk.
# - `midpoint` counts the latents that are not anchors, and puts each anchor half-way between its neighbours.

# %%
FPS, NUM_FRAMES, KEYFRAMES = 12, 30, (0, 13, 23)
plan = ChunkPlan.build(NUM_FRAMES, [Condition(frame) for frame in KEYFRAMES])


def row(name, values):
    """Print a name and one value for each latent."""
    print(f"{name:12}", " ".join(f"{value:6g}" for value in values))


row("chunk", plan.latent_chunks)
row("anchor", plan.anchors)
row("last frame", plan.last_frames)
for scheme in TAU_SCHEMES:
    row(scheme, plan.tau(scheme))
assert plan.tau("frame_time") == [frame / plan.stride for frame in plan.last_frames]

# %%
show_figure(
    viz.schemes_figure(plan, FPS),
    alt="Four panels with tau against the last frame that a latent shows. frame_time lies on the line frame / stride. "
    "continuous rises above the line at every border. restart falls back to 0 at every border. midpoint starts half a "
    "step below the line and runs beside it, at a distance that changes.",
)

# %% [markdown]
# **Notice.** Only `frame_time` lies on the line.
#
# - `continuous` steps by a whole latent from frame 12 to frame 13, as if they were four frames apart. So its clock
#   gains time at every keyframe.
# - `restart` gives frames 0, 13 and 23 the same time. It folds time.
# - `midpoint` is closer. It steps by half a latent to an anchor, and by another half after it. But it, too, counts a
#   short last latent of a chunk as a full one, and one frame at the border as two.
#
# Now in numbers. For each border: how many frames are its two latents apart, and how many does each scheme claim?

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
# ### Exercise 03.5 (2 points)
#
# The last latent of the first chunk shows frame 12. The anchor of the second chunk shows frame 13. How many *frames*
# apart does `continuous` claim they are?

# %%
def figure_numbers(f, stride):
    """f: for each chunk, how many latents follow its keyframe. Return (keyframes, end), in latents."""
    ### BEGIN SOLUTION
    ends = list(itertools.accumulate(latents + 1 / stride for latents in f))
    return [0.0, *ends[:-1]], ends[-1]
    ### END SOLUTION


figure_numbers = lab.check_figure_numbers(figure_numbers)

# %% [markdown]
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
    return torch.cos((tau[:, None] - tau)[..., None] * clocks(time_dim)).mean(dim=-1)


true_score = rotary_score([frame / plan.stride for frame in plan.last_frames])
off = {scheme: (rotary_score(plan.tau(scheme)) - true_score).abs() for scheme in TAU_SCHEMES}
for scheme, difference in off.items():
    print(f"{scheme:12} off the curve by {difference.mean():.3f} on average, at most {difference.max():.3f}")
assert off["frame_time"].max() < 1e-12 < off["midpoint"].mean() < off["restart"].mean()

# %%
show_figure(
    viz.scores_figure(plan, clocks(time_dim)),
    alt="Four panels with the score of every two latents against their true distance in frames, and the curve of the "
    "true index. For frame_time all points lie on the curve. For continuous, many pairs across a border lie below it. "
    "For restart such pairs scatter widely, and some have the full score although they are far apart. For midpoint all "
    "points lie close to the curve.",
)

# %% [markdown]
# **Notice.** Within one chunk every scheme is nearly right. A wrong index shows between chunks, and this is where a
# keyframe must pass on its detail. Under `restart`, latents that are far apart score as if they were one and the same.
# Under `continuous`, a keyframe and the frame just before it score as if they were four frames apart.
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
            "The keyframe's anchor moves up by a quarter with every frame, and no other latent jumps by more than one."
            if scheme == "frame_time"
            else "The keyframe's anchor stays on a whole number for four places, and then jumps to the next number."
        ),
    )

# %% [markdown]
# **Notice.** These figures show the same as the widget, and need no kernel. Each column is one place of the middle
# keyframe. Under `frame_time` the anchor climbs by a quarter for each frame that the keyframe moves, and the last
# latent never moves. Under `continuous` four places share one number. So the model is not told where the keyframe
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
    share = times[:, None, :, None, None]
    return x_0, x_1, (1 - share) * x_0 + share * x_1, times


def attention_of(layer, x_t, times, tau):
    """Return one layer's attention between latents, the mean over heads and tokens: (F, F), rows add up to 1."""
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
before = [chunk.latent_start - 1 for chunk in FILM.chunks[1:]]  # the last latent of every chunk except the last chunk
ahead = [weights[before, [i + 1 for i in before]].mean().item() for weights in maps]
for scheme, share in zip(SHOWN, ahead, strict=True):
    print(f"{scheme:12} a chunk's last latent gives the next keyframe {100 * share:.0f} % of its attention")
assert ahead[0] > ahead[1] > ahead[2]

# %%
show_figure(
    viz.attention_figure(maps, FILM, SHOWN),
    alt="Three maps of the attention between latents in one layer of the trained model. Under frame_time the attention "
    "lies near the diagonal and is strong on the anchors, also in the rows just before them. Under continuous these "
    "rows look ahead to the anchors less. Under restart the attention is spread thinly and repeats in every chunk.",
)

# %% [markdown]
# **Notice.** A row is a latent that looks. A column is a latent that is looked at. The weights and the input are the
# same each time. Only the index changes, and the maps change with it. So the model does use the index.
#
# Look at the last latent of each chunk. Under `frame_time` the model knows that the next keyframe is one frame away,
# and it looks there a lot. Under `continuous` that keyframe seems four frames away, and it gets less attention. Under
# `restart` the model cannot tell the chunks apart, and it looks everywhere.
#
# ## What a wrong index costs
#
# **Question.** How much worse does the trained model predict when it is told the wrong times?
#
# The bundled model was trained under `frame_time`. Every call of the pipeline takes `rope=`, so we can change the index
# at inference. We begin with the error that the training minimised: the mean squared error of the velocity
# $v = x_1 - x_0$, over the latents that are not anchors. The four schemes get the same shots and the same noise.


# %%
def velocity_error(x_0, x_1, x_t, times, tau):
    """Return the mean squared error of the velocity over the latents that are not anchors."""
    output = transformer(x_t, 1000 * times, no_text, tau=tau).sample
    v = precondition(output, x_t, times, gen.config.sigma_data)  # notebook 04 explains this step
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
show_figure(
    viz.errors_figure(TIMES, errors),
    alt="Bars of the velocity's error at three flow times for four schemes. At t = 0.9 frame_time is lowest, midpoint "
    "and continuous are clearly higher, and restart is highest by far. At t = 0.3 frame_time, midpoint and continuous "
    "are about equal, and restart is still much higher.",
)

# %% [markdown]
# **Notice.** Near pure noise ($t = 0.9$) the noisy latents say little, and the model must take from the anchors what it
# needs. There the error is over four times as large under `restart`, and more than one and a half times as large under
# `continuous` and `midpoint`. At smaller $t$ the latents' own content says enough. Then `continuous` and `midpoint`
# hardly matter any more, and only `restart` still hurts.
#
# Now we generate a whole video: the same keyframes, noise and weights, and four indices.

# %%
scene = sample_scene(HELD_OUT_SEED, NUM_FRAMES, num_shots=1)
film = render(scene, Size(112, 64)) * 2 - 1  # (T, 3, H, W)
conditions = [VideoCondition(image=film[frame], frame_index=frame) for frame in KEYFRAMES]
SHOWN_FRAMES = (0, 6, 12, 13, 18, 26)
truth = ((film + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
show_strip(
    truth[list(SHOWN_FRAMES)],
    alt="The true shot: six frames as the toy world draws them.",
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
    show_strip(
        (255 * video[list(SHOWN_FRAMES)]).round().astype("uint8"),
        alt=f"The same six frames, generated under {scheme}. Frames 0 and 13 are keyframes.",
        labels=[f"{i} given" if i in KEYFRAMES else str(i) for i in SHOWN_FRAMES],
    )
assert min(before_keyframe, key=before_keyframe.get) == "frame_time"

# %% [markdown]
# **Notice.** Frames 0 and 13 are the same under all four schemes. Keyframes are pinned (notebook 02), whatever the
# index says. Between the keyframes the tiny model softens what moves, under its own index, too. But look at frame 12,
# the last frame before a keyframe:
#
# - Under `frame_time` the model is told that the keyframe is one frame away. Frame 12 is nearly as sharp as the
#   keyframe.
# - Under `continuous` the keyframe seems farther away. The sign and the figures lag behind.
# - `midpoint` is nearly right, and so is its frame.
# - Under `restart` every chunk claims the same times. The square figure gets lost between its keyframes.
#
# (One shot is an example and no measurement. The figure before was the measurement.)
#
# **What this shows, and what it does not.** The model was trained under `frame_time`, and it does worse under another
# index. This shows that it reads the index. It does not show which index is best to *train* with. For that, one must
# train a model for each scheme, all of them equally long, and measure each one with its own index on held-out shots.
#
# Such trainings are too long for a notebook. The command `python bench/rope.py` makes them: four small transformers
# with the same first weights, 500 steps on the same batches and noise. The next cell shows its results over the latents
# just before a keyframe, where the schemes differ most.

# %%
SHORT_TRAININGS = {  # mean squared error of the velocity at t = 0.9 and t = 0.6, from bench/results/rope.json
    "frame_time": (0.4568, 0.6078),
    "continuous": (0.4409, 0.6025),
    "restart": (0.5666, 0.6249),
    "midpoint": (0.4464, 0.6064),
}
show_figure(
    viz.errors_figure((0.9, 0.6), SHORT_TRAININGS),
    alt="Bars of the error after short trainings. At t = 0.9 restart is highest by a quarter, and the other three lie "
    "within four percent. At t = 0.6 all four are close, and restart is still the highest.",
)
assert max(SHORT_TRAININGS, key=SHORT_TRAININGS.get) == "restart"

# %% [markdown]
# **Notice.** `restart` is clearly the worst. When the index folds time, the error near pure noise is a quarter larger.
# The three schemes that never go back lie within four percent of each other, and `frame_time` is not the first of them.
# After so little training, whole numbers serve as well or a little better. This is one seed, 500 steps, and a model of
# 1.3 million weights. It is enough to say that the index must not fold time, and too little to rank the others.
#
# `frame_time` has another merit. It is the one scheme that is true at every border. And where there are no keyframes,
# it is Wan's own index.
#
# ## Recap
#
# - Attention sees a set. RoPE turns pairs of values by position, so that a score depends on the difference alone.
# - A head is cut into three parts, for time, height and width. Each part has fast and slow clocks.
# - Positions may be fractions. MC-RoPE uses that: $\tau$ is the last frame shown, divided by $s$ (our formula).
# - `continuous` stretches time at every border, `restart` folds it, and `midpoint` is near but not true.
# - The trained model reads the index, most of all while the noisy latents say little.
#
# **Next:** [notebook 04](04_director_gen.ipynb), Director-Gen: from noise and anchors to a video.

# %%
lab.summary("03")
