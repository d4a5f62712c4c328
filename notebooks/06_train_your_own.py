# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 06 Train your own: a day in one second
#
# The paper trains models of many billion weights on films. Here you do the same on a small scale. The bundled model
# knows that things move, and it does not know that the light can change. You teach it: one picture goes in, and a day
# passes over it, from evening through night to morning.
#
# > **The paper.** SmartDirector, [arXiv 2605.27891](https://arxiv.org/abs/2605.27891), section 3 (method and data).
# >
# > - *The paper's:* the loss, which leaves the anchors out, and training on Multi-Chunk latents of many chunk plans.
# > - *Wan's:* the transformer. *LoRA* is Hu et al.'s (2021).
# > - *Ours:* the small weights, the skip, the task of this notebook, and all measurements.
#
# **Goals.** Afterwards you can
# - turn clips into latents to train on;
# - write the loss of a training step, train with it, and fold a LoRA into its layer;
# - read the curves: does the model learn, what is hard for it, and does it only learn by heart?
#
# **Time.** 45 minutes with the exercises. All cells together run in about five minutes on a laptop, most of it
# training.
#
# **Needs.** Notebooks 02 (chunks and anchors) and 04 (flow matching). You need no GPU, and nothing is downloaded.
#
# **Exercises.** One star (★☆☆) is a warm-up, and three stars are hard. The cells after an exercise run *your* function.
# Until it passes its check, they run the library's. If you are stuck, `lab.hint("06.1")` gives a hint, and each further
# call gives a plainer one. Where the text says **Predict**, write your guess down before you run the cell.

# %%
import copy
import itertools

import numpy as np
import torch
from PIL import Image
from torch import nn

from smartdirector_lite import ChunkPlan, Condition, VideoCondition, load_director
from smartdirector_lite.cli import bundled_storyboards
from smartdirector_lite.course import lab
from smartdirector_lite.course.figures import sr as viz
from smartdirector_lite.course.figures.base import figure_image
from smartdirector_lite.course.notebook import pick, show_image, show_table, show_videos
from smartdirector_lite.evaluation.metrics import PooledError, motion_mask
from smartdirector_lite.flow import path, precondition
from smartdirector_lite.media import cover_crop
from smartdirector_lite.media.size import Size
from smartdirector_lite.sr.frames import to_bytes
from smartdirector_lite.toyworld import HELD_OUT_SEED, render, sample_scene
from smartdirector_lite.training.gen import TrainedGen, flow_loss
from smartdirector_lite.training.optim import make_optimizers
from smartdirector_lite.training.precision import has_fast_bf16
from smartdirector_lite.vae.multichunk import decode, encode_video

HEIGHT, WIDTH, NUM_FRAMES, FPS = pick(64, 32), pick(112, 56), 13, 12

# %% [markdown]
# ## 1. Something that the model has never seen
#
# The bundled model knows the toy world and one animated film. In both, the light hardly changes within a shot. We draw
# clips in which nothing changes *but* the light. A clip is one picture of the toy world. Its colours are multiplied,
# frame by frame, by the colour of the light: white, then the orange of an evening, the blue of a night, the pink of a
# morning, and white again.
#
# We draw twenty clips to train on, and four more that the model must never train on. With these **held-out** clips we
# can tell whether the model learns, or only learns its own clips by heart.

# %%
LIGHT = torch.tensor([[1, 1, 1], [1, 0.62, 0.38], [0.24, 0.3, 0.56], [0.95, 0.6, 0.68], [1, 1, 1]])


def let_a_day_pass(picture, colours=LIGHT):
    """Put a picture, float (3, H, W) in [0, 1], under a changing light: uint8 (NUM_FRAMES, H, W, 3)."""
    frames = []
    for u in np.linspace(0, 4, NUM_FRAMES):  # from the first of the five colours to the last
        k = min(int(u), 3)
        frames.append(picture * torch.lerp(colours[k], colours[k + 1], u - k)[:, None, None])
    return (255 * torch.stack(frames)).round().byte().permute(0, 2, 3, 1).numpy()


def draw_clip(seed, colours=LIGHT):
    """Draw one clip, uint8 (NUM_FRAMES, HEIGHT, WIDTH, 3)."""
    scene = sample_scene(seed, NUM_FRAMES, 1)
    return let_a_day_pass(render(scene, Size(WIDTH, HEIGHT), frames=slice(0, 1))[0], colours)


