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
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/THIS_REPOSITORY/blob/main/notebooks/05_director_sr.ipynb)
#
# **Goals.** Stage one films a small draft. Stage two, Director-SR, enlarges it, and the original keyframes lend it
# their detail. You see what is lost at half the size, choose where the flow from low to high resolution (LR to HR)
# starts, write its loss and its sampler, and measure how far a keyframe's detail reaches.
#
# **Time.** About 40 minutes.
#
# **Needs.** Notebooks 02 (chunks and anchors) and 04 (flow matching). A CPU is enough; nothing is downloaded.

# %%
# On Colab or another fresh machine: get the package, and leave torch and numpy as they are. Here this does nothing.
import importlib.metadata, importlib.util, subprocess, sys

if importlib.util.find_spec("smartdirector_lite") is None:
    kept = [f"{n}=={importlib.metadata.version(n)}" for n in ("torch", "numpy") if importlib.util.find_spec(n)]
    package = "smartdirector-lite[notebooks] @ git+https://github.com/THIS_REPOSITORY"
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", package, *kept], check=True)

# %%
import numpy as np
import torch
from torch.nn import functional as F

from smartdirector_lite import ChunkPlan, Condition, VideoCondition, lab, load_director
from smartdirector_lite.evaluation.metrics import flicker
from smartdirector_lite.evaluation.reading import read_letter
from smartdirector_lite.multichunk import decode, encode_video
from smartdirector_lite.notebook import image, video
from smartdirector_lite.pipelines.back_projection import YCBCR, back_project
from smartdirector_lite.pipelines.sizes import resize, upsample_latents
from smartdirector_lite.pipelines.temporal_filter import TemporalFilter
from smartdirector_lite.toyworld import HELD_OUT_SEED, render, sample_scene, scene_truth
from smartdirector_lite.training.degrade import compress
from smartdirector_lite.training.sr import SRConfig, TrainedSR, sr_loss
from smartdirector_lite.training.stage import build_transformer
from smartdirector_lite.viz import sr as viz
from smartdirector_lite.widgets import comparison_slider

HEIGHT, WIDTH, NUM_FRAMES = 64, 112, 13  # HR; LR is half of it
KEYFRAME = 6  # the one frame that is known in full size

# %% [markdown]
# ## 1. What half a size loses
#
# **Question.** What is in a large frame and not in the small one? Take a toy scene with a sign, rendered large. Halve
# it, and let the draft be what stage one could give at best: the small video, once through the VAE. Then enlarge it
# again.
#
# One video tensor is `(T, 3, H, W)` in $[0, 1]$ here, and a VAE wants `(1, 3, T, H, W)` in $[-1, 1]$.

# %%
director = load_director()
vae = director.gen.vae
scene = sample_scene(HELD_OUT_SEED + 157, 13, num_shots=1)
plan = ChunkPlan.build(NUM_FRAMES, [Condition(KEYFRAME)], stride=4)
print(scene.description)
print(plan.table())


def encode(frames):
    """(T, 3, H, W) in [0, 1] -> (1, C, F, h, w), under our plan."""
    return encode_video(vae, plan, frames.transpose(0, 1)[None] * 2 - 1)


def show(latents):
    """(1, C, F, h, w) -> (T, 3, H, W) in [0, 1]."""
    return (decode(vae, plan, latents)[0].transpose(0, 1) / 2 + 0.5).clamp(0, 1)


def enlarged(frames):
    """(T, 3, H, W) in [0, 1] -> (T, 3, 2H, 2W), bicubic, the library's way."""
    height, width = frames.shape[-2:]
    return (resize(frames.transpose(0, 1)[None] * 2 - 1, (2 * height, 2 * width))[0].transpose(0, 1) + 1) / 2


large = render(scene, HEIGHT, WIDTH)
small = F.avg_pool2d(large, 2)
draft = show(encode(small))
videos = {"HR": large, "half size, enlarged": enlarged(small), "draft, enlarged": enlarged(draft)}

# %% [markdown]
# Two measures. PSNR over all pixels, in dB, says how near the pixels are. And since we know which letters stand
# where, a small reader can try them: it compares each letter's box with the toy world's own alphabet. What counts is
# the share of letters it reads right.

