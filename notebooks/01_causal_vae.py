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
# # 01 Why keyframes break a causal video VAE
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/THIS_REPOSITORY/blob/main/notebooks/01_causal_vae.ipynb)
#
# You have a picture, and you want a video to show exactly this picture at frame 13. The obvious way is to encode the
# picture and to put its latent where frame 13 belongs. It fails, and this notebook is about why.
#
# **Goals.** Afterwards you can
# - say which frames a latent holds, and build the convolution that makes a VAE causal;
# - measure what an encoder and a decoder depend on;
# - name the two naive ways to give a keyframe, and show how each one fails.
#
# **Time.** 45 minutes with the exercises; all cells together run in about two minutes on a laptop.
#
# **Needs.** Python and a little PyTorch: tensors, shapes, a convolution. No GPU, no download.

# %%
# On Colab or another fresh machine: get the package, and leave torch and numpy as they are. Here this does nothing.
import importlib.metadata, importlib.util, subprocess, sys

if importlib.util.find_spec("smartdirector_lite") is None:
    kept = [f"{n}=={importlib.metadata.version(n)}" for n in ("torch", "numpy") if importlib.util.find_spec(n)]
    package = "smartdirector-lite[notebooks] @ git+https://github.com/THIS_REPOSITORY"
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", package, *kept], check=True)

# %% [markdown]
# ## A VAE and something to film
#
# A *VAE* is a pair of networks. The encoder turns a video into a much smaller array, the *latents*; the decoder turns
# latents into a video again. A video model never sees pixels: it generates latents. The VAE bundled here has the
# architecture of Wan 2.2's (diffusers' `AutoencoderKLWan`), with 6 million weights instead of hundreds of millions, so
# that it runs on a CPU. Its pictures are soft. What we study is not its softness but its sense of time, and that is
# built into the architecture.
#
# Videos are tensors `(B, 3, T, H, W)` in [-1, 1]: batch, colour, frame, height, width. Latents are `(B, C, n, h, w)`.

# %%
import numpy as np
import torch
from diffusers import AutoencoderKLWan
from diffusers.models.autoencoders.autoencoder_kl_wan import WanCausalConv3d
from torch.nn import functional as F

from smartdirector_lite import Condition
from smartdirector_lite.course import lab
from smartdirector_lite.loading.loader import find_model
from smartdirector_lite.vae.multichunk import decode_clip, encode_clip
from smartdirector_lite.vae.naive import BLANK, encode_naive_blank, naive_latent_index, replace_naive
from smartdirector_lite.course.notebook import figure, pick, strip
from smartdirector_lite.loading.cpu import prepare_for_cpu
from smartdirector_lite.toyworld import HELD_OUT_SEED, render, sample_scene
from smartdirector_lite.course.figures import vae as viz
from smartdirector_lite.course.widgets import comparison_slider

torch.set_grad_enabled(False)  # nothing is trained here
vae = AutoencoderKLWan.from_pretrained(
    find_model("smartdirector-tiny"), subfolder="vae"
)  # the bundled model's VAE alone
prepare_for_cpu(vae)  # other kernels: faster on a CPU, the same numbers
stride = vae.config.scale_factor_temporal
print(
    f"frames a latent: {stride}; pixels a latent cell: {vae.config.scale_factor_spatial}; channels: {vae.config.z_dim}"
)

# %% [markdown]
# The footage comes from the toy world, a small procedural cinema. This shot is from a seed that the model was not
# trained on. Two helpers: one makes pictures of a video, the other compares two videos frame by frame, in *levels*:
# the mean absolute difference on the scale of 0 to 255.

# %%
NUM_FRAMES, KEYFRAME = pick(30, 18), 13
HEIGHT, WIDTH = pick(64, 32), pick(112, 56)


def film(seed, num_frames=NUM_FRAMES):
    """One toy shot: (1, 3, T, H, W) in [-1, 1]."""
    scene = sample_scene(HELD_OUT_SEED + seed, num_frames, num_shots=1)
    return render(scene, HEIGHT, WIDTH).transpose(0, 1)[None] * 2 - 1


