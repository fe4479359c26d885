"""The snapshots that a store keeps, and the files that each of them names."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from streamaug.errors import CorruptError, StoreError
from streamaug.store.folder import STAGING
from streamaug.store.format import SNAPSHOTS
from streamaug.store.index import Index
from streamaug.store.listing import StoredFile
from streamaug.store.manifest import Manifest, read_manifest, snapshot_path
from streamaug.store.store import Store

_PART_DEPTH = 3
"""Slashes in the path of a part: .building/<build>/<condition>/<key>.parquet."""


def chain_of(store: Store) -> list[Manifest]:
    """The manifests from the opened snapshot back to the oldest that is kept; nothing is listed.

    Args:
        store: The store.

    Raises:
        CorruptError: A manifest was changed.
        FetchError: One could not be read.
    """
    chain = [store.manifest]
    while chain[-1].parent is not None:
        try:
            chain.append(read_manifest(store.folder, chain[-1].parent))
        except StoreError:  # pruned
            break
    return chain


def listed(store: Store) -> tuple[Store, dict[str, StoredFile]]:
    """The current snapshot of a store and the store's files, at a moment at which no build published
    another.

    Args:
        store: The store.

    Raises:
        FetchError: The manifest or the folders could not be read.
    """
    current = store.reopen()
    while True:
        files = store.folder.files()
        after = store.reopen()
        if after.snapshot == current.snapshot:
            return current, files
        current = after


@dataclass(frozen=True, kw_only=True)
class Snapshots:
    """The snapshots that a store keeps.

    Args:
        chain: The manifests from the current one back to the oldest, by name.
        loose: Names of kept snapshots that the current one does not lead back to.
        damaged: Names of snapshots whose manifest cannot be read, and why.
    """

    chain: Mapping[str, Manifest]
    loose: tuple[str, ...]
    damaged: Mapping[str, str]

    @classmethod
    def read(cls, store: Store, files: Iterable[str]) -> "Snapshots":
        """Read all manifests.

        Args:
            store: The store.
            files: Paths of the store's files.

        Raises:
            FetchError: One could not be read.
        """
        kept: dict[str, Manifest] = {}
        damaged = {}
        for path in sorted(files):
            name = path.removeprefix(f"{SNAPSHOTS}/").removesuffix(".json")
            if path != snapshot_path(name) or len(name) != len(store.snapshot):
                continue
            try:
                kept[name] = read_manifest(store.folder, name)
            except (StoreError, CorruptError) as error:
                damaged[name] = str(error)
        chain, parent = {store.snapshot: store.manifest}, store.manifest.parent
        while parent in kept and parent not in chain:
            chain[parent] = kept[parent]
            parent = kept[parent].parent
        return cls(chain=chain, loose=tuple(name for name in kept if name not in chain), damaged=damaged)


@dataclass(frozen=True, kw_only=True)
class NamedFiles:
    """What some snapshots consist of.

    Args:
        paths: Paths of their files in the store.
        unknown: Conditions with an index that cannot be read, so that nobody knows which shards it
            names.
    """

    paths: frozenset[str]
    unknown: frozenset[str]

    @classmethod
    def of(cls, store: Store, manifests: Iterable[Manifest]) -> "NamedFiles":
        """The files of some snapshots of a store; each index is read once.

        Args:
            store: The store.
            manifests: Manifests of the snapshots.

        Raises:
            FetchError: An index could not be read.
        """
        paths: set[str] = set()
        unknown: set[str] = set()
        for manifest in manifests:
            snapshot = Store(store.folder, manifest)
            paths.add(manifest.clips.file)
            for condition, entry in manifest.conditions.items():
                path = f"{condition}/{entry.file}"
                if path in paths:
                    continue
                paths.add(path)
                try:
                    paths |= {f"{condition}/{shard.name}" for shard in snapshot.index(condition).meta.shards}
                except CorruptError:
                    unknown.add(condition)
        return cls(paths=frozenset(paths), unknown=frozenset(unknown))


def staged_shards(store: Store, files: Iterable[str]) -> frozenset[str]:
    """Paths of the shards that builds have finished, but not published: they were stopped or
    refused, or are running.

    Args:
        store: The store.
        files: Paths of the store's files.

    Raises:
        FetchError: A part could not be read.
    """
    shards = set()
    for path in files:
        if path.startswith(f"{STAGING}/") and path.count("/") == _PART_DEPTH:
            try:
                part = Index.from_bytes(store.folder.read(path), path)
            except (FileNotFoundError, CorruptError):
                continue
            shards |= {f"{part.meta.condition}/{shard.name}" for shard in part.meta.shards}
    return frozenset(shards)
