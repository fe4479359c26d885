"""Prepare a condition for building: the encoder or effect of every step, and the hash of all that
decides its bytes."""

import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from streamaug.codecs import FLAC, CalibratedEncoder, Decoding, pcm
from streamaug.codecs.encoders import pyav
from streamaug.conditions import Condition, Step
from streamaug.effects import Effect, LoadClip, SelectiveEffect
from streamaug.errors import ClipsError, CorruptError, EncoderError
from streamaug.store.format import CodingStep, settings_hash

_BETWEEN = 16
"""Bits per sample between the steps of a chain, as between two devices."""


@dataclass(frozen=True, kw_only=True)
class EffectStep:
    """An effect, fitted, as a step of a chain; `rate` is the store's in Hz."""

    step: Step
    effect: Effect
    rate: int


@dataclass(frozen=True, kw_only=True)
class Chain:
    """A condition with its steps prepared; `rate` is the store's in Hz, `channels` are its
    channels."""

    condition: Condition
    steps: tuple[CalibratedEncoder | EffectStep, ...]
    rate: int
    channels: int = 1

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
        """File name extension of the stored bitstreams."""
        return self.last.codec.extension if self.last else pcm.FLAC_EXTENSION

    @property
    def decoding(self) -> Decoding:
        """What decodes the stored bitstreams."""
        return self.last.decoding if self.last else FLAC.model_copy(update={"channels": self.channels})

    @property
    def delay(self) -> int:
        """Samples to cut from the decoded bitstream; the steps before the last are aligned while
        the chain is encoded."""
        return self.last.delay if self.last else 0

    @cached_property
    def step_metadata(self) -> tuple[CodingStep, ...]:
        """How each step is carried out, for the index; the FLAC that holds an original or an effect
        counts as a step."""
        metadata = [_metadata_of(step, is_last=step is self.steps[-1]) for step in self.steps]
        if self.last is None:
            arguments = {"channels": str(self.channels)} if self.channels > 1 else {}
            flac = CodingStep(
                step="flac", adapter="soundfile", encoder="flac", version=pcm.flac_version(), rate=self.rate, arguments=arguments
            )
            metadata.append(flac)
        return tuple(metadata)

    @cached_property
    def settings(self) -> str:
        """8 characters of the hash of chain, encoder versions and arguments: the start of the
        shards' names."""
        return settings_hash(self.step_metadata)

    @property
    def has_effects(self) -> bool:
        """Whether any step is an effect."""
        return any(isinstance(step, EffectStep) for step in self.steps)

    def select(self, clips: Sequence[Mapping[str, Any]]) -> "Chain":
        """The same condition with what its effects need for some clips alone.

        Args:
            clips: Their rows of the clips table.
        """
        steps = (
            replace(step, effect=step.effect.select(clips))
            if isinstance(step, EffectStep) and isinstance(step.effect, SelectiveEffect)
            else step
            for step in self.steps
        )
        return replace(self, steps=tuple(steps))

    def holds(self, clip: Mapping[str, Any]) -> bool:
        """Whether the condition contains a clip: each of its effects must apply.

        Args:
            clip: A row of the clips table.
        """
        return all(step.effect.applies_to(clip) for step in self.steps if isinstance(step, EffectStep))


def check_versions(chain: Chain) -> None:
    """Check that this machine's encoders and libraries are those that the index will name.

    Args:
        chain: As prepared on the machine that began the build.

    Raises:
        EncoderError: A machine of the cluster has other versions.
    """
    where = f"condition '{chain.name}': machine {platform.node()} has"
    remedy = "install the same on every machine"
    for step in chain.steps:
        if isinstance(step, CalibratedEncoder) and (version := step.encoder.version) != step.version:
            raise EncoderError(f"{where} {version or 'no ' + step.encoder.name}, but the build began with {step.version}; {remedy}")
    current = replace(chain)  # without the properties that were cached on the other machine
    if current.settings != chain.settings:
        pairs = zip(chain.step_metadata, current.step_metadata, strict=True)
        changes = "; ".join(f"{after}, but the build began with {before}" for before, after in pairs if before != after)
        raise EncoderError(f"{where} other libraries: {changes}; {remedy}")


