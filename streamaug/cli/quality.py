"""streamaug quality: grade conditions by PEAQ Basic."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamaug.cli.cluster import Cluster, executor_of
from streamaug.cli.json_output import AsJson, print_json
from streamaug.errors import StoreError

if TYPE_CHECKING:
    from streamaug.quality.summary import Summary


def quality(
    store: Annotated[str, typer.Argument(help="Folder or URL of the store.")],
    conditions: Annotated[
        str | None,
        typer.Option(help="Comma-separated conditions or @lists. Default: all of the store except the original."),
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(
            min=1, help="Number of clips to grade per condition, for a quick look; saves nothing in the store. Default: all clips."
        ),
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder for the summary (CSV) and the violin plot (PNG).")] = Path("runs/quality"),
    workers: Annotated[int | None, typer.Option(min=1, help="Number of processes. Default: one per core.")] = None,
    cluster: Cluster = None,
    as_json: AsJson = False,
) -> None:
    """Grade every clip in every condition against its original, as listeners would (ODG: 0 no
    difference, -4 very annoying).

    Grades are saved as <condition>/quality.parquet. Existing grades are not measured again, and a
    stopped run resumes.
    """
    from math import isnan

    from streamaug.cli.console import ProgressBar, stdout
    from streamaug.cli.stored_conditions import stored_conditions
    from streamaug.quality.figures import draw_violins
    from streamaug.quality.measuring import measure, measure_sample
    from streamaug.quality.summary import summarise, write_summaries
    from streamaug.store import Store

    opened = Store.open(store)
    requested = stored_conditions(conditions, opened)
    names = [name for name in (opened.conditions if requested is None else map(str, requested)) if name != "original"]
    if not names:
        raise StoreError(f"{store} has only the original; build conditions with 'streamaug build CLIPS.csv {store} --conditions …'")
    with executor_of(cluster) as executor, ProgressBar() as bar:
        if sample:
            graded = measure_sample(opened, names, sample, workers=workers, executor=executor, progress=bar)
        else:
            graded = measure(opened, names, workers=workers, executor=executor, progress=bar)
    summaries = sorted(map(summarise, graded.values()), key=lambda summary: (isnan(summary.mean), -summary.mean))
    output.mkdir(parents=True, exist_ok=True)
    write_summaries(summaries, output / "summary.csv")
    draw_violins({name: table.column("odg") for name, table in graded.items()}, output / "violins.png")

    written = [str(output / name) for name in ("summary.csv", "violins.png")]
    if as_json:
        content = {"store": opened.url, "snapshot": opened.snapshot, "sample": sample}
        print_json("quality", {**content, "conditions": [asdict(summary) for summary in summaries], "written": written})
    else:
        _show(summaries)
        stdout.print(f"written: {', '.join(written)}")


def _show(summaries: Sequence["Summary"]) -> None:
    from rich import box
    from rich.table import Table

    from streamaug.cli.console import stdout

    shown = Table(box=box.SIMPLE_HEAD, show_edge=False, collapse_padding=True)
    shown.add_column("ODG", no_wrap=True)
    for name in ("clips", "graded", "mean", "sd", "5 %", "median", "95 %", "EHSB>8", "no band"):
        shown.add_column(name, justify="right", no_wrap=True)
    for row in summaries:
        values = (f"{value:.2f}" for value in (row.mean, row.sd, row.p5, row.median, row.p95))
        shown.add_row(row.condition, str(row.clips), str(row.graded), *values, str(row.saturated), str(row.without_bandwidth))
    stdout.print(shown)
