"""streamaug table: make a table of clips for `streamaug build`, and add splits to one."""

import csv
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamaug.errors import ClipsError

if TYPE_CHECKING:
    from decimal import Decimal

    from streamaug.building.listing import Row

_SPLITS = {2: ("train", "evaluate"), 3: ("train", "validate", "evaluate")}
"""Names of so many splits by default."""


def table(
    source: Annotated[
        str,
        typer.Argument(
            help="A folder, perhaps with one folder per class, a quoted glob ('data/**/*.wav'), WebDataset tars ('data-{000..009}.tar'), "
            "a Hugging Face data set on disk, or a table of clips."
        ),
    ],
    output: Annotated[Path, typer.Argument(help="Table to write, .csv. Audio from tars and data sets is put next to it.")],
    pattern: Annotated[
        str | None,
        typer.Option(help="Columns in the end of each path, without extension: '{label}/{speaker}-{take}'. Default: label from folders."),
    ] = None,
    label_column: Annotated[str | None, typer.Option(help="Column that becomes label. Default: label, or a tar's cls.")] = None,
    labels_column: Annotated[
        str | None, typer.Option(help="Column that becomes labels, several per clip, written a;b. Default: labels.")
    ] = None,
    target_column: Annotated[str | None, typer.Option(help="Column that becomes target, a number to be learned. Default: target.")] = None,
    audio_column: Annotated[str | None, typer.Option(help="Audio column of a Hugging Face data set. Default: the only one.")] = None,
    split: Annotated[
        str | None, typer.Option(help="Comma-separated shares of new splits, such as 0.8,0.1,0.1. Default: those of the source.")
    ] = None,
    split_names: Annotated[
        str | None, typer.Option(help="Comma-separated names of the new splits. Default: train,evaluate or train,validate,evaluate.")
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="Column whose values stay in one split, such as speaker; it becomes group. Default: group, if any.")
    ] = None,
    every: Annotated[
        str | None, typer.Option(help="Cut recordings into clips of this length, such as 10s or 500ms. Default: one clip per file.")
    ] = None,
    hop: Annotated[str | None, typer.Option(help="From the start of a clip to that of the next one, such as 5s. Default: --every.")] = None,
    seed: Annotated[int, typer.Option(help="Seed for the new splits.")] = 0,
) -> None:
    """Make a table of clips from audio as it is, cut long recordings into clips, and add splits that
    keep groups and recordings together and spread every label evenly.
    """
    from streamaug.cli.console import stdout
    from streamaug.cli.table_sources import read_source, removed_after_errors

    if output.suffix.lower() != ".csv":
        raise ClipsError(f"{output}: the table must have the ending .csv; rename it")
    shares, names = _shares(split, split_names)
    every_s, hop_s = _cut_lengths(every, hop)
    audio = output.absolute().with_name(f"{output.stem}-audio")
    with removed_after_errors(audio):
        rows, origins, notes = read_source(source, audio, pattern, audio_column)
        if every_s:
            rows, note = _excerpts(rows, every_s, hop_s)
            notes.append(note)
        rows = named_rows(rows, {"label": label_column, "labels": labels_column, "target": target_column, "group": group}, origins)
        if shares:
            rows = _with_splits(rows, shares, names, seed, output)
        notes += _overlaps(rows)
        write_rows(output, rows)
    for note in notes:
        stdout.print(note)
    _summarise(output, rows)


def _shares(split: str | None, split_names: str | None) -> tuple[list[float], Sequence[str]]:
    """The shares of the new splits, and their names; none if there are to be none."""
    if split is None:
        if split_names is not None:
            raise ClipsError("--split-names names the splits that --split makes; add --split, such as --split 0.8,0.1,0.1")
        return [], ()
    try:
        shares = [float(share) for share in split.split(",")]
    except ValueError:
        shares = []
    if not shares or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-6:
        raise ClipsError(f"--split '{split}': write shares above 0 that add up to 1, such as 0.8,0.1,0.1")
    names = split_names.split(",") if split_names is not None else _SPLITS.get(len(shares), ())
    if len(names) != len(shares) or len(set(names)) != len(names) or not all(name.strip() for name in names):
        raise ClipsError(f"--split '{split}' has {len(shares)} shares; name each of the splits with --split-names")
    return shares, names


