"""How a running Space takes malformed calls.

    python bench/space_hostile.py URL --calls 500 --seed 0

The calls hold wrong types, huge sizes, truncated media, path tricks, NaN and infinite times, deep JSON and long texts.
They are made through gradio_client, as raw requests of the named calls, and to the timeline's own functions. Each
answer must come in time, and must show neither a traceback nor a path of the Space's machine. A proper call must work
afterwards. The bench prints the offences, and its exit code is 1 if there are any.
"""

import argparse
import io
import json
import math
import random
import secrets
import struct
import sys
import tempfile
import time
import zlib
from pathlib import Path

import httpx
import numpy as np
from gradio_client import Client, handle_file
from PIL import Image

from smartdirector_lite.media import write_video

GOOD = {"fps": 12, "num_frames": 9, "description": "A hill.", "keyframes": [{"frame": 4, "image": "snow-00.jpg"}]}
SECONDS = 90  # the longest that an answer may take
REST = [None] * 7  # the other pictures of a call
DEEP = 20_000  # levels of nested JSON
VALUES = [None, True, -1, 0, 1e300, math.nan, math.inf, -math.inf, 10**30, "", "x" * 20_000, "../../etc/passwd", "\0"]
VALUES += ["file:///etc/passwd", "<script>alert(1)</script>", [], {}, [[]], {"path": "/etc/passwd"}]
PATHS = [
    "/etc/passwd",
    "/proc/self/environ",
    "../../../../etc/passwd",
    "..\\..\\x",
    "/dev/zero",
    "http://127.0.0.1:1/x",
]
NAMES = ["a.png", "b.mp4", "c.txt", "d.gif", "e.webp", "..png", "x" * 200 + ".png"]


def media() -> list[bytes]:
    """Return files that are no picture or video, that are cut off, or that claim to be huge."""
    picture = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(picture, "PNG")
    with tempfile.TemporaryDirectory() as folder:
        write_video(Path(folder) / "a.mp4", np.zeros((12, 32, 48, 3), np.uint8), 12)
        video = (Path(folder) / "a.mp4").read_bytes()
    header = struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    huge = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    whole = [picture.getvalue(), video]
    cut = [data[: int(len(data) * share)] for data in whole for share in (0.1, 0.5, 0.9)]
    rest = [b"", b"hello", b"P6 30000 30000 255\n", b"GIF89a" + b"\xff" * 40, b"#EXTM3U\n/etc/passwd\n"]
    return [*cut, huge, *rest, b"concat:/etc/passwd|/etc/hosts", b"<svg xmlns='http://www.w3.org/2000/svg'/>"]


def spoiled(draw: random.Random) -> str:
    """Return a storyboard's JSON with something wrong in it."""
    if draw.random() < 0.1:
        return draw.choice(
            ["[" * DEEP, '{"a":' * DEEP, "[" * DEEP + "]" * DEEP, "x" * 250_000, json.dumps(["x"] * 9000)]
        )
    story = json.loads(json.dumps(GOOD))
    target = draw.choice([story, story["keyframes"][0]])
    target[draw.choice([*target, "time", "size", "shots", "clips", "duration", "nonsense"])] = draw.choice(VALUES)
    text = json.dumps(story)
    return text[: draw.randrange(len(text))] if draw.random() < 0.2 else text


