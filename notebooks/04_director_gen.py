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
# of SmartDirector (arXiv 2605.27891), makes them from noise by *flow matching*.
#
# We begin with flow matching in the plane, where everything can be drawn. Then we use the same few lines of code with
# the video model.
#
# **Goals.** Afterwards you can
# - explain flow matching, train one, and sample from it;
# - write the sampling loop of `DirectorGenPipeline` by hand, with anchors, and get the same result as the pipeline;
# - set up every kind of generation: a single shot, cuts, one keyframe anywhere, extension, a mixture, other pacing;
# - say what guidance does, and what it cannot do.
#
# **Time.** 60 minutes with the exercises. All cells together run in about a minute and a half on a laptop.
#
# **Needs.** Notebooks 02 and 03, or their two results: a plan splits a video into chunks, and each latent frame has a
# temporal index `tau`. You need no GPU, and nothing is downloaded.

# %%
import itertools

import torch

from smartdirector_lite import Storyboard, VideoCondition, load_director
from smartdirector_lite.course import lab
from smartdirector_lite.cli import bundled_storyboards
from smartdirector_lite.vae import decode, decode_clip, encode_conditions
from smartdirector_lite.course.notebook import pick, show_figure, show_strip
from smartdirector_lite.flow import precondition
from smartdirector_lite.report import border_report
from smartdirector_lite.media.size import Size
from smartdirector_lite.toyworld import HELD_OUT_SEED, render, sample_scene
from smartdirector_lite.course.figures import flow as viz
from smartdirector_lite.course.figures.base import timeline_figure
from smartdirector_lite.course.widgets import step_slider

# %% [markdown]
# ## Flow matching in the plane
#
# **Question.** How can noise become data, when nothing says which noise belongs to which data point?
#
# Pick a data point $x_0$ and a noise point $x_1 \sim \mathcal{N}(0, I)$. Both are drawn at random and independently.
# Join the two by a straight line. A point $x_t$ moves along this line with a constant velocity $v$:
#
# $$ x_t = (1 - t)\, x_0 + t\, x_1, \qquad v = \frac{\mathrm{d} x_t}{\mathrm{d} t} = x_1 - x_0 . $$
#
# At $t = 0$ the point is data, and at $t = 1$ it is noise. The smallest example is one data point and one noise point.
# After that we take a thousand data points, which lie on two half moons.

# %%
x_0, x_1 = torch.tensor([2.0, 1.0]), torch.tensor([0.0, -1.0])
for t in (0.0, 0.25, 1.0):
    print(f"t = {t:4}: x_t = {((1 - t) * x_0 + t * x_1).tolist()}")
print("v =", (x_1 - x_0).tolist(), "at every t")


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
    viz.clouds_figure({f"t = {t:g}": (1 - t) * data + t * noise for t in (0, 0.25, 0.5, 0.75, 1)}),
    alt="Five clouds of points: two half moons at t = 0, which blur from cloud to cloud, and one round cloud at t = 1",
)

# %% [markdown]
# **Notice.** Each point moves on a straight line. The cloud as a whole loses its shape and becomes round.
#
# ### Exercise 04.1 (3 points)
#
# Write `straight_path(x_0, x_1, t)` for a batch in which every sample has its *own* $t$. The function returns $x_t$ and
# $v$. It must work for points $(B, 2)$ and also for latents $(B, C, F, h, w)$.


# %%
def straight_path(x_0, x_1, t):
    """Returns x_t and v, both (B, ...). x_0, x_1: (B, ...); t: (B,) in [0, 1]."""
    ### BEGIN SOLUTION
    share = t.view(-1, *[1] * (x_0.ndim - 1))
    return (1 - share) * x_0 + share * x_1, x_1 - x_0
    ### END SOLUTION


lab.check_straight_path(straight_path)

