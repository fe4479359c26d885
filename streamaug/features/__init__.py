"""From a waveform to what a model takes."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamaug.features.logmel import EDGE, LogMel, with_deltas

__all__ = ["EDGE", "LogMel", "with_deltas"]


def __getattr__(name: str) -> Any:
    """Import log-mel, and with it PyTorch, only when it is first used: planning needs neither."""
    if name not in __all__:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from streamaug.features import logmel

    return getattr(logmel, name)
