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
# # 06 Train your own
#
# The paper (SmartDirector, arXiv 2605.27891) trains models of many billion weights on films. Here you do the same on a
# small scale. You draw a handful of clips, and you teach the bundled model to fill in what lies between two keyframes.
#
# **Goals.** Afterwards you can
# - turn clips into latents to train on;
# - write the loss, the training loop and a LoRA in plain torch;
# - read the curves: does the model learn, what is hard for it, and does it only learn by heart?
#
# **Time.** About 45 minutes. A few of them are training.
#
# **Needs.** Notebooks 02 (chunks and anchors) and 04 (flow matching). You need no GPU, and nothing is downloaded.

# %%
import copy

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import nn

from smartdirector_lite import ChunkPlan, Condition, VideoCondition, load_director
from smartdirector_lite.course import lab
from smartdirector_lite.evaluation.metrics import PooledError, motion_mask
from smartdirector_lite.vae.multichunk import decode, encode_video
from smartdirector_lite.course.notebook import pick, show_image, show_video
from smartdirector_lite.flow import precondition
from smartdirector_lite.sr.frames import to_bytes
from smartdirector_lite.training.gen import TrainedGen, flow_loss
from smartdirector_lite.training.optim import make_optimizers
from smartdirector_lite.training.precision import has_fast_bf16
from smartdirector_lite.course.figures import sr as viz
from smartdirector_lite.course.figures.base import figure_image

HEIGHT, WIDTH, NUM_FRAMES, FPS = 48, 80, 13, 12

# %% [markdown]
# ## 1. A world that the model has never seen
#
# The bundled model knows two worlds: the toy world and one animated film. We draw a third world, in which paper shapes
# slide over striped paper. Each clip is about one second long. Pillow draws each frame four times too large and shrinks
# it, so that the edges are smooth. A seed decides on everything: paper, ink, shape, path and turn.
#
# We draw twenty clips to train on, and four more that the model must never train on. With these **held-out** clips we
# can tell whether the model learns, or only learns its own clips by heart.

# %%
PAPERS = [((246, 232, 204), (238, 216, 178)), ((206, 226, 238), (184, 210, 228)), ((230, 214, 234), (214, 194, 222))]
INKS = [(214, 64, 52), (46, 106, 186), (40, 140, 90), (240, 170, 40), (120, 70, 150)]
SHAPES = [(40, 1.0), (4, 0.7), (3, 0.5), (5, 0.45)]  # corners, and how far out the points between them lie


def draw_clip(seed, big=4):
    """Draw one clip: uint8 (NUM_FRAMES, HEIGHT, WIDTH, 3)."""
    rng = np.random.default_rng(seed)
    paper, ink = PAPERS[rng.integers(len(PAPERS))], INKS[rng.integers(len(INKS))]
    corners, inner = SHAPES[rng.integers(len(SHAPES))]
    direction, turn, radius = rng.choice([-1, 1]), rng.uniform(-1, 1), HEIGHT * rng.uniform(0.27, 0.33)
    low, arc = rng.uniform(0.45, 0.55), rng.uniform(-0.15, 0.15)
    frames = []
    for u in np.linspace(0, 1, NUM_FRAMES):  # from the first frame, 0, to the last, 1
        image = Image.new("RGB", (big * WIDTH, big * HEIGHT), paper[0])
        brush = ImageDraw.Draw(image)
        for left in range(0, big * WIDTH, big * 16):
            brush.rectangle((left, 0, left + big * 8 - 1, big * HEIGHT), fill=paper[1])
        x, y = WIDTH * (0.5 + 0.45 * direction * (u - 0.5)), HEIGHT * (low + 4 * arc * u * (1 - u))
        angles = turn * u + np.pi * np.arange(2 * corners) / corners
        lengths = radius * np.where(np.arange(2 * corners) % 2, inner, 1.0)
        points = np.stack([x + lengths * np.sin(angles), y - lengths * np.cos(angles)], axis=1)
        brush.polygon([tuple(point) for point in big * points], fill=ink, outline=(30, 28, 34), width=5)
        frames.append(np.asarray(image.resize((WIDTH, HEIGHT), Image.Resampling.BOX)))
    return np.stack(frames)


