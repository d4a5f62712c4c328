"""A vision-language model scores videos on the paper's five dimensions (section 4: a VLM's scores from 0 to 100).

The judge sees some frames, not the video. What happens between them, such as a flash of one frame, it can't see.
An answer that is not the JSON that was asked for is refused and asked for again. Where none fits, there is no score.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from ..curation.backends.chat import LanguageModel, ask_until_it_fits
from ..media import PathLike, Size, read_video, to_image
from ..storyboard import Storyboard
from ..storyboard.take import Take
from ..timeline import check_int

PICTURES = 8  # frames that are shown besides the keyframes
SIDE = 640  # pixels of the longer side of a frame that is shown
TRIES = 3
MAX_REASON = 600  # characters

PROMPT = """You judge a generated video. You see some of its frames in their order, each with its time. Where a \
keyframe was given to the generator, the picture that was given stands after the frame that was made of it.

What was asked for:
{caption}

Score the video on five dimensions, each with a whole number from 0 (worst) to 100 (flawless), and give a reason of \
one or two sentences for each score, which names what you see:
- instruction_following: it shows what was asked for, and the given pictures at their times.
- narrative_coherence: what happens follows from what happened before; people, things and places stay the same.
- physical_consistency: things move, stand and touch as they do in the world; nothing appears, melts or vanishes.
- video_quality: it is sharp and steady, without noise, flashes, jumps of colour or frozen stretches.
- aesthetic_quality: light, colours and composition are pleasing.

Answer with JSON alone, in this form:
{{"instruction_following": {{"score": 0, "reason": "..."}}, "narrative_coherence": {{"score": 0, "reason": "..."}}, \
"physical_consistency": {{"score": 0, "reason": "..."}}, "video_quality": {{"score": 0, "reason": "..."}}, \
"aesthetic_quality": {{"score": 0, "reason": "..."}}}}

The frames:"""
PROMPT_VERSION = hashlib.sha256(PROMPT.encode()).hexdigest()[:12]  # scores of two versions can't be compared


class JudgeError(ValueError):
    """A judge gave no score. The message is one line that says which one and why."""


class Score(BaseModel):
    """A score on one dimension, from 0 to 100, and the judge's reason."""

    model_config = ConfigDict(extra="forbid", strict=True)
    score: Annotated[int, Field(ge=0, le=100)]
    reason: Annotated[str, Field(min_length=1, max_length=MAX_REASON)]


class Scores(BaseModel):
    """A judge's answer on one video."""

    model_config = ConfigDict(extra="forbid", strict=True)
    instruction_following: Score
    narrative_coherence: Score
    physical_consistency: Score
    video_quality: Score
    aesthetic_quality: Score

    @property
    def mean(self) -> float:
        """The mean of the five scores."""
        return fmean(getattr(self, dimension).score for dimension in DIMENSIONS)


DIMENSIONS = tuple(Scores.model_fields)


@dataclass(frozen=True, eq=False)
class Showpiece:
    """A video with what was asked for.

    Attributes:
        frames: (T, H, W, 3) uint8.
        caption: the text that was given to the generator.
        keyframes: the pictures that were given to the generator, by frame.
    """

    frames: NDArray
    fps: float
    caption: str
    keyframes: Mapping[int, Image.Image]


