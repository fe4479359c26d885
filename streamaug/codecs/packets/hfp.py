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
from numpy.lib.stride_tricks import sliding_window_view

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
    for start, stop in gaps.tolist():
        known = samples[max(0, start - searched - measured + 1) : start]
        history = np.concatenate([np.zeros(searched + measured - 1 - len(known), np.float32), known]).astype(np.float64)
        first = _match(history, template, searched) + template
        wanted = min(stop + settling + overlap, len(samples)) - start
        repeated = history[first + np.arange(wanted) % (len(history) - first)]
        factor = _factor(history, first, measured)
        level = np.full(wanted, factor)
        level[:overlap] = (1 + (factor - 1) * fade)[:wanted]
        repeated *= level
        after = repeated[stop - start :]
        samples[start:stop] = repeated[: stop - start]
        weight = np.concatenate([np.zeros(settling), fade])[: len(after)]
        samples[stop : stop + len(after)] = (1 - weight) * after + weight * samples[stop : stop + len(after)]


def _match(history: np.ndarray, template: int, searched: int) -> int:
    """Where the history resembles its end most, by normalized cross-correlation."""
    last = history[len(history) - template :]
    windows = sliding_window_view(history[: searched + template - 1], template)
    energy = np.einsum("ij,ij->i", windows, windows)
    likeness = (windows @ last) / np.sqrt(np.maximum(energy, 1e-12))
    return int(np.argmax(likeness))


def _factor(history: np.ndarray, first: int, measured: int) -> float:
    """How much louder the end of the history is than what is repeated."""
    end, other = np.abs(history[len(history) - measured :]).sum(), np.abs(history[first : first + measured]).sum()
    return float(np.clip(end / other, _SOFTEST, _LOUDEST)) if other > 0 else 1.0
