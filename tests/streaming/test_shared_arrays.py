"""What a spawned process gets of large arrays: a view of one file, and no copy."""

import copy
import multiprocessing
import os
import pickle
from collections.abc import Callable
from multiprocessing import context
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from streamaug.streaming import Stream
from streamaug.streaming.shared_arrays import SharedArrays
from streamaug.testing import write_store
from tests.streaming.conftest import ELSEWHERE

ITEMS = 100_000
VALUE = {
    "numbers": np.arange(ITEMS),
    "rows": np.arange(2 * ITEMS, dtype=np.uint8).reshape(-1, 2),
    "same": np.broadcast_to(np.uint16(1105), (ITEMS,)),
    "none": np.zeros(0),
    "names": pa.array([f"clip{number}" for number in range(ITEMS)]),
    "title": "small",
}


class Starting:
    """What `multiprocessing` knows of a process while it is being started."""

    def duplicate_for_child(self, descriptor: int) -> int:
        return os.dup(descriptor)

    DupFd = duplicate_for_child


@pytest.fixture
def pickled() -> Callable[[Any], int]:
    """Bytes that are pickled for a process that is being started."""

    def size(value: Any) -> int:
        context.set_spawning_popen(Starting())
        try:
            return len(ForkingPickler.dumps(value))
        finally:
            context.set_spawning_popen(None)

    return size


def is_same(value: dict[str, Any]) -> bool:
    return all(value[name].equals(each) if name == "names" else np.array_equal(value[name], each) for name, each in VALUE.items())


def report(shared: SharedArrays[dict[str, Any]], answers: Any, generations: int) -> None:
    """Say what a spawned process sees; it starts another one first."""
    if generations:
        run(shared, answers, generations - 1)
    value = shared.value
    answers.put((is_same(value), value["numbers"].flags.owndata, value["numbers"].flags.writeable, value["same"].strides))


def run(shared: SharedArrays[dict[str, Any]], answers: Any, generations: int) -> None:
    process = multiprocessing.get_context("spawn").Process(target=report, args=(shared, answers, generations))
    process.start()
    process.join()


@ELSEWHERE
def test_a_spawned_process_and_those_that_it_spawns_see_the_arrays_and_cannot_change_them() -> None:
    answers = multiprocessing.get_context("spawn").SimpleQueue()
    run(SharedArrays(VALUE), answers, 1)
    assert [answers.get(), answers.get()] == [(True, False, False, (0,))] * 2


def test_arrays_are_not_pickled_for_a_process_that_is_started(pickled: Callable[[Any], int]) -> None:
    assert pickled(SharedArrays(VALUE)) < 2_000


def test_pickled_or_copied_otherwise_the_value_goes_its_own_way() -> None:
    shared = SharedArrays({"numbers": np.arange(3)})
    for other in (pickle.loads(pickle.dumps(shared)), copy.deepcopy(shared)):
        other.value["numbers"][0] = 7
        assert other.value["numbers"].tolist() == [7, 1, 2]
    assert shared.value["numbers"].tolist() == [0, 1, 2]


def test_a_stream_on_a_large_store_is_small_for_a_spawned_worker(tmp_path: Path, pickled: Callable[[Any], int]) -> None:
    ids = [f"clip{number:05d}" for number in range(10_000)]
    columns = {"clip_id": ids, "label": ["bus", "park"] * 5_000, "split": ["train"] * 10_000, "group": ids}
    some = np.arange(10_000) % 3 > 0
    store = write_store(tmp_path / "store", columns, {"original": None, "mp3_64": some}, labels=("bus", "park"))
    recipe = {"draw": "union", "mixture": {"original": 1, "mp3_64": 1}, "shuffle": {"window": 8}}
    stream = Stream(recipe, store, features="waveform")
    stream.plan.rows(0, [0])
    assert pickled(stream) < 30_000
    ordinary = pickle.dumps(stream)
    assert len(ordinary) > 500_000
    again = pickle.loads(ordinary).plan.rows(0, range(1000))
    assert np.array_equal(again.clip, stream.plan.rows(0, range(1000)).clip)