@dataclass(frozen=True)
class VideoJudge:
    """Lets a model score videos.

    Attributes:
        pictures: how many frames it sees besides the keyframes.
        tries: how often it is asked for an answer that fits.
    """

    model: LanguageModel
    pictures: int = PICTURES
    tries: int = TRIES

    def __post_init__(self) -> None:
        check_int("pictures", self.pictures, 2)
        check_int("tries", self.tries, 1)

    def __call__(self, video: Showpiece) -> Scores:
        """Score a video.

        Raises:
            JudgeError: no answer fitted.
            BackendError: the model can't be asked.
        """
        question = {"role": "user", "content": [*self._parts(video)]}
        scores, wrong = ask_until_it_fits(self.model, [question], Scores, tries=self.tries)
        if scores is None:
            raise JudgeError(f"{self.tries} answers of {self.model.name} did not fit; the last one: {wrong}")
        return scores

    def _parts(self, video: Showpiece) -> Iterator[dict]:
        """The parts of the question, of which frames follow the words that say what they are."""
        yield {"type": "text", "text": PROMPT.format(caption=video.caption or "(no text)")}
        for index in choose_frames(len(video.frames), self.pictures, video.keyframes):
            given = video.keyframes.get(index)
            mark = "" if given is None else ", a keyframe"
            yield {"type": "text", "text": f"Frame {index} at {index / video.fps:.2f} s{mark}:"}
            yield {"type": "image", "image": _shrink(to_image(video.frames[index]))}
            if given is not None:
                yield {"type": "text", "text": f"The picture that was given for frame {index}:"}
                yield {"type": "image", "image": _shrink(given)}


def choose_frames(num_frames: int, count: int, keyframes: Iterable[int] = ()) -> list[int]:
    """Choose `count` frames, spread evenly from the first to the last one, and all keyframes besides.

    Raises:
        JudgeError: a keyframe lies outside the video.
    """
    if outside := [frame for frame in keyframes if not 0 <= frame < num_frames]:
        raise JudgeError(
            f"keyframe at frame {outside[0]}: the video has {num_frames} frames; is it of this storyboard?"
        )
    return sorted({*np.linspace(0, num_frames - 1, count).round().astype(int).tolist(), *keyframes})


def _shrink(picture: Image.Image) -> Image.Image:
    small = picture.copy()
    small.thumbnail((SIDE, SIDE))
    return small


# -- what is judged ---------------------------------------------------------------------------------------------------


def read_showpiece(video: PathLike, story: PathLike) -> Showpiece:
    """Read a video and the storyboard that it was made of. Keyframes are cropped to the video's shape."""
    storyboard = Storyboard.load(story)
    frames = read_video(video, fps=storyboard.fps)
    take = Take.of(storyboard, Size(frames.shape[2], frames.shape[1]), stride=4)  # of which no latent is used
    places = (condition.frame_index for condition in take.plan.conditions)
    given = {place: to_image(pictures[0]) for place, pictures in zip(places, take.frames, strict=True)}
    return Showpiece(frames, storyboard.fps, take.caption, given)


def find_showpieces(videos: Path, stories: Path) -> dict[str, tuple[Path, Path]]:
    """Pair each mp4 in a folder with the storyboard of the same name. JudgeError where one has none."""
    found = {path.stem: (path, stories / f"{path.stem}.json") for path in sorted(videos.glob("*.mp4"))}
    if not found:
        raise JudgeError(f"{videos}: holds no mp4; give a folder of videos")
    for video, story in found.values():
        if not story.is_file():
            raise JudgeError(f"{video}: there is no storyboard {story}; name the folder that has it (--stories)")
    return found


def summarise_scores(judge: VideoJudge, outcomes: Mapping[str, Scores | JudgeError]) -> dict:
    """Put the scores of several videos together, as JSON takes them.

    Returns:
        The judge (model, prompt version, pictures); for each video its scores or why there are none; and the mean on
        each dimension of the videos that were scored, whose number is "scored".
    """
    scored = [one for one in outcomes.values() if isinstance(one, Scores)]
    means = {name: fmean(getattr(one, name).score for one in scored) for name in DIMENSIONS} if scored else {}
    videos = [
        {"video": name} | ({"scores": one.model_dump()} if isinstance(one, Scores) else {"error": str(one)})
        for name, one in outcomes.items()
    ]
    made_by = {"model": judge.model.name, "prompt": PROMPT_VERSION, "pictures": judge.pictures}
    return {"judge": made_by, "scored": len(scored), "mean": means, "videos": videos}
