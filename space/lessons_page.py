"""The teaching tabs. Each has two sentences, its notebook, and something to look at before anything is pressed."""

import os

import gradio as gr

import examples
import handlers
import lessons
import limits
import studio

REPOSITORY = os.environ.get("SMARTDIRECTOR_REPOSITORY", "").rstrip("/")  # such as https://github.com/OWNER/NAME
FILM = {
    "concurrency_limit": limits.MAX_QUEUE,
    "concurrency_id": "model",
}  # the engine's line lets one through at a time
QUIET = {"api_visibility": "private"}
PICTURE = {"interactive": False, "buttons": ["download", "fullscreen"], "elem_classes": "sd-picture"}
LESSON_FILM = {"interactive": False, "loop": True, "buttons": [], "elem_classes": "sd-lesson-film"}
ROPE_TRUTH = (
    "**The same storyboard, filmed with each scheme** (two friends, two shots; same seed; drafts). The model here was "
    "trained with `frame_time` and has never seen the others. Even so `frame_time` is not the sharpest here: at frames "
    "7 and 14 `continuous` is crisper, and over the whole film the two are equally sharp. Small models, each trained "
    "for a short time with one scheme, say the same: `continuous` erred a little less than `frame_time`, and "
    "`restart` most (`bench/ablation.py`). New trainings therefore take `continuous`."
)
SLIDER = {"interactive": False, "buttons": ["fullscreen"]}


def notebook(name: str, title: str) -> str:
    """Return a link to a notebook where the repository's address is known, or else the file's name."""
    path = f"notebooks/{name}.ipynb"
    return f"[Notebook {title}]({REPOSITORY}/blob/main/{path})" if REPOSITORY else f"Notebook {title}: `{path}`"


def cancel_button(elem_id: str) -> gr.Button:
    """Return a button that is seen to do something only while a run goes on."""
    return gr.Button("Cancel", min_width=120, elem_id=elem_id, elem_classes="sd-cancel")


def can_be_cancelled(run, cancel: gr.Button, progress: gr.HTML) -> None:
    """Let Cancel end a run, and say so."""
    cancel.click(handlers.cancelled, progress, progress, cancels=[run], queue=False, **QUIET)
    run.failure(handlers.cancelled, progress, progress, queue=False, **QUIET)


def why(folder: gr.State) -> None:
    gr.Markdown(
        "## Why keyframes break\nA picture is put into the middle of a film. Encoded alone, its latent is decoded as "
        "four frames that depend on what came before: the picture flashes and is lost. Blank frames around it spill "
        "into it. As the first latent of a chunk of its own it comes back. Move the slider, or give a picture of your "
        "own. The frame that should be the picture has a gold frame. "
        + notebook("02_multi_chunk", "02, Multi-Chunk")
        + "."
    )
    first = examples.lesson()
    with gr.Row(elem_classes="sd-together"):
        videos = [
            gr.Video(examples.path(f"naive-{way}.mp4"), label=label, min_width=150, **LESSON_FILM)
            for way, label in zip(handlers.WAYS, first["labels"], strict=True)
        ]
    words = gr.Markdown(first["words"], elem_id="sd-why-words")
    progress = gr.HTML(handlers.bar(None, ""), elem_id="sd-why-progress")
    with gr.Row():
        frame = gr.Slider(
            1, lessons.NUM_FRAMES - 2, 13, step=1, label="Frame of the picture", scale=3, elem_id="sd-why-frame"
        )
        picture = gr.Image(
            type="filepath", label="A picture of your own", sources=["upload"], height=140, elem_id="sd-why-picture"
        )
    outputs = [*videos, words, progress, folder]
    # always_last: while one answer is made, only the newest of the slider's places waits.
    for event in (frame.change, picture.change):
        event(
            handlers.insert,
            [frame, picture, folder],
            outputs,
            show_progress="hidden",
            trigger_mode="always_last",
            **FILM,
            **QUIET,
        )


