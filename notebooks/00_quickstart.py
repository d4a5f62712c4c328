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
# # 00 Quickstart: from a storyboard to a video
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/THIS_REPOSITORY/blob/main/notebooks/00_quickstart.ipynb)
#
# **Goals.** You film a storyboard, read the report that comes with it, write a storyboard of your own in Python, move a
# keyframe, and change the pacing. Nothing is explained in depth yet: that is what notebooks 01 to 06 are for.
#
# **Time.** 15 minutes to read and try; about a minute of computing on two CPU cores.
#
# **Needs.** A little Python. No GPU, no download: the model comes with the package.

# %%
# On Colab or another fresh machine: get the package, and leave torch and numpy as they are. Here this does nothing.
import importlib.metadata, importlib.util, subprocess, sys

if importlib.util.find_spec("smartdirector_lite") is None:
    kept = [f"{n}=={importlib.metadata.version(n)}" for n in ("torch", "numpy") if importlib.util.find_spec(n)]
    package = "smartdirector-lite[notebooks] @ git+https://github.com/THIS_REPOSITORY"
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", package, *kept], check=True)

# %%
import dataclasses
import json
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from smartdirector_lite import Storyboard, load_director
from smartdirector_lite.cli import bundled_storyboards
from smartdirector_lite.media import strip as keyframe_strip
from smartdirector_lite.course.notebook import figure, image, pick, strip, video
from smartdirector_lite.storyboard import PACING, Clip, Keyframe, Shot
from smartdirector_lite.toyworld import HELD_OUT_SEED, render, sample_scene
from smartdirector_lite.course.figures.base import timeline_figure
from smartdirector_lite.course.widgets import timeline_editor

# %% [markdown]
# ## 1. The model
#
# `load_director()` gives the bundled model, *smartdirector-tiny*. It has three parts. A **video VAE** turns frames into
# a few numbers, the *latents*, and back. A **transformer** turns noise into latents, step by step. A **text encoder**
# reads the caption. A model may have a second stage, *Director-SR*, which doubles the size of the video; it is a
# transformer too. On real Wan weights the parts are the same, only larger: see [07](07_real_wan.ipynb).

# %%
director = load_director()
for name, part in (("VAE", director.gen.vae), ("transformer", director.gen.transformer)):
    print(f"{name:12} {sum(p.numel() for p in part.parameters()) / 1e6:6.1f} million parameters")
print(f"{'second stage':12} {'none' if director.sr is None else 'there'}")
print(f"{'usual call':12} {director.steps} steps, {director.size[0]}x{director.size[1]} pixels, {director.fps:g} fps")

# %% [markdown]
# ## 2. A storyboard
#
# A storyboard is a small JSON file. It says how long the video is, what each shot shows, and **which picture stands at
# which moment**. These pictures are the *keyframes*. Two storyboards come with the package. We take the one of the toy
# world, the procedural cinema that the model was trained on.

# %%
path = bundled_storyboards() / "snow" / "story.json"
story = Storyboard.load(path)
print(json.dumps(json.loads(path.read_text(encoding="utf-8")), indent=1)[:700], "...")

# %%
pictures = [frames[0] for _, frames in story.load_conditions(director.size)]
labels = [f"frame {condition.frame_index}" for condition in story.conditions]
strip(pictures, alt="The five keyframes of the storyboard: two toy creatures in the snow, in two shots", labels=labels)

# %% [markdown]
# ## 3. The plan
#
# **Question.** Before anything is computed: how is this video going to be cut up?
#
# The video is split into **chunks**. A chunk begins at every keyframe and at every cut. Each chunk is encoded and
# decoded on its own, and its first latent holds the keyframe alone. Such a latent is called an **anchor**: it is given,
# and no noise is put on it. A chunk of $L$ frames has $n = 1 + \lceil (L - 1) / s \rceil$ latents, where $s$, here 4,
# is the number of frames that a later latent holds. Notebook [02](02_multi_chunk.ipynb) is about this.
#
# The smallest example: a chunk of 13 frames has $1 + 12 / 4 = 4$ latents.

# %%
plan = director.plan(story)
print(plan.table())