train_clips = [draw_clip(seed) for seed in range(pick(20, 4))]
held_clips = [draw_clip(1000 + seed) for seed in range(pick(4, 2))]
shown = {f"clip {k}": train_clips[k] for k in range(3)} | {"held out": held_clips[0]}
show_image(
    figure_image(viz.rows_figure(shown, range(0, NUM_FRAMES, 2))),
    alt="Four rows of seven frames: paper shapes that slide and turn across striped paper, from one side to the other",
)

# %% [markdown]
# **Your own clips.** Change `draw_clip`, or read a video file: `read_video("mine.mp4")` of `smartdirector_lite.media`
# gives uint8 frames. In this notebook all clips need the same size and the same length, which keeps the code short.
# Large, slow and plain things work best, because one cell of the latents covers 8 x 8 pixels.
#
# ## 2. From clips to latents
#
# **Question.** What does the model train on?
#
# It trains on the latents of a chunk plan (notebook 02), and not on pixels. We have to choose the keyframes before
# encoding, because each keyframe begins a chunk and is encoded alone. We choose the first frame and the last.

# %%
plan = ChunkPlan.build(NUM_FRAMES, [Condition(0), Condition(NUM_FRAMES - 1)], stride=4)
anchors, tau = torch.tensor(plan.anchors), plan.tau()
print(plan.table())

# %% [markdown]
# Thirteen frames make five latent frames. The first and the last of them are anchors, and the model has to invent the
# three between them. Encoding is slow compared with a training step, and its result never changes. So we encode once.

# %%
director = load_director()
gen, vae = director.gen, director.gen.vae
gen.set_progress_bar_config(disable=True)


def to_tensor(clip):  # uint8 (T, H, W, 3) -> (1, 3, T, H, W) in [-1, 1]
    return torch.from_numpy(clip).permute(3, 0, 1, 2).float()[None] / 127.5 - 1


z_train = encode_video(vae, plan, torch.cat([to_tensor(clip) for clip in train_clips]))
z_held = encode_video(vae, plan, torch.cat([to_tensor(clip) for clip in held_clips]))
vae_train = [to_bytes(frames) for frames in decode(vae, plan, z_train).split(1)]
vae_held = [to_bytes(frames) for frames in decode(vae, plan, z_held).split(1)]
print("latents (clips, channels, latent frames, h, w):", tuple(z_train.shape))
show_image(
    figure_image(
        viz.rows_figure({"drawn": train_clips[1], "after the VAE": vae_train[1]}, range(0, NUM_FRAMES, 2), (0, 12))
    ),
    alt="A clip as it was drawn, and after the VAE: the moving shape has softer edges, and the keyframes are sharp",
)

# %% [markdown]
# **Notice.** The VAE alone already softens what moves, because it was never trained on paper shapes. We train only the
# transformer. So nothing that follows can be sharper than the lower row.
#
# ## 3. Before
#
# **Question.** What does the bundled model make of two keyframes from a world that it does not know?
#
# We need a number as well as a picture. The number is the PSNR over the pixels that move, in the frames between the
# keyframes, pooled over all clips. Pixels that stand still are left out, because they are easy for every method.

# %%
PROMPT, STEPS = "Paper shapes move over striped paper.", pick(8, 2)


def in_between(clip):
    """Generate a video between a clip's first and last frame: uint8 (T, H, W, 3)."""
    keyframes = [VideoCondition(image=clip[frame], frame_index=frame) for frame in (0, NUM_FRAMES - 1)]
    options = {"num_inference_steps": STEPS, "guidance_scale": 1.0, "output_type": "np"}
    noise = torch.Generator().manual_seed(0)
    made = gen(PROMPT, None, HEIGHT, WIDTH, NUM_FRAMES, conditions=keyframes, generator=noise, **options).frames[0]
    return (255 * made).round().astype(np.uint8)


def cross_fade(clip):  # the simplest method: the first frame fades into the last
    u = np.linspace(0, 1, NUM_FRAMES)[:, None, None, None]
    return ((1 - u) * clip[0] + u * clip[-1]).round().astype(np.uint8)


