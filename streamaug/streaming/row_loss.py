"""Decode a row that lost packets on a link. Decode processes import it, so it needs no plan: what
reads tables starts a thread, and a process with threads must not fork."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from streamaug.codecs import Decoding, decode
from streamaug.codecs.lossy import decode_lossy, lossy_opener
from streamaug.links import Link, lost_packets

NOTHING = np.zeros((0, 2), np.int64)
"""The lost stretches of a row that arrived whole."""


@dataclass(frozen=True, kw_only=True)
class RowLoss:
    """What a row's decoder has to know.

    Args:
        link: Name of the link.
        key: Of the pattern.
        encoder: What made the bitstream.
    """

    link: str
    key: int
    encoder: str


def decode_with_losses(
    payload: bytes,
    loss: RowLoss | None,
    links: Mapping[str, Link],
    *,
    decoding: Decoding,
    rate: int,
    delay: int,
    samples: int,
    part: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray]:
    """Decode a part of a clip, of which packets may have been lost on a link; also the stretches of
    the clip that were lost. See `decode` and `decode_lossy`.

    Args:
        payload: The bitstream.
        loss: Which packets are lost; None if all arrive.
        links: By name.
        decoding: What decodes it.
        rate: Sample rate of the store in Hz.
        delay: The codec's delay in samples at that rate.
        samples: Length of the clip in samples at that rate.
        part: First sample of the clip that is wanted, and the one after the last.

    Raises:
        CorruptError, PluginError: See `decode_lossy`.
    """
    if loss is None:
        return decode(payload, decoding=decoding, rate=rate, delay=delay, samples=samples, part=part), NOTHING
    return decode_lossy(
        payload,
        lossy_opener(decoding, loss.encoder),
        decoding=decoding,
        lose=partial(lost_packets, links[loss.link], loss.key),
        rate=rate,
        delay=delay,
        samples=samples,
        part=part,
    )


def row_stretches(stretches: np.ndarray, *, rate: int, row_rate: int, start: int, stop: int) -> np.ndarray:
    """The lost stretches of a row, counted from its first sample, int64 of shape (n, 2).

    Args:
        stretches: Of the clip, int64 of shape (n, 2).
        rate: Their sample rate in Hz.
        row_rate: That of the row.
        start: First sample of the clip that the row has, at its rate.
        stop: The one after the last.

    >>> row_stretches(np.array([[0, 20], [80, 120]]), rate=100, row_rate=50, start=20, stop=50).tolist()
    [[20, 30]]
    """
    scaled = np.clip(-(-stretches * row_rate // rate) - start, 0, stop - start)
    heard: np.ndarray = scaled[scaled[:, 0] < scaled[:, 1]]
    return heard
