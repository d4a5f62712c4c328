"""The Space: its line, limits and visitors' files, every call through gradio_client and MCP, hostile calls, upload."""

import asyncio
import base64
import io
import json
import os
import re
import subprocess
import sys
import threading
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
    names += ("lessons_page", "theme", "line", "model", "programs", "softness")
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
    with pytest.raises(ValueError, match=r"^bomb.png: .*(pixels|damaged)") as caught:
        visitors.add_upload(upload(tmp_path, bomb, "bomb.png"), folder, 12)
    assert time.monotonic() - start < 1 and str(tmp_path) not in str(caught.value)


def test_a_photo_of_a_phone_is_taken_and_made_smaller(space, folder, tmp_path):
    import visitors

    Image.new("RGB", (8000, 6000), "green").save(tmp_path / "my holiday.jpg")
    name, shown = visitors.add_upload(str(tmp_path / "my holiday.jpg"), folder, 12)
    assert shown["label"] == "my holiday" and Image.open(Path(folder) / name).size == (1536, 1152)
    assert shown["note"] == "my holiday was made smaller: 8,000 x 6,000 became 1,536 x 1,152 pixels."
    _, small = visitors.add_upload(upload(tmp_path, png(), "tiny.png"), folder, 12)
    assert "note" not in small and small["label"] == "tiny"


def test_a_clip_in_4k_is_taken_and_made_smaller_with_its_times(space, folder, tmp_path):
    import visitors

    from smartdirector_lite.media import decoded_frames, probe_video, write_video

    times = [0.0, 0.1, 0.4, 0.5]
    frames = [np.full((2160, 3840, 3), 60 * i, np.uint8) for i in range(4)]
    write_video(tmp_path / "surf.mp4", frames, 10, times=times)
    name, shown = visitors.add_upload(str(tmp_path / "surf.mp4"), folder, 10)
    info = probe_video(Path(folder) / name)
    assert info.size.width * info.size.height <= 1_000_000 and info.size.width / info.size.height == pytest.approx(
        16 / 9, 0.01
    )
    assert [time for time, _, _ in decoded_frames(Path(folder) / name)] == pytest.approx(times, abs=0.001)
    assert shown["label"] == "surf" and "3,840 x 2,160 became" in shown["note"]


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("holiday.heic", b"\0\0\0\x18ftypheic" + b"\0" * 50, "holiday.heic: is a HEIC photo; export it as JPEG"),
        ("notes.txt", b"hello" * 99, "notes.txt: neither a picture nor a video that can be read"),
        ("cut.png", None, "cut.png: damaged image"),
        ("film.mp4", b"\x00\x00\x00\x18ftypmp42" + b"\0" * 200, "film.mp4: neither a picture nor a video"),
        (
            "drawing.svg",
            b"<svg xmlns='http://www.w3.org/2000/svg'/>",
            "drawing.svg: is an SVG drawing; export it as PNG",
        ),
        ("empty.jpg", b"", "empty.jpg: is empty"),
    ],
)
def test_a_refused_file_is_named_with_its_true_reason(space, folder, tmp_path, name, data, words):
    import visitors

    with pytest.raises(ValueError) as caught:
        visitors.add_upload(upload(tmp_path, png()[:60] if data is None else data, name), folder, 12)
    assert str(caught.value).startswith(words) and str(tmp_path) not in str(caught.value)
    assert not list(Path(folder).iterdir())


