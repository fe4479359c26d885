"""Splits keep groups whole, come close to their shares for every label, and follow their seed."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamaug.building.splitting import assign_splits

SHARES = st.lists(st.integers(1, 20), min_size=1, max_size=5).map(lambda parts: [part / sum(parts) for part in parts])
CLIPS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 30).map(str)), min_size=1, max_size=200)


def unzip(clips):
    return [[label] for label, _ in clips], [group for _, group in clips]


@given(clips=CLIPS, shares=SHARES, seed=st.integers(0, 5))
def test_groups_stay_whole_and_every_clip_has_a_split(clips, shares, seed):
    labels, groups = unzip(clips)
    splits = assign_splits(labels, groups, shares, seed)
    of_group = defaultdict(set)
    for group, split in zip(groups, splits, strict=True):
        of_group[group].add(split)
    assert all(len(found) == 1 for found in of_group.values())
    assert set(splits) <= set(range(len(shares)))


@given(clips=CLIPS, shares=SHARES, seed=st.integers(0, 5), shuffle=st.randoms())
def test_the_order_of_the_clips_does_not_matter_and_the_same_seed_gives_the_same(clips, shares, seed, shuffle):
    order = list(range(len(clips)))
    shuffle.shuffle(order)
    splits = assign_splits(*unzip(clips), shares, seed)
    assert assign_splits(*unzip([clips[place] for place in order]), shares, seed) == [splits[place] for place in order]


@given(clips=CLIPS, shares=SHARES, seed=st.integers(0, 5))
def test_where_a_group_has_one_label_each_split_has_its_share_of_every_label(clips, shares, seed):
    labels, groups = [label for label, _ in clips], [f"{label}{group}" for label, group in clips]
    splits = assign_splits([[label] for label in labels], groups, shares, seed)
    largest = Counter()
    for (label, _), size in Counter(zip(labels, groups, strict=True)).items():
        largest[label] = max(largest[label], size)
    counts = Counter(zip(labels, splits, strict=True))
    for label, total in Counter(labels).items():
        for split, share in enumerate(shares):
            assert (
                share * total - (len(shares) - 1) * largest[label] - 1e-6 <= counts[label, split] <= share * total + largest[label] + 1e-6
            )


@pytest.mark.parametrize("shares", [(0.8, 0.1, 0.1), (0.5, 0.5), (0.7, 0.2, 0.1)])
def test_speakers_with_many_labels_are_divided_close_to_the_shares(shares):
    random = np.random.default_rng(0)
    speakers, labels = random.zipf(1.5, 20_000) % 400, random.integers(0, 12, 20_000)
    splits = assign_splits([[str(label)] for label in labels], [str(speaker) for speaker in speakers], shares)
    biggest = np.bincount(speakers).max() / 20_000
    for split, share in enumerate(shares):
        assert abs(splits.count(split) / 20_000 - share) < max(0.01, biggest)


def test_rare_labels_do_not_all_end_up_in_the_largest_split():
    labels = [f"label{number // 5}" for number in range(500)]
    splits = assign_splits([[label] for label in labels], [str(number) for number in range(500)], [0.8, 0.1, 0.1])
    assert Counter(splits) == {0: 400, 1: 50, 2: 50}


def test_another_seed_is_another_division():
    labels, groups = [["a"]] * 100, [str(number) for number in range(100)]
    divisions = {tuple(assign_splits(labels, groups, [0.5, 0.5], seed)) for seed in range(10)}
    assert len(divisions) == 10


def test_every_label_of_a_clip_counts_and_a_clip_may_have_none():
    random = np.random.default_rng(0)
    labels = [[name for name, share in zip("abc", (0.5, 0.2, 0.05), strict=True) if random.random() < share] for _ in range(1000)]
    assert [] in labels
    splits = assign_splits(labels, [str(number) for number in range(1000)], [0.6, 0.4])
    for name in "abc":
        own = [split for split, clip in zip(splits, labels, strict=True) if name in clip]
        assert abs(own.count(0) / len(own) - 0.6) < 0.05
    assert abs(splits.count(0) / 1000 - 0.6) < 0.05
