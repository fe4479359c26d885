"""streamaug info: show what a store contains."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

if TYPE_CHECKING:
    from streamaug.store.manifest import Manifest


def info(store: Annotated[str, typer.Argument(help="Folder or URL of the store.")]) -> None:
    """Show the clips by split and label, and every condition with its encoder, bitrate and size."""
    from streamaug.cli.console import stdout
    from streamaug.cli.tables import split_by_label
    from streamaug.store import Store

    opened = Store.open(store)
    manifest, clips = opened.manifest, opened.clips
    seconds = [samples / manifest.rate for samples in clips["samples"].to_pylist()]  # by way of NumPy pyarrow would import pandas
    shortest, longest = min(seconds), max(seconds)
    lengths = f"{shortest:.2f} s" if shortest == longest else f"{shortest:.2f} to {longest:.2f} s"
    channels = "stereo" if manifest.channels > 1 else "mono"
    stdout.print(
        f"{manifest.name}: {clips.num_rows} clips of {lengths}, {sum(seconds) / 3600:.2f} h at {manifest.rate} Hz, {channels}, "
        f"{_targets(manifest)}, sharded by '{manifest.shard_by}'",
    )
    (first, *values, total), *lines = split_by_label(clips, manifest.labels, manifest.shard_by)
    by_label = Table(first, *(f"{manifest.shard_by} {value}" for value in values), total)
    for column in by_label.columns[1:]:
        column.justify = "right"
    for line in lines:
        by_label.add_row(*line)
    stdout.print(by_label)
    conditions = Table("condition", "clips", "shards", "MB", "kbps", "delay (samples)", "encoder")
    for column in conditions.columns[1:6]:
        column.justify = "right"
    for condition in opened.conditions:
        index = opened.index(condition)
        conditions.add_row(
            condition,
            str(len(index)),
            str(len(index.meta.shards)),
            f"{sum(shard.bytes for shard in index.meta.shards) / 1e6:.1f}",
            f"{index.column('kbps').mean():.1f}",
            str(index.column("delay").max()),
            ", ".join(f"{step.encoder} ({step.version})" for step in index.meta.steps),
        )
    stdout.print(conditions)


def _targets(manifest: "Manifest") -> str:
    """What a model learns of the clips, in a few words."""
    several = " (several per clip)" if manifest.target == "labels" else ""
    return {None: "no targets", "target": "numbers as targets"}.get(manifest.target, f"{len(manifest.labels)} labels{several}")