# %%
figure(
    timeline_figure(plan, fps=story.fps),
    alt="49 frames in a row, keyframes orange at 0, 12, 21, 34 and 48; below them the latents, one circle each",
)

# %% [markdown]
# **What to notice.** Every orange frame is the first of its chunk, and has an orange latent right under it. The dotted
# line is the cut between the two shots. It falls on the frame where the storyboard wants it, not on a multiple of 4.

# %% [markdown]
# ## 4. Film it
#
# One call. The same seed gives the same video on one machine. `result.draft` is the video of stage one.
# `result.frames` is the finished one: twice as wide and high where the model has a second stage, and the draft itself
# where it has none.

# %%
steps = pick(director.steps, 2)
result = director(story, seed=0, steps=steps, progress=False, stage=pick("all", "gen"))
print("draft (T, H, W, 3):", result.draft.shape, " finished:", result.frames.shape)
video(
    result.frames,
    result.fps,
    alt="The generated video: two creatures in the snow, a cut after frame 20",
    scale=448 // result.frames.shape[2],
)

# %% [markdown]
# **What to notice.** At the keyframes the creatures are clear. Between them the background stays, but what moves turns
# soft, and half-way it may smear. That is the tiny model's limit, not the method's: it was trained for hours on two CPU
# cores, where video models are trained for weeks on many GPUs.

# %% [markdown]
# ## 5. The report
#
# Every result measures itself. For each keyframe: how far is the video's frame from the picture that you gave? For each
# chunk border: how large is the jump over it, compared with the motion beside it?

# %%
print(result.report.summary())

# %% [markdown]
# **What to notice.** The report is strict. A step into a keyframe that is more than twice as large as the steps beside
# it is called a *flash*: the jump from soft frames to a clear keyframe. The line of the cut says whether the picture
# changed as much as a cut should.
#
# The first line says how far the keyframes are from your pictures: not at all, for stage two shows each as it was given
# (notebook [05](05_director_sr.ipynb)). What the frames beside them make of it is another matter:

# %%
print("frame   to your picture, levels of 255   sharpness of the frames beside it, of its own")
for keyframe in result.report.keyframes:
    print(f"{keyframe.frame:5} {keyframe.l1:31.2f} {keyframe.sharpness_beside:47.2f}")
assert all(keyframe.l1_reconstruction < 0.5 for keyframe in result.report.keyframes)

# %% [markdown]
# **What to notice.** Stage one is exact too, as far as its VAE can be: there a keyframe comes back as
# `decode(encode(keyframe))`, wherever it stands and whatever the model makes around it. Notebook
# [01](01_causal_vae.ipynb) shows how badly this goes without chunks.

# %% [markdown]
# ## 6. The contact sheet and the files
#
# A contact sheet shows evenly spaced frames, and what was given in an orange frame.

# %%
image(
    result.sheet(columns=7, count=14), alt="Contact sheet: frames of the video in rows, the given ones framed in orange"
)

# %%
with tempfile.TemporaryDirectory() as folder:  # in your own work: result.save("story.mp4")
    for written in result.save(Path(folder) / "story.mp4"):
        print(written.name, "is there:", written.is_file())

# %% [markdown]
# ## 7. A storyboard of your own
#
# Keyframes need not be files. Here we let the toy world draw a scene (a number, the *seed*, stands for each) and take
# three of its frames as pictures. `render` gives a tensor of shape (T, 3, H, W) with values from 0 to 1.

# %%
num_frames = 21
scene = sample_scene(HELD_OUT_SEED + 11, num_frames=num_frames, num_shots=1)
truth = (render(scene, 64, 112).permute(0, 2, 3, 1).numpy() * 255).round().astype(np.uint8)
print(scene.description)
strip(list(truth), alt="Eight evenly spaced frames of the scene as the toy world draws it")

