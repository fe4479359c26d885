"""The place in the epoch: the only file that knows the epoch, the process, the rank and the worker.

It answers three questions:

- **Where do I begin?** `begin()`: the epoch and row at which an iteration starts.
- **Where do I stand?** `position`: the epoch and row after the last batch that was handed over.
- **Which slice is mine?** `rank_slice()`: this rank's part of each global batch.

Invariants:

- One iteration is one epoch, or the rest of one after `set`. The next one to begin gets the epoch
  after it, whoever began it, and however far it came.
- All workers of one iteration get the same answer from `begin()`, in whatever order and however
  late they ask. See `_join`.
- Worker w of n serves the global batches w, w + n, w + 2 n, ... of the iteration, counted from the
  row where it begins.
- A position counts rows of the epoch over all ranks. It does not depend on ranks, workers or
  threads, so any number of them resumes.
- A copy begins where the original stands, and then goes its own way. So does a rank that was handed
  a stream.
"""

import multiprocessing
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch.utils.data import get_worker_info

from streamaug.errors import StateError, StreamaugError
from streamaug.streaming.partition import RankPartition
from streamaug.streaming.shared import SharedTable

MOST_WORKERS = 1024
_SLOTS = 64
"""Iterations of workers that are remembered: those that run at the same time, and the last ones."""

_NEXT, _IN_WORKERS, _COUNT, _FIRST_SLOT = slice(0, 2), 2, 3, 4
_MASK = MOST_WORKERS // 64
_KEY, _PLACE, _BEGUN, _FINISHED = slice(0, 2), slice(2, 4), slice(4, 4 + _MASK), slice(4 + _MASK, 4 + 2 * _MASK)
_SLOT = 4 + 2 * _MASK
_SNAPSHOTS = slice(_FIRST_SLOT + _SLOTS * _SLOT, None)


@dataclass(frozen=True, kw_only=True)
class Iteration:
    """What this process serves of an epoch.

    Args:
        epoch: Its number.
        first: The row where the iteration begins.
        worker: This process among the workers of a DataLoader; 0 without workers.
        workers: How many there are; 1 without workers.
        slot: Where the iteration is noted in shared memory; None without workers.
    """

    epoch: int
    first: int
    worker: int = 0
    workers: int = 1
    slot: int | None = None


