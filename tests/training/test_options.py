"""Options out of range are refused, with their names."""

import math
from dataclasses import fields
from typing import get_args

import numpy as np
import pytest

from smartdirector_lite.training.bank import BankConfig, build_bank
from smartdirector_lite.training.finetune import GenFinetune, SRFinetune, finetune
from smartdirector_lite.training.gen import GenConfig, train_gen
from smartdirector_lite.training.options import LoopConfig
from smartdirector_lite.training.restorer import RestorerConfig, train_restorer
from smartdirector_lite.training.sr import SRConfig, train_sr
from smartdirector_lite.training.vae import VAEConfig, train_vae


@pytest.mark.parametrize(
    ("config", "options", "message"),
    [
        (LoopConfig, {"steps": 0}, "steps = 0"),
        (LoopConfig, {"log_every": 0}, "log_every = 0"),
        (LoopConfig, {"minutes": 0.0}, "minutes = 0.0"),
        (LoopConfig, {"decay": 1.5}, "decay = 1.5"),
        (LoopConfig, {"precision": "fp8"}, "precision = 'fp8'.*auto, bf16, fp32"),
        (VAEConfig, {"film_share": 1.2}, "film_share"),
        (VAEConfig, {"freeze_encoder": True}, "freeze_encoder needs init"),
        (VAEConfig, {"keep_weight": 1.0}, "keep_weight needs init"),
        (VAEConfig, {"freeze_decoder": True}, "freeze_decoder needs init"),
        (VAEConfig, {"init": "a", "freeze_encoder": True, "freeze_decoder": True}, "nothing is left to train"),
        (VAEConfig, {"batch": 0}, "batch = 0"),
        (VAEConfig, {"workers": -1}, "workers = -1: give 0 or more"),
        (GenConfig, {"clip_anchor": 2.0}, "clip_anchor = 2.0"),
        (GenConfig, {"shards": -1}, "shards = -1"),
        (GenConfig, {"steps": -1}, "steps = -1"),
        (GenConfig, {"rope": "frames"}, "rope = frames: give one of frame_time, "),
        (SRConfig, {"shards": -1}, "shards = -1: give 0 or more"),
        (SRConfig, {"latent_frames": 0}, "latent_frames = 0: give 1 or more"),
        (SRConfig, {"layers": 0}, "layers = 0"),
        (SRConfig, {"no_anchor": 1.5}, "no_anchor = 1.5: give 0 to 1"),
        (SRConfig, {"at_start": float("nan")}, "at_start = nan"),
        (SRConfig, {"steps": -1}, "steps = -1"),
        (SRConfig, {"upsample": "nearest"}, "upsample must be one of latent, pixel, got 'nearest'"),
        (RestorerConfig, {"batch": 0}, "batch = 0: give 1 or more"),
        (RestorerConfig, {"channels": 0}, "channels = 0: give 1 to 65536"),
        (RestorerConfig, {"shards": -1}, "shards = -1: give 0 or more"),
        (RestorerConfig, {"frames": 1}, "frames = 1: give 2 to 9"),
        (RestorerConfig, {"frames": 10}, "frames = 10: give 2 to 9"),
        (RestorerConfig, {"crop": 65}, "crop = 65: give 8 to 64"),
        (RestorerConfig, {"film_share": float("nan")}, "film_share = nan: give 0 to 1"),
        (RestorerConfig, {"steps": 0}, "steps = 0"),
    ],
)
def test_options_out_of_range_are_refused(config, options, message):
    with pytest.raises(ValueError, match=message):
        config(**options)


CONFIGS = (VAEConfig, BankConfig, GenConfig, SRConfig, RestorerConfig, GenFinetune, SRFinetune)


def numeric(kind: object) -> bool:
    return kind in (int, float) or any(map(numeric, get_args(kind)))


@pytest.mark.parametrize("config", CONFIGS)
def test_every_number_has_a_range(config):
    names = [field.name for field in fields(config) if numeric(field.type)]
    assert len(names) > 1
    for name in names:
        default = getattr(config(), name)
        for wrong in (math.nan, "1", True, -math.inf, -1e9, *([math.inf] if isinstance(default, int) else [])):
            value = (wrong, wrong) if isinstance(default, tuple) else wrong
            with pytest.raises(ValueError, match=rf"^{name} = .*: give ") as caught:
                config(**{name: value})
            assert "\n" not in str(caught.value)


@pytest.mark.parametrize("config", CONFIGS)
def test_infinity_is_a_limit_but_no_rate(config):
    for field in fields(config):
        if field.name in ("minutes", "save_minutes", "clip"):
            assert getattr(config(**{field.name: math.inf}), field.name) == math.inf
        elif numeric(field.type):
            with pytest.raises(ValueError, match=rf"^{field.name} = "):
                config(**{field.name: (math.inf,) * 2 if field.name == "size" else math.inf})


def test_a_number_is_what_it_says_however_it_is_written():
    config = GenConfig(steps=2.0, lr=np.float32(0.5), layers=np.int64(3), patch=None, sigma_data=None, minutes=5)
    assert repr((config.steps, config.lr, config.layers, config.minutes)) == "(2, 0.5, 3, 5.0)"
    for name in ("steps", "patch"):
        with pytest.raises(ValueError, match=rf"{name} = 2.5: give a whole number, 1 or more"):
            GenConfig(**{name: 2.5})
    with pytest.raises(ValueError, match="text_dim = 100: give a whole number, 48 to 65536, a multiple of 48"):
        GenConfig(text_dim=100)


@pytest.mark.parametrize("given", ["run/export", "link/export", "run/../run/export/vae", "run/checkpoint"])
def test_a_run_replaces_none_of_its_inputs(tmp_path, monkeypatch, given):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "link").symlink_to("run", target_is_directory=True)
    for run, config in (
        (train_vae, VAEConfig(out="run", init=given)),
        (train_gen, GenConfig(out="./run", vae=given)),
        (train_sr, SRConfig(out="run", gen=given)),
        (train_restorer, RestorerConfig(out="link", model=given)),
        (finetune, GenFinetune(out="run", base=given)),
    ):
        with pytest.raises(ValueError, match=rf"^out = .*: its \w+ would replace the input {given}; give another out$"):
            run(config)
    assert not any((tmp_path / "run").iterdir())
    VAEConfig(out="run").check_out("run/exported", "other/export", "")


def test_a_run_that_cannot_write_says_so_before_it_loads_anything(tmp_path):
    (tmp_path / "file").touch()
    out = str(tmp_path / "file" / "run")
    for run, config in (
        (train_vae, VAEConfig(out=out)),
        (train_gen, GenConfig(out=out)),
        (train_sr, SRConfig(out=out)),
        (train_restorer, RestorerConfig(out=out)),
        (finetune, SRFinetune(out=out)),
        (build_bank, BankConfig(bank=out)),
    ):
        with pytest.raises(
            ValueError, match=r"^.*file/run: can't write there \(Not a directory\); choose another folder$"
        ):
            run(config)
