"""Several stores as one: their clips in one table, their conditions by name, their labels joined."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa

from streamaug.condition_names import STORE_NAMES, is_store_name, split_store
from streamaug.errors import StoreError
from streamaug.hints import nearest
from streamaug.splits import Split
from streamaug.store.format import Target
from streamaug.store.joined_clips import STORE_COLUMN, join_clips, renamed
from streamaug.store.locations import BitstreamLocations
from streamaug.store.store import Store

Labels = Mapping[str, Mapping[str, str]]
"""For some stores, other names for some of their labels."""


@dataclass(frozen=True, kw_only=True)
class JoinedManifest:
    """What the manifests of several stores say together.

    Args:
        name: Names of the stores.
        target: Column of the clips tables with what a model learns; None if there is none.
        labels: The labels of all stores, store by store, each store's own in its order.
    """

    name: str
    target: Target | None
    labels: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """Several stores that a recipe draws from together; planning and streaming use it as one store.

    A condition is named with its store, such as `tau:mp3_64`, and has the clips of that store. The
    clips table joins those of the stores, in the order of the stores' names, and has a column
    `store`. Labels are joined by name.

    Args:
        stores: The opened stores by name, in the order of the names.
        rename_labels: For some stores, other names for some of their labels.
        shared_groups: Whether a group of one store is the group of that name in the others, too,
            so that both must be on one side of training and evaluation.
    """

    stores: Mapping[str, Store]
    rename_labels: Labels = field(default_factory=dict)
    shared_groups: bool = False

    @classmethod
    def open(
        cls, stores: Mapping[str, str | os.PathLike[str] | Store], *, rename_labels: Labels | None = None, shared_groups: bool = False
    ) -> "Catalogue":
        """Open several stores.

        Args:
            stores: Paths or URLs of stores, or opened stores, by the names that conditions begin
                with.
            rename_labels: For some stores, other names for some of their labels:
                `{"esc": {"dog_bark": "dog"}}`. Labels that get one name are one label.
            shared_groups: Whether groups with the same name in several stores are one group.

        Raises:
            StoreError: There is no such store, two of them are the same, what is learned of their
                clips differs, or a store does not have a label that is to be renamed.
            FetchError: A store could not be read.
        """
        if not stores:
            raise StoreError("no stores are given; write a name and a path or URL for each, such as {'tau': 's3://bucket/tau'}")
        for name in stores:
            if not isinstance(name, str) or not is_store_name(name):
                raise StoreError(f"store {name!r}: is not {STORE_NAMES}")
        opened = {name: _opened(stores[name]) for name in sorted(stores)}
        return cls(stores=opened, rename_labels=rename_labels or {}, shared_groups=shared_groups)

    def __post_init__(self) -> None:
        _check_distinct(self.stores)
        _check_targets(self.stores)
        for name, labels in self.rename_labels.items():
            if name not in self.stores:
                raise StoreError(f"rename_labels: there is no store '{name}'. {nearest(name, self.stores)}")
            for label in labels:
                known = self.stores[name].manifest.labels
                if label not in known:
                    raise StoreError(f"rename_labels: store '{name}' has no label '{label}'. {nearest(label, known)}")

    def unread(self) -> "Catalogue":
        """The same snapshots with nothing read yet, which is small to pickle."""
        return self._with({name: store.unread() for name, store in self.stores.items()})

    def reopen(self, snapshot: Mapping[str, str] | None = None) -> "Catalogue":
        """The same stores as they are now, with nothing remembered.

        Args:
            snapshot: For each store the name of an earlier snapshot. Default: the current ones.

        Raises:
            StoreError: Not all stores are named, or one has no such snapshot any more.
            FetchError: A store could not be read.
        """
        if snapshot is not None and snapshot.keys() != self.stores.keys():
            raise StoreError(f"snapshots of the stores {', '.join(sorted(snapshot))} are named, but these are {', '.join(self.stores)}")
        if snapshot is None:
            return self._with({name: store.reopen() for name, store in self.stores.items()})
        # One that has not changed is not asked: its server may be away.
        return self._with(
            {
                name: store.unread() if store.snapshot == snapshot[name] else store.reopen(snapshot[name])
                for name, store in self.stores.items()
            }
        )

    def _with(self, stores: Mapping[str, Store]) -> "Catalogue":
        return Catalogue(stores=stores, rename_labels=self.rename_labels, shared_groups=self.shared_groups)

    @property
    def snapshot(self) -> dict[str, str]:
        """For each store the name of the opened snapshot, 16 hex digits."""
        return {name: store.snapshot for name, store in self.stores.items()}

    @property
    def url(self) -> str:
        """Names and URLs of the stores, for messages."""
        return ", ".join(f"{name} ({store.url})" for name, store in self.stores.items())

    @cached_property
    def manifest(self) -> JoinedManifest:
        """What the stores' manifests say together."""
        labels = (label for name in self.stores for label in self._labels_of(name))
        first = next(iter(self.stores.values())).manifest
        return JoinedManifest(
            name=", ".join(self.stores),
            target=first.target,
            labels=tuple(dict.fromkeys(labels)),
        )

    def _labels_of(self, name: str) -> tuple[str, ...]:
        return renamed(self.stores[name].manifest.labels, self.rename_labels.get(name, {}))

    @property
    def conditions(self) -> tuple[str, ...]:
        """The conditions of all stores, store by store."""
        return tuple(f"{name}:{condition}" for name, store in self.stores.items() for condition in store.conditions)

    @cached_property
    def clips(self) -> pa.Table:
        """One row per clip, store by store and in each as in its own table: the columns of all
        stores, and `store`.

        A store has no values in a column that only others have. A column is text if no type holds
        its values of all stores exactly. Shards are numbered on from store to store.

        Raises:
            StoreError: A store's own table has a column `store`, or a column has types that do not go
                together.
            CorruptError: A table is damaged or missing.
            FetchError: It could not be read.
        """
        return join_clips({name: (store.clips, self.rename_labels.get(name, {})) for name, store in self.stores.items()})

    @cached_property
    def ends(self) -> np.ndarray:
        """For each store, the row of the clips table after its last clip, int64 of shape (stores,)."""
        return np.cumsum([len(store.clips) for store in self.stores.values()])

    @cached_property
    def _locations(self) -> dict[str, BitstreamLocations]:
        return {}

    def locations(self, condition: str) -> BitstreamLocations:
        """Where the bitstreams of all clips in a condition are, in the order of the clips table;
        read at the first call.

        Args:
            condition: Name of the condition, with its store.

        Raises:
            ConditionError: The name cannot be a condition's.
            StoreError: There is no such store, or it does not have the condition.
            CorruptError: The index or the clips table is damaged.
            FetchError: One of them could not be read.
        """
        if condition not in self._locations:
            name, own = split_store(condition)
            if name not in self.stores:
                raise StoreError(f"condition '{condition}': {self._store_hint(condition)}")
            number = list(self.stores).index(name)
            first = int(self.ends[number - 1]) if number else 0
            located = self.stores[name].locations(own).among(name, first, int(self.ends[-1]))
            self._locations.setdefault(condition, located)
        return self._locations[condition]

    def _store_hint(self, condition: str) -> str:
        name, own = split_store(condition)
        if name:
            return f"there is no store '{name}'. {nearest(name, self.stores)}"
        choices = " or ".join(f"'{store}:{own}'" for store in self.stores)
        return f"the name lacks its store; write {choices}"


