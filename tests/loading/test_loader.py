"""load_director: what it finds, what it takes from a model's folder, and what it says of a damaged one."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from smartdirector_lite.director import Defaults, Director
from smartdirector_lite.gen.pipeline import DirectorGenPipeline
from smartdirector_lite.gen.transformer import DirectorTransformer3DModel
from smartdirector_lite.loading import LoadError, hub, load_director
from smartdirector_lite.media.size import Size
from smartdirector_lite.sr.pipeline import DirectorSRPipeline
from smartdirector_lite.storyboard import Keyframe, Storyboard

DEFAULTS = {"steps": 12, "guidance_scale": 1.5, "size": [112, 64], "fps": 12}
WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture
def folder(wan_folder, tmp_path):
    """A copy to damage."""
    return shutil.copytree(wan_folder, tmp_path / "model")


def test_a_folder_saved_by_diffusers_loads(wan_folder):
    director = load_director(wan_folder)
    assert isinstance(director, Director) and type(director.gen) is DirectorGenPipeline
    assert type(director.gen.transformer) is DirectorTransformer3DModel
    assert director.defaults == Defaults(size=Size(1280, 704))
    assert director.gen.device.type == ("cuda" if torch.cuda.is_available() else "cpu")
    saved = load_file(wan_folder / "transformer" / WEIGHTS)
    loaded = director.gen.transformer.state_dict()
    assert saved.keys() == loaded.keys() and all(torch.equal(saved[k], loaded[k].cpu().float()) for k in saved)


def test_a_stage_in_its_own_folder_loads_by_text_or_path(wan_folder, tmp_path):
    shutil.copytree(wan_folder, tmp_path / "model" / "director-gen")
    for model in (tmp_path / "model", str(tmp_path / "model")):
        assert load_director(model).gen.config._name_or_path == tmp_path / "model" / "director-gen"


def test_precision_is_of_all_but_the_vae(wan_folder):
    gen = load_director(wan_folder, device="cpu", dtype=torch.bfloat16).gen
    assert gen.transformer.dtype == gen.text_encoder.dtype == torch.bfloat16
    assert gen.vae.dtype == torch.float32
    gen = load_director(wan_folder, device="cpu").gen
    assert gen.transformer.dtype == gen.text_encoder.dtype == gen.vae.dtype == torch.float32


@pytest.mark.parametrize(
    ("given", "dtype"),
    [
        ("bfloat16", torch.bfloat16),
        ("torch.float16", torch.float16),
        ("half", torch.float16),
        ("float32", torch.float32),
        ("auto", torch.float32),
        (None, torch.float32),
    ],
)
def test_a_type_is_taken_by_the_names_that_torch_has(wan_folder, given, dtype):
    gen = load_director(wan_folder, device="cpu", dtype=given).gen
    assert (gen.transformer.dtype, gen.text_encoder.dtype, gen.vae.dtype) == (dtype, dtype, torch.float32)


@pytest.mark.parametrize("given", ["fp16", "int8", "", "nn", torch.int8, np.float16, np.dtype("float16"), 16, float])
def test_other_types_are_refused(wan_folder, given):
    with pytest.raises(ValueError, match=r"dtype = .*: give one of 'float32', 'bfloat16', 'float16', or leave it out"):
        load_director(wan_folder, device="cpu", dtype=given)


# ---------------------------------------------------------------- variants


def rename(part, variant: str) -> None:
    """Name a component's weights as `save_pretrained(variant=...)` does."""
    (weights,) = part.glob("*.safetensors")
    weights.rename(weights.with_suffix(f".{variant}.safetensors"))


def same_weights(one: Director, two: Director) -> bool:
    """Whether all models of two directors are equal."""
    pairs = [(getattr(one.gen, name), getattr(two.gen, name)) for name in ("transformer", "vae", "text_encoder")]
    pairs += [] if one.sr is None else [(one.sr.transformer, two.sr.transformer)]
    states = [(ours.state_dict(), theirs.state_dict()) for ours, theirs in pairs]
    return all(torch.equal(ours[key], theirs[key]) for ours, theirs in states for key in ours)


