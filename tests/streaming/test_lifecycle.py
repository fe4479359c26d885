"""A stream starts nothing before its first batch, and ends all that it started."""

import gc
import pickle
import threading
from pathlib import Path

import numpy as np
import pytest
from torch.utils.data import DataLoader

from streamaug.errors import PluginError, StreamaugError
from streamaug.recipes import Recipe
from streamaug.store import Store
from streamaug.streaming import Cache, Stream
from streamaug.streaming.workers import ThreadWorkers


def threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


def decoding_threads() -> set[threading.Thread]:
    """Those of this test's streams, and of other tests' that are still referred to."""
    gc.collect()
    return {thread for thread in threading.enumerate() if thread.name.startswith("streamaug-")}


@pytest.fixture
def stream(store: Store, recipe: Recipe) -> Stream:
    list(Stream(recipe, store, batch_size=32, features="waveform", threads=1))  # starts what libraries keep
    return Stream(recipe, store, batch_size=32, features="waveform", threads=4)


def test_reading_metrics_starts_no_threads_before_the_first_batch(stream: Stream) -> None:
    before = threads()
    assert (stream.metrics.clips, stream.metrics.bottleneck, stream.cached) == (0, "none", {})
    assert threads() == before


def test_reading_metrics_in_the_parent_of_workers_starts_no_threads(stream: Stream) -> None:
    for _ in DataLoader(stream, batch_size=None, num_workers=1):
        pass
    before = threading.active_count()
    assert stream.metrics.batches == 0
    assert threading.active_count() == before


def test_close_ends_all_threads_and_the_stream_can_be_iterated_again(stream: Stream) -> None:
    others = decoding_threads()
    with stream:
        assert len(list(stream)) == 3
        assert len(decoding_threads() - others) >= 4
    assert decoding_threads() <= others
    assert len(list(stream)) == 3
    stream.close()
    stream.close()


def test_close_publishes_what_the_cache_has(store: Store, recipe: Recipe, tmp_path) -> None:
    cache = Cache(folder=tmp_path / "cache")
    with Stream(recipe, store, batch_size=16, feature_cache=cache) as stream:
        next(iter(stream))
    with Stream(recipe, store, batch_size=16, feature_cache=cache) as stream:
        next(iter(stream))
        assert stream.metrics.cached_clips == 16


def test_closing_a_stream_that_is_iterated_is_an_error_that_says_so(stream: Stream) -> None:
    iterator = iter(stream)
    next(iterator)
    stream.close()
    with pytest.raises(StreamaugError, match="closed while it was iterated"):
        list(iterator)


def test_a_pickled_stream_serves_the_same_rows(stream: Stream) -> None:
    next(iter(stream))
    copy = pickle.loads(pickle.dumps(stream))
    copy.load_state_dict({**stream.state_dict(), "epoch": 2, "rows": 0})
    stream.load_state_dict({**stream.state_dict(), "epoch": 2, "rows": 0})
    assert [batch["clip_id"] for batch in copy] == [batch["clip_id"] for batch in stream]


def test_workers_of_a_users_own_decode_a_stream(store: Store, recipe: Recipe) -> None:
    class Counted(ThreadWorkers):
        submitted = 0

        def submit(self, prepare, outs):
            type(self).submitted += 1
            return super().submit(prepare, outs)

    batches = list(Stream(recipe, store, batch_size=32, features="waveform", workers=Counted))
    assert Counted.submitted == 96 == sum(len(batch["label"]) for batch in batches)


def test_an_unknown_kind_of_workers_is_refused_with_those_there_are(store: Store, recipe: Recipe) -> None:
    with pytest.raises(PluginError, match="Did you mean 'threads'"):
        next(iter(Stream(recipe, store, workers="thread")))


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"threads": 0}, "threads=0"), ({"on_corrupt": "skip"}, "'raise' or 'replace'"), ({"deadline": 0}, "deadline=0")],
)
def test_arguments_out_of_range_are_refused_when_the_stream_is_opened(store: Store, recipe: Recipe, settings, message) -> None:
    with pytest.raises(StreamaugError, match=message):
        Stream(recipe, store, **settings)


def test_positions_are_consecutive(stream: Stream) -> None:
    assert np.concatenate([batch["position"].numpy() for batch in stream]).tolist() == list(range(96))
