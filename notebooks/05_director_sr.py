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
# # 05 Director-SR
#
# Stage one of SmartDirector (arXiv 2605.27891) makes a small draft of the video. Stage two, Director-SR, makes the
# draft twice as large. It takes the detail that the draft lacks from the original keyframes.
#
# **Goals.** Afterwards you can
# - say what is lost at half the size;
# - choose where the flow from low resolution (LR) to high resolution (HR) starts;
# - write the loss and the sampler of this flow;
# - measure how far a keyframe's detail reaches;
# - say what the restorer, a network after decoding, adds for real footage.
#
# **Time.** About 40 minutes.
#
# **Needs.** Notebooks 02 (chunks and anchors) and 04 (flow matching). You need no GPU, and nothing is downloaded.

# %%
import numpy as np
import torch
from torch.nn import functional as F

from smartdirector_lite import ChunkPlan, Condition, VideoCondition, load_director
from smartdirector_lite.course import lab
from smartdirector_lite.evaluation.metrics import flicker
from smartdirector_lite.evaluation.reading import read_letter
from smartdirector_lite.vae.multichunk import decode, encode_video
from smartdirector_lite.course.notebook import show_image, show_video
from smartdirector_lite.sr.restorer import keep_still, large_flow, warp
from smartdirector_lite.sr.frames import resize, upsample_latents
from smartdirector_lite.media.size import Size
from smartdirector_lite.toyworld import HELD_OUT_SEED, render, sample_scene, scene_truth
from smartdirector_lite.training.degrade import compress
from smartdirector_lite.training.sr import SRConfig, TrainedSR, sr_loss
from smartdirector_lite.training.transformer import build_transformer
from smartdirector_lite.course.figures import sr as viz
from smartdirector_lite.course.figures.base import figure_image
from smartdirector_lite.course.widgets import comparison_slider

HEIGHT, WIDTH, NUM_FRAMES = 64, 112, 13  # HR; LR is half of it
KEYFRAME = 6  # the one frame that is known in full size

# %% [markdown]
# ## 1. What half a size loses
#
# **Question.** What does a large frame show that the small one does not?
#
# We take a scene of the toy world with a sign in it, and halve the size of its frames. As the draft we take the best
# that stage one could give: the small video after the VAE has encoded and decoded it once. Then we enlarge the draft
# again.
#
# In this notebook a video is a tensor `(T, 3, H, W)` in $[0, 1]$. The VAE takes `(1, 3, T, H, W)` in $[-1, 1]$.

# %%
director = load_director()
vae = director.gen.vae
scene = sample_scene(HELD_OUT_SEED + 157, 13, num_shots=1)
plan = ChunkPlan.build(NUM_FRAMES, [Condition(KEYFRAME)], stride=4)
print(scene.description)
print(plan.table())


def encode(frames):
    """Encode a video chunk by chunk: (T, 3, H, W) in [0, 1] -> latents (1, C, F, h, w)."""
    return encode_video(vae, plan, frames.transpose(0, 1)[None] * 2 - 1)


def show(latents):
    """Decode latents chunk by chunk: (1, C, F, h, w) -> (T, 3, H, W) in [0, 1]."""
    return (decode(vae, plan, latents)[0].transpose(0, 1) / 2 + 0.5).clamp(0, 1)


def enlarged(frames):
    """Enlarge a video by the library's bicubic resize: (T, 3, H, W) in [0, 1] -> (T, 3, 2H, 2W)."""
    height, width = frames.shape[-2:]
    return (resize(frames.transpose(0, 1)[None] * 2 - 1, Size(2 * width, 2 * height))[0].transpose(0, 1) + 1) / 2


large = render(scene, Size(WIDTH, HEIGHT))
small = F.avg_pool2d(large, 2)
draft = show(encode(small))
videos = {"HR": large, "half size, enlarged": enlarged(small), "draft, enlarged": enlarged(draft)}

# %% [markdown]
# We use two measures. The first is PSNR over all pixels, in dB, which says how near the pixels are to the true ones.
# The second is the share of letters that a small reader reads right. We know where each letter stands. The reader takes
# the box around the letter and compares it with the alphabet of the toy world.

