"""Random augmentation: each row is the same on whatever number of workers and ranks it is made, and
after whatever stop; what would make it differ is an error."""

import json
import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from streamaug.errors import AugmentError
from streamaug.recipes import Recipe
from streamaug.store import Store
from streamaug.streaming import Stream
from streamaug.streaming.augment import AugmentRow
from tests.streaming.conftest import RATE
from tests.streaming.test_faults import flip
from tests.streaming.test_stream import same

VIEWS = {"draw": "views", "views": 2, "mixture": {"original": 1, "mp3_64": 1, "opus_32": 1}}
TOLD = 5
"""Values at the start of a waveform in which `tell` writes what it got."""


def stream(recipe: Any, store: Any, **settings: Any) -> Stream:
    return Stream(recipe, store, **{"batch_size": 12, "features": "waveform", "threads": 2, "tail": "keep", **settings})


def noise(waveform: np.ndarray, rate: int, generator: np.random.Generator, row: AugmentRow) -> np.ndarray:
    return waveform + 0.01 * generator.standard_normal(len(waveform), np.float32)


def tell(waveform: np.ndarray, rate: int, generator: np.random.Generator, row: AugmentRow) -> np.ndarray:
    """Write what it gets into the waveform."""
    waveform[:TOLD] = rate, row.epoch, row.position, row.view, sum(f"{row.clip_id} {row.condition}".encode())
    waveform[TOLD] = generator.random()
    return waveform


def epochs(one: Iterable[dict], count: int = 2) -> list[dict]:
    return [batch for _ in range(count) for batch in one]


def waveforms(batches: list[dict], key: str = "waveform") -> torch.Tensor:
    return torch.cat([batch[key] for batch in batches])


def test_a_callable_gets_waveform_rate_generator_and_row(store: Store) -> None:
    plain, told = (stream(VIEWS, store, augment=augment) for augment in (None, tell))
    drawn = set()
    for before, after in zip(epochs(plain), epochs(told), strict=True):
        assert torch.equal(after["waveform"][..., TOLD + 1 :], before["waveform"][..., TOLD + 1 :])
        for number, position in enumerate(after["position"].tolist()):
            for view, condition in enumerate(after["condition"][number]):
                name = sum(f"{after['clip_id'][number]} {condition}".encode())
                assert after["waveform"][number, view, :TOLD].tolist() == [RATE, after["epoch"], position, view, name]
                drawn.add(after["waveform"][number, view, TOLD].item())
    rows = 2 * plain.plan.epoch_size(0) * 2
    assert len(drawn) == rows  # another seed for each row of each epoch, and each view


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_a_row_is_the_same_on_any_number_of_workers(store: Store, recipe: Recipe, workers: int) -> None:
    expected = epochs(stream(recipe, store, augment=noise))
    assert not torch.equal(waveforms(expected[:8])[0], waveforms(expected[8:])[0])
    one = stream(recipe, store, augment=noise, threads=1 + workers)
    loader = DataLoader(one, batch_size=None, num_workers=workers)
    assert all(map(same, epochs(loader), expected))


def test_threads_and_processes_give_the_same_bits_and_another_seed_others(store: Store, recipe: Recipe) -> None:
    def kind(name: str, seed: int = 0) -> list[dict]:
        with Stream(recipe, store, batch_size=12, features="waveform", workers=name, augment=noise, seed=seed) as one:
            return list(one)

    expected = kind("threads")
    assert all(map(same, kind("processes"), expected))

    def by_clip(batches: list[dict]) -> dict:
        names = [pair for batch in batches for pair in zip(batch["clip_id"], batch["condition"], strict=True)]
        return dict(zip(names, waveforms(batches), strict=True))

    other = by_clip(kind("threads", seed=1))
    assert not any(torch.equal(row, other[name]) for name, row in by_clip(expected).items())


@pytest.mark.parametrize(("stop", "workers_before", "workers_after"), [(1, 0, 0), (5, 2, 0), (11, 0, 1)])
def test_a_row_is_the_same_after_a_resume(store: Store, recipe: Recipe, stop: int, workers_before: int, workers_after: int) -> None:
    expected = epochs(stream(recipe, store, augment=noise))
    before, served = stream(recipe, store, augment=noise), []
    loader = DataLoader(before, batch_size=None, num_workers=workers_before)
    while len(served) < stop:
        for batch in loader:
            served.append(batch)
            if len(served) == stop:
                break
    after = stream(recipe, store, augment=noise, threads=1)
    after.load_state_dict(json.loads(json.dumps(before.state_after(served[-1]))))
    loader = DataLoader(after, batch_size=None, num_workers=workers_after)
    while len(served) < len(expected):
        served += loader
    assert all(map(same, served, expected))


