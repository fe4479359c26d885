"""Keep what a build has done so far, in a folder of its own, where the next build finds it.

`.building/<build>/` has the parts of finished shards, the facts about sources that were checked,
and, on a local disk, files that are being written. A build reads what all such folders hold: a part
is named by what its shard contains, so that whoever made it, it is right or not asked for. It
removes its own folder when it has published, and the folders of builds that were killed if it has
taken over all that is in them.
"""

import contextlib
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from filelock import FileLock, Timeout

from streamaug.building.facts import is_facts
from streamaug.building.shard import part_name
from streamaug.errors import CorruptError, FetchError
from streamaug.files import disk_errors
from streamaug.store import Store
from streamaug.store.folder import STAGING, Folder
from streamaug.store.index import Index
from streamaug.store.listing import StoredFile
from streamaug.store.manifest import Manifest
from streamaug.store.snapshots import NamedFiles, staged_shards

ALIVE = "alive"
"""File in a build's folder: locked on a local disk, elsewhere written again and again."""

_BEAT_S = 60.0
_DEAD_AFTER_S = 3600.0
"""Seconds without a beat after which a build on a remote store counts as killed."""

_TRIES = 1000
"""New folders that a build tries to lock, each of which another build may take for a dead one."""

_REMOVALS = 20
"""Tries to remove a folder. A build that looks whether another is alive makes the file that it would
lock, perhaps between the removal of all files and that of their folder."""

_READERS = 16
"""Threads that read parts; on S3 they mostly wait."""


@dataclass(frozen=True, kw_only=True)
class Staging:
    """The folder of a running build.

    Args:
        folder: The store, with the build's folder for files that are being written.
        name: Path of the build's folder in the store.
        found: Files of all builds' folders when this build began, by path in the store.
        killed: Folders of builds that were killed; this build alone may remove them.
        superseded: Those of them that nobody needs any more.
    """

    folder: Folder
    name: str
    found: dict[str, StoredFile]
    killed: tuple[str, ...] = ()
    superseded: list[str] = field(default_factory=list)

    def adopt(self, condition: str, keys: Iterable[str]) -> dict[str, Index]:
        """The parts that earlier builds finished, copied into this build's folder.

        Args:
            condition: Name of the condition.
            keys: What parts are named by, as `shard.part_key` gives them.

        Returns:
            Parts whose shards are in the store as they were written, by key.
        """
        paths = {path.split("/", 2)[2]: path for path in self.found if path.count("/") > 1}
        wanted = {key: paths[name] for key in keys if (name := part_name(condition, key)) in paths}
        sizes = self.folder.sizes(condition) if wanted else {}

        def adopted(key: str) -> Index | None:
            part = self._read(wanted[key])
            if part is None or any(sizes.get(shard.name) != shard.bytes for shard in part.meta.shards):
                return None
            self.folder.write(f"{self.name}/{part_name(condition, key)}", part.to_bytes())
            return part

        with ThreadPoolExecutor(_READERS) as readers:
            parts = dict(zip(wanted, readers.map(adopted, wanted), strict=True))
        return {key: part for key, part in parts.items() if part is not None}

    def parts(self, condition: str, keys: Iterable[str]) -> dict[str, Index | None]:
        """The parts of this build by key; None for a part that is missing or damaged."""
        names = {key: f"{self.name}/{part_name(condition, key)}" for key in keys}
        with ThreadPoolExecutor(_READERS) as readers:
            return dict(zip(names, readers.map(self._read, names.values()), strict=True))

    def supersede(self, manifest: Manifest) -> None:
        """Note which folders of builds that were killed have nothing that a snapshot lacks.

        Args:
            manifest: The snapshot that this build has published.
        """
        if self.killed:
            store = Store(self.folder, manifest)
            named = NamedFiles.of(store, [manifest]).paths
            for name in self.killed:
                if staged_shards(store, (path for path in self.found if path.startswith(f"{name}/"))) <= named:
                    self.superseded.append(name)

    def _read(self, path: str) -> Index | None:
        try:
            return Index.from_bytes(self.folder.read(path), f"{self.folder.url}/{path}")
        except (FileNotFoundError, CorruptError):
            return None


@contextmanager
def staging(folder: Folder) -> Iterator[Staging]:
    """Stage a build: open a folder for it, and look at what earlier builds left.

    If all goes well the build's folder is removed. If the build fails its folder stays for the next
    build, unless it has nothing worth keeping.

    Args:
        folder: The store.

    Raises:
        FetchError: The folder cannot be written or listed.
    """
    with ExitStack() as stack:
        name = stack.enter_context(_created(folder) if folder.is_local else _beating(folder))
        found = folder.files(STAGING)
        killed = _killed(folder, name, found, stack)
        staged = Staging(folder=folder.with_staging(name), name=name, found=_without(found, name), killed=killed)
        try:
            yield staged
        except BaseException:
            if not _is_worth_keeping(folder, name):
                _remove(folder, [name])
            raise
        _remove(folder, [name, *staged.superseded])


