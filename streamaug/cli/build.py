"""The command `streamaug build`: build a store from a table of clips, or add what a store lacks."""

from pathlib import Path
from typing import Annotated

import typer

from streamaug.cli.cluster import Cluster, executor_of
from streamaug.conditions import parse_conditions


def build(
    clips: Annotated[
        Path, typer.Argument(help="CSV or Parquet table of clips: columns path, label, split; optionally clip_id, group and any others.")
    ],
    store: Annotated[str, typer.Argument(help="Folder or URL (s3://…) of the store.")],
    conditions: Annotated[
        str | None, typer.Option(help="Comma-separated conditions, such as original,mp3_64,sbc_64+aac_64. Default: those of the paper.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the data set. Default: the table's file name.")] = None,
    rate: Annotated[
        int | None,
        typer.Option(help="Sample rate of the store in Hz. Default: that of the store, else the most common rate of the sources."),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            help="Clip length in seconds; longer clips are cut, shorter ones padded. Default: that of the store; "
            "for a new store all clips must have the same length.",
        ),
    ] = None,
    shard_by: Annotated[str, typer.Option(help="Column to shard by: each shard holds clips of one value.")] = "split",
    clips_per_shard: Annotated[
        int | None,
        typer.Option(
            help="Largest number of clips in a shard. Default: 1/8 of the clips with the same --shard-by value, between 16 and 128."
        ),
    ] = None,
    settings: Annotated[Path | None, typer.Option(help="YAML file with encoder settings that override shards/paper.yaml.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Rebuild conditions whose stored settings differ.")] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out broken clips and list them in STORE/rejected.csv.")] = False,
    workers: Annotated[int | None, typer.Option(help="Number of processes. Default: one per core.")] = None,
    cluster: Cluster = None,
) -> None:
    """Check every clip, encode it in every condition and write the shards.

    A build that was stopped resumes.
    """
    from streamaug.building.build import run_job
    from streamaug.building.job import Job
    from streamaug.cli.console import ProgressBar, stdout
    from streamaug.codecs import load_settings
    from streamaug.executors import pool

    job = Job(
        clips=clips,
        store=store,
        conditions=parse_conditions(conditions) if conditions is not None else None,
        name=name,
        rate=rate,
        seconds=seconds,
        shard_by=shard_by,
        clips_per_shard=clips_per_shard,
        settings=load_settings(settings),
        replace=replace,
        skip_bad=skip_bad,
    )
    with executor_of(cluster) as executor, pool(executor, workers) as opened, ProgressBar() as progress:
        built = run_job(job, opened, progress)
    stdout.print(
        f"{store}: {built.clips} clips in {len(built.conditions)} conditions; "
        f"{built.shards_built} shards built, {built.shards_reused} already present",
        highlight=False,
    )
    if built.rejected:
        stdout.print(f"{built.rejected} clips rejected, listed in {store}/rejected.csv", highlight=False)
    for condition, reason in built.skipped_conditions.items():
        stdout.print(f"skipped {condition}: {reason}", highlight=False, markup=False)
