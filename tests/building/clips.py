"""Write small data sets for tests: short clips of noise and tones, and their table."""

import csv
from pathlib import Path

import numpy as np
import soundfile

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


def content(store: Path) -> dict[str, bytes]:
    """Content of every file below a folder, by relative path."""
    return {str(path.relative_to(store)): path.read_bytes() for path in sorted(store.rglob("*")) if path.is_file()}
