"""Training of the second stage: the pairs of latents, the loss, and a whole small run."""

import functools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from diffusers import AutoencoderKLWan
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from smartdirector_lite.gen.pipeline import DirectorGenPipeline
from smartdirector_lite.loading.loader import load_director
from smartdirector_lite.toyworld import HELD_OUT_SEED, render, sample_scene
from smartdirector_lite.training import bank, film, pairs, sr
from smartdirector_lite.vae import multichunk

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def fresh_accelerate():
    """accelerate keeps the precision of the first run of a process; every test here is a run of its own."""
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture(scope="module")
def tiny_vae(wan_folder) -> AutoencoderKLWan:
    return AutoencoderKLWan.from_pretrained(wan_folder, subfolder="vae").eval()


@pytest.fixture
def small(monkeypatch):
    """Clips of 48 x 32 and 96 x 64 in place of 112 x 64 and 224 x 128, encoded in float32."""
    for module in (pairs, sr):
        monkeypatch.setattr(module, "DRAFT", (32, 48))
        monkeypatch.setattr(module, "FINAL", (64, 96))
    monkeypatch.setattr(pairs, "fast_dtype", lambda device: torch.float32)


@functools.cache
def toy_video() -> torch.Tensor:
    """(5, 3, 32, 48) in [0, 1]."""
    return render(sample_scene(HELD_OUT_SEED + 1, 5), 32, 48)


def psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(-10 * (a - b).square().mean().log10())


# -- pairs -------------------------------------------------------------------------------------------------------------


def test_a_pair_shows_the_same_clip_in_the_two_sizes():
    large_size, small_size = pairs.FINAL, pairs.DRAFT
    assert (small_size, large_size) == ((64, 112), (128, 224))
    small, large, entry = pairs.draw_pair(np.random.default_rng(0), None, 0.0)
    assert pairs.FRAMES[0] <= entry.num_frames < pairs.FRAMES[1] and entry.caption
    assert small.shape == (entry.num_frames, 3, *small_size) and large.shape == (entry.num_frames, 3, *large_size)
    assert psnr(small, F.avg_pool2d(large, 2)) > 25  # drawn as such, or made from the large one
    again = pairs.draw_pair(np.random.default_rng(0), None, 0.0)
    assert torch.equal(small, again[0]) and torch.equal(large, again[1]) and entry == again[2]


def test_a_clip_of_a_film_is_halved():
    frames = np.random.default_rng(0).integers(0, 256, (60, 32, 48, 3), dtype=np.uint8)
    footage = film.FilmShots(frames, [(0, 60)], 12.0)
    small, large, entry = pairs.draw_pair(np.random.default_rng(1), footage, 1.0)
    assert entry.caption == bank.FILM_CAPTION and entry.cuts == ()
    assert large.shape == (entry.num_frames, 3, 32, 48)
    assert_close(small, large.unflatten(-2, (16, 2)).unflatten(-1, (24, 2)).mean(dim=(-3, -1)), atol=1e-6, rtol=0)


@pytest.mark.parametrize("upsample", ["latent", "pixel"])
def test_a_shard_holds_lr_upsampled_and_hr_and_is_the_same_every_time(tiny_vae, small, tmp_path, monkeypatch, upsample):
    build = functools.partial(pairs.build_pairs, tiny_vae, None, upsample=upsample)
    one, two = (build(tmp_path / name, 3, clips=4, seed=5) for name in "ab")
    assert one.name == "shard-00003.safetensors" and one.read_bytes() == two.read_bytes()
    other = build(tmp_path / "c", 3, clips=4, seed=6)
    assert other.read_bytes() != one.read_bytes()

    monkeypatch.setattr(pairs, "FROM_STAGE_ONE", 0.0)
    monkeypatch.setattr(pairs, "degrade", lambda rng, video: video)
    drawn, original = [], pairs.draw_pair
    monkeypatch.setattr(pairs, "draw_pair", lambda *args: drawn.append(original(*args)) or drawn[-1])
    path = build(tmp_path / "d", 0, clips=2)
    held = bank.LatentBank(tmp_path / "d", pairs.pairs_fingerprint(tiny_vae, upsample)).clips
    assert load_file(path).keys() == {"0", "1"} and [entry for _, entry in held] == [entry for _, _, entry in drawn]
    for (latents, entry), (lr, hr, _) in zip(held, drawn, strict=True):
        plan = entry.plan(4)
        if upsample == "pixel":
            lr = F.interpolate(lr, scale_factor=2, mode="bicubic", antialias=True).clamp(0, 1)
        z_lr, z_hr = (multichunk.encode_video(tiny_vae, plan, v.transpose(0, 1)[None] * 2 - 1)[0] for v in (lr, hr))
        assert latents.shape == (16, plan.num_latents, 8, 12) and latents.dtype == torch.float16
        if upsample == "latent":
            z_lr = F.interpolate(z_lr.transpose(0, 1), scale_factor=2, mode="bilinear").transpose(0, 1)
        assert_close(latents[:8].float(), z_lr, atol=5e-3, rtol=2e-3)
        assert_close(latents[8:].float(), z_hr, atol=5e-3, rtol=2e-3)


