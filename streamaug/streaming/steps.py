"""So many batches over as many epochs as it takes: training by steps, one length for trainers."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from torch.utils.data import get_worker_info

from streamaug.errors import StreamaugError


class Source(Protocol):
    """A stream or a StreamLoader: each iteration is the next epoch."""

    def __iter__(self) -> Iterator[dict[str, Any]]: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


class Steps:
    """The next `count` batches of a source, epoch after epoch; iterated again, those after them.

    Trainers that ask an iterable for its length, and save and restore one that has `state_dict`,
    resume after the very batch that they trained on last.

    Args:
        source: A stream or a StreamLoader.
        count: Number of batches.

    Raises:
        StreamaugError: `count` is below 1.
    """

    def __init__(self, source: Source, count: int) -> None:
        if count < 1:
            raise StreamaugError(f"steps({count}): write 1 or more")
        self.source, self.count, self.served = source, count, 0
        self._position: Mapping[str, Any] | None = None

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[dict[str, Any]]:
        if get_worker_info() is not None:
            raise StreamaugError("DataLoader workers cannot serve steps of a stream; write StreamLoader(stream, num_workers=...).steps(n)")
        return self._batches()

    def _batches(self) -> Iterator[dict[str, Any]]:
        if self._position is not None:  # after the last batch, which may be in the middle of an epoch
            self.source.load_state_dict(self._position)
        if self.served >= self.count:
            self.served = 0
        try:
            while self.served < self.count:
                before = self.served
                for batch in self.source:
                    self.served += 1
                    yield batch
                    if self.served == self.count:
                        return
                if self.served == before:
                    raise StreamaugError("an epoch has no batches for this rank; use a smaller batch_size, or tail='drop'")
        finally:
            self._position = self.source.state_dict()

    def state_dict(self) -> dict[str, Any]:
        """How many batches were served, and the position of the source, for JSON."""
        return {"served": self.served, "stream": self.source.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume after the batch that a state was taken after.

        Args:
            state: From `state_dict`.

        Raises:
            StateError: It belongs to another recipe, store, split or seed.
        """
        self.source.load_state_dict(state["stream"])
        self.served, self._position = state["served"], state["stream"]
