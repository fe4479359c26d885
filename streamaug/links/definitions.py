"""Make links of what recipes and programs write, and find them by name."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from streamaug.errors import LinkError
from streamaug.hints import nearest
from streamaug.links.base import Link
from streamaug.links.models import Bursts, Independent
from streamaug.links.presets import PRESETS
from streamaug.links.trace import read_trace

NAMES = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
"""Names that a definition may have; those of presets have a version."""

_EXAMPLE = "{loss: 0.1}, {loss: 0.1, burst: 3} or {trace: trace.csv}"


class LinkDefinition(BaseModel):
    """A link as a recipe has it: the share of packets that are lost, and how many of them in a row;
    or the file of a trace."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    loss: Annotated[float, Field(ge=0, lt=1)] | None = Field(
        None, description="Share of packets that are lost, from 0 to below 1.", examples=["loss: 0.1"]
    )
    burst: Annotated[float, Field(ge=1, le=1_000_000)] | None = Field(
        None, description="Mean number of packets that are lost in a row. Default: as independent losses have it.", examples=["burst: 3"]
    )
    trace: str | None = Field(
        None, description="CSV with a column 'lost', one row per packet: 1 for a lost one, else 0.", examples=["trace: trace.csv"]
    )

    @model_validator(mode="after")
    def _is_one(self) -> "LinkDefinition":
        if (self.trace is None) == (self.loss is None) or (self.burst is not None and self.loss is None):
            raise ValueError(f"a link is {_EXAMPLE}")
        return self

    def open(self, folder: Path) -> Link:
        """The link.

        Args:
            folder: Where the path of a trace begins.

        Raises:
            LinkError: The numbers contradict each other, or the trace cannot be read.
        """
        if self.trace is not None:
            return read_trace(self.trace if self.trace.startswith("~") else folder / self.trace)
        assert self.loss is not None
        return Independent(loss=self.loss) if self.burst is None else Bursts(loss=self.loss, burst=self.burst)


def open_links(links: Mapping[str, Any] | None) -> dict[str, Link]:
    """The links that a program names.

    Args:
        links: By name links, or mappings such as `{"loss": 0.1, "burst": 3}`. Paths of traces begin in
            the working directory. Presets may be among them, as they are.

    Raises:
        LinkError: One of them is not a link, or has a name that conditions cannot have.
    """
    return {name: _open(name, link) for name, link in (links or {}).items()}


def _open(name: str, link: Any) -> Link:
    if name in PRESETS and link == PRESETS[name].link:
        return PRESETS[name].link
    check_name(name)
    if not isinstance(link, Mapping):
        if not callable(getattr(link, "lost", None)):
            raise LinkError(f"link '{name}': {link!r} is not a link; write {_EXAMPLE}")
        opened: Link = link
        return opened
    try:
        return LinkDefinition.model_validate(dict(link)).open(Path.cwd())
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(map(str, problem["loc"]))
        raise LinkError(f"link '{name}': {where + ': ' if where else ''}{problem['msg']}; write {_EXAMPLE}") from None
    except LinkError as error:
        raise LinkError(f"link '{name}': {error}") from None


def check_name(name: Any) -> None:
    """Raise LinkError if a link cannot have a name."""
    if not isinstance(name, str) or re.match(NAMES, name) is None:
        raise LinkError(
            f"link {name!r}: write lower-case letters and digits, in groups joined by '-', such as 'loss10'; a version is for presets: "
            f"{', '.join(PRESETS)}"
        )


def find_link(name: str, links: Mapping[str, Link]) -> Link:
    """The link with a name.

    Args:
        name: As it follows `~` in a condition.
        links: Those that are defined; presets are known without.

    Raises:
        LinkError: There is none.
    """
    if name in PRESETS:
        return PRESETS[name].link
    if name in links:
        return links[name]
    if "@" in name:  # a name that a recipe cannot define
        raise LinkError(f"no preset '~{name}'. {nearest(name, list(PRESETS))}")
    raise LinkError(f"no link '{name}' is defined; write 'links: {{{name}: {{loss: 0.1}}}}'. {nearest(name, [*links, *PRESETS])}")
