"""Clips at another sample rate than the store's."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
import torch

from streamaug.building.build import build
from streamaug.conditions import parse_conditions
from streamaug.crop import Crop
from streamaug.errors import StreamaugError
from streamaug.features import LogMel
from streamaug.recipes import Recipe
from streamaug.store import Store
from streamaug.streaming import Stream
from streamaug.streaming.cropping import crop_words
from tests.in_process import InProcess
from tests.streaming.conftest import RATE
from tests.streaming.test_stream import same


def rows(one: Stream, key: str = "waveform") -> dict[tuple[str, str], np.ndarray]:
    found = {}
    for batch in one:
        found |= dict(zip(zip(batch["clip_id"], batch["condition"], strict=True), batch[key].numpy().copy(), strict=True))
    return found


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 48_000])
def test_a_clip_has_the_bits_of_the_whole_decoded_waveform_resampled(store: Store, recipe: Recipe, rate: int) -> None:
    settings = {"batch_size": 12, "features": "waveform", "threads": 2}
    decoded, resampled = rows(Stream(recipe, store, **settings)), rows(Stream(recipe, store, rate=rate, **settings))
    assert decoded.keys() == resampled.keys()
    for pair, waveform in resampled.items():
        expected = soxr.resample(decoded[pair], RATE, rate, quality="HQ")
        assert waveform.shape == (-(-RATE * rate // RATE),)
        assert np.array_equal(waveform[: len(expected)], expected[: len(waveform)])


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 48_000])
def test_conditions_stay_aligned_with_their_original(store: Store, recipe: Recipe, rate: int) -> None:
    resampled = rows(Stream(recipe, store, batch_size=12, features="waveform", rate=rate, threads=2))
    for (clip, condition), waveform in resampled.items():
        original = soxr.resample(store.read("original", clip).samples, RATE, rate, quality="HQ")
        size = 1 << (2 * len(original)).bit_length()
        correlation = np.fft.irfft(np.fft.rfft(original, size).conj() * np.fft.rfft(waveform, size), size)
        assert int(correlation.argmax()) == 0, (clip, condition)


def test_features_and_their_cache_know_the_rate(store: Store, recipe: Recipe, tmp_path: Path) -> None:
    def opened(rate: int | None) -> Stream:
        return Stream(recipe, store, batch_size=12, features={"mel": "static", "sound": "waveform"}, rate=rate, feature_cache=tmp_path)

    plain, half = list(opened(None)), list(opened(8_000))
    assert half[0]["mel"].shape[1:] == LogMel(rate=8_000, deltas=False).shape(8_000)
    assert plain[0]["sound"].shape[1:] == (RATE,)
    assert half[0]["sound"].shape[1:] == (8_000,)
    for rate, expected in ((None, plain), (8_000, half)):
        again = opened(rate)
        assert all(map(same, again, expected))
        assert not again.metrics.decoded_clips
    own = Stream(recipe, store, batch_size=12, features={"mel": "static", "sound": "waveform"}, rate=RATE, feature_cache=tmp_path)
    assert all(map(same, own, plain))
    assert not own.metrics.decoded_clips  # the store's own rate, named


@pytest.mark.parametrize("rate", [0, -1, 16_000.0, "16000", True])
def test_what_is_no_rate_is_refused(store: Store, recipe: Recipe, rate) -> None:
    with pytest.raises(StreamaugError, match=r"rate=.*: write a sample rate in Hz"):
        Stream(recipe, store, features="waveform", rate=rate)


def test_a_rate_and_an_augmentation_go_together(store: Store, recipe: Recipe) -> None:
    def louder(waveform: np.ndarray, rate: int, generator: np.random.Generator, row: object) -> np.ndarray:
        assert (rate, len(waveform)) == (8_000, 8_000)
        return 2 * waveform

    settings = {"batch_size": 12, "features": "waveform", "rate": 8_000}
    for plain, loud in zip(Stream(recipe, store, **settings), Stream(recipe, store, augment=louder, **settings), strict=True):
        assert torch.equal(2 * plain["waveform"], loud["waveform"])


def test_clips_of_any_length_are_cropped_out_of_the_resampled_clip(varied: Store) -> None:
    recipe, crop = {"draw": "union", "mixture": {"original": 1, "mp3_24": 1}}, Crop(0.3, pad="repeat")
    settings = {"batch_size": 6, "features": "waveform", "rate": 11_025, "threads": 2}
    whole = {}
    for batch in Stream(recipe, varied, **settings):
        for clip, condition, length, row in zip(
            batch["clip_id"], batch["condition"], batch["length"].tolist(), batch["waveform"], strict=True
        ):
            assert length == -(-len(varied.read("original", clip).samples) * 11_025 // 8_000)
            whole[clip, condition] = row[:length].numpy().copy()
    cropped = Stream(recipe, varied, crop=crop, **settings)
    for batch in cropped:
        assert batch["length"].tolist() == [crop.samples(11_025)] * 6
        words = crop_words(0, 0, batch["position"].numpy())
        for word, clip, condition, row in zip(words, batch["clip_id"], batch["condition"], batch["waveform"], strict=True):
            sound = whole[clip, condition]
            span = crop.span(len(sound), rate=11_025, word=word)
            assert np.array_equal(row, span.fill(sound[span.start : span.stop]))


@pytest.fixture(scope="session")
def stereo(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Six clips of two channels at 16 kHz, of 0.5 to 0.7 s."""
    folder = tmp_path_factory.mktemp("stereo")
    lines = ["path,label,split"]
    for number in range(6):
        time, rng = np.arange(8_000 + 700 * number)[:, None], np.random.default_rng(number)
        sound = 0.2 * np.sin(time * np.array([0.1, 0.15]) + number) + 0.02 * rng.standard_normal((len(time), 2))
        soundfile.write(folder / f"{number}.wav", sound, RATE, subtype="PCM_16")
        lines.append(f"{number}.wav,{'ab'[number % 2]},train")
    (folder / "clips.csv").write_text("\n".join(lines) + "\n")
    build(
        folder / "clips.csv", str(folder / "store"), conditions=parse_conditions("original,mp3_64"), channels="keep", executor=InProcess()
    )
    return Store.open(folder / "store")


def test_both_channels_are_resampled_and_augmented(stereo: Store) -> None:
    def halved(waveform: np.ndarray, rate: int, generator: np.random.Generator, row: object) -> np.ndarray:
        return waveform * np.array([[0.5], [0.25]], np.float32)

    recipe = {"draw": "union", "mixture": {"original": 1, "mp3_64": 1}}
    settings = {"batch_size": 4, "features": "waveform", "rate": 8_000, "augment": halved, "threads": 2}
    for batch in Stream(recipe, stereo, **settings):
        assert batch["waveform"].shape == (4, 2, max(batch["length"]))
        for clip, condition, length, row in zip(
            batch["clip_id"], batch["condition"], batch["length"].tolist(), batch["waveform"], strict=True
        ):
            sound = stereo.read(condition, clip).samples
            for channel, scale in ((0, 0.5), (1, 0.25)):
                expected = scale * soxr.resample(sound[channel], RATE, 8_000, quality="HQ")
                assert np.array_equal(row[channel, : len(expected)], expected)
                assert not row[channel, length:].any()
