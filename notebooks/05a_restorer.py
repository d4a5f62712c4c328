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
# # 05a Appendix: the restorer
#
# [Notebook 05](05_director_sr.ipynb) enlarges a draft. There the VAE has the last word, and nothing can be sharper than
# what its decoder shows. This appendix is about small videos that are real footage, and about a network that works
# *after* the decoder. You need it only if you want to enlarge footage, or to change the restorer.
#
# > **The paper.** SmartDirector, [arXiv 2605.27891](https://arxiv.org/abs/2605.27891), section 3 (method): Director-SR.
# >
# > - *The paper's:* the flow before the decoder, with keyframes as anchors (notebook 05).
# > - *Ours:* all of this appendix. The paper has no restorer. Its parts are known ones: back-projection (Irani and
# >   Peleg 1991), recurrent frames moved by optical flow (Sajjadi et al. 2018), two directions (BasicVSR, Chan et al.
# >   2021), and a filter for what stands still (Dubois and Sabri 1984).
#
# **Goals.** Afterwards you can
# - write down the formula of the restorer, and check it against the network;
# - say which of its three pictures helps where;
# - say why it helps footage more than drafts.
#
# **Time.** 20 minutes. All cells together run in about a minute on a laptop.
#
# **Needs.** Notebook 05. There are no exercises here.

# %%
import numpy as np
import torch
from torch.nn import functional as F

from smartdirector_lite import VideoCondition, load_director
from smartdirector_lite.course.figures import sr as viz
from smartdirector_lite.course.figures.base import figure_image
from smartdirector_lite.course.notebook import show_image, show_table, show_videos
from smartdirector_lite.evaluation.metrics import flicker
from smartdirector_lite.evaluation.reading import read_letter
from smartdirector_lite.media.size import Size
from smartdirector_lite.sr.frames import resize
from smartdirector_lite.sr.restorer import keep_still, large_flow, warp
from smartdirector_lite.toyworld import HELD_OUT_SEED, render, sample_scene, scene_truth
from smartdirector_lite.training.degrade import compress
from smartdirector_lite.vae.multichunk import decode, encode_video

HEIGHT, WIDTH, NUM_FRAMES, KEYFRAME = 64, 112, 13, 6

# %% [markdown]
# ## 1. Footage is not a draft
#
# **Question.** What if the small video is not a draft but real footage?
#
# Then its frames are evidence of what the large frames have to show. The VAE loses a little of everything, so it should
# not have the last word. The *restorer* is a small recurrent network that works after decoding.
#
# The scene is that of notebook 05: a creature, and a sign that says SUN. We take three small videos of it. The first
# one is footage: the large frames at half the size. The second one is the same footage from a file, compressed by
# H.264. The third one is a draft: the footage after the VAE.

# %%
director = load_director()
vae, sr = director.gen.vae, director.sr
sr.set_progress_bar_config(disable=True)
scene = sample_scene(HELD_OUT_SEED + 157, NUM_FRAMES, num_shots=1)
large = render(scene, Size(WIDTH, HEIGHT))  # (T, 3, H, W) in [0, 1]
small = F.avg_pool2d(large, 2)
keyframes = [VideoCondition(image=large[KEYFRAME] * 2 - 1, frame_index=KEYFRAME)]
plan = sr.plan(NUM_FRAMES, keyframes)
draft = (decode(vae, plan, encode_video(vae, plan, small.transpose(0, 1)[None] * 2 - 1))[0].transpose(0, 1) + 1) / 2
sources = {"footage": small, "file": compress(small, 23), "draft": draft.clamp(0, 1)}
usual = {"num_inference_steps": director.defaults.sr_steps, "output_type": "pt"}


def upscale(low, restore):
    """Enlarge a video with one keyframe in full size: (T, 3, H, W) in [0, 1] -> (T, 3, 2H, 2W)."""
    return sr(low.transpose(0, 1) * 2 - 1, keyframes, restore=restore, **usual).frames[0].float().clamp(0, 1)


def enlarged(low):
    return (resize(low.transpose(0, 1)[None] * 2 - 1, Size(WIDTH, HEIGHT))[0].transpose(0, 1) + 1) / 2


def as_bytes(frames):
    return (255 * frames.clamp(0, 1)).round().byte().permute(0, 2, 3, 1).numpy()


