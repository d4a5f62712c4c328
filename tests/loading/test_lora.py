"""A LoRA in a local file: what fits is loaded and acts, what does not is refused in one line that says why."""

from pathlib import Path

import pytest
import torch
from diffusers import WanPipeline
from safetensors.torch import load_file, save_file
from torch.testing import assert_close

from smartdirector_lite.gen.pipeline import DirectorGenPipeline
from smartdirector_lite.loading.lora import DEFAULT_FILE, load_lora

pytest.importorskip("peft")

CALL = {
    "prompt": "a red ball rolls over the hill",
    "height": 32,
    "width": 48,
    "num_frames": 5,
    "num_inference_steps": 2,
    "max_sequence_length": 16,
    "output_type": "latent",
}
DIM, RANK = 48, 2
PLACES = {"blocks.0.attn1.to_q": (DIM, DIM), "blocks.1.attn2.to_v": (DIM, DIM), "blocks.1.ffn.net.2": (DIM, 2 * DIM)}


def weights(places: dict[str, tuple[int, int]], prefix: str = "transformer.") -> dict[str, torch.Tensor]:
    """A random LoRA for these layers, {name: (out, in)}."""
    torch.manual_seed(0)
    shapes = {}
    for place, (wide, narrow) in places.items():
        shapes[f"{prefix}{place}.lora_A.weight"] = (RANK, narrow)
        shapes[f"{prefix}{place}.lora_B.weight"] = (wide, RANK)
    return {key: torch.randn(shape) for key, shape in shapes.items()}


def save(path: Path, state: dict[str, torch.Tensor]) -> Path:
    path.parent.mkdir(exist_ok=True)
    save_file(state, path)
    return path


@pytest.fixture
def own(wan_folder) -> DirectorGenPipeline:
    pipeline = DirectorGenPipeline.from_pretrained(wan_folder)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def latents(pipeline) -> torch.Tensor:
    return pipeline(**CALL, generator=torch.Generator().manual_seed(0)).frames


@pytest.mark.parametrize("given", ["file", "folder", "text"])
def test_it_is_diffusers_own_loading_at_a_scale(own, wan_folder, tmp_path, given):
    folder = tmp_path / "lora"
    file = save(folder / (DEFAULT_FILE if given == "folder" else "ball.safetensors"), weights(PLACES))
    save(folder / "another.safetensors", weights({"blocks.0.attn1.to_k": (DIM, DIM)}))
    plain = WanPipeline.from_pretrained(wan_folder)
    plain.set_progress_bar_config(disable=True)
    plain.load_lora_weights(str(folder), weight_name=file.name, adapter_name="ball")
    plain.set_adapters("ball", 0.5)
    before = latents(own)
    load_lora(own, {"file": file, "text": str(file)}.get(given, folder), scale=0.5)
    assert_close(latents(own), latents(plain), atol=1e-4, rtol=0)
    assert (latents(own) - before).abs().max() > 0.01
    own.unload_lora_weights()
    assert torch.equal(latents(own), before)


def test_a_lora_in_the_format_of_wans_authors_is_converted(own, tmp_path):
    names = {"self_attn.q": "attn1.to_q", "cross_attn.v": "attn2.to_v"}
    places = {f"blocks.{i}.{name}": (DIM, DIM) for i in range(2) for name in names}
    theirs = weights(places, "diffusion_model.")
    load_lora(own, save(tmp_path / "theirs.safetensors", theirs))
    converted = latents(own)
    own.unload_lora_weights()
    for old, new in names.items():
        theirs = {key.replace(old, new).replace("diffusion_model", "transformer"): v for key, v in theirs.items()}
    load_lora(own, save(tmp_path / "ours.safetensors", theirs))
    assert torch.equal(latents(own), converted)


def test_the_newest_acts_alone_and_several_can_be_combined(own, tmp_path):
    first = save(tmp_path / "first.safetensors", weights({"blocks.0.attn1.to_q": (DIM, DIM)}))
    second = save(tmp_path / "second.safetensors", weights(PLACES))  # to_q carries the first one by then
    load_lora(own, second)
    alone = latents(own)
    own.unload_lora_weights()
    load_lora(own, first, name="first")
    load_lora(own, second, name="second")
    assert_close(latents(own), alone, atol=1e-5, rtol=0)
    own.set_adapters(["first", "second"], [1.0, 1.0])
    assert (latents(own) - alone).abs().max() > 0.01
    with pytest.raises(ValueError, match=r"can't be loaded: Adapter name first already in use in the model"):
        load_lora(own, first, name="first")


def test_a_lora_of_a_convolution_fits(own, tmp_path):
    """Wan's patch embedding is a 3-D convolution, 1 x 2 x 2."""
    key = "transformer.patch_embedding.lora_{}.weight"
    state = {key.format("A"): torch.randn(RANK, 8, 1, 2, 2), key.format("B"): torch.randn(DIM, RANK, 1, 1, 1)}
    before = latents(own)
    load_lora(own, save(tmp_path / "patch.safetensors", state))
    assert (latents(own) - before).abs().max() > 0.01


