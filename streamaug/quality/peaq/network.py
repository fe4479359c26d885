"""From the eleven model output variables to a grade: section 12 of PEAQ Basic."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from streamaug.quality.peaq.ear import Array

#   variable          smallest     largest      weights to the three hidden nodes
_INPUTS = {
    "BandwidthRefB": (393.916656, 921.0, -0.502657, 0.436333, 1.219602),
    "BandwidthTestB": (361.965332, 881.131226, 4.307481, 3.246017, 1.123743),
    "TotalNMRB": (-24.045116, 16.212030, 4.984241, -2.211189, -0.192096),
    "WinModDiff1B": (1.110661, 107.137772, 0.051056, -1.762424, 4.331315),
    "ADBB": (-0.206623, 2.886017, 2.321580, 1.789971, -0.754560),
    "EHSB": (0.074318, 13.933351, -5.303901, -3.452257, -10.814982),
    "AvgModDiff1B": (1.113683, 63.257874, 2.730991, -6.111805, 1.519223),
    "AvgModDiff2B": (0.950345, 1145.018555, 0.624950, -1.331523, -5.955151),
    "RmsNoiseLoudB": (0.029985, 14.819740, 3.102889, 0.871260, -5.922878),
    "MFPDB": (0.000101, 1.0, -1.051468, -0.939882, -0.142913),
    "RelDistFramesB": (0.0, 1.0, -1.804679, -0.503610, -0.620456),
}
_HIDDEN_BIAS = np.array([-2.518254, 0.654841, -2.207228])
_OUTPUT = np.array([-3.817048, 4.107138, 4.629582])
_OUTPUT_BIAS = -0.307594

VARIABLES = tuple(_INPUTS)
"""Names of the model output variables, in the network's order."""


def _sigmoid(value: npt.ArrayLike) -> Array:
    return np.asarray(1 / (1 + np.exp(np.negative(value))), np.float64)


def distortion_index(movs: Mapping[str, float]) -> float:
    """DI of the eleven variables; inputs are not clipped to the range of the network's training."""
    table = np.array([_INPUTS[name] for name in VARIABLES])
    smallest, largest, weights = table[:, 0], table[:, 1], table[:, 2:]
    scaled = (np.array([movs[name] for name in VARIABLES]) - smallest) / (largest - smallest)
    return float(_OUTPUT_BIAS + _OUTPUT @ _sigmoid(_HIDDEN_BIAS + scaled @ weights))


def objective_difference_grade(di: float) -> float:
    """ODG from 0.22 (no difference) down to -3.98, of a distortion index.

    >>> round(objective_difference_grade(0.0), 2)
    -1.88
    """
    return float(-3.98 + 4.2 * _sigmoid(di))
