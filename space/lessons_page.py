"""The teaching tabs. Each has two sentences, its notebook, and something to look at before anything is pressed."""

import os

import gradio as gr

import examples
import handlers
import lessons
import limits
import studio

REPOSITORY = os.environ.get("SMARTDIRECTOR_REPOSITORY", "").rstrip("/")  # such as https://github.com/OWNER/NAME
FILM = {"concurrency_limit": 1, "concurrency_id": "film"}  # one model: one film at a time, first come, first served
QUIET = {"api_visibility": "private"}
PICTURE = {"interactive": False, "buttons": ["download", "fullscreen"], "elem_classes": "sd-picture"}
SLIDER = {"interactive": False, "buttons": ["fullscreen"]}


def notebook(name: str, title: str) -> str:
    """Return a link to a notebook where the repository's address is known, or else the file's name."""
    path = f"notebooks/{name}.ipynb"
    return f"[Notebook {title}]({REPOSITORY}/blob/main/{path})" if REPOSITORY else f"Notebook {title}: `{path}`"


def why() -> None:
    gr.Markdown(
        "A keyframe's latent, put into the middle of a causal video VAE's run, is decoded as four frames that depend "
        "on what came before: it flashes and is lost. As the first latent of a chunk of its own it comes back exactly. "
        + notebook("02_multi_chunk", "02, Multi-Chunk")
    )
    with gr.Row():
        frame = gr.Slider(1, lessons.NUM_FRAMES - 2, 13, step=1, label="Frame of the keyframe", scale=3)
        go = gr.Button("Compare", variant="primary", elem_id="sd-compare", min_width=120)
    words = gr.Markdown(examples.text("naive.md"), label="What is seen")
    gr.Markdown("Rows: the film, naive insertion, Multi-Chunk. The keyframe is outlined.")
    sheet = gr.Image(examples.path("naive.png"), label="Film, naive insertion, Multi-Chunk", **PICTURE)
    go.click(handlers.guarded(lessons.compare_naive), frame, [sheet, words], api_name="compare_naive", **FILM)


def rope(folder: gr.State) -> None:
    gr.Markdown(
        "The transformer must know when each latent happens; with chunks of any length an index that just counts, or "
        "that restarts, misstates time. `frame_time` is the last frame a latent shows, divided by the VAE's stride: "
        "all its points lie on the line. " + notebook("03_mc_rope", "03, MC-RoPE")
    )
    with gr.Row():
        frames = gr.Textbox("0, 13, 23", label="Keyframes stand at frames")
        number = gr.Slider(1, 181, 30, step=1, label="Frames of the video")
        go = gr.Button("Compare", variant="primary", min_width=120)
    drawing, rows = lessons.compare_schemes()
    picture = gr.Image(drawing, label="Temporal index against time, for four schemes", **PICTURE)
    with gr.Accordion("As numbers", open=False):
        headers = ["latent", "last frame", "kind", *lessons.TAU_SCHEMES]
        table = gr.Dataframe(rows, headers=headers, label="Temporal index of each latent", interactive=False)
    call = handlers.guarded(lessons.compare_schemes)
    go.click(call, [frames, number], [picture, table], api_name="compare_schemes")
    gr.Markdown(
        "**The same storyboard, filmed with each** (two friends, two shots; same seed; drafts). The model was trained "
        "with `frame_time`."
    )
    with gr.Row():
        videos = [
            gr.Video(examples.path(f"rope-{scheme}.mp4"), label=scheme, loop=True, interactive=False, min_width=240)
            for scheme in lessons.TAU_SCHEMES
        ]
    progress = gr.HTML(handlers.bar(None, ""), elem_id="sd-rope-progress")
    with gr.Row():
        film = gr.Button("Film all four again", elem_id="sd-rope")
        cancel = gr.Button("Cancel", min_width=120, elem_id="sd-rope-cancel")
    outputs = [*videos, progress, folder]
    run = film.click(handlers.film_schemes, folder, outputs, show_progress="hidden", **FILM, **QUIET)
    cancel.click(handlers.cancelled, None, progress, cancels=[run], queue=False, **QUIET)
    run.failure(handlers.cancelled, progress, progress, queue=False, **QUIET)


def anchors() -> None:
    gr.Markdown(
        "The second stage, Director-SR, enlarges a draft (LR) and takes detail from the original keyframes, which stay "
        "clean among its latents as anchors. Without them it can only guess; with them a keyframe comes back whole, "
        "and the tiny model carries part of it to the frames around: drag the sliders. "
        + notebook("05_director_sr", "05, Director-SR")
    )
    if not studio.HAS_SR:
        gr.Markdown(f"**{lessons.NO_SR}**")
    with gr.Row():
        frame = gr.Slider(
            0, lessons.NUM_FRAMES - 1, lessons.SHOWN, step=1, label="Frame (keyframes: 0, 12, 21)", scale=3
        )
        go = gr.Button("Compare", variant="primary", interactive=studio.HAS_SR, min_width=120)
    low, without, anchored = (examples.path(f"anchors-{name}.png") for name in ("lr", "without", "with"))
    pairs = [("LR | SR with anchors", low), ("SR without | SR with anchors", without)]
    sliders = []
    with gr.Row():
        for label, other in pairs:
            with gr.Column(min_width=320):
                sliders.append(gr.ImageSlider((other, anchored), label=label, **SLIDER))
    go.click(handlers.guarded(lessons.compare_anchors), frame, sliders, api_name="compare_anchors", **FILM)


def upscale(folder: gr.State) -> None:
    gr.Markdown(
        f"Any video up to {limits.MAX_CLIP_SECONDS:g} s and {lessons.MAX_SOURCE_PIXELS} pixels a frame becomes twice "
        "as large, with its sound. "
        + notebook("05_director_sr", "05, Director-SR")
        + ("" if studio.HAS_SR else f"\n\n**{lessons.NO_SR}**")
    )
    with gr.Row():
        with gr.Column():
            small = gr.File(label="A short video", file_types=["video"], height=170)
            go = gr.Button("Upscale", variant="primary", interactive=studio.HAS_SR)
        large = gr.Video(label="Twice as large", interactive=False)
    go.click(handlers.upscale, [small, folder], [large, folder], api_name="upscale", **FILM)
