"""Grade a test signal against its reference with PEAQ Basic (ITU-R BS.1387-1)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamaug.errors import QualityError
from streamaug.quality.peaq.adaptation import adapted, modulation, modulation_differences, windowed_mean
from streamaug.quality.peaq.bands import bands, grouped
from streamaug.quality.peaq.bandwidth import bandwidths
from streamaug.quality.peaq.detection import detection, distorted_block, largest_filtered
from streamaug.quality.peaq.ear import FULL_SCALE, RATE, Array, ear_weights, framed, power_spectra
from streamaug.quality.peaq.ehs import harmonic_structure
from streamaug.quality.peaq.excitation import smeared, spread
from streamaug.quality.peaq.frame_sets import frame_mean, frame_sets
from streamaug.quality.peaq.loudness import noise_loudness, total_loudness
from streamaug.quality.peaq.masking import disturbed_share, noise_to_mask, total_noise_to_mask
from streamaug.quality.peaq.network import VARIABLES, distortion_index, objective_difference_grade

SATURATED = 8.0
"""EHSB above which the network's hidden nodes saturate and the grade tends to -2.2 however bad the
signal is.
"""


@dataclass(frozen=True, kw_only=True)
class Peaq:
    """PEAQ Basic's result for a pair of signals.

    Args:
        odg: Objective difference grade, 0.22 (no difference) to -3.98 (very annoying), not clipped;
            NaN if the pair is too short (under 28 frames, 0.6 s), or its reference or test is too
            quiet to be graded.
        di: Distortion index, the network's output before it is scaled to a grade.
        movs: The eleven model output variables by their standard names, in the network's order; NaN
            if undefined.
        frames: Frames from the first to the last loud one, over which the averages are taken.
        bandwidth_frames: Frames of these that determine the bandwidth, in the channel with the
            fewest.
    """

    odg: float
    di: float
    movs: Mapping[str, float]
    frames: int
    bandwidth_frames: int

    @property
    def saturated(self) -> bool:
        """Whether EHSB is above 8, so that the grade is not worse than about -2.2 however bad the
        signal is.
        """
        return self.movs["EHSB"] > SATURATED

    @property
    def without_bandwidth(self) -> bool:
        """Whether no frame determines the bandwidth (narrow-band or very noisy), so that the grade
        is extrapolated.
        """
        return self.bandwidth_frames == 0


def peaq(reference: npt.ArrayLike, test: npt.ArrayLike, rate: int) -> Peaq:
    """Grade a test signal against its reference.

    Both signals are cut to the shorter one. Round resampled signals to 16 bit first
    (`streamaug.quality.pcm.at_48_khz`); the grades of unrounded ones depend on the resampler's stop
    band.

    Args:
        reference: (samples,) or (samples, channels) of one or two channels, int16 or float in [-1,
            1].
        test: The same, sample-aligned with the reference and with the gain of the codec.
        rate: Sample rate in Hz; must be 48000.

    Raises:
        QualityError: The rate, shape or type is not supported, or samples are not finite or out of
            range.

    >>> noise = (3000 * np.random.default_rng(1).standard_normal(48_000)).astype(np.int16)
    >>> peaq(noise, noise, 48_000).odg > 0
    True
    """
    if rate != RATE:
        raise QualityError(
            f"PEAQ needs a sample rate of {RATE} Hz, not {rate} Hz; convert both signals with streamaug.quality.pcm.at_48_khz"
        )
    pair = _paired(_checked(reference, "reference"), _checked(test, "test"))
    frames = framed(pair)
    spectra = power_spectra(frames)
    heard = spectra * ear_weights()
    unsmeared = spread(grouped(heard) + bands().noise)
    excitation = smeared(unsmeared)
    modulated = modulation(unsmeared)
    sets = frame_sets(frames, total_loudness(excitation))
    kept, settled, audible = sets.kept, sets.settled, sets.audible

    first, second, weight = (values[:, settled] for values in modulation_differences(modulated))
    noise = noise_loudness(adapted(excitation), modulated)[:, audible]
    ratios = noise_to_mask(heard[:, :, kept], excitation[0][:, kept])
    probability, steps = detection(excitation[:, :, kept])
    structure = harmonic_structure(heard[:, :, sets.energetic])
    band_reference, band_test, counted = bandwidths(spectra[:, :, kept])
    by_channel = {
        "BandwidthRefB": band_reference,
        "BandwidthTestB": band_test,
        "TotalNMRB": total_noise_to_mask(ratios),
        "WinModDiff1B": windowed_mean(first),
        "EHSB": 1000 * frame_mean(structure) if structure.size else np.zeros(1),
        "AvgModDiff1B": frame_mean(first, weight),
        "AvgModDiff2B": frame_mean(second, weight),
        "RmsNoiseLoudB": np.sqrt(frame_mean(noise**2)),
        "RelDistFramesB": disturbed_share(ratios),
    }
    joined = {"ADBB": distorted_block(probability, steps), "MFPDB": largest_filtered(probability)}
    movs = {name: joined[name] if name in joined else float(by_channel[name].mean()) for name in VARIABLES}
    di = distortion_index(movs)
    return Peaq(odg=objective_difference_grade(di), di=di, movs=movs, frames=kept.stop - kept.start, bandwidth_frames=int(counted.min()))


def _checked(signal: npt.ArrayLike, name: str) -> Array:
    """A signal as (channels, samples) in 16-bit units. Raises QualityError."""
    samples = np.asarray(signal)
    if samples.ndim == 1:
        samples = samples[:, None]
    if samples.ndim != 2 or not 1 <= samples.shape[1] <= 2:
        raise QualityError(f"{name} has the shape {np.shape(signal)}; give (samples,) or (samples, channels) with one or two channels")
    if samples.dtype == np.int16:
        return samples.T.astype(np.float64)
    if not np.issubdtype(samples.dtype, np.floating):
        raise QualityError(f"{name} has samples of type {samples.dtype}; give int16, or floats in [-1, 1]")
    if not np.isfinite(samples).all():
        raise QualityError(f"{name} has samples that are not finite; repair or leave out the recording")
    if samples.size and np.abs(samples).max() > 1:
        raise QualityError(f"{name} has samples up to {np.abs(samples).max():g}; scale to full scale 1 and clip to [-1, 1], or give int16")
    return samples.T.astype(np.float64) * FULL_SCALE


def _paired(reference: Array, test: Array) -> Array:
    """Both signals as one array (2, channels, samples), cut to the shorter. Raises QualityError."""
    if len(reference) != len(test):
        raise QualityError(f"reference has {len(reference)} channels, test {len(test)}; mix both to the same number of channels")
    samples = min(reference.shape[-1], test.shape[-1])
    return np.stack([reference[:, :samples], test[:, :samples]])