def by_day(first):
    """Give the seeds from `first` on whose scene is not a night already."""
    return (s for s in itertools.count(first) if "night" not in sample_scene(s, NUM_FRAMES, 1).description)


train_clips = [draw_clip(seed) for seed in itertools.islice(by_day(0), pick(20, 4))]
held_clips = [draw_clip(seed) for seed in itertools.islice(by_day(HELD_OUT_SEED), pick(4, 2))]
shown = {f"clip {k}": train_clips[k] for k in range(3)} | {"held out": held_clips[0]}
show_image(
    figure_image(viz.rows_figure(shown, range(0, NUM_FRAMES, 2))),
    alt="Four rows of seven frames. Each row is one picture of toy creatures that stands still. From left to right its "
    "light is white, orange, brown, a dark blue, purple, pink, and white again",
)

# %% [markdown]
# **Your own task.** Change `LIGHT`, or write another `draw_clip`: `read_video("mine.mp4")` of
# `smartdirector_lite.media` gives uint8 frames. In this notebook all clips need the same size and the same length,
# which keeps the code short. Large, slow and plain changes are learnt fastest, because one cell of the latents covers 8
# x 8 pixels.
#
# ## 2. From clips to latents
#
# **Question.** What does the model train on?
#
# It trains on the latents of a chunk plan (notebook 02), and not on pixels. We have to choose the keyframes before
# encoding, because each keyframe begins a chunk and is encoded alone. We choose the first frame and the last. In our
# clips these two are the same picture.

# %%
plan = ChunkPlan.build(NUM_FRAMES, [Condition(0), Condition(NUM_FRAMES - 1)], stride=4)
anchors, tau = torch.tensor([plan.anchors]), plan.tau()
print(plan.table())

# %% [markdown]
# Thirteen frames make five latent frames. The first and the last of them are anchors, and
# the model has to invent the three between them. Encoding is slow compared with a training step, and its result never
# changes. So we encode once.

# %%
director = load_director()
gen, vae = director.gen, director.gen.vae
gen.set_progress_bar_config(disable=True)


def to_tensor(clip):  # uint8 (T, H, W, 3) -> (1, 3, T, H, W) in [-1, 1]
    return torch.from_numpy(clip).permute(3, 0, 1, 2).float()[None] / 127.5 - 1


def encode(clips):  # (clips, C, F, h, w)
    return encode_video(vae, plan, torch.cat([to_tensor(clip) for clip in clips]))


z_train, z_held = encode(train_clips), encode(held_clips)
vae_held = [to_bytes(frames) for frames in decode(vae, plan, z_held).split(1)]
print("latents (clips, channels, latent frames, h, w):", tuple(z_train.shape))

# %% [markdown]
# ## 3. Before
#
# **Question.** What does the bundled model put between two keyframes that are the same picture?
#
# We need a number as well as a picture. The number is the PSNR over the pixels that change, in the frames between the
# keyframes, pooled over all clips. We compare the model with the simplest method, a cross-fade from the first keyframe
# to the last, and with the VAE alone: the true clip, encoded and decoded. We train only the transformer, so the VAE
# alone is a ceiling.
#
# **Predict.** What will the bundled model show? Why is this not a mistake?

# %%
PROMPT, STEPS = "A day passes: evening, night and morning.", pick(8, 2)


def in_between(clip):
    """Generate a video between a clip's first and last frame: uint8 (T, H, W, 3)."""
    keyframes = [VideoCondition(image=clip[frame], frame_index=frame) for frame in (0, NUM_FRAMES - 1)]
    options = {"num_inference_steps": STEPS, "guidance_scale": 1.0, "output_type": "np"}
    noise = torch.Generator().manual_seed(0)
    made = gen(PROMPT, None, HEIGHT, WIDTH, NUM_FRAMES, conditions=keyframes, generator=noise, **options).frames[0]
    return (255 * made).round().astype(np.uint8)


def cross_fade(clip):
    u = np.linspace(0, 1, NUM_FRAMES)[:, None, None, None]
    return ((1 - u) * clip[0] + u * clip[-1]).round().astype(np.uint8)


def changing_psnr(videos, clips):
    """The PSNR in dB over the pixels that change, without the two keyframes."""
    error = PooledError()
    for made, true in zip(videos, clips, strict=True):
        a, b = (torch.from_numpy(x).permute(0, 3, 1, 2).float() / 255 for x in (made, true))
        error.add(a[1:-1], b[1:-1], motion_mask(b)[1:-1])
    return error.psnr


