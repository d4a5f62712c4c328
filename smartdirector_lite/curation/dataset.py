"""From films to a dataset: clips with structured captions, in the layout that the `datasets` library calls videofolder.

    DATASET/README.md                 the dataset card
    DATASET/metadata.jsonl            a line a clip: its file, its caption and what is known of it
    DATASET/index.html                a page to look through shots, clips and what was left out
    DATASET/FILM/0001234.mp4          a clip, named by its first frame in the film
    DATASET/.curation/FILM/           what was found so far

Every file appears under its name only when it is whole, and none is made twice. So a run that was killed goes on when
the same command is called again.
"""

import functools
import multiprocessing
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from ..media import MediaError, PathLike, atomic_path, contact_sheet, write_json, write_video
from ..media.files import make_folder
from ..media.size import Size
from ..storyboard import Shot, Storyboard
from .backends.chat import LanguageModel
from .backends.endpoint import Endpoint, is_endpoint
from .backends.setting import open_model
from .camera import read_camera
from .captions import Rewriter, describe_passage, write_contents
from .characters import find_characters, name_characters
from .film import Film
from .kept import keep, read_kept
from .keyframes import choose_keyframes
from .listing import WORK, write_dataset
from .poses import PoseCamera
from .records import FilmStep, Passage, ShotRecord, ShotStep
from .scenes import describe_layout, group_scenes
from .shots import Detector, TransNet, adaptive_borders, fast_borders, reject_shot
from .tracking import Tracker
from .vision import Viewer

CLIP = Size(224, 128)  # smartdirector-tiny's final size
SMALL = Size(192, 108)  # of the frames that steps look at
STRIP = 5  # frames of a shot on the page
MIN_SIDE = 16  # pixels of a clip
SHOT_STEPS: tuple[ShotStep, ...] = (reject_shot, read_camera, find_characters, describe_layout, choose_keyframes)
FILM_STEPS: tuple[FilmStep, ...] = (group_scenes, name_characters, write_contents)
DETECTORS = {  # by the name that users give; called when needed, since TransNet loads its weights
    "transnet": TransNet,
    "pyscenedetect": lambda: adaptive_borders,
    "fast": lambda: fast_borders,
}


@dataclass(frozen=True)
class Curation:
    """How films become a dataset.

    Attributes:
        size: of the clips; frames are shrunk to it and cropped around their middle.
        detector: one of DETECTORS.
        licence: of the films, told with every clip.
        shot_steps, film_steps: what is found out about shots, in order.
        sam: the folder or hub id of a SAM2 model that follows the characters; "" for none.
        vggt: the folder or hub id of a VGGT model that finds how the camera moves; "" for none.
        vlm: the vision-language model that looks at the shots, see `open_model`; "" for none.
        llm: the language model that writes the captions' texts, see `open_model`; "" for templates.
        download: whether files of a model that the hub's cache lacks may be fetched.

    Raises:
        ValueError: a size that no clip can have, a detector that is not there, or an endpoint that is no address.
    """

    size: Size = CLIP
    detector: str = "transnet"
    licence: str = "unknown"
    shot_steps: tuple[ShotStep, ...] = SHOT_STEPS
    film_steps: tuple[FilmStep, ...] = FILM_STEPS
    sam: str = ""
    vggt: str = ""
    vlm: str = ""
    llm: str = ""
    download: bool = False

    def __post_init__(self) -> None:
        if min(self.size) < MIN_SIDE or self.size.width % 2 or self.size.height % 2:
            raise ValueError(f"size {self.size}: give even sides of {MIN_SIDE} pixels or more")
        if self.detector not in DETECTORS:
            raise ValueError(f"detector {self.detector!r}: give one of {', '.join(DETECTORS)}")
        for model in filter(is_endpoint, (self.vlm, self.llm)):
            Endpoint(model)  # nobody is asked yet

    def load_shot_steps(self) -> list[ShotStep]:
        """Return the shot steps. Where models are wanted, load them, and let them do the steps that they are for."""
        steps = list(self.shot_steps)
        if self.sam and find_characters in steps:
            from .backends.sam import load_sam

            steps[steps.index(find_characters)] = Tracker(load_sam(self.sam, self.download))
        if self.vggt and read_camera in steps:
            from .backends.vggt import load_vggt

            steps[steps.index(read_camera)] = PoseCamera(load_vggt(self.vggt, self.download))
        return steps

    def steps_for(self, film: Film, work: Path, progress: bool) -> list[FilmStep]:
        """The film steps, with those of the vision-language model where one is wanted."""
        steps = list(self.film_steps)
        if self.vlm:
            viewer = Viewer(film, work, self.open_vision_model, progress)
            steps.insert(steps.index(group_scenes) + 1 if group_scenes in steps else 0, viewer.judge_scenes)
            steps.append(viewer.describe_shots)
        return steps

    def find_models(self) -> None:
        """Look for the models' files, and for VGGT's package, before the work begins. LoadError for what is missing."""
        if self.vggt:
            from .backends.vggt import check_package

            check_package()
        named = (self.sam, self.vggt, self.vlm, self.llm)
        models = [model for model in named if model and not is_endpoint(model)]
        if models:
            from .backends.local import find_files  # transformers' models take seconds to import

            for model in models:
                find_files(model, self.download)

    def open_vision_model(self) -> LanguageModel:
        """Load the vision-language model."""
        return open_model(self.vlm, sees=True, download=self.download)

    def open_rewriter(self) -> Rewriter:
        """Make what lets the language model write the texts of passages."""
        return Rewriter(open_model(self.llm, download=self.download))


