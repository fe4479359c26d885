"""Reading from web servers, S3 and memory: merged, in parallel, tried again, given up in time."""

import itertools
import multiprocessing
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from streamaug.errors import CorruptError, FetchError
from streamaug.planning.open_plan import open_plan
from streamaug.planning.reads import BATCH, simulate_reads
from streamaug.reading.fetch import GAP, ByteRange, Fetcher, _reader, merge_reads
from streamaug.recipes import Recipe
from streamaug.store import Store
from streamaug.store.folder import Folder
from streamaug.streaming import Stream
from tests.servers import Fault, Faults, faulty, nginx, s3_server
from tests.streaming.conftest import write_recipe
from tests.streaming.test_stream import same

SETTINGS = {"batch_size": 16, "features": "waveform"}


@pytest.fixture(scope="module")
def web(store_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with nginx(store_path, tmp_path_factory.mktemp("nginx")) as url:
        yield url


@pytest.fixture(scope="module")
def s3(store_path: Path) -> Iterator[tuple[str, dict]]:
    with s3_server() as url:
        options = {"key": "test", "secret": "test", "client_kwargs": {"endpoint_url": url, "region_name": "us-east-1"}}
        fs = fsspec.filesystem("s3", **options)
        fs.call_s3("create_bucket", Bucket="streaming")
        fs.put(str(store_path), "streaming/store", recursive=True)
        yield "s3://streaming/store", options


Spoiled = Callable[[Faults], AbstractContextManager[Store]]
"""Opens the store on a server whose answers a proxy spoils."""


@pytest.fixture(params=["web", "s3"])
def spoiled(request: pytest.FixtureRequest) -> Spoiled:
    @contextmanager
    def on_the_web(faults: Faults) -> Iterator[Store]:
        with faulty(request.getfixturevalue("web"), faults) as url:
            yield Store.open(url)

    @contextmanager
    def on_s3(faults: Faults) -> Iterator[Store]:
        url, options = request.getfixturevalue("s3")
        with faulty(options["client_kwargs"]["endpoint_url"], faults) as endpoint:
            yield Store.open(url, {**options, "client_kwargs": {**options["client_kwargs"], "endpoint_url": endpoint}})

    return on_the_web if request.param == "web" else on_s3


def test_s3_is_read_by_obstore_and_in_a_fork_of_that_process_by_s3fs(s3: tuple[str, dict]) -> None:
    assert _reader(Store.open(*s3).folder).__class__.__module__ == "streamaug.reading.s3"
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        assert pool.submit(_class_in_this_process, *s3).result() == "S3FileSystem"


def _class_in_this_process(url: str, options: dict) -> str:
    return type(_reader(Store.open(url, options).folder)).__name__


@pytest.fixture
def copy(store_path: Path, tmp_path: Path) -> Path:
    """A store of the test's own, to be damaged."""
    shutil.copytree(store_path, tmp_path / "copy")
    return tmp_path / "copy"


byte_ranges = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 200), st.integers(1, 60)).map(
        lambda e: ByteRange(path=e[0], start=e[1], stop=e[1] + e[2])
    ),
    max_size=12,
)


@given(byte_ranges, st.integers(0, 30), st.integers(1, 200))
def test_merged_reads_cover_every_range_once_and_waste_only_gaps(requested: list[ByteRange], gap: int, longest: int) -> None:
    reads = merge_reads(requested, gap=gap, longest=longest)
    assert sorted(number for _, covered in reads for number in covered) == list(range(len(requested)))
    for read, covered in reads:
        inside = [requested[number] for number in covered]
        assert {each.path for each in inside} == {read.path}
        assert (read.start, read.stop) == (min(each.start for each in inside), max(each.stop for each in inside))
        needed = set().union(*(range(each.start, each.stop) for each in inside))
        gaps = "".join("." if byte in needed else "x" for byte in range(read.start, read.stop)).split(".")
        assert max(map(len, gaps)) <= gap
        assert len(covered) == 1 or len(read) <= max(longest, *map(len, inside))
    assert [min(covered) for _, covered in reads] == sorted(min(covered) for _, covered in reads)


def test_a_web_server_gives_the_same_batches_as_the_disk(store: Store, recipe: Recipe, web: str) -> None:
    assert all(map(same, list(Stream(recipe, web, **SETTINGS)), list(Stream(recipe, store, **SETTINGS))))


