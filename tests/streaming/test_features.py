"""Features of a user's own in a stream, with and without a cache."""

from pathlib import Path

import pytest
import torch
from torchaudio.transforms import MFCC, MelSpectrogram

from streamaug.errors import FeatureError
from streamaug.features import LogMel
from streamaug.recipes import Recipe
from streamaug.store import Store
from streamaug.streaming import Cache, Stream
from tests.streaming.conftest import RATE


def rows(stream: Stream, name: str) -> dict[tuple[str, str], torch.Tensor]:
    """An epoch's features by clip and condition."""
    return {
        (clip, condition): features.clone()
        for batch in stream
        for clip, condition, features in zip(batch["clip_id"], batch["condition"], batch[name], strict=True)
    }


def test_a_torchaudio_transform_is_a_feature_and_the_cache_gives_the_same_numbers(store: Store, recipe: Recipe, tmp_path: Path) -> None:
    def stream(**settings: object) -> Stream:
        return Stream(recipe, store, batch_size=16, features={"mel": MelSpectrogram(RATE, n_mels=40)}, **settings)

    transform, sound = MelSpectrogram(RATE, n_mels=40), rows(Stream(recipe, store, batch_size=16, features="waveform"), "waveform")
    plain = rows(stream(), "mel")
    assert plain.keys() == sound.keys()
    for key, features in plain.items():
        torch.testing.assert_close(features, transform(sound[key]))
    cold = rows(stream(feature_cache=tmp_path / "cache"), "mel")
    warm = stream(feature_cache=tmp_path / "cache")
    again = rows(warm, "mel")
    assert not warm.metrics.decoded_clips
    assert all(torch.equal(cold[key], plain[key]) and torch.equal(again[key], plain[key]) for key in plain)


def test_several_features_come_from_one_decoding_and_each_from_its_cache(store: Store, recipe: Recipe, tmp_path: Path) -> None:
    features = {"logmel": LogMel(), "small": LogMel(mels=32, deltas=False), "mfcc": MFCC(RATE, n_mfcc=13), "sound": "waveform"}
    cache = Cache(folder=tmp_path / "cache")
    cold = Stream(recipe, store, batch_size=16, features=features, feature_cache=cache)
    first = [rows_of(batch) for batch in cold]
    assert sum(cold.metrics.decoded_clips.values()) == 96
    warm = Stream(recipe, store, batch_size=16, features=features, feature_cache=cache)
    second = [rows_of(batch) for batch in warm]
    assert not warm.metrics.decoded_clips
    assert warm.cached == {f"features/{name}": 96 for name in features}
    for one, two in zip(first, second, strict=True):
        assert all(torch.equal(one[name], two[name]) for name in features)
    assert first[0]["small"].shape[1:] == (32, 16)


def rows_of(batch: dict) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in batch.items() if isinstance(value, torch.Tensor)}


def test_a_feature_that_joins_later_is_computed_and_the_others_stay_the_same(store: Store, recipe: Recipe, tmp_path: Path) -> None:
    cache = Cache(folder=tmp_path / "cache")
    alone = rows(Stream(recipe, store, batch_size=16, features="static", feature_cache=cache), "static")
    both = rows(Stream(recipe, store, batch_size=16, features={"static": "static", "sound": "waveform"}, feature_cache=cache), "static")
    assert all(torch.equal(alone[key], both[key]) for key in alone)


def test_a_plain_callable_with_a_cache_is_refused_when_the_stream_is_opened(store: Store, recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(FeatureError, match="cache_key"):
        Stream(recipe, store, features=lambda waveform: waveform[:100], feature_cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_feature_that_fails_on_a_clip_raises_its_own_error(store: Store, recipe: Recipe) -> None:
    def picky(waveform: torch.Tensor) -> torch.Tensor:
        if waveform.std() > 0.15:  # as the clips are, and what is tried at opening is not
            raise RuntimeError("too loud")
        return waveform

    with pytest.raises(FeatureError, match=r"(original|mp3_64|opus_32)/.*clip 'clip.*too loud"):
        list(Stream(recipe, store, features=picky))
