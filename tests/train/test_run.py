"""A run trains, evaluates and keeps everything in its folder; what is wrong with it is reported
before it starts.
"""

import base64
import csv
import io
import json
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest
import soundfile
import torch
import yaml

from streamaug.building.build import build
from streamaug.codecs import load_settings
from streamaug.conditions import parse_conditions
from streamaug.errors import RecipeError, StoreError
from streamaug.folder_lock import LOCK
from streamaug.store import Store
from streamaug.streaming import Stream
from streamaug.testing import replace_tables
from tests.browser import check_page
from tests.train.conftest import RATE
from tests.train.runs import config_of
from train.checkpoint import load_model
from train.config import read_config
from train.errors import DivergedError, RunError
from train.evaluate import probabilities_of
from train.finishing import finish_run
from train.module import Training
from train.predictions import correct, read_predictions
from train.preparing import prepare, rows_per_step
from train.resume import SafetensorsIO
from train.run import fit, run_training
from train.run_folder import create_run_folder, load_run_config, read_log


@pytest.fixture(scope="module")
def finished(built, tmp_path_factory):
    """A finished run: its folder and its configuration."""
    folder = tmp_path_factory.mktemp("finished")
    recipe = folder / "row_3.yaml"
    recipe.write_text("title: original + mp3_64\ndraw: union\nmixture: {original: 1, mp3_64: 1}\n")
    config = config_of(built, recipe, folder, "steps=60")
    run_training(config, row="3", quiet=True)
    return config


def test_the_loss_falls(finished):
    _, losses, _ = read_log(finished.run)
    assert losses[-15:].mean() < losses[:15].mean() - 0.1


def test_every_clip_stands_once_under_every_condition_in_the_same_order(finished):
    predictions = read_predictions(finished.run / "predictions.parquet")
    clips = Store.open(finished.store).clips.to_pylist()
    ids = [clip["clip_id"] for clip in clips if clip["split"] == "evaluate"]
    assert predictions["condition"].to_pylist() == [name for name in ("original", "mp3_64", "opus_32") for _ in ids]
    assert predictions["clip_id"].to_pylist() == ids * 3
    assert predictions["group"].to_pylist() == [clip["group"] for clip in clips if clip["split"] == "evaluate"] * 3


def test_the_checkpoint_gives_the_predictions_that_were_saved(finished):
    store = Store.open(finished.store)
    model, _ = load_model(finished.run / "model.safetensors", store.manifest.labels)
    predictions = read_predictions(finished.run / "predictions.parquet")
    again = probabilities_of(model, store, "mp3_64", "evaluate")
    saved = np.stack(predictions["probabilities"].to_numpy())[24:48]
    assert np.abs(again - saved).max() < 1e-6


def test_the_folder_holds_what_the_run_was_and_what_came_of_it(finished):
    names = {path.name for path in finished.run.iterdir()}
    assert names == {
        "run.yaml", "recipe.yaml", "versions.json", "model.safetensors", "predictions.parquet", "table.csv", "table.md",
        "by_condition.png", "mixture.png", "curves.png", "ledger.csv", "log", "tensorboard", "report.html", LOCK,
    }  # fmt: skip
    written = read_config(finished.run / "run.yaml")
    assert written == finished.model_copy(update={"snapshot": Store.open(finished.store).snapshot})
    assert yaml.safe_load((finished.run / "recipe.yaml").read_text())["mixture"] == {"original": 1, "mp3_64": 1}
    assert json.loads((finished.run / "versions.json").read_text())["torch"] == torch.__version__.split("+")[0]
    assert (finished.run / "ledger.csv").read_text() == "condition,hiss,hum,tick,all\noriginal,24,24,24,72\nmp3_64,24,24,24,72\n"


def test_the_report_is_one_file_that_asks_for_nothing_else(finished):
    report = (finished.run / "report.html").read_text()
    assert not re.search(r'(src|href)="(?!data:)', report)
    assert "confusion matrix under" in report