before = [in_between(clip) for clip in held_clips]
scores = {
    "cross-fade": changing_psnr([cross_fade(clip) for clip in held_clips], held_clips),
    "bundled model": changing_psnr(before, held_clips),
    "VAE alone (the ceiling)": changing_psnr(vae_held, held_clips),
}
show_table([[name, f"{value:.1f}"] for name, value in scores.items()], ["held-out clips", "PSNR, dB"])
show_image(
    figure_image(viz.rows_figure({"true": held_clips[0], "before": before[0]}, range(0, NUM_FRAMES, 2), (0, 12))),
    alt="A held-out clip, and what the bundled model puts between its two keyframes. In the true clip the light goes "
    "through orange, dark blue and pink. In the model's frames nothing changes",
)

# %% [markdown]
# **Notice.** The model shows a picture that stands still, at 12.1 dB. This is a good
# guess: everything in its training says that a scene with the same start and the same end has stood still. It has never
# seen that the light can change. The number of the VAE alone is 29.7 dB, so
# there is room to learn.
#
# ## 4. What training asks for
#
# **Question.** What is one training example?
#
# It is made of a clip's latents $x_0$, noise $x_1$ and a time $t$:
#
# $$x_t = (1 - t)\, x_0 + t\, x_1, \qquad v = x_1 - x_0.$$
#
# The model is given $x_t$ and $t$, and it has to predict $v$. The smallest example is a single number, with $x_0 = 2$
# and $x_1 = -1$. The velocity is the same at every $t$, and following it back from $x_t$ leads to the data:

# %%
x_t = {t: path(2.0, -1.0, t) for t in (0.0, 0.25, 1.0)}
show_table([[t, x, -3.0, x - t * -3.0] for t, x in x_t.items()], ["t", "x_t", "v", "x_t - t v"])


# %% [markdown]
# **Anchors** are the exception. They are given, so they are never noised, and their time is 0. So there is one time for
# each latent frame of each clip, which makes a tensor `(B, F)`.
#
# ### Exercise 06.1 (2 points, ★★☆)
#
# Mix data and noise for a batch in which each clip has its own anchors. Return $x_t$ and the times `(B, F)`. Every
# training step below calls your function.


# %%
def noisy_latents(x_0, x_1, t, anchors):
    """x_0, x_1 (B, C, F, h, w), t (B,), anchors (B, F) bool -> x_t (B, C, F, h, w), times (B, F)."""
    ### BEGIN SOLUTION
    times = torch.where(anchors, 0.0, t[:, None])
    at = times[:, None, :, None, None]
    return (1 - at) * x_0 + at * x_1, times
    ### END SOLUTION


noisy_latents = lab.check_noisy_latents(noisy_latents)


# %% [markdown]
# **The loss** is the mean squared error of the velocity over the latent frames that are not anchors. The model need not
# predict what is given. We call the other latent frames *free*. If $M$ is the set of free latent frames of all clips in
# the batch, the loss is
#
# $$L = \frac{1}{|M|} \sum_{f \in M} \operatorname{mean} (\hat v_f - v_f)^2 .$$
#
# The smallest example has two clips of two latent frames with the errors 1, 2 and 3, 4. If the first latent frame of
# the first clip is an anchor, the loss is $(2 + 3 + 4) / 3 = 3$.
#
# ### Exercise 06.2 (3 points, ★★★)
#
# Write the loss for a batch in which the anchors differ. Every free latent frame has the same weight, in whichever clip
# it is. If everything is an anchor, the loss is 0. The training below goes down your loss.


# %%
def masked_loss(velocity, x_0, x_1, anchors):
    """velocity, x_0, x_1 (B, C, F, h, w), anchors (B, F) bool -> a scalar."""
    ### BEGIN SOLUTION
    error = (velocity - (x_1 - x_0)).square().mean(dim=(1, 3, 4))
    free = (~anchors).float()
    return (error * free).sum() / free.sum().clamp(min=1)
    ### END SOLUTION


masked_loss = lab.check_masked_loss(masked_loss)

# %% [markdown]
# Two details belong to the bundled model. It is given the text as embeddings, which we compute once. And its network
# does not predict $v$ itself: `precondition` adds a skip around the network (notebook 04), because a network as narrow
# as this one cannot pass on all of the noise.
#
# `clip_losses` puts your two functions around the transformer. It gives one value for each clip, so that we can sort
# the values by time later. Is it the library's loss? `smartdirector train gen` minimises `flow_loss`, from
# `training.gen`. This function draws its own noise. So we set the same seed before both, and compare the two on one
# batch.

