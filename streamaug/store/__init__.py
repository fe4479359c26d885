"""The format of a store, and reading it."""

from streamaug.store.index import Index
from streamaug.store.location import Location
from streamaug.store.store import Store

__all__ = ["Index", "Location", "Store"]
