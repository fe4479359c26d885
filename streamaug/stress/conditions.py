"""Which conditions of a store a run evaluates: all on the same clips."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from streamaug.condition_names import condition_order, split_link
from streamaug.errors import StoreError
from streamaug.links import Link, find_link
from streamaug.store import Store


@dataclass(frozen=True, kw_only=True)
class EvaluatedConditions:
    """The conditions of a run.

    Args:
        names: `original` first, then by name.
        skipped: Those of the store that lack clips of the split, with the number of clips that they
            have.
    """

    names: tuple[str, ...]
    skipped: Mapping[str, int]


def used_links(conditions: Sequence[str], links: Mapping[str, Link]) -> dict[str, Link]:
    """The links that conditions name.

    Args:
        conditions: Names of conditions.
        links: Those that are defined, by name; presets are known without.

    Raises:
        LinkError: A link is not defined.

    >>> list(used_links(["alaw_64~wifi@1", "mp3_64"], {}))
    ['wifi@1']
    """
    return {link: find_link(link, links) for name in conditions if (link := split_link(name)[1])}


def choose_conditions(store: Store, split: str, clips: np.ndarray, requested: Sequence[str] | None) -> EvaluatedConditions:
    """The conditions that have every clip of a split: accuracies on different clips cannot be
    compared.

    Args:
        store: The store.
        split: The split as text, for errors.
        clips: Row numbers of its clips.
        requested: Names of conditions; `original` is added, since drops are measured from it.
            Default: all that have every clip.

    Raises:
        StoreError: A requested condition is not in the store, or lacks clips.
    """
    names = {"original", *requested} if requested else store.conditions
    available = {name: int(store.locations(name).has_clip[clips].sum()) for name in sorted(names, key=condition_order)}
    incomplete = {name: count for name, count in available.items() if count < len(clips)}
    wrong = incomplete if requested else {name: count for name, count in incomplete.items() if name == "original"}
    for name, count in wrong.items():
        raise StoreError(
            f"condition '{name}' of {store.url} has {count} of the {len(clips)} clips of split '{split}', and figures of different clips "
            "cannot be compared; leave it out, or build it for all clips"
        )
    return EvaluatedConditions(names=tuple(name for name in available if name not in incomplete), skipped=incomplete)