def moving_psnr(videos, clips):
    """The PSNR in dB over the pixels that move, without the two keyframes."""
    error = PooledError()
    for made, true in zip(videos, clips, strict=True):
        a, b = (torch.from_numpy(x).permute(0, 3, 1, 2).float() / 255 for x in (made, true))
        error.add(a[1:-1], b[1:-1], motion_mask(b)[1:-1])
    return error.psnr


# %%
before = [in_between(clip) for clip in held_clips]
scores = {
    "cross-fade": moving_psnr([cross_fade(clip) for clip in held_clips], held_clips),
    "bundled model": moving_psnr(before, held_clips),
    "VAE alone (the ceiling)": moving_psnr(vae_held, held_clips),
}
show_image(
    figure_image(viz.rows_figure({"true": held_clips[0], "before": before[0]}, range(0, NUM_FRAMES, 2), (0, 12))),
    alt="A held-out clip and what the bundled model puts between its two keyframes: the shape dissolves half-way",
)
print({name: round(value, 1) for name, value in scores.items()})

# %% [markdown]
# **Notice.** The keyframes are right by construction, because they are anchors, and the paper is right as well. Between
# the keyframes something travels, because the model has learnt elsewhere that things move. But the model does not know
# this shape, and the shape melts on its way. The number of the VAE alone is far higher, so there is room to improve.
#
# ## 4. What training asks for
#
# **Question.** What is one training example?
#
# It is made of a clip's latents $x_0$, noise $x_1$ and a time $t$:
#
# $$x_t = (1 - t)\, x_0 + t\, x_1, \qquad v = x_1 - x_0.$$
#
# The model is given $x_t$ and $t$, and it has to predict $v$. The smallest example is a single number:

# %%
x_0, x_1, v = 2.0, -1.0, -1.0 - 2.0
for t in (0.0, 0.25, 1.0):
    x_t = (1 - t) * x_0 + t * x_1
    print(f"t = {t:4}: x_t = {x_t:5.2f}, v = {v:.0f}, x_t - t v = {x_t - t * v:.0f}")

# %% [markdown]
# The velocity is the same at every $t$. Following it back from $x_t$ leads to the data: $x_0 = x_t - t v$.
#
# **Anchors** are the exception. They are given, so they are never noised, and their time is 0. So there is one time for
# each latent frame of each clip, which makes a tensor `(B, F)`.
#
# ### Exercise 06.1 (2 points)
#
# Mix data and noise for a batch in which each clip has its own anchors. Return $x_t$ and the times `(B, F)`.


# %%
def noisy_latents(x_0, x_1, t, anchors):
    """x_0, x_1 (B, C, F, h, w), t (B,), anchors (B, F) bool -> x_t (B, C, F, h, w), times (B, F)."""
    ### BEGIN SOLUTION
    times = torch.where(anchors, 0.0, t[:, None])
    at = times[:, None, :, None, None]
    return (1 - at) * x_0 + at * x_1, times
    ### END SOLUTION


lab.check_noisy_latents(noisy_latents)

# %% [markdown]
# **The loss** is the mean squared error of the velocity over the latent frames that are not anchors. The model need not
# predict what is given. We call the other latent frames *free*. If $M$ is the set of free latent frames, the loss is
#
# $$L = \frac{1}{|M|} \sum_{f \in M} \operatorname{mean} (\hat v_f - v_f)^2 .$$
#
# Two details belong to the bundled model. It is given the text as embeddings, which we compute once. And its network
# does not predict $v$ itself: `precondition` adds a skip around the network (notebook 04), because a network as narrow
# as this one cannot pass on all of the noise.
#
# Below we write the loss in plain torch. It gives one value for each clip, so that we can sort the values by time
# later.

# %%
embeds = gen.encode_prompt(PROMPT, None, False, max_sequence_length=gen.tokenizer.model_max_length)[0].detach()


