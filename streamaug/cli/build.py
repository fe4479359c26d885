"""streamaug build: from a table of clips to a store, or what a standing store lacks."""

from pathlib import Path
from typing import Annotated

import typer

from streamaug.cli.cluster import Cluster, executor_of
from streamaug.conditions import parse_conditions


def build(
    clips: Annotated[
        Path, typer.Argument(help="CSV or Parquet table of clips: path, label, split; where wanted clip_id, group, any others.")
    ],
    store: Annotated[str, typer.Argument(help="Folder or URL (s3://…) of the store.")],
    conditions: Annotated[
        str | None, typer.Option(help="Comma-separated, such as original,mp3_64,sbc_64+aac_64. Default: those of the paper.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the data set. Default: the table's.")] = None,
    rate: Annotated[int | None, typer.Option(help="Samples a second of the store. Default: the most common among the sources.")] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.05, help="Cut or pad every clip to them. Default: all must be equally long.")
    ] = None,
    shard_by: Annotated[str, typer.Option(help="No shard mixes two values of this column.")] = "split",
    clips_per_shard: Annotated[int | None, typer.Option(min=1, help="Default: an eighth of the clips cut alike, from 16 to 128.")] = None,
    settings: Annotated[
        Path | None, typer.Option(help="YAML of the shape of shards/paper.yaml that changes encoders or arguments.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Build conditions again that stand with other settings.")] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave broken clips out and list them in STORE/rejected.csv.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes. Default: one a core.")] = None,
    cluster: Cluster = None,
) -> None:
    """Check every clip, code it under every condition, and write the shards; goes on where an earlier build was stopped."""
    from streamaug.building.build import build as run
    from streamaug.cli.console import ProgressBar, stdout
    from streamaug.codecs import load_settings

    asked = parse_conditions(conditions) if conditions else None
    with executor_of(cluster) as executor, ProgressBar() as progress:
        built = run(
            clips,
            store,
            conditions=asked,
            name=name,
            rate=rate,
            seconds=seconds,
            shard_by=shard_by,
            clips_per_shard=clips_per_shard,
            settings=load_settings(settings),
            replace=replace,
            skip_bad=skip_bad,
            workers=workers,
            executor=executor,
            progress=progress,
        )
    stdout.print(
        f"{store}: {built.clips} clips under {len(built.conditions)} conditions; "
        f"{built.shards_built} shards built, {built.shards_reused} stood",
        highlight=False,
    )
    if built.rejected:
        stdout.print(f"{built.rejected} clips rejected, listed in {store}/rejected.csv", highlight=False)
    for condition, reason in built.skipped_conditions.items():
        stdout.print(f"without {condition}: {reason}", highlight=False, markup=False)
