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
# # 04 Director-Gen: from noise and anchors to a video
#
# Two pieces are ready. Chunks keep every keyframe exact ([02](02_multi_chunk.ipynb)), and MC-RoPE gives each latent its
# true time ([03](03_mc_rope.ipynb)). One piece is missing: the latents between the keyframes. Director-Gen, stage one
# of SmartDirector, makes them from noise by *flow matching*.
#
# In this notebook you write its whole sampling loop, one small function after the other. Then your loop makes every
# film of the notebook.
#
# > **The paper.** SmartDirector, [arXiv 2605.27891](https://arxiv.org/abs/2605.27891), section 3 (method):
# > Director-Gen.
# >
# > - *The paper's:* flow matching over Multi-Chunk latents, anchors without noise at timestep 0, one timestep for each
# >   latent frame, attention over all of them, and the kinds of generation at the end of this notebook.
# > - *Wan's:* the transformer, the text encoder, the shifted times, and guidance.
# > - *Ours:* the small weights, the skip around the transformer, fresh noise in each step, the gap at a cut, and the
# >   presets of pacing.
#
# **Goals.** Afterwards you can
# - explain flow matching, train a flow, and sample from it;
# - write the sampling loop of `DirectorGenPipeline` with anchors, and get the same result as the pipeline;
# - set up every kind of generation: a single shot, cuts, one keyframe anywhere, extension, a mixture, other pacing;
# - say what guidance does, and what it cannot do.
#
# **Time.** 60 minutes with the exercises. All cells together run in about two minutes on a laptop.
#
# **Needs.** Notebooks 02 and 03, or their two results: a plan splits a video into chunks, and each latent frame has a
# temporal index `tau`. You need no GPU, and nothing is downloaded.
#
# **Exercises.** One star (★☆☆) is a warm-up, and three stars are hard. The cells after an exercise run *your* function.
# Until it passes its check, they run the library's. If you are stuck, `lab.hint("04.1")` gives a hint, and each further
# call gives a plainer one. Where the text says **Predict**, write your guess down before you run the cell.

# %%
import itertools

import torch

from smartdirector_lite import Storyboard, VideoCondition, load_director
from smartdirector_lite.cli import bundled_storyboards
from smartdirector_lite.course import lab
from smartdirector_lite.course.figures import flow as viz
from smartdirector_lite.course.figures.base import schematic, schematic_text, timeline_figure
from smartdirector_lite.course.notebook import pick, show_figure, show_strip, show_table, show_video, show_videos
from smartdirector_lite.course.widgets import step_slider
from smartdirector_lite.flow import path, precondition, spread
from smartdirector_lite.media.size import Size
from smartdirector_lite.report import border_report
from smartdirector_lite.toyworld import HELD_OUT_SEED, render, sample_scene
from smartdirector_lite.vae import decode, decode_clip, encode_conditions

# %% [markdown]
# ## Flow matching in the plane
#
# **Question.** How can noise become data, when nothing says which noise belongs to which data point?
#
# We begin in the plane, where everything can be drawn. Pick a data point $x_0$ and a noise point
# $x_1 \sim \mathcal{N}(0, I)$. Both are drawn at random and independently. Join the two by a straight line. A point
# $x_t$ moves along this line with a constant velocity $v$:
#
# $$ x_t = (1 - t)\, x_0 + t\, x_1, \qquad v = \frac{\mathrm{d} x_t}{\mathrm{d} t} = x_1 - x_0 . $$
#
# At $t = 0$ the point is data, and at $t = 1$ it is noise. The smallest example is one data point and one noise point.
# After that we take a thousand data points, which lie on two half moons. The library's `path` moves them.

# %%
x_0, x_1 = torch.tensor([2.0, 1.0]), torch.tensor([0.0, -1.0])
show_table([[t, *path(x_0, x_1, t).tolist()] for t in (0.0, 0.25, 0.5, 1.0)], ["t", "first value", "second value"])


def moons(count, generator):
    """Draw points near two half circles. Returns (count, 2)."""
    angle = torch.pi * torch.rand(count, generator=generator)
    side = torch.randint(0, 2, (count,), generator=generator) * 2 - 1
    points = side[:, None] * torch.stack([torch.cos(angle) - 0.5, torch.sin(angle) - 0.25], dim=1)
    return 1.4 * points + 0.06 * torch.randn(count, 2, generator=generator)


chance = torch.Generator().manual_seed(0)
data = moons(1000, chance)
noise = torch.randn(1000, 2, generator=chance)
show_figure(
    viz.clouds_figure({f"t = {t:g}": path(data, noise, t) for t in (0, 0.25, 0.5, 0.75, 1)}),
    alt="Five clouds of points: two half moons at t = 0, which blur from cloud to cloud, and one round cloud at t = 1",
)

