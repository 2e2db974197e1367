"""A Chromium for tests, and a page that is watched: what it complains of, and what it asks for."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Request, Route

# Root in a container needs the first; the others keep Chromium from asking its maker's servers.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
PATIENCE = 60_000  # milliseconds: how long a busy machine may take, never a speed that is tested


def chromium() -> str:
    """The browser's path; its absence is a failure, not a skip."""
    found = os.environ.get("BROWSER_PATH") or next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.fail("no Chromium on PATH: apt-get install chromium, or name one in BROWSER_PATH")
    return found


class Watched:
    """A page, what it complained of, and what it asked for beyond the one address it may."""

    def __init__(self, page: Page, allowed: str) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.strayed: list[str] = []
        self._allowed = allowed
        page.set_default_timeout(PATIENCE)
        page.on(
            "console", lambda said: self.complaints.append(said.text) if said.type in {"error", "warning"} else None
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: (self.complaints.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("request", self._judge)
        page.route("**/*", self._guard)

    def _strays(self, url: str) -> bool:
        return urlsplit(url).scheme not in {"data", "blob"} and not url.startswith(self._allowed)

    def _judge(self, request: Request) -> None:
        if self._strays(request.url):
            self.strayed.append(request.url)

    def _guard(self, route: Route) -> None:
        if self._strays(route.request.url):
            route.abort()
        else:
            route.continue_()

    def open(self, url: str) -> Page:
        """The page once every figure is drawn."""
        self.page.goto(url)
        self.page.wait_for_selector("html[data-ready=true]")
        return self.page

    def settle(self) -> None:
        """Let what the page has started reach the test: two drawn frames and an empty network."""
        frames = "requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 50)))"
        self.page.evaluate(f"new Promise(done => {frames})")
        self.page.wait_for_load_state("networkidle")

    def require_peace(self) -> None:
        """Fail if it complained, opened a dialog or asked for anything else; then forget it."""
        noise = [*self.complaints, *self.strayed]
        self.complaints.clear()
        self.strayed.clear()
        assert noise == []


Watch = Callable[..., Watched]
