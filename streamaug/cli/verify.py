"""streamaug verify: check whether a store is what its indexes say."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamaug.cli.cluster import Cluster, executor_of
from streamaug.cli.json_output import AsJson, print_json

if TYPE_CHECKING:
    from streamaug.store import Store
    from streamaug.verifying.verify import Report


def verify(
    store: Annotated[str, typer.Argument(help="Folder or URL of the store.")],
    conditions: Annotated[str | None, typer.Option(help="Comma-separated conditions or @lists. Default: all.")] = None,
    decode: Annotated[bool, typer.Option("--decode", help="Also decode every clip; check its length, alignment and samples.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Number of processes. Default: one per core.")] = None,
    cluster: Cluster = None,
    as_json: AsJson = False,
) -> None:
    """Check size, hash, members and order of every shard against the indexes.

    The exit code is 1 if anything is wrong.
    """
    from streamaug.cli.console import ProgressBar
    from streamaug.cli.stored_conditions import stored_conditions
    from streamaug.store import Store
    from streamaug.verifying.verify import verify as run

    opened = Store.open(store)
    requested = stored_conditions(conditions, opened)
    with executor_of(cluster) as executor, ProgressBar() as progress:
        report = run(opened, requested, decode=decode, workers=workers, executor=executor, progress=progress)
    content = describe(opened, report, decode=decode)
    if as_json:
        print_json("verify", content)
    else:
        _show(store, content, report)
    if report.findings:
        raise typer.Exit(1)


def describe(store: "Store", report: "Report", *, decode: bool) -> dict[str, Any]:
    """The result of verifying, as `--json` prints it.

    Args:
        store: The store.
        report: What was found.
        decode: Whether clips were decoded.
    """
    conditions = [
        {
            "condition": name,
            "clips": len(index),
            "of": store.manifest.clips.clips,
            "shards": len(index.meta.shards),
            "bytes": sum(shard.bytes for shard in index.meta.shards),
            "findings": sum(finding.condition == name for finding in report.findings),
        }
        for name, index in report.indexes.items()
    ]
    return {
        "store": store.url,
        "snapshot": store.snapshot,
        "decoded": decode,
        "ok": not report.findings,
        "conditions": conditions,
        "findings": [asdict(finding) for finding in report.findings],
    }


def _show(store: str, content: dict[str, Any], report: "Report") -> None:
    from rich.table import Table
    from rich.text import Text

    from streamaug.cli.console import stdout

    table = Table("condition", "clips", "shards", "MB", "findings")
    for column in table.columns[1:]:
        column.justify = "right"
    for each in content["conditions"]:
        clips = f"{each['clips']} of {each['of']}" if each["clips"] < each["of"] else str(each["clips"])
        count = Text(str(each["findings"]), "bold red") if each["findings"] else "0"
        table.add_row(each["condition"], clips, str(each["shards"]), f"{each['bytes'] / 1e6:.1f}", count)
    stdout.print(table)
    for finding in report.findings:
        stdout.print(Text("!", "bold red"), str(finding))
    if report.findings:
        stdout.print(f"{store}: {len(report.findings)} findings; remove damaged shards and run the build again, which rebuilds them")
    else:
        checked = "bytes and sound" if content["decoded"] else "bytes"
        stdout.print(f"{store}: no problem found ({checked} checked)")
