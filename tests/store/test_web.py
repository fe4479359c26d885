"""Stores read over plain HTTP, as a folder lies on a web server."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from streamaug.building.build import build
from streamaug.conditions import parse_conditions
from streamaug.errors import FetchError, StoreError
from streamaug.store import Store
from streamaug.verifying.verify import verify
from tests.building.clips import write_clips
from tests.servers import Fault, faulty, nginx, python_web_server

CONDITIONS = ("original", "aac_32", "mulaw_64+aac_32")


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
    here, there = Store.open(served / "store"), Store.open(f"{url}/store/")
    assert there.meta == here.meta
    assert there.clips.equals(here.clips)
    assert there.conditions == here.conditions == CONDITIONS
    for condition in CONDITIONS:
        index = there.index(condition)
        assert index.digest == here.index(condition).digest
        row = index.table.to_pylist()[1]
        name = f"{condition}/{index.meta.shards[row['shard']].name}"
        stop = row["offset"] + row["size"]
        assert there.folder.read_range(name, row["offset"], stop) == (served / "store" / name).read_bytes()[row["offset"] : stop]
    with ThreadPoolExecutor(2) as executor:
        assert verify(there, decode=True, executor=executor).findings == ()


def test_what_is_not_there_is_told_about(url: str) -> None:
    with pytest.raises(StoreError, match=r"no store: it has no store\.json"):
        Store.open(f"{url}/elsewhere")
    with pytest.raises(StoreError, match="has no condition 'aac_23'; did you mean 'aac_32'"):
        Store.open(f"{url}/store").index("aac_23")


def test_a_web_server_s_bad_moments_hide_no_condition(url: str) -> None:
    seen: set[tuple[str, str]] = set()

    def faults(method: str, path: str) -> Fault | None:
        if (method, path) in seen:
            return None
        seen.add((method, path))
        return ("refuse", "cut", "shorten")[len(seen) % 3]  # type: ignore[return-value]  # each is a Fault

    with faulty(url, faults) as spoilt:
        assert Store.open(f"{spoilt}/store").conditions == CONDITIONS


def test_nothing_is_built_onto_a_web_server(url: str, served: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as executor, pytest.raises(FetchError, match="writing failed"):
        build(write_clips(tmp_path / "clips", 2), f"{url}/new", conditions=parse_conditions("original"), executor=executor)
    assert [path.name for path in served.iterdir()] == ["store"]
