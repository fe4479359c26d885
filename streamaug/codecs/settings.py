"""Read the encoder settings: shards/paper.yaml, with a user's changes on top."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from streamaug.codecs.base import Word
from streamaug.codecs.encoders import ADAPTERS
from streamaug.conditions import Condition
from streamaug.errors import ConditionError
from streamaug.files import absolute_path
from streamaug.hints import nearest

_INSTALLED = Path(__file__).with_name("paper.yaml")
"""Where a wheel puts the file; in a checkout it is in shards/ alone."""

_CHECKOUT = Path(__file__).parents[2] / "shards" / "paper.yaml"


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EncoderConfig(_Strict):
    """An encoder that can make a codec's bitstreams.

    Args:
        adapter: What runs it: `pyav`, `fdkaac` or `ffmpeg`.
        encoder: Its name there.
        muxer: FFmpeg's name of the container that is written.
        arguments: In the encoder's own terms, without the bitrate.
    """

    adapter: str
    encoder: Word
    muxer: Word
    arguments: dict[Word, str] = {}

    @field_validator("adapter")
    @classmethod
    def _is_known(cls, adapter: str) -> str:
        if adapter not in ADAPTERS:
            raise ValueError(f"no adapter '{adapter}'. {nearest(adapter, ADAPTERS)}")
        return adapter


class CodecConfig(_Strict):
    """How a codec is encoded and decoded; shards/paper.yaml explains the keys.

    Args:
        extension: File name extension of its bitstreams.
        demuxer: FFmpeg's name of the container that is read.
        rates: Sample rates in Hz that the encoders take.
        kbps: Bitrates that the codec has, ascending. Default: empty, those that its encoders take.
        stereo: Whether they take two channels, too.
        encoders: In the order of preference.
    """

    extension: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+$")]
    demuxer: Word
    rates: Annotated[tuple[int, ...], Field(min_length=1)]
    kbps: tuple[Annotated[float, Field(gt=0)], ...] = ()
    stereo: bool = False
    encoders: Annotated[tuple[EncoderConfig, ...], Field(min_length=1)]


class Settings(_Strict):
    """Encoder settings.

    Args:
        conditions: Conditions that are built by default.
        codecs: How each codec is encoded and decoded, by name.
    """

    conditions: tuple[str, ...]
    codecs: dict[str, CodecConfig]


@cache
def _paper() -> Mapping[str, Any]:
    path = _INSTALLED if _INSTALLED.exists() else _CHECKOUT
    loaded: Mapping[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return loaded


def load_settings(changes: Path | None = None) -> Settings:
    """Read shards/paper.yaml, with a user's file of the same shape on top, key by key.

    Args:
        changes: The user's YAML file. Default: none.

    Raises:
        ConditionError: The file cannot be read, has unknown keys or values of the wrong kind.
    """
    data = dict(_paper())
    if changes is not None:
        try:
            changed = yaml.safe_load(absolute_path(changes).read_text("utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConditionError(f"settings {changes}: {error}") from error
        entries = changed.get("codecs", {}) if isinstance(changed, dict) else None
        if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
            raise ConditionError(f"settings {changes}: not a mapping with 'codecs:'; see shards/paper.yaml for the shape")
        codecs = {name: {**data["codecs"].get(name, {}), **entry} for name, entry in entries.items()}
        data = {**data, **changed, "codecs": {**data["codecs"], **codecs}}
    try:
        settings = Settings.model_validate(data)
    except ValidationError as error:
        lines = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise ConditionError(f"settings {changes or 'shards/paper.yaml'}: {lines}") from error
    for condition in settings.conditions:
        Condition.parse(condition)
    return settings
