"""A small store of each kind: one label per clip, several, a number, nothing to learn."""

import csv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from streamaug.building.build import build
from streamaug.conditions import parse_conditions
from tests.building.clips import write_clips

COUNT = 24
LABELS = ("bird", "rain", "siren")


def cell(target: str | None, number: int) -> str:
    """What the table says that clip `number` is to be learned as."""
    if target == "label":
        return LABELS[number % 3]
    if target == "labels":
        return ";".join(sorted({LABELS[number % 3], LABELS[number // 2 % 3]}, reverse=True))
    return f"{number / 4:.2f}"


def write_kind(folder: Path, target: str | None, count: int = COUNT) -> Path:
    """Clips and their table with a column `target`; every fourth clip is in `evaluate`."""
    table = write_clips(folder, count)
    with table.open() as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows):
        del row["label"]
        if target:
            row[target] = cell(target, number)
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return table


def build_kind(folder: Path, target: str | None, conditions: str = "original,mp3_64") -> Path:
    table = write_kind(folder / "clips", target)
    with ThreadPoolExecutor(2) as executor:
        build(table, str(folder / "store"), conditions=parse_conditions(conditions), clips_per_shard=6, executor=executor)
    return folder / "store"
