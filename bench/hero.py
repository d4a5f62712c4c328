"""Draw the README's picture: the bundled storyboards' keyframes above, the frames that the model made below."""

import numpy as np
from common import arguments, load_director

from smartdirector_lite.cli import bundled_storyboards
from smartdirector_lite.media import contact_sheet, write_image
from smartdirector_lite.storyboard import Storyboard

COLUMNS = 9


def main() -> None:
    options = arguments(__doc__, out="docs/hero.png", seed=0)
    director = load_director(options.model)
    cells, labels, borders = [], [], []
    for path in sorted(bundled_storyboards().glob("*/story.json"), reverse=True):
        story = Storyboard.load(path)
        result = director(story, seed=options.seed, progress=False)
        height, width = result.frames.shape[1:3]  # of the second stage, where there is one
        keyframes = {frame: image[0] for frame, image in story.load_conditions((width, height))}
        even = np.linspace(0, story.num_frames - 1, COLUMNS).round().astype(int).tolist()
        spare = [frame for frame in even if min(abs(frame - k) for k in keyframes) > 2]
        columns = sorted([*keyframes, *spare[: COLUMNS - len(keyframes)]])
        for row in ("keyframes", "video"):
            for frame in columns:
                blank = np.full_like(result.frames[0], 245)
                cells.append(keyframes.get(frame, blank) if row == "keyframes" else result.frames[frame])
                labels.append(f"{frame / story.fps:.1f} s" if row == "video" else "")
                borders.append("#f59e0b" if frame in keyframes else None)
            missing = COLUMNS - len(columns)
            cells += [np.full_like(result.frames[0], 255)] * missing
            labels += [""] * missing
            borders += [None] * missing
    write_image(options.out, contact_sheet(cells, COLUMNS, labels, borders))


if __name__ == "__main__":
    main()
