"""SpecAugment, crop and mixup follow the specification and depend on their generators alone."""

import numpy as np
import pytest
import torch

from train.augment import clip_generators, mixup, random_crop, spec_augment


def longest_run(flags):
    """Length of the one run of True, after checking that there is at most one."""
    assert (np.diff(flags.astype(int), prepend=0) == 1).sum() <= 1
    return int(flags.sum())


def test_spec_augment_masks_one_band_of_mels_and_one_of_frames_in_every_channel():
    masked = (spec_augment(torch.ones(200, 3, 128, 423), clip_generators(0, 0, range(200))) == 0).numpy()
    mels = [longest_run(channel) for channel in masked.all(-1).reshape(-1, 128)]
    frames = [longest_run(channel) for channel in masked.all(-2).reshape(-1, 423)]
    assert set(mels) == set(range(13))
    assert set(frames) == set(range(40))
    crossed = masked.all(-1, keepdims=True) | masked.all(-2, keepdims=True)
    assert np.array_equal(crossed, masked)


def test_spec_augment_draws_every_channel_of_its_own():
    masked = spec_augment(torch.ones(50, 3, 128, 208), clip_generators(0, 0, range(50))) == 0
    assert not torch.equal(masked[:, 0], masked[:, 1])


def test_a_crop_is_a_stretch_of_its_clip_and_reaches_both_ends():
    clips = torch.arange(30.0).expand(500, 3, 4, 30)
    cropped = random_crop(clips, 27, clip_generators(0, 0, range(500)))
    assert cropped.shape == (500, 3, 4, 27)
    assert set(cropped[:, 0, 0, 0].tolist()) == {0.0, 1.0, 2.0, 3.0}
    assert torch.equal(cropped - cropped[..., :1], torch.arange(27.0).expand_as(cropped))


def test_a_crop_longer_than_the_clip_is_refused():
    with pytest.raises(ValueError, match="cannot crop 31 frames from 30"):
        random_crop(torch.zeros(1, 3, 4, 30), 31, clip_generators(0, 0, [0]))


def test_mixup_mixes_neighbours_and_their_labels_by_the_same_share():
    features = torch.tensor([1.0, 0.0]).repeat(2000)[:, None, None, None].expand(-1, 3, 2, 2)
    targets = torch.eye(2).repeat(2000, 1)
    mixed, mixed_targets = mixup(features, targets, clip_generators(0, 0, range(4000)))
    shares = mixed[:, 0, 0, 0]
    assert torch.allclose(mixed, shares.view(-1, 1, 1, 1).expand_as(mixed))
    assert torch.allclose(mixed_targets, torch.stack([shares, 1 - shares], 1))
    assert abs(shares.mean() - 0.5) < 0.04
    assert abs(shares.var() - 0.25 / 1.8) < 0.01  # of Beta(a, a): 1 / (4 (2 a + 1))


def test_mixup_of_an_odd_number_is_refused():
    with pytest.raises(ValueError, match="not 3 clips"):
        mixup(torch.zeros(3, 1), torch.zeros(3, 2), clip_generators(0, 0, range(3)))


def test_draws_depend_on_seed_step_and_position_alone():
    clips = torch.rand(8, 3, 128, 100)
    whole = spec_augment(clips, clip_generators(5, 3, range(8)))
    assert torch.equal(whole, spec_augment(clips, clip_generators(5, 3, range(8))))
    assert torch.equal(whole[4:], spec_augment(clips[4:], clip_generators(5, 3, range(4, 8))))
    for seed, step, start in ((6, 3, 0), (5, 4, 0), (5, 3, 8)):
        assert not torch.equal(whole, spec_augment(clips, clip_generators(seed, step, range(start, start + 8))))