def rope(folder: gr.State) -> None:
    gr.Markdown(
        "## MC-RoPE\nThe transformer must know when each latent happens. With chunks of any length an index that "
        "just counts (`continuous`), or that begins anew in each chunk (`restart`), misstates time. `frame_time` is "
        "the last frame a latent shows, divided by the VAE's stride: all its points lie on the line. "
        + notebook("03_mc_rope", "03, MC-RoPE")
        + "."
    )
    drawing, rows = lessons.compare_schemes()
    with gr.Row():
        with gr.Column(min_width=320):
            picture = gr.Image(drawing, label="Temporal index against time, for four schemes", **PICTURE)
            with gr.Row():
                frames = gr.Textbox("0, 13, 23", label="Keyframes stand at frames", min_width=140)
                number = gr.Slider(1, 181, 30, step=1, label="Frames of the video", min_width=140)
            line = gr.Markdown("", elem_id="sd-rope-line")
            with gr.Accordion("As numbers", open=False):
                headers = ["latent", "last frame", "kind", *lessons.TAU_SCHEMES]
                table = gr.Dataframe(rows, headers=headers, label="Temporal index of each latent", interactive=False)
        with gr.Column(min_width=320, elem_classes="sd-together"):
            videos = []
            for pair in (lessons.TAU_SCHEMES[:2], lessons.TAU_SCHEMES[2:]):
                with gr.Row():
                    videos += [
                        gr.Video(examples.path(f"rope-{scheme}.mp4"), label=scheme, min_width=150, **LESSON_FILM)
                        for scheme in pair
                    ]
            progress = gr.HTML(handlers.bar(None, ""), elem_id="sd-rope-progress")
            with gr.Row():
                film = gr.Button("Film all four again", elem_id="sd-rope")
                cancel = cancel_button("sd-rope-cancel")
    gr.Markdown(ROPE_TRUTH, elem_id="sd-rope-truth")
    for event in (frames.change, number.change):
        event(
            handlers.schemes,
            [frames, number],
            [picture, table, line],
            show_progress="hidden",
            trigger_mode="always_last",
            **QUIET,
        )
    outputs = [*videos, progress, folder]
    run = film.click(handlers.film_schemes, folder, outputs, show_progress="hidden", **FILM, **QUIET)
    can_be_cancelled(run, cancel, progress)


def anchors() -> None:
    gr.Markdown(
        "## Anchors\nThe second stage, Director-SR, enlarges a draft (LR) and takes detail from the original "
        "keyframes, which stay clean among its latents as anchors. Without them it can only guess; with them a "
        "keyframe comes back whole, and the tiny model carries part of it to the frames around: drag the sliders. "
        + notebook("05_director_sr", "05, Director-SR")
        + "."
    )
    if not studio.HAS_SR:
        gr.Markdown(f"**{lessons.NO_SR}**")
    low, without, anchored = (examples.path(f"anchors-{name}.png") for name in ("lr", "without", "with"))
    pairs = [("LR | SR with anchors", low), ("SR without | SR with anchors", without)]
    sliders = []
    with gr.Row():
        for label, other in pairs:
            with gr.Column(min_width=320):
                sliders.append(gr.ImageSlider((other, anchored), label=label, **SLIDER))
    frame = gr.Slider(
        0,
        lessons.NUM_FRAMES - 1,
        lessons.SHOWN,
        step=1,
        label="Frame (keyframes: 0, 12, 21)",
        interactive=studio.HAS_SR,
        elem_id="sd-anchors-frame",
    )
    progress = gr.HTML(handlers.bar(None, ""), elem_id="sd-anchors-progress")
    frame.change(
        handlers.anchors,
        frame,
        [*sliders, progress],
        show_progress="hidden",
        trigger_mode="always_last",
        **FILM,
        **QUIET,
    )


def upscale(folder: gr.State) -> None:
    gr.Markdown(
        f"## Upscale\nA short video becomes twice as large, with its sound: up to {limits.MAX_CLIP_SECONDS:g} s, and "
        "as much as this machine enlarges in a minute. "
        + notebook("05_director_sr", "05, Director-SR")
        + "."
        + ("" if studio.HAS_SR else f"\n\n**{lessons.NO_SR}**")
    )
    with gr.Row():
        with gr.Column(min_width=300):
            small = gr.File(label="A short video", file_types=["video"], height=170)
            with gr.Row():
                go = gr.Button("Upscale", variant="primary", interactive=studio.HAS_SR, elem_id="sd-upscale")
                cancel = cancel_button("sd-upscale-cancel")
            progress = gr.HTML(handlers.bar(None, ""), elem_id="sd-upscale-progress")
        large = gr.Video(label="Twice as large", interactive=False, min_width=300)
    outputs = [large, progress, folder]
    run = go.click(handlers.upscale, [small, folder], outputs, show_progress="hidden", **FILM, **QUIET)
    can_be_cancelled(run, cancel, progress)
