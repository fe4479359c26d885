"""Summarise a condition's grades in one line, with counts that show how reliable they are."""

import csv
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from streamaug.quality.measures.peaq_basic import PEAQ
from streamaug.quality.peaq import SATURATED
from streamaug.quality.table import Quality


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Grades of a condition's clips.

    Args:
        condition: The condition.
        measure: Name of the measure.
        clips: Number of measured clips.
        graded: Clips that have a grade; all values below are over these.
        mean: Mean grade, NaN if no clip has one.
        sd: Standard deviation of the grade.
        p5: 5th percentile of the grade.
        median: Median grade.
        p95: 95th percentile of the grade.
        saturated: Of PEAQ, clips with EHSB above 8, whose grade tends to -2.2 however bad they are.
        without_bandwidth: Of PEAQ, clips without a frame that determines the bandwidth.
    """

    condition: str
    measure: str
    clips: int
    graded: int
    mean: float
    sd: float
    p5: float
    median: float
    p95: float
    saturated: int | None
    without_bandwidth: int | None


def summarise(quality: Quality) -> Summary:
    """Summarise a table of grades."""
    grades = quality.column("grade")
    graded = np.isfinite(grades)
    is_peaq = quality.measure is PEAQ
    values = grades[graded] if graded.any() else np.array([np.nan])
    p5, median, p95 = np.percentile(values, [5, 50, 95]).tolist()
    return Summary(
        condition=quality.meta.condition,
        measure=quality.meta.measure,
        clips=len(grades),
        graded=int(graded.sum()),
        mean=float(values.mean()),
        sd=float(values.std()),
        p5=p5,
        median=median,
        p95=p95,
        saturated=int((graded & (quality.column("EHSB") > SATURATED)).sum()) if is_peaq else None,
        without_bandwidth=int((graded & (quality.column("bandwidth_frames") == 0)).sum()) if is_peaq else None,
    )


def write_summaries(summaries: Iterable[Summary], path: Path) -> None:
    """Write summaries as CSV, one row per condition."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Summary)])
        writer.writeheader()
        for summary in summaries:
            writer.writerow({name: f"{value:.4f}" if isinstance(value, float) else value for name, value in asdict(summary).items()})