# %%
letters = [
    (truth.frame, letter)
    for truth in scene_truth(scene, Size(WIDTH, HEIGHT))
    for letter in truth.letters
    if letter.clear
]
boxes = np.array([letter.box for _, letter in letters])
sign = (*np.maximum(boxes[:, :2].min(axis=0) - 3, 0), *boxes[:, 2:].max(axis=0) + 3)  # top, left, bottom, right


def psnr(made, true=large):
    return -10 * torch.log10((made - true).square().mean()).item()


def letters_read(made):
    """The share of letters that are read right, 0 to 1."""
    return float(np.mean([read_letter(made[frame], letter.box) == letter.letter for frame, letter in letters]))


def as_bytes(frames):
    return (255 * frames).round().byte().permute(0, 2, 3, 1).numpy()


def details(videos, frame, alt):
    """Show the sign in one frame of several videos, with both measures."""
    notes = {
        name: f"{min(psnr(made), 99):.1f} dB, {100 * letters_read(made):.0f} % read" for name, made in videos.items()
    }
    pictures = {name: as_bytes(made)[frame] for name, made in videos.items()}
    show_image(figure_image(viz.details_figure(pictures, sign, notes)), alt=alt)


details(videos, 2, alt="A frame in HR, halved and enlarged, and as an enlarged draft. Below each, its sign, enlarged")

# %% [markdown]
# **Notice.** Halving alone blurs the letters, but you can still read them. The draft is worse. At half the size a
# letter is smaller than one 8 x 8 cell of the VAE, and what comes back is a smudge. The reader still gets some letters
# right, because it knows the alphabet and the place of each letter. You would not. No upsampler can bring back what is
# not there. The detail has to come from something that knows the sign.
#
# The numbers below each detail are measured over the whole clip. The value 99 dB stands for "the same".
#
# ### Exercise 05.1 (2 points)
#
# Halve the size of a video without `avg_pool2d`. Each new pixel is the mean of the 2 x 2 pixels that it covers.


# %%
def half_size(video):
    """(T, 3, H, W) in [0, 1], H and W even -> (T, 3, H / 2, W / 2)."""
    ### BEGIN SOLUTION
    rows = (video[..., ::2, :] + video[..., 1::2, :]) / 2
    return (rows[..., ::2] + rows[..., 1::2]) / 2
    ### END SOLUTION


lab.check_half_size(half_size)

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
details(starts, 2, alt="The two starts of the flow, decoded, and HR through the VAE. Below each, its sign, enlarged")
scores = {f"start: {name}" if name != "HR through the VAE" else name: psnr(made) for name, made in starts.items()}
show_image(
    figure_image(
        viz.values_figure(
            {"draft, bicubic": psnr(videos["draft, enlarged"]), **scores}, "PSNR to the true HR video, dB"
        )
    ),
    alt="Bars: the PSNR of the bicubic draft, of the two starts, and of HR through the VAE, which is the ceiling",
)

# %% [markdown]
# **Notice.** With this VAE the enlarged latents decode badly, because the VAE was not trained for latents that are
# enlarged. The pixel start gives the draft back, soft but whole. A model can learn to begin at either start. Its
# setting `upsample` says with which start it was trained.
#
# The last bar is the **ceiling**: HR after the VAE has encoded and decoded it once. Director-SR cannot be better than
# that. The ceiling is not very high, because the tiny VAE is the weakest part of the bundled model.
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
# latent:

# %%
lr, hr = 0.4, 1.0
for t in (1.0, 0.5, 0.0):
    print(f"t = {t}: x_t = {(1 - t) * hr + t * lr:.1f}, v = {lr - hr:.1f}")
noise = torch.randn(z_hr.shape, generator=torch.Generator().manual_seed(1))
ways = {"from LR": (z_pixel - z_hr).square().mean().sqrt(), "from noise": (noise - z_hr).square().mean().sqrt()}
print("length of the way, root mean square:", {name: round(way.item(), 2) for name, way in ways.items()})
show_image(
    figure_image(viz.value_paths_figure(z_pixel[0, :5, 4, 3, 6], z_hr[0, :5, 4, 3, 6], "LR", "HR")),
    alt="Straight paths of five latent values from their LR value at t = 1 to their HR value at t = 0",
)

