"""Shapes of features for the longest row of each batch, known before the batch is decoded."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from streamaug.errors import FeatureError
from streamaug.features.base import Feature, computes_shapes

_LENGTHS = 4096
"""Lengths whose shapes are remembered: clips may have as many lengths as there are clips."""


class Shapes:
    """The shapes of some features. What a feature has to compute for one is computed by the workers'
    threads while other batches are decoded, not by the training loop.

    Args:
        features: By key in the batch.
        call: Runs a function on a thread of the workers.
    """

    def __init__(self, features: Mapping[str, Feature], call: Callable[..., Future[Any]]) -> None:
        self._features, self._call = features, call
        self._computed: dict[tuple[str, int], Future[tuple[int, ...]]] = {}

    def prepare(self, samples: int) -> None:
        """Begin to compute the shapes for a length that will come.

        Args:
            samples: Of the longest row of a batch.
        """
        for key, feature in self._features.items():
            if computes_shapes(feature) and (key, samples) not in self._computed:
                if len(self._computed) >= _LENGTHS:
                    self._computed.clear()
                self._computed[key, samples] = self._call(feature.shape, samples)

    def of(self, samples: int) -> dict[str, tuple[int, ...]]:
        """The shape of each feature by key; waits for what is still computed.

        Args:
            samples: Of the waveform.

        Raises:
            FeatureError: A feature fails for this length.
        """
        self.prepare(samples)
        return {key: self._shape(key, feature, samples) for key, feature in self._features.items()}

    def _shape(self, key: str, feature: Feature, samples: int) -> tuple[int, ...]:
        if not computes_shapes(feature):
            return feature.shape(samples)
        try:
            return self._computed[key, samples].result()
        except FeatureError:
            raise
        except Exception as error:  # of a user's own code: whatever it is, it does not take this length
            raise FeatureError(f"feature '{key}' does not take clips of {samples} samples: {error}") from error
