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
# # 05 Director-SR: detail from the keyframes
#
# Stage one of SmartDirector makes a small draft of the video. Stage two, Director-SR, makes the draft twice as large.
# It takes the detail that the draft lacks from the original keyframes. In this notebook you write its sampler, and all
# large videos come from it.
#
# > **The paper.** SmartDirector, [arXiv 2605.27891](https://arxiv.org/abs/2605.27891), section 3 (method): Director-SR.
# >
# > - *The paper's:* a flow from low-resolution latents to high-resolution latents, the latents of the large keyframes
# >   as anchors in it, latents that are enlarged, and use with any video, with or without keyframes.
# > - *Wan's:* the VAE and the transformer.
# > - *Ours:* the small weights, frames that are enlarged *before* they are encoded (the bundled model starts there),
# >   the measurements, and the restorer after decoding ([appendix 05a](05a_restorer.ipynb)).
#
# **Goals.** Afterwards you can
# - say what is lost at half the size;
# - choose where the flow from low resolution (LR) to high resolution (HR) starts;
# - write the loss and the sampler of this flow;
# - measure how far a keyframe's detail reaches.
#
# **Time.** 40 minutes with the exercises. All cells together run in about a minute on a laptop.
#
# **Needs.** Notebooks 02 (chunks and anchors) and 04 (flow matching). You need no GPU, and nothing is downloaded.
#
# **Exercises.** One star (★☆☆) is a warm-up, and three stars are hard. The cells after an exercise run *your* function.
# Until it passes its check, they run the library's. If you are stuck, `lab.hint("05.1")` gives a hint, and each further
# call gives a plainer one. Where the text says **Predict**, write your guess down before you run the cell.

# %%
import numpy as np
import torch
from torch.nn import functional as F

from smartdirector_lite import ChunkPlan, Condition, VideoCondition, load_director
from smartdirector_lite.course import lab
from smartdirector_lite.course.figures import sr as viz
from smartdirector_lite.course.figures.base import figure_image
from smartdirector_lite.course.notebook import show_image, show_table, show_videos
from smartdirector_lite.course.widgets import comparison_slider
from smartdirector_lite.evaluation.reading import read_letter
from smartdirector_lite.flow import path
from smartdirector_lite.media.size import Size
from smartdirector_lite.sr.frames import resize, upsample_latents
from smartdirector_lite.toyworld import HELD_OUT_SEED, render, sample_scene, scene_truth
from smartdirector_lite.training.sr import SRConfig, TrainedSR, sr_loss
from smartdirector_lite.training.transformer import build_transformer
from smartdirector_lite.vae.multichunk import decode, encode_conditions, encode_video

HEIGHT, WIDTH, NUM_FRAMES = 64, 112, 13  # HR; LR is half of it
KEYFRAME = 6  # the one frame that is known in full size

# %% [markdown]
# ## 1. What half a size loses
#
# **Question.** What does a large frame show that the small one does not?
#
# We take a scene of the toy world with a sign in it. In this notebook a video is a tensor `(T, 3, H, W)` in $[0, 1]$.
# To halve it, each new pixel takes the mean of the 2 x 2 pixels that it covers. The smallest example is a frame of four
# pixels, 0, 1, 1 and 0. It becomes one pixel, 0.5.

# %%
scene = sample_scene(HELD_OUT_SEED + 157, 13, num_shots=1)
print(scene.description)
large = render(scene, Size(WIDTH, HEIGHT))

# %% [markdown]
# ### Exercise 05.1 (2 points, ★☆☆)
#
# Halve the size of a video. Write it with indexing or a reshape. The ready-made functions for pooling and resizing are
# not allowed here. Your function makes the small video of this notebook.


# %%
def half_size(video):
    """(T, 3, H, W) in [0, 1], H and W even -> (T, 3, H / 2, W / 2)."""
    ### BEGIN SOLUTION
    rows = (video[..., ::2, :] + video[..., 1::2, :]) / 2
    return (rows[..., ::2] + rows[..., 1::2]) / 2
    ### END SOLUTION


half_size = lab.check_half_size(half_size)

# %% [markdown]
# As the draft we take the best that stage one could give: the small video after the VAE has encoded and decoded it
# once. Then we enlarge the draft again. The VAE takes `(1, 3, T, H, W)` in $[-1, 1]$.

