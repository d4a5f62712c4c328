"""Training clips: their keyframes, their plans, and what they are encoded to."""

import numpy as np
import torch
from diffusers import AutoencoderKLWan
from torch import nn
from torch.testing import assert_close

from smartdirector_lite.media.size import Size
from smartdirector_lite.timeline import ChunkPlan, Condition
from smartdirector_lite.training import clips
from smartdirector_lite.training.clips import ClipEntry
from smartdirector_lite.training.film import FilmShots, Footage
from smartdirector_lite.vae import encode_video


def entry_of(num_frames: int, keyframes: tuple = (), cuts: tuple = ()) -> ClipEntry:
    return ClipEntry(num_frames, keyframes, cuts, "a caption", "short")


def test_a_clip_is_cut_at_its_keyframes_and_cuts():
    plan = entry_of(30, (0, 13, 23), (9,)).plan(4)
    assert plan == ChunkPlan.build(30, [Condition(0), Condition(13), Condition(23)], 4, [9])
    assert [chunk.start for chunk in plan.chunks] == [0, 9, 13, 23]


def test_keyframes_of_every_kind_are_drawn():
    rng = np.random.default_rng(0)
    counts = set()
    for _ in range(400):
        num_frames = int(rng.integers(13, 74))
        frames = clips.draw_keyframes(rng, num_frames, (6, 12))
        assert list(frames) == sorted(set(frames)) and all(0 <= frame < num_frames for frame in frames)
        assert all(type(frame) is int for frame in frames)  # they go into JSON
        counts.add(len(frames))
    assert {0, 1, 2, 3, 4, 5} <= counts


def test_sparse_keyframes_are_few_and_dense_ones_at_most_20_frames_apart():
    rng = np.random.default_rng(0)
    for _ in range(100):
        assert len(clips.draw_keyframes(rng, 60, (20,), sparse=1.0)) <= 2
        assert max(np.diff([0, *clips.draw_keyframes(rng, 60, (20,), sparse=0.0), 60])) <= 20


@torch.no_grad()
def test_clips_are_encoded_as_multichunk_encodes_them(tiny_vae):
    entries = [entry_of(1), entry_of(30, (0, 13, 23)), entry_of(18, (5,), (9,)), entry_of(13), entry_of(7, (1, 2, 6))]
    drawn = [(torch.rand(entry.num_frames, 3, 16, 32), entry) for entry in entries]
    for latents_at_once in (1, 9, 60):
        encoded = clips.encode_clips(tiny_vae, drawn, latents_at_once)
        for (video, entry), latents in zip(drawn, encoded, strict=True):
            slow = encode_video(tiny_vae, entry.plan(4), video.transpose(0, 1)[None] * 2 - 1)[0]
            assert_close(latents, slow, atol=2e-5, rtol=1e-4)


def test_a_fingerprint_tells_encoders_and_ways_of_encoding_apart_but_not_decoders(tiny_vae, wan_folder, monkeypatch):
    other = AutoencoderKLWan.from_pretrained(wan_folder, subfolder="vae")
    nn.init.zeros_(other.decoder.conv_in.weight)
    before = clips.vae_fingerprint(tiny_vae)
    assert clips.vae_fingerprint(other) == before
    nn.init.zeros_(other.encoder.conv_in.weight)
    assert clips.vae_fingerprint(other) != before
    monkeypatch.setattr(clips, "ENCODING", "repeats")
    assert clips.vae_fingerprint(tiny_vae) != before


def test_clips_come_from_the_film_as_often_as_asked():
    frames = np.full((80, 32, 48, 3), 255, np.uint8)
    shots = FilmShots(frames, [(0, 80)], 12.0)
    rng = np.random.default_rng(0)
    video, entry = clips.draw_clip(rng, Footage(shots, 1.0), Size(24, 16))
    assert entry.caption == f"Shot 1 (0.0-{entry.num_frames / 12:.1f} s):" and entry.cuts == ()
    assert entry.num_frames <= clips.FILM_FRAMES
    assert video.shape == (entry.num_frames, 3, 16, 24) and video.min() > 0.999
    assert clips.draw_clip(rng, Footage(shots, 0.0), Size(24, 16))[1].caption.count("Camera")


def test_clips_are_collages_as_often_as_asked_and_without_a_share_nothing_changes():
    frames = np.full((80, 32, 48, 3), 255, np.uint8)
    shots = FilmShots(frames, [(0, 80)], 12.0)

    def drawn(footage: Footage, count: int) -> list[str]:
        rng = np.random.default_rng(0)
        return [clips.draw_clip(rng, footage, Size(14, 8))[1].caption for _ in range(count)]

    captions = drawn(Footage(shots, 0.4, 0.5), 100)
    collages = [caption for caption in captions if "A collage" in caption or "A picture" in caption]
    film = [caption for caption in captions if caption.count(":") == 1 and caption.endswith("s):")]
    assert 18 < len(collages) < 42 and 28 < len(film) < 52 and len(collages) + len(film) < 85
    assert drawn(Footage(), 3) == drawn(Footage(None, 0.0, 0.0), 3) != drawn(Footage(None, 0.0, 1.0), 3)


def test_a_collage_is_said_to_be_what_it_is():
    rng = np.random.default_rng(3)
    for _ in range(10):
        video, entry = clips.draw_clip(rng, Footage(collage_share=1.0), Size(14, 8))
        assert video.shape == (entry.num_frames, 3, 8, 14) and video.min() >= 0 and video.max() <= 1
        assert entry.caption.count("Shot") == len(entry.cuts) + 1 and entry.description in entry.caption
        assert "Camera:" in entry.caption and set(entry.keyframes) <= set(range(entry.num_frames))


def test_film_clips_are_whole_frames_or_parts_of_them_and_as_often_mirrored():
    ramp = np.linspace(0, 240, 48).round().astype(np.uint8)  # darker on the left, so that a row tells what is seen
    shots = FilmShots(np.broadcast_to(ramp[None, None, :, None], (4, 32, 48, 3)).copy(), [(0, 4)], 12.0)
    rng, mirrored, shares = np.random.default_rng(0), 0, []
    for _ in range(200):
        video, said = clips.film_clip(rng, shots, 1, 3, Size(24, 16))
        assert video.shape == (3, 3, 16, 24) and video.min() >= 0 and video.max() <= 1
        row = video[0, 0, 8]
        assert said == bool(row[0] > row[-1])
        mirrored += said
        shares.append(float((row[-4] - row[3]).abs()) / (240 / 255) * 47 / 34)  # 17 of 24 columns
    assert 80 < mirrored < 120
    whole = [share for share in shares if share > 0.98]
    assert 80 < len(whole) < 130 and clips.CLOSEST - 0.02 < min(shares) < clips.CLOSEST + 0.1 and max(shares) < 1.02