# %%
embeds = gen.encode_prompt(PROMPT, None, False, max_sequence_length=gen.tokenizer.model_max_length)[0].detach()


def clip_losses(transformer, x_0, x_1, t):
    """The loss of each clip, (B,). x_0, x_1: (B, C, F, h, w); t: (B,)."""
    given = anchors.expand(len(x_0), -1)
    x_t, times = noisy_latents(x_0, x_1, t, given)
    output = transformer(x_t, 1000 * times, embeds.expand(len(x_0), -1, -1), tau=tau, return_dict=False)[0]
    velocity = precondition(output, x_t, times, gen.config.sigma_data)
    clips = zip(velocity.split(1), x_0.split(1), x_1.split(1), given.split(1))
    return torch.stack([masked_loss(*clip) for clip in clips])


count = len(z_held)
words = gen.tokenizer([PROMPT] * count, padding="max_length", truncation=True, return_tensors="pt")
batch = {"x_0": z_held, "t": torch.linspace(0.2, 0.8, count), "anchors": anchors.expand(count, -1)}
batch |= {"tau": torch.tensor(tau).expand(count, -1), "tokens": words.input_ids, "mask": words.attention_mask}
with torch.no_grad():
    torch.manual_seed(0)
    theirs = flow_loss(TrainedGen(gen.text_encoder, gen.transformer, gen.config.sigma_data), batch)["loss"]
    torch.manual_seed(0)
    ours = clip_losses(gen.transformer, z_held, torch.randn_like(z_held), batch["t"]).mean()
assert torch.allclose(ours, theirs, rtol=1e-4)
print(f"ours {ours:.4f}, the library's {theirs:.4f}")

# %% [markdown]
# ## 5. The loop
#
# The loss of single steps jumps up and down, because each step draws other clips, other noise and other times. To see
# progress we also measure the loss on **fixed** noise and at fixed times, once every few steps. At these points we keep
# a copy of the weights, too.
#
# Four details of the loop need a word:
#
# - **Times.** Each time is the sigmoid of a normal random number. Most times lie nearer to the noise than to the data,
#   because there it is decided what happens between the keyframes.
# - **Rate.** The learning rate rises for ten steps, and falls over the last third.
# - **Clipping.** Gradients are clipped, so that one unusual batch cannot do much harm.
# - **Autocast.** Matrix products run in bfloat16 if the CPU is fast at that. Weights and optimizer stay in float32.

# %%
TIMES = (0.1, 0.3, 0.5, 0.7, 0.9)
autocast = torch.autocast("cpu", torch.bfloat16, enabled=has_fast_bf16(torch.device("cpu")))


@torch.no_grad()
@autocast
def fixed_losses(transformer, latents):
    """The mean loss at each of TIMES, always with the same noise: a list of floats."""
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(7))
    return [clip_losses(transformer, latents, noise, torch.full((len(latents),), t)).mean().item() for t in TIMES]