@pytest.mark.parametrize("num_frames", [1, 5, 6, 8])
def test_through_vae_is_the_vaes_reconstruction(tiny_vae, num_frames):
    video = torch.cat([toy_video(), toy_video()])[:num_frames]
    missing = (1 - num_frames) % 4
    padded = torch.cat([video, video[-1:].expand(missing, -1, -1, -1)]).transpose(0, 1)[None] * 2 - 1
    with torch.no_grad():
        expected = tiny_vae.decode(tiny_vae.encode(padded).latent_dist.mode()).sample
    shown = pairs.through_vae(tiny_vae, video)
    assert shown.shape == video.shape
    assert_close(shown, ((expected[0].transpose(0, 1) + 1) / 2).clamp(0, 1)[:num_frames], atol=1e-4, rtol=0)


ENTRY = bank.ClipEntry(14, (0, 6, 13), (), "a red ball rolls over the hill", "a red ball")


def test_redrawing_leaves_anchors_alone_and_changes_the_rest(gen):
    latents = torch.randn(1, 8, ENTRY.plan(4).num_latents, 4, 6, generator=torch.Generator().manual_seed(0))
    one, two, other = (pairs.redraw(np.random.default_rng(seed), gen, latents, ENTRY) for seed in (0, 0, 1))
    anchors = torch.tensor(ENTRY.plan(4).anchors)
    assert anchors.sum() == 3 and one.shape == latents[0].shape and torch.equal(one, two)
    assert torch.equal(one[:, anchors], latents[0][:, anchors])
    assert (one != latents[0])[:, ~anchors].all() and (one != other)[:, ~anchors].all()


def test_a_stage_one_that_says_nothing_leaves_what_was_noised(wan_folder):
    """Where the velocity is 0 everywhere, the clip stays at (1 - t) x_0 + t x_1, of one t within its bounds."""
    silent = DirectorGenPipeline.from_pretrained(wan_folder, vae=None)
    nn.init.zeros_(silent.transformer.proj_out.weight)
    nn.init.zeros_(silent.transformer.proj_out.bias)
    latents = torch.full((1, 8, ENTRY.plan(4).num_latents, 16, 24), 10.0)
    for seed in range(3):
        free = pairs.redraw(np.random.default_rng(seed), silent, latents, ENTRY)[
            :, ~torch.tensor(ENTRY.plan(4).anchors)
        ]
        t = 1 - float(free.mean()) / 10
        assert pairs.REDRAWN[0] - 0.01 < t < pairs.REDRAWN[1] + 0.01
        assert float(free.std()) == pytest.approx(t, rel=0.03)


# -- batches and loss --------------------------------------------------------------------------------------------------


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
    bank.write_shard(bank.shard_path(tmp_path, 0), "x", signed, [ENTRY] * 4)
    return bank.LatentBank(tmp_path, "x")


