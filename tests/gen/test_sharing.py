"""Pipelines that share components: each goes on as it was, and what belongs to the weights goes with them."""

import copy
import json
import pickle

import accelerate
import pytest
import torch
from diffusers import DiffusionPipeline, WanPipeline, WanTransformer3DModel
from diffusers.hooks import FirstBlockCacheConfig
from diffusers.models.transformers.transformer_wan import WanTransformerBlock
from torch.testing import assert_close

from smartdirector_lite.gen.conditions import VideoCondition
from smartdirector_lite.gen.pipeline import DirectorGenPipeline
from smartdirector_lite.gen.transformer import DirectorTransformer3DModel
from smartdirector_lite.loading import bundled_folder
from smartdirector_lite.sr.pipeline import DirectorSRPipeline

CALL = {
    "prompt": "a red ball rolls over the hill",
    "height": 32,
    "width": 48,
    "num_frames": 6,
    "num_inference_steps": 2,
    "max_sequence_length": 16,
    "output_type": "latent",
}


def latents(pipeline: WanPipeline, **changes) -> torch.Tensor:
    pipeline.set_progress_bar_config(disable=True)
    if isinstance(pipeline, DirectorGenPipeline):
        changes["conditions"] = [VideoCondition(image=torch.zeros(3, 32, 48), frame_index=2)]
    else:
        changes["num_frames"] = 5  # Wan's pipelines know 4k + 1
    return pipeline(**{**CALL, **changes}, generator=torch.Generator().manual_seed(0)).frames


@pytest.fixture
def wan(wan_folder) -> WanPipeline:
    """Wan 2.2's plain pipeline, which gives its transformer a timestep for each token."""
    pipeline = WanPipeline.from_pretrained(wan_folder)
    pipeline.register_to_config(expand_timesteps=True)
    return pipeline


# ---------------------------------------------------------------- beside a plain Wan pipeline

WAYS = {
    "from_pipe": DirectorGenPipeline.from_pipe,
    "components": lambda wan: DirectorGenPipeline(**wan.components),
    "transformer": lambda wan: DirectorGenPipeline(
        wan.tokenizer, wan.text_encoder, wan.vae, wan.scheduler, wan.transformer
    ),
    "second stage": DirectorSRPipeline.from_pipe,
}


@pytest.mark.parametrize("way", WAYS)
def test_a_wan_pipeline_stays_what_it_is_when_ours_is_made_of_it(wan, gen, way):
    before, expected = latents(wan), latents(gen)
    ours = WAYS[way](wan)
    for made, plain in zip(ours.transformer.parameters(), wan.transformer.parameters(), strict=True):
        assert made is plain
    assert ours.vae is wan.vae and type(ours.transformer) is DirectorTransformer3DModel
    if way != "second stage":
        assert torch.equal(latents(ours), expected)
    assert type(wan.transformer) is WanTransformer3DModel
    assert all(type(block) is WanTransformerBlock for block in wan.transformer.blocks)
    assert torch.equal(latents(wan), before)


def test_weights_keep_their_types_when_a_pipeline_is_made_of_another(wan):
    """diffusers' from_pipe turns both pipelines' weights into float32 unless it is told another type."""
    wan.transformer.to(torch.bfloat16)
    wan.text_encoder.to(torch.float16)
    ours = DirectorGenPipeline.from_pipe(wan)
    assert (ours.transformer.dtype, ours.text_encoder.dtype, ours.vae.dtype) == (
        torch.bfloat16,
        torch.float16,
        torch.float32,
    )
    assert ours.config.expand_timesteps is True
    assert DirectorGenPipeline.from_pipe(wan, expand_timesteps=False).config.expand_timesteps is False


def test_a_plain_pipeline_of_our_components_makes_what_wan_makes(wan, gen):
    expected = latents(wan)
    assert_close(latents(WanPipeline(**gen.components, expand_timesteps=True)), expected, atol=1e-5, rtol=0)
    made = WanPipeline.from_pipe(gen, transformer=gen.transformer, expand_timesteps=True)
    assert_close(latents(made), expected, atol=1e-5, rtol=0)


