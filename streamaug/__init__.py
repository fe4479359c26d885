"""Shard labelled audio by codec condition, and train on mixtures of those conditions.

The names below are what most programs need. Each is imported when it is first used, because the
stream imports torch, and building, planning and verifying must work without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from streamaug.packages import missing_package_error

if TYPE_CHECKING:
    from streamaug.building.build import build
    from streamaug.crop import Crop
    from streamaug.planning import Plan
    from streamaug.planning.open_plan import open_plan
    from streamaug.planning.open_stores import open_stores
    from streamaug.reading.cache import Cache
    from streamaug.recipes import Recipe, load_recipe
    from streamaug.store import Store
    from streamaug.store.catalogue import Catalogue
    from streamaug.streaming.loader import StreamLoader
    from streamaug.streaming.stream import Stream

    __version__: str

__all__ = [
    "Cache",
    "Catalogue",
    "Crop",
    "Plan",
    "Recipe",
    "Store",
    "Stream",
    "StreamLoader",
    "__version__",
    "build",
    "load_recipe",
    "open_plan",
    "open_stores",
]

_MODULES = {
    "Cache": "streamaug.reading.cache",
    "Catalogue": "streamaug.store.catalogue",
    "Crop": "streamaug.crop",
    "Plan": "streamaug.planning",
    "Recipe": "streamaug.recipes",
    "Store": "streamaug.store",
    "Stream": "streamaug.streaming.stream",
    "StreamLoader": "streamaug.streaming.loader",
    "build": "streamaug.building.build",
    "load_recipe": "streamaug.recipes",
    "open_plan": "streamaug.planning.open_plan",
    "open_stores": "streamaug.planning.open_stores",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib import metadata

        return metadata.version("streamaug")
    if name not in _MODULES:
        raise AttributeError(f"module 'streamaug' has no attribute '{name}'")
    try:
        return getattr(import_module(_MODULES[name]), name)
    except ModuleNotFoundError as error:
        raise missing_package_error(error) or error from error
