"""Carrying a plan out: fetch, keep, decode, batch, resume."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamaug.streaming.caches import Cache
    from streamaug.streaming.stats import Figures, log_figures
    from streamaug.streaming.stream import Stream

__all__ = ["Cache", "Figures", "Stream", "log_figures"]

_HOME = {"Cache": "caches", "Figures": "stats", "Stream": "stream", "log_figures": "stats"}


def __getattr__(name: str) -> Any:
    """Import what is asked for only then: planning uses this package too and must not wait for PyTorch."""
    if name not in _HOME:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
