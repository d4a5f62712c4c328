"""`smartdirector curate`: films become a dataset of clips with structured captions, or a piece of one a storyboard."""

import time
from pathlib import Path
from typing import Literal

from .options import Out, Positional


def curate(
    films: Positional[tuple[Path, ...]],
    out: Out = Path("dataset"),
    licence: str = "unknown",
    size: str | None = None,
    detector: Literal["transnet", "pyscenedetect", "fast"] = "transnet",
    storyboard: tuple[float, float] | None = None,
    fps: float | None = None,
    sam: str = "",
    vggt: str = "",
    vlm: str = "",
    llm: str = "",
    download: bool = False,
    jobs: int = 1,
) -> None:
    """Turn films into a dataset of clips with structured captions, or a piece of a film into a storyboard.

    A clip shows one scene. The dataset has the layout that the `datasets` library calls videofolder, and a page,
    index.html, to look through it. When the command is killed, the same command goes on from there.

    Args:
        films: the films' files
        out: the folder of the dataset, or of the storyboard
        licence: of the films, which every clip is marked with
        size: WIDTHxHEIGHT of the clips (None: 224x128), or of a storyboard's draft (None: the model's own)
        detector: what finds the shots; transnet also finds dissolves and fades
        storyboard: START and END in seconds of one film; in place of a dataset, the piece between them becomes a
            storyboard, OUT/storyboard.json, which `smartdirector generate` takes
        fps: frames a second of a storyboard (None: 12, which smartdirector-tiny was made for); clips have the film's
        sam: the folder or hub id of a SAM2 model of transformers, such as facebook/sam2.1-hiera-tiny, which follows the
            characters that the default step finds
        vggt: the folder or hub id of a VGGT model, such as facebook/VGGT-1B, which finds how the camera moves; it needs
            the package vggt of its authors
        vlm: the vision-language model that looks at the shots, for scenes, what happens, cameras and what characters
            look like: the folder or hub id of one of transformers, such as Qwen/Qwen3-VL-8B-Instruct, or an endpoint
        llm: the language model that writes the captions' texts: the folder or hub id of a transformers text model, or
            https://host/v1#model for an endpoint of OpenAI's form (its key in SMARTDIRECTOR_LLM_KEY)
        download: fetch the files of a hub id that the hub's cache lacks
        jobs: how many films are read at once
    """
    from ..media.files import check_file, check_folder
    from ..media.size import Size

    if not films:
        raise ValueError("give a film")
    wanted = None if size is None else Size.parse(size)
    if storyboard is not None and len(films) > 1:
        raise ValueError(f"storyboard is of one film, and {len(films)} are given; give one")
    if storyboard is None and fps is not None:
        raise ValueError(f"fps {fps:g} is for --storyboard alone; leave it out, and clips have the film's own")
    for film in films:
        check_file(film)
    check_folder(out)
    try:
        from ..curation import dataset, storyboards
    except ModuleNotFoundError as error:
        raise ValueError(f"curate needs {error.name}; install smartdirector-lite[curation]") from error
    started = time.perf_counter()
    clips = dataset.CLIP if wanted is None or storyboard else wanted
    models = {"sam": sam, "vggt": vggt, "vlm": vlm, "llm": llm}
    curation = dataset.Curation(clips, detector, licence, **models, download=download)
    if storyboard is not None:
        made = storyboards.write_storyboard(films[0], storyboard, out, curation, wanted, fps, progress=True)
        print(f"{made}: ready in {time.perf_counter() - started:.0f} s; smartdirector generate {made}")
        return
    found = dataset.curate_films(films, out, curation, jobs, progress=True)
    for film, summary in found.items():
        left_out = ", ".join(f"{count} {reason}" for reason, count in sorted(summary.rejected.items()))
        print(
            f"{film}: {summary.shots} shots{f' ({left_out} left out)' if left_out else ''}, {summary.scenes} scenes, "
            f"{summary.clips} clips of {summary.seconds:.0f} s together"
        )
    print(f"{out}: ready in {time.perf_counter() - started:.0f} s; open {out / 'index.html'} to look through it")
