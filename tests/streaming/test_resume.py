"""Positions: rows consumed, whoever made the batches, on whatever number of ranks, workers and
threads it goes on."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from itertools import zip_longest
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader
from torchdata.stateful_dataloader import StatefulDataLoader

from streamaug.errors import RecipeError, StateError, StreamaugError
from streamaug.recipes import Recipe
from streamaug.store import Store
from streamaug.streaming import Stream
from tests.streaming.conftest import ELSEWHERE, first_batches, write_recipe
from tests.streaming.test_stream import same


def stream(recipe: Recipe, store: Store, **settings) -> Stream:
    return Stream(recipe, store, **{"batch_size": 10, "features": "waveform", "threads": 2, "tail": "keep", **settings})


def rows(batches: list[dict]) -> list[tuple[int, int]]:
    return [(batch["epoch"], position) for batch in batches for position in batch["position"].tolist()]


@pytest.mark.parametrize("workers", [0, 1, 2, 4])
def test_dataloader_with_any_number_of_workers_gives_the_same_epochs(store: Store, recipe: Recipe, workers: int) -> None:
    bare = stream(recipe, store)
    expected = [list(bare), list(bare)]
    loader = DataLoader(stream(recipe, store), batch_size=None, num_workers=workers)
    for epoch in expected:
        batches = list(loader)
        assert len(batches) == len(epoch)
        assert all(map(same, batches, epoch))


@ELSEWHERE
def test_workers_that_stay_go_on_to_the_next_epoch(store: Store, recipe: Recipe) -> None:
    loader = DataLoader(stream(recipe, store), batch_size=None, num_workers=2, persistent_workers=True)
    assert [batch["epoch"] for _ in range(3) for batch in loader] == [0] * 10 + [1] * 10 + [2] * 10


@ELSEWHERE
def test_spawned_workers_give_the_same_epochs_and_tell_their_successors(store: Store, recipe: Recipe) -> None:
    bare = stream(recipe, store)
    expected = [*bare, *bare]
    one = stream(recipe, store)
    loader = DataLoader(one, batch_size=None, num_workers=1, multiprocessing_context="spawn")
    assert all(map(same, [*loader, *one], expected))


def test_the_number_of_workers_may_change_between_epochs(store: Store, recipe: Recipe) -> None:
    one = stream(recipe, store)
    epochs = [[batch["epoch"] for batch in DataLoader(one, batch_size=None, num_workers=workers)] for workers in (2, 4, 0, 1)]
    assert epochs == [[0] * 10, [1] * 10, [2] * 10, [3] * 10]


@pytest.mark.parametrize(
    "text",
    [
        "draw: weighted\nrows: 40\nstratify: 8\nweights: {label: equal}\nmixture: {original: 1, mp3_64: {by_step: {ramp: {0: 0, 8: 3}}}}\n",
        "draw: union\nshuffle: {bucket: 24, batch: 8}\nweights: {label: {tram: 2}}\nmixture: {original: 1, mp3_64: {ramp: {0: 0, 2: 1}}}\n",
    ],
)
def test_weights_over_time_and_buckets_go_on_on_other_ranks(store: Store, tmp_path: Path, text: str) -> None:
    recipe = write_recipe(tmp_path / "recipe.yaml", text)
    whole = stream(recipe, store, batch_size=8)
    expected = [line for _ in range(2) for batch in whole for line in described(batch)]
    before = stream(recipe, store, batch_size=8)
    served = []
    for batch in before:
        served += described(batch)
        if len(served) == 24:
            break
    ranks = [stream(recipe, store, batch_size=8, rank=rank, world=2) for rank in (0, 1)]
    for rank in ranks:
        rank.load_state_dict(before.state_dict())
    for _ in range(2):
        for batches in zip_longest(*ranks):
            served += [line for batch in batches if batch is not None for line in described(batch)]
    assert served == expected
    with pytest.raises(RecipeError, match="needs a batch_size of 8, not 16"):
        stream(recipe, store, batch_size=16)


def described(batch: dict) -> list[tuple[str, str]]:
    return list(zip(batch["clip_id"], batch["condition"], strict=True))


def test_the_state_is_a_small_json_object(store: Store, recipe: Recipe) -> None:
    state = stream(recipe, store).state_dict()
    assert len(json.dumps(state)) < 1000
    assert (state["epoch"], state["rows"]) == (0, 0)


@pytest.mark.parametrize("stop", [1, 5, 9, 10, 13])
def test_a_stream_goes_on_after_the_last_batch_it_gave(store: Store, recipe: Recipe, stop: int) -> None:
    whole = stream(recipe, store)
    expected = [*whole, *whole]
    before = stream(recipe, store)
    served = first_batches(before, stop)
    state = json.loads(json.dumps(before.state_dict()))
    assert state == before.state_after(served[-1])
    after = stream(recipe, store, threads=1)
    after.load_state_dict(state)
    while len(served) < 20:
        served += after
    assert all(map(same, served, expected))


@pytest.mark.parametrize(("workers_before", "workers_after"), [(4, 0), (2, 1), (0, 2)])
def test_resuming_on_another_number_of_workers_serves_what_was_left(
    store: Store, recipe: Recipe, workers_before: int, workers_after: int
) -> None:
    expected = list(stream(recipe, store))
    before = stream(recipe, store)
    served = []
    for batch in DataLoader(before, batch_size=None, num_workers=workers_before):
        served.append(batch)
        if len(served) == 3:
            break
    after = stream(recipe, store)
    after.load_state_dict(before.state_after(served[-1]))
    served += DataLoader(after, batch_size=None, num_workers=workers_after)
    assert all(map(same, served, expected))


@pytest.mark.parametrize(("ranks_before", "ranks_after"), [(1, 2), (2, 1), (2, 4)])
def test_resuming_on_another_number_of_ranks_and_another_batch_serves_each_row_left_once(
    store: Store, recipe: Recipe, ranks_before: int, ranks_after: int
) -> None:
    served = []
    for rank in range(ranks_before):
        one = stream(recipe, store, batch_size=12, rank=rank, world=ranks_before)
        batches = iter(one)
        served += [next(batches) for _ in range(3)]
        state = one.state_dict()
        assert state["rows"] == 36
    for rank in range(ranks_after):
        one = stream(recipe, store, batch_size=8, rank=rank, world=ranks_after)
        one.load_state_dict(state)
        served += one
    assert sorted(rows(served)) == [(0, position) for position in range(96)]


def test_the_parent_of_workers_refuses_to_guess_what_is_consumed(store: Store, recipe: Recipe) -> None:
    one = stream(recipe, store)
    next(iter(DataLoader(one, batch_size=None, num_workers=1)))
    with pytest.raises(StateError, match="state_after"):
        one.state_dict()


@pytest.mark.parametrize(("workers", "stop"), [(0, 4), (0, 10), (2, 1), (2, 9), (4, 12)])
def test_stateful_dataloader_resumes_at_any_batch(store: Store, recipe: Recipe, workers: int, stop: int) -> None:
    whole = stream(recipe, store)
    expected = [*whole, *whole]

    def loader() -> StatefulDataLoader:
        return StatefulDataLoader(stream(recipe, store), batch_size=None, num_workers=workers, snapshot_every_n_steps=1)

    before = loader()
    served = []
    while len(served) < stop:
        for batch in before:
            served.append(batch)
            if len(served) == stop:
                state = before.state_dict()
                break
    after = loader()
    after.load_state_dict(state)
    while len(served) < 20:
        served += after
    assert rows(served) == rows(expected)
    assert all(map(same, served, expected))


def test_another_recipe_store_split_or_seed_is_refused_with_the_difference(store: Store, recipe: Recipe, tmp_path: Path) -> None:
    state = stream(recipe, store).state_dict()
    other = write_recipe(tmp_path / "other.yaml", "draw: union\nmixture: {original: 1, mp3_64: 0.5}\n")
    with pytest.raises(StateError, match=r"recipe has another content.*'opus_32' is only there"):
        stream(other, store).load_state_dict(state)
    with pytest.raises(StateError, match="seed: 1 here, 0 there"):
        stream(recipe, store, seed=1).load_state_dict(state)
    changed = json.loads(json.dumps(state))
    changed["plan"]["conditions"]["mp3_64"] = "0" * 64
    with pytest.raises(StateError, match="'mp3_64' has another content"):
        stream(recipe, store).load_state_dict(changed)


@pytest.mark.parametrize("wrong", [{}, {"plan": None, "epoch": 0, "rows": 0}, [], {"epoch": 0, "rows": 0}])
def test_what_is_no_state_is_refused(store: Store, recipe: Recipe, wrong: object) -> None:
    with pytest.raises(StateError, match="not a saved position"):
        stream(recipe, store).load_state_dict(wrong)


@pytest.mark.parametrize(("name", "value"), [("rows", -1), ("epoch", 1.5), ("rows", None), ("epoch", True)])
def test_a_position_that_is_no_count_is_refused(store: Store, recipe: Recipe, name: str, value: object) -> None:
    with pytest.raises(StateError, match="0 or more"):
        stream(recipe, store).load_state_dict({**stream(recipe, store).state_dict(), name: value})


KILLED = """
    import json, os, sys
    from pathlib import Path
    from streamaug.streaming import Stream
    recipe, store, log, state = sys.argv[1:]
    stream = Stream(recipe, store, batch_size=10, features="waveform", threads=3, tail="keep")
    if Path(state).exists():
        stream.load_state_dict(json.loads(Path(state).read_text()))
    for batch in stream:
        saved = Path(state + ".new")
        with open(log, "a") as file:
            file.write(json.dumps([batch["epoch"], batch["position"].tolist()]) + "\\n")
        saved.write_text(json.dumps(stream.state_dict()))
        saved.rename(state)
