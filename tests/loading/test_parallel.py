"""Several processes: storyboards shared out among them, and one video's tokens. Real processes, on the CPU, over gloo.

What needs GPUs is not tried here: NCCL, a device for each process, and the attention kernels that ring attention needs
(a plain one with a log-sum-exp stands in for them).
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from browsers import free_port
from launching import ROOT, check, launch
from PIL import Image

from smartdirector_lite.cli import app as cli
from smartdirector_lite.context_parallel import check_shares, fitting_lengths, share_tokens
from smartdirector_lite.loading.jobs import prepare_jobs
from smartdirector_lite.media import read_video
from smartdirector_lite.timeline import ChunkPlan, Condition


def write_story(path: Path, num_frames: int = 13, **changes: object) -> Path:
    path.parent.mkdir(exist_ok=True, parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((48, 32)).save(path.parent / "ball.png")
    story = {"description": f"a ball in {path.stem}", "num_frames": num_frames, "size": [48, 32]}
    story["keyframes"] = [{"image": "ball.png", "frame": 5}]
    path.write_text(json.dumps({**story, **changes}))
    return path


@pytest.fixture(scope="module")
def model(wan_folder, tmp_path_factory) -> str:
    folder = shutil.copytree(wan_folder, tmp_path_factory.mktemp("parallel") / "model")
    (folder / "smartdirector.json").write_text('{"steps": 2, "guidance_scale": 2.0, "size": [48, 32], "fps": 12}')
    return str(folder)


def messages(*done: subprocess.CompletedProcess) -> list[str]:
    return [line for one in done for line in one.stderr.splitlines() if line.startswith("smartdirector: ")]


# ---------------------------------------------------------------- storyboards


def flat(value: object) -> Iterator[float]:
    """The numbers in a JSON value, in order."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from flat(inner)
    elif isinstance(value, int | float):
        yield float(value)


def test_two_processes_make_the_files_of_one_and_outlive_a_failure(model, tmp_path, capsys):
    # 50 x 32 fits no token: found when its turn comes, for it is the model that says so
    stories = [write_story(tmp_path / f"{name}.json", size=[48 + 2 * (name == "a"), 32]) for name in "abc"]
    options = ["--model", model, "--seed", 3]
    assert cli.main([*map(str, ["generate", *stories, "--out", tmp_path / "one", *options])]) == 2
    alone = capsys.readouterr()
    complaint = f"smartdirector: {stories[0]}: size 50x32: the width must be a multiple of 16"
    assert [line[: len(complaint)] for line in alone.err.splitlines() if line.startswith("smart")] == [complaint]

    done = launch("generate", *stories, "--out", tmp_path / "two", *options)
    assert [one.returncode for one in done] == [2, 2], done
    assert [line[: len(complaint)] for line in messages(*done)] == [complaint]
    first, second = (one.stdout.splitlines() for one in done)  # shares: a and b, c
    assert len(first) == len(second) == 1
    assert first[0].startswith(f"{tmp_path / 'two' / 'b.mp4'}: 13 frames at 12 fps in ")
    assert second[0].startswith(f"{tmp_path / 'two' / 'c.mp4'}: 13 frames at 12 fps in ")
    assert "Director-Gen" not in done[0].stderr + done[1].stderr and "Director-Gen" in alone.err

    made = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert made == [f"{name}.{end}" for name in "bc" for end in ("mp4", "report.json", "sheet.png")]
    assert made == sorted(path.name for path in (tmp_path / "two").iterdir())
    for name in "bc":  # the last bits may differ: a product's depends on where its matrices lie in memory
        videos, reports = [], []
        for folder in ("one", "two"):
            videos.append(read_video(tmp_path / folder / f"{name}.mp4").astype(int))
            reports.append([*flat(json.loads((tmp_path / folder / f"{name}.report.json").read_text()))])
        assert abs(videos[0] - videos[1]).mean() < 0.5
        assert reports[0] == pytest.approx(reports[1], rel=1e-2)
    one, other = (read_video(tmp_path / "one" / f"{name}.mp4").astype(int) for name in "bc")
    assert abs(one - other).mean() > 1


def test_bad_input_is_said_once_before_any_model_loads_under_torchrun(tmp_path):
    good, bad = write_story(tmp_path / "a.json"), tmp_path / "b.json"
    bad.write_text("{")
    torchrun = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc_per_node",
        "2",
        "--master_port",
        str(free_port()),
    ]
    command = ["-m", "smartdirector_lite.cli", "generate", good, bad, "--out", tmp_path / "out", "--model", "nowhere"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [*torchrun, *map(str, command)], env=environment, capture_output=True, text=True, encoding="utf-8", timeout=100
    )
    (line,) = messages(done)
    assert line.startswith(f"smartdirector: {bad}: not JSON: ")
    assert done.returncode == 1 and "exitcode  : 2" in done.stderr  # torchrun's own report of our 2
    assert not (tmp_path / "out").exists()