def test_a_clip_is_told_from_a_picture_by_its_content(space, folder, tmp_path):
    import visitors

    from smartdirector_lite.media import write_video

    write_video(tmp_path / "clip.mp4", np.zeros((24, 32, 48, 3), np.uint8), 24)
    name, shown = visitors.add_upload(upload(tmp_path, (tmp_path / "clip.mp4").read_bytes(), "c.png"), folder, 12)
    assert name.endswith(".mp4") and shown["frames"] == 12  # a second, at the storyboard's rate
    write_video(tmp_path / "long.mp4", np.zeros((26, 32, 48, 3), np.uint8), 1)
    with pytest.raises(ValueError, match=r"long.mp4: the clip has 26 seconds, and at most 20 are taken"):
        visitors.add_upload(str(tmp_path / "long.mp4"), folder, 12)


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
    for size, steps, words in (((4000, 64), 8, "256,000 pixels a frame.*32,000"), ((200, 150), 20, "10 steps")):
        with pytest.raises(ValueError, match=words):
            limits.check_request(board, size, steps, limits.CPU)
    with pytest.raises(ValueError, match=r"1,441 frames: this Space takes at most 121; .* \(10.1 s at 12 fps\)"):
        limits.check_request(Storyboard(description="x", num_frames=1441), (112, 64), 8, limits.CPU)
    assert limits.seconds_of_film(4_000_000, limits.CPU, True) == pytest.approx(30)
    assert limits.seconds_of_enlarging(100_000, limits.CPU) == pytest.approx(12)


# -- the line ----------------------------------------------------------------------------------------------------------


def test_numbers_are_readable(space):
    import limits
    from line import duration

    assert [limits.readable(n) for n in (121, 1441, 8.2944e6, 9_000_000, 20.5)] == [
        "121",
        "1,441",
        "8.3 million",
        "9 million",
        "20.5",
    ]
    assert [duration(s) for s in (0.2, 7.4, 42, 99, 200)] == ["1 s", "7 s", "40 s", "100 s", "3 minutes"]


def test_who_asks_first_is_served_first_and_everybody_is_told_how_long(space):
    from line import Job, Line, news

    line, order, told = Line(), [], {}
    go_on = threading.Event()

    def ask(name: str, expected: float) -> threading.Thread:
        def work(job: Job) -> dict:
            with line.turn(job):
                order.append(name)
                go_on.wait(10)
                return {"share": 1.0, "words": "done"}

        def listen() -> None:
            told[name] = [news["words"] for news in news_of]

        news_of = news(work, Job(expected, 60))
        thread = threading.Thread(target=listen)
        thread.start()
        while sum(job.began is None for job in line._jobs) + len(order) < len(threads) + 1:
            time.sleep(0.01)
        return thread

    threads: list[threading.Thread] = []
    for name, expected in (("a", 20), ("b", 30), ("c", 5)):
        threads.append(ask(name, expected))
    time.sleep(1.2)
    assert not line.is_free()
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert order == ["a", "b", "c"] and line.is_free()
    assert told["b"][0] == "1 request before yours: about 20 s"
    assert told["c"][0] == "2 requests before yours: about 50 s" and len(told["c"]) >= 3  # told again, each second
    assert line.pace < 1  # all were quicker than expected


def test_a_job_that_leaves_the_line_holds_nobody_up(space):
    from line import Job, Line, Stopped, news

    line = Line()

    def work(job: Job) -> dict:
        with line.turn(job):
            while True:
                job.tell(0.1, "working")
                time.sleep(0.01)

    first, second = news(work, Job(9, 0.5)), news(work, Job(9, 60))
    assert next(first)["words"] == "working"
    assert "1 request before" in next(second)["words"]
    second.close()
    with pytest.raises(Stopped, match="ask for less"):  # its deadline
        list(first)
    deadline = time.monotonic() + 3
    while not line.is_free() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert line.is_free()


def test_every_call_of_a_module_is_a_place_to_stop_but_in_this_thread_alone(space):
    import torch
    from line import Job, Stopped, ending

    module, job, elsewhere = torch.nn.Linear(1, 1), Job(1, 60), []
    with ending(job):
        module(torch.zeros(1))
        job.stop()
        with pytest.raises(Stopped):
            module(torch.zeros(1))
        thread = threading.Thread(target=lambda: elsewhere.append(module(torch.zeros(1))))
        thread.start()
        thread.join()
    assert len(elsewhere) == 1 and module(torch.zeros(1)) is not None


# -- filming -----------------------------------------------------------------------------------------------------------


