"""The bank: shards of encoded clips, and what is drawn from them."""

import dataclasses
import functools

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from smartdirector_lite.media.size import Size
from smartdirector_lite.training import bank, clips, precision
from smartdirector_lite.training.film import Footage


@pytest.fixture(autouse=True)
def tiny_clips(monkeypatch):
    """Clips of 32 x 16 pixels, encoded in float32."""
    monkeypatch.setattr(bank, "DRAFT", Size(32, 16))
    monkeypatch.setattr(precision, "fast_dtype", lambda device: torch.float32)


def test_the_command_makes_the_shards_that_are_asked_for(tiny_vae, tmp_path, monkeypatch, capsys):
    tiny_vae.save_pretrained(tmp_path / "vae")
    monkeypatch.setattr(bank, "build_shard", functools.partial(bank.build_shard, clips=2))
    bank.build_bank(bank.BankConfig(str(tmp_path / "bank"), str(tmp_path / "vae"), first=3, count=2))
    made = [str(path) for path in sorted((tmp_path / "bank").iterdir())]
    assert capsys.readouterr().out.splitlines() == made
    assert [path[-23:] for path in made] == ["shard-00003.safetensors", "shard-00004.safetensors"]


def test_a_shard_comes_back_and_is_the_same_every_time(tiny_vae, tmp_path):
    path = bank.build_shard(tiny_vae, tmp_path / "bank", 4, clips=3)
    again = bank.build_shard(tiny_vae, tmp_path / "again", 4, clips=3)
    assert path.read_bytes() == again.read_bytes()
    assert [file.name for file in path.parent.iterdir()] == ["shard-00004.safetensors"]
    held = bank.LatentBank(path.parent, clips.vae_fingerprint(tiny_vae)).clips
    rng = np.random.default_rng((0, 4))
    drawn = [clips.draw_clip(rng, Footage(), Size(32, 16)) for _ in range(3)]
    assert [entry for _, entry in held] == [entry for _, entry in drawn]
    with torch.no_grad():
        for (latents, entry), expected in zip(held, clips.encode_clips(tiny_vae, drawn), strict=True):
            assert latents.shape == (8, entry.plan(4).num_latents, 2, 4)
            assert_close(latents.float(), expected, atol=2e-3, rtol=2e-3)


def test_a_batch_holds_clips_of_one_length_and_new_shards_are_found(tiny_vae, tmp_path, monkeypatch):
    monkeypatch.setattr(bank, "REFRESH_EVERY", 20)
    made_by = clips.vae_fingerprint(tiny_vae)
    bank.build_shard(tiny_vae, tmp_path, 0, clips=4)
    held = bank.LatentBank(tmp_path, made_by)
    assert len(held.clips) == 4
    bank.build_shard(tiny_vae, tmp_path, 1, clips=2)
    held.refresh()
    held.refresh()
    assert len(held.clips) == 6
    for seed in range(20):
        batch = held.draw(np.random.default_rng(seed), 60)
        lengths = {latents.shape[1] for latents, _ in batch}
        assert len(lengths) == 1 and len(batch) == max(1, 60 // lengths.pop())
        if seed == 0:
            bank.build_shard(tiny_vae, tmp_path, 2, clips=3)
        assert len(held.clips) == (9 if seed == 19 else 6)


@pytest.mark.parametrize("keyframes", [(0, 9, 17, 30), (5, 14), (8,), ()])
def test_excerpts_are_what_their_frames_alone_would_be_encoded_to_but_for_the_surplus(tiny_vae, keyframes):
    video = torch.rand(31, 3, 16, 32, generator=torch.Generator().manual_seed(0))
    entry = clips.ClipEntry(31, keyframes, (), "a caption", "a")
    with torch.no_grad():
        (whole,) = clips.encode_clips(tiny_vae, [(video, entry)])
        parts = list(bank.excerpts(whole, entry, 4))
        overrun = {chunk.start: chunk.overrun for chunk in entry.plan(4).chunks}
        starts = list(overrun)
        spans = [*zip(starts, [*starts[1:], 31])] if len(starts) > 1 else []
        spans += [(a, b + 1) for n in (1, 2) for a, b in zip(starts, starts[n:])]
        assert [part.num_frames for _, part in parts] == [b - a for a, b in spans]
        for (latents, part), (start, stop) in zip(parts, spans, strict=True):
            (expected,) = clips.encode_clips(tiny_vae, [(video[start : start + part.num_frames], part)])
            assert latents.shape == expected.shape
            for chunk in part.plan(4).chunks:
                end = chunk.latent_start + chunk.num_latents - (chunk.overrun != overrun[start + chunk.start])
                assert_close(latents[:, chunk.latent_start : end], expected[:, chunk.latent_start : end])
            assert part.keyframes == tuple(k - start for k in keyframes if start <= k < stop)
            assert part.caption == "a caption"
    assert not list(bank.excerpts(whole, dataclasses.replace(entry, cuts=(11,)), 4))


def test_a_bank_holds_excerpts_where_asked(tiny_vae, tmp_path):
    bank.build_shard(tiny_vae, tmp_path, 0, clips=4)
    made_by = clips.vae_fingerprint(tiny_vae)
    whole, all_of_them = bank.LatentBank(tmp_path, made_by), bank.LatentBank(tmp_path, made_by, stride=4)
    assert len(all_of_them.clips) == sum(1 + len([*bank.excerpts(*clip, 4)]) for clip in whole.clips) > len(whole.clips)
    for latents, entry in all_of_them.clips:
        assert latents.shape[1] == entry.plan(4).num_latents


def test_a_folder_without_shards_is_named(tmp_path):
    with pytest.raises(ValueError, match="no clips there"):
        bank.LatentBank(tmp_path, "any")


def test_clips_alike_have_equally_many_latents():
    entry, held = clips.ClipEntry(5, (), (), "", ""), bank.ClipBank()
    held.add((torch.full((2, length, 1, 1), float(k)), entry) for k, length in enumerate((2, 3, 2, 2)))
    drawn = [held.draw_alike(np.random.default_rng(seed), 3) for seed in range(60)]
    assert all(len({latents.shape[1] for latents, _ in batch}) == 1 and len(batch) == 3 for batch in drawn)
    assert {float(latents[0, 0, 0, 0]) for batch in drawn for latents, _ in batch} == {0, 1, 2, 3}
