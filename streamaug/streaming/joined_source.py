"""Bitstreams of several stores, each read from its own: from this machine's disk or a server."""

from collections.abc import Mapping, Sequence

from streamaug.store.locations import BitstreamLocations
from streamaug.streaming.source import Pending, Source


class JoinedSource:
    """Passes each request on to the source of its condition's store.

    Args:
        sources: One per store, by name.
        locations: One per condition; they know their stores.
    """

    def __init__(self, sources: Mapping[str, Source], locations: Sequence[BitstreamLocations]) -> None:
        self._sources, self._stores = sources, [location.store for location in locations]

    def request(self, pairs: Sequence[tuple[int, int]]) -> list[Pending]:
        """Begin to read the bitstreams of (condition, clip) pairs; see `Source.request`."""
        pending: dict[int, Pending] = {}
        for name, source in self._sources.items():
            numbers = [number for number, (condition, _) in enumerate(pairs) if self._stores[condition] == name]
            pending.update(zip(numbers, source.request([pairs[number] for number in numbers]), strict=True))
        return [pending[number] for number in range(len(pairs))]

    def where(self, condition: int, clip: int) -> str:
        """Names store, shard and clip, for errors."""
        return self._sources[self._stores[condition]].where(condition, clip)

    def close(self) -> None:
        """End connections."""
        for source in self._sources.values():
            source.close()
