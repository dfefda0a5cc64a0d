"""Draw the README's pictures: start the local stack, wait for an episode, look at it in Chromium.

usage: python -m scripts.screenshots        (takes some four minutes; needs chromium)
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

IMAGES = Path(__file__).parent.parent / "docs" / "images"
PORT = 8137
ROOT = f"http://127.0.0.1:{PORT}"
MOST_S = 420
DEVICE = "raspberry1"  # the simulated Pi, whose episode is what the pictures show
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def main() -> int:
    """Write docs/images/*.png; the exit code."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.stderr.write("screenshots: there is no chromium; install Debian's package chromium.\n")
        return 1
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data, sync_playwright() as playwright:
        stack = subprocess.Popen(
            [sys.executable, "-m", "fleetpulse.cli.up", "--port", str(PORT), "--data", data]
        )
        try:
            browser = playwright.chromium.launch(
                executable_path=chromium, args=list(CHROMIUM_FLAGS)
            )
            wait_for("will soon be stressed")
            time.sleep(6)  # one more reading, so that the page shows the warning too
            shoot(browser, "/", "dashboard.png", 1200, 860)
            shoot(browser, "/", "dashboard-phone.png", 390, 844)
            wait_for("has recovered")
            shoot(browser, "/chat", "chat.png", 560, 860)
            shoot(browser, "/docs", "swagger.png", 1200, 860)
        finally:
            stack.send_signal(signal.SIGINT)
            stack.wait(15)
    return 0


def shoot(browser: Browser, path: str, name: str, width: int, height: int) -> None:
    """One picture of a page, once it has drawn itself."""
    page = browser.new_page(viewport={"width": width, "height": height}, device_scale_factor=1.5)
    page.goto(ROOT + path)
    page.wait_for_timeout(4000)
    page.screenshot(path=IMAGES / name)
    page.close()
    print(f"wrote {IMAGES / name}")


def wait_for(words: str) -> None:
    """Return once the chat has said this. Raises TimeoutError."""
    until = time.monotonic() + MOST_S
    while time.monotonic() < until:
        if any(words in text and DEVICE in text for text in texts()):
            print(f"the chat says: {words}")
            return
        time.sleep(1)
    raise TimeoutError(f"the chat did not say {words!r} within {MOST_S} s")


def texts() -> list[str]:
    """Every message of the chat; none while the stack is starting."""
    try:
        with urllib.request.urlopen(f"{ROOT}/chat/messages", timeout=2) as answer:  # noqa: S310
            return [item["text"] for item in json.load(answer)["items"]]
    except OSError:
        return []


if __name__ == "__main__":
    sys.exit(main())
