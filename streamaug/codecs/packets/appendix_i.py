"""Conceal lost packets of G.711, and of G.722, by waveform substitution (ITU-T G.711, Appendix I).

A lost stretch continues what was heard before it: the last pitch period is repeated, after 10 and 20
ms the last two and three, and it gets 20 % softer every 10 ms, so that it is silent after 60 ms. All
seams are cross-faded. The standard delays its output by a quarter of the longest pitch period, to
cross-fade into the loss; here the whole clip is there, and its last quarter period before the loss
is faded instead, without delay. For other rates than 8 kHz, all lengths are scaled.

Taken from phonesim 0.2.0, whose license is:

MIT License, Copyright (c) 2026 DeepMark Inc.

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and
associated documentation files (the "Software"), to deal in the Software without restriction,
including without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense,
and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so,
subject to the following conditions: The above copyright notice and this permission notice shall be
included in all copies or substantial portions of the Software. THE SOFTWARE IS PROVIDED "AS IS",
WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF
MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS
OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF
CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR
OTHER DEALINGS IN THE SOFTWARE.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

FRAMES_PER_S = 100
"""A lost stretch is filled in frames of 10 ms."""

_LEAST_ENERGY = 250.0
"""Floor of the energies that correlations are divided by, on the scale of 16-bit samples."""

_FADE = 0.2
"""Loudness that each frame loses, after the first."""

_SCALE = 32_768.0


@dataclass(frozen=True, kw_only=True)
class _Lengths:
    """The standard's lengths at a sample rate, in samples."""

    frame: int
    shortest: int
    longest: int
    compared: int
    step: int
    overlap_growth: int

    @classmethod
    def at(cls, rate: int) -> "_Lengths":
        def scaled(samples: int) -> int:
            return max(1, round(samples * rate / 8_000))

        return cls(
            frame=scaled(80), shortest=scaled(40), longest=scaled(120), compared=scaled(160), step=scaled(2), overlap_growth=scaled(32)
        )

    @property
    def history(self) -> int:
        return 3 * self.longest + self.longest // 4


def _faded(out: np.ndarray, into: np.ndarray) -> np.ndarray:
    """One signal faded out while another is faded in, in a straight line."""
    fading, rising = _weights(len(out))
    result: np.ndarray = fading * out + rising * into
    return result


@cache
def _weights(samples: int) -> tuple[np.ndarray, np.ndarray]:
    rising = np.arange(1, samples + 1) / max(samples, 1)
    return 1 - rising, rising


@cache
def _level(frames_lost: int, samples: int) -> np.ndarray:
    """How loud a frame is, after so many lost ones."""
    level: np.ndarray = np.maximum(1 - _FADE * (frames_lost - 1 + np.arange(samples) / samples), 0)
    return level


