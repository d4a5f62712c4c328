"""Play a newcomer in a real browser: three pictures of one's own become a film of those three and of nothing else.

    python bench/space_newcomer.py URL --out FOLDER

The pictures are a tall portrait, a photo that a phone has stored on its side (EXIF), and a drawing of flat colours. The
newcomer presses "Start my own film", chooses the pictures, and presses Generate. The script counts the presses, and
compares the film's frames with the pictures. It keeps screenshots and films in FOLDER. The environment variable
CHROMIUM names the browser.
"""

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageOps
from playwright.sync_api import Page, sync_playwright

from smartdirector_lite.loading import bundled_folder
from smartdirector_lite.media import read_image, read_video

MOST_PRESSES = 4
PATIENCE = 600_000  # ms; a film takes about a minute, and others may be before it
FILMED = "/^done in/.test(document.querySelector('#sd-progress [role=status]').innerText)"


def portrait() -> Image.Image:
    """A face before a dark wall, taller than wide."""
    image = Image.new("RGB", (900, 1200), "#4b2e5c")
    draw = ImageDraw.Draw(image)
    draw.ellipse((200, 250, 700, 950), fill="#e8b58c")
    for x in (360, 540):
        draw.ellipse((x - 30, 520, x + 30, 580), fill="#2b1a12")
    draw.arc((340, 640, 560, 800), 20, 160, fill="#8c2f2f", width=20)
    return image.filter(ImageFilter.GaussianBlur(3))


def photo() -> Image.Image:
    """A sunset over the sea with the grain of a camera, upright."""
    rows = np.linspace(0, 1, 1536)[:, None, None]
    sky = (1 - rows) * np.array([60, 90, 170]) + rows * np.array([250, 150, 60])
    pixels = np.where(rows < 0.6, sky, np.array([20, 60, 90])) + np.zeros((1536, 2048, 3))
    y, x = np.mgrid[:1536, :2048]
    pixels[(x - 1300) ** 2 + (y - 700) ** 2 < 200**2] = [255, 230, 150]
    grain = np.random.default_rng(0).normal(0, 8, pixels.shape)
    return Image.fromarray((pixels + grain).clip(0, 255).astype(np.uint8))


def drawing() -> Image.Image:
    """A house on a hill, in flat colours."""
    image = Image.new("RGB", (1280, 720), "#8fd3f4")
    draw = ImageDraw.Draw(image)
    draw.ellipse((-200, 450, 1480, 1300), fill="#57a639")
    draw.rectangle((500, 320, 800, 560), fill="#d9352b")
    draw.polygon([(460, 320), (650, 160), (840, 320)], fill="#5b3a21")
    draw.rectangle((620, 440, 690, 560), fill="#f2d34b")
    return image


def write_pictures(folder: Path) -> list[Path]:
    paths = [folder / name for name in ("portrait.jpg", "phone photo.jpg", "drawing.png")]
    portrait().save(paths[0], quality=92)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it a quarter turn clockwise
    photo().transpose(Image.Transpose.ROTATE_90).save(paths[1], exif=exif, quality=92)
    drawing().save(paths[2])
    return paths


