"""A plan carried out: what is in a batch, in which order, on any number of threads, ranks and
workers."""

from collections import Counter

import pytest
import torch

from streamaug.codecs import decode
from streamaug.errors import RecipeError, StreamaugError
from streamaug.features import LogMel, with_deltas
from streamaug.planning.open_plan import open_plan
from streamaug.recipes import Recipe
from streamaug.store import Store
from streamaug.streaming import Cache, Stream
from tests.streaming.conftest import RATE, write_recipe


def same(left: dict, right: dict) -> bool:
    """Whether two batches have the same content, bit for bit."""

    def equal(one: object, other: object) -> bool:
        if isinstance(one, dict):
            return same(one, other)
        return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other

    return left.keys() == right.keys() and all(equal(value, right[name]) for name, value in left.items())


def pairs(batches: list[dict]) -> list[tuple[str, str]]:
    return [pair for batch in batches for pair in zip(batch["clip_id"], batch["condition"], strict=True)]


def test_a_batch_holds_what_is_documented(store: Store, recipe: Recipe) -> None:
    batch = next(iter(Stream(recipe, store, batch_size=8)))
    assert set(batch) == {"logmel", "label", "clip_id", "condition", "position", "epoch", "consumed", "length", "frames"}
    assert batch["logmel"].shape == (8, 3, 128, RATE // 1024 + 1 - 8)
    assert batch["logmel"].dtype == torch.float32
    assert batch["label"].dtype == torch.int64
    assert batch["position"].tolist() == list(range(8))
    assert (batch["epoch"], batch["consumed"]) == (0, 8)
    labels = dict(zip(store.clips["clip_id"].to_pylist(), store.clips["label"].to_pylist(), strict=True))
    assert [store.manifest.labels[number] for number in batch["label"]] == [labels[clip] for clip in batch["clip_id"]]


def test_rows_are_the_plans_rows_and_their_features_those_of_their_bitstreams(store: Store, recipe: Recipe) -> None:
    stream = Stream(recipe, store, batch_size=16)
    batches = list(stream)
    rows = stream.plan.rows(0, range(96))
    ids = store.clips["clip_id"].to_pylist()
    assert pairs(batches) == [(ids[clip], stream.plan.conditions[c]) for clip, [c] in zip(rows.clip, rows.condition, strict=True)]
    for batch in batches[:2]:
        for clip, condition, features in zip(batch["clip_id"], batch["condition"], batch["logmel"], strict=True):
            at = store.location(condition, clip)
            samples = decode(at.read(store.folder), decoding=at.decoding, rate=RATE, delay=at.delay, samples=RATE)
            assert torch.equal(features, with_deltas(LogMel(rate=RATE)(torch.from_numpy(samples))))


def test_an_epoch_of_a_union_holds_each_clip_once_in_each_condition(store: Store, recipe: Recipe) -> None:
    assert set(Counter(pairs(list(Stream(recipe, store, batch_size=16)))).values()) == {1}


def test_the_number_of_threads_does_not_change_a_bit(store: Store, recipe: Recipe) -> None:
    one = list(Stream(recipe, store, batch_size=12, threads=1))
    four = list(Stream(recipe, store, batch_size=12, threads=4))
    assert len(one) == len(four) == 8
    assert all(map(same, one, four))


def test_the_next_iteration_is_the_next_epoch(store: Store, recipe: Recipe) -> None:
    stream = Stream(recipe, store, batch_size=32, features="waveform")
    first, second = list(stream), list(stream)
    assert [batch["epoch"] for batch in first + second] == [0, 0, 0, 1, 1, 1]
    assert pairs(first) != pairs(second)
    assert sorted(pairs(first)) == sorted(pairs(second))


def test_waveform_and_static_are_what_the_features_are_made_from(store: Store, recipe: Recipe) -> None:
    waveform, static, logmel = (next(iter(Stream(recipe, store, batch_size=4, features=name))) for name in ("waveform", "static", "logmel"))
    assert waveform["waveform"].shape == (4, RATE)
    assert torch.equal(static["static"], torch.stack([LogMel(rate=RATE)(clip) for clip in waveform["waveform"]]))
    assert torch.equal(logmel["logmel"], with_deltas(static["static"]))


def test_evaluation_serves_every_clip_of_the_split_once_in_the_order_of_the_clips(store: Store) -> None:
    stream = Stream.evaluation(store, "mp3_64", batch_size=3)
    expected = [
        clip
        for clip, split in zip(store.clips["clip_id"].to_pylist(), store.clips["split"].to_pylist(), strict=True)
        if split == "evaluate"
    ]
    for _ in range(2):
        batches = list(stream)
        assert [len(batch["label"]) for batch in batches] == [3, 3, 2]
        assert pairs(batches) == [(clip, "mp3_64") for clip in expected]


@pytest.mark.parametrize(("tail", "sizes"), [("drop", [20] * 4), ("keep", [20] * 4 + [16]), ("pad", [20] * 5)])
def test_tails_are_dropped_kept_or_padded_as_asked(store: Store, recipe: Recipe, tail: str, sizes: list[int]) -> None:
    batches = list(Stream(recipe, store, batch_size=20, tail=tail, features="waveform"))
    assert [len(batch["label"]) for batch in batches] == sizes
    if tail == "pad":
        assert batches[-1]["position"].tolist() == list(range(80, 100))
        assert pairs(batches)[96:] == pairs(batches)[:4]


@pytest.mark.parametrize("world", [1, 2, 4])
def test_ranks_share_each_global_batch_and_have_equal_length(store: Store, recipe: Recipe, world: int) -> None:
    whole = list(Stream(recipe, store, batch_size=20, features="waveform"))
    ranks = [list(Stream(recipe, store, batch_size=20, features="waveform", rank=rank, world=world)) for rank in range(world)]
    assert {len(batches) for batches in ranks} == {4}
    for number, batch in enumerate(whole):
        assert torch.equal(torch.cat([batches[number]["waveform"] for batches in ranks]), batch["waveform"])
        assert [clip for batches in ranks for clip in batches[number]["clip_id"]] == batch["clip_id"]


def test_a_batch_that_ranks_cannot_share_evenly_is_refused(store: Store, recipe: Recipe) -> None:
    with pytest.raises(StreamaugError, match="multiple of 3"):
        Stream(recipe, store, batch_size=20, rank=0, world=3)


def test_an_epoch_that_fills_no_batch_is_refused_before_training(store: Store, recipe: Recipe) -> None:
    with pytest.raises(StreamaugError, match="fewer than one batch of 200"):
        Stream(recipe, store, batch_size=200)


def test_views_add_an_axis(store: Store, tmp_path) -> None:
    recipe = write_recipe(
        tmp_path / "views.yaml", "draw: views\nviews: 2\nanchor: original\nmixture: {original: 1, mp3_64: 0.5, opus_32: 0.5}\n"
    )
    batch = next(iter(Stream(recipe, store, batch_size=4, provenance=True)))
    assert batch["logmel"].shape[:3] == (4, 2, 3)
    assert len(batch["clip_id"]) == len(batch["condition"]) == 4
    for row, conditions in enumerate(batch["condition"]):
        assert "original" in conditions
        for view, condition in enumerate(conditions):
            single = next(
                features
                for alone in Stream.evaluation(store, condition, split="train", batch_size=32)
                for clip, features in zip(alone["clip_id"], alone["logmel"], strict=True)
                if clip == batch["clip_id"][row]
            )
            assert torch.equal(batch["logmel"][row, view], single)
        assert [told["condition"] for told in batch["provenance"][row]] == conditions


def test_provenance_tells_how_a_bitstream_was_made(store: Store, recipe: Recipe) -> None:
    batch = next(iter(Stream(recipe, store, batch_size=32, provenance=True)))
    told = batch["provenance"][batch["condition"].index("mp3_64")]
    assert told["steps"][0]["step"] == "mp3_64"
    assert told["steps"][0]["encoder"]
    assert told["generations"] == 1
    assert 50 < told["kbps"] < 80


def test_a_stratified_recipe_refuses_another_batch(store: Store, tmp_path) -> None:
    recipe = write_recipe(tmp_path / "r.yaml", "draw: union\nstratify: 12\nmixture: {original: 1, mp3_64: 1, opus_32: 1}\n")
    for given in (recipe, open_plan(recipe, store)):
        with pytest.raises(RecipeError, match="'stratify: 12' needs a batch_size of 12, not 16"):
            Stream(given, store, batch_size=16)
    for batch in Stream(recipe, store, batch_size=12, features="waveform"):
        assert set(Counter(batch["condition"]).values()) == {4}


def test_threads_leave_pytorchs_number_of_cores_alone(store: Store, recipe: Recipe) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)  # which no thread of a stream sets
    try:
        next(iter(Stream(recipe, store, batch_size=8, threads=3)))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("features", ["logmel", "static"])
def test_a_consumer_in_inference_mode_gets_the_same_from_store_and_cache(store: Store, recipe: Recipe, tmp_path, features: str) -> None:
    """The threads that fill a batch are not in that mode, and may not write into memory that was
    made in it."""
    settings = {"batch_size": 16, "features": features, "feature_cache": Cache(folder=tmp_path / "cache", bound=1 << 28)}
    expected = list(Stream(recipe, store, **settings))
    stream = Stream(recipe, store, **settings)
    with torch.inference_mode():
        assert all(map(same, stream, expected))
    assert stream.metrics.cached_clips == 96
