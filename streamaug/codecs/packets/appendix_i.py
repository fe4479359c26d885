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

from streamaug.codecs.packets.runs import runs_of

FRAMES_PER_S = 100
"""A lost stretch is filled in frames of 10 ms."""

_LEAST_ENERGY = 250.0
"""Floor of the energies that correlations are divided by, on the scale of 16-bit samples."""

_FADE = 0.2
"""Loudness that each frame loses, after the first."""

_HEARD = 6
"""Lost frames after which nothing is left to hear."""

_MOST_PERIODS = 3
"""Pitch periods that are repeated from the third lost frame on."""

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
    @cache
    def at(cls, rate: int) -> "_Lengths":
        def scaled(samples: int) -> int:
            return max(1, round(samples * rate / 8_000))

        return cls(
            frame=scaled(80), shortest=scaled(40), longest=scaled(120), compared=scaled(160), step=scaled(2), overlap_growth=scaled(32)
        )

    @property
    def history(self) -> int:
        return 3 * self.longest + self.longest // 4


@cache
def _weights(samples: int) -> tuple[np.ndarray, np.ndarray]:
    """What fades one signal out, and another in, in a straight line."""
    rising = np.arange(1, samples + 1) / max(samples, 1)
    return 1 - rising, rising


@cache
def _levels(first: int, last: int, samples: int) -> np.ndarray:
    """How loud the samples of a gap's frames are, from one frame's number to another's."""
    frames = [np.maximum(1 - _FADE * (number - 1 + np.arange(samples) / samples), 0) for number in range(first, last)]
    levels: np.ndarray = np.concatenate(frames)
    return levels


def _fill(signal: np.ndarray, at: int, frames: int, arrives: bool, lengths: _Lengths) -> tuple[int, int]:
    """Fill a gap in a signal, in place: the first frame with one period that repeats, the second with
    two, the others with three. Returns the first sample that changed and the one after the last.

    Args:
        signal: float64 on the scale of 16-bit samples.
        at: First sample of the gap.
        frames: Frames that are lost.
        arrives: Whether a frame follows.
        lengths: At the signal's rate.
    """
    length, frame, known = lengths.history, lengths.frame, min(lengths.history, at)
    history = np.zeros(length)
    history[length - known :] = signal[at - known : at]
    pitch = _pitch(history, lengths)
    overlap = pitch // 4
    first, end, most = max(at - overlap, 0), length - overlap, min(frames, _MOST_PERIODS)
    fading, rising = _weights(overlap)
    tail = fading * history[end:]
    after = min(overlap + (frames - 1) * lengths.overlap_growth, frame) if arrives else 0
    filled, read, ending = 0, 0, history[:0]
    for periods in range(1, most + 1):
        # The end of what repeats is faded into what comes before its beginning.
        begin = length - periods * pitch
        seam = rising * history[begin - overlap : begin]
        seam += tail
        last = min(frames, _HEARD) if periods == most else periods
        stop = read + (last - filled) * frame
        needed = stop + (after if periods == most else overlap)
        repeated = np.concatenate((history[begin:end], seam) * -(-needed // (periods * pitch)))
        sound = repeated[read:stop]
        if periods == 1:
            signal[first:at] = seam[overlap - (at - first) :]
        else:
            sound[:overlap] *= rising
            sound[:overlap] += fading * ending
            sound *= _levels(filled, last, frame)
        signal[at + filled * frame : at + last * frame] = sound
        ending = repeated[stop:needed]
        read = stop % (periods * pitch)
        while read > pitch:  # one more period begins before these
            read -= pitch
        filled = last
    stop = at + frames * frame
    signal[at + filled * frame : stop] = 0
    if arrives:
        fading, rising = _weights(after)
        signal[stop : stop + after] *= rising
        signal[stop : stop + after] += fading * (ending * max(1 - _FADE * (frames - 1), 0))
    return first, stop + after


def _pitch(history: np.ndarray, lengths: _Lengths) -> int:
    """The pitch period in samples whose last 20 ms resemble those one period earlier most."""
    compared, room = lengths.compared, lengths.longest - lengths.shortest
    target, before = history[-compared:], history[-compared - lengths.longest :]

    def likeness(first: int, last: int, step: int) -> np.ndarray:
        """Of the windows that begin at every `step`-th sample."""
        looked_at, width = before[first : last + compared : step], -(-compared // step)
        sums = (looked_at * looked_at).cumsum()
        energy = sums[width - 1 :].copy()
        energy[1:] -= sums[:-width]
        np.maximum(energy, _LEAST_ENERGY, out=energy)
        result: np.ndarray = np.correlate(looked_at, target[::step])
        result /= np.sqrt(energy, out=energy)
        return result

    coarse = likeness(0, room, lengths.step)
    best = lengths.step * int(len(coarse) - 1 - coarse[::-1].argmax())  # the standard takes the last of equal ones, then the first
    first = max(best - lengths.step + 1, 0)
    return lengths.longest - first - int(likeness(first, min(best + lengths.step - 1, room), 1).argmax())


def conceal(samples: np.ndarray, lost: np.ndarray, rate: int) -> None:
    """Fill the lost frames of a signal, in place.

    Args:
        samples: float32 of shape (samples,); those of lost frames are not looked at.
        lost: Which frames of 10 ms are lost, bool of shape (frames,); the last one may be incomplete.
        rate: Sample rate in Hz.

    >>> tone = np.sin(np.arange(800) * 2 * np.pi / 80).astype(np.float32)
    >>> filled = tone.copy(); filled[400:480] = 0
    >>> conceal(filled, np.arange(10) == 5, 8_000)
    >>> bool(np.abs(filled - tone).max() < 0.01), bool((filled[:380] == tone[:380]).all())
    (True, True)
    """
    if not lost.any():
        return
    lengths = _Lengths.at(rate)
    signal = np.zeros(len(lost) * lengths.frame)
    np.multiply(samples, _SCALE, out=signal[: len(samples)])
    for run in runs_of(lost):
        if run.is_lost:
            start, stop = _fill(signal, run.first * lengths.frame, run.last - run.first, run.last < len(lost), lengths)
            samples[start:stop] = signal[start : min(stop, len(samples))] / _SCALE