# %% [markdown]
# **Anchors.** Of a keyframe we have the original in full size. Its HR latent takes the place of the LR latent and
# becomes an anchor. An anchor is clean, its time is 0, and every other latent frame attends to it. All other latent
# frames start at $t = 1$.
#
# ### Exercise 05.2 (2 points)
#
# Make the start of the flow for a batch in which each clip has its own anchors. Return the latents at the start and the
# time of each latent frame.


# %%
def start_of_flow(z_lr, z_hr, anchors):
    """z_lr, z_hr (B, C, F, h, w), anchors (B, F) bool -> start (B, C, F, h, w), times (B, F)."""
    ### BEGIN SOLUTION
    start = torch.where(anchors[:, None, :, None, None], z_hr, z_lr)
    return start, (~anchors).float()
    ### END SOLUTION


lab.check_start_of_flow(start_of_flow)

# %% [markdown]
# **The loss** is the mean squared error of $v$ over the latent frames that are not anchors, as for Director-Gen. We
# write it in plain torch. On a small random transformer it must be equal to the library's `sr_loss`:


# %%
def loss_of(model, z_lr, z_hr, anchors, tau, t):
    """z_lr, z_hr (B, C, F, h, w), anchors and tau (B, F), t (B,) -> a scalar."""
    times = t[:, None] * ~anchors
    at = times[:, None, :, None, None]
    v = model((1 - at) * z_hr + at * z_lr, times, tau)
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
# ## 5. The sampler by hand
#
# **Question.** How do we get from $z_{LR}$ to $z_{HR}$ with a model that predicts $v$?
#
# We take Euler steps from $t = 1$ down to $t = 0$. Each step leads from a time $t$ to an earlier time $t'$:
#
# $$x \leftarrow x - (t - t')\, v(x, t).$$
#
# The anchors are put back after each step. We take four steps by hand and compare the result with the pipeline's
# latents.

# %%
pixel = sr.config.upsample == "pixel"
z_start = z_pixel if pixel else upsample_latents(z_small)
steps = 4


@torch.no_grad()
def integrate(x, z_anchor, steps):
    """Follow the flow from LR latents to HR latents, (1, C, F, h, w). The anchors come from z_anchor."""
    mask = anchors[:, None, :, None, None]
    x = torch.where(mask, z_anchor, x)
    nothing = torch.zeros(1, 1, sr.transformer.config.text_dim)  # the tiny second stage reads no text
    for k in range(steps):
        t, later = 1 - k / steps, 1 - (k + 1) / steps
        times = t * ~anchors
        v = sr.transformer(x, 1000 * times, nothing, tau=tau, return_dict=False)[0]
        x = torch.where(mask, z_anchor, x - (t - later) * v)
    return x


keyframes = [VideoCondition(image=large[KEYFRAME] * 2 - 1, frame_index=KEYFRAME)]
options = {"num_inference_steps": steps, "output_type": "latent"}
source = draft.transpose(0, 1) * 2 - 1
theirs = sr(source, keyframes, **options).frames
ours = integrate(z_start, z_hr, steps)
assert torch.allclose(ours, theirs, atol=1e-3)
print(f"largest difference to the pipeline: {(ours - theirs).abs().max():.1e}")

# %% [markdown]
# ### Exercise 05.3 (3 points)
#
# Write the sampler for any velocity. It asks `velocity(x, t)` once in each step, at the point where the step begins.


# %%
def euler(velocity, z_lr, steps):
    """Go from z_lr at t = 1 to t = 0 in equal steps, and return x there. velocity(x, t) -> like x."""
    ### BEGIN SOLUTION
    x = z_lr
    for k in range(steps):
        x = x - velocity(x, 1 - k / steps) / steps
    return x
    ### END SOLUTION


lab.check_euler(euler)

# %% [markdown]
# ## 6. Anchors on and off
#
# **Question.** What does one keyframe in full size change?
#
# We take the same draft and the same model, once without any keyframe and once with the keyframe in the middle. Without
# the keyframe there is one chunk less, and there is no anchor. From here on we take as many steps as the bundled model
# does by default: one. The way is so short that more steps are hardly better.


