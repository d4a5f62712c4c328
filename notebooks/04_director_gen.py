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
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/THIS_REPOSITORY/blob/main/notebooks/04_director_gen.ipynb)
#
# The pieces are there: chunks ([02](02_multi_chunk.ipynb)), and a true time for each latent ([03](03_mc_rope.ipynb)).
# Now the latents between the keyframes have to come from somewhere. They come from noise, by *flow matching*. First in
# the plane, where everything can be drawn; then the same few lines with the video model.
#
# **Goals.** Afterwards you can
# - explain flow matching, train one, and sample from it;
# - write the sampling loop of `DirectorGenPipeline` by hand, anchors included, and get what the pipeline gets;
# - set up every kind of generation: single shot, cuts, one keyframe anywhere, extension, a mixture, other pacing;
# - say what guidance does, and what it cannot do.
#
# **Time.** 60 minutes with the exercises; all cells together run in about a minute and a half on a laptop.
#
# **Needs.** Notebooks 02 and 03, or their two results: a plan splits a video into chunks, and each latent has an index
# `tau`. No GPU, no download.

# %%
# On Colab or another fresh machine: get the package, and leave torch and numpy as they are. Here this does nothing.
import importlib.metadata, importlib.util, subprocess, sys

if importlib.util.find_spec("smartdirector_lite") is None:
    kept = [f"{n}=={importlib.metadata.version(n)}" for n in ("torch", "numpy") if importlib.util.find_spec(n)]
    package = "smartdirector-lite[notebooks] @ git+https://github.com/THIS_REPOSITORY"
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", package, *kept], check=True)

# %%
import itertools

import torch

from smartdirector_lite import Storyboard, VideoCondition, load_director
from smartdirector_lite.course import lab
from smartdirector_lite.cli import bundled_storyboards
from smartdirector_lite.vae.multichunk import decode, decode_clip, encode_conditions
from smartdirector_lite.course.notebook import figure, pick, strip
from smartdirector_lite.gen.preconditioning import to_velocity
from smartdirector_lite.report import border_report
from smartdirector_lite.toyworld import HELD_OUT_SEED, render, sample_scene
from smartdirector_lite.course.figures import flow as viz
from smartdirector_lite.course.figures.base import timeline_figure
from smartdirector_lite.course.widgets import step_slider

# %% [markdown]
# ## Flow matching in the plane
#
# **Question.** How can noise become data, when no noise belongs to any datum?
#
# Pick a datum $x_0$ and a noise $x_1 \sim \mathcal{N}(0, I)$, at random and independently. Join them by a straight
# line, and call the way along it the velocity:
#
# $$ x_t = (1 - t)\, x_0 + t\, x_1, \qquad v = \frac{\mathrm{d} x_t}{\mathrm{d} t} = x_1 - x_0 . $$
#
# So $t = 0$ is data, and $t = 1$ is noise. First one datum and one noise; then, as data, a thousand points on two half
# moons.

# %%
x_0, x_1 = torch.tensor([2.0, 1.0]), torch.tensor([0.0, -1.0])
for t in (0.0, 0.25, 1.0):
    print(f"t = {t:4}: x_t = {((1 - t) * x_0 + t * x_1).tolist()}")
print("v =", (x_1 - x_0).tolist(), "at every t")


def moons(count, generator):
    """Two half circles, a little blurred: (count, 2)."""
    angle = torch.pi * torch.rand(count, generator=generator)
    side = torch.randint(0, 2, (count,), generator=generator) * 2 - 1
    points = side[:, None] * torch.stack([torch.cos(angle) - 0.5, torch.sin(angle) - 0.25], dim=1)
    return 1.4 * points + 0.06 * torch.randn(count, 2, generator=generator)


chance = torch.Generator().manual_seed(0)
data = moons(1000, chance)
noise = torch.randn(1000, 2, generator=chance)
figure(
    viz.clouds_figure({f"t = {t:g}": (1 - t) * data + t * noise for t in (0, 0.25, 0.5, 0.75, 1)}),
    alt="Five clouds of points: two half moons at t = 0, which blur and melt, step by step, into one round cloud at 1.",
)

