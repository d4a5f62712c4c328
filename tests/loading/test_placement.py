"""Memory modes, the text cache and compiling: the video stays what it is. On the CPU, with the hooks that CUDA has."""

import importlib.util
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from smartdirector_lite.loading import loader as loaders
from smartdirector_lite.loading import placement
from smartdirector_lite.loading.loader import LoadError, load_director
from smartdirector_lite.loading.memory import MODES, RESERVE, Call, Estimate, Stage, Weights
from smartdirector_lite.loading.text_cache import TextCache
from smartdirector_lite.storyboard import Keyframe, Storyboard

CPU = torch.device("cpu")
WEIGHTS = "diffusion_pytorch_model.safetensors"


def story(num_frames: int = 9) -> Storyboard:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8))
    return Storyboard(description="a red ball", num_frames=num_frames, keyframes=(Keyframe(image, frame=5),))


@pytest.fixture(scope="module")
def expected(two_stage_folder):
    return load_director(two_stage_folder, device="cpu")(story(), progress=False)


# ---------------------------------------------------------------- the modes


@pytest.mark.parametrize("memory", MODES)
def test_every_mode_makes_the_same_video_twice(two_stage_folder, expected, memory):
    director = load_director(two_stage_folder, device="cpu")
    placement.place(director, memory, CPU)
    for _ in range(2):
        result = director(story(), progress=False)
        assert np.array_equal(result.frames, expected.frames) and np.array_equal(result.draft, expected.draft)


def test_model_by_model_never_holds_the_vae_beside_a_transformer_that_denoises(two_stage_folder, monkeypatch):
    """accelerate's hooks move whole models; here it is written down which of them are in when one runs."""
    director = load_director(two_stage_folder, device="cpu")
    parts = {"text": director.gen.text_encoder, "gen": director.gen.transformer, "vae": director.gen.vae}
    parts["sr"] = director.sr.transformer
    placement.place(director, "model", CPU)
    inside, seen = set(), []

    def follow(name, model):
        hook = model._hf_hook
        came, left = hook.pre_forward, hook.init_hook

        def pre_forward(module, *args, **kwargs):
            inside.add(name)
            if hook.prev_module_hook is not None:  # which it would take out, were it not on the CPU already
                hook.prev_module_hook.offload()
            return came(module, *args, **kwargs)

        hook.pre_forward = pre_forward
        hook.init_hook = lambda module: (inside.discard(name), left(module))[1]

    original = director.gen.enable_model_cpu_offload

    def renewed(*args, **kwargs):  # diffusers puts its hooks on anew after every call
        inside.clear()
        original(*args, **kwargs)
        for name in ("text", "gen", "vae"):
            follow(name, parts[name])

    monkeypatch.setattr(director.gen, "enable_model_cpu_offload", renewed)
    for name, model in parts.items():
        follow(name, model)
    for name in ("gen", "sr"):
        parts[name].patch_embedding.register_forward_hook(lambda *_, name=name: seen.append((name, frozenset(inside))))
    parts["vae"].decoder.conv_in.register_forward_hook(lambda *_: seen.append(("vae", frozenset(inside))))
    director(story(), progress=False)
    assert {models for name, models in seen if name == "gen"} == {frozenset({"gen"})}
    assert {models for name, models in seen if name == "sr"} == {frozenset({"sr", "vae"})}
    assert all("text" not in models and "gen" not in models for name, models in seen if name in ("vae", "sr"))
    assert not inside


def test_group_mode_takes_the_vae_in_and_out_as_a_whole(two_stage_folder):
    director = load_director(two_stage_folder, device="cpu")
    placement.place(director, "group", CPU)
    came, left, hook = [], [], director.gen.vae._hf_hook
    pre_forward, init_hook = hook.pre_forward, hook.init_hook
    hook.pre_forward = lambda *args, **kwargs: (came.append(1), pre_forward(*args, **kwargs))[1]
    hook.init_hook = lambda module: (left.append(len(came)), init_hook(module))[1]
    calls = []
    director.gen.transformer.blocks[0].register_forward_hook(lambda *_: calls.append(len(left)))
    director(story(), progress=False)
    assert came and min(calls) >= 1  # it had left before the first block ran
    assert left[-1] == len(came)


