"""A condition made ready to be built: every step's encoder or effect at hand, and the hash of all that decides its bytes."""

import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from streamaug.codecs import FLAC, CalibratedEncoder, Decoding, pcm, pyav, version_here
from streamaug.conditions import Condition, Step
from streamaug.effects import Effect, LoadClip
from streamaug.errors import ClipsError, EncoderError
from streamaug.store.format import CodingStep, settings_hash

_BETWEEN = 16
"""Bits a sample between the steps of a chain, as between two devices."""


@dataclass(frozen=True, kw_only=True)
class EffectStep:
    """An effect, fitted, as a step of a chain."""

    step: Step
    effect: Effect
    rate: int


@dataclass(frozen=True, kw_only=True)
class Chain:
    """A condition with its steps made ready; `rate` is the store's."""

    condition: Condition
    steps: tuple[CalibratedEncoder | EffectStep, ...]
    rate: int

    @property
    def name(self) -> str:
        return str(self.condition)

    @property
    def last(self) -> CalibratedEncoder | None:
        """The codec whose bitstream is stored, or None where FLAC holds the chain's last signal."""
        step = self.steps[-1] if self.steps else None
        return step if isinstance(step, CalibratedEncoder) else None

    @property
    def extension(self) -> str:
        return self.last.codec.extension if self.last else pcm.FLAC_EXTENSION

    @property
    def decoding(self) -> Decoding:
        """What decodes the stored bitstreams."""
        return self.last.decoding if self.last else FLAC

    @property
    def delay(self) -> int:
        """Samples to cut from the stored bitstream; the steps before it are aligned as the chain is coded."""
        return self.last.delay if self.last else 0

    @cached_property
    def records(self) -> tuple[CodingStep, ...]:
        """How each step is carried out, for the index; the FLAC that holds an original or an effect is told as a step, too."""
        told = [_record(step, is_last=step is self.steps[-1]) for step in self.steps]
        if self.last is None:
            flac = CodingStep(step="flac", adapter="soundfile", encoder="flac", version=pcm.flac_version(), rate=self.rate, arguments={})
            told.append(flac)
        return tuple(told)

    @cached_property
    def settings(self) -> str:
        """8 characters of the hash of chain, encoder versions and arguments: the start of the shards' names."""
        return settings_hash(self.records)

    def holds(self, clip: Mapping[str, Any]) -> bool:
        """Whether the condition takes a clip: each of its effects must apply."""
        return all(step.effect.applies_to(clip) for step in self.steps if isinstance(step, EffectStep))


def check_here(chain: Chain) -> None:
    """Refuse to work on a machine of a cluster whose encoders or libraries are others than those that the index will name.

    Raises EncoderError.
    """
    where = f"condition '{chain.name}': machine {platform.node()} has"
    remedy = "install the same on every machine"
    for step in chain.steps:
        version = version_here(step.choice) if isinstance(step, CalibratedEncoder) else None
        if isinstance(step, CalibratedEncoder) and version != step.version:
            raise EncoderError(f"{where} {version or 'no ' + step.choice.encoder} where the build began with {step.version}; {remedy}")
    here = replace(chain)  # what is remembered of the chain came along from the machine that readied it
    if here.settings != chain.settings:
        others = (f"{now} where the build began with {before}" for before, now in zip(chain.records, here.records, strict=True))
        raise EncoderError(f"{where} other libraries: {'; '.join(others)}; {remedy}")


def _record(step: CalibratedEncoder | EffectStep, *, is_last: bool) -> CodingStep:
    if isinstance(step, EffectStep):
        arguments = dict(step.effect.arguments)
        return CodingStep(
            step=str(step.step), adapter="effect", encoder=step.step.name, version=step.effect.version, rate=step.rate, arguments=arguments
        )
    arguments = step.arguments if is_last else {**step.arguments, "decoder": pyav.version()}
    return CodingStep(
        step=str(step.step),
        adapter=step.choice.adapter,
        encoder=step.choice.encoder,
        version=step.version,
        rate=step.coding_rate,
        arguments=arguments,
    )


@dataclass(frozen=True, kw_only=True)
class EncodedClip:
    """One clip in one condition. source: PCM that the stored bitstream was made from; payload: that bitstream."""

    source: np.ndarray
    payload: bytes


def code(chains: Iterable[Chain], signal: np.ndarray, clip: Mapping[str, Any], load: LoadClip) -> list[EncodedClip]:
    """A clip in each of several conditions, steps that they share at the start done once.

    signal: the original's PCM. Raises EncoderError, ClipsError.
    """
    after: dict[tuple[Step, ...], np.ndarray] = {(): signal}
    payloads: dict[tuple[Step, ...], bytes] = {}

    def through(chain: Chain, count: int) -> np.ndarray:
        """The signal behind the first `count` steps."""
        done = chain.condition.steps[:count]
        if done not in after:
            before, step = through(chain, count - 1), chain.steps[count - 1]
            if isinstance(step, EffectStep):
                changed = step.effect.apply(pcm.to_float(before), chain.rate, clip, load)
                if changed.shape != signal.shape or not np.isfinite(changed).all():
                    raise ClipsError(f"clip '{clip['clip_id']}': effect '{step.step}' gave {changed.shape} samples or not finite ones")
            else:
                changed = step.decode(bitstream(chain, count), len(signal))
            after[done] = pcm.to_pcm(changed, _BETWEEN)
        return after[done]

    def bitstream(chain: Chain, count: int) -> bytes:
        """What the codec at step `count` makes."""
        done, step = chain.condition.steps[:count], chain.steps[count - 1]
        assert isinstance(step, CalibratedEncoder)
        if done not in payloads:
            payloads[done] = step.encode(through(chain, count - 1))
        return payloads[done]

    coded = []
    for chain in chains:
        count = len(chain.steps)
        if chain.last is None:
            source = through(chain, count)
            coded.append(EncodedClip(source=source, payload=pcm.encode_flac(source, chain.rate)))
        else:
            coded.append(EncodedClip(source=through(chain, count - 1), payload=bitstream(chain, count)))
    return coded
