"""Draw what the model makes of held-out storyboards: one row a result, keyframes framed, on one PNG."""

import numpy as np
from common import arguments, generate, held_out_scene, load_director

from smartdirector_lite.media import contact_sheet, write_image


def main() -> None:
    options = arguments(__doc__, results=12, first=0, out="sheet.png", truth=0)
    director = load_director(options.model)
    cells, borders = [], []
    for index in range(options.first, options.first + options.results):
        scene, truth = held_out_scene(index, 37, num_shots=1 + index % 2)
        keyframes = sorted({0, 12, 24, 36, *scene.cuts})
        video = generate(director, scene, truth, keyframes)
        for shown in (truth, video) if options.truth else (video,):
            for frame in sorted({*range(0, 37, 4), *scene.cuts})[:11]:
                cells.append((shown[frame].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8))
                borders.append("#f59e0b" if frame in keyframes else None)
            while len(cells) % 11:
                cells.append(np.full_like(cells[0], 255))
                borders.append(None)
    write_image(options.out, contact_sheet(cells, columns=11, borders=borders))
    print(f"{options.out}: {options.results} held-out storyboards, keyframes framed in orange")


if __name__ == "__main__":
    main()