def test_modes_that_do_not_exist_or_need_a_gpu(two_stage_folder):
    with pytest.raises(ValueError, match="memory must be one of auto, full, model, group, sequential, got 'half'"):
        load_director(two_stage_folder, device="cpu", memory="half")
    for memory in ("model", "group", "sequential"):
        with pytest.raises(ValueError, match=f"memory = '{memory}': offloading needs a CUDA GPU, and the device is"):
            load_director(two_stage_folder, device="cpu", memory=memory)
    for memory in ("auto", "full"):
        assert load_director(two_stage_folder, device="cpu", memory=memory).gen.device == CPU


# ---------------------------------------------------------------- what auto takes


@pytest.fixture
def gpu(monkeypatch):
    """A pretended CUDA GPU: how much of it is free. Needs of the modes: 9 to 4 GB, a third less in tiles."""
    free = {"bytes": 0}
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free["bytes"], 80 * 10**9))

    def estimates(folder, wanted):
        def made(share):
            weights = {"vae": Weights(2 * 10**9, 0, 0, 0), "transformer": Weights(4 * 10**9, 10**9, 0, 0)}
            return Estimate(weights, (Stage("decode", ("vae",), round(share * 3 * 10**9), 0),))

        return Call((832, 480), 121), made(1.0), made(0.1)

    monkeypatch.setattr(loaders, "estimates", estimates)
    return free


def chosen(memory: str):
    return loaders._choose_memory(None, torch.device("cuda:0"), memory, loaders._Wanted(torch.bfloat16))


def test_auto_takes_the_fastest_that_fits(gpu):
    for free, expected in [(10, ("full", False)), (7, ("full", True)), (5.5, ("model", False)), (3, ("model", True))]:
        gpu["bytes"] = round(free * 1e9) + RESERVE
        assert chosen("auto") == expected
    gpu["bytes"] = 10**9
    with pytest.raises(ValueError, match=r"cuda:0 has 1.0 GB free; no mode fits .the smallest needs .* a smaller size"):
        chosen("auto")


def test_a_mode_that_is_asked_for_is_taken_if_it_can_be(gpu):
    gpu["bytes"] = 9 * 10**9 + 1
    assert chosen("full") == ("full", False) and chosen("model") == ("model", False)
    gpu["bytes"] = 7 * 10**9
    assert chosen("full") == ("full", True)
    gpu["bytes"] = 5 * 10**9
    with pytest.raises(ValueError, match=r"memory='full' needs about 12.0 GB of GPU memory for 121 frames of 832x480"):
        chosen("full")


def test_what_auto_plans_for(two_stage_folder):
    folder = two_stage_folder / "director-gen"
    call, whole, tiled = loaders.estimates(folder, loaders._Wanted(torch.bfloat16, size=(48, 32)))
    assert call == Call((48, 32), 121, 3) and {"text_encoder", "sr_transformer"} <= whole.weights.keys()
    assert tiled.weights == whole.weights
    fit = Call((96, 64), 5)
    call, less, _ = loaders.estimates(folder, loaders._Wanted(torch.bfloat16, fit, (48, 32), False, "nf4"))
    assert call == fit and "text_encoder" not in less.weights and less.weights["vae"] == whole.weights["vae"]
    assert less.weights["transformer"].total < 0.3 * whole.weights["transformer"].total


