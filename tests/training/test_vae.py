"""The VAE's batches and its loss."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.testing import assert_close

from smartdirector_lite.media.size import Size
from smartdirector_lite.toyworld import HELD_OUT_SEED, render, sample_scene
from smartdirector_lite.training import vae, vae_clips
from smartdirector_lite.training.film import FilmShots, Footage
from smartdirector_lite.training.stage import save_strip
from smartdirector_lite.training.tiny import DRAFT, FINAL

CPU = torch.device("cpu")


def test_a_step_always_draws_the_same_batch_and_no_held_out_scene():
    config = vae.VAEConfig(steps=10)
    for step in (0, 5, 9):
        batch = vae_clips.draw_videos(config, Footage(), step, CPU)
        assert torch.equal(batch, vae_clips.draw_videos(config, Footage(), step, CPU))
        assert batch.min() >= -1 and batch.max() <= 1 and (batch.shape[2] - 1) % 4 == 0
        layouts = {(n, frames, rows, columns) for _, _, n, frames, rows, columns in vae_clips.LAYOUTS}
        assert (batch.shape[0], *batch.shape[2:]) in layouts
    assert not torch.equal(
        vae_clips.draw_videos(config, Footage(), 1, CPU)[:1, :, :1, :32, :32], batch[:1, :, :1, :32, :32]
    )


def test_a_batch_of_collages_has_the_layouts_of_any_other():
    config, footage = vae.VAEConfig(steps=10), Footage(collage_share=1.0)
    layouts = {(n, frames, rows, columns) for _, _, n, frames, rows, columns in vae_clips.LAYOUTS}
    for step in (0, 5):
        batch = vae_clips.draw_videos(config, footage, step, CPU)
        assert (batch.shape[0], *batch.shape[2:]) in layouts and batch.min() >= -1 and batch.max() <= 1
        assert not torch.equal(batch, vae_clips.draw_videos(config, Footage(), step, CPU))


@pytest.mark.parametrize(("process", "processes"), [(0, 1), (1, 2)])
def test_batches_drawn_ahead_are_the_same_and_leave_the_random_numbers_alone(process, processes, monkeypatch):
    monkeypatch.setattr(vae_clips, "PartialState", lambda: SimpleNamespace(num_processes=processes))
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    batches = vae_clips.VideoBatches(vae.VAEConfig(steps=5, workers=1), Footage())
    for number in range(2 * processes + process, 5 * processes, processes):  # from the third step on
        drawn = vae_clips.draw_videos(batches.config, Footage(), number, CPU)
        assert torch.equal(batches.take(number, CPU), drawn)
    with pytest.raises(StopIteration):
        batches.take(5 * processes + process, CPU)
    assert torch.equal(torch.rand(1), expected)
    here = vae_clips.VideoBatches(vae.VAEConfig(steps=5), Footage())
    assert torch.equal(here.take(number, CPU), drawn)


def test_a_larger_batch_has_as_many_more_clips():
    for step in range(4):
        one, three = (vae_clips.draw_videos(vae.VAEConfig(batch=batch), Footage(), step, CPU) for batch in (1, 3))
        assert three.shape == (3 * len(one), *one.shape[1:])
        assert len(torch.unique(three, dim=0)) > 2 * len(one)  # not one clip three times (two may be of the sky alone)


def test_a_film_clip_of_draft_size_is_the_shrunken_final_one():
    frames = np.random.default_rng(0).integers(0, 256, (5, 128, 224, 3), dtype=np.uint8)
    film = FilmShots(frames, [(0, 5)], 12.0)
    draft = vae_clips.film_crop(film, slice(0, 5, 2), DRAFT, (3, 7, 16, 24))
    final = vae_clips.film_crop(film, slice(0, 5, 2), FINAL, (6, 14, 32, 48))
    assert final.shape == (3, 3, 32, 48)
    assert_close(draft, final.unflatten(-2, (16, 2)).unflatten(-1, (24, 2)).mean(dim=(-3, -1)), atol=1e-6, rtol=0)


def test_the_reconstruction_loss_counts_what_moves():
    config = vae.VAEConfig(edge_weight=0.0, motion_weight=2.0)
    still, moving = torch.zeros(1, 3, 3, 4, 4), torch.zeros(1, 3, 3, 4, 4)
    moving[:, :, 2, 0, 0] = 1.0  # one pixel of 16, from the second to the third frame
    assert vae.reconstruction_loss(still, still, config) == 0
    error = 0.5
    plain = 0.5 * error + 4 * error**2
    assert_close(vae.reconstruction_loss(still + error, still, config), torch.tensor(plain))
    wanted = plain * (1 + 2.0 * 2 / 48)  # it counts as moving in both frames
    assert_close(vae.reconstruction_loss(moving + error, moving, config), torch.tensor(wanted))
    config.edge_weight = 0.5
    assert_close(vae.reconstruction_loss(still + error, still, config), torch.tensor(plain))  # flat: no edges are wrong
    config.motion_weight = 0.0
    flickers = vae.reconstruction_loss(moving, still, config) - vae.reconstruction_loss(moving * 0, still, config)
    pixel, corner, blink = (0.5 + 4) / 48, 2 / 36, 1 / 32  # an edge each way, of 36 a direction; one step in time of 32
    assert_close(flickers, torch.tensor(pixel + 0.5 * (corner + blink)))
    config.flicker_weight = 3.0
    flickers = vae.reconstruction_loss(moving, still, config) - vae.reconstruction_loss(moving * 0, still, config)
    assert_close(flickers, torch.tensor(pixel + 0.5 * (corner + 4 * blink)))  # the truth stands still there
    missed = vae.reconstruction_loss(still, moving, config)  # where it moves, a step counts once
    assert_close(missed, torch.tensor(pixel + 0.5 * (corner + blink)))


def test_a_clip_ends_anywhere_in_its_last_group():
    rng, clip = np.random.default_rng(0), torch.randn(2, 3, 9, 4, 4)
    ends = [vae_clips.end_anywhere(clip, rng, 4) for _ in range(60)]
    assert {end.shape[2] for end in ends} == {6, 7, 8, 9}
    assert all(torch.equal(end, clip[:, :, : end.shape[2]]) for end in ends)
    assert {vae_clips.end_anywhere(clip[:, :, :1], rng, 4).shape[2] for _ in range(20)} == {1}


def test_the_strip_of_pictures_shows_the_frames_side_by_side(tmp_path):
    scene = sample_scene(HELD_OUT_SEED, 13)
    video = render(scene, Size(32, 16), frames=slice(0, 13, 6)).transpose(0, 1) * 2 - 1
    save_strip(video, tmp_path / "samples" / "1.png")
    picture = np.asarray(Image.open(tmp_path / "samples" / "1.png"))
    assert picture.shape == (16, 96, 3)
    second = torch.from_numpy(picture[:, 32:64].copy()).permute(2, 0, 1) / 127.5 - 1
    assert_close(second, video[:, 1], atol=0.005, rtol=0)
