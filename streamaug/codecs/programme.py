"""A signal that is as varied as recordings, to judge bitrates by."""

from functools import cache

import numpy as np

from streamaug.codecs.pcm import to_pcm

_HARMONICS = 60
_LOWEST = 40.0
"""Hz below which the noise has nothing."""


@cache  # every codec is calibrated with it
def programme_signal(rate: int, channels: int = 1, seconds: float = 3.0) -> np.ndarray:
    """A gliding voice in syllables over pink noise that swells, with all frequencies up to the top:
    int16 of shape (samples,), or (2, samples) with other noise and another voice, too, in the second
    channel; the same read-only array for every call.

    Encoders of variable bitrate spend on it about what they spend on recordings of ESC-10.
    """
    signal = _voice_and_noise(rate, seconds, 150.0, 20_261_127)
    if channels > 1:
        signal = np.stack([signal, 0.5 * signal + 0.5 * _voice_and_noise(rate, seconds, 210.0, 20_261_128)])
    pcm = to_pcm(signal, 16)
    pcm.flags.writeable = False
    return pcm


def _voice_and_noise(rate: int, seconds: float, pitch: float, seed: int) -> np.ndarray:
    count = round(rate * seconds)
    time = np.arange(count) / rate
    frequencies = np.fft.rfftfreq(count, 1 / rate)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    spectrum[1:] /= np.sqrt(frequencies[1:])
    spectrum[frequencies < _LOWEST] = 0
    noise = np.fft.irfft(spectrum, count)
    glide = pitch * 2 ** (0.4 * np.sin(2 * np.pi * 0.7 * time))
    phase = 2 * np.pi * np.cumsum(glide) / rate
    voice = sum(np.sin(number * phase) * (number * glide < rate / 2) / number for number in range(1, _HARMONICS))
    syllables = np.clip(np.sin(2 * np.pi * 3.5 * time), 0, None)
    swell = 0.3 + 0.7 * np.clip(np.sin(2 * np.pi * 0.8 * time + 1), 0, None)
    signal: np.ndarray = 0.12 * voice / np.std(voice) * syllables + 0.05 * noise / noise.std() * swell
    return signal