def test_a_gpu_that_runs_out_says_what_would_fit(two_stage_folder, monkeypatch):
    director = load_director(two_stage_folder, device="cpu")

    def fails(*args, **kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB\nlong\nstory")

    monkeypatch.setattr(type(director.gen), "_denoise", fails)
    with pytest.raises(MemoryError, match=r"memory does not suffice for 9 frames of 48x32; .* memory=") as caught:
        director(story(), progress=False)
    assert "\n" not in str(caught.value)


# ---------------------------------------------------------------- texts that are kept


def test_with_a_text_cache_the_encoder_is_loaded_for_new_texts_alone(two_stage_folder, expected, tmp_path, monkeypatch):
    made = []
    original = loaders.LazyTextEncoder._encode
    spy = lambda self, texts: made.append(texts) or original(self, texts)  # noqa: E731
    monkeypatch.setattr(loaders.LazyTextEncoder, "_encode", spy)
    for _ in range(2):
        director = load_director(two_stage_folder, device="cpu", text_cache=tmp_path / "texts")
        assert director.gen.text_encoder is None
        for _ in range(2):
            assert np.array_equal(director(story(), progress=False).frames, expected.frames)
    assert made == [[story().caption(), ""]]
    assert len(list((tmp_path / "texts").iterdir())) == 2
    director(story(), guidance_scale=1.0, progress=False)
    director(Storyboard(description="another", num_frames=2), progress=False)
    assert len(made) == 2 and len(made[1]) == 1


def test_embeddings_of_another_encoder_or_damaged_ones_are_not_used(tmp_path):
    def encode(value):
        return lambda texts: torch.full((len(texts), 2, 3), value)

    first = TextCache(tmp_path, "one")
    assert torch.equal(first.get(["a", "b", "a"], encode(1.0)), torch.full((3, 2, 3), 1.0))
    assert torch.equal(first.get(["b"], encode(2.0)), torch.full((1, 2, 3), 1.0))
    assert torch.equal(TextCache(tmp_path, "two").get(["a"], encode(2.0)), torch.full((1, 2, 3), 2.0))
    first.path("a").write_bytes(b"no tensor")
    assert torch.equal(first.get(["a"], encode(3.0)), torch.full((1, 2, 3), 3.0))
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"text_cache = .*file is a file; give a folder"):
        TextCache(tmp_path / "file", "one")


def test_a_text_encoder_that_is_not_there_is_missed_when_a_text_needs_it(two_stage_folder, tmp_path):
    folder = shutil.copytree(two_stage_folder, tmp_path / "model")
    director = load_director(folder, device="cpu", text_cache=tmp_path / "texts")
    director(story(), progress=False)
    shutil.rmtree(folder / "director-gen" / "text_encoder")
    director(story(), progress=False)
    with pytest.raises(ValueError, match="text_encoder: no such folder"):
        director(Storyboard(description="new", num_frames=2), progress=False)


# ---------------------------------------------------------------- compiling and quantizing


def test_compiling_reaches_the_blocks_of_both_stages(two_stage_folder, monkeypatch):
    compiled = []
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda self, **options: compiled.append((type(self).__name__, options))
    )
    load_director(two_stage_folder, device="cpu", compile=True)
    assert compiled == [("DirectorTransformerBlock", {"dynamic": True})] * 3
    with pytest.raises(LoadError, match="no such folder"):
        load_director("nowhere", compile=True)


def test_eight_bits_make_nearly_the_same_latents(two_stage_folder):
    pytest.importorskip("torchao")
    whole, small = (load_director(two_stage_folder, device="cpu", quantize=kind).gen for kind in (None, "int8"))
    weights = [type(pipeline.transformer.blocks[0].ffn.net[2].weight).__name__ for pipeline in (whole, small)]
    assert weights[0] == "Parameter" and weights[1] != "Parameter"
    call = {"height": 32, "width": 48, "num_frames": 5, "num_inference_steps": 2, "output_type": "latent"}
    made = []
    for pipeline in (whole, small):
        pipeline.set_progress_bar_config(disable=True)
        made.append(pipeline("a red ball", generator=torch.Generator().manual_seed(0), **call).frames)
    error = (made[0] - made[1]).square().mean().sqrt()
    assert 0 < error < 0.05 * made[0].std()


def test_quantizing_that_can_not_be_had(two_stage_folder, monkeypatch):
    for kind, library, message in [
        ("int4", True, "quantize must be one of int8, nf4, or None, got 'int4'"),
        ("int8", None, "quantize = 'int8' needs torchao; install it"),
        ("nf4", True, "quantize = 'nf4' needs a CUDA GPU, and the device is cpu; 'int8' works there"),
    ]:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name, library=library: library)
        with pytest.raises(ValueError, match=message):
            load_director(two_stage_folder, device="cpu", quantize=kind)
