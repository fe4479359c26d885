"""From a waveform to what a model takes, one feature per file."""

from typing import TYPE_CHECKING, Any

from streamaug.features.base import Feature
from streamaug.features.logmel import LogMel
from streamaug.features.logmel_constants import EDGE
from streamaug.features.waveform import Waveform

if TYPE_CHECKING:
    from streamaug.features.logmel_transform import LogMelTransform, with_deltas

__all__ = ["EDGE", "Feature", "LogMel", "LogMelTransform", "Waveform", "with_deltas"]


def __getattr__(name: str) -> Any:
    """Import what needs PyTorch only when it is first used: planning needs the shapes alone."""
    if name not in ("LogMelTransform", "with_deltas"):
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from streamaug.features import logmel_transform

    return getattr(logmel_transform, name)
