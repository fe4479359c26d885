"""Score fusion of the paper's two-stage ensemble."""

from collections.abc import Sequence

import numpy as np

INDOOR, OUTDOOR, TRANSPORTATION = 0, 1, 2
GROUPS = {
    "airport": INDOOR,
    "bus": TRANSPORTATION,
    "metro": TRANSPORTATION,
    "metro_station": INDOOR,
    "park": OUTDOOR,
    "public_square": OUTDOOR,
    "shopping_mall": INDOOR,
    "street_pedestrian": OUTDOOR,
    "street_traffic": OUTDOOR,
    "tram": TRANSPORTATION,
}
"""The coarse class of each scene."""

COARSE = ("indoor", "outdoor", "transportation")
"""Labels of the coarse classes."""


def two_stage(scenes: Sequence[np.ndarray], coarse: Sequence[np.ndarray], groups: Sequence[int]) -> np.ndarray:
    """Score of each class: summed class probabilities times the summed probability of its coarse
    class.

    Hu et al., DCASE 2020; the decision is the argmax.

    Args:
        scenes: Class probabilities of each model, (clips, classes).
        coarse: Probabilities of each three-class model, (clips, coarse classes).
        groups: The coarse class of each class.

    Returns:
        Scores, (clips, classes).

    >>> two_stage([np.array([[0.4, 0.6, 0.0]])], [np.array([[0.9, 0.1]])], [0, 1, 1]).argmax(1).tolist()
    [0]
    """
    scores: np.ndarray = np.sum(scenes, axis=0) * np.sum(coarse, axis=0)[:, np.asarray(groups)]
    return scores