class Cursor:
    """The place of one rank in its epochs, shared with the DataLoader workers that it starts.

    Args:
        partition: How ranks share a global batch.
        rank, world: Default: from torch.distributed, else from RANK and WORLD_SIZE.
        stores: Number of stores that the stream reads.
    """

    def __init__(self, partition: RankPartition, *, rank: int | None, world: int | None, stores: int = 1) -> None:
        self._partition, self._rank, self._world = partition, rank, world
        self._owner_pid, self._fallback_ranks = os.getpid(), _ranks()
        self._table = SharedTable(_FIRST_SLOT + _SLOTS * _SLOT + stores)
        self._position: tuple[int, int] | None = None  # after the last batch that process `_pid` handed over
        self._pid = os.getpid()
        self._begun: tuple[int, int] = (0, 0)  # this process, and the iterations that it has begun as a worker
        self._override: tuple[int, int] | None = None  # where this worker alone begins next

    def begin(self) -> Iteration:
        """Begin an iteration in this process.

        Raises:
            StreamaugError: There are more workers than a stream serves, or the stream belongs to
                another process.
        """
        info = get_worker_info()
        self._detach()
        if info is None:
            with self._table.locked() as words:
                epoch, row = _take_next(words)
                words[_IN_WORKERS] = 0
            self._position, self._pid = (epoch, row), os.getpid()
            return Iteration(epoch=epoch, first=row)
        if info.num_workers > MOST_WORKERS:
            raise StreamaugError(f"a stream serves up to {MOST_WORKERS} DataLoader workers, not {info.num_workers}; lower num_workers")
        slot, (epoch, row) = self._join(info.id, info.seed - info.id)
        self._position, self._pid = (epoch, row), os.getpid()
        return Iteration(epoch=epoch, first=row, worker=info.id, workers=info.num_workers, slot=slot)

    def advance(self, iteration: Iteration, batch: int, rows: int) -> int:
        """A global batch is handed over.

        Args:
            iteration: As `begin` gave it.
            batch: Number of the batch, counted from where the iteration began.
            rows: Rows of the epoch.

        Returns:
            Rows of the epoch that are consumed with it.
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

    def finish(self, iteration: Iteration) -> None:
        """This process has served all its batches of an iteration."""
        if iteration.slot is not None:
            with self._table.locked() as words:
                _set_bit(_slot(words, iteration.slot)[_FINISHED], iteration.worker)

    @property
    def position(self) -> tuple[int, int]:
        """Epoch and row after the last batch that this process handed over; before the first one,
        where it will begin."""
        with self._table.locked() as words:
            epoch, row = (int(word) for word in words[_NEXT])
        is_own = self._pid == os.getpid() and not self.is_ahead
        return self._position if self._position is not None and is_own else (epoch, row)

    @property
    def upcoming(self) -> tuple[int, int]:
        """Epoch and row where the next iteration will begin."""
        with self._table.locked() as words:
            return int(words[0]), int(words[1])

    @property
    def epoch(self) -> int:
        """The epoch that is being served, or served next."""
        with self._table.locked() as words:
            count = int(words[_COUNT])
            if get_worker_info() is None and words[_IN_WORKERS] and count:
                slot = (count - 1) % _SLOTS
                entry = _slot(words, slot)
                if not self._is_over(entry, slot) and not (entry[_BEGUN] == entry[_FINISHED]).all():
                    return int(entry[2])
        return self.position[0]

    @property
    def is_ahead(self) -> bool:
        """Whether DataLoader workers began the last iteration, so that this process cannot know
        what is consumed."""
        return get_worker_info() is None and bool(self._table.words[_IN_WORKERS])

    def set(self, epoch: int, row: int) -> None:
        """Let the next iteration begin there; in a DataLoader worker, what this worker serves of
        it."""
        self._detach()
        if get_worker_info() is not None:
            self._position = self._override = (epoch, row)
            self._pid = os.getpid()
            return
        self._position = None
        with self._table.locked() as words:
            words[_NEXT] = epoch, row
            words[_IN_WORKERS] = 0

    @property
    def snapshots(self) -> tuple[str, ...] | None:
        """The snapshots, one per store, that this stream or one of its workers went over to last,
        for a saved position; None if it stayed on those that it opened."""
        with self._table.locked() as words:
            names = tuple(f"{word:016x}" for word in words[_SNAPSHOTS].tolist())
        return names if any(int(name, 16) for name in names) else None

    def go_over(self, snapshots: Sequence[str]) -> None:
        """Tell the processes that share this place to which snapshots the stream has gone over.

        Args:
            snapshots: One per store.
        """
        self._detach()
        with self._table.locked() as words:
            words[_SNAPSHOTS] = [int(snapshot, 16) for snapshot in snapshots]

    def set_epoch(self, epoch: int) -> None:
        """Let the next iteration be that epoch, whole, or the rest of it if a position in it was
        just loaded.

        Raises:
            StateError: It is called in a DataLoader worker, or the epoch is below 0.
        """
        if epoch < 0:
            raise StateError(f"set_epoch({epoch}): epochs count from 0")
        if get_worker_info() is not None:
            raise StateError("set_epoch() was called in a DataLoader worker; call it on the stream in the training process")
        self._detach()
        with self._table.locked() as words:
            if int(words[0]) != epoch:
                words[_NEXT] = epoch, 0
            words[_IN_WORKERS] = 0
        self._position = None

    def rank_slice(self) -> RankPartition:
        """This rank's slice of each global batch.

        Raises StreamaugError if ranks cannot share a batch evenly.
        """
        rank, world = _ranks(self._fallback_ranks)
        return replace(
            self._partition,
            rank=rank if self._rank is None else self._rank,
            world=world if self._world is None else self._world,
        )

    def __getstate__(self) -> dict[str, Any]:
        state = {**self.__dict__, "_fallback_ranks": _ranks(self._fallback_ranks)}  # a spawned worker knows no process group
        if multiprocessing.context.get_spawning_popen() is None:  # a copy: it begins where this one stands
            state["_table"] = self._table.copy()
            state["_table"].words[_NEXT] = self.position
            state["_position"], state["_owner_pid"] = None, None
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._owner_pid is None:
            self._owner_pid = os.getpid()

    def _join(self, worker: int, seed: int) -> tuple[int, tuple[int, int]]:
        """Slot, and epoch and row, of the iteration that a worker begins: the one that its siblings
        began, or a new one.

        Workers of one iteration have the base seed of their DataLoader in common, which is random,
        and how many iterations they have begun. Where the seed repeats, since the random generator
        was seeded again, a worker that has begun an iteration already cannot begin it once more,
        and one whose workers were all stopped in the middle is over.
        """
        pid, count = self._begun
        nth = count if pid == os.getpid() else 0
        self._begun = os.getpid(), nth + 1
        key = np.array([seed % 2**64, nth], np.uint64)
        with self._table.locked() as words:
            slot = self._find(words, worker, key)
            if slot is None:
                slot = int(words[_COUNT]) % _SLOTS
                words[_COUNT] += np.uint64(1)
                entry = _slot(words, slot)
                entry[:] = 0
                entry[_KEY], entry[_PLACE] = key, _take_next(words)
            entry = _slot(words, slot)
            _set_bit(entry[_BEGUN], worker)
            self._table.mark(slot * MOST_WORKERS + worker)
            words[_IN_WORKERS] = 1
            place = int(entry[2]), int(entry[3])
            if self._override is not None:  # this worker's part of a saved position, as torchdata loads it
                place, self._override = self._override, None
                entry[_PLACE] = place[0], 0
                words[_NEXT] = place[0] + 1, 0
        return slot, place

    def _find(self, words: np.ndarray, worker: int, key: np.ndarray) -> int | None:
        newest = int(words[_COUNT])
        for number in range(newest - 1, max(newest - _SLOTS, 0) - 1, -1):
            slot = number % _SLOTS
            entry = _slot(words, slot)
            if (entry[_KEY] == key).all() and not _has_bit(entry[_BEGUN], worker) and not self._is_over(entry, slot):
                return slot
        return None

    def _is_over(self, entry: np.ndarray, slot: int) -> bool:
        """Whether every worker that began an iteration was stopped in the middle of it."""
        if entry[_FINISHED].any():
            return False
        begun = [worker for worker in range(MOST_WORKERS) if _has_bit(entry[_BEGUN], worker)]
        return not any(self._table.is_marked(slot * MOST_WORKERS + worker) for worker in begun)

    def _detach(self) -> None:
        """Keep a place of its own for a process that was handed the stream of another one."""
        is_worker = get_worker_info() is not None
        parent = multiprocessing.parent_process() if is_worker else None
        pid = (parent and parent.pid) or os.getpid()
        if pid == self._owner_pid:
            return
        if is_worker:
            raise StreamaugError(
                f"this stream was opened in process {self._owner_pid}, but workers of process {pid} are to serve it; ranks that were "
                "handed one stream cannot tell their workers apart. Open it in each rank, with Lightning in train_dataloader()"
            )
        self._table, self._owner_pid = self._table.copy(), pid


def _take_next(words: np.ndarray) -> tuple[int, int]:
    """Epoch and row of an iteration that begins now; the next one begins with the epoch after it."""
    epoch, row = (int(word) for word in words[_NEXT])
    words[_NEXT] = epoch + 1, 0
    return epoch, row


def _slot(words: np.ndarray, slot: int) -> np.ndarray:
    entry: np.ndarray = words[_FIRST_SLOT + slot * _SLOT : _FIRST_SLOT + (slot + 1) * _SLOT]
    return entry


def _set_bit(mask: np.ndarray, number: int) -> None:
    mask[number // 64] |= np.uint64(1 << number % 64)


def _has_bit(mask: np.ndarray, number: int) -> bool:
    return bool(int(mask[number // 64]) >> number % 64 & 1)


def _ranks(fallback: tuple[int, int] = (0, 1)) -> tuple[int, int]:
    """This process's rank and the number of ranks: of the process group, else of torchrun's
    environment, else the fallback."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return int(os.environ.get("RANK", fallback[0])), int(os.environ.get("WORLD_SIZE", fallback[1]))
