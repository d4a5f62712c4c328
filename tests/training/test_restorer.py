"""Training of the restorer: its clips, its loss, and a whole small run."""

import functools
import shutil

import pytest
import torch
from tiny import random_restorer
from torch.testing import assert_close

from smartdirector_lite.gen.conditions import VideoCondition
from smartdirector_lite.loading.loader import load_director
from smartdirector_lite.sr.pipeline import DirectorSRPipeline
from smartdirector_lite.sr.restorer import FrameRestorer
from smartdirector_lite.training import pairs, restorer, upscaled

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def model_folder(wan_folder, tmp_path_factory):
    """A director of two stages, random, without a restorer."""
    folder = tmp_path_factory.mktemp("director")
    shutil.copytree(wan_folder, folder / "director-gen")
    gen = load_director(wan_folder, device="cpu").gen
    sr = DirectorSRPipeline(None, None, None, gen.scheduler, gen.transformer)
    sr.save_pretrained(folder / "director-sr")
    (folder / "director-sr" / "smartdirector.json").write_text('{"steps": 1}')
    return folder


@pytest.fixture
def short(small_sizes, monkeypatch):
    """Small clips of 9 or 10 frames."""
    monkeypatch.setattr(pairs, "FRAMES", (9, 11))


def test_a_shard_holds_what_the_second_stage_makes_and_is_the_same_every_time(
    model_folder, short, tmp_path, monkeypatch
):
    director = load_director(model_folder, device="cpu")
    director.sr.set_progress_bar_config(disable=True)
    monkeypatch.setattr(upscaled, "CLEAN", 1.0)
    monkeypatch.setattr(upscaled, "DRAFTED", 0.0)
    monkeypatch.setattr(upscaled, "NO_KEYFRAME", 0.0)
    one, two, other = (
        upscaled.build_upscaled(director, tmp_path / name, 3, clips=2, seed=seed)
        for name, seed in (("a", 5), ("b", 5), ("c", 6))
    )
    assert one.name == "shard-00003.safetensors" and one.read_bytes() == two.read_bytes() != other.read_bytes()

    drawn, original = [], pairs.draw_pair
    monkeypatch.setattr(upscaled, "draw_pair", lambda *args: drawn.append(original(*args)) or drawn[-1])
    upscaled.build_upscaled(director, tmp_path / "d", 0, clips=2)
    made_by = upscaled.director_fingerprint(director)
    with pytest.raises(ValueError, match="made by another model or in another way; choose"):
        upscaled.read_upscaled(tmp_path / "d", made_by[::-1])
    for clip, (low, large, entry) in zip(upscaled.read_upscaled(tmp_path / "d", made_by), drawn, strict=True):
        assert clip["given"].nonzero().flatten().tolist() == list(entry.keyframes)
        for name, video in (("small", low), ("large", large)):
            assert clip[name].dtype == torch.uint8 and (clip[name] / 255 - video).abs().max() <= 0.502 / 255
        conditions = [VideoCondition(image=large[frame] * 2 - 1, frame_index=frame) for frame in entry.keyframes]
        exact = clip["small"].transpose(0, 1) / 127.5 - 1
        made = director.sr(exact, conditions, num_inference_steps=1, cuts=entry.cuts, output_type="pt").frames[0]
        assert (clip["drawn"] / 255 - made).abs().max() <= 0.51 / 255


def test_a_clip_that_went_through_the_vae_is_kept_too(model_folder, short, tmp_path, monkeypatch):
    monkeypatch.setattr(upscaled, "DRAFTED", 1.0)
    director = load_director(model_folder, device="cpu")
    director.sr.set_progress_bar_config(disable=True)
    upscaled.build_upscaled(director, tmp_path, 0, clips=1)
    (clip,) = upscaled.read_upscaled(tmp_path, upscaled.director_fingerprint(director))
    assert {name: video.shape[0] for name, video in clip.items()} == dict.fromkeys(upscaled.PARTS, len(clip["given"]))


def counted_clip(frames: int = 12, height: int = 10, width: int = 14) -> dict[str, torch.Tensor]:
    """A clip whose red counts frames, green rows and blue columns, in small pixels; every third frame is given."""
    t, y, x = torch.meshgrid(torch.arange(frames), torch.arange(height), torch.arange(width), indexing="ij")
    low = torch.stack([t, y, x], dim=1).to(torch.uint8)
    large = low.repeat_interleave(2, dim=-1).repeat_interleave(2, dim=-2)
    return {"drawn": large + 100, "small": low, "large": large, "given": torch.arange(frames) % 3 == 0}


def test_a_batch_is_cut_from_the_same_place_of_every_part():
    config = restorer.RestorerConfig(batch=40, frames=4, crop=8, channels=4, blocks=1, flow_channels=4)
    stage = restorer.RestorerStage(config, None, [counted_clip(), counted_clip(9, 12, 11)])
    batch, again = (stage.batch(7, CPU) for _ in range(2))
    assert all(torch.equal(batch[name], again[name]) for name in upscaled.PARTS)
    assert not torch.equal(stage.batch(8, CPU)["small"], batch["small"])
    assert batch["small"].shape == (40, 4, 3, 8, 8) and batch["large"].shape == (40, 4, 3, 16, 16)
    low, large, drawn = ((batch[name] + 1) * 127.5 for name in ("small", "large", "drawn"))
    assert_close(large, low.repeat_interleave(2, dim=-1).repeat_interleave(2, dim=-2))
    assert_close(drawn, large + 100, atol=1e-3, rtol=0)
    frames = low[:, :, 0, 0, 0].round()
    assert torch.equal(batch["given"], frames % 3 == 0)
    corners = low[:, 0, :, 0, 0].round()
    assert corners.amin(dim=0).tolist() == [0, 0, 0] and corners.amax(dim=0).tolist() == [8, 4, 6]