Q = "transformer.blocks.0.attn1.to_q.lora_"
NEEDED = r"this model needs \(rank, 48\) and \(48, rank\)"
UNFIT = {
    "wider": (weights({"blocks.0.attn1.to_q": (72, 72)}), rf"lora_A of \(2, 72\) and lora_B of \(72, 2\); {NEEDED}"),
    "wider at its end": (
        weights({"blocks.0.attn1.to_q": (72, DIM)}),
        rf"blocks.0.attn1.to_q has lora_A of \(2, 48\) and lora_B of \(72, 2\); {NEEDED}",
    ),
    "deeper, the rest fits": (
        weights({**PLACES, "blocks.2.attn1.to_q": (DIM, DIM)}),
        r"this model has no layer blocks.2.attn1.to_q for a LoRA \(it has 2 blocks\)",
    ),
    "image-to-video": (
        weights({**PLACES, "blocks.0.attn2.add_k_proj": (DIM, DIM)}),
        "no layer blocks.0.attn2.add_k_proj",
    ),
    "Flux": (
        weights({"single_transformer_blocks.0.attn.to_q": (DIM, DIM)}),
        "no layer single_transformer_blocks.0.attn",
    ),
    "Stable Diffusion": (weights({"mid.to_q": (DIM, DIM)}, "unet."), "unet.mid.to_q.lora_A.weight is no LoRA weight"),
    "no prefix": (weights(PLACES, ""), "blocks.0.attn1.to_q.lora_A.weight is no LoRA weight of a Wan transformer"),
    "second transformer": (weights(PLACES, "transformer_2."), "transformer_2.blocks.0"),
    "a norm": (weights({"blocks.0.norm1": (DIM, DIM)}), "no layer blocks.0.norm1 for a LoRA"),
    "half": ({f"{Q}A.weight": torch.zeros(RANK, DIM)}, r"lora_A of \(2, 48\) and lora_B of \(0,\)"),
    "two ranks": ({f"{Q}A.weight": torch.ones(RANK, DIM), f"{Q}B.weight": torch.ones(DIM, 3)}, NEEDED),
    "rank 0": ({f"{Q}A.weight": torch.ones(0, DIM), f"{Q}B.weight": torch.ones(DIM, 0)}, NEEDED),
    "one number": ({f"{Q}A.weight": torch.tensor(1.0), f"{Q}B.weight": torch.tensor(1.0)}, NEEDED),
    "whole model": ({"blocks.0.attn1.to_q.weight": torch.zeros(DIM, DIM)}, "is no LoRA weight"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_what_does_not_fit_is_named_and_leaves_the_model_as_it_was(gen, tmp_path, name):
    state, message = UNFIT[name]
    before = [*gen.transformer.state_dict()]
    with pytest.raises(ValueError, match=message) as caught:
        load_lora(gen, save(tmp_path / "unfit.safetensors", state))
    text = str(caught.value)
    assert "unfit.safetensors" in text and "use a LoRA that was trained on this model" in text
    assert "\n" not in text and len(text) < 500
    assert [*gen.transformer.state_dict()] == before and not getattr(gen.transformer, "peft_config", {})


def test_what_diffusers_refuses_is_one_line_too(gen, tmp_path):
    hunyuan = weights({"double_blocks.0.img_attn": (DIM, DIM)}, "diffusion_model.")
    for state, message in ((hunyuan, "unfit.safetensors' can't be loaded: "), ({}, "it holds no weights")):
        with pytest.raises(ValueError, match=message) as caught:
            load_lora(gen, save(tmp_path / "unfit.safetensors", state))
        assert "\n" not in str(caught.value)


def test_settings_that_peft_does_not_know_are_refused(own, tmp_path):
    """They lie beside the weights, in the file's header."""
    state = {key.removeprefix("transformer."): value for key, value in weights(PLACES).items()}
    WanPipeline.save_lora_weights(tmp_path, state, transformer_lora_adapter_metadata={"r": RANK, "unheard_of": 1})
    assert load_file(tmp_path / DEFAULT_FILE).keys() == weights(PLACES).keys()
    before = latents(own)
    with pytest.raises(ValueError, match=r"can't be loaded: `LoraConfig` class") as caught:
        load_lora(own, tmp_path)
    assert "\n" not in str(caught.value)
    assert torch.equal(latents(own), before)


def test_without_peft_it_says_what_to_install(gen, tmp_path, monkeypatch):
    monkeypatch.setattr("smartdirector_lite.loading.lora.is_peft_available", lambda: False)
    with pytest.raises(ValueError, match=r"needs the package peft; run: pip install 'smartdirector-lite\[train\]'"):
        load_lora(gen, save(tmp_path / "a.safetensors", weights(PLACES)))


def test_sources_and_numbers_that_can_not_be_used(gen, tmp_path):
    good = save(tmp_path / "a.safetensors", weights(PLACES))
    torch.save(weights(PLACES), tmp_path / "c.bin")
    (tmp_path / "d.safetensors").write_bytes(b"not one")
    for source, message in {
        tmp_path / "none.safetensors": "none.safetensors': there is no such .safetensors file; give a local",
        "some-one/some-lora": "'some-one/some-lora': there is no such .safetensors file",
        tmp_path / "c.bin": "c.bin': there is no such .safetensors file",
        tmp_path / "d.safetensors": "d.safetensors' can't be loaded: ",
        tmp_path: "there is no such .safetensors file; give .* a folder that holds pytorch_lora_weights.safetensors",
    }.items():
        with pytest.raises(ValueError, match=message) as caught:
            load_lora(gen, source)
        assert "\n" not in str(caught.value)
    for scale in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="scale must be a finite number, got "):
            load_lora(gen, good, scale)
    with pytest.raises(ValueError, match=r"a.safetensors' can't be loaded: "):
        load_lora(DirectorGenPipeline(**{**gen.components, "transformer": None}), good)
