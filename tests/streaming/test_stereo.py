"""Streams of stores with two channels: every row is what Store.read gives, channel by channel."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import webdataset
from torch.utils.data import DataLoader
from torchaudio.transforms import MelSpectrogram

from streamaug import Catalogue, Crop
from streamaug.building.build import build
from streamaug.codecs.decoding import resample_clip
from streamaug.conditions import parse_conditions
from streamaug.errors import StoreError
from streamaug.features import LogMel
from streamaug.integrations.webdataset import decoder, pipeline
from streamaug.recipes import Recipe
from streamaug.store import Store
from streamaug.streaming import Stream
from streamaug.streaming.device import compute_rows, split_features
from tests.in_process import InProcess
from tests.streaming.conftest import RATE, write_recipe
from tests.streaming.test_stream import same

CLIPS = 12


@pytest.fixture(scope="session")
def stereo(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Twelve clips of half a second to a second, with other sound in each channel."""
    folder = tmp_path_factory.mktemp("stereo")
    lines = ["path,label,split"]
    for number in range(CLIPS):
        rng, samples = np.random.default_rng(number), RATE // 2 + number * RATE // (2 * CLIPS)
        time = np.arange(samples) / RATE
        left, right = (0.3 * np.sin(2 * np.pi * tone * time) + 0.05 * rng.standard_normal(samples) for tone in (300 + 40 * number, 1_700))
        soundfile.write(folder / f"clip{number:02d}.wav", np.stack([left, right], 1), RATE, subtype="PCM_16")
        lines.append(f"clip{number:02d}.wav,{'ab'[number % 2]},train")
    (folder / "clips.csv").write_text("\n".join(lines))
    conditions = parse_conditions("original,mp3_64,opus_32")
    build(folder / "clips.csv", str(folder / "store"), conditions=conditions, channels="keep", clips_per_shard=4, executor=InProcess())
    return Store.open(folder / "store")


def rows(stream, key: str = "waveform") -> dict[tuple[str, str], torch.Tensor]:
    """An epoch's rows by clip and condition, without what fills them up."""
    found = {}
    for batch in stream:
        sizes = batch["length"] if key == "waveform" else batch["frames"]
        for clip, condition, row, size in zip(batch["clip_id"], batch["condition"], batch[key], sizes, strict=True):
            found[clip, condition] = row[..., :size].clone()
    return found


def test_every_row_is_what_the_store_reads(stereo: Store, recipe: Recipe) -> None:
    found = rows(Stream(recipe, stereo, batch_size=8, features="waveform", tail="keep", threads=2))
    assert len(found) == 3 * CLIPS
    for (clip, condition), waveform in found.items():
        np.testing.assert_array_equal(waveform.numpy(), stereo.read(condition, clip).samples)
        assert np.corrcoef(waveform.numpy())[0, 1] < 0.1


def test_workers_of_a_dataloader_and_a_resume_give_the_same_rows(stereo: Store, recipe: Recipe) -> None:
    def opened() -> Stream:
        return Stream(recipe, stereo, batch_size=8, features="waveform", tail="keep", threads=2)

    expected = [{**batch, "waveform": batch["waveform"].clone()} for batch in opened()]
    assert all(batch["waveform"].shape[:2] == (len(batch["clip_id"]), 2) for batch in expected)
    assert all(map(same, DataLoader(opened(), batch_size=None, num_workers=2), expected))
    resumed = opened()
    resumed.load_state_dict(opened().state_after(expected[1]))
    assert all(map(same, resumed, expected[2:]))


def test_each_feature_is_computed_of_both_channels(stereo: Store, recipe: Recipe, tmp_path: Path) -> None:
    features = {"logmel": LogMel(n_fft=512, hop=256, mels=40), "static": "static", "mel": MelSpectrogram(RATE, n_mels=20), "rms": rms}
    batches = list(Stream(recipe, stereo, batch_size=8, features={**features, "waveform": "waveform"}, tail="keep", threads=2))
    transforms = {
        "logmel": LogMel(rate=RATE, n_fft=512, hop=256, mels=40, deltas=False),
        "static": LogMel(rate=RATE),
        "mel": features["mel"],
    }
    for batch in batches:
        assert batch["logmel"].shape[1:-1] == (2, 3, 40)
        assert batch["static"].shape[1:-1] == (2, 128)
        assert batch["mel"].shape[1:-1] == (2, 20)
        assert batch["rms"].shape[1:] == (2,)
        for row, length in list(enumerate(batch["length"].tolist()))[:2]:
            for channel in (0, 1):
                sound = batch["waveform"][row, channel, :length]
                torch.testing.assert_close(batch["rms"][row, channel], rms(sound))
                for name, transform in transforms.items():
                    frames = int(batch["frames"][name][row])
                    computed = batch[name][row, channel, ..., :frames]
                    if name == "logmel":
                        torch.testing.assert_close(computed[0], transform(sound)[:, 4:-4])
                    else:
                        torch.testing.assert_close(computed, transform(sound))


def rms(waveform: torch.Tensor) -> torch.Tensor:
    return waveform.square().mean().sqrt()