"""


@ELSEWHERE
def test_killed_at_any_moment_and_resumed_from_the_saved_state_no_row_is_lost(store_path: Path, recipe: Recipe, tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(textwrap.dedent(KILLED))
    (tmp_path / "recipe.yaml").write_text("draw: union\nmixture: {original: 1, mp3_64: 1, opus_32: 1}\n")
    log, state = tmp_path / "log", tmp_path / "state"
    command = [sys.executable, str(script), str(tmp_path / "recipe.yaml"), str(store_path), str(log), str(state)]
    run = subprocess.Popen(command)
    while run.poll() is None and (not log.exists() or len(log.read_text().splitlines()) < 3):
        time.sleep(0.005)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    subprocess.run(command, check=True)
    steps = [json.loads(line) for line in log.read_text().splitlines()]
    served = [position for _, positions in steps for position in positions]
    # A kill between a step and its saved state repeats that one step, as any training does; nothing
    # is left out.
    assert set(served) == set(range(96))
    assert len(steps) <= 10 + 1


RANKED = """
    import json, os, sys
    import torch.distributed as dist
    from torch.utils.data import DataLoader
    from streamaug.streaming import Stream
    recipe, store, out, workers = sys.argv[1:]
    dist.init_process_group("gloo")
    stream = Stream(recipe, store, batch_size=12, features="waveform", threads=1)
    batches = list(DataLoader(stream, batch_size=None, num_workers=int(workers)))
    told = [[batch["position"].tolist(), batch["clip_id"], batch["condition"]] for batch in batches]
    gathered = [None] * dist.get_world_size()
    dist.all_gather_object(gathered, told)
    if dist.get_rank() == 0:
        json.dump(gathered, open(out, "w"))
    dist.destroy_process_group()
