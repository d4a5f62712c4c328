"""Wrong answers to the exercises of lab 02, and a part of the hint that each must get."""

import torch

# What the cells of the exercises take from cells before them.
NAMES = {"torch": torch}


def starts(conditions, cuts, stride, num_frames, after=lambda length, stride: (length - 1) % stride):
    found = {0, *cuts}
    for frame, length in conditions:
        found.add(frame)
        if after(length, stride) and frame + length < num_frames:
            found.add(frame + length)
    return sorted(found)


def pins(plan):
    return [c.frame_index + k for c in plan.conditions for k in range(c.num_frames)]


def chunk_of(plan, frame):
    return next(chunk for chunk in plan.chunks if chunk.start <= frame < chunk.stop)


def within(chunk, frame):
    return -(-(frame - chunk.start) // 4)


# By check: a part of the hint, and the answer or answers.
WRONG = {
    "check_chunk_starts": [
        ("that clip's last latent", lambda n, c, cuts, s: starts(c, cuts, s, n, lambda length, s: False)),
        ("fills its last latent", lambda n, c, cuts, s: starts(c, cuts, s, n, lambda length, s: length > 1)),
        ("but there is a cut", lambda n, c, cuts, s: starts(c, [], s, n)),
        ("even without a keyframe", lambda n, c, cuts, s: starts(c, cuts, s, n)[1:]),
        ("the video ends before it", lambda n, c, cuts, s: starts(c, cuts, s, 10**6)),
        ("order of time", lambda n, c, cuts, s: starts(c, cuts, s, n)[::-1]),
        ("a frame twice", lambda n, c, cuts, s: [0, *starts(c, cuts, s, n)]),
        ("a list of frames", lambda n, c, cuts, s: n),
    ],
    "check_rounded_place": [
        ("a multiple of s", lambda f, b, s: max(1, round((f - b) / s)) * s + b),
        ("from the chunk's start", lambda f, b, s: 1 + s * max(-(-b // s), round((f - 1) / s))),
        ("on the other side", lambda f, b, s: b + 1 + s * ((f - b - 1) // s)),
        ("not s k + 1", lambda f, b, s: f),
        ("without a frame", lambda f, b, s: b + 1 - s if f == b + 1 else b + 1 + s * round((f - b - 1) / s)),
        ("a frame number", lambda f, b, s: "13"),
    ],
    "check_join_chunks": [
        ("surplus is still there", lambda d, spans: torch.cat(d, dim=2)),
        (
            "surplus at its end",
            lambda d, spans: torch.cat([x[:, :, x.shape[2] - (e - b) :] for x, (b, e) in zip(d, spans)], 2),
        ),
        (
            "not the right one",
            lambda d, spans: torch.cat([x[:, :, : e - b] for x, (b, e) in zip(d[::-1], spans[::-1])], 2),
        ),
        ("that is axis 2", lambda d, spans: torch.cat([x[:, :, :2] for x in d], dim=0)),
        ("differs from chunk to chunk", lambda d, spans: torch.cat([x[:, :, :-1] for x in d], dim=2)),
        ("one tensor", lambda d, spans: d),
    ],
    "check_pinned_frames": [
        ("more frames than its first", lambda plan: [c.frame_index for c in plan.conditions]),
        ("indices of the anchors", lambda plan: [i for i, anchor in enumerate(plan.anchors) if anchor]),
        ("without anything given", lambda plan: sorted({c.start for c in plan.chunks} | set(pins(plan)))),
        ("is not pinned", lambda plan: list(range(plan.num_frames))),
        (
            "surplus",
            lambda plan: [
                f
                for c in plan.chunks
                for f in range(c.start, c.start + (1 + 4 * (c.num_anchors - 1)) * bool(c.num_anchors))
            ],
        ),
        ("lacks frame", lambda plan: []),
        ("a list of frames", lambda plan: 3),
    ],
    "check_latents_for": [
        ("the index of the latent", lambda plan, f: chunk_of(plan, f).latent_start + within(chunk_of(plan, f), f)),
        ("counts from its chunk's start", lambda plan, f: 1 + within(chunk_of(plan, f), f)),
        ("right for one run", lambda plan, f: 1 + -(-f // 4)),
        ("holds one frame", lambda plan, f: chunk_of(plan, f).latent_start + 1 + (f - chunk_of(plan, f).start) // 4),
        ("count along plan.table()", lambda plan, f: plan.num_latents),
    ],
}
