"""Draw the README's picture: the bundled storyboards' keyframes above, the frames that the model made below."""

import numpy as np
from common import arguments, load_director

from smartdirector_lite.cli import bundled_storyboards
from smartdirector_lite.media import contact_sheet, write_image
from smartdirector_lite.media.sheets import KEYFRAME_COLOUR
from smartdirector_lite.storyboard import Storyboard

COLUMNS = 9
APART = 2  # frames; an evenly spaced frame this near to a keyframe is left out


def main() -> None:
    options = arguments(
        __doc__, out=("docs/hero.png", "the picture's file"), seed=(0, "seed of the noise, for both storyboards")
    )
    director = load_director(options.model)
    cells, labels, borders = [], [], []
    for path in sorted(bundled_storyboards().glob("*/story.json"), reverse=True):
        story = Storyboard.load(path)
        take, result = director.take(story), director(story, seed=options.seed, progress=False)
        given = zip(take.plan.conditions, take.large or take.frames, strict=True)
        keyframes = {condition.frame_index: frames[0] for condition, frames in given}
        even = np.linspace(0, story.num_frames - 1, COLUMNS).round().astype(int).tolist()
        spare = [frame for frame in even if min(abs(frame - k) for k in keyframes) > APART]
        columns = sorted([*keyframes, *spare[: COLUMNS - len(keyframes)]])
        for row in ("keyframes", "video"):
            for frame in columns:
                blank = np.full_like(result.frames[0], 245)
                cells.append(keyframes.get(frame, blank) if row == "keyframes" else result.frames[frame])
                labels.append(f"{frame / story.fps:.1f} s" if row == "video" else "")
                borders.append(KEYFRAME_COLOUR if frame in keyframes else None)
            missing = COLUMNS - len(columns)
            cells += [np.full_like(result.frames[0], 255)] * missing
            labels += [""] * missing
            borders += [None] * missing
    write_image(options.out, contact_sheet(cells, COLUMNS, labels, borders))


if __name__ == "__main__":
    main()