# %%
letters = [
    (truth.frame, letter) for truth in scene_truth(scene, HEIGHT, WIDTH) for letter in truth.letters if letter.clear
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
    """The sign in one frame of several videos, with both measures."""
    notes = {
        name: f"{min(psnr(made), 99):.1f} dB, {100 * letters_read(made):.0f} % read" for name, made in videos.items()
    }
    pictures = {name: as_bytes(made)[frame] for name, made in videos.items()}
    image(viz.picture(viz.details_figure(pictures, sign, notes)), alt=alt)


details(videos, 2, alt="One frame in HR, halved and enlarged, and as an enlarged draft; below each the sign, enlarged")

# %% [markdown]
# **Notice.** Halving alone blurs the letters, and you can still read them. The draft is another matter: at half the
# size a letter is smaller than one 8 x 8 cell of the VAE, and what comes back is a smudge. The reader still gets some
# of it right, for it knows the alphabet and where each letter stands; you would not. No upsampler can bring back what
# isn't there. Something that knows the sign has to tell. The numbers below a detail are those of the whole clip; 99
# dB stands for "the same".
#
# ### Exercise 05.1 (2 points)
#
# Halve a video without `avg_pool2d`: each new pixel is the mean of the 2 x 2 that it covers.


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
# **Question.** Director-SR works on HR-sized latents. How do you get some from a small video? There are two ways,
# with $E$ for encoding and $\uparrow$ for enlarging:
#
# $$z_{LR} = \uparrow E(x) \ \text{(latent, the paper's)}, \quad z_{LR} = E(\uparrow x) \ \text{(pixel, ours)}.$$
#
# The first needs no decoded frames and no second pass through the encoder. But is an enlarged latent still a latent
# that the decoder understands? In plain torch the first is one interpolation over height and width:

# %%
z_small, z_hr = encode(draft), encode(large)
batch, channels, frames, height, width = z_small.shape
flat = z_small.transpose(1, 2).flatten(0, 1)  # (B F, C, h, w): every latent frame an image
flat = F.interpolate(flat, scale_factor=2, mode="bilinear", align_corners=False)
z_latent = flat.unflatten(0, (batch, frames)).transpose(1, 2)
assert torch.allclose(z_latent, upsample_latents(z_small), atol=1e-5)
z_pixel = encode(enlarged(draft))
print("LR", tuple(z_small.shape), "-> start", tuple(z_latent.shape), "and HR", tuple(z_hr.shape))

# %%
starts = {"latent": show(z_latent), "pixel": show(z_pixel), "HR through the VAE": show(z_hr)}
details(starts, 2, alt="The two starts of the flow, decoded, and HR through the VAE; below each the sign, enlarged")
scores = {f"start: {name}" if name != "HR through the VAE" else name: psnr(made) for name, made in starts.items()}
image(
    viz.picture(
        viz.values_figure(
            {"draft, bicubic": psnr(videos["draft, enlarged"]), **scores}, "PSNR to the true HR video, dB"
        )
    ),
    alt="Bars: PSNR of the bicubic draft, of the two starts, and of HR through the VAE, which is the ceiling",
)

# %% [markdown]
# **Notice.** With this VAE the enlarged latents decode badly: it wasn't trained for latents that scale. The pixel
# start gives the draft back, soft but whole. A model can learn to begin at either, and `upsample` says which one it
# was trained with. The last bar is the **ceiling**: HR, once through the VAE. Director-SR can't beat it, and it isn't
# very high; the tiny VAE is the weakest part of the bundled model.
#
# ## 3. A flow from LR to HR
#
# **Question.** Flow matching goes from noise to data. Must it be noise? No: any start will do. Director-SR's flow
# goes from the LR latents, $t = 1$, to the HR latents, $t = 0$:
#
# $$x_t = (1 - t)\, z_{HR} + t\, z_{LR}, \qquad v = z_{LR} - z_{HR}.$$
#
# The same formula as in 04, with $z_{LR}$ in the place of the noise. So the start already holds the composition, the
# colours, the motion; the way is short, and a few steps do. The smallest example, one value of a latent:

# %%
lr, hr = 0.4, 1.0
for t in (1.0, 0.5, 0.0):
    print(f"t = {t}: x_t = {(1 - t) * hr + t * lr:.1f}, v = {lr - hr:.1f}")
ways = {
    "from LR": (z_pixel - z_hr).square().mean().sqrt(),
    "from noise": (torch.randn_like(z_hr) - z_hr).square().mean().sqrt(),
}
print("length of the way, root mean square:", {name: round(way.item(), 2) for name, way in ways.items()})
image(
    viz.picture(viz.paths_figure(z_pixel[0, :5, 4, 3, 6], z_hr[0, :5, 4, 3, 6], "LR", "HR")),
    alt="Straight paths of five latent values from their LR value at t = 1 to their HR value at t = 0",
)

# %% [markdown]
# **Anchors.** At a keyframe we have the original in full size. Its HR latent takes the LR latent's place: clean, at
# time 0, and attended to by every other latent. The rest starts at $t = 1$.
#
# ### Exercise 05.2 (2 points)
#
# Make the start of the flow for a batch of clips with anchors of their own, and the time of each latent frame there.


# %%
def start_of_flow(z_lr, z_hr, anchors):
    """z_lr, z_hr (B, C, F, h, w), anchors (B, F) bool -> start (B, C, F, h, w), times (B, F)."""
    ### BEGIN SOLUTION
    start = torch.where(anchors[:, None, :, None, None], z_hr, z_lr)
    return start, (~anchors).float()
    ### END SOLUTION


lab.check_start_of_flow(start_of_flow)

# %% [markdown]
# **The loss** is the mean squared error of $v$ over the latents that are not anchors, as for Director-Gen. Inline,
# and asserted to be the library's `sr_loss` on a small random transformer:


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
transformer = build_transformer(config, vae)  # its last layer is zero: v = 0, the start stays as it is
torch.nn.init.normal_(transformer.proj_out.weight, std=0.02)  # not here, or any two losses would agree
anchors, tau = torch.tensor([plan.anchors]), torch.tensor([plan.tau()])
given = {"z_lr": z_pixel, "z_hr": z_hr, "anchors": anchors, "tau": tau, "t": torch.tensor([0.7])}
with torch.no_grad():
    ours, theirs = loss_of(TrainedSR(transformer), **given), sr_loss(TrainedSR(transformer), given)["loss"]
assert torch.allclose(ours, theirs, rtol=1e-4)
print(f"ours {ours:.4f}, the library's {theirs:.4f}")

# %% [markdown]
# ## 4. The model
#
# The bundled model's second stage has the same VAE, and a transformer of its own. It was trained with this very loss,
# on pairs of clips in both sizes: the small ones are drafts of stage one, or were spoilt as the world does it.

# %%
sr = director.sr
sr.set_progress_bar_config(disable=True)
print(f"{sum(weight.numel() for weight in sr.transformer.parameters()) / 1e6:.1f} million weights")
print(f"it starts from {sr.config.upsample} upsampling")

# %% [markdown]
# ## 5. The sampler by hand
#
# **Question.** How does one get from $z_{LR}$ to $z_{HR}$ with a model of $v$? In Euler steps from $t = 1$ down to 0:
#
# $$x \leftarrow x - (t - t')\, v(x, t).$$
#
# Anchors are put back after each step. We do it by hand, and compare with the pipeline's latents.

# %%
pixel = sr.config.upsample == "pixel"
z_start = z_pixel if pixel else upsample_latents(z_small)
steps = 4


@torch.no_grad()
def integrate(x, z_anchor, steps):
    """From LR latents to HR latents, (1, C, F, h, w); anchors are z_anchor's."""
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
# Write the integrator for any velocity: `velocity(x, t)` is asked once a step, where the step begins.


# %%
def euler(velocity, z_lr, steps):
    """velocity(x, t) -> like x. From z_lr at t = 1 in equal steps; returns x at t = 0."""
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
# **Question.** What does one keyframe in full size change? The same draft, the same model, once without and once with
# the keyframe in the middle. Without it there is one chunk less, and no anchor.


# %%
def upscale(conditions, source=source):
    options = {"num_inference_steps": steps, "back_projection": 0.0, "temporal_filter": 0.0}  # see sections 8 and 9
    return sr(source, conditions, output_type="pt", **options).frames[0].float().clamp(0, 1)


plain, anchored = upscale([]), upscale(keyframes)
results = {
    "draft, bicubic": enlarged(draft),
    "SR, no keyframe": plain,
    "SR, keyframe 6": anchored,
    "VAE alone": show(z_hr),
}
details(
    results, KEYFRAME + 2, alt="Two frames after the keyframe: bicubic, SR without and with the keyframe, the ceiling"
)

# %%
rows = {name: as_bytes(made) for name, made in {"true": large, **results}.items()}
image(
    viz.picture(viz.rows_figure(rows, (0, 3, 5, 6, 7, 9, 12), (KEYFRAME,))),
    alt="Seven frames in five rows: true, bicubic, SR without and with the keyframe at frame 6, and the VAE alone",
)
video(
    np.concatenate([rows["draft, bicubic"], rows["SR, keyframe 6"]], axis=2),
    scene.fps,
    alt="Side by side: the draft, enlarged, and Director-SR with one keyframe",
    with_strip=False,
)

# %% [markdown]
# **Notice.** Without a keyframe the model draws edges where the draft had none, but hardly comes nearer to
# the truth in dB: it can't know what the sign said. Frame 6 is sharp in the row with the keyframe, whatever the
# model: there it shows `decode(encode(keyframe))`. How much of that reaches the other frames is what the model has
# learnt: most of the sign comes back in all frames, also in those before the keyframe, since attention runs both ways
# in time. The character, which moves, gets less.
#
# ## 7. How far does a keyframe reach?
#
# **Question.** Does detail fade with the distance to the nearest keyframe? For each frame we take its PSNR and its
# distance, and average what lies equally far away, on both sides.

# %%
distance = (torch.arange(NUM_FRAMES) - KEYFRAME).abs()


def by_distance(made):
    """Mean PSNR in dB at each distance 0, 1, 2, ..."""
    each = torch.tensor([psnr(frame, true) for frame, true in zip(made, large)])
    return [each[distance == d].mean().item() for d in range(int(distance.max()) + 1)]


curves = {name: by_distance(made) for name, made in results.items()}
image(
    viz.picture(viz.distance_figure(curves)),
    alt="PSNR against the distance to the keyframe for bicubic, SR without and with keyframe, and the VAE alone",
)
gain = [a - b for a, b in zip(curves["SR, keyframe 6"], curves["SR, no keyframe"])]
print("gain by the keyframe, dB, at distance 0, 1, 2, ...:", [round(value, 1) for value in gain])
assert gain[0] > 0  # at the keyframe itself

# %% [markdown]
# **Notice.** At distance 0 the curve with the keyframe meets the ceiling. It falls fast over the first two frames,
# and then stays somewhat above the curve without, to the ends of the clip. Remember two things before you read much
# into it: this is one scene, and PSNR over all pixels is mostly about sky and ground. The share of letters read is
# the stricter question:

# %%
image(
    viz.picture(
        viz.values_figure(
            {name: 100 * letters_read(made) for name, made in results.items()}, "letters read right, per cent"
        )
    ),
    alt="Bars: share of letters read right for bicubic, SR without and with the keyframe, and the VAE alone",
)

# %% [markdown]
# ### Exercise 05.4 (2 points)
#
# With several keyframes, how far is each frame from the nearest one?


# %%
def keyframe_distance(num_frames, keyframes):
    """keyframes: frame numbers in any order. Returns num_frames whole numbers."""
    ### BEGIN SOLUTION
    return [min(abs(frame - key) for key in keyframes) for frame in range(num_frames)]
    ### END SOLUTION


lab.check_keyframe_distance(keyframe_distance)

# %% [markdown]
# ## 8. Footage is not a draft: back-projection
#
# **Question.** What if the small video is no draft, but true? Then its frames are evidence, and the VAE, which loses a
# little of everything, should not have the last word. Make the result small again, compare, enlarge what is missing,
# and add it (Irani and Peleg 1991; ours, the paper has no such step): with $\downarrow$ the mean of 2 x 2 pixels,
# $\uparrow$ bicubic, and $\bar d$ the mean of $d$ over 17 x 17 pixels,
#
# $$d = x_{LR} - \downarrow\! y, \qquad y \leftarrow y + g \uparrow\!\big(\bar d + w\,(d - \bar d)\big), \qquad
#   w = \min\left(1, \frac{e(x_{LR}) + \epsilon}{e(\downarrow\! y) + \epsilon}\right)^2.$$
#
# What is coarse, $\bar d$, any small frame shows. For what is fine, $w$ says how far it can be trusted. $e$ is the
# energy of fine detail around a pixel: what a mean over 3 x 3 takes away, squared, in the mean over 9 x 9. Where the
# small frames have less of it than the result, they are blurred, and the result has mended what they lost. With
# $w = 1$ everywhere it would be lost once more. All this is done to luma and chroma apart, each with a $w$ of its own:
# a video file keeps its colours at half the size, so that its chroma is blurred where its luma is sharp. We try all
# three: true small frames, the same from a file (H.264), and the draft.


# %%
ycbcr = torch.tensor(YCBCR)  # a row of luma, two of chroma


def mixed(matrix, x):
    return torch.einsum("ij,tjhw->tihw", matrix, x)


def mean_around(x, reach):
    return F.avg_pool2d(x, 2 * reach + 1, stride=1, padding=reach, count_include_pad=False)


def energy(x):
    return mean_around((x - mean_around(x, 1)).square().sum(dim=1, keepdim=True), 4)


def back_projected(y, low, g, trusting=False):
    """y: (T, 3, 2H, 2W), low: (T, 3, H, W), both in [0, 1]. trusting: w = 1 everywhere."""
    low, again = mixed(ycbcr, low), mixed(ycbcr, F.avg_pool2d(y, 2))
    coarse = mean_around(low - again, 8)
    parts = zip(low.split((1, 2), dim=1), again.split((1, 2), dim=1))
    luma, chroma = (((energy(a) + 1e-5) / (energy(b) + 1e-5)).clamp(max=1) ** 2 for a, b in parts)
    w = 1 if trusting else torch.cat([luma, chroma, chroma], dim=1)
    missing = mixed(ycbcr.inverse(), coarse + w * (low - again - coarse))
    return (y + g * F.interpolate(missing, scale_factor=2, mode="bicubic", align_corners=False)).clamp(0, 1)


drawn, sources = {}, {"footage": small, "file": compress(small, 23), "draft": draft}
for name, low in sources.items():
    made = plain if name == "draft" else upscale([], low.transpose(0, 1) * 2 - 1)
    given = [frames.transpose(0, 1)[None] * 2 - 1 for frames in (made, low)]
    theirs = (back_project(*given, 1.0)[0].transpose(0, 1) + 1) / 2
    drawn |= {f"{name}, g = 0": made, f"{name}, w = 1": back_projected(made, low, 1.0, trusting=True)}
    drawn[f"{name}, w"] = back_projected(made, low, 1.0)
    assert torch.allclose(drawn[f"{name}, w"], theirs, atol=1e-5)
for name, made in ({f"{name}, bicubic": enlarged(low) for name, low in sources.items()} | drawn).items():
    print(f"{name:16} {psnr(made):5.1f} dB, {100 * letters_read(made):3.0f} % of the letters read")
shown = {name: made for name, made in drawn.items() if not name.startswith("file")}
details(shown, KEYFRAME + 2, alt="The sign from footage and draft, without back-projection, with w = 1, with w")

# %% [markdown]
# **Notice.** From footage, back-projection is worth a decibel, and costs no training. From a file it is worth less:
# what compression took, nothing small can show. The draft is another matter: what stage two has mended in it is
# exactly what it contradicts. With $w = 1$ decibels are gained, and the smear is back; $w$ sees that the draft has
# the less detail there, and leaves the sign as it was drawn. So `smartdirector upscale` goes all of the way wherever
# the frames can be trusted ($g = 1$), and a storyboard's second stage does not go at all.
#
# ## 9. What stands still should not flicker: a temporal filter
#
# **Question.** Each frame has errors of its own, and errors that change from frame to frame are seen even where they
# are small: a wall seems to boil. Could a still pixel simply stay what it was? The small frames tell where the video
# stands still. There, keep most of the frame before (Dubois and Sabri 1984; ours, the paper has no such step):
#
# $$w_t = g \max\!\left(0, 1 - \tfrac{255}{4} \max |x_{LR,t} - \bar x_{t-1}|\right), \qquad
#   y_t \leftarrow y_t + w_t\,(y_{t-1} - y_t), \qquad \bar x_t = x_{LR,t} + w_t\,(\bar x_{t-1} - x_{LR,t}),$$
#
# where the inner $\max$ is over the channels and two pixels around. $\bar x$ is what the pixel is held against: were
# it the frame before, a slow fade would never be noticed.


# %%
def filtered(y, low, g):
    """y: (T, 3, 2H, 2W), low: (T, 3, H, W), both in [0, 1]."""
    result, held = [y[:1]], low[:1]
    for frame, now in zip(y[1:].split(1), low[1:].split(1)):
        change = (now - held).abs().amax(dim=1, keepdim=True)
        w = g * (1 - 255 / 4 * F.max_pool2d(change, 5, stride=1, padding=2)).clamp(min=0)
        held = now + w * (held - now)
        result.append(frame + F.interpolate(w, scale_factor=2, mode="bilinear") * (result[-1] - frame))
    return torch.cat(result)


projected = drawn["footage, w"]
steady = filtered(projected, small, 0.95)
given = [frames.transpose(0, 1)[None] * 2 - 1 for frames in (projected, small)]
theirs = (TemporalFilter(0.95)(*given, [False] * NUM_FRAMES)[0].transpose(0, 1) + 1) / 2
assert torch.allclose(steady, theirs, atol=1e-5)
changes = {"true": large, "before": projected, "filtered": steady}
for name, made in changes.items():
    print(f"{name:10} {min(psnr(made), 99):5.1f} dB, flicker where nothing moves {flicker(made, large):.2f}")
amplified = {name: as_bytes((30 * made.diff(dim=0).abs()).clamp(max=1)) for name, made in changes.items()}
image(
    viz.picture(viz.rows_figure(amplified, (0, 2, 4, 6, 8, 10), ())),
    alt="Changes from frame to frame, 30 times amplified: of the true video, before the filter, and after it",
)

# %% [markdown]
# **Notice.** What moves is as it was. What stands still went on changing, most at its outlines, and now hardly does. In
# decibels that is next to nothing, for the changes were small; the eye sees them all the same. The pipeline leaves a
# keyframe exactly as it is, and what stands still after it keeps its look.
#
# ## 10. Look for yourself
#
# Drag the border: left of it the enlarged draft, right of it Director-SR with the keyframe. The figure below shows
# the two side by side, for where nothing can be dragged.

# %%
frame = KEYFRAME + 1
two = {name: rows[name] for name in ("draft, bicubic", "SR, keyframe 6")}
image(
    viz.picture(viz.rows_figure(two, (frame - 1, frame, frame + 1), (KEYFRAME,))),
    alt="Three frames around the keyframe: the enlarged draft above, Director-SR with the keyframe below",
)
comparison_slider(two["draft, bicubic"][frame], two["SR, keyframe 6"][frame], tuple(two), scale=5)

# %% [markdown]
# ## Recap
#
# - A draft loses what is smaller than a latent cell. Enlarging can't bring it back; a keyframe in full size can.
# - Director-SR is flow matching with $z_{LR}$ where the noise was: a short way, few steps, and no dice.
# - Its start is either enlarged latents or encoded enlarged frames. Which is better depends on the VAE.
# - Anchors are HR latents at time 0. At the keyframe they reach the VAE's ceiling by construction; beyond it, that is
#   up to what the model has learnt.
# - Footage, unlike a draft, is evidence: back-projection puts back what the VAE loses of it.
# - Where the small frames stand still, so should the result: a recursive filter over time sees to it.
# - `smartdirector upscale` does this to a video file of any length, with or without keyframes.
#
# **Next:** in 06 you train a model yourself, on clips that you draw.

# %%
lab.summary("05")
