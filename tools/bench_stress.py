"""Compare `streamaug stress` with decoding alone and the model alone.

    python -m tools.bench_stress ESC-10 WORK [--rounds 3] [--models ResNet,ast] [--split fold=1,2,3,4]

ESC-10: clips.csv and audio/. WORK: a folder for the store, which is built if it is missing. In turn,
`rounds` times: all clips in all conditions decoded and made into the feature, in one process per core
that does nothing else; the model on as many batches that are ready in memory, with all cores; and
the command, from the start of its process to the card. Decoding and the model start no process,
import nothing and write nothing while they are timed; what it takes to start Python, import the
model's libraries and answer a first batch is timed by itself. CPU time is that of all processes
together, which other programs on the machine disturb less.
"""

import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import psutil  # type: ignore[import-untyped]  # it has no type hints
import torch
import typer

from streamaug.codecs.decoding import decode, decoder_version, resample_clip
from streamaug.features.lengths import Lengths
from streamaug.features.registry import open_features
from streamaug.store import Store
from streamaug.store.catalogue import split_rows
from streamaug.streaming.forking import ENVIRONMENT
from tools import bench_stress_models
from tools.bench_stream_clips import payload_of
from tools.shard_esc10 import shard
from tools.tables import table

BATCH = 32
CORES = len(os.sched_getaffinity(0))
SETTINGS = {"ResNet": ("static", 44_100), "ast": ("tools.bench_stress_models:mel_frames", 16_000)}
"""For each model its feature and its sample rate in Hz."""


def decode_share(folder: Path, name: str, split: str, share: int) -> tuple[float, float]:
    """Seconds, and CPU seconds, that every CORES-th clip takes in all conditions: read, decode,
    resample, feature."""
    torch.set_num_threads(1)
    store, (features, rate) = Store.open(folder), SETTINGS[name]
    samples = int(store.clips["samples"][0].as_py())
    length = samples * rate // store.manifest.rate
    chosen = getattr(bench_stress_models, features.partition(":")[2]) if ":" in features else features
    ((_, feature),) = open_features(chosen, rate=rate, lengths=Lengths(shortest=length, longest=length, clip="any")).items()
    out, clips = torch.empty(feature.shape(length)), split_rows(store, split).tolist()

    def one(condition: str, clip: int) -> None:
        bitstreams = store.locations(condition)
        sound = decode(
            payload_of(store, bitstreams, clip),
            decoding=bitstreams.meta.decoding,
            rate=store.manifest.rate,
            delay=int(bitstreams.delay[clip]),
            samples=samples,
        )
        feature.expand(feature.compute(torch.from_numpy(resample_clip(sound, store.manifest.rate, rate))), out)

    for condition in store.conditions:
        one(condition, clips[0])  # what is imported and read for the first time
    sys.stdin.readline()
    begun, before = time.perf_counter(), time.process_time()
    for condition in store.conditions:
        for clip in clips[share::CORES]:
            one(condition, clip)
    return time.perf_counter() - begun, time.process_time() - before


def decoding_seconds(folder: Path, name: str, split: str) -> tuple[float, float]:
    """The longest share of one process per core, all at the same time; and the CPU time of all."""
    code = (
        "import sys; from pathlib import Path; from tools.bench_stress import decode_share; "
        "print(*decode_share(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])))"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(folder), name, split, str(share)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **ENVIRONMENT},
        )
        for share in range(CORES)
    ]
    time.sleep(10)  # until all of them are ready
    for process in running:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    shares = [tuple(map(float, process.communicate()[0].split())) for process in running]
    return max(wall for wall, _ in shares), sum(cpu for _, cpu in shares)


def model_seconds(name: str, clips: int, conditions: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """The model on batches of noise, as many and as large as the command gives it; and before that
    the rest of its process: Python, imports and the first batches."""
    code = "import sys; from tools.bench_stress import time_model; print(*time_model(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))"
    begun = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code, name, str(clips), str(conditions)], capture_output=True, text=True, check=True)
    whole = time.perf_counter() - begun
    wall, cpu, whole_cpu = map(float, done.stdout.split())
    return (wall, cpu), (whole - wall, whole_cpu - cpu)