# %%
usual = {"num_inference_steps": director.defaults.sr_steps, "output_type": "pt"}


def upscale(conditions, source=source):
    return sr(source, conditions, restore=False, **usual).frames[0].float().clamp(0, 1)  # section 8 adds the restorer


plain, anchored = upscale([]), upscale(keyframes)
results = {
    "draft, bicubic": enlarged(draft),
    "SR, no keyframe": plain,
    "SR, keyframe 6": anchored,
    "VAE alone": show(z_hr),
}
details(
    results, KEYFRAME + 2, alt="Frame 8, after the keyframe: bicubic, SR without and with the keyframe, and the ceiling"
)

# %%
rows = {name: as_bytes(made) for name, made in {"true": large, **results}.items()}
show_image(
    figure_image(viz.rows_figure(rows, (0, 3, 5, 6, 7, 9, 12), (KEYFRAME,))),
    alt="Seven frames in five rows: true, bicubic, SR without and with the keyframe at frame 6, and the VAE alone",
)
show_video(
    np.concatenate([rows["draft, bicubic"], rows["SR, keyframe 6"]], axis=2),
    scene.fps,
    alt="Side by side: the draft, enlarged, and Director-SR with one keyframe",
    with_strip=False,
)

# %% [markdown]
# **Notice.** Without a keyframe the model draws edges where the draft had none, but in dB it hardly comes nearer to the
# truth. It cannot know what the sign said. With the keyframe, frame 6 is sharp for any model, because this frame is
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
# For each frame we measure its PSNR and its distance to the keyframe. Then we average over the frames that are equally
# far away, on both sides.

# %%
distance = (torch.arange(NUM_FRAMES) - KEYFRAME).abs()


def by_distance(made):
    """Mean PSNR in dB at each distance 0, 1, 2, ..."""
    each = torch.tensor([psnr(frame, true) for frame, true in zip(made, large)])
    return [each[distance == d].mean().item() for d in range(int(distance.max()) + 1)]


curves = {name: by_distance(made) for name, made in results.items()}
show_image(
    figure_image(viz.keyframe_distance_figure(curves)),
    alt="PSNR over the distance to the keyframe, for bicubic, SR without and with the keyframe, and the VAE alone",
)
gain = [a - b for a, b in zip(curves["SR, keyframe 6"], curves["SR, no keyframe"])]
print("gain by the keyframe, dB, at distance 0, 1, 2, ...:", [round(value, 1) for value in gain])
assert gain[0] > 0  # at the keyframe itself

# %% [markdown]
# **Notice.** At distance 0 the curve with the keyframe meets the ceiling. It falls fast over the first two frames.
# After that it stays somewhat above the curve without a keyframe, up to the ends of the clip.
#
# Two things limit what this figure says. It shows one scene only, and PSNR over all pixels is mostly about sky and
# ground. The share of letters that are read right is a stricter measure:

# %%
show_image(
    figure_image(
        viz.values_figure(
            {name: 100 * letters_read(made) for name, made in results.items()}, "letters read right, per cent"
        )
    ),
    alt="Bars: the share of letters read right, for bicubic, SR without and with the keyframe, and the VAE alone",
)

# %% [markdown]
# ### Exercise 05.4 (2 points)
#
# There may be several keyframes. Write the function that says how far each frame is from the nearest one.


# %%
def keyframe_distance(num_frames, keyframes):
    """keyframes: frame numbers in any order. Returns num_frames whole numbers."""
    ### BEGIN SOLUTION
    return [min(abs(frame - key) for key in keyframes) for frame in range(num_frames)]
    ### END SOLUTION


lab.check_keyframe_distance(keyframe_distance)

