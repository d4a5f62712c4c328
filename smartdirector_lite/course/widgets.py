"""Sliders and votes for the notebooks. A widget calculates nothing itself: it asks the library and redraws a figure.

Only this module imports ipywidgets. Every slider works from the keyboard (Tab, then the arrow keys) and has a label.
A widget needs a running kernel, so the notebooks show a static figure beside each one.
"""

import random
from collections.abc import Callable, Sequence
from html import escape

import numpy as np
from ipywidgets import HTML, Button, Dropdown, HBox, IntSlider, VBox
from PIL import Image

from ..storyboard import Storyboard
from ..timeline import TAU_SCHEMES, ChunkPlan, Condition
from .figures.base import timeline_figure
from .notebook import figure_bytes, img_tag, picture_bytes, players_tag
from .words import translate as _

FULL_WIDTH = {"width": "95%"}
LABEL = {"description_width": "10em"}
# ipywidgets gives a slider's handle no name of its own: once this invisible picture has loaded, screen readers hear the
# label that stands beside the slider.
NAMES = """<img alt="" width="1" height="1" style="opacity:0" onload="setTimeout(() => {
  for (const slider of this.closest('.widget-vbox').querySelectorAll('.widget-hslider'))
    for (const handle of slider.querySelectorAll('.noUi-handle'))
      handle.setAttribute('aria-label', slider.querySelector('.widget-label').textContent);
}, 300)" src="data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==">"""


class TimelineEditor(VBox):
    """One slider for each condition, above the figure of the plan. `timeline_editor` and `tau_explorer` make it.

    Attributes:
        plan: the plan of the last placement that was possible.
        storyboard: the storyboard with that placement, or None where the editor was made from a plan.
        sliders: the sliders, in the order of the conditions.
        scheme: the choice of the index scheme, which `tau_explorer` shows.
    """

    def __init__(self, plan: ChunkPlan, scheme: str, storyboard: Storyboard | None, choose_scheme: bool):
        self.plan = plan
        self.storyboard = storyboard
        self._start = storyboard
        self.fps = None if storyboard is None else storyboard.fps
        self.sliders = [self._slider(index, condition) for index, condition in enumerate(plan.conditions)]
        self.scheme = Dropdown(options=TAU_SCHEMES, value=scheme, description=_("index scheme"), style=LABEL)
        self.picture = HTML()
        self.message = HTML()
        self._redraw()
        chooser = [self.scheme] if choose_scheme else []
        super().__init__([*self.sliders, *chooser, self.message, self.picture, HTML(NAMES)])
        for control in [*self.sliders, self.scheme]:
            control.observe(self._changed, names="value")

    def _slider(self, index: int, condition: Condition) -> IntSlider:
        kind = "keyframe" if condition.num_frames == 1 else "clip"
        return IntSlider(
            value=condition.frame_index,
            min=0,
            max=self.plan.num_frames - condition.num_frames,
            description=_(f"{kind} {index + 1}, frame"),
            continuous_update=False,
            style=LABEL,
            layout=FULL_WIDTH,
        )

    def _changed(self, change: dict) -> None:
        frames = [slider.value for slider in self.sliders]
        try:
            if self._start is not None:
                storyboard = self._start.retime(frames=frames)
                self.plan = storyboard.plan(self.plan.stride)
                self.storyboard = storyboard
            else:
                lengths = [condition.num_frames for condition in self.plan.conditions]
                moved = [Condition(frame, length) for frame, length in zip(frames, lengths, strict=True)]
                self.plan = ChunkPlan.build(self.plan.num_frames, moved, self.plan.stride, self.plan.cuts)
        except ValueError as error:  # such as two keyframes at one frame; the figure stays as it is
            self.message.value = f'<span role="alert">{escape(str(error), quote=False)}</span>'
            return
        self._redraw()

    def _redraw(self) -> None:
        figure = timeline_figure(self.plan, self.scheme.value, self.fps)
        self.message.value = f"<pre>{escape(self.plan.table(self.scheme.value), quote=False)}</pre>"
        self.picture.value = img_tag(figure_bytes(figure), f"Timeline of {_summary(self.plan)}")


