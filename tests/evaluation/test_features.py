"""The small video network: its windows, what it tells, and whether its distances grow with damage."""

import numpy as np
import pytest
import torch

from smartdirector_lite.evaluation.distances import frechet_distance, kernel_distance
from smartdirector_lite.evaluation.features import (
    STEP,
    WEIGHTS,
    WINDOW_FRAMES,
    clip_windows,
    load_video_network,
    video_features,
)
from smartdirector_lite.evaluation.train_features import LABELS, draw_batch, draw_scenes, labels_of, mean_precision
from smartdirector_lite.toyworld import HELD_OUT_SEED, render, sample_scene
from smartdirector_lite.training.tiny import DRAFT


def test_windows_are_runs_of_frames():
    video = torch.arange(37.0).view(-1, 1, 1, 1).expand(-1, 3, 2, 2)
    found = clip_windows(video)
    assert found.shape == (3, WINDOW_FRAMES, 3, 2, 2)
    assert [window[:, 0, 0, 0].tolist() for window in found] == [
        [*range(start, start + WINDOW_FRAMES)] for start in (0, STEP, 2 * STEP)
    ]
    with pytest.raises(ValueError, match="15 frames has no window of 16"):
        clip_windows(video[:15])


def test_labels_say_what_a_clip_shows():
    scene = sample_scene(1, 37, num_shots=2)
    (cut,) = scene.cuts
    names = [{LABELS[i] for i in labels_of(scene, start, speed).nonzero()} for start, speed in ((0, 0), (cut - 2, 1))]
    assert "a cut" not in names[0] and 0 in names[0] and 1 not in names[0]
    assert names[0] & {"wide", "medium", "close-up"} == {scene.shots[0].framing}
    assert {"a cut", 1, scene.setting.name, scene.shots[1].camera, scene.shots[1].framing} <= names[1]


def test_the_shipped_network_tells_held_out_clips():
    clips, labels = draw_batch(np.random.default_rng(0), *draw_scenes(24, HELD_OUT_SEED + 1000), 64)
    assert mean_precision(load_video_network(), clips, labels) > 0.7  # guessing gives about 0.3
    assert WEIGHTS.stat().st_size < 1_000_000


def test_distances_grow_with_damage():
    """Frames are put in disorder, held, and mixed with ghosts: each less, then more."""
    videos = [render(sample_scene(HELD_OUT_SEED + i, 37, 1), DRAFT) for i in range(16)]
    truth = torch.cat([video_features(video) for video in videos])
    times = torch.arange(37)
    damages = {
        "held": [lambda video, every=every: video[times // every * every] for every in (3, 12)],
        "disorder": [lambda video, run=run: video[(times // run * run + run - 1 - times % run)[:36]] for run in (2, 6)],
        "ghosts": [lambda video, share=share: video.lerp(video.mean(dim=0), share) for share in (0.15, 0.5)],
    }
    for less, more in damages.values():
        sets = [torch.cat([video_features(damage(video)) for video in videos]) for damage in (less, more)]
        for distance in (frechet_distance, kernel_distance):
            found = [distance(damaged, truth) for damaged in (truth, *sets)]  # below 0 where pairs are nearly equal
            assert found[0] < found[1] < found[2] and found[2] - found[0] > 1.5 * (found[1] - found[0])
