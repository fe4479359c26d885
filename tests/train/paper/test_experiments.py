"""Experiments A and B and the choice of conditions, end to end on a small store."""

import csv
import re
import shutil

import numpy as np
import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file

from streamaug.building.build import build
from streamaug.conditions import parse_conditions
from streamaug.errors import StreamaugError
from streamaug.store import Store
from streamaug.streaming import Stream
from tests.in_process import InProcess
from train.checkpoint import save_model
from train.errors import RunError
from train.evaluate import probabilities_of
from train.models import FCNN
from train.paper import choose_conditions, experiment_a, experiment_b
from train.paper.fusion import GROUPS
from train.predictions import in_order, read_predictions
from train.run import fit

NAMES = ["original", "mp3_64", "opus_32"]


def common(store, **changed):
    plain = {"store": str(store), "conditions": NAMES, "width": "1/48", "steps": 2, "cycles": 1, "accelerator": "cpu", "threads": 1}
    return plain | changed


@pytest.fixture
def recipes(tmp_path):
    mixtures = {"row_1": "original: 1", "row_3": "original: 1, mp3_64: 1"}
    paths = []
    for name, mixture in mixtures.items():
        path = tmp_path / f"{name}.yaml"
        path.write_text(f"title: {name}\ndraw: union\nmixture: {{{mixture}}}\n")
        paths.append(path)
    return paths


def test_experiment_b_writes_the_table_of_all_rows_and_seeds_and_does_no_run_twice(store, recipes, tmp_path, monkeypatch):
    out, console = tmp_path / "out", Console(quiet=True)
    made = experiment_b.experiment(recipes, [0, 1], None, out, common(store), console)
    assert made.table.values.shape == (2, 2, 3)
    assert made.main.header == ["condition", "row 1", "row 3", "3 over 1, %", "in training of row 3"]
    assert [row[0] for row in made.main.rows] == NAMES
    predictions = read_predictions(out / "predictions.parquet")
    assert len(predictions) == 2 * 2 * 3 * 24
    with (out / "rows.csv").open() as file:
        assert [(row["name"], row["clips"], row["steps"]) for row in csv.DictReader(file)] == [("1", "72", "2"), ("3", "144", "2")]
    assert not re.search(r'(src|href)="(?!data:)', (out / "report.html").read_text())

    def no_run(*_, **__):
        raise AssertionError("a finished run was done again")

    monkeypatch.setattr("train.run.fit", no_run)
    again = experiment_b.experiment(recipes, [0, 1], None, out, common(store), console)
    assert np.array_equal(again.table.values, made.table.values)
    with pytest.raises(RunError, match="has a run with other settings"):
        experiment_b.experiment(recipes, [0], None, out, common(store, steps=3), console)


def test_a_row_that_needs_what_was_built_later_says_that_the_experiment_has_begun_without(store, built, recipes, tmp_path):
    out, console = tmp_path / "out", Console(quiet=True)
    experiment_b.experiment(recipes[:1], [0], None, out, common(store), console)
    build(
        built.parent / "clips.csv",
        str(store),
        conditions=parse_conditions(",".join([*NAMES, "alaw_64"])),
        name="sounds",
        executor=InProcess(),
    )
    late = tmp_path / "row_4.yaml"
    late.write_text("title: late\ndraw: union\nmixture: {original: 1, alaw_64: 1}\n")
    with pytest.raises(RunError, match=rf"row 4 needs 'alaw_64', which was built after .* remove {out} to begin again"):
        experiment_b.experiment([recipes[0], late], [0], None, out, common(store), console)


def test_the_same_command_resumes_after_another_condition_was_built(store, built, recipes, tmp_path, monkeypatch):
    monkeypatch.setattr(experiment_b, "TABLE_3", tuple(NAMES))  # of which this small store has all
    settings = {"rows": str(recipes[0]), "seeds": 1, "steps": 2, "cycles": 1, "width": "1/48", "accelerator": "cpu", "threads": 1}
    experiment_b.main(str(store), **settings, out=tmp_path / "out")
    more = parse_conditions(",".join([*NAMES, "alaw_64"]))
    build(built.parent / "clips.csv", str(store), conditions=more, name="sounds", executor=InProcess())
    experiment_b.main(str(store), **settings, out=tmp_path / "out")
    assert in_order(read_predictions(tmp_path / "out" / "predictions.parquet"), "condition") == NAMES


