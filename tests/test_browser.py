"""The checks of pages find what they look for."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser import NARROW, check_page, open_page

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>page</title><link rel="icon" href="data:,"></head>
<body><main><h1>page</h1>{}</main></body></html>"""


def written(folder: Path, content: str) -> Path:
    path = folder / "page.html"
    path.write_text(PAGE.format(content))
    return path


def test_a_page_without_faults_passes(browser: Browser, tmp_path: Path) -> None:
    check_page(browser, written(tmp_path, "<p>text</p>"))


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ('<div style="width: 500px">wide</div>', f"at {NARROW} px.*ends at"),
        ("<script>console.warn('late')</script>", "warning: late"),
        ("<script>missing.call()</script>", "raised: missing is not defined"),
        ('<img src="missing.png" alt="picture">', "failed: file:"),
        ("<input>", "label"),
        ('<p style="color: #ccc; background: #fff">pale</p>', "color-contrast"),
    ],
)
def test_a_fault_is_found(browser: Browser, tmp_path: Path, content: str, found: str) -> None:
    with pytest.raises(AssertionError, match=found):
        check_page(browser, written(tmp_path, content))


def test_an_error_that_is_expected_must_come(browser: Browser, tmp_path: Path) -> None:
    page = written(tmp_path, "<script>console.error('status of 404')</script>")
    with open_page(browser, page, expected="status of 404"):
        pass
    with (
        pytest.raises(AssertionError, match="status of 404"),
        open_page(browser, page, expected="status of 500"),
    ):
        pass
    with (
        pytest.raises(AssertionError, match="no error with"),
        open_page(browser, written(tmp_path, "<p>text</p>"), expected="status of 404"),
    ):
        pass


def test_a_page_is_looked_at_when_it_is_ready(browser: Browser, tmp_path: Path) -> None:
    late = "<script>setTimeout(() => document.querySelector('main').append(document.createElement('input')), 50)</script>"
    with pytest.raises(AssertionError, match="label"):
        check_page(browser, written(tmp_path, late), ready=lambda page: page.wait_for_selector("input"))


def test_a_page_has_a_width_of_its_own(browser: Browser, tmp_path: Path) -> None:
    with open_page(browser, written(tmp_path, "<p>text</p>"), width=NARROW, scheme="dark") as page:
        assert page.evaluate("innerWidth") == NARROW
        assert page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