def test_moving_the_one_moves_the_other(wan):
    ours = DirectorGenPipeline.from_pipe(wan)
    before = latents(wan)
    ours.transformer.to(torch.float64)
    assert wan.transformer.patch_embedding.weight.dtype == torch.float64
    assert ours.transformer.rope is wan.transformer.rope  # its buffers go where the weights go
    ours.transformer.to(torch.float32)
    assert torch.equal(latents(wan), before)


def test_each_has_its_own_loras_and_hooks(wan, gen, tmp_path):
    peft = pytest.importorskip("peft")
    plain, ours = latents(wan), latents(gen)
    made = DirectorGenPipeline.from_pipe(wan)
    torch.manual_seed(0)
    for one, other, untouched in ((made, wan, plain), (wan, made, ours)):
        one.transformer.add_adapter(peft.LoraConfig(r=2, target_modules=["to_q"], init_lora_weights=False), "mine")
        assert torch.equal(latents(other), untouched)
        assert not torch.equal(latents(one), plain if one is wan else ours)
        one.transformer.delete_adapters("mine")
    seen = []
    made.transformer.blocks[0].register_forward_pre_hook(lambda *args: seen.append(args))
    latents(wan)
    assert not seen


def test_a_lora_that_was_there_before_acts_in_both(wan):
    peft = pytest.importorskip("peft")
    torch.manual_seed(0)
    config = peft.LoraConfig(r=2, target_modules=["to_q"], init_lora_weights=False)
    wan.transformer.add_adapter(config, "mine")
    made = DirectorGenPipeline.from_pipe(wan)
    with_it = latents(wan), latents(made)
    made.set_adapters("mine", 0.0)
    assert torch.equal(latents(wan), with_it[0]) and not torch.equal(latents(made), with_it[1])


def test_what_is_offloaded_is_not_copied(wan, gen):
    before = latents(wan)
    accelerate.cpu_offload(wan.transformer, "cpu")
    made = DirectorGenPipeline.from_pipe(wan)
    assert made.transformer.proj_out._hf_hook.weights_map is wan.transformer.proj_out._hf_hook.weights_map
    for _ in range(2):
        assert_close(latents(made), latents(gen), atol=1e-5, rtol=0)
        assert_close(latents(wan), before, atol=1e-5, rtol=0)


@pytest.mark.parametrize("change", ["compiled", "compiled in place", "cached"])
def test_a_plain_transformer_that_holds_on_to_its_methods_is_refused(wan, change):
    if change == "compiled":
        wan.transformer = torch.compile(wan.transformer, backend="eager")
    elif change == "compiled in place":
        wan.transformer.compile_repeated_blocks(backend="eager")
    else:
        wan.transformer.enable_cache(FirstBlockCacheConfig(threshold=0.1))
    with pytest.raises(ValueError, match="transformer has hooks or is compiled: make the pipeline first"):
        DirectorGenPipeline.from_pipe(wan)


# ---------------------------------------------------------------- what belongs to the weights

TRAINED = ("sigma_data", "cut_gap", "tau_scheme")
OTHERS = {
    "components": lambda one: type(one)(**one.components),
    "from_pipe": lambda one: type(one).from_pipe(one),
    "by way of Wan": lambda one: (
        type(one).from_pipe(WanPipeline(**{**one.components, "transformer": one.transformer}))
        if isinstance(one, DirectorGenPipeline)
        else type(one)(None, None, one.vae, one.scheduler, one.transformer)
    ),
    "copy": copy.deepcopy,
    "pickle": lambda one: pickle.loads(pickle.dumps(one)),
}


@pytest.fixture
def skipped(gen) -> DirectorGenPipeline:
    return DirectorGenPipeline(**gen.components, sigma_data=0.5, cut_gap=2.0, tau_scheme="midpoint")


