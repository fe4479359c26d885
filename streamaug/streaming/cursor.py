"""The place in the epoch: the only file that knows the epoch, the process, the rank and the worker.

It answers three questions:

- **Where do I begin?** `begin()`: the epoch and row at which an iteration starts.
- **Where do I stand?** `position`: the epoch and row after the last batch that was handed over.
- **Which slice is mine?** `rank_slice()`: this rank's part of each global batch.

Invariants:

- One iteration is one epoch, or the rest of one after `set`; the next iteration begins with the epoch after it.
- Worker w of n serves the global batches w, w + n, w + 2 n, ... of the iteration, counted from the row where it begins.
- A position counts rows of the epoch over all ranks. It does not depend on ranks, workers or threads, so any number of them resumes.
- What a worker process writes here its successor reads: a DataLoader may start workers anew each epoch, and nothing tells the parent.
- The memory that workers share has no name, so a killed process leaves nothing behind.
- Each rank keeps its own place: a process that was handed a stream detaches from the one that opened it.
"""

import multiprocessing
import os
from dataclasses import dataclass, replace

import torch
from torch.utils.data import get_worker_info

from streamaug.errors import StreamaugError
from streamaug.streaming.partition import RankPartition

MOST_WORKERS = 1024


@dataclass(frozen=True, kw_only=True)
class Iteration:
    """What this process serves of an epoch.

    Args:
        epoch: Its number.
        first: The row where the iteration begins.
        worker: This process among the workers of a DataLoader; 0 without workers.
        workers: How many there are; 1 without workers.
    """

    epoch: int
    first: int
    worker: int = 0
    workers: int = 1


class Cursor:
    """The place of one rank in its epochs, shared by the DataLoader workers that it starts.

    Args:
        partition: How ranks share a global batch.
        rank, world: Default: from torch.distributed, else from RANK and WORLD_SIZE.
    """

    def __init__(self, partition: RankPartition, *, rank: int | None, world: int | None) -> None:
        self._partition, self._rank, self._world = partition, rank, world
        self._owner_pid, self._fallback_ranks = os.getpid(), _ranks()
        self._next = _shared(torch.zeros(MOST_WORKERS, 2, dtype=torch.int64))  # for each worker: epoch and row of its next iteration
        self._in_workers = _shared(torch.zeros(1, dtype=torch.bool))
        self._position: tuple[int, int] | None = None

    def begin(self) -> Iteration:
        """Begin an iteration in this process.

        Raises:
            StreamaugError: There are more workers than a stream serves, or the stream belongs to another process.
        """
        info = get_worker_info()
        self._detach(is_worker=info is not None)
        worker, workers = (0, 1) if info is None else (info.id, info.num_workers)
        if workers > MOST_WORKERS:
            raise StreamaugError(f"a stream serves up to {MOST_WORKERS} DataLoader workers, not {workers}; lower num_workers")
        epoch, row = self._next[worker].tolist()
        self._next[worker] = torch.tensor([epoch + 1, 0])
        self._in_workers[0] = info is not None
        if worker == 0:  # those that take no part now may take part in the next iteration
            self._next[workers:] = torch.tensor([epoch + 1, 0])
        self._position = epoch, row
        return Iteration(epoch=epoch, first=row, worker=worker, workers=workers)

    def advance(self, iteration: Iteration, batch: int, rows: int) -> int:
        """A global batch, counted from where the iteration began, is handed over. Returns the rows consumed with it.

        Args:
            iteration: As `begin` gave it.
            batch: Number of the batch.
            rows: Rows of the epoch.
        """
        partition = self.rank_slice()
        consumed = partition.end(batch, iteration.first, rows)
        if iteration.workers == 1:
            is_last = partition.is_last(consumed, rows)
            self._position = (iteration.epoch + 1, 0) if is_last else (iteration.epoch, consumed)
        else:  # the rest of the epoch, numbered so that this worker's next batch is its own again
            row = iteration.first + (batch + iteration.workers - iteration.worker) * partition.batch_size
            self._position = iteration.epoch, row
        return consumed

    @property
    def position(self) -> tuple[int, int]:
        """Epoch and row after the last batch that this process handed over; before the first one, where it will begin."""
        info = get_worker_info()
        epoch, row = self._next[0 if info is None else info.id].tolist()
        return self._position or (epoch, row)

    @property
    def is_ahead(self) -> bool:
        """Whether DataLoader workers began the last iteration, so that this process cannot know what is consumed."""
        return get_worker_info() is None and bool(self._in_workers)

    def set(self, epoch: int, row: int) -> None:
        """Let the next iteration begin there; in a worker that of this worker alone."""
        info = get_worker_info()
        self._next[slice(None) if info is None else info.id] = torch.tensor([epoch, row])
        if info is None:
            self._in_workers[0] = False
        self._position = None

    def rank_slice(self) -> RankPartition:
        """This rank's slice of each global batch. Raises StreamaugError if ranks cannot share a batch evenly."""
        rank, world = _ranks(self._fallback_ranks)
        return replace(
            self._partition,
            rank=rank if self._rank is None else self._rank,
            world=world if self._world is None else self._world,
        )

    def __getstate__(self) -> dict[str, object]:
        # A worker that is spawned knows nothing of its rank's process group.
        return {**self.__dict__, "_fallback_ranks": _ranks(self._fallback_ranks)}

    def _detach(self, *, is_worker: bool) -> None:
        """Keep a place of its own for a process that was handed the stream of another one."""
        parent = multiprocessing.parent_process() if is_worker else None
        pid = (parent and parent.pid) or os.getpid()
        if pid == self._owner_pid:
            return
        if is_worker:
            raise StreamaugError(
                f"this stream was opened in process {self._owner_pid}, but workers of process {pid} are to serve it; ranks that were "
                "handed one stream cannot tell their workers apart. Open it in each rank, with Lightning in train_dataloader()"
            )
        self._next, self._in_workers = _shared(self._next.clone()), _shared(self._in_workers.clone())
        self._owner_pid = pid


def _ranks(fallback: tuple[int, int] = (0, 1)) -> tuple[int, int]:
    """This process's rank and the number of ranks: of the process group, else of torchrun's environment, else the fallback."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return int(os.environ.get("RANK", fallback[0])), int(os.environ.get("WORLD_SIZE", fallback[1]))


def _shared(tensor: torch.Tensor) -> torch.Tensor:
    tensor.untyped_storage().share_memory_()
    return tensor
