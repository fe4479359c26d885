"""PEAQ, PESQ and ViSQOL with the same interface."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from streamaug.errors import QualityError
from streamaug.packages import MissingPackageError
from streamaug.quality.measures import MEASURES, Measure, open_measure
from streamaug.quality.pcm import at_rate

BEST = {"peaq": 0.15, "pesq-wb": 4.644, "pesq-nb": 4.549, "visqol-speech": 4.1, "visqol-audio": 4.732}
"""The grade of equal signals. Those of PESQ are what the formulas of P.862.1 and P.862.2 give 4.5."""


def speech(rate: int, seconds: float = 1.4) -> np.ndarray:
    """int16 with the pitch, the formants, the syllables and the room of a voice."""
    time = np.arange(round(rate * seconds)) / rate
    pitch = 2 * np.pi * np.cumsum(130 + 20 * np.sin(2 * np.pi * 0.7 * time)) / rate
    voice = sum(np.sin(n * pitch) / (1 + abs(n * 130 - 600) / 400) for n in range(1, 26))
    return noisy(3000 * voice * np.clip(np.sin(2 * np.pi * 2.5 * time), 0, 1) ** 0.5, 20)


def noisy(signal: np.ndarray, level: float) -> np.ndarray:
    noise = level * np.random.default_rng(3).standard_normal(signal.shape)
    return (signal + noise).clip(-32768, 32767).astype(np.int16)


@pytest.fixture(scope="module", autouse=True)
def uncompiled() -> Iterator[None]:
    """ViSQOL without numba, which would compile for eight seconds; `make matrix` compares the grades."""
    with pytest.MonkeyPatch.context() as patch:
        if "visqol" not in sys.modules:
            patch.setitem(sys.modules, "numba", None)
        import visqol  # noqa: F401 - so that it is imported now

        yield


@pytest.fixture(params=list(MEASURES))
def measure(request: pytest.FixtureRequest) -> Measure:
    return open_measure(request.param)


def grade(measure: Measure, original: np.ndarray, coded: np.ndarray) -> float:
    columns: Any = {"clip_id": "a", "measure": measure.name, **measure.compare(original, coded)}
    assert list(columns) == measure.schema.names
    return float(columns["grade"])


def test_equal_signals_get_the_best_grade_and_more_noise_a_worse_one(measure: Measure) -> None:
    original = speech(measure.rate)
    equal, little, much = (grade(measure, original, coded) for coded in (original, noisy(original, 60), noisy(original, 600)))
    assert equal == pytest.approx(BEST[measure.name], abs=0.001 if measure.name in ("pesq-wb", "pesq-nb", "visqol-audio") else 0.1)
    assert equal > little > much
    assert measure.ends[0] < much < equal < measure.ends[1]


def test_a_clip_that_is_silent_or_too_short_has_no_grade(measure: Measure) -> None:
    original = speech(measure.rate)
    for short in (original[: measure.rate // 5], np.zeros_like(original)):
        assert np.isnan(grade(measure, short, short))


def test_a_clip_of_which_nothing_arrived_has_no_grade_or_the_worst(measure: Measure) -> None:
    original = speech(measure.rate)
    nothing = grade(measure, original, np.zeros_like(original))
    assert np.isnan(nothing) or nothing < measure.ends[0] + 1


@pytest.mark.parametrize("name", ["peaq", "pesq-nb"])
def test_two_equal_channels_have_the_grade_of_one(name: str) -> None:
    measure = open_measure(name)
    original = speech(measure.rate)
    coded = noisy(original, 200)
    mono, stereo = grade(measure, original, coded), grade(measure, np.stack([original] * 2, 1), np.stack([coded] * 2, 1))
    assert stereo == pytest.approx(mono, abs=1e-6)


GRADES = """
import json, sys
if sys.argv[1] == "uncompiled":
    sys.modules["numba"] = None
from tests.quality.test_measures import grade, noisy, open_measure, speech
from visqol.numba_accel import has_numba
assert has_numba() == (sys.argv[1] == "compiled")
measures = [open_measure(name) for name in ("visqol-speech", "visqol-audio")]
print(json.dumps([grade(each, speech(each.rate), noisy(speech(each.rate), level)) for each in measures for level in (60, 600)]))
"""


@pytest.mark.matrix
def test_visqol_gives_the_same_grades_with_numba_and_without() -> None:
    root = Path(__file__).parents[2]
    compiled, uncompiled = (
        json.loads(subprocess.run([sys.executable, "-c", GRADES, kind], cwd=root, check=True, capture_output=True, text=True).stdout)
        for kind in ("compiled", "uncompiled")
    )
    assert len(set(compiled)) == 4
    assert compiled == pytest.approx(uncompiled, rel=1e-9)


def test_pesq_gives_the_scores_that_its_users_print() -> None:
    """Those of the documentation of torchmetrics, on noise of this seed."""
    torch.manual_seed(42)
    coded, original = (torch.randn(8000).numpy() for _ in range(2))
    loudest = max(np.abs(original).max(), np.abs(coded).max())
    scaled = [np.rint(32_767 / loudest * each).astype(np.int16) for each in (original, coded)]
    assert grade(open_measure("pesq-nb"), *scaled) == pytest.approx(2.2885, abs=2e-4)
    assert grade(open_measure("pesq-wb"), *scaled) == pytest.approx(1.6805, abs=2e-4)


def test_a_signal_at_another_rate_is_rounded_like_one_at_the_measures_own() -> None:
    signal = np.sin(np.arange(8_000) / 20) / 2
    converted = at_rate(signal, 8_000, 16_000)
    assert (converted.dtype, converted.shape) == (np.int16, (16_000,))
    assert np.abs(converted[2_000:-2_000:2] - np.rint(signal[1_000:-1_000] * 32_768)).max() <= 2


def test_an_unknown_measure_and_a_missing_package_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(QualityError, match=r"no measure 'pesq-mb'\. Did you mean 'pesq-"):
        open_measure("pesq-mb")
    for package, name, line in (
        ("pesq", "pesq-nb", "pip install pesq"),
        ("visqol", "visqol-audio", r"pip install 'streamaug\[speech\]'"),
        ("ai_edge_litert", "visqol-speech", r"pip install 'streamaug\[speech\]'"),
    ):
        message = f"the package '{package}' is needed for this and is not installed; run: {line}"
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, package, None)
            with pytest.raises(MissingPackageError, match=message):
                open_measure(name)
