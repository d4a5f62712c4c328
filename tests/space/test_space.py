"""The Space: its limits, its visitors' files, every named call through gradio_client, hostile calls, and its upload."""

import io
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from browsers import free_port
from PIL import Image

gradio_client = pytest.importorskip("gradio_client", reason="needs the extra `space`")
pytest.importorskip("gradio", reason="needs the extra `space`")

SPACE = Path(__file__).resolve().parents[2] / "space"
STORY = {"fps": 12, "num_frames": 9, "description": "A hill.", "keyframes": [{"frame": 4, "image": "snow-00.jpg"}]}


@pytest.fixture(scope="module")
def space(two_stage_folder, tmp_path_factory):
    """The Space's modules, with a tiny random two-stage model and a folder of their own for visitors."""
    os.environ["SMARTDIRECTOR_MODEL"] = str(two_stage_folder)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    sys.path.insert(0, str(SPACE))
    names = ("visitors", "limits", "stories", "filming", "studio", "lessons", "handlers", "examples", "app")
    names += ("lessons_page", "theme")
    try:
        import app
        import visitors

        visitors.ROOT = tmp_path_factory.mktemp("visitors") / "root"
        yield app
    finally:
        sys.path.remove(str(SPACE))
        del os.environ["SMARTDIRECTOR_MODEL"]
        for name in names:
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def client(space):
    page = space.build()
    options = {"server_name": "127.0.0.1", "server_port": free_port(), "quiet": True, "prevent_thread_lock": True}
    _, url, _ = space.launch(page, **options)
    yield gradio_client.Client(url, verbose=False)
    page.close()


@pytest.fixture
def folder(space):
    import visitors

    path = visitors.new_folder()
    yield path
    visitors.remove(path)


def png(size=(48, 32), colour="red") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def upload(tmp_path, data: bytes, name: str = "a.png") -> str:
    path = tmp_path / name
    path.write_bytes(data)
    return str(path)


# -- a visitor's files -------------------------------------------------------------------------------------------------


def test_a_picture_is_written_anew_and_only_its_folder_is_read(space, folder, tmp_path):
    import stories
    import visitors

    from smartdirector_lite.storyboard import Take

    name, shown = visitors.add_upload(upload(tmp_path, png() + b"tail", "../x y.png".replace("/", "")), folder, 12)
    assert name.startswith("upload-") and shown["kind"] == "image"
    assert b"tail" not in (Path(folder) / name).read_bytes()
    board = stories.build({**STORY, "keyframes": [{"frame": 0, "image": name}]}, folder)
    assert Take.of(board, (48, 32), 4).frames[0].reshape(-1, 3)[0].tolist() == [255, 0, 0]
    other = visitors.new_folder()
    with pytest.raises(ValueError, match="not among your pictures"):
        stories.build({**STORY, "keyframes": [{"frame": 0, "image": name}]}, other)
    visitors.remove(other)
    assert not Path(other).exists()


def test_large_uploads_are_refused_before_they_are_decoded(space, folder, tmp_path):
    import visitors

    bomb = b"P6 20000 20000 255\n"  # 400 million pixels in its header, none behind it
    start = time.monotonic()
    with pytest.raises(ValueError, match=r"pixels|damaged") as caught:
        visitors.add_upload(upload(tmp_path, bomb, "bomb.png"), folder, 12)
    assert time.monotonic() - start < 1 and str(tmp_path) not in str(caught.value)


def test_a_clip_is_told_from_a_picture_by_its_content(space, folder, tmp_path):
    import visitors

    from smartdirector_lite.media import write_video

    write_video(tmp_path / "clip.mp4", np.zeros((24, 32, 48, 3), np.uint8), 24)
    name, shown = visitors.add_upload(upload(tmp_path, (tmp_path / "clip.mp4").read_bytes(), "c.png"), folder, 12)
    assert name.endswith(".mp4") and shown["frames"] == 12  # a second, at the storyboard's rate
    with pytest.raises(ValueError, match="neither a picture nor a video"):
        visitors.add_upload(upload(tmp_path, b"hello", "c.mp4"), folder, 12)


def test_unused_folders_go(space):
    import visitors

    old, new = visitors.new_folder(), visitors.new_folder()
    os.utime(old, (1, 1))
    assert visitors.sweep() == 1 and not Path(old).exists() and Path(new).exists()
    visitors.remove(new)
    visitors.remove("/usr")  # not below ROOT
    assert Path("/usr").is_dir()


# -- limits ------------------------------------------------------------------------------------------------------------


