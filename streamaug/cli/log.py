"""The command `streamaug log`: list the snapshots of a store."""

from itertools import pairwise
from typing import Annotated

import typer


def log(store: Annotated[str, typer.Argument(help="Folder or URL of the store.")]) -> None:
    """List the snapshots that a store keeps, newest first: when each was published and what it changed."""
    from rich.table import Table

    from streamaug.cli.console import stdout
    from streamaug.store import Store
    from streamaug.store.history import changes
    from streamaug.store.manifest import Manifest
    from streamaug.store.snapshots import chain_of

    chain: list[Manifest | None] = [*chain_of(Store.open(store)), None]
    table = Table("snapshot", "published (UTC)", "changes")
    for manifest, before in pairwise(chain):
        assert manifest is not None, "only the last one is"
        text = "\n".join(changes(manifest, before))
        table.add_row(manifest.snapshot, manifest.created.strftime("%Y-%m-%d %H:%M:%S"), text)
    stdout.print(table)