def pictures(video):
    """The first video of a batch as uint8 (T, H, W, 3)."""
    return ((video[0].permute(1, 2, 3, 0) + 1) * 127.5).round().clamp(0, 255).byte().numpy()


def levels(a, b):
    """(B, 3, T, H, W) twice -> (B, T), the mean difference of each frame in levels of 255."""
    return (a - b).abs().mean(dim=(1, 3, 4)) * 127.5


truth = film(1)
some = list(range(0, NUM_FRAMES, 5))
strip(
    pictures(truth)[some],
    alt=f"From {NUM_FRAMES} frames of a toy shot: a round red creature with a tuft, a balloon that rises, a tree",
    labels=[str(frame) for frame in some],
)

# %% [markdown]
# ## How does the VAE count time?
#
# **Question.** How many latents do $N$ frames make?
#
# A causal video VAE takes the first frame alone. From then on it takes $s$ frames at a time, the *temporal stride*;
# $s = 4$ here, as in Wan. So
#
# $$ n = 1 + \left\lceil \frac{N - 1}{s} \right\rceil . $$
#
# The first frame gets a latent of its own, so that one VAE can encode pictures and videos alike.

# %%
for count in (1, 2, 5, 6, 9, 13):
    latents = encode_clip(vae, truth[:, :, :count])
    print(f"{count:2} frames -> latents {tuple(latents.shape)}")
    assert latents.shape[2] == 1 + -(-(count - 1) // stride)
figure(
    viz.groups_figure(13, stride),
    alt="Frames 0 to 12 above, latents 0 to 3 below: latent 0 holds frame 0 alone, each later one holds four",
)

# %% [markdown]
# **Notice.** 2 frames and 5 frames make the same number of latents: an incomplete group is filled up by repeating its
# last frame. And the groups do not begin at multiples of 4. They *end* there.
#
# ### Exercise 01.1 (2 points)
#
# Write `frames_of_latent(index, stride)`. It returns `(first, stop)`: the latent with this index holds the frames
# `first, ..., stop - 1`, if its group is complete.


# %%
def frames_of_latent(index, stride):
    """The frames first, ..., stop - 1 that a latent of one run holds; index from 0. Returns (first, stop)."""
    ### BEGIN SOLUTION
    if index == 0:
        return 0, 1
    first = 1 + stride * (index - 1)
    return first, first + stride
    ### END SOLUTION


lab.check_frames_of_latent(frames_of_latent)

# %% [markdown]
# How good is the bundled VAE? Encode, decode, compare. Everything below has to be measured against this, and not
# against the perfect picture.

# %%
z_truth = encode_clip(vae, truth)
ideal = decode_clip(vae, z_truth)[:, :, :NUM_FRAMES]
error_ideal = levels(ideal, truth)[0]
print(
    f"encoded and decoded: {error_ideal.mean():.1f} levels off on average, {error_ideal.max():.1f} in the worst frame"
)
strip(
    pictures(ideal)[some],
    alt="The same frames encoded and decoded: softer, the fine stripes are gone",
    labels=[str(frame) for frame in some],
)

# %% [markdown]
# **Notice.** Soft, some details are lost, but steady: no frame stands out. Our subject is frames that do.
#
# ## What makes a VAE causal?
#
# **Question.** Every frame of the future should leave the past alone. Which convolution does that?
#
# An ordinary convolution with a kernel of $K$ frames looks to both sides. A *causal* one is given all of its padding in
# front, so that output $t$ looks at frames $t - K + 1, \dots, t$:
#
# $$ y_t = \sum_{k=0}^{K-1} w_k \, x_{t - (K - 1) + k}, \qquad x_{t<0} = 0 . $$
#
# The smallest example: nine dark frames, one of them lit, and the kernel (1, 2, 3).

# %%
x = torch.zeros(9)
x[4] = 1.0
kernel = torch.tensor([1.0, 2.0, 3.0])
ordinary = F.conv1d(F.pad(x, (1, 1))[None, None], kernel[None, None])[0, 0]
causal = F.conv1d(F.pad(x, (2, 0))[None, None], kernel[None, None])[0, 0]
print("ordinary", ordinary.tolist())
print("causal  ", causal.tolist())
figure(
    viz.responses_figure({"padding on both sides": ordinary.tolist(), "padding in front": causal.tolist()}, at=4),
    alt="Two stem plots. Ordinary: frames 3, 4 and 5 respond to frame 4 being lit. Causal: frames 4, 5 and 6 do",
)

# %% [markdown]
# **Notice.** The causal convolution says nothing before frame 4. And its response lasts: frames 5 and 6 still carry
# frame 4. Causal means that the future cannot touch the past. It does not mean that the past lets go.
#
# Now in three dimensions. Height and width are padded on both sides as usual; only time is padded in front. This is all
# there is to diffusers' `WanCausalConv3d`, and we can check that.


# %%
def causal_conv3d(x, weight, bias):
    """x: (B, C, T, H, W), weight: (O, C, K, k, k) -> (B, O, T, H, W), causal in time."""
    frames, pixels = weight.shape[2], weight.shape[3]
    side = pixels // 2
    x = F.pad(x, (side, side, side, side, frames - 1, 0))  # from the last axis: left, right, top, bottom, before, after
    return F.conv3d(x, weight, bias)


torch.manual_seed(0)
layer = WanCausalConv3d(4, 6, kernel_size=3, padding=1)
noise = torch.randn(1, 4, 9, 8, 8)
assert torch.allclose(causal_conv3d(noise, layer.weight, layer.bias), layer(noise), atol=1e-6)
print("equal to WanCausalConv3d")

# %% [markdown]
# **Why bother?** Because a causal convolution can run along a video of any length. It needs only the last $K - 1$
# frames of what came before, its *cache*. The VAE works like this: it takes 1 frame, then 4, then 4, ..., and every
# convolution in it keeps a cache from run to run.

# %%
first, second = noise[:, :, :1], noise[:, :, 1:]
past = F.pad(first, (0, 0, 0, 0, 1, 0))  # two frames of memory: nothing, then the first frame
with_cache = torch.cat([layer(first), layer(second, cache_x=past)], dim=2)
without = torch.cat([layer(first), layer(second)], dim=2)
print(
    "with the cache,    difference to one go:",
    [f"{d:.2f}" for d in (with_cache - layer(noise)).abs().amax((0, 1, 3, 4))],
)
print(
    "without the cache, difference to one go:", [f"{d:.2f}" for d in (without - layer(noise)).abs().amax((0, 1, 3, 4))]
)
assert torch.allclose(with_cache, layer(noise), atol=1e-5)

# %% [markdown]
# **Notice.** Without its cache, the layer goes wrong in the first two frames of the new run, and only there. A decoder
# has many such layers, one after the other, and each expects a certain past. Keep this in mind for what follows.
#
# ### Exercise 01.2 (3 points)
#
# Write the cache yourself, in one dimension. `conv_run` gets a run of `t` frames, the `K - 1` inputs that came before
# it, and the kernel. It returns the `t` outputs, and the `K - 1` inputs that the next run will need. A run may be
# shorter than `K - 1`.


# %%
def conv_run(run, cache, weight):
    """run: (t,), cache: (K - 1,), weight: (K,). Returns the output (t,) and the next cache (K - 1,)."""
    ### BEGIN SOLUTION
    x = torch.cat([cache, run])
    output = F.conv1d(x[None, None], weight[None, None])[0, 0]
    return output, x[len(run) :]
    ### END SOLUTION


lab.check_conv_run(conv_run)

# %% [markdown]
# ### Exercise 01.3 (2 points)
#
# Layers add up. A layer with a kernel of $k$ looks back $k - 1$ of *its own* input steps. A layer with stride 2 halves
# the rate, so that one step of the layers after it is two frames wide. Write `frames_seen(kernels, strides)`: how many
# frames does one output of the last layer depend on, the newest one included? Two plain layers with a kernel of 3 see
# 5 frames.


# %%
def frames_seen(kernels, strides):
    """kernels, strides: one int a layer, from the input on. Returns the number of frames, an int."""
    ### BEGIN SOLUTION
    seen, step = 1, 1
    for kernel, stride in zip(kernels, strides):
        seen += (kernel - 1) * step
        step *= stride
    return seen
    ### END SOLUTION


lab.check_frames_seen(frames_seen)

# %% [markdown]
# ## What depends on what?
#
# **Question.** How far does one frame reach in the whole VAE? We need not read its code to know. We can probe it:
# change one frame, encode again, and see which latents have moved. Then change one latent, decode again, and see which
# frames have moved. If the VAE is causal, both maps must be triangular.

# %%
length = pick(17, 9)
clip = truth[:, :, :length]
z_clip = encode_clip(vae, clip)
n = z_clip.shape[2]

edited = clip.repeat(length, 1, 1, 1, 1)  # one copy for each frame that we change
for frame in range(length):
    edited[frame, :, frame] *= -1  # the negative of the picture
encoder_map = (encode_clip(vae, edited) - z_clip).square().mean(dim=(1, 3, 4)).sqrt()  # (frames, latents)

changed = z_clip.repeat(n, 1, 1, 1, 1)  # one copy for each latent that we change
for latent in range(n):
    changed[latent, :, latent] = torch.randn(z_clip.shape[1], *z_clip.shape[3:])
decoder_map = levels(decode_clip(vae, changed), decode_clip(vae, z_clip))  # (latents, frames)
encoder_map[encoder_map < 1e-4] = 0  # rounding only: the sums may be in another order
decoder_map[decoder_map < 1e-2] = 0

# %%
figure(
    viz.influence_figure(encoder_map.numpy(), decoder_map.numpy()),
    alt="Two maps. Encoder: a changed frame moves its own latent and later ones, most of all its own. Decoder: a "
    "changed latent moves its own four frames and fades over about eight later ones. Nothing earlier moves in either",
)
for frame in range(length):
    assert (encoder_map[frame, : naive_latent_index(frame, stride)] == 0).all()  # no latent before its own
for latent in range(1, n):
    assert (decoder_map[latent, : 1 + stride * (latent - 1)] == 0).all()  # no frame before its own
print("latent 1 was changed; frames moved by (levels):", [round(float(v), 1) for v in decoder_map[1, :9]])

# %% [markdown]
# **Notice.** White is zero: nothing reaches back. Away from the steps the colours fade, but slowly. The four frames
# *after* those of a changed latent move too, by half as much at first. So a latent is never read alone: what it looks
# like depends on the latents before it. That is the decoder's state, and a foreign latent disturbs it.
#
# ### Exercise 01.4 (2 points)
#
# Read the maps, or work it out. (a) Frame 10 of a video is edited. How many latents at its start stay exactly the same?
# (b) Latent 3 is edited. Which is the first frame that changes?

# %%
unchanged_latents = None  # (a)
first_changed_frame = None  # (b)
### BEGIN SOLUTION
unchanged_latents = 3
first_changed_frame = 9
### END SOLUTION
lab.check_reach(unchanged_latents, first_changed_frame)

# %% [markdown]
# ## A first latent is another code
#
# **Question.** Suppose that nothing moves: every frame is the same picture. Are all latents the same then?
#
# They need not be. Latent 0 describes one picture with nothing before it. Latent 3 describes four pictures, given all
# that came before. We measure the root mean square distance of each latent to latent 0. Latents are normalised: values
# of about one.

# %%
still = truth[:, :, :1].expand(-1, -1, pick(25, 13), -1, -1)
z_still = encode_clip(vae, still)
distance = (z_still - z_still[:, :, :1]).square().mean(dim=(0, 1, 3, 4)).sqrt()
figure(
    viz.latent_bars(distance.tolist(), "distance to latent 0"),
    alt="Bars: 0 for latent 0, about 0.3 for latent 1, about 0.4 for every later one",
)
as_first = decode_clip(vae, z_still[:, :, -1:])  # a late latent of the still video, read as if it were a first one
right, wrong = (levels(v, still[:, :, :1]).item() for v in (decode_clip(vae, z_still[:, :, :1]), as_first))
print(
    f"the picture from its first latent: {right:.1f} levels off; from a later latent, read as a first one: {wrong:.1f}"
)
assert wrong > 1.1 * right

# %% [markdown]
# **Notice.** One picture, two codes. They differ by about 0.4, where latents vary by about 1 altogether, and a decoder
# that takes one for the other gets the picture wrong. A keyframe that is encoded alone is
# always written in the first code. In the middle of a video, the decoder reads the second.
#
# ## Naive way 1: replace
#
# Now do what nearly everybody tries first. Encode the whole video; encode the keyframe alone; put its latent in the
# place of the one that holds its frame, number $\lceil f / s \rceil$. To be kind, we take the *true* frame 13 of this
# very video as the keyframe. All other latents are the true ones, too: a perfect generator.

# %%
keyframe = truth[:, :, KEYFRAME : KEYFRAME + 1]
z_keyframe = encode_clip(vae, keyframe)  # one latent: a first one
alone = decode_clip(vae, z_keyframe)  # the best that any latents can give

place = -(-KEYFRAME // stride)
z_replaced = z_truth.clone()
z_replaced[:, :, place : place + 1] = z_keyframe
assert torch.equal(z_replaced, replace_naive(vae, z_truth, [Condition(KEYFRAME)], [keyframe]))  # as the library does it

replaced = decode_clip(vae, z_replaced)[:, :, :NUM_FRAMES]
begin, stop = 1 + stride * (place - 1), 1 + stride * place
print(f"the keyframe at frame {KEYFRAME} goes to latent {place}, which holds frames {begin} to {stop - 1}")

# %%
window = list(range(begin - 1, stop + 1))
labels = [str(frame) for frame in window]
strip(pictures(ideal)[window], alt="Frames 12 to 17 after the VAE alone: soft, but steady", labels=labels)
strip(
    pictures(replaced)[window],
    alt="The same with the keyframe's latent put in: frames 13 to 16 hardly move and grow blurred, with ghosts of the "
    "balloon and of the tuft; frame 17 is torn, two poses at once",
    labels=labels,
)

# %% [markdown]
# **Notice.** Above: the VAE at its best. Below: with the keyframe's latent. The four frames of the latent move too
# little, and things that should move leave ghosts. Frame 17, which nobody touched, is torn: there the true latent says
# how to go on from a state that the decoder is not in.
#
# **In numbers.** Two curves say it. The error of each frame against the truth; and the *step*, the difference of each
# frame to the one before, which is what an eye sees as a halt or a flash.

# %%
error_replaced = levels(replaced, truth)[0]
where = {"marks": {"keyframe": KEYFRAME}, "band": (begin, stop), "fps": 12}
curves = {"VAE alone": error_ideal.tolist(), "latent replaced": error_replaced.tolist()}
figure(
    viz.frame_curves(curves, "error (levels of 255)", **where),
    alt="Error by frame. The VAE alone stays flat. With the replaced latent it climbs through frames 13 to 16, to more "
    "than three times as much, and falls back over the next four frames",
)
step_ideal, step_replaced = (levels(v[:, :, 1:], v[:, :, :-1])[0] for v in (ideal, replaced))
curves = {"VAE alone": step_ideal.tolist(), "latent replaced": step_replaced.tolist()}
figure(
    viz.frame_curves(curves, "step into the frame (levels)", start=1, **where),
    alt="Step into each frame. The VAE alone is fairly even. With the replaced latent the "
    "steps into frames 13 to 16 shrink, and those into frames 17 and 18 are the largest of all",
)
ratio = error_replaced[begin:stop].mean() / error_ideal[begin:stop].mean()
print(f"frames {begin} to {stop - 1}: {ratio:.1f} times the error of the VAE alone")
assert ratio > 1.5 and torch.allclose(error_replaced[:begin], error_ideal[:begin], atol=1e-3)

# %% [markdown]
# **Notice.** Before frame 13 nothing has changed: the decoder is causal. Inside the shaded band the error climbs,
# because a first latent says nothing about motion. At the band's end the video must catch up: a halt, then a jump.
#
# And the keyframe itself? It was the one frame that we wanted to be sure of. Drag the border in the widget, if a kernel
# is running; the picture above it shows the same.

# %%
trio = [pictures(v)[0] for v in (keyframe, alone, replaced[:, :, KEYFRAME : KEYFRAME + 1])]
strip(
    [frame.repeat(2, axis=0).repeat(2, axis=1) for frame in trio],  # twice as large
    labels=["asked for", "decoded alone", "in the middle"],
    alt="Frame 13 three times: as asked for; decoded alone, soft but right; decoded in the middle of the run, where "
    "the tuft and the outlines are doubled",
)
errors = [levels(v, keyframe).item() for v in (alone, replaced[:, :, KEYFRAME : KEYFRAME + 1])]
print(f"the keyframe: {errors[0]:.1f} levels off when decoded alone, {errors[1]:.1f} in the middle of the run")
comparison_slider(trio[1], trio[2], names=("decoded alone", "in the middle of a run"), scale=4)

# %% [markdown]
# ### Exercise 01.5 (3 points)
#
# How large is a jump? Steps vary from shot to shot, so compare one with its neighbours: divide the step into a frame
# by the *median* of the steps beside it, up to `window` on each side (fewer at the video's ends), itself left out. The
# project's reports use this ratio (ours): above 2 they say "flash", below 0.35 "freeze".


# %%
def jump_ratio(steps, frame, window):
    """steps: (T - 1,) numpy, steps[i] leads from frame i to frame i + 1. Returns a ratio."""
    ### BEGIN SOLUTION
    into = frame - 1
    beside = np.concatenate([steps[max(0, into - window) : into], steps[into + 1 : into + 1 + window]])
    return steps[into] / np.median(beside)
    ### END SOLUTION


lab.check_jump_ratio(jump_ratio)

# %% [markdown]
# ## Does it matter where the keyframe stands?
#
# **Question.** A keyframe at frame 0 *is* a first latent, so there the naive way must be right. And elsewhere?
#
# The measurement: one fixed picture, the first frame of the shot, is asked for at every frame $f$ in turn. The error
# of frame $f$ against this picture should not depend on $f$. All four frames of a group share one latent, so one
# decoding serves four positions. For comparison: the picture decoded alone.


# %%
def error_by_place(video):
    """Error of the keyframe at each frame, and decoded alone: (T,) and a number, in levels."""
    picture, z = video[:, :, :1], encode_clip(vae, video)
    z_picture = encode_clip(vae, picture)
    result = torch.zeros(video.shape[2])
    for latent in range(z.shape[2]):
        put = torch.cat([z[:, :, :latent], z_picture], dim=2)  # what comes after doesn't matter: the decoder is causal
        frames = decode_clip(vae, put)[:, :, -(stride if latent else 1) :]
        first = 1 + stride * (latent - 1) if latent else 0
        error = levels(frames, picture)[0]
        result[first : first + stride] = error[: video.shape[2] - first]
    return result, levels(decode_clip(vae, z_picture), picture).item()


seeds = pick((0, 1, 2), (1,))
measured = [error_by_place(film(seed)) for seed in seeds]
by_place = torch.stack([places for places, _ in measured]).mean(dim=0)
by_itself = sum(single for _, single in measured) / len(measured)

# %%
figure(
    viz.frame_curves(
        {"decoded alone": [by_itself] * NUM_FRAMES, "latent replaced": by_place.tolist()}, "error (levels of 255)"
    ),
    alt="Error of the keyframe by its place. At frame 0 both curves meet. From frame 1 on the naive one is a saw, "
    "highest at the first frame of each group of four, lower in its second half, never down to the other curve",
)
middle = (by_place[1:] / by_place[0]).mean()
print(f"error at frame 0: {by_place[0]:.1f} levels; at all other frames {middle:.1f} times that")
print(f"at the first frame of a group: {(by_place[1::stride] / by_place[0]).mean():.1f} times; at its last:", end=" ")
print(f"{(by_place[stride::stride] / by_place[0]).mean():.1f} times")
assert abs(by_place[0] - by_itself) < 0.1 and middle > 1.4

# %% [markdown]
# **Notice.** Right at frame 0, wrong everywhere else. The saw has a reason: the group has *one* latent, so the keyframe
# cannot even say which of the four frames it is meant for. The decoder takes it as a place to move to, and comes
# nearer towards the group's end.
#
# (Our VAE is not Wan's. How large the error is depends on the VAE; that there is one follows from the architecture.)
#
# ## Naive way 2: a video full of blanks
#
# If single latents are foreign to the decoder, encode something that looks like a whole video: the keyframes in their
# places, and mid-grey everywhere else. Many image-to-video models are given their pictures like this, as extra input
# channels beside a mask. The encoder then writes the right code for the middle of a run. What does it write?

# %%
conditions = [Condition(0), Condition(KEYFRAME)]
blank_video = torch.full_like(truth, BLANK)
for condition in conditions:
    blank_video[:, :, condition.frame_index] = truth[:, :, condition.frame_index]
z_blank = encode_clip(vae, blank_video)
given = [truth[:, :, c.frame_index : c.frame_index + 1] for c in conditions]
assert torch.allclose(z_blank, encode_naive_blank(vae, NUM_FRAMES, conditions, given), atol=1e-4)

from_blank = decode_clip(vae, z_blank)[:, :, :NUM_FRAMES]
error_blank = levels(from_blank, blank_video)[0]
print(f"frame 0: {error_blank[0]:.1f} levels off; frame {KEYFRAME}: {error_blank[KEYFRAME]:.1f}")
strip(pictures(blank_video)[window], alt="The condition video: grey frames, and one picture at 13", labels=labels)
strip(
    pictures(from_blank)[window],
    alt="Encoded and decoded: frame 13 is a grey, washed-out shadow of the picture, and the frames after it, which "
    "were blank, show the shadow too",
    labels=labels,
)
assert error_blank[KEYFRAME] > 2 * error_blank[0]

# %% [markdown]
# **Notice.** One latent must hold one picture and three grey frames, after a grey past. It holds a mixture. The picture
# is washed out, and its shadow falls on the grey frames after it. Frame 0, alone in its group, is fine again.
#
# A model can be trained to make the best of such a mixture, and for a single picture at frame 0 there is nothing to
# mend. For a keyframe in the middle, the detail is lost before the model sees it.
#
# Is anything left of it? Compare the latent of the condition video with the true latent of frames 13 to 16 and with
# the keyframe's own.

# %%
for name, z in (("keyframe alone", z_keyframe[:, :, 0]), ("video with blanks", z_blank[:, :, place])):
    off = (z - z_truth[:, :, place]).square().mean().sqrt()
    print(f"{name:18} distance to the true latent {place}: {off:.2f}")
spread = (z_truth[:, :, place] - z_truth[:, :, place - 1]).square().mean().sqrt()
print(f"{'for comparison':18} the true latents {place - 1} and {place} differ by {spread:.2f}")

# %% [markdown]
# **Notice.** The keyframe's own latent is about three quarters as far from the true one as the latent before it is,
# and the one with the blanks is further. Neither is what the decoder waits for.
#
# ## Recap
#
# - A causal VAE takes 1 frame, then $s$ at a time: $n = 1 + \lceil (N-1)/s \rceil$.
# - Causal convolutions pad in front and carry a cache. So no frame reaches back, and every latent is read in the light
#   of those before it.
# - A picture encoded alone is *a first latent*: another code than the middle of a run speaks.
# - Put into the middle (replace), it makes the shot halt and jump, leaves ghosts, and is itself not reproduced.
# - Surrounded by blanks (blank), it is mixed with grey before the model ever sees it.
#
# Both ways try to make a keyframe fit into the middle of a run. The next notebook turns this round: if a picture wants
# to be a first latent, let it be one. Let every keyframe begin a run of its own.
#
# **Next:** [02 Multi-Chunk](02_multi_chunk.ipynb)

# %%
lab.summary("01")