class _Concealer:
    """Writes frames into a signal, in place.

    Args:
        lengths: At the signal's rate.
        signal: float64 on the scale of 16-bit samples.
    """

    def __init__(self, lengths: _Lengths, signal: np.ndarray) -> None:
        self._lengths, self._signal = lengths, signal
        self.frames_lost = 0
        self._pitch = self._overlap = self._read = self._repeated = 0
        self._history = self._tail = np.zeros(0)

    def lose(self, at: int) -> None:
        """Fill the frame that begins at a sample."""
        lengths = self._lengths
        if self.frames_lost == 0:
            self._begin(at)
            frame = self._synthesize(lengths.frame)
        elif self.frames_lost <= 2:
            frame = self._with_one_more_period()
        elif self.frames_lost <= 5:
            frame = self._synthesize(lengths.frame)
        else:
            frame = np.zeros(lengths.frame)
        if self.frames_lost:
            frame *= _level(min(self.frames_lost, 6), lengths.frame)
        self.frames_lost += 1
        self._signal[at : at + lengths.frame] = frame

    def receive(self, at: int) -> None:
        """Fade into the frame that begins at a sample, the first after a loss."""
        length = min(self._overlap + (self.frames_lost - 1) * self._lengths.overlap_growth, self._lengths.frame)
        continued = self._synthesize(length) * max(1 - _FADE * (self.frames_lost - 1), 0)
        self._signal[at : at + length] = _faded(continued, self._signal[at : at + length])
        self.frames_lost = 0

    def _begin(self, at: int) -> None:
        """Find the pitch before a loss, and fade the last quarter period before it."""
        length = self._lengths.history
        self._history = np.zeros(length)
        known = min(length, at)
        self._history[length - known :] = self._signal[at - known : at]
        self._pitch = _pitch(self._history, self._lengths)
        self._overlap = self._pitch // 4
        self._tail = self._history[length - self._overlap :].copy()
        self._read = self._repeated = 0
        self._add_period()
        before = min(self._overlap, at)
        self._signal[at - before : at] = self._history[length - before :]

    def _with_one_more_period(self) -> np.ndarray:
        read = self._read
        ending = self._synthesize(self._overlap)
        self._read = read
        while self._read > self._pitch:
            self._read -= self._pitch
        self._add_period()
        frame = self._synthesize(self._lengths.frame)
        frame[: self._overlap] = _faded(ending, frame[: self._overlap])
        return frame

    def _add_period(self) -> None:
        """Repeat one period more of the history, whose end is faded into what is before its first."""
        self._repeated += self._pitch
        first, end = len(self._history) - self._repeated, len(self._history) - self._overlap
        self._history[end:] = _faded(self._tail, self._history[first - self._overlap : first])

    def _synthesize(self, samples: int) -> np.ndarray:
        first = len(self._history) - self._repeated
        index = first + (self._read + np.arange(samples)) % self._repeated
        self._read = (self._read + samples) % self._repeated
        return self._history[index]


def _pitch(history: np.ndarray, lengths: _Lengths) -> int:
    """The pitch period in samples whose last 20 ms resemble those one period earlier most."""
    compared, room = lengths.compared, lengths.longest - lengths.shortest
    target, before = history[-compared:], history[-compared - lengths.longest :]

    def likeness(first: int, last: int, step: int) -> np.ndarray:
        """Of the windows that begin at every `step`-th sample."""
        looked_at, width = before[first : last + compared : step], -(-compared // step)
        sums = np.cumsum(looked_at * looked_at)
        energy = sums[width - 1 :].copy()
        energy[1:] -= sums[:-width]
        result: np.ndarray = np.correlate(looked_at, target[::step]) / np.sqrt(np.maximum(energy, _LEAST_ENERGY))
        return result

    coarse = likeness(0, room, lengths.step)
    best = lengths.step * int(len(coarse) - 1 - np.argmax(coarse[::-1]))  # the standard takes the last of equal ones, then the first
    first = max(best - lengths.step + 1, 0)
    return lengths.longest - first - int(np.argmax(likeness(first, min(best + lengths.step - 1, room), 1)))


def conceal(samples: np.ndarray, lost: np.ndarray, rate: int) -> np.ndarray:
    """A signal whose lost frames are filled.

    Args:
        samples: float32 of shape (samples,); those of lost frames are not looked at.
        lost: Which frames of 10 ms are lost, bool of shape (frames,); the last one may be incomplete.
        rate: Sample rate in Hz.

    >>> tone = np.sin(np.arange(800) * 2 * np.pi / 80).astype(np.float32)
    >>> filled = conceal(tone, np.arange(10) == 5, 8_000)
    >>> bool(np.abs(filled - tone).max() < 0.01), bool((filled[:380] == tone[:380]).all())
    (True, True)
    """
    lengths = _Lengths.at(rate)
    signal = np.zeros(len(lost) * lengths.frame)
    signal[: len(samples)] = samples * _SCALE
    concealer = _Concealer(lengths, signal)
    is_touched = lost | np.concatenate([[False], lost[:-1]])
    for frame in np.flatnonzero(is_touched).tolist():
        if lost[frame]:
            concealer.lose(frame * lengths.frame)
        elif concealer.frames_lost:
            concealer.receive(frame * lengths.frame)
    filled = samples.copy()
    changed = signal[: len(samples)] != samples * np.float64(_SCALE)
    filled[changed] = (signal[: len(samples)][changed] / _SCALE).astype(np.float32)
    return filled