@dataclass(frozen=True)
class Summary:
    """What came of a film.

    Attributes:
        shots: how many it has.
        rejected: how many of them were left out, by reason.
        scenes, clips: how many there are.
        seconds: of its clips together.
    """

    shots: int
    rejected: Counter
    scenes: int
    clips: int
    seconds: float


# -- one film ----------------------------------------------------------------------------------------------------------


def curate_film(path: PathLike, dataset: PathLike, curation: Curation, progress: bool = False) -> Summary:
    """Make clips of a film, and records of them, in a dataset's folder; `write_dataset` then lists them.

    The film is decoded three times, for its borders, for its shots and for its clips, so that no more than a shot is
    ever held. What an earlier run has made is kept.

    Raises:
        MediaError: the file can't be read as a film, or the dataset holds another film of this name, or one that was
            curated in another way.
        ValueError: the film has no shot that can be used.
    """
    film = Film.open(path)
    work = make_folder(Path(dataset) / WORK / film.path.stem)
    _claim(work, film, curation)

    def find_shots() -> list[dict]:
        detector: Detector = DETECTORS[curation.detector]()
        return [shot.to_dict() for shot in film.shots(detector, "borders" if progress else "")]

    shots = [ShotRecord.from_dict(value) for value in keep(work / "borders.json", find_shots)]
    _look_at_shots(film, work, shots, curation, "shots" if progress else "")
    shots = [ShotRecord.from_dict(read_kept(_record(work, shot))) for shot in shots]
    for step in curation.steps_for(film, work, progress):
        shots = step(shots)
    write_json(work / "shots.json", [shot.to_dict() for shot in shots])
    rejected = Counter(shot.rejected for shot in shots if shot.rejected)
    passages = join_shots(shots, film.longest_shot)
    if not passages:
        reasons = ", ".join(f"{count} {reason}" for reason, count in rejected.items())
        raise ValueError(f"{path}: no shot can be used ({reasons or 'it has none'}); give a film with longer shots")
    passages = _tell_passages(work, passages, curation, "captions" if progress else "")
    _write_clips(film, Path(dataset), passages, curation.size, "clips" if progress else "")
    entries = [entry_of(passage, film, curation.licence) for passage in passages]
    write_json(work / "entries.json", entries)
    scenes = {shot.scene for passage in passages for shot in passage.shots}
    seconds = sum(entry["num_frames"] / entry["fps"] for entry in entries)
    return Summary(len(shots), rejected, len(scenes), len(entries), seconds)


def _claim(work: Path, film: Film, curation: Curation) -> None:
    """Note what the folder is made from. MediaError where it is made from something else."""
    made_from = {
        "film": film.path.name,
        "bytes": film.path.stat().st_size,
        "size": str(curation.size),
        "detector": curation.detector,
        "sam": curation.sam,
        "vggt": curation.vggt,
        "vlm": curation.vlm,
        "llm": curation.llm,
    }
    if (held := keep(work / "film.json", lambda: made_from)) != made_from:
        raise MediaError(
            f"{film.path}: the dataset holds clips of {held}, not of {made_from}; choose another dataset, rename the "
            f"film, or delete {work}"
        )


def _record(work: Path, shot: ShotRecord) -> Path:
    return work / "shots" / f"{shot.start:07}.json"


def _look_at_shots(film: Film, work: Path, shots: Sequence[ShotRecord], curation: Curation, what: str) -> None:
    """Write what the shot steps find, and a picture of each shot. The record comes last, so it says that both are."""
    make_folder(work / "shots")
    todo = [shot for shot in shots if not _record(work, shot).exists() and shot.num_frames]
    steps = curation.load_shot_steps() if todo else []
    spans = film.spans([(shot.start, shot.stop) for shot in todo], SMALL, what)
    for shot, span in zip(todo, spans, strict=True):
        frames = np.stack(list(span))
        for step in steps:
            if not shot.rejected:
                shot = step(shot, frames, film.fps)
        _write_strip(_record(work, shot).with_suffix(".jpg"), frames)
        write_json(_record(work, shot), shot.to_dict())