# %% [markdown]
# **Notice.** Each point moves on a straight line. The cloud as a whole loses its shape and becomes round.
#
# ### Exercise 04.1 (3 points, ★★☆)
#
# Write `straight_path(x_0, x_1, t)` for a batch in which every sample has its *own* $t$. The function returns $x_t$ and
# $v$. It must work for points $(B, 2)$ and also for latents $(B, C, F, h, w)$. The training below calls your function.


# %%
def straight_path(x_0, x_1, t):
    """Returns x_t and v, both (B, ...). x_0, x_1: (B, ...); t: (B,) in [0, 1]."""
    ### BEGIN SOLUTION
    share = t.view(-1, *[1] * (x_0.ndim - 1))
    return (1 - share) * x_0 + share * x_1, x_1 - x_0
    ### END SOLUTION


straight_path = lab.check_straight_path(straight_path)

# %% [markdown]
# ## Learning the velocity
#
# **Question.** Many lines cross at one place $x_t$, and each line has its own velocity. Which of these velocities
# should a network predict?
#
# In training the network $f$ is asked for all of them, one after the other. The squared error
#
# $$ \mathbb{E}_{x_0, x_1, t} \left\| f(x_t, t) - v \right\|^2 $$
#
# is smallest when $f$ predicts their *mean*. The mean is enough: if all points follow the mean velocity, the cloud as a
# whole changes in the same way as along the lines. Our network is small. It takes three numbers, which are $x_t$ and
# $t$, and returns two.
#
# **Predict.** Can the error reach 0?

# %%
torch.manual_seed(0)
network = torch.nn.Sequential(
    torch.nn.Linear(3, 96),
    torch.nn.SiLU(),
    torch.nn.Linear(96, 96),
    torch.nn.SiLU(),
    torch.nn.Linear(96, 96),
    torch.nn.SiLU(),
    torch.nn.Linear(96, 2),
)
UPDATES = pick(2500, 600)
optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, UPDATES)
losses = []
for _ in range(UPDATES):
    t = torch.rand(512, generator=chance)
    x_t, v = straight_path(moons(512, chance), torch.randn(512, 2, generator=chance), t)
    loss = (network(torch.cat([x_t, t[:, None]], dim=1)) - v).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    schedule.step()
    losses.append(loss.item())
start, end = sum(losses[:50]) / 50, sum(losses[-50:]) / 50
print(f"mean squared error: {start:.2f} at first, {end:.2f} at last")
assert end < 0.95 * start

# %% [markdown]
# The error falls from 1.6<!-- = start --> to 1.3<!-- = end -->. It does not reach 0, and it cannot. Where lines cross,
# their mean velocity is not exactly right for any of them.
#
# We can draw what the network has learnt. The arrows show the direction in which a sampler will move, from noise to
# data. The velocity $v$ leads from data to noise, so the arrows point in the opposite direction of $v$.


# %%
@torch.no_grad()
def velocity(x, t):
    """Ask the network for the velocity. x: (N, 2); t: (N,) or a number. Returns (N, 2)."""
    t = torch.as_tensor(t, dtype=x.dtype).expand(len(x))
    return network(torch.cat([x, t[:, None]], dim=1))


show_figure(
    viz.field_figure(velocity, (0.95, 0.5, 0.1), data),
    alt="Three fields of arrows over the half moons. At t = 0.95 all arrows point to the middle. At t = 0.5 they begin "
    "to turn to one moon or the other. At t = 0.1 they point to the nearest place on a moon.",
)

# %% [markdown]
# **Notice.** Near pure noise nothing is known yet, so every arrow points to the middle of the data. Later each arrow
# points to one of the two moons, and near the end to one place on this moon.
#
# ## Following it
#
# **Question.** How do we get from noise to data when we know only the velocity?
#
# We start at noise, $t = 1$, and take small straight steps. Each step leads from a time $t$ to an earlier time $t'$
# (Euler's method):
#
# $$ x \leftarrow x + (t' - t)\, f(x, t), \qquad t' < t . $$
#
# The smallest example is a flow with the velocity 2 everywhere. From $x = 3$ at $t = 1$, one step to $t = 0$ leads to
# $3 + (0 - 1) \cdot 2 = 1$. Two steps of one half lead to 2 and then to 1, too.
#
# ### Exercise 04.2 (3 points, ★★☆)
#
# Write `euler(velocity, x_1, times)`, which takes one Euler step from each of the `times` to the next one. The times
# fall from the first to the last, and they may be unevenly spaced. `velocity(x, t)` takes the points and one number.


# %%
def euler(velocity, x_1, times):
    """Returns x after K steps, and leaves x_1 as it is. velocity: (x, t) -> like x. times: K + 1 falling numbers."""
    ### BEGIN SOLUTION
    x = x_1
    for now, then in itertools.pairwise(times):
        x = x + (then - now) * velocity(x, now)
    return x
    ### END SOLUTION


euler = lab.check_euler_path(euler)

# %% [markdown]
# Your function now moves 400 noise points to the moons: in one step, in 4 and in 32.
#
# **Predict.** Where does a single step end?