def _cut_lengths(every: str | None, hop: str | None) -> tuple["Decimal | None", "Decimal | None"]:
    """The lengths in seconds that options name."""
    from streamaug.building.cutting import parse_seconds

    if every is None and hop is not None:
        raise ClipsError("--hop says how far apart the clips of --every are; add --every, such as --every 10s")
    every_s = None if every is None else parse_seconds(every, "--every")
    return every_s, None if hop is None else parse_seconds(hop, "--hop")


def _excerpts(rows: Sequence["Row"], every: "Decimal", hop: "Decimal | None") -> tuple[list["Row"], str]:
    """The clips that recordings are cut into, and what to say about it."""
    from streamaug.building.cutting import cut

    cuts = cut(rows, every, hop)
    left_out = [f"{_counted(cuts.ends, 'end')} ({cuts.ends_s:g} s together)"] if cuts.ends else []
    left_out += [_counted(cuts.short, "recording")] if cuts.short else []
    note = f"; left out what is shorter than {float(every) / 2:g} s: {', '.join(left_out)}" if left_out else ""
    return cuts.rows, f"{_counted(len(rows), 'recording')} cut into {_counted(len(cuts.rows), 'clip')} of {float(every):g} s{note}"


def _overlaps(rows: Sequence["Row"]) -> list[str]:
    """What to say about excerpts that overlap and are in different groups."""
    from streamaug.building.excerpts import Excerpt
    from streamaug.building.overlapping import overlap_warnings
    from streamaug.building.table_reading import default_id
    from streamaug.building.targets import as_number

    times = [[as_number(row.get(name) or "") for name in ("start", "stop")] for row in rows]
    excerpts = [Excerpt(row["path"] or "", *own) for row, own in zip(rows, times, strict=True)]
    ids = [row.get("clip_id") or default_id(excerpt) for row, excerpt in zip(rows, excerpts, strict=True)]
    return overlap_warnings(excerpts, ids, *([row.get(name) or None for row in rows] for name in ("group", "split")))


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"


def named_rows(rows: Sequence["Row"], named: Mapping[str, str | None], origins: Mapping[str, str] | None = None) -> list["Row"]:
    """Rows with the columns that the options name; columns that a store reserves get other names.

    Args:
        rows: The rows.
        named: The rows' own names of label, labels, target and group; None where no option says so.
        origins: Where files come from, by path, for errors. Default: nowhere else.
    """
    from streamaug.building.table_reading import RESERVED
    from streamaug.building.targets import kept_aside, target_problems, value_problem
    from streamaug.hints import nearest
    from streamaug.store.format import TARGET_FIELDS

    known = dict.fromkeys(name for row in rows for name in row)
    if "cls" in known and not any(named.get(name) or name in known for name in TARGET_FIELDS):
        named = {**named, "label": "cls"}
    for name, column in named.items():
        if column is None:
            continue
        if column not in known:
            option = "--group" if name == "group" else f"--{name}-column"
            raise ClipsError(f"{option}: there is no column '{column}'. {nearest(column, known)}")
        rows = [{**row, name: row.get(column)} for row in rows]
        known[name] = None
        if name in TARGET_FIELDS and column in TARGET_FIELDS and column != name:
            del known[column]
    aside = dict(zip(known, kept_aside(list(known), [name for name, column in named.items() if column]), strict=True))
    rows, known = [{aside[name]: row.get(name) for name in known} for row in rows], dict.fromkeys(aside.values())
    for problem in target_problems(list(known)):
        raise ClipsError(problem)
    for row in rows if "label" in known else ():
        wrong = value_problem("label", row.get("label") or "")
        if wrong:
            raise ClipsError(f"{(origins or {}).get(row['path'] or '', row['path'])}: {wrong}")
    if "labels" in known:
        rows = [{**row, "labels": _joined(row.get("labels"))} for row in rows]
    first = [name for name in ("path", "clip_id", "start", "stop", *TARGET_FIELDS, "split", "group") if name in known]
    columns = [*first, *(name for name in known if name not in first)]
    return [{f"source_{name}" if name in RESERVED else name: row.get(name) for name in columns} for row in rows]