def _write_strip(path: Path, frames: NDArray) -> None:
    """A picture of a few frames of a shot."""
    chosen = frames[np.linspace(0, len(frames) - 1, min(STRIP, len(frames))).round().astype(int)]
    with atomic_path(path) as temporary:
        contact_sheet(chosen, STRIP).save(temporary, quality=80)


def join_shots(shots: Sequence[ShotRecord], longest: int) -> list[Passage]:
    """Join neighbouring shots of one scene to passages of at most `longest` frames.

    A shot that is rejected, or a transition that belongs to no shot, ends a passage.
    """
    groups: list[list[ShotRecord]] = []
    for shot in shots:
        if shot.rejected:
            continue
        last = groups[-1][-1] if groups else None
        if last and last.stop == shot.start and last.scene == shot.scene and shot.stop - groups[-1][0].start <= longest:
            groups[-1].append(shot)
        else:
            groups.append([shot])
    return [Passage(tuple(group)) for group in groups]


def _write_clips(film: Film, dataset: Path, passages: Sequence[Passage], size: Size, what: str) -> None:
    folder = make_folder(dataset / film.path.stem)
    todo = [passage for passage in passages if not (folder / _clip_name(passage)).exists()]
    spans = film.spans([(passage.shots[0].start, passage.shots[-1].stop) for passage in todo], size, what)
    for passage, span in zip(todo, spans, strict=True):
        write_video(folder / _clip_name(passage), span, film.fps)


def _clip_name(passage: Passage) -> str:
    return f"{passage.shots[0].start:07}.mp4"


# -- captions ----------------------------------------------------------------------------------------------------------


def _tell_passages(work: Path, passages: Sequence[Passage], curation: Curation, what: str) -> list[Passage]:
    """Write the texts of passages. What a language model wrote is kept, so that it is asked but once."""
    passages = [describe_passage(passage) for passage in passages]
    if not curation.llm:
        return passages
    make_folder(work / "captions")
    rewriter, told = functools.cache(curation.open_rewriter), []  # loaded when it is first asked
    for passage in tqdm(passages, desc=what, unit=" clips", disable=not what):
        path = work / "captions" / f"{passage.shots[0].start:07}.json"
        told.append(Passage.from_dict(keep(path, lambda passage=passage: asdict(rewriter()(passage)))))
    return told


def entry_of(passage: Passage, film: Film, licence: str) -> dict:
    """A clip's line of metadata.jsonl. A Storyboard writes its caption, in the form that the text encoder reads."""
    start, stop = passage.shots[0].start, passage.shots[-1].stop
    shots = [
        {
            "start_frame": shot.start - start,
            "description": shot.content,
            "camera": shot.camera.kind,
            "characters": [one.name for one in shot.characters],
        }
        for shot in passage.shots
    ]
    storyboard = Storyboard(
        description=passage.description,
        shots=[Shot(**{**shot, "characters": tuple(shot["characters"])}) for shot in shots],
        num_frames=stop - start,
        fps=film.fps,
    )
    return {
        "file_name": f"{film.path.stem}/{_clip_name(passage)}",
        "caption": storyboard.caption(),
        "told_by": passage.told_by,
        "description": storyboard.description,
        "shots": shots,
        "cuts": list(storyboard.cuts),
        "fps": film.fps,
        "num_frames": storyboard.num_frames,
        "keyframes": [frame - start for shot in passage.shots for frame in shot.keyframes],
        "source": film.path.name,
        "licence": licence,
        "film_frames": [start, stop],
    }


def curate_films(
    films: Sequence[PathLike], dataset: PathLike, curation: Curation = Curation(), jobs: int = 1, progress: bool = False
) -> dict[str, Summary]:
    """Curate films into a dataset.

    Args:
        jobs: how many films are read at once, each in a process of its own.
        progress: whether bars show how far it is.

    Returns:
        What came of each film, by its name.

    Raises:
        ValueError: two films of one name, and what `curate_film` raises. What other films gave is listed even then.
    """
    names = Counter(Path(film).stem.casefold() for film in films)
    if twice := [name for name, count in names.items() if count > 1]:
        raise ValueError(f"films: {names[twice[0]]} are called {twice[0]!r}; rename all but one")
    if jobs < 1:
        raise ValueError(f"jobs must be 1 or more, got {jobs}")
    curation.find_models()
    calls = [(film, dataset, curation, progress) for film in films]
    found = {}
    try:
        if min(jobs, len(films)) == 1:
            for call in calls:
                found[str(call[0])] = curate_film(*call)
        else:
            context = multiprocessing.get_context("spawn")  # torch's threads do not outlive a fork
            with ProcessPoolExecutor(min(jobs, len(films)), context) as pool:
                futures = [pool.submit(curate_film, *call) for call in calls]
                for call, future in zip(calls, futures, strict=True):
                    found[str(call[0])] = future.result()
    finally:
        if (Path(dataset) / WORK).is_dir():
            write_dataset(dataset)
    return found
