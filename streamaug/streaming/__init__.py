"""Carrying a plan out: fetch, keep, decode, batch, resume."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamaug.reading.cache import Cache
    from streamaug.streaming.loader import StreamLoader
    from streamaug.streaming.metrics import StreamMetrics, log_metrics
    from streamaug.streaming.steps import Steps
    from streamaug.streaming.stream import Stream

__all__ = ["Cache", "Steps", "Stream", "StreamLoader", "StreamMetrics", "log_metrics"]

_HOME = {
    "Cache": "streamaug.reading.cache",
    "Steps": "streamaug.streaming.steps",
    "Stream": "streamaug.streaming.stream",
    "StreamLoader": "streamaug.streaming.loader",
    "StreamMetrics": "streamaug.streaming.metrics",
    "log_metrics": "streamaug.streaming.metrics",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for only then: planning uses this package too and must not wait for
    PyTorch."""
    if name not in _HOME:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(_HOME[name]), name)
