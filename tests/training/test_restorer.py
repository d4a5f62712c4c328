"""Training of the restorer: its clips, its loss, and a whole small run."""

import functools
import json
import shutil

import pytest
import torch
from accelerate.state import AcceleratorState
from safetensors.torch import save_file
from tiny import random_restorer
from torch.testing import assert_close

from smartdirector_lite.gen.conditions import VideoCondition
from smartdirector_lite.loading.loader import load_director
from smartdirector_lite.sr.pipeline import DirectorSRPipeline
from smartdirector_lite.sr.restorer import FrameRestorer
from smartdirector_lite.training import pairs, restorer

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def fresh_accelerate():
    """accelerate keeps the precision of the first run of a process; every test here is a run of its own."""
    AcceleratorState._reset_state(reset_partial_state=True)


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
def small(monkeypatch):
    """Clips of 48 x 32 and 96 x 64 in place of 112 x 64 and 224 x 128, upscaled in float32."""
    for module in (pairs, restorer):
        monkeypatch.setattr(module, "DRAFT", (32, 48))
        monkeypatch.setattr(module, "FINAL", (64, 96))
        monkeypatch.setattr(module, "fast_dtype", lambda device: torch.float32)
    monkeypatch.setattr(pairs, "FRAMES", (9, 11))


# ---------------------------------------------------------------- clips


def test_a_shard_holds_what_the_second_stage_makes_and_is_the_same_every_time(
    model_folder, small, tmp_path, monkeypatch
):
    director = load_director(model_folder, device="cpu")
    director.sr.set_progress_bar_config(disable=True)
    monkeypatch.setattr(restorer, "CLEAN", 1.0)
    monkeypatch.setattr(restorer, "DRAFTED", 0.0)
    monkeypatch.setattr(restorer, "NO_KEYFRAME", 0.0)
    one, two, other = (
        restorer.build_clips(director, tmp_path / name, 3, clips=2, seed=seed)
        for name, seed in (("a", 5), ("b", 5), ("c", 6))
    )
    assert one.name == "shard-00003.safetensors" and one.read_bytes() == two.read_bytes() != other.read_bytes()

    drawn, original = [], pairs.draw_pair
    monkeypatch.setattr(restorer, "draw_pair", lambda *args: drawn.append(original(*args)) or drawn[-1])
    restorer.build_clips(director, tmp_path / "d", 0, clips=2)
    made_by = restorer.fingerprint(director)
    with pytest.raises(ValueError, match="upscaled by another model; choose another bank folder, or delete it"):
        restorer.read_clips(tmp_path / "d", made_by[::-1])
    for clip, (low, large, entry) in zip(restorer.read_clips(tmp_path / "d", made_by), drawn, strict=True):
        assert clip["given"].nonzero().flatten().tolist() == list(entry.keyframes)
        for name, video in (("small", low), ("large", large)):
            assert clip[name].dtype == torch.uint8 and (clip[name] / 255 - video).abs().max() <= 0.502 / 255
        conditions = [VideoCondition(image=large[frame] * 2 - 1, frame_index=frame) for frame in entry.keyframes]
        exact = clip["small"].transpose(0, 1) / 127.5 - 1
        made = director.sr(exact, conditions, num_inference_steps=1, cuts=entry.cuts, output_type="pt").frames[0]
        assert (clip["drawn"] / 255 - made).abs().max() <= 0.51 / 255


def test_a_clip_that_went_through_the_vae_is_kept_too(model_folder, small, tmp_path, monkeypatch):
    monkeypatch.setattr(restorer, "DRAFTED", 1.0)
    director = load_director(model_folder, device="cpu")
    director.sr.set_progress_bar_config(disable=True)
    restorer.build_clips(director, tmp_path, 0, clips=1)
    (clip,) = restorer.read_clips(tmp_path, restorer.fingerprint(director))
    assert {name: video.shape[0] for name, video in clip.items()} == dict.fromkeys(restorer.PARTS, len(clip["given"]))