def batch_of(error: float, given: list[bool]) -> dict[str, torch.Tensor]:
    """Two clips of 3 frames that were drawn too bright by `error`."""
    large = torch.rand(2, 3, 3, 8, 8, generator=torch.Generator().manual_seed(0)) - 0.5
    small = large.unflatten(-2, (4, 2)).unflatten(-1, (4, 2)).mean(dim=(-3, -1))
    return {"drawn": large + error, "small": small, "large": large, "given": torch.tensor([given, given])}


def drawing() -> restorer.TrainedRestorer:
    """It shows what was drawn, and sees no motion."""
    model = restorer.TrainedRestorer(random_restorer())
    for layer in (model.restorer.leave, model.restorer.motion.layers[-1]):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    model.restorer.leave.bias.data.view(-1, 4)[3] = 100.0
    return model


def test_an_error_that_stays_is_no_unsteady_one():
    batch = batch_of(0.1, [False, False, False])
    values = restorer.restorer_loss(drawing(), batch, restorer.RestorerConfig(steady_weight=3, motion_weight=5))
    assert float(values["pixel"]) == pytest.approx(0.1 / (0.1 + restorer.FLOOR), rel=1e-3)
    assert float(values["steady"]) == pytest.approx(0, abs=1e-4)
    assert_close(values["motion"], batch["small"].diff(dim=1).abs().mean(), atol=1e-5, rtol=0)
    assert_close(values["loss"], values["pixel"] + 3 * values["steady"] + 5 * values["motion"])


def test_a_keyframe_has_no_error_and_a_step_beside_it_counts():
    batch = batch_of(0.1, [False, True, False])
    errors, news, _ = drawing()(**batch)
    assert errors[:, 1].abs().max() == 0
    assert_close(errors[:, 0], torch.full_like(errors[:, 0], 0.1), atol=1e-5, rtol=0)
    assert_close(news.abs(), torch.full_like(news, 0.1), atol=1e-5, rtol=0)
    values = restorer.restorer_loss(drawing(), batch, restorer.RestorerConfig())
    assert float(values["pixel"]) == pytest.approx(0.1 / (0.1 + restorer.FLOOR), rel=1e-3)
    assert float(values["steady"]) == pytest.approx(0.1 / (0.1 + restorer.FLOOR), rel=1e-3)


def test_training_from_nothing_to_a_second_stage_that_restores(model_folder, short, tmp_path, monkeypatch, losses):
    monkeypatch.setattr(restorer, "build_upscaled", functools.partial(upscaled.build_upscaled, clips=2))
    options = {"shards": 1, "batch": 2, "crop": 16, "frames": 4, "channels": 8, "blocks": 1, "flow_channels": 4}
    options |= {"model": str(model_folder), "bank": str(tmp_path / "bank"), "warmup": 0, "log_every": 1}
    run = functools.partial(restorer.RestorerConfig, out=str(tmp_path / "run"), precision="fp32", **options)
    restorer.train_restorer(run(steps=3))
    logged = losses(tmp_path / "run")
    assert list(logged) == [1, 2, 3] and all(loss > 0 for loss in logged.values())
    assert (tmp_path / "run" / "samples" / "000003.png").stat().st_size > 1000

    export = tmp_path / "run" / "export"
    assert not (export / "vae").exists()
    shutil.copytree(model_folder / "director-gen", tmp_path / "model" / "director-gen")
    shutil.copytree(export, tmp_path / "model" / "director-sr")
    director = load_director(tmp_path / "model", device="cpu", dtype=torch.bfloat16)
    assert director.sr.restorer.dtype == torch.float32 and director.sr.transformer.dtype == torch.bfloat16
    assert director.sr.restorer.leave.weight.abs().max() > 0  # begins at zero
    start = restorer.start_restorer(run(init=str(export)))
    assert all(torch.equal(a, b) for a, b in zip(start.parameters(), director.sr.restorer.parameters(), strict=True))
    with pytest.raises(ValueError, match="this Director-SR has no restorer; give the export of `train restorer`"):
        restorer.start_restorer(run(init=str(model_folder / "director-sr")))


def test_steps_bring_frames_nearer(tmp_path):
    """A fixed error that the small frames show."""
    torch.manual_seed(0)
    model, batch = restorer.TrainedRestorer(FrameRestorer(8, 1, 4)), batch_of(0.2, [False] * 3)
    optimizer, errors = torch.optim.Adam(model.parameters(), 1e-2), []
    for _ in range(30):
        values = restorer.restorer_loss(model, batch, restorer.RestorerConfig())
        optimizer.zero_grad()
        values["loss"].backward()
        optimizer.step()
        errors.append(values["pixel"].item())
    assert errors[-1] < 0.5 * errors[0]


def test_a_model_of_one_stage_has_nothing_to_restore(wan_folder, tmp_path):
    with pytest.raises(ValueError, match="it has no second stage"):
        restorer.train_restorer(restorer.RestorerConfig(out=str(tmp_path / "run"), model=str(wan_folder)))
