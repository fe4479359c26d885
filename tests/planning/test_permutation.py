import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from streamaug.keys import derived_key
from streamaug.planning.permutation import permute, permute_one
from tests.planning.settings import few, some

LEAST = 1e-6
"""Probability below which chance is no explanation."""

keys = st.integers(0, 2**64 - 1)


@few
@given(size=st.one_of(st.integers(1, 40), st.integers(1, 5_000), st.integers(1, 1_000_000)), key=keys)
def test_every_place_is_hit_exactly_once(size: int, key: int) -> None:
    assert np.array_equal(np.sort(permute(np.arange(size), size, key)), np.arange(size))


@pytest.mark.parametrize("size", [1, 2, 3, 15, 16, 17, 1023, 1024, 1025, 32 * 32, 999 * 999, 10**6])
def test_sizes_at_the_edges_of_the_methods_are_permuted_too(size: int) -> None:
    assert np.array_equal(np.sort(permute(np.arange(size), size, 5)), np.arange(size))


@some
@given(size=st.one_of(st.integers(1, 2_000), st.integers(1, 2**50)), key=keys, data=st.data())
def test_one_row_goes_where_a_whole_array_goes(size: int, key: int, data: st.DataObject) -> None:
    positions = data.draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=8))
    assert [permute_one(position, size, key) for position in positions] == permute(positions, size, key).tolist()


def test_a_size_and_key_for_each_position_is_the_same_as_one_call_each() -> None:
    rng = np.random.default_rng(0)
    sizes = rng.choice([1, 2, 7, 15, 16, 100, 1023, 1024, 50_000], 3_000)
    many = rng.integers(0, 2**63, 3_000).astype(np.uint64)
    positions = rng.integers(0, sizes)
    single = [permute_one(*row) for row in zip(positions.tolist(), sizes.tolist(), many.tolist(), strict=True)]
    assert permute(positions, sizes, many).tolist() == single


def test_a_size_that_cannot_be_exact_is_refused() -> None:
    with pytest.raises(ValueError, match="at most"):
        permute([0], 2**51, 1)


def test_derived_keys_are_the_same_for_integers_and_arrays() -> None:
    numbers = np.arange(100)
    assert derived_key(np.uint64(2**64 - 1), numbers).tolist() == [derived_key(2**64 - 1, int(number)) for number in numbers]


@pytest.mark.parametrize("size", [12, 15, 97, 1000, 4096, 1_000_003, 10**9])
def test_position_and_clip_are_independent(size: int) -> None:
    """Chi-square of a table of position against clip, 10 x 10 parts, over keys."""
    rng = np.random.default_rng(1)
    positions = rng.integers(0, size, 200_000)
    chosen = rng.integers(0, 2**63, 200_000).astype(np.uint64)
    clips = permute(positions, np.full(200_000, size), chosen)
    table = np.histogram2d(positions / size, clips / size, bins=10)[0]
    assert stats.chi2_contingency(table[table.sum(1) > 0][:, table.sum(0) > 0]).pvalue > LEAST


@pytest.mark.parametrize("size", [7, 15, 16, 33, 100, 500, 1_023, 1_024, 1_500, 10_007, 1_000_000])
def test_neighbours_at_every_gap_lie_at_any_distance(size: int) -> None:
    """The differences of the clips at a gap are uniform modulo the size; a Feistel network of few
    rounds fails at the gaps a and b."""
    a = math.isqrt(size - 1) + 1
    b = -(-size // a)
    orders = max(1, 400_000 // size)
    chosen = np.repeat(derived_key(np.uint64(77), np.arange(orders)), size)
    clips = permute(np.tile(np.arange(size), orders), np.full(orders * size, size), chosen).reshape(orders, size)
    parts = min(64, size - 1)
    expected = np.bincount(np.arange(size - 1) * parts // (size - 1), minlength=parts)  # a difference is never 0
    for gap in {1, 2, 3, a - 1, a, a + 1, b - 1, b, b + 1, 2 * b, size // 2} & set(range(1, size)):
        differences = (np.roll(clips, -gap, axis=1) - clips) % size - 1
        counts = np.bincount(differences.ravel() * parts // (size - 1), minlength=parts)
        assert stats.chisquare(counts, counts.sum() * expected / expected.sum()).pvalue > LEAST, gap


@pytest.mark.parametrize("size", [3, 4, 5])
def test_small_sets_take_all_orders_equally_often(size: int) -> None:
    orders = np.stack([permute(np.full(24_000, place), size, derived_key(np.uint64(9), np.arange(24_000))) for place in range(size)])
    counts = np.unique(size ** np.arange(size) @ orders, return_counts=True)[1]
    assert len(counts) == math.factorial(size)
    assert stats.chisquare(counts).pvalue > LEAST


def test_two_keys_agree_no_more_than_chance_allows() -> None:
    one, other = (permute(np.arange(100_000), 100_000, key) for key in (1, 2))
    assert (one == other).sum() < 20