StoreLike = Store | Catalogue
"""What planning and streaming take for a store."""

StoreArgument = str | os.PathLike[str] | StoreLike | Mapping[str, str | os.PathLike[str] | Store]
"""A store as users name it: its path or URL, or several by name; or opened."""


def open_store(store: StoreArgument) -> StoreLike:
    """Open a store, or several together.

    Args:
        store: A path, a URL, a mapping of names to several of these; or what is open already.

    Raises:
        StoreError: There is no such store, or several do not go together.
        FetchError: One could not be read.
    """
    if isinstance(store, StoreLike):
        return store
    return Catalogue.open(store) if isinstance(store, Mapping) else Store.open(store)


def named_stores(store: StoreLike) -> Mapping[str, Store]:
    """The stores by name; the name of a single one is empty.

    Args:
        store: The store.
    """
    return store.stores if isinstance(store, Catalogue) else {"": store}


def snapshot_names(store: StoreLike) -> tuple[str, ...]:
    """The opened snapshot of each store.

    Args:
        store: The store.
    """
    return tuple(each.snapshot for each in named_stores(store).values())


def snapshot_of(store: StoreLike, names: Sequence[str]) -> str | dict[str, str]:
    """A snapshot as `store.snapshot` gives it.

    Args:
        store: The store.
        names: Snapshot of each store, as `snapshot_names` gives them.
    """
    return dict(zip(store.stores, names, strict=True)) if isinstance(store, Catalogue) else names[0]


def on_snapshot(store: StoreLike, snapshot: str | Mapping[str, str]) -> StoreLike:
    """The store on another snapshot.

    Args:
        store: The store.
        snapshot: As `store.snapshot` gives it.

    Raises:
        StoreError: There is no such snapshot any more, or it is not one of this store.
        FetchError: A store could not be read.
    """
    if isinstance(store, Catalogue) and isinstance(snapshot, Mapping):
        return store.reopen(snapshot)
    if isinstance(store, Store) and isinstance(snapshot, str):
        return store.reopen(snapshot)
    raise StoreError(f"snapshot {snapshot!r} is not one of {store.url}")


def split_rows(store: StoreLike, split: str) -> np.ndarray:
    """Row numbers of a split's clips, ascending, int64 of shape (clips,). A choice on a column
    needs the column in every store.

    Args:
        store: The store.
        split: The split as text.

    Raises:
        StoreError: The split does not fit the store.
    """
    parsed = Split.parse(split)
    if isinstance(store, Catalogue) and parsed.column in store.clips.column_names and parsed.column != STORE_COLUMN:
        for name, each in store.stores.items():
            if parsed.column not in each.clips.column_names:
                raise StoreError(
                    f"split '{parsed}': the clips table of store '{name}' ({each.url}) has no column '{parsed.column}', which each store "
                    "needs; choose another split, or add the column and build the store again"
                )
    return parsed.rows(store.clips)


def _opened(store: str | os.PathLike[str] | Store) -> Store:
    return store if isinstance(store, Store) else Store.open(store)


def _check_distinct(stores: Mapping[str, Store]) -> None:
    """Check that no store has two names. Raises StoreError."""
    names: dict[str, str] = {}
    for name, store in stores.items():
        for same in (store.url, store.snapshot):
            if same in names:
                raise StoreError(
                    f"'{names[same]}' and '{name}' are the same store, {store.url}, so its clips would count twice; leave one of them out"
                )
        names |= {store.url: name, store.snapshot: name}


def _check_targets(stores: Mapping[str, Store]) -> None:
    """Check that a model learns the same kind of thing of all clips. Raises StoreError."""
    (first, one), *others = stores.items()
    for name, other in others:
        if other.manifest.target != one.manifest.target:
            has, lacks = (f"the column '{target}'" if target else "no targets" for target in (one.manifest.target, other.manifest.target))
            raise StoreError(
                f"store '{first}' has {has} and store '{name}' has {lacks}, but a batch has one kind; build one of them again from a table "
                "of the same kind"
            )
