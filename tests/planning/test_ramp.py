"""A ramp's batches: whole numbers, each less than a row off its share, and never far off in all."""

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamaug.planning.ramp import ramp_counts
from tests.planning.settings import few

ends = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=2, max_size=6).filter(
    lambda cells: all(any(cell[end] for cell in cells) for end in (0, 1))
)


def counts_of(cells: list[tuple[int, int]], batches: int, size: int) -> np.ndarray:
    """The counts on a ramp from the first to the second share of each cell."""
    slopes = [Fraction(end - start, batches) for start, end in cells]
    return ramp_counts([Fraction(start) for start, _ in cells], slopes, batches=batches, size=size, groups=[[1]] * len(cells))


def quotas(cells: list[tuple[int, int]], batches: int, size: int) -> np.ndarray:
    """Rows of each cell in each batch, not rounded."""
    shares = np.array([[start + (end - start) * batch / batches for start, end in cells] for batch in range(batches)])
    return size * shares / shares.sum(axis=1, keepdims=True)


@few
@given(cells=ends, batches=st.integers(1, 300), size=st.integers(1, 80))
def test_every_batch_is_full_and_less_than_a_row_off(cells: list[tuple[int, int]], batches: int, size: int) -> None:
    counts = counts_of(cells, batches, size)
    assert np.all(counts.sum(axis=1) == size)
    assert counts.min() >= 0
    assert np.all(np.abs(counts - quotas(cells, batches, size)) < 1 + 1e-9)
    assert np.abs(np.cumsum(counts - quotas(cells, batches, size), axis=0)).max() < 1.5


def test_roundings_do_not_add_up_over_ten_thousand_batches() -> None:
    cells = [(5, 0), (1, 1), (0, 3), (2, 1)]
    counts = counts_of(cells, 10_000, 64)
    assert np.abs(np.cumsum(counts - quotas(cells, 10_000, 64), axis=0)).max() < 1


@few
@given(
    cells=ends, batches=st.integers(1, 100), size=st.integers(1, 80), groups=st.lists(st.integers(0, 9), min_size=1, max_size=4).filter(any)
)
def test_groups_divide_what_their_condition_has(cells: list[tuple[int, int]], batches: int, size: int, groups: list[int]) -> None:
    slopes = [Fraction(end - start, batches) for start, end in cells]
    counts = ramp_counts([Fraction(start) for start, _ in cells], slopes, batches=batches, size=size, groups=[groups] * len(cells))
    by_condition = counts.reshape(batches, len(cells), len(groups))
    assert np.array_equal(by_condition.sum(axis=2), counts_of(cells, batches, size))
    off = by_condition - by_condition.sum(axis=2, keepdims=True) * np.array(groups) / sum(groups)
    assert np.abs(off).max() < 1
    assert np.abs(np.cumsum(off, axis=0)).max() < 1.5


def test_numbers_beyond_64_bits_are_exact_too() -> None:
    shares, slopes = [Fraction(1), Fraction(1, 3**50)], [Fraction(-1, 100), Fraction(1, 100)]
    near = ramp_counts(shares, slopes, batches=100, size=64, groups=[[1], [1]])
    assert np.array_equal(near, ramp_counts([Fraction(1), Fraction(0)], slopes, batches=100, size=64, groups=[[1], [1]]))


def test_a_share_of_nothing_gets_nothing() -> None:
    assert not counts_of([(3, 1), (0, 0), (1, 4)], 50, 17)[:, 1].any()
