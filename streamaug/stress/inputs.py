"""What a model gets of each clip: a waveform or a feature, all of one length."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from streamaug.crop import Crop
from streamaug.errors import FeatureError
from streamaug.features.base import Feature, cache_text
from streamaug.references import import_reference, is_reference
from streamaug.store import Store
from streamaug.store.rates import clip_rates
from streamaug.streaming.cropping import Cropping
from streamaug.streaming.opened_features import OpenedFeatures
from streamaug.stress.models.identity import object_digest


@dataclass(frozen=True, kw_only=True)
class ModelInput:
    """What a model gets of each clip.

    Args:
        features: As `Stream` takes it.
        key: Its key in a batch.
        name: As the user named it.
        settings: All that decides its numbers besides the waveform.
        shape: Of the longest row.
        rate: Sample rate in Hz of the waveforms.
        crop: What is taken of each clip; None for all of it.
    """

    features: Any
    key: str
    name: str
    settings: str
    shape: tuple[int, ...]
    rate: int
    crop: Crop | None


def open_input(store: Store, clips: np.ndarray, *, features: str, rate: int | None, crop: Crop | None, batch_size: int) -> ModelInput:
    """Check that a feature fits the clips that a model is to get.

    Args:
        store: The store.
        clips: Row numbers of the clips that are evaluated.
        features: A registered name, or `package.module:name` of a Feature, or of a module or
            function on a waveform.
        rate: Sample rate in Hz. Default: the store's.
        crop: What is taken of each clip. Default: all of it.
        batch_size: Clips that the model gets together.

    Raises:
        FeatureError: The feature is unknown, does not fit the clips, or would be filled up with zeros
            that the model takes for sound.
        StreamaugError: The crop is shorter than one sample, or far longer than the clips.
    """
    named: Any = import_reference(features, FeatureError) if is_reference(features) else features
    cropping = Cropping(samples=store.clips["samples"].to_numpy(), rates=clip_rates(store), rate=rate or store.manifest.rate, crop=crop)
    opened = OpenedFeatures.of(named, cropping, clips, store.clips["clip_id"], channels=store.manifest.channels)
    if len(opened.by_key) > 1:
        raise FeatureError(f"'{features}' is several features ({', '.join(opened.by_key)}), and a model gets one; name one of them")
    ((key, feature),) = opened.by_key.items()
    shortest, longest = opened.lengths.shortest, opened.lengths.longest
    if batch_size > 1 and shortest < longest and opened.last_axes[key] != "fixed":
        raise FeatureError(
            f"clips of {shortest / cropping.rate:g} to {longest / cropping.rate:g} s would be filled up with zeros, which the model takes "
            "for sound; give all one length with --crop SECONDS, or each its own with --batch-size 1"
        )
    return ModelInput(
        features=named,
        key=key,
        name=features,
        settings=_settings(feature, named),
        shape=feature.shape(longest),
        rate=cropping.rate,
        crop=crop,
    )


def _settings(feature: Feature, named: Any) -> str:
    """The settings of a feature, or the hash of the code and numbers of what the user named."""
    try:
        return cache_text(feature)
    except FeatureError:  # a function, or a module of the user's own code
        return object_digest(named)
