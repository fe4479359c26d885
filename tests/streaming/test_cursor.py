"""One answer to "which epoch, from which row", whoever asks: late, killed, copied and parallel
workers."""

import copy
import json
import os
import pickle
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from streamaug import StreamLoader
from streamaug.errors import StateError, StreamaugError
from streamaug.recipes import Recipe
from streamaug.store import Store
from streamaug.streaming import Stream
from tests.streaming.conftest import ELSEWHERE

Row = tuple[int, int, str, str]
PER_EPOCH = 96
BATCH = 12


def opened(recipe: Recipe, store: Store) -> Stream:
    return Stream(recipe, store, batch_size=BATCH, features="waveform", threads=1, seed=3)


def rows(batches: Any) -> list[Row]:
    return [
        (int(batch["epoch"]), position, clip, condition)
        for batch in batches
        for position, clip, condition in zip(batch["position"].tolist(), batch["clip_id"], batch["condition"], strict=True)
    ]


@pytest.fixture(scope="module")
def epochs(store_path: Path, tmp_path_factory: pytest.TempPathFactory) -> list[list[Row]]:
    """The rows of the first epochs, as the plan gives them."""
    from tests.streaming.conftest import write_recipe

    recipe = write_recipe(tmp_path_factory.mktemp("recipe") / "r.yaml", "draw: union\nmixture: {original: 1, mp3_64: 1, opus_32: 1}\n")
    stream = opened(recipe, Store.open(store_path))
    return [rows(stream) for _ in range(8)]


class Delays:
    """Keeps workers from beginning for some seconds."""

    def __init__(self, seconds: dict[int, float]) -> None:
        self.seconds = seconds

    def __call__(self, worker: int) -> None:
        time.sleep(self.seconds.get(worker, 0))


@ELSEWHERE
@pytest.mark.parametrize("late", [0, 1])
def test_a_worker_that_was_stopped_before_it_began_does_not_lag(store: Store, recipe: Recipe, epochs, late: int) -> None:
    delays = Delays({late: 30})
    loader = DataLoader(opened(recipe, store), batch_size=None, num_workers=2, worker_init_fn=delays, prefetch_factor=1)
    iterator = iter(loader)
    if late == 1:
        next(iterator)
    else:
        time.sleep(2)
    del iterator
    delays.seconds.clear()
    first, second = rows(loader), rows(loader)
    assert first == epochs[first[0][0]]
    assert second == epochs[first[0][0] + 1]


@ELSEWHERE
def test_two_iterators_at_once_hold_one_whole_epoch_each(store: Store, recipe: Recipe, epochs) -> None:
    stream = opened(recipe, store)
    loaders = [DataLoader(stream, batch_size=None, num_workers=2, worker_init_fn=Delays({late: 1.5}), prefetch_factor=1) for late in (1, 0)]
    one, two = zip(*zip(*loaders, strict=True), strict=True)
    assert sorted([rows(one), rows(two)]) == [epochs[0], epochs[1]]
    assert rows(DataLoader(stream, batch_size=None, num_workers=2)) == epochs[2]


@ELSEWHERE
@pytest.mark.parametrize("persistent", [False, True])
def test_a_seed_that_repeats_does_not_repeat_the_epoch(store: Store, recipe: Recipe, epochs, persistent: bool) -> None:
    loader = DataLoader(opened(recipe, store), batch_size=None, num_workers=2, persistent_workers=persistent)
    for expected in epochs[:3]:
        torch.manual_seed(0)
        assert rows(loader) == expected


@ELSEWHERE
def test_a_seed_that_repeats_after_a_look_does_not_mix_epochs(store: Store, recipe: Recipe, epochs) -> None:
    delays = Delays({1: 30})
    loader = DataLoader(opened(recipe, store), batch_size=None, num_workers=2, worker_init_fn=delays)
    torch.manual_seed(0)
    next(iter(loader))  # of worker 0; worker 1 has not begun when it is stopped
    delays.seconds = {0: 2}
    torch.manual_seed(0)
    assert rows(loader) == epochs[1]