def clip_losses(transformer, x_0, x_1, t):
    """The loss of each clip, (B,). x_0, x_1: (B, C, F, h, w); t: (B,)."""
    times = t[:, None] * ~anchors  # (B, F), 0 at anchors
    at = times[:, None, :, None, None]
    x_t = (1 - at) * x_0 + at * x_1
    text = embeds.expand(len(x_0), -1, -1)
    output = transformer(x_t, 1000 * times, text, tau=tau, return_dict=False)[0]
    velocity = precondition(output, x_t, times, gen.config.sigma_data)
    return (velocity - (x_1 - x_0)).square().mean(dim=(1, 3, 4))[:, ~anchors].mean(dim=1)


# %% [markdown]
# Is this the library's loss? `smartdirector train gen` minimises `flow_loss`, from `training.gen`. This function draws
# its own noise. So we set the same seed before both, and compare the two on one batch.

# %%
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
# ### Exercise 06.2 (3 points)
#
# Our loss works only if all clips have the same anchors. Write the loss for a batch in which the anchors differ. Every
# free latent frame has the same weight, in whichever clip it is. If everything is an anchor, the loss is 0.


# %%
def masked_loss(velocity, x_0, x_1, anchors):
    """velocity, x_0, x_1 (B, C, F, h, w), anchors (B, F) bool -> a scalar."""
    ### BEGIN SOLUTION
    error = (velocity - (x_1 - x_0)).square().mean(dim=(1, 3, 4))
    free = (~anchors).float()
    return (error * free).sum() / free.sum().clamp(min=1)
    ### END SOLUTION


lab.check_masked_loss(masked_loss)

# %% [markdown]
# ## 5. The loop
#
# The loss of single steps jumps up and down, because each step draws other clips, other noise and other times. To see
# progress we also measure the loss on **fixed** noise and at fixed times, once every few steps.
#
# Four details of the loop need a word:
#
# - **Times.** Each time is the sigmoid of a normal random number. Most times lie nearer to the noise than to the data,
#   because there it is decided what happens between the keyframes. The last 3,095 steps of the bundled model's training
#   drew the times in this way, too.
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


def train(transformer, optimizers, latents, steps, batch=6, every=10):
    """Train `transformer` on latents (n, C, F, h, w), in place. Returns the curves."""
    torch.manual_seed(0)
    rates = [(group, group["lr"]) for optimizer in optimizers for group in optimizer.param_groups]
    log = {"loss": [], "times": [], "losses": [], "step": [], "trained": [], "held out": []}
    for step in range(steps + 1):
        if step % every == 0 or step == steps:
            log["step"].append(step)
            log["trained"].append(np.mean(fixed_losses(transformer, latents[: len(z_held)])))
            log["held out"].append(np.mean(fixed_losses(transformer, z_held)))
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
# We train a copy and keep the untouched weights, because later parts start from them again. The optimizers are the
# library's pair: Muon for the matrices, and AdamW for the rest. AdamW alone works too, but it learns less in the same
# number of steps. The next cell takes longer than any other.


# %%
def optimizers_of(transformer):
    outer = [transformer.patch_embedding.weight, transformer.proj_out.weight]
    return make_optimizers(transformer, 1.5e-3, 7.5e-4, [*outer, *transformer.condition_embedder.parameters()])


untouched = gen.transformer
tuned = copy.deepcopy(untouched)
log = train(tuned, optimizers_of(tuned), z_train, steps=pick(51, 2), batch=pick(6, 2), every=pick(17, 2))
print(f"held-out loss: {log['held out'][0]:.3f} before, {log['held out'][-1]:.3f} after")
assert log["held out"][-1] < pick(log["held out"][0], 1.0)  # two steps, in the fast mode, prove nothing
evaluations = {name: (log["step"], log[name]) for name in ("trained", "held out")}
show_image(
    figure_image(viz.loss_figure({"each step": log["loss"]}, evaluations)),
    alt="Training curves: the loss of single steps jumps up and down; on fixed noise it falls, less for held-out clips",
)

# %% [markdown]
# **Notice.** The thin line jumps too much to show progress. The curves on fixed noise show it. The curve of the
# training clips falls steadily. The curve of the held-out clips falls less. The gap between the two curves is what
# the model has learnt about its own clips only. This gap will matter in part 7.
#
# **Question.** At which times does the model improve?
#
# We take the same measure, separately for each $t$:

