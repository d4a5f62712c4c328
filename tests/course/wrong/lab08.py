"""Answers to the exercises of lab 08, as text: other right ones, and wrong ones with the hint that each must get."""

import itertools

import numpy as np

NAMES = {"np": np, "itertools": itertools}


def function(number: str, head: str, *lines: str) -> tuple[str, str]:
    return number, f"def {head}:\n" + "".join(f"    {line}\n" for line in lines)


def jumps(value: str, convert: str = ".astype(float)", first: str = "return") -> tuple[str, str]:
    lines = (f"f = frames{convert}", "d, ax = np.diff(f, axis=0), (1, 2, 3)", f"{first} {value}".strip())
    return function("08.1", "frame_jumps(frames)", *lines)


def cuts(
    when: str = "jumps[i] > threshold and jumps[i] > ratio * np.median(w)",
    window: str = "jumps[max(0, i - around) : i + around + 1]",
    add: str = "found.append(i)",
    end: str = "return found",
) -> tuple[str, str]:
    loop = ("for i in range(len(jumps)):", f"    w = {window}", f"    if {when}:", f"        {add}")
    return function("08.2", "find_cuts(jumps, threshold=0.11, ratio=3.0, around=6)", "found = []", *loop, end)


def borders(
    marks: str = "(single > low) | (many > high)",
    when: str = "single[peak] > low",
    cut: str = "(peak + 1, peak + 1)",
    long: str = "(start, stop)",
    short: str = "stop - start <= 3",
    end: str = "return found",
    padded: str = "np.concatenate([[False], marks, [False]])",
) -> tuple[str, str]:
    lines = (f"marks = {marks}", f"marks = {padded}", "edges = np.flatnonzero(marks[1:] != marks[:-1])", "found = []")
    loop = ("for start, stop in zip(edges[::2], edges[1::2]):", "    peak = start + single[start:stop].argmax()")
    body = (f"    if {when}:", f"        found.append({cut} if {short} else {long})")
    return function("08.3", "find_transitions(single, many, low=0.1, high=0.3)", *lines, *loop, *body, end)


def scenes(
    one: str = "d[i, i + 1] < near",
    two: str = "d[i, i + 2] < later",
    new: str = "scene += i > reach",
    end: str = "return numbers",
    begin: str = "0",
    second: str = "reach = max(reach, i + 2)",
) -> tuple[str, str]:
    lines = ("d, n = distances, len(distances)", f"numbers, scene, reach = [], {begin}, 0", "for i in range(n):")
    body = (f"    {new}", "    numbers.append(scene)", "    reach = max(reach, i)")
    links = (f"    if i + 1 < n and {one}:", "        reach = max(reach, i + 1)")
    links += (f"    if i + 2 < n and {two}:", f"        {second}")
    return function("08.4", "scene_numbers(distances, near=0.3, later=0.13)", *lines, *body, *links, end)


def fit(
    end: str = "np.array([[a, -b, u], [b, a, v]])",
    rows_x: str = "[x, -y, one, zero]",
    rows_y: str = "[y, x, zero, one]",
    first: str = "",
    head: str = "return",
) -> tuple[str, str]:
    lines = [first] if first else []
    lines += ["x, y = before.T", "zero, one = np.zeros(len(x)), np.ones(len(x))"]
    lines += [f"rows = np.concatenate([np.stack({rows_x}, 1), np.stack({rows_y}, 1)])"]
    lines += ["a, b, u, v = np.linalg.lstsq(rows, np.concatenate(after.T), rcond=None)[0]", f"{head} {end}".strip()]
    return function("08.5", "fit_similarity(before, after)", *lines)


MEAN = "np.append(0, np.abs(d).mean(axis=ax) / 255)"
LSTSQ = "np.linalg.lstsq(np.column_stack([before, np.ones(len(before))]), after, rcond=None)[0]"

FAR = "reach = max(reach, i + 2 + np.flatnonzero(d[i, i + 2 :] < later)[-1])"