def test_a_request_over_a_limit_is_told_the_limit(space):
    import limits

    from smartdirector_lite import Storyboard

    board = Storyboard(description="x", num_frames=100)
    assert limits.check_request(board, (112, 64), 8, limits.CPU) == 100 * 112 * 64 * 8
    for size, steps, words in (((4000, 64), 8, "32000"), ((200, 150), 20, "10 steps")):
        with pytest.raises(ValueError, match=words):
            limits.check_request(board, size, steps, limits.CPU)
    assert limits.expected_seconds(3_000_000, limits.CPU, True) == 46
    assert limits.expected_seconds(10**12, limits.GPU, True) == 601


# -- filming -----------------------------------------------------------------------------------------------------------


def test_a_film_tells_every_step_and_its_draft(space, folder):
    import filming
    import stories
    import studio

    updates = list(filming.film(studio.DIRECTOR, stories.build(STORY, folder), 60, seed=0, steps=2))
    words = [update.words for update in updates]
    assert "drafting, step 1 of 2" in words and "drafting, step 2 of 2" in words
    (draft,) = [update.draft for update in updates if update.draft is not None]
    assert draft.shape == (9, 32, 48, 3) and updates[-1].result.frames.shape == (9, 64, 96, 3)
    shares = [update.share for update in updates]
    assert shares == sorted(shares) and shares[-1] == 1


def test_a_closed_film_stops_and_frees_the_worker(space, folder):
    import filming
    import stories
    import studio

    board = stories.build(STORY, folder)
    running = filming.film(studio.DIRECTOR, board, 600, seed=0, steps=1000)
    while "step 2" not in next(running).words:
        pass
    running.close()
    assert filming.alone().acquire(timeout=10)
    filming.alone().release()
    with pytest.raises(filming.Stopped, match="take fewer steps"):
        list(filming.film(studio.DIRECTOR, board, 0.0, seed=0, steps=2))


def test_verdicts_are_words(space, folder):
    import filming
    import stories
    import studio

    result = studio.DIRECTOR(stories.build(STORY, folder), seed=0, steps=2, progress=False)
    words = filming.verdict(result)
    assert "1 given frame**: met exactly as the model's VAE can draw them." in words and "frame 4 (0.33 s):" in words
    keyframes = [replace(keyframe, l1=0.0) for keyframe in result.report.keyframes]
    as_given = replace(result, report=replace(result.report, keyframes=keyframes))
    assert "1 given frame**: met exactly." in filming.verdict(as_given)


# -- the timeline's server functions -----------------------------------------------------------------------------------


def test_the_plan_is_the_library_s(space):
    import stories

    value = {"fps": 12, "num_frames": 30, "keyframes": [{"frame": f, "image": "x"} for f in (0, 13, 23)]}
    plan = stories.plan_of({"storyboard": value}, 4)
    tau = [latent["tau"] for latent in plan["latents"]]
    assert tau == [0, 1, 2, 3, 3.25, 4.25, 5.25, 5.5, 5.75, 6.75, 7.25]
    assert [chunk["surplus"] for chunk in plan["chunks"]] == [0, 3, 2]
    moved = stories.retimed({"storyboard": value, "pacing": "action"})
    assert moved["keyframes"] == [0, 6, 23]
    value["keyframes"][1]["frame"] = 0
    assert "both stand at frame 0" in stories.plan_of({"storyboard": value}, 4)["error"]


HOSTILE = [None, 3, "x", [], {}, {"storyboard": None}, {"storyboard": []}, {"storyboard": {"keyframes": 5}}]
HOSTILE += [
    {"storyboard": {"num_frames": 9, part: entries}}
    for part in ("keyframes", "clips", "shots")
    for entries in (
        "x",
        5,
        [5],
        [None],
        [{}],
        [{"frame": "1"}],
        [{"frame": -10}],
        [{"time": float("nan")}],
        [{"frame": 1e99}],
    )
]
HOSTILE.remove({"storyboard": {"num_frames": 9, "shots": [{}]}})  # that one is well-formed
HOSTILE += [
    {"storyboard": {"num_frames": 9, "clips": [{"video": "a", "frame": 0}]}, "clip_frames": {"a": n}}
    for n in (0, -1, 10**9, "x", None, True)
]
HOSTILE += [{"storyboard": {"num_frames": n, "keyframes": [{"frame": 0}]}} for n in (0, -1, 10**12, "9", None, 1.5)]