def test_the_report_begins_with_what_came_out(finished):
    report, predictions = (finished.run / "report.html").read_text(), read_predictions(finished.run / "predictions.parquet")
    right = correct(predictions).reshape(3, 24).mean(1)
    lead = re.search(r'<p class="lead">(.*?)</p>', report)[1]
    assert lead.startswith(
        f"Accuracy: {100 * right[0]:.0f} % on original clips, {100 * right[1:].mean():.0f} % on coded ones on average, from"
    )
    assert lead.endswith("Guessing gives 33 %.")


def test_the_table_has_a_line_for_each_condition_with_its_interval(finished):
    with (finished.run / "table.csv").open() as file:
        lines = list(csv.DictReader(file))
    predictions = read_predictions(finished.run / "predictions.parquet")
    assert [line["condition"] for line in lines] == ["original", "mp3_64", "opus_32"]
    assert [line["in training"] for line in lines] == ["original", "seen", "unseen codec"]
    for line, right in zip(lines, correct(predictions).reshape(3, 24).mean(1), strict=True):
        assert line["accuracy"] == f"{right:.3f}"
        low, high = map(float, line["95 % interval"].split(" to "))
        assert low <= float(line["accuracy"]) <= high


def test_the_report_has_a_clip_to_hear_in_each_kind_of_coding_with_the_models_answers(finished):
    report, store = (finished.run / "report.html").read_text(), Store.open(finished.store)
    clip_id = re.search(r"Clip (\S+) to hear", report)[1]
    sounds = re.findall(r'<audio controls preload="none" aria-label="(.*?)" src="data:audio/flac;base64,(.*?)">', report)
    assert [caption.split(":")[0] for caption, _ in sounds] == ["original", "mp3_64", "original", "opus_32"]
    for (caption, sound), name in zip(sounds, ["original", "mp3_64", "original", "opus_32"], strict=True):
        heard, _ = soundfile.read(io.BytesIO(base64.b64decode(sound)), dtype="float32")
        assert np.abs(heard - store.read(name, clip_id).samples).max() <= 0.5 / 32_768
        assert re.fullmatch(rf"{name}: (hiss|hum|tick) \((right|wrong), \d+ % sure\)", caption)


def test_the_report_can_be_looked_at(browser, finished):
    check_page(browser, finished.run / "report.html", ready=unfolded)


def unfolded(shown):
    shown.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")


def test_a_folder_in_use_is_refused_and_keeps_what_it_holds(finished):
    before = {path: path.stat().st_mtime_ns for path in finished.run.rglob("*")}
    with pytest.raises(RunError, match="already in use"):
        run_training(finished, row="3", quiet=True)
    assert {path: path.stat().st_mtime_ns for path in finished.run.rglob("*")} == before


class KilledError(Exception):
    """Stands for a signal that ends the process between two steps."""


class Dying(Training):
    """Training that ends in an error before its seventh step."""

    def training_step(self, batch):
        if self.trainer.global_step == 6:
            raise KilledError
        return super().training_step(batch)


def test_a_run_killed_in_the_middle_of_an_epoch_ends_bit_equal_to_an_unbroken_one(store, tmp_path, monkeypatch):
    recipe = tmp_path / "row_6.yaml"  # 216 rows per epoch: three batches, so step 5 is in the second epoch
    recipe.write_text("title: three\ndraw: union\nmixture: {original: 1, mp3_64: 1, opus_32: 1}\n")
    settings = "steps=7", "checkpoint_every=5"
    whole = prepare(config_of(store, recipe, tmp_path, *settings))
    create_run_folder(whole)
    expected = fit(whole, quiet=True).state_dict()

    broken = prepare(config_of(store, recipe, tmp_path, *settings, f"run={tmp_path / 'broken'}"))
    create_run_folder(broken)
    with monkeypatch.context() as patched:
        patched.setattr("train.run.Training", Dying)
        with pytest.raises(KilledError):
            fit(broken, quiet=True)

    torch.manual_seed(99)  # another process would have other random numbers
    resumed = prepare(broken.config)
    model = fit(resumed, resume=True, quiet=True)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in model.state_dict().items())
    finish_run(resumed, model, row="6")
    assert not (broken.folder / "position.safetensors").exists()
    (steps, losses, _), (_, expected_losses, _) = read_log(broken.folder), read_log(whole.folder)
    assert steps.tolist() == list(range(7))
    assert np.array_equal(losses, expected_losses)


