"""The breaking bitrate of a codec: from where downwards it costs a model more than an agreed drop.

accuracy                                      allowed drop: 5 % of the original's 0.80
0.80  ------------------- original
0.76  - - - - - - - -/- - threshold
                   /   |
0.60       x-----x     |   fitted: never falls with the bitrate
           |     |     |
          16    32    41    64 kbps (logarithmic)
                       breaking bitrate
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from streamaug.conditions import Condition
from streamaug.store.format import Strict
from streamaug.stress.analysis.figure import Figure
from streamaug.stress.bootstrap import ENDS

_EQUAL = 1e-12
"""A drop of exactly what is allowed is allowed, whatever the last bits say."""

Case = Literal["at", "below", "above"]


class Bitrate(Strict):
    """A bitrate, or on which side of the tested ones it is.

    Args:
        case: `at` kbps; `below` kbps, the lowest tested, where the drop is still allowed; or `above`
            kbps, the highest tested, where the drop is still greater.
        kbps: In kilobits per second.

    >>> print(Bitrate(case="at", kbps=41.2), Bitrate(case="below", kbps=16), Bitrate(case="above", kbps=64), sep="; ")
    41 kbps; below 16 kbps; above 64 kbps
    """

    case: Case
    kbps: Figure

    def __str__(self) -> str:
        kbps = f"{self.kbps:.0f}" if self.kbps >= 20 or self.kbps == round(self.kbps) else f"{self.kbps:.1f}"
        return f"{'' if self.case == 'at' else self.case + ' '}{kbps} kbps"


def encoder_of(condition: str) -> str:
    """The codec of a condition of one step, with the variant of its encoder and the link if it has one;
    empty for the original, chains and effects.

    >>> encoder_of("mp3_64"), encoder_of("mp3_64@shine"), encoder_of("alaw_64~wifi@1"), encoder_of("pitch+mp3_64")
    ('mp3', 'mp3@shine', 'alaw~wifi@1', '')
    """
    parsed = Condition.parse(condition)
    match parsed.steps:
        case (step,) if step.is_codec:
            encoder = f"{step.name}@{step.variant}" if step.variant else step.name
            return f"{encoder}~{parsed.link}" if parsed.link else encoder
    return ""


def bitrates_by_codec(conditions: Sequence[str]) -> dict[str, list[tuple[float, int]]]:
    """The tested bitrates of each codec, ascending, with the numbers of their conditions. Each
    encoder of a codec counts on its own, and so does each link.

    >>> bitrates_by_codec(["original", "mp3_64", "mp3_32", "mp3_64@shine", "pitch+mp3_8"])
    {'mp3': [(32.0, 2), (64.0, 1)], 'mp3@shine': [(64.0, 3)]}
    """
    found: dict[str, list[tuple[float, int]]] = {}
    for number, name in enumerate(conditions):
        if encoder := encoder_of(name):
            found.setdefault(encoder, []).append((Condition.parse(name).steps[0].kbps, number))
    return {codec: sorted(found[codec]) for codec in sorted(found)}


def isotonic(values: np.ndarray) -> np.ndarray:
    """The nearest values that never fall, by least squares (isotonic regression).

    By the min-max formula (Robertson, Wright and Dykstra 1988, theorem 1.4.4), which takes all draws
    of a bootstrap together: value i is the greatest, over starts a <= i, of the smallest mean of
    a..b over ends b >= i.

    Args:
        values: Of shape (..., points).

    >>> isotonic(np.array([1.0, 3.0, 2.0, 4.0])).tolist()
    [1.0, 2.5, 2.5, 4.0]
    """
    points = values.shape[-1]
    sums = np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(values, -1)], -1)
    fitted = np.full(values.shape, -np.inf)
    for start in range(points):
        ends = np.arange(start + 1, points + 1)
        means = (sums[..., ends] - sums[..., [start]]) / (ends - start)
        smallest = np.minimum.accumulate(means[..., ::-1], -1)[..., ::-1]  # over the ends from each point on
        fitted[..., start:] = np.maximum(fitted[..., start:], smallest)
    return fitted


def breaking_bitrates(kbps: np.ndarray, values: np.ndarray, threshold: np.ndarray) -> np.ndarray:
    """Where fitted values cross a threshold, on a straight line over the logarithm of the bitrate.

    Args:
        kbps: Tested bitrates, ascending, (points,).
        values: Of which larger ones are better, (draws, points).
        threshold: Smallest value that is good enough, (draws,).

    Returns:
        Of shape (draws,): 0 if the lowest bitrate is good enough, infinity if none is.

    >>> breaking_bitrates(np.array([16.0, 64.0]), np.array([[0.6, 0.8]]), np.array([0.7])).round(6).tolist()
    [32.0]
    """
    fitted = isotonic(values)
    enough = fitted >= threshold[:, None] - _EQUAL
    first = enough.argmax(1)
    draws, after = np.arange(len(values)), np.maximum(first, 1) if len(kbps) > 1 else first
    before = np.maximum(after - 1, 0)
    low, high = fitted[draws, before], fitted[draws, after]
    is_between = enough.any(1) & (first > 0)
    step = np.divide(threshold - low, high - low, out=np.zeros(len(values)), where=is_between)
    crossed = np.exp(np.log(kbps[before]) + step * (np.log(kbps[after]) - np.log(kbps[before])))
    return np.where(enough.any(1), np.where(first == 0, 0.0, crossed), np.inf)


class Breaking(Strict):
    """The breaking bitrate of a codec.

    Args:
        codec: Name of the codec, with the variant of its encoder and the link if it has one.
        bitrate: The breaking bitrate.
        low: Lower end of its 95 % interval; None without an interval.
        high: Upper end of its 95 % interval.
        tested: The tested bitrates in kbps, ascending.
    """

    codec: str
    bitrate: Bitrate
    low: Bitrate | None
    high: Bitrate | None
    tested: tuple[Figure, ...]


def breaking_points(conditions: Sequence[str], values: np.ndarray, draws: np.ndarray, *, drop: float) -> list[Breaking]:
    """The breaking bitrate of each codec, with its interval.

    Args:
        conditions: Names of the conditions, `original` among them.
        values: Of which larger ones are better, (conditions,).
        draws: The same for each draw of a bootstrap, (draws, conditions); no draws give no
            intervals.
        drop: How much may be lost, as a share of the original's value.
    """
    original = list(conditions).index("original")
    found = []
    for codec, points in bitrates_by_codec(conditions).items():
        kbps, numbers = np.array([each for each, _ in points]), [number for _, number in points]
        rows = np.vstack([values[None], draws])
        crossed = breaking_bitrates(kbps, rows[:, numbers], rows[:, original] * (1 - drop))
        drawn = crossed[1:][~np.isnan(draws[:, [original, *numbers]]).any(1)]
        # Ends are draws themselves: between a bitrate and "above" there is no mean.
        ends = np.percentile(drawn, ENDS, method="closest_observation").tolist() if len(drawn) else []
        bitrate, low, high = [*(_bitrate(each, kbps) for each in (float(crossed[0]), *ends)), None, None][:3]
        found.append(Breaking(codec=codec, bitrate=bitrate, low=low, high=high, tested=tuple(kbps.tolist())))
    return found


def _bitrate(crossed: float, kbps: np.ndarray) -> Bitrate:
    if crossed == 0:
        return Bitrate(case="below", kbps=float(kbps[0]))
    return Bitrate(case="above", kbps=float(kbps[-1])) if np.isinf(crossed) else Bitrate(case="at", kbps=crossed)