def train(transformer, optimizers, latents, held, steps, batch, every):
    """Train `transformer` on latents (n, C, F, h, w), in place. Returns the curves and copies of the weights."""
    torch.manual_seed(0)
    rates = [(group, group["lr"]) for optimizer in optimizers for group in optimizer.param_groups]
    log = {name: [] for name in ("loss", "times", "losses", "step", "trained", "held out", "weights")}
    for step in range(steps + 1):
        if step % every == 0 or step == steps:
            log["step"].append(step)
            log["trained"].append(np.mean(fixed_losses(transformer, latents[:2])))
            log["held out"].append(np.mean(fixed_losses(transformer, held[:2])))
            log["weights"].append({name: value.clone() for name, value in transformer.state_dict().items()})
        if step == steps:
            return log
        for group, rate in rates:
            group["lr"] = rate * min(1, (step + 1) / 10, (steps - step) / (0.3 * steps))
        x_0 = latents[torch.randint(len(latents), (batch,))]
        t = torch.sigmoid(1.4 + 1.2 * torch.randn(batch))
        with autocast:
            losses = clip_losses(transformer, x_0, torch.randn_like(x_0), t)
        transformer.zero_grad()
        losses.mean().backward()
        nn.utils.clip_grad_norm_(transformer.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        log["loss"].append(losses.mean().item())
        log["times"] += t.tolist()
        log["losses"] += losses.tolist()


# %% [markdown]
# We begin at the bundled weights. We train a copy and keep the untouched weights, because later parts start from them
# again. The optimizers are the library's pair: Muon for the matrices, and AdamW for the rest. The next cell takes
# longer than any other, a minute or two.
#
# **Predict.** Which curve will fall further, that of the clips we train on or that of the held-out clips?


# %%
def optimizers_of(transformer):
    outer = [transformer.patch_embedding.weight, transformer.proj_out.weight]
    return make_optimizers(transformer, 1.5e-3, 7.5e-4, [*outer, *transformer.condition_embedder.parameters()])


untouched = gen.transformer
tuned = copy.deepcopy(untouched)
log = train(tuned, optimizers_of(tuned), z_train, z_held, pick(48, 2), pick(4, 2), pick(12, 2))
print(f"held-out loss: {log['held out'][0]:.3f} before, {log['held out'][-1]:.3f} after")
assert log["held out"][-1] < pick(log["held out"][0], 2.0)  # two steps, in the fast mode, prove nothing
evaluations = {name: (log["step"], log[name]) for name in ("trained", "held out")}
show_image(
    figure_image(viz.loss_figure({"each step": log["loss"]}, evaluations)),
    alt="Training curves: the loss of single steps jumps up and down. On fixed noise it falls steadily, for clips that "
    "were trained on and for held-out clips alike",
)


# %% [markdown]
# **Notice.** The thin line jumps too much to show progress. The curves on fixed noise show it. They fall together: what
# the model learns about the light of its own clips holds for pictures that it has never seen.
#
# **Question.** At which times does the model improve?
#
# `log["losses"]` and `log["times"]` hold the loss and the time of every clip in every step. They can be sorted by time.
#
# ### Exercise 06.3 (2 points, ★★☆)
#
# Divide $[0, 1]$ into equal bins, and average the losses in each bin. A bin includes its lower border. The time $t = 1$
# belongs to the last bin. An empty bin gives NaN. The figure below is made by your function.


# %%
def loss_by_time(losses, times, bins):
    """losses (n,), times (n,) in [0, 1] -> (bins,) tensor of means."""
    ### BEGIN SOLUTION
    place = (times * bins).long().clamp(max=bins - 1)
    return torch.stack([losses[place == k].mean() for k in range(bins)])
    ### END SOLUTION


loss_by_time = lab.check_loss_by_time(loss_by_time)

# %%
half, bins = len(log["losses"]) // 2, pick(6, 2)
parts = {"first half of the training": slice(0, half), "second half": slice(half, None)}
binned = {
    name: loss_by_time(torch.tensor(log["losses"][part]), torch.tensor(log["times"][part]), bins)
    for name, part in parts.items()
}
show_image(
    figure_image(viz.time_loss_figure(binned)),
    alt="The training loss by time, in bins, for the first and the second half of the training. The second half lies "
    "lower, most of all near pure noise",
)

# %% [markdown]
# **Notice.** The loss is not equally large at all times, and it cannot be. Near $t = 0$ the noise is faint beside the
# picture, so it is hard to guess, and training helps little. Near $t = 1$ the input is almost pure noise, and
# everything must be known from elsewhere: which light belongs to this latent frame. This is what our clips teach.
#
# A mean loss therefore says little unless you know which times went into it. Never compare the losses of two trainings
# that draw $t$ differently.
#
# ## 6. After
#
# We generate the held-out clips again, from the same keyframes and the same noise. Only the weights are the tuned ones.

# %%
gen.transformer = tuned
after = [in_between(clip) for clip in held_clips]
after_train = [in_between(clip) for clip in train_clips[: len(held_clips)]]
scores["tuned model"] = changing_psnr(after, held_clips)
scores["tuned, clips it trained on"] = changing_psnr(after_train, train_clips[: len(held_clips)])
show_videos(
    {"true": held_clips[1], "before": before[1], "after": after[1]},
    FPS,
    scale=3,
    count=7,
    alt="A held-out picture: a blue creature in a sunny meadow. In the true clip and after training a day passes over "
    "it, through orange, dark blue and pink. Before training nothing changes",
)
order = ("cross-fade", "bundled model", "tuned model", "VAE alone (the ceiling)", "tuned, clips it trained on")
show_table([[name, f"{scores[name]:.1f}"] for name in order], ["", "PSNR over changing pixels, dB"])
assert scores["tuned model"] > pick(scores["bundled model"] + 8, 0)

# %% [markdown]
# **Notice.** From 12.1 dB the model has come to
# 27.8 dB, close to the ceiling. Held-out pictures come out as well as those it trained
# on. The model did not learn twenty pictures. It learnt an effect.
#
# **Question.** Does the effect hold for a picture from another world?
#
# The picture below is from the animated film. The training clips showed nothing like it. In the line that defines
# `picture` you can also open a photograph of your own.

# %%
picture = Image.open(bundled_storyboards() / "butterfly" / "keyframe-00.jpg")
framed = np.asarray(cover_crop(picture.convert("RGB"), Size(WIDTH, HEIGHT)))
other = let_a_day_pass(torch.from_numpy(framed.copy()).permute(2, 0, 1) / 255)
made = in_between(other)
print(f"on the film's picture: {changing_psnr([made], [other]):.1f} dB")
show_videos(
    {"formula": other, "your model": made},
    FPS,
    scale=3,
    count=7,
    alt="A frame of an animated film: a big rabbit in a green forest. A day passes over it, in the formula's clip and "
    "in the model's",
)


# %% [markdown]
# **Notice.** A training of a minute on a CPU does not make a good video model. But it shows how an effect gets into
# one.
#
# ## 7. Learning by heart
#
# **Question.** What if there is nothing general to learn?
#
# So far all clips had the same light. Now each clip gets three colours of its own, drawn at random, in the place of
# evening, night and morning. Nobody can tell from a picture which colours it will get. We train on two such clips, and
# hold out two others.
#
# **Predict.** Will the loss of the two clips fall? And that of the held-out clips?


# %%
def chance_clip(seed):
    """Draw a clip whose light has three random colours."""
    colours = torch.ones(5, 3)
    colours[1:4] = 0.15 + 0.85 * torch.rand(3, 3, generator=torch.Generator().manual_seed(seed))
    return draw_clip(seed, colours)


odd_clips, odd_held = ([chance_clip(s) for s in itertools.islice(by_day(first), 2)] for first in (0, HELD_OUT_SEED))
memoriser = copy.deepcopy(untouched)
few = train(memoriser, optimizers_of(memoriser), encode(odd_clips), encode(odd_held), pick(48, 2), 2, pick(8, 1))
best = min(few["held out"])
show_image(
    figure_image(viz.loss_figure({}, {name: (few["step"], few[name]) for name in ("trained", "held out")})),
    alt="Training on two clips with random light: their own loss keeps falling. The loss of held-out clips falls a "
    "little at first, and then it rises above where it began",
)


# %% [markdown]
# **Notice.** The loss of the two clips keeps falling, from 0.85 to
# 0.24. The loss of the held-out clips falls to 0.75 at first and then
# **rises**, to 0.93<!-- = few["held out"][-1] -->. At first the model learns something general: that the light changes.
# Then it learns the colours of its two clips, and they are wrong for every other picture. The training loss does not
# show this. The usual remedies are more clips, stopping early, and changing less (part 8).
#
# ### Exercise 06.4 (3 points, ★★★)
#
# Write the rule for early stopping. Evaluations come one by one. Training stops once `patience` evaluations in a row
# were no better than the best one so far. An equal loss is no better. Return the index of the evaluation whose weights
# are kept. The cell below takes these weights.


# %%
def when_to_stop(losses, patience):
    """Returns the index of the evaluation to keep. losses: held-out losses, in order."""
    ### BEGIN SOLUTION
    best = 0
    for index, loss in enumerate(losses):
        if loss < losses[best]:
            best = index
        if index - best == patience:
            break
    return best
    ### END SOLUTION


when_to_stop = lab.check_when_to_stop(when_to_stop)

# %%
kept = when_to_stop(few["held out"], patience=2)
gen.transformer, results = memoriser, {}
for name, index in (("the last weights", -1), ("the weights that your rule keeps", kept)):
    memoriser.load_state_dict(few["weights"][index])
    results[name] = few["step"][index], few["held out"][index], changing_psnr(map(in_between, odd_held), odd_held)
rows = [[name, step, f"{loss:.2f}", f"{quality:.1f}"] for name, (step, loss, quality) in results.items()]
show_table(rows, ["trained on two clips", "step", "held-out loss", "PSNR, dB"])

# %% [markdown]
# **Notice.** Your rule goes back to step 16<!-- = results["the weights that your rule keeps"][0] -->, where the
# held-out loss is least. The PSNR of the finished videos is low for both weights:
# 16.2<!-- = results["the last weights"][2] --> dB and
# 15.1<!-- = results["the weights that your rule keeps"][2] --> dB. The model of part 6 has
# 27.8<!-- = scores["tuned model"] --> dB on its own held-out clips.
#
# Here the last weights have even the higher PSNR. The two measures need not agree. The loss looks at all times, and the
# PSNR looks only at the end of the sampling. No rule can bring back what the clips do not teach.
#
# ## 8. LoRA: change little
#
# **Question.** The tiny transformer has 9.1 million
# weights. Wan's transformers have five to fourteen billion. Must training change all of them?
#
# It need not. LoRA (Hu et al., 2021) keeps a layer's matrix $W$ as it is. Beside $W$ it learns a product of two thin
# matrices, $A$ and $B$:
#
# $$y = W x + \frac{\alpha}{r} B A x, \qquad A: (r, \text{in}), \quad B: (\text{out}, r).$$
#
# $B$ is zero at first, so training starts at exactly the old model.


# %%
class LoRALinear(nn.Module):
    """A frozen linear layer, and a trainable change of rank r beside it. scale: 1 with the change, 0 without it."""

    def __init__(self, base, rank=8, alpha=8.0):
        super().__init__()
        self.base, self.alpha, self.scale = base.requires_grad_(False), alpha, 1.0
        self.A = nn.Parameter(torch.randn(rank, base.in_features) / base.in_features**0.5)
        self.B = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, x):
        return self.base(x) + self.scale * self.alpha / len(self.A) * (x @ self.A.T @ self.B.T)


