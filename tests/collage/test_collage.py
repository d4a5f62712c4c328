"""Collages: they are what the seed says at any size, things are where their curves say, and captions are true."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from smartdirector_lite.collage import render_collage, sample_collage
from smartdirector_lite.collage.cutouts import SHAPES, SIDE, sample_cutout, sample_figure
from smartdirector_lite.collage.motion import STILL, CameraMove, Curve, Pose, sample_camera, sample_curve
from smartdirector_lite.collage.pictures import KINDS, sample_noise, sample_picture
from smartdirector_lite.collage.scene import Bend, Collage, CollageShot, Layer, Light
from smartdirector_lite.media.size import Size

SMALL = Size(56, 32)
WHITE = torch.ones(1, 4, 16, 16)
BLACK = torch.zeros(1, 4, 16, 28)
BLACK[:, 3] = 1
STATIC, EVEN = CameraMove(), Light()
BACKDROP = Layer("", BLACK, Pose(), endless=True)


def show(*layers: Layer, camera: CameraMove = STATIC, light: Light = EVEN, frames: int = 13):
    """Frames (T, 32, 56) of a shot of white layers on black, 12 a second."""
    shot = CollageShot(0, frames, (BACKDROP, *layers), camera, light)
    return render_collage(Collage((shot,), 12.0), SMALL)[:, 0]


def middles(video: torch.Tensor) -> torch.Tensor:
    """The middle of what is bright, (T, 2), in units of half the height, y upwards."""
    height, width = video.shape[1:]
    x = (2 * torch.arange(width) + 1 - width) / height
    y = (height - 2 * torch.arange(height) - 1) / height
    total = video.sum(dim=(1, 2))
    return torch.stack([(video * x).sum(dim=(1, 2)), (video * y[:, None]).sum(dim=(1, 2))], dim=1) / total[:, None]


def square(x=STILL, y=STILL, angle=STILL, size=0.25, depth=1.0, **more) -> Layer:
    return Layer("square", WHITE, Pose(x, y, angle, Curve(math.log(size))), depth, **more)


def test_the_seed_decides_all_and_another_seed_another():
    first, again, other = (sample_collage(seed, 25) for seed in (3, 3, 4))
    assert torch.equal(render_collage(first, SMALL), render_collage(again, SMALL))
    assert [shot.description for shot in first.shots] == [shot.description for shot in again.shots]
    assert not torch.equal(render_collage(first, SMALL), render_collage(other, SMALL))


@pytest.mark.parametrize("seed", range(12))
def test_a_collage_has_frames_in_range_and_shots_without_gaps(seed):
    collage = sample_collage(seed, 30)
    video = render_collage(collage, SMALL)
    assert video.shape == (30, 3, 32, 56) and video.dtype == torch.float32
    assert video.min() >= 0 and video.max() <= 1 and torch.isfinite(video).all()
    bounds = [shot.start for shot in collage.shots] + [30]
    assert [shot.stop for shot in collage.shots] == bounds[1:] and bounds[0] == 0
    assert collage.cuts == tuple(bounds[1:-1])


def test_a_large_frame_shrunk_is_the_small_one():
    for seed in range(6):
        collage = sample_collage(seed, 13)
        large, small = (render_collage(collage, size) for size in (SMALL.times(2), SMALL))
        assert (F.avg_pool2d(large, 2) - small).abs().mean() < 0.02


@pytest.mark.parametrize("seed", [5, 6, 7])
def test_chosen_frames_are_those_of_the_whole(seed):
    collage = sample_collage(seed, 40)
    whole = render_collage(collage, SMALL)
    assert_close(render_collage(collage, SMALL, slice(3, 30, 4)), whole[3:30:4], atol=1e-4, rtol=0)
    with pytest.raises(ValueError, match="selects"):
        render_collage(collage, SMALL, slice(50, 60))


def test_things_move_as_their_curves_say():
    video = show(square(x=Curve(0.1, 0.6), y=Curve(-0.2, 0.3, gain=0.4)))
    seconds = (torch.arange(13) - 6) / 12
    expected = torch.stack([0.1 + 0.6 * seconds, -0.2 + 0.3 * seconds + 0.2 * seconds.square()], dim=1)
    assert (middles(video) - expected).abs().max() < 0.01
    assert (video.sum(dim=(1, 2)) - (0.25 * 32) ** 2).abs().max() < 3  # a square of half height 0.25 stays as large


def test_a_turn_is_anticlockwise_about_the_middle():
    bar = torch.zeros(1, 4, 16, 16)
    bar[:, :, 6:10, 8:] = 1  # the right half of a bar: it points along x
    turned = Layer("bar", bar, Pose(angle=Curve(0.0, math.pi / 2), zoom=Curve(math.log(0.6))))
    x, y = middles(show(turned))[12]  # half a second after the middle: an eighth of a turn
    assert x > 0.1 and abs(float(x - y)) < 0.02


def test_a_limb_moves_with_what_it_is_fixed_to():
    parent = Pose(Curve(0.0, 0.8), Curve(0.0), Curve(math.pi / 2), Curve(math.log(0.5)))
    limb = Layer("limb", WHITE, Pose(Curve(0.7), zoom=Curve(math.log(0.3))), parent=parent)
    seconds = (torch.arange(13) - 6) / 12
    found = middles(show(limb))
    assert (found[:, 0] - 0.8 * seconds).abs().max() < 0.01 and (found[:, 1] - 0.35).abs().max() < 0.01


def test_near_things_pass_faster_than_far_ones():
    pan = CameraMove("pan right", x=Curve(0.0, 0.5))
    near, far = (middles(show(square(depth=depth), camera=pan)) for depth in (1.0, 0.4))
    assert near[12, 0] - near[0, 0] == pytest.approx(-0.5, abs=0.02)
    assert far[12, 0] - far[0, 0] == pytest.approx(-0.2, abs=0.02)


def test_a_zoom_enlarges_all_and_a_dolly_the_near_ones():
    def growth(depth: float, dolly: bool) -> float:
        video = show(square(depth=depth), camera=CameraMove("zoom in", zoom=Curve(0.0, 0.6), dolly=dolly))
        return math.log(float(video[12].sum() / video[0].sum())) / 2

    assert growth(0.5, dolly=False) == pytest.approx(0.6, abs=0.05)
    assert growth(0.5, dolly=True) == pytest.approx(0.3, abs=0.05)


def test_the_front_layer_covers_and_a_shadow_darkens():
    grey = torch.full((1, 4, 16, 16), 0.5)
    grey[:, 3] = 1
    cover = Layer("grey", grey, Pose(zoom=Curve(math.log(0.2))))
    assert show(square(), cover)[0, 16, 28] == pytest.approx(0.5) and show(cover, square())[0, 16, 28] == 1
    white = Layer("", torch.ones(1, 4, 16, 28), Pose(), endless=True)
    with_shadow = Layer("grey", grey, Pose(zoom=Curve(math.log(0.2))), shadow=0.5)
    assert show(white, with_shadow).sum() < show(white, cover).sum() - 10


def test_light_multiplies_and_a_bend_leaves_the_middle():
    half = show(square(), light=Light((Curve(math.log(0.5)), STILL, STILL)))
    assert half[0, 16, 28] == pytest.approx(0.5)
    bent = show(square(bend=Bend(0.2, (1.0, 0.0), 1.0)))
    assert (bent - show(square())).abs().max() > 0.5 and middles(bent).abs().max() < 0.1


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_of_picture_differs_with_the_draw(kind):
    rng = np.random.default_rng(0)
    first, second = kind(rng, SMALL), kind(rng, SMALL)
    assert first.shape == (3, 32, 56) and first.min() >= 0 and first.max() <= 1
    assert first.std() > 0.005 and (first - second).abs().mean() > 0.02


def test_pictures_that_are_brought_are_used_as_often_as_asked():
    rng, red = np.random.default_rng(0), torch.tensor([1.0, 0, 0]).view(3, 1, 1)
    drawn = [sample_picture(rng, Size(8, 8), lambda rng, size: red.expand(3, *size), 0.5) for _ in range(200)]
    assert 75 < sum(torch.equal(picture, red.expand(3, 8, 8)) for picture in drawn) < 125


def test_noise_is_smoother_with_a_steeper_slope():
    rough, smooth = (sample_noise(np.random.default_rng(0), SMALL, slope) for slope in (0.5, 2.0))
    for noise in (rough, smooth):
        assert noise.mean().abs() < 1e-5 and noise.std() == pytest.approx(1, abs=0.01)
    assert smooth.diff(dim=1).std() < 0.3 * rough.diff(dim=1).std()


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_lie_inside_their_texture(name):
    for seed in range(5):
        inside = SHAPES[name](np.random.default_rng(seed)) < 0
        assert inside.shape == SIDE[::-1] and 0.005 < inside.float().mean() < 0.9
        if name != "line":  # a line may wander out
            assert not inside[0].any() and not inside[:, 0].any() and not inside[-1].any()


def test_cutouts_have_colours_multiplied_by_their_opacity():
    rng = np.random.default_rng(0)
    for _ in range(20):
        texture = sample_cutout(rng, 5, 12.0, None).texture
        assert texture.shape[1:] == (4, 128, 128) and len(texture) in (1, 5)
        assert texture.min() >= 0 and texture.max() <= 1 + 1e-6
        assert (texture[:, :3] <= texture[:, 3:] + 1e-4).all() and texture[:, 3].max() > 0.9


def test_a_figure_moves_on_the_spot():
    figures = [sample_figure(np.random.default_rng(seed), 13, 12.0).texture for seed in range(6)]
    assert sum(bool(figure.diff(dim=0).abs().amax() > 0.2) for figure in figures) >= 4
    for figure in figures:
        assert figure[:, 3, :, 0].max() < 0.1 and figure[:, 3, :, -1].max() < 0.1


def test_curves_and_cameras_stay_within_reach():
    rng, seconds = np.random.default_rng(0), torch.linspace(-3, 3, 73)
    for _ in range(200):
        values = sample_curve(rng, 1.0, 6.0).at(seconds)
        assert values.abs().max() < 2.0
        camera = sample_camera(rng, 6.0)
        assert camera.zoom.at(seconds).abs().max() < 1 and camera.x.at(seconds).abs().max() < 2


def test_captions_say_what_moves_where():
    moving = square(x=Curve(0.0, -0.5))
    shot = CollageShot(0, 5, (BACKDROP, moving, square()), CameraMove(), Light())
    assert shot.description == "A collage: square moves left, square."
    assert CollageShot(0, 5, (BACKDROP,), CameraMove(), Light()).description == "A picture."
