"""The Space in a real browser: drag by mouse and by keyboard, generate, play, download, refuse, cancel, 400 px."""

import base64
import json
import shutil
import sys
from pathlib import Path

import numpy as np
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
TABS = ("Direct", "Keyframes", "MC-RoPE", "Anchors", "Upscale")


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    """Where the server keeps the visitors' folders."""
    return tmp_path_factory.mktemp("server") / "smartdirector-space"


@pytest.fixture(scope="module")
def url(two_stage_folder, kept):
    port = free_port()
    settings = {"SMARTDIRECTOR_MODEL": str(two_stage_folder), "GRADIO_ANALYTICS_ENABLED": "False"}
    settings["TMPDIR"] = str(kept.parent)
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
    page.evaluate("localStorage.clear()")  # what the test before has left
    page.reload()
    page.wait_for_selector(".sd-keyframe")
    yield page
    assert not page.errors
    page.close()


def frames(page) -> list[int]:
    return [int(node.get_attribute("aria-valuenow")) for node in page.query_selector_all(".sd-keyframe")]


def set_steps(page, steps: int) -> None:
    if not page.get_by_label("number input for Steps").is_visible():
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


def upload(page, *paths: Path) -> None:
    page.locator("#sd-upload input[type=file]").set_input_files(list(paths))


def picture(path: Path, colour: str, size: tuple[int, int] = (64, 36)) -> Path:
    from PIL import Image

    Image.new("RGB", size, colour).save(path)
    return path


def filmed(page, path: Path, steps: int = 1) -> tuple[np.ndarray, str]:
    """Press Generate. Returns the frames of the film that comes, and its verdict."""
    from smartdirector_lite.media import read_video

    set_steps(page, steps)
    before = page.evaluate("document.querySelector('#sd-film video').src")
    page.locator("#sd-generate").click()
    page.wait_for_function("/being filmed/.test(document.querySelector('#sd-verdict').innerText)")
    page.wait_for_function("/done in/.test(document.querySelector('#sd-progress').innerText)")
    page.wait_for_function("(before) => document.querySelector('#sd-film video').src !== before", arg=before)
    path.write_bytes(page.request.get(page.evaluate("document.querySelector('#sd-film video').src")).body())
    return read_video(path), page.locator("#sd-verdict").inner_text().strip()


def link_to(story: dict) -> str:
    return "#story=" + base64.urlsafe_b64encode(json.dumps(story).encode()).decode()


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
    assert download.value.suggested_filename.startswith("only-the-middle-take-1-")
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
    upload(page, picture(tmp_path / "mine.png", "red"))
    page.wait_for_function("document.querySelectorAll('.sd-keyframe').length === 1")
    other = browser.new_context().new_page()
    other.goto(url)
    other.wait_for_selector(".sd-keyframe", timeout=PATIENCE)
    assert other.locator(".sd-media img").count() == 10 and page.locator(".sd-media img").count() == 11
    other.context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_narrow_page_does_not_scroll_sideways(page, url, theme):
    page.set_viewport_size({"width": 400, "height": 800})
    page.goto(f"{url}?__theme={theme}")
    page.wait_for_selector(".sd-keyframe")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


STORY = {"fps": 12, "num_frames": 20, "description": "Linked", "keyframes": [{"frame": 7, "image": "snow-00.jpg"}]}


def test_what_a_link_shows_is_what_is_filmed(page, url, tmp_path):
    page.goto("about:blank")
    page.goto(url + link_to(STORY))
    page.wait_for_selector(".sd-keyframe")
    assert frames(page) == [7]
    film, verdict = filmed(page, tmp_path / "film.mp4")
    assert len(film) == 20 and verdict.startswith("1 given frame:")


def test_a_link_that_holds_no_story_is_passed_over(page, url):
    page.goto("about:blank")
    page.goto(f"{url}#story=nonsense")
    page.get_by_text("holds no story").wait_for()
    assert frames(page) == [0, 12, 21, 34, 48]


