"""streamaug info: show what a store contains."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from streamaug.cli.json_output import AsJson, print_json

if TYPE_CHECKING:
    from streamaug.cli.clip_counts import ClipCounts
    from streamaug.store import Store


def info(store: Annotated[str, typer.Argument(help="Folder or URL of the store.")], as_json: AsJson = False) -> None:
    """Show the clips by split and label, and every condition with its encoder, bitrate and size."""
    from streamaug.cli.clip_counts import count_clips
    from streamaug.store import Store

    opened = Store.open(store)
    counts = count_clips(opened.clips, opened.manifest.labels, opened.manifest.shard_by)
    content = describe(opened, counts)
    if as_json:
        print_json("info", content)
    else:
        _show(content, counts)


def describe(store: "Store", counts: "ClipCounts") -> dict[str, Any]:
    """What a store contains, as `--json` prints it.

    Args:
        store: The store.
        counts: Its clips by the column that it is sharded by.
    """
    manifest = store.manifest
    seconds = [samples / manifest.rate for samples in store.clips["samples"].to_pylist()]  # by way of NumPy pyarrow would import pandas
    return {
        "store": store.url,
        "snapshot": store.snapshot,
        "created": manifest.created.isoformat(),
        "name": manifest.name,
        "clips": store.clips.num_rows,
        "seconds": sum(seconds),
        "shortest_s": min(seconds),
        "longest_s": max(seconds),
        "rate": manifest.rate,
        "channels": manifest.channels,
        "target": manifest.target,
        "labels": manifest.labels,
        "columns": store.clips.column_names,
        "shard_by": manifest.shard_by,
        "counts": [asdict(tally) for tally in counts.values],
        "all": asdict(counts.every),
        "conditions": [_condition(store, name) for name in store.conditions],
    }


def _condition(store: "Store", name: str) -> dict[str, Any]:
    index = store.index(name)
    return {
        "condition": name,
        "clips": len(index),
        "shards": len(index.meta.shards),
        "bytes": sum(shard.bytes for shard in index.meta.shards),
        "kbps": float(index.column("kbps").mean()) if len(index) else None,
        "delay": int(index.column("delay").max()) if len(index) else None,
        "settings": index.meta.settings,
        "steps": [step.model_dump() for step in index.meta.steps],
    }


def _show(content: dict[str, Any], counts: "ClipCounts") -> None:
    from streamaug.cli.console import stdout

    shortest, longest = content["shortest_s"], content["longest_s"]
    lengths = f"{shortest:.2f} s" if shortest == longest else f"{shortest:.2f} to {longest:.2f} s"
    channels = "stereo" if content["channels"] > 1 else "mono"
    stdout.print(
        f"{content['name']}: {content['clips']} clips of {lengths}, {content['seconds'] / 3600:.2f} h at {content['rate']} Hz, {channels}, "
        f"{_targets(content['target'], len(content['labels']))}, sharded by '{content['shard_by']}'",
    )
    (first, *values, total), *lines = counts.lines()
    by_label = Table(first, *(f"{content['shard_by']} {value}" for value in values), total)
    for column in by_label.columns[1:]:
        column.justify = "right"
    for line in lines:
        by_label.add_row(*line)
    stdout.print(by_label)
    conditions = Table("condition", "clips", "shards", "MB", "kbps", "delay (samples)", "encoder")
    for column in conditions.columns[1:6]:
        column.justify = "right"
    for each in content["conditions"]:
        conditions.add_row(
            each["condition"],
            str(each["clips"]),
            str(each["shards"]),
            f"{each['bytes'] / 1e6:.1f}",
            "-" if each["kbps"] is None else f"{each['kbps']:.1f}",
            "-" if each["delay"] is None else str(each["delay"]),
            ", ".join(f"{step['encoder']} ({step['version']})" for step in each["steps"]),
        )
    stdout.print(conditions)


def _targets(target: str | None, labels: int) -> str:
    """What a model learns of the clips, in a few words."""
    several = " (several per clip)" if target == "labels" else ""
    return {None: "no targets", "target": "numbers as targets"}.get(target, f"{labels} labels{several}")
