"""Check that no clip and no group is in both training and evaluation."""

import warnings
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamaug.errors import LeakageWarning
from streamaug.printable import escape_lines
from streamaug.splits import Split
from streamaug.store import Store


@dataclass(frozen=True, kw_only=True)
class Side:
    """Clips that training and evaluation must keep apart from others.

    Args:
        name: What the clips are, for messages.
        rows: Their row numbers in the store's clips table.
    """

    name: str
    rows: np.ndarray


def other_side(split: Split, clips: pa.Table) -> Side:
    """The clips that a split must not share clips or groups with; possibly none.

    These are the clips of all other splits, whatever the splits are called, and for a choice on
    another column all clips that the choice leaves out. Clips without a split are on no side: no
    name of a split leads to them, so nobody evaluates on them by accident.

    Args:
        split: The split.
        clips: The store's clips table.

    >>> clips = pa.table({"split": ["train", "dev", "test", None], "fold": [1, 2, 3, 4]})
    >>> other_side(Split.parse("train"), clips)
    Side(name='the other splits (dev, test)', rows=array([1, 2]))
    >>> other_side(Split.parse("fold=1,2"), clips)
    Side(name="the clips of 'fold!=1,2'", rows=array([2, 3]))
    """
    opposite = Split(column=split.column, values=split.values, keep=not split.keep)
    rows = opposite.rows(clips)
    if split.column != "split":
        return Side(name=f"the clips of '{opposite}'", rows=rows)
    rows = rows[np.asarray(clips["split"].is_valid())[rows]]
    names = sorted(pc.unique(clips["split"].take(pa.array(rows))).to_pylist())
    return Side(name=f"the other splits ({', '.join(names)})" if len(names) > 1 else f"split '{''.join(names)}'", rows=rows)


def leaks(clips: pa.Table, rows: np.ndarray, others: np.ndarray) -> list[str]:
    """Clips and groups that are on both sides, as text for people.

    Args:
        clips: The store's clips table.
        rows: Row numbers of one side, each once.
        others: Row numbers of the other side, each once.
    """
    problems = []
    both = np.intersect1d(rows, others, assume_unique=True)
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


def warn_of_leakage(store: Store, split: str) -> None:
    """Warn, once per process, if an evaluation split shares groups with the rest of a store.

    It is a warning and not an error: what a model was trained on is not known here, and looking at
    training clips on purpose must stay possible.

    Args:
        store: The store.
        split: Split to evaluate on.

    Raises:
        StoreError: The split does not fit the store.
    """
    evaluated = Split.parse(split)
    other = other_side(evaluated, store.clips)
    problems = leaks(store.clips, evaluated.rows(store.clips), other.rows)
    if problems:
        _warn_once(
            f"evaluation on split '{split}' of {store.url} says too much about a model that was trained on {other.name}: "
            f"{'; '.join(problems)}; move each group to one side"
        )


@cache
def _warn_once(message: str) -> None:
    warnings.warn(escape_lines(message), LeakageWarning, stacklevel=4)