def test_videos_are_named_apart(tmp_path, capsys):
    one, two, three = (write_story(tmp_path / name / "story.json") for name in ("a", "b", "deep/a"))
    assert [job.video.name for job in prepare_jobs([one, two], tmp_path / "out")] == ["a.mp4", "b.mp4"]
    assert (tmp_path / "out").is_dir()
    upper = write_story(tmp_path / "A.json")
    for clash in ([one, three], [one, two, upper], [two, two]):
        with pytest.raises(ValueError, match=r"would both be written to .*\.mp4; rename one of them"):
            prepare_jobs(clash, tmp_path / "out2")
    for out, message in ((tmp_path / "x.mp4", "need a folder"), (one, "need a folder")):
        with pytest.raises(ValueError, match=message):
            prepare_jobs([one, two], out)
    with pytest.raises(ValueError, match="no storyboards"):
        prepare_jobs([], tmp_path)
    assert not (tmp_path / "out2").exists()
    assert cli.main(["generate", str(one), str(three), "--out", str(tmp_path / "out2"), "--model", "nowhere"]) == 2
    assert capsys.readouterr().err.count("\n") == 1 and not (tmp_path / "out2").exists()


LEAVE = """
import atexit, torch
from smartdirector_lite.loading.parallel import processes

atexit.register(lambda: print(torch.distributed.is_initialized()))  # runs after what is registered later
processes(), processes()
print(torch.distributed.is_initialized())
"""


def test_processes_on_cpus_part_before_python_ends():
    done = launch(code=LEAVE)
    check(done)
    assert [process.stdout.split() for process in done] == [["True", "False"]] * 2


# ---------------------------------------------------------------- one video's tokens

