"""Which samples of its clip each row of a stream has."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamaug.codecs.decoding import resampled_length
from streamaug.crop import Crop, Span
from streamaug.errors import StreamaugError
from streamaug.keys import derived_key, named_key

_MOST_FILLING = 100
"""Times as long as the longest clip that a crop may be, which would be milliseconds for seconds."""


@dataclass(frozen=True, kw_only=True)
class Cropping:
    """The crop of a stream on the clips of its store.

    Args:
        samples: Samples of each clip of the store, of shape (clips,).
        rates: Their sample rates in Hz, of shape (clips,).
        rate: Sample rate in Hz that clips are resampled to before they are cropped.
        crop: What is taken of each clip; None for all of it.

    Raises:
        StreamaugError: The crop is far longer than any clip, so that batches would be filling and take
            all memory.
    """

    samples: np.ndarray
    rates: np.ndarray
    rate: int
    crop: Crop | None = None

    def __post_init__(self) -> None:
        longest = float((self.samples / self.rates).max(initial=0))
        if self.crop is not None and self.crop.pad != "none" and self.crop.seconds > max(_MOST_FILLING * longest, 1):
            raise StreamaugError(
                f"Crop(seconds={self.crop.seconds:g}) is more than {_MOST_FILLING} times as long as the longest clip, which has "
                f"{longest:.2f} s; write seconds, or pad='none'"
            )

    def span(self, clip: int, word: int) -> Span:
        """The samples that a row has of a clip.

        Args:
            clip: Its row number in the clips table.
            word: The row's random word.
        """
        samples = resampled_length(int(self.samples[clip]), int(self.rates[clip]), self.rate)
        if self.crop is None:
            return Span(start=0, stop=samples, samples=samples)
        return self.crop.span(samples, rate=self.rate, word=word)

    def row_samples(self, clips: np.ndarray) -> np.ndarray:
        """Samples of the rows of some clips, int64 of shape (n,).

        Args:
            clips: Row numbers in the clips table, of shape (n,).
        """
        samples: np.ndarray = resampled_length(self.samples[clips].astype(np.int64), self.rates[clips], self.rate)
        if self.crop is None:
            return samples
        length = self.crop.samples(self.rate)
        return np.minimum(samples, length) if self.crop.pad == "none" else np.full_like(samples, length)


def crop_words(seed: int, epoch: int, positions: np.ndarray) -> Sequence[int]:
    """One random word per row of an epoch, which decides where a random crop begins: the same
    whoever asks, whatever other rows there are.

    Args:
        seed: Of the plan.
        epoch: Number of the epoch.
        positions: Of the rows in the epoch, of shape (n,).
    """
    words: list[int] = derived_key(derived_key(named_key(seed, "crop"), epoch), positions).tolist()
    return words
