"""streamaug stream: run epochs without training, to see how fast this machine streams and what
limits it."""

import itertools
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamaug.cli.crop_options import CropPlace, Padding, Seconds, crop_of
from streamaug.cli.json_output import AsJson, print_json

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping, Sequence

    from rich.table import Table

    from streamaug.planning.ledger import Ledger
    from streamaug.streaming.metrics import StreamMetrics


def stream(
    recipe: Annotated[Path, typer.Argument(help="Recipe, a YAML file.")],
    store: Annotated[str | None, typer.Argument(help="Folder or URL of the store. Default: the stores that the recipe names.")] = None,
    split: Annotated[str, typer.Option(help="Clips to draw from: train, or a choice on a column such as fold=1,2.")] = "train",
    seed: Annotated[int, typer.Option(help="Seed for all shuffles. Default: 0.")] = 0,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs to run.")] = 1,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Rows per batch. Default: what the recipe is made for, else 64.")] = None,
    features: Annotated[str, typer.Option(help="Feature to compute: logmel, static, waveform, or one of a plug-in.")] = "logmel",
    crop: Seconds = None,
    where: CropPlace = None,
    pad: Padding = None,
    rate: Annotated[int | None, typer.Option(min=1, help="Sample rate in Hz to resample clips to. Default: the store's.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Number of decode processes. Default: one per core.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Local cache folder for features and, with a remote store, bitstreams.")] = None,
    cache_gb: Annotated[float, typer.Option(min=0, help="Size limit of the cache folder in gigabytes.")] = 100.0,
    replace: Annotated[bool, typer.Option("--replace", help="Replace a broken clip by another of its condition and label.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run epochs without training: clips and bytes per second, where the time goes, rows planned
    and served."""
    from collections import Counter

    from rich.live import Live

    from streamaug.cli.console import stderr, stdout
    from streamaug.cli.tables import print_lines
    from streamaug.planning.ledger import planned
    from streamaug.planning.open_plan import label_columns, open_plan
    from streamaug.planning.open_stores import open_stores
    from streamaug.reading.cache import Cache
    from streamaug.recipes import load_recipe
    from streamaug.streaming.stream import Stream

    loaded = load_recipe(recipe)
    opened = open_stores(loaded, store)
    plan = open_plan(loaded, opened, split=split, seed=seed)
    folder = None if cache is None else Cache(folder=cache, bound=int(cache_gb * 1e9))
    size = batch_size or loaded.batch or 64
    running = Stream(
        plan,
        opened,
        batch_size=size,
        features=features,
        crop=crop_of(crop, where, pad, cached=cache is not None),
        rate=rate,
        workers=workers,
        tail="keep",
        feature_cache=folder,
        byte_cache=folder,
        on_corrupt="replace" if replace else "raise",
    )
    expected = planned(plan, label_columns(opened), range(epochs))
    served, replaced = Counter[tuple[str, str]](), Counter[str]()
    with Live(console=stderr, refresh_per_second=4, transient=True) as live:
        for batch in itertools.chain.from_iterable(itertools.repeat(running, epochs)):
            count(batch, running.labels, served, replaced)
            if stderr.is_terminal:
                live.update(course(running.metrics, expected.total))
    metrics, lines = running.metrics, compare(expected, served, replaced)
    if as_json:
        content = {
            "plan": plan.hash,
            "split": split,
            "seed": seed,
            "epochs": epochs,
            "batch_size": size,
            "rows": expected.total,
            "conditions": [asdict(line) for line in lines],
            "metrics": {**asdict(metrics), "clips_per_s": metrics.clips / max(metrics.seconds, 1e-9), "bottleneck": metrics.bottleneck},
        }
        print_json("stream", content)
    else:
        stdout.print(course(metrics, expected.total))
        print_lines(served_lines(lines))


def count(batch: "Mapping[str, Any]", labels: "Sequence[str]", served: "Counter[tuple[str, str]]", replaced: "Counter[str]") -> None:
    """Add a batch's rows to the counts of what was served, by condition and label and by condition
    under `""`, and replaced; a row with views counts in each."""
    broken = batch.get("replaced") or [None] * len(batch["clip_id"])
    numbers = [[number] for number in batch["label"].tolist()] if "label" in batch else [[]] * len(broken)
    if "labels" in batch:
        numbers = [row.nonzero()[:, 0].tolist() for row in batch["labels"]]
    for shown, row, planned in zip(batch["condition"], numbers, broken, strict=True):
        for condition in [shown] if isinstance(shown, str) else shown:
            served.update((condition, labels[number]) for number in row)
            served[condition, ""] += 1
            replaced[condition] += planned is not None


@dataclass(frozen=True, kw_only=True)
class Served:
    """Rows of a condition.

    Args:
        condition: The condition.
        planned: Rows that the ledger promises.
        served: Rows that came.
        replaced: Rows whose own clip is broken, among those that came.
        labels: Number of labels; 0 if clips have none.
        labels_as_planned: Labels that were served as often as planned.
    """

    condition: str
    planned: int
    served: int
    replaced: int
    labels: int
    labels_as_planned: int


def compare(expected: "Ledger", served: "Counter[tuple[str, str]]", replaced: "Counter[str]") -> list[Served]:
    """Rows planned and served, by condition.

    Args:
        expected: What was planned, by label if there are any.
        served: What came, by condition and label, and by condition under `""`.
        replaced: Rows of each condition whose own clip is broken.
    """
    conditions, *columns = expected.values
    labels = [(number, label) for number, label in enumerate(columns[0]) if label] if columns else []
    return [
        Served(
            condition=condition,
            planned=rows,
            served=served[condition, ""],
            replaced=replaced[condition],
            labels=len(labels),
            labels_as_planned=sum(int(counts[number]) == served[condition, label] for number, label in labels),
        )
        for condition, counts, rows in zip(conditions, expected.counts, expected.condition_rows.tolist(), strict=True)
    ]


def served_lines(conditions: "Sequence[Served]") -> list[list[str]]:
    """Lines of a table: a head, the conditions, and their sums."""
    has_labels = any(each.labels for each in conditions)
    lines = [["condition", "planned", "served", "replaced", *(["labels as planned"] if has_labels else [])]]
    for each in conditions:
        agreement = [f"{each.labels_as_planned} of {each.labels}"] if has_labels else []
        lines.append([each.condition, str(each.planned), str(each.served), str(each.replaced), *agreement])
    sums = (sum(own) for own in zip(*((each.planned, each.served, each.replaced) for each in conditions), strict=True))
    return [*lines, ["all", *map(str, sums), *([""] if has_labels else [])]]


def course(metrics: "StreamMetrics", total: int) -> "Table":
    """The stages of a stream: what each has done, its rate, and how full the queue after it is."""
    from rich.table import Table

    seconds = max(metrics.seconds, 1e-9)
    table = Table("stage", "done", "rate", "queue after it")
    table.add_row(
        "fetch",
        f"{metrics.read_bytes / 1e6:.1f} MB in {metrics.reads} reads",
        f"{metrics.read_bytes / seconds / 1e6:.1f} MB/s",
        f"{metrics.payload_hit_rate:.0%} full",
    )
    for condition, spent in sorted(metrics.decode_s.items()):
        clips = metrics.decoded_clips[condition]
        table.add_row(f"decode {condition}", f"{clips} clips", f"{1e3 * spent / clips:.1f} ms per clip", "")
    decoded = sum(metrics.decoded_clips.values())
    rate = f"{1e3 * metrics.feature_s / max(decoded, 1):.1f} ms per clip"
    table.add_row("features", f"{decoded} clips", rate, f"{metrics.queue_fill:.0%} full")
    table.add_row("from the cache", f"{metrics.cached_clips} clips", "", "")
    served = f"{metrics.clips} of {total} clips"
    table.add_row("batches", served, f"{metrics.clips / seconds:.0f} clips/s", f"bottleneck: {metrics.bottleneck}")
    return table
