"""What a model learns of each clip of a store: one class, several classes, a number, or nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamaug.errors import CorruptError
from streamaug.store.format import STORE_FILE, TARGET_FIELDS, Target
from streamaug.store.manifest import Manifest


class Targets(Protocol):
    """The targets of all clips of a store; a clip is a row number of the clips table."""

    def entries(self, clips: np.ndarray) -> dict[str, np.ndarray]:
        """What a batch of clips, shape (n,), has of them, by key."""

    def interchangeable(self, clips: np.ndarray, clip: int) -> np.ndarray:
        """Which of some clips can replace one, bool of shape (n,)."""


@dataclass(frozen=True, kw_only=True)
class OneLabel(Targets):
    """Args:
    numbers: The class number of each clip, unsigned, shape (clips,).
    """

    numbers: np.ndarray

    def entries(self, clips: np.ndarray) -> dict[str, np.ndarray]:
        return {"label": self.numbers[clips].astype(np.int64)}

    def interchangeable(self, clips: np.ndarray, clip: int) -> np.ndarray:
        return np.asarray(self.numbers[clips] == self.numbers[clip])


@dataclass(frozen=True, kw_only=True)
class SeveralLabels(Targets):
    """Args:
    classes: Number of the store's labels.
    numbers: The class numbers of all clips, one clip after the other.
    starts: Where those of each clip begin, and their number at the end, shape (clips + 1,).

    >>> targets = SeveralLabels(classes=3, numbers=np.array([0, 2, 2]), starts=np.array([0, 2, 2, 3]))
    >>> targets.entries(np.array([2, 0, 1]))["labels"].tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    """

    classes: int
    numbers: np.ndarray
    starts: np.ndarray

    def entries(self, clips: np.ndarray) -> dict[str, np.ndarray]:
        rows, places = ragged(self.starts, clips)
        several_hot = np.zeros((len(clips), self.classes), np.float32)
        several_hot[rows, self.numbers[places]] = 1
        return {"labels": several_hot}

    def interchangeable(self, clips: np.ndarray, clip: int) -> np.ndarray:
        several_hot = self.entries(np.append(clips, clip))["labels"]
        return np.asarray((several_hot[:-1] == several_hot[-1]).all(axis=1))


@dataclass(frozen=True, kw_only=True)
class OneNumber(Targets):
    """Args:
    values: float32 of shape (clips,).
    """

    values: np.ndarray

    def entries(self, clips: np.ndarray) -> dict[str, np.ndarray]:
        return {"target": self.values[clips]}

    def interchangeable(self, clips: np.ndarray, clip: int) -> np.ndarray:  # noqa: ARG002  # a number is rarely there twice
        return np.ones(len(clips), bool)


@dataclass(frozen=True, kw_only=True)
class NoTarget(Targets):
    """Clips to learn from without anybody's labels."""

    def entries(self, clips: np.ndarray) -> dict[str, np.ndarray]:  # noqa: ARG002  # the Protocol's signature
        return {}

    def interchangeable(self, clips: np.ndarray, clip: int) -> np.ndarray:  # noqa: ARG002  # as above
        return np.ones(len(clips), bool)


class SaysTargets(Protocol):
    """A manifest, of one store or of several."""

    @property
    def target(self) -> Target | None: ...

    @property
    def labels(self) -> tuple[str, ...]: ...


def open_targets(clips: pa.Table, manifest: SaysTargets) -> Targets:
    """The targets of the clips of a table.

    Args:
        clips: A store's clips table, or some of its rows.
        manifest: The store's manifest.
    """
    if manifest.target is None:
        return NoTarget()
    column = clips[manifest.target].combine_chunks()
    if manifest.target == "target":
        return OneNumber(values=column.to_numpy().astype(np.float32))
    names = column if manifest.target == "label" else column.flatten()
    numbers = np.asarray(pc.index_in(names, value_set=pa.array(manifest.labels, pa.string())))
    numbers = numbers.astype(np.min_scalar_type(len(manifest.labels)))
    if manifest.target == "label":
        return OneLabel(numbers=numbers)
    return SeveralLabels(classes=len(manifest.labels), numbers=numbers, starts=starts_of(column))


def starts_of(lists: pa.ListArray) -> np.ndarray:
    """Where each list begins in the flat array of all items, and their number at the end, int64.

    >>> starts_of(pa.array([["a"], [], ["b", "c"]])).tolist()
    [0, 1, 1, 3]
    """
    return np.concatenate([[0], np.cumsum(pc.list_value_length(lists).to_numpy())]).astype(np.int64)


def ragged(starts: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The items of some lists that are stored one after the other.

    Args:
        starts: Where each list begins, and the number of all items at the end.
        rows: Numbers of the lists, shape (n,).

    Returns:
        For each item, the position in `rows` of its list, and its position among all items.

    >>> [each.tolist() for each in ragged(np.array([0, 1, 1, 3]), np.array([2, 1, 0]))]
    [[0, 0, 2], [1, 2, 0]]
    """
    sizes = starts[rows + 1] - starts[rows]
    ends = np.cumsum(sizes)
    within = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - sizes, sizes)
    return np.repeat(np.arange(len(rows)), sizes), np.repeat(starts[rows], sizes) + within


def class_numbers(clip: Mapping[str, Any], numbers: Mapping[str, int]) -> dict[str, Any]:
    """What the JSON of a clip says about its classes.

    Args:
        clip: Its row of the clips table.
        numbers: The class number of each label.

    >>> class_numbers({"label": "dog"}, {"cat": 0, "dog": 1}), class_numbers({"labels": ["cat", "dog"]}, {"cat": 0, "dog": 1})
    ({'class_number': 1}, {'class_numbers': [0, 1]})
    """
    if "label" in clip:
        return {"class_number": numbers[clip["label"]]}
    return {"class_numbers": [numbers[label] for label in clip["labels"]]} if "labels" in clip else {}


def check_targets(clips: pa.Table, manifest: Manifest, where: str) -> None:
    """Check that a clips table has the targets that the manifest names, and no others.

    Args:
        clips: The table, with the columns of the manifest's kind of store.
        manifest: The snapshot's manifest.
        where: Names the file in errors.

    Raises:
        CorruptError: It does not.
    """
    others = [name for name in TARGET_FIELDS if name != manifest.target and name in clips.column_names]
    if others:
        raise CorruptError(f"{where}: has a column '{others[0]}', which {STORE_FILE} does not name; copy both files again")
    if manifest.target is None:
        return
    column = clips[manifest.target]
    if column.null_count:
        raise CorruptError(f"{where}: {column.null_count} clips have no {manifest.target}; copy the file again, or rebuild the store")
    if manifest.target == "target":
        if not pc.all(pc.is_finite(column)).as_py():
            raise CorruptError(f"{where}: a target is not a finite number; copy the file again, or rebuild the store")
        return
    used = set((column if manifest.target == "label" else column.combine_chunks().flatten()).unique().to_pylist())
    unknown = used - set(manifest.labels)
    if unknown:
        raise CorruptError(f"{where}: label '{min(map(str, unknown))}' is not one of the labels in {STORE_FILE}; copy both files again")


def target_columns(target: Target | None) -> tuple[str, ...]:
    """The names of a store's columns of targets: one, or none."""
    return () if target is None else (target,)
