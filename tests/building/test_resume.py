"""A build that is killed at any moment and run again ends like one that was never stopped."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from streamaug.errors import StoreError
from streamaug.store import Index, Store
from tests.building.clips import content, write_clips

CONDITIONS = "original,mp3_32,opus_32,sbc_64+aac_32"
KILLS, CLIPS = 20, 25


def start(table: Path, store: Path) -> subprocess.Popen:
    command = [
        sys.executable,
        "-m",
        "streamaug",
        "build",
        str(table),
        str(store),
        "--conditions",
        CONDITIONS,
        "--clips-per-shard",
        "5",
        "--workers",
        "1",
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def kill(process: subprocess.Popen) -> None:
    """SIGKILL to the build and all its workers, as if the machine went down."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def finished(store: Path) -> list[Path]:
    """Shards that have their part."""
    parts = [(path.parent.name, path) for path in store.glob(".building/*/*/*.parquet")]
    return [store / condition / Index.from_bytes(path.read_bytes(), str(path)).meta.shards[0].name for condition, path in parts]


def shards(store: Path) -> list[Path]:
    return list(store.glob("*/*.tar"))


def wait_for_shards(store: Path, count: int, process: subprocess.Popen) -> None:
    """Wait until there are so many shards, or the build is over."""
    while len(shards(store)) < count and process.poll() is None:
        time.sleep(0.01)


def identity(tar: Path) -> tuple[int, int]:
    """Inode and modification time, which change when a shard is built again."""
    return tar.stat().st_ino, tar.stat().st_mtime_ns


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    # Long enough that encoding takes most of the time, so that the kills hit it.
    return write_clips(tmp_path_factory.mktemp("clips"), CLIPS, seconds=3.0)


@pytest.fixture(scope="module")
def whole(table, tmp_path_factory):
    store = tmp_path_factory.mktemp("whole") / "store"
    process = start(table, store)
    assert process.wait() == 0, process.stderr.read()
    return content(store)


def test_killed_at_20_random_moments_it_ends_byte_identical_and_builds_no_finished_shard_again(table, whole, tmp_path):
    generator = random.Random(20)
    kills, before, seen = 0, {}, set()
    store = tmp_path / "store0"
    round_ = 0
    while kills < KILLS:
        process = start(table, store)
        # By what is done, not by the clock: a busy machine would be killed before it has done anything.
        wait_for_shards(store, len(shards(store)) + generator.randint(0, 4), process)
        try:
            process.wait(generator.choice((0.0, 0.1, 1.0)) * generator.random())
        except subprocess.TimeoutExpired:
            kill(process)
            kills += 1
            assert {tar: identity(tar) for tar in before} == before, "a finished shard was built again"
            before |= {tar: identity(tar) for tar in finished(store)}
            seen.add(len(before))
            if (store / "store.json").exists():
                opened = Store.open(store)
                assert opened.clips.num_rows == CLIPS
                assert [len(opened.index(name)) for name in opened.conditions] == [CLIPS] * len(opened.conditions)
            continue
        # It ended before the kill: check it and begin another store, so that all 20 kills hit a
        # running build.
        assert process.returncode == 0, process.stderr.read()
        assert content(store) == whole
        round_ += 1
        store, before = tmp_path / f"store{round_}", {}
    process = start(table, store)
    assert process.wait() == 0, process.stderr.read()
    assert content(store) == whole
    assert len(seen) > 3, "the kills hit the same moment"


def test_readers_do_not_see_a_half_built_condition(table, tmp_path):
    store = tmp_path / "store"
    process = start(table, store)
    deadline = time.monotonic() + 60
    while not shards(store) and time.monotonic() < deadline:
        time.sleep(0.01)
    kill(process)
    assert shards(store)
    with pytest.raises(StoreError, match="is not a store: it has no store"):
        Store.open(store)


def test_two_builds_of_the_same_at_the_same_time_both_succeed(table, whole, tmp_path):
    processes = [start(table, tmp_path / "store") for _ in range(2)]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert content(tmp_path / "store") == whole
