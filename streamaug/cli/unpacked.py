"""Make a table of WebDataset tars for one build, and remove it and the audio afterwards."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from streamaug.errors import ClipsError


@contextmanager
def table_of(clips: str, columns: Mapping[str, str], cluster: str | None) -> Iterator[tuple[Path, dict[str, str]]]:
    """The table that a build reads, and its own names of columns.

    Args:
        clips: A table; or WebDataset tars, which are unpacked into a temporary folder.
        columns: Names of columns that are read as path, label, split, ...
        cluster: Address of a Dask scheduler, whose workers do not see this machine's temporary
            folder; None for this machine.

    Raises:
        ClipsError: The tars cannot be unpacked, or a cluster is to read them.
    """
    from streamaug.building.tar_clips import tar_paths
    from streamaug.cli.console import stderr
    from streamaug.cli.table import named_rows, unpack_tars, write_rows
    from streamaug.store.format import TARGET_FIELDS
    from streamaug.temporary import temporary_folder

    tars = tar_paths(clips)
    if not tars:
        yield Path(clips), dict(columns)
        return
    if cluster is not None:
        raise ClipsError(f"{clips}: tars are unpacked on this machine; for a cluster, unpack them on a shared disk with 'streamaug table'")
    with temporary_folder() as folder:
        rows, notes = unpack_tars(tars, folder / "audio")
        for note in notes:
            stderr.print(note)
        table = folder / f"{_common_name(tars[0])}.csv"
        write_rows(table, named_rows(rows, {name: columns.get(name) for name in TARGET_FIELDS}))
        yield table, {name: own for name, own in columns.items() if name not in TARGET_FIELDS}


def _common_name(tar: str) -> str:
    """A data set's name, from that of its first tar.

    >>> _common_name("s3://bucket/speech-000.tar"), _common_name("000.tar")
    ('speech', 'clips')
    """
    return re.sub(r"[-_]*\d*$", "", tar.rpartition("/")[2].partition(".")[0]) or "clips"
