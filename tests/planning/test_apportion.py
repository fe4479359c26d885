from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from streamaug.planning.apportion import apportion, integer_shares, largest_remainder
from tests.planning.settings import some

weights = st.lists(st.integers(0, 1000), min_size=1, max_size=9).filter(any)


@some
@given(total=st.integers(0, 10**9), shares=weights)
def test_largest_remainder_never_misses_the_total_nor_leaves_the_quota(total: int, shares: list[int]) -> None:
    counts = largest_remainder(total, shares)
    assert sum(counts) == total
    for count, share in zip(counts, shares, strict=True):
        quota = Fraction(total * share, sum(shares))
        assert abs(count - quota) < 1
        assert share or not count


@some
@given(totals=st.lists(st.integers(0, 200), min_size=1, max_size=60), shares=weights)
def test_what_is_owed_is_carried_from_group_to_group(totals: list[int], shares: list[int]) -> None:
    counts = apportion(totals, [shares] * len(totals))
    assert [sum(row) for row in counts] == totals
    for column, share in enumerate(shares):
        quotas = [Fraction(total * share, sum(shares)) for total in totals]
        assert all(abs(row[column] - quota) < 1 for row, quota in zip(counts, quotas, strict=True))
    if len(shares) == 2:  # rounding up where it is owed keeps two columns within half a row of what they ought to have
        assert abs(sum(row[0] for row in counts) - Fraction(sum(totals) * shares[0], sum(shares))) <= Fraction(1, 2)


def test_many_groups_do_not_pile_roundings_up() -> None:
    """Without carrying, the first of ten equal conditions would be rounded up in each of 500 groups
    of 11."""
    counts = apportion([11] * 500, [[1] * 10] * 500)
    assert {sum(row[column] for row in counts) for column in range(10)} == {550}


@some
@given(clips=st.integers(1, 50), views=st.integers(2, 5), data=st.data())
def test_no_view_is_given_more_often_than_there_are_clips(clips: int, views: int, data: st.DataObject) -> None:
    shares = data.draw(st.lists(st.integers(1, 50), min_size=views, max_size=8))
    (counts,) = apportion([views * clips], [shares], cap=views)
    assert sum(counts) == views * clips
    assert max(counts) <= clips


def test_weights_are_taken_as_they_are_written() -> None:
    assert integer_shares([Fraction("0.29"), Fraction("0.71")]) == [29, 71]
