"""The command `streamaug compact`: join small shards of a store."""

from typing import Annotated

import typer

from streamaug.cli.cluster import Cluster, executor_of


def compact(
    store: Annotated[str, typer.Argument(help="Folder or URL of the store.")],
    shard_mb: Annotated[float, typer.Option(min=0.1, help="Size of a shard of the originals in MB.")] = 64.0,
    workers: Annotated[int | None, typer.Option(min=1, help="Number of processes. Default: one per core.")] = None,
    cluster: Cluster = None,
) -> None:
    """Join the small shards that clips added later are in; nothing is decoded.

    The result is a new snapshot. The small shards stay until `streamaug prune` deletes them.
    """
    from streamaug.building.compact import compact as run
    from streamaug.cli.console import ProgressBar, stdout
    from streamaug.store import Store

    with executor_of(cluster) as executor, ProgressBar() as progress:
        joined = run(Store.open(store), shard_mb=shard_mb, workers=workers, executor=executor, progress=progress)
    before, after = sum(joined.before.values()), sum(joined.after.values())
    text = f"{before} shards joined to {after}" if after < before else f"{before} shards, none small enough to be joined"
    stdout.print(f"{store}: {text}")