def play(page: Page, url: str, pictures: list[Path], shot: Path) -> dict:
    """Play the newcomer. Returns what was seen: presses, seconds, the places, the verdict, and the film's bytes."""
    page.goto(url)
    page.wait_for_selector(".sd-keyframe")
    page.wait_for_timeout(1500)
    page.screenshot(path=f"{shot}-1-arrived.png", full_page=True)
    presses = 0
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Start my own film").click()
        presses += 1
    chooser.value.set_files(pictures)
    presses += 1
    page.wait_for_function(f"document.querySelectorAll('.sd-keyframe').length === {len(pictures)}")
    page.wait_for_timeout(1000)
    page.screenshot(path=f"{shot}-2-chosen.png", full_page=True)
    places = page.eval_on_selector_all(".sd-keyframe", "all => all.map((node) => +node.getAttribute('aria-valuenow'))")
    began = time.monotonic()
    page.locator("#sd-generate").click()
    presses += 1
    badges, words = set(), []
    while not page.evaluate(FILMED):
        badges.add(page.locator("#sd-film [data-testid='block-label']").first.inner_text().strip())
        said = page.locator("#sd-progress [role=status]").inner_text().strip()
        words += [said] if said not in words else []
        if time.monotonic() - began > PATIENCE / 1000:
            raise TimeoutError(f"no film: {said}")
        page.wait_for_timeout(250)
    page.wait_for_timeout(1500)
    badges.add(page.locator("#sd-film [data-testid='block-label']").first.inner_text().strip())
    page.screenshot(path=f"{shot}-3-filmed.png", full_page=True)
    source = page.evaluate("document.querySelector('#sd-film video').src")
    film = Path(f"{shot}.mp4")
    film.write_bytes(page.request.get(source).body())
    return {
        "presses": presses,
        "seconds": time.monotonic() - began,
        "places": places,
        "badges": sorted(badges),
        "words": words,
        "verdict": page.locator("#sd-verdict").inner_text().strip(),
        "film": film,
        "wide": page.evaluate("document.documentElement.scrollWidth"),
    }


def levels_apart(film: Path, places: list[int], pictures: list[Path]) -> tuple[list[float], float]:
    """Compare a film with pictures, in levels of 255.

    Returns:
        How far the film's frames are from the pictures at their places, and how far the frame that is most like a
        bundled picture is from it.
    """
    frames = read_video(film).astype(float)
    size = frames.shape[2], frames.shape[1]

    def shown(path: Path) -> np.ndarray:
        return np.asarray(ImageOps.fit(read_image(path), size, Image.Resampling.LANCZOS), float)

    apart = [float(np.abs(frames[place] - shown(path)).mean()) for place, path in zip(places, pictures, strict=True)]
    bundled = bundled_folder().parent.parent.glob("storyboards/*/keyframe-*.jpg")
    return apart, min(float(np.abs(frames - shown(path)).mean((1, 2, 3)).min()) for path in bundled)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("url", help="of the Space, as `make space` prints it")
    parser.add_argument("--out", type=Path, required=True, help="a folder for screenshots and films")
    parser.add_argument("--widths", type=int, nargs="+", default=[1400, 390], help="of the window, in pixels")
    parser.add_argument("--themes", nargs="+", default=["light", "dark"])
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    pictures, failures = write_pictures(options.out), 0
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for width in options.widths:
            for theme in options.themes:
                page = browser.new_context(viewport={"width": width, "height": 900}).new_page()
                url = f"{options.url.rstrip('/')}/?__theme={theme}"
                seen = play(page, url, pictures, options.out / f"{width}-{theme}")
                apart, strange = levels_apart(seen["film"], seen["places"], pictures)
                wrong = [
                    *([f"{seen['presses']} presses"] if seen["presses"] > MOST_PRESSES else []),
                    *(["a picture is not at its place"] if max(apart) > 12 else []),
                    *(["a frame is like a bundled picture"] if strange < 24 else []),
                    *([f"the verdict is {seen['verdict']!r}"] if "3 given frames" not in seen["verdict"] else []),
                    *([f"the page is {seen['wide']} pixels wide"] if seen["wide"] > width else []),
                ]
                failures += len(wrong)
                print(f"{width} pixels, {theme}: {seen['presses']} presses, {seen['seconds']:.0f} s")
                off = ", ".join(f"{levels:.1f}" for levels in apart)
                print(f"  pictures at frames {seen['places']}, off by {off} levels of 255")
                print(f"  the bundled pictures are {strange:.1f} levels or more from every frame")
                print(f"  the film was called: {'; '.join(seen['badges'])}")
                print(f"  it said: {'; '.join(seen['words'][1:4])}; ... {seen['words'][-1]}")
                print(f"  {seen['verdict'].splitlines()[0]}")
                print(f"  wrong: {'; '.join(wrong) or 'nothing'}", flush=True)
                page.context.close()
        browser.close()
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
