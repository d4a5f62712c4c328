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
# # 02a Appendix: what the surplus should show
#
# [Notebook 02](02_multi_chunk.ipynb) drops a few frames at the end of each chunk, the *surplus*. Nobody sees these
# frames. This appendix asks whether it matters what they show.
#
# > **The paper.** SmartDirector, [arXiv 2605.27891](https://arxiv.org/abs/2605.27891): its chunks have $s k + 1$
# > frames, so they have no surplus. The surplus, the rule for it, and the measurements here are *ours*. The VAE's
# > architecture is *Wan's*.
#
# **Goals.** Afterwards you can
# - say what fills the surplus when a video is encoded;
# - tell a small effect from chance: count in how many shots it appears.
#
# **Time.** 10 minutes. All cells together run in about a minute on a laptop.
#
# **Needs.** Notebook 02. You need no GPU and no download.

# %%
import torch
from diffusers import AutoencoderKLWan

from smartdirector_lite import ChunkPlan, Condition
from smartdirector_lite.course.figures.base import schematic, schematic_text
from smartdirector_lite.course.notebook import pick, show_figure, show_table
from smartdirector_lite.loading import find_model
from smartdirector_lite.loading.cpu import prepare_for_cpu
from smartdirector_lite.media.size import Size
from smartdirector_lite.report import border_report
from smartdirector_lite.toyworld import HELD_OUT_SEED, render, sample_scene
from smartdirector_lite.vae import decode, encode_clip, encode_video

torch.set_grad_enabled(False)  # nothing is trained here
vae = AutoencoderKLWan.from_pretrained(find_model("smartdirector-tiny"), subfolder="vae")  # only the VAE of the model
prepare_for_cpu(vae)  # uses other kernels, which are faster on a CPU and give the same numbers
stride, NUM_FRAMES, KEYFRAMES = vae.config.scale_factor_temporal, 30, (0, 13, 23)
plan = ChunkPlan.build(NUM_FRAMES, [Condition(frame) for frame in KEYFRAMES], stride)

# %% [markdown]
# ## Frames that nobody sees
#
# **Question.** Frame 22 is the last frame before a keyframe. Its latent has room for three more frames. What should the
# encoder put there?

# %%
stages = ("chunks", "latents")
show_figure(schematic(plan, stages), alt=schematic_text(plan, stages))

# %% [markdown]
# There are two natural ways to fill the hatched part before encoding:
#
# - *the frames that follow* in the same shot, although they belong to the next chunk;
# - *the last frame*, repeated.
#
# The library does the first where the shot goes on, and the second where it ends. We encode the same shots in both ways
# and decode them again. No model is in between, so the layout alone is measured.

# %%
SIZE = Size(pick(112, 56), pick(64, 32))


def film(seed):
    """Return one toy shot, (1, 3, T, H, W) in [-1, 1]. The VAE was not trained on it."""
    scene = sample_scene(HELD_OUT_SEED + seed, NUM_FRAMES, num_shots=1)
    return render(scene, SIZE).transpose(0, 1)[None] * 2 - 1


def encode_repeating(video):
    """Encode chunk by chunk. `encode_clip` fills a group that is not full by repeating its last frame."""
    return torch.cat([encode_clip(vae, video[:, :, chunk.start : chunk.stop]) for chunk in plan.chunks], dim=2)


def pictures(video):
    """Return the first video of a batch as uint8 (T, H, W, 3)."""
    return ((video[0].permute(1, 2, 3, 0) + 1) * 127.5).round().clamp(0, 255).byte().numpy()


# %% [markdown]
# ## What comes out
#
# We look at two numbers for each shot. The first is the error of the last frame before each keyframe, in levels of 255.
# The second is the jump ratio of notebook 01 at the keyframe: the step into it, divided by the median of the steps
# beside it.
#
# **Predict.** Which way makes the last frame itself more exact? Which way makes the step into the keyframe smoother?

# %%
WAYS = ("frames that follow", "last frame repeated")
SHOTS = pick(12, 2)
errors, ratios = ({way: [] for way in WAYS} for _ in range(2))
for seed in range(SHOTS):
    video = film(seed)
    for way, z in zip(WAYS, (encode_video(vae, plan, video), encode_repeating(video)), strict=True):
        seen = decode(vae, plan, z)
        border = KEYFRAMES[2]  # the chunk before it has a surplus
        errors[way].append((seen - video)[:, :, border - 1].abs().mean().item() * 127.5)
        ratios[way].append(border_report(pictures(seen), border).ratio)
mean = {name: {way: sum(values[way]) / SHOTS for way in WAYS} for name, values in (("e", errors), ("r", ratios))}
rows = [(way, f"{mean['e'][way]:.2f}", f"{mean['r'][way]:.3f}") for way in WAYS]
show_table(rows, ("surplus", "error of the last frame (levels)", "jump ratio at the keyframe"))
smoother = sum(a < b for a, b in zip(ratios[WAYS[0]], ratios[WAYS[1]], strict=True))
print(f"the step is smaller with the frames that follow in {smoother} of {SHOTS} shots")

# %% [markdown]
# **Notice.** With the frames that follow, the step into the keyframe is 1.18<!-- = mean["r"][WAYS[0]] --> times the
# motion beside it. With the last frame repeated it is 1.25<!-- = mean["r"][WAYS[1]] --> times the motion. The
# difference is small, but it is there in 12<!-- = smoother --> of 12<!-- = SHOTS --> shots.
#
# Where does it come from? If the last frame is repeated, the encoder sees a figure that halts before every keyframe. It
# has one latent for all four frames, so it mixes this halt into the frame that is seen. Then the keyframe comes with a
# jerk. On the other hand, the last frame itself is a little more exact in this way: it is
# 3.39<!-- = mean["e"][WAYS[1]] --> levels off instead of 3.58<!-- = mean["e"][WAYS[0]] -->. One picture is easier to
# code than four different ones. We prefer the smooth step.
#
# ## Recap
#
# - The last latent of a chunk has room for frames past the chunk's end. The encoder must be given something there.
# - The frames that follow make the step into the keyframe smoother. The last frame, repeated, makes itself more exact.
# - Both effects are small. Frames that nobody sees leave a mark on the frames beside them.
# - The decoder drops these frames in either case.
#
# **Next:** [03 MC-RoPE](03_mc_rope.ipynb)