# %%
noise = torch.randn(pick(400, 200), 2, generator=chance)
paths = {}
for steps in (1, 4, 32):
    points = [noise]
    for k in range(steps):  # two times at a time, so that the way between them can be drawn
        points.append(euler(velocity, points[-1], [1 - k / steps, 1 - (k + 1) / steps]))
    paths["1 step" if steps == 1 else f"{steps} steps"] = torch.stack(points)
far = {name: torch.cdist(points[-1], data).min(dim=1).values.mean().item() for name, points in paths.items()}
spreads = {name: points[-1].std().item() for name, points in paths.items()}
rows = [[name, f"{far[name]:.2f}", f"{spreads[name]:.2f}"] for name in paths]
show_table(rows, ["", "distance to the nearest data point", "spread"])
assert far["32 steps"] < far["4 steps"] < 0.5 * far["1 step"]
show_figure(
    viz.trajectories_figure({name: points[:, :60] for name, points in paths.items()}, data),
    alt="The paths of sixty points from noise. With one step all points end in a small spot between the moons. With "
    "four steps they end near the moons. With thirty-two steps they end on the moons, and their paths are curved.",
)

# %% [markdown]
# **Notice.** One step lands near the *mean* of the data, where there are no data points. The spread there is
# 0.04<!-- = spreads["1 step"] -->, and that of the data is 0.99<!-- = data.std() -->. For pictures, the mean is a blur.
# We will see it again in the video.
#
# In training the lines were straight. In sampling the paths are curved, because the mean velocity changes from place to
# place. A curved path needs several steps.

# %% [markdown]
# ## The same, with a video model
#
# **Question.** What changes when the points are latents?
#
# The formulas stay the same. Now $x_0$ stands for the latents of a video, $(B, C, F, h, w)$, and $f$ is the
# transformer, which is also given the text and `tau`. Five details are added: shifted times, a skip, anchors, guidance,
# and fresh noise. We take them one by one. Then you write the loop.

# %%
torch.set_grad_enabled(False)  # from here on nothing is trained
director = load_director()
gen = director.gen  # the pipeline of stage one; notebook 05 is about stage two
gen.set_progress_bar_config(disable=True)
vae, transformer, scheduler = gen.vae, gen.transformer, gen.scheduler
STEPS, FEWER = pick(director.defaults.steps, 2), pick(8, 2)
print(f"latents of {vae.config.z_dim} channels, {director.defaults.steps} steps")

# %% [markdown]
# ### Detail 1: shifted times
#
# Where in $[0, 1]$ should the steps lie? The layout of the picture is decided near the noise, so more of the steps
# should lie there. The scheduler starts with evenly spaced times and moves them towards 1 by a *shift* $a$:
#
# $$ t \;\mapsto\; \frac{a\, t}{1 + (a - 1)\, t} . $$
#
# For $a = 3$, the time $t = 1/2$ becomes $1.5 / 2 = 0.75$. The ends 0 and 1 do not move.
#
# ### Exercise 04.3 (2 points, ★☆☆)
#
# Write `shift_time(t, shift)`. It takes one time or a tensor of times.


# %%
def shift_time(t, shift):
    """Returns the shifted time, in [0, 1]. t: in [0, 1], a number or a tensor; shift: greater than 0."""
    ### BEGIN SOLUTION
    return shift * t / (1 + (shift - 1) * t)
    ### END SOLUTION


shift_time = lab.check_shift_time(shift_time)

# %% [markdown]
# The scheduler of diffusers takes its lowest time just above 0, shifts all times, and appends 0. With your function
# these are the times of every film below.
#
# **Predict.** With shift 9, how many of the 12<!-- = director.defaults.steps --> steps begin at a time above one half?


# %%
def flow_times(steps, shift):
    """Give the times of diffusers' Euler scheduler: steps + 1 numbers, falling from 1 to 0."""
    even = torch.linspace(1, shift_time(0.001, shift), steps, dtype=torch.float64)
    return [*shift_time(even, shift).tolist(), 0.0]


SHIFT = scheduler.config.shift
scheduler.set_timesteps(STEPS)
times = flow_times(STEPS, SHIFT)
assert torch.allclose(torch.tensor(times), scheduler.sigmas, atol=1e-6)
curves = {f"shift {shift:g}": flow_times(director.defaults.steps, shift) for shift in (1, 3, 9)}
above = {name: sum(t > 0.5 for t in curve) for name, curve in curves.items()}
print("steps that begin above one half:", above)
show_figure(
    viz.schedule_figure(curves),
    alt="Three curves of the flow time over the steps. With shift 1 the time falls evenly. With shift 3 it falls "
    "slowly at first. With shift 9 it stays near 1 for most of the steps and falls at the end.",
)

