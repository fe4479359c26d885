import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamaug.planning.floor_sum import floor_sum
from streamaug.planning.ordering import Blocks, Shuffled
from tests.planning.settings import few, some

small = st.integers(0, 60)


@some
@given(n=small, m=st.integers(1, 60), a=small, b=small)
def test_floor_sum_is_the_sum_of_floors(n: int, m: int, a: int, b: int) -> None:
    expected = sum((a * i + b) // m for i in range(n))
    assert floor_sum(n, m, a, b) == expected
    assert floor_sum(*(np.array([value]) for value in (n, m, a, b))).tolist() == [expected]


@few
@given(
    counts=st.lists(st.integers(1, 200), min_size=1, max_size=8),
    size=st.integers(2, 50),
    chronological=st.booleans(),
    key=st.integers(0, 2**63),
)
def test_blocks_hold_each_cells_share_to_the_row(counts: list[int], size: int, chronological: bool, key: int) -> None:
    total = sum(counts)
    ordering = Blocks(counts=np.array(counts), condition_groups=np.arange(len(counts)), size=size, key=key, chronological=chronological)
    cells, ordinals = ordering.locate(np.arange(total))
    blocks = total // size
    for cell, count in enumerate(counts):
        here = ordinals[cells == cell]
        assert sorted(here.tolist()) == list(range(count))  # every rank once
        if chronological:
            assert np.all(np.diff(here) == 1)
        held = np.bincount(np.flatnonzero(cells == cell) // size, minlength=blocks + 1)
        assert np.all(np.abs(held[:blocks] - size * count / total) < 1 + 1 / max(1, blocks))
        assert abs(held[blocks:].sum() - (total - blocks * size) * count / total) < 1


def test_a_rare_cell_is_spread_over_the_whole_epoch() -> None:
    """A cell with half a row per block comes in every second block or so, not in the first half of
    the epoch."""
    ordering = Blocks(counts=np.array([100_000 - 200, 200]), condition_groups=np.arange(2), size=250, key=3, chronological=True)
    cells, _ = ordering.locate(np.arange(100_000))
    places = np.flatnonzero(cells == 1) / 100_000
    assert np.abs(places - (np.arange(200) + 0.5) / 200).max() < 0.02


@pytest.mark.parametrize("chronological", [False, True])
def test_any_positions_in_any_order_give_what_the_whole_epoch_gives(chronological: bool) -> None:
    counts = np.array([700, 3, 1100, 250])
    ordering = Blocks(counts=counts, condition_groups=np.array([0, 0, 1, 2]), size=64, key=11, chronological=chronological)
    cells, ordinals = ordering.locate(np.arange(counts.sum()))
    some_positions = np.random.default_rng(0).integers(0, counts.sum(), 500)
    for got, whole in zip(ordering.locate(some_positions), (cells, ordinals), strict=True):
        assert np.array_equal(got, whole[some_positions])
    for position in some_positions[:100].tolist():
        assert ordering.locate_one(position) == (cells[position], ordinals[position])


def test_one_shuffle_hits_every_rank_of_every_cell_once() -> None:
    counts = np.array([5, 1, 700])
    ordering = Shuffled(counts=counts, key=4)
    cells, ordinals = ordering.locate(np.arange(706))
    assert sorted(zip(cells.tolist(), ordinals.tolist(), strict=True)) == [(c, r) for c in range(3) for r in range(counts[c])]
    assert [ordering.locate_one(position) for position in range(706)] == list(zip(cells.tolist(), ordinals.tolist(), strict=True))