def test_a_run_resumes_on_the_snapshot_that_it_began_with(built, store, recipe, tmp_path, monkeypatch):
    """A condition is replaced while the run is stopped."""
    settings = "steps=7", "checkpoint_every=5"
    whole = prepare(config_of(store, recipe, tmp_path, *settings))
    create_run_folder(whole)
    expected = fit(whole, quiet=True).state_dict()
    broken = prepare(config_of(store, recipe, tmp_path, *settings, f"run={tmp_path / 'broken'}"))
    create_run_folder(broken)
    with monkeypatch.context() as patched:
        patched.setattr("train.run.Training", Dying)
        with pytest.raises(KilledError):
            fit(broken, quiet=True)
    changes = tmp_path / "settings.yaml"
    changes.write_text('codecs: {mp3: {encoders: [{adapter: pyav, encoder: libmp3lame, muxer: mp3, arguments: {reservoir: "0"}}]}}')
    with ThreadPoolExecutor(2) as executor:
        build(
            built.parent / "clips.csv",
            str(store),
            conditions=parse_conditions("mp3_64"),
            settings=load_settings(changes),
            replace=True,
            executor=executor,
        )
    assert Store.open(store).snapshot != broken.store.snapshot
    resumed = prepare(load_run_config(broken.folder))
    model = fit(resumed, resume=True, quiet=True)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in model.state_dict().items())
    assert resumed.store.snapshot == broken.store.snapshot, "the evaluation would be on another snapshot"


def test_a_position_holds_no_pickle(store, recipe, tmp_path):
    run = prepare(config_of(store, recipe, tmp_path, "checkpoint_every=2"))
    create_run_folder(run)
    fit(run, quiet=True)
    state = SafetensorsIO().load_checkpoint(run.folder / "position.safetensors")
    assert state["global_step"] == 2
    assert state["random"]["cpu"].dtype == torch.uint8


def test_an_infinite_loss_stops_the_run_and_keeps_the_last_position(store, recipe, tmp_path):
    run = prepare(config_of(store, recipe, tmp_path, "learning_rate=1e30", "steps=50", "checkpoint_every=1"))
    create_run_folder(run)
    with pytest.raises(DivergedError, match=r"the loss is nan at step [0-9]+; lower learning_rate"):
        fit(run, quiet=True)
    assert (run.folder / "position.safetensors").exists()
    assert not (run.folder / "predictions.parquet").exists()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("width=0", "width: Input should be greater than 0"),
        ("width=wide", "width:"),
        ("model=vgg", "model: Input should be 'fcnn', 'fsfcnn' or 'resnet17'"),
        ("epochs=1", "give either 'steps' or 'epochs'"),
        ("stepz=4", "stepz: Extra inputs are not permitted"),
        ("learning_rate=.inf", "learning_rate: Input should be a finite number"),
        ("seed", "write key=value"),
        ("seed=[", "not readable as YAML"),
    ],
)
def test_a_wrong_value_is_refused_by_its_key(store, recipe, tmp_path, override, message):
    with pytest.raises(RunError, match=re.escape(message)):
        config_of(store, recipe, tmp_path, override)


