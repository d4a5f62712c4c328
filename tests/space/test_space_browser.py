"""The Space in a real browser: drag by mouse and by keyboard, generate, play, download, refuse, cancel, 400 px."""

import json
import sys
from pathlib import Path

import pytest
from browsers import CHROMIUM, chromium, free_port, served

pytest.importorskip("playwright.sync_api", reason="needs the extra `dev`")
pytest.importorskip("gradio", reason="needs the extra `space`")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="needs Chromium: install it, or name it in CHROMIUM"),
]
SPACE = Path(__file__).resolve().parents[2] / "space"
START = f"""
import sys
sys.path.insert(0, {str(SPACE)!r})
import app
app.launch(app.build(), server_name="127.0.0.1", server_port=int(sys.argv[1]), quiet=True)
"""
PATIENCE = 90_000  # ms


@pytest.fixture(scope="module")
def url(two_stage_folder):
    port = free_port()
    settings = {"SMARTDIRECTOR_MODEL": str(two_stage_folder), "GRADIO_ANALYTICS_ENABLED": "False"}
    with served([sys.executable, "-c", START, str(port)], f"http://127.0.0.1:{port}/", **settings) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def context(browser):
    """One for all tests, so that the browser keeps Gradio's files; each page is a visitor of its own."""
    context = browser.new_context(viewport={"width": 1200, "height": 1400}, accept_downloads=True)
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()


@pytest.fixture
def page(context, url):
    page = context.new_page()
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.goto(url)
    page.wait_for_selector(".sd-keyframe")
    yield page
    assert not page.errors
    page.close()


def frames(page) -> list[int]:
    return [int(node.get_attribute("aria-valuenow")) for node in page.query_selector_all(".sd-keyframe")]


def set_steps(page, steps: int) -> None:
    page.get_by_text("Advanced", exact=True).click()
    number = page.get_by_label("number input for Steps")
    number.fill(str(steps))
    number.press("Enter")


def cancel(page, part: str) -> None:
    """Click Cancel; the page must say so, and still say so when what was on its way has arrived."""
    page.locator(f"#{part}-cancel").click()
    said = f"document.querySelector('#{part}-progress').innerText.includes('cancelled')"
    page.wait_for_function(said, timeout=PATIENCE)
    page.wait_for_timeout(3_000)
    page.wait_for_function(said, timeout=PATIENCE)


def test_a_first_visit_shows_a_finished_film_and_its_plan(page):
    page.wait_for_function("document.querySelector('#sd-film video')?.readyState >= 2")
    page.wait_for_function("document.querySelector('.sd-plan-text').textContent.startsWith('5 chunks, 17 latents')")
    assert page.locator("#sd-verdict").inner_text().startswith("5 given frames")


def test_keyframes_move_by_mouse_and_by_keyboard(page):
    assert frames(page) == [0, 12, 21, 34, 48]
    handle = page.locator(".sd-keyframe").nth(1)
    handle.hover()  # waits until it stands still: pictures that load late push it down
    box, track = handle.bounding_box(), page.locator(".sd-track").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + 20
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + track["width"] * 4 / 48, y, steps=5)
    page.mouse.up()
    assert frames(page) == [0, 16, 21, 34, 48]
    page.keyboard.press("ArrowLeft")  # what was dragged has the focus
    assert frames(page) == [0, 15, 21, 34, 48]
    page.keyboard.press("Shift+ArrowRight")
    assert frames(page)[1] == 27
    page.keyboard.press("d")
    assert len(frames(page)) == 6
    page.locator(".sd-inspector").get_by_text("Delete").click()
    assert sorted(frames(page)) == [0, 21, 27, 34, 48]
    page.wait_for_function("document.querySelector('.sd-plan-text').textContent.startsWith('5 chunks')")
    page.locator(".sd-keyframe").nth(2).focus()
    page.get_by_label("at seconds").fill("1")
    page.get_by_label("at seconds").press("Enter")
    assert 12 in frames(page)