# %% [markdown]
# **Notice.** With shift 9, 10<!-- = above["shift 9"] --> of 12<!-- = director.defaults.steps --> steps begin above one
# half. The bundled model uses shift 3<!-- = SHIFT -->. Its last step is tiny, because the scheduler's times end just
# above 0 and then 0 is appended.
#
# ### Detail 2: a skip around the small transformer (ours)
#
# A network that predicts $v = x_1 - x_0$ has to pass on all of the noise, value by value. A large transformer can do
# that. The bundled transformer is narrow and would have little room left for anything else. So it predicts only the
# part of $v$ that is *not* known from $x_t$ already. For data with the standard deviation $\sigma$, the best linear
# guess of $v$ is $c_\text{skip}\, x_t$. The transformer's output $f$, times $c_\text{out}$, is added to this guess
# (EDM's preconditioning, for our path):
#
# $$ v = c_\text{skip}(t)\, x_t + c_\text{out}(t)\, f, \qquad
#    c_\text{skip} = \frac{t - (1 - t)\, \sigma^2}{t^2 + (1 - t)^2 \sigma^2}, \qquad
#    c_\text{out} = \frac{\sigma}{\sqrt{t^2 + (1 - t)^2 \sigma^2}} . $$
#
# Wan's own weights were trained without a skip. With them $v = f$.


# %%
def skip_factors(t, sigma):
    """Give c_skip, the factor of x_t, and c_out, the factor of the output: two tensors like t."""
    variance = t**2 + (1 - t) ** 2 * sigma**2
    return (t - (1 - t) * sigma**2) / variance, sigma / variance.sqrt()


sigma_data = gen.config.sigma_data
t = torch.linspace(0, 1, 101)
skip, out = skip_factors(t, sigma_data)
print(f"pure noise: v = {skip[-1]:g} x_t + {out[-1]:g} f     clean: v = {skip[0]:g} x_t + {out[0]:g} f")

x_t, f = torch.randn(2, 1, 48, 101, 2, 2, generator=chance)  # any numbers will do; one latent frame for each t
by_formula = spread(skip) * x_t + spread(out) * f
assert torch.allclose(by_formula, precondition(f, x_t, t[None], sigma_data), rtol=1e-4, atol=1e-5)
show_figure(
    viz.skip_figure(t, skip, out, sigma_data),
    alt="Two curves over t. The factor of x_t rises from -1 at t = 0 to a little more than 1, and is 1 at t = 1. The "
    "factor of the output is 1 at t = 0, a little more near t = 0.2, and falls to one half at t = 1.",
)

# %% [markdown]
# **Notice.** In pure noise the velocity is the noise itself plus 0.5<!-- = out[-1] --> times the network's output. Near
# the data the factor of $x_t$ is negative. There $x_t$ is nearly $x_0$, which has a minus sign in $v = x_1 - x_0$.
#
# ### Detail 3: anchors at timestep 0
#
# The keyframes are encoded before the first step. Their latent frames are the *anchors*: they are clean, and they stay
# clean. The transformer must be told which latent frames are clean, so each latent frame has its own timestep. The
# timestep of an anchor is 0. The timestep of every other latent frame is $1000\,t$.
#
# Our shot comes from the toy world. Three of its 25 frames are keyframes.

# %%
FPS, NUM_FRAMES, HEIGHT, WIDTH = 12, 25, pick(64, 32), pick(112, 56)


def toy_shot(seed, num_frames=NUM_FRAMES, num_shots=1):
    """Draw a held-out scene of the toy world. Returns the scene and its frames (3, T, H, W) in [-1, 1]."""
    scene = sample_scene(HELD_OUT_SEED + seed, num_frames, num_shots)
    return scene, render(scene, Size(WIDTH, HEIGHT)).transpose(0, 1) * 2 - 1


scene, shot = toy_shot(3)
keyframes = [VideoCondition(image=shot[:, frame], frame_index=frame) for frame in (0, 10, 24)]
plan = gen.plan(NUM_FRAMES, keyframes)
print(plan.table())
show_figure(schematic(plan), alt=schematic_text(plan))

# %% [markdown]
# ### Exercise 04.4 (4 points, ★★☆)
#
# Write `place(noise, encoded, anchors, t)`, which prepares two inputs of the transformer:
#
# - the latents: `encoded` where a latent frame is an anchor, and `noise` everywhere else;
# - the timesteps: one for each latent frame of each sample.


# %%
def place(noise, encoded, anchors, t):
    """Returns the latents (B, C, F, h, w) and the timesteps (B, F), from 0 to 1000.

    noise, encoded: (B, C, F, h, w); anchors: (F,) bool; t: a number in [0, 1].
    """
    ### BEGIN SOLUTION
    latents = torch.where(anchors.view(1, 1, -1, 1, 1), encoded, noise)
    timesteps = torch.where(anchors, 0.0, 1000.0 * t)
    return latents, timesteps.expand(len(noise), -1)
    ### END SOLUTION


place = lab.check_place_anchors(place)

# %% [markdown]
# Your function gives the timesteps of every step:

