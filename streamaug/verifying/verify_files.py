"""Compare the files of a store with what its snapshots name, without reading a shard."""

from collections.abc import Iterator, Mapping

from streamaug.conditions import Condition
from streamaug.errors import ConditionError, FetchError
from streamaug.files import PARTIAL
from streamaug.store import Store
from streamaug.store.folder import STAGING
from streamaug.store.format import CLIPS_NAME, SNAPSHOTS, STORE_FILE
from streamaug.store.manifest import Manifest, read_manifest, snapshot_path
from streamaug.store.snapshots import NamedFiles, Snapshots, listed, staged_shards
from streamaug.verifying.findings import Finding

_LEFT_OVER = "it is from a build that was killed or is still running, or was put there by hand; 'streamaug prune' removes it"


def check_files(store: Store, files: Mapping[str, object]) -> Iterator[Finding]:
    """Report what was changed since it was published, and what nobody names.

    Args:
        store: The store.
        files: Its files by path.

    Raises:
        FetchError: A manifest or index could not be read.
    """
    snapshots = Snapshots.read(store, files)
    yield from _check_manifests(store, snapshots, files)
    named = NamedFiles.of(store, snapshots.chain.values())
    for path in sorted(set(files) - named.paths - staged_shards(store, files)):
        folder, _, name = path.partition("/")
        if folder in (STAGING, SNAPSHOTS, *named.unknown) or name.startswith("quality"):
            continue
        if name and _is_condition(folder):
            known = folder in store.conditions
            message = f"no snapshot names it: {_LEFT_OVER}" if known else f"{STORE_FILE} does not name the condition: {_LEFT_OVER}"
            yield Finding(condition=folder, shard=name, message=message)
        elif CLIPS_NAME.fullmatch(path) or path.endswith(PARTIAL):
            yield Finding(message=f"{path}: no snapshot names it: {_LEFT_OVER}")


def _check_manifests(store: Store, snapshots: Snapshots, files: Mapping[str, object]) -> Iterator[Finding]:
    for message in snapshots.damaged.values():
        yield Finding(message=message)
    path = snapshot_path(store.snapshot)
    if path not in files:
        siblings = [name for name in snapshots.loose if _manifest(store, name).parent == store.manifest.parent]
        fields = _manifest(store, siblings[0]).differences(store.manifest) if siblings else []
        change = f": other {', '.join(fields)} than in {snapshot_path(siblings[0])}" if fields else ""
        remedy = f"copy {snapshot_path(siblings[0])} over it" if siblings else "run the last build again"
        yield Finding(message=f"{STORE_FILE} was changed after it was published{change}; {remedy}")
        return
    for name in snapshots.loose:
        yield Finding(
            message=f"{snapshot_path(name)}: the current snapshot does not lead back to it: a manifest between them was removed, or a "
            "build was stopped while it published; 'streamaug prune' removes it"
        )


def _manifest(store: Store, snapshot: str) -> Manifest:
    return read_manifest(store.folder, snapshot)


def listed_files(store: Store) -> tuple[Store, Mapping[str, object] | None]:
    """The current snapshot of a store and the store's files by path; None if its server does not
    list folders."""
    if store.folder.is_web:
        return store.reopen(), None
    try:
        current, files = listed(store)
    except FetchError:  # access denied; if the server does not answer at all, reading the manifest shows it
        return store.reopen(), None
    return current, files if STORE_FILE in files else None


def _is_condition(name: str) -> bool:
    try:
        return str(Condition.parse(name)) == name
    except ConditionError:
        return False
