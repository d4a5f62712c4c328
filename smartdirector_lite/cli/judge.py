"""`smartdirector judge`: a vision-language model scores videos."""

from pathlib import Path
from typing import TYPE_CHECKING

from .options import Out, Positional

if TYPE_CHECKING:
    from ..evaluation.judge import VideoJudge


def judge_folder(
    videos: Positional[Path | None] = None,
    model: str = "",
    out: Out = Path("judge.json"),
    stories: Path | None = None,
    pictures: int = 8,
    check: int = 0,
    download: bool = False,
) -> None:
    """Let a vision-language model score videos on the paper's five dimensions, from 0 to 100, with its reasons.

    Args:
        videos: a folder of mp4 files
        model: who judges: https://host/v1#model for an endpoint of OpenAI's form (its key in SMARTDIRECTOR_LLM_KEY),
            or the folder or hub id of a transformers image-text-to-text model
        out: the JSON to write
        stories: the folder of the storyboards, of the same names (None: the folder of the videos)
        pictures: how many frames the judge sees besides the keyframes
        check: in place of videos, ask about so many true toy videos and the same with planted defects, and print how
            often the judge prefers the true ones
        download: fetch the files of a hub id that the hub's cache lacks
    """
    from ..curation.backends.setting import open_model
    from ..evaluation.judge import (
        DIMENSIONS,
        JudgeError,
        Scores,
        VideoJudge,
        find_showpieces,
        read_showpiece,
        summarise_scores,
    )
    from ..media import write_json
    from ..media.files import check_writable

    if not model:
        raise ValueError("give a model that judges (--model)")
    if check < 0 or (videos is None) == (check == 0):
        raise ValueError("give either a folder of videos or a number of videos to --check the judge with")
    found = find_showpieces(videos, stories or videos) if videos else {}
    check_writable(out)
    judge = VideoJudge(open_model(model, sees=True, download=download), pictures)
    if check:
        return _check_judge(judge, check)
    outcomes: dict[str, Scores | JudgeError] = {}
    for name, (video, story) in found.items():
        showpiece = read_showpiece(video, story)
        try:
            outcomes[name] = judge(showpiece)
            print(f"{name}: {outcomes[name].mean:.1f}", flush=True)
        except JudgeError as error:
            outcomes[name] = error
            print(f"{name}: no score; {error}", flush=True)
        write_json(out, summarise_scores(judge, outcomes))  # so that a later failure loses nothing
    summary = summarise_scores(judge, outcomes)
    if not summary["scored"]:
        raise JudgeError(f"{model}: no answer fitted, so there is no score; {out} says why")
    print(", ".join(f"{name} {summary['mean'][name]:.1f}" for name in DIMENSIONS))
    print(f"{out}: {summary['scored']} of {len(outcomes)} videos scored by {judge.model.name}")


def _check_judge(judge: "VideoJudge", count: int) -> None:
    """Print how a judge does on planted defects. ValueError where it never answers."""
    from ..evaluation.agreement import agreement_table, check_agreement, plant_defects

    found = check_agreement(judge, plant_defects(count))
    print(agreement_table(found))
    if not found["all"].answered:
        raise ValueError(f"{judge.model.name}: no answer fitted, so nothing is known of it")
