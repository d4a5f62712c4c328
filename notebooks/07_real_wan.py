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
# The notebooks before this one used a tiny model. The paper builds on Wan, a family of large video models, and our
# pipelines run on Wan's published weights, too. This notebook shows what these weights need, and how to make them fit
# your graphics card.
#
# > **The paper.** SmartDirector, [arXiv 2605.27891](https://arxiv.org/abs/2605.27891): the set-up of its experiments.
# >
# > - *The paper's:* Director-Gen on a transformer like Wan 2.1's (14 billion parameters in the version that the authors
# >   mean to release), Director-SR on Wan 2.2 with 5 billion, both with the VAE of Wan 2.2. No weights are published.
# > - *Wan's:* the configs and weights in this notebook.
# > - *Ours:* the estimates, the memory modes, and the text cache.
#
# **Goals.** Afterwards you can
# - say what Wan 2.2 5B and Wan 2.1 14B need, *before* you download them;
# - choose a memory mode, and say why it is slower;
# - say when tiling helps, what the text cache saves, and where fine-tuning begins;
# - film a storyboard with Wan, if you have a GPU and the weights.
#
# **Time.** 25 minutes to read and try. The computing takes a minute or two of them.
#
# **Needs.** Notebooks [00](00_quickstart.ipynb) and [02](02_multi_chunk.ipynb). You need **no GPU and no weights**,
# except in section 9. Without them the cell there is skipped, and says so.
#
# **What is not shown.** The outputs below were made on a CPU without the weights. The numbers are estimates. Nobody has
# measured them on a card for this notebook.
#
# Where the text says **Predict**, write your guess down before you run the cell.

# %%
import re
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import nn

from smartdirector_lite import Storyboard, load_director
from smartdirector_lite.cli import bundled_storyboards
from smartdirector_lite.loading.estimate import WAN, MetaModels, read_configs, trace
from smartdirector_lite.loading import LoadError, find_model
from smartdirector_lite.loading.memory import MODES, RESERVE, Call, gigabytes
from smartdirector_lite.course.notebook import pick, show_figure, show_table, show_video
from smartdirector_lite.loading.placement import choose
from smartdirector_lite.course.figures.memory import memory_figure, tokens_figure

# %% [markdown]
# ## 1. The same classes, other sizes
#
# A model consists of code and sizes. You know the code from notebooks 01 to 06. The sizes stand in configs of a few
# lines, and `WAN` holds the configs of three Wan models. So we can build each of these models **without data**. On
# torch's *meta device* a tensor has a shape and a type, but no memory.
#
# The smallest example is a matrix of 40 GB that takes no time and no memory:

# %%
huge = torch.empty(100_000, 100_000, device="meta")
print(tuple(huge.shape), "would take", gigabytes(huge.numel() * huge.element_size()))

# %%
FIVE, FOURTEEN = "Wan-AI/Wan2.2-TI2V-5B-Diffusers", "Wan-AI/Wan2.1-T2V-14B-Diffusers"
models = {name: MetaModels(read_configs(name)) for name in pick((FIVE, FOURTEEN), (FIVE,))}
rows = []
for name, meta in models.items():
    for part, model in meta.models.items():
        count = sum(p.numel() for p in model.parameters())
        rows.append([name, part, f"{count / 1e9:.2f}", gigabytes(meta.weights[part].total)])
show_table(rows, ["model", "part", "billion parameters", "weights"])
assert set(models) <= set(WAN)

# %% [markdown]
# **Notice.** The text encoder alone takes
# 11<!-- = models[FIVE].weights["text_encoder"].total / 1e9 --> GB, and a call needs it only at the beginning. The VAE
# is small. It is kept in float32 (4 bytes a number), because its errors end up in every anchor. Everything else is in
# bfloat16 (2 bytes a number).
#
# The sizes in `meta.weights` are plain sums. We can add them up by hand:

# %%
transformer = models[FIVE].transformer
weights = models[FIVE].weights["transformer"]
total = sum(p.numel() * p.element_size() for p in transformer.parameters())
block = sum(p.numel() * p.element_size() for p in transformer.blocks[0].parameters())
assert total == weights.total and block == weights.block
print(f"{len(transformer.blocks)} blocks of {gigabytes(block)}, {gigabytes(total)} in all")