def test_an_experiment_says_that_it_stays_with_the_clips_it_began_with(store, built, recipes, tmp_path, capsys):
    out, console = tmp_path / "out", Console(quiet=True)
    for _ in range(2):
        first = experiment_b.experiment(recipes[:1], [0], None, out, common(store), console)
    assert capsys.readouterr().err == ""
    for path in built.parent.glob("*.wav"):
        shutil.copy(path, tmp_path)
    shutil.copy(tmp_path / "tick-31.wav", tmp_path / "more.wav")
    clips = tmp_path / "clips.csv"
    clips.write_text((built.parent / "clips.csv").read_text() + "more.wav,tick,evaluate,more,0,b\n")
    build(clips, str(store), conditions=parse_conditions(",".join(NAMES)), name="sounds", executor=InProcess())
    again = experiment_b.experiment(recipes[:1], [0], None, out, common(store), console)
    said = " ".join(capsys.readouterr().err.split())
    assert f"the clips of {store} have changed since the experiment in {out} began" in said
    assert f"remove {out} to begin again" in said
    assert np.array_equal(again.table.values, first.table.values)


def test_runs_in_processes_of_one_thread_give_what_runs_in_this_process_give(store, recipes, tmp_path):
    console = Console(quiet=True)  # this process has one thread, too
    apart = experiment_b.experiment(recipes, [0], None, tmp_path / "apart", common(store), console, processes=2)
    alone = experiment_b.experiment(recipes, [0], None, tmp_path / "alone", common(store), console)
    assert np.array_equal(apart.table.values, alone.table.values)
    for run in ("row_1", "row_3"):
        first, second = (load_file(tmp_path / each / run / "seed_0" / "model.safetensors") for each in ("apart", "alone"))
        assert all(torch.equal(first[name], second[name]) for name in first.keys() | second.keys())


def test_folds_are_held_out_in_turn_and_every_clip_is_judged_by_a_model_that_had_not_seen_it(store, recipes, tmp_path):
    experiment_b.experiment(recipes[1:], [0], "fold", tmp_path / "out", common(store), Console(quiet=True))
    predictions = read_predictions(tmp_path / "out" / "predictions.parquet")
    clips = Store.open(store).clips
    fold = dict(zip(clips["clip_id"].to_pylist(), map(str, clips["fold"].to_pylist()), strict=True))
    assert len(predictions) == 3 * 96
    assert predictions["fold"].to_pylist() == [fold[clip_id] for clip_id in predictions["clip_id"].to_pylist()]


def test_epochs_cost_a_larger_mixture_more_steps_and_steps_cost_all_the_same(store, recipes, tmp_path):
    for cost, expected in (({"steps": None, "epochs": 1}, [2, 3]), ({"steps": 4}, [4, 4])):
        made = [job.config for job in experiment_b.jobs(recipes, [0], [None], None, tmp_path, common(store, **cost))]
        assert [config.total(rows) for config, rows in zip(made, (48, 96), strict=True)] == expected


def test_a_run_that_was_killed_early_is_begun_again(store, recipes, tmp_path, monkeypatch):
    def die(*_, **__):
        raise KeyboardInterrupt

    out, console = tmp_path / "out", Console(quiet=True)
    monkeypatch.setattr("train.run.fit", die)
    with pytest.raises(KeyboardInterrupt):
        experiment_b.experiment(recipes[:1], [0], None, out, common(store), console)
    monkeypatch.setattr("train.run.fit", fit)
    assert experiment_b.experiment(recipes[:1], [0], None, out, common(store), console).table.rows == ("1",)


def test_an_experiment_that_another_process_runs_is_refused_and_its_runs_stay(store, recipes, tmp_path, monkeypatch):
    def refused(*_, **__):
        with pytest.raises(StreamaugError, match=r"another process writes to .*out; wait until it ends"):
            experiment_b.experiment(recipes[:1], [0], None, out, common(store), console)
        seen.append((out / "row_1" / "seed_0" / "run.yaml").exists())
        raise KeyboardInterrupt

    out, console, seen = tmp_path / "out", Console(quiet=True), []
    monkeypatch.setattr("train.run.fit", refused)
    with pytest.raises(KeyboardInterrupt):
        experiment_b.experiment(recipes[:1], [0], None, out, common(store), console)
    assert seen == [True]


def test_a_row_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(RunError, match=r"row '8': no such recipe; choose one of 1, 2, .*6_one_per_clip"):
        experiment_b.find_recipe("8")


def test_all_rows_of_table_3_have_a_recipe():
    assert [experiment_b.row_name(experiment_b.find_recipe(str(row))) for row in range(1, 8)] == list("1234567")


