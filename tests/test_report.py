"""The report against videos made by hand, in which what happens at the border is known."""

import json

import numpy as np
import pytest

from smartdirector_lite.report import STILL, border_report, difference, keyframe_report, make_report, psnr, sharpness
from smartdirector_lite.timeline import ChunkPlan, Condition

NUM_FRAMES, BORDER = 20, 9
HEIGHT, WIDTH = 32, 48


def wallpaper(seed: int = 0) -> np.ndarray:
    """A smooth coloured wall, wide enough to pan over: (HEIGHT, 400, 3), 30 to 200."""
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.arange(400), np.arange(HEIGHT))
    wall = np.zeros((HEIGHT, 400, 3))
    for _ in range(12):
        waves = rng.uniform(0.02, 0.2, 2)
        wall += np.sin(waves[0] * x + waves[1] * y + rng.uniform(0, 6))[..., None] * rng.uniform(0, 25, 3)
    return np.clip(115 + wall, 30, 200)


def pan(speed: float = 2.0, num_frames: int = NUM_FRAMES, seed: int = 0, noise: float = 0.0) -> np.ndarray:
    """(T, H, W, 3) float; speed in pixels a frame, fractions by linear interpolation."""
    wall, frames = wallpaper(seed), []
    for i in range(num_frames):
        left, part = int(speed * i), speed * i % 1
        frames.append((1 - part) * wall[:, left : left + WIDTH] + part * wall[:, left + 1 : left + 1 + WIDTH])
    video = np.stack(frames)
    return video + np.random.default_rng(1).normal(0, noise, video.shape) if noise else video


def finish(video: np.ndarray) -> np.ndarray:
    return np.clip(video.round(), 0, 255).astype(np.uint8)


def flash(length: int, at: int = BORDER, strength: float = 60) -> np.ndarray:
    video = pan()
    video[at : at + length] += strength
    return video


def ghost() -> np.ndarray:
    """One frame with another picture mixed in; the mean colour stays."""
    video = pan()
    other = pan(seed=3)[BORDER]
    other += video[BORDER].mean((0, 1)) - other.mean((0, 1))
    video[BORDER] = 0.5 * video[BORDER] + 0.5 * other
    return video


def halt(before: int, after: int) -> np.ndarray:
    """The picture stands still from `before` frames before the border to `after` frames after it, then goes on."""
    video, motion = [], list(pan())
    for i in range(NUM_FRAMES):
        hold = BORDER - before <= i <= BORDER + after
        video.append(video[-1] if hold else motion[len({id(frame) for frame in video})])
    return np.stack(video)


def shift(levels: tuple[float, float, float], speed: float = 2.0) -> np.ndarray:
    video = pan(speed)
    video[BORDER:] += np.array(levels)
    return video


def splice(speed: float = 2.0) -> np.ndarray:
    """Another scene from the border on."""
    return np.concatenate([pan(speed)[:BORDER], pan(speed, seed=5)[BORDER:]])


def accelerate(factor: float) -> np.ndarray:
    wall, left, frames, speed = wallpaper(), 0.0, [], 1.0
    for _ in range(NUM_FRAMES):
        frames.append(wall[:, int(left) : int(left) + WIDTH])
        left, speed = left + speed, speed * factor
    return np.stack(frames)


VIDEOS = {
    "pan": (pan(), "fine"),
    "slow pan": (pan(0.5), "fine"),
    "fast pan": (pan(7), "fine"),
    "grainy pan": (pan(1, noise=4), "fine"),
    "still": (pan(0), "fine"),
    "grainy still": (pan(0, noise=3), "fine"),
    "speeding up": (accelerate(1.15), "fine"),
    "fade to black": (pan(0.5) * np.linspace(1, 0, NUM_FRAMES)[:, None, None, None], "fine"),
    "flash of a frame": (flash(1), "flash"),
    "flash of two": (flash(2), "flash"),
    "flash of four": (flash(4), "flash"),
    "dark flash before": (flash(1, BORDER - 1, -60), "flash"),
    "weak flash": (flash(1, strength=25), "flash"),
    "ghost": (ghost(), "flash"),
    "another scene": (splice(), "flash"),
    "halt of one step": (halt(0, 0), "freeze"),
    "halt after": (halt(0, 2), "freeze"),
    "halt on both sides": (halt(1, 1), "freeze"),
    "brighter": (shift((12, 12, 12)), "colour shift"),
    "redder": (shift((9, -4, -4)), "colour shift"),
    "darker and still": (shift((-8, -8, -8), speed=0), "colour shift"),
}


@pytest.mark.parametrize("name", VIDEOS)
def test_verdict_of_a_clear_case(name):
    video, verdict = VIDEOS[name]
    report = border_report(finish(video), BORDER)
    assert report.verdict == verdict, report


