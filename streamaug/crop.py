"""Which samples of a clip a row has: all of them, or a crop of one length."""

import math
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Literal, get_args

from streamaug.errors import StreamaugError

if TYPE_CHECKING:
    import numpy as np

Where = Literal["random", "start", "centre"]
Pad = Literal["zeros", "repeat", "none"]


@dataclass(frozen=True, kw_only=True)
class Span:
    """The samples of a clip that a row has.

    Args:
        start: First sample of the clip.
        stop: Sample of the clip after the last.
        samples: Samples of the row: stop - start, or more if it is filled up at its end.
        is_repeated: Whether it is filled up with the same sound again, not with zeros.
    """

    start: int
    stop: int
    samples: int
    is_repeated: bool = False

    @property
    def length(self) -> int:
        """Samples of the row that are sound, not zeros that were added."""
        return self.samples if self.is_repeated else self.stop - self.start

    def fill(self, sound: "np.ndarray") -> "np.ndarray":
        """Fill the sound between start and stop up to the row's length.

        Args:
            sound: float32 of shape (..., stop - start).

        >>> import numpy as np
        >>> Span(start=0, stop=2, samples=5).fill(np.array([1, 2])).tolist()
        [1, 2, 0, 0, 0]
        >>> Span(start=0, stop=2, samples=5, is_repeated=True).fill(np.array([1, 2])).tolist()
        [1, 2, 1, 2, 1]
        """
        import numpy as np  # the command line knows crops, too, and prints its help without it

        length = sound.shape[-1]
        if length == self.samples:
            return sound
        if self.is_repeated:
            repeated: np.ndarray = np.take(sound, np.arange(self.samples) % length, -1)
            return repeated
        return np.concatenate([sound, np.zeros((*sound.shape[:-1], self.samples - length), sound.dtype)], -1)


@dataclass(frozen=True)
class Crop:
    """A part of every clip, so that all rows have the same length.

    Args:
        seconds: Length of the crop.
        where: `random` takes each place in the clip with the same probability; it depends on the
            seed, the epoch and the row's position in it alone. `start` and `centre` are the same in
            every epoch.
        pad: What fills a shorter clip up at its end: `zeros`, or `repeat` for its own sound again.
            `none` leaves it short.

    Raises:
        StreamaugError: An argument is none of these.

    >>> Crop(0.5, where="centre").span(8_000, rate=8_000)
    Span(start=2000, stop=6000, samples=4000, is_repeated=False)
    >>> Crop(2, pad="repeat").span(8_000, rate=8_000)
    Span(start=0, stop=8000, samples=16000, is_repeated=True)
    """

    seconds: float
    where: Where = "random"
    pad: Pad = "zeros"

    def __post_init__(self) -> None:
        if not isinstance(self.seconds, Real) or isinstance(self.seconds, bool) or not 0 < self.seconds < math.inf:
            raise StreamaugError(f"Crop(seconds={self.seconds!r}): write a length in seconds above 0")
        object.__setattr__(self, "seconds", float(self.seconds))  # 1 and 1.0 have the same entries in a cache
        for name, value, known in (("where", self.where, get_args(Where)), ("pad", self.pad, get_args(Pad))):
            if value not in known:
                raise StreamaugError(f"Crop({name}={value!r}): write {', '.join(map(repr, known[:-1]))} or {known[-1]!r}")

    def samples(self, rate: int) -> int:
        """Its length in samples.

        Args:
            rate: Sample rate in Hz.

        Raises:
            StreamaugError: It is shorter than one sample.
        """
        samples = round(self.seconds * rate)
        if not samples:
            raise StreamaugError(f"a crop of {self.seconds:g} s is less than one sample at {rate} Hz; write a greater length")
        return samples

    def span(self, samples: int, *, rate: int, word: int = 0) -> Span:
        """The samples that it takes of a clip.

        Args:
            samples: Samples of the clip.
            rate: Sample rate in Hz.
            word: 64 random bits that decide the place of a random crop: all places are equally
                likely.
        """
        length = self.samples(rate)
        if samples <= length:
            return Span(start=0, stop=samples, samples=samples if self.pad == "none" else length, is_repeated=self.pad == "repeat")
        room = samples - length
        start = {"random": word * (room + 1) >> 64, "start": 0, "centre": room // 2}[self.where]
        return Span(start=start, stop=start + length, samples=length)
