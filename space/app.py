"""SmartDirector in the browser: `python space/app.py`, or a Hugging Face Space. This file builds the page."""

import importlib.util
import json
import sys
from pathlib import Path

import gradio as gr

sys.path.insert(0, str(Path(__file__).parent))  # the modules beside this file are found however it is started
import examples
import handlers
import lessons
import lessons_page
import limits
import stories
import studio
import visitors
from lessons_page import FILM, QUIET
from theme import theme

HERE = Path(__file__).parent
NAMES = {"snow": "Two friends, two shots", "butterfly": "A real film", "middle": "Only the middle"}
HOW = (
    "1. **Put pictures in time**: drag them on the timeline below.\n"
    "2. **Say what happens**, in the description and for each shot.\n"
    "3. **Generate**: a draft comes first, then the final film; your pictures stand on exactly their frames.\n\n"
    "Or begin with an example:"
)


def timeline(value: dict) -> gr.HTML:
    return gr.HTML(
        value=value,
        html_template='<div class="sd-timeline"></div>',
        js_on_load=(HERE / "timeline.js").read_text(encoding="utf-8"),
        server_functions=[plan_of, retimed],
        elem_id="sd-board",
        apply_default_css=False,
    )


def plan_of(data: dict) -> dict:
    return stories.plan_of(data, studio.STRIDE)


def retimed(data: dict) -> dict:
    return stories.retimed(data)


def direct(folder: gr.State) -> None:
    """Build the first tab. It shows a finished film before anything is pressed."""
    first = examples.storyboards()["snow"]
    video, sheet, verdict = examples.finished("snow")
    with gr.Row():
        with gr.Column(scale=3, min_width=320):
            film = gr.Video(
                video, label="The film", elem_id="sd-film", loop=True, interactive=False, buttons=["download"]
            )
            progress = gr.HTML(handlers.bar(None, handlers.FILMED), elem_id="sd-progress")
        with gr.Column(scale=2, min_width=300):
            gr.Markdown(HOW, elem_id="sd-how")
            with gr.Row():
                buttons = {
                    name: gr.Button(words, size="sm", min_width=100, elem_id=f"sd-{name}")
                    for name, words in NAMES.items()
                }
            with gr.Row():
                generate = gr.Button("Generate", variant="primary", min_width=120, elem_id="sd-generate")
                cancel = gr.Button("Cancel", min_width=120, elem_id="sd-cancel")
            grab = gr.Button("Use this frame of the film as a keyframe", size="sm", elem_id="sd-grab")
    board = timeline({"storyboard": first, "media": visitors.bundled_media(), "fresh": "first"})
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            upload = gr.File(label="Your pictures and clips", file_count="multiple", elem_id="sd-upload", height=170)
            words = gr.Markdown(verdict, elem_id="sd-verdict", label="How it went")
        with gr.Column(scale=3, min_width=320):
            gr.Markdown("**Contact sheet**; given frames are outlined.")
            picture = gr.Image(sheet, label="Contact sheet", elem_id="sd-sheet", **lessons_page.PICTURE)
    options, now = advanced(first, board), gr.Number(0, visible="hidden", elem_id="sd-now")
    made, seed = gr.State(video), options[1]
    outputs = [film, picture, words, progress, seed, made, folder]
    run = generate.click(
        handlers.direct,
        [board, *options, folder],
        outputs,
        show_progress="hidden",
        api_name="page_generate",
        **FILM,
        **QUIET,
    )
    cancel.click(handlers.cancelled, None, progress, cancels=[run], queue=False, **QUIET)
    run.failure(handlers.cancelled, progress, progress, queue=False, **QUIET)
    for name, button in buttons.items():
        button.click(handlers.example(name), None, [board, *outputs[:4], made], **QUIET)
    upload.upload(handlers.add_files, [upload, board, folder], [board, folder, upload], **QUIET)
    seconds = "() => document.querySelector('#sd-film video')?.currentTime ?? 0"
    grab.click(None, None, now, js=seconds, **QUIET).then(
        handlers.grab, [now, made, board, folder], [board, folder], **QUIET
    )


def advanced(story: dict, board: gr.HTML) -> list:
    """Build the options: a new seed each time, seed, steps, guidance; and the storyboard as JSON, in and out."""
    with gr.Accordion("Advanced", open=False):
        with gr.Row():
            steps = gr.Slider(1, studio.LIMITS.steps, studio.DIRECTOR.defaults.steps, step=1, label="Steps")
            guidance = gr.Slider(0, 20, studio.DIRECTOR.defaults.guidance_scale, step=0.5, label="Guidance (1: none)")
            seed = gr.Number(0, precision=0, minimum=0, label="Seed")
            random_seed = gr.Checkbox(False, label="A new seed each time")
        text = gr.Code(json.dumps(story, indent=1), language="json", label="Storyboard as JSON", elem_id="sd-json")
        with gr.Row():
            show = gr.Button("Timeline → JSON", size="sm")
            use = gr.Button("JSON → timeline", size="sm", elem_id="sd-use-json")
    show.click(handlers.to_json, board, text, **QUIET)
    use.click(handlers.from_json, text, board, **QUIET)
    return [random_seed, seed, steps, guidance]


def programs() -> None:
    """Build the calls for programs, which the page does not show; gradio_client and MCP list them with docstrings."""
    with gr.Column(visible=False):
        story = gr.Textbox(label="storyboard")
        pictures = gr.File(label="pictures", file_count="multiple")
        seed, steps, guidance = (
            gr.Number(0, label="seed"),
            gr.Number(studio.DIRECTOR.defaults.steps, label="steps"),
            gr.Number(1),
        )
        video, sheet, verdict, used = gr.Video(), gr.Image(type="filepath"), gr.Textbox(), gr.Number()
        table, names, pacing, moved = gr.Textbox(), gr.JSON(), gr.Textbox(label="pacing"), gr.Textbox()
        go = gr.Button()
        inputs = [story, pictures, seed, steps, guidance]
        go.click(handlers.generate, inputs, [video, sheet, verdict, used], api_name="generate", **FILM)
        go.click(handlers.guarded(lessons.plan), story, table, api_name="plan")
        go.click(handlers.guarded(handlers.retime), [story, pacing], moved, api_name="retime")
        go.click(handlers.bundled_frames, None, names, api_name="bundled_frames")


def build() -> gr.Blocks:
    visitors.sweep()
    with gr.Blocks(
        title="SmartDirector-Lite", delete_cache=(600, limits.KEEP_SECONDS), analytics_enabled=False
    ) as page:
        folder = gr.State(None, time_to_live=limits.KEEP_SECONDS, delete_callback=visitors.remove)
        gr.Markdown(
            "# SmartDirector-Lite\nPut pictures at the moments you choose, describe the rest, and a diffusion model "
            "films what lies between.",
            elem_id="sd-head",
        )
        with gr.Tab("Direct"):
            direct(folder)
        with gr.Tab("Why keyframes break"):
            lessons_page.why()
        with gr.Tab("MC-RoPE"):
            lessons_page.rope(folder)
        with gr.Tab("Anchors"):
            lessons_page.anchors()
        with gr.Tab("Upscale"):
            lessons_page.upscale(folder)
        programs()
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
        **options,
    )


if __name__ == "__main__":
    launch(build())
