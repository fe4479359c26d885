"""Conceal lost packets of mSBC, and of SBC, as the Bluetooth Hands-Free Profile (1.6, appendix on
packet loss concealment of mSBC) proposes.

The last 4 ms before a loss are looked for in the 16 ms before, and what followed the best match there
follows again, at the loudness of what was heard last, as often as it takes. After the loss it
goes on for 36 samples, in which the decoder's filter bank settles, and is cross-faded with the
decoded signal. Two things are simpler than in the profile: the decoder is not fed with a frame of
silence for each that is lost, and so its own ringing is not part of the seam; and at other rates than
16 kHz all lengths are scaled.
"""

import numpy as np

_RATE = 16_000
_SEARCHED, _TEMPLATE, _MEASURED, _SETTLING, _OVERLAP = 256, 64, 120, 36, 16
"""Samples at 16 kHz: of the search and its template, of what loudness is measured on, of the filter
bank's settling, and of seams."""

_SOFTEST, _LOUDEST = 0.75, 1.2
"""Limits of the factor between the match and its repetition."""


def conceal(samples: np.ndarray, gaps: np.ndarray, rate: int) -> None:
    """Fill the gaps of a signal, in place.

    Args:
        samples: float32 of shape (samples,).
        gaps: First sample of each gap and the one after its last, int64 of shape (gaps, 2), ascending.
        rate: Sample rate in Hz.

    >>> tone = np.sin(np.arange(800) * 2 * np.pi / 80).astype(np.float32)
    >>> filled = tone.copy(); filled[400:520] = 0
    >>> conceal(filled, np.array([[400, 520]]), 16_000)
    >>> bool(np.abs(filled - tone).max() < 0.01)
    True
    """
    searched, template, measured, settling, overlap = (
        round(length * rate / _RATE) for length in (_SEARCHED, _TEMPLATE, _MEASURED, _SETTLING, _OVERLAP)
    )
    fade = 0.5 - 0.5 * np.cos(np.pi * (np.arange(overlap) + 0.5) / overlap)
    weight = np.concatenate([np.zeros(settling), fade])
    for start, stop in gaps.tolist():
        length = searched + measured - 1
        known = samples[max(0, start - length) : start]
        history = np.zeros(length)
        history[length - len(known) :] = known
        first = _match(history, template, searched) + template
        wanted = min(stop + settling + overlap, len(samples)) - start
        period = length - first
        repeated = np.concatenate([history[first:]] * (max(wanted, measured) // period + 1))
        factor, repeated = _factor(history, repeated[:measured]), repeated[:wanted]
        repeated[:overlap] *= (1 + (factor - 1) * fade)[:wanted]
        repeated[overlap:] *= factor
        after = repeated[stop - start :]
        samples[start:stop] = repeated[: stop - start]
        decoded = samples[stop : stop + len(after)]
        decoded += (1 - weight[: len(after)]) * (after - decoded)


def _match(history: np.ndarray, template: int, searched: int) -> int:
    """Where the history resembles its end most, by normalized cross-correlation."""
    looked_at = history[: searched + template - 1]
    sums = np.cumsum(looked_at * looked_at)
    energy = sums[template - 1 :].copy()
    energy[1:] -= sums[:-template]
    likeness = np.correlate(looked_at, history[-template:]) / np.sqrt(np.maximum(energy, 1e-12))
    return int(np.argmax(likeness))


def _factor(history: np.ndarray, repeated: np.ndarray) -> float:
    """How much louder the end of the history is than what is repeated, each on as many samples."""
    end, other = np.abs(history[len(history) - len(repeated) :]).sum(), np.abs(repeated).sum()
    return float(np.clip(end / other, _SOFTEST, _LOUDEST)) if other > 0 else 1.0
