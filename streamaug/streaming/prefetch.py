"""Ask for the bitstreams of batches before they are decoded, those of several batches together."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

from streamaug.reading.grouping import GROUPS_UNDER_WAY, grouped
from streamaug.store.locations import BitstreamLocations
from streamaug.streaming.batches import Batch
from streamaug.streaming.source import Bitstreams, Pending

Requested = dict[tuple[int, int], Pending]
"""The bitstreams of (condition, clip) pairs, under way."""


class Prefetch:
    """Groups batches whose bitstreams are requested together, and requests them.

    Args:
        source: Of the bitstreams.
        locations: Of the conditions, by their numbers.
        is_local: Whether all bitstreams are on a local disk.
    """

    def __init__(self, source: Bitstreams, locations: Sequence[BitstreamLocations], *, is_local: bool) -> None:
        self._source, self._locations, self._is_local = source, locations, is_local

    def run(
        self, batches: Iterator[Batch], needed: Callable[[Batch], list[tuple[int, int]]]
    ) -> Generator[tuple[Batch, Requested], None, None]:
        """Batches with their bitstreams under way: of one group of batches, and of the next while
        this one is decoded.

        Args:
            batches: As planned.
            needed: The (condition, clip) pairs of a batch whose bitstreams are to be decoded. It is
                not kept: whoever is asked would hold this object and be held by it, and its
                processes would live until Python looks for such circles.
        """
        groups: deque[tuple[list[Batch], Requested]] = deque()
        try:
            for group in self._groups(batches):
                groups.append((group, self._request(group, needed)))
                if len(groups) == GROUPS_UNDER_WAY:
                    earlier, requested = groups[0]
                    yield from ((batch, requested) for batch in earlier)
                    groups.popleft()
            while groups:
                group, requested = groups[0]
                yield from ((batch, requested) for batch in group)
                groups.popleft()
        finally:  # of a stream that is left early
            cancel(requested for _, requested in groups)

    def _groups(self, batches: Iterator[Batch]) -> Iterator[list[Batch]]:
        """Batches whose bitstreams are requested together; from a local disk each alone."""
        if self._is_local:
            return ([batch] for batch in batches)
        return grouped(batches, lambda batch: batch.window, lambda batch: payload_bytes(batch, self._locations))

    def _request(self, group: Sequence[Batch], needed: Callable[[Batch], list[tuple[int, int]]]) -> Requested:
        pairs = list(dict.fromkeys(pair for batch in group for pair in needed(batch)))
        return dict(zip(pairs, self._source.request(pairs), strict=True))


def payload_bytes(batch: Batch, locations: Sequence[BitstreamLocations]) -> int:
    """Bytes of a batch's bitstreams.

    Args:
        batch: The batch.
        locations: Of the conditions, by their numbers.
    """
    sizes = (location.size[batch.clip[(batch.condition == number).any(1)]] for number, location in enumerate(locations))
    return sum(int(size.sum()) for size in sizes)


def cancel(groups: Iterable[Requested]) -> None:
    """End the reads of bitstreams that nobody waits for any more."""
    for bitstream in (bitstream for requested in groups for bitstream in requested.values()):
        bitstream.cancel()