def through_the_client(client: Client, draw: random.Random, folder: Path, files: list[bytes]) -> str:
    """Make one call through gradio_client; return the error that came back, or "" if the call was taken."""
    path = folder / draw.choice(NAMES)
    path.write_bytes(draw.choice(files))
    sent = (
        handle_file(path) if draw.random() < 0.7 else {"path": draw.choice(PATHS), "meta": {"_type": "gradio.FileData"}}
    )
    value = draw.choice(VALUES)
    calls = [
        ("/generate", (spoiled(draw), draw.choice([None, sent, sent, value]), *REST, draw.choice([0, value]), 1, 1)),
        ("/generate", (json.dumps(GOOD), sent, *REST, 0, draw.choice([0, 51, -1, "x", 1e9, math.nan]), 1)),
        ("/plan", (spoiled(draw),)),
        ("/retime", (spoiled(draw), draw.choice(["action", value]))),
        ("/compare_naive", (draw.choice([-1, 24, 1e9, "x", None, math.nan]), draw.choice([None, sent]))),
        ("/compare_anchors", (draw.choice([-1, 25, 1e9, "x", None, math.inf]),)),
        ("/compare_schemes", (draw.choice(["0", value]), draw.choice([0, 10**9, value]))),
        ("/upscale", (sent,)),
    ]
    name, arguments = draw.choice(calls)
    try:
        client.predict(*arguments, api_name=name)
        return ""  # the result names files in a folder of this machine, which are no offence
    except Exception as error:
        return str(error)


def as_a_request(url: str, board: int, draw: random.Random) -> str:
    """Post a request that no client would make; return the text of the answer."""
    value, name = draw.choice(VALUES), draw.choice(["generate", "plan", "upscale", "page_generate", "nonsense"])
    call = {"data": draw.choice([value, [], [value] * draw.randrange(9), [{"path": draw.choice(PATHS)}] * 5])}
    data = draw.choice([value, {"storyboard": value}, {"storyboard": {**GOOD, "keyframes": value}}])
    of_the_board = {"session_hash": secrets.token_hex(5), "component_id": board, "data": data}
    of_the_board["fn_name"] = draw.choice(["plan_of", "retimed", "__class__", value])
    where, body = draw.choice([(f"call/{name}", call), ("component_server", of_the_board), ("queue/join", call)])
    text = draw.choice([json.dumps(body), json.dumps(body), "[" * DEEP, "\xff"])
    headers = {"Content-Type": "application/json"}
    answer = httpx.post(f"{url}gradio_api/{where}", content=text.encode(), headers=headers, timeout=SECONDS)
    if where.startswith("call") and answer.status_code == 200 and "event_id" in answer.text:
        told = httpx.get(f"{url}gradio_api/{where}/{answer.json()['event_id']}", timeout=SECONDS)
        return answer.text + told.text
    path = httpx.get(f"{url}gradio_api/file={draw.choice(PATHS)}", timeout=SECONDS)
    return answer.text + ("" if path.status_code in (403, 404) else f"served a file: {path.text[:80]} /tmp")


def is_offence(said: str) -> bool:
    """Whether an answer shows a traceback, a path of the Space's machine or one of its files."""
    return any(sign in said for sign in ("Traceback", 'File "', "/tmp", "/site-packages", "root:x:"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("url", help="of the Space, as `make space` prints it")
    parser.add_argument("--calls", type=int, default=500, help="how many (default: 500)")
    parser.add_argument("--seed", type=int, default=0, help="of the random calls (default: 0)")
    options = parser.parse_args()
    draw, client, files, offences, refused = random.Random(options.seed), None, media(), [], 0
    client = Client(options.url, verbose=False)
    board = next(c["id"] for c in client.config["components"] if c["props"].get("elem_id") == "sd-board")
    longest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.calls):
            start = time.monotonic()
            try:
                raw = number % 3 == 0
                said = (
                    as_a_request(client.src, board, draw)
                    if raw
                    else through_the_client(client, draw, Path(folder), files)
                )
            except httpx.HTTPError as error:
                said = f"Traceback: no answer, {error!r}"
            longest = max(longest, time.monotonic() - start)
            refused += bool(said)
            if is_offence(said) or time.monotonic() - start > SECONDS:
                offences.append(f"call {number}: {said[:400]}")
    client.predict(json.dumps(GOOD), steps=1, api_name="/generate")  # the worker is still there
    print(
        f"{options.calls} calls, {refused} refused, {len(offences)} offences, the longest took {longest:.1f} s; ",
        end="",
    )
    print("a proper call works afterwards")
    for said in offences[:20]:
        print(said)
    return bool(offences)


if __name__ == "__main__":
    sys.exit(main())