# %% [markdown]
# ## 2. Weights are half of the story
#
# **Question.** How many bytes are in use at the worst moment?
#
# Beside the weights a model needs memory for what it computes, the *activations*. A tensor is alive from the operation
# that makes it until nothing refers to it any more. The peak is
#
# $$\max_t \sum_{\text{tensors alive at } t} \text{bytes}.$$
#
# The smallest example multiplies a batch of vectors by two matrices, one after the other. The input was there before,
# so it does not count.

# %%
batch, width = 1000, 64
x, a, b = (torch.empty(*shape, device="meta") for shape in ((batch, width), (width, 4 * width), (4 * width, width)))
with torch.no_grad():
    needed = trace(lambda: nn.functional.gelu(x @ a) @ b)
inner, outer = 4 * batch * 4 * width, 4 * batch * width  # bytes: float32 has four
assert needed.peak == 2 * inner  # the product and its gelu are alive together; the output comes after one is gone
assert needed.flops == 2 * 2 * batch * width * 4 * width
print(f"peak {gigabytes(needed.peak)}, {needed.flops / 1e6:.0f} million operations")

# %% [markdown]
# `trace` watches the real code while it runs on tensors without data. So the estimate cannot forget a tensor that the
# code makes. But `trace` does not see what CUDA and its libraries take for themselves. For that we add three GB
# (`RESERVE`). On an H200, cuDNN took two of these three GB while the VAE decoded whole frames of 1280x704, and almost
# nothing while it decoded tiles.

# %% [markdown]
# ## 3. Memory modes
#
# **Question.** What if weights and activations together do not fit?
#
# Then not everything can be on the GPU at the same time. There are four memory modes. In the table, model $m$ has the
# weights $W_m$ and the activations $A_m$. One block of the transformer has the weights $B$, and all that is not in the
# blocks has the weights $R$.
#
# | mode | what is on the GPU | peak | price |
# |---|---|---|---|
# | `full` | everything | $\sum_m W_m + \max_m A_m$ | none |
# | `model` | one model at a time | $\max_m (W_m + A_m)$ | each model is moved once a call |
# | `group` | two blocks of the transformer; the whole VAE | $\max_m (R + 2B + A_m)$ | blocks move while others run |
# | `sequential` | one layer | $\max_m (\text{layer} + A_m)$ | every weight is moved in every step |
#
# The smallest example has models of 10, 4 and 1 GB, each with 2 GB of activations. The mode `full` needs
# $10 + 4 + 1 + 2 = 17$ GB. The mode `model` needs $10 + 2 = 12$ GB. A transformer of 10 GB in 20 equal blocks needs
# $2 \cdot 0.5 + 2 = 3$ GB in the mode `group`.
#
# **Predict.** For the 14B model with a transformer of 29 GB: which mode is the first that fits on a card of 24 GB?

# %%
CALLS = {FIVE: Call((1280, 704), 121, 3), FOURTEEN: Call((832, 480), 81, 3)}
pairs = {name: models[name].estimate_both(CALLS[name]) for name in models}  # (as it is, with the VAE in tiles)
for name, (whole, _) in pairs.items():
    call = CALLS[name]
    print(f"{name}: {call.num_frames} frames of {call.size[0]}x{call.size[1]}, {call.num_keyframes} keyframes")
    for part in whole.table().split("\n\n"):  # what each mode needs, and what each stage takes
        header, *rows = (re.split(r"\s{2,}", line.strip()) for line in part.splitlines())
        show_table(rows, header)

# %%
short = {FIVE: "Wan 2.2 5B, 121 frames of 1280x704", FOURTEEN: "Wan 2.1 14B, 81 frames of 832x480"}
cards = [card * 10**9 for card in (12, 16, 24, 48)]
show_figure(
    memory_figure({short[name]: whole for name, (whole, _) in pairs.items()}, cards),
    alt="Bars: peak GPU memory by memory mode for two Wan models. Dashed lines mark cards of 12, 16, 24 and 48 GB.",
)

# %% [markdown]
# **Notice.** For the 5B model the last three modes hardly differ. Their peak is in decoding, and there the activations
# count, not the weights. For the 14B model the mode `model` does not help on a 24 GB card, because the transformer
# alone is larger than that. The mode `group` helps.