@pytest.mark.parametrize("shards", ["whole", "in shards"])
def test_a_folder_that_diffusers_saved_as_a_variant_loads(wan_folder, tmp_path, shards):
    options = {"max_shard_size": "50KB"} if shards == "in shards" else {}
    original = DirectorGenPipeline.from_pretrained(wan_folder)
    original.save_pretrained(tmp_path / "model", variant="fp16", **options)
    assert (len(list((tmp_path / "model" / "transformer").glob("*.safetensors"))) > 1) == bool(options)
    plain = load_director(wan_folder, device="cpu")
    for variant in ({}, {"variant": "fp16"}):
        assert same_weights(load_director(tmp_path / "model", device="cpu", **variant), plain)
    cached = load_director(tmp_path / "model", device="cpu", text_cache=tmp_path / "texts")
    with torch.no_grad():
        expected = plain.gen.encode_prompt("a red ball", None, False)[0]
    assert torch.equal(cached.encode_texts(["a red ball"]), expected)
    with pytest.raises(LoadError, match=r"has no weights of the variant 'bf16'; leave variant out"):
        load_director(tmp_path / "model", variant="bf16")


@pytest.mark.parametrize("parts", [["director-gen/vae"], ["director-gen/text_encoder"], ["director-sr/transformer"]])
def test_one_component_may_be_a_variant_alone(both, two_stage_folder, parts):
    for part in parts:
        rename(both / part, "fp16")
    plain = load_director(two_stage_folder, device="cpu")
    for variant in ({}, {"variant": "fp16"}):
        assert same_weights(load_director(both, device="cpu", **variant), plain)


def test_plain_weights_go_first_and_of_several_variants_one_must_be_named(folder):
    part = folder / "transformer"
    shutil.copy(part / WEIGHTS, part / "diffusion_pytorch_model.ema.safetensors")
    tensors = load_file(part / WEIGHTS)
    zeros = {name: torch.zeros_like(value) for name, value in tensors.items()}
    save_file(zeros, part / "diffusion_pytorch_model.fp16.safetensors", metadata={"format": "pt"})
    for variant, is_zero in (({}, False), ({"variant": "ema"}, False), ({"variant": "fp16"}, True)):
        transformer = load_director(folder, device="cpu", **variant).gen.transformer
        assert bool((transformer.patch_embedding.weight == 0).all()) == is_zero
    (part / WEIGHTS).unlink()
    refused(folder, "the weights are there as ema, fp16; say which by variant=")
    (folder / "transformer" / "LICENSE").touch()  # diffusers expects a dot in every name
    with pytest.raises(LoadError):
        load_director(folder, variant="ema")


def test_weights_saved_in_half_precision_load_in_full(gen, wan_folder, tmp_path):
    half = DirectorGenPipeline.from_pretrained(wan_folder, dtype=torch.float16)
    half.save_pretrained(tmp_path / "half")
    assert load_file(tmp_path / "half" / "transformer" / WEIGHTS)["proj_out.weight"].dtype == torch.float16
    loaded = load_director(tmp_path / "half", device="cpu").gen
    for part in ("transformer", "vae", "text_encoder"):
        assert {p.dtype for p in getattr(loaded, part).parameters()} == {torch.float32}
    torch.testing.assert_close(loaded.transformer.proj_out.weight, gen.transformer.proj_out.weight, atol=1e-3, rtol=0)


@pytest.mark.parametrize("keys", [[], ["steps"], ["size", "fps"], list(DEFAULTS)])
def test_defaults_come_from_the_file_beside_the_weights(folder, keys):
    (folder / "smartdirector.json").write_text(json.dumps({key: DEFAULTS[key] for key in keys}))
    director = load_director(folder)
    wan = {"steps": 50, "guidance_scale": 5.0, "size": (1280, 704), "fps": None}  # its VAE has Wan 2.2's shape
    expected = wan | {key: DEFAULTS[key] for key in keys}
    assert director.defaults == Defaults(**expected | {"size": Size(*expected["size"])})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"steps": 0}', "steps must be at least 1, got 0"),
        ('{"steps": 1.5}', "steps must be a whole number, got 1.5"),
        ('{"guidance_scale": -1}', "guidance_scale must be at least 0, got -1"),
        ('{"guidance_scale": NaN}', "guidance_scale must be at .* 0.*, got nan"),
        ('{"fps": true}', "fps must be a number, got True"),
        ('{"size": 112}', r"size must be a list \[...\], got 112"),
        ('{"size": [112, 0]}', r"size\[1\] must be at least 1, got 0"),
        ('{"stepps": 3}', "the purpose has an unknown key 'stepps'; did you mean 'steps'"),
        ('{"self": 3}', "self"),
        ("[1, 2]", "must hold an object"),
        ("{steps", "can't be read as JSON"),
        ("[" * 100_000, "can't be read as JSON"),
    ],
)
def test_bad_defaults_are_named(folder, text, message):
    (folder / "smartdirector.json").write_text(text)
    with pytest.raises(LoadError, match=f"smartdirector.json: .*{message}"):
        load_director(folder)


