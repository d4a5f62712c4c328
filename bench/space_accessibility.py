"""What axe-core finds on each tab of a running Space.

    python bench/space_accessibility.py URL

The tabs are opened in the light and the dark theme, and in a wide and a narrow window. The environment variable
CHROMIUM names the browser.
"""

import argparse
import os
import shutil
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, sync_playwright


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).locator("visible=true").first.click()
    page.wait_for_timeout(1000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("url", help="of the Space, as `make space` prints it")
    parser.add_argument("--axe", type=Path, help="an axe.min.js to use in place of axe-playwright-python's own")
    options = parser.parse_args()
    axe = Axe.from_file(options.axe) if options.axe else Axe()
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for theme, width in (("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)):
            page = browser.new_page(viewport={"width": width, "height": 900})
            page.goto(f"{options.url.rstrip('/')}/?__theme={theme}")
            page.wait_for_selector(".sd-keyframe")
            for tab in ("Direct", "Keyframes", "MC-RoPE", "Anchors", "Upscale"):
                open_tab(page, tab)
                found = axe.run(page).response["violations"]
                print(f"{theme}, {width} pixels, {tab}: {len(found)} violations")
                for violation in found:
                    print(f"  {violation['impact']}: {violation['id']}, {violation['help']}")
                    for node in violation["nodes"][:3]:
                        print(f"    {node['html'][:160]}")
        browser.close()


if __name__ == "__main__":
    main()
