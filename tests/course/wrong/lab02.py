"""Answers to the exercises of lab 02, as text: other right ones, and wrong ones with the hint that each must get."""

import itertools

import torch

NAMES = {"torch": torch, "itertools": itertools, "stride": 4}  # notebook 02 has a global stride of 4


def starts(
    condition: str = "(length - 1) % stride and frame + length < num_frames", end: str = "sorted(found)"
) -> tuple:
    return "02.1", (
        "def chunk_starts(num_frames, conditions, cuts, stride):\n"
        "    found = {0, *cuts}\n"
        "    for frame, length in conditions:\n"
        "        found.add(frame)\n"
        f"        if {condition}:\n"
        "            found.add(frame + length)\n"
        f"    return {end}\n"
    )


def place(body: str) -> tuple[str, str]:
    return "02.2", f"def rounded_place(frame, start, stride):\n    {body}\n"


def join(body: str) -> tuple[str, str]:
    return "02.3", f"def join_chunks(decoded, spans):\n    {body}\n"


def cut(part: str) -> tuple[str, str]:
    return join(f"return torch.cat([d[:, :, {part}] for d, (a, b) in zip(decoded, spans)], dim=2)")


def pins(body: str) -> tuple[str, str]:
    return "02.4", f"def pinned_frames(plan):\n    {body}\n"


def wait(body: str, find: str = "c.start <= frame < c.stop") -> tuple[str, str]:
    return "02.5", (f"def latents_for(plan, frame):\n    chunk = next(c for c in plan.chunks if {find})\n    {body}\n")


CLIPS = "for c in plan.conditions for k in range(c.num_frames)"

RIGHT = [
    (
        "02.1",
        "def chunk_starts(num_frames, conditions, cuts, stride):\n"
        "    starts = [0] + cuts + [frame for frame, _ in conditions]\n"
        "    starts += [frame + length for frame, length in conditions if length % stride != 1 % stride]\n"
        "    return sorted(start for start in set(starts) if start < num_frames)\n",
    ),
    starts("(length + stride - 1) % stride != 0 and frame + length != num_frames", "list(sorted(found))"),
    place("return min((start + 1 + stride * k for k in range(100)), key=lambda b: abs(b - frame))"),
    place("return start + 1 + (frame - start - 1 + stride // 2) // stride * stride"),
    cut("0 : b - a"),
    join(
        "video = []\n    for d, (a, b) in zip(decoded, spans):\n        video += list(d.unbind(2))[: b - a]\n"
        "    return torch.stack(video, dim=2)"
    ),
    pins(
        "frames = []\n    for c in plan.conditions:\n"
        "        frames += range(c.frame_index, c.frame_index + c.num_frames)\n"
        "    frames.sort()\n    return frames"
    ),
    pins("return [f for f in range(plan.num_frames) if any(c.frame_index <= f < c.stop for c in plan.conditions)]"),
    wait("return chunk.latent_start + (frame - chunk.start + plan.stride - 1) // plan.stride + 1"),
    wait(
        "shown, count = chunk.start, chunk.latent_start + 1\n    while shown < frame:\n"
        "        shown += plan.stride\n        count += 1\n    return count"
    ),
]