print(f"{sum(weight.numel() for weight in sr.restorer.parameters()):,} weights in the restorer")

# %% [markdown]
# ## 2. Three pictures, mixed
#
# **Question.** Which two facts are known about a decoded frame $y_t$?
#
# First, when $y_t$ is made small again, it should be equal to the small frame $x_t$. Second, where only the camera or a
# character has moved, $y_t$ should show the same as the frame before, in another place. So the restorer mixes three
# pictures:
#
# - *drawn* is the decoded frame $y_t$ as it is;
# - *matched* is the same frame, corrected by the small frame;
# - *moved* is the last result $\hat y_{t-1}$, moved by the optical flow $f_t$. The optical flow leads from each pixel
#   $p$ to the place where the frame before shows the same thing.
#
# Each pixel has three weights $w$ of its own, and a rest $r$ is added to the mixture:
#
# $$\hat y_t = w_1\, y_t + w_2 \big(y_t + \uparrow (x_t - \downarrow y_t)\big) + w_3\, \hat y_{t-1}(p + f_t) + r_t,
#   \qquad w_1 + w_2 + w_3 = 1 .$$
#
# Here $\downarrow$ is the mean of 2 x 2 pixels, and $\uparrow$ is bicubic enlarging. The smallest example is one pixel
# that is drawn as 0.5 and matched as 0.6, and that was 0.9 in the frame before. With the weights 0.2, 0.3 and 0.5 it
# becomes $0.1 + 0.18 + 0.45 = 0.73$.
#
# No simple rule says which of the three pictures is right at which pixel. Small frames may be blurred or compressed,
# and the optical flow is wrong where something comes out from behind something else. So a network learns the optical
# flow, the weights and the rest.

# %%
restorer = sr.restorer


def by_the_formula(y, x, is_given, last, hint=None):
    """Restore one frame. Returns the step and its mean rest. y: (1, 3, 2H, 2W); x: (1, 3, H, W), both in [-1, 1]."""
    step = restorer(y, x, torch.tensor([is_given]), last, hint)
    matched = y + F.interpolate(x - F.avg_pool2d(y, 2), scale_factor=2, mode="bicubic", align_corners=False)
    moved = warp(last.frame, large_flow(step.flow), "bicubic") if last else y
    mixture = (step.weights[:, :, None] * torch.stack([y, matched, moved], dim=1)).sum(dim=1)
    return step, float((step.frame - mixture).abs().mean())


# %% [markdown]
# ## 3. Two directions
#
# **Question.** How does the keyframe's detail reach the frames *before* it?
#
# The network runs twice. The first run goes backwards from the keyframe. In this run the restored frame *after* takes
# the place of the frame before, so $\hat y_{t+1}$ stands for $\hat y_{t-1}$ in the formula. The second run goes
# forwards. It takes the results of the first run in the place of the decoded frames $y_t$.
#
# The backward run needs a block of frames at once. A block ends with a keyframe, before a cut, or after 16 frames. Our
# clip has two blocks: frames 0 to 6, which end with the keyframe, and frames 7 to 12.
#
# At the end, a filter keeps still what surely stands still. Where the small frame has not changed within two pixels
# around, a pixel keeps 95 % of the last frame.


# %%
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
    drawn = upscale(small, restore=False)
    given = {KEYFRAME: large[KEYFRAME : KEYFRAME + 1] * 2 - 1}
    results, rests = restored_by_hand(drawn * 2 - 1, small * 2 - 1, given)
    theirs = upscale(small, restore=True)
by_hand, shown = [], None
for k, step in enumerate(results):
    shown = keep_still(step.frame.clamp(-1, 1), small[k : k + 1] * 2 - 1, None if k == KEYFRAME else shown)
    by_hand.append(shown[0])
restored = (torch.cat(by_hand) + 1) / 2
assert torch.allclose(restored, theirs, atol=1e-4)
names = ("drawn", "matched", "moved")
shares = dict(zip(names, 100 * torch.stack([step.weights.mean(dim=(0, 2, 3)) for step in results[1:]]).mean(dim=0)))
print("taken on average: " + ", ".join(f"{name} {share:.0f} %" for name, share in shares.items()))
print(f"the rest that is added: {50 * np.mean(rests):.1f} % of the range")

