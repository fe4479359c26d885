"""streamaug info: show what a store contains."""

from collections import Counter
from typing import Annotated

import typer
from rich.table import Table


def info(store: Annotated[str, typer.Argument(help="Folder or URL of the store.")]) -> None:
    """Show the clips by split and label, and every condition with its encoder, bitrate and size."""
    from streamaug.cli.console import stdout
    from streamaug.store import Store

    opened = Store.open(store)
    manifest, clips = opened.manifest, opened.clips
    seconds = clips["samples"].to_numpy() / manifest.rate
    lengths = f"{seconds.min():.2f} s" if seconds.min() == seconds.max() else f"{seconds.min():.2f} to {seconds.max():.2f} s"
    channels = "stereo" if manifest.channels > 1 else "mono"
    stdout.print(
        f"{manifest.name}: {clips.num_rows} clips of {lengths}, {seconds.sum() / 3600:.2f} h at {manifest.rate} Hz, {channels}, "
        f"{len(manifest.labels)} labels, sharded by '{manifest.shard_by}'",
    )
    groups = [str(value) for value in clips[manifest.shard_by].to_pylist()]
    counts = Counter(zip(clips["label"].to_pylist(), groups, strict=True))
    values = sorted(set(groups))
    by_label = Table("label", *(f"{manifest.shard_by} {value}" for value in values))
    for column in by_label.columns[1:]:
        column.justify = "right"
    for label in manifest.labels:
        by_label.add_row(label, *(str(counts[label, value]) for value in values))
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
