"""Codec conditions as tar shards, training conditions as mixtures of them.

What most programs need is here; it is imported when it is first asked for, since the stream brings torch along and
building must not.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamaug.building.build import build
    from streamaug.planning import Plan
    from streamaug.planning.open_plan import open_plan
    from streamaug.recipes import Recipe, load_recipe
    from streamaug.store import Store
    from streamaug.streaming.stream import Stream

__all__ = ["Plan", "Recipe", "Store", "Stream", "build", "load_recipe", "open_plan"]

_HOMES = {
    "Plan": "streamaug.planning",
    "Recipe": "streamaug.recipes",
    "Store": "streamaug.store",
    "Stream": "streamaug.streaming.stream",
    "build": "streamaug.building.build",
    "load_recipe": "streamaug.recipes",
    "open_plan": "streamaug.planning.open_plan",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'streamaug' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