# %%
anchors = torch.tensor(plan.anchors)
start = torch.randn(1, vae.config.z_dim, plan.num_latents, 8, 14, generator=torch.Generator().manual_seed(0))
table = torch.cat([place(start, start, anchors, t)[1] for t in times[:-1]])
show_figure(
    viz.timesteps_figure(plan, table),
    alt=f"A table of colours with a row for each of {len(table)} steps and a column for each of {plan.num_latents} "
    f"latent frames. From the first row to the last, the columns fall from 1000 to {table.amax(dim=1)[-1]:.0f}. "
    f"Columns {', '.join(map(str, anchors.nonzero().flatten().tolist()))}, the anchors, are 0 in every row.",
)

# %% [markdown]
# ### Detail 4: guidance
#
# How can a generation be made to follow its text more closely? The model is asked twice: once with the text, and once
# without it (or with a negative text). The first answer is the *conditional* velocity $v_c$, the second one is the
# *unconditional* velocity $v_u$. *Guidance* starts at $v_u$ and walks in the direction of $v_c$. The scale $g$ says how
# far: with $g = 0$ it stays, with $g = 1$ it reaches $v_c$, and with more it goes on in the same direction. The figure
# shows the smallest example, velocities of two values.

# %%
with_text, without = torch.tensor([1.0, 1.5]), torch.tensor([1.0, 0.5])
show_figure(
    viz.guidance_figure(with_text.tolist(), without.tolist(), (0, 1, 3)),
    alt="Three arrows from the origin: without the text, with the text, and at g = 3. Their tips lie on one line, and "
    "the tip at g = 3 lies furthest along it.",
)

# %% [markdown]
# ### Exercise 04.5 (2 points, ★☆☆)
#
# Write `guide(conditional, unconditional, scale)` for whole velocities. What you have read and seen gives the formula.


# %%
def guide(conditional, unconditional, scale):
    """Returns the guided velocity. conditional, unconditional and the result: (B, C, F, h, w)."""
    ### BEGIN SOLUTION
    return unconditional + scale * (conditional - unconditional)
    ### END SOLUTION


guide = lab.check_guide(guide)

# %%
show_table([[g, *guide(with_text, without, g).tolist()] for g in (0, 1, 3)], ["g", "first value", "second value"])

# %% [markdown]
# ### Detail 5: fresh noise (ours)
#
# A straight path from $x_t$ with the velocity $v$ ends at $x_t - t\,v$. This is the model's guess of $x_0$ in this
# step. There are two ways to move to the next time $t' < t$. The first way follows the path, with Euler's step. The
# second way takes the guess of $x_0$ and joins it to *fresh* noise by a straight path. On this path it goes to the time
# $t'$.
#
# For an exact model the first way is the right one, and fresh noise would pull the result towards a mean. A small model
# is not exact. We will try both ways and compare them.
#
# ## The loop
#
# Each step of the loop does four things:
#
# 1. It gets the latents with their anchors, and the timesteps (04.4).
# 2. It asks for the velocity, once.
# 3. It moves the latents to the next time: by Euler's step (04.2), or with fresh noise on a straight path (04.1).
# 4. It puts the anchors back.
#
# ### Exercise 04.6 (5 points, ★★★)
#
# Write the loop. Call your own `place`, `euler` and `straight_path`. `velocity(x, timesteps)` asks the transformer; it
# has the text, `tau` and guidance inside. `renew(x)` draws fresh noise of the shape of `x`. Where `renew` is `None`,
# the loop follows the path. After the last step the anchors are in their places, too.


# %%
def sample(velocity, noise, encoded, anchors, times, renew=None):
    """Returns the latents at the last of the times. noise, encoded and the result: (B, C, F, h, w)."""
    ### BEGIN SOLUTION
    x, timesteps = place(noise, encoded, anchors, times[0])
    for now, then in itertools.pairwise(times):
        v = velocity(x, timesteps)
        if renew is None:
            x = euler(lambda *_, v=v: v, x, [now, then])
        else:
            x = straight_path(x - now * v, renew(x), torch.full((len(x),), then))[0]
        x, timesteps = place(x, encoded, anchors, then)
    return x
    ### END SOLUTION


sample = lab.check_sample(sample)

# %% [markdown]
# These lines *are* Director-Gen. Only the checks of what the caller gives are missing. The cell below wires your
# functions to the transformer: `velocity_of` asks it, adds the skip, and calls your `guide`; `generate` encodes the
# keyframes and calls your `sample`. A setting of the scheduler chooses between the two ways: `stochastic_sampling` is
# on for the bundled model and off for Wan's models.


# %%
def embed(prompt):
    return gen.encode_prompt(prompt, None, False, max_sequence_length=gen.tokenizer.model_max_length)[0]


def velocity_of(plan, prompt, scale=1.0, guesses=None):
    """Give the velocity for `sample`. It appends the guess of x_0 in each step to `guesses`, where that is a list."""
    tau = plan.tau("frame_time", gen.config.cut_gap)
    texts = [embed(prompt)] if scale == 1 else [embed(prompt), embed("")]

    def velocity(x, timesteps):
        outputs = [transformer(x, timesteps, text, tau=tau).sample for text in texts]
        answers = [precondition(output, x, timesteps / 1000, sigma_data) for output in outputs]
        v = answers[0] if scale == 1 else guide(*answers, scale)
        if guesses is not None:
            guesses.append(x - spread(timesteps / 1000) * v)
        return v

    return velocity


