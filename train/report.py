"""Write tables as Markdown and CSV, and reports as one self-contained HTML file."""

import base64
import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import jinja2


@dataclass(frozen=True, kw_only=True)
class Text:
    """A paragraph, or with kind `code` preformatted text."""

    text: str
    kind: Literal["text", "code"] = "text"


@dataclass(frozen=True, kw_only=True)
class Picture:
    """PNG bytes, and their text alternative."""

    png: bytes
    alt: str
    kind: Literal["picture"] = "picture"

    @property
    def base64(self) -> str:
        return base64.b64encode(self.png).decode()


@dataclass(frozen=True, kw_only=True)
class Table:
    """Cells as text, with a header."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    kind: Literal["table"] = "table"

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
class Section:
    title: str
    parts: Sequence[Text | Picture | Table]


def page(title: str, lead: str, sections: Sequence[Section]) -> str:
    """One self-contained HTML page; all text is escaped.

    Args:
        title: Title and first heading.
        lead: Paragraph under the heading.
        sections: Sections, in order.
    """
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((Path(__file__).parent / "report.html.jinja").read_text())
    return template.render(title=title, lead=lead, sections=sections)