def add_lora(transformer, rank=8):
    """Freeze a transformer and put LoRALinear around its attentions' layers. Returns the LoRALinear layers."""
    transformer.requires_grad_(False)
    for block in transformer.blocks:
        for attention in (block.attn1, block.attn2):
            for name in ("to_q", "to_k", "to_v"):
                setattr(attention, name, LoRALinear(getattr(attention, name), rank, alpha=rank))
            attention.to_out[0] = LoRALinear(attention.to_out[0], rank, alpha=rank)
    return [module for module in transformer.modules() if isinstance(module, LoRALinear)]


with_lora = copy.deepcopy(untouched)
layers = add_lora(with_lora)
trained = sum(weight.numel() for weight in with_lora.parameters() if weight.requires_grad)
everything = sum(weight.numel() for weight in untouched.parameters())
print(f"a 256 x 256 layer: {256 * 256} weights; a LoRA of rank 8 on it: {8 * 256 + 256 * 8}")
print(f"{trained / 1e6:.2f} of {everything / 1e6:.1f} million weights are trained, {100 * trained / everything:.1f} %")

# %% [markdown]
# diffusers uses the library peft for LoRA. Is our layer the same as peft's? We give both layers the same $A$ and the
# same $B$, which is not zero here, and compare their outputs.

