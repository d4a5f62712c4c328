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
# # 07 Real Wan weights
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/THIS_REPOSITORY/blob/main/notebooks/07_real_wan.ipynb)
#
# **Goals.** You know what Wan 2.2 5B and Wan 2.1 14B need of your graphics card, *before* you download them. You can
# choose a memory mode and say why it is slower. You know when tiling helps, what the text cache saves, and where
# fine-tuning begins. If you have a GPU and the weights, you film a storyboard with them.
#
# **Time.** 25 minutes to read and try; a minute or two of computing.
#
# **Needs.** [00](00_quickstart.ipynb) and [02](02_multi_chunk.ipynb). **No GPU and no weights** for all but the last
# cell, which says plainly that it was skipped.
#
# **What is not shown.** These outputs were made on a CPU without the weights. The figures are estimates. Nobody has
# measured them on a card for this notebook.

# %%
# On Colab or another fresh machine: get the package, and leave torch and numpy as they are. Here this does nothing.
import importlib.metadata, importlib.util, subprocess, sys

if importlib.util.find_spec("smartdirector_lite") is None:
    kept = [f"{n}=={importlib.metadata.version(n)}" for n in ("torch", "numpy") if importlib.util.find_spec(n)]
    package = "smartdirector-lite[notebooks] @ git+https://github.com/THIS_REPOSITORY"
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", package, *kept], check=True)

# %%
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import nn

from smartdirector_lite import Storyboard, load_director
from smartdirector_lite.cli import bundled_storyboards
from smartdirector_lite.loading.estimate import MetaModels, measure_weights, read_configs
from smartdirector_lite.loading.loader import LoadError, find_model
from smartdirector_lite.loading.memory import MODES, RESERVE, Call, gigabytes
from smartdirector_lite.course.notebook import figure, pick, video
from smartdirector_lite.loading.placement import choose
from smartdirector_lite.loading.quantize import quantized
from smartdirector_lite.loading.shapes import WAN
from smartdirector_lite.loading.tracing import Tracer
from smartdirector_lite.course.figures.memory import memory_figure, tokens_figure

# %% [markdown]
# ## 1. The same classes, other sizes
#
# A model is code and sizes. The code is what you stepped through in notebooks 01 to 06. The sizes are in a config of a
# few lines, and `shapes.WAN` knows those of three Wan models. So we can build each of them **without data**: on torch's
# *meta device* a tensor has a shape and a type, and no memory behind it.
#
# The smallest example: a matrix of 40 GB that takes no time and no memory.

# %%
huge = torch.empty(100_000, 100_000, device="meta")
print(tuple(huge.shape), "would take", gigabytes(huge.numel() * huge.element_size()))

# %%
FIVE, FOURTEEN = "Wan-AI/Wan2.2-TI2V-5B-Diffusers", "Wan-AI/Wan2.1-T2V-14B-Diffusers"
models = {name: MetaModels(read_configs(name)) for name in pick((FIVE, FOURTEEN), (FIVE,))}
for name, meta in models.items():
    print(name)
    for part, model in meta.models.items():
        count, size = sum(p.numel() for p in model.parameters()), measure_weights(model).total
        print(f"    {part:13} {count / 1e9:5.2f} billion parameters, {gigabytes(size):>8}")
assert set(models) <= set(WAN)

# %% [markdown]
# **What to notice.** The text encoder alone has 11 GB. A call needs it only at its beginning. The VAE is small and
# kept in float32 (4 bytes a number), because its errors end up in every anchor; the rest is in bfloat16 (2 bytes).
#
# Is there a trick in `measure_weights(...).total`? No. Built inline:

# %%
transformer = models[FIVE].transformer
weights = measure_weights(transformer)
total = sum(p.numel() * p.element_size() for p in transformer.parameters())
block = sum(p.numel() * p.element_size() for p in transformer.blocks[0].parameters())
assert total == weights.total and block == weights.block
print(f"{len(transformer.blocks)} blocks of {gigabytes(block)}, {gigabytes(total)} in all")

# %% [markdown]
# ## 2. Weights are half of the story
#
# **Question.** How many bytes live at the worst moment?
#
# Beside the weights a model needs room for what it computes: activations. A tensor lives from the operation that makes
# it until nobody holds it. The peak is
#
# $$\max_t \sum_{\text{tensors alive at } t} \text{bytes}.$$
#
# The smallest example: two matrix products of a vector batch. The input was there before, so it does not count.

