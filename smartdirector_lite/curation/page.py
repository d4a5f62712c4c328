"""A page to look through a dataset in a browser, without a server: shots, scenes, captions, and what was left out."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

from ..media import PathLike, atomic_path
from .records import ShotRecord

HEAD = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Curated clips</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
article { border-top: 1px solid #ccc; padding: 0.75rem 0; }
video, img { max-width: 100%; vertical-align: top; }
.rejected { color: #a11; }
</style>
"""


def write_page(
    path: PathLike, pictures: str, films: Mapping[str, Sequence[ShotRecord]], entries: Sequence[Mapping]
) -> None:
    """Write the page.

    Args:
        path: the file.
        pictures: where the picture of a shot lies, seen from the page, with {film} and {start} for what varies.
        films: the shots of each film.
        entries: the lines of metadata.jsonl.
    """
    parts = [HEAD, "<h1>Curated clips</h1>"]
    for film, shots in films.items():
        clips = {entry["film_frames"][0]: entry for entry in entries if Path(entry["file_name"]).parts[0] == film}
        rejected = sum(bool(shot.rejected) for shot in shots)
        parts.append(f"<h2>{escape(film)}</h2>")
        parts.append(f"<p>{len(shots)} shots, {rejected} of them left out, and {len(clips)} clips.</p>")
        for shot in shots:
            if shot.start in clips:
                parts.append(_clip(clips[shot.start]))
            parts.append(_shot(shot, quote(pictures.format(film=film, start=shot.start))))
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join(parts) + "\n", encoding="utf-8")


def _clip(entry: Mapping) -> str:
    """A clip with its caption."""
    return (
        f"<article><h3>{escape(entry['file_name'])}</h3>\n"
        f'<video controls muted preload="metadata" src="{quote(entry["file_name"])}"></video>\n'
        f"<p>{escape(entry['caption'])}</p></article>"
    )


def _shot(shot: ShotRecord, picture: str) -> str:
    """A shot with what is known of it, or why it is left out."""
    if shot.rejected:
        words = f'<span class="rejected">left out: {escape(shot.rejected)}</span>'
    else:
        cast = ", ".join(f"{one.name}: {one.description}" for one in shot.characters) or "nobody"
        words = f"scene {shot.scene}; camera {escape(shot.camera.kind)}; {escape(cast)}"
    frames = f"Frames {shot.start} to {shot.stop - 1}"
    return f'<p><img loading="lazy" alt="{frames}" src="{picture}"><br>{frames}; {words}</p>'
