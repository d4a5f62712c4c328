"""Whole trainings of the VAE and of Director-Gen, very small."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState
from diffusers import AutoencoderKLWan
from launching import check, launch

from smartdirector_lite.gen.pipeline import DirectorGenPipeline
from smartdirector_lite.media.size import Size
from smartdirector_lite.timeline import TAU_SCHEMES
from smartdirector_lite.training import bank, gen, vae, vae_clips
from smartdirector_lite.training.clips import vae_fingerprint
from smartdirector_lite.training.film import Footage
from smartdirector_lite.training.text import CAPTION_TOKENS
from smartdirector_lite.training.vae_clips import Layout
from smartdirector_lite.vae.causal import pad_tail

SMALL_LAYOUTS = (Layout(0.5, 0.5, 4, 1, 16, 16), Layout(0.5, 0.5, 2, 5, 16, 16))


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """Two steps of the VAE and two of Director-Gen, as `train vae` and `train gen` take them."""
    folder = tmp_path_factory.mktemp("runs")
    AcceleratorState._reset_state(reset_partial_state=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vae_clips, "LAYOUTS", SMALL_LAYOUTS)
        vae.train_vae(vae_config(folder, steps=2))
        gen.train_gen(gen_config(folder, steps=2))
    return folder


def vae_config(folder: Path, steps: int) -> vae.VAEConfig:
    return vae.VAEConfig(
        out=str(folder / "vae"), base_dim=8, decoder_base_dim=8, z_dim=4, steps=steps, warmup=0, log_every=1
    )


def gen_config(folder: Path, steps: int) -> gen.GenConfig:
    shards = folder / "bank"
    if not shards.exists():
        small = AutoencoderKLWan.from_pretrained(folder / "vae" / "export")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(bank, "DRAFT", Size(48, 32))
            bank.build_shard(small, shards, 0, clips=4)
    return gen.GenConfig(
        out=str(folder / "gen"),
        vae=str(folder / "vae" / "export"),
        bank=str(shards),
        shards=1,
        heads=2,
        head_dim=12,
        layers=1,
        ffn_dim=32,
        text_dim=48,
        latent_frames=24,
        steps=steps,
        warmup=0,
        log_every=1,
    )


def test_training_from_scratch_to_a_pipeline_folder(trained, losses):
    coder = AutoencoderKLWan.from_pretrained(trained / "vae" / "export")
    assert coder.config.scale_factor_temporal == 4 and len(coder.config.latents_std) == 4
    assert min(coder.config.latents_std) > 0 and coder.config.latents_std != [1.0] * 4
    for name in ("vae", "gen"):
        assert list(losses(trained / name)) == [1, 2]
        assert (trained / name / "samples" / "000002.png").stat().st_size > 1000
    pipeline = DirectorGenPipeline.from_pretrained(trained / "gen" / "export")
    assert pipeline.transformer.proj_out.weight.abs().max() > 0  # begins at zero
    assert torch.equal(pipeline.vae.encoder.conv_in.weight, coder.encoder.conv_in.weight)
    assert pipeline.tokenizer.model_max_length == CAPTION_TOKENS
    assert pipeline.transformer.config.tau_scheme == pipeline.config.tau_scheme == "continuous"
    weights = [path.suffix for path in (trained / "gen" / "export").rglob("*") if path.is_file()]
    assert set(weights) <= {".json", ".safetensors"}


def test_training_goes_on_and_starts_from_a_trained_pipeline(trained, monkeypatch, losses):
    monkeypatch.setattr(vae_clips, "LAYOUTS", SMALL_LAYOUTS)
    before = DirectorGenPipeline.from_pretrained(trained / "gen" / "export", vae=None)
    gen.train_gen(gen_config(trained, steps=3))
    assert list(losses(trained / "gen")) == [1, 2, 3]
    after = DirectorGenPipeline.from_pretrained(trained / "gen" / "export", vae=None)
    assert before.tokenizer.get_vocab() == after.tokenizer.get_vocab()
    assert not torch.equal(before.transformer.proj_out.weight, after.transformer.proj_out.weight)
    config = dataclasses.replace(gen_config(trained, steps=3), init=str(trained / "gen" / "export"))
    coder = AutoencoderKLWan.from_pretrained(config.vae)
    model, _ = gen.build_gen(config, coder)
    assert torch.equal(model.transformer.proj_out.weight, after.transformer.proj_out.weight)
    model, _ = gen.build_gen(dataclasses.replace(config, patch=1), coder)
    assert list(model.transformer.config.patch_size) == [1, 1, 1]
    vae.train_vae(vae_config(trained, steps=3))  # its latents are others now, so the bank no longer fits
    assert list(losses(trained / "vae")) == [1, 2, 3]
    with pytest.raises(ValueError, match="made by another model"):
        gen.train_gen(gen_config(trained, steps=4))


def test_a_training_takes_the_scheme_of_its_start_unless_one_is_named(trained, tmp_path, monkeypatch):
    coder = AutoencoderKLWan.from_pretrained(trained / "vae" / "export")
    monkeypatch.setattr(bank, "DRAFT", Size(48, 32))
    bank.build_shard(coder, tmp_path / "bank", 0, clips=4)
    clips = bank.LatentBank(tmp_path / "bank", vae_fingerprint(coder))
    other = DirectorGenPipeline.from_pretrained(trained / "gen" / "export", tau_scheme="midpoint")
    other.save_pretrained(tmp_path / "midpoint")
    for init, rope, scheme in (
        ("", None, "continuous"),
        ("", "restart", "restart"),
        (str(trained / "gen" / "export"), None, "continuous"),
        (str(tmp_path / "midpoint"), None, "midpoint"),
        (str(tmp_path / "midpoint"), "frame_time", "frame_time"),
    ):
        config = dataclasses.replace(gen_config(trained, steps=1), init=init, rope=rope)
        stage = gen.GenStage(config, coder, clips)
        number = next(number for number in range(99) if len({*drawn_taus(stage, number)}) == len(TAU_SCHEMES))
        tau = stage.batch(number, "cpu")["tau"][0].tolist()
        assert tau == [*drawn_taus(stage, number)[TAU_SCHEMES.index(scheme)]]
        stage.export(tmp_path / "export")
        assert DirectorGenPipeline.from_pretrained(tmp_path / "export").config.tau_scheme == scheme


def drawn_taus(stage: gen.GenStage, number: int) -> list[tuple[float, ...]]:
    """The positions of a batch's first clip in each scheme."""
    entry = stage.bank.draw(stage.rng(number), stage.config.latent_frames)[0][1]
    return [tuple(entry.plan(4).tau(scheme, stage.config.cut_gap)) for scheme in TAU_SCHEMES]


