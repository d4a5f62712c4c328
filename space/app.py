"""SmartDirector in the browser: `python space/app.py`, or a Hugging Face Space. The page; what it does is beside it."""

import importlib.util
import json
import os
import sys
from pathlib import Path

import gradio as gr

sys.path.insert(0, str(Path(__file__).parent))  # its modules lie beside it, however it is started
import examples
import handlers
import lessons
import limits
import stories
import studio
import visitors
from theme import theme

HERE = Path(__file__).parent
REPOSITORY = os.environ.get("SMARTDIRECTOR_REPOSITORY", "https://arxiv.org/abs/2605.27891")
FILM = {"concurrency_limit": 1, "concurrency_id": "film"}  # one model: one film at a time, first come, first served
QUIET = {"api_visibility": "private"}
NAMES = {"snow": "❄ Two friends, two shots", "butterfly": "🦋 A real film", "middle": "◆ Only the middle"}


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
    """The first tab. A finished film is on it before anything is pressed."""
    first = examples.storyboards()["snow"]
    video, sheet, verdict = examples.finished("snow")
    with gr.Row():
        with gr.Column(scale=3, min_width=320):
            film = gr.Video(video, label="The film", elem_id="sd-film", autoplay=False, loop=True, interactive=False)
            progress = gr.HTML(handlers.bar(1, "an example, already filmed"), elem_id="sd-progress")
        with gr.Column(scale=2, min_width=300):
            buttons = {name: gr.Button(words, size="sm", elem_id=f"sd-{name}") for name, words in NAMES.items()}
            words = gr.Markdown(verdict, elem_id="sd-verdict", label="How it went")
            with gr.Row():
                generate = gr.Button("🎬 Generate", variant="primary", elem_id="sd-generate")
                cancel = gr.Button("Cancel", elem_id="sd-cancel")
            grab = gr.Button("Use this frame as keyframe", size="sm", elem_id="sd-grab")
    board = timeline({"storyboard": first, "media": visitors.bundled_media(), "fresh": "first"})
    with gr.Row():
        upload = gr.File(
            label="Add pictures or clips (or drop them on the timeline)",
            file_count="multiple",
            elem_id="sd-upload",
            height=170,
        )
        picture = gr.Image(
            sheet, label="Contact sheet; given frames are outlined", interactive=False, elem_id="sd-sheet"
        )
    with gr.Accordion("Advanced", open=False):
        with gr.Row():
            steps = gr.Slider(1, studio.LIMITS.steps, studio.DIRECTOR.steps, step=1, label="Steps")
            guidance = gr.Slider(0, 20, studio.DIRECTOR.guidance_scale, step=0.5, label="Guidance (1: none)")
            seed = gr.Number(0, precision=0, minimum=0, label="Seed")
            random_seed = gr.Checkbox(False, label="A new seed each time")
        text = gr.Code(json.dumps(first, indent=1), language="json", label="Storyboard as JSON", elem_id="sd-json")
        with gr.Row():
            show = gr.Button("Timeline → JSON", size="sm")
            use = gr.Button("JSON → timeline", size="sm", elem_id="sd-use-json")
    now = gr.Number(0, visible="hidden", elem_id="sd-now")
    made = gr.State(video)
    outputs = [film, picture, words, progress, seed, made, folder]
    run = generate.click(
        handlers.generate,
        [board, random_seed, seed, steps, guidance, folder],
        outputs,
        show_progress="hidden",
        api_name="page_generate",
        **FILM,
        **QUIET,
    )
    cancel.click(handlers.cancelled, None, progress, cancels=[run], queue=False, **QUIET)
    for name, button in buttons.items():
        button.click(handlers.example(name), None, [board, *outputs[:4], made], **QUIET)
    upload.upload(handlers.add_files, [upload, board, folder], [board, folder, upload], **QUIET)
    seconds = "() => document.querySelector('#sd-film video')?.currentTime ?? 0"
    grab.click(None, None, now, js=seconds, **QUIET).then(
        handlers.grab, [now, made, board, folder], [board, folder], **QUIET
    )
    show.click(handlers.to_json, board, text, **QUIET)
    use.click(handlers.from_json, text, board, **QUIET)


def why() -> None:
    gr.Markdown(
        "A keyframe's latent, put into the middle of a causal video VAE's run, is decoded as four frames that depend "
        "on what came before: it flashes and is lost. As the first latent of a chunk of its own it comes back exactly. "
        f"[Notebook 02: Multi-Chunk]({REPOSITORY})"
    )
    frame = gr.Slider(1, lessons.NUM_FRAMES - 2, 13, step=1, label="Frame of the keyframe")
    sheet = gr.Image(label="Film, naive insertion, Multi-Chunk; the keyframe is outlined", interactive=False)
    words = gr.Markdown()
    go = gr.Button("Compare", variant="primary", elem_id="sd-compare")
    go.click(handlers.guarded(lessons.compare_naive), frame, [sheet, words], api_name="compare_naive", **FILM)


