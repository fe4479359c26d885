"""The leakage guard: no clip, and no recording location or source, on both sides of training and evaluation."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamaug.splits import Split


def other_side(split: Split, clips: pa.Table) -> Split | None:
    """The side that a split must be kept apart from: `evaluate` for training, `train` for evaluation, and for a choice on another
    column all the clips that it leaves out. None where the clips have no such side.

    >>> str(other_side(Split.parse("fold=1,2,3"), pa.table({"fold": [1, 2, 3, 4]})))
    'fold!=1,2,3'
    """
    if split.column == "split" and split.keep:
        other = Split(column="split", values=("train",) if split.values == ("evaluate",) else ("evaluate",))
        known = set(pc.unique(clips["split"]).to_pylist()) if "split" in clips.column_names else set()
        return other if set(other.values) <= known else None
    return Split(column=split.column, values=split.values, keep=not split.keep)


def leaks(clips: pa.Table, rows: np.ndarray, others: np.ndarray) -> list[str]:
    """What stands on both sides, said for people; empty where nothing does.

    rows, others: numbers of clips in the table, of either side.
    """
    found = []
    both = np.intersect1d(rows, others)
    if len(both):
        example = clips["clip_id"][int(both[0])].as_py()
        found.append(f"{len(both)} clip{'s are' if len(both) > 1 else ' is'} on both sides, for example '{example}'")
    groups = clips["group"].combine_chunks()
    shared = set(pc.unique(groups.take(pa.array(rows))).to_pylist()) & set(pc.unique(groups.take(pa.array(others))).to_pylist())
    shared.discard(None)
    if shared:
        example = min(shared)
        found.append(f"{len(shared)} group{'s are' if len(shared) > 1 else ' is'} on both sides, for example '{example}'")
    return found