def test_the_vae_learns_from_clips_padded_as_chunks_are(monkeypatch, tmp_path):
    coded, counted = [], []
    forward, loss = vae.TrainedVAE.forward, vae.reconstruction_loss

    def see(model, video, halve):
        coded.append(video)
        return forward(model, video, halve)

    def count(output, video, config):
        assert output.shape == video.shape
        counted.append(video)
        return loss(output, video, config)

    monkeypatch.setattr(vae_clips, "LAYOUTS", (Layout(1.0, 1.0, 2, 5, 16, 16),))
    monkeypatch.setattr(vae.TrainedVAE, "forward", see)
    monkeypatch.setattr(vae, "reconstruction_loss", count)
    vae.train_vae(dataclasses.replace(vae_config(tmp_path, steps=8), equivariance=0.0))
    assert {video.shape[2] for video in coded} == {5}
    assert len({video.shape[2] for video in counted}) > 2  # frames that padding added do not count
    assert all(torch.equal(pad_tail(real, 4), video) for real, video in zip(counted, coded, strict=True))


UNEVEN = f"""
import sys
from smartdirector_lite.training import vae, vae_clips

vae_clips.LAYOUTS = [vae_clips.Layout(*values) for values in {[tuple(layout) for layout in SMALL_LAYOUTS]}]
vae.train_vae(vae.VAEConfig(out=sys.argv[1], base_dim=8, decoder_base_dim=8, z_dim=4, steps=5, warmup=0, log_every=1))
"""


@pytest.mark.slow
def test_one_process_may_draw_pictures_while_another_draws_clips(tmp_path, monkeypatch, losses):
    check(launch(tmp_path, code=UNEVEN))
    assert len(losses(tmp_path)) == 5
    monkeypatch.setattr(vae_clips, "LAYOUTS", SMALL_LAYOUTS)
    batches = [
        vae_clips.draw_videos(vae.VAEConfig(steps=5), Footage(), number, torch.device("cpu")) for number in range(10)
    ]
    kinds = [{batch.shape[2] == 1 for batch in batches[k : k + 2]} for k in range(0, 10, 2)]
    assert {True, False} in kinds


def test_latents_are_kept_near_those_of_the_vae_before(trained, monkeypatch, tmp_path):
    monkeypatch.setattr(vae_clips, "LAYOUTS", SMALL_LAYOUTS)
    before = trained / "vae" / "export"
    drifts = {}
    for weight in (1e-6, 100.0):
        config = vae_config(tmp_path / str(weight), steps=6)
        vae.train_vae(dataclasses.replace(config, init=str(before), keep_weight=weight))
        rows = (tmp_path / str(weight) / "vae" / "log.jsonl").read_text().splitlines()
        drifts[weight] = [json.loads(row)["drift"] for row in rows]
        after = AutoencoderKLWan.from_pretrained(tmp_path / str(weight) / "vae" / "export")
        assert after.config.latents_std == AutoencoderKLWan.from_pretrained(before).config.latents_std
    assert drifts[1e-6][0] == drifts[100.0][0] == 0
    assert drifts[1e-6][-1] > 2 * drifts[100.0][-1] > 0


def test_missing_folders_are_named_before_anything_is_made(tmp_path):
    missing = str(tmp_path / "missing")
    for config in (vae.VAEConfig(out=str(tmp_path / "a"), film=missing), vae.VAEConfig(init=missing)):
        with pytest.raises(ValueError, match="missing"):
            vae.train_vae(config)
    with pytest.raises(ValueError, match=r"vae = .*missing: no VAE there"):
        gen.train_gen(gen.GenConfig(out=str(tmp_path / "a"), vae=missing))
    assert not (tmp_path / "a").exists()
