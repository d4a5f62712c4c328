"""Director-Gen against diffusers' own Wan pipelines, on folders of the hub's two layouts with very small models.

Both sides load the same folder. Without conditions the oracle is `WanPipeline`; with one keyframe at frame 0 it is
`WanImageToVideoPipeline`, which works that way for Wan 2.2 TI2V alone. Rounding differs a little, since diffusers gives
Wan 2.2 a timestep per token and Wan 2.1 one per video where Director-Gen gives one per latent frame.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import (
    AutoencoderKLWan,
    DiffusionPipeline,
    FlowMatchEulerDiscreteScheduler,
    UniPCMultistepScheduler,
    WanImageToVideoPipeline,
    WanPipeline,
    WanTransformer3DModel,
)
from diffusers.callbacks import PipelineCallback
from PIL import Image
from tiny import HUB_VAES
from torch.testing import assert_close

from smartdirector_lite import load_director
from smartdirector_lite.gen.base import OUTPUT_TYPES
from smartdirector_lite.gen.conditions import VideoCondition
from smartdirector_lite.gen.pipeline import DirectorGenPipeline
from smartdirector_lite.gen.transformer import DirectorTransformer3DModel
from smartdirector_lite.media.size import Size
from smartdirector_lite.vae import decode_clip, encode_clip

PROMPTS, NEGATIVE = ["a red ball rolls over the hill", "a blue bird jumps"], "the camera pans left"
HUB_SHIFT = {"wan2.2": 5.0, "wan2.1": 3.0}
TRANSFORMER = {
    "num_attention_heads": 2,
    "attention_head_dim": 24,
    "text_dim": 48,
    "freq_dim": 32,
    "ffn_dim": 96,
    "num_layers": 2,
}
ROWS, COLUMNS = 4, 6  # of latents; the transformer's patches are 2 x 2
TOLERANCE = 1e-4  # of latents of order 1 and frames in [0, 1], after all steps


def unipc(shift: float) -> UniPCMultistepScheduler:
    return UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=1000, flow_shift=shift
    )


SCHEDULERS: dict[str, Callable | None] = {
    "the folder's UniPC": None,
    "UniPC, shift 7": lambda: unipc(7.0),
    "Euler, shift 1": lambda: FlowMatchEulerDiscreteScheduler(shift=1.0),
    "Euler, shift 8": lambda: FlowMatchEulerDiscreteScheduler(shift=8.0),
}


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def quiet(pipeline):
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def picture(size: tuple[int, int], seed: int = 0) -> Image.Image:
    """A smooth random picture; size (width, height)."""
    small = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def folders(wan_folder, tmp_path_factory) -> dict[str, Path]:
    """A folder a shape, saved by diffusers; text encoder and tokenizer are those of `wan_folder`."""
    text_parts = WanPipeline.from_pretrained(wan_folder).components
    made = {}
    for shape, config in HUB_VAES.items():
        torch.manual_seed(0)
        vae = AutoencoderKLWan(**config)
        channels = config["z_dim"]
        transformer = WanTransformer3DModel(**TRANSFORMER, in_channels=channels, out_channels=channels)
        parts = {"vae": vae, "transformer": transformer, "scheduler": unipc(HUB_SHIFT[shape])}
        pipeline = WanPipeline(**{**text_parts, **parts}, expand_timesteps=shape == "wan2.2")
        made[shape] = tmp_path_factory.mktemp("hub") / shape
        pipeline.save_pretrained(made[shape])
    return made


@dataclass
class Pair:
    """Our pipeline and diffusers' from one folder; `image`, if any, is the keyframe at frame 0."""

    ours: DirectorGenPipeline
    theirs: WanPipeline | WanImageToVideoPipeline
    shape: str
    image: Image.Image | None

    @classmethod
    def load(cls, folder: Path, shape: str, keyframe: bool, load_ours: Callable, **options) -> "Pair":
        oracle = (WanImageToVideoPipeline if keyframe else WanPipeline).from_pretrained(folder, **options)
        width, height = (side * HUB_VAES[shape].get("scale_factor_spatial", 8) for side in (COLUMNS, ROWS))
        return cls(quiet(load_ours(folder)), quiet(oracle), shape, picture((width, height)) if keyframe else None)

    @property
    def size(self) -> dict[str, int]:
        ratio = self.ours.vae_scale_factor_spatial
        return {"height": ROWS * ratio, "width": COLUMNS * ratio}

    def call(self, pipeline, **changes):
        """The frames that a pipeline makes. `generator` and callbacks are functions that make new ones."""
        given = {
            "prompt": PROMPTS[0],
            "negative_prompt": NEGATIVE,
            **self.size,
            "num_frames": 9,
            "num_inference_steps": 4,
            "guidance_scale": 4.0,
            "max_sequence_length": 16,
            "output_type": "latent",
            "generator": rng,
            **changes,
        }
        if given["generator"] is not None:
            given["generator"] = given["generator"]()
        if self.image is not None:
            ours = pipeline is self.ours
            given |= {"conditions": [VideoCondition(image=self.image)]} if ours else {"image": self.image}
        result = pipeline(**given)
        return result.frames if given.get("return_dict", True) else result

    def both(self, **changes) -> tuple:
        return self.call(self.ours, **changes), self.call(self.theirs, **changes)

    def with_scheduler(self, name: str) -> "Pair":
        """The same components with other schedulers; these keep state, so each pipeline gets its own."""
        make = SCHEDULERS[name]
        if make is None:
            return self
        ours, theirs = (type(p)(**{**p.components, "scheduler": make()}) for p in (self.ours, self.theirs))
        theirs.register_to_config(expand_timesteps=self.theirs.config.expand_timesteps)
        return Pair(quiet(ours), quiet(theirs), self.shape, self.image)


