"""Memory modes, the text cache and compiling: the video stays what it is. On the CPU, with the hooks that CUDA has."""

import importlib.util
import shutil
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from smartdirector_lite.loading import LoadError, load_director, loader, placement
from smartdirector_lite.loading.memory import MODES, RESERVE, Call, Estimate, StageNeeds, Weights
from smartdirector_lite.loading.text import LazyTextEncoder, TextCache
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


# ---------------------------------------------------------------- what is chosen


GB = 10**9


def example(decode: int) -> Estimate:
    """What a made-up call needs, in GB; `decode` of them beside the VAE's weights while it decodes."""
    weights = {"text_encoder": (110, 4, 20, 14), "transformer": (100, 3, 2, 10), "vae": (28, 0, 5, 28)}
    stages = {"text": ("text_encoder", 1), "denoise": ("transformer", 25), "decode": ("vae", decode)}
    return Estimate(
        {name: Weights(*(GB * size for size in sizes)) for name, sizes in weights.items()},
        tuple(StageNeeds(name, (model,), GB * beside, 0) for name, (model, beside) in stages.items()),
    )


WHOLE, TILED = example(40), example(4)


def chosen(memory: str, free: int, monkeypatch) -> tuple[str, bool]:
    """What is chosen on a pretended GPU with so many free bytes."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 300 * GB))
    return placement.choose_on(torch.device("cuda:0"), memory, Call((64, 32), 9), (WHOLE, TILED))


def test_auto_takes_the_fastest_that_fits_and_tiles_before_a_slower_mode(monkeypatch):
    needs = {mode: (WHOLE.peak(mode)[0], TILED.peak(mode)[0]) for mode in MODES}
    assert needs["full"] == (278 * GB, 263 * GB) and needs["group"] == (68 * GB, 41 * GB)
    for free, expected in [
        (278, ("full", False)),
        (277, ("full", True)),
        (262, ("model", False)),
        (124, ("group", False)),
        (60, ("group", True)),
        (40, ("sequential", True)),
    ]:
        assert placement.choose(WHOLE, TILED, free * GB + RESERVE) == expected
        assert chosen("auto", free * GB + RESERVE, monkeypatch) == expected
    assert placement.choose(WHOLE, TILED, 20 * GB + RESERVE) is None
    with pytest.raises(ValueError, match=r"cuda:0 has 1.0 GB free; no mode fits .the smallest needs .* a smaller size"):
        chosen("auto", GB, monkeypatch)


def test_a_mode_that_is_asked_for_is_taken_if_it_can_be(monkeypatch):
    assert chosen("full", 278 * GB, monkeypatch) == ("full", False)
    assert chosen("model", 278 * GB, monkeypatch) == ("model", False)
    assert chosen("full", 263 * GB, monkeypatch) == ("full", True)
    line = r"memory='full' needs about 281.0 GB of GPU memory for 9 frames of 64x32; cuda:0 has {}.0 GB free; "
    for free, remedy in ((200, "memory='model' would fit"), (60, "memory='group' would fit"), (9, "no mode fits")):
        with pytest.raises(ValueError, match=line.format(free) + remedy):
            chosen("full", free * GB, monkeypatch)


def test_what_auto_plans_for(two_stage_folder, monkeypatch):
    """A pretended GPU: what is asked of it is written down, and nothing is loaded."""

    class Asked(Exception):
        pass

    def ask(device, memory, call, needs):
        raise Asked(call, needs)

    monkeypatch.setattr(loader, "choose_on", ask)
    monkeypatch.setattr(loader, "_check_device", lambda device: torch.device("cuda:0"))

    def asked(**options) -> tuple[Call, list[Estimate]]:
        with pytest.raises(Asked) as caught:
            load_director(two_stage_folder, **options)
        return caught.value.args

    call, (whole, tiled) = asked()
    assert call == Call((48, 32), 121, 3) and {"text_encoder", "sr_transformer"} <= whole.weights.keys()
    assert tiled.weights == whole.weights
    call, (less, _) = asked(fit=Call((96, 64), 5), text_cache="texts")
    assert call == Call((96, 64), 5) and less.weights.keys() == whole.weights.keys() - {"text_encoder"}
    if importlib.util.find_spec("torchao"):
        _, (smaller, _) = asked(quantize="int8")
        assert smaller.weights["transformer"].total < 0.52 * whole.weights["transformer"].total
        assert smaller.weights["vae"] == whole.weights["vae"]


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
    original = LazyTextEncoder.__call__
    spy = lambda self, texts: made.append(texts) or original(self, texts)  # noqa: E731
    monkeypatch.setattr(LazyTextEncoder, "__call__", spy)
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

    first, later = (TextCache(tmp_path, encode(value), "one") for value in (1.0, 3.0))
    assert torch.equal(first(["a", "b", "a"]), torch.full((3, 2, 3), 1.0))
    assert torch.equal(later(["b"]), torch.full((1, 2, 3), 1.0))
    assert torch.equal(TextCache(tmp_path, encode(2.0), "two")(["a"]), torch.full((1, 2, 3), 2.0))
    first.path("a").write_bytes(b"no tensor")
    assert torch.equal(later(["a"]), torch.full((1, 2, 3), 3.0))
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"text_cache = .*file is a file; give a folder"):
        TextCache(tmp_path / "file", encode(1.0), "one")


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
    monkeypatch.setitem(sys.modules, "torchao", None)  # as if it were not installed
    for kind, message in [
        ("int4", "quantize must be one of int8, nf4, got 'int4'"),
        ("int8", "can't be loaded: ModuleNotFoundError: .*torchao"),
        ("nf4", "can't be loaded: .*(bitsandbytes|GPU)"),
    ]:
        with pytest.raises(LoadError, match=message) as caught:
            load_director(two_stage_folder, device="cpu", quantize=kind)
        assert "\n" not in str(caught.value)