def test_ranks_make_the_rows_that_one_rank_makes(store: Store, recipe: Recipe) -> None:
    whole = stream(recipe, store, augment=noise)
    ranks = zip(*(stream(recipe, store, augment=noise, rank=rank, world=2) for rank in range(2)), strict=True)
    for batch, parts in zip(whole, ranks, strict=True):
        assert torch.equal(batch["waveform"], waveforms(list(parts)))


def test_padding_repeats_the_rows_as_they_were_augmented(store: Store, recipe: Recipe) -> None:
    rows = waveforms(list(stream(recipe, store, batch_size=20, tail="pad", augment=noise)))
    assert len(rows) == 100
    assert torch.equal(rows[96:], rows[:4])


def test_a_substitute_is_augmented_as_the_clip_that_it_is(store_path: Path, recipe: Recipe, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(store_path, copy)
    flip(copy, "mp3_64", "clip07")
    batches = list(stream(recipe, copy, augment=tell, on_corrupt="replace"))
    replaced = [(batch, row) for batch in batches for row, name in enumerate(batch["replaced"]) if name == "clip07"]
    [(batch, row)] = replaced
    told = batch["waveform"][row, :TOLD].tolist()
    assert told == [RATE, 0, batch["position"][row], 0, sum(f"{batch['clip_id'][row]} mp3_64".encode())]
    drawn = waveforms(list(stream(recipe, store_path, augment=tell)))[batch["position"][row], TOLD]
    assert batch["waveform"][row, TOLD] == drawn  # the same seed


def test_what_keeps_something_from_row_to_row_is_noticed(store: Store, recipe: Recipe) -> None:
    own = np.random.default_rng()

    def forgetful(waveform: np.ndarray, rate: int, generator: np.random.Generator, row: AugmentRow) -> np.ndarray:
        return waveform * np.float32(own.random())

    with pytest.raises(AugmentError, match=r"clip 'clip\d\d': augment gives something else for the same row .*keep nothing"):
        epochs(stream(recipe, store, augment=forgetful), 6)


# Features


def test_what_a_callable_gives_is_copied_before_it_writes_there_again(store: Store, recipe: Recipe) -> None:
    memory = np.empty(0, np.float32)

    def loud(waveform: np.ndarray, rate: int, generator: np.random.Generator, row: AugmentRow) -> np.ndarray:
        nonlocal memory
        if len(memory) != len(waveform):
            memory = np.empty_like(waveform)
        np.multiply(waveform, 2, out=memory)
        return memory

    def slow(waveform: torch.Tensor) -> torch.Tensor:
        time.sleep(1e-3)
        return waveform.clone()

    settings = {"threads": 4, "features": {"sound": slow}}
    plain, doubled = (waveforms(list(stream(recipe, store, augment=augment, **settings)), "sound") for augment in (None, loud))
    assert torch.equal(doubled, 2 * plain)


def mask(features: dict[str, torch.Tensor], rate: int, generator: np.random.Generator, row: AugmentRow) -> dict[str, torch.Tensor]:
    start = int(generator.integers(10))
    features["static"][:, start : start + 3] = 0
    return {"static": features["static"], "sound": features["sound"] * generator.uniform(0.5, 1)}


def test_features_are_augmented_after_the_cache_with_the_same_bits(store: Store, tmp_path: Path) -> None:
    def opened(**settings: Any) -> Stream:
        return stream(VIEWS, store, features={"static": "static", "sound": "waveform"}, **settings)

    def check(plain: list[dict], masked: list[dict]) -> None:
        for before, after in zip(plain, masked, strict=True):
            assert (after["static"][..., :13] == 0).all(-2).any(-1).all()
            scale = (after["sound"] / before["sound"]).nanmedian(-1).values
            assert ((scale > 0.49) & (scale < 1.01)).all()
            assert len(scale.unique()) == scale.numel()

    fresh = opened(augment_features=mask)
    check(list(opened()), list(fresh))
    assert fresh.metrics.decoded_clips
    assert not fresh.metrics.cached_clips
    settings = {"augment_features": mask, "feature_cache": tmp_path / "cache"}
    cold, warm = opened(**settings), opened(**settings, threads=1)
    first = epochs(cold)
    check(epochs(opened(feature_cache=tmp_path / "cache")), first)  # rows from the cache come from rounded forms
    assert all(map(same, epochs(warm), first))
    assert not warm.metrics.decoded_clips
    assert warm.metrics.cached_clips == warm.metrics.clips


def test_both_augmentations_draw_numbers_of_their_own(store: Store, recipe: Recipe) -> None:
    def again(features: dict, rate: int, generator: np.random.Generator, row: AugmentRow) -> dict:
        features["waveform"][TOLD + 1] = generator.random()
        return features

    batch = next(iter(stream(recipe, store, augment=tell, augment_features=again)))
    assert (batch["waveform"][:, TOLD] != batch["waveform"][:, TOLD + 1]).all()


# Errors


@pytest.mark.parametrize(
    ("augment", "expected"),
    [
        (
            lambda waveform, *_: waveform[1:],
            r"augment gives waveform of shape \(15999,\); it must keep the shape \(16000,\)",
        ),
        (lambda waveform, *_: np.nan * waveform, "augment gives waveform with NaN or infinite values"),
        (
            lambda waveform, *_: (32768 * waveform).astype("int16"),
            "augment gives int16 as waveform; it must give float32",
        ),
        (lambda waveform, *_: None, "augment gives NoneType as waveform; it must give an array or a tensor"),
        (lambda waveform, *_: waveform.missing, "augment fails: AttributeError: .* no attribute 'missing'"),
    ],
)
def test_what_cannot_be_in_a_row_is_an_error_that_names_it(store: Store, recipe: Recipe, augment, expected: str) -> None:
    with (
        pytest.raises(AugmentError, match=rf"small/\w+/\w+-\w+.tar: clip 'clip\d\d': {expected}.*condition '\w+', position \d+ of epoch 0"),
        np.errstate(all="ignore"),
    ):
        list(stream(recipe, store, augment=augment))


@pytest.mark.parametrize(
    ("augment", "expected"),
    [
        (lambda features, *_: features["static"], "gives Tensor; it must give a mapping with the keys"),
        (
            lambda features, *_: {},
            r"gives a mapping with the keys \[\]; it must give a mapping with the keys \['static'\]",
        ),
        (lambda features, *_: {"static": features["static"][1:]}, "gives 'static' of shape .*; it must keep the shape"),
        (lambda features, *_: {"static": torch.nan * features["static"]}, "gives 'static' with NaN or infinite values"),
        (lambda features, *_: features["mel"], "augment_features fails: KeyError: 'mel'"),
    ],
)
@pytest.mark.parametrize("cached", [False, True])
def test_so_are_features(store: Store, recipe: Recipe, tmp_path: Path, augment, expected: str, cached: bool) -> None:
    settings = {"features": "static", "feature_cache": tmp_path / "cache" if cached else None}
    if cached:
        list(stream(recipe, store, **settings))
    with pytest.raises(AugmentError, match=rf"small/\w+/\w+-\w+.tar: clip 'clip\d\d': .*{expected}.*condition '\w+', position \d+"):
        list(stream(recipe, store, augment_features=augment, **settings))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"augment": lambda samples, sample_rate: samples}, r"cannot be called as augment\(waveform, rate, generator, row\)"),
        ({"augment": "noise"}, r"augment='noise' cannot be called"),
        ({"augment_features": lambda features: features}, r"cannot be called as augment_features\(features, rate, generator, row\)"),
        ({"augment": noise, "feature_cache": "cache"}, "leave one of them out, or write augment_features"),
    ],
)
def test_what_cannot_augment_is_refused_when_the_stream_is_opened(store: Store, recipe: Recipe, settings: dict, expected: str) -> None:
    with pytest.raises(AugmentError, match=expected):
        stream(recipe, store, **settings)


@pytest.mark.parametrize("name", ["augment", "augment_features"])
def test_an_evaluation_is_not_augmented(store: Store, name: str) -> None:
    with pytest.raises(AugmentError, match=f"{name} would change what is evaluated"):
        Stream.evaluation(store, "original", **{name: noise})
