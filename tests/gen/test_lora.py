"""LoRAs in Director-Gen: diffusers' own loading does for it what it does for the plain `WanPipeline`."""

from pathlib import Path

import pytest
import torch
from diffusers import WanPipeline
from safetensors.torch import save_file
from torch.testing import assert_close

from smartdirector_lite.gen.pipeline import DirectorGenPipeline

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


def save_lora(folder: Path, places: dict[str, tuple[int, int]], prefix: str = "transformer.") -> Path:
    """Write a random LoRA for these layers, {name: (out, in)}."""
    torch.manual_seed(0)
    weights = {}
    for place, (wide, narrow) in places.items():
        weights[f"{prefix}{place}.lora_A.weight"] = torch.randn(RANK, narrow)
        weights[f"{prefix}{place}.lora_B.weight"] = torch.randn(wide, RANK)
    folder.mkdir(exist_ok=True)
    save_file(weights, folder / "pytorch_lora_weights.safetensors")
    return folder


@pytest.fixture
def own(wan_folder) -> DirectorGenPipeline:
    pipeline = DirectorGenPipeline.from_pretrained(wan_folder)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def latents(pipeline: WanPipeline) -> torch.Tensor:
    return pipeline(**CALL, generator=torch.Generator().manual_seed(0)).frames


def test_a_lora_acts_as_in_the_plain_pipeline_at_any_scale(own, wan_folder, tmp_path):
    folder = save_lora(tmp_path / "lora", PLACES)
    plain, before = WanPipeline.from_pretrained(wan_folder), latents(own)
    plain.set_progress_bar_config(disable=True)
    for pipeline in (own, plain):
        pipeline.load_lora_weights(folder, adapter_name="ball")
        pipeline.set_adapters("ball", 0.5)
    assert_close(latents(own), latents(plain), atol=1e-4, rtol=0)
    assert (latents(own) - before).abs().max() > 0.01
    own.unload_lora_weights()
    assert torch.equal(latents(own), before)


def test_a_lora_in_the_format_of_wans_authors_is_converted(own, tmp_path):
    names = {"self_attn.q": "attn1.to_q", "cross_attn.v": "attn2.to_v"}
    theirs = {f"blocks.{i}.{name}": (DIM, DIM) for i in range(2) for name in names}
    ours = {f"blocks.{i}.{name}": (DIM, DIM) for i in range(2) for name in names.values()}
    made = []
    for folder, places, prefix in (("theirs", theirs, "diffusion_model."), ("ours", ours, "transformer.")):
        own.load_lora_weights(save_lora(tmp_path / folder, places, prefix))
        made.append(latents(own))
        own.unload_lora_weights()
    assert torch.equal(*made)


def test_several_loras_act_together(own, tmp_path):
    first = save_lora(tmp_path / "first", {"blocks.0.attn1.to_q": (DIM, DIM)})
    second = save_lora(tmp_path / "second", {"blocks.1.attn1.to_k": (DIM, DIM)})
    own.load_lora_weights(first, adapter_name="first")
    alone = latents(own)
    own.load_lora_weights(second, adapter_name="second")
    own.set_adapters(["first", "second"], [1.0, 1.0])
    assert (latents(own) - alone).abs().max() > 0.01
    own.set_adapters("first")
    assert_close(latents(own), alone, atol=1e-6, rtol=0)
