"""Director-SR's training: the loss, the batches, and a whole small run."""

import functools
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKLWan
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from smartdirector_lite.loading.loader import load_director
from smartdirector_lite.sr.pipeline import DirectorSRPipeline
from smartdirector_lite.training import bank, pairs, sr
from smartdirector_lite.training.clips import ClipEntry
from smartdirector_lite.training.shards import shard_path

CPU = torch.device("cpu")


ENTRY = ClipEntry(14, (0, 6, 13), (), "a red ball rolls over the hill", "a red ball")


class Oracle(nn.Module):
    """Knows the true velocity, and says nonsense at anchors; keeps what it was asked."""

    def __init__(self, velocity: torch.Tensor):
        super().__init__()
        self.velocity, self.scale = velocity, nn.Parameter(torch.ones(()))

    def forward(self, latents, t, tau):
        self.asked = {"latents": latents, "t": t, "tau": tau}
        return torch.where(t[:, None, :, None, None] > 0, self.scale * self.velocity, 1e4)


def batch_of(anchors: list[list[bool]]) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    shape = (len(anchors), 3, len(anchors[0]), 2, 4)
    return {
        "z_lr": torch.randn(shape, generator=generator),
        "z_hr": torch.randn(shape, generator=generator),
        "anchors": torch.tensor(anchors),
        "t": torch.tensor([1.0, 0.4])[: len(anchors)],
        "tau": torch.rand(len(anchors), len(anchors[0]), generator=generator),
    }


def test_the_true_velocity_has_no_loss_and_anchors_are_clean():
    batch = batch_of([[True, False, False, True], [False, False, True, False]])
    model = Oracle(batch["z_lr"] - batch["z_hr"])
    assert sr.sr_loss(model, batch)["loss"] == 0
    asked, clean = model.asked, batch["anchors"][:, None, :, None, None].expand_as(batch["z_hr"])
    assert torch.equal(asked["t"], torch.tensor([[0.0, 1.0, 1.0, 0.0], [0.4, 0.4, 0.0, 0.4]]))
    assert torch.equal(asked["latents"][clean], batch["z_hr"][clean]) and torch.equal(asked["tau"], batch["tau"])
    assert torch.equal(asked["latents"][0, :, 1:3], batch["z_lr"][0, :, 1:3])  # t = 1: the LR latents themselves
    between = 0.6 * batch["z_hr"][1] + 0.4 * batch["z_lr"][1]
    assert_close(asked["latents"][1, :, [0, 1, 3]], between[:, [0, 1, 3]])


def test_the_loss_is_the_mean_over_what_is_no_anchor():
    batch = batch_of([[True, False, False], [False, False, True]])
    velocity = batch["z_lr"] - batch["z_hr"]
    model = Oracle(velocity)
    nn.init.zeros_(model.scale)  # says 0 everywhere else
    free = (~batch["anchors"])[:, None, :, None, None].expand_as(velocity)
    assert_close(sr.sr_loss(model, batch)["loss"], velocity[free].square().mean())


def test_a_batch_of_anchors_alone_teaches_nothing():
    batch = batch_of([[True, True]])
    model = Oracle(batch["z_lr"])
    loss = sr.sr_loss(model, batch)["loss"]
    loss.backward()
    assert loss == 0 and model.scale.grad == 0


@pytest.fixture
def pair_bank(tmp_path) -> bank.LatentBank:
    """Four clips of 14 frames with keyframes at 0, 6 and 13; LR latents are under 0, HR ones over it."""
    num_latents, generator = ENTRY.plan(4).num_latents, torch.Generator().manual_seed(0)
    latents = [torch.rand(4, num_latents, 2, 4, generator=generator) + 0.1 for _ in range(4)]
    signed = [torch.cat([-value[:2], value[2:]]) for value in latents]
    bank.write_clips(shard_path(tmp_path, 0), "x", [(value, ENTRY) for value in signed])
    return bank.LatentBank(tmp_path, "x")


