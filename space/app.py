"""SmartDirector in the browser: `python space/app.py`, or a Hugging Face Space. This file builds the page."""

import importlib.util
import json
import sys
from pathlib import Path

import gradio as gr

sys.path.insert(0, str(Path(__file__).parent))  # the modules beside this file are found however it is started
import examples
import handlers
import lessons_page
import limits
import programs
import stories
import studio
import visitors
from lessons_page import FILM, QUIET
from smartdirector_lite.loading import BUNDLED
from smartdirector_lite.storyboard.schema import DEFAULT_FPS
from theme import theme

HERE = Path(__file__).parent
WAN = "https://huggingface.co/Wan-AI/Wan2.2-TI2V-5B-Diffusers"
NAMES = {"snow": "Two friends, two shots", "butterfly": "A real film", "middle": "Only the middle"}
HOW = (
    "**Your own film:** add pictures, say what happens, and press Generate. Your pictures are spread over the film and "
    "stand on exactly their frames. Two pictures become its first and its last frame."
)
TINY = (
    "The model here is tiny: it knows a toy world and one animated film, and makes films of {size} pixels in about a "
    "minute. [The same code films with Wan 2.2]({guide}), which knows far more and needs a GPU."
)
VISIT = """() => {
  try { return JSON.parse(localStorage.getItem("smartdirector-story"))?.visit || ""; } catch { return ""; }
}"""
# What an event sends of the timeline is what is seen there now: news of it may not have reached the server yet.
SEEN = "(board, ...rest) => [window.sdTimeline.value(), ...rest]"


def timeline(first: dict) -> gr.HTML:
    files = ("story", "film", "view", "exchange")
    return gr.HTML(
        value={"storyboard": first},
        html_template='<div class="sd-timeline"></div>',
        js_on_load="\n".join((HERE / "timeline" / f"{name}.js").read_text(encoding="utf-8") for name in files),
        server_functions=[plan_of, retimed],
        elem_id="sd-board",
        apply_default_css=False,
        settings={
            "first": first,
            "media": visitors.bundled_media(),
            "limits": {"frames": studio.LIMITS.frames, "fps": DEFAULT_FPS},
            "shapes": shapes(),
        },
    )


def shapes() -> list[dict]:
    """Return the shapes that a film may have, the model's own first: words, and a size of the draft that it takes."""
    size, step = studio.DIRECTOR.defaults.size, studio.DIRECTOR.gen.size_multiple
    side = (size[0] * size[1]) ** 0.5
    wanted = {"Wide (16:9)": size, "Square (1:1)": (side, side), "Tall (9:16)": (size[1], size[0])}
    return [
        {"words": words, "size": [round(s / m) * m for s, m in zip(sides, step, strict=True)]}
        for words, sides in wanted.items()
    ]


def about() -> str:
    """Say in a line what the model can do, and where the large one is."""
    if studio.MODEL != BUNDLED:
        return f"The model is `{studio.MODEL}`."
    width, height = (side * (2 if studio.HAS_SR else 1) for side in studio.DIRECTOR.defaults.size)
    guide = f"{lessons_page.REPOSITORY}/blob/main/README.md" if lessons_page.REPOSITORY else WAN
    return TINY.format(size=f"{width} x {height}", guide=guide)


def plan_of(data: dict) -> dict:
    return stories.plan_of(data, studio.STRIDE)


def retimed(data: dict) -> dict:
    return stories.retimed(data)