# %%
director = load_director()
vae = director.gen.vae
plan = ChunkPlan.build(NUM_FRAMES, [Condition(KEYFRAME)], stride=4)
print(plan.table())


def encode(frames, plan=plan):
    """Encode a video chunk by chunk: (T, 3, H, W) in [0, 1] -> latents (1, C, F, h, w)."""
    return encode_video(vae, plan, frames.transpose(0, 1)[None] * 2 - 1)


def show(latents, plan=plan):
    """Decode latents chunk by chunk: (1, C, F, h, w) -> (T, 3, H, W) in [0, 1]."""
    return (decode(vae, plan, latents)[0].transpose(0, 1) / 2 + 0.5).clamp(0, 1)


def enlarged(frames):
    """Enlarge a video by the library's bicubic resize: (T, 3, H, W) in [0, 1] -> (T, 3, 2H, 2W)."""
    height, width = frames.shape[-2:]
    return (resize(frames.transpose(0, 1)[None] * 2 - 1, Size(2 * width, 2 * height))[0].transpose(0, 1) + 1) / 2


small = half_size(large)
draft = show(encode(small))
videos = {"HR": large, "half size, enlarged": enlarged(small), "draft, enlarged": enlarged(draft)}

# %% [markdown]
# We use two measures. The first is PSNR over all pixels, in dB, which says how near the pixels are to the true ones.
# The second is the share of letters that a small reader reads right. We know where each letter stands. The reader takes
# the box around the letter and compares it with the alphabet of the toy world.
#
# **Predict.** Will you be able to read the sign in the draft?

# %%
truths = scene_truth(scene, Size(WIDTH, HEIGHT))
letters = [(truth.frame, letter) for truth in truths for letter in truth.letters if letter.clear]
boxes = np.array([letter.box for _, letter in letters])
sign = (*np.maximum(boxes[:, :2].min(axis=0) - 3, 0), *boxes[:, 2:].max(axis=0) + 3)  # top, left, bottom, right


def psnr(made, true=large):
    return -10 * torch.log10((made - true).square().mean()).item()


def letters_read(made):
    """The percentage of letters that are read right."""
    return 100 * float(np.mean([read_letter(made[frame], letter.box) == letter.letter for frame, letter in letters]))


def as_bytes(frames):
    return (255 * frames).round().byte().permute(0, 2, 3, 1).numpy()


def details(videos, frame, alt):
    """Show the sign in one frame of several videos, with both measures."""
    notes = {name: f"{min(psnr(made), 99):.1f} dB, {letters_read(made):.0f} % read" for name, made in videos.items()}
    pictures = {name: as_bytes(made)[frame] for name, made in videos.items()}
    show_image(figure_image(viz.details_figure(pictures, sign, notes)), alt=alt)


details(
    videos,
    2,
    alt="A red creature in a desert beside a sign, three times, and below each its sign, enlarged. In HR the sign says "
    "SUN in sharp letters. Halved and enlarged, the letters are blurred. In the draft they are a smudge",
)

# %% [markdown]
# **Notice.** Halving alone blurs the letters, but you can still read them. The draft is worse. At half the size a
# letter is smaller than one 8 x 8 cell of the VAE, and what comes back is a smudge. The reader still gets
# 67<!-- = letters_read(videos["draft, enlarged"]) --> % of the letters right, because it knows the alphabet and the
# place of each letter. You would not. No upsampler can bring back what is not there. The detail has to come from
# something that knows the sign.
#
# The numbers below each detail are measured over the whole clip. The value 99 dB stands for "the same".

# %% [markdown]
# ## 2. Where to start
#
# **Question.** Director-SR works on latents of the HR size. How do we get such latents from a small video $x$?
#
# There are two ways. In the formulas $E$ is encoding, and $\uparrow$ is enlarging:
#
# $$z_{LR} = \uparrow E(x) \ \text{(latent, the paper's)}, \quad z_{LR} = E(\uparrow x) \ \text{(pixel, ours)}.$$
#
# The first way needs no decoded frames and no second pass through the encoder. But does the decoder still understand a
# latent that was enlarged? In plain torch the first way is one interpolation over height and width:

# %%
z_small, z_hr = encode(draft), encode(large)
batch, channels, frames, height, width = z_small.shape
flat = z_small.transpose(1, 2).flatten(0, 1)  # (B F, C, h, w): every latent frame is an image
flat = F.interpolate(flat, scale_factor=2, mode="bilinear", align_corners=False)
z_latent = flat.unflatten(0, (batch, frames)).transpose(1, 2)
assert torch.allclose(z_latent, upsample_latents(z_small), atol=1e-5)
z_pixel = encode(enlarged(draft))
print("LR", tuple(z_small.shape), "-> start", tuple(z_latent.shape), "and HR", tuple(z_hr.shape))

# %%
starts = {"latent": show(z_latent), "pixel": show(z_pixel), "HR through the VAE": show(z_hr)}
details(
    starts,
    2,
    alt="The two starts of the flow, decoded, and HR through the VAE. The latent start is a checkered blur in which "
    "nothing can be read. The pixel start looks like the draft. HR through the VAE is a little softer than HR",
)
ceiling = psnr(starts["HR through the VAE"])
scores = {"draft, bicubic": videos["draft, enlarged"], "latent start": starts["latent"], "pixel start": starts["pixel"]}
rows = [[name, f"{psnr(made):.1f}"] for name, made in scores.items()]
show_table([*rows, ["HR through the VAE", f"{ceiling:.1f}"]], ["", "PSNR to the true HR video, dB"])

# %% [markdown]
# **Notice.** With this VAE the enlarged latents decode badly, because the VAE was not trained for latents that are
# enlarged. The pixel start gives the draft back, soft but whole. A model can learn to begin at either start. Its
# setting `upsample` says with which start it was trained.
#
# The last row is HR after the VAE has encoded and decoded it once, at 30.5<!-- = ceiling --> dB. We call it the
# **ceiling of the VAE**: it is what the decoder shows when all latents are the right ones, and a flow can give it no
# better ones. It is not very high, because the tiny VAE is the weakest part of the bundled model. Only something that
# works after the decoder can pass this ceiling ([appendix 05a](05a_restorer.ipynb) does).
#
# ## 3. A flow from LR to HR
#
# **Question.** Flow matching leads from noise to data. Does it have to start at noise?
#
# No, any start will do. The flow of Director-SR leads from the LR latents at $t = 1$ to the HR latents at $t = 0$:
#
# $$x_t = (1 - t)\, z_{HR} + t\, z_{LR}, \qquad v = z_{LR} - z_{HR}.$$
#
# This is the formula of notebook 04, with $z_{LR}$ in the place of the noise. The start already holds the composition,
# the colours and the motion. So the way is short, and a few steps are enough. The smallest example is one value of a
# latent, which goes from 0.4 to 1:
#
# **Predict.** How much shorter is the way from LR than the way from noise?

# %%
show_table([[t, round(path(1.0, 0.4, t), 2), -0.6] for t in (1.0, 0.5, 0.0)], ["t", "x_t", "v"])
noise = torch.randn(z_hr.shape, generator=torch.Generator().manual_seed(1))
ways = {"from LR": (z_pixel - z_hr).square().mean().sqrt(), "from noise": (noise - z_hr).square().mean().sqrt()}
print("length of the way, root mean square:", {name: round(way.item(), 2) for name, way in ways.items()})
show_image(
    figure_image(viz.value_paths_figure(z_pixel[0, :5, 4, 3, 6], z_hr[0, :5, 4, 3, 6], "LR", "HR")),
    alt="Straight paths of five latent values from their LR value at t = 1 to their HR value at t = 0",
)

# %% [markdown]
# **Notice.** The way from noise is
# 4.6<!-- = ways["from noise"] / ways["from LR"] --> times as long as the way from LR.
#
# **Anchors.** Of a keyframe we have the original in full size. Its HR latent takes the place of the LR latent and
# becomes an anchor. An anchor is clean, its time is 0, and every other latent frame attends to it. All other latent
# frames start at $t = 1$.
#
# ### Exercise 05.2 (2 points, ★★☆)
#
# Make the start of the flow for a batch in which each clip has its own anchors. Return the latents at the start and the
# time of each latent frame, as floats. Your sampler in 05.3 will call this function.