# %%
by_time = {"before": fixed_losses(untouched, z_held), "after": fixed_losses(tuned, z_held)}
show_image(
    figure_image(viz.time_loss_figure(by_time, TIMES)),
    alt="Held-out loss over time t: it is lower after training than before, but only a little at the smallest t",
)

# %% [markdown]
# **Notice.** The loss is not equally large at all times, and it cannot be. Near $t = 0$ the noise is faint beside the
# picture, so it is hard to guess, and training on our clips helps little. Near $t = 1$ the input is almost pure noise.
# The whole picture is missing: which shape it is, and where it is. This is what our clips teach, so here training helps
# much.
#
# A mean loss therefore says little unless you know which times went into it. Never compare the losses of two trainings
# that draw $t$ differently.
#
# ### Exercise 06.3 (2 points)
#
# `log["losses"]` and `log["times"]` hold the loss and the time of every clip in every step. Divide $[0, 1]$ into equal
# bins, and average the losses in each bin. A bin includes its lower border. The time $t = 1$ belongs to the last bin.
# An empty bin gives NaN.


# %%
def loss_by_time(losses, times, bins):
    """losses (n,), times (n,) in [0, 1] -> (bins,) tensor of means."""
    ### BEGIN SOLUTION
    place = (times * bins).long().clamp(max=bins - 1)
    return torch.stack([losses[place == k].mean() for k in range(bins)])
    ### END SOLUTION


lab.check_loss_by_time(loss_by_time)

# %% [markdown]
# ## 6. After
#
# We generate the same clips again, from the same keyframes and the same noise. Only the weights are the tuned ones.

# %%
gen.transformer = tuned
after = [in_between(clip) for clip in held_clips]
after_train = [in_between(clip) for clip in train_clips[: len(held_clips)]]
rows = {"true": held_clips[0], "before": before[0], "after": after[0], "VAE alone": vae_held[0]}
show_image(
    figure_image(viz.rows_figure(rows, range(0, NUM_FRAMES, 2), (0, 12))),
    alt="A held-out clip between two keyframes: true, before training, after training, and through the VAE alone",
)
scores["tuned model"] = moving_psnr(after, held_clips)
scores["tuned, clips it trained on"] = moving_psnr(after_train, train_clips[: len(held_clips)])
show_image(
    figure_image(viz.values_figure(scores, "PSNR over moving pixels between the keyframes, dB")),
    alt="Bars: PSNR of cross-fade, bundled model, the VAE alone, and the tuned model on held-out and on its own clips",
)
side_by_side = np.concatenate([held_clips[0], before[0], after[0]], axis=2)
words = "Side by side: the true held-out clip, and the model's video before and after training"
show_video(side_by_side, FPS, alt=words, with_strip=False)

# %% [markdown]
# **Notice.** Look at the middle frames first, and ask three questions. Is something there half-way? Is it in the right
# place? Does it have the right shape and colour? The model learns these things in about this order, and it could do
# some of them before. On its own clips the model is far better than on others. The next part is about this difference.
# A few minutes on a CPU do not make a good video model, but they show how one is made.
#
# ## 7. Learning by heart
#
# **Question.** What if there are only two clips?
#
# The loop stays the same, and the loss falls even faster. That is the trap.

# %%
memoriser = copy.deepcopy(untouched)
few = train(memoriser, optimizers_of(memoriser), z_train[:2], steps=pick(36, 2), batch=2, every=pick(12, 2))
curves = {f"two clips, {name}": (few["step"], few[name]) for name in ("trained", "held out")}
curves["twenty clips, held out"] = (log["step"], log["held out"])
show_image(
    figure_image(viz.loss_figure({}, curves)),
    alt="Training on two clips: their own loss keeps falling. The loss of held-out clips falls at first, then rises",
)

