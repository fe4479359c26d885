"""Write the immutable tables of a store, each under a name with the digest of its content."""

from dataclasses import dataclass, field

import pyarrow as pa

from streamaug.store.folder import Folder
from streamaug.store.format import STORE_FILE
from streamaug.store.index import Index
from streamaug.store.manifest import ClipsFile, IndexFile, Manifest, content_name, snapshot_path
from streamaug.store.parquet import to_parquet


@dataclass(frozen=True, kw_only=True)
class Tables:
    """Tables of a snapshot that are not written yet.

    Args:
        files: Their content, by path in the store.
    """

    files: dict[str, bytes] = field(default_factory=dict)

    def add_clips(self, clips: pa.Table) -> ClipsFile:
        """Add a clips table.

        Args:
            clips: the columns of `clips_schema` and the data set's own, ordered by clip_id.
        """
        data = to_parquet(clips)
        name, sha256 = content_name("clips", data)
        self.files[name] = data
        return ClipsFile(file=name, sha256=sha256, clips=clips.num_rows)

    def add_index(self, index: Index) -> IndexFile:
        """Add the index of a condition.

        Args:
            index: The index.
        """
        data = index.to_bytes()
        name, sha256 = content_name("index", data)
        self.files[f"{index.meta.condition}/{name}"] = data
        return IndexFile(file=name, sha256=sha256, clips=len(index), settings=index.meta.settings)

    def write(self, folder: Folder) -> None:
        """Write all; nobody sees them before a manifest names them.

        Args:
            folder: The store.
        """
        for path, data in self.files.items():
            folder.write(path, data)


def write_manifest(folder: Folder, manifest: Manifest) -> None:
    """Make a manifest the current one, whatever the current one is.

    Args:
        folder: A store that nobody else writes to.
        manifest: The manifest.
    """
    folder.write(snapshot_path(manifest.snapshot), manifest.to_bytes())
    folder.write(STORE_FILE, manifest.to_bytes())
