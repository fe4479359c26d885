"""Which epoch an iteration serves, agreed between a process and the DataLoader workers that it starts."""

import torch

from streamaug.errors import StreamaugError

MOST_WORKERS = 1024


class Clock:
    """For every worker the epoch and row at which its next iteration begins, in memory that worker processes share.

    A DataLoader starts its workers anew each epoch unless told otherwise, and nothing tells the parent that they ran:
    what a worker writes here is what its successor reads. A process that iterates without workers is worker 0 of 1.
    The memory has no name, so nothing is left behind by a process that is killed.
    """

    def __init__(self) -> None:
        self._next = _shared(torch.zeros(MOST_WORKERS, 2, dtype=torch.int64))
        self._in_workers = _shared(torch.zeros(1, dtype=torch.bool))

    def copy(self) -> "Clock":
        """One that stands where this one does and goes on by itself."""
        other = Clock()
        other._next.copy_(self._next)
        other._in_workers.copy_(self._in_workers)
        return other

    @property
    def in_workers(self) -> bool:
        """Whether the last iteration was begun by workers."""
        return bool(self._in_workers)

    def begin(self, worker: int, workers: int, *, is_worker: bool) -> tuple[int, int]:
        """Epoch and first row of an iteration that begins now; the next one begins with the epoch after it."""
        if workers > MOST_WORKERS:
            raise StreamaugError(
                f"a stream serves up to {MOST_WORKERS} workers of a DataLoader, not {workers}; its threads do the work, take fewer"
            )
        epoch, row = self._next[worker].tolist()
        self._next[worker] = torch.tensor([epoch + 1, 0])
        self._in_workers[0] = is_worker
        if worker == 0:  # those that take no part now may take part in the next iteration
            self._next[workers:] = torch.tensor([epoch + 1, 0])
        return epoch, row

    def set(self, epoch: int, row: int, worker: int | None = None) -> None:
        """Let the next iteration begin there, of one worker or of all."""
        self._next[slice(None) if worker is None else worker] = torch.tensor([epoch, row])
        if worker is None:
            self._in_workers[0] = False

    def standing(self, worker: int) -> tuple[int, int]:
        """Epoch and row at which the worker's next iteration would begin."""
        epoch, row = self._next[worker].tolist()
        return epoch, row


def _shared(tensor: torch.Tensor) -> torch.Tensor:
    tensor.untyped_storage().share_memory_()
    return tensor
