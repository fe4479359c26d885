import csv
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import typer
from typer.testing import CliRunner, Result

from streamaug.building.build import build
from streamaug.conditions import parse_conditions
from streamaug.errors import StoreError
from streamaug.quality.measuring import measure
from streamaug.store import Store
from tests.quality.stores import build_store, write_clips
from train.errors import RunError
from train.paper.accuracy_against_quality import main, read_accuracies
from train.paper.fits import RESAMPLES, ClipLevel, fit_line, fit_logistic, r2_over_conditions, r2_over_groups, squared_correlation
from train.predictions import SCHEMA, write_predictions

ODG = np.array([-1.0, -1.5, -2.0, -3.1, -3.2, -3.6])
ACCURACY = np.array([0.74, 0.72, 0.69, 0.65, 0.63, 0.35])


def answers(slope: float, clips: int, groups: int, seed: int = 1) -> ClipLevel:
    random = np.random.default_rng(seed)
    odg = random.uniform(-4, 0, clips)
    right = random.random(clips) < 1 / (1 + np.exp(-(2 + slope * odg)))
    return ClipLevel(odg=odg, right=right, group=random.integers(groups, size=clips).astype(str))


def test_the_line_is_that_of_least_squares():
    line = fit_line(ODG, ACCURACY)
    assert (line.slope, line.intercept) == pytest.approx(tuple(np.polyfit(ODG, ACCURACY, 1)))
    assert line.r2 == pytest.approx(np.corrcoef(ODG, ACCURACY)[0, 1] ** 2)


@pytest.mark.parametrize(("odg", "accuracy"), [(ODG[:2], ACCURACY[:2]), (ODG, np.full(6, 0.5)), (np.full(6, -1.0), ACCURACY)])
def test_no_line_is_drawn_through_two_points_or_a_constant(odg: np.ndarray, accuracy: np.ndarray):
    with pytest.raises(RunError, match="no line fits"):
        fit_line(odg, accuracy)


def test_the_interval_over_conditions_holds_r2_and_repeats():
    interval = r2_over_conditions(ODG, ACCURACY)
    assert interval == r2_over_conditions(ODG, ACCURACY)
    assert 0 <= interval.low < fit_line(ODG, ACCURACY).r2 < interval.high <= 1
    exact = r2_over_conditions(ODG, 1 + 0.2 * ODG)
    assert (exact.low, exact.high) == pytest.approx((1, 1))


def test_the_interval_over_recordings_draws_whole_groups():
    levels = [answers(slope, 60, 10, seed) for seed, slope in enumerate((0.0, 0.5, 1.0, 1.5))]
    names = np.unique(np.concatenate([level.group for level in levels]))
    draws = np.random.default_rng(0).multinomial(len(names), np.full(len(names), 1 / len(names)), RESAMPLES)
    by_hand = []
    for draw in draws[:400]:
        times = dict(zip(names, draw, strict=True))
        repeated = [np.repeat(np.arange(60), [times[name] for name in level.group]) for level in levels]
        points = [(level.odg[rows].mean(), level.right[rows].mean()) for level, rows in zip(levels, repeated, strict=True)]
        by_hand.append(float(squared_correlation(*np.array(points).T)))
    interval = r2_over_groups(levels)
    inside = [interval.low <= value <= interval.high for value in by_hand]
    assert 0.92 < np.mean(inside) < 0.98


def test_a_logistic_fit_finds_the_slope_that_made_the_answers():
    fit = fit_logistic("mp3_32", answers(0.8, 4000, 400))
    assert fit.low < 0.8 < fit.high
    assert fit.high - fit.low < 0.4
    assert fit.intercept == pytest.approx(2, abs=0.3)
    assert fit.probability(np.array([-2.5])) == pytest.approx(0.5, abs=0.05)


def test_answers_repeated_by_seeds_of_the_same_clips_make_the_slope_no_surer():
    once = answers(0.8, 400, 400)
    single = ClipLevel(odg=once.odg, right=once.right, group=np.arange(400).astype(str))
    fivefold = ClipLevel(**{name: np.tile(getattr(single, name), 5) for name in ("odg", "right", "group")})
    first, repeated = fit_logistic("x", single), fit_logistic("x", fivefold)
    assert repeated.high - repeated.low == pytest.approx(first.high - first.low, rel=0.02)


@pytest.mark.parametrize("right", [np.ones(100, bool), np.zeros(100, bool), np.arange(100) < 50, np.arange(100) < 2])
def test_answers_that_nothing_can_be_fitted_to_have_no_slope(right: np.ndarray):
    fit = fit_logistic("x", ClipLevel(odg=np.linspace(-4, 0, 100), right=right, group=np.arange(100).astype(str)))
    assert np.isnan([fit.slope, fit.low, fit.high]).all()
    assert fit.accuracy == right.mean()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("codec,accuracy\nmp3_32,0.5\n", "line 2: a value is missing; give a table with the columns condition and accuracy"),
        ("condition,accuracy\nmp3_32,50\n", "line 2: accuracy '50' is not a number from 0 to 1"),
        ("condition,accuracy\nmp3_32,good\n", "line 2: accuracy 'good'"),
        ("condition,accuracy\nmp3_32,nan\n", "line 2: accuracy 'nan'"),
        ("condition,accuracy\nmp3_32,0.5\nmp3_32,0.6\n", "line 3: duplicate condition 'mp3_32'"),
    ],
)
def test_a_wrong_table_of_accuracies_is_refused_with_its_line(tmp_path: Path, text: str, words: str):
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises(RunError, match=words):
        read_accuracies(tmp_path / "table.csv")


