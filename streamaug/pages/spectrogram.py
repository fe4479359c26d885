"""Spectrograms in kHz, seconds and decibels. One colour scale for all: what looks equal is equal."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from streamaug.codecs.base import Audio
from streamaug.pages.png import DPI, WIDTH, plain, png_of

FLOOR, TOP = -100.0, -10.0
"""Ends of the colour scale in dB. 0 dB is a sine at full scale; 16 bits have no detail below the
floor."""

LOUDER = 40.0
"""End of the colour scale of differences, in dB."""

_WINDOW_S = 0.025
_BLOCK = 1 << 10


def spectrogram(samples: np.ndarray, rate: int, *, most: int = 2_000) -> np.ndarray:
    """Level by frequency and time, by a short-time Fourier transform.

    A Hann window of about 25 ms moves by a quarter of its length; frames of a long clip are averaged
    in power, so that no sound is left out. Of two channels, the mean power counts.

    Args:
        samples: Of shape (samples,) or (channels, samples), nominally in [-1, 1].
        rate: Sample rate in Hz.
        most: The most frames to return.

    Returns:
        dB of shape (bins, frames), at least `FLOOR`; 0 dB is a sine at full scale. Bins are evenly
        spaced from 0 Hz to half the sample rate, frames from the clip's start to its end.

    >>> sine = np.sin(2 * np.pi * 1_000 * np.arange(16_000) / 16_000)
    >>> levels = spectrogram(sine, 16_000)
    >>> levels.shape, int(levels[:, 60].argmax()) * 8_000 / 256, round(float(levels.max()), 3)
    ((257, 126), 1000.0, 0.0)
    """
    length = 1 << max(4, round(np.log2(_WINDOW_S * rate)))
    window = np.hanning(length + 1)[:-1].astype(np.float32)
    channels = np.atleast_2d(samples)
    centred = np.pad(channels, ((0, 0), (length // 2, length // 2)))
    frames = np.lib.stride_tricks.sliding_window_view(centred, length, axis=1)[:, :: length // 4]
    together = -(-frames.shape[1] // most)
    starts = range(0, frames.shape[1], together * _BLOCK)
    power = np.concatenate([_power(frames[:, start : start + together * _BLOCK], window, together) for start in starts])
    levels: np.ndarray = 10 * np.log10(np.maximum(power.T, 10 ** (FLOOR / 10)))
    return levels


def _power(frames: np.ndarray, window: np.ndarray, together: int) -> np.ndarray:
    """Power of frames (channels, frames, samples), relative to a full sine, averaged over channels
    and each `together` frames: (frames, bins)."""
    spectrum = np.abs(np.fft.rfft(frames * window)) * (2 / window.sum())
    power = np.square(spectrum).mean(0)
    sums = np.add.reduceat(power, np.arange(0, len(power), together))
    counts = np.diff(np.append(np.arange(0, len(power), together), len(power)))
    means: np.ndarray = sums / counts[:, None]
    return means


def picture_of(sounds: Mapping[str, Audio]) -> bytes:
    """PNG of spectrograms under each other, with shared axes and one colour bar.

    Args:
        sounds: Title and sound of each, of one sample rate.
    """
    levels = {title: spectrogram(sound.samples, sound.rate) for title, sound in sounds.items()}
    return _draw(levels, next(iter(sounds.values())), cmap="magma", low=FLOOR, high=TOP, label="dB")


def difference_of(first: Audio, second: Audio, title: str) -> bytes:
    """PNG of how much louder the second sound is at each frequency and time.

    Args:
        first: What it is compared with, such as the original.
        second: A sound of the same length and rate, such as the clip in a condition.
        title: Title of the picture.
    """
    levels = spectrogram(second.samples, second.rate) - spectrogram(first.samples, first.rate)
    return _draw({title: levels}, first, cmap="RdBu_r", low=-LOUDER, high=LOUDER, label="dB louder")


def _draw(levels: Mapping[str, np.ndarray], like: Audio, *, cmap: str, low: float, high: float, label: str) -> bytes:
    count = len(levels)
    # One alone is shown beside others, half as wide as it is drawn; several have a page's width.
    width, height, dpi, font = (3.5, 2.0, 200, 8) if count == 1 else (WIDTH, 0.5 + 1.25 * count, DPI, 10)
    figure = Figure(figsize=(width, height), dpi=dpi)
    # Margins in letters, not Matplotlib's own layout: it takes as long again, and places differ.
    letter = font / 72
    left, right, bottom, top = 4.2 * letter, width - 7 * letter, 3.4 * letter, height - 1.9 * letter
    places = {"left": left / width, "right": right / width, "bottom": bottom / height, "top": top / height}
    panels = figure.subplots(count, 1, sharex=True, sharey=True, squeeze=False, gridspec_kw={**places, "hspace": 0.35})[:, 0]
    seconds, kilohertz = like.samples.shape[-1] / like.rate, like.rate / 2_000
    for axes, (title, shown) in zip(panels, levels.items(), strict=True):
        image = axes.imshow(shown, origin="lower", aspect="auto", extent=(0, seconds, 0, kilohertz), cmap=cmap, vmin=low, vmax=high)
        axes.set_title(plain(title), fontsize=font)
        axes.tick_params(labelsize=font)
    figure.text(letter / width, (bottom + top) / 2 / height, "kHz", fontsize=font, rotation=90, ha="center", va="center")
    panels[-1].set_xlabel("seconds", fontsize=font)
    bar = figure.colorbar(
        image, cax=figure.add_axes((right / width + letter / width, bottom / height, letter / width, (top - bottom) / height))
    )
    bar.ax.tick_params(labelsize=font)
    bar.set_label(label, fontsize=font, labelpad=1)
    return png_of(figure)
