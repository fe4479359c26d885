"""Measure how fast PEAQ Basic is on this machine, and whether its memory stays constant.

    python -m tools.bench_peaq [--pairs 4000]

Pairs are synthetic scenes coded by MP3 at 64 kbps. Times are medians on one core, with the speed
relative to real time; the limit is a quarter of a second for a 10 s mono pair.
"""

import os
import platform
import resource
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from threadpoolctl import threadpool_limits

from streamaug.cli.console import run
from streamaug.codecs import FLAC, calibrate, decode, load_settings
from streamaug.codecs.pcm import encode_flac, to_pcm
from streamaug.conditions import Condition
from streamaug.executors import pool, results
from streamaug.quality.pcm import at_48_khz
from streamaug.quality.peaq import peaq

RATE = 44_100
PAGE = os.sysconf("SC_PAGE_SIZE")
_BLOCK = 20
"""Pairs that a worker grades in one call."""


def scene(seconds: float) -> np.ndarray:
    """Int16 noise with the spectrum and the slow swells of a street."""
    samples = int(RATE * seconds)
    random = np.random.default_rng(1)
    hertz = np.fft.rfftfreq(samples, 1 / RATE)
    shaped = np.fft.irfft(np.fft.rfft(random.standard_normal(samples)) / (1 + hertz / 500), samples)
    swell = 1 + 0.8 * np.sin(2 * np.pi * 0.4 * np.arange(samples) / RATE)
    return to_pcm(0.1 * shaped / shaped.std() * swell, 16)


def median_ms(call: Callable[[], object], repeats: int) -> float:
    """Median CPU time, which on one thread is the wall time of an idle machine, whatever else the
    machine does.
    """
    call()
    times = []
    for _ in range(repeats):
        begun = time.process_time()
        call()
        times.append(time.process_time() - begun)
    return 1000 * statistics.median(times)


def resident() -> int:
    """Bytes of memory that this process uses."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def grade_many(reference: np.ndarray, test: np.ndarray, pairs: int) -> tuple[int, int, float]:
    """Grade a pair many times in a worker; returns its process number, its memory afterwards in
    bytes, and its CPU seconds.
    """
    begun = time.process_time()
    with threadpool_limits(1):
        for _ in range(pairs):
            peaq(reference, test, 48_000)
    return os.getpid(), resident(), time.process_time() - begun


def print_libraries(repeats: int) -> None:
    """Print the time of the most expensive steps of a 10 s pair in NumPy and in torch."""
    import torch

    torch.set_num_threads(1)
    frames, excitation = np.random.default_rng(1).uniform(1, 2, (936, 2048)), np.random.default_rng(2).uniform(1, 1e8, (936, 109))
    frames_t, excitation_t = torch.from_numpy(frames), torch.from_numpy(excitation)
    steps = {
        "FFT of every frame": (lambda: np.fft.rfft(frames), lambda: torch.fft.rfft(frames_t)),
        "a power of every band": (lambda: excitation**0.23, lambda: excitation_t**0.23),
        "a logarithm of every band": (lambda: np.log(excitation), lambda: torch.log(excitation_t)),
    }
    print("| float64, one thread, median | NumPy, CPU ms | torch, CPU ms |\n|---|---:|---:|")
    for name, (in_numpy, in_torch) in steps.items():
        print(f"| {name} | {median_ms(in_numpy, repeats):.2f} | {median_ms(in_torch, repeats):.2f} |")


def bench(
    pairs: Annotated[int, typer.Option(min=_BLOCK, help="Number of 10 s pairs for the memory test.")] = 400,
    repeats: Annotated[int, typer.Option(min=3, help="Measurements per median.")] = 15,
) -> None:
    """Print the tables of docs/benchmarks.md."""
    original = scene(10)
    coding = calibrate(Condition.parse("mp3_64").steps[0], load_settings(), RATE)
    flac, mp3 = encode_flac(original, RATE), coding.encode(original)

    def decoded() -> tuple[np.ndarray, np.ndarray]:
        return decode(flac, decoding=FLAC, rate=RATE, delay=0, samples=len(original)), coding.decode(mp3, len(original))

    signals = decoded()
    reference, test = (at_48_khz(signal, RATE) for signal in signals)
    stereo = np.stack([reference] * 2, axis=1), np.stack([test] * 2, axis=1)
    with threadpool_limits(1):
        stages = {
            "decode FLAC and MP3": (decoded, 10),
            "both to 16 bit at 48 kHz": (lambda: [at_48_khz(signal, RATE) for signal in signals], 10),
            "PEAQ, 10 s mono": (lambda: peaq(reference, test, 48_000), 10),
            "PEAQ, 5 s mono": (lambda: peaq(reference[:240_000], test[:240_000], 48_000), 5),
            "PEAQ, 10 s stereo": (lambda: peaq(*stereo, 48_000), 10),
            "PEAQ, 60 s mono": (lambda: peaq(np.tile(reference, 6), np.tile(test, 6), 48_000), 60),
        }
        times = {name: (median_ms(call, repeats), seconds) for name, (call, seconds) in stages.items()}
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, NumPy {version('numpy')}\n")
    print("| one core, median | CPU ms | times real time |\n|---|---:|---:|")
    for name, (milliseconds, duration) in times.items():
        print(f"| {name} | {milliseconds:.0f} | {1000 * duration / milliseconds:.0f} |")
    print(f"\nPeak memory of this process, at 60 s: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB\n")
    print_libraries(repeats)
    print()

    calls = [(grade_many, (reference, test, _BLOCK)) for _ in range(pairs // _BLOCK)]
    memory_by_worker: dict[int, list[int]] = {}
    spent = 0.0
    with pool(None) as workers:
        list(results(workers, calls[: os.cpu_count()]))  # imports and first uses are not measured
        for _, (process, memory, seconds) in track(results(workers, calls), total=len(calls), console=Console(stderr=True)):
            memory_by_worker.setdefault(process, []).append(memory)
            spent += seconds
    print(f"| {len(memory_by_worker)} processes, {len(calls) * _BLOCK} pairs of 10 s | |\n|---|---:|")
    print(f"| CPU ms per pair | {1000 * spent / len(calls) / _BLOCK:.0f} |")
    for name, position in (("first", 0), ("last", -1)):
        largest = max(series[position] for series in memory_by_worker.values()) / 2**20
        print(f"| MB used by a worker after its {name} {_BLOCK} pairs | {largest:.0f} |")


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(bench)
    run(app)