RIGHT = [
    jumps("np.array([0] + [np.abs(b - a).mean() / 255 for a, b in zip(f, f[1:])])"),
    jumps("np.concatenate([[0.0], np.abs(f[1:] - f[:-1]).reshape(len(f) - 1, -1).mean(1) / 255])", ".astype(int)"),
    jumps("np.abs(np.diff(f, axis=0, prepend=f[:1])).mean(axis=ax)", ".astype(np.float32) / 255"),
    cuts("jumps[i] > max(threshold, ratio * np.median(w))"),
    cuts(add="found += [i]", end="return np.array(found)"),
    borders(short="len(range(start, stop)) < 4"),
    function(
        "08.3",
        "find_transitions(single, many, low=0.1, high=0.3)",
        "found, frame = [], 0",
        "for hit, run in itertools.groupby((single > low) | (many > high)):",
        "    start, frame = frame, frame + len(list(run))",
        "    peak = start + int(np.argmax(single[start:frame]))",
        "    if hit and single[peak] > low:",
        "        found.append([peak + 1] * 2 if frame - start < 4 else [start, frame])",
        "return found",
    ),
    scenes(end="return np.array(numbers)"),
    function(
        "08.4",
        "scene_numbers(distances, near=0.3, later=0.13)",
        "n = len(distances)",
        "breaks = [not any(distances[a, b] < (near if b - a == 1 else later)",
        "          for a, b in ((i - 1, i), (i - 2, i), (i - 1, i + 1)) if a >= 0 and b < n) for i in range(1, n)]",
        "return [0, *np.cumsum(breaks).tolist()]",
    ),
    fit("[[a, -b, u], [b, a, v]]"),
    function(
        "08.5",
        "fit_similarity(before, after)",
        "p, q = (points @ np.array([1, 1j]) for points in (before, after))",
        "z = np.vdot(p - p.mean(), q - q.mean()) / np.vdot(p - p.mean(), p - p.mean())",
        "t = q.mean() - z * p.mean()",
        "return np.array([[z.real, -z.imag, t.real], [z.imag, z.real, t.imag]])",
    ),
]