def test_the_cache_keeps_both_channels(stereo: Store, recipe: Recipe, tmp_path: Path) -> None:
    def opened() -> Stream:
        features = {"logmel": LogMel(n_fft=512, hop=256), "mel": MelSpectrogram(RATE, n_mels=20)}
        return Stream(recipe, stereo, batch_size=8, features=features, tail="keep", threads=2, feature_cache=tmp_path / "cache")

    cold = [{**batch, "logmel": batch["logmel"].clone(), "mel": batch["mel"].clone()} for batch in opened()]
    warm = opened()
    assert all(map(same, warm, cold))
    assert not warm.metrics.decoded_clips
    assert cold[0]["logmel"].shape[1:-1] == (2, 3, 128)


def test_what_a_device_computes_of_waveforms_is_what_workers_compute(stereo: Store, recipe: Recipe) -> None:
    asked = {"mel": LogMel(n_fft=512, hop=256), "waveform": "waveform"}
    stream = Stream(recipe, stereo, batch_size=8, features=asked, tail="keep", threads=2)
    on_workers, on_device = split_features(stream._features.by_key, torch.device("cuda"), channels=2)
    assert list(on_device) == ["mel", "waveform"]
    assert [feature.shape(RATE) for feature in on_workers.values()] == [(2, RATE)]
    batch = next(iter(stream))
    computed, frames = compute_rows(on_device["mel"], batch["waveform"][:, None], batch["length"].numpy())
    torch.testing.assert_close(computed[:, 0], batch["mel"])
    assert frames.tolist() == batch["frames"]["mel"].tolist()


def test_another_rate_resamples_each_channel(stereo: Store, recipe: Recipe) -> None:
    found = rows(Stream(recipe, stereo, batch_size=8, features="waveform", rate=8_000, tail="keep", threads=2))
    for (clip, condition), waveform in found.items():
        for channel, samples in zip(waveform.numpy(), stereo.read(condition, clip).samples, strict=True):
            np.testing.assert_array_equal(channel, resample_clip(np.ascontiguousarray(samples), RATE, 8_000))


def test_crops_and_views_keep_the_channels_together(stereo: Store, tmp_path: Path) -> None:
    views = write_recipe(tmp_path / "views.yaml", "draw: views\nviews: 2\nmixture: {original: 1, mp3_64: 1}\n")
    for pad in ("zeros", "repeat"):
        crop = Crop(seconds=0.8, pad=pad)
        for batch in Stream(views, stereo, batch_size=4, features="waveform", crop=crop, threads=2):
            assert batch["waveform"].shape == (4, 2, 2, round(0.8 * RATE))
            for row, clip in enumerate(batch["clip_id"]):
                for view, condition in enumerate(batch["condition"][row]):
                    whole, length = (
                        stereo.read(condition, clip).samples,
                        min(round(0.8 * RATE), stereo.read(condition, clip).samples.shape[1]),
                    )
                    taken = batch["waveform"][row, view, :, :length].numpy()
                    starts = range(whole.shape[1] - length + 1)
                    assert any(np.array_equal(whole[:, start : start + length], taken) for start in starts)


def test_augmentation_gets_both_channels(stereo: Store, recipe: Recipe) -> None:
    def exchanged(waveform, rate, generator, row):
        assert waveform.shape[0] == 2
        return waveform[::-1].copy()

    plain, changed = (
        rows(Stream(recipe, stereo, batch_size=8, features="waveform", tail="keep", threads=2, augment=augment))
        for augment in (None, exchanged)
    )
    assert all(torch.equal(changed[key], plain[key].flip(0)) for key in plain)


def test_a_map_style_dataset_gives_both_channels(stereo: Store) -> None:
    dataset = stereo.dataset("mp3_64", features={"waveform": "waveform", "mel": "static"})
    for clip in (dataset[0], dataset[-1]):
        np.testing.assert_array_equal(clip["waveform"].numpy(), stereo.read("mp3_64", clip["clip_id"]).samples)
        assert clip["mel"].shape[:2] == (2, 128)


def test_a_bridge_to_webdataset_gives_both_channels(stereo: Store, recipe: Recipe) -> None:
    source = pipeline(recipe, stereo, batch_size=4)
    for sample in webdataset.FluidWrapper(source).decode(decoder):
        [(waveform, rate)] = [value for key, value in sample.items() if key in ("flac", "mp3", "opus")]
        condition, clip = sample["json"]["condition"], sample["json"]["clip_id"]
        assert rate == RATE
        np.testing.assert_array_equal(waveform.numpy(), stereo.read(condition, clip).samples)


def test_stores_of_one_and_of_two_channels_are_not_mixed(stereo: Store, store: Store) -> None:
    mixed = Catalogue.open({"one": store, "two": stereo})
    with pytest.raises(
        StoreError, match=r"the clips of store 'one' have one channel and those of store 'two' 2 channels, .* --channels mono"
    ):
        Stream({"draw": "union", "mixture": {"one:original": 1, "two:original": 1}}, mixed)
