"""SpecAugment, crop and mixup do what the specification says, and only what their generator says."""

import numpy as np
import pytest
import torch

from train.augment import mixup, random_crop, spec_augment, step_generator


def longest_run(flags):
    """Length of the one run of True, after checking that there is at most one."""
    assert (np.diff(flags.astype(int), prepend=0) == 1).sum() <= 1
    return int(flags.sum())


def test_spec_augment_masks_one_band_of_mels_and_one_of_frames_in_every_channel():
    masked = (spec_augment(torch.ones(200, 3, 128, 423), step_generator(0, 0)) == 0).numpy()
    mels = [longest_run(channel) for channel in masked.all(-1).reshape(-1, 128)]
    frames = [longest_run(channel) for channel in masked.all(-2).reshape(-1, 423)]
    assert set(mels) == set(range(13))
    assert set(frames) == set(range(40))
    crossed = masked.all(-1, keepdims=True) | masked.all(-2, keepdims=True)
    assert np.array_equal(crossed, masked)


def test_spec_augment_draws_every_channel_of_its_own():
    masked = spec_augment(torch.ones(50, 3, 128, 208), step_generator(0, 0)) == 0
    assert not torch.equal(masked[:, 0], masked[:, 1])


def test_a_crop_is_a_stretch_of_its_clip_and_reaches_both_ends():
    clips = torch.arange(30.0).expand(500, 3, 4, 30)
    cropped = random_crop(clips, 27, step_generator(0, 0))
    assert cropped.shape == (500, 3, 4, 27)
    assert set(cropped[:, 0, 0, 0].tolist()) == {0.0, 1.0, 2.0, 3.0}
    assert torch.equal(cropped - cropped[..., :1], torch.arange(27.0).expand_as(cropped))


def test_a_crop_longer_than_the_clip_is_refused():
    with pytest.raises(ValueError, match="crop of 31 frames was asked from 30"):
        random_crop(torch.zeros(1, 3, 4, 30), 31, step_generator(0, 0))


def test_mixup_mixes_clip_i_with_clip_i_of_the_other_half_and_labels_by_the_same_share():
    features = torch.cat([torch.ones(500, 3, 2, 2), torch.zeros(500, 3, 2, 2)])
    targets = torch.nn.functional.one_hot(torch.arange(1000) // 500, 2).float()
    mixed, mixed_targets = mixup(features, targets, step_generator(0, 0))
    shares = mixed[:, 0, 0, 0]
    assert torch.allclose(mixed, shares.view(-1, 1, 1, 1).expand_as(mixed))
    assert torch.allclose(mixed_targets, torch.stack([shares, 1 - shares], 1))
    assert abs(shares.mean() - 0.5) < 0.07
    assert abs(shares.var() - 0.25 / 1.8) < 0.02  # of Beta(a, a): 1 / (4 (2 a + 1))


def test_mixup_of_an_odd_number_is_refused():
    with pytest.raises(ValueError, match="3 clips came"):
        mixup(torch.zeros(3, 1), torch.zeros(3, 2), step_generator(0, 0))


def test_the_same_step_draws_the_same_and_another_step_or_rank_another():
    clips = torch.rand(8, 3, 128, 100)
    same, again, other, elsewhere = (spec_augment(clips, step_generator(5, step, rank)) for step, rank in ((3, 0), (3, 0), (4, 0), (3, 1)))
    assert torch.equal(same, again)
    assert not torch.equal(same, other)
    assert not torch.equal(same, elsewhere)