# %%
def start_of_flow(z_lr, z_hr, anchors):
    """z_lr, z_hr (B, C, F, h, w), anchors (B, F) bool -> start (B, C, F, h, w), times (B, F) float."""
    ### BEGIN SOLUTION
    start = torch.where(anchors[:, None, :, None, None], z_hr, z_lr)
    return start, (~anchors).float()
    ### END SOLUTION


start_of_flow = lab.check_start_of_flow(start_of_flow)

# %% [markdown]
# **The loss** is the mean squared error of $v$ over the latent frames that are not anchors, as for Director-Gen. The
# times of your `start_of_flow` are 1 where the flow moves, so the times of a training example are $t$ times them. We
# write the loss in plain torch. On a small random transformer it must be equal to the library's `sr_loss`:


# %%
def loss_of(model, z_lr, z_hr, anchors, tau, t):
    """z_lr, z_hr (B, C, F, h, w), anchors and tau (B, F), t (B,) -> a scalar."""
    times = t[:, None] * start_of_flow(z_lr, z_hr, anchors)[1]
    v = model(path(z_hr, z_lr, times), times, tau)
    error = (v - (z_lr - z_hr)).square().mean(dim=(1, 3, 4))  # (B, F)
    return error[~anchors].mean()


torch.manual_seed(0)
config = SRConfig(heads=4, head_dim=32, layers=3, ffn_dim=384, text_dim=32)
transformer = build_transformer(config, vae)  # its last layer is zero, so that v = 0 and the start does not move
torch.nn.init.normal_(transformer.proj_out.weight, std=0.02)  # not zero here, or any two losses would agree
anchors, tau = torch.tensor([plan.anchors]), torch.tensor([plan.tau()])
given = {"z_lr": z_pixel, "z_hr": z_hr, "anchors": anchors, "tau": tau, "t": torch.tensor([0.7])}
with torch.no_grad():
    ours, theirs = loss_of(TrainedSR(transformer), **given), sr_loss(TrainedSR(transformer), given)["loss"]
assert torch.allclose(ours, theirs, rtol=1e-4)
print(f"ours {ours:.4f}, the library's {theirs:.4f}")

# %% [markdown]
# ## 4. The model
#
# The second stage of the bundled model has the same VAE as the first, and a transformer of its own. This transformer
# was trained with exactly this loss, on pairs of clips in both sizes. A small clip is either a draft of stage one, or a
# halved clip that was spoilt in the ways of real footage: by blur, noise and compression.

# %%
sr = director.sr
sr.set_progress_bar_config(disable=True)
print(f"{sum(weight.numel() for weight in sr.transformer.parameters()) / 1e6:.1f} million weights")
print(f"it starts from {sr.config.upsample} upsampling")

# %% [markdown]
# ## 5. The sampler
#
# **Question.** How do we get from $z_{LR}$ to $z_{HR}$ with a model that predicts $v$?
#
# We take $K$ equal Euler steps from $t = 1$ down to $t = 0$. The way is short, so no shift of the times is needed. The
# anchors are put back after each step.
#
# ### Exercise 05.3 (4 points, ★★★)
#
# Write the sampler. It calls your `start_of_flow`. In each step it asks `velocity(x, times)` once. The times, $(B, F)$
# in $[0, 1]$, say where each latent frame stands when the step begins. Of `z_hr` only the anchors are known.


# %%
def integrate(velocity, z_lr, z_hr, anchors, steps):
    """Returns x at t = 0. z_lr, z_hr and the result: (B, C, F, h, w); anchors: (B, F) bool; steps: 1 or more."""
    ### BEGIN SOLUTION
    x, moving = start_of_flow(z_lr, z_hr, anchors)
    for k in range(steps):
        x = x - velocity(x, (1 - k / steps) * moving) / steps
        x, _ = start_of_flow(x, z_hr, anchors)
    return x
    ### END SOLUTION


integrate = lab.check_integrate(integrate)

# %% [markdown]
# The next cell wires your sampler to the transformer. `upscale` makes every large video below: it plans, encodes the
# small video and the large keyframes, calls your `integrate`, and decodes. With four steps we compare its latents with
# the pipeline's.


