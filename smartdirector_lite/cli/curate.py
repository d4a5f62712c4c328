"""`smartdirector curate`: films become a dataset of clips with structured captions."""

import time
from pathlib import Path
from typing import Literal

from .options import Out, Positional


def curate(
    films: Positional[tuple[Path, ...]],
    out: Out = Path("dataset"),
    licence: str = "unknown",
    size: str = "224x128",
    detector: Literal["transnet", "pyscenedetect", "fast"] = "transnet",
    llm: str = "",
    download: bool = False,
    jobs: int = 1,
) -> None:
    """Turn films into a dataset: clips of one scene each, with shots, cameras, characters and captions.

    The dataset has the layout that the `datasets` library calls videofolder, and a page, index.html, to look through
    it. When the command is killed, the same command goes on from there.

    Args:
        films: the films' files
        out: the dataset's folder
        licence: of the films, which every clip is marked with
        size: WIDTHxHEIGHT of the clips
        detector: what finds the shots; transnet also finds dissolves and fades
        llm: the language model that writes the captions' texts: https://host/v1#model for an endpoint of OpenAI's
            form (its key in SMARTDIRECTOR_LLM_KEY), or the folder or hub id of a transformers text model
        download: fetch the files of a hub id that the hub's cache lacks
        jobs: how many films are read at once
    """
    from ..media.files import check_file, check_folder
    from ..media.size import Size

    if not films:
        raise ValueError("give a film")
    wanted = Size.parse(size)
    for film in films:
        check_file(film)
    check_folder(out)
    try:
        from ..curation import dataset
    except ModuleNotFoundError as error:
        raise ValueError(f"curate needs {error.name}; install smartdirector-lite[curation]") from error
    started = time.perf_counter()
    curation = dataset.Curation(wanted, detector, licence, llm=llm, download=download)
    found = dataset.curate_films(films, out, curation, jobs, progress=True)
    for film, summary in found.items():
        left_out = ", ".join(f"{count} {reason}" for reason, count in sorted(summary.rejected.items()))
        print(
            f"{film}: {summary.shots} shots{f' ({left_out} left out)' if left_out else ''}, {summary.scenes} scenes, "
            f"{summary.clips} clips of {summary.seconds:.0f} s together"
        )
    print(f"{out}: ready in {time.perf_counter() - started:.0f} s; open {out / 'index.html'} to look through it")