def test_s3_gives_the_same_batches_as_the_disk_with_workers_too(store: Store, recipe: Recipe, s3: tuple[str, dict]) -> None:
    expected = list(Stream(recipe, store, **SETTINGS))
    remote = Store.open(s3[0], s3[1])
    assert all(map(same, list(Stream(recipe, remote, **SETTINGS)), expected))
    loader = DataLoader(Stream(recipe, remote, **SETTINGS), batch_size=None, num_workers=2)
    assert all(map(same, list(loader), expected))


def test_a_store_in_memory_serves_without_a_disk(store: Store, store_path: Path, recipe: Recipe) -> None:
    memory = fsspec.filesystem("memory")
    memory.put(str(store_path), "/fetched-store", recursive=True)
    try:
        assert all(map(same, list(Stream(recipe, "memory://fetched-store", **SETTINGS)), list(Stream(recipe, store, **SETTINGS))))
    finally:
        memory.rm("/fetched-store", recursive=True)


def test_neighbours_of_a_window_are_read_together_and_little_else(web: str, tmp_path: Path) -> None:
    windowed = write_recipe(tmp_path / "w.yaml", "draw: union\nshuffle: {window: 6}\nmixture: {original: 1, mp3_64: 1, opus_32: 1}\n")
    stream = Stream(windowed, web, **SETTINGS)
    list(stream)
    metrics = stream.metrics
    assert metrics.clips == 96
    assert metrics.reads < 48
    assert metrics.payload_bytes <= metrics.read_bytes <= metrics.payload_bytes + GAP * (metrics.clips - metrics.reads)


@pytest.mark.parametrize("shuffle", ["", "shuffle: {window: 6}\n"])
def test_a_stream_reads_as_often_and_as_much_as_the_plan_says_before(store: Store, web: str, tmp_path: Path, shuffle: str) -> None:
    mixed = write_recipe(tmp_path / "recipe.yaml", f"draw: union\n{shuffle}mixture: {{original: 1, mp3_64: 1, opus_32: 1}}\n")
    plan = open_plan(mixed, store)
    expected = simulate_reads(plan, [store.locations(name) for name in plan.conditions], 0)
    stream = Stream(mixed, web, batch_size=BATCH, features="waveform", tail="keep")
    list(stream)
    assert (stream.metrics.reads, stream.metrics.read_bytes) == (expected.requests, expected.read_bytes)
    assert expected.rows == stream.metrics.clips == plan.epoch_size(0)


def test_a_full_shuffle_reads_rows_and_little_else(recipe: Recipe, web: str) -> None:
    stream = Stream(recipe, web, **SETTINGS)
    list(stream)
    assert stream.metrics.payload_bytes <= stream.metrics.read_bytes <= stream.metrics.payload_bytes + GAP * stream.metrics.clips


def test_many_reads_are_under_way_at_a_time(recipe: Recipe, spoiled: Spoiled) -> None:
    together, under_way = threading.Condition(), set[object]()
    met = threading.Event()

    def held(_: str, path: str) -> None:
        """Answer a read once eight of them wait, however slowly a busy machine sends them."""
        if ".tar" in path:
            with together:
                under_way.add(read := object())
                if len(under_way) >= 8:
                    met.set()
                    together.notify_all()
                together.wait_for(met.is_set, timeout=10)
                under_way.discard(read)

    with spoiled(held) as remote:
        list(Stream(recipe, remote, **SETTINGS))
    assert met.is_set()


@pytest.mark.parametrize("fault", ["refuse", "cut", "shorten"])
def test_faults_that_pass_are_tried_again(store: Store, recipe: Recipe, spoiled: Spoiled, fault: Fault) -> None:
    number = itertools.count()
    happened = Counter[str]()

    def sometimes(_: str, path: str) -> Fault | None:
        if ".tar" not in path or next(number) % 2 == 0:
            return None
        happened[path] += 1
        return fault

    with spoiled(sometimes) as remote:
        assert all(map(same, list(Stream(recipe, remote, **SETTINGS)), list(Stream(recipe, store, **SETTINGS))))
    assert happened.total() > 10


def test_a_connection_that_hangs_once_is_given_up_and_tried_again(store: Store, recipe: Recipe, spoiled: Spoiled) -> None:
    hung = []

    def once(_: str, path: str) -> Fault | None:
        if ".tar" not in path or hung:
            return None
        hung.append(path)
        return "hang"

    with spoiled(once) as remote:
        assert all(map(same, list(Stream(recipe, remote, deadline=5, **SETTINGS)), list(Stream(recipe, store, **SETTINGS))))
    assert hung


