"""A real browser for the tests of the pages: Chromium by playwright, over the in-memory workspace.

Without Chromium these tests are skipped, loudly: set ``LOGSENSE_CHROMIUM`` to its path if it is not found.
"""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from logsense.api.app import create_app
from logsense.api.options import ApiOptions

CHROMIUM = os.environ.get("LOGSENSE_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or ""
RESULTS = Path(__file__).parents[2] / "test-results"
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
PAGES = {
    "overview": "/",
    "incidents": "/incidents",
    "incident": "/incidents/INC-42",
    "search": "/search?q=connection+host:web1+last+night",
    "nothing": "/search?q=zzzz",
    "line": "/logs/L-control",
    "templates": "/templates",
    "template": "/templates/T-hostile",
    "hosts": "/hosts",
    "host": "/hosts/db1",
    "sources": "/sources",
    "models": "/models",
    "api": "/docs",
}

if not CHROMIUM:
    warnings.warn("Chromium was not found: the browser tests of the pages are NOT run", stacklevel=1)
NEEDS_CHROMIUM = pytest.mark.skipif(not CHROMIUM, reason="needs Chromium; set LOGSENSE_CHROMIUM to its path")


@pytest.fixture(scope="module")
def space(fake: Any) -> Any:
    """The workspace behind ``address``."""
    return fake.FakeWorkspace()


@pytest.fixture(scope="module")
def address(space: Any) -> Iterator[str]:
    """A running server over the in-memory workspace."""
    server_stops = [False]
    app = create_app(space, None, [], options=ApiOptions(stopping=lambda: server_stops[0]))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.05)
    assert server.started
    yield f"http://127.0.0.1:{port}"
    server_stops[0] = server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="module")
def playwright() -> Iterator[Any]:
    """Not longer than a module: its event loop would be in the way of tests that have their own."""
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as running:
        yield running


class Watched:
    """A browser window that remembers everything that must not happen."""

    def __init__(self, page: Any, address: str) -> None:
        self.page, self.address, self.faults = page, address, []  # type: ignore[var-annotated]
        self.may_fail: tuple[str, ...] = ()  # words of faults that a test provokes
        page.on("console", lambda m: self.faults.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("request", lambda request: self._check(request.url))

    def _check(self, url: str) -> None:
        if not url.startswith((self.address, "data:", "blob:")):
            self.faults.append(f"foreign request {url}")

    def open(self, place: str) -> Any:
        self.page.goto(self.address + place, wait_until="load")
        return self.page

    def all_charts(self) -> int:
        """Scroll through the page until every chart is drawn; how many there are."""
        boxes = self.page.locator("[data-chart]")
        for at in range(boxes.count()):
            boxes.nth(at).scroll_into_view_if_needed()
            self.page.wait_for_function("box => box.classList.contains('is-live')", arg=boxes.nth(at).element_handle())
        self.page.evaluate("scrollTo(0, 0)")
        return int(boxes.count())


@pytest.fixture
def window(playwright: Any, address: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Watched]:
    width, scheme, scripts, *language = getattr(request, "param", (1280, "light", True))
    context = playwright.chromium.launch_persistent_context(
        tmp_path / "profile",
        executable_path=CHROMIUM,
        args=list(FLAGS),
        viewport={"width": width, "height": 844},
        color_scheme=scheme,
        java_script_enabled=scripts,
        locale=language[0] if language else "en-GB",
    )
    context.set_default_timeout(20_000)
    watched = Watched(context.pages[0], address)
    yield watched
    context.close()
    faults = [f for f in watched.faults if not any(w in f for w in watched.may_fail)]
    assert faults == [], f"the browser complained: {faults}"