# %% [markdown]
# ## 4. Tiling
#
# **Question.** The 5B model peaks in decoding. What can be done about activations?
#
# `vae.enable_tiling()` decodes the picture in overlapping tiles and blends their seams. The activations of a tile do
# not depend on the size of the video. The price is that the overlaps are decoded more than once. With `memory="auto"`
# the loader turns tiling on when it is needed.
#
# Nothing has to be tiled in time. Our decoder runs latent frame by latent frame and keeps a cache (notebook 02), so its
# memory does not grow with the length of the video.

# %%
for name, (whole, tiled) in pairs.items():
    decode = [next(stage for stage in estimate.stages if stage.name == "decode") for estimate in (whole, tiled)]
    print(
        f"{short[name]}: decoding needs {gigabytes(decode[0].bytes)} as it is, {gigabytes(decode[1].bytes)} in tiles,"
    )
    print(f"    and {decode[1].flops / decode[0].flops:.1f} times the operations")
    assert decode[1].bytes < decode[0].bytes and decode[1].flops > decode[0].flops

# %%
show_figure(
    memory_figure({f"{short[name]}, tiled": tiled for name, (_, tiled) in pairs.items()}, cards),
    alt="The same bars with the VAE in tiles: for the 5B model the peak now falls from mode to mode",
)

# %% [markdown]
# ## 5. Your card
#
# **Question.** Which mode should your card use?
#
# `memory="auto"` calls the function `choose`. It takes the fastest mode that fits into the free memory. Tiles cost
# little compared with the steps, so `choose` turns to tiles before it turns to a slower mode. On the command line,
# `smartdirector memory --model ...` prints the same advice.


# %%
def advice(name: str, free: int) -> list[str]:
    """Say what memory="auto" takes with `free` bytes: with bfloat16 weights, and with quantize="int8"."""
    said = []
    for kind in (None, "int8"):
        fits = choose(*(estimate.quantized(kind) for estimate in pairs[name]), free)
        said.append("nothing fits" if fits is None else fits[0] + (", tiled" if fits[1] else ""))
    return said


cards_of = {f"{gigabyte} GB": gigabyte * 10**9 for gigabyte in (8, 12, 16, 24, 32, 48, 80)}
if torch.cuda.is_available():
    cards_of["this machine, free"] = torch.cuda.mem_get_info()[0]
else:
    print("This machine has no CUDA GPU.")
for name in pairs:
    print(short[name])
    show_table([[card, *advice(name, free)] for card, free in cards_of.items()], ["card", "bfloat16", "int8 weights"])

# %% [markdown]
# **Try it.** Take the memory of your own card. What changes with half the number of frames? Change `CALLS` and run the
# cells again. Answer one question before you look: the memory of which stages depends on the number of frames?

# %%
sizes = [(832, 480), (1280, 704)]
lengths = pick((33, 121), (33,))
rows = []
for size in sizes:
    for length in lengths:
        estimate = models[FIVE].estimate(Call(size, length, 3, tiled=True))
        peaks = (f"{(estimate.peak(mode)[0] + RESERVE) / 1e9:.1f}" for mode in MODES)
        rows.append([f"{size[0]}x{size[1]}, {length} frames", *peaks])
show_table(rows, ["GB with the reserve, tiled", *MODES])

# %% [markdown]
# ## 6. What keyframes cost
#
# **Question.** Is a keyframe free?
#
# No. Each keyframe begins a chunk, and a chunk's first latent frame holds one frame instead of four. For the 5B model
# every latent frame has $(H / 32) (W / 32)$ tokens: in height and in width a latent covers 16 pixels, and a token
# covers 2 latents. The cost of attention grows with the **square** of the number of tokens.
#
# In the smallest example, 121 frames with one keyframe at the start make $1 + 120 / 4 = 31$ latent frames. With a
# second keyframe at frame 60 there are chunks of 60 and 61 frames. They have $1 + \lceil 59 / 4 \rceil = 16$ and
# $1 + 60 / 4 = 16$ latent frames, together 32.
#
# **Predict.** Do four keyframes always cost less than five?

