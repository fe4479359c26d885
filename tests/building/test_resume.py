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
    began = time.monotonic()
    process = start(table, store)
    assert process.wait() == 0, process.stderr.read()
    return content(store), time.monotonic() - began


def test_killed_at_20_random_moments_it_ends_byte_identical_and_builds_no_finished_shard_again(table, whole, tmp_path):
    expected, duration = whole
    generator = random.Random(20)
    kills, before, seen = 0, {}, set()
    store = tmp_path / "store0"
    round_ = 0
    while kills < KILLS:
        process, begun = start(table, store), time.monotonic()
        try:
            process.wait(generator.uniform(0.1, 0.9) * duration)
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
        assert content(store) == expected
        if not before:
            duration = time.monotonic() - begun  # of a whole build: the machine may have been busier when the first was measured
        round_ += 1
        store, before = tmp_path / f"store{round_}", {}
    process = start(table, store)
    assert process.wait() == 0, process.stderr.read()
    assert content(store) == expected
    assert len(seen) > 3, "the kills hit the same moment"


def test_readers_do_not_see_a_half_built_condition(table, tmp_path):
    store = tmp_path / "store"
    process = start(table, store)
    deadline = time.monotonic() + 60
    while not list(store.glob("*/*.tar")) and time.monotonic() < deadline:
        time.sleep(0.01)
    kill(process)
    assert list(store.glob("*/*.tar"))
    with pytest.raises(StoreError, match="is not a store: it has no store"):
        Store.open(store)


def test_two_builds_of_the_same_at_the_same_time_both_succeed(table, whole, tmp_path):
    expected, _ = whole
    processes = [start(table, tmp_path / "store") for _ in range(2)]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert content(tmp_path / "store") == expected
