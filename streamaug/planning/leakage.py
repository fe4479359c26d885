"""Check that no clip and no group is in both training and evaluation, nor with several stores the
same audio."""

import warnings
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamaug.errors import LeakageWarning
from streamaug.printable import escape_lines
from streamaug.splits import Split
from streamaug.store.catalogue import Catalogue, StoreLike, split_rows
from streamaug.store.joined_clips import STORE_COLUMN


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


def leaks(store: StoreLike, rows: np.ndarray, others: np.ndarray) -> list[str]:
    """Clips and groups that are on both sides, as text for people; with several stores, also audio
    that two of them have in common.

    Args:
        store: The store.
        rows: Row numbers of one side, each once.
        others: Row numbers of the other side, each once.
    """
    problems, clips = [], store.clips
    both = np.intersect1d(rows, others, assume_unique=True)
    if len(both):
        example = clips["clip_id"][int(both[0])].as_py()
        problems.append(f"{len(both)} clip{'s are' if len(both) > 1 else ' is'} on both sides, for example '{example}'")
    groups = _groups(store)
    shared = set(pc.unique(groups.take(pa.array(rows))).to_pylist()) & set(pc.unique(groups.take(pa.array(others))).to_pylist())
    shared.discard(None)
    if shared:
        example = min(shared)
        problems.append(f"{len(shared)} group{'s are' if len(shared) > 1 else ' is'} on both sides, for example '{example}'")
    if isinstance(store, Catalogue):
        problems += _shared_audio(store, rows, others)
    return problems


def _groups(store: StoreLike) -> pa.Array:
    """The group of each clip. With several stores it is named with its store, unless they share
    their groups."""
    groups = store.clips["group"]
    if isinstance(store, Catalogue) and not store.shared_groups:
        groups = pc.binary_join_element_wise(store.clips[STORE_COLUMN], groups, ":")
    return groups.combine_chunks()


def _shared_audio(store: Catalogue, rows: np.ndarray, others: np.ndarray) -> list[str]:
    """Clips of one store whose samples a clip of another store has on the other side, as text for
    people. Inside a store `streamaug build` looks for them."""
    clips = store.clips.select([STORE_COLUMN, "clip_id", "sha256"])
    one, other = clips.take(pa.array(rows)), clips.take(pa.array(others))
    candidates = one.filter(pc.is_in(one["sha256"], other["sha256"].combine_chunks()))
    if not len(candidates):
        return []
    other = other.filter(pc.is_in(other["sha256"], candidates["sha256"].combine_chunks()))
    owners: dict[bytes, dict[str, str]] = {}
    for clip in other.to_pylist():
        owners.setdefault(clip["sha256"], {})[clip[STORE_COLUMN]] = clip["clip_id"]
    pairs = [
        (f"{clip[STORE_COLUMN]}:{clip['clip_id']}", f"{name}:{same}")
        for clip in candidates.to_pylist()
        for name, same in owners[clip["sha256"]].items()
        if name != clip[STORE_COLUMN]
    ]
    if not pairs:
        return []
    first, second = pairs[0]
    count = len({clip for clip, _ in pairs})
    return [f"{count} clip{'s have' if count > 1 else ' has'} the same audio in another store, for example '{first}' and '{second}'"]


def warn_of_leakage(store: StoreLike, split: str) -> None:
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
    problems = leaks(store, split_rows(store, split), other.rows)
    if problems:
        _warn_once(
            f"evaluation on split '{split}' of {store.url} says too much about a model that was trained on {other.name}: "
            f"{'; '.join(problems)}; move each group to one side"
        )


@cache
def _warn_once(message: str) -> None:
    warnings.warn(escape_lines(message), LeakageWarning, stacklevel=4)
