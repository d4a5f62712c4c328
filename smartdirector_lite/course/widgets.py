"""Things to drag and step through in a notebook. No maths: a widget asks the library and redraws a figure.

ipywidgets is imported here only. Every slider works from the keyboard (Tab, then the arrow keys) and carries a label.
A widget needs a running kernel, so a notebook shows a static figure beside each.
"""

from collections.abc import Callable

import numpy as np
from ipywidgets import HTML, Dropdown, IntSlider, VBox
from PIL import Image

from ..storyboard.schema import Storyboard
from ..timeline import TAU_SCHEMES, ChunkPlan, Condition
from .figures.base import timeline_figure
from .notebook import figure_bytes, img_tag, picture_bytes

WIDE = {"width": "95%"}
LABEL = {"description_width": "10em"}


class TimelineEditor(VBox):
    """Made by `timeline_editor` and `tau_explorer`: one slider a keyframe over the figure of the plan.

    plan: the ChunkPlan of the last placement that was valid. storyboard: the storyboard moved to it, or None if the
    editor was made of a plan. sliders: in the order of the conditions.
    """

    def __init__(self, plan: ChunkPlan, scheme: str, storyboard: Storyboard | None, choose_scheme: bool):
        self.plan, self.storyboard, self._start = plan, storyboard, storyboard
        self.fps = None if storyboard is None else storyboard.fps
        self.sliders = [self._slider(index, condition) for index, condition in enumerate(plan.conditions)]
        self.scheme = Dropdown(options=TAU_SCHEMES, value=scheme, description="index scheme", style=LABEL)
        self.picture, self.message = HTML(), HTML()
        self._redraw()
        chooser = [self.scheme] if choose_scheme else []
        super().__init__([*self.sliders, *chooser, self.message, self.picture])
        for control in [*self.sliders, self.scheme]:
            control.observe(self._changed, names="value")

    def _slider(self, index: int, condition: Condition) -> IntSlider:
        kind = "keyframe" if condition.num_frames == 1 else "clip"
        return IntSlider(
            value=condition.frame_index,
            min=0,
            max=self.plan.num_frames - condition.num_frames,
            description=f"{kind} {index + 1}, frame",
            continuous_update=False,
            style=LABEL,
            layout=WIDE,
        )

    def _changed(self, _: dict) -> None:
        frames = [slider.value for slider in self.sliders]
        try:
            if self._start is not None:
                self.storyboard = self._start.retime(frames)
                self.plan = self.storyboard.plan(self.plan.stride)
            else:
                lengths = [condition.num_frames for condition in self.plan.conditions]
                moved = [Condition(frame, length) for frame, length in zip(frames, lengths, strict=True)]
                self.plan = ChunkPlan.build(self.plan.num_frames, moved, self.plan.stride, self.plan.cuts)
        except ValueError as error:  # two at one frame, for one; the figure stays as it was
            self.message.value = f'<span role="alert">{_escape(str(error))}</span>'
            return
        self._redraw()

    def _redraw(self) -> None:
        figure = timeline_figure(self.plan, self.scheme.value, self.fps)
        self.message.value = f"<pre>{_escape(self.plan.table(self.scheme.value))}</pre>"
        self.picture.value = img_tag(figure_bytes(figure), f"Timeline of {_summary(self.plan)}")


def timeline_editor(plan: ChunkPlan | Storyboard) -> TimelineEditor:
    """Move keyframes and clips with sliders, and see chunks, latents and tau follow.

    plan: a ChunkPlan, or a Storyboard (stride 4). Read the result from the editor's `plan`, and `storyboard` when it
    was given one: there the conditions keep their order, and cuts between them move along (`Storyboard.retime`). A
    placement that is not possible is told, and leaves both as they were. ValueError without any condition.
    """
    return _editor(plan, "frame_time", choose_scheme=False)


def tau_explorer(plan: ChunkPlan | Storyboard, scheme: str = "frame_time") -> TimelineEditor:
    """`timeline_editor` with a choice of the index scheme (of `ChunkPlan.tau`): drag a keyframe and watch tau."""
    return _editor(plan, scheme, choose_scheme=True)


def _editor(plan: ChunkPlan | Storyboard, scheme: str, choose_scheme: bool) -> TimelineEditor:
    storyboard = plan if isinstance(plan, Storyboard) else None
    plan = plan if storyboard is None else storyboard.plan()
    if not plan.conditions:
        raise ValueError("the plan has no keyframe or clip, so there is nothing to move; add one")
    return TimelineEditor(plan, scheme, storyboard, choose_scheme)


class PictureSlider(VBox):
    """Made by `step_slider` and `comparison_slider`: a slider over a picture that follows it. slider, picture."""

    def __init__(self, slider: IntSlider, show: Callable[[int], Image.Image], alt: Callable[[int], str]):
        self.slider, self.picture, self._show, self._alt = slider, HTML(), show, alt
        self._changed()
        super().__init__([slider, self.picture])
        slider.observe(self._changed, names="value")

    def _changed(self, _: dict | None = None) -> None:
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

    images: uint8 arrays (H, W, 3) or PIL images. alt: what they show; the slider's name and the label are added.
    labels: one a picture; None: 0, 1, 2, ... scale: times as large, each pixel. ValueError for no pictures, or another
    number of labels.
    """
    if not len(images):
        raise ValueError("images is empty; give at least one picture")
    labels = [str(i) for i in range(len(images))] if labels is None else labels
    if len(labels) != len(images):
        raise ValueError(f"labels: {len(labels)} for {len(images)} images; give one each")
    pictures = [_enlarge(image, scale) for image in images]
    slider = IntSlider(0, 0, len(images) - 1, description=name, style=LABEL, layout=WIDE)
    return PictureSlider(slider, lambda i: pictures[i], lambda i: f"{alt}: {name} {labels[i]}")


def comparison_slider(
    a: np.ndarray | Image.Image,
    b: np.ndarray | Image.Image,
    names: tuple[str, str] = ("left", "right"),
    scale: int = 1,
) -> PictureSlider:
    """A wipe between two pictures of one size: left of the border `a`, right of it `b`.

    a, b: uint8 arrays (H, W, 3) or PIL images; ValueError for two sizes. scale: times as large, each pixel.
    """
    left, right = _enlarge(a, scale), _enlarge(b, scale)
    if left.size != right.size:
        raise ValueError(f"the pictures have two sizes, {left.size} and {right.size}; resize one of them")

    def wipe(percent: int) -> Image.Image:
        picture, border = right.copy(), round(percent * left.width / 100)
        picture.paste(left.crop((0, 0, border, left.height)), (0, 0))
        picture.paste((255, 255, 255), (max(border - 1, 0), 0, min(border + 1, left.width), left.height))
        return picture

    slider = IntSlider(50, 0, 100, description="border, percent", style=LABEL, layout=WIDE)
    return PictureSlider(slider, wipe, lambda p: f"{names[0]} in the left {p} percent, {names[1]} in the rest")


def _enlarge(image: np.ndarray | Image.Image, scale: int) -> Image.Image:
    image = (Image.fromarray(image) if isinstance(image, np.ndarray) else image).convert("RGB")
    return image.resize((scale * image.width, scale * image.height), Image.Resampling.NEAREST)


def _summary(plan: ChunkPlan) -> str:
    frames = ", ".join(str(condition.frame_index) for condition in plan.conditions)
    return f"{plan.num_frames} frames in {len(plan.chunks)} chunks and {plan.num_latents} latents; given at {frames}"


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
