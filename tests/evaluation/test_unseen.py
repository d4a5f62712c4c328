"""The held-out set of the unseen: the same by number, in any size, in motion, and with things where they should be."""

import ast
import math
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from smartdirector_lite.evaluation import unseen
from smartdirector_lite.evaluation.unseen import COUNT, FPS, UNSEEN, film_drawing, film_photograph
from smartdirector_lite.evaluation.unseen.landscapes import COUNTRIES, Land
from smartdirector_lite.evaluation.unseen.noise import fractal_noise
from smartdirector_lite.evaluation.unseen.sketch import Sketch
from smartdirector_lite.evaluation.unseen.solids import PROFILES, Paint, ball, box, cylinder, turned
from smartdirector_lite.evaluation.unseen.stilllifes import DAY, rolling, turn_about
from smartdirector_lite.evaluation.unseen.tracer import Arrangement, Body, Eye, Moment, photograph
from smartdirector_lite.media import Size

SMALL, TINY = Size(56, 32), Size(35, 20)
EACH_GENERATOR = [("drawings", 3), ("photo-like", 1), ("photo-like", 2)]  # a drawing, a still life, a landscape


@pytest.mark.parametrize("kind", UNSEEN)
def test_every_clip_moves_and_has_its_own_caption(kind):
    """One second, the time between two keyframes of the bench, changes the mean pixel by more than a grey level."""
    clips = [UNSEEN[kind](index, TINY, (0, FPS)) for index in range(COUNT)]
    assert len({clip.caption for clip in clips}) == COUNT
    for index, clip in enumerate(clips):
        assert clip.frames.shape == (2, 3, 20, 35)
        assert clip.frames.min() >= 0 and clip.frames.max() <= 1
        assert (clip.frames[0] - clip.frames[1]).abs().mean() > 0.006, (index, clip.caption)
        assert clip.frames[0].std() > 0.04, (index, clip.caption)  # it shows something
    pictures = torch.stack([clip.frames[0] for clip in clips])
    apart = (pictures[:, None] - pictures[None]).abs().mean(dim=(2, 3, 4)) + torch.eye(COUNT)
    assert apart.min() > 0.02  # no two clips are alike


@pytest.mark.parametrize(("kind", "index"), EACH_GENERATOR)
def test_clips_are_decided_by_their_number(kind, index):
    clip, again, other = (UNSEEN[kind](k, SMALL, (5, 9)) for k in (index, index, index + 24))
    assert clip.caption == again.caption and torch.equal(clip.frames, again.frames)
    assert (clip.frames - other.frames).abs().mean() > 0.01
    assert torch.equal(UNSEEN[kind](index, SMALL, (9,)).frames[0], clip.frames[1])  # whatever else is made


@pytest.mark.parametrize(("kind", "index"), EACH_GENERATOR)
def test_a_large_frame_shrunk_is_the_small_one(kind, index):
    small = UNSEEN[kind](index, SMALL, (7,)).frames
    large = UNSEEN[kind](index, SMALL.times(6), (7,)).frames
    assert (F.avg_pool2d(large, 6) - small).abs().mean() < 0.02
    wide = UNSEEN[kind](index, Size(40, 40), (7,)).frames
    assert wide.shape == (1, 3, 40, 40)


def test_a_whole_clip_is_three_seconds_long():
    assert film_drawing(0, Size(28, 16)).frames.shape == (37, 3, 16, 28)


def test_nothing_comes_from_the_toy_world_or_from_training():
    for path in Path(unseen.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom | ast.Import):
                said = ast.unparse(node)
                assert "toyworld" not in said and "training" not in said, (path.name, said)


# -- drawings ----------------------------------------------------------------------------------------------------------


def dark_centre(frame: torch.Tensor) -> tuple[float, float]:
    """The mean place (x, y) of a dark thing on light paper, in pixels."""
    weight = (frame.mean(dim=0) < 0.45).float()
    y, x = torch.meshgrid(*(torch.arange(side) + 0.5 for side in weight.shape), indexing="ij")
    return float((weight * x).sum() / weight.sum()), float((weight * y).sum() / weight.sum())


@pytest.mark.parametrize("size", [Size(112, 64), Size(90, 60)])
def test_what_is_drawn_is_where_it_was_placed(size):
    sketch = Sketch(size, 0)

    def draw(s: Sketch, t: float) -> None:
        with s.placed(-0.3 + 0.4 * t, 0.1, 0.5, turn=math.pi / 2), s.placed(0.2, 0, mirror=True):
            s.circle(-0.1, 0, 0.2, "black")

    for time in (0.0, 1.0):
        # The inner place moves the circle to (0.2 + 0.1, 0); the outer one halves that, and turns it downwards.
        x, y = (-0.3 + 0.4 * time) * size.height + size.width / 2, (0.5 + 0.1 + 0.15) * size.height
        assert dark_centre(sketch.frame(draw, time)) == pytest.approx((x, y), abs=0.7)


def test_strokes_tremble_alike_in_every_frame():
    sketch = Sketch(Size(112, 64), 4)

    def draw(s: Sketch, t: float) -> None:
        s.line([(-0.5, -0.2), (0.5, -0.2)])
        s.circle(0.1, 0.1 + t, 0.2, "red")

    upper = [sketch.frame(draw, time)[:, :22] for time in (0.0, 0.15)]
    assert torch.equal(*upper)