# %%
layer, x = nn.Linear(6, 4), torch.randn(3, 6)
mine = LoRALinear(copy.deepcopy(layer), rank=2, alpha=3.0)
nn.init.normal_(mine.B)
try:
    from peft import LoraConfig, get_peft_model
except ImportError:
    print("peft is not installed, so there is nothing to compare with: pip install 'smartdirector-lite[train]'")
else:
    theirs = get_peft_model(nn.Sequential(layer), LoraConfig(r=2, lora_alpha=3.0, target_modules=["0"]))
    with torch.no_grad():
        theirs.base_model.model[0].lora_A["default"].weight.copy_(mine.A)
        theirs.base_model.model[0].lora_B["default"].weight.copy_(mine.B)
    assert torch.allclose(mine(x), theirs(x), atol=1e-6)
    print("ours and peft's give the same")

# %% [markdown]
# **Predict.** With 3 % of the weights, how far will the loss fall?

# %%
thin = [weight for weight in with_lora.parameters() if weight.requires_grad]
lora_log = train(with_lora, [torch.optim.AdamW(thin, 4e-3)], z_train, z_held, pick(36, 2), pick(4, 2), pick(12, 2))
both = {name: (run["step"], run["held out"]) for name, run in (("all weights", log), ("LoRA", lora_log))}
show_image(
    figure_image(viz.loss_figure({}, both)),
    alt="Held-out loss during training, with all weights and with a LoRA of rank 8. Both curves fall",
)
print(f"held-out loss: {log['held out'][0]:.3f} before, {lora_log['held out'][-1]:.3f} with the LoRA")
assert lora_log["held out"][-1] < pick(lora_log["held out"][0], 2.0)