def test_own_pictures_become_a_film_of_their_own(page, tmp_path):
    three = [picture(tmp_path / f"{name}.png", name) for name in ("red", "lime", "blue")]
    with page.expect_file_chooser() as chooser:
        page.locator("#sd-start").click()
    chooser.value.set_files(three)
    page.wait_for_function("document.querySelectorAll('.sd-keyframe').length === 3")
    assert frames(page) == [0, 12, 24]
    assert page.get_by_label("Description", exact=True).input_value() == ""
    assert page.evaluate("sdTimeline.value().storyboard.shots.length") == 0
    film, verdict = filmed(page, tmp_path / "film.mp4")
    assert len(film) == 25 and verdict.startswith("3 given frames")
    upload(page, picture(tmp_path / "white.png", "white"))  # nothing was placed by hand: all are spread again
    page.wait_for_function("document.querySelectorAll('.sd-keyframe').length === 4")
    assert frames(page) == [0, 12, 24, 36]
    handle = page.locator(".sd-keyframe").nth(1)
    assert handle.get_attribute("aria-label") == "Keyframe, lime"


def test_an_upload_begins_an_own_film_only_where_nobody_has_changed_the_example(page, tmp_path):
    page.locator(".sd-keyframe").nth(1).focus()
    page.keyboard.press("ArrowRight")
    upload(page, picture(tmp_path / "red.png", "red"))
    page.wait_for_function("document.querySelectorAll('.sd-keyframe').length === 6")
    page.locator("#sd-snow").click()
    page.wait_for_function("document.querySelectorAll('.sd-keyframe').length === 5")
    upload(page, picture(tmp_path / "blue.png", "blue"))
    page.wait_for_function("document.querySelectorAll('.sd-keyframe').length === 1")
    page.get_by_role("button", name="Undo").click()
    assert frames(page) == [0, 12, 21, 34, 48]


def test_undo_and_redo_change_what_is_filmed(page, tmp_path):
    undo, redo = (page.get_by_role("button", name=name) for name in ("Undo", "Redo"))
    page.get_by_role("button", name="Clear").click()
    assert frames(page) == []
    undo.click()
    assert frames(page) == [0, 12, 21, 34, 48]
    page.get_by_role("button", name="New", exact=True).click()
    page.get_by_label("Description", exact=True).fill("A red kite.")
    undo.click()
    assert page.get_by_label("Description", exact=True).input_value() == ""
    undo.click()
    redo.click()
    redo.click()
    film, verdict = filmed(page, tmp_path / "film.mp4")
    assert len(film) == 25 and "given" not in verdict
    page.locator("#sd-use-json").scroll_into_view_if_needed()
    page.get_by_role("button", name="Timeline → JSON").click()
    page.wait_for_function("document.querySelector('#sd-json').innerText.includes('A red kite.')")


def test_a_reload_keeps_the_story_and_its_pictures(page, tmp_path, kept):
    upload(page, picture(tmp_path / "red.png", "red"), picture(tmp_path / "blue.png", "blue"))
    page.wait_for_function("document.querySelectorAll('.sd-keyframe').length === 2")
    page.get_by_label("Description", exact=True).fill("Red becomes blue.")
    page.reload()
    page.get_by_text("as you left it").wait_for()
    assert frames(page) == [0, 24] and page.locator(".sd-keyframe img").count() == 2
    film, verdict = filmed(page, tmp_path / "film.mp4")
    assert len(film) == 25 and verdict.startswith("2 given frames")
    for folder in kept.iterdir():
        shutil.rmtree(folder)
    page.reload()
    page.get_by_text("2 of your own pictures of an earlier visit are no longer here").wait_for()
    assert frames(page) == [] and page.get_by_label("Description", exact=True).input_value() == "Red becomes blue."


def test_takes_are_kept_and_returned_to(page, tmp_path):
    page.locator("#sd-middle").click()
    page.wait_for_function("document.querySelectorAll('.sd-keyframe').length === 1")
    first, _ = filmed(page, tmp_path / "first.mp4")
    page.get_by_label("Seconds", exact=True).fill("1.5")
    page.get_by_label("Seconds", exact=True).press("Enter")
    page.wait_for_function("sdTimeline.value().storyboard.num_frames !== 37")
    second, _ = filmed(page, tmp_path / "second.mp4")
    assert len(first) == 37 and len(second) == 19
    takes = page.locator(".sd-take")
    seeds = [takes.nth(i).inner_text().split("seed ")[1].split(" ·")[0] for i in range(2)]
    assert len(set(seeds)) == 2 and "0" not in seeds  # new ones, not the example's
    takes.nth(0).click()
    page.wait_for_function("/take 1/.test(document.querySelector('#sd-film [data-testid=block-label]').innerText)")
    again = page.request.get(page.evaluate("document.querySelector('#sd-film video').src")).body()
    assert again == (tmp_path / "first.mp4").read_bytes()
    page.get_by_label("Put the story of take 1 on the timeline").click()
    page.wait_for_function("sdTimeline.value().storyboard.num_frames === 37")