def direct(folder: gr.State) -> gr.HTML:
    """Build the first tab, and return its timeline. It shows a finished film before anything is pressed."""
    first = examples.storyboards()["snow"]
    video, sheet, verdict = examples.finished("snow")
    with gr.Row():
        with gr.Column(scale=3, min_width=320):
            film = gr.Video(
                video, label=handlers.EXAMPLE, elem_id="sd-film", loop=True, interactive=False, buttons=["download"]
            )
            progress = gr.HTML(handlers.bar(None, handlers.FILMED), elem_id="sd-progress")
            strip = gr.HTML(
                [],
                html_template='<div class="sd-takes"></div>',
                js_on_load=(HERE / "takes.js").read_text(encoding="utf-8"),
                elem_id="sd-takes",
                apply_default_css=False,
            )
        with gr.Column(scale=2, min_width=300):
            gr.Markdown(HOW, elem_id="sd-how")
            gr.Button("Start my own film", elem_id="sd-start", variant="secondary")
            upload = gr.File(label="Your pictures and clips", file_count="multiple", elem_id="sd-upload", height=140)
            with gr.Row():
                generate = gr.Button("Generate", variant="primary", min_width=120, elem_id="sd-generate")
                cancel = lessons_page.cancel_button("sd-cancel")
            gr.Markdown("Or begin with an example:", elem_id="sd-or")
            with gr.Row(elem_id="sd-cards"):
                buttons = {
                    name: gr.Button(words, min_width=90, elem_id=f"sd-{name}", icon=examples.path(f"{name}.card.jpg"))
                    for name, words in NAMES.items()
                }
            with gr.Row():
                grab = gr.Button("Use this frame as a keyframe", size="sm", min_width=140, elem_id="sd-grab")
                onward = gr.Button("Go on from the last frame", size="sm", min_width=140, elem_id="sd-onward")
    board = timeline(first)
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            gr.Markdown("**How the film above went**")
            words = gr.Markdown(verdict, elem_id="sd-verdict", label="How it went")
        with gr.Column(scale=3, min_width=320):
            gr.Markdown("**The film as a contact sheet**; given frames are outlined.")
            picture = gr.Image(sheet, label="Contact sheet", elem_id="sd-sheet", **lessons_page.PICTURE)
    options, now = advanced(first, board), gr.Number(0, visible="hidden", elem_id="sd-now")
    made, takes = gr.State(video), gr.State([])
    outputs = [film, picture, words, progress, options[1], made, takes, strip]
    run = generate.click(
        handlers.direct,
        [board, *options, takes, folder],
        [*outputs, folder],
        js=SEEN,
        show_progress="hidden",
        api_name="page_generate",
        **FILM,
        **QUIET,
    )
    ended = {"inputs": [progress, made], "outputs": [progress, words, film], "queue": False}
    cancel.click(handlers.take_cancelled, **ended, cancels=[run], **QUIET)
    run.failure(handlers.take_cancelled, **ended, **QUIET)
    for name, button in buttons.items():
        button.click(handlers.example(name), takes, [board, *outputs], **QUIET)
    upload.upload(
        handlers.add_files,
        [board, upload, folder],
        [board, folder, upload],
        js=SEEN,
        show_progress="hidden",
        **QUIET,
    )
    shown = "(board, now, ...rest) => [window.sdTimeline.value(), window.sdTimeline.shown(), ...rest]"
    grab.click(handlers.grab, [board, now, made, folder], [board, folder], js=shown, **QUIET)
    onward.click(handlers.onward, [made, folder], [board, folder], **QUIET)
    strip.select(handlers.back_to, takes, outputs, show_progress="hidden", **QUIET)
    strip.input(handlers.story_of, takes, board, show_progress="hidden", **QUIET)
    return board


def advanced(story: dict, board: gr.HTML) -> list:
    """Build the options: a new seed each time, seed, steps, guidance; and the storyboard as JSON, in and out."""
    with gr.Accordion("Advanced", open=False):
        with gr.Row():
            steps = gr.Slider(1, studio.LIMITS.steps, studio.DIRECTOR.defaults.steps, step=1, label="Steps")
            # From 5 on the bundled model's films melt.
            guidance = gr.Slider(1, 4, studio.DIRECTOR.defaults.guidance_scale, step=0.5, label="Guidance (1: none)")
            seed = gr.Number(0, precision=0, minimum=0, label="Seed")
            random_seed = gr.Checkbox(True, label="A new seed each time")
        text = gr.Code(json.dumps(story, indent=1), language="json", label="Storyboard as JSON", elem_id="sd-json")
        with gr.Row():
            show = gr.Button("Timeline → JSON", size="sm")
            use = gr.Button("JSON → timeline", size="sm", elem_id="sd-use-json")
    seed.input(lambda: False, None, random_seed, queue=False, **QUIET)  # who sets a seed wants that one
    show.click(handlers.to_json, board, text, js=SEEN, **QUIET)
    use.click(handlers.from_json, text, board, **QUIET)
    return [random_seed, seed, steps, guidance]


def build() -> gr.Blocks:
    visitors.sweep()
    with gr.Blocks(
        title="SmartDirector-Lite", delete_cache=(600, limits.KEEP_SECONDS), analytics_enabled=False
    ) as page:
        folder = gr.State(None, time_to_live=limits.KEEP_SECONDS, delete_callback=handlers.leave)
        programs.build()  # first, so that its calls get their names
        visit = gr.Textbox(visible="hidden", elem_id="sd-visit")
        gr.Markdown(
            "# SmartDirector-Lite\nPut pictures at the moments you choose, describe the rest, and a diffusion model "
            f"films what lies between. {about()}",
            elem_id="sd-head",
        )
        with gr.Tabs(overflow_behavior="wrap"):  # on a phone no tab hides in a menu
            with gr.Tab("Direct"):
                board = direct(folder)
            with gr.Tab("Keyframes"):
                lessons_page.why(folder)
            with gr.Tab("MC-RoPE"):
                lessons_page.rope(folder)
            with gr.Tab("Anchors"):
                lessons_page.anchors()
            with gr.Tab("Upscale"):
                lessons_page.upscale(folder)
        page.load(handlers.arrive, visit, [folder, board], js=VISIT, show_progress="hidden", **QUIET)
    page.queue(max_size=limits.MAX_QUEUE, default_concurrency_limit=4)
    return page


def launch(page: gr.Blocks, **options):
    """Start the page. The MCP endpoint comes with it where the `mcp` package is there (as on Spaces)."""
    return page.launch(
        theme=theme(),
        css_paths=HERE / "style.css",
        js=(HERE / "labels.js").read_text(encoding="utf-8").partition("\n")[2],
        max_file_size=limits.MAX_UPLOAD_BYTES,
        mcp_server=importlib.util.find_spec("mcp") is not None,
        allowed_paths=[str(examples.FOLDER)],
        show_error=False,
        max_threads=2 * limits.MAX_QUEUE,  # each request in the line holds one
        **options,
    )


if __name__ == "__main__":
    launch(build())