WRONG = [
    (*starts("False"), "that clip's last latent"),
    (*starts("length > 1 and frame + length < num_frames"), "fills its last latent"),
    (
        "02.1",
        "def chunk_starts(num_frames, conditions, cuts, stride):\n"
        "    return sorted({0, *(frame for frame, _ in conditions)})",
        "but there is a cut|last latent",
    ),
    (*starts(end="sorted(found)[1:]"), "even without a keyframe"),
    (*starts("(length - 1) % stride"), "the video ends before it"),
    (*starts(end="sorted(found)[::-1]"), "order of time"),
    (*starts(end="sorted([*found, 0])"), "a frame twice"),
    (*starts(end="num_frames"), "a list of frames"),
    (*starts(end="found"), "a list of frames"),
    (
        "02.1",
        "def chunk_starts(num_frames, conditions, cuts, stride):\n    found = {0, *cuts}\n"
        "    for length, frame in conditions:\n        found.add(frame)\n"
        "        if (length - 1) % stride and frame + length < num_frames:\n            found.add(frame + length)\n"
        "    return sorted(found)",
        "the pairs the other way round",
    ),
    (*starts("(length - 1) % 4 and frame + length < num_frames"), "fills its last latent|clip's last latent"),
    (*starts("length % stride and frame + length < num_frames"), "is s k . 1, and not s k"),
    (*starts(end="[*sorted(found), num_frames]"), "the video ends before it"),
    (
        "02.1",
        "def chunk_starts(num_frames, conditions, cuts, stride):\n"
        "    return sorted({0, *cuts, *(f + n for f, n in conditions if (n - 1) % stride and f + n < num_frames)})",
        "but a condition stands there",
    ),
    (*starts("conditions.clear() or False"), "changes its input|changed size"),
    (*place("return max(1, round((frame - start) / stride)) * stride + start"), "a multiple of s"),
    (*place("return 1 + stride * max(-(-start // stride), round((frame - 1) / stride))"), "from the chunk's start"),
    (*place("return start + 1 + stride * ((frame - start - 1) // stride)"), "on the other side"),
    (*place("return start + 1 + stride * -(-(frame - start - 1) // stride)"), "on the other side"),
    (*place("return frame"), "not s k \\+ 1"),
    (
        *place("return start + 1 + stride * (round((frame - start - 1) / stride) - (frame == start + 1))"),
        "without a frame",
    ),
    (*place("return str(frame)"), "a frame number"),
    (*place("return start + 1 + stride * round((frame - start - 1) / stride) + 0.0"), "a frame number, an int"),
    (*place("return 1 + stride * round((frame - start - 1) / stride)"), "in the video|without a frame"),
    (*place("return start + 1 + 4 * round((frame - start - 1) / 4)"), "not s k \\+ 1|multiple of s"),
    (*place("return start + stride * round((frame - start) / stride)"), "without a frame|multiple of s"),
    (*place("start + 1 + stride * round((frame - start - 1) / stride)"), "`return` missing"),
    (*place("return start + 1 + stride * round((frame - start - 1) // stride)"), "on the other side"),
    (*place("return start + 2 + stride * round((frame - start - 1) / stride)"), "not s k \\+ 1"),
    (*join("return torch.cat(decoded, dim=2)"), "surplus is still there"),
    (*cut("d.shape[2] - (b - a) :"), "surplus at its end"),
    (
        *join("return torch.cat([d[:, :, : b - a] for d, (a, b) in zip(decoded[::-1], spans[::-1])], dim=2)"),
        "another order",
    ),
    (*join("return torch.cat([d[:, :, :2] for d in decoded], dim=0)"), "that is axis 2"),
    (*cut(":-1"), "differs from chunk to chunk|keyframe is the first"),
    (*cut("a:b"), "counts its own frames from 0"),
    (*cut(": b - a - 1"), "the last one of each chunk is missing"),
    (*cut("1:"), "keyframe is the first frame"),
    (*cut(": b - a + 1"), "one frame too many|surplus"),
    (*join("return decoded"), "one tensor"),
    (*join("for d, (a, b) in zip(decoded, spans):\n        return d[:, :, : b - a]"), "`return` stand inside the loop"),
    (*join("return torch.cat([d[: b - a] for d, (a, b) in zip(decoded, spans)], dim=2)"), "surplus is still there"),
    (*join("return torch.stack([d[:, :, 0] for d in decoded], dim=2)"), "differs from chunk to chunk"),
    (*join("decoded.pop()\n    return torch.cat(decoded, dim=2)"), "changes its input"),
    (*pins("return [c.frame_index for c in plan.conditions]"), "more frames than its first|ascending"),
    (*pins("return sorted(c.frame_index for c in plan.conditions)"), "more frames than its first"),
    (*pins("return [i for i, anchor in enumerate(plan.anchors) if anchor]"), "indices of the anchors"),
    (
        *pins(f"return sorted({{c.start for c in plan.chunks}} | {{c.frame_index + k {CLIPS}}})"),
        "without anything given",
    ),
    (*pins("return list(range(plan.num_frames))"), "is not pinned"),
    (
        *pins(
            "return [f for c in plan.chunks if c.num_anchors\n"
            "            for f in range(c.start, c.start + 1 + plan.stride * (c.num_anchors - 1))]"
        ),
        "surplus",
    ),
    (
        *pins(
            "return [f for c in plan.chunks if c.num_anchors\n"
            "            for f in range(c.start, min(c.stop, c.start + 1 + 4 * (c.num_anchors - 1)))]"
        ),
        "latent holds 4 frames in your answer; plan.stride says 2",
    ),
    (*pins("return []"), "lacks frame"),
    (*pins("return 3"), "a list of frames"),
    (*pins(f"return sorted([c.frame_index + k {CLIPS}], reverse=True)"), "ascending"),
    (*pins(f"return {{c.frame_index + k {CLIPS}}}"), "a list of frames"),
    (
        *pins("return sorted(c.frame_index + k for c in plan.conditions for k in range(c.num_frames + 1))"),
        "after a cond",
    ),
    (*pins(f"return sorted([0] + [c.frame_index + k {CLIPS}])"), "a frame twice|without anything given"),
    (*pins("return [True if c.num_anchors else False for c in plan.chunks]"), "a list of frames"),
    (*pins(f"print(sorted(c.frame_index + k {CLIPS}))"), "`return` missing"),
    (*wait("return chunk.latent_start - (-(frame - chunk.start) // plan.stride)"), "the index of the latent"),
    (*wait("return 1 - (-(frame - chunk.start) // plan.stride)"), "counts from its chunk's start"),
    (*wait("return 1 - (-frame // plan.stride)"), "right for one run"),
    (*wait("return chunk.latent_start + 1 + (frame - chunk.start) // plan.stride"), "holds one frame"),
    (*wait("return plan.num_latents"), "the whole video"),
    (*wait("return chunk.latent_start + 1 - (-(frame - chunk.start) // 4)"), "takes 4 frames for each latent"),
    (*wait("return chunk.latent_start + 1 - (-(frame - chunk.start) // stride)"), "takes 4 frames for each latent"),
    (
        *wait("return chunk.latent_start + 1 - (-(frame - chunk.start) // plan.stride)", "c.start <= frame <= c.stop"),
        "its stop belongs to the next chunk",
    ),
    (*wait("return chunk.latent_start + chunk.num_latents"), "waits for the whole chunk"),
    (*wait("return chunk.latent_start + 1 - (-frame // plan.stride)"), "counts frames from the start of the video"),
    (*wait("return frame + 1"), "is a number of frames"),
    (*wait("return chunk.latent_start + 1 + (frame - chunk.start) / plan.stride"), "a number of latents, an int"),
    (*wait("chunk.latent_start + 1"), "`return` missing"),
    (*wait("return 1", "c.start < frame < c.stop"), "your code raised StopIteration"),
]