@pytest.mark.parametrize("data", HOSTILE, ids=lambda data: repr(data)[:60])
def test_hostile_server_calls_get_one_line(space, data):
    import stories

    for answer in (
        stories.plan_of(data, 4),
        stories.retimed({**(data if isinstance(data, dict) else {}), "pacing": "x"}),
    ):
        assert set(answer) == {"error"} and "\n" not in answer["error"] and "Traceback" not in answer["error"]


# -- every named call, through the client ------------------------------------------------------------------------------


def test_the_named_calls_are_these_and_are_explained(client):
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(named) == {
        f"/{name}"
        for name in ("generate", "plan", "retime", "bundled_frames", "compare_naive", "compare_schemes")
        + ("compare_anchors", "upscale")
    }
    for name, call in named.items():
        assert len(call.get("description", "") or "") > 20, name


def test_generate_films_bundled_and_sent_pictures(client, tmp_path):
    from smartdirector_lite.media import probe_video, read_image

    story = {**STORY, "keyframes": [{"frame": 0.0, "image": "0"}, {"frame": 4, "image": "snow-00.jpg"}]}
    sent = [gradio_client.handle_file(upload(tmp_path, png()))]
    video, sheet, verdict, seed = client.predict(json.dumps(story), sent, 7.0, 2.0, 1, api_name="/generate")
    video = video["video"] if isinstance(video, dict) else video
    info = probe_video(video)
    assert (*info.size, info.num_frames) == (96, 64, 9) and seed == 7
    assert "2 given frames" in verdict and read_image(sheet).width > 96


def test_plan_retime_and_frames(client):
    assert "1 anchors" in client.predict(json.dumps(STORY), api_name="/plan")
    names = client.predict(api_name="/bundled_frames")
    assert "snow-00.jpg" in names and len(names) == 10
    story = {**STORY, "num_frames": 30, "keyframes": [{"frame": f, "image": names[0]} for f in (0, 13, 23)]}
    moved = json.loads(client.predict(json.dumps(story), "action", api_name="/retime"))
    assert [entry["frame"] for entry in moved["keyframes"]] == [0, 6, 23]


def test_the_lessons(client, tmp_path):
    from smartdirector_lite.media import probe_video, write_video

    for frame in (13, 13.0):  # JSON tools rewrite one into the other
        sheet, words = client.predict(frame, api_name="/compare_naive")
        assert sheet and "At frame 13:" in words
    figure, table = client.predict("0, 13, 23", 30.0, api_name="/compare_schemes")
    assert figure and [row[3] for row in table["data"]][4] == "3.25"
    (low, anchored), (without, same) = client.predict(0, api_name="/compare_anchors")
    low, without, anchored, same = (np.asarray(Image.open(path)) for path in (low, without, anchored, same))
    assert low.shape == without.shape == (64, 96, 3) and (anchored == same).all() and (anchored != without).any()
    write_video(tmp_path / "small.mp4", np.zeros((5, 32, 48, 3), np.uint8), 12)
    large = client.predict(gradio_client.handle_file(str(tmp_path / "small.mp4")), api_name="/upscale")
    info = probe_video(large["video"] if isinstance(large, dict) else large)
    assert (*info.size, info.num_frames) == (96, 64, 5)


def test_the_schemes_are_filmed_one_after_the_other(space, folder):
    import handlers
    import lessons

    *_, (*videos, progress, same) = handlers.film_schemes(folder)
    assert len({Path(video).read_bytes() for video in videos}) == len(lessons.TAU_SCHEMES) == 4  # each differs
    assert 'value="100"' in progress and "midpoint" in progress and same == folder


def test_cancel_writes_over_a_step_and_leaves_an_errors_line(space):
    import handlers

    said = handlers.cancelled()
    assert "cancelled" in said and handlers.cancelled(said) == said
    assert handlers.cancelled(handlers.bar(0.5, "step 6 of 12")) == said
    line = handlers.bar(None, "shots[0]: too long")
    assert handlers.cancelled(line) == line


def test_each_lesson_names_its_notebook(space, monkeypatch):
    import lessons_page

    notebooks = {path.stem for path in (SPACE.parent / "notebooks").glob("[0-9]*")}
    source = (SPACE / "lessons_page.py").read_text(encoding="utf-8")
    named = re.findall(r'notebook\("(\w+)"', source)
    assert len(named) == 4 and set(named) <= notebooks
    monkeypatch.setattr(lessons_page, "REPOSITORY", "")
    assert lessons_page.notebook("03_mc_rope", "03") == "Notebook 03: `notebooks/03_mc_rope.ipynb`"
    monkeypatch.setattr(lessons_page, "REPOSITORY", "https://host/o/n")
    assert "(https://host/o/n/blob/main/notebooks/03_mc_rope.ipynb)" in lessons_page.notebook("03_mc_rope", "03")


