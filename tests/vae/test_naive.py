"""The naive ways fail as they are said to fail, and do what their names say."""

import pytest
import torch
from tiny import video_of
from torch.testing import assert_close

from smartdirector_lite.timeline import ChunkPlan, Condition
from smartdirector_lite.vae import decode, encode_clip, encode_conditions, latent_shape
from smartdirector_lite.vae.naive import decode_naive, encode_naive_blank, naive_latent_index, replace_naive


@pytest.mark.parametrize(("frame", "index"), [(0, 0), (1, 1), (4, 1), (5, 2), (8, 2), (12, 3)])
def test_naive_latent_index(frame, index):
    assert naive_latent_index(frame, 4) == index


def test_replacing_puts_first_latents_into_one_causal_run(vae):
    video = video_of(14, 16)
    conditions = [Condition(0), Condition(6), Condition(11, 3)]
    given = [video[:, :, c.frame_index : c.stop] for c in conditions]
    run = encode_clip(vae, video)
    kept = run.clone()
    replaced = replace_naive(vae, run, conditions, given)
    assert torch.equal(run, kept)
    assert torch.equal(replaced[:, :, 1], run[:, :, 1])
    assert_close(replaced[:, :, :1], encode_clip(vae, given[0]), atol=1e-5, rtol=0)
    assert_close(replaced[:, :, 2:3], encode_clip(vae, given[1]), atol=1e-5, rtol=0)
    assert_close(replaced[:, :, 3:], encode_clip(vae, given[2])[:, :, :2], atol=1e-5, rtol=0)
    assert (replaced[:, :, 2] - run[:, :, 2]).abs().max() > 0.05


def test_replacing_loses_the_keyframe_that_multi_chunk_keeps(vae):
    plan, key = ChunkPlan.build(13, [Condition(6)]), video_of(1, 16)
    own = vae.decode(vae.encode(key).latent_dist.mode()).sample[:, :, 0]
    empty = torch.zeros(1, *latent_shape(vae, 4, 16, 16))
    lost = decode_naive(vae, 13, replace_naive(vae, empty, plan.conditions, [key]))[:, :, 6]
    kept = decode(vae, plan, encode_conditions(vae, plan, [key]))[:, :, 6]
    assert (kept - own).abs().max() < 1e-4 < 1e-2 < (lost - own).abs().max()


def test_blanks_are_encoded_with_the_conditions_among_them(vae):
    key, clip = video_of(1, 16, seed=1), video_of(3, 16, seed=2)
    video = torch.zeros(1, 3, 12, 16, 16)
    video[:, :, 5:6], video[:, :, 8:11] = key, clip
    latents = encode_naive_blank(vae, 12, [Condition(5), Condition(8, 3)], [key, clip])
    assert torch.equal(latents, encode_clip(vae, video))
    assert decode_naive(vae, 12, latents).shape == video.shape


def test_bad_conditions_are_refused_at_the_entrance(wan22):
    key = video_of(1, 16)
    latents = torch.zeros(1, 8, 3, 2, 2)
    cases = [
        (lambda: encode_naive_blank(wan22, 9, [Condition(2)], []), "videos has 0 entries for 1 conditions"),
        (lambda: encode_naive_blank(wan22, 9, [], []), "conditions is empty: give at least one"),
        (lambda: encode_naive_blank(wan22, 2, [Condition(2)], [key]), "frame_index"),
        (lambda: replace_naive(wan22, latents, [Condition(2, 3)], [key]), r"videos\[0\] has shape"),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=message):
            call()
