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
# You have a picture, and you want a video that shows exactly this picture at frame 13. The obvious way is to encode the
# picture and to put its latent where frame 13 belongs. This way fails. In this notebook you see why.
#
# **Goals.** Afterwards you can
# - say which frames a latent holds, and build the convolution that makes a VAE causal;
# - measure what the output of an encoder and of a decoder depends on;
# - name two naive ways to give a keyframe, and show how each of them fails.
#
# **Time.** 45 minutes with the exercises. All cells together run in about two minutes on a laptop.
#
# **Needs.** Python and a little PyTorch: tensors, shapes, a convolution. You need no GPU and no download.

# %% [markdown]
# ## A VAE and something to film
#
# A *VAE* is a pair of networks. The encoder turns a video into a much smaller array, the *latents*. The decoder turns
# latents back into a video. A video model never sees pixels. It generates latents.
#
# The VAE that comes with the package has the architecture of Wan 2.2's VAE (diffusers' `AutoencoderKLWan`). It has 13
# million weights instead of hundreds of millions, so that it runs on a CPU. Its pictures are soft. But we study how it
# handles time, and that follows from the architecture.
#
# Videos are tensors `(B, 3, T, H, W)` in [-1, 1]: batch, colour, frame, height, width. Latents are `(B, C, n, h, w)`.
# One time step of this array is a *latent frame*. We call it a *latent* for short.

# %%
import numpy as np
import torch
from diffusers import AutoencoderKLWan
from diffusers.models.autoencoders.autoencoder_kl_wan import WanCausalConv3d
from torch.nn import functional as F

from smartdirector_lite import Condition
from smartdirector_lite.course import lab
from smartdirector_lite.course.figures import vae as viz
from smartdirector_lite.course.notebook import pick, show_figure, show_strip
from smartdirector_lite.course.widgets import comparison_slider
from smartdirector_lite.loading import find_model
from smartdirector_lite.loading.cpu import prepare_for_cpu
from smartdirector_lite.media.size import Size
from smartdirector_lite.toyworld import HELD_OUT_SEED, render, sample_scene
from smartdirector_lite.vae import decode_clip, encode_clip, encode_naive_blank, naive_latent_index, replace_naive
from smartdirector_lite.vae.naive import BLANK

torch.set_grad_enabled(False)  # nothing is trained here
vae = AutoencoderKLWan.from_pretrained(find_model("smartdirector-tiny"), subfolder="vae")  # only the VAE of the model
prepare_for_cpu(vae)  # uses other kernels, which are faster on a CPU and give the same numbers
stride = vae.config.scale_factor_temporal
side = vae.config.scale_factor_spatial
print(f"frames per latent: {stride}; pixels per latent cell: {side}; channels: {vae.config.z_dim}")

# %% [markdown]
# The footage comes from the toy world, a procedural cinema: a program draws its scenes. The VAE was not trained on this
# shot.
#
# We need two helpers. `pictures` turns a video into pictures. `levels` compares two videos frame by frame. It gives the
# mean absolute difference on a scale from 0 to 255, and we call the unit *levels*.

# %%
NUM_FRAMES, KEYFRAME = pick(30, 18), 13
HEIGHT, WIDTH = pick(64, 32), pick(112, 56)


def film(seed, num_frames=NUM_FRAMES):
    """Return one toy shot, (1, 3, T, H, W) in [-1, 1]."""
    scene = sample_scene(HELD_OUT_SEED + seed, num_frames, num_shots=1)
    return render(scene, Size(WIDTH, HEIGHT)).transpose(0, 1)[None] * 2 - 1


def pictures(video):
    """Return the first video of a batch as uint8 (T, H, W, 3)."""
    return ((video[0].permute(1, 2, 3, 0) + 1) * 127.5).round().clamp(0, 255).byte().numpy()


def levels(a, b):
    """Return (B, T), the mean absolute difference of each frame of two videos (B, 3, T, H, W), in levels of 255."""
    return (a - b).abs().mean(dim=(1, 3, 4)) * 127.5


truth = film(1)
some = list(range(0, NUM_FRAMES, 5))
show_strip(
    pictures(truth)[some],
    alt=f"Some of the {NUM_FRAMES} frames of a toy shot: a round red creature with a tuft, a rising balloon and a tree",
    labels=[str(frame) for frame in some],
)