COPIES: dict[str, Callable[[Stream], Stream]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda stream: pickle.loads(pickle.dumps(stream)),
    "deepcopy of a loader": lambda stream: copy.deepcopy(DataLoader(stream, batch_size=None, num_workers=2)).dataset,
}


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("how", COPIES)
def test_a_copy_begins_where_the_original_stands_and_leaves_it_there(store: Store, recipe: Recipe, epochs, how, workers) -> None:
    stream = opened(recipe, store)
    assert rows(DataLoader(stream, batch_size=None, num_workers=workers)) == epochs[0]
    other = DataLoader(COPIES[how](stream), batch_size=None, num_workers=workers)
    assert [rows(other), rows(other)] == epochs[1:3]
    assert rows(DataLoader(stream, batch_size=None, num_workers=workers)) == epochs[1]


def test_a_copy_in_the_middle_of_an_epoch_begins_there(store: Store, recipe: Recipe, epochs) -> None:
    stream = opened(recipe, store)
    iterator = iter(stream)
    rows(islice(iterator, 3))
    assert rows(copy.deepcopy(stream)) == epochs[0][3 * BATCH :] == rows(iterator)


@pytest.mark.parametrize(("workers", "persistent"), [(0, False), (2, False), (2, True)])
def test_set_epoch_names_the_next_one(store: Store, recipe: Recipe, epochs, workers: int, persistent: bool) -> None:
    stream = opened(recipe, store)
    loader = DataLoader(stream, batch_size=None, num_workers=workers, persistent_workers=persistent)
    next(iter(loader))
    for epoch in (0, 1, 3, 0):
        stream.set_epoch(epoch)
        assert rows(loader) == epochs[epoch]
    assert rows(loader) == epochs[1]


def test_set_epoch_keeps_a_position_that_was_loaded_in_that_epoch(store: Store, recipe: Recipe, epochs) -> None:
    stream = opened(recipe, store)
    stream.load_state_dict({**stream.state_dict(), "epoch": 1, "rows": 3 * BATCH})
    stream.set_epoch(1)
    assert rows(stream) == epochs[1][3 * BATCH :]
    stream.load_state_dict({**stream.state_dict(), "epoch": 1, "rows": 3 * BATCH})
    stream.set_epoch(2)
    assert rows(stream) == epochs[2]
    with pytest.raises(StateError, match="epochs count from 0"):
        stream.set_epoch(-1)


@pytest.mark.parametrize(("workers", "others"), [(0, 2), (2, 0), (2, 3)])
@pytest.mark.parametrize("stop", [3, 8, 11])
def test_a_stream_loader_resumes_after_the_batch_that_was_taken(store, recipe, epochs, workers, others, stop) -> None:
    loader = StreamLoader(opened(recipe, store), num_workers=workers, prefetch_factor=4 if workers else None)
    before = []
    while len(before) < stop:
        before += islice(loader, stop - len(before))
    state = json.loads(json.dumps(loader.state_dict()))
    second = StreamLoader(opened(recipe, store), num_workers=others)
    second.load_state_dict(state)
    assert second.state_dict() == state
    after = [row for _ in range(2 if stop < 8 else 1) for row in rows(second)]
    assert rows(before) + after == epochs[0] + epochs[1]
    assert len(second) == PER_EPOCH // BATCH


def test_a_loader_that_has_begun_without_a_batch_stands_at_its_start(store: Store, recipe: Recipe) -> None:
    loader = StreamLoader(opened(recipe, store), num_workers=1)
    iterator = iter(loader)
    time.sleep(1)  # its worker has begun, and reads ahead
    assert (loader.state_dict()["epoch"], loader.state_dict()["rows"]) == (0, 0)
    next(iterator)
    assert (loader.state_dict()["epoch"], loader.state_dict()["rows"]) == (0, BATCH)


def test_steps_that_are_iterated_again_are_the_next_ones(store: Store, recipe: Recipe, epochs) -> None:
    steps = opened(recipe, store).steps(5)
    assert [row for _ in range(4) for row in rows(steps)] == [row for epoch in epochs for row in epoch][: 20 * BATCH]


