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
# > **The paper.** SmartDirector, [arXiv 2605.27891](https://arxiv.org/abs/2605.27891). Its authors promised code. This
# > project is an implementation of our own.
# >
# > - *The paper's:* the method, in two stages: Director-Gen makes a draft, and Director-SR makes it twice as large.
# > - *Wan's:* the kinds of models that do the work. The same code runs with Wan's large weights (notebook 07).
# > - *Ours:* the small weights that come with the package, storyboard files, the report, and the presets of pacing.
#
# **Goals.** You generate a video from a storyboard and read the report that comes with it. Then you write a storyboard
# of your own in Python, move a keyframe, and change the pacing. Each idea is only introduced here. Notebooks 01 to 06
# explain the ideas in depth.
#
# **Time.** 15 minutes to read and try. The computing takes about a minute on two CPU cores.
#
# **Needs.** A little Python. You need no GPU and no download, because the model comes with the package.
#
# Where the text says **Predict**, write your guess down before you run the cell.

# %%
import dataclasses
import json
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from smartdirector_lite import Storyboard, load_director
from smartdirector_lite.cli import bundled_storyboards
from smartdirector_lite.course.figures.base import schematic, schematic_text, timeline_figure
from smartdirector_lite.course.notebook import (
    pick,
    show_figure,
    show_image,
    show_strip,
    show_table,
    show_video,
    show_videos,
)
from smartdirector_lite.course.widgets import timeline_editor
from smartdirector_lite.media.size import Size
from smartdirector_lite.storyboard import PACING, Clip, Keyframe, Shot
from smartdirector_lite.toyworld import HELD_OUT_SEED, render, sample_scene

# %% [markdown]
# ## 1. The model
#
# `load_director()` loads the model that comes with the package, *smartdirector-tiny*. It has three main parts:
#
# - The **video VAE** turns frames into a much smaller array of numbers, the *latents*, and it turns latents back into
#   frames.
# - The **transformer** turns noise into latents, step by step.
# - The **text encoder** reads the caption.
#
# A model may also have a second stage, *Director-SR*. It doubles the width and the height of the video, with a
# transformer of its own. Real Wan weights have the same parts, only larger (see [notebook 07](07_real_wan.ipynb)).

# %%
director = load_director()
parts = {"VAE": director.gen.vae, "transformer": director.gen.transformer, "text encoder": director.gen.text_encoder}
parts["transformer of stage two"] = director.sr.transformer
sizes = {name: sum(p.numel() for p in part.parameters()) / 1e6 for name, part in parts.items()}
show_table([[name, f"{size:.1f}"] for name, size in sizes.items()], ["part", "million parameters"])
usual = director.defaults
print(f"usual call: {usual.steps} steps, {usual.size} pixels, {usual.fps:g} fps")

# %% [markdown]
# ## 2. A storyboard
#
# A storyboard is a small JSON file. It says how long the video is, what each shot shows, and
# **which picture stands at which moment**. These pictures are the *keyframes*.
#
# Two storyboards come with the package. We take the one from the toy world. The toy world is a procedural cinema: a
# program draws its scenes. The model was trained on scenes of this kind.

# %%
path = bundled_storyboards() / "snow" / "story.json"
story = Storyboard.load(path)
print(json.dumps(json.loads(path.read_text(encoding="utf-8")), indent=1)[:700], "...")

# %%
given = director.take(story, stage="gen").frames  # the frames of each condition, in the size of the draft
pictures = [frames[0] for frames in given]
labels = [f"frame {condition.frame_index}" for condition in story.conditions]
show_strip(
    pictures,
    alt="The five keyframes of the storyboard. They show two toy creatures in the snow, in two shots",
    labels=labels,
)

# %% [markdown]
# ## 3. The plan
#
# **Question.** Before anything is computed: how will this video be split?
#
# The idea comes from the paper SmartDirector ([arXiv 2605.27891](https://arxiv.org/abs/2605.27891)). The video is split
# into **chunks**. A chunk begins at every keyframe and at every *cut*, which is the first frame of the next shot. The
# VAE encodes and decodes each chunk on its own.
#
# The VAE puts several frames into one time step of its latents. Such a time step is a *latent frame*, or a *latent* for
# short. The first latent of a chunk holds one frame. Each later latent holds $s$ frames, and here $s$ is 4. So a chunk
# of $L$ frames has $n = 1 + \lceil (L - 1) / s \rceil$ latents.
#
# If a chunk begins with a keyframe, its first latent holds the keyframe alone. Such a latent is an **anchor**. It is
# given, so no noise is put on it. [Notebook 02](02_multi_chunk.ipynb) explains all this.
#
# The smallest example: a chunk of 13 frames has $1 + 12 / 4 = 4$ latents.
#
# **Predict.** The storyboard has five<!-- = len(story.keyframes) --> keyframes, and one of them stands at the cut. How
# many chunks will there be?

# %%
plan = director.plan(story)
print(plan.table())

