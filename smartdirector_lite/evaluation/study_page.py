"""The page on which people vote: a small Gradio server for a class. It needs gradio (the extra `space`).

Visitors are not trusted. The server hands out the videos by their opaque names and no other file, takes no upload, and
never says which system a video is of: a vote names a place on the page, and the server knows what was shown there.
"""

import re
import socket
from collections.abc import Sequence

import gradio as gr
import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse

from ..media import PathLike
from .study import ASPECTS, Showing, Study, Votes, open_study

TITLE = "Which video is better?"
ANSWERS = ("Video 1", "the same", "Video 2")
WELCOME = (
    f"# {TITLE}\nYou will see pairs of videos of the same scene, and say which one is better. The sides change from "
    "pair to pair. You may stop at any time and go on later."
)
CLOSED = re.compile(r"(/gradio_api)?/(upload|file|proxy|stream|process_|custom_|vibe|monitoring|dev|profiling)")
MAX_CODE = 100  # characters of a code that are looked at
STYLE = """
.sd-pair { display: flex; flex-wrap: wrap; gap: 12px; }
.sd-pair figure { flex: 1 1 300px; min-width: 0; margin: 0; }
.sd-pair video { width: 100%; height: auto; background: #000; }
.sd-asked { display: block; max-width: 100%; max-height: 40vh; margin: 8px 0; }
"""
PLAY = "() => document.querySelectorAll('.sd-pair video').forEach((v) => { v.currentTime = 0; v.play(); })"
SAVED = "() => localStorage.getItem('smartdirector-rater') || ''"
SAVE = "(code) => { if (code) localStorage.setItem('smartdirector-rater', code); }"


def pair_html(study: Study, showing: Showing) -> str:
    """Two videos, and above them the picture of the keyframes. No name but opaque ones is in it."""
    picture = study.picture(showing)
    asked = f'<p>What was asked for:</p><img class="sd-asked" alt="the keyframes" src="shown/{picture}">'
    video = '<figure><figcaption>Video {}</figcaption><video src="shown/{}" {}></video></figure>'
    options = "controls autoplay loop muted playsinline preload=auto"
    both = "".join(video.format(number, name, options) for number, name in enumerate(study.videos(showing), 1))
    return f'{asked if picture else ""}<div class="sd-pair">{both}</div>'


class Booth:
    """What the page's buttons do. Each call returns `outputs`: code, place, words, pair, and the answers so far."""

    def __init__(self, study: Study, votes: Votes) -> None:
        self.study, self.votes = study, votes

    def begin(self, code: str) -> list:
        """Go on as the rater with this code, or, without one, as a new rater."""
        code = code.strip() or self.votes.add_rater()
        return (
            self.resume(code)
            if self._rater(code) is not None
            else self._outside("Nobody has this code. Leave the field empty to begin anew.")
        )

    def resume(self, code: str) -> list:
        """Show a rater the first pair that is not voted on."""
        rater = self._rater(code)
        if rater is None:
            return self._outside("")
        chosen = self.votes.of(rater)
        showings = self.study.showings(rater)
        open_ones = (i for i, one in enumerate(showings) if len(chosen.get(one.pair, ())) < len(self.study.aspects))
        return self._show(code, next(open_ones, len(showings)))

    def back(self, code: str, place: float) -> list:
        """Show the pair before this one again, with what was answered."""
        return self._show(code, max(0, self._place(place) - 1))

    def vote(self, code: str, place: float, *answers: str | None) -> list:
        """Take the answers on the pair at a place of the rater's order, and show the next one."""
        rater, place = self._rater(code), self._place(place)
        showings = self.study.showings(rater) if rater is not None else []
        if not 0 <= place < len(showings):
            return self.resume(code)
        if len(answers) != len(self.study.aspects) or not all(answer in ANSWERS for answer in answers):
            return self._show(code, place, "**Please answer every question.** ", answers)
        showing = showings[place]
        choices = [showing.choice(ANSWERS.index(answer)) for answer in answers]
        self.votes.put(rater, showing, dict(zip(self.study.aspects, choices, strict=True)))
        return self._show(code, place + 1)

    def _rater(self, code: str) -> int | None:
        return self.votes.rater(str(code)[:MAX_CODE])

    def _place(self, place: float) -> int:
        return int(place) if isinstance(place, int | float) and 0 <= place <= len(self.study.pairs) else -1

    def _outside(self, words: str) -> list:
        return ["", 0, words, "", *[None] * len(self.study.aspects)]

    def _show(self, code: str, place: int, words: str = "", answers: Sequence[str | None] = ()) -> list:
        rater = self._rater(code)
        if rater is None:
            return self._outside("")
        showings, blank = self.study.showings(rater), [None] * len(self.study.aspects)
        if place >= len(showings):
            return [code, place, f"**All {place} pairs are voted on. Thank you!** Your code is {code}.", "", *blank]
        chosen = self.votes.of(rater).get(showings[place].pair, {})
        before = [ANSWERS[showings[place].place(chosen[one])] if one in chosen else None for one in self.study.aspects]
        answers = [answer if answer in ANSWERS else None for answer in answers] or before
        words += f"Pair {place + 1} of {len(showings)}. To go on elsewhere, take your code with you: {code}"
        return [code, place, words, pair_html(self.study, showings[place]), *answers]


