"""Delete what no kept snapshot of a store needs."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from streamaug.building.staging import ALIVE, running_builds
from streamaug.errors import StoreError
from streamaug.files import PARTIAL
from streamaug.store import Store
from streamaug.store.folder import STAGING
from streamaug.store.format import CLIPS_NAME, INDEX_NAME, SHARD_NAME
from streamaug.store.listing import StoredFile
from streamaug.store.manifest import Manifest, snapshot_path
from streamaug.store.snapshots import NamedFiles, Snapshots, listed, staged_shards

_REMEDY = "prune the store when it has ended (on a remote store one that was killed counts as running for an hour)"


@dataclass(frozen=True, kw_only=True)
class Pruning:
    """What can be deleted from a store.

    Args:
        store: The store.
        snapshots: Manifests that are no longer kept, newest first.
        files: Size of each file to delete in bytes, by path.
        now: The time that ages were counted to, in seconds since 1970.
    """

    store: Store
    snapshots: tuple[Manifest, ...]
    files: Mapping[str, int]
    now: float

    @property
    def bytes(self) -> int:
        """Bytes that are freed."""
        return sum(self.files.values())

    def delete(self) -> None:
        """Delete it: manifests first, so that none ever names a file that is gone.

        Raises:
            StoreError: A build is running, which may need what it has found, or has published
                another snapshot since. Nothing is deleted then.
            FetchError: A file could not be deleted.
        """
        current, files = listed(self.store)
        running = running_builds(current.folder, files, self.now)
        if running:
            raise StoreError(f"{current.url}/{running[0]}: a build is running, and may need files that no snapshot names; {_REMEDY}")
        if current.snapshot != self.store.snapshot:
            raise StoreError(f"{current.url}: a build has published a snapshot in the meantime; prune it again")
        for path in sorted(self.files, key=lambda path: path not in self._manifests):
            self.store.folder.remove(path)

    @property
    def _manifests(self) -> frozenset[str]:
        return frozenset(snapshot_path(manifest.snapshot) for manifest in self.snapshots)


def find_prunable(store: Store, older_than_s: float, now: float | None = None) -> Pruning:
    """Find what no kept snapshot needs.

    Kept are the current snapshot, those that were current at any time in the last `older_than_s`
    seconds, and whatever was written since then. What a build that was stopped has finished is kept
    as long.

    Args:
        store: The store.
        older_than_s: Age in seconds.
        now: The time in seconds since 1970. Default: this machine's clock.

    Raises:
        StoreError: The store's files cannot be listed.
        FetchError: A table could not be read.
    """
    if store.folder.is_web:
        raise StoreError(f"{store.url} is served by a web server, which lists and deletes no files; prune it where it is")
    now = time.time() if now is None else now
    limit = now - older_than_s
    store, files = listed(store)
    snapshots = Snapshots.read(store, files)
    kept, dropped = [store.manifest], list[Manifest]()
    replaced_at = store.manifest.created.timestamp()
    for manifest in list(snapshots.chain.values())[1:]:
        # A snapshot is in use until the next one is published.
        (kept if replaced_at >= limit and not dropped else dropped).append(manifest)
        replaced_at = manifest.created.timestamp()
    old = {path: file for path, file in files.items() if file.modified < limit}
    builds = _old_builds(files, limit)
    named = NamedFiles.of(store, kept)
    needed = named.paths | staged_shards(store, [path for path in files if _build_of(path) not in builds])
    loose = {snapshot_path(name) for name in (*snapshots.loose, *snapshots.damaged)}
    prunable = {
        path: file.size
        for path, file in old.items()
        if path not in needed and (path in loose or _build_of(path) in builds or _is_of_a_build(path, named.unknown))
    }
    prunable |= {path: files[path].size for path in map(snapshot_path, (manifest.snapshot for manifest in dropped)) if path in files}
    return Pruning(store=store, snapshots=tuple(dropped), files=prunable, now=now)


def _build_of(path: str) -> str | None:
    parts = path.split("/")
    return parts[1] if parts[0] == STAGING and len(parts) > 2 else None  # .building/<build>/<file>


def _old_builds(files: Mapping[str, StoredFile], limit: float) -> frozenset[str | None]:
    """Builds that have written nothing since a time, and so were killed."""
    newest: dict[str, float] = {}
    for path, file in files.items():
        build = _build_of(path)
        if build is not None:
            newest[build] = max(newest.get(build, 0.0), file.modified)
    return frozenset(build for build, modified in newest.items() if modified < limit)


def _is_of_a_build(path: str, unknown: frozenset[str]) -> bool:
    """Whether a build wrote a file into the store, in a condition whose indexes can all be read."""
    folder, _, name = path.rpartition("/")
    if folder in unknown or path.endswith(f"/{ALIVE}"):
        return False
    if name.startswith(".") and name.endswith(PARTIAL):
        return True
    return bool(CLIPS_NAME.fullmatch(name) if not folder else SHARD_NAME.fullmatch(name) or INDEX_NAME.fullmatch(name))
