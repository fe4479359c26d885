"""Recordings of one device made to sound like those of the others (Kosmider 2019)."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import librosa
import numpy as np
import pyarrow as pa

from streamaug.effects.base import LoadClip
from streamaug.effects.common import clip_random, learned, training_rows, versions, within_scale
from streamaug.errors import ClipsError

_FFT, _HOP = 2048, 1024


def _magnitudes(signal: np.ndarray) -> np.ndarray:
    """Mean magnitude of each bin over time and channels: of shape (_FFT / 2 + 1,)."""
    means: np.ndarray = np.abs(librosa.stft(signal, n_fft=_FFT, hop_length=_HOP)).mean(-1)
    return means if means.ndim == 1 else means.mean(0)


@dataclass(frozen=True)
class SpectrumCorrection:
    """Multiplies the spectrum of the reference device's clips by the mean ratio of the other
    devices' spectra to it.

    The ratio is taken from pairs that recorded the same: same label (or labels, or target), group and, where there is the
    column, segment. Of each pair the magnitudes are averaged over time first, or one bin near zero
    would decide the mean.
    """

    takes_stereo = True

    reference: str = "a"
    pairs: int = 150
    ratio: np.ndarray | None = None

    @property
    def version(self) -> str:
        return versions(1, "librosa")

    @property
    def arguments(self) -> Mapping[str, str]:
        fitted = "" if self.ratio is None else hashlib.sha256(np.round(self.ratio, 6).tobytes()).hexdigest()[:16]
        return {"reference": self.reference, "pairs": str(self.pairs), "ratio": fitted}

    def fit(self, clips: pa.Table, load: LoadClip, rate: int) -> "SpectrumCorrection":  # noqa: ARG002  # the seam's signature
        """Raises ClipsError where the clips name no devices, or no two devices recorded the same."""
        if "device" not in clips.column_names:
            raise ClipsError("effect 'spectrum-correction' needs a column 'device' in the clips table; leave the condition out")
        by_device: dict[str, dict[tuple[str, ...], str]] = defaultdict(dict)
        for row in training_rows(clips):
            scene = (learned(row), str(row["group"]), str(row.get("segment")))
            by_device[str(row["device"])].setdefault(scene, row["clip_id"])
        reference = by_device.pop(self.reference, {})
        ratios = []
        for device, scenes in sorted(by_device.items()):
            shared = sorted(set(reference) & set(scenes))
            random = clip_random("spectrum-correction", device)
            chosen = random.permutation(len(shared))[: self.pairs]
            own = [self._ratio(load(scenes[shared[pair]]), load(reference[shared[pair]])) for pair in chosen]
            if own:
                ratios.append(np.mean(own, axis=0))
        if not ratios:
            raise ClipsError(
                f"effect 'spectrum-correction': no training clips of device '{self.reference}' and of another device share label and "
                "group; leave the condition out"
            )
        return SpectrumCorrection(self.reference, self.pairs, np.mean(ratios, axis=0).astype(np.float32))

    @staticmethod
    def _ratio(other: np.ndarray, reference: np.ndarray) -> np.ndarray:
        ratio: np.ndarray = (_magnitudes(other) + 1e-8) / (_magnitudes(reference) + 1e-8)
        return ratio

    def applies_to(self, clip: Mapping[str, Any]) -> bool:
        return clip.get("device") == self.reference

    def apply(self, signal: np.ndarray, rate: int, clip: Mapping[str, Any], load: LoadClip) -> np.ndarray:  # noqa: ARG002  # the seam's signature
        assert self.ratio is not None, "fit comes first"
        spectrum = librosa.stft(signal, n_fft=_FFT, hop_length=_HOP) * self.ratio[:, None]
        return within_scale(librosa.istft(spectrum, n_fft=_FFT, hop_length=_HOP, length=signal.shape[-1]))
