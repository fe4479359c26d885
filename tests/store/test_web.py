"""Stores are read over plain HTTP from a folder on a web server."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from streamaug.building.build import build
from streamaug.conditions import parse_conditions
from streamaug.errors import StoreError
from streamaug.store import Store
from streamaug.verifying.verify import verify
from tests.building.clips import write_clips
from tests.servers import Fault, faulty, nginx, python_web_server

CONDITIONS = ("original", "aac_32", "mulaw_64+mp3_32@lame-vbr")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store in it."""
    folder = tmp_path_factory.mktemp("served")
    with ThreadPoolExecutor(2) as executor:
        table = write_clips(tmp_path_factory.mktemp("clips"), 4)
        build(table, str(folder / "store"), conditions=parse_conditions(",".join(CONDITIONS)), executor=executor)
    return folder


@pytest.fixture(params=["python", "nginx"])
def url(request: pytest.FixtureRequest, served: Path, tmp_path: Path) -> Iterator[str]:
    with python_web_server(served) if request.param == "python" else nginx(served, tmp_path) as url:
        yield url


def test_a_store_on_a_web_server_reads_as_it_does_on_disk(url: str, served: Path) -> None:
    local, remote = Store.open(served / "store"), Store.open(f"{url}/store/")
    assert remote.manifest == local.manifest
    assert remote.clips.equals(local.clips)
    assert remote.conditions == local.conditions == CONDITIONS
    for condition in CONDITIONS:
        assert remote.index(condition).digest == local.index(condition).digest
        clip_id = remote.clips["clip_id"][1].as_py()
        location = remote.location(condition, clip_id)
        assert location == local.location(condition, clip_id)
        assert location.read(remote.folder) == location.read(local.folder)
        np.testing.assert_array_equal(remote.read(condition, clip_id).samples, local.read(condition, clip_id).samples)
    with ThreadPoolExecutor(2) as executor:
        assert verify(remote, decode=True, executor=executor).findings == ()


def test_a_missing_store_and_a_missing_condition_are_errors_that_say_so(url: str) -> None:
    with pytest.raises(StoreError, match=r"is not a store: it has no store\.json"):
        Store.open(f"{url}/elsewhere")
    with pytest.raises(StoreError, match=r"(?i)no condition 'aac_23' in store .*\. did you mean 'aac_32'\?"):
        Store.open(f"{url}/store").index("aac_23")


def test_no_condition_is_overlooked_when_requests_fail_once(url: str) -> None:
    seen: set[tuple[str, str]] = set()

    def faults(method: str, path: str) -> Fault | None:
        if (method, path) in seen:
            return None
        seen.add((method, path))
        return ("refuse", "cut", "shorten")[len(seen) % 3]  # type: ignore[return-value]  # each is a Fault

    with faulty(url, faults) as failing:
        assert Store.open(f"{failing}/store").conditions == CONDITIONS


def test_nothing_is_built_onto_a_web_server(url: str, served: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as executor, pytest.raises(StoreError, match="can only be read"):
        build(write_clips(tmp_path / "clips", 2), f"{url}/new", conditions=parse_conditions("original"), executor=executor)
    assert [path.name for path in served.iterdir()] == ["store"]
