"""What goes wrong ends in the correct rows or in one clear error that names store, shard and clip."""

import ast
import json
import shutil
import subprocess
import sys
import textwrap
import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import streamaug
from streamaug.errors import CorruptError
from streamaug.recipes import Recipe
from streamaug.store import Index, Store
from streamaug.streaming import Stream
from streamaug.testing import replace_tables
from tests.streaming.conftest import ELSEWHERE, write_recipe
from tests.streaming.test_stream import same

SETTINGS = {"batch_size": 16, "features": "waveform", "threads": 2}


@pytest.fixture
def copy(store_path: Path, tmp_path: Path) -> Path:
    """A store of the test's own, to be damaged."""
    shutil.copytree(store_path, tmp_path / "copy")
    return tmp_path / "copy"


def place_of(store: Path, condition: str, clip: str) -> tuple[Path, int, int]:
    """Shard, offset and size of a clip's bitstream."""
    location = Store.open(store).location(condition, clip)
    return store / location.shard, location.offset, location.size


def flip(store: Path, condition: str, clip: str) -> None:
    """Change one byte in the middle of a clip's bitstream."""
    shard, offset, size = place_of(store, condition, clip)
    data = bytearray(shard.read_bytes())
    data[offset + size // 2] ^= 1
    shard.write_bytes(data)


def test_a_flipped_byte_is_noticed_and_named(copy: Path, recipe: Recipe) -> None:
    flip(copy, "mp3_64", "clip07")
    with pytest.raises(
        CorruptError, match=r"copy/mp3_64/\w+-\w+\.tar: clip 'clip07': does not match its sha256 in the index.*streamaug verify"
    ):
        list(Stream(recipe, copy, **SETTINGS))


def test_a_shard_that_is_cut_off_is_noticed_and_named(copy: Path, recipe: Recipe) -> None:
    shard, offset, _ = place_of(copy, "opus_32", "clip07")
    shard.write_bytes(shard.read_bytes()[: offset + 100])
    with pytest.raises(
        CorruptError, match=rf"copy/opus_32/{shard.name}: clip 'clip\d\d': cannot be read: .* is cut off: it has {offset + 100} bytes"
    ):
        list(Stream(recipe, copy, **SETTINGS))


def test_a_shard_that_vanished_is_noticed_and_named(copy: Path, recipe: Recipe) -> None:
    stream = Stream(recipe, copy, **SETTINGS)
    shard, _, _ = place_of(copy, "original", "clip07")
    shard.unlink()
    with pytest.raises(CorruptError, match=rf"copy/original/{shard.name}: clip 'clip\d\d': cannot be read: .* has vanished"):
        list(stream)


def test_batches_before_a_broken_one_are_served_and_the_error_comes_at_its_turn(copy: Path, recipe: Recipe) -> None:
    whole = list(Stream(recipe, copy, **SETTINGS))
    broken = next(n for n, batch in enumerate(whole) if ("clip07", "mp3_64") in zip(batch["clip_id"], batch["condition"], strict=True))
    flip(copy, "mp3_64", "clip07")
    served = []
    with pytest.raises(CorruptError):
        served.extend(Stream(recipe, copy, **SETTINGS))
    assert len(served) == broken
    assert all(map(same, served, whole[:broken]))


@pytest.mark.parametrize("threads", [1, 4])
def test_a_broken_clip_is_replaced_by_one_of_its_condition_and_label_if_asked(copy: Path, recipe: Recipe, threads: int) -> None:
    whole = list(Stream(recipe, copy, **SETTINGS))
    flip(copy, "mp3_64", "clip07")
    flip(copy, "mp3_64", "clip11")  # of the same label
    settings = {**SETTINGS, "threads": threads}
    stream = Stream(recipe, copy, on_corrupt="replace", **settings)
    batches = list(stream)
    replaced = {
        planned: (clip, condition, label)
        for batch in batches
        for planned, clip, condition, label in zip(
            batch["replaced"], batch["clip_id"], batch["condition"], batch["label"].tolist(), strict=True
        )
        if planned is not None
    }
    assert set(replaced) == {"clip07", "clip11"}
    labels = {clip: label for batch in whole for clip, label in zip(batch["clip_id"], batch["label"].tolist(), strict=True)}
    for planned, (clip, condition, label) in replaced.items():
        assert condition == "mp3_64"
        assert label == labels[planned] == labels[clip]
        assert clip not in ("clip07", "clip11")
    assert stream.metrics.replaced_clips == 2
    again = list(Stream(recipe, copy, on_corrupt="replace", **{**SETTINGS, "threads": 3}))
    assert all(map(same, batches, again))
    for before, after in zip(whole, batches, strict=True):
        kept = np.array([planned is None for planned in after["replaced"]])
        assert (before["waveform"][kept] == after["waveform"][kept]).all()


def test_where_no_clip_can_stand_in_the_error_is_raised(copy: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "r.yaml", "draw: union\nmixture: {mp3_64: 1}\n")
    for number in range(3, 32, 4):
        flip(copy, "mp3_64", f"clip{number:02d}")
    with pytest.raises(CorruptError, match="does not match its sha256"):
        list(Stream(recipe, copy, on_corrupt="replace", **SETTINGS))


def rewrite(store: Path, condition: str, change) -> None:
    index = Store.open(store).index(condition)
    replace_tables(Store.open(store), indexes=[change(index)])


def test_an_index_that_points_out_of_the_store_is_refused(copy: Path, recipe: Recipe) -> None:
    def outside(index: Index) -> Index:
        shard = index.meta.shards[0].model_copy(update={"name": "../../../etc/passwd"})
        return Index(meta=index.meta.model_copy(update={"shards": (shard, *index.meta.shards[1:])}), table=index.table)

    rewrite(copy, "mp3_64", outside)
    with pytest.raises(CorruptError, match=r"mp3_64/index-\w+\.parquet"):
        Stream(recipe, copy, **SETTINGS)


def test_a_hostile_size_takes_no_memory(copy: Path, recipe: Recipe) -> None:
    def huge(index: Index) -> Index:
        shards = tuple(shard.model_copy(update={"bytes": 1 << 40}) for shard in index.meta.shards)
        size = pa.array(np.full(len(index), 1 << 29), pa.int64())
        table = index.table.set_column(index.table.schema.get_field_index("size"), index.table.schema.field("size"), size)
        return Index(meta=index.meta.model_copy(update={"shards": shards}), table=table)

    rewrite(copy, "mp3_64", huge)
    tracemalloc.start()
    try:
        with pytest.raises(CorruptError, match="cut off"):
            list(Stream(recipe, copy, **SETTINGS))
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
    finally:
        tracemalloc.stop()


KILLED = """
    import json, os, signal, sys
    from torch.utils.data import DataLoader
    from streamaug.streaming import Stream
    recipe, store = sys.argv[1:]
    stream = Stream(recipe, store, batch_size=16, features="waveform", threads=2)
    batches = iter(DataLoader(stream, batch_size=None, num_workers=1))
    first = next(batches)
    state = stream.state_after(first)
    try:
        os.kill(batches._workers[0].pid, signal.SIGKILL)
        list(batches)
    except (RuntimeError, OSError, EOFError):  # the last two where a batch lay ready that the worker was to hand over
        print(json.dumps([first["position"].tolist(), state]), flush=True)
        os._exit(0)  # PyTorch's signal handler may raise once more, wherever this process is
"""


@ELSEWHERE
def test_a_killed_worker_ends_in_an_error_and_training_goes_on_from_the_last_state(
    store: Store, store_path: Path, recipe: Recipe, tmp_path: Path
) -> None:
    (tmp_path / "run.py").write_text(textwrap.dedent(KILLED))
    command = [sys.executable, str(tmp_path / "run.py"), str(tmp_path / "recipe.yaml"), str(store_path)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert run.stdout, run.stderr
    served, state = json.loads(run.stdout)
    after = Stream(recipe, store, **SETTINGS)
    after.load_state_dict(state)
    assert served + [position for batch in after for position in batch["position"].tolist()] == list(range(96))


@ELSEWHERE
def test_the_library_neither_unpickles_foreign_bytes_nor_evaluates_nor_uses_a_shell() -> None:
    # What this process and those that it starts say to one another comes from nobody else.
    own = {
        "streaming/decode_server.py": {"pickle"},
        "streaming/processes.py": {"cloudpickle"},
        "streaming/shared_arrays.py": {"pickle"},
        "streaming/wire.py": {"pickle"},
        # Only the error by which PyTorch refuses what is not weights.
        "stress/models/checkpoint.py": {"pickle"},
        "stress/models/exported.py": {"pickle"},
    }
    root = Path(streamaug.__file__).parent
    for path in root.rglob("*.py"):
        forbidden = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"} - own.get(path.relative_to(root).as_posix(), set())
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert not forbidden & {name.name.split(".")[0] for name in node.names}, path
            if isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] not in forbidden, path
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("eval", "exec"), path
            if isinstance(node, ast.keyword):
                assert not (node.arg == "shell" and isinstance(node.value, ast.Constant) and node.value.value), path