# %% [markdown]
# **Notice.** Each point goes straight; the cloud as a whole melts.
#
# ### Exercise 04.1 (3 points)
#
# Write `straight_path(x_0, x_1, t)` for a batch: every sample has its *own* t. It must work for points $(B, 2)$ as for
# latents $(B, C, F, h, w)$, and gives $x_t$ and $v$ back.


# %%
def straight_path(x_0, x_1, t):
    """x_0, x_1: (B, ...), t: (B,) in [0, 1]. Returns x_t and v, both (B, ...)."""
    ### BEGIN SOLUTION
    share = t.view(-1, *[1] * (x_0.ndim - 1))
    return (1 - share) * x_0 + share * x_1, x_1 - x_0
    ### END SOLUTION


lab.check_straight_path(straight_path)

# %% [markdown]
# ## Learning the velocity
#
# **Question.** At one place $x_t$ many lines cross, each with a velocity of its own. Which one should a network give?
#
# It is asked for all, and the squared error
#
# $$ \mathbb{E}_{x_0, x_1, t} \left\| f(x_t, t) - (x_1 - x_0) \right\|^2 $$
#
# is least for their *mean*. That is enough: if all points follow the mean velocity, the clouds move just as they do
# along the lines. The network is small: three numbers in, two out.

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
# The error does not go to 0, and cannot: where lines cross, the mean fits none of them. What was learnt can be drawn,
# as the way a sampler will go, from noise to data, so against $v$:


# %%
@torch.no_grad()
def velocity(x, t):
    """x: (N, 2), t: (N,) or a number. Returns (N, 2)."""
    t = torch.as_tensor(t, dtype=x.dtype).expand(len(x))
    return network(torch.cat([x, t[:, None]], dim=1))


figure(
    viz.field_figure(velocity, (0.95, 0.5, 0.1), data),
    alt="Three fields of arrows over the half moons. At t = 0.95 all arrows point to the middle. At 0.5 they begin to "
    "part towards the two moons; at 0.1 they point to the nearest place on a moon.",
)

# %% [markdown]
# **Notice.** In pure noise nothing is known yet, and every arrow points to the middle of the data. Later each arrow
# decides for a moon, then for a place on it.
#
# ## Following it
#
# **Question.** How do we get from noise to data, with the velocity alone?
#
# Begin at noise, $t = 1$, and walk in small straight steps (Euler's method):
#
# $$ x \leftarrow x + (t' - t)\, f(x, t), \qquad t' < t . $$
#
# The smallest example is one step, all the way from 1 to 0:

# %%
noise = torch.randn(pick(400, 200), 2, generator=chance)
one_step = noise + (0.0 - 1.0) * velocity(noise, 1.0)
print(
    "one step ends near",
    [round(value, 1) + 0.0 for value in one_step.mean(dim=0).tolist()],
    "with a spread of",
    end=" ",
)
print(f"{one_step.std():.2f}; the data have {data.std():.2f}")
assert one_step.std() < 0.5 * data.std()

# %% [markdown]
# One step lands near the *mean* of the data, where no datum is. In pictures that is a blur; keep it in mind for the
# video.
#
# ### Exercise 04.2 (3 points)
#
# Write `euler(velocity, x_1, times)`: walk through the `times`, which fall from the first to the last, not always
# evenly. `velocity(x, t)` takes the points and one number.


# %%
def euler(velocity, x_1, times):
    """velocity: (x, t) -> like x. times: K + 1 numbers, falling. Returns x after K steps; x_1 stays as it is."""
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
    print(f"{name:8}: {distance:.2f} from the nearest datum, on average")
assert far["32 steps"] < far["4 steps"] < 0.5 * far["1 step"]
figure(
    viz.paths_figure({name: path[:, :60] for name, path in paths.items()}, data),
    alt="The ways of sixty points from noise. In one step all end in a small blot between the moons, in four near "
    "them, in thirty-two steps on them, along bent ways.",
)