@contextmanager
def _created(folder: Folder) -> Iterator[str]:
    """Create and lock a local folder, and yield its path; afterwards remove the folders around it
    that are empty."""
    staging, root = folder.local_path(STAGING), folder.local_path("")
    is_new = not root.exists()
    with ExitStack() as stack:
        try:
            with disk_errors(staging):
                name = next(filter(None, (_locked(folder, stack) for _ in range(_TRIES))))
            yield name
        finally:
            stack.close()
            with contextlib.suppress(OSError):  # not empty: another build is running, or has left work
                staging.rmdir()
                if is_new:
                    root.rmdir()


def _locked(folder: Folder, stack: ExitStack) -> str | None:
    """A new folder that this process has locked; None if another build took it for one of a build
    that was killed, which it is until it is locked."""
    name = _new_name()
    alive = folder.local_path(f"{name}/{ALIVE}")
    lock = FileLock(alive, timeout=0)
    try:
        alive.parent.mkdir(parents=True)
        lock.acquire()
    except (Timeout, FileNotFoundError):  # the folder is another's, or was removed, or the one that it is in
        return None
    if not alive.exists():
        lock.release()
        return None
    stack.callback(lock.release)
    return name


def _new_name() -> str:
    return f"{STAGING}/{uuid.uuid4().hex[:12]}"


@contextmanager
def _beating(folder: Folder) -> Iterator[str]:
    """Write a build's sign of life into a new folder now and then, from a thread; yields the folder's
    path."""
    name = _new_name()
    folder.write(f"{name}/{ALIVE}", b"")
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(_BEAT_S):
            with contextlib.suppress(FetchError):  # the next beat may succeed
                folder.write(f"{name}/{ALIVE}", b"")

    thread = threading.Thread(target=beat, daemon=True, name="streamaug-alive")
    thread.start()
    try:
        yield name
    finally:
        ended.set()
        thread.join()
        with contextlib.suppress(FetchError):  # the next build waits for the last beat to grow old
            folder.remove(f"{name}/{ALIVE}")


def running_builds(folder: Folder, files: Mapping[str, StoredFile], now: float) -> list[str]:
    """The folders of builds that are running. On a remote store a build that was killed counts as
    one of them for an hour.

    Args:
        folder: The store.
        files: Its files by path.
        now: The time in seconds since 1970.
    """

    def is_running(path: str, file: StoredFile) -> bool:
        if not folder.is_local:
            return now - file.modified < _DEAD_AFTER_S
        try:
            with FileLock(folder.local_path(path), timeout=0):
                return False
        except Timeout:
            return True
        except OSError:  # it has removed its folder
            return False

    beats = {path: file for path, file in files.items() if path.startswith(f"{STAGING}/") and path.endswith(f"/{ALIVE}")}
    return [path.rpartition("/")[0] for path, file in beats.items() if is_running(path, file)]


def _killed(folder: Folder, own: str, found: dict[str, StoredFile], stack: ExitStack) -> tuple[str, ...]:
    """Folders of builds that were killed. On a local disk their locks are held from now on, so that
    one build alone removes them."""
    killed = []
    # Elsewhere than on a local disk only folders of the listing: one that came later has a beat that is not in it.
    names = (
        {f"{STAGING}/{name}" for name in folder.names(STAGING)} if folder.is_local else {"/".join(path.split("/")[:2]) for path in found}
    )
    for name in sorted(names - {own}):
        if folder.is_local:
            with contextlib.suppress(Timeout, OSError):  # it is running, or has removed its folder
                stack.enter_context(FileLock(folder.local_path(f"{name}/{ALIVE}"), timeout=0))
                killed.append(name)
        else:
            beat = found.get(f"{name}/{ALIVE}")  # none: it ended with an error
            if beat is None or found[f"{own}/{ALIVE}"].modified - beat.modified > _DEAD_AFTER_S:  # both by the server's clock
                killed.append(name)
    return tuple(killed)


def _without(found: dict[str, StoredFile], own: str) -> dict[str, StoredFile]:
    return {path: file for path, file in found.items() if not path.startswith(f"{own}/")}


def _is_worth_keeping(folder: Folder, name: str) -> bool:
    """Whether a build's folder has a part of a shard, or facts about sources."""
    try:
        return any(path.count("/") > 2 or is_facts(path) for path in folder.files(name))
    except FetchError:
        return True


def _remove(folder: Folder, names: Iterable[str]) -> None:
    for name in names:
        for left in reversed(range(_REMOVALS)):
            try:
                folder.remove(name)
                break
            except FetchError:
                if not left:
                    raise