# %%
batch, width = 1000, 64
x, a, b = (torch.empty(*shape, device="meta") for shape in ((batch, width), (width, 4 * width), (4 * width, width)))
with Tracer() as trace, torch.no_grad():
    y = nn.functional.gelu(x @ a) @ b
inner, outer = 4 * batch * 4 * width, 4 * batch * width  # bytes: float32 has four
assert trace.peak == 2 * inner  # the product and its gelu live together; the output comes when one of them is gone
assert trace.flops == 2 * 2 * batch * width * 4 * width
print(f"peak {gigabytes(trace.peak)}, {trace.flops / 1e6:.0f} million operations")

# %% [markdown]
# `Tracer` watches the real code run on tensors without data. So the estimate can't forget a tensor that the code makes.
# What it doesn't see is what CUDA and its libraries take for themselves: we add three GB for that (`RESERVE`). cuDNN
# took two of them on an H200 while the VAE decoded whole frames of 1280x704, and next to nothing in tiles.

# %% [markdown]
# ## 3. Memory modes
#
# **Question.** What if weights and activations together don't fit?
#
# With weights $W_m$ of model $m$, activations $A_m$, a transformer's blocks $B$ and the rest $R$:
#
# | mode | what is on the GPU | peak | price |
# |---|---|---|---|
# | `full` | everything | $\sum_m W_m + \max_m A_m$ | none |
# | `model` | one model at a time | $\max_m (W_m + A_m)$ | each model is moved once a call |
# | `group` | two blocks of the transformer; the VAE whole | $\max_m (R + 2B + A_m)$ | blocks come while others run |
# | `sequential` | one layer | $\max_m (\text{layer} + A_m)$ | every weight is moved in every step |
#
# With numbers you can check in your head: models of 10, 4 and 1 GB, each with 2 GB of activations. `full` needs
# 10 + 4 + 1 + 2 = 17 GB. `model` needs 10 + 2 = 12 GB. A transformer of 10 GB in 20 equal blocks needs
# 2 · 0.5 + 2 = 3 GB in `group`.

# %%
CALLS = {FIVE: Call((1280, 704), 121, 3), FOURTEEN: Call((832, 480), 81, 3)}
pairs = {name: models[name].estimate_both(CALLS[name]) for name in models}  # (as it is, with the VAE in tiles)
for name, (whole, _) in pairs.items():
    call = CALLS[name]
    print(f"{name}: {call.num_frames} frames of {call.size[0]}x{call.size[1]}, {call.num_keyframes} keyframes\n")
    print(whole.table(), "\n")

# %%
short = {FIVE: "Wan 2.2 5B, 121 frames of 1280x704", FOURTEEN: "Wan 2.1 14B, 81 frames of 832x480"}
cards = [card * 10**9 for card in (12, 16, 24, 48)]
figure(
    memory_figure({short[name]: whole for name, (whole, _) in pairs.items()}, cards),
    alt="Bars: peak GPU memory by memory mode for two Wan models, dashed lines for cards of 12, 16, 24 and 48 GB",
)

# %% [markdown]
# **What to notice.** For the 5B model the last three modes hardly differ: the peak is in decoding, and there it is
# activations that count, not weights. For the 14B model `model` does not help on a 24 GB card: the transformer by
# itself is larger. `group` does.

# %% [markdown]
# ## 4. Tiling
#
# **Question.** The 5B model peaks in decoding. What can be done about activations?
#
# `vae.enable_tiling()` decodes the picture in overlapping tiles and blends their seams. A tile's activations do not
# depend on the size of the video. The price is that overlaps are decoded twice. With `memory="auto"` the loader turns
# it on when it is needed.
#
# In time, nothing need be tiled: our decoder runs frame by frame and keeps a cache (notebook 02), so its memory does
# not grow with the length of the video.

# %%
for name, (whole, tiled) in pairs.items():
    decode = [next(stage for stage in estimate.stages if stage.name == "decode") for estimate in (whole, tiled)]
    print(
        f"{short[name]}: decoding needs {gigabytes(decode[0].bytes)} as it is, {gigabytes(decode[1].bytes)} in tiles,"
    )
    print(f"    and {decode[1].flops / decode[0].flops:.1f} times the operations")
    assert decode[1].bytes < decode[0].bytes and decode[1].flops > decode[0].flops

