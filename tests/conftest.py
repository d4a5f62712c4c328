"""What several test files share: a tiny random pipeline, saved as the hub's Wan folders are.

torch and diffusers are imported inside the fixtures, so that the tests of pure Python modules stay fast.
"""

from pathlib import Path

import pytest
from hypothesis import settings
from tiny import STATISTICS, WAN22_VAE

settings.register_profile("any speed", deadline=None)
settings.load_profile("any speed")

TEXTS = ["a red ball rolls over the hill", "a blue bird jumps", "the camera pans left", "two friends meet at night"]


@pytest.fixture(scope="session")
def wan_folder(tmp_path_factory) -> Path:
    """Random weights of Wan 2.2's shapes, very small, saved by diffusers' own WanPipeline. UniPC, as on the hub."""
    import torch
    from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanPipeline, WanTransformer3DModel

    from smartdirector_lite.training.text import build_text_encoder, train_tokenizer

    torch.manual_seed(0)
    vae = AutoencoderKLWan(**WAN22_VAE, **STATISTICS)
    transformer = WanTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=24,
        in_channels=8,
        out_channels=8,
        text_dim=48,
        freq_dim=32,
        ffn_dim=96,
        num_layers=2,
        rope_max_seq_len=64,
    )
    tokenizer = train_tokenizer(TEXTS, vocab_size=300)
    text_encoder = build_text_encoder(len(tokenizer), dim=48, layers=1)
    scheduler = UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=1000, flow_shift=5.0
    )
    folder = tmp_path_factory.mktemp("models") / "wan"
    WanPipeline(tokenizer, text_encoder, vae, scheduler, transformer).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def session_gen(wan_folder):
    from smartdirector_lite.gen.pipeline import DirectorGenPipeline

    gen = DirectorGenPipeline.from_pretrained(wan_folder)
    gen.set_progress_bar_config(disable=True)
    return gen


@pytest.fixture
def gen(session_gen):
    """The tiny DirectorGenPipeline. Its components are shared: a test that changes one loads its own."""
    session_gen.set_progress_bar_config(disable=True)
    return session_gen


@pytest.fixture(scope="session")
def two_stage_folder(wan_folder, tmp_path_factory) -> Path:
    """That pipeline in `director-gen`, and beside it a random Director-SR in `director-sr`; both in two steps."""
    import json
    import shutil

    import torch
    from diffusers import FlowMatchEulerDiscreteScheduler

    from smartdirector_lite.gen.transformer import DirectorTransformer3DModel
    from smartdirector_lite.sr.pipeline import DirectorSRPipeline

    folder = tmp_path_factory.mktemp("models") / "both"
    defaults = {"steps": 2, "guidance_scale": 2.0, "size": [48, 32], "fps": 12}
    shutil.copytree(wan_folder, folder / "director-gen")
    (folder / "director-gen" / "smartdirector.json").write_text(json.dumps(defaults))
    torch.manual_seed(1)
    transformer = DirectorTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=24,
        in_channels=8,
        out_channels=8,
        text_dim=16,
        freq_dim=32,
        ffn_dim=96,
        num_layers=1,
        rope_max_seq_len=64,
    )
    scheduler = FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000)
    DirectorSRPipeline(None, None, None, scheduler, transformer).save_pretrained(folder / "director-sr")
    (folder / "director-sr" / "smartdirector.json").write_text('{"steps": 2}')
    return folder
