"""The command `streamaug build`: build a store from a table of clips, or add what a store lacks."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamaug.building.reading import LONGEST_S, Channel, Channels
from streamaug.cli.cluster import Cluster, executor_of

if TYPE_CHECKING:
    from streamaug.building.job import Job


def build(
    clips: Annotated[
        str,
        typer.Argument(
            help="CSV, TSV or Parquet table of clips: path, split, and label, labels or target; optionally clip_id, group, start, stop and "
            "others. Or WebDataset tars ('data-{000..009}.tar'), which are unpacked for the time of the build."
        ),
    ],
    store: Annotated[str, typer.Argument(help="Folder or URL (s3://…) of the store.")],
    conditions: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated conditions, such as original,mp3_64,sbc_64+aac_64, or lists of them: @paper, @asvspoof5, @broadcast, "
            "@call, @le-audio. What this machine cannot build of a list is left out. Default: @paper, or those of --settings."
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the data set. Default: the table's file name.")] = None,
    rate: Annotated[
        int | None,
        typer.Option(help="Sample rate of the store in Hz. Default: that of the store, else the most common rate of the sources."),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            help="Length of all clips in seconds; longer clips are cut, shorter ones padded. Default: that of the store, if it was built "
            "with one; else each clip has its own.",
        ),
    ] = None,
    channel: Annotated[
        Channel,
        typer.Option(help="What to take of sources with several channels: the mean of all (mix), the first (left) or the second (right)."),
    ] = "mix",
    channels: Annotated[
        Channels | None,
        typer.Option(
            help="One channel (mono), or as many as the sources have (keep): one or two, the same in all. Default: those of the store; "
            "for a new store mono.",
        ),
    ] = None,
    longest: Annotated[float, typer.Option(help="Length in seconds beyond which a source is refused, before it takes memory.")] = LONGEST_S,
    shard_by: Annotated[str, typer.Option(help="Column to shard by: each shard holds clips of one value.")] = "split",
    shard_mb: Annotated[
        float,
        typer.Option(
            help="Size of a shard of the originals in MB. There are at least 8 shards per --shard-by value if each has 16 clips.",
        ),
    ] = 64.0,
    clips_per_shard: Annotated[
        int | None, typer.Option(help="Largest number of clips in a shard. Default: as many as --shard-mb takes.")
    ] = None,
    settings: Annotated[Path | None, typer.Option(help="YAML file with encoder settings that override shards/paper.yaml.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Rebuild conditions whose stored settings differ.")] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out broken clips and list them in STORE/rejected.csv.")] = False,
    recheck: Annotated[
        bool, typer.Option("--recheck", help="Decode all sources again, also those that have not changed since they were checked.")
    ] = False,
    workers: Annotated[int | None, typer.Option(help="Number of processes. Default: one per core.")] = None,
    path_column: Annotated[str | None, typer.Option(help="Column that is read as path. Default: path.")] = None,
    label_column: Annotated[str | None, typer.Option(help="Column that is read as label. Default: label.")] = None,
    labels_column: Annotated[str | None, typer.Option(help="Column that is read as labels, several per clip. Default: labels.")] = None,
    target_column: Annotated[str | None, typer.Option(help="Column that is read as target, a number. Default: target.")] = None,
    split_column: Annotated[str | None, typer.Option(help="Column that is read as split. Default: split.")] = None,
    group_column: Annotated[str | None, typer.Option(help="Column that is read as group. Default: group.")] = None,
    start_column: Annotated[str | None, typer.Option(help="Column that is read as start, in seconds. Default: start.")] = None,
    stop_column: Annotated[str | None, typer.Option(help="Column that is read as stop, in seconds. Default: stop.")] = None,
    cluster: Cluster = None,
) -> None:
    """Check every clip, encode it in every condition and write the shards.

    A build that was stopped resumes; clips from tars are unpacked and checked again.
    """
    from streamaug.building.job import Job
    from streamaug.cli.unpacked import table_of
    from streamaug.codecs import load_settings
    from streamaug.codecs.presets import requested_conditions

    requested = requested_conditions(conditions) if conditions is not None else None
    columns = {
        "path": path_column,
        "label": label_column,
        "labels": labels_column,
        "target": target_column,
        "split": split_column,
        "group": group_column,
        "start": start_column,
        "stop": stop_column,
    }
    with table_of(clips, {name: own for name, own in columns.items() if own}, cluster) as table:
        job = Job(
            clips=table.path,
            store=store,
            conditions=requested.conditions if requested else None,
            optional=requested.optional if requested else (),
            name=name,
            rate=rate,
            seconds=seconds,
            channel=channel,
            channels=channels,
            longest=longest,
            shard_by=shard_by,
            shard_mb=shard_mb,
            clips_per_shard=clips_per_shard,
            settings=load_settings(settings),
            replace=replace,
            skip_bad=skip_bad,
            recheck=recheck,
            columns=table.columns,
            origins=table.origins,
        )
        run_build(job, workers, cluster)


def run_build(job: "Job", workers: int | None = None, cluster: str | None = None) -> None:
    """Do what a job describes with a progress bar, and print what it did and what the store holds.

    Args:
        job: What to build.
        workers: Number of processes. Default: one per core.
        cluster: Address of a Dask scheduler. Default: processes on this machine.
    """
    from streamaug.building.build import run_job
    from streamaug.cli.clip_counts import count_clips
    from streamaug.cli.console import ProgressBar, stdout
    from streamaug.cli.tables import print_lines
    from streamaug.executors import pool
    from streamaug.store import Store

    with executor_of(cluster) as executor, pool(executor, workers) as opened, ProgressBar() as progress:
        built = run_job(job, opened, progress)
    stdout.print(
        f"{job.store}: {built.clips} clips in {len(built.conditions)} conditions; "
        f"{built.shards_built} shards built, {built.shards_reused} already present"
    )
    if built.rejected:
        stdout.print(f"{built.rejected} clips rejected, listed in {job.store}/rejected.csv")
    for condition, reason in built.skipped_conditions.items():
        stdout.print(f"skipped {condition}: {reason}")
    store = Store.open(job.store)
    print_lines(count_clips(store.clips, store.manifest.labels).lines())
