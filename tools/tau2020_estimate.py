"""Estimate what tools/tau2020.py takes on this machine: the data set's clips times what some took."""

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import soundfile
import torch

from streamaug.cli.console import stdout
from streamaug.cli.tables import print_lines
from streamaug.machine import cores
from streamaug.planning.open_plan import open_plan
from streamaug.recipes import load_recipe
from streamaug.testing import tau2020_store
from tools.resumable import FINISHED
from tools.shard_tau2020 import dataset_folder, read_clips
from tools.tau2020_measure import Measured, measure
from tools.tau2020_settings import PUBLISHED, Published, Settings
from train.models import MODELS
from train.paper.experiment_b import find_recipe

SECONDS = 10.0
"""Length of the data set's clips."""

ARCHIVE_BYTES, FILES = 27_000_000_000, 23_035
"""All archives together, and the audio files in them."""

DOWNLOAD_RATE = 10_000_000
"""Bytes per second of the connection, which is not measured."""


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Clips of the data set.

    Args:
        files: Audio files of the archives.
        train: Clips to train on.
        evaluate: Clips to evaluate on.
        device_a: Training clips of device a, which alone are corrected.
    """

    files: int = FILES
    train: int = 13_962
    evaluate: int = 2_968
    device_a: int = 10_215

    def of(self, condition: str) -> int:
        """Clips of a condition of the store."""
        return self.device_a if "spectrum-correction" in condition else self.train + self.evaluate


@dataclass(frozen=True, kw_only=True)
class StepEstimate:
    """What a step takes: seconds of this machine, bytes on disk, bytes to download."""

    name: str
    seconds: float
    disk: float
    download: float = 0.0


def epoch_sizes(rows: Sequence[str], counts: Counts) -> dict[str, int]:
    """Rows in an epoch of each row of Table 3. Raises RunError, RecipeError."""
    with tempfile.TemporaryDirectory() as scratch:
        store = tau2020_store(Path(scratch) / "store", train=counts.train, evaluate=counts.evaluate, device_a=counts.device_a)
        return {row: open_plan(load_recipe(find_recipe(row)), store).epoch_size(0) for row in rows}


def estimate_steps(settings: Settings, counts: Counts, sizes: Mapping[str, int], measured: Measured, workers: int) -> list[StepEstimate]:
    """What each step takes. Pure arithmetic.

    Args:
        settings: What is going to be done.
        counts: Clips of the data set.
        sizes: Rows in an epoch of each row of Table 3.
        measured: What was measured.
        workers: Processes that build and decode.
    """

    def decoding(conditions: Sequence[str], clips: int) -> float:
        """Seconds until the log-mels of some clips are in the cache."""
        return sum(measured.codings[name].decode_s + measured.feature_s for name in conditions) * clips / workers

    archives = ARCHIVE_BYTES / FILES * counts.files
    encoding = sum(measured.codings[name].encode_s * counts.of(name) for name in settings.built)
    steps = [
        StepEstimate(
            name="download",
            seconds=archives / DOWNLOAD_RATE + measured.unpack_s * counts.files,
            disk=archives + measured.wav_bytes * counts.files,
            download=archives,
        ),
        StepEstimate(
            name="build",
            seconds=(2 * measured.read_s * (counts.train + counts.evaluate) + encoding) / workers,
            disk=sum(measured.codings[name].size * counts.of(name) for name in settings.built),
        ),
    ]
    fcnn = next(model for model in PUBLISHED if (model.model, model.classes) == ("fcnn", 10))
    if settings.weights:
        parameters = sum(_parameters(settings, model) for model in PUBLISHED)
        rows = len(settings.table_2) * counts.evaluate
        steps += [
            StepEstimate(name="weights", seconds=5.0, disk=4 * parameters),
            StepEstimate(
                name="experiment_a",
                seconds=decoding(settings.table_2, counts.evaluate) + rows * sum(measured.forward_s.values()),
                disk=rows * measured.feature_bytes,
            ),
        ]
    trained = sum(settings.steps or (settings.epochs or 0) * -(-size // 32) for size in sizes.values()) * settings.seeds
    evaluated = len(sizes) * settings.seeds * len(settings.table_3) * counts.evaluate
    conditions = [name for row in settings.rows for name in load_recipe(find_recipe(row)).conditions]
    learned = [name for name in dict.fromkeys(conditions) if name in measured.codings]
    new = [name for name in settings.table_3 if not (settings.weights and name in settings.table_2)]
    steps.append(
        StepEstimate(
            name="experiment_b",
            seconds=trained * measured.step_s
            + evaluated * measured.forward_s[fcnn]
            + decoding(learned, counts.train)
            + decoding(new, counts.evaluate),
            disk=(len(learned) * counts.train + len(new) * counts.evaluate) * measured.feature_bytes,
        )
    )
    return steps


def _parameters(settings: Settings, published: Published) -> int:
    with torch.device("meta"):
        model = MODELS[published.model](published.classes, published.width * settings.width)
    return sum(parameter.numel() for parameter in model.parameters())


def counts_of(folder: Path) -> tuple[Counts, float]:
    """Clips of the data set in a folder, and their seconds; what is published if there is none yet.

    Raises:
        ClipsError: Its tables cannot be used.
    """
    dataset = dataset_folder(folder / "dataset")
    if not (dataset / "meta.csv").exists():
        return Counts(), SECONDS
    clips = read_clips(dataset)
    train = [clip for clip in clips if clip.split == "train"]
    sounds = [dataset / clip.path for clip in clips if (dataset / clip.path).is_file()]
    counts = Counts(
        files=len(sounds),
        train=len(train),
        evaluate=len(clips) - len(train),
        device_a=sum(clip.device == "a" for clip in train),
    )
    return counts, float(soundfile.info(sounds[0]).duration) if sounds else SECONDS


def print_estimate(settings: Settings) -> None:
    """Measure, and print what each step takes.

    Args:
        settings: What is going to be done.

    Raises:
        StreamaugError: A condition cannot be built on this machine, or a row has no recipe.
    """
    begun = time.perf_counter()
    counts, seconds = counts_of(settings.folder)
    measured, sizes = measure(settings, seconds), epoch_sizes(settings.rows, counts)
    workers = settings.workers or cores()
    steps = estimate_steps(settings, counts, sizes, measured, workers)
    took = time.perf_counter() - begun
    print_lines(
        [
            ["condition", "encode, core ms per clip", "decode", "kB"],
            *(
                [name, f"{1e3 * each.encode_s:.0f}", f"{1e3 * each.decode_s:.1f}", f"{each.size / 1e3:.0f}"]
                for name, each in measured.codings.items()
            ),
        ]
    )
    total = StepEstimate(
        name="all",
        seconds=sum(step.seconds for step in steps),
        disk=sum(step.disk for step in steps),
        download=sum(step.download for step in steps),
    )
    print_lines(
        [
            ["step", "time", "disk, GB", "download, GB", ""],
            *(
                [
                    step.name,
                    str(timedelta(seconds=round(step.seconds))),
                    f"{step.disk / 1e9:.1f}",
                    f"{step.download / 1e9:.1f}",
                    "finished" if (settings.folder / FINISHED / f"{step.name}.json").exists() else "",
                ]
                for step in (*steps, total)
            ),
        ]
    )
    stdout.print(
        f"an estimate for this machine without other work: {counts.train} + {counts.evaluate} clips of {seconds:g} s times what a few "
        f"synthetic ones took, measured for {took:.0f} s; {workers} processes build and decode. "
        f"A training step takes {measured.step_s:.3g} s on {measured.device}. "
        f"The download is counted at {DOWNLOAD_RATE / 1e6:.0f} MB/s."
    )