def test_a_step_always_draws_the_same_batch(wan_folder, tiny_vae, pair_bank, tmp_path):
    stage = sr.SRStage(config_for(wan_folder, tmp_path, 1), tiny_vae, pair_bank)
    one, two, other = (stage.batch(number, CPU) for number in (3, 3, 4))
    assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["z_lr"], other["z_lr"])
    plan = ENTRY.plan(4)
    assert one["z_lr"].shape == one["z_hr"].shape == (24 // plan.num_latents, 2, plan.num_latents, 2, 4)
    assert (one["z_lr"] < 0).all() and (one["z_hr"] > 0).all()
    assert torch.equal(one["tau"], torch.tensor([plan.tau()] * len(one["tau"])))


def test_anchors_and_times_are_drawn_as_often_as_asked(pair_bank):
    def draw(**options) -> dict[str, torch.Tensor]:
        rng = np.random.default_rng(0)
        return sr.sr_batch(rng, pair_bank.draw(rng, 6000), 4, sr.SRConfig(**options), "frame_time")

    plain = draw(no_anchor=0.0, drop_anchor=0.0, clip_anchor=0.0, at_start=1.0)
    assert (plain["anchors"] == torch.tensor(ENTRY.plan(4).anchors)).all() and (plain["t"] == 1).all()
    bare = draw(no_anchor=1.0, at_start=0.0)
    assert not bare["anchors"].any() and (bare["t"] < 1).all()
    assert float(bare["t"].mean()) == pytest.approx(0.5, abs=0.03)
    mixed = draw(no_anchor=0.3, drop_anchor=0.0, at_start=0.5)
    assert float((~mixed["anchors"].any(dim=1)).float().mean()) == pytest.approx(0.3, abs=0.05)
    assert float((mixed["t"] == 1).float().mean()) == pytest.approx(0.5, abs=0.05)


def config_for(wan_folder: Path, folder: Path, steps: int, **options) -> sr.SRConfig:
    sizes = {"heads": 2, "head_dim": 12, "layers": 1, "ffn_dim": 32, "text_dim": 16, "latent_frames": 24, "shards": 1}
    places = {"out": str(folder / "sr"), "vae": str(wan_folder / "vae"), "bank": str(folder / "pairs")}
    return sr.SRConfig(**{**places, **sizes, "steps": steps, "warmup": 0, "log_every": 1, **options})


@pytest.mark.parametrize("upsample", ["latent", "pixel"])
def test_training_from_nothing_to_a_second_stage_of_a_director(
    wan_folder, small_sizes, tmp_path, monkeypatch, losses, upsample
):
    monkeypatch.setattr(sr, "build_pairs", functools.partial(pairs.build_pairs, clips=3))
    monkeypatch.setattr(pairs, "FROM_STAGE_ONE", 1.0)
    sr.train_sr(config_for(wan_folder, tmp_path, 2, gen=str(wan_folder), upsample=upsample))
    logged = losses(tmp_path / "sr")
    assert list(logged) == [1, 2] and all(loss > 0 for loss in logged.values())
    assert (tmp_path / "sr" / "samples" / "000002.png").stat().st_size > 1000

    export = tmp_path / "sr" / "export"
    assert not (export / "vae").exists()
    assert {path.suffix for path in export.rglob("*") if path.is_file()} <= {".json", ".safetensors"}
    shutil.copytree(wan_folder, tmp_path / "model" / "director-gen")
    shutil.copytree(export, tmp_path / "model" / "director-sr")
    director = load_director(tmp_path / "model", device="cpu")
    assert director.sr.vae is director.gen.vae and director.sr.config.upsample == upsample
    assert director.sr.transformer.proj_out.weight.abs().max() > 0  # begins at zero
    assert director.sr.transformer.config.tau_scheme == "frame_time"
    again = {"init": str(export), "upsample": upsample}
    start = sr.start_transformer(config_for(wan_folder, tmp_path, 1, **again), director.gen.vae)
    assert all(torch.equal(a, b) for a, b in zip(start.parameters(), director.sr.transformer.parameters(), strict=True))
    again["upsample"] = {"latent": "pixel", "pixel": "latent"}[upsample]
    with pytest.raises(ValueError, match=f"init was trained with '{upsample}'"):
        sr.start_transformer(config_for(wan_folder, tmp_path, 1, **again), director.gen.vae)


def test_weights_of_another_scheme_keep_it(wan_folder, tiny_vae, pair_bank, tmp_path):
    start = DirectorSRPipeline.from_pretrained(wan_folder, text_encoder=None, tokenizer=None, tau_scheme="continuous")
    start.save_pretrained(tmp_path / "start")
    stage = sr.SRStage(config_for(wan_folder, tmp_path, 1, init=str(tmp_path / "start")), tiny_vae, pair_bank)
    tau = stage.batch(0, CPU)["tau"]
    assert torch.equal(tau, torch.tensor([ENTRY.plan(4).tau("continuous")] * len(tau)))
    assert tau[0].tolist() != ENTRY.plan(4).tau()
    assert stage.pipeline(None).config.tau_scheme == "continuous"


def test_an_untrained_transformer_leaves_the_upsampled_latents(wan_folder, tiny_vae, pair_bank, tmp_path):
    stage = sr.SRStage(config_for(wan_folder, tmp_path, 1), tiny_vae, pair_bank)
    latents = torch.randn(1, 8, 2, 2, 4, generator=torch.Generator().manual_seed(0))
    options = {"latents": latents, "num_frames": 5, "num_inference_steps": 2, "output_type": "latent"}
    result = stage.pipeline(tiny_vae)(**options).frames
    assert_close(result, F.interpolate(latents, scale_factor=(1, 2, 2), mode="trilinear"))


def test_folders_that_do_not_fit_are_named_before_anything_is_made(wan_folder, tmp_path):
    missing = str(tmp_path / "missing")
    for name, message in (("vae", "no VAE there"), ("init", "no pipeline there"), ("film", "no curated dataset")):
        shards = {"shards": 0} if name == "init" else {}
        bank.write_clips(shard_path(tmp_path / "pairs", 0), made_by(wan_folder), [(torch.zeros(16, 5, 4, 6), ENTRY)])
        with pytest.raises(ValueError, match=f"missing.*{message}|{message}.*missing"):
            sr.train_sr(config_for(wan_folder, tmp_path, 1, **{name: missing}, **shards))
    bank.write_clips(shard_path(tmp_path / "pairs", 0), "another", [(torch.zeros(16, 5, 4, 6), ENTRY)])
    with pytest.raises(ValueError, match="made by another model"):
        sr.train_sr(config_for(wan_folder, tmp_path, 1))
    assert not (tmp_path / "sr").exists()


def made_by(wan_folder: Path) -> str:
    return pairs.pairs_fingerprint(AutoencoderKLWan.from_pretrained(wan_folder, subfolder="vae"), "latent")
