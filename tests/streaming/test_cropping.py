"""Crops in a stream: whoever makes a row, its crop is the same; its length is the clip's own
business."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from streamaug import Crop
from streamaug.errors import StreamaugError
from streamaug.recipes import Recipe
from streamaug.store import Store
from streamaug.streaming import Stream
from streamaug.streaming.cropping import crop_words
from tests.streaming.conftest import write_recipe
from tests.streaming.test_lengths import MEL, RATE, broken_row, stream
from tests.streaming.test_stream import pairs, same

HALF = RATE // 2
"""Samples of the crops; a third of the clips are shorter."""

RANDOM = Crop(0.5)


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """Each training clip once in each condition an epoch: 54 rows."""
    return write_recipe(tmp_path / "recipe.yaml", "draw: union\nmixture: {original: 1, alaw_64: 1, mp3_24: 1}\n")


def start_of(crop: torch.Tensor, sound: np.ndarray) -> int:
    """Where a crop is in the sound of its clip."""
    [start] = np.flatnonzero((np.lib.stride_tricks.sliding_window_view(sound, len(crop)) == crop.numpy()).all(1))
    return int(start)


def rows(batches) -> dict[tuple[int, int], tuple[str, str, bytes]]:
    """Clip, condition and samples of each row, by epoch and position."""
    return {
        (batch["epoch"], position): (clip, condition, row.numpy().tobytes())
        for batch in batches
        for position, clip, condition, row in zip(
            batch["position"].tolist(), batch["clip_id"], batch["condition"], batch["waveform"], strict=True
        )
    }


def test_a_random_crop_is_a_part_of_its_clip_somewhere_else_in_every_epoch(varied: Store, recipe: Recipe) -> None:
    running, starts = stream(recipe, varied, crop=RANDOM), []
    for _ in range(2):
        found = {}
        for batch in running:
            assert batch["waveform"].shape == (len(batch["clip_id"]), HALF)
            for (clip, condition), length, row in zip(pairs([batch]), batch["length"].tolist(), batch["waveform"], strict=True):
                sound = varied.read(condition, clip).samples
                assert length == min(len(sound), HALF)
                assert not row[length:].any()
                found[clip, condition] = start_of(row[:length], sound), len(sound) - length
        starts.append(found)
    movable = [key for key, (_, room) in starts[0].items() if room > 100]
    assert len(movable) >= 30
    assert sum(starts[0][key] == starts[1][key] for key in movable) <= 2
    shares = [start / room for found in starts for start, room in (found[key] for key in movable)]
    assert np.histogram(shares, 4, (0, 1))[0].min() > 8


def test_places_are_equally_likely_and_those_of_neighbours_have_nothing_in_common() -> None:
    words = np.array([crop_words(seed, epoch, np.arange(500)) for seed in range(5) for epoch in range(4)], np.float64) / 2**64
    counts = np.histogram(words, 20, (0, 1))[0]
    assert abs(counts - words.size / 20).max() < 5 * np.sqrt(words.size / 20)
    for axis in (0, 1):
        one, other = np.delete(words, 0, axis).ravel(), np.delete(words, -1, axis).ravel()
        assert abs(np.corrcoef(one, other)[0, 1]) < 5 / np.sqrt(len(one))


@pytest.mark.parametrize("pad", ["zeros", "repeat", "none"])
def test_clips_that_are_too_short_are_filled_up_as_the_user_says(varied: Store, recipe: Recipe, pad: str) -> None:
    shorts = 0
    for batch in stream(recipe, varied, crop=Crop(0.5, where="start", pad=pad)):
        for (clip, condition), length, row in zip(pairs([batch]), batch["length"].tolist(), batch["waveform"], strict=True):
            sound = varied.read(condition, clip).samples[:HALF]
            shorts += len(sound) < HALF
            expected = np.resize(sound, HALF) if pad == "repeat" else sound
            assert length == len(expected)
            assert np.array_equal(row[:length], expected)
            assert not row[length:].any()
        longest = HALF if pad != "none" else int(batch["length"].max())
        assert batch["waveform"].shape[1] == longest
    assert shorts > 10


def test_milliseconds_for_seconds_are_noticed(varied: Store, recipe: Recipe) -> None:
    with pytest.raises(StreamaugError, match=r"Crop\(seconds=500\) is more than 100 times as long as the longest clip, which has 1\.30 s"):
        stream(recipe, varied, crop=Crop(500))


def test_features_see_the_crop_alone(varied: Store, recipe: Recipe) -> None:
    for batch in stream(recipe, varied, crop=RANDOM, features={"sound": "waveform", "mel": MEL}):
        fitted = MEL.at_rate(RATE)
        assert torch.equal(batch["mel"], torch.stack([fitted(row) for row in batch["sound"]]))
        assert set(batch["frames"]["mel"].tolist()) == {MEL.frames(HALF)}


def test_log_mel_takes_short_clips_that_are_filled_up(varied: Store, recipe: Recipe) -> None:
    batch = next(iter(stream(recipe, varied, crop=Crop(1.5), features="logmel")))
    assert batch["logmel"].shape == (8, 3, 128, 4)
    assert batch["frames"].tolist() == [4] * 8


@pytest.mark.parametrize("loaders", [0, 2])
def test_the_same_crops_on_any_number_of_ranks_workers_and_rows_per_batch(varied: Store, recipe: Recipe, loaders: int) -> None:
    whole = stream(recipe, varied, crop=RANDOM)
    expected = rows([*whole, *whole])
    for world, batch_size, settings in ((1, 5, {}), (2, 8, {"workers": None}), (3, 6, {"workers": None, "threads": 3})):
        served = {}
        for rank in range(world):
            part = stream(recipe, varied, crop=RANDOM, batch_size=batch_size, rank=rank, world=world, **settings)
            loader = DataLoader(part, batch_size=None, num_workers=loaders)
            served |= rows([*loader, *loader])
        assert served == expected


@pytest.mark.parametrize("stop", [1, 4, 7, 10])
def test_the_same_crops_after_a_resume_at_any_batch(varied: Store, recipe: Recipe, stop: int) -> None:
    whole = stream(recipe, varied, crop=RANDOM)
    expected = rows([*whole, *whole])
    before, served = stream(recipe, varied, crop=RANDOM), {}
    batches = (batch for _ in range(2) for batch in before)
    for _ in range(stop):
        served |= rows([next(batches)])
    after = stream(recipe, varied, crop=RANDOM, batch_size=9)
    after.load_state_dict(json.loads(json.dumps(before.state_dict())))
    while len(served) < len(expected):
        served |= rows(after)
    assert served == expected


def test_another_seed_gives_other_crops(varied: Store) -> None:
    recipe = {"draw": "union", "mixture": {"original": 1}}
    by_clip = []
    for seed in (0, 1):
        batches = list(stream(recipe, varied, crop=RANDOM, seed=seed))
        by_clip.append({clip: row for batch in batches for clip, row in zip(batch["clip_id"], batch["waveform"], strict=True)})
    assert sum(torch.equal(by_clip[0][clip], by_clip[1][clip]) for clip in by_clip[0]) < len(by_clip[0]) / 2


def test_rows_that_pad_the_last_batch_are_the_first_rows_again(varied: Store, recipe: Recipe) -> None:
    batches = list(stream(recipe, varied, crop=RANDOM, batch_size=20, tail="pad"))
    assert batches[-1]["position"].tolist() == list(range(40, 60))
    assert torch.equal(batches[-1]["waveform"][14:], batches[0]["waveform"][:6])


def test_all_views_of_a_row_have_the_same_part_of_the_clip(varied: Store) -> None:
    recipe = {"draw": "views", "views": 3, "mixture": {"original": 1, "alaw_64": 1, "mp3_24": 1}}
    for batch in stream(recipe, varied, crop=Crop(0.3)):
        for clip, conditions, length, views in zip(
            batch["clip_id"], batch["condition"], batch["length"].tolist(), batch["waveform"], strict=True
        ):
            sounds = [varied.read(condition, clip).samples for condition in conditions]
            assert len({start_of(view[:length], sound) for view, sound in zip(views, sounds, strict=True)}) == 1


def test_a_substitute_is_cropped_by_its_own_length_at_the_place_of_the_row(varied: Store, tmp_path: Path) -> None:
    store, plan, row, location = broken_row(varied, tmp_path)
    crop = Crop(0.3)
    with stream(plan, store, batch_size=2, crop=crop, on_corrupt="replace") as running:
        batch = list(running)[row // 2]
    assert batch["replaced"] == [location.clip_id, None]
    sound = store.read("original", batch["clip_id"][0]).samples
    span = crop.span(len(sound), rate=RATE, word=crop_words(plan.identity.seed, 0, np.array([row]))[0])
    assert np.array_equal(batch["waveform"][0], sound[span.start : span.stop])


@pytest.mark.parametrize("where", ["start", "centre"])
def test_an_evaluation_takes_the_same_crop_in_every_epoch(varied: Store, where: str) -> None:
    evaluation = Stream.evaluation(varied, "mp3_24", batch_size=4, features="waveform", crop=Crop(0.5, where=where))
    first, second = list(evaluation), list(evaluation)
    for batch, again in zip(first, second, strict=True):
        assert same({**batch, "epoch": 0}, {**again, "epoch": 0})
        for clip, length, row in zip(batch["clip_id"], batch["length"].tolist(), batch["waveform"], strict=True):
            sound = varied.read("mp3_24", clip).samples
            assert start_of(row[:length], sound) == (0 if where == "start" else (len(sound) - length) // 2)


def test_a_random_crop_is_refused_where_it_would_not_be_the_same_again(varied: Store, recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(StreamaugError, match=r"a random crop is not; write Crop\(..., where='start'\) or 'centre'"):
        Stream.evaluation(varied, "original", crop=RANDOM)
    with pytest.raises(StreamaugError, match="a feature cache cannot keep random crops"):
        stream(recipe, varied, crop=RANDOM, feature_cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
    with pytest.raises(StreamaugError, match=r"crop=1.0: write crop=Crop\(seconds=...\)"):
        stream(recipe, varied, crop=1.0)


def test_each_crop_has_its_own_entries_in_a_cache(varied: Store, recipe: Recipe, tmp_path: Path) -> None:
    crops = [None, Crop(0.5, where="start"), Crop(0.5, where="centre"), Crop(0.5, where="centre", pad="repeat"), Crop(0.4, where="start")]
    for cached in (False, True):
        for crop in crops:
            settings = {"features": {"mel": MEL, "sound": "waveform"}, "crop": crop}
            expected = list(stream(recipe, varied, **settings))
            running = stream(recipe, varied, feature_cache=tmp_path / "cache", **settings)
            for batch, right in zip(running, expected, strict=True):
                assert torch.equal(batch["sound"], right["sound"])
                assert torch.equal(batch["length"], right["length"])
                assert same(batch["frames"], right["frames"])
                assert torch.equal(batch["mel"], right["mel"].half().float())
            assert bool(running.metrics.decoded_clips) is not cached