def free_within(seconds: float) -> bool:
    """Whether the line before the model is free before so many seconds have passed."""
    import studio

    deadline = time.monotonic() + seconds
    while not studio.LINE.is_free() and time.monotonic() < deadline:
        time.sleep(0.02)
    return studio.LINE.is_free()


def options(steps: int = 2, **more) -> dict:
    return {"seed": 0, "steps": steps, "guidance_scale": 1.0, **more}


def test_a_film_tells_every_step_and_its_draft(space, folder):
    import studio

    from smartdirector_lite.media import read_video

    news = list(studio.films(STORY, folder, options()))
    words = " | ".join(told["words"] for told in news)
    stages = (
        "reading your words",
        "drafting, step 1 of 2",
        "drafting, step 2 of 2",
        "decoding the draft, frame 9 of 9",
    )
    places = [
        words.index(stage) for stage in (*stages, "adding detail;", "adding detail, frame 9 of 9", "writing the film")
    ]
    assert places == sorted(places) and re.search(r"step 1 of 2; about \d+ s left", words)
    (draft,) = [told["draft"] for told in news if "draft" in told]
    assert read_video(draft).shape == (9, 32, 48, 3) and read_video(news[-1]["video"]).shape == (9, 64, 96, 3)
    assert news[-1]["seed"] == 0 and Path(news[-1]["sheet"]).is_file() and "given frame" in news[-1]["verdict"]
    shares = [told["share"] for told in news]
    assert shares == sorted(shares) and shares[-1] == 1


STAGES = ("reading", "drafting, step 1", "decoding the draft", "adding detail;", "adding detail, frame", "writing")


@pytest.mark.parametrize("stage", STAGES)
def test_a_closed_film_frees_the_model_at_every_stage_and_leaves_the_next_one_as_it_is(space, folder, stage):
    import studio

    from smartdirector_lite.media import read_video

    *_, before = studio.films(STORY, folder, options())
    running = studio.films(STORY, folder, options())
    for told in running:
        if told["words"].startswith(stage):
            break
    running.close()
    assert free_within(5)
    *_, after = studio.films(STORY, folder, options())
    assert np.array_equal(read_video(before["video"]), read_video(after["video"]))


def test_nothing_holds_the_model_past_its_deadline(space, folder, monkeypatch):
    import studio

    monkeypatch.setattr(studio, "LIMITS", replace(studio.LIMITS, seconds=0.3))
    with pytest.raises(studio.Stopped, match="stopped after 0 s, the most that one request may take"):
        list(studio.films(STORY, folder, options(steps=50)))
    assert free_within(1)


