"""Caches: by content, whole or not at all, bounded, shared by processes, removing only what caches
wrote."""

import os
import resource
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import fsspec
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from streamaug.reading.segments import CacheError, Segment, Segments
from streamaug.recipes import Recipe
from streamaug.store import Store
from streamaug.streaming import Cache, Stream, pipeline
from tests.streaming.conftest import ELSEWHERE, RATE, write_recipe
from tests.streaming.test_stream import pairs, same

ENTRY = 128 * (RATE // 1024 + 1) * 2


def cached(recipe: Recipe, store: Store, folder: Path, bound: int = 1 << 30, **settings) -> Stream:
    return Stream(recipe, store, **{"batch_size": 16, "feature_cache": Cache(folder=folder, bound=bound), **settings})


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def test_a_warm_epoch_decodes_nothing_and_is_bit_equal(store: Store, recipe: Recipe, tmp_path: Path) -> None:
    cold = cached(recipe, store, tmp_path / "cache")
    first = list(cold)
    assert sum(cold.metrics.decoded_clips.values()) == 96
    for threads in (1, 3):
        warm = cached(recipe, store, tmp_path / "cache", threads=threads)
        assert all(map(same, list(warm), first))
        assert (sum(warm.metrics.decoded_clips.values()), warm.metrics.cached_clips) == (0, 96)


def test_a_second_epoch_comes_from_the_cache_with_the_features_of_the_first(store: Store, recipe: Recipe, tmp_path: Path) -> None:
    stream = cached(recipe, store, tmp_path / "cache", features="static")
    first = {pair: row for batch in stream for pair, row in zip(pairs([batch]), batch["static"], strict=True)}
    second = {pair: row for batch in stream for pair, row in zip(pairs([batch]), batch["static"], strict=True)}
    assert first.keys() == second.keys()
    assert all(torch.equal(first[pair], second[pair]) for pair in first)
    assert sum(stream.metrics.decoded_clips.values()) == 96


def test_features_differ_from_uncached_ones_by_the_rounding_to_float16_alone(store: Store, recipe: Recipe, tmp_path: Path) -> None:
    exact = next(iter(Stream(recipe, store, batch_size=16, features="static")))["static"]
    rounded = next(iter(cached(recipe, store, tmp_path / "cache", features="static")))["static"]
    assert torch.equal(rounded, exact.half().float())


def test_two_processes_find_what_the_other_is_caching(store: Store, recipe: Recipe, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(pipeline, "PUBLISH_S", 0.0)
    expected = list(cached(recipe, store, tmp_path / "alone"))
    first, second = (cached(recipe, store, tmp_path / "cache") for _ in range(2))
    ahead = iter(first)
    served = [next(ahead), next(ahead)]
    followed = iter(second)
    batches = [next(followed)]
    found = second.metrics.cached_clips
    assert found > 0  # the first one's, in the middle of its epoch
    served += ahead
    batches += followed
    assert second.metrics.cached_clips > found  # those that came later, too
    assert all(map(same, served, expected))
    assert all(map(same, batches, expected))


def test_another_recipe_on_the_same_clips_finds_the_features(store: Store, recipe: Recipe, tmp_path: Path) -> None:
    list(cached(recipe, store, tmp_path / "cache"))
    other = write_recipe(tmp_path / "other.yaml", "draw: one-per-clip\nmixture: {original: 1, mp3_64: 1}\n")
    stream = cached(other, store, tmp_path / "cache")
    list(stream)
    assert not stream.metrics.decoded_clips


def test_conditions_of_one_clip_are_kept_apart(store: Store, recipe: Recipe, tmp_path: Path) -> None:
    """The shards of all conditions are cut alike and have the same numbers: nothing may be keyed by
    such names."""
    list(cached(recipe, store, tmp_path / "cache"))
    by_condition = {}
    for condition in ("original", "mp3_64", "opus_32"):
        plain = next(iter(Stream.evaluation(store, condition, split="train", batch_size=32, features="static")))["static"]
        warm = next(
            iter(
                Stream.evaluation(
                    store,
                    condition,
                    split="train",
                    batch_size=32,
                    features="static",
                    feature_cache=Cache(folder=tmp_path / "cache", bound=1 << 30),
                )
            )
        )["static"]
        assert torch.equal(warm, plain.half().float())
        by_condition[condition] = warm
    assert not torch.equal(by_condition["original"], by_condition["mp3_64"])


def test_dataloader_workers_share_the_folder(store: Store, recipe: Recipe, tmp_path: Path) -> None:
    stream = cached(recipe, store, tmp_path / "cache")
    first = list(DataLoader(stream, batch_size=None, num_workers=3))
    warm = cached(recipe, store, tmp_path / "cache")
    assert all(map(same, list(warm), first))
    assert not warm.metrics.decoded_clips


@pytest.mark.parametrize("entries", [1, 20, 60])
def test_a_small_bound_is_kept_and_the_rows_are_right(store: Store, recipe: Recipe, tmp_path: Path, entries: int) -> None:
    bound = entries * (ENTRY + 40) + 2000
    expected = list(cached(recipe, store, tmp_path / "whole"))
    stream = cached(recipe, store, tmp_path / "cache", bound)
    assert all(map(same, list(stream), expected))
    assert size_of(tmp_path / "cache") <= bound
    list(stream)
    assert size_of(tmp_path / "cache") <= bound
    assert 0 < stream.metrics.cached_clips <= entries


def test_too_small_a_bound_is_answered_with_the_smallest_that_works(store: Store, recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(CacheError, match="too small for one entry; allow at least") as caught:
        next(iter(cached(recipe, store, tmp_path / "cache", 1000)))
    smallest = int(str(caught.value).split("at least ")[1].split()[0])
    with pytest.raises(CacheError):
        next(iter(cached(recipe, store, tmp_path / "cache", smallest - 1)))
    stream = cached(recipe, store, tmp_path / "cache", smallest)
    list(stream)
    list(stream)
    assert stream.metrics.cached_clips == 1


def test_room_is_made_by_removing_what_is_not_needed_and_nothing_else(store: Store, recipe: Recipe, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    other = write_recipe(tmp_path / "other.yaml", "draw: union\nmixture: {original: 1}\n")
    list(cached(other, store, folder, features="static", split="evaluate", batch_size=8))
    bystanders = [folder / "notes.txt", folder / "0123456789abcdef.segment", folder / ("0" * 16 + "-" + "0" * 32 + ".tar")]
    for path in bystanders:
        path.write_bytes(b"x" * 3000)
    old = set(folder.glob("*-*.segment"))
    bound = 34 * (ENTRY + 40) + 4000
    stream = cached(write_recipe(tmp_path / "mp3.yaml", "draw: union\nmixture: {mp3_64: 1}\n"), store, folder, bound)
    list(stream)
    list(stream)
    assert not old & set(folder.glob("*-*.segment"))
    assert stream.metrics.cached_clips > 20
    assert all(path.read_bytes() == b"x" * 3000 for path in bystanders)
    list(stream)  # what is in use is not removed to make room for more of it
    assert stream.metrics.cached_clips > 45


def test_a_damaged_or_foreign_segment_is_not_used(store: Store, recipe: Recipe, tmp_path: Path) -> None:
    expected = list(cached(recipe, store, tmp_path / "cache"))
    segments = sorted((tmp_path / "cache").glob("*.segment"))
    data = segments[0].read_bytes()
    for damaged in (data[:-100], b"", data[:20], b"\0" * len(data)):
        segments[0].write_bytes(damaged)
        assert Segment.open(segments[0]) is None
        assert all(map(same, list(cached(recipe, store, tmp_path / "cache")), expected))


def test_segments_give_back_what_was_added(tmp_path: Path) -> None:
    writer = Segments(tmp_path, bound=1 << 20, kind="0" * 16, largest=5000)
    entries = {bytes([number]) * 32: os.urandom(number * 100) for number in range(50)}
    for key, data in entries.items():
        assert writer.add(key, memoryview(data), protected=set)
    writer.seal()
    reader = Segments(tmp_path, bound=1 << 20, kind="0" * 16, largest=5000)
    found = {key.tobytes(): bytes(segment.entry(n)) for segment in reader.fresh() for n, key in enumerate(segment.keys)}
    assert found == entries
    assert reader.fresh() == []
    assert Segments(tmp_path, bound=1 << 20, kind="1" * 16, largest=5000).fresh() == []


@ELSEWHERE
def test_what_a_killed_process_left_is_swept_up_and_a_living_ones_is_not(store_path: Path, recipe: Recipe, tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(
        textwrap.dedent("""
        import sys, time
        from streamaug.streaming import Cache, Stream, pipeline
        stream = Stream(sys.argv[1], sys.argv[2], batch_size=8, feature_cache=Cache(folder=sys.argv[3], bound=1 << 30))
        next(iter(stream))
        batches = iter(stream)
        next(batches)
        print("there", flush=True)
        time.sleep(60)
    """)
    )
    folder = tmp_path / "cache"
    run = subprocess.Popen([sys.executable, script, tmp_path / "recipe.yaml", store_path, folder], stdout=subprocess.PIPE)
    assert run.stdout is not None
    run.stdout.readline()
    store = Store.open(store_path)
    next(iter(cached(recipe, store, folder)))
    assert list(folder.glob("*.part"))
    run.send_signal(signal.SIGKILL)
    run.wait()
    stream = cached(recipe, store, folder)
    assert len(list(stream)) == 6
    del stream
    assert not list(folder.glob("*.part"))


def test_a_full_disk_ends_caching_and_not_the_stream(
    store: Store, recipe: Recipe, tmp_path: Path, caplog: pytest.LogCaptureFixture, workers: str
) -> None:
    if workers == "processes":
        pytest.skip("the limit on the size of files holds for shared memory, too")
    expected = list(cached(recipe, store, tmp_path / "whole"))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10 * ENTRY, before[1]))
    try:
        stream = cached(recipe, store, tmp_path / "cache")
        assert all(map(same, list(stream), expected))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert "is full" in caplog.text
    assert not list((tmp_path / "cache").glob("*.part"))


def test_a_disk_that_fills_up_ends_caching_and_not_the_stream(
    store: Store, recipe: Recipe, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    expected = list(cached(recipe, store, tmp_path / "whole"))
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={20 * ENTRY}", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("mounting a small disk needs rights that this user has not")
    try:
        stream = cached(recipe, store, disk)
        assert all(map(same, list(stream), expected))
        assert "is full: [Errno 28] No space left" in caplog.text
        assert not list(disk.glob("*.part"))
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_cache_where_nothing_can_be_written_is_refused_by_name(store: Store, recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match=r"file/cache cannot be used.*local disk"):
        next(iter(cached(recipe, store, tmp_path / "file" / "cache")))


def test_bitstreams_of_a_remote_store_are_read_once(store_path: Path, recipe: Recipe, tmp_path: Path) -> None:
    remote = fsspec.filesystem("memory")
    remote.put(str(store_path), "/cached-store", recursive=True)
    try:
        cache = Cache(folder=tmp_path / "cache", bound=1 << 30)
        settings = {"batch_size": 16, "features": "waveform", "byte_cache": cache}
        cold = Stream(recipe, "memory://cached-store", **settings)
        first, second = list(cold), list(cold)
        assert cold.metrics.reads > 0
        reads = cold.metrics.reads
        warm = Stream(recipe, "memory://cached-store", **settings)
        assert all(map(same, list(warm) + list(warm), first + second))
        assert warm.metrics.reads == 0
        assert cold.metrics.reads == reads
        assert sorted(pairs(first)) == sorted(pairs(second))
        # A damaged entry is noticed by its hash, and the store is asked.
        [segment] = (tmp_path / "cache").glob("*.segment")
        data = bytearray(segment.read_bytes())
        data[100] ^= 1
        segment.write_bytes(data)
        healed = Stream(recipe, "memory://cached-store", **settings)
        assert all(map(same, list(healed), first))
    finally:
        remote.rm("/cached-store", recursive=True)


def test_local_stores_are_read_in_place_and_never_removed_from(store: Store, recipe: Recipe, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in Path(store.url).rglob("*") if path.is_file()}
    list(Stream(recipe, store, batch_size=16, byte_cache=Cache(folder=tmp_path / "cache", bound=10)))
    assert not (tmp_path / "cache").exists()
    list(cached(recipe, store, Path(store.url), 1_000_000))  # even with the cache inside the store
    assert all(path.read_bytes() == data for path, data in before.items())
    for path in Path(store.url).glob("*-*.segment"):
        path.unlink()
    (Path(store.url) / "lock").unlink()
    assert np.all([path.exists() for path in before])
