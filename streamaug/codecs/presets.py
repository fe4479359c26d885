"""Read lists of conditions by name: `@asvspoof5` is the list in shards/presets/asvspoof5.yaml."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from streamaug.codecs.settings import load_settings
from streamaug.conditions import Condition, parse_conditions
from streamaug.errors import ConditionError
from streamaug.hints import nearest

_INSTALLED = Path(__file__).with_name("preset_files")
"""Where a wheel puts the lists; in a checkout they are in shards/ alone."""

_CHECKOUT = Path(__file__).parents[2] / "shards" / "presets"

_MARK = "@"
_PAPER = "paper"


@dataclass(frozen=True, kw_only=True)
class RequestedConditions:
    """Conditions that a user asks for.

    Args:
        conditions: All of them, each once, in the order of the request.
        optional: Those of presets alone, which are left out if this machine cannot build them.
    """

    conditions: tuple[Condition, ...]
    optional: frozenset[Condition]


@cache
def _folder() -> Path:
    return _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT


def preset_names() -> tuple[str, ...]:
    """Names of the presets; `paper` first.

    >>> preset_names()[:2]
    ('paper', 'asvspoof5')
    """
    return (_PAPER, *sorted(path.stem for path in _folder().glob("*.yaml")))


def preset(name: str) -> tuple[Condition, ...]:
    """The conditions of a preset.

    Args:
        name: Its name, without the mark.

    Raises:
        ConditionError: There is none of this name.
    """
    if name not in preset_names():
        raise ConditionError(f"no preset '{_MARK}{name}'. {nearest(_MARK + name, [_MARK + known for known in preset_names()])}")
    if name == _PAPER:
        return tuple(map(Condition.parse, load_settings().conditions))
    content = yaml.safe_load((_folder() / f"{name}.yaml").read_text("utf-8"))
    return tuple(map(Condition.parse, content["conditions"]))


def requested_conditions(text: str, *, links: bool = False) -> RequestedConditions:
    """Read a comma-separated list of conditions and presets.

    Args:
        text: Such as `@call,mp3_64`.
        links: Whether conditions may name links. Default: no, since a store has none.

    Raises:
        ConditionError: A condition is misspelt, or there is no such preset.

    >>> requested = requested_conditions("mp3_64,@le-audio")
    >>> [str(condition) for condition in requested.conditions][:3]
    ['mp3_64', 'original', 'lc3-wb_32']
    >>> Condition.parse("mp3_64") in requested.optional, Condition.parse("lc3_80") in requested.optional
    (False, True)
    """
    parts = [part.strip() for part in text.split(",")]
    presets = [part.removeprefix(_MARK) for part in parts if part.startswith(_MARK)]
    named = [part for part in parts if not part.startswith(_MARK)]
    required = parse_conditions(",".join(named), links=links) if any(named) or not presets else ()

    def in_order() -> Iterator[Condition]:
        for part in filter(None, parts):
            if part.startswith(_MARK):
                yield from preset(part.removeprefix(_MARK))
            else:
                yield Condition.parse(part)

    conditions = tuple(dict.fromkeys(in_order()))
    return RequestedConditions(conditions=conditions, optional=frozenset(conditions).difference(required))
