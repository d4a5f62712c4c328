"""Fine-tuning of Wan folders: the cache, LoRA and whole weights, exports, resuming, several processes, bad input."""

import dataclasses
import itertools
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType
from diffusers import WanPipeline, WanTransformer3DModel
from films import write_film
from launching import check, launch
from safetensors.torch import load_file
from torch.testing import assert_close

from smartdirector_lite.cli import main
from smartdirector_lite.gen.conditions import VideoCondition
from smartdirector_lite.gen.pipeline import DirectorGenPipeline
from smartdirector_lite.loading.loader import load_director
from smartdirector_lite.loading.text import LazyTextEncoder
from smartdirector_lite.media.size import Size
from smartdirector_lite.sr.pipeline import DirectorSRPipeline
from smartdirector_lite.training import finetune as tuning
from smartdirector_lite.training import finetune_data as data
from smartdirector_lite.training.clips import ClipEntry
from smartdirector_lite.training.finetune import GenFinetune, GenFinetuneStage, SRFinetune, SRFinetuneStage, finetune
from smartdirector_lite.training.finetune_base import Base
from smartdirector_lite.training.finetune_data import CacheSettings, Captions, place_keyframes
from smartdirector_lite.vae import encode_video

LORA = "pytorch_lora_weights.safetensors"
SETTINGS = CacheSettings(Size(32, 32), 9, 12.0, 3, 0)


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    write_film(folder / "a.mp4", num_frames=12, size=(48, 32))
    write_film(folder / "b.mp4", num_frames=9, size=(32, 48))
    (folder / "a.txt").write_text("a red corner\nthat stays", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def cache(wan_folder, clips, tmp_path_factory) -> Path:
    """What the trainings here share; made by the first test that trains."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def config(wan_folder, clips, cache, tmp_path) -> GenFinetune:
    return GenFinetune(
        **{"base": str(wan_folder), "data": str(clips), "cache": str(cache), "out": str(tmp_path / "run")},
        **{"size": (32, 32), "frames": 9, "fps": 12.0, "plans": 3, "lora_rank": 4, "steps": 3, "warmup": 0},
        **{"precision": "fp32", "lr": 1e-2, "log_every": 1},
    )


def changed(config, **values):
    return dataclasses.replace(config, **values)


def log_of(config) -> list[dict]:
    return [json.loads(line) for line in (Path(config.out) / "log.jsonl").read_text().splitlines()]


def latents_of(pipeline, **options) -> torch.Tensor:
    """What a pipeline makes of the same noise, two steps, one text."""
    pipeline.set_progress_bar_config(disable=True)
    options |= {"num_frames": 9, "height": 32, "width": 32, "num_inference_steps": 2, "guidance_scale": 1.0}
    options |= {"generator": torch.Generator().manual_seed(3), "output_type": "latent"}
    return pipeline("a red corner", **options).frames


# -- the cache ---------------------------------------------------------------------------------------------------------


def test_clips_are_encoded_once_under_several_plans(wan_folder, clips, tmp_path, monkeypatch):
    base, calls = Base.find(wan_folder), []
    monkeypatch.setattr(data, "encode_video", lambda *args: calls.append(args) or encode_video(*args))
    digest, order = data._digest, []  # plans are drawn by a file's digest, and files differ between encoders

    def steady(path):
        name = digest(path)
        order.extend([name] * (name not in order))
        return f"{order.index(name):016x}"

    monkeypatch.setattr(data, "_digest", steady)
    paths = data.find_clips(clips, SETTINGS)
    bank = data.open_clips(base.load_vae, paths, tmp_path, SETTINGS)
    assert len(calls) == 6 and len(bank.clips) == 6
    assert len({entry.keyframes for _, entry in bank.clips}) > 2
    assert bank.clips[0][1].caption == "a red corner\nthat stays" and bank.clips[0][1].description == "a red corner"
    assert bank.clips[3][1].caption == ""
    vae, plan, video = calls[-1]
    assert vae.dtype == torch.float32 and tuple(video.shape) == (1, 3, 9, 32, 32) and plan.num_frames == 9
    assert_close(bank.clips[-1][0].float(), encode_video(vae, plan, video)[0], atol=2e-3, rtol=2e-3)

    shutil.copytree(clips, tmp_path / "moved")
    (tmp_path / "moved" / "a.mp4").rename(tmp_path / "moved" / "c.mp4")
    (tmp_path / "moved" / "c.txt").write_text("another caption", encoding="utf-8")
    again = data.open_clips(base.load_vae, data.find_clips(tmp_path / "moved", SETTINGS), tmp_path, SETTINGS)
    assert len(calls) == 6 and again.clips[-1][1].caption == "another caption"
    assert_close(again.clips[-1][0], bank.clips[2][0])


def test_a_cache_of_other_settings_or_another_vae_is_refused(wan_folder, clips, tmp_path):
    base, paths = Base.find(wan_folder), data.find_clips(clips, SETTINGS)
    data.open_clips(base.load_vae, paths[:1], tmp_path, SETTINGS)
    with pytest.raises(ValueError, match=r"shard-.*made by another model or in another way; choose another"):
        data.open_clips(base.load_vae, paths[:1], tmp_path, dataclasses.replace(SETTINGS, plans=2))

    def other_vae():
        vae = base.load_vae()
        torch.nn.init.zeros_(vae.quant_conv.bias)
        return vae

    with pytest.raises(ValueError, match="made by another model"):
        data.open_clips(other_vae, paths[:1], tmp_path, SETTINGS)


def test_a_curated_dataset_tells_what_each_part_of_a_clip_shows(wan_folder, tmp_path, capsys):
    dataset = tmp_path / "dataset"
    dataset.mkdir()
    shots = [
        {"start_frame": 0, "description": "Dark.", "camera": "static", "characters": []},
        {"start_frame": 12, "description": "Light.", "camera": "pan left", "characters": []},
    ]
    lines = []
    for name, num_frames in (("long", 24), ("short", 6)):
        write_film(dataset / f"{name}.mp4", num_frames=num_frames, size=(48, 32))
        told = {"description": name, "shots": shots[:1] if name == "short" else shots}
        cuts = [] if name == "short" else [12]
        lines.append(json.dumps({"file_name": f"{name}.mp4", "fps": 12, "num_frames": num_frames, "cuts": cuts} | told))
    (dataset / "metadata.jsonl").write_text("\n".join(lines), encoding="utf-8")
    settings = dataclasses.replace(SETTINGS, plans=12)
    sources = data.find_clips(dataset, settings)
    assert [source.path.name for source in sources] == ["long.mp4"]
    assert "1 of 2 clips have 9 frames at 12 fps" in capsys.readouterr().out
    base = Base.find(wan_folder)
    bank = data.open_clips(base.load_vae, sources, tmp_path / "cache", settings)
    assert len({entry.caption for _, entry in bank.clips}) > 1
    for _, entry in bank.clips:
        assert entry.description == "long"
        assert entry.caption.count("Shot") == len(entry.cuts) + 1 and "Camera: " in entry.caption
        if entry.cuts:
            assert "Dark." in entry.caption and f"Shot 2 ({entry.cuts[0] / 12:.1f}-0.8 s): Light." in entry.caption
    before = sources[0].name
    (dataset / "metadata.jsonl").write_text(lines[0].replace("Light", "Bright"), encoding="utf-8")
    assert data.find_clips(dataset, settings)[0].name != before  # so it is encoded anew
    with pytest.raises(ValueError, match="none of its 1 clips has 90 frames at 12 fps; give fewer"):
        data.find_clips(dataset, dataclasses.replace(settings, frames=90))


def test_captions_are_what_the_pipeline_makes_of_them_and_are_kept(wan_folder, gen, tmp_path, monkeypatch):
    captions = Captions(wan_folder, ["", "a red ball rolls"], tmp_path)
    tokens, mask = captions(["a red ball rolls", ""])
    length = gen.tokenizer.model_max_length
    wanted = gen.encode_prompt("a red ball rolls", None, False, max_sequence_length=length)[0]
    assert_close(tokens[:1], wanted, atol=0.05, rtol=0.05)  # bfloat16 where that is fast
    assert mask[0].sum() > mask[1].sum() == 1 and not tokens[1, 1:].any()

    calls, embed = [], LazyTextEncoder.__call__
    monkeypatch.setattr(
        LazyTextEncoder, "__call__", lambda encoder, texts: calls.append(texts) or embed(encoder, texts)
    )
    Captions(wan_folder, [""], tmp_path)
    more = Captions(wan_folder, ["", "a blue bird"], tmp_path)
    assert calls == [["a blue bird"]] and torch.equal(more(["a red ball rolls"])[0], tokens[:1])
    other = tmp_path / "other"
    shutil.copytree(wan_folder, other)
    settings = json.loads((other / "text_encoder" / "config.json").read_text())
    (other / "text_encoder" / "config.json").write_text(json.dumps({**settings, "note": 1}))
    Captions(other, [""], tmp_path)  # embeddings of another text encoder are not used
    assert calls == [["a blue bird"], [""]]


def test_keyframes_keep_to_the_cuts_and_to_their_distance_in_seconds():
    rng = np.random.default_rng(0)
    drawn = [place_keyframes(rng, 81, (33,), 24.0) for _ in range(400)]
    frames = [frame for frames in drawn for frame in frames]
    assert all(0 <= frame < 81 for frame in frames) and {0, 33, 80} < set(frames)
    assert 32 not in frames  # a keyframe at the cut stays there
    gaps = [b - a for frames in drawn for a, b in itertools.pairwise(frames) if len(frames) > 3]
    assert 16 < np.median(gaps) < 32
    assert () in drawn and any(len(frames) == 1 for frames in drawn)


def test_cuts_are_found():
    dark, light = np.full((14, 32, 32, 3), 20, np.uint8), np.full((15, 32, 32, 3), 200, np.uint8)
    assert data.find_cuts(np.concatenate([dark, light]), 12.0) == (14,)
    assert data.find_cuts(dark, 12.0) == ()


# -- batches -----------------------------------------------------------------------------------------------------------


def test_batches_differ_and_repeat(config, wan_folder, clips, cache):
    base = Base.find(wan_folder)
    bank = data.open_clips(base.load_vae, data.find_clips(clips, SETTINGS), cache, SETTINGS)
    words = {text for _, entry in bank.clips for text in ("", entry.caption, entry.description)}
    captions = Captions(base.folder, words, cache)
    stage = GenFinetuneStage(changed(config, batch=2, text_dropout=1.0), base, bank, captions)
    one = stage.batch(0, "cpu")
    assert_close(one, stage.batch(0, "cpu"))
    assert not torch.equal(one["t"], stage.batch(1, "cpu")["t"])
    assert len(one["x_0"]) == 2 and one["anchors"].shape == one["tau"].shape == (2, one["x_0"].shape[2])
    assert_close(one["tokens"], captions(["", ""])[0])
    draws = [stage.batch(number, "cpu") for number in range(200)]
    assert torch.cat([batch["t"] for batch in draws]).median() == pytest.approx(0.75, abs=0.06)  # 0.5, shifted by 3
    kinds = {tuple(row) for batch in draws for row in batch["anchors"].tolist()}
    assert any(not any(row) for row in kinds) and any(sum(row) > 1 for row in kinds)


# -- training ----------------------------------------------------------------------------------------------------------


def test_a_lora_learns_and_loads_into_our_pipeline_and_into_diffusers(config, wan_folder):
    config = changed(config, steps=30, batch=4, decay=0.0, lr=2e-2)
    before = {path: path.read_bytes() for path in wan_folder.rglob("*") if path.is_file()}
    finetune(config)
    losses = [row["loss"] for row in log_of(config)]
    assert np.mean(losses[-8:]) < 0.85 * np.mean(losses[:8])
    assert before == {path: path.read_bytes() for path in wan_folder.rglob("*") if path.is_file()}

    export = Path(config.out) / "export"
    weights = load_file(export / LORA)
    parts = {name.split(".lora_")[0].partition("blocks.0.")[2] for name in weights if "blocks.0." in name}
    wanted = {
        f"{attention}.{layer}" for attention in ("attn1", "attn2") for layer in ("to_q", "to_k", "to_v", "to_out.0")
    }
    assert parts == wanted | {"ffn.net.0.proj", "ffn.net.2"}
    assert all(value.dtype == torch.float32 for value in weights.values())
    for kind in (DirectorGenPipeline, WanPipeline):
        pipeline = kind.from_pretrained(wan_folder)
        plain = latents_of(pipeline)
        pipeline.load_lora_weights(str(export))
        tuned = latents_of(pipeline)
        assert (tuned - plain).abs().max() > 0.05
        pipeline.unload_lora_weights()
        assert_close(latents_of(pipeline), plain)  # the base is as it was
    checkpoint = load_file(Path(config.out) / "checkpoint" / "model.safetensors")
    assert all("lora_" in name for name in checkpoint)


def test_a_frozen_base_is_bfloat16_and_the_lora_float32(config):
    dtypes, loss = {}, GenFinetuneStage.loss

    def look(stage, model, batch):
        for name, value in model.named_parameters():
            dtypes["lora" if value.requires_grad else name.rpartition("blocks.0.")[2]] = value.dtype
        assert model.transformer.is_gradient_checkpointing
        return loss(stage, model, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GenFinetuneStage, "loss", look)
        finetune(changed(config, steps=1, precision="bf16"))
    assert dtypes["lora"] == torch.float32 and dtypes["attn1.to_q.base_layer.weight"] == torch.bfloat16
    assert np.isfinite(log_of(config)[0]["loss"])


def test_an_untrained_lora_changes_nothing(config, wan_folder):
    finetune(changed(config, minutes=1e-9))
    pipeline = DirectorGenPipeline.from_pretrained(wan_folder)
    plain = latents_of(pipeline)
    pipeline.load_lora_weights(str(Path(config.out) / "export"))
    assert_close(latents_of(pipeline), plain)


def test_a_whole_model_is_exported_as_a_folder_that_loads(config, wan_folder):
    config = changed(config, lora_rank=0, lr=1e-3)
    finetune(config)
    folder = Path(config.out) / "export"
    assert json.loads((folder / "transformer" / "config.json").read_text())["_class_name"] == "WanTransformer3DModel"
    old = WanTransformer3DModel.from_pretrained(wan_folder / "transformer").state_dict()
    new = WanTransformer3DModel.from_pretrained(folder / "transformer").state_dict()
    assert old.keys() == new.keys() and not any(torch.equal(old[name], new[name]) for name in old if "to_q.w" in name)
    director = load_director(folder, device="cpu")
    assert_close(director.gen.vae.state_dict(), Base.find(wan_folder).load_vae().state_dict())
    video = latents_of(director.gen, conditions=[VideoCondition(image=np.zeros((32, 32, 3), np.uint8), frame_index=3)])
    assert video.isfinite().all()


@pytest.mark.parametrize("rank", [4, 0])
def test_a_resumed_run_takes_the_steps_of_an_unbroken_one(config, rank, tmp_path):
    config = changed(config, lora_rank=rank, steps=4, accumulate=2, decay=0.5, lr=1e-3)
    finetune(config)
    halves = changed(config, out=str(tmp_path / "halves"))
    loss, count = GenFinetuneStage.loss, 0

    def interrupted(*args):
        nonlocal count
        count += 1
        if count == 5:  # the first batch of the third step
            raise KeyboardInterrupt
        return loss(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GenFinetuneStage, "loss", interrupted)
        with pytest.raises(KeyboardInterrupt):
            finetune(changed(halves, save_minutes=1e-9))
    AcceleratorState._reset_state(reset_partial_state=True)
    finetune(halves)
    name = LORA if rank else "transformer/diffusion_pytorch_model.safetensors"
    one, two = (load_file(Path(run.out) / "export" / name) for run in (config, halves))
    assert_close(one, two, atol=0, rtol=0)
    assert [row["step"] for row in log_of(halves)] == [1, 2, 3, 4]


@pytest.mark.parametrize("scheme", [None, "continuous"])
def test_a_base_keeps_its_scheme(config, wan_folder, tmp_path, scheme):
    """Wan's weights say none and have frame_time."""
    if scheme:
        DirectorGenPipeline.from_pretrained(wan_folder, tau_scheme=scheme).save_pretrained(tmp_path / "base")
        config = changed(config, base=str(tmp_path / "base"))
    entry = ClipEntry(9, (0, 3, 7), (), "", "")
    plan = entry.plan(4)
    bank = SimpleNamespace(draw_alike=lambda rng, count: [(torch.zeros(8, plan.num_latents, 4, 4), entry)] * count)
    texts = torch.zeros(1, 3, 48), torch.ones(1, 3)
    stage = GenFinetuneStage(changed(config, lora_rank=0), Base.find(config.base), bank, lambda captions: texts)
    assert stage.batch(0, "cpu")["tau"].tolist() == [plan.tau(scheme or "frame_time")]
    assert plan.tau("frame_time") != plan.tau("continuous")
    stage.export(tmp_path / "export")
    assert DirectorGenPipeline.from_pretrained(tmp_path / "export").config.tau_scheme == (scheme or "frame_time")


def test_a_checkpoint_of_another_rank_is_refused(config):
    finetune(changed(config, steps=1))
    AcceleratorState._reset_state(reset_partial_state=True)
    with pytest.raises(ValueError, match="damaged, or of another model"):
        finetune(changed(config, steps=2, lora_rank=2))


def test_accumulated_batches_are_one_larger_batch(config, tmp_path):
    """Three batches of one step have the mean of the gradients that they have in a step each."""

    def gradients(**values) -> list[torch.Tensor]:
        found = []

        def look(accelerator, parameters, limit):
            found.append(torch.cat([value.grad.flatten() for value in parameters if value.grad is not None]))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Accelerator, "clip_grad_norm_", look)
            AcceleratorState._reset_state(reset_partial_state=True)
            finetune(changed(config, lr=1e-12, **values))
        return found

    alone = gradients(steps=3)
    (together,) = gradients(steps=1, accumulate=3, out=str(tmp_path / "together"))
    assert len(alone) == 3 and together.abs().max() > 1e-4
    assert_close(together, torch.stack(alone).mean(dim=0), atol=1e-6, rtol=1e-3)