def test_the_length_after_set_epoch_is_that_epochs(store: Store, tmp_path: Path) -> None:
    from tests.streaming.conftest import write_recipe

    stream = opened(write_recipe(tmp_path / "r.yaml", "draw: union\nmixture: {original: {0: 1, 1: 0.5}}\n"), store)
    loader = DataLoader(stream, batch_size=None, num_workers=1)
    next(iter(loader))
    stream.set_epoch(1)
    assert len(loader) == stream.batches(1) < stream.batches(0)


def test_steps_go_over_epochs_and_resume_after_the_last_one(store: Store, recipe: Recipe, epochs) -> None:
    expected = [row for epoch in epochs[:3] for row in epoch]
    steps = opened(recipe, store).steps(20)
    iterator = iter(steps)
    before = list(islice(iterator, 13))
    again = StreamLoader(opened(recipe, store), num_workers=2).steps(20)
    again.load_state_dict(json.loads(json.dumps(steps.state_dict())))
    assert len(steps) == 20
    assert rows(before) + rows(again) == expected[: 20 * BATCH]
    with pytest.raises(StreamaugError, match="write 1 or more"):
        opened(recipe, store).steps(0)


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("settings", [{}, {"batch_size": 8}])
def test_a_dataloader_that_stacks_batches_is_refused_with_the_line_to_write(store, recipe, workers, settings) -> None:
    with pytest.raises(StreamaugError, match="batch_size=None"):
        next(iter(DataLoader(opened(recipe, store), num_workers=workers, **settings)))


@ELSEWHERE
@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_batches_out_of_order_have_no_position(store: Store, recipe: Recipe, context: str) -> None:
    stream = opened(recipe, store)
    loader = DataLoader(stream, batch_size=None, num_workers=2, in_order=False, multiprocessing_context=context)
    batch = next(iter(loader))
    with pytest.raises(StateError, match="in_order"):
        stream.state_after(batch)


@pytest.mark.parametrize("settings", [{"in_order": False}, {"batch_size": 8}, {"shuffle": True}])
def test_a_stream_loader_refuses_what_does_not_go_with_a_stream(store: Store, recipe: Recipe, settings) -> None:
    with pytest.raises(StreamaugError, match=r"order|leave it out"):
        StreamLoader(opened(recipe, store), **settings)


class Chaos:
    """What a worker suffers: it sleeps before it begins, or is killed there."""

    def __init__(self, delays: list[float], killed: int | None) -> None:
        self.delays, self.killed = delays, killed

    def __call__(self, worker: int) -> None:
        time.sleep(self.delays[worker])
        if worker == self.killed:
            os.kill(os.getpid(), signal.SIGKILL)


def iterations(loader: DataLoader, taken: int | None) -> Iterator[dict[str, Any]]:
    return iter(loader) if taken is None else islice(iter(loader), taken)


@ELSEWHERE
@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.matrix) for seed in range(2, 8))])
def test_workers_that_start_stop_lag_and_die_at_random_never_mix_epochs(store: Store, recipe: Recipe, epochs, seed: int) -> None:
    """Whole iterations are whole epochs, each the one after the last that anybody began; broken
    ones leave nothing behind."""
    random = np.random.default_rng(seed)
    stream, last = opened(recipe, store), -1
    for _ in range(5):
        workers = int(random.integers(0, 4))
        what = random.choice(["whole", "look", "kill", "copy"])
        killed = int(random.integers(workers)) if what == "kill" and workers else None
        chaos = Chaos(random.uniform(0, 0.6, max(workers, 1)).tolist(), killed)
        if random.random() < 0.5:
            torch.manual_seed(0)
        served = copy.deepcopy(stream) if what == "copy" else stream
        context = str(random.choice(["fork", "fork", "spawn"])) if workers else None
        loader = DataLoader(
            served,
            batch_size=None,
            num_workers=workers,
            worker_init_fn=chaos,
            multiprocessing_context=context,
            prefetch_factor=1 if workers else None,
        )
        taken = int(random.integers(1, 4)) if what == "look" else None
        found = []
        with pytest.raises(RuntimeError, match=r"killed|exited") if killed is not None else nullcontext():
            found = rows(iterations(loader, taken))
        if found:
            epoch = found[0][0]
            assert epoch > last
            assert found == epochs[epoch][: len(found)]
            if what != "copy":
                last = epoch
            assert taken is not None or len(found) == PER_EPOCH
