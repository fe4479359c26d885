"""The features of a stream, and how their shapes depend on the lengths of its rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from streamaug.features.base import Feature
from streamaug.features.lengths import LastAxis, Lengths, last_axis
from streamaug.features.registry import open_features
from streamaug.streaming.cropping import Cropping


@dataclass(frozen=True, kw_only=True)
class OpenedFeatures:
    """Features that fit a store and a crop.

    Args:
        by_key: By key in the batch.
        is_mapping: Whether the user gave a mapping of several.
        lengths: Of the rows' waveforms.
        last_axes: What the last axis of each feature counts.
    """

    by_key: Mapping[str, Feature]
    is_mapping: bool
    lengths: Lengths
    last_axes: Mapping[str, LastAxis]

    @classmethod
    def of(cls, features: Any, cropping: Cropping, clips: np.ndarray, clip_ids: pa.Array, *, channels: int = 1) -> "OpenedFeatures":
        """Open what a user names.

        Args:
            features: As `Stream` takes it.
            cropping: The samples of each row.
            clips: Row numbers in the clips table of all clips that may come; at least one.
            clip_ids: In the order of the clips table.
            channels: Of the store.

        Raises:
            FeatureError: A feature is unknown, or does not fit the rows.
            StreamaugError: The crop is shorter than one sample.
        """
        samples = cropping.row_samples(clips)
        shortest = int(samples.argmin())
        lengths = Lengths(shortest=int(samples[shortest]), longest=int(samples.max()), clip=clip_ids[int(clips[shortest])].as_py())
        by_key = open_features(features, rate=cropping.rate, lengths=lengths, channels=channels)
        last_axes = {key: last_axis(feature, cropping.rate, lengths) for key, feature in by_key.items()}
        return cls(by_key=by_key, is_mapping=isinstance(features, Mapping), lengths=lengths, last_axes=last_axes)