# %% [markdown]
# The two runs by hand give what the pipeline gives. Below are the three weights in the forward run, in grey: white
# means that a pixel takes this picture alone.

# %%
weights = torch.cat([step.weights for step in results])  # (T, 3, H, W)
grey = {f"w: {name}": as_bytes(weights[:, k : k + 1].expand(-1, 3, -1, -1)) for k, name in enumerate(names)}
errors = {
    f"error {when}": as_bytes(6 * (made - large).abs()) for when, made in (("before", drawn), ("after", restored))
}
show_image(
    figure_image(
        viz.rows_figure({"restored": as_bytes(restored), **grey, **errors}, (0, 3, 5, 6, 7, 9, 12), (KEYFRAME,))
    ),
    alt="Restored frames, the three weights in grey, and the error before and after, amplified 6 times. After the "
    "keyframe nearly everything is taken from the moved picture, except where the creature moves. The error is smaller "
    "after the restorer in all frames, and 0 at the keyframe",
)

# %% [markdown]
# **Notice.** In this run the drawn picture is the result of the backward run. On average
# 57<!-- = shares["moved"] --> % come from the moved picture, 28<!-- = shares["matched"] --> % from the matched one and
# 15<!-- = shares["drawn"] --> % from the drawn one. Where something new comes into sight there is nothing to move.
# Frame 6 has no error, because it was given. On both sides of frame 6 the error is smaller than before.
#
# ## 4. What it is worth
#
# **Question.** How much is the restorer worth for each of the three sources?
#
# Besides PSNR and the share of letters that are read right we measure the *flicker*. It is the change from frame to
# frame where the true video stands still, relative to the truth: 1 means as steady as the truth. The decibels leave out
# the keyframe itself.
#
# **Predict.** Which source gains most, and which one gains least?

# %%
letters = [(t.frame, letter) for t in scene_truth(scene, Size(WIDTH, HEIGHT)) for letter in t.letters if letter.clear]
free, videos, rows, decibels = torch.arange(NUM_FRAMES) != KEYFRAME, {}, [], {}
for name, low in sources.items():
    kinds = {"bicubic": enlarged(low), "not restored": upscale(low, False), "restored": upscale(low, True)}
    for kind, frames in kinds.items():
        decibels[name, kind] = -10 * float((frames[free] - large[free]).square().mean().log10())
        read = 100 * np.mean([read_letter(frames[frame], letter.box) == letter.letter for frame, letter in letters])
        rows.append([name, kind, f"{decibels[name, kind]:.1f}", f"{read:.0f}", f"{flicker(frames, large):.2f}"])
    videos[name] = kinds
show_table(rows, ["source", "enlarged", "PSNR, dB", "letters read, %", "flicker"])
gains = {name: decibels[name, "restored"] - decibels[name, "not restored"] for name in sources}
assert gains["footage"] > gains["file"] > gains["draft"] > 0
show_videos(
    {kind: as_bytes(frames) for kind, frames in videos["footage"].items()},
    scene.fps,
    scale=3,
    count=7,
    alt="The footage enlarged in three ways. Bicubic is blurred. Without the restorer edges are sharp and flicker a "
    "little. With the restorer the creature and the sign are sharp and steady",
)

# %% [markdown]
# **Notice.** The restorer is worth 4.8<!-- = gains["footage"] --> dB for footage. For the file it is worth
# 3.9<!-- = gains["file"] --> dB, because the small frames no longer show what compression took away. For the draft it
# is worth 2.2<!-- = gains["draft"] --> dB: the keyframe's detail is carried on where the draft stands still or moves
# with the camera. With footage the result passes the ceiling of the VAE from notebook 05.
#
# Real drafts come from stage one, and they are wrong where something moves by itself. There no optical flow leads to
# the keyframe. The frames beside the keyframe stay soft, and the keyframe stands out.
#
# ## Recap
#
# - Footage, unlike a draft, is evidence of what each large frame shows and how it moves.
# - The restorer mixes three pictures with weights that a network learns: drawn, matched and moved.
# - It runs in both directions, so a keyframe's detail reaches the frames before it and after it.
# - It helps footage most, and drafts least.
#
# **Next:** [Notebook 06](06_train_your_own.ipynb), in which you train a model yourself.
