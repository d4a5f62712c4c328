"""How fast a running Space answers one visitor, in a real browser.

    python bench/space_speed.py URL

It prints the seconds from the page's address to a film that can be played and a timeline that can be dragged, the
seconds from "Generate" to the draft and to the final film of the first example (4 s long), and the longest time that
the progress stood still. With --pid it also prints the processor's seconds for a film, which other programs on the
machine hardly change. Nobody else may use the Space meanwhile. The environment variable CHROMIUM names the browser.
"""

import argparse
import os
import shutil
import time

import psutil
from playwright.sync_api import Page, sync_playwright

READY = "document.querySelector('#sd-film video')?.readyState >= 2 && document.querySelector('.sd-keyframe')"
WATCH = """() => {
  window.told = [performance.now()];
  window.source = document.querySelector('#sd-film video').src;
  const note = () => {
    const text = document.querySelector('#sd-progress').innerText, now = performance.now();
    if (text !== window.last) { window.last = text; window.told.push(now); }
    const src = document.querySelector('#sd-film video')?.src;
    if (src && src !== window.source && !window.draft) window.draft = now;
    if (/done in/.test(text) && !window.final) window.final = now;
  };
  setInterval(note, 50);
}"""


def first_view(page: Page, url: str) -> float:
    """Measure the seconds until a finished film and the timeline can be used."""
    start = time.monotonic()
    page.goto(url)
    page.wait_for_function(READY)
    return time.monotonic() - start


def film(page: Page) -> tuple[float | None, float, float]:
    """Film the example.

    Returns:
        The seconds to the draft (None for a model without a second stage), to the film, and of the longest silence.
    """
    page.evaluate(WATCH)
    page.locator("#sd-generate").click()
    page.wait_for_function("window.final", timeout=600_000)
    start, *told = page.evaluate("window.told.filter((t) => t <= window.final)")
    draft = page.evaluate("window.draft")
    silence = max(after - before for before, after in zip([start, *told], told))
    final = page.evaluate("window.final")
    seconds = (draft - start) / 1000 if draft and draft < final else None
    return seconds, (final - start) / 1000, silence / 1000


def cpu_seconds(pid: int | None) -> float:
    """The processor's seconds that a process has used so far; 0 without a process."""
    return sum(psutil.Process(pid).cpu_times()[:2]) if pid else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("url", help="of the Space, as `make space` prints it")
    parser.add_argument("--repeats", type=int, default=3, help="how many films (default: 3)")
    parser.add_argument("--pid", type=int, help="process id of the Space, for the processor's time")
    options = parser.parse_args()
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for number in range(options.repeats):
            page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
            page.set_default_timeout(120_000)
            view = first_view(page, options.url)
            before = cpu_seconds(options.pid)
            draft, final, silence = film(page)
            used = f"; {cpu_seconds(options.pid) - before:.1f} s of processor" if options.pid else ""
            between = "no draft" if draft is None else f"draft {draft:.1f} s"
            print(f"{number + 1}: first view {view:.1f} s; {between}; final {final:.1f} s; ", end="")
            print(f"silent at most {silence:.1f} s{used}")
            page.context.close()
        browser.close()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
