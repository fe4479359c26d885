"""The store's format: clips table, index, opening, verifying."""

from streamaug.store.index import Index
from streamaug.store.store import Store

__all__ = ["Index", "Store"]
