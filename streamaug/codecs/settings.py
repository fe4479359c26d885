"""Read the encoder settings: shards/paper.yaml, with a user's changes on top."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from streamaug.codecs.base import Word
from streamaug.codecs.demuxers import Demuxer
from streamaug.codecs.encoders import ADAPTERS
from streamaug.codecs.neural.config import NeuralConfig
from streamaug.codecs.packets.opening import DECODERS
from streamaug.conditions import Condition
from streamaug.errors import ConditionError
from streamaug.files import absolute_path
from streamaug.hints import nearest
from streamaug.yaml_lines import read_yaml

_INSTALLED = Path(__file__).with_name("paper.yaml")
"""Where a wheel puts the file; in a checkout it is in shards/ alone."""

_CHECKOUT = Path(__file__).parents[2] / "shards" / "paper.yaml"


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EncoderConfig(_Strict):
    """An encoder that can make a codec's bitstreams.

    Args:
        adapter: What runs it: `pyav`, `fdkaac`, `amrwb` or `ffmpeg`.
        encoder: Its name there.
        muxer: FFmpeg's name of the container that is written.
        arguments: In the encoder's own terms, without the bitrate.
        drops: Samples that the encoder may drop at the end. Default: 0.
    """

    adapter: str
    encoder: Word
    muxer: Word
    arguments: dict[Word, str] = {}
    drops: Annotated[int, Field(ge=0)] = 0

    @field_validator("adapter")
    @classmethod
    def _is_known(cls, adapter: str) -> str:
        if adapter not in ADAPTERS:
            raise ValueError(f"no adapter '{adapter}'. {nearest(adapter, ADAPTERS)}")
        return adapter


Encoders = Annotated[tuple[EncoderConfig, ...], Field(min_length=1)]
CodecName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$")]
VariantName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]


Kbps = tuple[Annotated[float, Field(gt=0)], ...]


class VariantConfig(_Strict):
    """What a variant has instead of what its codec has.

    Args:
        rates: Sample rates in Hz that the encoders take. Default: the codec's.
        kbps: Bitrates, as a codec has them; an empty list: any. Default: the codec's.
        encoders: In the order of preference.
    """

    rates: Annotated[tuple[int, ...], Field(min_length=1)] | None = None
    kbps: Kbps | dict[int, Kbps] | None = None
    encoders: Encoders


class CodecConfig(_Strict):
    """How a codec is encoded and decoded; shards/paper.yaml explains the keys.

    Args:
        extension: File name extension of its bitstreams.
        demuxer: FFmpeg's name of the container that is read.
        decoder: What decodes it, if it is not FFmpeg: one that conceals lost packets.
        rates: Sample rates in Hz that the encoders take.
        kbps: Bitrates that the codec has, ascending; or such a list for each sample rate. Default:
            empty, those that its encoders take.
        stereo: Whether they take two channels, too; "only" if they take no single one.
        encoders: In the order of preference.
        variants: Other encoders, or other arguments, by the name that follows `@` in conditions.
        family: Codec that has the same format inside, such as `aac` for `he-aac`. Default: its
            own name.
    """

    extension: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+$")]
    demuxer: Demuxer
    decoder: Word | None = None
    rates: Annotated[tuple[int, ...], Field(min_length=1)]
    kbps: Kbps | dict[int, Kbps] = ()
    stereo: bool | Literal["only"] = False
    encoders: Encoders
    variants: dict[VariantName, VariantConfig] = {}
    family: str = ""

    def of_variant(self, variant: str) -> "CodecConfig":
        """The codec with what a variant replaces. Raises KeyError for one that does not exist."""
        if not variant:
            return self
        changes = self.variants[variant]
        return self.model_copy(update={name: getattr(changes, name) for name in changes.model_fields_set})

    def bitrates(self, rate: int | None) -> Kbps:
        """Bitrates in kbps, ascending; empty if its encoders take any.

        Args:
            rate: Sample rate in Hz of what is encoded. None: those of all rates.
        """
        if not isinstance(self.kbps, dict):
            return self.kbps
        return self.kbps[rate] if rate in self.kbps else tuple(sorted({each for listed in self.kbps.values() for each in listed}))

    @model_validator(mode="after")
    def _has_bitrates_for_all_rates(self) -> "CodecConfig":
        if isinstance(self.kbps, dict) and (missing := [rate for rate in self.rates if rate not in self.kbps]):
            raise ValueError(f"kbps: no bitrates for {missing[0]} Hz; list those of every sample rate of 'rates'")
        return self

    @field_validator("decoder")
    @classmethod
    def _is_installed(cls, decoder: str | None) -> str | None:
        if decoder is not None and decoder not in DECODERS:
            raise ValueError(f"no decoder '{decoder}'. {nearest(decoder, DECODERS)}")
        return decoder


class Settings(_Strict):
    """Encoder settings.

    Args:
        conditions: Conditions that are built by default.
        codecs: How each codec is encoded and decoded, by name.
        neural: Checkpoints of neural codecs by the name of the codec.
    """

    conditions: tuple[str, ...]
    codecs: dict[str, CodecConfig]
    neural: dict[CodecName, NeuralConfig] = {}

    @model_validator(mode="after")
    def _has_each_name_once(self) -> Self:
        for name in self.neural:
            if name in self.codecs:
                raise ValueError(f"'{name}' is a codec already; give the neural one another name")
        return self


@cache
def _paper() -> Mapping[str, Any]:
    path = _INSTALLED if _INSTALLED.exists() else _CHECKOUT
    loaded: Mapping[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return loaded


def _merged(codec: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A codec's entry with a user's changes."""
    own, added = codec.get("variants", {}), changes.get("variants", {})
    variants = {**own, **added} if isinstance(added, dict) else added
    return {**codec, **changes, "variants": variants}


def load_settings(changes: Path | None = None) -> Settings:
    """Read shards/paper.yaml, with a user's file of the same shape on top, key by key; variants are
    added by name.

    Args:
        changes: The user's YAML file. Default: none.

    Raises:
        ConditionError: The file cannot be read, has unknown keys or values of the wrong kind.
    """
    data = dict(_paper())
    if changes is not None:
        path = absolute_path(changes)
        changed, _ = read_yaml(path, ConditionError, "a settings file (see shards/paper.yaml for the shape)")
        entries = changed.get("codecs", {}) if isinstance(changed, dict) else None
        if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
            raise ConditionError(f"settings {changes}: not a mapping with 'codecs:' or 'neural:'; see shards/paper.yaml for the shape")
        codecs = {name: _merged(data["codecs"].get(name, {}), entry) for name, entry in entries.items()}
        data = {**data, **changed, "codecs": {**data["codecs"], **codecs}}
        if isinstance(neural := changed.get("neural"), dict):
            data["neural"] = {
                name: {"folder": path.parent, **entry} if isinstance(entry, dict) else entry for name, entry in neural.items()
            }
    try:
        settings = Settings.model_validate(data)
    except ValidationError as error:
        lines = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise ConditionError(f"settings {changes or 'shards/paper.yaml'}: {lines}") from error
    for condition in settings.conditions:
        Condition.parse(condition)
    return settings