# %%
show_figure(
    timeline_figure(plan, fps=story.fps),
    alt=f"A row of {plan.num_frames} frames, with gold keyframes at frames "
    f"{', '.join(str(condition.frame_index) for condition in plan.conditions)}. Below the row stand "
    f"{plan.num_latents} latents, one circle for each, and a fan leads from each latent to the frames that it holds",
)

# %% [markdown]
# **Notice.** Every gold frame is the first frame of its chunk, and a gold latent stands right under it. The dotted
# line is the cut between the two shots. The cut falls on exactly the frame that the storyboard asks for, and not on a
# multiple of 4.

# %% [markdown]
# ## 4. Film it
#
# One call makes the video. On one machine, the same seed always gives the same video. `result.draft` is the video of
# stage one. `result.frames` is the finished video. If the model has a second stage, the finished video is twice as wide
# and twice as high as the draft. Otherwise it is the draft itself.

# %%
steps = pick(director.defaults.steps, 2)
result = director(story, seed=0, steps=steps, progress=False, stage=pick("all", "gen"))
print("draft (T, H, W, 3):", result.draft.shape, " finished:", result.frames.shape)
show_video(
    result.frames,
    result.fps,
    alt="The generated video. Two creatures, a purple one and a blue one, play in the snow. A second, closer shot "
    f"begins at frame {story.cuts[0]}",
    scale=448 // result.frames.shape[2],
)

# %% [markdown]
# **Notice.** At the keyframes the creatures are clear. Between the keyframes the background stays steady, but what
# moves fast becomes soft, and half-way it may smear. This is a limit of the tiny model: both of its transformers
# together have 18.3<!-- = sizes["transformer"] + sizes["transformer of stage two"] --> million parameters, and it was
# trained for about 25<!-- = float(open("../smartdirector_lite/weights/smartdirector-tiny/README.md", encoding="utf-8")
# .read().split(" hours on two CPU")[0].split()[-1]) --> hours on two CPU cores. Large video models have billions of
# parameters, and they are trained for weeks on many GPUs.

# %% [markdown]
# ## 5. The report
#
# Every result measures itself. The report answers two questions:
#
# - For each keyframe: how far is the video's frame from the picture that you gave?
# - For each chunk border: how large is the jump across the border, compared with the motion beside it?
#
# **Predict.** At which of the borders will the jump be largest?

# %%
print(result.report.summary())

# %% [markdown]
# **Notice.** The report is strict. If the step into a keyframe is more than twice as large as the steps beside it, the
# report says *flash*. In a flash, the video jumps from soft frames to a clear keyframe. The line for the cut says
# whether the picture changes as much as it should at a cut.
#
# The first line says how far the keyframes are from your pictures. Here they are not off at all, because stage two
# shows every keyframe as you gave it (see [notebook 05](05_director_sr.ipynb)). The frames beside a keyframe are made
# by the model. The next cell also says how sharp they are: 100 % means as sharp as the keyframe.

# %%
show_table(
    [[key.frame, f"{key.l1:.2f}", f"{100 * key.sharpness_beside:.0f} %"] for key in result.report.keyframes],
    ["keyframe", "levels off your picture", "sharpness of the frames beside it"],
)
assert all(keyframe.l1_reconstruction < 0.5 for keyframe in result.report.keyframes)

# %% [markdown]
# **Notice.** Stage one is exact too, as far as its VAE can be. In stage one a keyframe comes back as
# `decode(encode(keyframe))`, at any frame, and whatever the model generates around it.
# [Notebook 01](01_causal_vae.ipynb) shows how badly this goes without chunks.

# %% [markdown]
# ## 6. The contact sheet and the files
#
# A contact sheet shows evenly spaced frames of the video. A gold border marks the frames that were given.

# %%
show_image(
    result.sheet(columns=7, count=14),
    alt="A contact sheet with frames of the video in rows. The given frames have a gold border",
)

# %%
with tempfile.TemporaryDirectory() as folder:  # in your own work: result.save("story.mp4")
    for written in result.save(Path(folder) / "story.mp4"):
        print(written.name, "is there:", written.is_file())

# %% [markdown]
# ## 7. A storyboard of your own
#
# Keyframes need not be files. Here the toy world draws a scene, and we take three of its frames as keyframes. The
# *seed* is a number that stands for one scene. `render` gives a tensor of shape (T, 3, H, W) with values from 0 to 1.

# %%
num_frames = 21
scene = sample_scene(HELD_OUT_SEED + 11, num_frames=num_frames, num_shots=1)
truth = (render(scene, Size(112, 64)).permute(0, 2, 3, 1).numpy() * 255).round().astype(np.uint8)
print(scene.description)
show_strip(
    list(truth),
    alt="Eight evenly spaced frames, as the toy world draws them. A yellow creature stands between a sign that says "
    "PARK and a tree. A balloon rises, and the camera moves to the right",
)

