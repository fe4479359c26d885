"""A clips table that a build cannot have written is refused when it is opened."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from streamaug.errors import CorruptError
from streamaug.testing import replace_tables
from tests.fuzz.targets.stores import small_store


def _without_shard(clips: pa.Table) -> pa.Table:
    return clips.set_column(clips.column_names.index("shard"), pa.field("shard", pa.int32()), pa.array([None] * len(clips), pa.int32()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda clips: clips.append_column("shard", clips["shard"]), "two columns 'shard'"),
        (lambda clips: clips.append_column("device", clips["device"]), "two columns 'device'"),
        (lambda clips: clips.drop_columns("depth"), "no column 'depth' of type int8"),
        (lambda clips: clips.append_column("place", clips["device"].cast(pa.string_view())), "'place' has the type string_view"),
        (_without_shard, "a clip has no 'shard'"),
    ],
)
def test_it_is_refused_with_the_column(tmp_path: Path, change: Callable[[pa.Table], pa.Table], message: str) -> None:
    store = small_store(tmp_path / "store")
    damaged = replace_tables(store, clips=change(store.clips))
    with pytest.raises(CorruptError, match=message):
        _ = damaged.clips
