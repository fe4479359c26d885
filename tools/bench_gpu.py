"""How long a training step on a GPU waits for data: the full-size FCNN on the stream.

    python -m tools.bench_gpu WORK --recordings ESC-10 [--steps 200] [--repeats 3]

WORK: the folder of bench_stream.py, which is filled if it is empty. Each loop trains for so many
steps in bfloat16 on batches of 64. In turn, `repeats` times: on one batch that stays on the GPU,
which waits for nothing; on a stream whose features the processors compute; and on one with
device="cuda". The share of waiting is what a loop takes beyond the first one.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor, nn

from streamaug.machine import cores
from streamaug.streaming import Stream
from tools import bench_stream_clips
from tools.tables import table
from train.models.fcnn import FCNN


def batches(work: Path, **settings: Any) -> Iterator[tuple[Tensor, Tensor]]:
    """Features and labels on the GPU, epoch after epoch."""
    with Stream(work / "row_6.yaml", work / "store", batch_size=bench_stream_clips.BATCH, **settings) as stream:
        while True:
            for batch in stream:
                yield batch["logmel"].cuda(non_blocking=True), batch["label"].cuda(non_blocking=True)


def seconds_per_step(model: nn.Module, source: Iterator[tuple[Tensor, Tensor]], steps: int) -> float:
    """Seconds of a training step, after some that warm up."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    begun = 0.0
    for step in range(-20, steps):
        if step == 0:
            torch.cuda.synchronize()
            begun = time.perf_counter()
        features, labels = next(source)
        with torch.autocast("cuda", torch.bfloat16):
            loss = nn.functional.cross_entropy(model(features), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own
        optimizer.step()
    torch.cuda.synchronize()
    return (time.perf_counter() - begun) / steps


def repeated(work: Path) -> Iterator[tuple[Tensor, Tensor]]:
    """One batch for ever."""
    source = batches(work)
    batch = next(source)
    source.close()  # type: ignore[attr-defined]  # it is a generator
    while True:
        yield batch


def run(
    work: Annotated[Path, typer.Argument(help="Folder for clips and store.")],
    recordings: Annotated[Path, typer.Option(help="Folder of ESC-10: clips.csv and audio/.")],
    steps: Annotated[int, typer.Option(min=1, help="Steps of each loop.")] = 200,
    repeats: Annotated[int, typer.Option(min=1, help="Measurements per median.")] = 3,
) -> None:
    """Measure how long a training step waits for data."""
    work = work.absolute()
    bench_stream_clips.prepare(work, recordings)
    print(f"{torch.cuda.get_device_name()}, {cores()} cores\n")
    model = FCNN(10).cuda()
    ways: dict[str, Callable[[], Iterator[tuple[Tensor, Tensor]]]] = {
        "one batch that stays on the GPU": lambda: repeated(work),
        "features on the processors": lambda: batches(work),
        '`Stream(device="cuda")`': lambda: batches(work, device="cuda"),
    }
    measured: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            source = way()
            measured[name].append(seconds_per_step(model, source, steps))
            source.close()  # type: ignore[attr-defined]  # it is a generator
    medians = {name: statistics.median(values) for name, values in measured.items()}
    least = next(iter(medians.values()))
    lines = [
        [name, f"{1e3 * seconds:.1f}", f"{bench_stream_clips.BATCH / seconds:.0f}", f"{100 * (1 - least / seconds):.1f} %"]
        for name, seconds in medians.items()
    ]
    table(["training of the FCNN", "ms per step", "clips/s", "waiting for data"], lines)


if __name__ == "__main__":
    typer.run(run)