def test_a_film_is_made_plays_and_is_downloaded(page, tmp_path):
    from smartdirector_lite.media import probe_video

    page.locator("#sd-middle").click()
    page.wait_for_function("document.querySelectorAll('.sd-keyframe').length === 1")
    set_steps(page, 2)
    page.locator("#sd-generate").click()
    page.wait_for_function("/done in/.test(document.querySelector('#sd-progress').innerText)")
    page.wait_for_function("document.querySelector('#sd-film video')?.readyState >= 2")
    play = "async () => { const v = document.querySelector('#sd-film video'); v.muted = true; await v.play(); }"
    page.evaluate(play)
    page.wait_for_function("document.querySelector('#sd-film video').currentTime > 0.5")
    with page.expect_download() as download:
        page.locator(
            "#sd-film a[download], #sd-film [aria-label='Download'], #sd-film [title='Download']"
        ).first.click()
    download.value.save_as(tmp_path / "film.mp4")
    info = probe_video(tmp_path / "film.mp4")
    assert (*info.size, info.num_frames) == (96, 64, 37)  # the tiny two-stage model's: 48 x 32, twice
    page.locator("#sd-grab").click()
    page.wait_for_function("document.querySelectorAll('.sd-keyframe').length === 2")


def test_a_broken_picture_is_refused_in_one_line(page, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n not a picture")
    page.locator("#sd-upload input[type=file]").set_input_files(tmp_path / "broken.png")
    page.get_by_text("neither a picture nor a video").wait_for()
    assert len(frames(page)) == 5


def test_cancel_frees_the_worker(page):
    page.locator("#sd-middle").click()
    page.wait_for_function("document.querySelectorAll('.sd-keyframe').length === 1")
    set_steps(page, 50)
    page.locator("#sd-generate").click()
    page.wait_for_function("/step/.test(document.querySelector('#sd-progress').innerText)")
    cancel(page, "sd")
    number = page.get_by_label("number input for Steps")
    number.fill("1")
    number.press("Enter")
    page.locator("#sd-generate").click()
    page.wait_for_function("/done in/.test(document.querySelector('#sd-progress').innerText)")


def test_filming_the_four_schemes_can_be_cancelled(page):
    page.get_by_role("tab", name="MC-RoPE").click()
    page.locator("#sd-rope").click()
    page.wait_for_function("/step/.test(document.querySelector('#sd-rope-progress').innerText)")
    cancel(page, "sd-rope")


def test_two_visitors_have_files_of_their_own(page, browser, url, tmp_path):
    from PIL import Image

    Image.new("RGB", (64, 36), "red").save(tmp_path / "mine.png")
    page.locator("#sd-upload input[type=file]").set_input_files(tmp_path / "mine.png")
    page.wait_for_function("document.querySelectorAll('.sd-keyframe').length === 6")
    other = browser.new_context().new_page()
    other.goto(url)
    other.wait_for_selector(".sd-keyframe", timeout=PATIENCE)
    assert other.locator(".sd-media").count() == 10 and page.locator(".sd-media").count() == 11
    other.context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_narrow_page_does_not_scroll_sideways(page, url, theme):
    page.set_viewport_size({"width": 400, "height": 800})
    page.goto(f"{url}?__theme={theme}")
    page.wait_for_selector(".sd-keyframe")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_a_link_carries_the_storyboard(page, url):
    import base64

    story = {"fps": 12, "num_frames": 20, "description": "Linked", "keyframes": [{"frame": 7, "image": "snow-00.jpg"}]}
    code = base64.urlsafe_b64encode(json.dumps(story).encode()).decode()
    page.goto("about:blank")
    page.goto(f"{url}#story={code}")
    page.wait_for_selector(".sd-keyframe")
    assert frames(page) == [7]


def open_tab(page, name: str) -> None:
    page.get_by_role("tab", name=name).locator("visible=true").first.click()
    page.wait_for_function("!document.querySelector('.image-frame img:not([alt])')")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_any_tab(page, url, theme):
    axe_playwright = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs the extra `dev`")
    page.goto(f"{url}?__theme={theme}")
    page.wait_for_selector(".sd-keyframe")
    axe, found = axe_playwright.Axe(), []
    for tab in ("Direct", "Why keyframes break", "MC-RoPE", "Anchors", "Upscale"):
        open_tab(page, tab)
        for violation in axe.run(page).response["violations"]:
            if violation["impact"] in ("serious", "critical"):
                found += [f"{tab}: {violation['id']}: {node['html'][:200]}" for node in violation["nodes"]]
    assert not found, "\n".join(found)