def test_a_step_always_draws_the_same_batch(pair_bank):
    config = sr.SRConfig(latent_frames=24)
    one, two, other = (sr.draw_batch(config, pair_bank, 4, step, CPU) for step in (3, 3, 4))
    assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["z_lr"], other["z_lr"])
    plan = ENTRY.plan(4)
    assert one["z_lr"].shape == one["z_hr"].shape == (24 // plan.num_latents, 2, plan.num_latents, 2, 4)
    assert (one["z_lr"] < 0).all() and (one["z_hr"] > 0).all()
    assert torch.equal(one["tau"], torch.tensor([plan.tau()] * len(one["tau"])))


def test_a_batch_goes_to_the_device_but_for_the_positions(pair_bank):
    batch = sr.draw_batch(sr.SRConfig(latent_frames=24), pair_bank, 4, 3, "meta")
    assert {name: value.device.type for name, value in batch.items()} == {
        "z_lr": "meta", "z_hr": "meta", "anchors": "meta", "t": "meta", "tau": "cpu"
    }  # fmt: skip


def test_anchors_and_times_are_drawn_as_often_as_asked(pair_bank):
    def draw(**options) -> dict[str, torch.Tensor]:
        return sr.draw_batch(sr.SRConfig(latent_frames=6000, **options), pair_bank, 4, 0, CPU)

    plain = draw(no_anchor=0.0, drop_anchor=0.0, clip_anchor=0.0, at_start=1.0)
    assert (plain["anchors"] == torch.tensor(ENTRY.plan(4).anchors)).all() and (plain["t"] == 1).all()
    bare = draw(no_anchor=1.0, at_start=0.0)
    assert (
        not bare["anchors"].any() and (bare["t"] < 1).all() and float(bare["t"].mean()) == pytest.approx(0.5, abs=0.03)
    )
    mixed = draw(no_anchor=0.3, drop_anchor=0.0, at_start=0.5)
    assert float((~mixed["anchors"].any(dim=1)).float().mean()) == pytest.approx(0.3, abs=0.05)
    assert float((mixed["t"] == 1).float().mean()) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 2}, "workers = 2"),
        ({"shards": -1}, "shards = -1: give 0 or more"),
        ({"latent_frames": 0}, "latent_frames = 0: give 1 or more"),
        ({"layers": 0}, "layers = 0"),
        ({"no_anchor": 1.5}, "no_anchor = 1.5: give 0 to 1"),
        ({"at_start": float("nan")}, "at_start = nan"),
        ({"steps": -1}, "steps = -1"),
        ({"upsample": "nearest"}, "upsample must be one of latent, pixel, got 'nearest'"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        sr.SRConfig(**options)


# -- everything, very small --------------------------------------------------------------------------------------------


def config_for(wan_folder: Path, folder: Path, steps: int, **options) -> sr.SRConfig:
    sizes = {"heads": 2, "head_dim": 12, "layers": 1, "ffn_dim": 32, "text_dim": 16, "latent_frames": 24, "shards": 1}
    places = {"out": str(folder / "sr"), "vae": str(wan_folder / "vae"), "bank": str(folder / "pairs")}
    return sr.SRConfig(**{**places, **sizes, "steps": steps, "warmup": 0, "log_every": 1, **options})


@pytest.mark.parametrize("upsample", ["latent", "pixel"])
def test_training_from_nothing_to_a_second_stage_of_a_director(wan_folder, small, tmp_path, monkeypatch, upsample):
    monkeypatch.setattr(sr, "build_pairs", functools.partial(pairs.build_pairs, clips=3))
    monkeypatch.setattr(pairs, "FROM_STAGE_ONE", 1.0)
    sr.train_sr(config_for(wan_folder, tmp_path, 2, gen=str(wan_folder), upsample=upsample))
    rows = [json.loads(line) for line in (tmp_path / "sr" / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2] and all(row["loss"] > 0 for row in rows)
    assert (tmp_path / "sr" / "samples" / "000002.png").stat().st_size > 1000

    export = tmp_path / "sr" / "export"
    assert not (export / "vae").exists()
    assert {path.suffix for path in export.rglob("*") if path.is_file()} <= {".json", ".safetensors"}
    shutil.copytree(wan_folder, tmp_path / "model" / "director-gen")
    shutil.copytree(export, tmp_path / "model" / "director-sr")
    director = load_director(tmp_path / "model", device="cpu")
    assert director.sr.vae is director.gen.vae and director.sr.config.upsample == upsample
    assert director.sr.transformer.proj_out.weight.abs().max() > 0  # begins at zero
    again = {"init": str(export), "upsample": upsample}
    start = sr.start_transformer(config_for(wan_folder, tmp_path, 1, **again), director.gen.vae)
    assert all(torch.equal(a, b) for a, b in zip(start.parameters(), director.sr.transformer.parameters(), strict=True))
    again["upsample"] = {"latent": "pixel", "pixel": "latent"}[upsample]
    with pytest.raises(ValueError, match=f"init was trained with '{upsample}'"):
        sr.start_transformer(config_for(wan_folder, tmp_path, 1, **again), director.gen.vae)


def test_an_untrained_transformer_leaves_the_upsampled_latents(wan_folder, tiny_vae, tmp_path):
    model = sr.TrainedSR(sr.start_transformer(config_for(wan_folder, tmp_path, 1), tiny_vae))
    latents = torch.randn(1, 8, 2, 2, 4, generator=torch.Generator().manual_seed(0))
    options = {"latents": latents, "num_frames": 5, "num_inference_steps": 2, "output_type": "latent"}
    result = sr.as_pipeline(model, tiny_vae, upsample="latent")(**options).frames
    assert_close(result, F.interpolate(latents, scale_factor=(1, 2, 2), mode="trilinear"))


def test_folders_that_do_not_fit_are_named_before_anything_is_made(wan_folder, tmp_path):
    missing = str(tmp_path / "missing")
    for name, message in (("vae", "no VAE there"), ("init", "no pipeline there"), ("film", "no prepared film")):
        shards = {"shards": 0} if name == "init" else {}
        bank.write_shard(
            bank.shard_path(tmp_path / "pairs", 0), made_by(wan_folder), [torch.zeros(16, 5, 4, 6)], [ENTRY]
        )
        with pytest.raises(ValueError, match=f"missing.*{message}|{message}.*missing"):
            sr.train_sr(config_for(wan_folder, tmp_path, 1, **{name: missing}, **shards))
    bank.write_shard(bank.shard_path(tmp_path / "pairs", 0), "another", [torch.zeros(16, 5, 4, 6)], [ENTRY])
    with pytest.raises(ValueError, match="encoded by another VAE"):
        sr.train_sr(config_for(wan_folder, tmp_path, 1))
    assert not (tmp_path / "sr").exists()


def made_by(wan_folder: Path) -> str:
    return pairs.pairs_fingerprint(AutoencoderKLWan.from_pretrained(wan_folder, subfolder="vae"), "latent")
