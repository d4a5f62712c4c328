"""What the tests of servers and in a browser share. playwright may be missing: it is imported where it is used."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextlib.contextmanager
def served(command: list, url: str, seconds: int = 240, **changes: str) -> Iterator[str]:
    """Run a server until the block ends; `url` once it answers there. changes: of the environment."""
    server = subprocess.Popen(command, env={**os.environ, **changes})
    try:
        for _ in range(seconds):
            assert server.poll() is None, f"{command[:3]} ended by itself"
            try:
                urllib.request.urlopen(url, timeout=5)
                break
            except OSError:
                time.sleep(1)
        yield url
    finally:
        server.terminate()
        server.wait(30)


@contextlib.contextmanager
def chromium() -> Iterator:
    """A headless Chromium, as playwright's browser."""
    from playwright.sync_api import sync_playwright

    options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()