def test_director_sr_learns_from_pairs_and_is_exported(config, wan_folder, tmp_path, gen):
    values = dataclasses.asdict(config)
    shared = {name: values[name] for name in values if name in {field.name for field in dataclasses.fields(SRFinetune)}}
    config = SRFinetune(**{**shared, "cache": "", "plans": 2, "steps": 20, "batch": 4, "no_anchor": 0.5, "decay": 0.0})
    finetune(config)
    losses = [row["loss"] for row in log_of(config)]
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])
    cache = Path(config.out) / "cache"
    assert not (cache / "texts").exists()
    settings = CacheSettings(Size(32, 32), 9, 12.0, 2, 0, "latent")
    base = Base.find(wan_folder)
    bank = data.open_clips(base.load_vae, data.find_clips(config.data, settings), cache, settings)
    batch = SRFinetuneStage(config, base, bank).batch(0, "cpu")
    assert batch["z_lr"].shape == batch["z_hr"].shape and batch["z_lr"].shape[1] == 8
    assert not torch.equal(batch["z_lr"], batch["z_hr"]) and set(batch["t"].tolist()) != {1.0}

    sr = DirectorSRPipeline.from_pretrained(wan_folder, text_encoder=None, tokenizer=None, upsample="latent")
    frames = np.zeros((9, 16, 16, 3), np.uint8)
    plain = sr(frames, num_inference_steps=1, output_type="latent").frames
    sr.load_lora_weights(str(Path(config.out) / "export"))
    assert not torch.allclose(sr(frames, num_inference_steps=1, output_type="latent").frames, plain, atol=1e-3)

    AcceleratorState._reset_state(reset_partial_state=True)
    whole = changed(config, cache=str(cache), out=str(tmp_path / "whole"), lora_rank=0, steps=1)
    finetune(whole)
    both = tmp_path / "both"
    shutil.copytree(wan_folder, both / "director-gen")
    shutil.copytree(Path(whole.out) / "export", both / "director-sr")
    assert load_director(both, device="cpu").sr.config.upsample == "latent"