def _joined(cell: str | None) -> str | None:
    """Labels as a CSV file has them, also if the source had a list.

    >>> _joined('["dog", "rain"]'), _joined("dog;rain")
    ('dog;rain', 'dog;rain')
    """
    from streamaug.building.targets import SEPARATOR

    try:
        labels = json.loads(cell) if cell and cell.startswith("[") else None
    except ValueError:
        labels = None
    if not isinstance(labels, list):
        return cell
    wrong = [str(label) for label in labels if SEPARATOR in str(label)]
    if wrong:
        raise ClipsError(f"the label '{wrong[0]}' has a '{SEPARATOR}' in it, which separates labels; rename it in the source")
    return SEPARATOR.join(map(str, labels))


def _with_splits(rows: Sequence["Row"], shares: Sequence[float], names: Sequence[str], seed: int, output: Path) -> list["Row"]:
    from streamaug.building.splitting import assign_splits

    old = sorted({row["split"] or "" for row in rows if row.get("split")})
    if old:
        raise ClipsError(f"the source has splits already ({', '.join(old[:5])}); leave out --split, or remove the column 'split'")
    # Paths as the table has them, so that a folder that was moved gets the same splits.
    groups = [f"group {row['group']}" if row.get("group") else f"clip {_path_in(row, output)}" for row in rows]
    numbers = assign_splits([_labels(row) for row in rows], groups, shares, seed)
    return [{**row, "split": names[number]} for row, number in zip(rows, numbers, strict=True)]


def write_rows(output: Path, rows: Sequence["Row"]) -> None:
    """Write a table of clips as CSV, with paths relative to its folder where they are below it."""
    from streamaug.cli.tables import whole

    columns = list(rows[0])
    with whole(output.absolute()) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({**row, "path": _path_in(row, output)} for row in rows)


def _path_in(row: "Row", output: Path) -> str:
    """The path of a row's audio in a table: relative to the table's folder if it is below it."""
    return (row["path"] or "").removeprefix(str(output.absolute().parent) + os.sep)


def _labels(row: "Row") -> list[str | None]:
    """The labels of a row: one, several or none."""
    from streamaug.building.targets import SEPARATOR

    if "labels" in row:
        return list(map(str.strip, row["labels"].split(SEPARATOR))) if row["labels"] else []
    return [row["label"]] if "label" in row else []


def _summarise(output: Path, rows: Sequence["Row"]) -> None:
    import pyarrow as pa

    from streamaug.building.targets import as_number, no_target_note
    from streamaug.cli.clip_counts import count_clips
    from streamaug.cli.console import stdout
    from streamaug.cli.tables import print_lines

    columns = {"split": pa.array([row.get("split") for row in rows], pa.string())}
    labels = [[label or "-" for label in _labels(row)] for row in rows]
    numbers = [as_number(row.get("target") or "") for row in rows]
    if "label" in rows[0]:
        columns["label"] = pa.array([label for [label] in labels], pa.string())
    elif "labels" in rows[0]:
        columns["labels"] = pa.array(labels, pa.list_(pa.string()))
    elif None not in numbers:
        columns["target"] = pa.array(numbers, pa.float64())
    stdout.print(f"{output}: {len(rows)} clips")
    print_lines(count_clips(pa.table(columns), sorted({label for own in labels for label in own})).lines())
    if not {"label", "labels", "target"} & rows[0].keys():
        stdout.print(no_target_note(list(rows[0])))
    if not any(row.get("split") for row in rows):
        stdout.print("no splits: add --split 0.8,0.1,0.1, or build with --shard-by and a column of your own")
