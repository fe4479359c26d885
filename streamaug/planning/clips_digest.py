"""Tell whether the clips that a plan was made of are still the same."""

import hashlib
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamaug.splits import text_column
from streamaug.store.catalogue import Catalogue, StoreLike
from streamaug.store.joined_clips import STORE_COLUMN
from streamaug.store.targets import target_columns


def key_columns(store: StoreLike) -> list[str]:
    """Columns of the clips table that name each clip and say what a model learns of it.

    Args:
        store: The store.
    """
    return [*([STORE_COLUMN] if isinstance(store, Catalogue) else []), "clip_id", *target_columns(store.manifest.target)]


def digest_of(clips: pa.Table, names: Iterable[str]) -> str:
    """Digest of some columns of a clips table, in hex, no matter how its memory is divided into chunks.

    Args:
        clips: The clips, in their order.
        names: The columns.
    """
    digest = hashlib.sha256()
    for name in names:
        text = pc.binary_join(clips[name], ";") if pa.types.is_list(clips[name].type) else text_column(clips, name)
        column = pc.fill_null(text, "\0").combine_chunks()
        _, offsets, letters = column.buffers()
        ends = np.frombuffer(offsets, np.int32)[column.offset : column.offset + len(column) + 1]
        digest.update(name.encode() + np.diff(ends).tobytes())
        digest.update(memoryview(letters)[ends[0] : ends[-1]])
    return digest.hexdigest()
