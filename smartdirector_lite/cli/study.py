"""`smartdirector study`: people compare the videos of several systems, blinded."""

from pathlib import Path

from .options import Out, Positional


def study(
    folders: Positional[tuple[Path, ...]] = (),
    out: Out = Path("study"),
    keyframes: Path | None = None,
    size: str = "",
    host: str = "127.0.0.1",
    port: int = 7861,
    report: bool = False,
) -> None:
    """Let people say which of two videos is better, on a local page, and report what they preferred.

    The page shows the videos in random order and on random sides, and does not tell whose they are. Votes are kept
    when the command is stopped, and the same command goes on.

    Args:
        folders: a folder of videos for each system, with equal names; none goes on with the study in --out
        out: the study's folder
        keyframes: a folder with a picture for each video, of the same name, that shows its keyframes; without it,
            nobody is asked about keyframes
        size: WIDTHxHEIGHT, to which all videos are brought, where theirs differ
        host: where the page is served: 127.0.0.1 for this machine alone, 0.0.0.0 for a class in the same network
        port: of the page; 0 for any free one
        report: write the report of the votes so far, and serve nothing
    """
    from ..evaluation.study import Votes, open_study, prepare_study
    from ..evaluation.study_report import write_study_report

    if not 0 <= port < 65536:
        raise ValueError(f"port {port}: give one from 0 to 65535")
    asked = prepare_study(folders, out, keyframes, size) if folders else open_study(out)
    votes = Votes(out / "votes.sqlite")
    try:
        if not report:
            try:
                from ..evaluation.study_page import serve_study
            except ModuleNotFoundError as error:
                raise ValueError(f"study needs {error.name}; install smartdirector-lite[space]") from error
            serve_study(out, votes, host, port)
    finally:
        print(f"{write_study_report(out, asked, votes.all())}: the report of the votes so far", flush=True)
