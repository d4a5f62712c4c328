"""FVD by a file of I3D: what the network is shown, what becomes of a wrong file, and what tables and records say."""

import json
import re

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from smartdirector_lite.cli import main
from smartdirector_lite.evaluation import benchmark
from smartdirector_lite.evaluation.distances import frechet_distance
from smartdirector_lite.evaluation.i3d import SIDE, as_seen, load_i3d


class TinyI3D(nn.Module):
    """Is called as I3D is; its features are the mean of each channel, and the mean change of the red one."""

    def forward(self, x: Tensor, rescale: bool = True, resize: bool = True, return_features: bool = False) -> Tensor:
        assert not rescale and not resize and return_features
        change = (x[:, 0, 1:] - x[:, 0, :-1]).abs().mean(dim=(1, 2, 3))
        return torch.cat([x.mean(dim=(2, 3, 4)), change[:, None]], dim=1)


@pytest.fixture
def file(tmp_path):
    torch.jit.script(TinyI3D()).save(tmp_path / "i3d.pt")
    return tmp_path / "i3d.pt"


def test_windows_are_shown_as_squares_from_minus_1_to_1(file):
    video = torch.zeros(24, 3, 20, 36)
    video[:, 0] = 1
    video[:, :, :, :8] = video[:, :, :, -8:] = 0.5  # what lies outside of the middle square is not seen
    features = load_i3d(file)
    assert_close(features.of_video(video), torch.tensor([[1.0, -1, -1, 0]] * 2))
    assert as_seen(video).shape == (24, 3, SIDE, SIDE) and re.fullmatch("I3D [0-9a-f]{16}", features.name)
    flashing = video.clone()
    flashing[::2, 0, :, 8:-8] = 0
    assert_close(features.of_video(flashing)[:, 3], torch.tensor([2.0, 2.0]))


def test_what_is_no_network_of_this_kind_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"i3d = .*none.pt: is no TorchScript file that can be read \(.*No such file"):
        load_i3d(tmp_path / "none.pt")
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(ValueError, match=r"text\.pt: is no TorchScript file"):
        load_i3d(tmp_path / "text.pt")
    torch.jit.script(nn.Linear(3, 3)).save(tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"other\.pt: give I3D's TorchScript file"):
        load_i3d(tmp_path / "other.pt").of_video(torch.zeros(16, 3, 8, 8))


def test_the_command_takes_distances_in_its_features(file, tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "QUICK_SECONDS", (1.3, 1.5))
    out = tmp_path / "out"
    command = ["evaluate", "--model", "none", "--quick", "--items", "2", "--baselines", "cross-fade", "--out", str(out)]
    assert main([*command, "--i3d", str(file)]) == 0
    name = load_i3d(file).name
    assert f"in the features of {name}" in (out / "results.md").read_text(encoding="utf-8")
    paths = sorted((out / "records" / "cross-fade").glob("single-*.json"))
    records = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    assert [record["made_by"]["features"] for record in records] == [name] * 2
    own, true = (torch.tensor([row for one in records for row in one[key]]) for key in ("features", "true_features"))
    assert own.shape[1] == 4
    found = json.loads((out / "results.json").read_text(encoding="utf-8"))["results"]["single"]["cross-fade"]
    assert found["Frechet distance"]["value"] == pytest.approx(float(frechet_distance(own, true)), rel=1e-3)
    assert main(command) == 0  # in features of our own again: measured anew, and said to be no FVD
    assert "no FVD" in (out / "results.md").read_text(encoding="utf-8")