def test_pixel_upsampling_starts_from_enlarged_frames(wan_folder, clips, tmp_path):
    base, banks = Base.find(wan_folder), []
    for upsample in ("pixel", "latent"):
        settings = dataclasses.replace(SETTINGS, plans=1, upsample=upsample)
        banks.append(data.open_clips(base.load_vae, [data.Source(clips / "a.mp4")], tmp_path / upsample, settings))
    (pixel, _), (latent, _) = (bank.clips[0] for bank in banks)
    assert pixel.shape == latent.shape and torch.equal(pixel[8:], latent[8:])
    assert not torch.allclose(pixel[:8], latent[:8], atol=0.05)


# -- several processes -------------------------------------------------------------------------------------------------

# One process of two. accelerate shards weights on accelerators alone, so it is told that the CPU is one; gloo can.
WORKER = """
import json, os, sys
from pathlib import Path
from types import SimpleNamespace
import torch
from accelerate import PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType
from smartdirector_lite.training import finetune as tuning

reports, models, loss = [], [], tuning.GenFinetuneStage.loss


def look(stage, model, batch):
    noise = torch.randn(1, generator=torch.random.default_generator.clone_state())  # as the loss will draw it
    reports[-1]["seen"].append([batch["t"].item(), batch["x_0"].sum().item(), noise.item()])
    models[:] = [model]
    return loss(stage, model, batch)


tuning.GenFinetuneStage.loss = look
for sharded, options in json.loads(sys.argv[1]):
    config = tuning.GenFinetune(**{**options, "size": tuple(options["size"])})
    AcceleratorState._reset_state()
    os.environ["ACCELERATE_USE_FSDP"] = str(sharded).lower()
    kind = DistributedType.MULTI_GPU if sharded else DistributedType.MULTI_CPU
    PartialState(cpu=True)._shared_state["distributed_type"] = kind
    reports.append({"seen": []})
    tuning.finetune(config)
    trained = [value for value in models[0].parameters() if value.requires_grad]
    whole = [value.full_tensor() if hasattr(value, "full_tensor") else value for value in trained]
    reports[-1]["sums"] = [value.double().abs().sum().item() for value in whole]
    reports[-1]["sharded"] = all(hasattr(value, "full_tensor") for value in trained)
Path(f"{sys.argv[2]}-{PartialState().process_index}.json").write_text(json.dumps(reports))
os._exit(0)  # sharded weights keep gloo's threads alive, which now and then abort a Python that is torn down
"""
FSDP = {
    **{"FSDP_VERSION": "2", "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP", "FSDP_RESHARD_AFTER_FORWARD": "true"},
    **{"FSDP_STATE_DICT_TYPE": "SHARDED_STATE_DICT"},
}