# %%
@torch.no_grad()
def upscale_latents(low, keys, steps):
    """Director-SR with your sampler. low: (T, 3, H, W); keys: frames known in full size. Returns plan and latents."""
    plan = ChunkPlan.build(NUM_FRAMES, [Condition(key) for key in keys], stride=4)
    z_lr = encode(enlarged(low), plan) if sr.config.upsample == "pixel" else upsample_latents(encode(low, plan))
    known = [large[key][None, :, None] * 2 - 1 for key in keys]
    z_hr = encode_conditions(vae, plan, known) if keys else torch.zeros_like(z_lr)
    nothing = torch.zeros(1, 1, sr.transformer.config.text_dim)  # the tiny second stage reads no text

    def velocity(x, times):
        return sr.transformer(x, 1000 * times, nothing, tau=plan.tau(), return_dict=False)[0]

    return plan, integrate(velocity, z_lr, z_hr, torch.tensor([plan.anchors]), steps)


def upscale(low, keys, steps=director.defaults.sr_steps):
    plan, latents = upscale_latents(low, keys, steps)
    return show(latents, plan)


conditions = [VideoCondition(image=large[KEYFRAME] * 2 - 1, frame_index=KEYFRAME)]
theirs = sr(draft.transpose(0, 1) * 2 - 1, conditions, num_inference_steps=4, output_type="latent").frames
ours = upscale_latents(draft, [KEYFRAME], 4)[1]
assert torch.allclose(ours, theirs, atol=1e-3)
print("largest difference to the pipeline below 1e-3:", (ours - theirs).abs().max().item() < 1e-3)

# %% [markdown]
# ## 6. Anchors on and off
#
# **Question.** What does one keyframe in full size change?
#
# We take the same draft and the same model, once without any keyframe and once with the keyframe in the middle. From
# here on we take as many steps as the bundled model does by default: 1<!-- = director.defaults.sr_steps -->. The way is
# so short that more steps are hardly better.
#
# **Predict.** Will the sign be readable in the frames *before* the keyframe, too?

# %%
plain, anchored = upscale(draft, []), upscale(draft, [KEYFRAME])
results = {
    "draft, bicubic": enlarged(draft),
    "SR, no keyframe": plain,
    "SR, keyframe 6": anchored,
    "VAE alone": show(z_hr),
}
details(
    results,
    KEYFRAME + 2,
    alt="Frame 8, two frames after the keyframe. Bicubic and SR without the keyframe show smudges on the sign. With "
    "the keyframe the sign says SUN, nearly as sharp as after the VAE alone. The creature's face is still soft",
)

# %%
rows = {name: as_bytes(made) for name, made in {"true": large, **results}.items()}
show_videos(
    {name: rows[name] for name in ("draft, bicubic", "SR, no keyframe", "SR, keyframe 6", "true")},
    scene.fps,
    count=7,
    alt="A red creature jumps in a desert beside a sign. In the bicubic draft and without a keyframe the sign is a "
    "smudge. With the keyframe the sign says SUN in every frame, and the creature is sharp in the middle of the clip",
)

# %% [markdown]
# **Notice.** Without a keyframe the model draws edges where the draft had none, but in dB it hardly comes nearer to the
# truth: 20.6<!-- = psnr(plain) --> instead of 20.4<!-- = psnr(results["draft, bicubic"]) -->. It cannot know what the
# sign said. With the keyframe it reaches 23.2<!-- = psnr(anchored) --> dB, and the reader reads
# 97<!-- = letters_read(anchored) --> % of the letters. Frame 6 is sharp for any model, because this frame is
# `decode(encode(keyframe))`.
#
# How much of the keyframe's detail reaches the other frames depends on what the model has learnt. Most of the sign
# comes back in all frames. It comes back even in the frames before the keyframe, because attention runs both ways in
# time. The character moves, and it gets less of the detail.
#
# ## 7. How far does a keyframe reach?
#
# **Question.** Does detail fade with the distance to the nearest keyframe?
#
# For each frame we need its distance to the nearest keyframe. There may be several keyframes.
#
# ### Exercise 05.4 (2 points, ★☆☆)
#
# Write the function that says how far each frame is from the nearest keyframe. The figure below uses it.


# %%
def keyframe_distance(num_frames, keyframes):
    """keyframes: frame numbers in any order. Returns num_frames whole numbers."""
    ### BEGIN SOLUTION
    return [min(abs(frame - key) for key in keyframes) for frame in range(num_frames)]
    ### END SOLUTION


