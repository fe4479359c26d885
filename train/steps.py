"""A fixed number of batches of a stream, as one loader that knows its length and its position."""

from collections.abc import Iterator
from typing import Any

from streamaug.streaming import Stream


class Steps:
    """Epoch after epoch of a stream, `total` batches in all.

    Lightning takes one batch at a time from a loader that has a length, and saves and restores the
    state of a loader that has `state_dict`: with both, a run resumes after the last batch that it
    trained on.

    Args:
        stream: The training stream.
        total: Batches to serve.
    """

    def __init__(self, stream: Stream, total: int) -> None:
        self.stream, self.total, self.served = stream, total, 0

    def __len__(self) -> int:
        return self.total

    def __iter__(self) -> Iterator[dict[str, Any]]:
        while self.served < self.total:
            for batch in self.stream:
                self.served += 1
                yield batch
                if self.served == self.total:
                    return

    def state_dict(self) -> dict[str, Any]:
        return {"served": self.served, "stream": self.stream.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.served = state["served"]
        self.stream.load_state_dict(state["stream"])