"""


@ELSEWHERE
def test_under_torchrun_ranks_and_their_workers_take_their_slices(store_path: Path, store: Store, recipe: Recipe, tmp_path: Path) -> None:
    script, out = tmp_path / "run.py", tmp_path / "out.json"
    script.write_text(textwrap.dedent(RANKED))
    subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script),
         str(tmp_path / "recipe.yaml"), str(store_path), str(out), "1"],
        check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=120,
    )  # fmt: skip
    ranks = json.loads(out.read_text())
    whole = list(stream(recipe, store, batch_size=12))
    assert len(ranks[0]) == len(ranks[1]) == len(whole)
    for number, batch in enumerate(whole):
        assert ranks[0][number][0] + ranks[1][number][0] == batch["position"].tolist()
        assert ranks[0][number][1] + ranks[1][number][1] == batch["clip_id"]


def _rank(rank: int, one: Stream, store_path: Path, recipe: Recipe, workers: int, folder: Path) -> None:
    """What each rank of `torch.multiprocessing.spawn` does: two epochs of the stream that it was
    handed, or of one that it opened."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=2)
    told = []
    if workers:
        one = stream(recipe, Store.open(store_path), batch_size=12, tail="drop")
    for _ in range(2):
        loader = DataLoader(one, batch_size=None, num_workers=workers, multiprocessing_context="spawn" if workers else None)
        told += rows(list(loader))
    (folder / f"rank_{rank}.json").write_text(json.dumps(told))
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("workers", [0, 1])
def test_ranks_that_are_spawned_keep_their_own_place_and_slice(
    store: Store, store_path: Path, recipe: Recipe, tmp_path: Path, workers: int
) -> None:
    one = stream(recipe, store, batch_size=12, tail="drop")
    whole = rows([*one, *one])
    one.load_state_dict({**one.state_dict(), "epoch": 0, "rows": 0})
    torch.multiprocessing.spawn(_rank, (one, store_path, recipe, workers, tmp_path), nprocs=2)
    ranks = [[tuple(row) for row in json.loads((tmp_path / f"rank_{rank}.json").read_text())] for rank in range(2)]
    assert not set(ranks[0]) & set(ranks[1])
    assert sorted(ranks[0] + ranks[1]) == sorted(whole)