def test_mcp_drives_the_named_calls(client):
    mcp = pytest.importorskip("mcp", reason="needs gradio[mcp]")
    import asyncio

    from mcp.client.streamable_http import streamablehttp_client

    story = {**STORY, "keyframes": [{"frame": frame, "image": "snow-00.jpg"} for frame in (0, 4, 8)]}

    async def talk() -> tuple[set[str], str, str, bool]:
        async with (
            streamablehttp_client(f"{client.src}gradio_api/mcp/") as (receive, send, _),
            mcp.ClientSession(receive, send) as session,
        ):
            await session.initialize()
            tools = {tool.name: tool.description for tool in (await session.list_tools()).tools}
            moved = await session.call_tool("retime", {"storyboard": json.dumps(story), "pacing": "action"})
            made = await session.call_tool("generate", {"storyboard": json.dumps(STORY), "pictures": [], "steps": 1})
            wrong = await session.call_tool("generate", {"storyboard": "[]", "pictures": []})
            return tools, moved.content[0].text, str(made.content), str(wrong.content)

    tools, moved, made, wrong = asyncio.run(talk())
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert {f"/{tool}" for tool in tools} == set(named)
    assert [entry["frame"] for entry in json.loads(moved)["keyframes"]] == [0, 2, 8]
    assert ".mp4" in made and "1 given frame" in made
    assert "must be an object" in wrong and "Traceback" not in wrong


BAD_CALLS = [
    ("/generate", (text, [], 0, 2, 1), words)
    for text, words in (
        ("", "not JSON"),
        ("[]", "object"),
        ("{", "not JSON"),
        ("{}", "duration|empty|num_frames"),
        ('{"num_frames": NaN}', "NaN"),
        ('{"a": 1}', "unknown key|'a'"),
        (json.dumps({**STORY, "num_frames": 1400}), "at most 121"),
        (json.dumps({**STORY, "size": [4000, 4000]}), "at most 32000"),
        (json.dumps({**STORY, "size": [33, 31]}), "32|16|multiple|divisible"),
        *(
            (json.dumps({**STORY, "keyframes": [{"frame": 0, "image": name}]}), "not the name|not among|picture")
            for name in ("../../etc/passwd", "/etc/passwd", "..", "", "a\0b", "nobody.png", 3, "99", None, ["x"])
        ),
        (json.dumps({**STORY, "keyframes": [{"time": 1e300, "image": "snow-00.jpg"}]}), "at most 60"),
        (json.dumps({**STORY, "keyframes": [{"frame": i, "image": "snow-00.jpg"} for i in range(99)]}), "24"),
        ("[" * 100_000, "not JSON"),
        (" " * 300_000, "at most 200000"),
    )
]
BAD_CALLS += [
    ("/generate", (json.dumps(STORY), [], seed, steps, guidance), words)
    for seed, steps, guidance, words in (
        (-1, 2, 1, "seed"),
        (0.5, 2, 1, "seed|whole"),
        (0, 0, 1, "steps"),
        (0, 5000, 1, "steps"),
        (0, 2, 1e9, "guidance"),
        (0, "x", 1, "."),
    )
]
BAD_CALLS += [("/compare_naive", (n,), ".") for n in (-1, 0, 24, 1e9, "x", None)]
BAD_CALLS += [("/compare_schemes", args, ".") for args in (("x", 30), ("99", 30), ("0", 10**9), ("0,0", 30), (None, 9))]
BAD_CALLS += [("/retime", args, ".") for args in ((json.dumps(STORY), "x"), ("x", "action"), (None, None))]


@pytest.mark.parametrize(("name", "args", "words"), BAD_CALLS, ids=lambda value: repr(value)[:50])
def test_hostile_calls_get_one_line(client, name, args, words):
    with pytest.raises(Exception, match=words) as caught:
        client.predict(*args, api_name=name)
    assert "Traceback" not in str(caught.value) and "/tmp" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "neither"),
        (b"hello" * 1000, "neither"),
        (png()[:40], "damaged|neither"),
        (b"P6 20000 20000 255\n", "pixels|damaged"),
        (b"\x00\x00\x00\x18ftypmp42" + b"\0" * 200, "neither"),
        (b"#EXTM3U\n/etc/passwd\n", "neither"),
    ],
    ids=range(6),
)
def test_broken_uploads_get_one_line(client, tmp_path, data, words):
    story = {**STORY, "keyframes": [{"frame": 0, "image": "0"}]}
    sent = [gradio_client.handle_file(upload(tmp_path, data))]
    with pytest.raises(Exception, match=words) as caught:
        client.predict(json.dumps(story), sent, 0, 2, 1, api_name="/generate")
    assert "/tmp" not in str(caught.value)


