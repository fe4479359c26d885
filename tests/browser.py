"""Look at pages as people see them: in Chromium, at two widths, light and dark."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

WIDE, NARROW = 1400, 420
_HEIGHT = 1000
_LOOKS = ((WIDE, "light"), (NARROW, "dark"))
"""Widths in pixels, each with a colour scheme: what contrasts badly does so at every width."""

_OVERFLOW = """() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    return [...document.querySelectorAll('body *')]
        .filter((element) => element.getBoundingClientRect().right > width + 1)
        .map((element) => `${element.tagName.toLowerCase()}.${element.className} ends at ${element.getBoundingClientRect().right}`);
}"""
"""The elements that make a page wider than its window; none if it is not."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Chromium as the system installs it, without a window.

    The test is skipped if it is not installed, and fails in CI, which installs it.
    """
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        missing = "Chromium is not installed; run 'bash tools/setup_system.sh --tests', or 'apt-get install chromium'"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    with sync_playwright() as playwright:
        # A container has no user namespaces for Chromium's sandbox; it opens this project's own pages only.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def open_page(browser: Browser, address: str | Path, *, width: int = WIDE, scheme: str = "light", expected: str = "") -> Iterator[Page]:
    """A page in a window of its own. The test fails at the end if the page wrote an error or a
    warning to the console, raised one, or asked for what it did not get.

    Args:
        browser: From the fixture `browser`.
        address: URL, or path of a local file.
        width: Width of the window in pixels.
        scheme: `light` or `dark`.
        expected: Part of an error that the console must show, such as `status of 404`. Default: it
            stays empty.
    """
    problems: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            problems.append(f"{message.type}: {message.text}")

    context = browser.new_context(viewport={"width": width, "height": _HEIGHT}, color_scheme="dark" if scheme == "dark" else "light")
    try:
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("console", note)
        page.on("pageerror", lambda error: problems.append(f"raised: {error}"))
        page.on("requestfailed", lambda request: problems.append(f"failed: {request.url[:200]}"))
        page.goto(address.absolute().as_uri() if isinstance(address, Path) else address)
        yield page
        unexpected = [problem for problem in problems if not expected or expected not in problem]
        assert unexpected == [], f"at {width} px: {unexpected}"
        assert problems or not expected, f"the console shows no error with '{expected}'"
    finally:
        context.close()


def violations(page: Page) -> list[str]:
    """What axe-core finds wrong with a page: labels, contrast, roles, order of headings; empty if
    nothing."""
    # Without `preload`, which reads style sheets again as inline ones: a page's policy may forbid these.
    found = Axe().run(page, options={"resultTypes": ["violations"], "preload": False}).response["violations"]
    return [f"{each['id']}: {each['help']}: {node['html'][:200]} {node['failureSummary']}" for each in found for node in each["nodes"]]


def check_page(browser: Browser, address: str | Path, *, ready: Callable[[Page], object] | None = None) -> None:
    """Open a page at both widths and schemes. It must be no wider than the window, write nothing to
    the console, and pass axe-core.

    Args:
        browser: From the fixture `browser`.
        address: URL, or path of a local file.
        ready: Waits until the page shows what is to be looked at. Default: its `load` event.
    """
    for width, scheme in _LOOKS:
        with open_page(browser, address, width=width, scheme=scheme) as page:
            if ready is not None:
                ready(page)
            overflow, wrong = page.evaluate(_OVERFLOW), violations(page)
            assert overflow == [], f"at {width} px: {overflow}"
            assert wrong == [], f"at {width} px, {scheme}: {wrong}"