# ---------------------------------------------------------------- the second stage


@pytest.fixture
def both(two_stage_folder, tmp_path):
    """A copy of the two stages, to damage."""
    return shutil.copytree(two_stage_folder, tmp_path / "model")


def test_the_second_stage_is_found_beside_the_first_and_shares_its_vae(both):
    for model in (both, both / "director-gen"):
        director = load_director(model)
        assert type(director.sr) is DirectorSRPipeline
        assert director.sr.vae is director.gen.vae and director.sr.device == director.gen.device
        assert (director.defaults.steps, director.defaults.sr_steps) == (2, 2)
    saved = load_file(both / "director-sr" / "transformer" / WEIGHTS)
    loaded = director.sr.transformer.state_dict()
    assert saved.keys() == loaded.keys() and all(torch.equal(saved[k], loaded[k].cpu()) for k in saved)


def test_its_steps_are_its_own_and_four_where_it_says_none(both):
    (both / "director-sr" / "smartdirector.json").write_text('{"steps": 7}')
    assert load_director(both).defaults.sr_steps == 7
    (both / "director-sr" / "smartdirector.json").unlink()
    director = load_director(both)
    assert director.defaults.sr_steps == 4 and director.defaults.steps == 2


def test_its_precision_is_the_first_ones(both):
    director = load_director(both, device="cpu", dtype=torch.bfloat16)
    assert director.sr.transformer.dtype == torch.bfloat16 and director.sr.vae.dtype == torch.float32
    assert load_director(both, device="cpu").sr.transformer.dtype == torch.float32


def test_without_its_folder_there_is_one_stage(both):
    shutil.rmtree(both / "director-sr")
    assert load_director(both).sr is None


@pytest.mark.parametrize(
    "damage", ["index gone", "index broken", "weights cut", "weights gone", "a weight missing", "part gone", "channels"]
)
def test_a_damaged_second_stage_is_named(both, damage):
    folder = both / "director-sr"
    weights, index = folder / "transformer" / WEIGHTS, folder / "model_index.json"
    if damage == "index gone":
        index.unlink()
    elif damage == "index broken":
        index.write_text('{"_class_name": ')
    elif damage == "weights cut":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif damage == "weights gone":
        weights.unlink()
    elif damage == "a weight missing":
        tensors = load_file(weights)
        del tensors["proj_out.weight"]
        save_file(tensors, weights, metadata={"format": "pt"})
    elif damage == "part gone":
        shutil.rmtree(folder / "transformer")
    else:
        config = json.loads((folder / "transformer" / "config.json").read_text())
        transformer = DirectorTransformer3DModel.from_config({**config, "in_channels": 4, "out_channels": 4})
        transformer.save_pretrained(folder / "transformer")
    refused(both, r"director-sr' can't be loaded: .*")


def test_its_defaults_are_checked(both):
    (both / "director-sr" / "smartdirector.json").write_text('{"steps": 0}')
    refused(both, r"director-sr.smartdirector.json: steps must be at least 1, got 0")


# ---------------------------------------------------------------- what is not a model


def refused(model, message: str) -> None:
    with pytest.raises(LoadError, match=message) as caught:
        load_director(model)
    assert "\n" not in str(caught.value)


def test_names_that_lead_nowhere(tmp_path, monkeypatch):
    refused(tmp_path / "nowhere", "nowhere': there is no such folder; give 'smartdirector-tiny', a local folder or a")
    (tmp_path / "a.safetensors").touch()
    refused(tmp_path / "a.safetensors", "there is no such folder")
    refused(tmp_path, "no model_index.json in .*; give the folder of a saved pipeline")
    refused("", "model '': there is no such folder; give 'smartdirector-tiny', a local folder or a hub id")
    for name in ("a\0b", "x" * 5000):
        refused(name, "not a usable folder name|there is no such folder")
    monkeypatch.setattr(hub, "bundled_folder", lambda: tmp_path / "weights")
    refused("smartdirector-tiny", "there is no such folder")