def test_an_error_frees_the_model(space, folder, monkeypatch):
    import studio

    monkeypatch.setitem(studio.WORK, "film", lambda job, *arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        list(studio.films(STORY, folder, options()))
    assert free_within(1) and "went wrong here" in studio.told(ZeroDivisionError("x"))


def test_the_upscaler_tells_every_frame_ends_when_it_is_closed_and_takes_what_a_minute_allows(space, folder, tmp_path):
    import studio

    from smartdirector_lite.media import write_video

    write_video(tmp_path / "small.mp4", np.zeros((9, 32, 48, 3), np.uint8), 12)
    running = studio.upscales(str(tmp_path / "small.mp4"), folder)
    for told in running:
        if told["words"].startswith("enlarging, frame 0 of 9"):
            break
    running.close()
    assert free_within(5) and not list(Path(folder).glob("large-*"))
    *_, last = studio.upscales(str(tmp_path / "small.mp4"), folder)
    assert Path(last["video"]).is_file() and last["share"] == 1
    write_video(tmp_path / "large.mp4", np.zeros((40, 480, 640, 3), np.uint8), 12)
    with pytest.raises(ValueError, match=r"40 frames of 640 x 480 .* in a minute; give at most 1 frames of this size"):
        list(studio.upscales(str(tmp_path / "large.mp4"), folder))


def test_a_picture_comes_back_best_as_a_chunk_of_its_own(space):
    import studio

    *_, last = studio.compared(13.0, Image.new("RGB", (300, 300), "red"))
    result = last["result"]
    assert result["frame"] == 13 and (result["videos"]["film"][13] == result["picture"]).all()
    shapes = {frames.shape for frames in result["videos"].values()}
    assert len(shapes) == 1 and set(result["videos"]) == {"film", "replaced", "blanks", "chunks"}
    for wrong in ((0, None), (24, None), (3, "../x.png"), ("x", None)):
        with pytest.raises(ValueError):
            list(studio.compared(*wrong))


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


def test_a_film_that_melts_is_told_from_a_sharp_one_and_from_a_still_one(space):
    import examples
    from softness import SOFT, detail_kept

    from smartdirector_lite.media import read_video

    story = examples.storyboards()["butterfly"]
    given = [entry["frame"] for entry in story["keyframes"]]
    assert detail_kept(read_video(examples.path("butterfly.mp4")), given) < SOFT
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 255, (64, 96, 3)).astype(np.uint8)
    moving = np.stack([np.roll(picture, 3 * i, axis=1) for i in range(13)])
    assert detail_kept(moving, [0, 12]) == pytest.approx(1, abs=0.01)
    mixed = np.stack([(picture * (1 - t) + moving[12] * t).astype(np.uint8) for t in np.linspace(0, 1, 13)])
    assert detail_kept(mixed, [0, 12]) < SOFT  # a cross-fade
    assert detail_kept(np.stack([picture] * 13), [0, 12]) is None  # nothing moves
    assert detail_kept(mixed, []) is None and detail_kept(mixed[:2], [0, 1]) is None
    cut = np.concatenate([moving, mixed])
    assert detail_kept(cut, [0, 12, 13, 25], [13]) == pytest.approx(detail_kept(mixed, [0, 12]))


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


def test_places_are_said_as_visitors_see_them(space):
    import stories

    for message, words in (
        ("keyframes[0].frame: 99 is beyond", "your first picture: 99 is beyond"),
        ("keyframes[5] and clips[11]", "your sixth picture and your 12th clip"),
        ("shots[1].camera: too long", "the camera of your second shot: too long"),
        ("unknown_keyframes[0]", "unknown_keyframes[0]"),
    ):
        assert stories.in_words(message) == words
    value = {"fps": 12, "num_frames": 9, "keyframes": [{"frame": 2, "image": "x"}, {"frame": 99, "image": "y"}]}
    said = stories.plan_of({"storyboard": value}, 4)["error"]
    assert "your second picture" in said and "keyframes" not in said


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


def test_the_schemas_say_what_is_taken_and_what_comes(client):
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]

    def types(name: str) -> dict:
        return {p["parameter_name"]: p["python_type"]["type"] for p in named[name]["parameters"]}

    def needed(name: str) -> list[str]:
        return [p["parameter_name"] for p in named[name]["parameters"] if not p["parameter_has_default"]]

    asked = types("/generate")
    assert asked.pop("storyboard") == "str" and needed("/generate") == ["storyboard"]
    assert {asked.pop(name) for name in ("seed", "steps", "guidance")} == {"float"}
    assert asked == {f"picture_{number}": "filepath" for number in range(8)}
    assert needed("/upscale") == ["video"] and needed("/compare_naive") == needed("/compare_schemes") == []
    labels = {name: [output["label"] for output in call["returns"]] for name, call in named.items()}
    assert labels["/generate"] == ["film", "sheet", "verdict", "seed"]
    assert labels["/compare_anchors"] == ["interpolated", "without", "anchored"] and labels["/upscale"] == ["film"]
    assert not any(label.startswith("value") for names in labels.values() for label in names)


def films_of(made: object) -> str:
    return made["video"] if isinstance(made, dict) else made


