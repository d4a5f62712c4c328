"""500 malformed calls of a running Space: `python bench/space_hostile.py URL --calls 500 --seed 0`.

Each answer must be one line without a traceback or a path, and a proper call must work afterwards. It prints offences.
"""

import argparse
import json
import math
import random
import tempfile
from pathlib import Path

from gradio_client import Client, handle_file

GOOD = {"fps": 12, "num_frames": 9, "description": "A hill.", "keyframes": [{"frame": 4, "image": "snow-00.jpg"}]}
VALUES = [
    None,
    True,
    -1,
    0,
    1e300,
    math.nan,
    math.inf,
    10**30,
    "",
    "x" * 20_000,
    "../../etc/passwd",
    "\0",
    [],
    {},
    [[]],
]
FILES = [
    b"",
    b"hello",
    b"\x89PNG\r\n\x1a\n" + b"\0" * 50,
    b"P6 30000 30000 255\n",
    b"GIF89a" + b"\xff" * 40,
    b"#EXTM3U\n/a\n",
]


def spoiled(draw: random.Random) -> str:
    """A storyboard's JSON with something wrong in it."""
    story = json.loads(json.dumps(GOOD))
    target = draw.choice([story, story["keyframes"][0]])
    target[draw.choice([*target, "time", "size", "shots", "clips", "duration", "nonsense"])] = draw.choice(VALUES)
    text = json.dumps(story)
    return text[: draw.randrange(len(text))] if draw.random() < 0.2 else text


def call(client: Client, draw: random.Random, folder: Path) -> str | None:
    """Make one call; the text of its error, or None where it was good after all."""
    path = folder / draw.choice(["a.png", "b.mp4", "c.txt"])
    path.write_bytes(draw.choice(FILES))
    files = [handle_file(path)] if draw.random() < 0.3 else []
    calls = [
        ("/generate", (spoiled(draw), files, draw.choice([0, *VALUES[:8]]), draw.choice([1, *VALUES[:8]]), 1)),
        ("/plan", (spoiled(draw),)),
        ("/retime", (spoiled(draw), draw.choice(["action", *VALUES]))),
        ("/compare_naive", (draw.choice(VALUES),)),
        ("/compare_schemes", (draw.choice(VALUES), draw.choice(VALUES))),
    ]
    name, arguments = draw.choice(calls)
    try:
        client.predict(*arguments, api_name=name)
    except Exception as error:
        return str(error)
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("url")
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw, client, offences, refused = random.Random(options.seed), Client(options.url, verbose=False), [], 0
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.calls):
            said = call(client, draw, Path(folder))
            refused += said is not None
            if said is not None and ("Traceback" in said or "/tmp" in said or 'File "' in said):
                offences.append(said[:300])
    client.predict(json.dumps(GOOD), [], 0, 1, 1, api_name="/generate")  # the worker is still there
    print(f"{options.calls} calls, {refused} refused, {len(offences)} offences; a proper call works afterwards")
    for said in offences[:10]:
        print(said)


if __name__ == "__main__":
    main()
