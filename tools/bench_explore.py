"""Measure `streamaug explore` on a store of many clips: `python -m tools.bench_explore FOLDER`.

It writes the tables of a store, without audio, starts the server, and asks as the page does. Each
question is asked for the first time and again; time of the answer, and the memory of the server
after it, are printed.
"""

import os
import platform
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, urlencode

import psutil  # type: ignore[import-untyped]  # it has no type hints
import typer

from streamaug.testing import write_store

CONDITIONS = ("original", "mp3_32", "mp3_64", "aac_32", "aac_48", "aac_64", "he-aac_16", "he-aac_32", "opus_32", "opus_64", "sbc_64")
LABELS = [f"class {number}" for number in range(527)]


def write_tables(folder: Path, count: int) -> None:
    """Write a store's tables: labels, a split, and columns of few, of many and of distinct values.

    Args:
        folder: The store's folder; one that exists is kept.
        count: Number of clips.
    """
    if (folder / "store.json").exists():
        return
    numbers = range(count)
    columns = {
        "clip_id": [f"recording-{number * 7919 % 10**7:07d}-{number:07d}" for number in numbers],
        "label": [LABELS[number % len(LABELS)] for number in numbers],
        "split": ["evaluate" if number % 10 == 9 else "train" for number in numbers],
        "group": [f"place {number // 100}" for number in numbers],
        "device": ["abcdef"[number % 6] for number in numbers],
        "title": [f"A walk through town number {number}" for number in numbers],
    }
    write_store(folder, columns, dict.fromkeys(CONDITIONS), labels=LABELS, clips_per_shard=1000)


@contextmanager
def server(store: Path) -> Iterator[tuple[psutil.Process, str]]:
    """A running `streamaug explore`: its process and its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "streamaug", "explore", str(store), "--no-browser"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield psutil.Process(process.pid), process.stdout.readline().split(" is at ")[1].split()[0]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def answer(address: str, path: str) -> float:
    """Seconds until the answer to a request is there."""
    begun = time.perf_counter()
    with urllib.request.urlopen(f"{address}{path}") as reply:  # noqa: S310  # the server above
        reply.read()
    return time.perf_counter() - begun


def questions(count: int) -> dict[str, str]:
    """What the page asks, by what it is for."""
    last = count - 1
    clip = f"recording-{last * 7919 % 10**7:07d}-{last:07d}"
    label = quote('["label","is","class 5"]')
    return {
        "the page": "",
        "first clips": "api/clips?start=0",
        "last clips": f"api/clips?start={count - 50}",
        "text in all columns, found in few clips": f"api/clips?{urlencode({'text': 'number 99999'})}",
        "text in all columns, found nowhere": "api/clips?text=nowhere",
        "one label": f"api/clips?filter={label}",
        "one label and a text": f"api/clips?filter={label}&text=town",
        "values of a column of few values": "api/values?column=device",
        "values of a column of distinct values": "api/values?column=title",
        "one clip in eleven conditions": f"api/clip?clip={clip}",
    }


def run(
    folder: Annotated[Path, typer.Argument(help="Folder for the store; one that exists is used again.")],
    clips: Annotated[int, typer.Option(min=1000, help="Number of clips.")] = 1_000_000,
) -> None:
    """Print a Markdown table."""
    write_tables(folder, clips)
    begun = time.perf_counter()
    with server(folder) as (process, address):
        ready = time.perf_counter() - begun
        print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {clips} clips in {len(CONDITIONS)} conditions\n")
        print("| request | first, ms | again, ms | memory of the server, MB |")
        print("|---|---:|---:|---:|")
        print(f"| (start of the server) | {1000 * ready:.0f} | | {process.memory_info().rss / 1e6:.0f} |")
        for name, path in questions(clips).items():
            first, again = answer(address, path), answer(address, path)
            print(f"| {name} | {1000 * first:.0f} | {1000 * again:.0f} | {process.memory_info().rss / 1e6:.0f} |", flush=True)


if __name__ == "__main__":
    typer.run(run)
