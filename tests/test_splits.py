"""A split is a choice on any column whose values are names."""

import pyarrow as pa
import pytest

from streamaug.errors import StoreError
from streamaug.planning.open_plan import factorize
from streamaug.splits import Split

CLIPS = pa.table({"clip_id": ["a", "b"], "fold": [1, 2], "tags": [["x"], []], "mark": [b"\xff", b"a"]})


def test_numbers_are_chosen_by_their_text():
    assert Split.parse("fold=2").rows(CLIPS).tolist() == [1]
    assert factorize(CLIPS, "fold").values == ("1", "2")


@pytest.mark.parametrize("column", ["tags", "mark"])
def test_a_column_without_names_is_refused(column):
    with pytest.raises(StoreError, match=f"the column '{column}' has values of type"):
        Split.parse(f"{column}=x").rows(CLIPS)
    with pytest.raises(StoreError, match="choose another column"):
        factorize(CLIPS, column)