# %% [markdown]
# ## 8. Footage is not a draft: the restorer
#
# **Question.** What if the small video is not a draft but real footage?
#
# Then its frames are evidence of what the large frames have to show. The VAE loses a little of everything, so it should
# not have the last word. The *restorer* is a small recurrent network that works after decoding. It is ours; the paper
# has no such step.
#
# Two things are known about a decoded frame $y_t$. When we make it small again, it should be equal to the small frame
# $x_t$. And where only the camera or a character moved, it should show the same as the frame before, in another place.
# So the restorer mixes three pictures:
#
# - *drawn*: the decoded frame $y_t$ as it is;
# - *matched*: the same frame, corrected by the small frame (back-projection, Irani and Peleg 1991);
# - *moved*: the last result $\hat y_{t-1}$, moved by the optical flow $f_t$. The optical flow leads from each pixel $p$
#   to the place where the frame before shows the same thing.
#
# Each pixel has its own three weights $w$, and a rest $r$ is added to the mixture:
#
# $$\hat y_t = w_1\, y_t + w_2 \big(y_t + \uparrow (x_t - \downarrow y_t)\big) + w_3\, \hat y_{t-1}(p + f_t) + r_t,
#   \qquad w_1 + w_2 + w_3 = 1,$$
#
# Here $\downarrow$ is the mean of 2 x 2 pixels, and $\uparrow$ is bicubic enlarging.
#
# **Why a network?** No simple rule says which of the three pictures is right at which pixel. Small frames may be
# blurred or compressed, and optical flow is wrong where something comes out from behind something else. So the network
# learns the optical flow, the weights $w$ and the rest $r$ (after Sajjadi et al. 2018).
#
# **Two directions.** A keyframe is taken as it is, and its detail is carried on to the frames after it. To carry the
# detail to the frames *before* it, the network runs twice (BasicVSR, Chan et al. 2021). It first runs backwards from
# the keyframe, with $\hat y_{t+1}$ in the place of $\hat y_{t-1}$. Then it runs forwards, with the result of the
# backward run in the place of $y_t$. The backward run needs a block of frames at once. A block ends with a keyframe,
# before a cut, or after 16 frames.
#
# **Still things.** At the end, a filter keeps still what surely stands still. Where the small frame has not changed
# within two pixels around, a pixel keeps 95 % of the last frame (Dubois and Sabri 1984).
#
# We try all this on three sources: on the true small frames, on the same frames from a file (H.264), and on the draft.

# %%
restorer = sr.restorer
print(f"{sum(weight.numel() for weight in restorer.parameters()):,} weights")


def by_the_formula(y, x, is_given, last, hint=None):
    """Restore one frame. Returns the step and its mean rest. y: (1, 3, 2H, 2W); x: (1, 3, H, W), both in [-1, 1]."""
    step = restorer(y, x, torch.tensor([is_given]), last, hint)
    matched = y + F.interpolate(x - F.avg_pool2d(y, 2), scale_factor=2, mode="bicubic", align_corners=False)
    moved = warp(last.frame, large_flow(step.flow), "bicubic") if last else y
    mixture = (step.weights[:, :, None] * torch.stack([y, matched, moved], dim=1)).sum(dim=1)
    return step, float((step.frame - mixture).abs().mean())


def restored_by_hand(drawn, low, given):
    """Restore a clip in both directions. Returns the steps of the forward run, and the sizes of their rests.

    drawn: (T, 3, 2H, 2W); low: (T, 3, H, W); given: the keyframes, by their index.
    """
    ys, xs = list(drawn.split(1)), low.split(1)
    results, rests, last = [], [], None
    for block in (range(KEYFRAME + 1), range(KEYFRAME + 1, len(ys))):
        after, hints = None, {}
        for k in reversed(block):
            after, _ = by_the_formula(given.get(k, ys[k]), xs[k], k in given, after)
            ys[k], hints[k] = after.frame, after.hidden
        for k in block:
            last, rest = by_the_formula(ys[k], xs[k], k in given, last, hints[k])
            results.append(last)
            rests.append(0.0 if k in given else rest)
    return results, rests


# %%
with torch.no_grad():
    drawn = upscale(keyframes, small.transpose(0, 1) * 2 - 1)
    given = {KEYFRAME: large[KEYFRAME : KEYFRAME + 1] * 2 - 1}
    results, rests = restored_by_hand(drawn * 2 - 1, small * 2 - 1, given)
    theirs = sr(small.transpose(0, 1) * 2 - 1, keyframes, **usual).frames[0]