def test_the_fsdp_settings_that_ship_are_those_that_are_tried():
    settings = load_config_from_file(str(Path(__file__).parents[2] / "docs" / "fsdp.yaml"))
    assert settings.distributed_type == DistributedType.FSDP and settings.mixed_precision == "bf16"
    given = {name.upper(): str(value) for name, value in settings.fsdp_config.items()}
    assert {name: value.upper() for name, value in FSDP.items()} == {name: given[name].upper() for name in FSDP}
    assert {value for name, value in given.items() if name not in FSDP} == {"False"}


def in_two_processes(runs: list[tuple[bool, GenFinetune]], folder: Path) -> tuple[list[dict], list[dict]]:
    """Trainings (sharded?, options), one after the other, in two processes; what each of the two saw."""
    result, options = folder / "report", json.dumps([(sharded, dataclasses.asdict(config)) for sharded, config in runs])
    check(launch(options, result, code=WORKER, timeout=200, ACCELERATE_USE_CPU="true", **FSDP))
    return tuple(json.loads(Path(f"{result}-{rank}.json").read_text()) for rank in (0, 1))


@pytest.mark.slow
def test_two_processes_share_the_batches_and_agree_sharded_or_not(config, tmp_path):
    def run(name: str, sharded: bool, **values) -> tuple[bool, GenFinetune]:
        return sharded, changed(config, **{"out": str(tmp_path / name), "lr": 1e-3, "save_minutes": 1e-9, **values})

    runs = [
        run("lora", False, accumulate=2, cache=str(tmp_path / "cache"), steps=3),
        run("sharded lora", True, accumulate=2, steps=2),
        run("sharded lora", True, accumulate=2, steps=3),  # goes on
        run("whole", False, lora_rank=0, steps=3),
        run("sharded", True, lora_rank=0, steps=2),
        run("sharded", True, lora_rank=0, steps=3),
        run("bf16", False, precision="bf16", steps=1),
        run("sharded bf16", True, precision="bf16", steps=1),
    ]
    one, two = in_two_processes(runs, tmp_path)
    assert [len(report["seen"]) for report in one] == [6, 4, 2, 3, 2, 1, 1, 1]
    for a, b in zip(one, two, strict=True):
        assert a["sums"] == b["sums"]  # the weights are the same in both
        assert not any(x[0] == y[0] or x[2] == y[2] for x, y in zip(a["seen"], b["seen"], strict=True))
    assert [report["sharded"] for report in one] == [False, True, True] * 2 + [False, True]
    assert len(list((tmp_path / "cache").glob("shard-*"))) == 2
    for plain, sharded, weights in ((0, 2, LORA), (3, 5, "transformer/diffusion_pytorch_model.safetensors")):
        assert one[plain]["seen"] == one[sharded - 1]["seen"] + one[sharded]["seen"]
        outs = [Path(runs[k][1].out) for k in (plain, sharded)]
        assert_close(*(load_file(out / "export" / weights) for out in outs), atol=2e-5, rtol=1e-3)
        assert not any(list(out.glob("*.new")) + list(out.glob("*.old")) for out in outs)
        assert [row["step"] for row in log_of(runs[sharded][1])] == [1, 2, 3]
    finetune(changed(runs[0][1], steps=4))  # in one process
    assert [row["step"] for row in log_of(runs[0][1])] == [1, 2, 3, 4]
    (plain,), (sharded,) = (log_of(config) for _, config in runs[-2:])
    assert sharded["loss"] == pytest.approx(plain["loss"], rel=0.01)