# %%
figure(
    memory_figure({f"{short[name]}, tiled": tiled for name, (_, tiled) in pairs.items()}, cards),
    alt="The same bars with the VAE in tiles: the 5B model now falls from mode to mode",
)

# %% [markdown]
# ## 5. Your card
#
# `choose` is what `memory="auto"` asks: the fastest mode that fits into the free memory. Tiles cost little beside the
# steps, so they come before a slower mode. On the command line, `smartdirector memory --model ...` prints the same.


# %%
def advice(name: str, free: int) -> str:
    """What memory="auto" would take with `free` bytes; for 8-bit weights too (`quantize="int8"`)."""
    said = []
    for kind in (None, "int8"):
        fits = choose(*(quantized(estimate, kind) for estimate in pairs[name]), free)
        said.append("nothing fits" if fits is None else fits[0] + (", tiled" if fits[1] else ""))
    return f"{said[0]:20} {said[1]}"


print(f"{'card':>8}   {'bfloat16':20} with int8 weights")
for name in pairs:
    print(short[name])
    for gigabyte in (8, 12, 16, 24, 32, 48, 80):
        print(f"{gigabyte:5} GB   {advice(name, gigabyte * 10**9)}")
if torch.cuda.is_available():
    free = torch.cuda.mem_get_info()[0]
    print("this machine:", gigabytes(free), "free:", *(f"\n    {short[name]}: {advice(name, free)}" for name in pairs))
else:
    print("This machine has no CUDA GPU.")

# %% [markdown]
# **Try it.** Take your own card's memory. What does half the number of frames change? Change `CALLS` and run again.
# Answer before you look: which of the stages depends on the number of frames, and which does not?

# %%
sizes = [(832, 480), (1280, 704)]
lengths = pick((33, 121), (33,))
for size in sizes:
    for length in lengths:
        estimate = models[FIVE].estimate(Call(size, length, 3, tiled=True))
        peaks = "  ".join(f"{mode} {(estimate.peak(mode)[0] + RESERVE) / 1e9:5.1f}" for mode in MODES)
        print(f"{size[0]}x{size[1]}, {length:3} frames, tiled: GB with the reserve: {peaks}")

# %% [markdown]
# ## 6. What keyframes cost
#
# **Question.** Is a keyframe free?
#
# No. Each begins a chunk, and a chunk's first latent holds one frame instead of four. Every latent frame is
# $(H / 32) (W / 32)$ tokens for the 5B model (16 pixels a latent, 2 latents a token), and attention grows with the
# **square** of the number of tokens. The smallest example: 121 frames and one keyframe, at the start, are
# $1 + 120 / 4 = 31$ latents. With a second keyframe at frame 60 there are chunks of 60 and 61 frames:
# $1 + \lceil 59 / 4 \rceil = 16$ and $1 + 60 / 4 = 16$, together 32.

