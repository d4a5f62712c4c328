"""Draw what the model makes of held-out storyboards: one row for each, keyframes framed, in one PNG."""

import numpy as np
from common import arguments, as_levels, generate, held_out_scene, load_director

from smartdirector_lite.media import contact_sheet, write_image
from smartdirector_lite.media.sheets import KEYFRAME_COLOUR
from smartdirector_lite.training.clips import scene_caption

COLUMNS = 11


def main() -> None:
    options = arguments(
        __doc__,
        results=(12, "how many storyboards"),
        first=(0, "number of the first held-out scene"),
        truth=(0, "1: show the true video above each"),
        out=("sheet.png", "the picture's file"),
    )
    director = load_director(options.model)
    cells, borders = [], []
    for index in range(options.first, options.first + options.results):
        scene, truth = held_out_scene(index, 37, num_shots=1 + index % 2)
        keyframes = sorted({0, 12, 24, 36, *scene.cuts})
        video = generate(director, scene_caption(scene), truth, keyframes, scene.cuts)
        for shown in (truth, video) if options.truth else (video,):
            levels = as_levels(shown)
            for frame in sorted({*range(0, 37, 4), *scene.cuts})[:COLUMNS]:
                cells.append(levels[frame])
                borders.append(KEYFRAME_COLOUR if frame in keyframes else None)
            while len(cells) % COLUMNS:
                cells.append(np.full_like(cells[0], 255))
                borders.append(None)
    write_image(options.out, contact_sheet(cells, columns=COLUMNS, borders=borders))
    print(f"{options.out}: {options.results} held-out storyboards, keyframes framed")


if __name__ == "__main__":
    main()