def by_load_director(folder: Path) -> DirectorGenPipeline:
    return load_director(folder).gen


KINDS = {"2.2 text": ("wan2.2", False), "2.2 keyframe": ("wan2.2", True), "2.1 text": ("wan2.1", False)}


@pytest.fixture(scope="module", params=KINDS)
def pair(folders, request) -> Pair:
    """Shared: a test that changes a component takes `own`."""
    shape, keyframe = KINDS[request.param]
    return Pair.load(folders[shape], shape, keyframe, by_load_director)


@pytest.fixture(params=KINDS)
def own(folders, request) -> Pair:
    shape, keyframe = KINDS[request.param]
    return Pair.load(folders[shape], shape, keyframe, by_load_director)


def assert_parity(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    assert ours.dtype == theirs.dtype
    assert_close(ours, theirs, atol=TOLERANCE, rtol=0)


# ---------------------------------------------------------------- the same video


def test_the_folders_are_shaped_as_the_hubs(pair):
    transformer, vae = pair.theirs.transformer, pair.theirs.vae
    assert type(transformer) is WanTransformer3DModel and transformer.config.patch_size == [1, 2, 2]
    assert type(pair.ours.transformer) is DirectorTransformer3DModel
    expected = {"wan2.2": (48, 16, True, True), "wan2.1": (16, 8, False, False)}[pair.shape]
    assert expected == (
        transformer.config.in_channels,
        pair.ours.vae_scale_factor_spatial,
        vae.config.is_residual,
        pair.theirs.config.expand_timesteps,
    )
    clip = torch.zeros(1, 3, 9, pair.size["height"], pair.size["width"])
    with torch.no_grad():
        assert vae.encode(clip).latent_dist.mode().shape == (1, expected[0], 3, ROWS, COLUMNS)


@pytest.mark.parametrize("num_frames", [1, 9])
@pytest.mark.parametrize("guidance_scale", [1.0, 4.0])
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_latents_and_frames_after_all_steps(pair, scheduler, guidance_scale, num_frames):
    pair = pair.with_scheduler(scheduler)
    changes = {"guidance_scale": guidance_scale, "num_frames": num_frames}
    for output_type in ("latent", "pt"):
        ours, theirs = pair.both(**changes, output_type=output_type)
        assert_parity(ours, theirs)
    if num_frames > 1 or pair.image is None:  # the comparison can fail
        latents, other = (pair.call(pair.ours, **changes, prompt=prompt) for prompt in PROMPTS)
        assert (other - latents).abs().max() > 20 * TOLERANCE


def test_one_latent_frame_of_wan_21_is_bit_identical(folders):
    """One timestep for one latent frame: nothing is left that could round differently."""
    pair = Pair.load(folders["wan2.1"], "wan2.1", False, DirectorGenPipeline.from_pretrained)
    for output_type in ("latent", "pt"):
        ours, theirs = pair.both(num_frames=1, output_type=output_type)
        assert torch.equal(ours, theirs)


def test_a_larger_keyframe_is_scaled_alike(folders):
    pair = Pair.load(folders["wan2.2"], "wan2.2", True, by_load_director)
    pair.image = picture((3 * COLUMNS * 16, 3 * ROWS * 16), seed=1)
    ours, theirs = pair.both(output_type="pt")
    assert_parity(ours, theirs)


@pytest.mark.parametrize("guidance_scale", [1.0, 4.0])
@pytest.mark.parametrize("kind", KINDS)
def test_bfloat16_is_as_near_to_float32_as_diffusers_is(folders, kind, guidance_scale):
    """The tolerance is what bf16 costs diffusers itself, measured here against float32 (rms of latents of order 1).

    Our cost and the distance between the two come to 0.4 to 1.1 times that. They are not equal, since guidance and
    scheduler compute in float32 here, in bf16 there.
    """
    shape, keyframe = KINDS[kind]
    precision = {"transformer": torch.bfloat16, "default": torch.float32}

    def load_ours(folder: Path) -> DirectorGenPipeline:
        return DirectorGenPipeline.from_pretrained(folder, dtype=precision)

    pair = Pair.load(folders[shape], shape, keyframe, load_ours, dtype=precision)
    assert pair.ours.transformer.dtype == pair.theirs.transformer.dtype == torch.bfloat16
    exact = Pair.load(folders[shape], shape, keyframe, load_ours)
    ours, theirs = pair.both(guidance_scale=guidance_scale)
    exact = exact.call(exact.theirs, guidance_scale=guidance_scale)
    assert ours.dtype == theirs.dtype == torch.float32
    cost, our_cost, apart = (
        (a - b).square().mean().sqrt() for a, b in [(theirs, exact), (ours, exact), (ours, theirs)]
    )
    assert cost < 0.02 and our_cost < 1.5 * cost and apart < 1.5 * cost


# ---------------------------------------------------------------- the same calls


def embeds_of(pair: Pair, prompts: list[str]) -> dict[str, torch.Tensor]:
    made = pair.theirs.encode_prompt(prompts, [NEGATIVE] * len(prompts), max_sequence_length=16)
    texts = {"prompt": None, "negative_prompt": None}
    return {**texts, **dict(zip(("prompt_embeds", "negative_prompt_embeds"), made, strict=True))}


CALLS: dict[str, Callable[[Pair], dict]] = {
    "two prompts": lambda pair: {"prompt": PROMPTS},
    "two prompts, a list of generators": lambda pair: {"prompt": PROMPTS, "generator": lambda: [rng(3), rng(4)]},
    "two prompts, a negative one each": lambda pair: {"prompt": PROMPTS, "negative_prompt": ["", NEGATIVE]},
    "two videos": lambda pair: {"num_videos_per_prompt": 2},
    "two videos, a list of generators": lambda pair: {
        "num_videos_per_prompt": 2,
        "generator": lambda: [rng(3), rng(4)],
    },
    "two prompts, two videos": lambda pair: {"prompt": PROMPTS, "num_videos_per_prompt": 2},
    "no negative prompt": lambda pair: {"negative_prompt": None},
    "given embeddings": lambda pair: embeds_of(pair, PROMPTS),
    "given embeddings, two videos": lambda pair: {**embeds_of(pair, PROMPTS[1:]), "num_videos_per_prompt": 2},
    "given latents": lambda pair: {
        "generator": None,
        "latents": torch.randn(1, pair.ours.transformer.config.in_channels, 3, ROWS, COLUMNS, generator=rng(7)),
    },
    "one step": lambda pair: {"num_inference_steps": 1},
}


@pytest.mark.parametrize("name", CALLS)
def test_calls(pair, name):
    changes = CALLS[name](pair)
    ours, theirs = pair.both(**changes)
    assert ours.shape == theirs.shape
    assert_parity(ours, theirs)
    assert (ours - pair.call(pair.ours)[:1]).abs().max() > 20 * TOLERANCE  # the change changed something


@pytest.mark.parametrize("output_type", OUTPUT_TYPES)
def test_output_types(pair, output_type):
    ours, theirs = pair.both(output_type=output_type)
    assert type(ours) is type(theirs)
    if output_type == "pil":
        assert [len(video) for video in ours] == [len(video) for video in theirs]
        left, right = (np.stack([np.asarray(image, np.int16) for image in video[0]]) for video in (ours, theirs))
        assert np.abs(left - right).max() <= 1  # of 255: a value half-way between two may go either way
    else:
        left, right = (np.asarray(video) for video in (ours, theirs))
        assert left.dtype == right.dtype
        np.testing.assert_allclose(left, right, atol=TOLERANCE, rtol=0)
    as_tuples = pair.both(output_type="latent", return_dict=False)
    assert all(isinstance(result, tuple) and len(result) == 1 for result in as_tuples)
    assert_parity(as_tuples[0][0], as_tuples[1][0])


# ---------------------------------------------------------------- callbacks


def free(pair: Pair, latents: torch.Tensor) -> torch.Tensor:
    """Latents without the keyframe's: what a callback sees there is noise in diffusers, the keyframe here."""
    return latents if pair.image is None else latents[:, :, 1:]


@pytest.mark.parametrize("scheduler", ["the folder's UniPC", "Euler, shift 8"])
def test_a_callback_sees_the_same(pair, scheduler):
    pair = pair.with_scheduler(scheduler)
    names = ["latents", "prompt_embeds", "negative_prompt_embeds"]
    seen = {}
    for pipeline in (pair.ours, pair.theirs):
        steps = seen[id(pipeline)] = []

        def look(pipe, i, t, tensors, steps=steps, pipeline=pipeline):
            assert pipe is pipeline
            steps.append(
                (i, t.clone(), pipe.num_timesteps, pipe.guidance_scale, {k: v.clone() for k, v in tensors.items()})
            )
            return tensors

        pair.call(pipeline, callback_on_step_end=look, callback_on_step_end_tensor_inputs=names)
    ours, theirs = seen.values()
    assert [step[0] for step in ours] == [step[0] for step in theirs] == list(range(4))
    for left, right in zip(ours, theirs, strict=True):
        assert torch.equal(left[1], right[1]) and left[1].dtype == right[1].dtype
        assert left[2:4] == right[2:4] == (4, 4.0)
        assert list(left[4]) == list(right[4]) == names
        assert_parity(free(pair, left[4]["latents"]), free(pair, right[4]["latents"]))
        assert torch.equal(left[4]["prompt_embeds"], right[4]["prompt_embeds"])
        assert torch.equal(left[4]["negative_prompt_embeds"], right[4]["negative_prompt_embeds"])


def change_latents(pipe, i, t, tensors):
    return {"latents": tensors["latents"] * 0.5 + 0.1} if i == 1 else {}


def change_text(pipe, i, t, tensors):
    return {"prompt_embeds": tensors["negative_prompt_embeds"].flip(1)} if i == 1 else tensors


def interrupt(pipe, i, t, tensors):
    pipe._interrupt = i == 1
    return tensors


class EndGuidance(PipelineCallback):
    """Ends guidance after the second step, as diffusers' own cutoff callbacks do."""

    tensor_inputs = ("prompt_embeds",)

    def callback_fn(self, pipeline, step_index, timestep, callback_kwargs):
        assert list(callback_kwargs) == ["prompt_embeds"]
        if step_index == 1:
            pipeline._guidance_scale = 0.0
        return callback_kwargs


@pytest.mark.parametrize("callback", [change_latents, change_text, interrupt, EndGuidance()])
def test_what_a_callback_changes(pair, callback):
    options = {"callback_on_step_end": callback}
    if not isinstance(callback, PipelineCallback):  # that says itself what it needs
        options["callback_on_step_end_tensor_inputs"] = ["latents", "prompt_embeds", "negative_prompt_embeds"]
    ours, theirs = pair.both(**options)
    assert_parity(ours, theirs)
    undisturbed = pair.call(pair.ours)  # the next call is as ever
    assert_parity(undisturbed, pair.call(pair.theirs))
    assert (undisturbed - ours).abs().max() > 20 * TOLERANCE


# ---------------------------------------------------------------- saving and loading


@pytest.mark.parametrize("loader", [WanPipeline, DiffusionPipeline])
def test_what_we_save_is_what_diffusers_saved(pair, folders, loader, tmp_path):
    """In both directions: the folder that diffusers wrote is loaded, saved, and loaded by diffusers again."""
    pair.ours.save_pretrained(tmp_path)
    index, original = (json.loads((f / "model_index.json").read_text()) for f in (tmp_path, folders[pair.shape]))
    assert index == original
    plain = quiet(loader.from_pretrained(tmp_path))
    assert type(plain) is WanPipeline and type(plain.transformer) is WanTransformer3DModel
    if pair.image is not None:
        plain = quiet(WanImageToVideoPipeline.from_pretrained(tmp_path))
    assert torch.equal(pair.call(plain, output_type="pt"), pair.call(pair.theirs, output_type="pt"))
    again = quiet(load_director(tmp_path).gen)
    assert type(again.transformer) is DirectorTransformer3DModel
    pair = Pair(again, pair.theirs, pair.shape, pair.image)
    ours, theirs = pair.both(output_type="pt")
    assert_parity(ours, theirs)


# ---------------------------------------------------------------- LoRA


@pytest.fixture(scope="module")
def lora_folders(folders, tmp_path_factory) -> dict[str, Path]:
    """A random LoRA a shape, made with peft on diffusers' transformer and saved by `WanPipeline`."""
    peft = pytest.importorskip("peft")
    made = {}
    for shape, folder in folders.items():
        torch.manual_seed(0)
        transformer = WanTransformer3DModel.from_pretrained(folder, subfolder="transformer")
        targets = ["to_q", "to_k", "to_v", "to_out.0", "ffn.net.0.proj", "ffn.net.2", "time_proj"]
        config = peft.LoraConfig(r=2, lora_alpha=4, target_modules=targets, init_lora_weights=False)
        transformer.add_adapter(config)
        made[shape] = tmp_path_factory.mktemp("lora") / shape
        settings = {"r": 2, "lora_alpha": 4, "target_modules": targets}
        WanPipeline.save_lora_weights(
            made[shape], peft.get_peft_model_state_dict(transformer), transformer_lora_adapter_metadata=settings
        )
    return made


def test_a_lora_of_diffusers_acts_alike_at_every_scale_and_unloads(own, lora_folders):
    def at(scale: float | None) -> torch.Tensor:
        if scale is not None:
            for pipeline in (own.ours, own.theirs):
                pipeline.set_adapters("style", scale)
        ours, theirs = own.both()
        assert_parity(ours, theirs)
        return ours

    before = at(None)
    for pipeline in (own.ours, own.theirs):
        pipeline.load_lora_weights(lora_folders[own.shape], adapter_name="style")
    assert own.ours.get_list_adapters() == own.theirs.get_list_adapters() == {"transformer": ["style"]}
    whole, half = at(None), at(0.5)
    assert min((a - b).abs().max() for a, b in [(before, whole), (before, half), (whole, half)]) > 0.01
    assert torch.equal(at(1.0), whole)
    assert_parity(at(0.0), before)
    scaled = [
        own.call(p, attention_kwargs={"scale": 0.5}) for p in (own.ours, own.theirs) if not p.set_adapters("style")
    ]
    assert_parity(*scaled)
    assert_parity(scaled[0], half)
    for pipeline in (own.ours, own.theirs):
        pipeline.fuse_lora(lora_scale=0.5)
    assert_parity(at(None), half)
    for pipeline in (own.ours, own.theirs):
        pipeline.unfuse_lora()
        pipeline.unload_lora_weights()
    assert_parity(at(None), before)


# ---------------------------------------------------------------- what only Director-Gen does, on the hub's shapes

PLANS = {  # num_frames, {frame: how many frames are given}, cuts
    "keyframe in the middle": (10, {6: 1}, []),
    "keyframes anywhere, a cut": (15, {0: 1, 5: 1, 14: 1}, [9]),
    "clips": (14, {2: 3, 9: 5}, []),
}


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("shape", HUB_VAES)
def test_keyframes_come_back_on_both_shapes(folders, shape, name):
    num_frames, given, cuts = PLANS[name]
    gen = quiet(by_load_director(folders[shape]))
    height, width = ROWS * gen.vae_scale_factor_spatial, COLUMNS * gen.vae_scale_factor_spatial
    conditions = [
        VideoCondition(video=[picture((width, height), 10 * frame + i) for i in range(length)], frame_index=frame)
        for frame, length in given.items()
    ]
    options = {"height": height, "width": width, "num_frames": num_frames, "num_inference_steps": 2, "cuts": cuts}
    frames, other = (
        gen(PROMPTS[0], conditions=conditions, **options, output_type="pt", generator=rng(seed)).frames[0]
        for seed in (0, 1)
    )
    assert frames.shape == (num_frames, 3, height, width)
    free = torch.ones(num_frames, dtype=torch.bool)
    for condition in conditions:
        place = condition.placement()
        shown = slice(place.frame_index, place.stop)
        free[shown] = False
        with torch.no_grad():
            alone = decode_clip(gen.vae, encode_clip(gen.vae, condition.to_tensor(Size(width, height))))[0]
        assert_close(frames[shown].transpose(0, 1) * 2 - 1, alone[:, : place.num_frames], atol=TOLERANCE, rtol=0)
    assert (frames - other)[free].abs().amax(dim=(1, 2, 3)).min() > 1e-3  # the others follow the seed
