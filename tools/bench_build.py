"""Compare the builder with a shell loop and with the bare encoders: `python -m tools.bench_build
CLIPS.csv`.

In each round, in turn, on the same clips and conditions: `streamaug build` as a user runs it; a
loop of ffmpeg and fdkaac processes over the files, one per core at a time; and the encoders called
in this process with PCM in memory, their time divided by the cores, as a lower limit. Processor time
is that of all processes: other work on the machine changes it little.
"""

import contextlib
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import psutil  # type: ignore[import-untyped]  # it has no type hints
import soundfile
import typer

from streamaug.building.reading import Reading
from streamaug.building.sources import load
from streamaug.building.table_reading import read_table
from streamaug.codecs import calibrate, load_settings
from streamaug.codecs.encoders import fdkaac, ffmpeg, pyav
from streamaug.codecs.pcm import encode_flac
from streamaug.conditions import Condition

CORES = os.cpu_count() or 1
_MEMORY_INTERVAL = 5.0
"""Seconds between two readings of the workers' memory; each reads the table of all processes, which
slows the build.
"""
FFMPEG = {"mp3": ("libmp3lame", "mp3"), "aac": ("aac", "adts"), "opus": ("libopus", "ogg"), "sbc": ("sbc", "sbc")}


@dataclass(frozen=True)
class Times:
    """Seconds on the clock, and of processor time in this process and those that it has waited for."""

    seconds: float
    cpu: float

    @classmethod
    def now(cls) -> "Times":
        usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return cls(time.perf_counter(), sum(usage.ru_utime + usage.ru_stime for usage in usages))

    def since(self, began: "Times") -> "Times":
        return Times(self.seconds - began.seconds, self.cpu - began.cpu)


def loop_command(condition: str, source: Path, target: Path) -> list[str]:
    """The command that a person would type for one file."""
    if condition == "original":
        return ["ffmpeg", "-nostdin", "-y", "-loglevel", "error", "-i", str(source), f"{target}.flac"]
    step = Condition.parse(condition).steps[0]
    if step.name == "he-aac":
        return ["fdkaac", "-S", "-p", "5", "-b", f"{step.bitrate}k", "-f", "2", "-o", f"{target}.aac", str(source)]
    encoder, muxer = FFMPEG[step.name]
    return [
        "ffmpeg",
        "-nostdin",
        "-y",
        "-loglevel",
        "error",
        "-i",
        str(source),
        "-c:a",
        encoder,
        "-b:a",
        f"{step.bitrate}k",
        "-f",
        muxer,
        str(target),
    ]


def time_loop(wavs: list[Path], conditions: list[str], folder: Path) -> Times:
    commands = []
    for condition in conditions:
        (folder / condition).mkdir(parents=True)
        commands += [loop_command(condition, wav, folder / condition / wav.stem) for wav in wavs]
    began = Times.now()
    with ThreadPoolExecutor(CORES) as pool:
        list(pool.map(lambda command: subprocess.run(command, check=True), commands))
    return Times.now().since(began)


def time_builder(table: Path, conditions: list[str], store: Path) -> tuple[Times, float]:
    """What the command takes, and the largest memory of any of its workers in MB."""
    began = Times.now()
    command = [sys.executable, "-m", "streamaug", "build", str(table), str(store), "--conditions", ",".join(conditions)]
    process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    largest, last_reading = 0, began.seconds
    while process.poll() is None:
        time.sleep(0.05)
        if time.perf_counter() - last_reading > _MEMORY_INTERVAL:
            # Measured from outside: the system's own maximum for a child includes its parent's
            # memory before the exec.
            with contextlib.suppress(psutil.NoSuchProcess):
                largest = max([largest, *(child.memory_info().rss for child in process.children())])
            last_reading = time.perf_counter()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Times.now().since(began), largest / 1e6


def time_encoders(wavs: list[Path], conditions: list[str], rate: int) -> Times:
    codings = [calibrate(Condition.parse(condition).steps[0], load_settings(), rate) for condition in conditions if condition != "original"]
    signals = [load(str(wav), Reading(rate=rate)).pcm for wav in wavs]
    began = Times.now()
    for signal in signals:
        if "original" in conditions:
            encode_flac(signal, rate)
        for coding in codings:
            coding.encode(signal)
    took = Times.now().since(began)
    return Times(took.seconds / CORES, took.cpu)


def main(
    clips: Annotated[Path, typer.Argument(help="Table of clips, such as ESC-10's.")],
    count: Annotated[int, typer.Option(help="Number of clips, from the start of the table.")] = 320,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds per median.")] = 3,
    seconds: Annotated[float, typer.Option(help="Clip length in seconds.")] = 5.0,
    conditions: Annotated[str, typer.Option(help="Comma-separated conditions.")] = ",".join(load_settings().conditions),
) -> None:
    """Print a table of medians."""
    names = conditions.split(",")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        wavs, rate = [], 44_100
        for path in read_table(clips, "label")["path"].to_pylist()[:count]:
            wavs.append(folder / f"{Path(path).stem}.wav")
            soundfile.write(wavs[-1], load(path, Reading(rate=rate, samples=round(seconds * rate))).pcm, rate)
        table = folder / "clips.csv"
        table.write_text("path,label,split\n" + "".join(f"{wav.name},{number % 10},train\n" for number, wav in enumerate(wavs)))
        peak = 0.0
        took: dict[str, list[Times]] = {"builder": [], "loop": [], "limit": []}
        for _ in range(rounds):
            times, memory = time_builder(table, names, folder / "store")
            took["builder"].append(times)
            peak = max(peak, memory)
            took["loop"].append(time_loop(wavs, names, folder / "loop"))
            took["limit"].append(time_encoders(wavs, names, rate))
            shutil.rmtree(folder / "store")
            shutil.rmtree(folder / "loop")
            time_note = ", ".join(f"{name} {values[-1].seconds:.1f} s (CPU {values[-1].cpu:.1f} s)" for name, values in took.items())
            print(time_note, file=sys.stderr, flush=True)
    rows = {
        "shell loop of ffmpeg and fdkaac": "loop",
        "`streamaug build`": "builder",
        "bare encoders, time / cores": "limit",
    }
    print(f"{len(wavs)} clips of {seconds:g} s under {len(names)} conditions, {CORES} cores, median of {rounds} rounds\n")
    print("| | seconds | loop / this | limit / this | CPU s | limit / this |\n|---|---|---|---|---|---|")
    for label, name in rows.items():
        own, loop, limit = took[name], took["loop"], took["limit"]
        cells = (
            f"{statistics.median(times.seconds for times in own):.1f}",
            *(
                f"{statistics.median(other.seconds / times.seconds for other, times in zip(others, own, strict=True)):.2f}"
                for others in (loop, limit)
            ),
            f"{statistics.median(times.cpu for times in own):.1f}",
            f"{statistics.median(other.cpu / times.cpu for other, times in zip(limit, own, strict=True)):.2f}",
        )
        print(f"| {label} | {' | '.join(cells)} |")
    print(f"\nLargest worker of the build: {peak:.0f} MB.")
    print(f"Versions: {pyav.version()}; {ffmpeg.version()}; {fdkaac.version()}; Python {platform.python_version()}.")


if __name__ == "__main__":
    typer.run(main)