def rope() -> None:
    gr.Markdown(
        "The transformer must know when each latent happens; with chunks of any length an index that just counts, or "
        "that restarts, misstates time. `frame_time` is the last frame a latent shows, divided by the VAE's stride. "
        f"[Notebook 03: MC-RoPE]({REPOSITORY})"
    )
    with gr.Row():
        frames = gr.Textbox("0, 13, 23", label="Keyframes stand at frames")
        number = gr.Slider(1, 181, 30, step=1, label="Frames of the video")
    headers = ["latent", "last frame", "", *lessons.TAU_SCHEMES]
    table = gr.Dataframe(lessons.compare_schemes(), headers=headers, label="Temporal index of each latent")
    go = gr.Button("Compare", variant="primary")
    go.click(handlers.guarded(lessons.compare_schemes), [frames, number], table, api_name="compare_schemes")


def anchors() -> None:
    gr.Markdown(
        "The second stage enlarges a draft and takes detail from the original keyframes, which stay clean among its "
        f"latents. Without them it can only guess. [Notebook 05: Director-SR]({REPOSITORY})"
    )
    if not studio.HAS_SR:
        gr.Markdown(f"**{lessons.NO_SR}**")
    frame = gr.Slider(0, lessons.NUM_FRAMES - 1, 12, step=1, label="Frame")
    with gr.Row():
        slider = gr.ImageSlider(label="Small, enlarged | with anchors", interactive=False)
        without = gr.Image(label="Without anchors", interactive=False)
    go = gr.Button("Compare", variant="primary", interactive=studio.HAS_SR)
    go.click(handlers.guarded(lessons.compare_anchors), frame, [slider, without], api_name="compare_anchors", **FILM)


def upscale(folder: gr.State) -> None:
    gr.Markdown(
        f"Any video up to {limits.MAX_CLIP_SECONDS:g} s, twice as large, with its sound."
        + ("" if studio.HAS_SR else f"\n\n**{lessons.NO_SR}**")
    )
    with gr.Row():
        small = gr.File(label="A short video", file_types=["video"])
        large = gr.Video(label="Twice as large", interactive=False)
    go = gr.Button("Upscale", variant="primary", interactive=studio.HAS_SR)
    go.click(handlers.upscale, [small, folder], [large, folder], api_name="upscale", **FILM)


def programs() -> None:
    """The calls for programs, which no page shows: gradio_client and MCP list them with their docstrings."""
    with gr.Column(visible=False):
        story = gr.Textbox(label="storyboard")
        pictures = gr.File(label="pictures", file_count="multiple")
        seed, steps, guidance = (
            gr.Number(0, label="seed"),
            gr.Number(studio.DIRECTOR.steps, label="steps"),
            gr.Number(1),
        )
        video, sheet, verdict, used = gr.Video(), gr.Image(type="filepath"), gr.Textbox(), gr.Number()
        table, names, pacing, moved = gr.Textbox(), gr.JSON(), gr.Textbox(label="pacing"), gr.Textbox()
        go = gr.Button()
        inputs = [story, pictures, seed, steps, guidance]
        go.click(handlers.generate_api, inputs, [video, sheet, verdict, used], api_name="generate", **FILM)
        go.click(handlers.guarded(lessons.plan_table), story, table, api_name="plan")
        go.click(handlers.guarded(handlers.retime_api), [story, pacing], moved, api_name="retime")
        go.click(handlers.frames_api, None, names, api_name="bundled_frames")


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
            why()
        with gr.Tab("MC-RoPE"):
            rope()
        with gr.Tab("Anchors"):
            anchors()
        with gr.Tab("Upscale"):
            upscale(folder)
        programs()
    page.queue(max_size=limits.MAX_QUEUE, default_concurrency_limit=4)
    return page


def launch(page: gr.Blocks, **options):
    """Start the page. The MCP endpoint comes with it where the `mcp` package is there (as on Spaces)."""
    return page.launch(
        theme=theme(),
        css_paths=HERE / "style.css",
        max_file_size=limits.MAX_UPLOAD_BYTES,
        mcp_server=importlib.util.find_spec("mcp") is not None,
        allowed_paths=[str(examples.FOLDER)],
        show_error=False,
        **options,
    )


if __name__ == "__main__":
    launch(build())
