"""Commands on stores of every kind: one label per clip, several, a number, nothing to learn."""

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from streamaug.cli.main import app
from streamaug.errors import ClipsError
from tests.building.kinds import write_kind


def streamaug(*arguments: object) -> str:
    """What a command prints. Raises what it raises."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def lines_of(output: str) -> list[list[str]]:
    """The cells of the tables in an output."""
    lines = [line.replace("┃", "│")[1:-1] for line in output.splitlines() if line[:1] in ("│", "┃")]
    return [[cell.strip() for cell in line.split("│")] for line in lines]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text("title: a mixture\ndraw: union\nmixture: {original: 1, mp3_64: 0.5}\n")
    return path


@pytest.fixture
def other(tmp_path: Path) -> Path:
    path = tmp_path / "other.yaml"
    path.write_text("title: originals\ndraw: union\nmixture: {original: 1}\n")
    return path


SUMMARIES = {
    "label": (
        "3 labels, sharded",
        [["label", "evaluate", "train", "clips"], ["bird", "2", "6", "8"], ["rain", "2", "6", "8"], ["siren", "2", "6", "8"]],
    ),
    "labels": (
        "3 labels (several per clip), sharded",
        [["labels", "evaluate", "train", "clips"], ["bird", "4", "8", "12"], ["rain", "4", "12", "16"], ["siren", "2", "10", "12"]],
    ),
    "target": (
        "numbers as targets, sharded",
        [
            ["target", "evaluate", "train", "clips"],
            ["smallest", "0.75", "0", "0"],
            ["mean", "3.25", "2.75", "2.875"],
            ["largest", "5.75", "5.5", "5.75"],
        ],
    ),
    None: ("no targets, sharded", [["", "evaluate", "train", "clips"]]),
}


@pytest.mark.parametrize("target", SUMMARIES)
def test_info_says_what_is_learned_and_counts_clips_by_it(kinds: dict[str | None, Path], target: str | None) -> None:
    first, lines = SUMMARIES[target]
    output = streamaug("info", kinds[target])
    assert first in output
    head, *rest = lines
    shown = lines_of(output)
    assert shown[0] == [head[0], *(f"split {name}" for name in head[1:-1]), "clips"]
    assert shown[1 : len(lines) + 1] == [*rest, ["all", "6", "18", "24"]]


@pytest.mark.parametrize("target", ["labels", "target"])
def test_a_build_ends_with_the_same_table(tmp_path: Path, target: str | None) -> None:
    table = write_kind(tmp_path / "clips", target)
    output = streamaug("build", table, tmp_path / "store", "--conditions", "original", "--workers", "1")
    assert lines_of(output) == [*SUMMARIES[target][1], ["all", "6", "18", "24"]]
    streamaug("verify", tmp_path / "store", "--workers", "1")


LEDGERS = {
    "label": [["condition", "bird", "rain", "siren", "rows"], ["original", "6", "6", "6", "18"]],
    "labels": [["condition", "bird", "rain", "siren", "rows"], ["original", "8", "12", "10", "18"]],
    "target": [["condition", "rows"], ["original", "18"]],
    None: [["condition", "rows"], ["original", "18"]],
}
NOTE = "a row counts under each of its labels, so the counts of a condition may add up to more than its rows"


@pytest.mark.parametrize("target", LEDGERS)
def test_plan_counts_by_the_labels_that_there_are(kinds: dict, recipe: Path, tmp_path: Path, target: str | None) -> None:
    output = streamaug("plan", recipe, kinds[target], "--rows", tmp_path / "rows.parquet", "--ledger", tmp_path / "ledger.csv")
    shown = lines_of(output)
    assert shown[:2] == LEDGERS[target]
    assert [shown[-2][-1], shown[-1][-1]] == ["9", "27"]
    assert (NOTE in output) == (target == "labels")
    assert (tmp_path / "rows.parquet").exists()
    output = streamaug("plan", recipe, kinds[target], "--by", "device,labels" if target == "labels" else "device")
    assert (NOTE in output) == (target == "labels")


@pytest.mark.parametrize("target", LEDGERS)
def test_diff_and_stream_work_for_every_kind(kinds: dict, recipe: Path, other: Path, tmp_path: Path, target: str | None) -> None:
    shown = lines_of(streamaug("diff", recipe, other, kinds[target], "--rows", tmp_path / "rows.csv"))
    assert shown[0] == LEDGERS[target][0]
    assert shown[-1][-1] == "9 -> 0"
    names = next(csv.reader((tmp_path / "rows.csv").open()))
    assert names == ["condition", "clip_id", *([target] if target else []), "before", "after"]
    shown = lines_of(streamaug("stream", recipe, kinds[target], "--workers", "1", "--features", "waveform", "--batch-size", "8"))
    agreement = ["3 of 3"] if target in ("label", "labels") else []
    assert shown[-3:-1] == [["original", "18", "18", "0", *agreement], ["mp3_64", "9", "9", "0", *agreement]]


def write(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * np.random.default_rng(seed).standard_normal(4000), 8000)


def test_a_folder_without_class_folders_is_a_table_without_labels(tmp_path: Path) -> None:
    for number in range(20):
        write(tmp_path / "sounds" / f"{number:02d}.wav", number)
    output = streamaug("table", tmp_path / "sounds", tmp_path / "clips.csv", "--split", "0.5,0.5")
    assert "no column label, labels or target, so there is nothing to learn but the audio itself\n" in output
    assert lines_of(output) == [["", "evaluate", "train", "clips"], ["all", "10", "10", "20"]]
    assert next(csv.reader((tmp_path / "clips.csv").open())) == ["path", "split"]
    assert "no targets" in streamaug("info", built(tmp_path / "clips.csv"))


def built(table: Path) -> Path:
    store = table.with_name("store")
    streamaug("build", table, store, "--conditions", "original", "--workers", "1")
    return store


def test_folders_that_are_splits_alone_give_splits(tmp_path: Path) -> None:
    for number, split in enumerate(("train", "test")):
        write(tmp_path / "sounds" / split / "1.wav", number)
    streamaug("table", tmp_path / "sounds", tmp_path / "clips.csv")
    rows = list(csv.DictReader((tmp_path / "clips.csv").open()))
    assert [(row["path"], row["split"]) for row in rows] == [("sounds/test/1.wav", "test"), ("sounds/train/1.wav", "train")]
    write(tmp_path / "sounds" / "train" / "dog" / "2.wav", 2)
    with pytest.raises(ClipsError, match=r"'test/1\.wav' is in no class folder"):
        streamaug("table", tmp_path / "sounds", tmp_path / "clips.csv")
    write(tmp_path / "sounds" / "3.wav", 3)
    with pytest.raises(ClipsError, match=r"'3\.wav' is in no class folder"):
        streamaug("table", tmp_path / "sounds", tmp_path / "clips.csv")


def test_a_table_takes_labels_and_targets_from_columns_of_other_names(tmp_path: Path) -> None:
    lines = ["path,tags,mos", *(f"{number}.wav,{'a;b' if number % 2 else 'c'},{number}" for number in range(8))]
    (tmp_path / "list.csv").write_text("\n".join(lines) + "\n")
    output = streamaug("table", tmp_path / "list.csv", tmp_path / "clips.csv", "--labels-column", "tags", "--split", "0.5,0.5")
    assert lines_of(output)[1:] == [["a", "2", "2", "4"], ["b", "2", "2", "4"], ["c", "2", "2", "4"], ["all", "4", "4", "8"]]
    output = streamaug("table", tmp_path / "list.csv", tmp_path / "clips.csv", "--target-column", "mos")
    assert ["largest", "7", "7"] in lines_of(output)
    output = streamaug("table", tmp_path / "list.csv", tmp_path / "clips.csv")
    assert "if it is one of tags, mos, name it with --label-column, --labels-column or --target-column" in output
    (tmp_path / "esc50.csv").write_text("path,category,target\n" + "".join(f"{number}.wav,dog,{number}\n" for number in range(4)))
    streamaug("table", tmp_path / "esc50.csv", tmp_path / "clips.csv", "--label-column", "category")
    assert next(csv.reader((tmp_path / "clips.csv").open())) == ["path", "label", "category", "source_target"]
    with pytest.raises(ClipsError, match="'label' and 'target', but a store has one of"):
        streamaug("table", tmp_path / "list.csv", tmp_path / "clips.csv", "--label-column", "tags", "--target-column", "mos")


def test_a_stores_own_tars_give_a_table_with_its_labels(kinds: dict[str | None, Path], tmp_path: Path) -> None:
    streamaug("table", kinds["labels"] / "original", tmp_path / "clips.csv")
    rows = list(csv.DictReader((tmp_path / "clips.csv").open()))
    assert {row["labels"] for row in rows} == {"bird", "siren", "bird;rain", "rain;siren"}