def timeline_editor(plan: ChunkPlan | Storyboard) -> TimelineEditor:
    """Move keyframes and clips with sliders, and see chunks, latents and tau follow.

    The editor holds the result in `plan`, and in `storyboard` where it was given one. In a storyboard the conditions
    keep their order, and cuts between them move along (`Storyboard.retime`). A placement that is not possible shows
    an error and changes neither.

    Args:
        plan: a ChunkPlan, or a Storyboard, which is planned with stride 4.

    Raises:
        ValueError: there is no keyframe and no clip.
    """
    return _editor(plan, "frame_time", choose_scheme=False)


def tau_explorer(plan: ChunkPlan | Storyboard, scheme: str = "frame_time") -> TimelineEditor:
    """Make a `timeline_editor` with a choice of the index scheme, so that tau can be compared between schemes.

    Args:
        plan: a ChunkPlan, or a Storyboard, which is planned with stride 4.
        scheme: the scheme that is chosen first, one of `timeline.TAU_SCHEMES`.

    Raises:
        ValueError: there is no keyframe and no clip.
    """
    return _editor(plan, scheme, choose_scheme=True)


def _editor(plan: ChunkPlan | Storyboard, scheme: str, choose_scheme: bool) -> TimelineEditor:
    storyboard = plan if isinstance(plan, Storyboard) else None
    plan = plan if storyboard is None else storyboard.plan()
    if not plan.conditions:
        raise ValueError("the plan has no keyframe or clip, so there is nothing to move; add one")
    return TimelineEditor(plan, scheme, storyboard, choose_scheme)


class PictureSlider(VBox):
    """A slider above a picture that follows it. `step_slider` and `comparison_slider` make it.

    Attributes:
        slider: the slider.
        picture: the HTML widget with the picture.
    """

    def __init__(self, slider: IntSlider, show: Callable[[int], Image.Image], alt: Callable[[int], str]):
        self.slider = slider
        self.picture = HTML()
        self._show = show
        self._alt = alt
        self._changed()
        super().__init__([slider, self.picture, HTML(NAMES)])
        slider.observe(self._changed, names="value")

    def _changed(self, change: dict | None = None) -> None:
        value = self.slider.value
        self.picture.value = img_tag(picture_bytes(self._show(value)), self._alt(value))


def step_slider(
    images: list[np.ndarray | Image.Image],
    alt: str = "picture",
    labels: list[str] | None = None,
    name: str = "step",
    scale: int = 1,
) -> PictureSlider:
    """Step through pictures, such as the denoising steps of one frame.

    Args:
        images: Pillow images, or uint8 (H, W, 3) each.
        alt: a text that says what the pictures show; the slider's name and the picture's label follow it.
        labels: a text for each picture; None numbers the pictures from 0.
        name: the name of the slider.
        scale: each pixel is enlarged so many times.

    Raises:
        ValueError: there are no pictures, or not as many labels as pictures.
    """
    if not len(images):
        raise ValueError("images is empty; give at least one picture")
    labels = [str(i) for i in range(len(images))] if labels is None else labels
    if len(labels) != len(images):
        raise ValueError(f"labels: {len(labels)} for {len(images)} images; give one each")
    pictures = [_enlarge(image, scale) for image in images]
    slider = IntSlider(0, 0, len(images) - 1, description=_(name), style=LABEL, layout=FULL_WIDTH)
    return PictureSlider(slider, lambda i: pictures[i], lambda i: f"{alt}: {name} {labels[i]}")


def comparison_slider(
    a: np.ndarray | Image.Image,
    b: np.ndarray | Image.Image,
    names: tuple[str, str] = ("left", "right"),
    scale: int = 1,
) -> PictureSlider:
    """Compare two pictures: left of a border that the slider moves is `a`, and right of it is `b`.

    Args:
        a, b: Pillow images, or uint8 (H, W, 3) each, of one size.
        names: what the two pictures are, for the alternative text.
        scale: each pixel is enlarged so many times.

    Raises:
        ValueError: the pictures differ in size.
    """
    left, right = _enlarge(a, scale), _enlarge(b, scale)
    if left.size != right.size:
        raise ValueError(f"the pictures have two sizes, {left.size} and {right.size}; resize one of them")

    def wipe(percent: int) -> Image.Image:
        picture = right.copy()
        border = round(percent * left.width / 100)
        picture.paste(left.crop((0, 0, border, left.height)), (0, 0))
        picture.paste((255, 255, 255), (max(border - 1, 0), 0, min(border + 1, left.width), left.height))
        return picture

    slider = IntSlider(50, 0, 100, description=_("border, percent"), style=LABEL, layout=FULL_WIDTH)
    return PictureSlider(slider, wipe, lambda p: f"{names[0]} in the left {p} percent, {names[1]} in the rest")


