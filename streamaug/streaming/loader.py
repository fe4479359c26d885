"""A DataLoader with the right settings for a stream, exact with workers."""

from collections.abc import Iterator, Mapping
from typing import Any

from torch.utils.data import DataLoader

from streamaug.errors import StreamaugError
from streamaug.streaming.steps import Steps
from streamaug.streaming.stream import Stream

_NOT_FOR_STREAMS = ("batch_size", "shuffle", "sampler", "batch_sampler", "drop_last")


class StreamLoader(DataLoader[dict[str, Any]]):
    """Serves a stream from worker processes, and knows the position after the last batch that was
    taken.

    Args:
        stream: The stream; it makes the batches, so `batch_size`, `shuffle` and the like are its
            own.
        num_workers: Worker processes; they are kept for the next epoch. Default: none.
        settings: Other arguments of DataLoader, such as `prefetch_factor` or `pin_memory`.

    Raises:
        StreamaugError: A setting does not go with a stream.
    """

    def __init__(self, stream: Stream, *, num_workers: int = 0, **settings: Any) -> None:
        for name in _NOT_FOR_STREAMS:
            if settings.get(name) is not None:
                raise StreamaugError(f"StreamLoader({name}=...): the stream decides that; leave it out, and give Stream(batch_size=...)")
            settings.pop(name, None)
        if settings.get("in_order") is False:
            raise StreamaugError("StreamLoader(in_order=False): batches out of order have no exact position; leave it out")
        settings.setdefault("persistent_workers", num_workers > 0)
        super().__init__(stream, batch_size=None, num_workers=num_workers, **settings)
        self._state: dict[str, Any] | None = None

    @property
    def stream(self) -> Stream:
        """The stream that is served."""
        stream: Stream = self.dataset  # type: ignore[assignment]  # DataLoader knows a Dataset only
        return stream

    def __iter__(self) -> Iterator[dict[str, Any]]:  # type: ignore[override]  # DataLoader promises its own iterator class
        self._state = self.stream.next_position_dict()  # before the workers begin
        return self._tracked(super().__iter__())

    def _tracked(self, batches: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for batch in batches:
            self._state = self.stream.state_after(batch)
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """The position after the last batch that was taken, for JSON."""
        return self._state or self.stream.next_position_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume at a saved position with the next iteration.

        Args:
            state: From `state_dict` of a loader or a stream.

        Raises:
            StateError: It belongs to another recipe, store, split or seed.
        """
        self.stream.load_state_dict(state)
        self._state = None

    def set_epoch(self, epoch: int) -> None:
        """Let the next iteration be that epoch; see `Stream.set_epoch`."""
        self.stream.set_epoch(epoch)
        self._state = None

    def steps(self, count: int) -> Steps:
        """So many batches over as many epochs as it takes; see `Steps`."""
        return Steps(self, count)