@pytest.mark.parametrize("way", OTHERS)
def test_how_weights_were_trained_goes_with_them(gen, skipped, way):
    expected = latents(skipped, cuts=[4])
    again = OTHERS[way](skipped)
    assert [again.config[name] for name in TRAINED] == [0.5, 2.0, "midpoint"]
    assert torch.equal(latents(again, cuts=[4]), expected)
    assert (latents(gen, cuts=[4]) - expected).abs().max() > 0.1  # the comparison can fail
    assert [gen.config[name] for name in TRAINED] == [None, 0.0, "frame_time"]
    parts = (None, None, gen.vae, gen.scheduler, gen.transformer)
    sr = OTHERS[way](DirectorSRPipeline(*parts, upsample="pixel", tau_scheme="restart"))
    assert (sr.config.upsample, sr.config.tau_scheme) == ("pixel", "restart")
    plain = DirectorSRPipeline(*parts)
    assert (plain.config.upsample, plain.config.tau_scheme) == ("latent", "frame_time")


def test_a_saved_transformer_takes_it_along(skipped, tmp_path):
    skipped.transformer.save_pretrained(tmp_path / "transformer")
    read = DirectorTransformer3DModel.from_pretrained(tmp_path / "transformer")
    again = DirectorGenPipeline(**{**skipped.components, "transformer": read})
    assert torch.equal(latents(again), latents(skipped))
    assert not torch.equal(latents(again), latents(again, rope="frame_time"))
    assert "sigma_data" not in DirectorTransformer3DModel(num_layers=1, num_attention_heads=1).config


def test_a_second_stage_keeps_its_way_when_saved(gen, tmp_path):
    sr = DirectorSRPipeline(None, None, None, gen.scheduler, gen.transformer, upsample="pixel")
    sr.save_pretrained(tmp_path)
    index = json.loads((tmp_path / "model_index.json").read_text())
    assert index["_class_name"] == "DirectorSRPipeline" and "upsample" not in index
    assert DirectorSRPipeline.from_pretrained(tmp_path, vae=None).config.upsample == "pixel"
    (tmp_path / "model_index.json").write_text(json.dumps({**index, "upsample": "latent"}))  # as older folders say it
    assert DirectorSRPipeline.from_pretrained(tmp_path, vae=None).config.upsample == "latent"


def test_diffusers_own_loader_takes_a_folder_with_a_skip_and_says_what_makes_it_right(skipped, tmp_path):
    skipped.save_pretrained(tmp_path)
    plain = DiffusionPipeline.from_pretrained(tmp_path)
    assert type(plain) is WanPipeline
    with pytest.raises(ValueError, match=r"trained behind a skip .* DirectorGenPipeline.from_pipe"):
        latents(plain)
    assert torch.equal(latents(DirectorGenPipeline.from_pipe(plain)), latents(skipped))


@pytest.mark.weights
def test_the_bundled_stages_load_as_their_readme_says():
    folder = bundled_folder()
    lines = (folder / "README.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    names = {"folder": folder, "DirectorGenPipeline": DirectorGenPipeline, "DirectorSRPipeline": DirectorSRPipeline}
    exec(lines, names)
    assert [names["gen"].config[name] for name in TRAINED] == [0.5, 2.0, "frame_time"]
    assert (names["sr"].config.upsample, names["sr"].config.tau_scheme) == ("pixel", "frame_time")
    assert names["sr"].vae is names["gen"].vae
    plain = DiffusionPipeline.from_pretrained(folder / "director-gen")
    with pytest.raises(ValueError, match="trained behind a skip"):
        latents(plain, height=64, width=64)


@pytest.mark.parametrize("value", ["0.5", 0, -1.0, [1]])
def test_a_config_that_says_nonsense_is_refused(skipped, tmp_path, value):
    skipped.save_pretrained(tmp_path)
    path = tmp_path / "transformer" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "sigma_data": value}))
    with pytest.raises(ValueError, match="sigma_data"):
        DirectorGenPipeline.from_pretrained(tmp_path)
