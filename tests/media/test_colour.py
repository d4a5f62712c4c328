"""Colours of videos: what players show, from every kind of pixel, and closed forms for HDR and wide gamuts."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import ColorPrimaries, Colorspace, ColorTrc, Interpolation

from smartdirector_lite.media import MediaError, read_video
from smartdirector_lite.media.colour import PEAK, WHITE, hlg_light, pq_light, pq_value, to_srgb, tone_mapped
from smartdirector_lite.media.pixels import CONVERSION, converted

RGB = (200, 60, 40)
BT709, BT601, YCGCO, BT2020 = 1, 5, 8, 9  # FFmpeg's numbers of colour spaces
MPEG, FULL = 1, 2  # and of ranges
UNSTATED = 2
PQ, HLG = ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67


def film(path: Path, frames: list[av.VideoFrame], codec: str, options: dict | None = None, **tags: int) -> Path:
    """Write these frames as they are. tags: of the stream: colorspace, color_range, color_trc, color_primaries."""
    if codec not in av.codecs_available:
        pytest.skip(f"FFmpeg has no {codec} here")
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=12)
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, frames[0].format.name
        stream.options = options or {}
        for name, value in tags.items():
            setattr(stream.codec_context, name, value)
        for index, frame in enumerate(frames):
            frame.pts = index
            for name, value in tags.items():
                setattr(frame, name, value)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def plain(pix_fmt: str, size=(64, 64), space: int = BT601, span: int = MPEG, colour=RGB) -> av.VideoFrame:
    """A frame of one colour."""
    pixels = np.full((size[1], size[0], 3), colour, np.uint8)
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
    return frame.reformat(format=pix_fmt, dst_colorspace=space, dst_color_range=span)


def shown(path: Path) -> list[int]:
    """The colour of the middle."""
    frame = read_video(path)[0]
    return frame[frame.shape[0] // 2, frame.shape[1] // 2].tolist()


# ---------------------------------------------------------------- kinds of pixels


@pytest.mark.parametrize(
    ("size", "space"),
    [((1280, 720), BT709), ((1280, 400), BT709), ((768, 578), BT709), ((1024, 576), BT601), ((640, 480), BT601)],
)
def test_what_is_not_tagged_is_bt709_where_it_is_large(tmp_path, size, space):
    path = film(tmp_path / "a.mp4", [plain("yuv420p", size, space)], "libx264", {"qp": "0"})
    assert shown(path) == pytest.approx(RGB, abs=2)
    wrong = film(tmp_path / "b.mp4", [plain("yuv420p", size, BT709 + BT601 - space)], "libx264", {"qp": "0"})
    assert shown(wrong) != pytest.approx(RGB, abs=8)


@pytest.mark.parametrize("space", [BT709, BT601])
@pytest.mark.parametrize("span", [MPEG, FULL])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le"])
def test_what_is_tagged_is_believed(tmp_path, space, span, pix_fmt):
    frame = plain(pix_fmt, space=space, span=span)
    path = film(tmp_path / "a.mp4", [frame], "libx264", {"qp": "0"}, colorspace=space, color_range=span)
    assert shown(path) == pytest.approx(RGB, abs=2)


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("a.mp4", "libx264rgb", "rgb24"),
        ("a.webm", "libvpx-vp9", "gbrp"),
        ("a.mkv", "ffv1", "rgb48le"),
        ("a.mov", "png", "rgb24"),
        ("a.mov", "qtrle", "rgb24"),
        ("a.avi", "rawvideo", "bgr24"),
        ("a.mov", "prores_ks", "yuv422p10le"),
        ("a.mov", "mjpeg", "yuvj420p"),
        ("a.mp4", "libsvtav1", "yuv420p"),
    ],
)
def test_other_codecs_keep_their_colours(tmp_path, name, codec, pix_fmt):
    options = {"qp": "0"} if codec == "libx264rgb" else {"lossless": "1"} if codec == "libvpx-vp9" else {}
    frame = plain(pix_fmt, span=FULL if pix_fmt == "yuvj420p" else MPEG)
    assert shown(film(tmp_path / name, [frame], codec, options)) == pytest.approx(RGB, abs=2)


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.mkv", "ffv1")])
def test_grey(tmp_path, name, codec):
    assert shown(film(tmp_path / name, [plain("gray", colour=(120,) * 3)], codec)) == pytest.approx([120] * 3, abs=1)


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("a.mov", "png", "rgba"),
        ("a.mov", "qtrle", "argb"),
        ("a.mov", "prores_ks", "yuva444p10le"),
        ("a.webm", "libvpx-vp9", "yuva420p"),
        ("a.mkv", "ffv1", "bgra"),
    ],
)
def test_transparency_is_white_as_in_pictures(tmp_path, name, codec, pix_fmt):
    pixels = np.full((64, 64, 4), (*RGB, 255), np.uint8)
    pixels[:16, :16] = 0
    pixels[-16:, -16:, 3] = 128
    frame = av.VideoFrame.from_ndarray(pixels, format="rgba").reformat(format=pix_fmt)
    frame = read_video(film(tmp_path / name, [frame], codec))[0]
    assert frame[32, 32].tolist() == pytest.approx(RGB, abs=3)
    assert frame[4, 4].tolist() == pytest.approx([255] * 3, abs=3)
    assert frame[-4, -4].tolist() == pytest.approx((np.array(RGB) + 255) / 2, abs=4)


def test_a_colour_space_that_is_not_read_is_named(tmp_path):
    path = film(tmp_path / "a.mp4", [plain("yuv444p")], "libx264", colorspace=YCGCO)
    with pytest.raises(MediaError, match=r"a.mp4: its colours are YCgCo; convert them to BT.709"):
        read_video(path)


# ---------------------------------------------------------------- HDR and wide gamuts


def test_the_curves_are_those_of_bt2100():
    assert [float(pq_light(value)) for value in (0, 1)] == pytest.approx([0, 10_000])
    assert float(pq_value(100)) == pytest.approx(0.508, abs=5e-4)  # BT.2408, table 1
    assert float(pq_value(203)) == pytest.approx(0.58, abs=1e-3)
    light = np.array([0.01, 1, 100, 1000, 9999])
    assert pq_light(pq_value(light)) == pytest.approx(light)
    assert hlg_light(np.array([0, 0.5, 1])) == pytest.approx([0, 1 / 12, 1], abs=1e-6)
    assert float(1000 * hlg_light(np.array(0.75)) ** 1.2) == pytest.approx(203, abs=1)  # BT.2408: HLG's diffuse white


def test_tone_mapping_keeps_the_dark_and_ends_at_white():
    light = np.linspace(0.01, PEAK, 10_000)
    mapped = tone_mapped(light)
    assert mapped[light < 85] == pytest.approx(light[light < 85]) and mapped[-1] == pytest.approx(WHITE)
    assert (np.diff(mapped) > 0).all() and (np.abs(np.diff(mapped, 2)) < 1e-3).all()  # no step and no corner
    assert 0.75 * WHITE < np.interp(WHITE, light, mapped) < WHITE


def code(value: float) -> np.ndarray:
    return np.full((1, 1, 3), round(value * 65_535), np.uint16)


def srgb(light: float) -> float:
    return 255 * (12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("light", [0.5, 5, 50, 80])
def test_dark_light_is_shown_as_it_is(light):
    """White of SDR is 203 cd/m2 here, so that a light has the same share of white in both."""
    assert to_srgb(code(float(pq_value(light))), PQ, ColorPrimaries.BT2020)[0, 0].tolist() == pytest.approx(
        [srgb(light / WHITE)] * 3, abs=1
    )
    value = np.interp((light / PEAK) ** (1 / 1.2), hlg_light(np.linspace(0, 1, 10_000)), np.linspace(0, 1, 10_000))
    assert to_srgb(code(value), HLG, ColorPrimaries.BT2020)[0, 0].tolist() == pytest.approx(
        [srgb(light / WHITE)] * 3, abs=1
    )


@pytest.mark.parametrize(
    ("transfer", "primaries", "given", "wanted"),
    [
        (ColorTrc.BT709, ColorPrimaries.SMPTE432, (200, 60, 40), (217, 42, 23)),  # as Pillow's LittleCMS converts it
        (ColorTrc.BT709, ColorPrimaries.SMPTE432, (255, 255, 255), (255, 255, 255)),
        (ColorTrc.BT2020_10, ColorPrimaries.BT2020, (128, 128, 128), (128, 128, 128)),
        (ColorTrc.BT2020_10, ColorPrimaries.BT2020, (0, 255, 0), (0, 255, 0)),  # outside of sRGB
    ],
)
def test_primaries_are_converted(transfer, primaries, given, wanted):
    pixels = np.array([[given]], np.uint16) * 257
    assert to_srgb(pixels, transfer, primaries)[0, 0].tolist() == pytest.approx(wanted, abs=1)


def test_every_primary_keeps_white():
    from smartdirector_lite.media.colour import TO_709

    for matrix in TO_709.values():
        assert np.sum(matrix, axis=1) == pytest.approx([1, 1, 1], abs=2e-4)


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx265"), ("a.mkv", "libx264")])
@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_an_hdr_film_is_seen_in_sdr(tmp_path, name, codec, transfer):
    """Grey at 50 cd/m2, diffuse white, and the sun."""
    values = [pq_value(50), pq_value(203), 1.0]
    if transfer == HLG:
        values = [np.interp(0.05 ** (1 / 1.2), hlg_light(np.linspace(0, 1, 9999)), np.linspace(0, 1, 9999)), 0.75, 1.0]
    frames = []
    for value in values:
        frame = av.VideoFrame(64, 64, "yuv420p10le")
        for plane, level in zip(frame.planes, (round(64 + 876 * float(value)), 512, 512), strict=True):
            plane.update(np.full(plane.buffer_size // 2, level, np.uint16).tobytes())
        frames.append(frame)
    tags = {"colorspace": BT2020, "color_range": MPEG, "color_trc": transfer, "color_primaries": ColorPrimaries.BT2020}
    options = {"x265-params": "log-level=none:lossless=1"} if codec == "libx265" else {"qp": "0"}
    levels = read_video(film(tmp_path / name, frames, codec, options, **tags))[:, 32, 32]
    assert levels[0].tolist() == pytest.approx([srgb(50 / WHITE)] * 3, abs=2)
    assert levels[1].min() > 0.88 * 255 and levels[2].tolist() == [255] * 3


def test_a_saturated_hdr_colour_keeps_its_hue(tmp_path):
    """A red of BT.709 at 100 cd/m2 is that red again: coded as BT.2020 in PQ and back."""
    from smartdirector_lite.media.colour import TO_709

    light = np.linalg.inv(np.array(TO_709[ColorPrimaries.BT2020])) @ [60.0, 6.0, 3.0]
    pixels = np.round(pq_value(light) * 65_535).astype(np.uint16)[None, None]
    wanted = [srgb(value / WHITE) for value in (60.0, 6.0, 3.0)]
    assert to_srgb(pixels, PQ, ColorPrimaries.BT2020)[0, 0].tolist() == pytest.approx(wanted, abs=1)


def any_frame(rng: np.random.Generator) -> av.VideoFrame:
    """A frame of noise of a random size, format, colour space and range."""
    height, width = rng.choice([32, 48, 80], 2).tolist()
    frame = av.VideoFrame.from_ndarray(rng.integers(0, 256, (height, width, 3), np.uint8), "rgb24")
    kind = str(rng.choice(["rgb24", "yuv420p", "yuv444p"]))
    if kind != "rgb24":
        frame = frame.reformat(format=kind)
        frame.colorspace, frame.color_range = int(rng.choice([BT709, BT601])), int(rng.choice([MPEG, FULL]))
    return frame


def test_conversions_that_are_kept_are_those_of_each_frame_alone():
    """The same few settings for frames of every kind, in four threads, against PyAV's own method."""
    settings = [
        {"width": 48, "height": 27, "format": "rgb24", "interpolation": Interpolation.AREA.value},
        {"format": "rgb48le", "src_colorspace": Colorspace.ITU601, "interpolation": CONVERSION},
        {"format": "rgb48le", "src_colorspace": None, "interpolation": CONVERSION},
        {"format": "yuv420p", "dst_colorspace": Colorspace.ITU709, "interpolation": CONVERSION},
    ]

    def wrong(seed: int) -> int:
        rng, count = np.random.default_rng(seed), 0
        for _ in range(100):
            frame, own = any_frame(rng), settings[rng.integers(len(settings))]
            count += (converted(frame, **own).to_ndarray() != frame.reformat(**own).to_ndarray()).any()
        return count

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(wrong, range(4))) == [0, 0, 0, 0]
