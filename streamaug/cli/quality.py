"""streamaug quality: grade conditions by PEAQ Basic, PESQ or ViSQOL."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamaug.cli.cluster import Cluster, executor_of
from streamaug.cli.json_output import AsJson, print_json
from streamaug.errors import StoreError

if TYPE_CHECKING:
    from streamaug.quality.measures import Measure
    from streamaug.quality.summary import Summary
    from streamaug.store import Store


def quality(
    store: Annotated[str, typer.Argument(help="Folder or URL of the store.")],
    conditions: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated conditions or @lists, perhaps on links, such as opus-voip_24~wifi@1. Default: those of the recipe, "
            "or else all of the store; without the original."
        ),
    ] = None,
    measure: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="What grades: peaq; for speech pesq-wb, pesq-nb (telephone) or visqol-speech; or visqol-audio. Default: peaq.",
        ),
    ] = "peaq",
    recipe: Annotated[Path | None, typer.Option(help="Recipe that defines the links of conditions, a YAML file.")] = None,
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
    """Grade every clip in every condition against its original, as listeners would (PEAQ: 0 no
    difference, -4 very annoying; PESQ and ViSQOL: 1 bad, about 5 no difference).

    Grades are saved as <condition>/quality.parquet, those of other measures and links next to it.
    Existing grades are not measured again, and a stopped run resumes.
    """
    from math import isnan

    from streamaug.cli.console import ProgressBar, note, stdout
    from streamaug.quality import measuring
    from streamaug.quality.figures import draw_violins
    from streamaug.quality.measures import open_measure
    from streamaug.quality.summary import summarise, write_summaries
    from streamaug.recipes import load_recipe
    from streamaug.store import Store

    chosen = open_measure(measure)
    loaded = None if recipe is None else load_recipe(recipe)
    opened = Store.open(store)
    names = _conditions(conditions, None if loaded is None else loaded.conditions, opened)
    if opened.manifest.rate < 0.9 * chosen.rate:  # 44.1 kHz is as good as 48
        note(
            f"{measure} compares at {chosen.rate} Hz, and the store has {opened.manifest.rate}: clips are resampled, and it is made for "
            f"{chosen.made_for}; see docs/quality.md before you rely on the grades"
        )
    links = {} if loaded is None else loaded.links
    with executor_of(cluster) as executor, ProgressBar() as bar:
        if sample:
            graded = measuring.measure_sample(
                opened, names, sample, measure=measure, links=links, workers=workers, executor=executor, progress=bar
            )
        else:
            graded = measuring.measure(opened, names, measure=measure, links=links, workers=workers, executor=executor, progress=bar)
    summaries = sorted(map(summarise, graded.values()), key=lambda summary: (isnan(summary.mean), -summary.mean))
    output.mkdir(parents=True, exist_ok=True)
    suffix = "" if measure == "peaq" else f"-{measure}"
    table, picture = output / f"summary{suffix}.csv", output / f"violins{suffix}.png"
    write_summaries(summaries, table)
    draw_violins({name: each.column("grade") for name, each in graded.items()}, chosen, picture)

    written = [str(table), str(picture)]
    if as_json:
        content = {"store": opened.url, "snapshot": opened.snapshot, "measure": measure, "method": chosen.method, "sample": sample}
        print_json("quality", {**content, "conditions": [asdict(summary) for summary in summaries], "written": written})
    else:
        _show(summaries, chosen)
        stdout.print(f"written: {', '.join(written)}")


def _conditions(text: str | None, of_recipe: "Sequence[str] | None", store: "Store") -> list[str]:
    """The conditions to grade. Raises StoreError if there are none."""
    from streamaug.cli.stored_conditions import stored_conditions

    requested = stored_conditions(text, store, links=True)
    names = list(of_recipe or store.conditions) if requested is None else [str(each) for each in requested]
    coded = [name for name in names if name != "original"]
    if not coded:
        raise StoreError(
            f"{store.url} has only the original for this; build conditions with 'streamaug build CLIPS.csv {store.url} --conditions …'"
        )
    return coded


def _show(summaries: Sequence["Summary"], measure: "Measure") -> None:
    from rich import box
    from rich.table import Table

    from streamaug.cli.console import stdout

    shown = Table(box=box.SIMPLE_HEAD, show_edge=False, collapse_padding=True)
    shown.add_column(measure.label, no_wrap=True)
    doubts = ("EHSB>8", "no band") if measure.name == "peaq" else ()
    for name in ("clips", "graded", "mean", "sd", "5 %", "median", "95 %", *doubts):
        shown.add_column(name, justify="right", no_wrap=True)
    for row in summaries:
        values = (f"{value:.2f}" for value in (row.mean, row.sd, row.p5, row.median, row.p95))
        counts = (str(row.saturated), str(row.without_bandwidth)) if doubts else ()
        shown.add_row(row.condition, str(row.clips), str(row.graded), *values, *counts)
    stdout.print(shown)
