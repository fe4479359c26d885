"""Augmentation by libraries, which draw from global generators: exact in decode processes, and an
error in threads, which share these generators with the training."""

import random
from pathlib import Path
from typing import Any

import audiomentations
import numpy as np
import pytest
import torch
import torch_audiomentations
from torch import Tensor
from torch.utils.data import DataLoader
from torchaudio.transforms import FrequencyMasking, TimeMasking

from streamaug.errors import AugmentError
from streamaug.recipes import Recipe
from streamaug.store import Store
from streamaug.streaming import Stream
from streamaug.streaming.augment import AugmentRow, AugmentWaveform
from streamaug.streaming.processes import ProcessWorkers
from tests.streaming.test_augment import epochs, noise, waveforms
from tests.streaming.test_stream import same


@pytest.fixture(autouse=True)
def workers() -> None:
    """These tests choose the kind themselves."""


def stream(recipe: Recipe, store: Store, **settings: Any) -> Stream:
    return Stream(recipe, store, **{"batch_size": 12, "features": "waveform", "workers": 2, "tail": "keep", **settings})


def one_process(count: int) -> ProcessWorkers:
    return ProcessWorkers(1)


def by_audiomentations() -> AugmentWaveform:
    transform = audiomentations.Compose(
        [
            audiomentations.AddGaussianNoise(p=0.9),
            audiomentations.Gain(p=0.9),
            audiomentations.TimeMask(p=0.5),
            audiomentations.Shift(p=0.5),
        ],
        shuffle=True,
    )
    return lambda waveform, rate, generator, row: transform(waveform, sample_rate=rate)


def by_torch_audiomentations() -> AugmentWaveform:
    transform = torch_audiomentations.Compose(
        [torch_audiomentations.Gain(p=0.9, output_type="dict"), torch_audiomentations.AddColoredNoise(p=0.9, output_type="dict")],
        output_type="dict",
    )
    return lambda waveform, rate, generator, row: transform(torch.from_numpy(waveform)[None, None], sample_rate=rate).samples[0, 0]


LIBRARIES = pytest.mark.parametrize("augment", [by_audiomentations(), by_torch_audiomentations()], ids=["audiomentations", "torch"])


@LIBRARIES
def test_rows_are_the_same_in_any_number_of_processes_and_after_a_resume(store: Store, recipe: Recipe, augment: AugmentWaveform) -> None:
    expected = epochs(stream(recipe, store, augment=augment), 1)
    plain = waveforms(epochs(stream(recipe, store, workers="threads"), 1))
    changed = [not torch.equal(*rows) for rows in zip(plain, waveforms(expected), strict=True)]
    assert sum(changed) > 0.9 * len(changed)
    before, after = stream(recipe, store, augment=augment, workers=1), stream(recipe, store, augment=augment, workers=one_process)
    served = [batch for batch, _ in zip(before, range(3), strict=False)]
    after.load_state_dict(before.state_after(served[-1]))
    loader = DataLoader(after, batch_size=None, num_workers=1, multiprocessing_context="fork")
    assert all(map(same, [*served, *loader], expected))


@LIBRARIES
@pytest.mark.parametrize("in_loader", [False, True])
def test_threads_refuse_what_draws_from_the_generators_that_they_share(store: Store, recipe: Recipe, augment, in_loader: bool) -> None:
    one = stream(recipe, store, workers=None if in_loader else "threads", augment=augment)
    with pytest.raises(AugmentError, match=r"something else for the same row.*write Stream\(workers='processes'\)"):
        list(DataLoader(one, batch_size=None, num_workers=int(in_loader)))


@pytest.mark.parametrize("augment", [noise, by_audiomentations()])
def test_the_generators_of_the_training_are_left_alone(store: Store, recipe: Recipe, augment) -> None:
    def states() -> list:
        return [random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()]  # noqa: NPY002  # the global generator is what is compared

    one, before = stream(recipe, store, augment=augment), states()
    list(one)
    assert states() == before


def test_masks_of_torchaudio_are_the_same_from_the_cache_and_after_a_resume(store: Store, recipe: Recipe, tmp_path: Path) -> None:
    masks = torch.nn.Sequential(TimeMasking(8), FrequencyMasking(20))

    def mask(features: dict[str, Tensor], rate: int, generator: np.random.Generator, row: AugmentRow) -> dict[str, Tensor]:
        return {**features, "static": masks(features["static"])}

    def opened(workers: int) -> Stream:
        features = {"static": "static", "sound": "waveform"}
        return stream(recipe, store, features=features, augment_features=mask, feature_cache=tmp_path / "cache", workers=workers)

    cold, warm = opened(2), opened(1)
    expected = epochs(cold)
    warm.load_state_dict(cold.state_after(expected[4]))
    assert all(map(same, epochs(warm), expected[5:]))
    assert not warm.metrics.decoded_clips
