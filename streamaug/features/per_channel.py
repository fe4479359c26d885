"""A feature of each channel of a stereo waveform, one after the other."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamaug.features.base import Feature, computes_shapes, is_row, takes_batches

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class PerChannel:
    """A feature that is computed of every channel by itself; the channels become its first axis.

    Args:
        feature: Computed of one channel.
        channels: Number of channels.

    >>> from streamaug.features import LogMel
    >>> PerChannel(LogMel(rate=16_000), 2).shape(16_000)
    (2, 3, 128, 8)
    """

    feature: Feature
    channels: int

    @property
    def name(self) -> str:
        return self.feature.name

    @property
    def version(self) -> str:
        return self.feature.version

    @property
    def settings(self) -> str:
        return f"{self.feature.settings} channels={self.channels}"

    @property
    def stored_dtype(self) -> str:
        return self.feature.stored_dtype

    @property
    def takes_batches(self) -> bool:
        return takes_batches(self.feature)

    @property
    def is_row(self) -> bool:
        return is_row(self.feature)

    @property
    def computes_shapes(self) -> bool:
        return computes_shapes(self.feature)

    def shape(self, samples: int) -> tuple[int, ...]:
        return (self.channels, *self.feature.shape(samples))

    def stored_shape(self, samples: int) -> tuple[int, ...]:
        return (self.channels, *self.feature.stored_shape(samples))

    def compute(self, waveform: "Tensor") -> "Tensor":
        """The stored form of a waveform of shape (channels, samples)."""
        import torch

        if self.takes_batches:
            return self.feature.compute(waveform)
        return torch.stack([self.feature.compute(channel) for channel in waveform])

    def expand(self, stored: "Tensor", out: "Tensor") -> None:
        if self.takes_batches:
            self.feature.expand(stored, out)
            return
        for form, row in zip(stored, out, strict=True):
            self.feature.expand(form, row)


def per_channel(feature: Feature, channels: int) -> Feature:
    """A feature for a store of some channels; the feature itself for a store of one.

    Args:
        feature: Computed of one channel.
        channels: Channels of the store.
    """
    return feature if channels == 1 else PerChannel(feature, channels)