# %% [markdown]
# **Notice.** The lines of training were straight; the ways that are followed bend, because the mean changes on the way.
# So it takes some steps. The video model uses 12.
#
# ## The same, with a video model
#
# **Question.** What changes when the points are latents?
#
# Nothing in the formulas. $x_0$ are the latents of a video, $(B, C, F, h, w)$; $f$ is the transformer; it is told the
# text and `tau`. Four details come on top. We take three of them one by one, write the loop, and come to the fourth.

# %%
torch.set_grad_enabled(False)  # from here on nothing is trained
director = load_director()
gen = director.gen  # the pipeline of stage one; notebook 05 has the second
gen.set_progress_bar_config(disable=True)
vae, transformer, scheduler = gen.vae, gen.transformer, gen.scheduler
print(f"latents of {vae.config.z_dim} channels, {director.steps} steps, guidance {director.guidance_scale:g}")

# %% [markdown]
# ### Detail 1: shifted times
#
# Where in $[0, 1]$ should the steps lie? The scheduler begins with even times, and bends them by a *shift* $a$, so that
# more steps lie near the noise, where the layout of the picture is decided:
#
# $$ t \;\mapsto\; \frac{a\, t}{1 + (a - 1)\, t} . $$
#
# For $a = 3$, $t = 1/2$ becomes $1.5 / 2 = 0.75$. The ends stay.
#
# ### Exercise 04.3 (2 points)
#
# Write `shift_time(t, shift)`.


# %%
def shift_time(t, shift):
    """t: in [0, 1]; shift: more than 0. Returns a time in [0, 1]."""
    ### BEGIN SOLUTION
    return shift * t / (1 + (shift - 1) * t)
    ### END SOLUTION


lab.check_shift_time(shift_time)


# %%
def flow_times(steps, shift):
    """The times of diffusers' Euler scheduler, then 0: (steps + 1,). The even times run from 1 to nearly 0."""
    lowest = shift * 0.001 / (1 + (shift - 1) * 0.001)
    even = torch.linspace(1, lowest, steps, dtype=torch.float64)
    return torch.cat([shift * even / (1 + (shift - 1) * even), torch.zeros(1)])


scheduler.set_timesteps(director.steps)
times = flow_times(director.steps, scheduler.config.shift)
assert torch.allclose(times, scheduler.sigmas.double(), atol=1e-6)
print("t =", ", ".join(f"{t:.3f}" for t in times))
figure(
    viz.schedule_figure({f"shift {shift:g}": flow_times(director.steps, shift) for shift in (1, 3, 9)}),
    alt="Flow time against the step. With shift 1 it falls evenly, with 3 slowly at first, with 9 it stays near 1 for "
    "most of the steps and falls at the end.",
)

# %% [markdown]
# **Notice.** The last step is tiny: the list ends just above 0, and then 0 is appended. So of 12 calls of the
# transformer, 11 do nearly all the work.
#
# ### Detail 2: a skip around the small transformer (ours)
#
# To give $v = x_1 - x_0$ is to hand on all of the noise, value by value. A large transformer can. The bundled one is
# narrow, and would spend itself on that. So it predicts only what is *not* known from $x_t$ already. If data had the
# spread $\sigma$, the best linear guess of $v$ would be $c_\text{skip}\, x_t$ (EDM's preconditioning, for this path):
#
# $$ v = c_\text{skip}(t)\, x_t + c_\text{out}(t)\, f, \qquad
#    c_\text{skip} = \frac{t - (1 - t)\, \sigma^2}{t^2 + (1 - t)^2 \sigma^2}, \qquad
#    c_\text{out} = \frac{\sigma}{\sqrt{t^2 + (1 - t)^2 \sigma^2}} . $$
#
# Wan's weights have no such skip; there $f$ is $v$.


# %%
def skip_factors(t, sigma):
    """How much of x_t and how much of the output: two tensors like t."""
    variance = t**2 + (1 - t) ** 2 * sigma**2
    return (t - (1 - t) * sigma**2) / variance, sigma / variance.sqrt()