def time_model(name: str, clips: int, conditions: int) -> tuple[float, float, float]:
    """What `model_seconds` runs in a process of its own: time and CPU time of the batches, and CPU
    time of the process."""
    shape = {"ResNet": (128, 216), "ast": (bench_stress_models.FRAMES, 128)}[name]
    model = getattr(bench_stress_models, name)().eval()
    batch = torch.randn(BATCH, *shape)
    sizes = [min(BATCH, clips - start) for start in range(0, clips, BATCH)] * conditions
    with torch.inference_mode():
        for _ in range(3):
            model(batch)
        begun, before = time.perf_counter(), time.process_time()
        for size in sizes:
            model(batch[:size])
        return time.perf_counter() - begun, time.process_time() - before, time.process_time()


def command_seconds(folder: Path, name: str, split: str, out: Path) -> tuple[float, float]:
    """The command, from the start of its process to the end, and the CPU time of all its processes."""
    shutil.rmtree(out, ignore_errors=True)
    features, rate = SETTINGS[name]
    arguments = [f"tools.bench_stress_models:{name}", str(folder), "--split", split, "--features", features, "--rate", str(rate)]
    begun = time.perf_counter()
    command = psutil.Popen(
        [sys.executable, "-m", "streamaug", "stress", *arguments, "--batch-size", str(BATCH), "--device", "cpu", "--out", str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    cpu: dict[int, float] = {}
    while command.poll() is None:
        with contextlib.suppress(psutil.Error):
            for process in (command, *command.children(recursive=True)):  # decode processes are nobody's to wait for
                with contextlib.suppress(psutil.Error):
                    cpu[process.pid] = sum(process.cpu_times()[:2])
        time.sleep(0.1)
    assert command.returncode == 0, f"the command failed: streamaug stress {' '.join(arguments)}"
    return time.perf_counter() - begun, sum(cpu.values())


def _round(folder: Path, name: str, split: str, clips: int, conditions: int, out: Path) -> list[tuple[float, float]]:
    """Time and CPU time of decoding, of the model, of its start, and of the command."""
    decoding, (model, start) = decoding_seconds(folder, name, split), model_seconds(name, clips, conditions)
    return [decoding, model, start, command_seconds(folder, name, split, out)]


def run(
    recordings: Annotated[Path, typer.Argument(help="Folder of ESC-10: clips.csv and audio/.")],
    work: Annotated[Path, typer.Argument(help="Folder for the store and the results.")],
    rounds: Annotated[int, typer.Option(min=1, help="Measurements per median.")] = 3,
    split: Annotated[str, typer.Option(help="Clips to evaluate.")] = "fold=1,2,3,4",
    models: Annotated[str, typer.Option(help="Models, separated by commas.")] = ",".join(SETTINGS),
) -> None:
    """Measure, and print a table of medians."""
    folder = work / "store"
    if not (folder / "store.json").exists():
        shard(recordings, str(folder))
    store, lines, measured = Store.open(folder), [], {}
    clips, conditions = len(split_rows(store, split)), len(store.conditions)
    for name in models.split(","):
        times = np.array([_round(folder, name, split, clips, conditions, work / name) for _ in range(rounds)])
        measured[name] = times.tolist()
        ratios = times[:, -1] / times[:, :-1].sum(1)
        for number, kind in enumerate(("time", "CPU time")):
            medians = [f"{seconds:.1f}" for seconds in np.median(times[:, :, number], 0)]
            spread = f"{ratios[:, number].min():.2f} to {ratios[:, number].max():.2f}"
            lines.append([f"{name}, {kind}", *medians, f"{np.median(ratios[:, number]):.2f}", spread])
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, {decoder_version()}"
    print(f"{clips} clips in {conditions} conditions, {CORES} cores; {versions}\n")
    table(["", "decoding, s", "model, s", "start, s", "command, s", "command / the others", "rounds"], lines)
    (work / "bench_stress.json").write_text(json.dumps(measured))


if __name__ == "__main__":
    typer.run(run)
