"""Which codecs there are and how each is run: shards/paper.yaml, read and checked, with a user's changes on top."""

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from streamaug.conditions import Condition, Step
from streamaug.errors import ConditionError

_PAPER = Path(__file__).with_name("paper.yaml")
Adapter = Literal["pyav", "fdkaac", "ffmpeg"]
_Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]+$")]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EncoderChoice(_Strict):
    """An encoder that can make a codec's bitstreams. arguments: in the encoder's own terms, the bitrate left out."""

    adapter: Adapter
    encoder: _Word
    muxer: _Word
    arguments: dict[_Word, str] = {}


class Codec(_Strict):
    """How a codec is run; the keys are explained at the head of shards/paper.yaml."""

    extension: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+$")]
    demuxer: _Word
    rates: Annotated[tuple[int, ...], Field(min_length=1)]
    encoders: Annotated[tuple[EncoderChoice, ...], Field(min_length=1)]

    def coding_rate(self, rate: int) -> int:
        """Samples a second at which a signal of `rate` is coded: its own if the codec takes it, else the next higher, else the highest.

        >>> load_settings().codecs["opus"].coding_rate(44_100), load_settings().codecs["amr-nb"].coding_rate(44_100)
        (48000, 8000)
        """
        return min((taken for taken in self.rates if taken >= rate), default=max(self.rates))


class Settings(_Strict):
    """conditions: those that are built where none are named. codecs: by name."""

    conditions: tuple[str, ...]
    codecs: dict[str, Codec]

    def codec(self, step: Step) -> Codec:
        """The codec of a step. Raises ConditionError for one that does not exist."""
        if step.name in self.codecs:
            return self.codecs[step.name]
        near = get_close_matches(step.name, self.codecs, 1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise ConditionError(f"condition step '{step}': no codec '{step.name}'; {hint}there are {', '.join(sorted(self.codecs))}")


@cache
def _paper() -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = yaml.safe_load(_PAPER.read_text("utf-8"))
    return loaded


def load_settings(changes: Path | None = None) -> Settings:
    """The settings of shards/paper.yaml, with a user's file of the same shape on top of them, key by key.

    Raises ConditionError where the file cannot be read, has unknown keys or values of the wrong kind.
    """
    data = dict(_paper())
    if changes is not None:
        try:
            wanted = yaml.safe_load(changes.read_text("utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConditionError(f"settings {changes}: {error}") from error
        entries = wanted.get("codecs", {}) if isinstance(wanted, dict) else None
        if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
            raise ConditionError(f"settings {changes}: no mapping with 'codecs:'; see shards/paper.yaml for the shape")
        codecs = {name: {**data["codecs"].get(name, {}), **entry} for name, entry in entries.items()}
        data = {**data, **wanted, "codecs": {**data["codecs"], **codecs}}
    try:
        settings = Settings.model_validate(data)
    except ValidationError as error:
        lines = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise ConditionError(f"settings {changes or 'shards/paper.yaml'}: {lines}") from error
    for condition in settings.conditions:
        Condition.parse(condition)
    return settings