# %% [markdown]
# **Notice.** After 36 steps the held-out loss is 0.31. With all weights it was 0.24 by then. So few weights learn
# nearly as much. The learning rate is higher than for whole matrices, as is common for LoRAs. And a LoRA has a setting
# that full training does not have: its scale. It dims the effect, though not evenly in all places.

# %%
gen.transformer, dimmed = with_lora, {}
for scale in (0.0, 0.5, 1.0):
    for added in layers:
        added.scale = scale
    dimmed[f"scale {scale:g}"] = in_between(held_clips[1])
assert np.abs(dimmed["scale 0"] - before[1].astype(int)).max() <= 1  # one level of 255: the bundled model again
show_videos(
    dimmed,
    FPS,
    scale=3,
    count=7,
    alt="The blue creature in the meadow with the LoRA at three scales. At scale 0 nothing changes. At scale one half "
    "the sky becomes dark and the ground less so, and at scale 1 the whole day passes",
)


# %% [markdown]
# **Notice.** Scale 0 gives the bundled model again. So a LoRA can be shared as a small file, taken off again, and mixed
# with others. When its scale is final, it can also be folded into the layer, and then it costs nothing more.
#
# ### Exercise 06.5 (3 points, ★★☆)
#
# Return the matrix of the layer with its LoRA merged into it, at scale 1. Leave the given one as it is. The cell below
# merges all layers with your function.


# %%
def merge_lora(weight, A, B, alpha):
    """weight (out, in), A (r, in), B (out, r) -> (out, in)."""
    ### BEGIN SOLUTION
    return weight + alpha / A.shape[0] * B @ A
    ### END SOLUTION


merge_lora = lab.check_merge_lora(merge_lora)

# %%
merged = copy.deepcopy(untouched)
plain = [module for name, module in merged.named_modules() if name.endswith(("to_q", "to_k", "to_v", "to_out.0"))]
assert len(plain) == len(layers)
with torch.no_grad():
    for target, source in zip(plain, layers):
        target.weight.copy_(merge_lora(source.base.weight, source.A, source.B, source.alpha))
gen.transformer = merged
difference = np.abs(in_between(held_clips[1]) - dimmed["scale 1"].astype(int)).max()
print(f"{len(plain)} layers merged; the film differs by at most {difference} levels of 255")
assert difference <= 2
gen.transformer = untouched

# %% [markdown]
# ## 9. The same recipe for real Wan
#
# Nothing above works for the tiny model only. `smartdirector train gen --base` trains Wan's weights with the same loss.
# It takes clips and captions from a folder, draws random chunk plans, and writes checkpoints to resume from:
#
# ```sh
# smartdirector train gen --base wan5b --data clips --out runs/wan-lora \
#   --lora-rank 16 --size 832 480 --frames 81 --fps 24 --steps 2000 --accumulate 4
# ```
#
# [docs/fine-tuning.md](../docs/fine-tuning.md) explains the command: the memory for each model, several GPUs, and what
# has not been tried on real weights yet. Three things differ from this notebook:
#
# - The plans are random, so that the model learns keyframes at every place, and videos without any keyframe.
# - Some captions are left out, because guidance needs a model that also works without text.
# - Wan predicts $v$ itself, without our skip.
#
# ## Recap
#
# - A training example is made of a clip's Multi-Chunk latents, noise, and one time for each latent frame, which is 0
#   for anchors.
# - The loss counts only the free latent frames. Measured on fixed noise, it shows progress. Sorted by time, it shows
#   what is hard.
# - Held-out clips tell learning from learning by heart. The training loss cannot.
# - Where there is something general to learn, twenty clips and a minute of training can be enough.
# - A LoRA changes little, starts at the old model, can be dimmed, taken off again, and merged.
#
# **In your own words.** Write two or three sentences between the quotes: why was the still picture in part 3 a good
# guess, and what in the training clips changed it?

# %%
lab.free_text("06.6", "...")

# %% [markdown]
# **Next:** [Notebook 07](07_real_wan.ipynb) takes the pipeline to real Wan weights: memory, offloading, and what your
# card can hold. Or go back to `LIGHT` and `draw_clip`, invent an effect of your own, and train again.

# %%
lab.summary("06")