keyframe_distance = lab.check_keyframe_distance(keyframe_distance)

# %% [markdown]
# We average the PSNR over all frames of one distance. The first curves are for the keyframe in the middle. The last one
# is for two keyframes at the ends, 0 and 12: there each frame has a keyframe before it and one after it.


# %%
def by_distance(made, keyframes):
    """Mean PSNR in dB at each distance 0, 1, 2, ... from the nearest keyframe."""
    distance = torch.tensor(keyframe_distance(NUM_FRAMES, keyframes))
    each = torch.tensor([psnr(frame, true) for frame, true in zip(made, large)])
    return [each[distance == d].mean().item() for d in range(int(distance.max()) + 1)]


curves = {name: by_distance(made, [KEYFRAME]) for name, made in results.items()}
two = upscale(draft, [0, NUM_FRAMES - 1])
curves["SR, keyframes 0, 12"] = by_distance(two, [0, NUM_FRAMES - 1])
gain = [a - b for a, b in zip(curves["SR, keyframe 6"], curves["SR, no keyframe"])]
assert gain[0] > max(gain[1:])  # at the keyframe itself
show_image(
    figure_image(viz.keyframe_distance_figure(curves)),
    alt="PSNR over the distance to the nearest keyframe. With a keyframe the curves begin at the VAE's, fall steeply "
    "to distance 1, and stay above the curve without one. Bicubic and SR without a keyframe are nearly flat",
)
show_table(
    [["gain, dB", *(f"{value:.1f}" for value in gain)]], ["distance to keyframe 6", *(str(d) for d in range(len(gain)))]
)

# %% [markdown]
# **Notice.** At distance 0 the curve with the keyframe meets the ceiling, and the gain is 10.4<!-- = gain[0] --> dB.
# One frame away the gain is 2.9<!-- = gain[1] --> dB. After that it hardly falls any more, and at the ends of the clip
# it is still 2.0<!-- = gain[-1] --> dB.
#
# Two things limit what this figure says. It shows one scene only, and PSNR over all pixels is mostly about sky and
# ground. The share of letters that are read right is a stricter measure:

# %%
read = {name: letters_read(made) for name, made in {**results, "SR, keyframes 0, 12": two}.items()}
show_image(
    figure_image(viz.values_figure(read, "letters read right, per cent")),
    alt=f"Bars: the share of letters read right. {', '.join(f'{name}: {value:.0f} %' for name, value in read.items())}",
)

# %% [markdown]
# ## 8. Look for yourself
#
# Drag the border. To its left you see the enlarged draft, and to its right your Director-SR with the keyframe. Where
# nothing can be dragged, the figure shows the two, one above the other.

# %%
frame = KEYFRAME + 1
pair = {name: rows[name] for name in ("draft, bicubic", "SR, keyframe 6")}
show_image(
    figure_image(viz.rows_figure(pair, (frame - 1, frame, frame + 1), (KEYFRAME,))),
    alt="Three frames from the keyframe on: the soft, enlarged draft above, Director-SR with the keyframe below. There "
    "the sign stays sharp in all three frames",
)
comparison_slider(pair["draft, bicubic"][frame], pair["SR, keyframe 6"][frame], tuple(pair), scale=5)

# %% [markdown]
# ## Recap
#
# - A draft loses whatever is smaller than a latent cell. Enlarging cannot bring it back, but a keyframe in full size
#   can.
# - Director-SR is flow matching with $z_{LR}$ in the place of the noise. The way is short, a few steps are enough, and
#   nothing is drawn at random.
# - The flow starts at enlarged latents or at encoded enlarged frames. Which start is better depends on the VAE.
# - Anchors are HR latents at time 0. At a keyframe the result reaches the VAE's ceiling by construction. How far the
#   detail reaches from there depends on what the model has learnt.
# - `smartdirector upscale` does this for a video file of any length, with or without keyframes.
#
# **In your own words.** Write two or three sentences between the quotes: why does the sign come back better than the
# creature's face?

# %%
lab.free_text("05.5", "...")

# %% [markdown]
# **Next:** In [notebook 06](06_train_your_own.ipynb) you train a model yourself, on clips that you draw.
# [Appendix 05a](05a_restorer.ipynb) is about the restorer, which works after decoding and helps real footage.

# %%
lab.summary("05")