def test_the_bundled_name_leads_to_the_bundled_folder(wan_folder, monkeypatch):
    assert hub.bundled_folder().parts[-3:] == ("smartdirector_lite", "weights", "smartdirector-tiny")
    monkeypatch.setattr(hub, "bundled_folder", lambda: wan_folder)
    assert load_director().gen.config._name_or_path == wan_folder


def test_a_folder_on_disk_goes_before_a_hub_name(wan_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(wan_folder, tmp_path / "some" / "model")
    assert load_director("some/model").defaults.steps == 50


@pytest.mark.parametrize("index", ['{"_class_name": "StableDiffusionPipeline"}', "{}", "[]", "not JSON", ""])
def test_other_pipelines_and_broken_indexes(folder, index):
    (folder / "model_index.json").write_text(index)
    refused(folder, "is a StableDiffusionPipeline|is a None|must hold an object|can't be read as JSON")


def test_an_index_that_names_code_or_nonsense_runs_nothing(folder):
    original = json.loads((folder / "model_index.json").read_text())
    (folder / "transformer" / "mine.py").write_text(
        "open('/tmp/never', 'w')\nclass Model: pass\nraise SystemExit('ran')"
    )
    for entry in (
        ["mine", "Model"],
        ["os", "system"],
        ["no_such_library", "Model"],
        ["diffusers", "Nothing"],
        [1, 2],
        7,
    ):
        (folder / "model_index.json").write_text(json.dumps({**original, "transformer": entry}))
        refused(folder, "can't be loaded: ")


# ---------------------------------------------------------------- damaged weights

PARTS = {"transformer": WEIGHTS, "vae": WEIGHTS, "text_encoder": "model.safetensors"}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    "damage", ["cut short", "overwritten", "empty", "gone", "weight missing", "weight of another shape"]
)
def test_damaged_weights_are_refused(folder, part, damage):
    path = folder / part / PARTS[part]
    data = path.read_bytes()
    if damage == "cut short":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "overwritten":
        path.write_bytes(b"\xff" * 64 + data[64:])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "gone":
        path.unlink()
    else:
        tensors = load_file(path)
        name = next(name for name, value in tensors.items() if value.ndim == 2 or part == "vae")
        value = tensors.pop(name)
        if damage != "weight missing":
            tensors[name] = torch.zeros(*value.shape, 3)
        save_file(tensors, path, metadata={"format": "pt"})
    refused(folder, name if damage.startswith("weight") else "can't be loaded: ")


def test_pickled_weights_are_not_read(folder):
    path = folder / "transformer" / WEIGHTS
    torch.save(load_file(path), folder / "transformer" / "diffusion_pytorch_model.bin")
    path.unlink()
    refused(folder, "can't be loaded: ")


@pytest.mark.parametrize("part", ["transformer", "vae", "scheduler", "tokenizer", "text_encoder"])
def test_a_part_that_is_gone_is_refused(folder, part):
    shutil.rmtree(folder / part)
    refused(folder, "can't be loaded: ")


@pytest.mark.parametrize("part", ["transformer", "vae", "text_encoder"])
def test_a_damaged_config_is_refused(folder, part):
    (folder / part / "config.json").write_text('{"num_layers": ')
    refused(folder, "can't be loaded: |vae.config.json: can't be read as JSON")


@pytest.mark.parametrize("device", ["toaster", "cuda:99", "meta device", 3.5])
def test_devices_that_are_not_here(wan_folder, device):
    with pytest.raises(ValueError, match="can't be used here") as caught:
        load_director(wan_folder, device=device)
    assert not isinstance(caught.value, LoadError) and "\n" not in str(caught.value)


@pytest.mark.weights
def test_the_bundled_model_has_both_stages_and_pins_a_keyframe_in_each():
    director = load_director(device="cpu")
    assert director.sr.config.upsample == "pixel" and director.sr.vae is director.gen.vae
    assert director.sr.restorer.dtype == torch.float32
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (4, 7, 3), dtype=np.uint8)).resize((224, 128))
    story = Storyboard(description="hills", num_frames=7, keyframes=(Keyframe(image, frame=5),))
    result = director(story, steps=1, progress=False)
    assert result.draft.shape == (7, 64, 112, 3) and result.frames.shape == (7, 128, 224, 3)
    (keyframe,) = result.report.keyframes
    assert keyframe.frame == 5 and keyframe.l1 < 0.01
