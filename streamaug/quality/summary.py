"""Summarise a condition's grades in one line, with counts that show how reliable they are."""

import csv
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from streamaug.quality.peaq import SATURATED
from streamaug.quality.table import Quality


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Grades of a condition's clips.

    Args:
        condition: The condition.
        clips: Number of measured clips.
        graded: Clips that have a grade; all values below are over these.
        mean: Mean ODG, NaN if no clip has a grade.
        sd: Standard deviation of the ODG.
        p5: 5th percentile of the ODG.
        median: Median ODG.
        p95: 95th percentile of the ODG.
        saturated: Clips with EHSB above 8, whose grade tends to -2.2 however bad they are.
        without_bandwidth: Clips without a frame that determines the bandwidth.
    """

    condition: str
    clips: int
    graded: int
    mean: float
    sd: float
    p5: float
    median: float
    p95: float
    saturated: int
    without_bandwidth: int


def summarise(quality: Quality) -> Summary:
    """Summarise a table of grades."""
    odg = quality.column("odg")
    graded = np.isfinite(odg)
    values = odg[graded] if graded.any() else np.array([np.nan])
    p5, median, p95 = np.percentile(values, [5, 50, 95]).tolist()
    return Summary(
        condition=quality.meta.condition,
        clips=len(odg),
        graded=int(graded.sum()),
        mean=float(values.mean()),
        sd=float(values.std()),
        p5=p5,
        median=median,
        p95=p95,
        saturated=int((graded & (quality.column("EHSB") > SATURATED)).sum()),
        without_bandwidth=int((graded & (quality.column("bandwidth_frames") == 0)).sum()),
    )


def write_summaries(summaries: Iterable[Summary], path: Path) -> None:
    """Write summaries as CSV, one row per condition."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Summary)])
        writer.writeheader()
        for summary in summaries:
            writer.writerow({name: f"{value:.4f}" if isinstance(value, float) else value for name, value in asdict(summary).items()})