def _metadata_of(step: CalibratedEncoder | EffectStep, *, is_last: bool) -> CodingStep:
    if isinstance(step, EffectStep):
        return CodingStep(
            step=str(step.step),
            adapter="effect",
            encoder=step.step.name,
            version=step.effect.version,
            rate=step.rate,
            arguments=dict(step.effect.arguments),
        )
    arguments = dict(step.arguments)
    if not is_last:
        arguments["decoder"] = pyav.version() if step.decoding.demuxer else step.version
    return CodingStep(
        step=str(step.step),
        adapter=step.adapter,
        encoder=step.encoder.name,
        version=step.version,
        rate=step.coding_rate,
        arguments=arguments,
    )


@dataclass(frozen=True, kw_only=True)
class EncodedClip:
    """One clip in one condition.

    Args:
        source: PCM that the stored bitstream was made from.
        payload: That bitstream.
    """

    source: np.ndarray
    payload: bytes


def encode_clip(chains: Iterable[Chain], signal: np.ndarray, clip: Mapping[str, Any], load: LoadClip) -> list[EncodedClip]:
    """Encode a clip in each of several conditions; steps that they share at the start are carried
    out once.

    Args:
        chains: The conditions.
        signal: PCM of the original, of shape (samples,) or (2, samples).
        clip: The clip's row of the clips table.
        load: Loads the original of another clip, for effects.

    Raises:
        EncoderError: An encoder breaks down, or makes what cannot be decoded; names condition and clip.
        ClipsError: An effect gives samples that cannot be used.
    """
    signals: dict[tuple[Step, ...], np.ndarray] = {(): signal}
    payloads: dict[tuple[Step, ...], bytes] = {}

    def signal_after(chain: Chain, count: int) -> np.ndarray:
        """The signal after the first `count` steps."""
        prefix = chain.condition.steps[:count]
        if prefix not in signals:
            before, step = signal_after(chain, count - 1), chain.steps[count - 1]
            if isinstance(step, EffectStep):
                changed = step.effect.apply(pcm.to_float(before), chain.rate, clip, load)
                _check_samples(changed, signal, f"clip '{clip['clip_id']}': effect '{step.step}'")
            else:
                changed = step.decode(bitstream(chain, count), signal.shape[-1])
            signals[prefix] = pcm.to_pcm(changed, _BETWEEN)
        return signals[prefix]

    def bitstream(chain: Chain, count: int) -> bytes:
        """What the codec at step `count` makes."""
        prefix, step = chain.condition.steps[:count], chain.steps[count - 1]
        assert isinstance(step, CalibratedEncoder)
        if prefix not in payloads:
            payloads[prefix] = step.encode(signal_after(chain, count - 1))
        return payloads[prefix]

    def encoded(chain: Chain) -> EncodedClip:
        count = len(chain.steps)
        if chain.last is None:
            source = signal_after(chain, count)
            return EncodedClip(source=source, payload=pcm.encode_flac(source, chain.rate))
        return EncodedClip(source=signal_after(chain, count - 1), payload=bitstream(chain, count))

    clips = []
    for chain in chains:
        try:
            clips.append(encoded(chain))
        except (EncoderError, CorruptError) as error:
            raise EncoderError(
                f"condition '{chain.name}', clip '{clip['clip_id']}': {error}; leave the clip or the condition out, or choose another "
                "encoder in the settings"
            ) from error
    return clips


def _check_samples(changed: np.ndarray, signal: np.ndarray, name: str) -> None:
    remedy = "fix the effect, or leave the condition out"
    if changed.shape != signal.shape:
        raise ClipsError(f"{name} returned samples of shape {changed.shape} instead of {signal.shape}; {remedy}")
    if not np.isfinite(changed).all():
        raise ClipsError(f"{name} returned samples that are not finite; {remedy}")