# -- bad input ---------------------------------------------------------------------------------------------------------


def refused(capsys, message: str, *arguments: object) -> None:
    assert main([str(argument) for argument in ("train", *arguments)]) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.strip().splitlines()) == 1, error


def test_bad_arguments_are_one_line(capsys, wan_folder, clips, tmp_path, monkeypatch):
    monkeypatch.setattr(tuning, "open_clips", lambda *args: pytest.fail("a model was loaded"))
    short, damaged, empty, letters = (tmp_path / name for name in ("short", "damaged", "empty", "letters"))
    for folder in (short, damaged, empty, letters):
        folder.mkdir()
    write_film(short / "a.mp4", num_frames=4)
    (damaged / "a.mp4").write_bytes(b"no video")
    write_film(letters / "a.mp4", num_frames=9)
    (letters / "a.txt").write_bytes(b"\xff\xfe\xff")
    good = ("gen", "--out", tmp_path / "out", "--base", wan_folder, "--size", 32, 32, "--frames", 9, "--fps", 12)
    refused(capsys, f"data = {empty}: no clips there", *good, "--data", empty)
    refused(capsys, "no such folder; give one of video files", *good, "--data", tmp_path / "nowhere")
    refused(capsys, "a.mp4: damaged", *good, "--data", damaged)
    refused(capsys, "a.mp4: 4 frames at 12 fps, but frames = 9; give fewer", *good, "--data", short)
    refused(capsys, "a.txt: can't be read as UTF-8", *good, "--data", letters)
    refused(capsys, "lora_rank = -1: give 0 or more", *good, "--data", clips, "--lora-rank", -1)
    refused(capsys, "batch = 0: give 1 or more", *good, "--data", clips, "--batch", 0)
    refused(capsys, "fps = 0.0: give more than 0", *good, "--data", clips, "--fps", 0)
    refused(capsys, "text_dropout = 2.0: give 0 to 1", *good, "--data", clips, "--text-dropout", 2)
    refused(capsys, "the nearest size is 48x32", *good, "--data", clips, "--size", 44, 32)
    nearest = "the nearest size is 64x32 (HR, which is twice LR)"
    refused(capsys, nearest, "sr", *good[1:], "--data", clips, "--size", 48, 32)
    refused(capsys, "upsample", "sr", *good[1:], "--data", clips, "--upsample", "bicubic")
    monkeypatch.setattr(tuning, "is_peft_available", lambda: False)
    refused(capsys, "lora_rank = 16 needs peft: pip install", *good, "--data", clips)


