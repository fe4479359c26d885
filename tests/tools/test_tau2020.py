"""The paper in one command, on a small folder of the data set's shape: killed in the middle of every
step and run again, it gives the same tables; and what it takes is estimated.
"""

import io
import re
import time
import zipfile
from dataclasses import replace
from fractions import Fraction
from hashlib import md5

import h5py
import numpy as np
import pytest
import soundfile
import torch
from torch import nn

from streamaug.errors import StreamaugError
from streamaug.testing import SCENES
from tests.forked import fork_server
from tests.tools.archive_server import archive_server
from tools import tau2020_estimate
from tools.download_tau2020 import ARCHIVES, NAME
from tools.import_keras_weights import _KINDS, in_keras_order
from tools.resumable import Step, run_steps
from tools.tau2020 import main, run_all, steps_of
from tools.tau2020_estimate import Counts, estimate_steps
from tools.tau2020_measure import Coding, Measured
from tools.tau2020_settings import PUBLISHED, Settings, find_weights
from train.errors import CheckpointError, RunError
from train.models import MODELS

RATE, SECONDS, WIDTH = 44_100, 1.2, Fraction(1, 12)
TRAIN, EVALUATE = 7, 1
"""Clips of each scene."""

DEADLINE_S = 600
"""A process that takes longer hangs."""


def archives():
    """Four archives with the names and the structure of the published ones."""
    names = {
        split: [f"audio/{scene}-{city}-{number}-{number}-{'ab'[number % 2]}.wav" for scene in SCENES for number in range(count)]
        for split, city, count in (("train", "oslo", TRAIN), ("evaluate", "rome", EVALUATE))
    }
    every = [*names["train"], *names["evaluate"]]
    parts = {name: name.removeprefix("audio/").removesuffix(".wav").split("-") for name in every}
    meta = [f"{name}\t{part[0]}\t{part[1]}-{part[2]}\t{part[4]}" for name, part in parts.items()]
    lists = {split: [f"{name}\t{parts[name][0]}" for name in listed] for split, listed in names.items()}
    tables = {
        "meta.csv": ["filename\tscene_label\tidentifier\tsource_label", *meta],
        "evaluation_setup/fold1_train.csv": ["filename\tscene_label", *lists["train"]],
        "evaluation_setup/fold1_evaluate.csv": ["filename\tscene_label", *lists["evaluate"]],
        "evaluation_setup/fold1_test.csv": ["filename", *names["evaluate"]],
    }
    texts = {name: ("\n".join(lines) + "\n").encode() for name, lines in tables.items()}
    sounds = {name: wav(number) for number, name in enumerate(every)}
    halves = [dict(list(sounds.items())[half::2]) for half in (0, 1)]
    files = {"doc": {"README.md": b"a small one\n"}, "meta": texts, "audio.1": halves[0], "audio.2": halves[1]}
    return {f"{NAME}.{part}.zip": zipped(content) for part, content in files.items()}


def wav(number):
    file, rng = io.BytesIO(), np.random.default_rng(number)
    tone = np.sin(2 * np.pi * 200 * (1 + number % 10) * np.arange(round(SECONDS * RATE)) / RATE)
    soundfile.write(file, 0.2 * tone + 0.05 * rng.standard_normal(len(tone)), RATE, subtype="PCM_24", format="WAV")
    return file.getvalue()


def zipped(content):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, data in content.items():
            archive.writestr(f"{NAME}/{name}", data)
    return held.getvalue()


def write_keras(path, model):
    """An HDF5 file of Keras's shape with a model's weights."""
    numbers = dict.fromkeys(_KINDS.values(), 0)
    with h5py.File(path, "w") as file:
        for module in in_keras_order(model):
            kind = next((kind for torch_class, kind in _KINDS.items() if isinstance(module, torch_class)), None)
            if kind is None:
                continue
            numbers[kind] += 1
            state = {name: values.numpy() for name, values in module.state_dict().items() if name != "num_batches_tracked"}
            if isinstance(module, nn.BatchNorm2d):
                names = {"running_mean": "moving_mean", "running_var": "moving_variance", "weight": "gamma", "bias": "beta"}
                weights = {names[name]: values for name, values in state.items()}
            else:
                axes = (2, 3, 1, 0) if isinstance(module, nn.Conv2d) else (1, 0)
                weights = {"kernel": state["weight"].transpose(axes)} | ({"bias": state["bias"]} if "bias" in state else {})
            group = file.create_group(f"{kind}_{numbers[kind]}")
            group.attrs["weight_names"] = [f"{name}:0" for name in weights]
            for name, values in weights.items():
                group[f"{name}:0"] = values


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("authors")
    for number, published in enumerate(PUBLISHED):
        path = folder / f"{published.classes}class" / published.file
        path.parent.mkdir(exist_ok=True)
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(number)
            write_keras(path, MODELS[published.model](published.classes, published.width * WIDTH))
    return folder