def test_no_file_but_the_page_s_own_is_served(client):
    import httpx

    for path in ("/etc/passwd", str(SPACE / "app.py"), str(SPACE / "examples" / ".." / "app.py")):
        assert httpx.get(f"{client.src}gradio_api/file={path}").status_code in (403, 404)
    assert httpx.get(f"{client.src}gradio_api/file={SPACE / 'examples' / 'snow.mp4'}").status_code == 200


def test_nothing_is_left_behind_by_calls(client, space):
    import visitors

    client.predict(json.dumps(STORY), [], 0, 2, 1, api_name="/generate")
    assert not [path for path in visitors.ROOT.rglob("*") if path.name.endswith(".jpg")]


# -- the upload of the Space -------------------------------------------------------------------------------------------


def test_deploy_puts_the_package_beside_the_page(tmp_path, capsys):
    sys.path.insert(0, str(SPACE))
    try:
        import deploy
    finally:
        sys.path.remove(str(SPACE))
    out = tmp_path / "out"
    assert deploy.main(["--dry-run", str(out)]) == 0 and "nothing was sent" in capsys.readouterr().out
    assert (out / "app.py").is_file() and (out / "smartdirector_lite" / "__init__.py").is_file()
    staged = {path.name for path in out.iterdir()}
    page = {path.name for path in SPACE.glob("*") if path.suffix in {".py", ".js", ".css"}}
    assert page - {"deploy.py", "film_examples.py"} <= staged
    assert (out / "README.md").read_text(encoding="utf-8").startswith("---\ntitle:")
    assert not list(out.rglob("__pycache__")) and not (out / "deploy.py").exists()
    assert deploy.main(["--dry-run", str(out)]) == 2 and deploy.main([]) == 2


@pytest.mark.parametrize(("name", "words"), [("owner/name", "refused|connect"), ("o/n/too-much", "Repo id")])
def test_a_failed_upload_is_told_in_one_line(name, words):
    env = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_TOKEN": "hf_none"}  # nothing listens there
    done = subprocess.run([sys.executable, SPACE / "deploy.py", name], env=env, capture_output=True, text=True)
    assert done.returncode == 1 and re.search(words, done.stderr) and done.stderr.startswith(f"{name}: ")
    assert done.stderr.count("\n") == 1


def test_zerogpu_is_asked_for_a_gpu_as_long_as_the_request_will_take(space, folder, monkeypatch):
    import studio

    asked = []

    class Spaces:
        @staticmethod
        def GPU(duration):
            return lambda function: lambda *args: asked.append(duration(*args)) or function(*args)

    assert studio.on_gpu(len, None) is len  # no ZeroGPU here
    monkeypatch.setattr(studio, "spaces", Spaces)
    monkeypatch.setattr(studio, "ON_GPU", True)
    options = {"steps": 2}
    on_gpu = studio.on_gpu(lambda *args: "filmed", studio.seconds_of)
    assert on_gpu(STORY, folder, options) == "filmed"
    assert on_gpu({**STORY, "num_frames": 9000}, folder, options) == "filmed"
    limits = studio.LIMITS
    assert asked == [int(limits.start + 2 * (9 * 48 * 32 * 2) / limits.rate) + 1, 5]


def test_the_front_matter_is_one_that_spaces_take():
    import yaml

    _, front, _ = (SPACE / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    front = yaml.safe_load(front)
    pins = (SPACE.parent / "constraints.txt").read_text(encoding="utf-8")
    assert f"gradio=={front['sdk_version']}\n" in pins and front["sdk"] == "gradio"
    assert front["python_version"] in ("3.10.13", "3.12.12") and (SPACE / front["app_file"]).is_file()
    assert len(front["short_description"]) <= 60
    (torch,) = [line for line in (SPACE / "requirements.txt").read_text().splitlines() if line.startswith("torch")]
    assert "==" not in torch and "<" not in torch  # ZeroGPU brings its own


def test_the_space_s_requirements_are_the_project_s():
    import tomllib

    project = tomllib.loads((SPACE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (SPACE / "requirements.txt").read_text(encoding="utf-8").splitlines()
    extra = [line for line in project["optional-dependencies"]["space"] if not line.startswith("gradio")]
    assert [line for line in lines if not line.startswith("#")] == [*project["dependencies"], *extra]