SHARE = """
import sys
import torch
from diffusers.models import attention_dispatch
from smartdirector_lite import cli, context_parallel
from smartdirector_lite.loading.parallel import processes
from smartdirector_lite.gen.transformer import DirectorTransformer3DModel

state = processes()
torch.manual_seed(0)
sizes = dict(num_attention_heads=4, attention_head_dim=24, in_channels=8, out_channels=8, text_dim=16, freq_dim=32,
    ffn_dim=96, num_layers=3, rope_max_seq_len=64)
first = DirectorTransformer3DModel(**sizes).eval()
x, text = torch.randn(2, 8, 6, 4, 8), torch.randn(2, 5, 16)
timestep = torch.tensor([[0, 500, 500, 0, 500, 500], [0, 900, 900, 0, 900, 100]])
tau = torch.rand(2, 6) * 9
calls = [dict(tau=tau), dict(rotary_emb=first.rotary(tau[0], 4, 8))]

def attend(ctx, q, k, v, mask, dropout, causal, scale, gqa, return_lse, _save_ctx=True, _parallel_config=None):
    scores = torch.einsum("bqhd,bkhd->bhqk", q, k) / q.shape[-1] ** 0.5
    out = torch.einsum("bhqk,bkhd->bqhd", scores.softmax(-1), v)
    return (out, scores.logsumexp(-1).transpose(1, 2)) if return_lse else out

@torch.no_grad()
def compare(kind):
    torch.manual_seed(1)
    model = DirectorTransformer3DModel(**sizes).eval()
    for weight in model.parameters():  # the output must depend on every token
        weight.add_(0.1 * torch.randn_like(weight))
    alone = [model(x, timestep, text, return_dict=False, **call)[0] for call in calls]
    tokens = []
    model.blocks[1].attn1.register_forward_pre_hook(lambda module, args: tokens.append(args[0].shape[1]))
    context_parallel.share_tokens(model, kind, state)
    together = [model(x, timestep, text, return_dict=False, **call)[0] for call in calls]
    for one, two in zip(alone, together):
        assert one.std() > 0.1 and (one - two).abs().max() < 1e-5, (kind, (one - two).abs().max())
    assert tokens == [6 * 8 // 2] * 2, tokens
    print(kind, flush=True)

compare("ulysses")
kept = context_parallel.NOT_FOR_RING, attention_dispatch._native_attention_forward_op
context_parallel.NOT_FOR_RING, attention_dispatch._native_attention_forward_op = set(), attend
compare("ring")
context_parallel.NOT_FOR_RING, attention_dispatch._native_attention_forward_op = kept
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def shared(model, tmp_path_factory):
    """Two processes that share tokens, compared with one in `SHARE`, and then in the command on these storyboards."""
    folder = tmp_path_factory.mktemp("shared")
    stories = [write_story(folder / f"{name}.json", count) for name, count in (("even", 10), ("odd", 14))]
    command = ["generate", *stories, "--model", model, "--stage", "gen"]
    done = launch(*command, "--context-parallel", "ulysses", "--out", folder / "two", code=SHARE)
    return folder, stories, command, done


def test_two_processes_that_share_tokens_give_what_one_gives(shared):
    done = shared[-1]
    assert [one.stdout.splitlines()[:2] for one in done] == [["ulysses", "ring"]] * 2, done[0].stderr + done[1].stderr


def test_context_parallel_generates_the_same_video_and_names_lengths_that_fit(shared):
    folder, stories, command, done = shared
    assert [one.returncode for one in done] == [2, 2], done[0].stderr + done[1].stderr
    assert messages(*done) == [
        f"smartdirector: {stories[1]}: num_frames = 14 makes 5 latent frames, which 2 processes can't share evenly; "
        "with the same keyframes and cuts, num_frames = 10 or 15 can be shared"
    ]
    assert [len(one.stdout.splitlines()) for one in done] == [3, 2]  # the first process writes, and says so
    assert "Director-Gen" in done[0].stderr and "Director-Gen" not in done[1].stderr
    assert cli.main([*map(str, [*command, "--out", folder / "one"])]) == 0
    one, two = (read_video(folder / name / "even.mp4").astype(int) for name in ("one", "two"))
    assert one.shape == two.shape == (10, 32, 48, 3) and np.abs(one - two).max() <= 2


def test_lengths_that_fit():
    plan = ChunkPlan.build(30, [Condition(0), Condition(13), Condition(23)])
    assert plan.num_latents == 11
    for count in (2, 3, 4, 8):
        lengths = fitting_lengths(plan, count)
        assert lengths and lengths[-1] > 30
        for length in lengths:
            assert ChunkPlan.build(length, plan.conditions, 4).num_latents % count == 0
        between = range(lengths[0] + 1 if len(lengths) == 2 else 24, lengths[-1])
        assert all(ChunkPlan.build(length, plan.conditions, 4).num_latents % count for length in between)
    assert fitting_lengths(ChunkPlan.build(1), 2) == [2]


class Processes:
    """What a process of several knows, for the checks that come before it speaks to the others."""

    def __init__(self, num_processes: int, device: str = "cpu"):
        self.num_processes, self.device = num_processes, torch.device(device)


def test_what_cannot_be_shared_is_refused(gen, monkeypatch):
    from diffusers import FirstBlockCacheConfig

    from smartdirector_lite.gen.transformer import DirectorTransformer3DModel

    model = DirectorTransformer3DModel.from_config(gen.transformer.config)
    for kind, state, message in (
        ("ulysses", Processes(3), "3 processes can't share 2 attention heads; start 2, or use kind='ring'"),
        (
            "ring",
            Processes(2),
            "backend 'native' can't do context parallelism of kind 'ring'; choose one of ",
        ),
        ("ulysses", Processes(2, "cuda:1"), "the transformer is on cpu, this process has cuda:1"),
    ):
        with pytest.raises(ValueError, match=message.replace("(", r"\(")):
            share_tokens(model, kind, state)
    model.set_attention_backend("_native_math")
    with pytest.raises(ValueError, match=r"backend '_native_math' can't .* choose one of .*native.* with transformer"):
        share_tokens(model, "ulysses", Processes(2))
    assert model._parallel_config is None

    monkeypatch.setattr("smartdirector_lite.context_parallel.num_shares", lambda transformer: 2)
    check_shares(ChunkPlan.build(5), model)
    model.enable_cache(FirstBlockCacheConfig(threshold=0.1))
    with pytest.raises(ValueError, match=r"the transformer has a cache, .*; call transformer.disable_cache\(\)"):
        check_shares(ChunkPlan.build(5), model)
    monkeypatch.setattr("smartdirector_lite.context_parallel.num_shares", lambda transformer: 3)
    model.disable_cache()
    with pytest.raises(ValueError, match=r"num_frames = 5 makes 2 latent frames, which 3 processes can't"):
        gen_with(gen, model)(prompt="a", num_frames=5, height=32, width=48)


def gen_with(gen, transformer):
    from smartdirector_lite.gen.pipeline import DirectorGenPipeline

    return DirectorGenPipeline(**{**gen.components, "transformer": transformer})


def test_one_process_is_left_as_it_is(model):
    from smartdirector_lite.loading.loader import load_director
    from smartdirector_lite.loading.parallel import enable_context_parallel, process_device

    assert process_device() is None
    director = load_director(model)
    enable_context_parallel(director)
    assert director.gen.transformer._parallel_config is None
    with pytest.raises(ValueError, match="kind must be one of ulysses, ring, got 'both'"):
        enable_context_parallel(director, "both")
