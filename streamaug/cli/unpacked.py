"""Make a table of WebDataset tars for one build, and remove it and the audio afterwards."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from streamaug.errors import ClipsError


@dataclass(frozen=True, kw_only=True)
class ClipsTable:
    """A table that a build reads.

    Args:
        path: The table.
        columns: Its own names of path, label, split, ...
        origins: Where files come from that it names, by path, if they are unpacked.
    """

    path: Path
    columns: Mapping[str, str]
    origins: Mapping[str, str]


@contextmanager
def table_of(clips: str, columns: Mapping[str, str], cluster: str | None) -> Iterator[ClipsTable]:
    """The table that a build reads.

    Args:
        clips: A table; or WebDataset tars, which are unpacked into a temporary folder.
        columns: Names of columns that are read as path, label, split, ...
        cluster: Address of a Dask scheduler, whose workers do not see this machine's temporary
            folder; None for this machine.

    Raises:
        ClipsError: The tars cannot be unpacked, or a cluster is to read them.
    """
    from streamaug.building.tar_clips import tar_paths
    from streamaug.cli.console import note
    from streamaug.cli.table import named_rows, write_rows
    from streamaug.cli.table_sources import unpack_tars
    from streamaug.store.format import TARGET_FIELDS
    from streamaug.temporary import temporary_folder

    tars = tar_paths(clips)
    if not tars:
        yield ClipsTable(path=Path(clips), columns=columns, origins={})
        return
    if cluster is not None:
        raise ClipsError(f"{clips}: tars are unpacked on this machine; for a cluster, unpack them on a shared disk with 'streamaug table'")
    with temporary_folder() as folder:
        unpacked, messages = unpack_tars(tars, folder / "audio")
        for message in messages:
            note(message)
        table = folder / f"{_common_name(tars[0])}.csv"
        write_rows(table, named_rows(unpacked.rows, {name: columns.get(name) for name in TARGET_FIELDS}, unpacked.origins))
        others = {name: own for name, own in columns.items() if name not in TARGET_FIELDS}
        yield ClipsTable(path=table, columns=others, origins=unpacked.origins)


def _common_name(tar: str) -> str:
    """A data set's name, from that of its first tar.

    >>> _common_name("s3://bucket/speech-000.tar"), _common_name("000.tar")
    ('speech', 'clips')
    """
    return re.sub(r"[-_]*\d*$", "", tar.rpartition("/")[2].partition(".")[0]) or "clips"