@pytest.fixture
def server():
    with archive_server() as server:
        server.files = archives()
        yield server


@pytest.fixture
def settings(server, weights, tmp_path):
    return Settings(
        folder=tmp_path / "tau",
        weights=weights,
        rows=("1",),
        seeds=1,
        epochs=None,
        steps=3,
        conditions=("original", "mp3_64"),
        width=WIDTH,
        accelerator="cpu",
        workers=1,
        archives={name: f"md5:{md5(data, usedforsecurity=False).hexdigest()}" for name, data in server.files.items()},
        url=server.url,
    )


def kill_when(settings, is_time, name):
    """Run until something has happened, and kill -9."""
    process = fork_server().Process(target=run_all, args=(settings,))
    process.start()
    deadline = time.monotonic() + DEADLINE_S
    while not (has_happened := is_time()) and process.is_alive() and time.monotonic() < deadline:
        time.sleep(0.002)
    process.kill()
    process.join()
    assert has_happened, f"it ended, or {DEADLINE_S} s passed, before {name}"
    assert process.exitcode == -9, f"it ended before it could be killed in {name}"


def test_killed_in_every_step_and_run_again_it_gives_the_same_tables(server, settings):
    folder = settings.folder
    server.faults.extend([None, None, None, "stop"])
    archives = folder / "dataset" / "archives"
    kill_when(settings, lambda: any(part.stat().st_size for part in archives.glob("*audio.2.zip.part")), "download")
    assert not (folder / "dataset" / "audio").exists() or len(list((folder / "dataset" / "audio").iterdir())) < 80
    server.go.set()
    kill_when(settings, lambda: any((folder / "store").rglob("*.tar")), "build")
    assert not (folder / "store" / "store.json").exists()
    assert server.ranges[4] is not None  # what was there was not downloaded again
    assert len(server.ranges) == 5
    kill_when(settings, lambda: any((folder / "experiment_a" / "parts").glob("*/*.parquet")), "experiment A")
    assert not (folder / "experiment_a" / "report.html").exists()
    kill_when(settings, lambda: any((folder / "experiment_b").rglob("metrics.csv")), "experiment B")
    assert not (folder / "experiment_b" / "report.html").exists()
    assert len(server.ranges) == 5
    assert finish(settings) == 0

    whole = replace(settings, folder=folder.with_name("whole"))
    assert finish(whole) == 0
    for name in ("tables.md", "experiment_a/predictions.parquet", "experiment_b/predictions.parquet"):
        assert (folder / name).read_bytes() == (whole.folder / name).read_bytes(), name
    text = (folder / "tables.md").read_text()
    assert "the paper's accuracy" in text
    assert "| original |" in text

    made = {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")}
    server.files.clear()
    assert finish(settings) == 0
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")} == made


def finish(settings):
    process = fork_server().Process(target=run_all, args=(settings,))
    process.start()
    process.join(DEADLINE_S)
    if process.is_alive():
        process.kill()
        process.join()
    return process.exitcode


def test_experiment_a_is_evaluated_again_after_clips_were_repaired(server, settings):
    settings = replace(settings, conditions=("original",), steps=1)
    run_steps(settings.folder, steps_of(settings)[:1])
    clip = next((settings.folder / "dataset" / "audio").glob("*oslo*.wav"))
    sound, parts = clip.read_bytes(), []
    for skip_bad, content in ((True, b""), (False, sound)):
        clip.write_bytes(content)
        assert finish(replace(settings, skip_bad=skip_bad)) == 0
        parts += [path.name for path in (settings.folder / "experiment_a" / "parts").iterdir()]
    assert len(set(parts)) == 2
    assert [path.name for path in (settings.folder / "experiment_a_before_1" / "parts").iterdir()] == parts[:1]


def test_without_weights_experiment_a_is_left_out_and_its_conditions_are_not_built(tmp_path):
    settings = Settings(folder=tmp_path, rows=("1",))
    assert [step.name for step in steps_of(settings)] == ["download", "build", "experiment_b"]
    assert "he-aac_32" not in settings.built
    assert "he-aac_32" in replace(settings, weights=tmp_path).built
    assert {"mp3_64", "he-aac_16", "aac_32"} < set(replace(settings, rows=("6",)).built)


def test_weights_that_are_missing_are_named_with_where_they_are(weights, tmp_path):
    assert len(find_weights(weights)) == 5
    (tmp_path / PUBLISHED[0].file).touch()
    with pytest.raises(CheckpointError, match=r"lacks 10class-fcnn.*10class-fsfcnn.*unzip\.readme"):
        find_weights(tmp_path)


def test_epochs_and_steps_exclude_each_other(tmp_path):
    with pytest.raises(RunError, match="--epochs and --steps exclude each other"):
        main(tmp_path, epochs=1, steps=1)


def test_a_step_is_done_again_if_its_settings_have_changed_or_its_output_is_gone(tmp_path):
    runs = []
    output = tmp_path / "made"

    def run():
        runs.append(len(runs))
        output.touch()

    step = Step(name="make", about="make something", run=run, settings=lambda: {"of": "wood"}, output=output)
    for _ in range(2):
        run_steps(tmp_path, [step])
    assert runs == [0]
    run_steps(tmp_path, [replace(step, settings=lambda: {"of": "stone"})])
    output.unlink()
    run_steps(tmp_path, [replace(step, settings=lambda: {"of": "stone"})])
    assert runs == [0, 1, 2]


def test_a_step_that_was_stopped_with_other_settings_is_not_taken_for_finished(tmp_path):
    output = tmp_path / "made"

    def step(of, is_stopped=False):
        def run():
            output.write_text("half " if is_stopped else of)
            if is_stopped:
                raise KeyboardInterrupt

        return Step(name="make", about="make something", run=run, settings=lambda: {"of": of}, output=output)

    run_steps(tmp_path, [step("wood")])
    with pytest.raises(KeyboardInterrupt):
        run_steps(tmp_path, [step("stone", is_stopped=True)])
    run_steps(tmp_path, [step("wood")])
    assert output.read_text() == "wood"


def test_a_step_that_fails_is_not_finished_and_the_next_one_does_not_begin(tmp_path):
    def fail():
        raise StreamaugError("no")

    steps = [Step(name=name, about=name, run=run, settings=dict, output=tmp_path) for name, run in (("a", fail), ("b", list))]
    with pytest.raises(StreamaugError, match="no"):
        run_steps(tmp_path, steps)
    assert not list((tmp_path / "finished").glob("*.json"))


def test_another_process_in_the_same_folder_is_refused(tmp_path):
    def again():
        run_steps(tmp_path, [])

    with pytest.raises(StreamaugError, match="another process writes to"):
        run_steps(tmp_path, [Step(name="a", about="", run=again, settings=dict, output=tmp_path)])


def test_the_estimate_multiplies_what_was_measured(tmp_path, weights):
    settings = Settings(folder=tmp_path, weights=weights, rows=("1", "3"), seeds=2, epochs=10)
    measured = Measured(
        codings=dict.fromkeys(settings.built, Coding(encode_s=0.3, decode_s=0.01, size=10**5)),
        read_s=0.01,
        unpack_s=0.05,
        wav_bytes=10**6,
        feature_s=0.005,
        feature_bytes=10**5,
        step_s=2.0,
        forward_s=dict.fromkeys(PUBLISHED, 0.1),
        device="2 cores",
    )
    counts = Counts(files=2000, train=1000, evaluate=500, device_a=800)
    steps = {step.name: step for step in estimate_steps(settings, counts, {"1": 1000, "3": 2000}, measured, 2)}
    assert steps["download"].download == pytest.approx(2000 / 23_035 * 27e9)
    assert steps["download"].disk == pytest.approx(steps["download"].download + 2000 * 10**6)
    conditions = len(settings.built)
    assert steps["build"].seconds == pytest.approx((1500 * 2 * 0.01 + conditions * 1500 * 0.3) / 2)
    assert steps["build"].disk == pytest.approx(conditions * 1500 * 10**5)
    assert steps["experiment_a"].seconds == pytest.approx(7 * 500 * (5 * 0.1 + 0.015 / 2))
    trained = 2 * 10 * (32 + 63)
    assert steps["experiment_b"].seconds == pytest.approx(trained * 2.0 + 2 * 2 * 8 * 500 * 0.1 + (2 * 1000 + 3 * 500) * 0.015 / 2)


def test_a_dry_run_measures_this_machine_and_makes_nothing(tmp_path, weights, capsys, monkeypatch):
    monkeypatch.setattr(tau2020_estimate, "SECONDS", SECONDS)
    main(
        tmp_path / "tau",
        weights=weights,
        rows="1",
        seeds=1,
        conditions="original,mp3_64,noise",
        width="1/12",
        accelerator="cpu",
        dry_run=True,
    )
    printed = capsys.readouterr().out
    assert [line.split()[1] for line in printed.splitlines() if re.match(r"│ \w", line)] == [
        "original", "mp3_64", "noise", "download", "build", "weights", "experiment_a", "experiment_b", "all",
    ]  # fmt: skip
    assert "an estimate for this machine without other work: 13962 + 2968 clips of 1.2 s" in printed
    assert not (tmp_path / "tau").exists()


def test_the_archives_of_the_test_have_the_names_of_the_published_ones():
    assert set(archives()) < set(ARCHIVES)
