"""The notebooks in a real browser: as wide and narrow pages, and the widgets in JupyterLab with a kernel.

These tests are skipped where JupyterLab, playwright or Chromium is missing.
"""

import re
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from browsers import CHROMIUM, chromium, free_port, served

from smartdirector_lite.course import notebook

pytest.importorskip("playwright.sync_api", reason="needs the extra `dev`")
nbconvert = pytest.importorskip("nbconvert", reason="needs the extra `notebooks`")
pytest.importorskip("jupyterlab", reason="needs the extra `notebooks`")
NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("[0-9]*.ipynb"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium; CHROMIUM=path names one"),
]


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_page_has_every_figure_and_fits_a_phone(browser, tmp_path, path):
    page_file = tmp_path / f"{path.stem}.html"
    page_file.write_text(nbconvert.HTMLExporter().from_filename(str(path))[0], encoding="utf-8")
    for width in (1280, 400):
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.route("http*://**", lambda route: route.abort())  # the badge and MathJax
        page.goto(page_file.as_uri())
        own = "[...document.images].filter(image => image.src.startsWith('data:'))"
        page.wait_for_function(f"{own}.every(image => image.complete)")
        assert page.evaluate(f"{own}.length") >= 2
        assert page.evaluate(f"{own}.every(image => image.naturalWidth > 0 && image.alt)")
        assert page.evaluate(f"{own}.every(image => image.getBoundingClientRect().width <= innerWidth)")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"wider than {width} pixels"
        for video in page.query_selector_all("video"):
            page.wait_for_function("video => video.readyState >= 2 && video.videoWidth > 0", arg=video)
        page.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of a JupyterLab that serves one notebook of widgets."""
    folder = tmp_path_factory.mktemp("lab")
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    source = """from smartdirector_lite import ChunkPlan, Condition
from smartdirector_lite.course.widgets import tau_explorer
tau_explorer(ChunkPlan.build(30, [Condition(0), Condition(13)], stride=4))"""
    notebook.cells = [nbformat.v4.new_code_cell(source)]
    nbformat.write(notebook, folder / "widgets.ipynb")
    port = free_port()
    command = [sys.executable, "-m", "jupyterlab", f"--port={port}", "--no-browser", "--allow-root"]
    command += [f"--notebook-dir={folder}", "--IdentityProvider.token=", "--ServerApp.port_retries=0"]
    settings = {f"JUPYTER_{name}_DIR": str(folder / name) for name in ("CONFIG", "RUNTIME", "DATA")}
    address = f"http://127.0.0.1:{port}"
    with served([*command, "--LabApp.news_url=None"], f"{address}/api/status", **settings):
        yield address


def test_moving_a_keyframe_by_keyboard_redraws_the_figure(browser, lab):
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.goto(f"{lab}/lab/tree/widgets.ipynb?reset")
    cell = page.locator(".jp-Notebook .jp-Cell .cm-content").first
    cell.wait_for(timeout=60_000)
    page.get_by_text("| Idle").wait_for(timeout=60_000)  # the status bar says so once a kernel is there
    cell.click()
    page.keyboard.press("Shift+Enter")
    picture = page.locator(".jp-OutputArea-output img[alt^='Timeline of']")
    picture.wait_for(timeout=120_000)
    before, drawn = picture.get_attribute("alt"), picture.get_attribute("src")
    assert "given at 0, 13" in before
    handle = page.get_by_role("slider", name="keyframe 2, frame")
    handle.wait_for(timeout=20_000)
    handle.focus()
    handle.press("ArrowRight")
    page.wait_for_selector("img[alt*='given at 0, 14']", timeout=20_000)
    assert picture.get_attribute("src") != drawn
    page.get_by_label(re.compile("index scheme")).select_option("continuous")
    page.wait_for_function("document.querySelector('.jp-OutputArea-output pre').innerText.includes('0 1 2 3 4')")
    page.close()


def test_a_pair_of_videos_plays_without_a_kernel_and_stops_together(browser, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(notebook, "display", lambda it, raw: shown.append(it["text/html"]))
    frames = np.random.default_rng(0).integers(0, 256, (24, 32, 48, 3), np.uint8)
    notebook.show_videos({"naive": frames, "ours": frames[::-1]}, 12, alt="two videos of noise")
    notebook.show_table([["a long text " * 9, 1]], ["text", "number"])
    page_file = tmp_path / "pair.html"
    page_file.write_text("".join(shown), encoding="utf-8")
    state = "[...document.querySelectorAll('video')].map(video => [video.paused, video.currentTime])"
    for width, beside in ((1280, True), (200, False)):
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.goto(page_file.as_uri())
        page.wait_for_function("[...document.querySelectorAll('video')].every(video => video.currentTime > 0.3)")
        (_, a), (_, b) = page.evaluate(state)
        assert abs(a - b) < 0.2 or abs(a - b) > 1.7  # one of them may have begun again
        left, right = (video.bounding_box() for video in page.query_selector_all("video"))
        assert (left["y"] == right["y"]) is beside and left["height"] == right["height"]
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.locator("video").nth(1).focus()
        page.keyboard.press("Space")
        page.wait_for_function("[...document.querySelectorAll('video')].every(video => video.paused)")
        page.close()
    quiet = browser.new_context(reduced_motion="reduce").new_page()
    quiet.goto(page_file.as_uri())
    quiet.wait_for_function("[...document.querySelectorAll('video')].every(video => video.paused)")
