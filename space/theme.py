"""The Space's looks: a cinema, dark and light."""

import gradio as gr

from smartdirector_lite.media.sheets import KEYFRAME_COLOUR

GOLD = gr.themes.Color(
    c50="#fdf6ea",
    c100="#faead0",
    c200="#f3d39d",
    c300="#edbd6c",
    c400=KEYFRAME_COLOUR,
    c500="#d18a22",
    c600="#8f5a10",
    c700="#7c4e0d",
    c800="#5d3a0a",
    c900="#3e2707",
    c950="#241603",
)


def theme() -> gr.themes.Base:
    """System fonts, so that nothing is fetched from elsewhere."""
    fonts = ["system-ui", "Segoe UI", "Roboto", "sans-serif"]
    base = gr.themes.Base(primary_hue=GOLD, neutral_hue="stone", font=fonts, font_mono=["ui-monospace", "monospace"])
    return base.set(
        body_background_fill="#faf8f5",
        body_background_fill_dark="#121014",
        body_text_color="#211d1a",
        body_text_color_dark="#efe9e2",
        body_text_color_subdued="#5e564f",
        body_text_color_subdued_dark="#b3aaa0",
        background_fill_primary_dark="#1a171d",
        background_fill_secondary="#efeae3",
        background_fill_secondary_dark="#242028",
        block_background_fill_dark="#1a171d",
        input_background_fill_dark="#242028",
        border_color_primary="#8d857c",
        border_color_primary_dark="#6b6470",
        button_primary_background_fill="#8f5a10",
        button_primary_background_fill_hover="#7c4e0d",
        button_primary_background_fill_dark=KEYFRAME_COLOUR,
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#1a1206",
        block_radius="10px",
    )