class BlindVote(VBox):
    """Two videos, A and B, whose makers are hidden, above three buttons. `blind_vote` makes it.

    Attributes:
        votes: (pair, choice, side of ours) of each vote: the pair's name; "A", "same" or "B"; and "A" or "B".
        buttons: "A is better", "both are the same" and "B is better".
    """

    def __init__(self, pairs: Sequence[tuple[str, np.ndarray, np.ndarray]], fps: float, scale: int, seed: int):
        rng = random.Random(seed)
        self._pairs = rng.sample(pairs, len(pairs))
        self._sides = balanced_sides(len(pairs), rng)
        self._fps, self._scale = fps, scale
        self.votes: list[tuple[str, str, str]] = []
        self.picture, self.message = HTML(), HTML()
        choices = {"A": _("A is better"), "same": _("both are the same"), "B": _("B is better")}
        self.buttons = [Button(description=text) for text in choices.values()]
        for button, choice in zip(self.buttons, choices, strict=True):
            button.on_click(lambda _button, choice=choice: self._voted(choice))
        super().__init__([self.message, self.picture, HBox(self.buttons)])
        self._show()

    def _voted(self, choice: str) -> None:
        place = len(self.votes)
        if place < len(self._pairs):
            self.votes.append((self._pairs[place][0], choice, self._sides[place]))
            self._show()

    def _show(self) -> None:
        place = len(self.votes)
        if place == len(self._pairs):
            self.picture.value = ""
            self.message.value = f'<span role="status">{_("thank you; all pairs are done")}</span>'
            for button in self.buttons:
                button.disabled = True
            return
        _name, ours, theirs = self._pairs[place]
        shown = (ours, theirs) if self._sides[place] == "A" else (theirs, ours)
        videos = dict(zip("AB", shown, strict=True))
        self.picture.value = players_tag(videos, self._fps, f"pair {place + 1}", self._scale, poster=False)
        self.message.value = f'<span role="status">{place + 1} / {len(self._pairs)}</span>'


def blind_vote(
    pairs: Sequence[tuple[str, np.ndarray, np.ndarray]], fps: float, scale: int = 2, seed: int | None = None
) -> BlindVote:
    """Vote on pairs of videos without knowing which one is whose: A is better, both are the same, B is better.

    The order of the pairs is random, and the sides are those of `balanced_sides`.

    Args:
        pairs: a name, our video and theirs, each uint8 (T, H, W, 3), for each pair.
        scale: the browser enlarges each pixel so many times.
        seed: of the order and the sides; None takes another one each time.

    Raises:
        ValueError: there are no pairs, or the two videos of a pair differ in shape, which would tell them apart.
    """
    if not pairs:
        raise ValueError("pairs is empty; give at least one pair of videos")
    for name, ours, theirs in pairs:
        if np.shape(ours) != np.shape(theirs):
            raise ValueError(f"{name}: the shapes {np.shape(ours)} and {np.shape(theirs)} would tell the videos apart")
    return BlindVote(pairs, fps, scale, seed)


def balanced_sides(count: int, rng: random.Random) -> list[str]:
    """Draw on which side, "A" or "B", the first of two systems is shown in each pair.

    Of any two pairs that follow each other from an even place, each side has one. So after any number of pairs the
    first system was on one side as often as on the other, or once more.
    """
    twos = (rng.sample("AB", 2) for _two in range((count + 1) // 2))
    return [side for two in twos for side in two][:count]


def _enlarge(image: np.ndarray | Image.Image, scale: int) -> Image.Image:
    image = (Image.fromarray(image) if isinstance(image, np.ndarray) else image).convert("RGB")
    return image.resize((scale * image.width, scale * image.height), Image.Resampling.NEAREST)


def _summary(plan: ChunkPlan) -> str:
    frames = ", ".join(str(condition.frame_index) for condition in plan.conditions)
    return f"{plan.num_frames} frames in {len(plan.chunks)} chunks and {plan.num_latents} latents; given at {frames}"
