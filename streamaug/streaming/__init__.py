"""Carrying a plan out: fetch, keep, decode, batch, resume."""

from typing import TYPE_CHECKING, Any

from streamaug.streaming.caches import Cache
from streamaug.streaming.stats import Figures, log_figures

if TYPE_CHECKING:
    from streamaug.streaming.stream import Stream

__all__ = ["Cache", "Figures", "Stream", "log_figures"]


def __getattr__(name: str) -> Any:
    """`Stream` is imported when it is asked for: it imports torch, and `streamaug plan`, which needs none, must answer at once."""
    if name == "Stream":
        from streamaug.streaming.stream import Stream

        return Stream
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