# %% [markdown]
# **Notice.** The loss of the two clips keeps falling. The loss of the held-out clips falls at first and then **rises**.
# At the end this model is no better at new paper shapes than the bundled one was, and its training loss does not show
# it. There are three remedies. More clips help most. Stopping early comes next. The third is to change less (part 8).
#
# ### Exercise 06.4 (3 points)
#
# Write the rule for early stopping. Evaluations come one by one. Training stops once `patience` evaluations in a row
# were no better than the best one so far. An equal loss is no better. Return the index of the evaluation whose weights
# are kept.


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


lab.check_when_to_stop(when_to_stop)

# %% [markdown]
# ## 8. LoRA: change little
#
# **Question.** The tiny transformer has nine million weights. Wan's transformers have five to fourteen billion. Must
# training change all of them?
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
        self.base, self.factor, self.scale = base.requires_grad_(False), alpha / rank, 1.0
        self.A = nn.Parameter(torch.randn(rank, base.in_features) / base.in_features**0.5)
        self.B = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, x):
        return self.base(x) + self.scale * self.factor * (x @ self.A.T @ self.B.T)


print(f"a 256 x 256 layer: {256 * 256} weights; a LoRA of rank 8 on it: {8 * 256 + 256 * 8}")

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
# ### Exercise 06.5 (3 points)
#
# A trained LoRA can be folded into its layer. After that it costs nothing at inference. Return the merged matrix, and
# leave the given one as it is.


# %%
def merge_lora(weight, A, B, alpha):
    """weight (out, in), A (r, in), B (out, r) -> (out, in)."""
    ### BEGIN SOLUTION
    return weight + alpha / A.shape[0] * B @ A
    ### END SOLUTION


lab.check_merge_lora(merge_lora)

# %% [markdown]
# Now we add LoRAs to the transformer. Every attention gets a LoRA on its query, key, value and output layers.
# Everything else is frozen.


# %%
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
print(f"{trained / 1e6:.2f} of {everything / 1e6:.1f} million weights are trained, {100 * trained / everything:.1f} %")

# %%
thin = [weight for weight in with_lora.parameters() if weight.requires_grad]
lora_log = train(with_lora, [torch.optim.AdamW(thin, 4e-3)], z_train, pick(34, 2), pick(6, 2), pick(17, 2))
both = {name: (run["step"], run["held out"]) for name, run in (("all weights", log), ("LoRA", lora_log))}
show_image(
    figure_image(viz.loss_figure({}, both)),
    alt="Held-out loss during training: with all weights, and with a LoRA of rank 8",
)
print(f"held-out loss: {log['held out'][0]:.3f} before, {lora_log['held out'][-1]:.3f} with the LoRA")
assert lora_log["held out"][-1] < pick(lora_log["held out"][0], 1.0)

# %% [markdown]
# **Notice.** With a few per cent of the weights the held-out loss falls just as fast. So small a change also cannot
# learn clips by heart as easily. The learning rate is higher than for whole matrices, as is common for LoRAs. And a
# LoRA has a setting that full training does not have: its scale.

# %%
gen.transformer, made = with_lora, {}
for scale in (0.0, 0.5, 1.0):
    for added in layers:
        added.scale = scale
    made[f"scale {scale:g}"] = in_between(held_clips[0])
assert np.abs(made["scale 0"] - before[0].astype(int)).max() <= 1  # one level of 255: the bundled model again
show_image(
    figure_image(viz.rows_figure({"true": held_clips[0], **made}, range(0, NUM_FRAMES, 2), (0, 12))),
    alt="The frames between the keyframes of a held-out clip, with the LoRA at scale 0, one half and 1",
)
gen.transformer = untouched

# %% [markdown]
# **Notice.** Scale 0 gives the bundled model again. So a LoRA can be shared as a small file, taken off again, and mixed
# with others. Compare scale 1 with part 6, too. Two models with about the same loss need not give pictures that look
# the same, because the loss is a mean over times, pixels and clips. Look at pictures before you believe a number.
#
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
# - A LoRA changes little, starts at the old model, and can be taken off again.
#
# **Next:** [Notebook 07](07_real_wan.ipynb) takes the pipeline to real Wan weights: memory, offloading, and what your
# card can hold. Or go back to `draw_clip`, make the world your own, and train again.

# %%
lab.summary("06")
