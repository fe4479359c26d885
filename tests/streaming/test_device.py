"""Batches on a device: the same rows, and features that a GPU computes to the last digits."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from streamaug.errors import StreamaugError
from streamaug.features import LogMel
from streamaug.features.per_channel import per_channel
from streamaug.recipes import Recipe
from streamaug.store import Store
from streamaug.streaming import Cache, Stream
from streamaug.streaming.device import compute_rows, split_features

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
FEATURES = {"mel": "static", "deltas": "logmel", "sound": "waveform", "own": torch.nn.Flatten(0)}


def test_the_processor_is_the_default(store: Store, recipe: Recipe) -> None:
    with Stream(recipe, store, batch_size=8, features="static", device="cpu") as stream:
        assert all(batch["static"].device.type == "cpu" for batch in stream)


@pytest.mark.parametrize("device", ["cuda:99", "gpu", 3.5])
def test_a_device_that_is_not_there_is_refused(store: Store, recipe: Recipe, device) -> None:
    with pytest.raises(StreamaugError, match=r"device=.*; write one that this machine has, or leave it out"):
        Stream(recipe, store, batch_size=8, device=device)


def test_a_gpu_computes_what_takes_batches_and_a_processor_the_rest(store: Store, recipe: Recipe) -> None:
    features = Stream(recipe, store, batch_size=8, features=FEATURES)._features.by_key
    on_workers, on_device = split_features(features, torch.device("cuda"))
    assert list(on_device) == ["mel", "deltas", "sound"]
    assert list(on_workers) == ["", "own"]
    assert split_features(features, None) == (features, {}) == split_features(features, torch.device("mps"))


@pytest.mark.parametrize("device", ["meta", pytest.param("cuda", marks=needs_gpu)])
def test_dataloader_workers_are_refused(store: Store, recipe: Recipe, device: str) -> None:
    stream = Stream(recipe, store, batch_size=8, device=device)
    with pytest.raises(StreamaugError, match="DataLoader workers cannot bring batches to"):
        next(iter(DataLoader(stream, batch_size=None, num_workers=1)))


def test_all_tensors_go_to_the_device(store: Store, recipe: Recipe) -> None:
    with Stream(recipe, store, batch_size=8, features=FEATURES, device="meta") as stream:
        for batch in stream:
            assert {value.device.type for value in batch.values() if isinstance(value, torch.Tensor)} == {"meta"}


@needs_gpu
@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("rows", [{"draw": "union"}, {"draw": "views", "views": 2}])
def test_batches_on_a_gpu_are_those_of_the_processor(store: Store, tmp_path, cached: bool, rows: dict) -> None:
    recipe = {"mixture": {"original": 1, "mp3_64": 1, "opus_32": 1}, **rows}

    def settings(name: str) -> dict:
        cache = Cache(folder=tmp_path / name) if cached else None
        return {"batch_size": 10, "tail": "keep", "features": FEATURES, "feature_cache": cache}

    with Stream(recipe, store, **settings("here")) as here, Stream(recipe, store, device="cuda", **settings("there")) as there:
        for _ in range(3):
            for one, other in zip(here, there, strict=True):
                torch.cuda._sleep(2_000_000)  # a training step that keeps the GPU busy
                assert one["clip_id"] == other["clip_id"]
                assert one["condition"] == other["condition"]
                assert (one["label"] == other["label"].cpu()).all()
                for name in FEATURES:
                    assert other[name].is_cuda
                    torch.testing.assert_close(other[name].cpu(), one[name], rtol=0, atol=2e-6)


@needs_gpu
def test_batches_that_are_held_on_a_gpu_do_not_change(store: Store, recipe: Recipe) -> None:
    with Stream(recipe, store, batch_size=8, features="waveform", device="cuda") as stream:
        held = [(batch["waveform"], batch["waveform"].clone()) for _ in range(4) for batch in stream]
        assert all(torch.equal(one, copy) for one, copy in held)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("lengths", [[900, 900, 900], [900, 400, 700], [400, 900, 900]])
def test_rows_of_a_feature_are_computed_of_their_own_samples_alone(channels: int, lengths: list[int]) -> None:
    feature = per_channel(LogMel(rate=8_000, n_fft=256, hop=80, mels=8, deltas=False), channels)
    lead = (channels,) if channels > 1 else ()
    waveforms = torch.randn(3, 2, *lead, 900, generator=torch.Generator().manual_seed(0))
    rows, frames = compute_rows(feature, waveforms, np.array(lengths))
    assert rows.shape == (3, 2, *feature.shape(900))
    for number, length in enumerate(lengths):
        assert frames[number] == feature.shape(length)[-1]
        for view in range(2):
            expected = feature.compute(waveforms[number, view, ..., :length])
            torch.testing.assert_close(rows[number, view, ..., : frames[number]], expected)
        assert not rows[number, ..., frames[number] :].any()


@needs_gpu
def test_rows_of_different_lengths_on_a_gpu_are_those_of_the_processor(varied: Store) -> None:
    recipe = {"draw": "views", "views": 2, "mixture": {"original": 1, "alaw_64": 1, "mp3_24": 1}}
    features = {"mel": LogMel(n_fft=256, hop=80, mels=20, deltas=False), "sound": "waveform"}
    settings = {"batch_size": 5, "tail": "keep", "features": features}
    with Stream(recipe, varied, **settings) as here, Stream(recipe, varied, device="cuda", **settings) as there:
        for one, other in zip(here, there, strict=True):
            assert (one["length"] == other["length"].cpu()).all()
            assert (one["frames"]["mel"] == other["frames"]["mel"].cpu()).all()
            for name in features:
                torch.testing.assert_close(other[name].cpu(), one[name], rtol=0, atol=2e-6)