@pytest.mark.parametrize("fault", ["hang", "refuse"])
def test_a_server_that_never_answers_ends_in_one_error_in_time(recipe: Recipe, spoiled: Spoiled, fault: Fault) -> None:
    with spoiled(lambda _, path: fault if ".tar" in path else None) as remote:
        stream = Stream(recipe, remote, deadline=1, **SETTINGS)
        begun = time.monotonic()
        message = rf"{remote.url}/\w+/\w+-\w+\.tar: clip 'clip\d\d': cannot be read.*after \d+ tries.*give it more time than 1 s"
        with pytest.raises(FetchError, match=message):
            list(stream)
        assert time.monotonic() - begun < 60


def test_a_door_that_is_shut_is_not_knocked_at_again(recipe: Recipe, spoiled: Spoiled) -> None:
    with spoiled(lambda _, path: "forbid" if ".tar" in path else None) as remote:
        begun = time.monotonic()
        with pytest.raises(FetchError, match=r"clip 'clip\d\d': cannot be read.*failed: \w+: .*the access rights"):
            list(Stream(recipe, remote, deadline=300, **SETTINGS))
        assert time.monotonic() - begun < 60


def test_an_object_that_vanishes_is_named(recipe: Recipe, copy: Path, tmp_path: Path) -> None:
    (tmp_path / "nginx").mkdir()
    with nginx(copy, tmp_path / "nginx") as url:
        stream = Stream(recipe, url, deadline=300, **SETTINGS)
        for shard in (copy / "mp3_64").glob("*.tar"):
            shard.unlink()
        with pytest.raises(CorruptError, match=r"/mp3_64/\w+-\w+\.tar: clip 'clip\d\d': cannot be read.*has vanished"):
            list(stream)


@pytest.mark.parametrize("length", [0, 6000])
def test_a_shard_that_is_cut_off_on_the_server_is_named_without_waiting_for_the_deadline(
    recipe: Recipe, copy: Path, tmp_path: Path, length: int
) -> None:
    for shard in (copy / "mp3_64").glob("*.tar"):
        shard.write_bytes(shard.read_bytes()[:length])
    (tmp_path / "nginx").mkdir()
    with nginx(copy, tmp_path / "nginx") as url:
        begun = time.monotonic()
        with pytest.raises(
            CorruptError, match=rf"/mp3_64/\w+-\w+\.tar: clip 'clip\d\d': cannot be read.*is cut off: it has {length} bytes"
        ):
            list(Stream(recipe, url, deadline=300, **SETTINGS))
        assert time.monotonic() - begun < 60


@pytest.mark.parametrize(
    ("length", "message"), [(None, "has vanished"), (0, "is cut off: it has 0 bytes"), (6000, "is cut off: it has 6000 bytes")]
)
def test_what_happened_to_an_object_on_s3_is_reported_without_waiting_for_the_deadline(
    recipe: Recipe, copy: Path, s3: tuple[str, dict], length: int | None, message: str
) -> None:
    fs = fsspec.filesystem("s3", **s3[1])
    fs.put(str(copy), "streaming/damaged", recursive=True)
    try:
        stream = Stream(recipe, Store.open("s3://streaming/damaged", s3[1]), deadline=300, **SETTINGS)
        for shard in (copy / "mp3_64").glob("*.tar"):
            fs.rm(f"streaming/damaged/mp3_64/{shard.name}")
            if length is not None:
                fs.pipe(f"streaming/damaged/mp3_64/{shard.name}", shard.read_bytes()[:length])
        begun = time.monotonic()
        with pytest.raises(CorruptError, match=rf"damaged/mp3_64/\w+-\w+\.tar: clip 'clip\d\d': cannot be read.*{message}"):
            list(stream)
        assert time.monotonic() - begun < 60
    finally:
        fs.rm("streaming/damaged", recursive=True)


def test_a_closed_fetcher_has_no_threads_left() -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe("/closing/shard.tar", b"0123456789")
    fetcher = Fetcher(Folder.at("memory://closing"))
    (pending,) = fetcher.fetch([ByteRange(path="shard.tar", start=2, stop=5)], lambda size, seconds: None)
    assert pending.take() == b"234"
    own = set(fetcher._pool._threads)
    assert own
    fetcher.close()
    for thread in own:
        thread.join(timeout=10)
    assert not any(thread.is_alive() for thread in own)
