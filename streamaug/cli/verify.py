"""streamaug verify: check whether a store is what its indexes say."""

from typing import Annotated

import typer

from streamaug.cli.cluster import Cluster, executor_of
from streamaug.conditions import parse_conditions


def verify(
    store: Annotated[str, typer.Argument(help="Folder or URL of the store.")],
    conditions: Annotated[str | None, typer.Option(help="Comma-separated conditions. Default: all.")] = None,
    decode: Annotated[bool, typer.Option("--decode", help="Also decode every clip; check its length, alignment and samples.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Number of processes. Default: one per core.")] = None,
    cluster: Cluster = None,
) -> None:
    """Check size, hash, members and order of every shard against the indexes.

    The exit code is 1 if anything is wrong.
    """
    from rich.table import Table
    from rich.text import Text

    from streamaug.cli.console import ProgressBar, stdout
    from streamaug.store import Store
    from streamaug.verifying.verify import verify as run

    requested = parse_conditions(conditions) if conditions is not None else None
    opened = Store.open(store)
    with executor_of(cluster) as executor, ProgressBar() as progress:
        report = run(opened, requested, decode=decode, workers=workers, executor=executor, progress=progress)
    table = Table("condition", "clips", "shards", "MB", "findings")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, index in report.indexes.items():
        count = sum(finding.condition == name for finding in report.findings)
        clips = f"{len(index)} of {opened.manifest.clips.clips}" if len(index) < opened.manifest.clips.clips else str(len(index))
        size = f"{sum(shard.bytes for shard in index.meta.shards) / 1e6:.1f}"
        table.add_row(name, clips, str(len(index.meta.shards)), size, Text(str(count), "bold red") if count else "0")
    stdout.print(table)
    for finding in report.findings:
        stdout.print(Text("!", "bold red"), str(finding))
    if report.findings:
        message = f"{store}: {len(report.findings)} findings; remove damaged shards and run the build again, which rebuilds them"
        stdout.print(message)
        raise typer.Exit(1)
    checked = "bytes and sound" if decode else "bytes"
    stdout.print(f"{store}: no problem found ({checked} checked)")