def test_the_frame_that_is_seen_is_the_one_that_is_taken(page, tmp_path):
    """The film is asked for odd times; the frame's number comes from its own time, and is compared by its pixels."""
    from smartdirector_lite.media import read_video

    page.wait_for_function("document.querySelector('#sd-film video')?.readyState >= 2")
    path = tmp_path / "film.mp4"
    path.write_bytes(page.request.get(page.evaluate("document.querySelector('#sd-film video').src")).body())
    film = read_video(path).astype(float)
    # The film plays by itself at first, so a frame of before the seek may still be on its way to the screen.
    seek = """async (time) => {
      const video = document.querySelector('#sd-film video');
      const painted = () => new Promise((done) => video.requestVideoFrameCallback((_, frame) => done(frame.mediaTime)));
      const sought = new Promise((done) => video.addEventListener('seeked', done, { once: true }));
      video.pause();
      video.currentTime = time;
      const late = new Promise((_, fail) => setTimeout(() => fail(new Error(`no frame of ${time} s`)), 60_000));
      late.catch(() => {});
      for (let start = NaN; !(start <= time && time < start + 1 / 12);) start = await Promise.race([painted(), late]);
      await sought;
      const canvas = document.createElement('canvas');
      [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
      const context = canvas.getContext('2d');
      context.drawImage(video, 0, 0);
      return [[...context.getImageData(0, 0, canvas.width, canvas.height).data], sdTimeline.shown()];
    }"""
    for time in (0.04, 1.0, 1.4999, 2.6666, 3.9):
        pixels, shown = page.evaluate(seek, time)
        seen = np.array(pixels, float).reshape(*film.shape[1:3], 4)[..., :3]
        number = int(np.abs(film - seen).mean((1, 2, 3)).argmin())
        assert round(shown * 12) == number
    page.locator("#sd-grab").click()
    page.wait_for_function("document.querySelectorAll('.sd-keyframe').length === 6")
    assert number in frames(page)


def test_the_next_film_goes_on_from_the_last_frame(page, tmp_path):
    page.locator("#sd-onward").click()
    page.wait_for_function("document.querySelectorAll('.sd-keyframe').length === 1")
    assert frames(page) == [0]
    film, verdict = filmed(page, tmp_path / "film.mp4")
    assert len(film) == 49 and verdict.startswith("1 given frame:")


def test_a_film_takes_the_shape_that_is_chosen_and_crops_are_shown_before(page, tmp_path):
    upload(page, picture(tmp_path / "tall.png", "red", (36, 64)))
    page.get_by_text("tall: 38 % is seen").wait_for()
    page.get_by_label("Shape of the film").select_option(label="Square (1:1)")
    page.get_by_text("tall: 56 % is seen").wait_for()
    film, _ = filmed(page, tmp_path / "film.mp4")
    assert film.shape[1] == film.shape[2]


def test_the_length_ends_where_generate_ends_and_a_cut_says_where_it_goes(page):
    seconds = page.get_by_label("Seconds", exact=True)
    seconds.fill("120")
    seconds.press("Enter")
    most = page.evaluate("sdTimeline.value().storyboard.num_frames")
    assert most == 121
    page.locator(".sd-keyframe").nth(1).focus()
    page.get_by_role("button", name="Cut at 1.0 s").click()
    assert page.evaluate("sdTimeline.value().storyboard.shots.map((s) => s.start_frame)") == [0, 12, 21]


def test_cancel_says_nothing_where_nothing_runs(page):
    before = page.locator("#sd-progress").inner_text()
    page.locator("#sd-cancel").click()
    page.wait_for_timeout(1_500)
    assert page.locator("#sd-progress").inner_text() == before