# %% [markdown]
# ## How does the VAE count time?
#
# **Question.** How many latents do $N$ frames make?
#
# A causal video VAE takes the first frame alone. From then on it takes $s$ frames at a time. The number $s$ is the
# *temporal stride*, and here $s = 4$, as in Wan. So the number of latents is
#
# $$ n = 1 + \left\lceil \frac{N - 1}{s} \right\rceil . $$
#
# The first frame gets a latent of its own, so that one VAE can encode both pictures and videos.

# %%
for count in (1, 2, 5, 6, 9, 13):
    latents = encode_clip(vae, truth[:, :, :count])
    print(f"{count:2} frames -> latents {tuple(latents.shape)}")
    assert latents.shape[2] == 1 + -(-(count - 1) // stride)
show_figure(
    viz.groups_figure(13, stride),
    alt="Frames 0 to 12 stand above, latents 0 to 3 below. Latent 0 holds frame 0 alone, and each later latent holds "
    "four frames",
)

# %% [markdown]
# **Notice.** 2 frames and 5 frames make the same number of latents. An incomplete group is filled up by repeating its
# last frame. Also look at where the groups lie. They do not begin at multiples of 4. They *end* there.
#
# ### Exercise 01.1 (2 points)
#
# Write `frames_of_latent(index, stride)`. It returns `(first, stop)`: the latent with this index holds the frames
# `first, ..., stop - 1`. Assume that its group is complete.


# %%
def frames_of_latent(index, stride):
    """Return (first, stop): the latent holds the frames first, ..., stop - 1. The first latent has index 0."""
    ### BEGIN SOLUTION
    if index == 0:
        return 0, 1
    first = 1 + stride * (index - 1)
    return first, first + stride
    ### END SOLUTION


frames_of_latent = lab.check_frames_of_latent(frames_of_latent)

# %% [markdown]
# How good is the bundled VAE? We encode the video, decode it, and compare. All later results must be measured against
# this result, and not against the perfect picture.

# %%
z_truth = encode_clip(vae, truth)
ideal = decode_clip(vae, z_truth)[:, :, :NUM_FRAMES]
error_ideal = levels(ideal, truth)[0]
print(
    f"encoded and decoded: {error_ideal.mean():.1f} levels off on average, {error_ideal.max():.1f} in the worst frame"
)
show_strip(
    pictures(ideal)[some],
    alt="The same frames after encoding and decoding. They are softer, and the fine stripes are gone",
    labels=[str(frame) for frame in some],
)

# %% [markdown]
# **Notice.** The pictures are soft, and some details are lost. But the video is steady, and no frame stands out. Below
# we look for frames that do.
#
# ## What makes a VAE causal?
#
# **Question.** Future frames must not change the past. Which convolution makes sure of that?
#
# An ordinary convolution with a kernel of $K$ frames looks to both sides. A *causal* convolution gets all of its
# padding in front. So its output $t$ looks only at the frames $t - K + 1, \dots, t$:
#
# $$ y_t = \sum_{k=0}^{K-1} w_k \, x_{t - (K - 1) + k}, \qquad x_{t<0} = 0 . $$
#
# The smallest example has nine dark frames, one of which is lit. The kernel is (1, 2, 3).

# %%
x = torch.zeros(9)
x[4] = 1.0
kernel = torch.tensor([1.0, 2.0, 3.0])
ordinary = F.conv1d(F.pad(x, (1, 1))[None, None], kernel[None, None])[0, 0]
causal = F.conv1d(F.pad(x, (2, 0))[None, None], kernel[None, None])[0, 0]
print("ordinary", ordinary.tolist())
print("causal  ", causal.tolist())
show_figure(
    viz.responses_figure({"padding on both sides": ordinary.tolist(), "padding in front": causal.tolist()}, at=4),
    alt="Two stem plots of the response to a lit frame 4. With ordinary padding, frames 3, 4 and 5 respond. With "
    "padding in front, frames 4, 5 and 6 respond",
)

# %% [markdown]
# **Notice.** Before frame 4 the output of the causal convolution is zero. After frame 4 the response lasts: frames 5
# and 6 still depend on frame 4. Causal means that the future cannot change the past. It does not mean that the past is
# forgotten.
#
# Now we do the same in three dimensions. Height and width are padded on both sides, as usual. Only time is padded in
# front. diffusers' `WanCausalConv3d` does exactly this, and the cell below checks it.


# %%
def causal_conv3d(x, weight, bias):
    """Convolve x (B, C, T, H, W) with weight (O, C, K, k, k), causally in time. Return (B, O, T, H, W)."""
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
# **Why is this useful?** A causal convolution can process a video of any length, piece by piece. For the next piece it
# needs only the last $K - 1$ frames that came before. They are its *cache*. The VAE works in this way. It takes 1
# frame, then 4 frames, then 4 more, and so on. Every convolution in it carries a cache from piece to piece.
#
# A stretch of frames that is processed in this way, with caches from its first frame to its last, is a *causal run*. We
# call it a *run* for short.

# %%
first, second = noise[:, :, :1], noise[:, :, 1:]
past = F.pad(first, (0, 0, 0, 0, 1, 0))  # the cache holds two frames: an empty one, then the first frame
with_cache = torch.cat([layer(first), layer(second, cache_x=past)], dim=2)
without = torch.cat([layer(first), layer(second)], dim=2)
at_once = layer(noise)
for name, output in (("with the cache,   ", with_cache), ("without the cache,", without)):
    difference = (output - at_once).abs().amax((0, 1, 3, 4))
    print(name, "difference to all frames at once:", [f"{d:.2f}" for d in difference])
assert torch.allclose(with_cache, layer(noise), atol=1e-5)

# %% [markdown]
# **Notice.** Without its cache, the layer goes wrong in the first two frames of the second piece, and only there. A
# decoder has many such layers, one after the other, and each layer expects a certain past. This becomes important
# below.
#
# ### Exercise 01.2 (3 points)
#
# Write the cache yourself, in one dimension. `conv_run` gets the next `t` frames (`run`), the `K - 1` inputs that came
# before them (`cache`), and the kernel (`weight`). It returns the `t` outputs, and the `K - 1` inputs that the next
# call will need. `run` may be shorter than `K - 1`.


# %%
def conv_run(run, cache, weight):
    """run: (t,), cache: (K - 1,), weight: (K,). Return the output (t,) and the next cache (K - 1,)."""
    ### BEGIN SOLUTION
    x = torch.cat([cache, run])
    output = sum(weight[k] * x[k : k + len(run)] for k in range(len(weight)))
    return output, x[len(run) :]
    ### END SOLUTION


conv_run = lab.check_conv_run(conv_run)

# %% [markdown]
# ### Exercise 01.3 (2 points)
#
# Layers add up. A layer with a kernel of $k$ looks back over $k - 1$ of *its own* input steps. A layer with stride 2
# halves the frame rate, so for the layers after it one step is two frames wide.
#
# Write `frames_seen(kernels, strides)`. It returns how many frames one output of the last layer depends on. The newest
# frame counts, too. For example, two layers with a kernel of 3 and a stride of 1 see 5 frames.


# %%
def frames_seen(kernels, strides):
    """kernels, strides: one int per layer, beginning at the input. Return the number of frames, an int."""
    ### BEGIN SOLUTION
    seen, step = 1, 1
    for kernel, stride in zip(kernels, strides):
        seen += (kernel - 1) * step
        step *= stride
    return seen
    ### END SOLUTION


frames_seen = lab.check_frames_seen(frames_seen)

# %% [markdown]
# ## What depends on what?
#
# **Question.** How far does one frame reach in the whole VAE?
#
# We do not have to read the VAE's code to know. We can measure it. We change one frame, encode again, and see which
# latents have changed. Then we change one latent, decode again, and see which frames have changed. If the VAE is
# causal, both maps must be triangular.

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
encoder_map[encoder_map < 1e-4] = 0  # such small values come from rounding
decoder_map[decoder_map < 1e-2] = 0

# %%
show_figure(
    viz.influence_figure(encoder_map.numpy(), decoder_map.numpy()),
    alt="Two maps. In the encoder, a changed frame changes its own latent most, and later latents less. In the "
    "decoder, a changed latent changes its own four frames most, and its influence fades over the later frames. In "
    "both maps, nothing earlier changes",
)
for frame in range(length):
    assert (encoder_map[frame, : naive_latent_index(frame, stride)] == 0).all()  # no latent before its own
for latent in range(1, n):
    assert (decoder_map[latent, : 1 + stride * (latent - 1)] == 0).all()  # no frame before its own
print("latent 1 was changed; the frames changed by (levels):", [round(float(v), 1) for v in decoder_map[1, :9]])

# %% [markdown]
# **Notice.** White is zero, so nothing reaches back in time. Away from the stairs the colours fade, but slowly. The
# four frames *after* those of a changed latent change, too, at first by almost half as much. So the decoder never reads
# a latent alone. It also remembers the latents before, and this memory is its *state*. A latent that does not belong
# there disturbs the state.
#
# ### Exercise 01.4 (2 points)
#
# Read the maps, or work it out. (a) We change frame 10 of a video. How many latents at its start stay exactly the same?
# (b) We change latent 3. Which is the first frame that changes?

# %%
def reach(frame, stride):
    """Return (how many latents stay, the first decoded frame that changes). Both are ints."""
    ### BEGIN SOLUTION
    latent = -(-frame // stride)
    return latent, frames_of_latent(latent, stride)[0]
    ### END SOLUTION


reach = lab.check_reach(reach)

# %% [markdown]
# ## A first latent is another code
#
# **Question.** Suppose that nothing moves: every frame is the same picture. Are all latents the same then?
#
# They need not be. Latent 0 describes one picture, and nothing comes before it. Latent 3 describes four pictures, and
# it builds on everything that came before. We call the latent at the start of a run a *first latent*.
#
# We measure the root mean square distance of each latent to latent 0. The latents are normalised, so their values are
# about one in size.

# %%
still = truth[:, :, :1].expand(-1, -1, pick(25, 13), -1, -1)
z_still = encode_clip(vae, still)
distance = (z_still - z_still[:, :, :1]).square().mean(dim=(0, 1, 3, 4)).sqrt()
show_figure(
    viz.latent_bars(distance.tolist(), "distance to latent 0"),
    alt="Bars. The distance is 0 for latent 0, about 0.3 for latents 1 and 2, and about 0.4 for the later latents",
)
as_first = decode_clip(vae, z_still[:, :, -1:])  # decodes a late latent as if it were a first latent
right, wrong = (levels(v, still[:, :, :1]).item() for v in (decode_clip(vae, z_still[:, :, :1]), as_first))
print(
    f"the picture from its first latent: {right:.1f} levels off; from a later latent, read as a first one: {wrong:.1f}"
)
assert wrong > 1.1 * right

# %% [markdown]
# **Notice.** One picture has two codes. The two codes differ by about 0.4, and latents vary by about 1 altogether. If
# the decoder takes one code for the other, it shows a wrong picture. A keyframe that is encoded alone is always written
# in the first code. In the middle of a video, the decoder expects the second one.
#
# ## Naive way 1: replace
#
# This is what nearly everybody tries first. Encode the whole video. Encode the keyframe alone. Then put the keyframe's
# latent in the place of the latent that holds its frame $f$. This is latent number $\lceil f / s \rceil$.
#
# We make it as easy as possible. The keyframe is the *true* frame 13 of this very video. All other latents are the true
# ones, too, as if they came from a perfect generator.

# %%
keyframe = truth[:, :, KEYFRAME : KEYFRAME + 1]
z_keyframe = encode_clip(vae, keyframe)  # a single latent, which is a first latent
alone = decode_clip(vae, z_keyframe)  # the best that any latents can give

place = -(-KEYFRAME // stride)
z_replaced = z_truth.clone()
z_replaced[:, :, place : place + 1] = z_keyframe
by_library = replace_naive(vae, z_truth, [Condition(KEYFRAME)], [keyframe])
assert torch.equal(z_replaced, by_library)

replaced = decode_clip(vae, z_replaced)[:, :, :NUM_FRAMES]
begin, stop = 1 + stride * (place - 1), 1 + stride * place
print(f"the keyframe at frame {KEYFRAME} goes to latent {place}, which holds frames {begin} to {stop - 1}")

# %%
window = list(range(begin - 1, stop + 1))
labels = [str(frame) for frame in window]
show_strip(pictures(ideal)[window], alt="Frames 12 to 17 after the VAE alone. They are soft but steady", labels=labels)
show_strip(
    pictures(replaced)[window],
    alt="The same frames with the keyframe's latent put in. Frames 13 to 16 hardly move and become blurred, with "
    "ghosts of the balloon and the tuft. Frame 17 is torn and shows two poses at once",
    labels=labels,
)

# %% [markdown]
# **Notice.** The upper row shows the VAE at its best. The lower row has the keyframe's latent in it. The four frames of
# this latent move too little, and things that should move leave ghosts. Frame 17 is torn, although its latent is the
# true one. That latent says how the video goes on from a certain state, and the decoder is not in this state.
#
# **In numbers.** Two curves show the same. The first is the error of each frame against the true frame. The second is
# the *step* into each frame, which is its difference to the frame before. An eye sees a very small step as a halt, and
# a very large step as a flash.

# %%
error_replaced = levels(replaced, truth)[0]
where = {"marks": {"keyframe": KEYFRAME}, "band": (begin, stop), "fps": 12}
curves = {"VAE alone": error_ideal.tolist(), "latent replaced": error_replaced.tolist()}
show_figure(
    viz.frame_curves(curves, "error (levels of 255)", **where),
    alt="The error of each frame. With the VAE alone it stays flat. With the replaced latent it climbs through frames "
    "13 to 16 to more than five times as much, and falls back over the next four frames",
)
step_ideal, step_replaced = (levels(v[:, :, 1:], v[:, :, :-1])[0] for v in (ideal, replaced))
curves = {"VAE alone": step_ideal.tolist(), "latent replaced": step_replaced.tolist()}
show_figure(
    viz.frame_curves(curves, "step into the frame (levels)", start=1, **where),
    alt="The step into each frame. With the VAE alone the steps are fairly even. With the replaced latent the steps "
    "into frames 13 to 16 shrink, and the step into frame 17 is the largest of all",
)
ratio = error_replaced[begin:stop].mean() / error_ideal[begin:stop].mean()
print(f"frames {begin} to {stop - 1}: {ratio:.1f} times the error of the VAE alone")
assert ratio > 1.5 and torch.allclose(error_replaced[:begin], error_ideal[:begin], atol=1e-3)

# %% [markdown]
# **Notice.** Before frame 13 nothing has changed, because the decoder is causal. Inside the shaded band the error
# climbs, because a first latent says nothing about motion. After the band the video must catch up. So we see a halt,
# and then a jump.
#
# And the keyframe itself? It is the one frame that we wanted to be sure of. If a kernel is running, drag the border in
# the widget below. The picture above the widget shows the same.

# %%
trio = [pictures(v)[0] for v in (keyframe, alone, replaced[:, :, KEYFRAME : KEYFRAME + 1])]
show_strip(
    [frame.repeat(2, axis=0).repeat(2, axis=1) for frame in trio],  # twice as large
    labels=["asked for", "decoded alone", "in the middle"],
    alt="Frame 13 in three versions. The first is as asked for. The second is decoded alone, and it is soft but right. "
    "The third is decoded in the middle of the run, and its tuft and outlines are doubled",
)
errors = [levels(v, keyframe).item() for v in (alone, replaced[:, :, KEYFRAME : KEYFRAME + 1])]
print(f"the keyframe: {errors[0]:.1f} levels off when decoded alone, {errors[1]:.1f} in the middle of the run")
comparison_slider(trio[1], trio[2], names=("decoded alone", "in the middle of a run"), scale=4)

# %% [markdown]
# ### Exercise 01.5 (3 points)
#
# How large is a jump? The size of the steps differs from shot to shot. So we compare a step with its neighbours. Divide
# the step into a frame by the *median* of the steps beside it. Take up to `window` steps on each side, and fewer at the
# ends of the video. Leave out the step itself.
#
# The reports of this project use this ratio. (It is our own choice.) If it is above 2, they say "flash". If it is below
# 0.35, they say "freeze".


# %%
def jump_ratio(steps, frame, window):
    """steps: a numpy array (T - 1,), where steps[i] leads from frame i to frame i + 1. Return the ratio."""
    ### BEGIN SOLUTION
    into = frame - 1
    beside = np.concatenate([steps[max(0, into - window) : into], steps[into + 1 : into + 1 + window]])
    return steps[into] / np.median(beside)
    ### END SOLUTION


jump_ratio = lab.check_jump_ratio(jump_ratio)

# %% [markdown]
# ## Does it matter where the keyframe stands?
#
# **Question.** A keyframe at frame 0 *is* a first latent, so the naive way must be right there. And elsewhere?
#
# We measure it. The keyframe is always the same picture, the first frame of the shot. We ask for it at every frame $f$
# in turn, and measure the error of frame $f$ against this picture. The error should not depend on $f$. All four frames
# of a group share one latent, so one decoding serves four positions. For comparison, we also decode the picture alone.


# %%
def error_by_place(video):
    """Return the keyframe's error at each frame (T,), and its error when decoded alone (a number), in levels."""
    picture, z = video[:, :, :1], encode_clip(vae, video)
    z_picture = encode_clip(vae, picture)
    result = torch.zeros(video.shape[2])
    for latent in range(z.shape[2]):
        put = torch.cat([z[:, :, :latent], z_picture], dim=2)  # the decoder is causal, so it needs no later latents
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
show_figure(
    viz.frame_curves(
        {"decoded alone": [by_itself] * NUM_FRAMES, "latent replaced": by_place.tolist()}, "error (levels of 255)"
    ),
    alt="The keyframe's error at each frame where it may stand. At frame 0 both curves meet. After that the naive "
    "curve rises, and from frame 5 on it is a saw: highest at the first frame of each group of four, lower at the "
    "other three, and always above the other curve",
)
middle = (by_place[1:] / by_place[0]).mean()
print(f"error at frame 0: {by_place[0]:.1f} levels; at all other frames {middle:.1f} times that")
print(f"at the first frame of a group: {(by_place[1::stride] / by_place[0]).mean():.1f} times; at its last:", end=" ")
print(f"{(by_place[stride::stride] / by_place[0]).mean():.1f} times")
assert abs(by_place[0] - by_itself) < 0.1 and middle > 1.4

# %% [markdown]
# **Notice.** The naive way is right at frame 0 and wrong everywhere else. The curve is a saw, and there is a reason for
# it. The group has only *one* latent, so the keyframe cannot even say which of the four frames it is meant for. The
# decoder takes the keyframe as a place to move to, and comes nearer to it towards the end of the group.
#
# (Our VAE is not Wan's VAE. The size of the error depends on the VAE. That there is an error follows from the
# architecture.)
#
# ## Naive way 2: a video full of blanks
#
# A latent that was encoded alone does not fit into the middle of a run. So let us encode something that looks like a
# whole video: the keyframes in their places, and mid-grey everywhere else. Many image-to-video models get their
# pictures like this, as extra input channels beside a mask. Then the encoder uses the right code for the middle of a
# run. But what does it write?

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
show_strip(
    pictures(blank_video)[window], alt="The video with blanks: grey, with one picture at frame 13", labels=labels
)
show_strip(
    pictures(from_blank)[window],
    alt="The same video after encoding and decoding. Frame 13 is a grey, washed-out shadow of the picture. The frames "
    "after it were blank, and they show the shadow, too",
    labels=labels,
)
assert error_blank[KEYFRAME] > 2 * error_blank[0]

# %% [markdown]
# **Notice.** One latent must hold one picture and three grey frames, and the frames before them are grey, too. So the
# latent holds a mixture. The picture is washed out, and its shadow falls on the grey frames after it. Frame 0 is alone
# in its group, so it is fine again.
#
# A model can be trained to make the best of such a mixture. For a single picture at frame 0, nothing has to be
# repaired. But for a keyframe in the middle, the detail is lost before the model sees it.
#
# Is anything left of the keyframe? We compare two latents with the true latent of frames 13 to 16: the keyframe's own
# latent, and the latent of the video with blanks.

# %%
for name, z in (("keyframe alone", z_keyframe[:, :, 0]), ("video with blanks", z_blank[:, :, place])):
    off = (z - z_truth[:, :, place]).square().mean().sqrt()
    print(f"{name:18} distance to the true latent {place}: {off:.2f}")
spread = (z_truth[:, :, place] - z_truth[:, :, place - 1]).square().mean().sqrt()
print(f"{'for comparison':18} the true latents {place - 1} and {place} differ by {spread:.2f}")

# %% [markdown]
# **Notice.** The last line is the measure: how far off would the decoder be if it got the previous latent once more?
# The keyframe's own latent is about three quarters as far off as that, and the latent of the video with blanks is even
# farther off. The decoder expects neither of them.
#
# ## Recap
#
# - A causal VAE takes 1 frame, and then $s$ frames at a time: $n = 1 + \lceil (N-1)/s \rceil$.
# - Causal convolutions pad in front and carry a cache. So no frame reaches back in time, and what a latent decodes to
#   depends on the latents before it.
# - A picture that is encoded alone is *a first latent*. Its code is not the code in the middle of a run.
# - If a first latent is put into the middle (replace), the shot halts and jumps, there are ghosts, and the keyframe
#   itself is not reproduced.
# - If a keyframe is surrounded by blanks (blank), it is mixed with grey before the model sees it.
#
# Both ways try to fit a keyframe into the middle of a run. The next notebook turns this around. If a picture wants to
# be a first latent, let it be one: let every keyframe begin a run of its own. This is the idea of the paper
# SmartDirector ([arXiv 2605.27891](https://arxiv.org/abs/2605.27891)).
#
# **Next:** [02 Multi-Chunk](02_multi_chunk.ipynb)

# %%
lab.summary("01")
