"""A file is replaced only if nobody else has replaced it: on a disk, on S3, and under a lease elsewhere."""

import threading
import uuid
from pathlib import Path

import pytest

from streamaug.errors import StoreError
from streamaug.store import swap
from streamaug.store.folder import Folder
from streamaug.store.swap import replace_if
from tests.servers import Fault, faulty


@pytest.fixture(params=["disk", "s3", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    if request.param == "s3":
        return Folder.at(f"s3://{request.getfixturevalue('bucket')}/store")
    return Folder.at(tmp_path if request.param == "disk" else f"memory://swap-{uuid.uuid4().hex}")


def test_only_the_expected_content_is_replaced(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swap, "_SETTLE_S", 0.01)
    assert replace_if(folder, "store.json", None, b"1")
    assert not replace_if(folder, "store.json", None, b"2")
    assert replace_if(folder, "store.json", b"1", b"2")
    assert not replace_if(folder, "store.json", b"1", b"3")
    assert folder.read("store.json") == b"2"


def test_of_many_writers_at_the_same_time_each_counts_once(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swap, "_SETTLE_S", 0.05)
    folder.write("count", b"0 nobody")

    def count() -> None:
        for _ in range(5):
            while True:
                old = folder.read("count")
                new = f"{int(old.split()[0]) + 1} {uuid.uuid4().hex}"  # like no other writer's
                if replace_if(folder, "count", old, new.encode()):
                    break

    writers = [threading.Thread(target=count) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert folder.read("count").split()[0] == b"20"


def test_a_write_whose_answer_was_lost_counts(s3_url: str, bucket: str, s3_environment: pytest.MonkeyPatch) -> None:
    lost = []

    def faults(method: str, path: str) -> Fault | None:
        if method == "PUT" and path.endswith("/store.json") and not lost:
            lost.append(path)
            return "lose"
        return None

    with faulty(s3_url, faults) as url:
        s3_environment.setenv("AWS_ENDPOINT_URL", url)
        assert replace_if(Folder.at(f"s3://{bucket}/store"), "store.json", None, b"1")
    assert lost


def test_a_lease_of_a_process_that_was_killed_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swap, "_SETTLE_S", 0.01)
    folder = Folder.at(f"memory://swap-{uuid.uuid4().hex}")
    with swap._leased(folder):
        held = folder.read("snapshots/lease.json")
    folder.write("snapshots/lease.json", held)
    monkeypatch.setattr(swap, "_LEASE_S", 0.1)
    with pytest.raises(StoreError, match=r"another process has held the lease for 0\.2 s; run this again later"):
        replace_if(folder, "store.json", None, b"1")
    monkeypatch.setattr(swap.time, "time", lambda: 4e9)
    assert replace_if(folder, "store.json", None, b"1")


def test_a_lease_that_has_expired_and_is_another_ones_by_now_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swap, "_SETTLE_S", 0.01)
    folder = Folder.at(f"memory://swap-{uuid.uuid4().hex}")
    with swap._leased(folder):
        folder.write("snapshots/lease.json", b'{"owner": "another", "expires": 0}')
    assert folder.exists("snapshots/lease.json")
