"""The study's page: votes of several clients at once, a killed server, hostile visitors, and one vote in a browser."""

import re
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from browsers import CHROMIUM, chromium, free_port, served

pytest.importorskip("gradio", reason="needs the extra `space`")

from smartdirector_lite.cli import main
from smartdirector_lite.evaluation.study import Votes, open_study, prepare_study
from smartdirector_lite.evaluation.study_page import ANSWERS, Booth
from smartdirector_lite.media import write_image, write_video

NUM_CLIPS = 13


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A study of two systems, of which the first one's videos are red and the second one's blue."""
    root = tmp_path_factory.mktemp("page")
    for name, colour in (("oursystem", (200, 40, 40)), ("theirsystem", (40, 40, 200)), ("keys", (90, 90, 90))):
        (root / name).mkdir()
        for index in range(NUM_CLIPS):
            frames = np.full((12, 64, 112, 3), colour, dtype=np.uint8)
            frames[:, :, : 8 * index] //= 2
            if name == "keys":
                write_image(root / name / f"scene{index:02}.png", frames[0])
            else:
                write_video(root / name / f"scene{index:02}.mp4", frames, 12)
    prepare_study([root / "oursystem", root / "theirsystem"], root / "study", root / "keys")
    return root


def command(root: Path, port: int) -> list:
    return [sys.executable, "-m", "smartdirector_lite.cli", "study", "-o", str(root / "study"), "--port", str(port)]


@pytest.fixture(scope="module")
def url(root):
    port = free_port()
    with served(command(root, port), f"http://127.0.0.1:{port}/") as address:
        yield address


def fetch(url: str, method: str = "GET", data: bytes | None = None) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, method=method), timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


# -- what buttons do ---------------------------------------------------------------------------------------------------


def test_a_rater_votes_goes_back_and_goes_on_later(root, tmp_path):
    study, votes = open_study(root / "study"), Votes(tmp_path / "votes.sqlite")
    booth = Booth(study, votes)
    code, place, words, pair, *answers = booth.begin("")
    assert place == 0 and "Pair 1 of 13" in words and code in words and answers == [None] * 4
    showing = study.showings(0)[0]
    assert re.findall("shown/([0-9a-f]+.mp4)", pair) == list(study.videos(showing)) and study.picture(showing) in pair
    given = [ANSWERS[0], ANSWERS[1], ANSWERS[2], ANSWERS[0]]
    assert "Please answer" in booth.vote(code, 0, *given[:3], None)[2] and votes.all() == []
    assert booth.vote(code, 0, *given[:3], None)[4:] == [*given[:3], None]
    assert booth.vote(code, 0, *given)[1] == 1
    assert votes.of(0)[showing.pair]["identity consistency"] == ("second" if showing.swapped else "first")
    assert booth.back(code, 1)[1:2] + booth.back(code, 1)[4:] == [0, *given]
    assert Booth(study, Votes(votes.path)).begin(code)[1] == 1
    for place in range(1, NUM_CLIPS):
        shown = booth.vote(code, place, *given)
    assert "All 13 pairs" in shown[2] and shown[3] == "" and booth.resume(code)[1] == NUM_CLIPS


@pytest.mark.parametrize("place", [-1, NUM_CLIPS, 1e9, float("nan"), float("inf"), None, "0", [0]])
def test_a_forged_call_votes_on_nothing(root, tmp_path, place):
    votes = Votes(tmp_path / "votes.sqlite")
    booth = Booth(open_study(root / "study"), votes)
    code = booth.begin("")[0]
    booth.vote(code, place, *[ANSWERS[0]] * 4)
    booth.back(code, place)
    for forged in ("", "unknown", "' OR 1=1 --", "x" * 10_000):
        assert booth.vote(forged, 0, *[ANSWERS[0]] * 4)[0] == "" and booth.back(forged, 3)[0] == ""
        assert booth.resume(forged)[0] == ""
    for answers in ([ANSWERS[0]] * 3, ["first"] * 4, [["Video 1"]] * 4, [ANSWERS[0]] * 5):
        booth.vote(code, 0, *answers)
    assert votes.all() == []
    assert booth.begin("unknown")[0] == ""


# -- the server --------------------------------------------------------------------------------------------------------


def test_votes_of_four_clients_at_once_are_all_there(url, root):
    from gradio_client import Client

    study, kept = open_study(root / "study"), {}

    def vote() -> None:
        client = Client(url, verbose=False, download_files=False)
        code, place, *_ = client.predict("", api_name="/begin")
        for place in range(NUM_CLIPS):
            client.predict(code, place, *[ANSWERS[place % 3]] * 4, api_name="/vote")
        kept[code] = True

    threads = [threading.Thread(target=vote) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    votes = Votes(root / "study/votes.sqlite")
    assert len(kept) == 4
    for code in kept:
        rater = votes.rater(code)
        places = {one.pair: (place, one) for place, one in enumerate(study.showings(rater))}
        chosen = votes.of(rater)
        assert {*chosen} == {*range(NUM_CLIPS)}  # 4 clients, 13 pairs, 4 aspects: 208 votes
        for pair, (place, showing) in places.items():
            assert chosen[pair] == dict.fromkeys(study.aspects, showing.choice(place % 3))


def test_a_visitor_gets_the_videos_and_no_other_file(url, root):
    study = open_study(root / "study")
    name = study.shown["oursystem/scene03"]
    status, body = fetch(f"{url}shown/{name}")
    assert status == 200 and body == (root / "study/material" / name).read_bytes()
    secrets = [
        root / "study/material/study.json",
        root / "study/votes.sqlite",
        "/etc/passwd",
        root / "study/material" / name,
    ]
    tries = [f"gradio_api/file={path}" for path in secrets] + [f"file={path}" for path in secrets]
    tries += [f"gradio_api/file/{path}" for path in secrets] + [f"shown/{path}" for path in secrets]
    tries += [
        "shown/study.json",
        "shown/..%2fvotes.sqlite",
        "shown/%2e%2e/votes.sqlite",
        "shown/..%2f..%2fvotes.sqlite",
    ]
    tries += ["material/study.json", "static/../study.json", "assets/..%2f..%2fetc/passwd", "monitoring", "docs"]
    tries += ["gradio_api/proxy=http://127.0.0.1/", "openapi.json", "shown/", f"shown/{name}/../study.json"]
    for path in tries:
        status, body = fetch(url + path)
        assert status >= 400 or (b"oursystem" not in body and b"root:" not in body and b"SQLite" not in body), path
        if "shown/" in path or "file" in path:
            assert status in (400, 403, 404, 405), (path, status)
    assert fetch(f"{url}gradio_api/upload", "POST", b"x" * 100)[0] == 404


def test_neither_page_nor_answers_nor_headers_tell_the_systems(url, root):
    from gradio_client import Client

    client = Client(url, verbose=False, download_files=False)
    told = str(client.predict("", api_name="/begin")) + str(client.view_api(return_format="dict"))
    for path in ("", "config", "gradio_api/info", "theme.css", "gradio_api/startup-events"):
        told += fetch(url + path)[1].decode("utf-8", "replace")
    assert "Which video is better?" in told
    for word in ("oursystem", "theirsystem", "scene0", str(root), "study.json", "votes.sqlite"):
        assert word not in told
    study, headers = open_study(root / "study"), []
    for system in study.systems:
        with urllib.request.urlopen(f"{url}shown/{study.shown[f'{system}/scene00']}") as answer:
            headers.append({name: value for name, value in answer.headers.items()})
    for one in headers:
        for name in ("date", "content-length", "etag"):
            one.pop(name)
    assert headers[0] == headers[1] and headers[0]["last-modified"] == "Thu, 01 Jan 1970 00:00:00 GMT"


def test_a_port_that_is_taken_is_one_line(url, root, capsys):
    assert main(["study", "-o", str(root / "study"), "--port", url.rstrip("/").rpartition(":")[2]]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "in use" in said


# -- in a browser ------------------------------------------------------------------------------------------------------


needs_browser = pytest.mark.skipif(not CHROMIUM, reason="needs Chromium: install it, or name it in CHROMIUM")


@pytest.fixture
def browser():
    pytest.importorskip("playwright.sync_api", reason="needs the extra `dev`")
    with chromium() as browser:
        yield browser


def begin(page) -> None:
    """Press the button that begins, again where the page did not listen yet."""
    for _ in range(20):
        if page.locator("#sd-begin").is_visible():
            page.locator("#sd-begin").click()
        page.wait_for_timeout(1000)
        if page.locator(".sd-pair video").count() == 2:
            return


def answer_all(page, answer: str, picture: Path) -> None:
    """Choose one answer to all questions, when both videos stand there, and vote."""
    page.wait_for_function("document.querySelectorAll('.sd-pair video').length == 2")
    page.locator("#sd-vote").wait_for()
    for question in page.locator("fieldset").all():
        question.get_by_label(answer, exact=True).check()
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    page.screenshot(path=picture, full_page=True)
    page.locator("#sd-vote").click()


@pytest.mark.slow
@needs_browser
def test_a_vote_in_a_browser_which_knows_its_rater_when_it_comes_again(url, root, tmp_path, browser):
    votes, errors = Votes(root / "study/votes.sqlite"), []
    before = {vote.rater for vote in votes.all()}
    page = browser.new_context(viewport={"width": 1200, "height": 900}).new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(url)
    begin(page)
    answer_all(page, ANSWERS[0], tmp_path / "wide.png")
    page.get_by_text("Pair 2 of 13").wait_for()
    page.goto(url)
    page.get_by_text("Pair 2 of 13").wait_for()
    answer_all(page, ANSWERS[2], tmp_path / "again.png")
    page.get_by_text("Pair 3 of 13").wait_for()
    page.locator("#sd-back").click()
    page.get_by_text("Pair 2 of 13").wait_for()
    assert all(one.get_by_label(ANSWERS[2], exact=True).is_checked() for one in page.locator("fieldset").all())
    (rater,) = {vote.rater for vote in votes.all()} - before
    study = open_study(root / "study")
    both = zip(study.showings(rater), (0, 2))
    assert votes.of(rater) == {one.pair: dict.fromkeys(study.aspects, one.choice(place)) for one, place in both}
    assert not errors


@pytest.mark.slow
@needs_browser
def test_a_vote_on_a_phone(url, root, tmp_path, browser):
    before = len(Votes(root / "study/votes.sqlite").all())
    page = browser.new_context(viewport={"width": 400, "height": 800}).new_page()
    page.goto(url)
    begin(page)
    answer_all(page, ANSWERS[1], tmp_path / "phone.png")
    page.get_by_text("Pair 2 of 13").wait_for()
    assert [vote.choice for vote in Votes(root / "study/votes.sqlite").all()].count("same") >= 4
    assert len(Votes(root / "study/votes.sqlite").all()) == before + 4