def test_bad_bases_are_one_line(capsys, wan_folder, clips, tmp_path):
    def base(folder) -> tuple:
        return "gen", "--out", tmp_path / "out", f"--base={folder}", "--data", clips, "--size", 32, 32

    refused(capsys, "there is no such folder", *base(tmp_path / "nowhere"))
    refused(capsys, "no model_index.json", *base(clips))
    other = tmp_path / "other"
    shutil.copytree(wan_folder, other)
    index = json.loads((other / "model_index.json").read_text())
    (other / "model_index.json").write_text(json.dumps({**index, "sigma_data": 0.5}))
    refused(capsys, "trained behind a skip (sigma_data)", *base(other))
    (other / "model_index.json").write_text(json.dumps(index))
    settings = json.loads((other / "transformer" / "config.json").read_text())
    (other / "transformer" / "config.json").write_text(json.dumps({**settings, "in_channels": 20}))
    refused(capsys, "takes 20 channels, its VAE's latents have 8", *base(other))
    (other / "transformer" / "config.json").write_text(json.dumps({**settings, "image_dim": 8}))
    refused(capsys, "image-to-video checkpoint", *base(other))
    shutil.rmtree(other / "text_encoder")
    refused(capsys, "no text_encoder there", *base(other))
    (other / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    refused(capsys, "is a FluxPipeline", *base(other))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--help"], "--base FOLDER"),
        (["gen", "--base", "x", "--help"], "--text-dropout"),
        (["sr", "--base=x", "--help"], "--no-anchor"),
    ],
)
def test_the_command_chooses_by_base(capsys, arguments, expected):
    assert main(["train", *arguments]) == 0
    shown = capsys.readouterr().out
    assert expected in shown and ("--lora-rank" in shown or arguments == ["--help"])