by_hand, shown = [], None
for k, step in enumerate(results):
    shown = keep_still(step.frame.clamp(-1, 1), small[k : k + 1] * 2 - 1, None if k == KEYFRAME else shown)
    by_hand.append(shown[0])
restored = (torch.cat(by_hand) + 1) / 2
assert torch.allclose(restored, theirs, atol=1e-4)
shares = torch.stack([step.weights.mean(dim=(0, 2, 3)) for step in results[1:]]).mean(dim=0)
print("taken on average: " + ", ".join(f"{n} {s:.0%}" for n, s in zip(("drawn", "matched", "moved"), shares)))
print(f"the rest that is added: {np.mean(rests) / 2:.1%} of the range")

# %%
weights = torch.cat([step.weights for step in results])  # red: drawn, green: matched, blue: moved


def wrong(made):
    return as_bytes((6 * (made - large).abs()).clamp(max=1))


show_image(
    figure_image(
        viz.rows_figure(
            {
                "restored": as_bytes(restored),
                "w": as_bytes(weights),
                "error before": wrong(drawn),
                "after": wrong(restored),
            },
            (0, 3, 5, 6, 7, 9, 12),
            (KEYFRAME,),
        )
    ),
    alt="Restored frames, the weights of the three pictures, and the error before and after, amplified 6 times",
)

# %% [markdown]
# **Notice.** The row $w$ shows the weights of the forward run. Red stands for the drawn picture, which in this run is
# the result of the backward run. Green stands for the matched picture, and blue for the moved one. Where something new
# comes into sight there is nothing to move. Frame 6 has no error, because it was given. On both sides of frame 6 the
# error is smaller than before.
#
# How much is the restorer worth for each of the three sources? Besides the two measures from above we print the
# *flicker*. It is the change from frame to frame where the true video stands still, relative to the truth: 1 means as
# steady as the truth.

# %%
sources, made = {"footage": small, "file": compress(small, 23), "draft": draft}, {}
for name, low in sources.items():
    made[f"{name}, bicubic"] = enlarged(low)
    for restore in (False, True):
        label = "restored" if restore else "not restored"
        upscaled = sr(low.transpose(0, 1) * 2 - 1, keyframes, restore=restore, **usual)
        made[f"{name}, {label}"] = upscaled.frames[0].float()
free = torch.arange(NUM_FRAMES) != KEYFRAME
for name, frames in made.items():
    error = -10 * (frames[free] - large[free]).square().mean().log10()
    unsteady = flicker(frames, large)
    print(f"{name:21} {error:5.1f} dB, {100 * letters_read(frames):3.0f} % of the letters read, flicker {unsteady:.2f}")

# %% [markdown]
# **Notice.** The decibels leave out the keyframe itself. The restorer is worth most for footage. It is worth less for a
# file, because the small frames no longer show what compression took away. The draft gains as well: the keyframe's
# detail is carried on where the draft stands still or moves with the camera.
#
# Real drafts come from stage one, and they are wrong where something moves by itself. There no optical flow leads to
# the keyframe. The frames beside the keyframe stay soft, and the keyframe stands out.
#
# ## 9. Look for yourself
#
# Drag the border. To its left you see the enlarged draft, and to its right Director-SR with the keyframe. Where nothing
# can be dragged, the figure shows the two, one above the other.

# %%
frame = KEYFRAME + 1
two = {name: rows[name] for name in ("draft, bicubic", "SR, keyframe 6")}
show_image(
    figure_image(viz.rows_figure(two, (frame - 1, frame, frame + 1), (KEYFRAME,))),
    alt="Three frames from the keyframe on: the enlarged draft above, Director-SR with the keyframe below",
)
comparison_slider(two["draft, bicubic"][frame], two["SR, keyframe 6"][frame], tuple(two), scale=5)

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
# - Footage, unlike a draft, is evidence of what each large frame shows and how it moves. The restorer puts back what
#   the VAE loses, and carries a keyframe's detail on to other frames.
# - `smartdirector upscale` does this for a video file of any length, with or without keyframes.
#
# **Next:** In [notebook 06](06_train_your_own.ipynb) you train a model yourself, on clips that you draw.

# %%
lab.summary("05")
