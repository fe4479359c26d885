"""streamaug table: make a table of clips for `streamaug build`, and add splits to one."""

import csv
import glob
import json
import os
from collections import Counter
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

_TABLES = (".csv", ".tsv", ".txt", ".parquet", ".pq")


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

    if output.suffix.lower() != ".csv":
        raise ClipsError(f"{output}: the table must have the ending .csv; rename it")
    shares, names = _shares(split, split_names)
    every_s, hop_s = _cut_lengths(every, hop)
    rows, notes = _read(source, output, pattern, audio_column)
    if every_s:
        rows, note = _excerpts(rows, every_s, hop_s)
        notes.append(note)
    rows = named_rows(rows, {"label": label_column, "labels": labels_column, "target": target_column, "group": group})
    if shares:
        rows = _with_splits(rows, shares, names, seed)
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


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"


def _read(source: str, output: Path, pattern: str | None, audio_column: str | None) -> tuple[list["Row"], list[str]]:
    """The clips of a source, and what to say about it."""
    from streamaug.building.listing import list_audio
    from streamaug.building.tar_clips import tar_paths
    from streamaug.building.unpacking import arrow_clips, is_arrow_dataset, unpack

    path = Path(source)
    audio = output.absolute().with_name(f"{output.stem}-audio")
    tars = tar_paths(source)
    is_arrow = path.suffix == ".arrow" or (path.suffix == ".parquet" and _has_audio(path)) or (path.is_dir() and is_arrow_dataset(path))
    if (tars or is_arrow) and pattern:
        raise ClipsError("--pattern reads columns from the paths of files; tars and data sets have their own columns")
    if tars:
        return unpack_tars(tars, audio)
    if is_arrow:
        rows = unpack(arrow_clips(path, audio_column), audio)
    elif path.suffix.lower() in _TABLES:
        return _read_table(path), []
    elif path.is_dir() or glob.has_magic(source):
        rows, skipped = list_audio(source, pattern)
        kinds = ", ".join(f"{count} .{kind}" if kind else f"{count} without ending" for kind, count in sorted(skipped.items()))
        return rows, [f"left out files that are not audio: {kinds}"] if skipped else []
    else:
        raise ClipsError(f"{source} is not a folder, a glob, a tar, a table or a data set on disk; check the path")
    return rows, [f"{len(rows)} clips unpacked into {audio}"] if audio.exists() else []


def unpack_tars(tars: Sequence[str], folder: Path) -> tuple[list["Row"], list[str]]:
    """The clips of WebDataset tars, whose audio is written into a new folder, and what to say about
    it."""
    from streamaug.building.tar_clips import tar_clips
    from streamaug.building.unpacking import unpack

    left_out = Counter[str]()
    rows = unpack(tar_clips(tars, left_out), folder)
    notes = [f"left out of the tars: {', '.join(f'{count} {what}' for what, count in sorted(left_out.items()))}"] if left_out else []
    return rows, [f"{len(rows)} clips unpacked into {folder}", *notes]


def _has_audio(path: Path) -> bool:
    """Whether a Parquet file has a column of records with bytes and path."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(path)
    except (OSError, pa.ArrowException):
        return False
    return any(pa.types.is_struct(field.type) and "bytes" in {inner.name for inner in field.type} for field in schema)


def _read_table(path: Path) -> list["Row"]:
    from streamaug.building.table_files import read_file
    from streamaug.building.table_reading import resolve_path
    from streamaug.building.unpacking import as_text

    table, problems = read_file(path)
    if problems or len(set(table.column_names)) < len(table.column_names):
        raise ClipsError(f"clips table {path}: {(problems or ['a column is there twice; remove one'])[0]}")
    if "path" not in table.column_names:
        raise ClipsError(f"clips table {path} has no column 'path'; it has {', '.join(table.column_names)}; rename one")
    rows = [{name: as_text(value) for name, value in row.items()} for row in table.to_pylist()]
    if not rows:
        raise ClipsError(f"clips table {path} lists no clips; add one row per clip")
    folder = str(path.absolute().parent)
    return [{**row, "path": resolve_path(row["path"], folder)} for row in rows]


def named_rows(rows: Sequence["Row"], named: Mapping[str, str | None]) -> list["Row"]:
    """Rows with the columns that the options name; columns that a store reserves get other names.

    Args:
        rows: The rows.
        named: The rows' own names of label, labels, target and group; None where no option says so.
    """
    from streamaug.building.table_reading import RESERVED
    from streamaug.building.targets import kept_aside, target_problems
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


def _with_splits(rows: Sequence["Row"], shares: Sequence[float], names: Sequence[str], seed: int) -> list["Row"]:
    from streamaug.building.splitting import assign_splits

    old = sorted({row["split"] or "" for row in rows if row.get("split")})
    if old:
        raise ClipsError(f"the source has splits already ({', '.join(old[:5])}); leave out --split, or remove the column 'split'")
    groups = [f"group {row['group']}" if row.get("group") else f"clip {row['path']}" for row in rows]
    numbers = assign_splits([_labels(row) for row in rows], groups, shares, seed)
    return [{**row, "split": names[number]} for row, number in zip(rows, numbers, strict=True)]


def write_rows(output: Path, rows: Sequence["Row"]) -> None:
    """Write a table of clips as CSV, with paths relative to its folder where they are below it."""
    from streamaug.cli.tables import whole

    folder = str(output.absolute().parent) + os.sep
    columns = list(rows[0])
    with whole(output.absolute()) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({**row, "path": (row["path"] or "").removeprefix(folder)} for row in rows)


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
