"""Build a store from TAU Urban Acoustic Scenes 2020 Mobile, development set, read as published.

    python tools/shard_tau2020.py DATASET STORE [--download] [--conditions original,mp3_64,...]

DATASET is the folder with meta.csv, evaluation_setup/ and audio/, or the one that soundata has put
it into. The split is the data set's own
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

from streamaug.building.job import Job
from streamaug.cli.build import run_build
from streamaug.cli.console import run, stderr
from streamaug.conditions import parse_conditions
from streamaug.errors import ClipsError

LISTS = {"train": "fold1_train.csv", "evaluate": "fold1_evaluate.csv"}
"""The list of each split, in evaluation_setup/."""

SOUNDATA_FOLDER = "TAU-urban-acoustic-scenes-2020-mobile-development"
"""What the archives call their folder, and where soundata leaves it."""

NOT_IN_META = "not in the data set's meta.csv; use the data set's own lists, or remove it from this one"


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A row of the clips table. segment: number that distinguishes excerpts of one recording.
    group: city-location. is_known: whether meta.csv has the clip.
    """

    path: str
    label: str
    split: str
    group: str
    city: str
    location: str
    segment: str
    device: str
    is_known: bool


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
            clips[filename] = _clip(filename, split, meta.get(filename), row["scene_label"], listed)
    tested = {row["filename"] for row in read_list(dataset / "evaluation_setup" / "fold1_test.csv", ("filename",))}
    odd = tested ^ {clip.path for clip in clips.values() if clip.split == "evaluate"}
    if odd:
        raise ClipsError(f"{dataset}: {min(odd)} is in only one of fold1_test.csv and fold1_evaluate.csv; download the meta archive again")
    return list(clips.values())


def _clip(filename: str, split: str, meta: Mapping[str, str] | None, scene: str, listed: Path) -> Clip:
    parts = filename.removeprefix("audio/").removesuffix(".wav").split("-")
    if len(parts) != 5 or filename != f"audio/{'-'.join(parts)}.wav" or {"", "..", "/", "\\"} & {*parts, *filename[6:]}:
        raise ClipsError(f"{listed}: {filename} is not named audio/SCENE-CITY-LOCATION-SEGMENT-DEVICE.wav; download the meta archive again")
    named, city, location, segment, device = parts
    described = (meta["scene_label"], meta["identifier"], meta["source_label"]) if meta else (scene, f"{city}-{location}", device)
    if (scene, scene, f"{city}-{location}", device) != (named, *described):
        raise ClipsError(f"{listed}: {filename} is {scene} in this list and {', '.join(described)} in meta.csv, which contradicts its name")
    return Clip(
        path=filename, label=scene, split=split, group=f"{city}-{location}", city=city, location=location, segment=segment, device=device,
        is_known=meta is not None,
    )  # fmt: skip


def dataset_folder(folder: Path) -> Path:
    """The folder that has meta.csv: the given one, or the one inside that soundata has made."""
    inner = folder / SOUNDATA_FOLDER
    return inner if not (folder / "meta.csv").exists() and (inner / "meta.csv").exists() else folder


def report_unusable(dataset: Path, clips: list[Clip]) -> list[str]:
    """Print the listed clips that have no file or that meta.csv lacks; returns one phrase per kind
    with their number and the first of them."""
    kinds = {
        "are missing": [clip for clip in clips if not (dataset / clip.path).is_file()],
        "are not in meta.csv": [clip for clip in clips if not clip.is_known],
    }
    phrases = []
    for kind, unusable in kinds.items():
        for split, name in LISTS.items():
            of_list = [clip.path for clip in unusable if clip.split == split]
            if of_list:
                stderr.print(f"{name}: {len(of_list)} listed files {kind}:", *of_list, sep="\n  ")
        if unusable:
            phrases.append(f"{len(unusable)} of {len(clips)} listed files {kind}, such as {unusable[0].path}")
    return phrases


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
    dataset = dataset_folder(dataset)
    clips = read_clips(dataset)
    unusable = report_unusable(dataset, clips)
    if unusable and not skip_bad:
        raise ClipsError(
            f"{dataset}: {', and '.join(unusable)}; download what is missing with --download, or build without these with --skip-bad"
        )
    with TemporaryDirectory() as scratch:
        table = Path(scratch) / "tau2020.parquet"
        paths = {clip: str((dataset / clip.path).absolute()) for clip in clips}
        rows = [{name: value for name, value in vars(clip).items() if name != "is_known"} | {"path": paths[clip]} for clip in clips]
        pq.write_table(pa.Table.from_pylist(rows), table)
        job = Job(
            clips=table,
            store=store,
            conditions=parse_conditions(conditions) if conditions else None,
            skip_bad=skip_bad,
            known_problems={paths[clip]: NOT_IN_META for clip in clips if not clip.is_known},
        )
        run_build(job, workers)


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command()(shard)

if __name__ == "__main__":
    run(app)