def test_a_flash_elsewhere_is_not_blamed_on_the_border():
    video = finish(flash(1, at=BORDER + 2))
    assert border_report(video, BORDER).verdict == "fine"
    assert border_report(video, BORDER + 2).verdict == "flash"


@pytest.mark.parametrize("speed", [0, 2, 6])
def test_cuts_that_were_asked_for(speed):
    assert border_report(finish(splice(speed)), BORDER, cuts=(BORDER,)).verdict == "cut"
    assert border_report(finish(pan(speed)), BORDER, cuts=(BORDER,)).verdict == "no cut"


@pytest.mark.parametrize("distance", [1, 2, 3, -1, -2, -3])
def test_a_cut_near_by_does_not_count_as_motion(distance):
    """Shots of other speeds on its two sides: only the border's own shot counts."""
    cut = BORDER + distance
    video = finish(np.concatenate([pan(2 if distance > 0 else 9)[:cut], pan(9 if distance > 0 else 2, seed=5)[cut:]]))
    report = border_report(video, BORDER, cuts=(cut,))
    assert report.verdict == "fine" and 0.7 < report.ratio < 1.4


def test_figures_of_a_border_in_closed_form():
    """A grey wall that brightens by 2 a frame, and by 7 over the border."""
    levels = 2 * np.arange(NUM_FRAMES) + 5 * (np.arange(NUM_FRAMES) >= BORDER)
    video = np.broadcast_to(levels[:, None, None, None] + 50, (NUM_FRAMES, 4, 6, 3)).astype(np.uint8)
    report = border_report(video, BORDER)
    assert (report.frame, report.jump, report.beside, report.ratio) == (BORDER, 7, 2, 3.5)
    assert report.verdict == "colour shift"  # 5 more than beside it


@pytest.mark.parametrize(("frame", "num_frames"), [(1, 20), (2, 20), (19, 20), (1, 3), (2, 3)])
def test_borders_near_the_ends(frame, num_frames):
    video = pan(num_frames=num_frames)
    assert border_report(finish(video), frame).verdict == "fine"
    video[frame:] = pan(num_frames=num_frames, seed=5)[frame:]
    assert border_report(finish(video), frame).verdict == "flash"


def test_nothing_beside_the_border_is_no_verdict():
    report = border_report(finish(pan(num_frames=2)), 1)
    assert (report.beside, report.ratio, report.verdict) == (None, None, "fine")
    between_cuts = border_report(finish(splice()), BORDER, cuts=(BORDER - 1, BORDER, BORDER + 1))
    assert (between_cuts.ratio, between_cuts.verdict) == (None, "cut")


def test_psnr_and_difference_in_closed_form():
    a, b = np.zeros((2, 4, 6, 3), np.uint8), np.full((2, 4, 6, 3), 51, np.uint8)
    assert difference(a, b) == difference(b, a) == 51
    assert psnr(a, b) == pytest.approx(20 * np.log10(5))
    assert psnr(a, a) == float("inf")
    c = a.copy()
    c[0] = 255
    assert difference(a, c) == 127.5 and psnr(a, c) == pytest.approx(10 * np.log10(2))


def test_keyframes_and_clips_keep_their_frame_numbers():
    video = finish(pan())
    plan = ChunkPlan.build(NUM_FRAMES, [Condition(12), Condition(3, 4), Condition(0)], cuts=[9])
    asked = [video[12:13] + np.uint8(2), video[3:7].copy(), video[0:1] + np.uint8(4)]
    asked[1][2] += np.uint8(10)
    ideal = [video[12:13], video[3:7] + np.uint8(1), video[0:1]]
    report = make_report(video, plan, asked, ideal, notes=("a note",))
    assert [keyframe.frame for keyframe in report.keyframes] == [0, 3, 4, 5, 6, 12]
    assert [keyframe.l1 for keyframe in report.keyframes] == [4, 0, 0, 10, 0, 2]
    assert [keyframe.l1_reconstruction for keyframe in report.keyframes] == [0, 1, 1, 1, 1, 0]
    assert report.keyframes[0].psnr == pytest.approx(20 * np.log10(255 / 4))
    assert [border.frame for border in report.borders] == [3, 7, 9, 12]
    assert report.borders[2].verdict == "no cut"  # asked for at 9; the pan goes on

    saved = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert saved["keyframes"][1] == {
        "frame": 3,
        "l1": 0.0,
        "psnr": None,
        "l1_reconstruction": 1.0,
        "psnr_reconstruction": pytest.approx(20 * np.log10(255)),
        "sharpness_beside": pytest.approx(1, abs=0.1),  # of a pan
        "colour_beside": pytest.approx(0, abs=5),
    }
    assert saved["notes"] == ["a note"]
    summary = report.summary().splitlines()
    assert summary[0] == "6 frames given: mean difference 2.67 levels of 255, at most 10.00 (frame 5)"
    assert summary[1].startswith("the frames beside them: ")
    assert summary[2].startswith("border at frame 3: fine (jump / motion beside it = ") and summary[-1] == "a note"