def _workers_of_another(one: Stream, said: Path) -> None:
    try:
        next(iter(DataLoader(one, batch_size=None, num_workers=1)))
    except StreamaugError as error:
        said.write_text(str(error))


@ELSEWHERE
def test_workers_of_a_process_that_was_handed_the_stream_are_refused(store: Store, recipe: Recipe, tmp_path: Path) -> None:
    other = torch.multiprocessing.get_context("spawn").Process(target=_workers_of_another, args=(stream(recipe, store), tmp_path / "said"))
    other.start()
    other.join()
    assert "Open it in each rank" in (tmp_path / "said").read_text()


def test_a_lightning_trainer_goes_on_where_its_checkpoint_was_saved(store: Store, recipe: Recipe, tmp_path: Path) -> None:
    import lightning
    from lightning.pytorch.callbacks import ModelCheckpoint

    class Counting(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(1, 1)
            self.seen: list[dict] = []

        def training_step(self, batch: dict, _: int) -> torch.Tensor:
            self.seen.append(batch)
            return self.layer(batch["waveform"].mean(1, keepdim=True)).mean()

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.0)

    def trainer(**settings) -> lightning.Trainer:
        return lightning.Trainer(
            accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path, **settings
        )

    expected = stream(recipe, store)
    expected = rows([*expected, *expected])
    first, second = Counting(), Counting()
    saving = ModelCheckpoint(dirpath=tmp_path, filename="stopped", every_n_train_steps=4)
    trainer(max_steps=4, callbacks=[saving]).fit(first, stream(recipe, store))
    trainer(max_epochs=2, enable_checkpointing=False).fit(second, stream(recipe, store), ckpt_path=tmp_path / "stopped.ckpt")
    assert rows(first.seen + second.seen) == expected


def test_nothing_is_left_in_shared_memory(store: Store, recipe: Recipe) -> None:
    before = set(Path("/dev/shm").iterdir())
    one = stream(recipe, store)
    list(DataLoader(one, batch_size=None, num_workers=2))
    assert not [name for name in set(Path("/dev/shm").iterdir()) - before if f"_{os.getpid()}_" in name.name]