# %%
places = [0, num_frames // 3, num_frames - 1]
mine = Storyboard(
    title="My first storyboard",
    description=scene.description,
    num_frames=num_frames,
    fps=12,
    size=Size(112, 64),
    shots=(Shot(**scene.shot_caption(0)),),
    keyframes=tuple(Keyframe(Image.fromarray(truth[place]), frame=place) for place in places),
)
print(mine.plan().table())

# %% [markdown]
# From here on we stop after the draft to save time: `stage="gen"`.

# %%
film = director(mine, seed=1, steps=steps, progress=False, stage="gen")
show_videos(
    {"drawn by the toy world": truth, "generated from three keyframes": film.frames},
    film.fps,
    scale=3,
    alt="A tall yellow creature with antennae in a sunny meadow, a sign that says PARK, and a yellow balloon that "
    "rises. The generated video follows the drawn one, and it is softer between the keyframes",
)
print(film.report.summary())

# %% [markdown]
# ## 8. Move a keyframe
#
# A storyboard object cannot be changed. You make a new one from it instead, and the old one stays as it was.
# `dataclasses.replace` makes a copy in which some fields are different. Here the keyframe in the middle moves two
# frames later.

# %%
later = dataclasses.replace(mine.keyframes[1], frame=places[1] + 2)
moved = dataclasses.replace(mine, keyframes=(mine.keyframes[0], later, mine.keyframes[2]))
print(moved.plan().table())
assert [chunk.start for chunk in moved.plan().chunks] == [0, places[1] + 2, places[2]]

# %% [markdown]
# A storyboard that cannot work is refused. One line says which field is wrong and which values are possible:

# %%
try:
    dataclasses.replace(mine, keyframes=(mine.keyframes[0], dataclasses.replace(later, frame=num_frames)))
except ValueError as error:
    print(error)

# %% [markdown]
# **Try it yourself.** With a running kernel, move the sliders and watch the plan. You can use the mouse, or Tab and the
# arrow keys. `editor.storyboard` holds the storyboard as you have set it. The figure under the sliders shows one such
# move, and it needs no kernel: the keyframe in the middle moves two frames later.

# %%
editor = timeline_editor(mine)
editor

# %%
after_move = schematic_text(moved.plan())
show_figure(schematic(moved.plan()), alt=f"After the move, with the middle keyframe two frames later. {after_move}")


# %% [markdown]
# ## 9. Pacing
#
# The same pictures at other times tell another story. `retime` takes new times, or the name of a preset. A preset keeps
# the first and the last keyframe where they are. It places the others evenly (*documentary*), late (*suspense*), or
# early (*action*).

# %%
paced = {preset: [condition.frame_index for condition in story.retime(preset).conditions] for preset in PACING}
show_table(
    [[preset, *frames] for preset, frames in paced.items()],
    ["preset", *(f"keyframe {k + 1}" for k in range(len(story.keyframes)))],
)

# %%
fast_story = story.retime("action")
show_figure(
    timeline_figure(fast_story.plan(), fps=fast_story.fps),
    alt="The timeline of the snow storyboard with action pacing. The first keyframes stand close together, and then "
    "come long gaps",
)

# %%
action = director(fast_story, seed=0, steps=steps, progress=False, stage="gen")
show_videos(
    {"as written": result.draft, "action": action.frames},
    story.fps,
    scale=3,
    alt="The drafts of the snow story with both timings. With action pacing the first shot is over sooner, and the "
    "second shot lasts longer",
)

# %% [markdown]
# **Notice.** The keyframes are as exact as before. The cut has moved together with the keyframe that opens the second
# shot. The longer the gap between two keyframes is, the softer are the frames in its middle.

# %% [markdown]
# ## 10. Continue a clip
#
# Frames that you give are a *condition*. A keyframe is a condition of one frame. A **clip** is a condition of several
# frames. Here we give the first nine frames of our scene, and the model continues from there.

# %%
extension = Storyboard(
    description=scene.description, num_frames=21, fps=12, size=Size(112, 64), clips=(Clip(truth[:9], frame=0),)
)
print(extension.plan().table())
longer = director(extension, seed=2, steps=steps, progress=False, stage="gen")
show_video(
    longer.frames,
    longer.fps,
    alt="The yellow creature in the meadow. The first nine frames are given and sharp. Then the picture becomes soft",
)

# %% [markdown]
# **Notice.** Nine frames are $4 \cdot 2 + 1$. So the clip fills three latents, and all three are anchors. The new
# frames belong to the same chunk. The first new frames follow the clip. Then the picture becomes soft, and small things
# like letters are lost first. The tiny model has little to rely on when a condition stands on one side only. A keyframe
# at the end helps. Try it.

# %% [markdown]
# ## Recap
#
# - A **storyboard** places pictures and clips at frames or seconds, and describes the shots in words.
# - The **plan** splits the video into chunks. Keyframes and cuts stand on exactly the frames that you ask for.
# - The **report** says how exact the keyframes are and how smooth the borders are.
# - **Pacing** moves the same pictures to other times.
#
# You can do the same from the command line: `smartdirector plan story.json` and `smartdirector generate story.json`.
#
# **Next:** [01, the causal VAE](01_causal_vae.ipynb). It shows why a keyframe in the middle of a video breaks an
# ordinary VAE.