# %%
counts = list(range(1, 13))
latents = [Call((1280, 704), 121, count).plan(4).num_latents for count in counts]
tokens_each = (704 // 32) * (1280 // 32)
assert latents[:2] == [31, 32]
rows = [["latent frames", *latents], ["tokens, thousands", *(round(n * tokens_each / 1000) for n in latents)]]
show_table(rows, ["keyframes", *map(str, counts)])

# %%
show_figure(
    tokens_figure(counts, latents, tokens_each),
    alt=f"Two lines with steps over the number of keyframes: latent frames, which rise from {latents[0]} to "
    f"{latents[-1]}, and pairs of tokens, which rise to {(latents[-1] / latents[0]) ** 2:.1f} times those of one "
    "keyframe. Both fall a little from four keyframes to five",
)

# %% [markdown]
# **Notice.** Twelve keyframes need 48<!-- = latents[11] --> latent frames, and one keyframe needs
# 31<!-- = latents[0] -->. That is 1.5<!-- = (latents[11] - latents[0]) / 11 --> for each further keyframe. Two things
# are paid for. The first latent frame of a chunk holds one frame instead of four, which costs three quarters of a
# latent frame. And each frame of surplus at the end of a chunk costs a quarter, up to three quarters.
#
# So the curve is not smooth. Four keyframes cost more than five: 36<!-- = latents[3] --> against
# 35<!-- = latents[4] -->. With four keyframes the first three chunks have 30 frames each. Such a chunk needs nine
# latent frames, as many as a chunk of 33 frames. Chunks of $4 k + 1$ frames waste nothing.

# %% [markdown]
# ## 7. The text cache
#
# **Question.** Does the text encoder have to be loaded for every video?
#
# No. The same caption gives the same embedding each time, so the embedding can be kept. With `text_cache="folder"` it
# is kept on disk. The text encoder is loaded only for a text that is not in the folder yet, and it is gone before
# anything else runs. The cache works with any model, so we try it with the bundled one.

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
# You know the call already: `load_director("Wan-AI/Wan2.2-TI2V-5B-Diffusers")`. **Nothing is downloaded unasked.** The
# loader first looks for the files with `find_model`. If they are not there, it stops with one line that says what to
# do. `hf download` fetches the files. Of the 5B model 24 GB are used, and of the 14B model 41 GB. The files on the hub
# may be larger.

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
# This cell needs the weights **and** a CUDA GPU. The argument `fit` tells `memory="auto"` how large the call will be.
# If the call cannot fit, one line says what would fit.
#
# Two warnings:
#
# - Plain Wan weights were never trained on Multi-Chunk latents. The keyframes come back exact all the same, because
#   that depends only on the VAE. But the frames between them need not follow them.
# - The pictures of this storyboard are small. Use large pictures of your own.

# %%
if folder is None or not torch.cuda.is_available():
    print("Skipped: this needs a CUDA GPU and the weights of", FIVE)
else:
    director = load_director(FIVE, memory="auto", fit=Call((1280, 704), story.num_frames, len(story.keyframes)))
    film = director(story, seed=0, steps=pick(30, 2), progress=False)
    show_video(film.frames, film.fps, alt="The snow storyboard, filmed by Wan 2.2 5B", scale=1)
    print(film.report.summary())
    print("measured peak:", gigabytes(torch.cuda.max_memory_allocated()))

# %% [markdown]
# ## 10. Further
#
# - **Fine-tuning.** `smartdirector train gen --base FOLDER --data CLIPS --lora-rank 16` teaches keyframes to Wan. It
#   trains a LoRA, which is a pair of thin matrices beside each frozen matrix (notebook [06](06_train_your_own.ipynb)
#   builds one). [docs/fine-tuning.md](../docs/fine-tuning.md) holds the recipe, and says what was tried and what was
#   not. `director.gen.load_lora_weights` loads the result.
# - **Several GPUs.** Each GPU can film its own storyboards: [docs/several-gpus.md](../docs/several-gpus.md).
# - **From nothing to a video.** [docs/wan.md](../docs/wan.md) leads there step by step, on one 24 GB card.
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
# - A model without data tells what it needs before a byte is downloaded.
# - Memory is **weights plus activations**. The memory modes move weights. Tiles shrink the activations of the VAE.
# - `memory="auto"` takes the fastest mode that fits. `text_cache` keeps the text encoder off the card.
# - A further keyframe costs zero, one or two latent frames, and more than one on average. Attention pays for that
#   squared.
# - Estimates are estimates. Measure your own card with `torch.cuda.max_memory_allocated()`.
#
# **Next:** Make your own film. [docs/wan.md](../docs/wan.md) takes you from an empty machine to a video, and
# [notebook 06](06_train_your_own.ipynb) shows how to change the model itself.