@pytest.fixture
def clips_table(tmp_path: Path) -> Path:
    return write_clips(tmp_path)


@pytest.fixture
def thread() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.fixture
def store(clips_table: Path, tmp_path: Path) -> Store:
    return build_store(clips_table, str(tmp_path / "store"))


@pytest.fixture
def graded(store: Store, clips_table: Path, thread: ThreadPoolExecutor) -> Store:
    build(clips_table, store.url, conditions=parse_conditions("aac_64"), clips_per_shard=2, executor=thread)
    store = store.reopen()
    measure(store, ["aac_64", "mp3_32", "sbc_64"], executor=thread)
    return Store.open(store.url)


def run(*arguments: str) -> Result:
    app = typer.Typer()
    app.command()(main)
    return CliRunner().invoke(app, list(arguments))


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_a_table_of_accuracies_gives_figure_4(graded: Store, tmp_path: Path):
    (tmp_path / "table.csv").write_text("condition,accuracy\noriginal,0.82\naac_64,0.7\nmp3_32,0.3\nsbc_64,0.5\n")
    done = run(graded.url, "--accuracies", str(tmp_path / "table.csv"), "--split", "train", "--output", str(tmp_path / "out"))
    assert done.exit_code == 0, done.output
    assert "R² =" in done.output
    assert [row["condition"] for row in rows_of(tmp_path / "out" / "conditions.csv")] == ["aac_64", "mp3_32", "sbc_64"]
    assert (tmp_path / "out" / "figure_4.png").read_bytes().startswith(b"\x89PNG")


def predictions(store: Store, row: str = "1") -> list[dict[str, object]]:
    random = np.random.default_rng(1)
    return [
        {
            "row": row,
            "seed": seed,
            "fold": None,
            "condition": condition,
            "clip_id": clip_id,
            "group": clip_id,
            "label": "a",
            "predicted": "a" if random.random() < chance else "b",
            "probabilities": [0.5, 0.5],
        }
        for seed in range(10)
        for condition, chance in (("original", 1.0), ("aac_64", 0.9), ("sbc_64", 0.6), ("mp3_32", 0.3))
        for clip_id in store.clips["clip_id"].to_pylist()
    ]


def test_predictions_give_figure_4_and_a_curve_a_condition(graded: Store, tmp_path: Path):
    rows = predictions(graded)
    write_predictions(tmp_path / "predictions.parquet", pa.Table.from_pylist(rows, SCHEMA))
    done = run(graded.url, "--predictions", str(tmp_path / "predictions.parquet"), "--output", str(tmp_path / "out"))
    assert done.exit_code == 0, done.output
    assert "over recordings" in done.output
    accuracies = {row["condition"]: float(row["accuracy"]) for row in rows_of(tmp_path / "out" / "conditions.csv")}
    right = [row["predicted"] == "a" for row in rows if row["condition"] == "sbc_64"]
    assert accuracies["sbc_64"] == pytest.approx(np.mean(right), abs=1e-4)
    assert [row["condition"] for row in rows_of(tmp_path / "out" / "clips.csv")] == ["aac_64", "sbc_64", "mp3_32", "all"]
    assert (tmp_path / "out" / "clips.png").read_bytes().startswith(b"\x89PNG")


def test_predictions_of_several_rows_need_one_named(graded: Store, tmp_path: Path):
    path = tmp_path / "predictions.parquet"
    write_predictions(path, pa.Table.from_pylist(predictions(graded) + predictions(graded, "7"), SCHEMA))
    refused = run(graded.url, "--predictions", str(path), "--output", str(tmp_path))
    assert "of rows 1, 7; choose one with --row" in str(refused.exception)
    assert "no row '3'; choose one of 1, 7" in str(run(graded.url, "--predictions", str(path), "--row", "3").exception)
    assert run(graded.url, "--predictions", str(path), "--row", "7", "--output", str(tmp_path)).exit_code == 0


def test_predictions_of_another_store_are_refused(graded: Store, tmp_path: Path):
    rows = predictions(graded)
    rows[-1]["clip_id"] = "stranger"
    write_predictions(tmp_path / "predictions.parquet", pa.Table.from_pylist(rows, SCHEMA))
    refused = run(graded.url, "--predictions", str(tmp_path / "predictions.parquet"), "--output", str(tmp_path))
    assert "clip 'stranger' was predicted in 'mp3_32' but is not in" in str(refused.exception)


def test_conditions_that_were_not_graded_are_named_with_the_command(store: Store, tmp_path: Path):
    (tmp_path / "table.csv").write_text("condition,accuracy\nmp3_32,0.3\n")
    refused = run(store.url, "--accuracies", str(tmp_path / "table.csv"), "--output", str(tmp_path))
    assert isinstance(refused.exception, StoreError)
    assert "run 'streamaug quality" in str(refused.exception)


def test_one_source_of_accuracies_must_be_given(store: Store):
    assert "give either --accuracies or --predictions" in str(run(store.url).exception)
