"""Bring a source to the channels of the store, and note what its channels lose by that."""

from collections.abc import Sequence

import numpy as np

from streamaug.building.reading import Channel
from streamaug.codecs.pcm import to_float64
from streamaug.errors import ClipsError

MOST_LOST_DB = 100.0
"""Loss of channels that cancel altogether; more than this is rounding."""

_DEAD = 1e-6
"""Power of a channel that counts as dead, relative to the loudest one: 60 dB below it."""

_ROUNDING = 1e-12
"""Part of a channel's power that may be rounding, where all of it is constant."""

_INTEGER_PEAK = 10.0
"""Peak of a float file, with full scale at 1, beyond which its samples must be integers that were
cast: 20 dB more than any converter gives. Sound that was mixed too loud stays below."""


class MixDown:
    """Takes a source block by block and gives one channel of it, or all.

    Args:
        channels: Number of channels of the source.
        channel: Which one to take, or "mix" for the mean of all.
        keep: Whether all channels are kept instead.
    """

    def __init__(self, channels: int, channel: Channel, *, keep: bool = False) -> None:
        self._channels, self._keep = channels, keep and channels > 1
        self._taken = {"left": 0, "right": min(1, channels - 1)}.get(channel)
        self._blocks: list[np.ndarray] = []
        self._sums, self._products = np.zeros(channels), np.zeros((channels, channels))
        self._peak, self._is_whole = 0.0, True
        self.samples = 0

    def add(self, block: np.ndarray) -> None:
        """Take the next block.

        Args:
            block: int16, int32 with 24 bits left-justified, or float64; shape (samples, channels).

        Raises:
            ClipsError: Samples are NaN or infinite, or a sample is far beyond full scale.
        """
        if block.dtype.kind == "f":
            self._check_floats(block)
        if self._channels == 1:
            taken = block[:, 0]
        else:
            values = to_float64(block)
            if self._keep:
                taken = block.T
            elif self._taken is None:
                taken = values.mean(1)
            else:
                taken = block[:, self._taken]
            self._sums += np.ones(len(values)) @ values
            self._products += values.T @ values
        self._blocks.append(np.ascontiguousarray(taken))
        self.samples += len(block)

    def _check_floats(self, block: np.ndarray) -> None:
        if not np.isfinite(block).all():
            raise ClipsError("NaN or infinite samples; repair it or remove it from the table")
        self._peak = max(self._peak, float(np.abs(block).max(initial=0)))
        self._is_whole = self._is_whole and bool((block == np.rint(block)).all())

    def signal(self) -> np.ndarray:
        """The channel, of shape (samples,), or all that are kept, (channels, samples): integers if
        all blocks had integers and none were mixed, else float64.

        Raises:
            ClipsError: The samples are integers that were cast to float.
        """
        if self._peak > _INTEGER_PEAK or (self._is_whole and self._peak >= 2):
            raise ClipsError(
                f"its samples reach {self._peak:.6g} where full scale is 1, as integers do that were cast to float; "
                "divide them by the integers' full scale (32768 for 16 bits), or remove it from the table"
            )
        return np.concatenate(self._blocks, axis=-1)

    @property
    def dead_channels(self) -> str:
        """The dead ones among the channels that were taken, such as "right" or "3, 4"; else ""."""
        powers = self._covariance().diagonal()
        if not powers.max() > 0:
            return ""
        taken = range(self._channels) if self._taken is None else [self._taken]
        dead = [number for number in taken if powers[number] <= _DEAD * powers.max()]
        return ", ".join(_channel_name(number, self._channels) for number in dead)

    @property
    def lost_db(self) -> float:
        """How much less power the mean of the channels has than the channels have on average, in dB.

        Channels of equal sound lose nothing, unrelated ones 3 dB, opposite ones all. More than two
        unrelated channels lose more, for no fault of theirs; that is subtracted.
        """
        if self._channels == 1 or self._keep or self._taken is not None:
            return 0.0
        covariance = self._covariance()
        expected = 2 * covariance.trace() / self._channels**2
        if not expected > 0:
            return 0.0
        left = covariance.sum() / self._channels**2 / expected
        return float(np.clip(-10 * np.log10(max(left, 10 ** (-MOST_LOST_DB / 10))), 0, MOST_LOST_DB))

    def _covariance(self) -> np.ndarray:
        """Of the channels, shape (channels, channels): power without what is constant in them."""
        means, products = self._sums / max(1, self.samples), self._products / max(1, self.samples)
        covariance = products - np.outer(means, means)
        return np.where(np.abs(covariance) > _ROUNDING * np.abs(products), covariance, 0.0)


def _channel_name(number: int, channels: int) -> str:
    names: Sequence[str] = ("left", "right") if channels == 2 else [str(number + 1) for number in range(channels)]
    return names[number]