def test_a_video_without_conditions_has_an_empty_report():
    report = make_report(finish(pan()), ChunkPlan.build(NUM_FRAMES), [], [])
    assert report.to_dict() == {"keyframes": (), "borders": (), "notes": ()} and report.summary() == ""


# -- what is beside a keyframe -----------------------------------------------------------------------------------------


def board(low: int, high: int, size: tuple[int, int] = (8, 12)) -> np.ndarray:
    """A chessboard of single pixels."""
    cells = np.indices(size).sum(axis=0) % 2
    return np.where(cells, high, low).astype(np.uint8)[..., None].repeat(3, axis=-1)


def test_sharpness_in_closed_form():
    assert sharpness(board(90, 90)) == pytest.approx(0, abs=1e-3)  # of 255, in float32
    assert sharpness(board(0, 255)) == pytest.approx(4 * 255)  # every neighbour is the other colour
    green = board(0, 255) * np.array([0, 1, 0], np.uint8)
    assert sharpness(green) == pytest.approx(0.587 * 4 * 255, rel=1e-5)
    ramp = np.arange(12, dtype=np.uint8)[None, :, None] * np.ones((8, 1, 3), np.uint8) * 20
    assert sharpness(ramp) == pytest.approx(0, abs=1e-3)
    dot = np.zeros((8, 12, 3), np.uint8)
    dot[4, 6] = 100  # 4 there, 1 at each of four neighbours, of 6 x 10 pixels that have all neighbours
    assert sharpness(dot) == pytest.approx(8 * 100 / 60, rel=1e-5)


def test_beside_is_compared_with_what_was_asked_in_closed_form():
    asked = board(100, 140)
    alone = keyframe_report(3, asked, asked, asked)
    assert (alone.sharpness_beside, alone.colour_beside) == (None, None)
    beside = [board(110, 130), board(120, 120) + np.array([6, 0, 0], np.uint8)]  # half as sharp, and flat
    report = keyframe_report(3, asked, asked, asked, beside)
    assert report.sharpness_beside == pytest.approx(0.25)
    assert report.colour_beside == pytest.approx(3)  # of the channel that is most off
    flat = keyframe_report(3, asked, board(50, 50), asked, [board(50, 51)])  # hardly sharp, of a flat image
    assert flat.sharpness_beside == pytest.approx(4 / STILL) and flat.colour_beside == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("conditions", "cuts", "wanted"),
    [
        ([Condition(5)], [], (9 + 16 + 36 + 49) / 4 - 25),
        ([Condition(5)], [6], 25 - (9 + 16) / 2),  # only its own shot
        ([Condition(5)], [5], (36 + 49) / 2 - 25),
        ([Condition(5)], [5, 6], None),
        ([Condition(5), Condition(4)], [], (9 + 36 + 49) / 3 - 25),  # only what was generated
        ([Condition(5, 3)], [], 25 - (9 + 16) / 2),
        ([Condition(0), Condition(5)], [], (9 + 16 + 36 + 49) / 4 - 25),
    ],
)
def test_beside_are_two_frames_on_each_side_that_were_generated_in_its_shot(conditions, cuts, wanted):
    video = np.stack([board(i * i, i * i) for i in range(10)])  # frame i is grey of level i squared
    plan = ChunkPlan.build(10, conditions, cuts=cuts)
    asked = [video[c.frame_index : c.frame_index + c.num_frames] for c in plan.conditions]
    (found,) = [k for k in make_report(video, plan, asked, asked).keyframes if k.frame == 5]
    assert found.colour_beside == (None if wanted is None else pytest.approx(wanted, rel=1e-5))


def test_the_summary_says_how_the_look_carries_over():
    video = np.stack([board(110, 130)] * 4 + [board(100, 140)] + [board(110, 130) + np.uint8(3)] * 4)
    plan = ChunkPlan.build(9, [Condition(4)])
    lines = make_report(video, plan, [video[4:5]], [video[4:5]]).summary().splitlines()
    assert lines[1] == "the frames beside them: 50 % as sharp, mean colour at most 1.5 levels off"
    every = ChunkPlan.build(1, [Condition(0)])
    assert len(make_report(video[:1], every, [video[:1]], [video[:1]]).summary().splitlines()) == 1