WRONG = [
    # 08.1
    (*jumps("np.append(0, d.mean(axis=ax) / 255)", ""), "bytes have no negative"),
    (*jumps(MEAN, ""), "bytes have no negative"),
    (*jumps("np.abs(d).mean(axis=ax) / 255"), "put a 0 there"),
    (*jumps("np.append(0, np.abs(d).mean(axis=ax))"), "divide by 255"),
    (*jumps("np.append(0, d.mean(axis=ax) / 255)"), "cancel out"),
    (*jumps("np.append(0, np.abs(d.mean(axis=ax)) / 255)"), "then the mean"),
    (*jumps("np.append(0, (d / 255).__pow__(2).mean(axis=ax))"), "squared"),
    (*jumps("np.append(0, (d / 255).__pow__(2).mean(axis=ax) ** 0.5)"), "root"),
    (*jumps("np.append(0, np.abs(d).sum(axis=ax) / 255)"), "the sum"),
    (*jumps("np.append(0, np.abs(d).max(axis=ax) / 255)"), "the largest"),
    (*jumps("np.append(np.abs(d).mean(axis=ax) / 255, 0)"), "too early"),
    (*jumps("np.abs(f - f[0]).mean(axis=ax) / 255"), "compares with frame 0"),
    (*jumps(MEAN, first=""), "`return` missing"),
    (*jumps("np.abs(d).mean() / 255"), "one number for each frame"),
    (*jumps("f.mean(axis=ax) / 255"), "one black and one white"),
    (*jumps("(frames.__setitem__(0, 0), np.zeros(7))[1]"), "changes its input frames"),
    # 08.2
    (*cuts("jumps[i] > threshold"), "fast movement"),
    (*cuts("jumps[i] > ratio * np.median(w)"), "exceed the threshold"),
    (*cuts("jumps[i] > threshold or jumps[i] > ratio * np.median(w)"), "both must hold"),
    (*cuts(window="jumps[i - around : i + around + 1]"), r"max\(0"),
    (*cuts(add="found.append(i + 1)"), "too late"),
    (*cuts(add="found.append(i - 1)"), "too early"),
    (*cuts(add="found.append(True)"), "not True and False"),
    (*cuts(add="return [i]"), "only the first"),
    (*cuts(add="pass"), "nothing was found"),
    (*cuts(end="return len(found)"), "a list of frames"),
    (*cuts(end="found"), "`return` missing"),
    (*cuts("jumps[i] > 0.11 and jumps[i] > ratio * np.median(w)"), "`threshold` is 0.3"),
    (*cuts("jumps[i] > threshold and jumps[i] > 3 * np.median(w)"), "`ratio` is 12"),
    (*cuts(window="jumps[max(0, i - 6) : i + 7]"), "`around` is 2"),
    (*cuts("jumps[i] > threshold and jumps[i] > ratio * np.mean(w)"), "the cuts are"),
    (*cuts(add="found.append((i, i))"), "not a list of pairs"),
    (*cuts(window="jumps[i, i]"), "your code raised IndexError"),
    # 08.3
    (*borders("single > low"), "`many` is not used"),
    (*borders("many > high"), "`single` is not used|you found"),
    (*borders(when="True"), "a run counts only"),
    (*borders(cut="(peak, peak)"), "OLD shot"),
    (*borders(cut="(start, start)"), "not at its start"),
    (*borders(cut="(stop, stop)"), "not at its end"),
    (*borders(long="(start, stop - 1)"), "AFTER the transition"),
    (*borders(short="False"), "at most 3 frames is a cut"),
    (*borders(short="True"), "more than 3 frames"),
    (*borders(padded="np.concatenate([[False], marks])"), "film's end"),
    (*borders(end="return [start for start, _ in found]"), "pairs"),
    (*borders(end="found"), "`return` missing"),
    (*borders(end="return found[:1]"), "only the first"),
    (*borders("(single > 0.1) | (many > 0.3)", when="single[peak] > 0.1"), "are both used"),
    (*borders(end="return []"), "nothing was found"),
    # 08.4
    (*scenes(two="False"), "its reverse view"),
    (*scenes(two="d[i, i + 2] < near"), "a limit of its own"),
    (*scenes(one="d[i, i + 1] < later"), "has the limit `near`"),
    (*scenes(one="d[i, i + 1] < later", two="d[i, i + 2] < near"), "changed places"),
    (*scenes(one="d[i, i + 1] < 0"), "only the one after it"),
    (*scenes(begin="1"), "counted from 0"),
    (*scenes(new="pass"), "one scene"),
    (*scenes(one="False", two="False"), "of its own"),
    (*scenes(one="d[i, i + 1] > near", two="d[i, i + 2] > later"), "SMALL distances"),
    (*scenes(end="return numbers[1:]"), "each shot has one"),
    (*scenes(end="numbers"), "`return` missing"),
    (*scenes(end="return scene"), "a list of the scenes' numbers"),
    (*scenes(two="(d[i, i + 2 :] < later).any()", second=FAR), "next two shots only"),
    (*scenes("d[i, i + 1] < 0.3", "d[i, i + 2] < 0.13"), "near = 0.45"),
    # 08.5
    (*fit("np.array([[1, 0, (after - before).mean(0)[0]], [0, 1, (after - before).mean(0)[1]]])"), "mean shift alone"),
    (*fit("np.array([[a, -b, u], [b, a, v]]).T"), "turned over"),
    (*fit("np.array([[a, b, u], [-b, a, v]])"), "wrong sign"),
    (*fit(first="before, after = after, before"), "turn the two round"),
    (*fit(f"{LSTSQ}.T"), "six free numbers|scale and turn|no similarity|pixels away"),
    (*fit("np.array([[a, -b, 0], [b, a, 0]])"), "the shift is not"),
    (*fit("np.array([[a, -b, (x - after[:, 0]).mean()], [b, a, v]])"), "the shift is not"),
    (*fit(first="before, after = before[:2], after[:2]"), "first two points"),
    (*fit("np.array([[a, -b], [b, a]])"), "not \\(2, 3\\)"),
    (*fit("np.hypot(a, b)"), "a matrix"),
    (*fit(head=""), "`return` missing"),
    (*fit("np.array([[a, 0, u], [0, a, v]])", "[x, -zero, one, zero]", "[y, zero, zero, one]"), "the turn is missing"),
    (*fit("np.array([[a, -b, u], [b, a, v]]) / np.hypot(a, b)"), "scale is 1"),
    (*fit("np.array([[a, b, u], [b, a, v]])"), "no similarity"),
    (*fit("np.array([[a, -b, u], [b, a, v]])", "[x, -y, one, zero]", "[y, x, one, zero]"), "pixels away|shift"),
]
