"""From what a user writes as `features` to the features of a stream."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from streamaug import plugins
from streamaug.errors import FeatureError
from streamaug.features.base import Feature, NeedsRate
from streamaug.features.lengths import Lengths, check_shapes
from streamaug.features.per_channel import per_channel

BATCH_KEYS = (
    "lost",
    "length", "frames", "label", "labels", "target", "clip_id", "condition", "store", "position", "epoch", "consumed", "provenance",
    "replaced",
)  # fmt: skip
"""Keys of a batch that neither a feature nor a column of the clips table can have."""

_MEMBERS = ("name", "version", "settings", "stored_dtype", "shape", "stored_shape", "compute", "expand")


def open_features(features: Any, *, rate: int, lengths: Lengths, channels: int = 1) -> dict[str, Feature]:
    """The features of a stream by their key in the batch, ready for its clips.

    Args:
        features: A name, a Feature, an `nn.Module` or other callable on a waveform, or a mapping of
            names to several.
        rate: The stream's sample rate in Hz.
        lengths: Of the waveforms that they are computed of.
        channels: Channels of the store; of two, each feature is computed of both.

    Raises:
        FeatureError: A name is unknown, two features have one key, or one does not fit the store.

    >>> lengths = Lengths(shortest=16_000, longest=20_000, clip="a")
    >>> list(open_features("logmel", rate=16_000, lengths=lengths))
    ['logmel']
    >>> list(open_features({"mel": "static", "sound": "waveform"}, rate=16_000, lengths=lengths))
    ['mel', 'sound']
    """
    if isinstance(features, Mapping):
        if not features:
            raise FeatureError("features={} names no feature; write at least one, such as features='logmel'")
        opened = {str(name): _open(each, str(name)) for name, each in features.items()}
    else:
        feature = _open(features, None)
        opened = {feature.name: feature}
    for name in opened:
        if name in BATCH_KEYS:
            raise FeatureError(f"a feature cannot be called '{name}': a batch has that key already; choose another name")
    return {name: per_channel(_fit(feature, name, rate, lengths), channels) for name, feature in opened.items()}


def _open(feature: Any, name: str | None) -> Feature:
    if isinstance(feature, str):
        found: Feature = plugins.find(plugins.FEATURES, feature)()
        return found
    if isinstance(feature, type):
        raise FeatureError(f"features={feature.__name__} is a class; write features={feature.__name__}()")
    if all(hasattr(feature, member) for member in _MEMBERS):
        own: Feature = feature
        return own
    if isinstance(feature, Callable):  # type: ignore[arg-type]  # mypy wants a class here
        from streamaug.features.function import FunctionFeature

        return FunctionFeature(feature, name=name)
    if isinstance(feature, Sequence):
        raise FeatureError("features is a list; write a mapping of batch keys to features, such as {'mel': 'logmel', 'sound': 'waveform'}")
    raise FeatureError(f"features={feature!r}: write a name such as 'logmel', a Feature, a module or function on a waveform, or a mapping")


def _fit(feature: Feature, name: str, rate: int, lengths: Lengths) -> Feature:
    try:
        fitted = feature.at_rate(rate) if isinstance(feature, NeedsRate) else feature
    except FeatureError:
        raise
    except Exception as error:  # of a user's own code too: whatever it is, this feature does not take this rate
        raise FeatureError(f"feature '{name}' does not take clips at {rate} Hz: {error}") from error
    check_shapes(fitted, name, rate, lengths)
    return fitted