sigma_data = gen.config.sigma_data
t = torch.linspace(0, 1, 101)
skip, out = skip_factors(t, sigma_data)
print(f"pure noise: v = {skip[-1]:g} x_t + {out[-1]:g} f     clean: v = {skip[0]:g} x_t + {out[0]:g} f")

x_t, f = torch.randn(2, 1, 48, 101, 2, 2, generator=chance)  # any numbers will do: one latent frame for each t
view = (1, 1, -1, 1, 1)
assert torch.allclose(
    skip.view(view) * x_t + out.view(view) * f, to_velocity(f, x_t, t[None], sigma_data), rtol=1e-4, atol=1e-5
)
figure(
    viz.skip_figure(t, skip, out, sigma_data),
    alt="The share of x_t rises from -1 at t = 0 over a little more than 1 to 1 at t = 1; that of the output is "
    "1 at t = 0, a little more near 0.2, and then falls to one half.",
)

# %% [markdown]
# **Notice.** In pure noise the velocity is the noise itself, plus a half of what the network says. Near the data $x_t$
# counts negatively: there $x_t$ is the datum, and $v = x_1 - x_0$ has it with a minus sign.
#
# ### Detail 3: anchors at timestep 0
#
# Keyframes are encoded first. They take their places among the latents as *anchors*, clean, and stay so. The
# transformer must be told which latents are clean. So each latent frame has a timestep of its own (in thousandths):
# $1000\,t$, and 0 for an anchor.

# %%
FPS, NUM_FRAMES, HEIGHT, WIDTH = 12, 25, 64, 112
STEPS, FEWER = pick(director.steps, 2), pick(8, 2)


def toy_shot(seed, num_frames=NUM_FRAMES, num_shots=1):
    """A held-out toy scene, and its frames (3, T, H, W) in [-1, 1]."""
    scene = sample_scene(HELD_OUT_SEED + seed, num_frames, num_shots)
    return scene, render(scene, HEIGHT, WIDTH).transpose(0, 1) * 2 - 1


scene, shot = toy_shot(3)
keyframes = [VideoCondition(image=shot[:, frame], frame_index=frame) for frame in (0, 10, 24)]
plan = gen.plan(NUM_FRAMES, keyframes)
print(plan.table())
anchors = torch.tensor(plan.anchors)
figure(
    viz.timesteps_figure(plan, torch.stack([torch.where(anchors, 0.0, 1000 * t) for t in times[:-1]])),
    alt="A table of colours, steps downwards and latents to the right. From step to step all columns go from 1000 to "
    "nearly 0, but for three: the anchors, which are at 0 throughout.",
)

# %% [markdown]
# ### Exercise 04.4 (4 points)
#
# Write `place(noise, encoded, anchors, t)`: what the transformer is given at the start. The latents: `encoded` where a
# latent frame is an anchor, `noise` elsewhere. And the timesteps, one for each latent frame of each sample.