def test_the_command_line_overrides_the_file(store, recipe, tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text(f"store: {store}\nrecipe: {recipe}\nrun: {tmp_path}/run\nsteps: 5\nseed: 1\n")
    assert (read_config(path).seed, read_config(path, ["seed=7"]).seed) == (1, 7)


@pytest.mark.parametrize(
    ("override", "error", "message"),
    [
        ("conditions=[original, aac_32]", StoreError, "no condition 'aac_32' in store"),
        ("evaluate_on=test", StoreError, "no clip has split = test"),
        ("store=nowhere", StoreError, "nowhere is not a store"),
    ],
)
def test_what_the_store_lacks_is_said_before_the_folder_is_made(store, recipe, tmp_path, override, error, message):
    with pytest.raises(error, match=message):
        run_training(config_of(store, recipe, tmp_path, override), row="3", quiet=True)
    assert not (tmp_path / "run").exists()


def test_a_recipe_with_a_condition_that_the_store_lacks_is_refused(store, tmp_path):
    recipe = tmp_path / "row_9.yaml"
    recipe.write_text("title: x\ndraw: union\nmixture: {original: 1, sbc_64: 1}\n")
    with pytest.raises(RecipeError, match="sbc_64"):
        prepare(config_of(store, recipe, tmp_path))


def test_a_stereo_store_is_refused_with_what_to_build(recipe, tmp_path):
    sound = np.random.default_rng(0).uniform(-0.3, 0.3, (2 * RATE, 2))
    soundfile.write(tmp_path / "a.wav", sound, RATE)
    (tmp_path / "clips.csv").write_text("path,label,split\na.wav,a,train\n")
    with ThreadPoolExecutor(1) as executor:
        build(tmp_path / "clips.csv", str(tmp_path / "store"), conditions=parse_conditions("original"), channels="keep", executor=executor)
    with pytest.raises(RunError, match="the clips are stereo, but the models take one channel; build a store with --channels mono"):
        prepare(config_of(tmp_path / "store", recipe, tmp_path))


def test_a_label_missing_from_a_split_is_named(store, recipe, tmp_path):
    with pytest.raises(RunError, match=r"'group=train-hum-0' of .* has no clip of hiss, tick"):
        prepare(config_of(store, recipe, tmp_path, "evaluate_on='group=train-hum-0'"))


def test_a_condition_that_lacks_evaluation_clips_is_refused(store, finished):
    opened = Store.open(store)
    model, _ = load_model(finished.run / "model.safetensors")
    index = opened.index("mp3_64")
    keep = pa.array([clip_id != "hum-28" for clip_id in index.table["clip_id"].to_pylist()])
    replace_tables(opened, indexes=[type(index)(meta=index.meta, table=index.table.filter(keep))])
    with pytest.raises(RunError, match=r"'mp3_64' of .* has 23 of the 24 clips of split 'evaluate'"):
        probabilities_of(model, Store.open(store), "mp3_64", "evaluate")


def test_views_of_a_clip_are_trained_on_side_by_side(store, tmp_path):
    recipe = tmp_path / "views.yaml"
    recipe.write_text("title: two views\ndraw: views\nviews: 2\nanchor: original\nmixture: {original: 1, mp3_64: 0.5, opus_32: 0.5}\n")
    run = prepare(config_of(store, recipe, tmp_path))
    assert next(iter(Stream(recipe, str(store), batch_size=32)))["logmel"].shape[:2] == (32, 2)
    create_run_folder(run)
    assert all(tensor.isfinite().all() for tensor in fit(run, quiet=True).state_dict().values())


def test_three_views_of_a_clip_can_be_trained_on(store, tmp_path):
    recipe = tmp_path / "views.yaml"
    recipe.write_text("title: three views\ndraw: views\nviews: 3\nmixture: {original: 1, mp3_64: 1, opus_32: 1}\n")
    run_training(config_of(store, recipe, tmp_path, "steps=2"), row="3", quiet=True)
    assert (tmp_path / "run" / "table.csv").exists()
    assert "2 steps of 60 clips" in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.parametrize("devices", [1, 2, 3])
@pytest.mark.parametrize("views", range(1, 9))
def test_every_rank_gets_pairs_of_rows_that_show_at_most_64_clips(views, devices):
    rows = rows_per_step(views, devices)
    assert rows % (2 * devices) == 0
    assert rows * views <= 64 < (rows + 2 * devices) * views