# -- the ray tracer ----------------------------------------------------------------------------------------------------


def test_shapes_are_as_far_away_as_they_should_be():
    p = torch.tensor([[3.0, 0.0, 0.0], [0.0, 3.0, 4.0], [0.0, 0.0, 0.0]])
    assert ball(1)(p).tolist() == pytest.approx([2, 4, -1])
    assert box(1, 1, 2, 0.0)(p).tolist() == pytest.approx([2, math.hypot(2, 2), -1])
    assert cylinder(1, 2, 0.0)(p).tolist() == pytest.approx([2, math.hypot(1, 3), -1])


@pytest.mark.parametrize("profile", PROFILES)
def test_turned_bodies_have_an_inside_and_never_overstate_distances(profile):
    shape = turned(profile, 1.0)
    p = torch.rand(4000, 3, generator=torch.Generator().manual_seed(0)) * 2.4 - 1.2
    gap = shape(p)
    assert 0.002 < float((gap < 0).float().mean()) < 0.3
    step = 0.05 * F.normalize(torch.randn(4000, 3, generator=torch.Generator().manual_seed(1)), dim=1)
    assert ((shape(p + step) - gap).abs() <= 0.05 + 0.02).all()  # 0.02: between the cells of the table


def test_rays_meet_a_ball_and_the_ground_where_they_should():
    body = Body(ball(0.5), 0.51, Paint("plain", (1, 0, 0), (1, 0, 0)), rolling(0.0, 0.0, 0.5, 0.0, 1.0))
    moment = Moment.of(Arrangement((body,), Paint("plain", (0, 1, 0), (0, 1, 0)), DAY), 0.0)
    start = torch.tensor([[0.0, 0.5, 4.0], [3.0, 2.0, 0.0], [0.0, 0.5, 4.0]])
    rays = F.normalize(torch.tensor([[0.0, 0.0, -1.0], [0.0, -1.0, 0.0], [0.0, 1.0, 0.0]]), dim=1)
    distance, what = moment.hit(start, rays)
    assert what.tolist() == [0, 1, -1]
    assert distance[:2].tolist() == pytest.approx([3.5, 2.0], abs=0.01)
    sun = DAY.direction
    points = torch.tensor([[0.0, 0.5, 0.0], [0.0, 0.5, 0.0]]) + torch.tensor([[1.5], [-1.5]]) * sun  # before, behind
    assert moment.shade(points, torch.zeros(2, 3)).tolist() == pytest.approx([1.0, 0.0], abs=0.02)


def test_a_rolling_ball_turns_as_far_as_it_goes_and_is_seen_there():
    pose = rolling(-0.5, 0.0, 0.5, 0.0, 1.0)
    paint = Paint("plain", (1.0, 0.0, 0.0), (1.0, 0.0, 0.0), gloss=0.0)
    arrangement = Arrangement((Body(ball(0.5), 0.51, paint, pose),), Paint("plain", (0, 0, 0.2), (0, 0, 0.2)), DAY)
    eye = Eye((0.0, 0.5, 5.0), (0.0, 0.5, 0.0), 40.0)
    size = Size(112, 64)
    for time in (0.0, 1.0):
        turn, place = pose(time)
        gone = float(place[0]) + 0.5
        assert torch.allclose(turn, turn_about(torch.tensor([0.0, 0.0, -1.0]), gone / 0.5), atol=1e-5)
        red, _, blue = photograph(Moment.of(arrangement, time).light, eye, size)
        columns = (red - blue > 0.15).float().sum(dim=0)
        seen = float((columns * (torch.arange(size.width) + 0.5)).sum() / columns.sum())
        scale = size.height / 2 / math.tan(math.radians(20)) / 5  # pixels for each unit, 5 units away
        assert seen == pytest.approx(size.width / 2 + float(place[0]) * scale, abs=1.0)


def test_rays_meet_the_land_at_its_height():
    land = Land.survey(COUNTRIES[2], 3.0)
    places = torch.rand(50, 2, generator=torch.Generator().manual_seed(0)) * 20 - 10
    height = land.heights(places)
    start = torch.stack([places[:, 0], torch.full((50,), 6.0), places[:, 1]], dim=1)
    down = torch.tensor([0.0, -1.0, 0.0]).expand(50, 3)
    assert land.hit(start, down, 64).tolist() == pytest.approx((6 - height).tolist(), abs=0.02)
    assert land.hit(start, -down, 64).isinf().all()


def test_details_finer_than_a_pixel_are_left_out():
    p = torch.rand(3000, 2, generator=torch.Generator().manual_seed(0)) * 30
    spread = [float(fractal_noise(p, 5, width).std()) for width in (0.0, 0.4, 2.0)]
    assert spread[0] > spread[1] > spread[2] == 0
    assert float(fractal_noise(p, 5).mean()) == pytest.approx(0.5, abs=0.03)


def test_landscapes_are_every_third_photograph():
    told = [film_photograph(index, Size(28, 16), (0,)).caption for index in (3, 4, 5)]
    assert [COUNTRIES[1].told in caption for caption in told] == [False, False, True]
