"""What happens between two steps of one process, because of another one."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from filelock import FileLock, Timeout

from streamaug.building.build import build
from streamaug.building.prune import find_prunable
from streamaug.building.publish import Changes, publish
from streamaug.building.staging import ALIVE, _killed, staging
from streamaug.conditions import parse_conditions
from streamaug.errors import StoreError
from streamaug.progress import Silent
from streamaug.store import Store
from streamaug.store.folder import STAGING, Folder
from streamaug.store.writing import Tables
from streamaug.verifying.verify import verify
from tests.building.clips import write_clips
from tests.in_process import InProcess
from tests.servers import s3_server


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clips(tmp_path_factory.mktemp("clips"), 8, seconds=0.1)


def make(clips: Path, store: Path, conditions: str, **settings: Any) -> Store:
    with ThreadPoolExecutor(2) as executor:
        build(clips, str(store), conditions=parse_conditions(conditions), executor=executor, **settings)
    return Store.open(store)


class During(Silent):
    """Does something while shards are encoded."""

    def __init__(self, action: Any) -> None:
        self.action = action

    def begin(self, stage: str, total: int) -> None:  # the protocol's signature
        if "encoding" in stage:
            self.action()


@dataclass(frozen=True, kw_only=True)
class Rivalled(Tables):
    """Tables before which another build writes and publishes the same ones."""

    changes: Changes

    def write(self, folder: Folder) -> None:
        publish(folder, self.changes, Tables(files=self.files))
        super().write(folder)


def test_two_builds_that_publish_the_same_in_the_same_second_leave_one_manifest(clips: Path, tmp_path: Path) -> None:
    store = make(clips, tmp_path / "store", "original")
    entry = store.manifest
    changes = Changes(
        base=entry,
        name=entry.name,
        target=entry.target,
        labels=entry.labels,
        rate=entry.rate,
        channels=entry.channels,
        samples=entry.samples,
        shard_by=entry.shard_by,
        clips=entry.clips,
        conditions=entry.conditions,
        keeps_shards=False,
    )
    other = Tables()
    changed = store.clips.append_column("own", store.clips["label"])
    changes = Changes(**{**changes.__dict__, "clips": other.add_clips(changed)})
    time.sleep(1 - time.time() % 1)
    published = publish(store.folder, changes, Rivalled(files=other.files, changes=changes))
    assert published.snapshot == store.reopen().snapshot
    assert (tmp_path / "store" / "snapshots" / f"{published.snapshot}.json").exists()
    assert len(list((tmp_path / "store" / "snapshots").glob("*.json"))) == 2


def test_a_build_that_begins_while_another_looks_around_is_not_taken_for_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with s3_server() as endpoint:
        boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1").create_bucket(Bucket="races")
        folder = Folder.at("s3://races/store", {"client_kwargs": {"endpoint_url": endpoint, "region_name": "us-east-1"}})
        with staging(folder) as first:
            found = folder.files(STAGING)
            with staging(folder) as second, ExitStack() as stack:
                assert second.killed == ()
                assert _killed(folder, first.name, found, stack) == ()


def test_a_build_does_not_work_in_a_folder_that_another_has_taken_for_a_dead_one(tmp_path: Path) -> None:
    folder = Folder.at(tmp_path)
    taken: list[FileLock] = []
    over = threading.Event()

    def take() -> None:
        while not over.is_set():
            for name in folder.names(STAGING):
                lock = FileLock(tmp_path / STAGING / name / ALIVE)
                try:
                    lock.acquire(timeout=0)
                    taken.append(lock)
                except (Timeout, OSError):
                    continue

    thread = threading.Thread(target=take)
    thread.start()
    try:
        for _ in range(50):
            with staging(folder) as staged:
                assert str(tmp_path / staged.name / ALIVE) not in {lock.lock_file for lock in taken}
    finally:
        over.set()
        thread.join()


def test_nothing_is_pruned_while_a_build_is_running_or_after_one_has_published(clips: Path, tmp_path: Path) -> None:
    store = make(clips, tmp_path / "store", "original")
    pruning = find_prunable(store, 0, now=time.time() + 60)

    def prune() -> None:
        with pytest.raises(StoreError, match="a build is running"):
            find_prunable(store, 0, now=time.time() + 60).delete()

    make(clips, tmp_path / "store", "original,mulaw_64", progress=During(prune))
    with pytest.raises(StoreError, match="has published a snapshot in the meantime"):
        pruning.delete()
    find_prunable(store, 0, now=time.time() + 60).delete()
    assert verify(store, executor=InProcess()).findings == ()


def test_a_shard_that_is_removed_during_a_build_is_noticed_before_it_publishes(clips: Path, tmp_path: Path) -> None:
    store = make(clips, tmp_path / "store", "original")
    tar = next((tmp_path / "store" / "original").glob("*.tar"))
    with pytest.raises(StoreError, match=r"a shard of condition 'original' was removed during the build"):
        make(clips, tmp_path / "store", "original,mulaw_64", progress=During(tar.unlink))
    assert store.reopen().manifest == store.manifest
    assert verify(make(clips, tmp_path / "store", "original,mulaw_64"), executor=InProcess()).findings == ()