def test_generate_films_two_own_pictures_by_the_schema_alone(client, tmp_path):
    from smartdirector_lite.media import probe_video, read_image

    story = {
        **STORY,
        "keyframes": [{"frame": 0.0, "image": "0"}, {"frame": 4, "image": 1}, {"frame": 8, "image": "snow-00.jpg"}],
    }
    sent = {
        f"picture_{number}": gradio_client.handle_file(upload(tmp_path, png(colour=colour), f"{colour}.png"))
        for number, colour in enumerate(("red", "blue"))
    }
    job = client.submit(storyboard=json.dumps(story), **sent, seed=7.0, steps=2.0, api_name="/generate")
    film, sheet, verdict, seed = job.result()
    info = probe_video(films_of(film))
    assert (*info.size, info.num_frames) == (96, 64, 9) and seed == 7
    assert "3 given frames" in verdict and read_image(sheet).width > 96
    with pytest.raises(Exception, match=r"keyframes\[0\] names picture_1, which is not given"):
        client.predict(json.dumps({**STORY, "keyframes": [{"frame": 0, "image": "1"}]}), api_name="/generate")


def test_a_program_that_goes_away_frees_the_model(client, space):
    import httpx
    import studio

    call = {"data": [json.dumps({**STORY, "num_frames": 97}), *[None] * 8, 0, 50, 1]}
    event = httpx.post(f"{client.src}gradio_api/call/generate", json=call).json()["event_id"]
    with httpx.stream("GET", f"{client.src}gradio_api/call/generate/{event}", timeout=60) as answer:
        next(answer.iter_lines())
        deadline = time.monotonic() + 30
        while studio.LINE.is_free() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not studio.LINE.is_free()
    assert free_within(10)
    job = client.submit(json.dumps({**STORY, "num_frames": 97}), steps=50, api_name="/generate")
    while studio.LINE.is_free() and not job.done():
        time.sleep(0.02)
    job.cancel()
    assert free_within(5)


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
        sheet, words = client.predict(frame, None, api_name="/compare_naive")
        assert sheet and "At frame 13:" in words
    figure, table = client.predict("0, 13, 23", 30.0, api_name="/compare_schemes")
    assert figure and [row[3] for row in table["data"]][4] == "3.25"
    three = [np.asarray(Image.open(path)) for path in client.predict(0, api_name="/compare_anchors")]
    low, without, anchored = three
    assert low.shape == without.shape == (64, 96, 3) and (anchored != without).any()
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


def test_mcp_makes_a_film_with_two_own_pictures_by_the_schema_alone(client):
    mcp = pytest.importorskip("mcp", reason="needs gradio[mcp]")
    jsonschema = pytest.importorskip("jsonschema")
    from mcp.client.streamable_http import streamablehttp_client

    story = {**STORY, "keyframes": [{"frame": frame, "image": "snow-00.jpg"} for frame in (0, 4, 8)]}
    own = {**STORY, "keyframes": [{"frame": 0, "image": "0"}, {"frame": 8, "image": "1"}]}
    heard = []

    async def hear(done: float, total: float | None, words: str | None) -> None:
        heard.append(words)

    async def talk() -> tuple:
        async with (
            streamablehttp_client(f"{client.src}gradio_api/mcp/") as (receive, send, _),
            mcp.ClientSession(receive, send) as session,
        ):
            await session.initialize()
            tools = {tool.name: tool for tool in (await session.list_tools()).tools}
            schema = tools["generate"].inputSchema
            files = [name for name, kind in schema["properties"].items() if "file" in kind.get("format", "")]
            pictures = [f"data:image/png;base64,{base64.b64encode(png(colour=c)).decode()}" for c in ("red", "blue")]
            asked = {"storyboard": json.dumps(own), **dict(zip(files, pictures, strict=False)), "steps": 1}
            jsonschema.validate(asked, schema)
            made = await session.call_tool("generate", asked, progress_callback=hear)
            moved = await session.call_tool("retime", {"storyboard": json.dumps(story), "pacing": "action"})
            bare = await session.call_tool("generate", {"storyboard": json.dumps(STORY), "steps": 1.0})
            wrong = await session.call_tool("generate", {"storyboard": "[]"})
            return tools, made, moved, bare, wrong

    tools, made, moved, bare, wrong = asyncio.run(talk())
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert {f"/{tool}" for tool in tools} == set(named)
    properties = tools["generate"].inputSchema["properties"]
    assert tools["generate"].inputSchema["required"] == ["storyboard"] and "$ref" not in json.dumps(properties)
    assert properties["steps"]["type"] == properties["seed"]["type"] == "number"
    assert all("description" in value for value in properties.values())
    assert not made.isError and ".mp4" in str(made.content) and "2 given frames" in str(made.content)
    assert any(words and "drafting" in words for words in heard)
    assert [entry["frame"] for entry in json.loads(moved.content[0].text)["keyframes"]] == [0, 2, 8]
    assert ".mp4" in str(bare.content) and "1 given frame" in str(bare.content)
    assert wrong.isError and "must be an object" in str(wrong.content) and "Traceback" not in str(wrong.content)