@pytest.mark.parametrize("column", ["nothing", "split"])
def test_folds_need_a_column_with_two_values(built, column):
    store = Store.open(built)
    if column == "nothing":
        with pytest.raises(RunError, match="no such column; choose one of clip_id"):
            experiment_b.folds_of(store, column)
    else:
        assert experiment_b.folds_of(store, column) == ("evaluate", "train")


def test_experiment_a_evaluates_a_checkpoint_and_writes_table_2(store, tmp_path):
    model = FCNN(3, 1 / 48).eval()
    save_model(tmp_path / "fcnn.safetensors", model, ("hiss", "hum", "tick"))
    out = tmp_path / "out"
    experiment_a.main(str(store), [tmp_path / "fcnn.safetensors"], [], conditions="original,mp3_64", out=out, accelerator="cpu", threads=1)
    with (out / "table2.csv").open() as file:
        rows = list(csv.DictReader(file))
    opened = Store.open(store)
    labels = [opened.manifest.labels.index(clip["label"]) for clip in opened.clips.to_pylist() if clip["split"] == "evaluate"]
    for row in rows:
        predicted = probabilities_of(model, opened, row["condition"], "evaluate").argmax(1)
        assert row["accuracy"] == f"{np.mean(predicted == labels):.3f}"
    names = {path.name for path in out.iterdir()} - {"features", "parts"}
    assert names == {
        "predictions.parquet", "table2.csv", "table2.md", "by_class.csv", "by_device.csv", "confusion_original.png", "confusion_mp3_64.png",
        "report.html",
    }  # fmt: skip
    save_model(tmp_path / "other.safetensors", FCNN(3, 1 / 48), ("hiss", "hum", "tick"))
    with pytest.raises(RunError, match="already in use, for other models or clips"):
        experiment_a.main(str(store), [tmp_path / "other.safetensors"], [], out=out, accelerator="cpu")


def test_experiment_a_resumes_with_the_conditions_that_are_missing(store, tmp_path, monkeypatch):
    save_model(tmp_path / "fcnn.safetensors", FCNN(3, 1 / 48).eval(), ("hiss", "hum", "tick"))
    evaluated = []

    def counted(model, store, condition, *rest, **settings):
        evaluated.append(condition)
        if evaluated == ["original", "mp3_64"]:
            raise KeyboardInterrupt
        return probabilities_of(model, store, condition, *rest, **settings)

    monkeypatch.setattr(experiment_a, "probabilities_of", counted)
    out = tmp_path / "out"
    arguments = (str(store), [tmp_path / "fcnn.safetensors"], [])
    settings = {"conditions": "original,mp3_64", "accelerator": "cpu", "threads": 1}
    with pytest.raises(KeyboardInterrupt):
        experiment_a.main(*arguments, **settings, out=out)
    assert not (out / "report.html").exists()
    experiment_a.main(*arguments, **settings, out=out)
    assert evaluated == ["original", "mp3_64", "mp3_64"]
    experiment_a.main(*arguments, **settings, out=tmp_path / "whole")
    assert (out / "predictions.parquet").read_bytes() == (tmp_path / "whole" / "predictions.parquet").read_bytes()


def test_the_two_stage_ensemble_refuses_labels_that_are_no_scenes():
    assert experiment_a.coarse_groups(sorted(GROUPS)) == [0, 2, 2, 0, 1, 1, 0, 1, 1, 2]
    with pytest.raises(RunError, match="the store has the label 'hum'"):
        experiment_a.coarse_groups(["hum", "park"])


def test_the_distances_between_conditions_are_those_of_their_features(built):
    store = Store.open(built)
    found = choose_conditions.measure(store, NAMES, "train", 10**6, threads=1)
    assert found.counts.tolist() == [24, 24, 24]
    assert np.allclose(found.between, found.between.T)
    assert np.allclose(np.diag(found.between), 0)

    static = [
        torch.cat([batch["static"].clone() for batch in Stream.evaluation(store, name, split="train", features="static")]) for name in NAMES
    ]
    for first in range(3):
        for second in range(3):
            expected = (static[first] - static[second]).double().square().mean().sqrt()
            assert found.between[first, second] == pytest.approx(float(expected), rel=1e-4, abs=1e-9)
    assert found.by_band.shape == (3, 128)


def test_conditions_are_picked_far_from_the_original_and_from_one_another():
    places = np.array([0.0, 10.0, 9.9, -5.0])
    assert choose_conditions.farthest(np.abs(np.subtract.outer(places, places)), 0, 3) == [1, 3, 2]