# %% [markdown]
# ## Learning the velocity
#
# **Question.** Many lines cross at one place $x_t$, and each line has its own velocity. Which of these velocities
# should a network predict?
#
# In training the network $f$ is asked for all of them, one after the other. The squared error
#
# $$ \mathbb{E}_{x_0, x_1, t} \left\| f(x_t, t) - (x_1 - x_0) \right\|^2 $$
#
# is smallest when $f$ predicts their *mean*. The mean is enough: if all points follow the mean velocity, the cloud as a
# whole changes in the same way as along the lines. Our network is small. It takes three numbers, which are $x_t$ and
# $t$, and returns two.

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
STEPS = pick(2500, 600)
optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
losses = []
for _ in range(STEPS):
    x_0, x_1 = moons(512, chance), torch.randn(512, 2, generator=chance)
    t = torch.rand(512, 1, generator=chance)
    x_t = (1 - t) * x_0 + t * x_1
    loss = (network(torch.cat([x_t, t], dim=1)) - (x_1 - x_0)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    schedule.step()
    losses.append(loss.item())
start, end = sum(losses[:50]) / 50, sum(losses[-50:]) / 50
print(f"mean squared error: {start:.2f} at first, {end:.2f} at last")
assert end < 0.95 * start

# %% [markdown]
# The error does not reach 0, and it cannot. Where lines cross, their mean velocity is not exactly right for any of
# them.
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
# The smallest example is a single step, all the way from 1 to 0:

# %%
noise = torch.randn(pick(400, 200), 2, generator=chance)
one_step = noise + (0.0 - 1.0) * velocity(noise, 1.0)
middle = [round(value, 1) + 0.0 for value in one_step.mean(dim=0).tolist()]
print(f"one step ends near {middle} with a spread of {one_step.std():.2f}; the data have {data.std():.2f}")
assert one_step.std() < 0.5 * data.std()

# %% [markdown]
# One step lands near the *mean* of the data, where there are no data points. For pictures, the mean is a blur. We will
# see it again in the video.
#
# ### Exercise 04.2 (3 points)
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


lab.check_euler_path(euler)

# %%
paths = {}
for steps in (1, 4, 32):
    path = [noise]
    for k in range(steps):
        path.append(path[-1] - velocity(path[-1], 1 - k / steps) / steps)
    paths["1 step" if steps == 1 else f"{steps} steps"] = torch.stack(path)
far = {name: torch.cdist(path[-1], data).min(dim=1).values.mean().item() for name, path in paths.items()}
for name, distance in far.items():
    print(f"{name:8}: {distance:.2f} from the nearest data point, on average")
assert far["32 steps"] < far["4 steps"] < 0.5 * far["1 step"]
show_figure(
    viz.trajectories_figure({name: path[:, :60] for name, path in paths.items()}, data),
    alt="The paths of sixty points from noise. With one step all points end in a small spot between the moons. With "
    "four steps they end near the moons. With thirty-two steps they end on the moons, and their paths are curved.",
)

# %% [markdown]
# **Notice.** In training the lines were straight. In sampling the paths are curved, because the mean velocity changes
# from place to place. A curved path needs several steps. The video model takes 12.
#
# ## The same, with a video model
#
# **Question.** What changes when the points are latents?
#
# The formulas stay the same. Now $x_0$ stands for the latents of a video, $(B, C, F, h, w)$, and $f$ is the
# transformer, which is also given the text and `tau`. Four details are added. We look at the first three one by one.
# The fourth belongs to the sampling loop, so we come to it when we write the loop.

# %%
torch.set_grad_enabled(False)  # from here on nothing is trained
director = load_director()
gen = director.gen  # the pipeline of stage one; notebook 05 is about stage two
gen.set_progress_bar_config(disable=True)
vae, transformer, scheduler = gen.vae, gen.transformer, gen.scheduler
defaults = director.defaults
print(f"latents of {vae.config.z_dim} channels, {defaults.steps} steps, guidance {defaults.guidance_scale:g}")

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
# ### Exercise 04.3 (2 points)
#
# Write `shift_time(t, shift)`.


# %%
def shift_time(t, shift):
    """Returns the shifted time, in [0, 1]. t: in [0, 1]; shift: greater than 0."""
    ### BEGIN SOLUTION
    return shift * t / (1 + (shift - 1) * t)
    ### END SOLUTION


lab.check_shift_time(shift_time)


# %%
def flow_times(steps, shift):
    """Give the times of diffusers' Euler scheduler, and 0 after them: (steps + 1,) numbers, falling from 1."""
    lowest = shift * 0.001 / (1 + (shift - 1) * 0.001)
    even = torch.linspace(1, lowest, steps, dtype=torch.float64)
    return torch.cat([shift * even / (1 + (shift - 1) * even), torch.zeros(1)])


scheduler.set_timesteps(director.defaults.steps)
times = flow_times(director.defaults.steps, scheduler.config.shift)
assert torch.allclose(times, scheduler.sigmas.double(), atol=1e-6)
print("t =", ", ".join(f"{t:.3f}" for t in times))
show_figure(
    viz.schedule_figure({f"shift {shift:g}": flow_times(director.defaults.steps, shift) for shift in (1, 3, 9)}),
    alt="Three curves of the flow time over the steps. With shift 1 the time falls evenly. With shift 3 it falls "
    "slowly at first. With shift 9 it stays near 1 for most of the steps and falls at the end.",
)

# %% [markdown]
# **Notice.** The last step is tiny, because the scheduler's times end just above 0 and then 0 is appended. So 11 of the
# 12 calls of the transformer do nearly all of the work.
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
view = (1, 1, -1, 1, 1)
assert torch.allclose(
    skip.view(view) * x_t + out.view(view) * f, precondition(f, x_t, t[None], sigma_data), rtol=1e-4, atol=1e-5
)
show_figure(
    viz.skip_figure(t, skip, out, sigma_data),
    alt="Two curves over t. The factor of x_t rises from -1 at t = 0 to a little more than 1, and is 1 at t = 1. The "
    "factor of the output is 1 at t = 0, a little more near t = 0.2, and falls to one half at t = 1.",
)

# %% [markdown]
# **Notice.** In pure noise the velocity is the noise itself plus one half of the network's output. Near the data the
# factor of $x_t$ is negative. There $x_t$ is nearly $x_0$, which has a minus sign in $v = x_1 - x_0$.
#
# ### Detail 3: anchors at timestep 0
#
# The keyframes are encoded before the first step. Their latent frames are the *anchors*: they are clean, and they stay
# clean. The transformer must be told which latent frames are clean, so each latent frame has its own timestep. The
# timestep of an anchor is 0. The timestep of every other latent frame is $1000\,t$.

# %%
FPS, NUM_FRAMES, HEIGHT, WIDTH = 12, 25, 64, 112
STEPS, FEWER = pick(director.defaults.steps, 2), pick(8, 2)


def toy_shot(seed, num_frames=NUM_FRAMES, num_shots=1):
    """Draw a held-out scene of the toy world. Returns the scene and its frames (3, T, H, W) in [-1, 1]."""
    scene = sample_scene(HELD_OUT_SEED + seed, num_frames, num_shots)
    return scene, render(scene, Size(WIDTH, HEIGHT)).transpose(0, 1) * 2 - 1


scene, shot = toy_shot(3)
keyframes = [VideoCondition(image=shot[:, frame], frame_index=frame) for frame in (0, 10, 24)]
plan = gen.plan(NUM_FRAMES, keyframes)
print(plan.table())
anchors = torch.tensor(plan.anchors)
show_figure(
    viz.timesteps_figure(plan, torch.stack([torch.where(anchors, 0.0, 1000 * t) for t in times[:-1]])),
    alt="A table of colours with a row for each step and a column for each latent frame. From the first row to the "
    "last, the columns fall from 1000 to nearly 0. Three columns, the anchors, are 0 in every row.",
)

# %% [markdown]
# ### Exercise 04.4 (4 points)
#
# Write `place(noise, encoded, anchors, t)`, which prepares two inputs of the transformer for the first step:
#
# - the latents: `encoded` where a latent frame is an anchor, and `noise` everywhere else;
# - the timesteps: one for each latent frame of each sample.


# %%
def place(noise, encoded, anchors, t):
    """Returns the latents (B, C, F, h, w) and the timesteps (B, F), from 0 to 1000.

    noise, encoded: (B, C, F, h, w); anchors: (F,) bool; t: in [0, 1].
    """
    ### BEGIN SOLUTION
    latents = torch.where(anchors.view(1, 1, -1, 1, 1), encoded, noise)
    timesteps = torch.where(anchors, 0.0, 1000.0 * t)
    return latents, timesteps.expand(len(noise), -1)
    ### END SOLUTION


lab.check_place_anchors(place)

# %% [markdown]
# ## The loop, by hand
#
# Before the loop we encode the anchors and put noise everywhere else. Each step of the loop does four things:
#
# 1. It asks the transformer.
# 2. It turns the transformer's output into a velocity by the skip.
# 3. It moves the latents to the next time.
# 4. It puts the anchors back.
#
# A straight path from $x_t$ with the velocity $v$ ends at $x_t - t\,v$. This is the model's guess of $x_0$ in this
# step.
#
# ### Detail 4: fresh noise (ours)
#
# There are two ways to move to the next time $t' < t$. The first way follows the path:
#
# $$ x_{t'} = x_t + (t' - t)\,v . $$
#
# The second way takes the guess of $x_0$ and mixes it with *fresh* noise $\tilde x_1$:
#
# $$ x_{t'} = (1 - t')\,(x_t - t\,v) + t'\,\tilde x_1 . $$
#
# For an exact model the first way is the right one, and fresh noise would pull the result towards a mean. A small model
# is not exact. We try both ways and compare them.

# %%
prompt = scene.description
text = gen.encode_prompt(prompt, None, False, max_sequence_length=gen.tokenizer.model_max_length)[0]
start = torch.randn(1, vae.config.z_dim, plan.num_latents, 8, 14, generator=torch.Generator().manual_seed(0))


def generate(plan, conditions, noise, text, steps, fresh=None):
    """Returns the latents, and the guess of x_0 in each step. fresh: a generator of new noise, or None."""
    anchors = torch.tensor(plan.anchors)
    mask, guesses = anchors.view(1, 1, -1, 1, 1), []
    encoded = encode_conditions(vae, plan, [condition.to_tensor(Size(WIDTH, HEIGHT)) for condition in conditions])
    x = torch.where(mask, encoded, noise)
    for now, then in itertools.pairwise(flow_times(steps, scheduler.config.shift).float()):
        t = torch.where(anchors, 0.0, now)[None]
        output = transformer(x, 1000 * t, text, tau=plan.tau("frame_time")).sample
        v = precondition(output, x, t, sigma_data)
        guess = x - now * v
        guesses.append(torch.where(mask, encoded, guess))
        to = guess + then * v if fresh is None else (1 - then) * guess + then * torch.randn(x.shape, generator=fresh)
        x = torch.where(mask, encoded, to)
    return x, guesses


_, along_path = generate(plan, keyframes, start, text, STEPS)
latents, guesses = generate(plan, keyframes, start, text, STEPS, torch.Generator().manual_seed(1))
call = {"num_frames": NUM_FRAMES, "height": HEIGHT, "width": WIDTH, "num_inference_steps": STEPS, "guidance_scale": 1.0}
call |= {"generator": torch.Generator().manual_seed(1)}
by_pipeline = gen(prompt=prompt, conditions=keyframes, latents=start, output_type="latent", **call).frames
print("largest difference to the pipeline below 1e-4:", (latents - by_pipeline).abs().max().item() < 1e-4)
assert torch.allclose(latents, by_pipeline, atol=1e-4)

# %% [markdown]
# **Notice.** These lines *are* Director-Gen. Only guidance is missing, and the checks of what the caller gives. A
# setting of the scheduler chooses between the two ways: `stochastic_sampling` is on for the bundled model and off for
# Wan's models.
#
# To compare the two ways we look at frame 5, which lies half-way between two keyframes. We decode the guess of this
# frame in every second step.


# %%
def pictures(video):
    """The first video of a batch, (B, 3, T, H, W) in [-1, 1], as uint8 (T, H, W, 3)."""
    return ((video[0].permute(1, 2, 3, 0) + 1) * 127.5).round().clamp(0, 255).byte().numpy()


first = slice(0, plan.chunks[0].num_latents)  # a chunk is decoded on its own, so these latents are enough for frame 5
for name, way in (("along the path", along_path), ("fresh noise", guesses)):
    seen = [pictures(decode_clip(vae, guess[:, :, first]))[5] for guess in way[1::2]]
    print(f"{name}:")
    show_strip(
        [*seen, pictures(shot[None])[5]],
        alt=f"The guess of one frame ({name}) from step to step. The last picture is the true frame.",
        labels=[*(f"t = {t:.2f}" for t in flow_times(STEPS, scheduler.config.shift)[1:-1:2]), "true"],
    )
step_slider(seen, alt="the guess of frame 5", scale=4)

# %% [markdown]
# **Notice.** The background is there at once, because both keyframes show it. What moves is a blur at first. Like the
# single step in the plane, this blur is a mean over everything that might happen. Later steps decide for one
# possibility. In this frame both ways end in a whole figure.
#
# Over 12 shots, fresh noise comes 0.8 dB nearer to the truth (`bench/inbetween.py --shots 12`, and the same with
# `--path 1`). Along the path, each step builds on the errors of the steps before it, and a small model makes many
# errors.
#
# ## Every kind of generation
#
# Every example below is the same call with other conditions. The helper `film` generates the video, shows seven of its
# frames, and marks the frames that were given.


# %%
def film(name, conditions, num_frames=NUM_FRAMES, cuts=(), prompt="", steps=FEWER, guidance=1.0):
    """Generate a video and show a strip of it. Returns the frames, uint8 (T, H, W, 3)."""
    plan, options = gen.plan(num_frames, conditions, cuts), {**call, "num_frames": num_frames}
    options |= {"num_inference_steps": steps, "guidance_scale": guidance, "generator": torch.Generator().manual_seed(0)}
    made = gen(prompt=prompt, conditions=conditions, cuts=cuts, output_type="latent", **options).frames
    frames = pictures(decode(vae, plan, made))
    given = {c.frame_index + k for c in plan.conditions for k in range(c.num_frames)}
    starts, others = [c.frame_index for c in plan.conditions], [i for i in range(num_frames) if i not in given]
    count = 7 - len(starts)  # the number of generated frames to show, evenly spaced
    shown = sorted([*starts, *(others[(2 * k + 1) * len(others) // (2 * count)] for k in range(count))])
    print(f"{name}: {len(plan.chunks)} chunks, {plan.num_latents} latents, {sum(plan.anchors)} of them anchors")
    labels = [f"{frame} given" if frame in given else str(frame) for frame in shown]
    show_strip(frames[shown], alt=f"{name}: frames {', '.join(map(str, shown))}", labels=labels)
    return frames


def key(frame, of=shot):
    return VideoCondition(image=of[:, frame], frame_index=frame)


single = film("single shot", [key(0), key(10), key(24)], prompt=prompt)

# %% [markdown]
# **One keyframe anywhere.** A single keyframe may stand at the first frame, in the middle, or at the last frame. The
# chunk before it simply has no anchor. The keyframe comes back as `decode(encode(keyframe))`, whatever the model
# generates around it. The VAE cannot do better than that.

# %%
for frame in pick((0, 12, 24), (12,)):
    frames = film(f"one keyframe at {frame}", [key(frame)], prompt=prompt, steps=pick(4, 1))
    alone = gen.plan(1, [key(0)])
    ideal = decode(vae, alone, encode_conditions(vae, alone, [shot[None, :, frame : frame + 1]]))
    assert abs(frames[frame].astype(int) - pictures(ideal)[0]).max() <= 1

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
frames = film(f"a cut at {cut}", conditions, cuts=[cut], prompt=scene_2.description)
report = border_report(frames, cut, cuts=[cut])
gap = gen.config.cut_gap
print(f"gap at a cut: {gap:g}; tau:", gen.plan(NUM_FRAMES, conditions, [cut]).tau(cut_gap=gap))
print(f"the step into frame {cut} is {report.ratio:.1f} times the motion beside it: {report.verdict}")

# %% [markdown]
# **Extension.** A clip is a condition of several frames. When the clip stands at the start, the model continues it.
# When it stands at the end, the model generates what leads up to it. With a clip at each end, the model fills the gap
# between the two. Clips and keyframes can be mixed freely.

# %%
clip = slice(0, 9)  # 9 = 4 * 2 + 1 frames fill three latent frames, and all three are anchors
place_at = NUM_FRAMES - 9
clips = {"forwards": VideoCondition(video=shot[:, clip], frame_index=0)}
clips["backwards"] = VideoCondition(video=shot[:, place_at:], frame_index=place_at)
for name in pick(list(clips), ["backwards"]):
    film(name, [clips[name]], prompt=prompt)
ends = [VideoCondition(video=shot[:, :5], frame_index=0), VideoCondition(video=shot[:, 20:], frame_index=20)]
film("two clips and a keyframe", [*ends, key(12)], prompt=prompt)
print(gen.plan(NUM_FRAMES, [*ends, key(12)]).table())

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
action = story.retime("action")
for name, board in (("as written", story), ("action", action)):
    print(f"{name:10} keyframes at {[c.frame_index for c in board.conditions]}, cut at {list(board.cuts)}")
show_figure(
    timeline_figure(action.plan(), fps=story.fps),
    alt="Timeline after the preset action. The first keyframes stand close together, and the later ones stand further "
    "and further apart.",
)
if pick(True, False):
    result = director(action, seed=0, steps=4, progress=False, stage="gen")
    shown = [c.frame_index for c in action.conditions]
    shown = sorted({*shown, *((a + b) // 2 for a, b in itertools.pairwise(shown[2:]))})
    show_strip(
        result.draft[shown],
        alt="Keyframes of the snow story at their new times, and frames between them.",
        labels=[str(frame) for frame in shown],
    )

# %% [markdown]
# **Notice.** No picture changed, and nothing was trained. Only the plan changed, and with it the chunks and `tau`. The
# model is told the true times, so the same keyframes can play fast or slow.
#
# ## Guidance
#
# **Question.** How can a generation be made to follow its text more closely?
#
# The model is asked twice: once with the text, and once without it (or with a negative text). Then we go further in the
# direction from the second answer to the first. The scale $g$ says how far:
#
# $$ v = v_\text{without} + g\, (v_\text{with} - v_\text{without}) . $$
#
# The smallest example is a velocity of two values.

# %%
with_text, without = torch.tensor([1.0, 1.5]), torch.tensor([1.0, 0.5])
for g in (0, 1, 3):
    print(f"g = {g}: v = {(without + g * (with_text - without)).tolist()}")
show_figure(
    viz.guidance_figure(with_text.tolist(), without.tolist(), (0, 1, 3)),
    alt="Three arrows from the origin: without the text, with the text, and at g = 3. Their tips lie on one line, and "
    "the tip at g = 3 lies furthest along it.",
)

# %% [markdown]
# ### Exercise 04.5 (2 points)
#
# Write `guide(conditional, unconditional, scale)` for whole velocities: `conditional` is the velocity with the text,
# `unconditional` the one without it.


# %%
def guide(conditional, unconditional, scale):
    """Returns the guided velocity. conditional, unconditional and the result: (B, C, F, h, w)."""
    ### BEGIN SOLUTION
    return unconditional + scale * (conditional - unconditional)
    ### END SOLUTION


lab.check_guide(guide)

# %% [markdown]
# How much do the two predictions of the bundled model differ? We measure it near the noise, at $t = 0.95$, over the
# latent frames that are not anchors. The difference is printed in percent of the velocity, once with the keyframes
# above and once without any keyframe.

# %%
no_text = gen.encode_prompt("", None, False, max_sequence_length=gen.tokenizer.model_max_length)[0]
for name, conditions in (("keyframes", keyframes), ("no keyframe", [])):
    layout = gen.plan(NUM_FRAMES, conditions)
    here = torch.tensor(layout.anchors)
    x = torch.randn(1, vae.config.z_dim, layout.num_latents, 8, 14, generator=torch.Generator().manual_seed(1))
    if conditions:
        given = encode_conditions(vae, layout, [condition.to_tensor(Size(WIDTH, HEIGHT)) for condition in conditions])
        x = torch.where(here.view(1, 1, -1, 1, 1), given, x)
    t = torch.where(here, 0.0, 0.95)[None]
    v_with, v_without = (
        precondition(transformer(x, 1000 * t, embeds, tau=layout.tau()).sample, x, t, sigma_data)[:, :, ~here]
        for embeds in (text, no_text)
    )
    print(f"{name:12}: the text changes {100 * (v_with - v_without).norm() / v_without.norm():.1f} % of the velocity")

guided = film("guidance 4", [key(0), key(10), key(24)], prompt=prompt, guidance=4.0)
change = abs(guided.astype(int) - single).mean(axis=(1, 2, 3))
print(f"against guidance 1: {change.max():.1f} levels of 255 in the frame that changed most")
assert change[[0, 10, 24]].max() == 0

# %% [markdown]
# **Notice.** The keyframes cannot change, because anchors are not predicted. Keyframes already say most of what
# happens, so with them the text changes little. Without keyframes it changes more.
#
# Whether the text changes the *right* thing is another question. [bench/RESULTS.md](../bench/RESULTS.md) has an answer
# for videos that are made from text alone at guidance 3: colours and directions come out as asked for in every video,
# and cameras in nearly nine of ten.
#
# Between keyframes `load_director()` uses guidance 1, which asks the model once instead of twice. Wan's own models are
# called with 5. More is not always better: far above 1 the velocity is unlike anything that the model has seen, and
# colours may burn out.
#
# ## Recap
#
# - Flow matching joins data and noise by straight lines. A network learns the mean velocity, and Euler's steps follow
#   this velocity back from noise to data.
# - A single step gives the mean, which is a blur. The shift puts more of the steps near the noise.
# - A small model's errors add up along the path. Fresh noise in each step covers them.
# - Anchors are clean latent frames at timestep 0 among noisy ones. They are put back after each step.
# - The whole pipeline is one loop of about ten lines. Keyframe, clip, cut, extension and pacing only change the plan.
# - Guidance exaggerates what the text changes. It cannot do more than the text does.
#
# **Next:** [Notebook 05](05_director_sr.ipynb) is about Director-SR, which makes the video twice as large and takes
# detail from the original keyframes.

# %%
lab.summary("04")
