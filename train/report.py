"""Tables as Markdown and CSV, and pages that hold everything in one HTML file."""

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
    """A paragraph, or with `code` set in full as it stands."""

    text: str
    kind: Literal["text", "code"] = "text"


@dataclass(frozen=True, kw_only=True)
class Picture:
    """PNG bytes, and what to read where they cannot be seen."""

    png: bytes
    alt: str
    kind: Literal["picture"] = "picture"

    @property
    def base64(self) -> str:
        return base64.b64encode(self.png).decode()


@dataclass(frozen=True, kw_only=True)
class Table:
    """Cells as text, a header above them."""

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
    """One self-contained HTML page; all text is escaped."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((Path(__file__).parent / "report.html.jinja").read_text())
    return template.render(title=title, lead=lead, sections=sections)


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader finds the old one or the whole new one."""
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content.encode() if isinstance(content, str) else content)
    partial.replace(path)
