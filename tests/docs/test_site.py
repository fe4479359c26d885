"""The documentation site: built without a warning, whole, found by search, and quiet towards the net."""

import doctest
import re
import subprocess
import sys
from collections import defaultdict
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest
import typer.main
from playwright.sync_api import Browser, Page

from streamaug.cli.main import app
from tests.browser import NARROW, check_page, open_page
from tools.docs_site import DOCS, HOST, ROOT

EXPLANATIONS = [DOCS / "explanation" / name for name in ("alignment.md", "counts.md")]
COMMAND = re.compile(r"^(?: {4}|\$ )?(?:\$ )?streamaug (?P<rest>.*(?:\\\n.*)*)$", re.MULTILINE)
HOSTED = re.compile(rf"{HOST}/(?:blob|tree)/main/([^#?]+)(?:#(.+))?")
FETCHED = {("link", "href"), ("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src")}
"""What a browser fetches without a click."""


class Links(HTMLParser):
    """What a page links to and fetches, and its anchors."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.anchors: set[str] = set()
        self.feed(page.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.anchors.add(value)
            elif (tag, name) in FETCHED and value:
                self.fetched.append(value)
            elif (tag, name) == ("a", "href") and value:
                self.links.append(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("docs") / "site"
    done = subprocess.run([sys.executable, "-m", "tools.docs_site", folder], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Links]:
    return {path: Links(path) for path in sorted(site.rglob("*.html")) if not path.is_relative_to(site / "_static")}


def test_every_page_of_docs_is_in_the_navigation(site: Path, pages: dict[Path, Links]) -> None:
    index = {unquote(urldefrag(link)[0]) for link in pages[site / "index.html"].links}
    names = {path.relative_to(DOCS).with_suffix(".html").as_posix() for path in DOCS.rglob("*.md")}
    assert names - {"index.html"} <= index


def test_every_link_of_the_site_leads_to_a_page_and_an_anchor(site: Path, pages: dict[Path, Links]) -> None:
    broken = defaultdict(set)
    for path, page in pages.items():
        for link in (*page.links, *page.fetched):
            if re.match(r"https?:|mailto:", link):
                continue
            address, anchor = urldefrag(link)
            target = (path.parent / unquote(address.split("?")[0])).resolve() if address else path
            if not target.exists() or (anchor and target in pages and unquote(anchor) not in pages[target].anchors):
                broken[path.name].add(link)
    assert dict(broken) == {}


def headings(page: Path) -> set[str]:
    """Anchors that the code host gives the headings of a page."""
    lines = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in lines}


def test_a_link_to_the_code_host_names_a_file_that_exists(pages: dict[Path, Links]) -> None:
    found = {match.groups() for page in pages.values() for link in page.links if (match := HOSTED.match(link))}
    assert len(found) > 10
    assert {path for path, _ in found if not (ROOT / path).exists()} == set()
    assert {(path, anchor) for path, anchor in found if anchor and anchor not in headings(ROOT / path)} == set()


def test_no_page_fetches_anything_from_another_host(pages: dict[Path, Links]) -> None:
    assert {link for page in pages.values() for link in page.fetched if re.match(r"(https?:)?//", link)} == set()


def test_the_reference_has_every_command_every_recipe_key_and_every_public_name(site: Path) -> None:
    import streamaug
    from streamaug.recipes.schema import recipe_file_model

    commands = (site / "reference" / "cli.html").read_text("utf-8")
    for name in typer.main.get_command(app).commands:
        assert f'id="streamaug-{name}"' in commands
    assert "\N{EN DASH}quiet" not in commands, "an option is shown with a dash"
    keys = (site / "reference" / "recipe-schema.html").read_text("utf-8")
    for key in recipe_file_model().model_fields:
        assert f'<td><p><code class="docutils literal notranslate"><span class="pre">{key}</span></code></p></td>' in keys
    anchors = Links(site / "reference" / "api.html").anchors
    assert {f"streamaug.{name}" for name in streamaug.__all__ if not name.startswith("__")} <= anchors
    assert "snapshots/&lt;snapshot&gt;.json" in (site / "reference" / "store-format.html").read_text("utf-8")


def search(page: Page, words: str) -> list[str]:
    """Titles that the search of the site finds."""
    page.locator("input[name=q]:visible").fill(words)
    page.locator("input[name=q]:visible").press("Enter")
    page.wait_for_selector("#search-results li a")
    page.wait_for_function("/(found|matching)/.test(document.querySelector('#search-results .search-summary').textContent)")
    return page.locator("#search-results li > a").all_text_contents()


def test_search_finds_pages_and_names_without_a_server_and_asks_no_host(site: Path, browser: Browser) -> None:
    requests: list[str] = []
    with open_page(browser, site / "index.html") as page:
        page.on("request", lambda request: requests.append(request.url))
        assert any("Recipes" in title for title in search(page, "one-per-clip"))
        assert any("StreamLoader" in title for title in search(page, "StreamLoader"))
    assert requests
    assert {url for url in requests if not url.startswith("file:")} == set()


@pytest.mark.parametrize("name", ["index", "recipes", "reference/api"])
def test_a_page_fits_its_window_and_can_be_read_by_all(site: Path, browser: Browser, name: str) -> None:
    check_page(browser, site / f"{name}.html")


def test_the_menu_of_a_telephone_opens(site: Path, browser: Browser) -> None:
    with open_page(browser, site / "recipes.html", width=NARROW) as page:
        page.locator("label[for=__navigation]:visible").first.click()
        page.locator(".sidebar-tree").get_by_role("link", name="Trainers").click()
        page.wait_for_url("**/trainers.html")


@pytest.mark.parametrize("path", EXPLANATIONS, ids=[path.stem for path in EXPLANATIONS])
def test_the_examples_of_an_explanation_print_what_they_show(path: Path) -> None:
    text = "".join(re.findall(r"```python\n(>>>.*?)```", path.read_text("utf-8"), re.DOTALL))
    example = doctest.DocTestParser().get_doctest(text, {}, path.name, str(path), 0)
    assert example.examples
    result = doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF).run(example)
    assert result.failed == 0


def test_every_command_and_option_on_a_page_exists() -> None:
    group = typer.main.get_command(app)
    checked = 0
    for path in DOCS.rglob("*.md"):
        for match in COMMAND.finditer(path.read_text("utf-8")):
            words = re.split(r"\s{2,}#|\s[|>]\s", match["rest"])[0].replace("\\\n", " ").split()
            command = group
            while words and words[0] in getattr(command, "commands", {}):
                command = command.commands[words.pop(0)]
            known = {option for parameter in (*command.params, *group.params) for option in parameter.opts}
            unknown = {word for word in words if re.fullmatch(r"--[a-z-]+", word)} - known
            assert unknown == set(), f"{path.name}: streamaug {match['rest']}"
            checked += 1
    assert checked > 50
