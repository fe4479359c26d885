"""Check that no clip and no group is in both training and evaluation."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamaug.splits import Split


def other_side(split: Split, clips: pa.Table) -> Split | None:
    """The clips that a split must not share clips or groups with.

    For `train` this is `evaluate`, for `evaluate` it is `train`, and for a choice on another column all
    clips that the choice leaves out. None if there are no such clips.

    Args:
        split: The split.
        clips: The store's clips table.

    >>> str(other_side(Split.parse("fold=1,2,3"), pa.table({"fold": [1, 2, 3, 4]})))
    'fold!=1,2,3'
    """
    if split.column == "split" and split.keep:
        other = Split(column="split", values=("train",) if split.values == ("evaluate",) else ("evaluate",))
        known = set(pc.unique(clips["split"]).to_pylist()) if "split" in clips.column_names else set()
        return other if set(other.values) <= known else None
    return Split(column=split.column, values=split.values, keep=not split.keep)


def leaks(clips: pa.Table, rows: np.ndarray, others: np.ndarray) -> list[str]:
    """Clips and groups that are on both sides, as text for people.

    Args:
        clips: The store's clips table.
        rows: Row numbers of one side.
        others: Row numbers of the other side.
    """
    problems = []
    both = np.intersect1d(rows, others)
    if len(both):
        example = clips["clip_id"][int(both[0])].as_py()
        problems.append(f"{len(both)} clip{'s are' if len(both) > 1 else ' is'} on both sides, for example '{example}'")
    groups = clips["group"].combine_chunks()
    shared = set(pc.unique(groups.take(pa.array(rows))).to_pylist()) & set(pc.unique(groups.take(pa.array(others))).to_pylist())
    shared.discard(None)
    if shared:
        example = min(shared)
        problems.append(f"{len(shared)} group{'s are' if len(shared) > 1 else ' is'} on both sides, for example '{example}'")
    return problems
