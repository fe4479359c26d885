"""streamaug stream: an epoch without training, to see what the machine can do and what holds it up."""

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping, Sequence

    from rich.table import Table

    from streamaug.planning.ledger import Ledger
    from streamaug.streaming.metrics import StreamMetrics


def stream(
    recipe: Annotated[Path, typer.Argument(help="Recipe, a YAML file.")],
    store: Annotated[str, typer.Argument(help="Folder or URL of the store.")],
    split: Annotated[str, typer.Option(help="Clips to draw from: train, or a choice on a column such as fold=1,2.")] = "train",
    seed: Annotated[int, typer.Option(help="Of all shuffles.")] = 0,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs to run.")] = 1,
    batch_size: Annotated[int, typer.Option(min=1, help="Rows of a batch.")] = 64,
    features: Annotated[Literal["logmel", "static", "waveform"], typer.Option(help="What is made of each clip.")] = "logmel",
    threads: Annotated[int | None, typer.Option(min=1, help="That decode. Default: one a core.")] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Folder on a local disk for features, and for bitstreams of a store elsewhere.")
    ] = None,
    cache_gb: Annotated[float, typer.Option(min=0, help="Gigabytes that the folder may take.")] = 100.0,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put another clip of its condition and label in place of a broken one.")
    ] = False,
) -> None:
    """Run epochs without training: clips and bytes a second, where the time goes, planned against served."""
    from collections import Counter

    from rich.live import Live

    from streamaug.cli.console import stderr, stdout
    from streamaug.cli.tables import print_lines
    from streamaug.planning.ledger import planned
    from streamaug.planning.open_plan import factorize, open_plan
    from streamaug.reading.cache import Cache
    from streamaug.recipes import load_recipe
    from streamaug.store import Store
    from streamaug.streaming.stream import Stream

    opened = Store.open(store)
    plan = open_plan(load_recipe(recipe), opened, split=split, seed=seed)
    kept = None if cache is None else Cache(folder=cache, bound=int(cache_gb * 1e9))
    running = Stream(
        plan, opened, split=split, batch_size=batch_size, features=features, threads=threads, tail="keep", feature_cache=kept,
        byte_cache=kept, on_corrupt="replace" if replace else "raise",
    )  # fmt: skip
    expected = planned(plan, {"label": factorize(opened.clips, "label")}, range(epochs))
    served, replaced = Counter[tuple[str, str]](), Counter[str]()
    with Live(console=stderr, refresh_per_second=4, transient=True) as live:
        for batch in itertools.chain.from_iterable(itertools.repeat(running, epochs)):
            count(batch, running.labels, served, replaced)
            if stderr.is_terminal:
                live.update(course(running.figures, expected.total))
    stdout.print(course(running.figures, expected.total))
    print_lines(compare(expected, served, replaced))


def count(batch: "Mapping[str, Any]", labels: "Sequence[str]", served: "Counter[tuple[str, str]]", replaced: "Counter[str]") -> None:
    """Add a batch's rows to the counts of what was served and what stood in for broken clips; a row with views counts in each."""
    broken = batch.get("replaced") or [None] * len(batch["clip_id"])
    for shown, label, planned in zip(batch["condition"], batch["label"].tolist(), broken, strict=True):
        for condition in [shown] if isinstance(shown, str) else shown:
            served[condition, labels[label]] += 1
            replaced[condition] += planned is not None


def compare(expected: "Ledger", served: "Counter[tuple[str, str]]", replaced: "Counter[str]") -> list[list[str]]:
    """Planned against served, a line a condition. labels: how many of the condition's labels were served as often as planned."""
    conditions, labels = expected.values
    lines = [["condition", "planned", "served", "in place of broken", "labels as planned"]]
    for condition, counts in zip(conditions, expected.counts.tolist(), strict=True):
        told = [served[condition, label] for label in labels]
        agreeing = sum(planned == here for planned, here in zip(counts, told, strict=True))
        lines.append([condition, str(sum(counts)), str(sum(told)), str(replaced[condition]), f"{agreeing} of {len(labels)}"])
    lines.append(["all", str(expected.total), str(served.total()), str(replaced.total()), ""])
    return lines


def course(figures: "StreamMetrics", total: int) -> "Table":
    """The stages of a stream, what each has done, and how full the queue behind it is."""
    from rich.table import Table

    seconds = max(figures.seconds, 1e-9)
    table = Table("stage", "done", "rate", "queue behind it")
    table.add_row(
        "fetch",
        f"{figures.read / 1e6:.1f} MB in {figures.reads} reads",
        f"{figures.read / seconds / 1e6:.1f} MB/s",
        f"{figures.fetched:.0%} full",
    )
    for condition, spent in sorted(figures.decoding.items()):
        clips = figures.decoded[condition]
        table.add_row(f"decode {condition}", f"{clips} clips", f"{1e3 * spent / clips:.1f} ms a clip", "")
    made = sum(figures.decoded.values())
    table.add_row("features", f"{made} clips", f"{1e3 * figures.featuring / max(made, 1):.1f} ms a clip", f"{figures.ready:.0%} full")
    table.add_row("from the cache", f"{figures.cached} clips", "", "")
    table.add_row(
        "batches", f"{figures.clips} of {total} clips", f"{figures.clips / seconds:.0f} clips/s", f"waits for: {figures.bottleneck}"
    )
    return table
