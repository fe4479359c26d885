"""Refuse bitrates that a codec does not have, and list those that it has."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from streamaug.codecs.base import Codec, bitrates
from streamaug.conditions import Step
from streamaug.errors import EncoderError

_LISTED = 16
"""Bitrates that are listed one by one, if their distances are equal."""


def bitrate_list(kbps: Sequence[float]) -> str:
    """Bitrates in words.

    Args:
        kbps: In ascending order, not empty.

    >>> bitrate_list([64]), bitrate_list([4.75, 5.15, 12.2])
    ('64 kbps', '4.75, 5.15 or 12.2 kbps')
    >>> bitrate_list([size * 0.8 for size in range(20, 401)])
    '16 to 320 kbps in steps of 0.8'
    """
    names = [f"{value:.6g}" for value in kbps]
    if len(names) > _LISTED and len({round(after - before, 6) for before, after in pairwise(kbps)}) == 1:
        return f"{names[0]} to {names[-1]} kbps in steps of {kbps[1] - kbps[0]:.6g}"
    return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]])) + " kbps"


def nearest_bitrate(known: Sequence[float], kbps: float) -> float:
    """The bitrate to write instead of another one: the nearest of those that a codec has, or the
    nearest whole number if it takes any.

    >>> nearest_bitrate([32, 40, 48], 43.2), nearest_bitrate([], 43.2)
    (40, 43)
    """
    return min(known, key=lambda each: abs(each - kbps)) if known else round(kbps)


def check_bitrate(step: Step, codec: Codec, channels: int, rate: int) -> None:
    """Check that a codec has the bitrate of a step.

    Args:
        step: The step of a condition.
        codec: The codec that it names.
        channels: Channels of the signals: 1 or 2.
        rate: Their sample rate in Hz when they are encoded.

    Raises:
        EncoderError: It does not; names the bitrates that it has.
    """
    known = bitrates(codec, channels)
    if not known or step.kbps in known:
        return
    near = nearest_bitrate(known, step.kbps)
    of_channels = " with two channels" if channels > 1 else ""
    raise EncoderError(
        f"condition step '{step}': codec '{step.name}' at {rate} Hz{of_channels} has {bitrate_list(known)}, not {step.bitrate}; "
        f"choose one that it has, such as {replace(step, bitrate=f'{near:.6g}')}"
    )
