"""Make the storyboards that ship with the package: keyframes of a held-out toy scene, and of a held-out film shot.

    python bench/make_storyboards.py --film big_buck_bunny_720p.mp4
"""

from pathlib import Path

from common import HELD_OUT_SEED, arguments, as_levels, render, sample_scene
from PIL import Image

from smartdirector_lite.media import cover_crop, read_video, to_image
from smartdirector_lite.media.size import Size
from smartdirector_lite.storyboard import Keyframe, Shot, Storyboard
from smartdirector_lite.training.tiny import FPS

STORYBOARDS = Path(__file__).resolve().parent.parent / "smartdirector_lite" / "storyboards"
KEYFRAME_SIZE = Size(448, 256)  # larger than the draft, so that stage two can use the detail
NUM_FRAMES = 49
FILM_START = 5531 / 12 + 12  # seconds; the rabbit and the butterfly, in the held-out last fifth of the shots
ATTRIBUTION = """Keyframes from "Big Buck Bunny", (c) copyright 2008, Blender Foundation / www.bigbuckbunny.org.
Licence: Creative Commons Attribution 3.0 (CC BY 3.0). Scaled and cropped.
"""


def toy_story() -> None:
    """Write the storyboard of two shots in the toy world."""
    scene = sample_scene(HELD_OUT_SEED + 107, NUM_FRAMES, 2)
    frames = sorted({0, 12, *scene.cuts, 34, NUM_FRAMES - 1})
    save_all(
        STORYBOARDS / "snow",
        [to_image(as_levels(render(scene, KEYFRAME_SIZE, frames=slice(f, f + 1)))[0]) for f in frames],
        frames,
        title="Two friends in the snow",
        description=scene.description,
        shots=[Shot(**scene.shot_caption(i)) for i in range(len(scene.shots))],
    )


def film_story(film: str) -> None:
    """Write the storyboard of a shot of the film."""
    frames = [0, 12, 24, 36, NUM_FRAMES - 1]
    clip = read_video(film, fps=FPS, seconds=(FILM_START, FILM_START + (NUM_FRAMES + 1) / FPS))
    folder = STORYBOARDS / "butterfly"
    save_all(
        folder,
        [cover_crop(to_image(clip[frame]), KEYFRAME_SIZE) for frame in frames],
        frames,
        title="The rabbit and the butterfly",
        description="A scene of an animated film about a big rabbit in a green forest.",
    )
    (folder / "ATTRIBUTION.md").write_text(ATTRIBUTION, encoding="utf-8")


def save_all(folder: Path, images: list[Image.Image], frames: list[int], **fields) -> None:
    """Write the keyframes as JPEG files, and the storyboard with these fields beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"keyframe-{frame:02d}.jpg" for frame in frames]
    for name, image in zip(names, images, strict=True):
        image.save(folder / name, quality=92)
    keyframes = [Keyframe(image=name, frame=frame) for name, frame in zip(names, frames, strict=True)]
    Storyboard(keyframes=keyframes, num_frames=NUM_FRAMES, fps=FPS, folder=folder, **fields).save(folder / "story.json")


def main() -> None:
    options = arguments(__doc__, film=("", "the film's file; without it only the toy world's storyboard is made"))
    toy_story()
    if options.film:
        film_story(options.film)


if __name__ == "__main__":
    main()
