"""Write small data sets for tests: short clips of noise and tones, and their table."""

import csv
import json
from pathlib import Path

import numpy as np
import soundfile

from streamaug.progress import Silent

RATE = 16_000


def write_clips(folder: Path, count: int, *, seconds: float = 0.5, rate: int = RATE, first: int = 0, subtype: str = "PCM_16") -> Path:
    """Write `count` WAV clips and their table clips.csv; every fourth clip is in the split
    `evaluate`. Returns the table's path."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(first, first + count):
        generator = np.random.default_rng(number)
        time = np.arange(round(seconds * rate)) / rate
        signal = 0.2 * generator.standard_normal(len(time)) + 0.3 * np.sin(2 * np.pi * (200 + 17 * number) * time)
        soundfile.write(folder / f"clip{number:03d}.wav", np.clip(signal, -0.99, 0.99), rate, subtype=subtype)
        split = "evaluate" if number % 4 == 3 else "train"
        rows.append((f"clip{number:03d}.wav", "ab"[number % 2], split, f"place{number}", number % 3))
    return write_table(folder / "clips.csv", rows)


def write_table(path: Path, rows: list[tuple]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "split", "group", "device"])
        writer.writerows(rows)
    return path


class Log(Silent):
    """A progress that keeps what is said."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def say(self, message: str) -> None:
        self.messages.append(message)


def content(store: Path) -> dict[str, bytes]:
    """Content of every file of a store, by relative path; without the times of its snapshots."""
    return without_times({str(path.relative_to(store)): path.read_bytes() for path in sorted(store.rglob("*")) if path.is_file()})


def without_times(files: dict[str, bytes]) -> dict[str, bytes]:
    """The files of a store without what depends on when it was built, and from what files."""
    if "store.json" in files:
        manifest = json.loads(files["store.json"])
        files["store.json"] = json.dumps({key: manifest[key] for key in manifest if key not in ("created", "build", "parent")}).encode()
    return {name: data for name, data in files.items() if name != "sources.parquet" and not name.startswith("snapshots/")}
