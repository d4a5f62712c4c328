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

from smartdirector_lite import ChunkPlan, Condition, VideoCondition, load_director
from smartdirector_lite.course import lab
from smartdirector_lite.evaluation.metrics import flicker
from smartdirector_lite.evaluation.reading import read_letter
from smartdirector_lite.vae.multichunk import decode, encode_video
from smartdirector_lite.course.notebook import image, video
from smartdirector_lite.sr.restorer import large_flow, warp
from smartdirector_lite.sr.sizes import resize, upsample_latents
from smartdirector_lite.sr.temporal_filter import GAIN, TemporalFilter
from smartdirector_lite.toyworld import HELD_OUT_SEED, render, sample_scene, scene_truth
from smartdirector_lite.training.degrade import compress
from smartdirector_lite.training.sr import SRConfig, TrainedSR, sr_loss
from smartdirector_lite.training.stage import build_transformer
from smartdirector_lite.course.figures import sr as viz
from smartdirector_lite.course.widgets import comparison_slider

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
# Anchors are put back after each step. We do it by hand, in four steps, and compare with the pipeline's latents.

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
# the keyframe in the middle. Without it there is one chunk less, and no anchor. From here on we take as many steps as
# the model itself: one. The way is so short that more are hardly better.


# %%
usual = {"num_inference_steps": director.sr_steps, "output_type": "pt"}


def upscale(conditions, source=source):
    return sr(source, conditions, restore=False, **usual).frames[0].float().clamp(0, 1)  # section 8 has the restorer


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
# ## 8. Footage is not a draft: the restorer
#
# **Question.** What if the small video is no draft, but true? Then its frames are evidence, and the VAE, which loses a
# little of everything, should not have the last word. Two things are known of a decoded frame $y_t$. Made small again,
# it should be $x_t$, the small frame. And where nothing but the camera or a character moved, it should show what the
# frame before showed, in another place. So take three pictures: the one that was drawn, the same *matched* to the small
# frame (back-projection, Irani and Peleg 1991), and the last result *moved* along the flow $f_t$ from the small frame
# before to this one:
#
# $$\hat y_t = w_1\, y_t + w_2 \big(y_t + \uparrow (x_t - \downarrow y_t)\big) + w_3\, \hat y_{t-1}(p + f_t) + r_t,
#   \qquad w_1 + w_2 + w_3 = 1,$$
#
# with $\downarrow$ the mean of 2 x 2 pixels and $\uparrow$ bicubic. Which of the three is right where is hard to say by
# rule: small frames may be blurred or compressed, and flow is wrong where something comes out from behind something
# else. A small recurrent network says it ($w$, for each pixel), finds the flow, and adds a rest $r$ that it has learnt
# (after Sajjadi et al. 2018; ours, the paper has no such step). A keyframe is taken as it is, and lives on in the
# frames after it. So that it also reaches the frames *before* it, everything is done twice (BasicVSR, Chan et al.
# 2021): first backwards from the keyframe, with $\hat y_{t+1}$ in place of $\hat y_{t-1}$, and then forwards, with the
# result of that in place of $y_t$. For this a block of frames must be there; it ends with a keyframe, before a cut, or
# after 16. Last, what surely stands still is kept still: where the small frame has not changed for two pixels around,
# 95 % of the last frame stay (Dubois and Sabri 1984). We try it on true small frames, on the same from a file (H.264),
# and on the draft.

# %%
restorer = sr.restorer
print(f"{sum(weight.numel() for weight in restorer.parameters()):,} weights")


def by_the_formula(y, x, is_given, last, hint=None):
    """One frame, y: (1, 3, 2H, 2W) by x: (1, 3, H, W), both in [-1, 1]; and the mean of the rest that was added."""
    step = restorer(y, x, torch.tensor([is_given]), last, hint)
    matched = y + F.interpolate(x - F.avg_pool2d(y, 2), scale_factor=2, mode="bicubic", align_corners=False)
    moved = warp(last.frame, large_flow(step.flow), "bicubic") if last else y
    mixture = (step.weights[:, :, None] * torch.stack([y, matched, moved], dim=1)).sum(dim=1)
    return step, float((step.frame - mixture).abs().mean())


def restored_by_hand(drawn, low, given):
    """drawn: (T, 3, 2H, 2W), low: (T, 3, H, W); given: frames by their index. The steps forwards, and the rests."""
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
by_hand = torch.stack([step.frame[0] for step in results], dim=1)[None].clamp(-1, 1)
low = small.transpose(0, 1)[None] * 2 - 1
by_hand = TemporalFilter(GAIN)(by_hand, low, [k == KEYFRAME for k in range(NUM_FRAMES)])
restored = (by_hand[0].transpose(0, 1) + 1) / 2
assert torch.allclose(restored, theirs, atol=1e-4)
shares = torch.stack([step.weights.mean(dim=(0, 2, 3)) for step in results[1:]]).mean(dim=0)
print("taken on average: " + ", ".join(f"{n} {s:.0%}" for n, s in zip(("drawn", "matched", "moved"), shares)))
print(f"the rest that is added: {np.mean(rests) / 2:.1%} of the range")

# %%
weights = torch.cat([step.weights for step in results])  # red: drawn, green: matched, blue: moved


def wrong(made):
    return as_bytes((6 * (made - large).abs()).clamp(max=1))


image(
    viz.picture(
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
    alt="Restored frames, where each pixel comes from, and the error before and after, 6 times amplified",
)

# %% [markdown]
# **Notice.** In the row $w$, of the way forwards, red is what was drawn, which by then is the result of the way
# backwards; green is what was matched, blue what was moved. Where something new comes into sight there is nothing to
# move. The error of frame 6 is none: it was given; and it is smaller on both sides of it. Now what it is worth, and
# where:

# %%
sources, made = {"footage": small, "file": compress(small, 23), "draft": draft}, {}
for name, low in sources.items():
    made[f"{name}, bicubic"] = enlarged(low)
    for restore in (False, True):
        label = "restored" if restore else "not restored"
        made[f"{name}, {label}"] = sr(low.transpose(0, 1) * 2 - 1, keyframes, restore=restore, **usual).frames[0].float()
free = torch.arange(NUM_FRAMES) != KEYFRAME
for name, frames in made.items():
    error = -10 * (frames[free] - large[free]).square().mean().log10()
    unsteady = flicker(frames, large)
    print(f"{name:20} {error:5.1f} dB, {100 * letters_read(frames):3.0f} % of the letters read, flicker {unsteady:.2f}")

# %% [markdown]
# **Notice.** The keyframe itself is left out of the decibels. From footage the restorer is worth most, from a file less:
# what compression took, nothing small can show. The draft gains as well, for the keyframe's detail lives on where the
# draft holds still or moves with the camera. Real drafts, those of stage one, are wrong where something moves by
# itself; there no flow leads to the keyframe, the frames beside it stay soft, and the keyframe stands out.
#
# ## 9. Look for yourself
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
# - Footage, unlike a draft, is evidence of what a frame shows at half the size, and of how it moves: the restorer puts
#   back what the VAE loses of it, and carries a keyframe's detail on.
# - `smartdirector upscale` does this to a video file of any length, with or without keyframes.
#
# **Next:** in 06 you train a model yourself, on clips that you draw.

# %%
lab.summary("05")
