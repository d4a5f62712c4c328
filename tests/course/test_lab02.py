"""Lab 02: the committed answers pass, the stubs are told so, and typical wrong answers get the hint that fits."""

import importlib.util
import re
from pathlib import Path

import pytest
import torch

from smartdirector_lite.course.lab import lab02

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
SPEC = importlib.util.spec_from_file_location("notebooks_build", NOTEBOOKS / "build.py")
build = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(build)

SOURCES = {  # check -> the cell of its exercise
    re.search(r"lab\.(check_\w+)", cell.source)[1]: cell.source
    for cell in build.read_source(NOTEBOOKS / "02_multi_chunk.py").cells
    if build.BEGIN in cell.source
}


def outcome(capsys, check, answer) -> str:
    """The line that a check prints."""
    check(answer)
    return capsys.readouterr().out


def run_cell(capsys, source: str) -> str:
    exec(source, {"lab": lab02, "torch": torch})
    return capsys.readouterr().out


def test_there_is_a_check_for_every_exercise():
    assert set(SOURCES) == set(lab02.__all__)


@pytest.mark.parametrize("check", lab02.__all__)
def test_committed_answer_passes_and_stub_does_not(capsys, check):
    assert "passed" in run_cell(capsys, SOURCES[check])
    stub = build.strip_solutions(SOURCES[check])
    assert build.BEGIN not in stub
    assert "not filled in yet" in run_cell(capsys, stub)


def starts(conditions, cuts, stride, num_frames, after=lambda length, stride: (length - 1) % stride):
    found = {0, *cuts}
    for frame, length in conditions:
        found.add(frame)
        if after(length, stride) and frame + length < num_frames:
            found.add(frame + length)
    return sorted(found)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda n, c, cuts, s: starts(c, cuts, s, n, lambda length, s: False), "that clip's last latent"),
        (lambda n, c, cuts, s: starts(c, cuts, s, n, lambda length, s: length > 1), "fills its last latent"),
        (lambda n, c, cuts, s: starts(c, [], s, n), "nothing begins at the cut"),
        (lambda n, c, cuts, s: starts(c, cuts, s, n)[1:], "even without a keyframe"),
        (lambda n, c, cuts, s: starts(c, cuts, s, 10**6), "the video ends before it"),
        (lambda n, c, cuts, s: starts(c, cuts, s, n)[::-1], "order of time"),
        (lambda n, c, cuts, s: [0, *starts(c, cuts, s, n)], "a frame twice"),
        (lambda n, c, cuts, s: n, "a list of frames"),
    ],
)
def test_chunk_starts(capsys, wrong, hint):
    assert hint in outcome(capsys, lab02.check_chunk_starts, wrong)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda f, b, s: max(1, round((f - b) / s)) * s + b, "a multiple of s"),
        (lambda f, b, s: 1 + s * max(-(-b // s), round((f - 1) / s)), "from the chunk's start"),
        (lambda f, b, s: b + 1 + s * ((f - b - 1) // s), "on the other side"),
        (lambda f, b, s: f, "not s k + 1"),
        (lambda f, b, s: b + 1 - s if f == b + 1 else b + 1 + s * round((f - b - 1) / s), "without a frame"),
        (lambda f, b, s: "13", "a frame number"),
    ],
)
def test_rounded_place(capsys, wrong, hint):
    assert hint in outcome(capsys, lab02.check_rounded_place, wrong)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda d, spans: torch.cat(d, dim=2), "surplus is still there"),
        (
            lambda d, spans: torch.cat([x[:, :, x.shape[2] - (e - b) :] for x, (b, e) in zip(d, spans)], 2),
            "a chunk's end",
        ),
        (
            lambda d, spans: torch.cat([x[:, :, : e - b] for x, (b, e) in zip(d[::-1], spans[::-1])], 2),
            "not the right one",
        ),
        (lambda d, spans: torch.cat([x[:, :, :2] for x in d], dim=0), "that is axis 2"),
        (lambda d, spans: torch.cat([x[:, :, :-1] for x in d], dim=2), "differs from chunk to chunk"),
        (lambda d, spans: d, "one tensor"),
    ],
)
def test_join_chunks(capsys, wrong, hint):
    assert hint in outcome(capsys, lab02.check_join_chunks, wrong)


def pins(plan):
    return [c.frame_index + k for c in plan.conditions for k in range(c.num_frames)]


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda plan: [c.frame_index for c in plan.conditions], "more frames than its first"),
        (lambda plan: [i for i, anchor in enumerate(plan.anchors) if anchor], "indices of the anchors"),
        (lambda plan: sorted({c.start for c in plan.chunks} | set(pins(plan))), "without anything given"),
        (lambda plan: list(range(plan.num_frames)), "is not pinned"),
        (
            lambda plan: [
                f
                for c in plan.chunks
                for f in range(c.start, c.start + (1 + 4 * (c.num_anchors - 1)) * bool(c.num_anchors))
            ],
            "surplus",
        ),
        (lambda plan: [], "lacks frame"),
        (lambda plan: 3, "a list of frames"),
    ],
)
def test_pinned_frames(capsys, wrong, hint):
    assert hint in outcome(capsys, lab02.check_pinned_frames, wrong)


def chunk_of(plan, frame):
    return next(chunk for chunk in plan.chunks if chunk.start <= frame < chunk.stop)


def within(chunk, frame):
    return -(-(frame - chunk.start) // 4)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda plan, f: chunk_of(plan, f).latent_start + within(chunk_of(plan, f), f), "the index of the latent"),
        (lambda plan, f: 1 + within(chunk_of(plan, f), f), "counts from its chunk's start"),
        (lambda plan, f: 1 + -(-f // 4), "right for one run"),
        (lambda plan, f: chunk_of(plan, f).latent_start + 1 + (f - chunk_of(plan, f).start) // 4, "holds one frame"),
        (lambda plan, f: plan.num_latents, "count along plan.table()"),
    ],
)
def test_latents_for(capsys, wrong, hint):
    assert hint in outcome(capsys, lab02.check_latents_for, wrong)
