"""The command `streamaug prune`: delete what no kept snapshot of a store needs."""

import re
from typing import Annotated

import typer

_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_AGE = re.compile(r"(\d+(?:\.\d+)?)([dhms])")


def seconds_of(age: str) -> float:
    """Seconds of an age such as 14d.

    >>> seconds_of("14d"), seconds_of("0s")
    (1209600.0, 0.0)

    Args:
        age: A number and one of the units d, h, m and s.

    Raises:
        BadParameter: It is something else.
    """
    match = _AGE.fullmatch(age.strip())
    if match is None:
        raise typer.BadParameter(f"'{age}' is not an age; write a number and d, h, m or s, such as 14d or 12h")
    return float(match[1]) * _UNITS[match[2]]


def prune(
    store: Annotated[str, typer.Argument(help="Folder or URL of the store.")],
    older_than: Annotated[str, typer.Option(help="Keep what was current or written since this long ago, such as 14d, 12h or 0s.")] = "14d",
    delete: Annotated[bool, typer.Option("--delete", help="Delete. Default: only show what would be deleted.")] = False,
) -> None:
    """Delete earlier snapshots, what only they name, and what builds left that were killed.

    Training that is at a deleted snapshot ends with an error, and its positions cannot be resumed.
    """
    from streamaug.building.prune import find_prunable
    from streamaug.cli.console import stdout
    from streamaug.store import Store

    pruning = find_prunable(Store.open(store), seconds_of(older_than))
    for manifest in pruning.snapshots:
        when = manifest.created.strftime("%Y-%m-%d %H:%M UTC")
        stdout.print(f"snapshot {manifest.snapshot} of {when}")
    what = f"{len(pruning.snapshots)} snapshots and {len(pruning.files) - len(pruning.snapshots)} other files, {pruning.bytes / 1e6:.1f} MB"
    if not pruning.files:
        stdout.print(f"{store}: nothing to delete")
    elif delete:
        pruning.delete()
        stdout.print(f"{store}: deleted {what}")
    else:
        stdout.print(f"{store}: would delete {what}; delete with --delete")