# %%
def place(noise, encoded, anchors, t):
    """noise, encoded: (B, C, F, h, w), anchors: (F,) bool, t: in [0, 1].

    Returns the latents (B, C, F, h, w) and the timesteps (B, F), from 0 to 1000.
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
# Encode the anchors; put noise elsewhere; at each step ask the transformer, put its output through the skip, walk, and
# put the anchors back. The path is straight as far as the model knows, so $x_t - t\,v$ is its present guess of $x_0$.
#
# ### Detail 4: fresh noise (ours)
#
# Then there are two ways on to the next time $s < t$. One follows the path: $x_s = x_t + (s - t)\,v$. The other takes
# the guess, and goes back along another line, to *fresh* noise: $x_s = (1 - s)\,(x_t - t\,v) + s\,x_1'$. An exact model
# would want the path; fresh noise pulls it towards means. Let us see which of the two a small model wants.

# %%
prompt = scene.description
text = gen.encode_prompt(prompt, None, False, max_sequence_length=gen.tokenizer.model_max_length)[0]
start = torch.randn(1, vae.config.z_dim, plan.num_latents, 8, 14, generator=torch.Generator().manual_seed(0))


def generate(plan, conditions, noise, text, steps, fresh=None):
    """fresh: a generator, for new noise at every step. Returns the latents, and the guess of x_0 at every step."""
    anchors = torch.tensor(plan.anchors)
    mask, guesses = anchors.view(1, 1, -1, 1, 1), []
    encoded = encode_conditions(vae, plan, [condition.to_tensor(HEIGHT, WIDTH) for condition in conditions])
    x = torch.where(mask, encoded, noise)
    for now, then in itertools.pairwise(flow_times(steps, scheduler.config.shift).float()):
        t = torch.where(anchors, 0.0, now)[None]
        output = transformer(x, 1000 * t, text, tau=plan.tau("frame_time")).sample
        v = to_velocity(output, x, t, sigma_data)
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
# **Notice.** These lines *are* Director-Gen, but for guidance and for checks of what the caller gives. Which way is
# taken, the scheduler says: `stochastic_sampling` is on for the bundled model, and off for Wan's. We decode the guess
# at every other step for one frame: frame 5, half-way between two keyframes.


# %%
def pictures(video):
    """The first video of a batch, (B, 3, T, H, W) in [-1, 1], as uint8 (T, H, W, 3)."""
    return ((video[0].permute(1, 2, 3, 0) + 1) * 127.5).round().clamp(0, 255).byte().numpy()


first = slice(0, plan.chunks[0].num_latents)  # the first chunk is decoded on its own, so its latents are enough
for name, way in (("along the path", along_path), ("fresh noise", guesses)):
    seen = [pictures(decode_clip(vae, guess[:, :, first]))[5] for guess in way[1::2]]
    print(f"{name}:")
    strip(
        [*seen, pictures(shot[None])[5]],
        alt=f"The guess of one frame, {name}, step by step, and the true frame last.",
        labels=[*(f"t = {t:.2f}" for t in flow_times(STEPS, scheduler.config.shift)[1:-1:2]), "true"],
    )
step_slider(seen, alt="the guess of frame 5", scale=4)

# %% [markdown]
# **Notice.** The background is there at once: it stands in both keyframes. What moves is a blur at first, like the one
# step in the plane: a mean over all that might be. Later steps decide for one of them. In this frame both ways end in a
# whole figure. Over 12 shots fresh noise comes 0.8 dB nearer to the truth (`bench/inbetween.py --shots 12`, the same
# with `--path 1`): along the path each step builds on the errors of those before, and a small model makes many.
#
# ## Every kind of generation
#
# All of the following is one call with other conditions. `film` makes the video, shows seven frames of it, and names
# those that were given.


# %%
def film(name, conditions, num_frames=NUM_FRAMES, cuts=(), prompt="", steps=FEWER, guidance=1.0):
    """Generate, show a strip, and return uint8 frames (T, H, W, 3)."""
    plan, options = gen.plan(num_frames, conditions, cuts), {**call, "num_frames": num_frames}
    options |= {"num_inference_steps": steps, "guidance_scale": guidance, "generator": torch.Generator().manual_seed(0)}
    made = gen(prompt=prompt, conditions=conditions, cuts=cuts, output_type="latent", **options).frames
    frames = pictures(decode(vae, plan, made))
    given = {c.frame_index + k for c in plan.conditions for k in range(c.num_frames)}
    starts, others = [c.frame_index for c in plan.conditions], [i for i in range(num_frames) if i not in given]
    count = 7 - len(starts)  # as many frames in between, evenly
    shown = sorted([*starts, *(others[(2 * k + 1) * len(others) // (2 * count)] for k in range(count))])
    print(f"{name}: {len(plan.chunks)} chunks, {plan.num_latents} latents, {sum(plan.anchors)} of them anchors")
    labels = [f"{frame} given" if frame in given else str(frame) for frame in shown]
    strip(frames[shown], alt=f"{name}: frames {', '.join(map(str, shown))}", labels=labels)
    return frames


def key(frame, of=shot):
    return VideoCondition(image=of[:, frame], frame_index=frame)


single = film("single shot", [key(0), key(10), key(24)], prompt=prompt)

# %% [markdown]
# **One keyframe anywhere.** First, middle or last: the chunk before a keyframe simply has no anchor of its own. The
# keyframe comes back as decode(encode(keyframe)), the best the VAE can do, whatever stands around it.

# %%
for frame in pick((0, 12, 24), (12,)):
    frames = film(f"one keyframe at {frame}", [key(frame)], prompt=prompt, steps=pick(4, 1))
    alone = gen.plan(1, [key(0)])
    ideal = decode(vae, alone, encode_conditions(vae, alone, [shot[None, :, frame : frame + 1]]))
    assert abs(frames[frame].astype(int) - pictures(ideal)[0]).max() <= 1

# %% [markdown]
# **Notice.** The given frame is exact each time. What is far from it is invented, and the small model invents poorly:
# the place stays, and near the keyframe the figure goes on; further off it softens and loses its shape.
#
# **Multi-shot.** A *cut* is the first frame of the next shot. A chunk begins there, keyframe or not, so that no latent
# holds frames of two shots. To the model, its keyframe looks like any other, a place for the shot to move to. So `tau`
# takes a step at each cut (`cut_gap`, ours; 0 for Wan's weights): the next shot is further off in time.

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
# **Extension.** A clip is a condition of several frames. At the start, the rest is its continuation; at the end, the
# rest leads up to it; one at each end, and the gap between is filled. Clips and keyframes mix freely.

# %%
clip = slice(0, 9)  # 9 = 4 * 2 + 1 frames: three full latents, all anchors
place_at = NUM_FRAMES - 9
clips = {"forwards": VideoCondition(video=shot[:, clip], frame_index=0)}
clips["backwards"] = VideoCondition(video=shot[:, place_at:], frame_index=place_at)
for name in pick(list(clips), ["backwards"]):
    film(name, [clips[name]], prompt=prompt)
ends = [VideoCondition(video=shot[:, :5], frame_index=0), VideoCondition(video=shot[:, 20:], frame_index=20)]
film("two clips and a keyframe", [*ends, key(12)], prompt=prompt)
print(gen.plan(NUM_FRAMES, [*ends, key(12)]).table())

# %% [markdown]
# **Notice.** The given frames come back, and the others continue them. A clip shows how things move, which a single
# keyframe can't: so the figure holds together for longer, forwards and backwards. What the method promises, the places
# and the plan, holds exactly; how far a continuation is believable, training decides.
#
# **Pacing.** The same keyframes at other times. A `Storyboard` holds pictures, times, shots and text; `retime` moves
# the keyframes, in their order, and the cuts with them. "action" hurries at first: of rank $u$ between first (0) and
# last (1), a keyframe goes to $u^2$ of the time (the presets are ours).

# %%
story = Storyboard.load(bundled_storyboards() / "snow" / "story.json")
action = story.retime("action")
for name, board in (("as written", story), ("action", action)):
    print(f"{name:10} keyframes at {[c.frame_index for c in board.conditions]}, cut at {list(board.cuts)}")
figure(
    timeline_figure(action.plan(), fps=story.fps),
    alt="The plan under action: the first keyframes stand close together, the later ones further and further apart.",
)
if pick(True, False):
    result = director(action, seed=0, steps=4, progress=False, stage="gen")
    shown = [c.frame_index for c in action.conditions]
    shown = sorted({*shown, *((a + b) // 2 for a, b in itertools.pairwise(shown[2:]))})
    strip(
        result.draft[shown],
        alt="Keyframes of the snow story at their new times, and frames between.",
        labels=[str(frame) for frame in shown],
    )

# %% [markdown]
# **Notice.** No picture changed, and nothing was trained: the plan changed, so the chunks, so `tau`. That the model is
# told true times is what lets one set of keyframes play fast or slow.
#
# ## Guidance
#
# **Question.** How can a generation be made to follow its text more closely?
#
# Ask twice, with the text and without it (or with a negative text), and go further in the direction in which they
# differ. With two values of a velocity, and $g$ the scale:
#
# $$ v = v_\text{without} + g\, (v_\text{with} - v_\text{without}) . $$

# %%
with_text, without = torch.tensor([1.0, 1.5]), torch.tensor([1.0, 0.5])
for g in (0, 1, 3):
    print(f"g = {g}: v = {(without + g * (with_text - without)).tolist()}")
figure(
    viz.guidance_figure(with_text.tolist(), without.tolist(), (0, 1, 3)),
    alt="Three arrows from the origin: without the text, with it, and at g = 3 further on along the line through both.",
)

# %% [markdown]
# ### Exercise 04.5 (2 points)
#
# Write `guide(conditional, unconditional, scale)` for whole velocities.


# %%
def guide(conditional, unconditional, scale):
    """conditional, unconditional: (B, C, F, h, w). Returns the guided velocity, of that shape."""
    ### BEGIN SOLUTION
    return unconditional + scale * (conditional - unconditional)
    ### END SOLUTION


lab.check_guide(guide)

# %% [markdown]
# How far do the two predictions of the bundled model differ? Measured at the first step, over the latents that are not
# anchors, in percent of the velocity: once with the keyframes above, once with no keyframe at all.

# %%
no_text = gen.encode_prompt("", None, False, max_sequence_length=gen.tokenizer.model_max_length)[0]
for name, conditions in (("keyframes", keyframes), ("no keyframe", [])):
    layout = gen.plan(NUM_FRAMES, conditions)
    here = torch.tensor(layout.anchors)
    x = torch.randn(1, vae.config.z_dim, layout.num_latents, 8, 14, generator=torch.Generator().manual_seed(1))
    if conditions:
        given = encode_conditions(vae, layout, [condition.to_tensor(HEIGHT, WIDTH) for condition in conditions])
        x = torch.where(here.view(1, 1, -1, 1, 1), given, x)
    t = torch.where(here, 0.0, 0.95)[None]
    v_with, v_without = (
        to_velocity(transformer(x, 1000 * t, embeds, tau=layout.tau()).sample, x, t, sigma_data)[:, :, ~here]
        for embeds in (text, no_text)
    )
    print(f"{name:12}: the text changes {100 * (v_with - v_without).norm() / v_without.norm():.1f} % of the velocity")

guided = film("guidance 4", [key(0), key(10), key(24)], prompt=prompt, guidance=4.0)
change = abs(guided.astype(int) - single).mean(axis=(1, 2, 3))
print(f"against guidance 1: {change.max():.1f} levels of 255 in the frame that changed most")
assert change[[0, 10, 24]].max() == 0

# %% [markdown]
# **Notice.** The keyframes cannot change: anchors are not predicted. Where there are keyframes they already say most,
# and the text changes little; without any it changes more. Whether it changes the *right* thing is another question: in
# the README's table, made from text alone at guidance 3, colours and directions come out as asked for in every video,
# cameras in nearly nine of ten. Between keyframes `load_director()` uses guidance 1, which asks once, not twice. Wan's
# own models are called with 5. More is not always better: far beyond 1 the velocity leaves what the model has seen, and
# colours may burn out.
#
# ## Recap
#
# - Flow matching: a straight line between datum and noise, a network for the mean velocity, Euler's steps back.
# - A small model's errors add up along the path. Fresh noise at every step covers them.
# - In one step one gets the mean, which is a blur. Steps lie closer near the noise: the shift.
# - Anchors are clean latents at timestep 0 among noisy ones. They are put back after each step.
# - The whole pipeline is one loop of some ten lines. Keyframe, clip, cut, extension and pacing are only other plans.
# - Guidance exaggerates what the text changes, and can do no more than the text does.
#
# **Next:** [notebook 05](05_director_sr.ipynb), Director-SR: twice the size, with the detail of the original keyframes.

# %%
lab.summary("04")