def test_a_cancelled_draft_is_called_a_draft(page):
    set_steps(page, 2)
    page.locator("#sd-generate").click()
    label = "document.querySelector('#sd-film [data-testid=block-label]').innerText"
    page.wait_for_function(f"/^Draft/.test({label}.trim())")
    page.locator("#sd-cancel").click()
    page.wait_for_function(f"/Draft of a take that was cancelled|Final film/.test({label})")


def test_films_play_on_arrival(page):
    page.wait_for_function("document.querySelector('#sd-film video')?.currentTime > 0.3")
    assert page.evaluate("(({muted, loop}) => [muted, loop])(document.querySelector('#sd-film video'))") == [True, True]


def open_tab(page, name: str) -> None:
    page.get_by_role("tab", name=name).locator("visible=true").first.click()
    page.wait_for_function("!document.querySelector('.image-frame img:not([alt])')")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_any_tab(page, url, theme):
    axe_playwright = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs the extra `dev`")
    page.goto(f"{url}?__theme={theme}")
    page.wait_for_selector(".sd-keyframe")
    axe, found = axe_playwright.Axe(), []
    for tab in TABS:
        open_tab(page, tab)
        for violation in axe.run(page).response["violations"]:
            if violation["impact"] in ("serious", "critical"):
                found += [f"{tab}: {violation['id']}: {node['html'][:200]}" for node in violation["nodes"]]
    assert not found, "\n".join(found)


def test_a_lesson_answers_when_its_slider_moves(page, tmp_path):
    open_tab(page, "Keyframes")
    words = page.locator("#sd-why-words")
    shown = page.locator("#sd-why-frame input[type=number]")
    before = page.locator(".sd-lesson-film [data-testid='block-label']").all_inner_texts()[:4]
    shown.fill("7")
    shown.press("Enter")
    page.wait_for_function("/At frame 7 /.test(document.querySelector('#sd-why-words').innerText)")
    after = page.locator(".sd-lesson-film [data-testid='block-label']").all_inner_texts()[:4]
    assert before[0] == after[0] and all(a != b for a, b in zip(before[1:], after[1:], strict=True))
    said = words.inner_text()
    page.locator("#sd-why-picture input[type=file]").set_input_files(picture(tmp_path / "mine.png", "red"))
    page.wait_for_function("(said) => document.querySelector('#sd-why-words').innerText !== said", arg=said)


def test_a_wrong_number_leaves_the_drawing(page):
    open_tab(page, "MC-RoPE")
    places = page.get_by_label("Keyframes stand at frames")
    drawn = page.evaluate("document.querySelector('.sd-picture img').src")
    places.fill("0, what")
    page.locator("#sd-rope-line").get_by_text("numbers with commas").wait_for()
    assert page.evaluate("document.querySelector('.sd-picture img').src") == drawn
    places.fill("0, 9")
    page.wait_for_function("document.querySelector('#sd-rope-line').innerText.trim() === ''")


def test_the_four_films_of_a_lesson_show_the_same_moment(page):
    open_tab(page, "MC-RoPE")
    page.wait_for_timeout(2_000)
    videos = "[...document.querySelectorAll('.sd-together video')].filter((video) => video.offsetParent)"
    seen = page.evaluate(f"{videos}.map((video) => video.currentTime)")
    assert len(seen) == 4 and max(seen) - min(seen) < 0.2 and max(seen) > 0


def test_on_a_phone_every_tab_is_there_and_nothing_to_press_is_small(page, url):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(url)
    page.wait_for_selector(".sd-keyframe")
    for name in TABS:
        assert page.get_by_role("tab", name=name).locator("visible=true").count() == 1
    small = """() => [...document.querySelectorAll('button, a[download], .sd-timeline input, .sd-timeline select')]
      .filter((node) => node.offsetParent && !node.closest('footer') && !node.matches('.sd-cut, [tabindex="-1"]'))
      .map((node) => [node.getBoundingClientRect(), node])
      .filter(([box]) => box.height < 43.5)
      .map(([box, node]) => `${Math.round(box.height)}: ${node.outerHTML.slice(0, 120)}`)"""
    for name in TABS:
        open_tab(page, name)
        assert page.evaluate(small) == []