@pytest.mark.parametrize("contents", [b"nothing", None])
def test_shards_that_are_none_are_refused(tmp_path, contents):
    with pytest.raises(ValueError, match="no clips there; give shards = 1 or more"):
        restorer.read_clips(tmp_path, "")
    path = tmp_path / "shard-00000.safetensors"
    if contents is None:
        save_file({f"0.{name}": torch.zeros(1) for name in ("a", "b", "c", "d")}, path)
    else:
        path.write_bytes(contents)
    with pytest.raises(ValueError, match=r"shard-00000.safetensors: damaged, or no shard of upscaled clips"):
        restorer.read_clips(tmp_path, "")


def counted_clip(frames: int = 12, height: int = 10, width: int = 14) -> dict[str, torch.Tensor]:
    """A clip whose red counts frames, green rows and blue columns, in small pixels; every third frame is given."""
    t, y, x = torch.meshgrid(torch.arange(frames), torch.arange(height), torch.arange(width), indexing="ij")
    low = torch.stack([t, y, x], dim=1).to(torch.uint8)
    large = low.repeat_interleave(2, dim=-1).repeat_interleave(2, dim=-2)
    return {"drawn": large + 100, "small": low, "large": large, "given": torch.arange(frames) % 3 == 0}


def test_a_batch_is_cut_from_the_same_place_of_every_part():
    config, clips = restorer.RestorerConfig(batch=40, frames=4, crop=8), [counted_clip(), counted_clip(9, 12, 11)]
    batch, again = (restorer.draw_batch(config, clips, 7, CPU) for _ in range(2))
    assert all(torch.equal(batch[name], again[name]) for name in restorer.PARTS)
    assert not torch.equal(restorer.draw_batch(config, clips, 8, CPU)["small"], batch["small"])
    assert batch["small"].shape == (40, 4, 3, 8, 8) and batch["large"].shape == (40, 4, 3, 16, 16)
    low, large, drawn = ((batch[name] + 1) * 127.5 for name in ("small", "large", "drawn"))
    assert_close(large, low.repeat_interleave(2, dim=-1).repeat_interleave(2, dim=-2))
    assert_close(drawn, large + 100, atol=1e-3, rtol=0)
    frames = low[:, :, 0, 0, 0].round()
    assert torch.equal(batch["given"], frames % 3 == 0)
    corners = low[:, 0, :, 0, 0].round()
    assert corners.amin(dim=0).tolist() == [0, 0, 0] and corners.amax(dim=0).tolist() == [8, 4, 6]


# ---------------------------------------------------------------- the loss


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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch": 0}, "batch = 0: give 1 or more"),
        ({"channels": 0}, "channels = 0: give 1 or more"),
        ({"shards": -1}, "shards = -1: give 0 or more"),
        ({"frames": 1}, "frames = 1: give 2 to 9"),
        ({"frames": 10}, "frames = 10: give 2 to 9"),
        ({"crop": 65}, "crop = 65: give 8 to 64"),
        ({"film_share": float("nan")}, "film_share = nan: give 0 to 1"),
        ({"steps": 0}, "steps = 0"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        restorer.RestorerConfig(**options)


# ---------------------------------------------------------------- everything, very small


def test_training_from_nothing_to_a_second_stage_that_restores(model_folder, small, tmp_path, monkeypatch):
    monkeypatch.setattr(restorer, "build_clips", functools.partial(restorer.build_clips, clips=2))
    options = {"shards": 1, "batch": 2, "crop": 16, "frames": 4, "channels": 8, "blocks": 1, "flow_channels": 4}
    options |= {"model": str(model_folder), "bank": str(tmp_path / "bank"), "warmup": 0, "log_every": 1}
    run = functools.partial(restorer.RestorerConfig, out=str(tmp_path / "run"), precision="fp32", **options)
    restorer.train_restorer(run(steps=3))
    rows = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3] and all(row["loss"] > 0 for row in rows)
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
    optimizer, losses = torch.optim.Adam(model.parameters(), 1e-2), []
    for _ in range(30):
        values = restorer.restorer_loss(model, batch, restorer.RestorerConfig())
        optimizer.zero_grad()
        values["loss"].backward()
        optimizer.step()
        losses.append(values["pixel"].item())
    assert losses[-1] < 0.5 * losses[0]


def test_a_model_of_one_stage_has_nothing_to_restore(wan_folder, tmp_path):
    with pytest.raises(ValueError, match="it has no second stage"):
        restorer.train_restorer(restorer.RestorerConfig(out=str(tmp_path / "run"), model=str(wan_folder)))