def generate(plan, conditions, prompt, steps, scale=1.0, seed=0, fresh=True, guesses=None):
    """Generate latents with `sample`. fresh: whether fresh noise is drawn in each step."""
    random = torch.Generator().manual_seed(seed)
    noise = torch.randn(1, vae.config.z_dim, plan.num_latents, HEIGHT // 8, WIDTH // 8, generator=random)
    frames = [condition.to_tensor(Size(WIDTH, HEIGHT)) for condition in conditions]
    encoded = encode_conditions(vae, plan, frames) if frames else torch.zeros_like(noise)
    velocity = velocity_of(plan, prompt, scale, guesses)
    renew = (lambda x: torch.randn(x.shape, generator=random)) if fresh else None
    return sample(velocity, noise, encoded, torch.tensor(plan.anchors), flow_times(steps, SHIFT), renew)


prompt = scene.description
ways = {"along the path": [], "fresh noise": []}
generate(plan, keyframes, prompt, STEPS, fresh=False, guesses=ways["along the path"])
latents = generate(plan, keyframes, prompt, STEPS, guesses=ways["fresh noise"])
call = {"num_frames": NUM_FRAMES, "height": HEIGHT, "width": WIDTH, "num_inference_steps": STEPS, "guidance_scale": 1.0}
call |= {"generator": torch.Generator().manual_seed(0), "output_type": "latent"}
by_pipeline = gen(prompt=prompt, conditions=keyframes, **call).frames
print("largest difference to the pipeline below 1e-4:", (latents - by_pipeline).abs().max().item() < 1e-4)
assert torch.allclose(latents, by_pipeline, atol=1e-4)

# %% [markdown]
# **Notice.** Your loop gives the pipeline's latents, value by value. To compare the two ways we look at frame 5, which
# lies half-way between two keyframes. We decode the guess of this frame in every second step.
#
# **Predict.** What does the first guess look like?


# %%
def pictures(video):
    """The first video of a batch, (B, 3, T, H, W) in [-1, 1], as uint8 (T, H, W, 3)."""
    return ((video[0].permute(1, 2, 3, 0) + 1) * 127.5).round().clamp(0, 255).byte().numpy()


first = slice(0, plan.chunks[0].num_latents)  # a chunk is decoded on its own, so these latents are enough for frame 5
for name, guesses in ways.items():
    seen = [pictures(decode_clip(vae, guess[:, :, first]))[5] for guess in guesses[1::2]]
    print(f"{name}:")
    show_strip(
        [*seen, pictures(shot[None])[5]],
        alt=f"The guess of one frame ({name}) from step to step. The figure stands in its place in all guesses. It is "
        "softer than in the last picture, the true frame, and its thin arms and its stripes are blurred or missing.",
        labels=[*(f"t = {t:.2f}" for t in times[1:-1:2]), "true"],
    )
step_slider(seen, alt="the guess of frame 5", scale=4)

# %% [markdown]
# **Notice.** The background is there at once, because both keyframes show it. The figure is in its place early, too,
# because a keyframe on each side says where it must be. What is hard to tell from the keyframes stays blurred: the thin
# arms, and the stripes on the belly. Like the single step in the plane, a blur is a mean over everything that might be
# there. In this frame both ways end in a whole figure.
#
# Over 12 shots, fresh noise comes 0.8<!-- = (lambda gains: float(gains[0]) - float(gains[1]))(
# __import__("re").findall(r"\+(\d\.\d+) dB (?:with it|along)", open("../bench/RESULTS.md", encoding="utf-8").read())
# ) --> dB nearer to the truth ([bench/RESULTS.md](../bench/RESULTS.md)). Along the path, each step builds on the errors
# of the steps before it, and a small model makes many errors.
#
# ## Every kind of generation
#
# Every film below is made by your `sample`. Only the conditions change. The helper `film` plans, generates and decodes,
# and `show_film` plays the result and marks the frames that were given.


# %%
def film(conditions, num_frames=NUM_FRAMES, cuts=(), prompt=prompt, steps=FEWER, scale=1.0, seed=0):
    """Generate a video with your functions. Returns the plan and the frames, uint8 (T, H, W, 3)."""
    plan = gen.plan(num_frames, conditions, cuts)
    return plan, pictures(decode(vae, plan, generate(plan, conditions, prompt, steps, scale, seed)))


def show_film(name, plan, frames, alt):
    """Play a film, and show a strip of it with the given frames outlined."""
    starts = [condition.frame_index for condition in plan.conditions]
    print(f"{name}: {len(plan.chunks)} chunks, {plan.num_latents} latents, {sum(plan.anchors)} of them anchors")
    show_video(frames, FPS, alt=alt, label=name, with_strip=False)
    show_strip(frames, alt=f"Frames of the same film, {', '.join(map(str, starts))} with an outline", keyframes=starts)


def key(frame, of=shot):
    return VideoCondition(image=of[:, frame], frame_index=frame)


layout, single = film([key(0), key(10), key(24)], steps=STEPS)
show_film(
    "single shot, three keyframes",
    layout,
    single,
    alt="A square orange creature walks to the left through a night landscape, with a moon and a sign behind it. It "
    "keeps its shape between the keyframes",
)

# %% [markdown]
# **One keyframe anywhere.** A single keyframe may stand at the first frame, in the middle, or at the last frame. The
# chunk before it simply has no anchor. The keyframe comes back as `decode(encode(keyframe))`, whatever the model
# generates around it. The VAE cannot do better than that.
#
# **Predict.** In which of the three films is the *first* frame exact?

# %%
films = {}
for frame in pick((0, 12, 24), (12,)):
    films[f"keyframe at {frame}"] = film([key(frame)], steps=pick(4, 1))[1]
    alone = gen.plan(1, [key(0)])
    ideal = decode(vae, alone, encode_conditions(vae, alone, [shot[None, :, frame : frame + 1]]))
    assert abs(films[f"keyframe at {frame}"][frame].astype(int) - pictures(ideal)[0]).max() <= 1
show_videos(
    films,
    FPS,
    alt="The orange creature at night, with one keyframe only. Near it the creature and the sign are sharp. Far from "
    "it they become soft and lose their shape",
)

# %% [markdown]
# **Notice.** The given frame is exact each time. The frames far from it are invented, and the small model invents
# poorly. The place stays the same, and near the keyframe the figure keeps moving. Further away the figure becomes soft
# and loses its shape.
#
# **Multi-shot.** A *cut* is the first frame of the next shot. A chunk begins at each cut, with or without a keyframe,
# so that no latent frame holds frames of two shots. A keyframe at a cut looks to the model like any other keyframe:
# like something that the shot before should move to. So `tau` makes an extra step at each cut, and the next shot lies
# further away in time. The size of this step is `cut_gap` (ours; it is 0 for Wan's weights).

# %%
scene_2, two_shots = toy_shot(5, num_shots=2)
(cut,) = scene_2.cuts
conditions = [key(0, two_shots), key(cut, two_shots), key(NUM_FRAMES - 1, two_shots)]
layout, frames = film(conditions, cuts=[cut], prompt=scene_2.description)
show_film(
    f"two shots, a cut at frame {cut}",
    layout,
    frames,
    alt="An orange creature, seen from near. At the cut the picture changes at once to the creature from further away",
)
report = border_report(frames, cut, cuts=[cut])
print(f"tau, with a gap of {gen.config.cut_gap:g} at the cut: {layout.tau(cut_gap=gen.config.cut_gap)}")
print(f"the step into frame {cut} is {report.ratio:.1f} times the motion beside it: {report.verdict}")

# %% [markdown]
# **Extension.** A clip is a condition of several frames. When the clip stands at the start, the model continues it.
# When it stands at the end, the model generates what leads up to it. With a clip at each end, the model fills the gap
# between the two. Clips and keyframes can be mixed freely. A clip of 9 frames, $4 \cdot 2 + 1$, fills three latent
# frames, and all three are anchors. The third film below has a clip at each end and a keyframe between them.
#
# **Predict.** The creature walks. Will it keep its shape for longer after a clip than after a single keyframe?

# %%
late = NUM_FRAMES - 9
clips = {"forwards": [VideoCondition(video=shot[:, :9], frame_index=0)]}
clips["backwards"] = [VideoCondition(video=shot[:, late:], frame_index=late)]
ends = [VideoCondition(video=shot[:, :5], frame_index=0), VideoCondition(video=shot[:, 20:], frame_index=20)]
clips["both ends"] = [*ends, key(12)]
plans = {name: gen.plan(NUM_FRAMES, conditions) for name, conditions in clips.items()}
extended = {name: film(clips[name])[1] for name in pick(list(clips), ["backwards"])}
rows = [[n, len(p.chunks), p.num_latents, sum(p.anchors), len(p.given_frames)] for n, p in plans.items()]
show_table(rows, ["", "chunks", "latents", "anchors", "given frames"])
show_videos(
    extended,
    FPS,
    alt="The orange creature walks at night. The first film begins with given frames and becomes soft at its end, the "
    "second one is soft at its start, and the third one is clear throughout",
)

# %% [markdown]
# **Notice.** The given frames come back, and the other frames continue them. A clip shows how things move, and a single
# keyframe cannot show that. So the figure keeps its shape for longer, forwards and backwards. The method promises that
# the given frames stand exactly where the plan puts them. How far a continuation is believable depends on training.
#
# **Pacing.** The same keyframes can stand at other times. A `Storyboard` holds pictures, times, shots and text. Its
# method `retime` moves the keyframes and the cuts, and keeps their order. The preset "action" is fast at first: a
# keyframe of rank $u$, from 0 for the first keyframe to 1 for the last, moves to $u^2$ of the time. (The presets are
# ours.)

# %%
story = Storyboard.load(bundled_storyboards() / "snow" / "story.json")
boards = {"as written": story, "action": story.retime("action")}
rows = [[name, *(c.frame_index for c in board.conditions), *board.cuts] for name, board in boards.items()]
show_table(rows, ["", *(f"keyframe {k}" for k in range(1, len(story.conditions) + 1)), "cut"])
show_figure(
    timeline_figure(boards["action"].plan(), fps=story.fps),
    alt="Timeline after the preset action. The first keyframes stand close together, and the later ones stand further "
    "and further apart.",
)
paced = {}
for name, board in boards.items() if pick(True, False) else ():
    take = director.take(board, stage="gen")
    placed = [VideoCondition(image=f[0], frame_index=c.frame_index) for f, c in zip(take.frames, take.plan.conditions)]
    paced[name] = film(placed, board.num_frames, take.plan.cuts, take.caption, steps=4)[1]
if paced:
    show_videos(
        paced,
        story.fps,
        alt="Two toy creatures in the snow, blue and purple, in two shots. With the preset action the first shot is "
        "over sooner, and the second one lasts longer",
    )

# %% [markdown]
# **Notice.** No picture changed, and nothing was trained. Only the plan changed, and with it the chunks and `tau`. The
# model is told the true times, so the same keyframes can play fast or slow.
#
# ## What guidance does here
#
# **Question.** How much does the text change, when keyframes are given?
#
# We measure near the noise, at $t = 0.95$, over the latent frames that are not anchors. The difference of the two
# answers is given in percent of the velocity, once with the keyframes above and once without any keyframe.
#
# **Predict.** Where does the text change more: with keyframes, or without them?

# %%
changed, size = {}, (HEIGHT // 8, WIDTH // 8)
for name, conditions in (("keyframes", keyframes), ("no keyframe", [])):
    layout = gen.plan(NUM_FRAMES, conditions)
    free = ~torch.tensor(layout.anchors)
    x = torch.randn(1, vae.config.z_dim, layout.num_latents, *size, generator=torch.Generator().manual_seed(1))
    frames = [condition.to_tensor(Size(WIDTH, HEIGHT)) for condition in conditions]
    given = encode_conditions(vae, layout, frames) if frames else x
    x, timesteps = place(x, given, ~free, 0.95)
    v_with, v_without = (velocity_of(layout, text)(x, timesteps)[:, :, free] for text in (prompt, ""))
    changed[name] = float(100 * (v_with - v_without).norm() / v_without.norm())
    print(f"{name:12}: the text changes {changed[name]:.1f} % of the velocity")

guided = film(keyframes, steps=STEPS, scale=4.0)[1]
change = abs(guided.astype(int) - single).mean(axis=(1, 2, 3))
assert change[[0, 10, 24]].max() == 0
show_videos(
    {"guidance 1": single, "guidance 4": guided},
    FPS,
    alt="The film with three keyframes again, at guidance 1 and at guidance 4: the two look the same",
)
print(f"the frame that changed most: {change.max():.1f} levels of 255")

# %% [markdown]
# **Notice.** The keyframes cannot change, because anchors are not predicted. Keyframes already say most of what
# happens, so with them the text changes 1.5<!-- = changed["keyframes"] --> % of the velocity. Without keyframes it
# changes 68<!-- = changed["no keyframe"] --> %.
#
# Whether the text changes the *right* thing is another question. [bench/RESULTS.md](../bench/RESULTS.md) has an answer
# for videos that are made from text alone at guidance 3: colours and directions come out as asked for in every video,
# and cameras in nearly nine of ten.
#
# Between keyframes `load_director()` uses guidance 1<!-- = director.defaults.guidance_scale -->, which asks the model
# once instead of twice. Wan's own models are called with 5. More is not always better: far above 1 the velocity is
# unlike anything that the model has seen, and colours may burn out.
#
# ## Recap
#
# - Flow matching joins data and noise by straight lines. A network learns the mean velocity, and Euler's steps follow
#   this velocity back from noise to data.
# - A single step gives the mean, which is a blur. The shift puts more of the steps near the noise.
# - A small model's errors add up along the path. Fresh noise in each step covers them.
# - Anchors are clean latent frames at timestep 0 among noisy ones. They are put back after each step.
# - The whole pipeline is one loop of about ten lines, and you have written it. Keyframe, clip, cut, extension and
#   pacing only change the plan.
# - Guidance exaggerates what the text changes. It cannot do more than the text does.
#
# **In your own words.** Write two or three sentences between the quotes: what would change if the anchors were noised
# like all other latents?

# %%
lab.free_text("04.7", "...")

# %% [markdown]
# **Next:** [Notebook 05](05_director_sr.ipynb) is about Director-SR, which makes the video twice as large and takes
# detail from the original keyframes.

# %%
lab.summary("04")