def build_study_page(booth: Booth) -> gr.Blocks:
    """Build the page."""
    with gr.Blocks(title=TITLE, analytics_enabled=False) as page:
        gr.Markdown(WELCOME)
        code = gr.Textbox(visible="hidden", elem_id="sd-code")
        place = gr.Number(0, visible="hidden")
        with gr.Column() as entrance:
            typed = gr.Textbox(label="Your code, if you have begun before", max_lines=1, elem_id="sd-typed")
            begin = gr.Button("Begin", variant="primary", elem_id="sd-begin")
        words = gr.Markdown(elem_id="sd-words")
        pair = gr.HTML(elem_id="sd-shown")
        with gr.Column(visible=False) as questions:
            gr.Button("Play both from the start").click(None, js=PLAY)
            answers = [gr.Radio(ANSWERS, label=ASPECTS[aspect]) for aspect in booth.study.aspects]
            vote = gr.Button("Vote and go on", variant="primary", elem_id="sd-vote")
        back = gr.Button("Back", visible=False, elem_id="sd-back")
        outputs = [code, place, words, pair, *answers]

        def visible(code: str, place: float, pair: str) -> list:
            return [gr.update(visible=shown) for shown in (not code, bool(pair), bool(code and place))]

        seen = {"fn": visible, "inputs": [code, place, pair], "outputs": [entrance, questions, back]}
        seen |= {"api_visibility": "private", "show_progress": "hidden"}
        begin.click(booth.begin, typed, outputs, api_name="begin").then(**seen).then(None, code, js=SAVE)
        vote.click(booth.vote, [code, place, *answers], outputs, api_name="vote").then(**seen)
        back.click(booth.back, [code, place], outputs, api_name="back").then(**seen)
        page.load(booth.resume, code, outputs, api_name="resume", js=SAVED).then(**seen)
    page.queue(default_concurrency_limit=16)
    return page


def build_app(study: Study, votes: Votes, folder: PathLike) -> FastAPI:
    """Build the server: the page at /, and each file of `Study.shown` at /shown/NAME."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    shown = {name: f"{folder}/material/{name}" for name in study.shown.values()}

    @app.middleware("http")
    async def close(request: Request, call_next) -> Response:  # what gradio serves besides, and the page needs not
        return Response(status_code=404) if CLOSED.match(request.url.path) else await call_next(request)

    @app.get("/shown/{name}")
    def show(name: str) -> FileResponse:
        if name not in shown:
            raise HTTPException(404)
        return FileResponse(shown[name])

    theme = gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])  # none is fetched
    options = {"footer_links": [], "show_error": False, "max_file_size": 1, "ssr_mode": False, "mcp_server": False}
    return gr.mount_gradio_app(
        app, build_study_page(Booth(study, votes)), path="/", theme=theme, css=STYLE, enable_monitoring=False, **options
    )


def serve_study(folder: PathLike, votes: Votes, host: str, port: int) -> None:
    """Serve the page until Ctrl-C. OSError where the port is taken."""
    with socket.create_server((host, port)) as listening:
        app = build_app(open_study(folder), votes, folder)
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
        print(f"http://{host}:{listening.getsockname()[1]}/ is open for votes; stop with Ctrl-C", flush=True)
        uvicorn.Server(config).run(sockets=[listening])