BAD_CALLS = [
    ("/generate", (text, *[None] * 8, 0, 2, 1), words)
    for text, words in (
        ("", "not JSON"),
        ("[]", "object"),
        ("{", "not JSON"),
        ("{}", "duration|empty|num_frames"),
        ('{"num_frames": NaN}', "NaN"),
        ('{"a": 1}', "unknown key|'a'"),
        (json.dumps({**STORY, "num_frames": 1400}), "at most 121"),
        (json.dumps({**STORY, "size": [4000, 4000]}), "at most 32,000"),
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
    ("/generate", (json.dumps(STORY), *[None] * 8, seed, steps, guidance), words)
    for seed, steps, guidance, words in (
        (-1, 2, 1, "seed"),
        (0.5, 2, 1, "seed|whole"),
        (0, 0, 1, "steps"),
        (0, 5000, 1, "steps"),
        (0, 2, 1e9, "guidance"),
        (0, "x", 1, "."),
    )
]
BAD_CALLS += [("/compare_naive", (n, None), ".") for n in (-1, 0, 24, 1e9, "x", None)]
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
        (b"", "is empty"),
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
    sent = gradio_client.handle_file(upload(tmp_path, data))
    with pytest.raises(Exception, match=words) as caught:
        client.predict(json.dumps(story), sent, api_name="/generate")
    assert "/tmp" not in str(caught.value)


def test_no_file_but_the_page_s_own_is_served(client):
    import httpx

    for path in ("/etc/passwd", str(SPACE / "app.py"), str(SPACE / "examples" / ".." / "app.py")):
        assert httpx.get(f"{client.src}gradio_api/file={path}").status_code in (403, 404)
    assert httpx.get(f"{client.src}gradio_api/file={SPACE / 'examples' / 'snow.mp4'}").status_code == 200


def test_nothing_is_left_behind_by_calls(client, space):
    import visitors

    client.predict(json.dumps(STORY), steps=2, api_name="/generate")
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


def test_zerogpu_gets_every_use_of_the_model_and_loses_no_error(space, folder, monkeypatch):
    import studio

    asked, through = [], studio._on_zero

    def decorated(*arguments):  # as `spaces.GPU` does: it asks for so many seconds, and keeps only an error's kind
        asked.append(studio.gpu_seconds(*arguments))
        yield from through(*arguments)

    monkeypatch.setattr(studio, "ON_ZERO", True)
    monkeypatch.setattr(studio, "_on_zero", decorated)
    *_, last = studio.films(STORY, folder, options())
    assert Path(last["video"]).is_file() and free_within(1)
    limits = studio.LIMITS
    assert asked == [int(limits.start + (1 + limits.second_stage) * (9 * 48 * 32 * 2) / limits.rate) + 1]
    with pytest.raises(ValueError, match="tau scheme must be one of"):
        list(studio.films(STORY, folder, options(rope="x")))
    monkeypatch.setitem(studio.WORK, "film", lambda job, *arguments: 1 / 0)
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        list(studio.films(STORY, folder, options()))
    monkeypatch.undo()
    monkeypatch.setattr(studio, "ON_ZERO", True)
    running = studio.films(STORY, folder, options(steps=50))
    assert "drafting" in next(told["words"] for told in running if "drafting" in told["words"])
    running.close()
    assert free_within(5)


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
