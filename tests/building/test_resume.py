"""A build killed at any moment and started again ends as one that was left alone."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from streamaug.store import Store
from tests.building.clips import content, write_clips

CONDITIONS = "original,mp3_32,opus_32,sbc_64+aac_32"
KILLS = 20


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
    """SIGKILL to the build and its workers at once, as a machine that goes down would."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def finished(store: Path) -> list[Path]:
    """Shards that stand with their part."""
    parts = store.glob(".building/*/*.parquet")
    return [store / part.parent.name / f"{part.stem}.tar" for part in parts]


def identity(tar: Path) -> tuple[int, int]:
    """Inode and time of change, which building a shard again would change."""
    return tar.stat().st_ino, tar.stat().st_mtime_ns


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    # Long enough that coding takes most of a build's time, so that kills fall into it.
    return write_clips(tmp_path_factory.mktemp("clips"), 40, seconds=3.0)


@pytest.fixture(scope="module")
def whole(table, tmp_path_factory):
    store = tmp_path_factory.mktemp("whole") / "store"
    began = time.monotonic()
    process = start(table, store)
    assert process.wait() == 0, process.stderr.read()
    return content(store), time.monotonic() - began


def test_killed_at_20_random_moments_it_ends_byte_identical_and_builds_no_finished_shard_again(table, whole, tmp_path):
    wanted, duration = whole
    generator = random.Random(20)
    kills, before, seen = 0, {}, set()
    store = tmp_path / "store0"
    round_ = 0
    while kills < KILLS:
        process = start(table, store)
        try:
            process.wait(generator.uniform(0.1, 0.9) * duration)
        except subprocess.TimeoutExpired:
            kill(process)
            kills += 1
            assert {tar: identity(tar) for tar in before} == before, "a finished shard was built again"
            before |= {tar: identity(tar) for tar in finished(store)}
            seen.add(len(before))
            if (store / "clips.parquet").exists():
                assert Store.open(store).clips.num_rows == 40
            continue
        # Done before the blow fell: check it and begin another store, so that all 20 blows hit a build at work.
        assert process.returncode == 0, process.stderr.read()
        assert content(store) == wanted
        round_ += 1
        store, before = tmp_path / f"store{round_}", {}
    process = start(table, store)
    assert process.wait() == 0, process.stderr.read()
    assert content(store) == wanted
    assert len(seen) > 3, "the blows fell at the same place"


def test_a_half_built_condition_is_not_there_for_readers(table, tmp_path):
    store = tmp_path / "store"
    process = start(table, store)
    deadline = time.monotonic() + 60
    while not list(store.glob("*/*.tar")) and time.monotonic() < deadline:
        time.sleep(0.01)
    kill(process)
    assert list(store.glob("*/*.tar"))
    assert Store.open(store).conditions == ()


def test_two_builds_in_one_folder_at_once_are_refused(table, tmp_path):
    store = tmp_path / "store"
    first = start(table, store)
    deadline = time.monotonic() + 60
    while not (store / ".building" / "lock").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    second = start(table, store)
    try:
        assert second.wait() == 1
        assert "another build is running" in second.stderr.read()
    finally:
        kill(first)
