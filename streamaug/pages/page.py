"""One self-contained HTML page, which asks for nothing else: text, tables, pictures and players."""

import base64
import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import jinja2

from streamaug.pages.sound import Sound


@dataclass(frozen=True, kw_only=True)
class Text:
    """A paragraph, or with kind `code` preformatted text."""

    text: str
    kind: Literal["text", "code"] = "text"


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A PNG, drawn for a width of at most 700 px, so that it can be read on a telephone.

    Args:
        png: Its bytes.
        alt: What it shows, for those who do not see it.
    """

    png: bytes
    alt: str
    kind: Literal["picture"] = "picture"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, from the PNG's header: the page keeps the place free."""
        return int.from_bytes(self.png[16:20]), int.from_bytes(self.png[20:24])

    @property
    def base64(self) -> str:
        return base64.b64encode(self.png).decode()


@dataclass(frozen=True, kw_only=True)
class Table:
    """Cells as text, with a header. The first column names the rows, as conditions do."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    kind: Literal["table"] = "table"

    @property
    def numeric(self) -> list[bool]:
        """Of each column, whether its cells are numbers, which are aligned at their right.

        >>> Table(header=["", "accuracy", "heard"], rows=[["original", ".703", "seen"], ["mp3_64", "", ""]]).numeric
        [False, True, False]
        """
        cells = [[row[number] for row in self.rows if row[number]] for number in range(len(self.header))]
        return [bool(column) and all(cell.lstrip("+-−.±[")[:1].isdigit() for cell in column) for column in cells]

    def markdown(self) -> str:
        """
        >>> print(Table(header=["row", "original"], rows=[["1", ".703"]]).markdown())
        | row | original |
        |---|---:|
        | 1 | .703 |
        """
        rule = ["---", *["---:"] * (len(self.header) - 1)]
        lines = ["| " + " | ".join(self.header) + " |", "|" + "|".join(rule) + "|"]
        return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in self.rows])

    def csv(self) -> str:
        sink = io.StringIO()
        csv.writer(sink, lineterminator="\n").writerows([self.header, *self.rows])
        return sink.getvalue()


@dataclass(frozen=True, kw_only=True)
class Player:
    """A sound to hear.

    Args:
        caption: What is heard.
        sound: The sound, part of the page.
        picture: Shown under the player, such as its spectrogram.
    """

    caption: str
    sound: Sound
    picture: Picture | None = None


@dataclass(frozen=True, kw_only=True)
class Players:
    """Sounds next to each other, to compare. One plays at a time; one that is started while another
    of them plays goes on at the same place.

    Args:
        players: The sounds, in order.
        title: A heading above them. Default: none.
    """

    players: Sequence[Player]
    title: str = ""
    kind: Literal["players"] = "players"


Part = Text | Picture | Table | Players
"""What a section can show."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the page with a heading.

    Args:
        title: Its heading.
        parts: What it shows, in order.
        folded: Show the heading alone until it is clicked: for what few readers need.
    """

    title: str
    parts: Sequence[Part]
    folded: bool = False


def page(title: str, lead: str, sections: Sequence[Section]) -> str:
    """One self-contained HTML page; all text is escaped.

    Args:
        title: Title and first heading.
        lead: Paragraph under the heading: what came out, in a sentence.
        sections: Sections, in order.
    """
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((Path(__file__).parent / "page.html.jinja").read_text(encoding="utf-8"))
    return template.render(title=title, lead=lead, sections=sections)
