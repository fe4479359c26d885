"""Build a store from TAU Urban Acoustic Scenes 2020 Mobile, development set, read as published.

    python tools/shard_tau2020.py DATASET STORE [--download] [--conditions original,mp3_64,...]

DATASET is the folder with meta.csv, evaluation_setup/ and audio/. The split is the data set's own
fold 1; clips of meta.csv in neither of its lists are left out. `--download` first downloads missing
archives (27 GB in all) and unpacks them there.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import pyarrow as pa
import pyarrow.parquet as pq
import typer

from streamaug.cli.build import build
from streamaug.cli.console import run, stderr
from streamaug.errors import ClipsError

LISTS = {"train": "fold1_train.csv", "evaluate": "fold1_evaluate.csv"}
"""The list of each split, in evaluation_setup/."""


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A row of the clips table. segment: number that distinguishes excerpts of one recording.
    group: city-location.
    """

    path: str
    label: str
    split: str
    group: str
    city: str
    location: str
    segment: str
    device: str


def read_list(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Rows of a tab-separated table of the data set, with LF or CRLF, with or without a last
    newline. Raises ClipsError.
    """
    try:
        # utf-8-sig: an editor may have added a byte order mark.
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            rows = list(table)
    except FileNotFoundError:
        raise ClipsError(f"{path} is missing; name the folder with meta.csv, evaluation_setup/ and audio/, or add --download") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ClipsError(f"{path}: not readable: {error}; download the data set's meta archive again") from error
    lacking = set(columns) - set(table.fieldnames or ())
    if lacking:
        raise ClipsError(f"{path}: no column '{min(lacking)}'; it must be tab-separated with the columns {', '.join(columns)}")
    for line, row in enumerate(rows, start=2):
        if not all(row[column] for column in columns):
            raise ClipsError(f"{path}, line {line}: a value is missing; fill all {len(columns)} columns, {', '.join(columns)}")
    return rows


def read_clips(dataset: Path) -> list[Clip]:
    """All clips of fold 1, checked against meta.csv, the evaluation clips also against
    fold1_test.csv. Raises ClipsError.
    """
    meta = {row["filename"]: row for row in read_list(dataset / "meta.csv", ("filename", "scene_label", "identifier", "source_label"))}
    clips: dict[str, Clip] = {}
    for split, name in LISTS.items():
        listed = dataset / "evaluation_setup" / name
        for row in read_list(listed, ("filename", "scene_label")):
            filename = row["filename"]
            if filename in clips:
                raise ClipsError(f"{listed}: {filename} is listed twice, also in {LISTS[clips[filename].split]}; remove one")
            if filename not in meta:
                raise ClipsError(f"{listed}: {filename} is not in meta.csv; download the data set's meta archive again")
            clips[filename] = _clip(filename, split, meta[filename], row["scene_label"], listed)
    tested = {row["filename"] for row in read_list(dataset / "evaluation_setup" / "fold1_test.csv", ("filename",))}
    odd = tested ^ {clip.path for clip in clips.values() if clip.split == "evaluate"}
    if odd:
        raise ClipsError(f"{dataset}: {min(odd)} is in only one of fold1_test.csv and fold1_evaluate.csv; download the meta archive again")
    return list(clips.values())


def _clip(filename: str, split: str, meta: Mapping[str, str], scene: str, listed: Path) -> Clip:
    parts = filename.removeprefix("audio/").removesuffix(".wav").split("-")
    if len(parts) != 5 or filename != f"audio/{'-'.join(parts)}.wav" or {"", "..", "/", "\\"} & {*parts, *filename[6:]}:
        raise ClipsError(f"{listed}: {filename} is not named audio/SCENE-CITY-LOCATION-SEGMENT-DEVICE.wav; download the meta archive again")
    named, city, location, segment, device = parts
    described = (meta["scene_label"], meta["identifier"], meta["source_label"])
    if (scene, scene, f"{city}-{location}", device) != (named, *described):
        raise ClipsError(f"{listed}: {filename} is {scene} in this list and {', '.join(described)} in meta.csv, which contradicts its name")
    return Clip(
        path=filename, label=scene, split=split, group=f"{city}-{location}", city=city, location=location, segment=segment, device=device
    )


def report_missing(dataset: Path, clips: list[Clip]) -> list[Clip]:
    """Print the listed clips that have no file, and return them."""
    missing = [clip for clip in clips if not (dataset / clip.path).is_file()]
    for split, name in LISTS.items():
        of_list = [clip.path for clip in missing if clip.split == split]
        if of_list:
            stderr.print(f"{name}: {len(of_list)} listed files are missing:", *of_list, sep="\n  ")
    return missing


def shard(
    dataset: Annotated[Path, typer.Argument(help="Folder of the data set: meta.csv, evaluation_setup/ and audio/.")],
    store: Annotated[str, typer.Argument(help="Folder or URL of the store.")],
    download: Annotated[bool, typer.Option("--download", help="First download archives that are missing.")] = False,
    conditions: Annotated[str | None, typer.Option(help="Comma-separated conditions. Default: those of the paper.")] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out missing and broken clips, and list them in STORE/rejected.csv.")
    ] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Number of processes. Default: one per core.")] = None,
) -> None:
    """Build a store from TAU Urban Acoustic Scenes 2020 Mobile, with its fold 1 as train and
    evaluate.
    """
    if download:
        from tools.download_tau2020 import fetch

        fetch(dataset)
    clips = read_clips(dataset)
    missing = report_missing(dataset, clips)
    if missing and not skip_bad:
        raise ClipsError(
            f"{dataset}: {len(missing)} of {len(clips)} listed files are missing, such as {missing[0].path}; "
            "download them with --download, or build without them with --skip-bad"
        )
    with TemporaryDirectory() as scratch:
        table = Path(scratch) / "tau2020.parquet"
        pq.write_table(pa.Table.from_pylist([vars(clip) | {"path": str((dataset / clip.path).absolute())} for clip in clips]), table)
        build(table, store, conditions=conditions, skip_bad=skip_bad, workers=workers)


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command()(shard)

if __name__ == "__main__":
    run(app)
