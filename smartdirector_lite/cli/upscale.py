"""`smartdirector upscale`: a video file through Director-SR."""

import re
import time
from collections.abc import Sequence
from pathlib import Path

import tyro

from .options import TINY, Model, Out, Positional


def upscale(
    video: Positional[Path],
    out: Out = Path("upscaled.mp4"),
    keyframe: tyro.conf.UseAppendAction[tuple[str, ...]] = (),
    scale: float = 2.0,
    steps: int | None = None,
    restore: bool = True,
    tile: int = 256,
    model: Model = TINY,
) -> None:
    """Enlarge a video with Director-SR. Its sound and its timing are kept, and it may have any length.

    Args:
        video: the video to enlarge
        out: the mp4 to write
        keyframe: FRAME=IMAGE, a large picture of what that frame shows, for its detail; once for each picture; -1 is
            the last frame
        scale: how much larger the width and the height become; the model was trained for 2
        steps: the steps of the flow (None: the model's own number)
        restore: whether the restorer then corrects each frame by the small frame and by the frame before it
        tile: the side, in pixels, of the parts in which a large frame is made; 0 for whole frames
    """
    from ..media.files import check_file, check_outputs, check_writable, video_path
    from ..sr.pipeline import SROptions
    from ..sr.upscale import upscale_video

    keyframes = parse_keyframes(keyframe)
    for path in (video, *keyframes.values()):
        check_file(path)
    check_outputs([video_path(out)], [video, *keyframes.values()])
    check_writable(out)
    director = model.load()
    if director.sr is None:
        raise ValueError(f"model {model.model} has no second stage (director-sr); train one (`train sr`) or name one")
    started = time.perf_counter()
    steps = director.defaults.sr_steps if steps is None else steps
    options = SROptions(steps=steps, restore=restore, tile=tile or None)
    count, notes = upscale_video(director.sr, video, out, keyframes, scale, options)
    seconds = time.perf_counter() - started
    print("\n".join([f"{out}: {count} frames in {seconds:.1f} s, {seconds / count:.2f} s each", *notes]), flush=True)


def parse_keyframes(texts: Sequence[str]) -> dict[int, str]:
    """Turn ["12=a.png", ...] into {12: "a.png", ...}. ValueError for another form, and for a frame that comes twice."""
    keyframes: dict[int, str] = {}
    for text in texts:
        frame, equals, image = text.partition("=")
        if not (equals and image and re.fullmatch("-?[0-9]{1,9}", frame)):
            raise ValueError(f"keyframe {text!r}: write FRAME=IMAGE, such as 12=hilltop.png")
        if int(frame) in keyframes:
            raise ValueError(f"keyframe {text!r}: there is another one for frame {int(frame)}; give one each")
        keyframes[int(frame)] = image
    return keyframes
