"""A page is one file that asks for nothing, shows what data says as text, and keeps to its width."""

import re
from html.parser import HTMLParser

import pytest
from matplotlib.figure import Figure

from streamaug.pages.page import Picture, Player, Players, Section, Table, Text, page
from streamaug.pages.png import png_of
from streamaug.pages.sound import Sound

HOSTILE = "<script>alert('x')</script> & \"quoted\""


def picture() -> Picture:
    return Picture(png=png_of(Figure(figsize=(2, 1), dpi=100)), alt=HOSTILE)


def everything() -> str:
    player = Player(caption=HOSTILE, sound=Sound(mime="audio/flac", data=b"fLaC"), picture=picture())
    parts = [
        Text(text=HOSTILE),
        Text(text=HOSTILE, kind="code"),
        Table(header=[HOSTILE, "accuracy"], rows=[[HOSTILE, "0.7"]]),
        picture(),
        Players(players=[player, player]),
    ]
    return page(HOSTILE, HOSTILE, [Section(title=HOSTILE, parts=parts), Section(title=HOSTILE, parts=parts, folded=True)])


class Reader(HTMLParser):
    """The elements of a page, and the text in each kind of element."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: dict[str, str] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, "elements are closed in the order in which they were opened"

    def handle_data(self, data: str) -> None:
        if self.open:
            self.text[self.open[-1]] = self.text.get(self.open[-1], "") + data

    def every(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def test_what_data_says_is_text_wherever_it_is_shown() -> None:
    found = Reader(everything())
    assert found.open == []
    assert len(found.every("script")) == 1  # the page's own
    assert "alert" not in found.text["script"]
    for tag in ("title", "h1", "h2", "p", "pre", "th", "figcaption"):
        assert HOSTILE in found.text[tag], tag
    assert {image["alt"] for image in found.every("img")} == {HOSTILE}
    assert {audio["aria-label"] for audio in found.every("audio")} == {HOSTILE}


def test_a_page_asks_for_nothing() -> None:
    made = everything()
    sources = [attributes[name] for _, attributes in Reader(made).elements for name in ("src", "href", "srcset") if name in attributes]
    assert len(sources) == 10
    assert all(str(source).startswith("data:") for source in sources)
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest", made)


def test_sounds_are_loaded_when_they_are_played_and_pictures_keep_their_place() -> None:
    found = Reader(everything())
    assert {audio["preload"] for audio in found.every("audio")} == {"none"}
    assert all("controls" in audio for audio in found.every("audio"))
    assert {(image["width"], image["height"]) for image in found.every("img")} == {("200", "100")}


def test_what_may_be_wider_than_the_page_scrolls_in_a_box_that_keys_reach() -> None:
    found = Reader(everything())
    boxes = [box for box in found.every("div") if box.get("class") == "scroll"]
    assert len(boxes) == 2
    assert all(box["tabindex"] == "0" and box["role"] == "group" and box["aria-label"] for box in boxes)
    assert all(block["tabindex"] == "0" for block in found.every("pre"))


def test_header_cells_name_columns_and_rows() -> None:
    found = Reader(everything())
    assert [cell["scope"] for cell in found.every("th")] == ["col", "col", "row"] * 2


def test_a_long_name_of_a_column_may_go_on_in_the_next_line() -> None:
    shown = page("a", "b", [Section(title="c", parts=[Table(header=["condition", "metro_station_&"], rows=[])])])
    assert '<th scope="col">metro_<wbr>station_<wbr>&amp;</th>' in shown


def test_a_folded_section_shows_its_heading_alone() -> None:
    folded = page("a", "b", [Section(title="ledger", parts=[Text(text="rows")], folded=True)])
    assert re.search(r"<details><summary><h2>ledger</h2></summary>\s*<p>rows</p>\s*</details>", folded)
    assert "<details>" not in page("a", "b", [Section(title="ledger", parts=[Text(text="rows")])])


@pytest.mark.parametrize(
    ("cells", "numeric"),
    [
        (["0.7", "-0.3", ""], True),
        ([".703 ± .01"], True),
        (["+0.2 [+0.1, +0.3] *"], True),
        (["seen", "1"], False),
        ([""], False),
        ([], False),
    ],
)
def test_columns_of_numbers_are_aligned_at_their_right(cells: list[str], numeric: bool) -> None:
    assert Table(header=["condition", "value"], rows=[["mp3_64", cell] for cell in cells]).numeric[1] is numeric
