"""Refuse bitrates that a codec does not have, and list those that it has."""

from collections.abc import Sequence

from streamaug.codecs.base import Codec, bitrates
from streamaug.conditions import Step
from streamaug.errors import EncoderError

_LISTED = 16
"""Bitrates that are listed one by one."""


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
    if len(names) > _LISTED:
        return f"{names[0]} to {names[-1]} kbps in steps of {kbps[1] - kbps[0]:.6g}"
    return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]])) + " kbps"


def check_bitrate(step: Step, codec: Codec, channels: int) -> None:
    """Check that a codec has the bitrate of a step.

    Args:
        step: The step of a condition.
        codec: The codec that it names.
        channels: Channels of the signals: 1 or 2.

    Raises:
        EncoderError: It does not; names the bitrates that it has.
    """
    known = bitrates(codec, channels)
    if not known or step.kbps in known:
        return
    near = min(known, key=lambda kbps: abs(kbps - step.kbps))
    of_channels = " with two channels" if channels > 1 else ""
    raise EncoderError(
        f"condition step '{step}': codec '{step.name}'{of_channels} has {bitrate_list(known)}, not {step.bitrate}; "
        f"choose one that it has, such as {step.name}_{near:.6g}"
    )