# %%
counts = list(range(1, 13))
latents = [Call((1280, 704), 121, count).plan(4).num_latents for count in counts]
tokens_each = (704 // 32) * (1280 // 32)
assert latents[:2] == [31, 32]
print("keyframes", *(f"{count:6}" for count in counts), "\nlatents  ", *(f"{latent:6}" for latent in latents))
print("tokens   ", *(f"{latent * tokens_each:6}" for latent in latents))

# %%
figure(
    tokens_figure(counts, latents, tokens_each),
    alt="Two rising lines over the number of keyframes: latent frames, and pairs of tokens against one keyframe",
)

# %% [markdown]
# **What to notice.** The curve is not smooth. Four keyframes cost more than five: with four, the chunks have 30
# frames, and a chunk of 30 needs as many latents as one of 33, nine. Chunks of $4 k + 1$ frames waste nothing.

# %% [markdown]
# ## 7. The text cache
#
# The text encoder is the second largest part, and the same caption gives the same embedding each time. With
# `text_cache="folder"` an embedding is kept on disk. The encoder is loaded for a text that is not there yet, and is
# gone before anything else runs. It works with any model, so we try it with the bundled one.

# %%
story = Storyboard.load(bundled_storyboards() / "snow" / "story.json")
options = {"seed": 0, "steps": 1, "progress": False, "stage": "gen"}
plain = load_director()(story, **options)
with tempfile.TemporaryDirectory() as folder:
    cached = load_director(text_cache=folder)
    assert cached.gen.text_encoder is None  # not loaded, and not needed once the text is known
    first, second = cached(story, **options), cached(story, **options)
    files = sorted(Path(folder).iterdir())
    print(len(files), "file of", round(files[0].stat().st_size / 1000), "kB in the cache")
difference = int(np.abs(first.frames.astype(int) - plain.frames).max())
assert np.array_equal(first.frames, second.frames) and difference <= 1
print("the video is the same; largest difference to the one without a cache:", difference, "levels of 255")

# %% [markdown]
# ## 8. Loading a real model
#
# The call is the one you know: `load_director("Wan-AI/Wan2.2-TI2V-5B-Diffusers")`. **Nothing is downloaded unasked.**
# The loader first looks for the files, with `find_model`, and without them it stops with one line that says what to
# do. `hf download` fetches them: 24 GB are used of the 5B model and 41 GB of the 14B; the files on the hub may be
# larger.

# %%
try:
    folder = find_model(FIVE)
    print("The weights are here.")
except LoadError as error:
    folder = None
    print(error)

# %% [markdown]
# ## 9. Film with it
#
# This cell needs the weights **and** a CUDA GPU. Everything above did not. `fit` tells `memory="auto"` how large the
# call is going to be. If it can't fit, one line says what would.
#
# Two warnings. Plain Wan weights were never trained on Multi-Chunk latents. Keyframes come back exact all the same,
# for that is the VAE's doing, but what lies between them is not sure to follow them. And the storyboard's pictures are
# small: give it large ones of your own.

# %%
if folder is None or not torch.cuda.is_available():
    print("Skipped: this needs a CUDA GPU and the weights of", FIVE)
else:
    director = load_director(FIVE, memory="auto", fit=Call((1280, 704), story.num_frames, len(story.keyframes)))
    film = director(story, seed=0, steps=pick(30, 2), progress=False)
    video(film.frames, film.fps, alt="The snow storyboard, filmed by Wan 2.2 5B", scale=1)
    print(film.report.summary())
    print("measured peak:", gigabytes(torch.cuda.max_memory_allocated()))

# %% [markdown]
# ## 10. Further
#
# - **Fine-tuning.** `smartdirector train gen --base FOLDER --data CLIPS --lora-rank 16` teaches Wan keyframes: it
#   trains a LoRA, small matrices beside the frozen weights (notebook [06](06_train_your_own.ipynb) builds one inline).
#   The recipe, with what was tried and what was not, is in [docs/fine-tuning.md](../docs/fine-tuning.md).
#   `lora.load_lora` loads the result.
# - **Several GPUs.** One storyboard a GPU, or one long video shared by all:
#   [docs/several-gpus.md](../docs/several-gpus.md).
# - **From nothing to a video** on one 24 GB card, step by step: [docs/wan.md](../docs/wan.md).
#
# A LoRA is small. For one matrix of $d_{out} \times d_{in}$ it has $r (d_{out} + d_{in})$ numbers:

# %%
rank, layers = 16, [m for m in transformer.blocks.modules() if isinstance(m, nn.Linear)]
lora = sum(rank * (m.in_features + m.out_features) for m in layers)
whole = sum(p.numel() for p in transformer.parameters())
print(f"rank {rank} on the {len(layers)} matrices of the blocks: {lora / 1e6:.0f} million numbers,", end=" ")
print(f"{100 * lora / whole:.1f} % of the transformer's")
assert lora < 0.05 * whole

# %% [markdown]
# ## Recap
#
# - A model without data tells what it needs, before a byte is downloaded.
# - Memory is **weights plus activations**. Modes move weights; tiles shrink the VAE's activations.
# - `memory="auto"` takes the fastest mode that fits. `text_cache` keeps the largest encoder off the card.
# - Keyframes cost a latent each, at most, and attention pays for that squared.
# - Estimates are estimates. What a real card measures is for you to see: `torch.cuda.max_memory_allocated()`.
#
# **Next:** your own film. [docs/wan.md](../docs/wan.md) takes you from an empty machine to a video, and
# [06](06_train_your_own.ipynb) shows how to change the model itself.