# %%
places = [0, num_frames // 3, num_frames - 1]
mine = Storyboard(
    title="My first storyboard",
    description=scene.description,
    num_frames=num_frames,
    fps=12,
    size=(112, 64),
    shots=(Shot(**scene.shot_caption(0)),),
    keyframes=tuple(Keyframe(Image.fromarray(truth[place]), frame=place) for place in places),
)
print(mine.plan().table())

# %% [markdown]
# To save time we stop at the draft from here on: `stage="gen"`.

# %%
film = director(mine, seed=1, steps=steps, progress=False, stage="gen")
image(keyframe_strip(film.frames, count=8, keyframes=places), alt="Frames of the generated video, keyframes in orange")
print(film.report.summary())

# %% [markdown]
# ## 8. Move a keyframe
#
# A storyboard can't be changed, which keeps mistakes small. You make a new one from it. `dataclasses.replace` copies it
# with other fields; here the keyframe in the middle goes two frames later.

# %%
later = dataclasses.replace(mine.keyframes[1], frame=places[1] + 2)
moved = dataclasses.replace(mine, keyframes=(mine.keyframes[0], later, mine.keyframes[2]))
print(moved.plan().table())
assert [chunk.start for chunk in moved.plan().chunks] == [0, places[1] + 2, places[2]]

# %% [markdown]
# What can't be is refused, with one line that says which field and what to do:

# %%
try:
    dataclasses.replace(mine, keyframes=(mine.keyframes[0], dataclasses.replace(later, frame=num_frames)))
except ValueError as error:
    print(error)

# %% [markdown]
# **Try it yourself.** With a running kernel, move the sliders (mouse, or Tab and the arrow keys) and watch the plan. In
# `editor.storyboard` lies the storyboard as you have set it. The figure under it shows the same without a kernel: the
# keyframe in the middle, two frames later.

# %%
editor = timeline_editor(mine)
editor

# %%
figure(
    timeline_figure(moved.plan(), fps=moved.fps),
    alt="The timeline after the move: the middle keyframe, its chunk and its latents lie two frames later",
)

# %% [markdown]
# ## 9. Pacing
#
# The same pictures at other times tell another story. `retime` takes new times, or the name of a preset. A preset keeps
# the first and the last keyframe and spaces those between them: evenly (*documentary*), late (*suspense*), or early
# (*action*).

# %%
for preset in PACING:
    print(f"{preset:12}", [condition.frame_index for condition in story.retime(preset).conditions])

# %%
fast_story = story.retime("action")
figure(
    timeline_figure(fast_story.plan(), fps=fast_story.fps),
    alt="The snow storyboard in action pacing: the first keyframes in quick succession, then long gaps",
)

# %%
action = director(fast_story, seed=0, steps=steps, progress=False, stage="gen")
keyframes = [condition.frame_index for condition in fast_story.conditions]
image(keyframe_strip(action.frames, 8, keyframes), alt="Frames of the video in action pacing, keyframes in orange")

# %% [markdown]
# **What to notice.** The keyframes are as exact as before. The cut has moved along with the keyframe that opens the
# second shot. The longer the gap, the softer its middle.

# %% [markdown]
# ## 10. Continue a clip
#
# A condition may also be a **clip**: several frames that are given. Here the first nine frames of our scene are, and
# the model goes on from there.

# %%
extension = Storyboard(
    description=scene.description, num_frames=21, fps=12, size=(112, 64), clips=(Clip(truth[:9], frame=0),)
)
print(extension.plan().table())
longer = director(extension, seed=2, steps=steps, progress=False, stage="gen")
image(longer.sheet(columns=7, count=14), alt="Nine given frames of a clip, framed in orange, then what the model adds")

# %% [markdown]
# **What to notice.** Nine frames are $4 \cdot 2 + 1$, so they fill three latents, all anchors, and the new frames
# belong to the same chunk. The first new frames follow the clip. Then the picture turns soft, small things like
# letters first: with a keyframe on one side only, the tiny model has little to hold on to. A keyframe at the end helps;
# try it.

# %% [markdown]
# ## Recap
#
# - A **storyboard** places pictures and clips at frames or seconds, and describes shots in words.
# - The **plan** cuts the video into chunks. Keyframes and cuts stand on exactly the frame you ask for.
# - The **report** says how exact the keyframes are and how smooth the borders.
# - **Pacing** moves the same pictures to other times.
#
# The same from the command line: `smartdirector plan story.json` and `smartdirector generate story.json`.
#
# **Next:** [01, the causal VAE](01_causal_vae.ipynb): why a keyframe in the middle of a video breaks an ordinary one.
