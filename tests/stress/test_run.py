"""A run answers every clip in every condition, once, with the right scores, and resumes."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch
from typer.testing import CliRunner

from streamaug.cli.main import app
from streamaug.crop import Crop
from streamaug.errors import FeatureError, LinkError, ModelError, StoreError, StreamaugError
from streamaug.features import LogMel
from streamaug.folder_lock import held
from streamaug.store import Store
from streamaug.stress.models import open_model
from streamaug.stress.parts import PARTS, open_folder, part_path
from streamaug.stress.predictions import Predictions, read_predictions
from streamaug.stress.run import StressRun, prepare, run_all
from streamaug.testing import build_store, replace_tables
from tests.stress import models, programs

MODULE = "tests.stress.models"


def prepared(store: Store, model: str = "Small", **settings: Any) -> StressRun:
    return prepare(open_model(f"{MODULE}:{model}", device="cpu"), store, **{"batch_size": 4, "workers": 1} | settings)


def run(store: Store, folder: Path, model: str = "Small", **settings: Any) -> Predictions:
    predictions = run_all(prepared(store, model, **settings), folder)
    assert predictions is not None
    return predictions


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """16 clips of two labels in two codecs, four of them to evaluate."""
    return build_store(tmp_path_factory.mktemp("calls"), clips=16, seconds=(0.5, 0.5), conditions="original,alaw_64,mp3_24")


def by_hand(store: Store, condition: str, clip_id: str) -> list[float]:
    with torch.inference_mode():
        return models.Small().eval()(torch.from_numpy(store.read(condition, clip_id).samples)[None])[0].tolist()


def test_every_clip_of_the_split_is_answered_in_every_condition(store: Store, tmp_path: Path) -> None:
    predictions = run(store, tmp_path)
    evaluated = store.clips.filter(pc.equal(store.clips["split"], "evaluate"))
    assert predictions.conditions == ("original", "mp3_64")
    assert predictions.columns == store.manifest.labels
    for condition in predictions.conditions:
        table = predictions.of(condition)
        for name in ("clip_id", "label", "group"):
            assert table[name].to_pylist() == evaluated[name].to_pylist()
        expected = [by_hand(store, condition, name) for name in table["clip_id"].to_pylist()]
        assert np.allclose(predictions.scores(condition), expected, atol=1e-5)
    assert read_predictions(tmp_path / "predictions.parquet") == predictions
    assert sorted(path.name for path in tmp_path.iterdir()) == ["predictions.parquet", "stress.json"]


def test_scores_are_kept_in_the_order_of_the_stores_labels(store: Store, tmp_path: Path) -> None:
    plain = run(store, tmp_path / "plain").scores("mp3_64")
    assert (run(store, tmp_path / "reverse", "named_in_reverse").scores("mp3_64") == plain[:, ::-1]).all()
    renamed = run(store, tmp_path / "labels", labels=["rain", "bird", "siren"])
    assert (renamed.scores("mp3_64") == plain[:, [1, 0, 2]]).all()
    assert renamed.columns == ("bird", "rain", "siren")


def test_labels_that_contradict_the_model_are_warned_of(store: Store, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="--labels calls score 1 'bird', but the model itself calls it 'siren'"):
        named = run(store, tmp_path, "named_in_reverse", conditions=["original"], labels=["bird", "rain", "siren"])
    assert (named.scores("original") == run(store, tmp_path / "plain", conditions=["original"]).scores("original")).all()


def test_conditions_on_links_lose_the_packets_of_every_evaluation(calls: Store, tmp_path: Path) -> None:
    links, lossy = {"loss40": {"loss": 0.4}}, ("alaw_64~bluetooth@1", "alaw_64~loss40")
    conditions = prepared(calls, "two_scores", conditions=["alaw_64", *lossy], links=links)
    assert conditions.links.keys() == {"bluetooth@1", "loss40"}
    found = run_all(conditions, tmp_path / "run")
    assert found is not None
    assert found.conditions == ("original", "alaw_64", *lossy)
    for condition in lossy:
        for clip, scores in zip(found.of(condition)["clip_id"].to_pylist(), found.scores(condition).tolist(), strict=True):
            sound = torch.from_numpy(calls.read(condition, clip, links=links).samples)[None]
            with torch.inference_mode():
                assert np.allclose(scores, models.Small().eval()(sound)[0, :2], atol=1e-5)
    assert (found.scores("alaw_64~loss40") != found.scores("alaw_64")).any()
    other = run(calls, tmp_path / "run", "two_scores", conditions=["alaw_64~loss40"], links={"loss40": {"loss": 0.1}})
    assert (other.scores("alaw_64~loss40") != found.scores("alaw_64~loss40")).any()  # another link of that name is evaluated again


def test_the_command_takes_links_of_a_recipe_and_prints_the_card_as_json(calls: Store, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("draw: union\nmixture: {original: 1, alaw_64: 1}\nlinks: {loss90: {loss: 0.9}}\n")
    out = tmp_path / "out"
    options = ["--conditions", "alaw_64~loss90,mp3_24,alaw_64", "--recipe", str(tmp_path / "recipe.yaml"), "--device", "cpu"]
    result = CliRunner().invoke(app, ["stress", f"{MODULE}:two_scores", calls.url, "--out", str(out), *options, "--json"])
    document = json.loads(result.stdout)
    assert document.pop("written") == [str(out / name) for name in ("card.html", "card.json", "predictions.parquet")]
    assert {key: document.pop(key) for key in ("command", "notes")} == {"command": "stress", "notes": []}
    document.pop("streamaug")
    assert document == json.loads((out / "card.json").read_text())
    assert [(each["condition"], each["familiarity"]) for each in document["conditions"]] == [
        ("original", "original"),
        ("alaw_64", "seen"),
        ("alaw_64~loss90", "unseen loss"),
        ("mp3_24", "unseen codec"),
    ]
    assert [each["codec"] for each in document["breaking"]] == ["alaw", "alaw~loss90", "mp3"]
    assert [(each["name"], each["what"]) for each in document["links"]] == [("loss90", "loss 0.9")]
    assert "a link: loss 0.9" in (out / "card.html").read_text()


@pytest.mark.parametrize(
    ("condition", "message"), [("alaw_64~loss10", "no link 'loss10' is defined"), ("mp3_24~wifi@1", "codec 'mp3' takes no link")]
)
def test_links_that_cannot_be_are_refused(calls: Store, condition: str, message: str) -> None:
    with pytest.raises(LinkError, match=message):
        prepared(calls, "two_scores", conditions=[condition])


def test_several_labels_per_clip_and_one_score_for_two_labels(kinds: dict[str | None, Path], calls: Store, tmp_path: Path) -> None:
    several = run(Store.open(kinds["labels"]), tmp_path / "several")
    assert several.table["labels"].type == pa.list_(pa.string())
    one = run(calls, tmp_path / "binary", "one_score", labels=["high"], conditions=["original"])
    assert one.columns == ("high",)
    assert one.scores("original").shape == (4, 1)


@pytest.mark.parametrize("target", ["target", None])
def test_a_store_without_labels_is_refused(kinds: dict[str | None, Path], target: str | None) -> None:
    with pytest.raises(StoreError, match="build it from a table with a column label or labels"):
        prepared(Store.open(kinds[target]))


def test_features_rate_and_crop_reach_the_model(store: Store, tmp_path: Path) -> None:
    clip = store.clips.filter(pc.equal(store.clips["split"], "evaluate"))["clip_id"][0].as_py()
    sound = torch.from_numpy(store.read("original", clip).samples)
    static = run(store, tmp_path / "static", "takes_log_mel", features="static").scores("original")
    feature = LogMel(rate=16_000, deltas=False)
    expected = torch.empty(feature.shape(len(sound)))
    feature.expand(feature.compute(sound), expected)
    assert np.allclose(static[0], expected[:3].mean(-1), atol=1e-6)
    own = prepared(store, "unseeded", features=f"{MODULE}:band_energies")
    assert own.evaluation.inputs.shape == (16,)
    cropped = prepared(store, rate=8_000, crop=Crop(0.25, where="start"))
    assert cropped.evaluation.inputs.shape == (2_000,)
    assert cropped.settings.rate == 8_000


def test_a_hugging_face_model_with_its_own_features(store: Store, tmp_path: Path) -> None:
    predictions = run(store, tmp_path / "run", "spectrogram_transformer", features=f"{MODULE}:mel_frames")
    clip = predictions.of("mp3_64")["clip_id"][5].as_py()
    torch.manual_seed(0)
    model = models.spectrogram_transformer().eval()
    with torch.inference_mode():
        expected = model(models.mel_frames(torch.from_numpy(store.read("mp3_64", clip).samples))[None]).logits[0]
    assert np.allclose(predictions.scores("mp3_64")[5], expected, atol=1e-5)
    model.save_pretrained(tmp_path / "saved")
    saved = open_model(str(tmp_path / "saved"), opener="transformers:ASTForAudioClassification.from_pretrained", device="cpu")
    loaded = run_all(prepare(saved, store, features=f"{MODULE}:mel_frames", batch_size=4, workers=1), tmp_path / "loaded")
    assert loaded is not None
    assert (loaded.scores("mp3_64") == predictions.scores("mp3_64")).all()


def test_a_second_run_gives_the_same_bytes(store: Store, tmp_path: Path) -> None:
    for name in ("one", "two"):
        run(store, tmp_path / name)
    for file in ("predictions.parquet", "stress.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_clips_of_different_lengths_need_a_crop_or_batches_of_one(tmp_path: Path) -> None:
    store = build_store(tmp_path, clips=16, conditions="original")
    with pytest.raises(FeatureError, match=r"filled up with zeros, .* --crop SECONDS, or each its own with --batch-size 1"):
        prepared(store, "two_scores")
    alone = run(store, tmp_path / "alone", "two_scores", batch_size=1)
    for clip, scores in zip(alone.table["clip_id"].to_pylist(), alone.scores("original"), strict=True):
        assert np.allclose(scores, by_hand(store, "original", clip)[:2], atol=1e-5)
    assert run(store, tmp_path / "cropped", "two_scores", crop=Crop(0.2, where="centre")).scores("original").shape == (4, 2)


def test_a_condition_that_lacks_clips_is_left_out_with_a_word_or_refused_if_it_is_named(calls: Store, tmp_path: Path) -> None:
    store = Store.open(shutil.copytree(calls.url, tmp_path / "store"))
    index = store.index("mp3_24")
    names = index.table["clip_id"].to_pylist()
    lost = store.clips.filter(pc.equal(store.clips["split"], "evaluate"))["clip_id"][0].as_py()
    incomplete = type(index)(meta=index.meta, table=index.table.filter(pa.array([name != lost for name in names])))
    store = replace_tables(store, indexes=[incomplete])
    chosen = prepared(store, "two_scores").conditions
    assert (chosen.names, chosen.skipped) == (("original", "alaw_64"), {"mp3_24": 3})
    with pytest.raises(StoreError, match=r"'mp3_24' of .* has 3 of the 4 clips .* leave it out, or build it for all clips"):
        prepared(store, "two_scores", conditions=["mp3_24"])


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("failing", r"tests.stress.models:failing: the model does not take 'waveform' of shape \(8000,\) at 16000 Hz: ValueError"),
        ("several_outputs", "it gives a tuple of 2; give scores alone"),
        ("class_numbers", "numbers of type int64"),
        ("two_scores", "gives 2 scores per clip, but the store has 3 labels"),
        ("one_score", "cannot tell the store's 3 labels apart"),
        ("in_training_mode", r"gives other scores for the same clips; put it into evaluation mode with model.eval\(\)"),
        ("normalized_over_the_batch", "gives a clip other scores in a batch than alone"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_decoded(store: Store, model: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        prepared(store, model)


def test_scores_that_are_no_numbers_are_an_error_that_names_condition_and_clips(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"condition 'original': the model gives NaN or infinite scores for 'clip\d+'"):
        run(store, tmp_path, "nan_for_loud_clips")
    assert not (tmp_path / "predictions.parquet").exists()


def test_the_folder_of_another_run_is_refused_with_the_difference(store: Store, tmp_path: Path) -> None:
    run(store, tmp_path / "run")
    with pytest.raises(StreamaugError, match=r"has the answers of another run \(batch size: 2, not 4\); choose another --out"):
        run(store, tmp_path / "run", batch_size=2)
    with pytest.raises(StreamaugError, match=r"another run \(model: name tests.stress.models:unseeded, sha256 \w{12}"):
        run(store, tmp_path / "run", "unseeded", crop=Crop(256 / 16_000, where="start"))
    with pytest.raises(StreamaugError, match="has no predictions, but is not empty"):
        run(store, tmp_path)


def test_conditions_that_are_evaluated_already_are_not_evaluated_again(store: Store, tmp_path: Path) -> None:
    first = run(store, tmp_path, "stopping", conditions=["original"])
    evaluated = models.Stopping.batches
    assert first.conditions == ("original",)
    both = run(store, tmp_path, "stopping")
    assert models.Stopping.batches == evaluated + 3 + 2  # noise, and two batches of the other condition
    assert both.conditions == ("original", "mp3_64")
    assert both.only("original") == first


def test_a_condition_that_was_built_again_is_evaluated_again(calls: Store, tmp_path: Path) -> None:
    store = Store.open(shutil.copytree(calls.url, tmp_path / "store"))
    first = run(store, tmp_path / "run", "two_scores")
    other, own = store.index("mp3_24"), store.index("alaw_64")
    swapped = type(own)(meta=own.meta.model_copy(update={"condition": "mp3_24", "settings": other.meta.settings}), table=own.table)
    # The bitstreams of one condition under the name of the other.
    for shard in own.meta.shards:
        (tmp_path / "store" / "mp3_24" / shard.name).symlink_to(tmp_path / "store" / "alaw_64" / shard.name)
    second = run(replace_tables(store, indexes=[swapped]), tmp_path / "run", "two_scores")
    assert (second.scores("mp3_24") == first.scores("alaw_64")).all()
    assert second.only("alaw_64") == first.only("alaw_64")


@pytest.fixture(scope="module")
def expected(store: Store, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a run in one process that nobody stops."""
    out = tmp_path_factory.mktemp("expected") / "run"
    [(code, log)] = programs.run(store, out, {})
    assert code == 0, log
    assert "evaluating: 12" in log
    assert f"written: {out}/card.html, {out}/card.json, {out}/predictions.parquet\n" in log
    return (out / "predictions.parquet").read_bytes()


def test_a_run_that_was_killed_resumes_and_gives_the_same_bytes(store: Store, tmp_path: Path, expected: bytes) -> None:
    [(code, _)] = programs.run(store, tmp_path / "run", {"STOP_AFTER": "6"})  # noise, two batches, and one
    assert code == -signal.SIGKILL
    assert [path.name for path in (tmp_path / "run" / PARTS).glob("*.parquet")] == ["original.parquet"]
    [(code, log)] = programs.run(store, tmp_path / "run", {})
    assert code == 0, log
    assert "evaluating: 6" in log
    assert (tmp_path / "run" / "predictions.parquet").read_bytes() == expected


def test_a_folder_that_another_process_writes_to_is_refused(store: Store, tmp_path: Path) -> None:
    run_ = prepared(store)
    open_folder(tmp_path / "run", run_.settings)
    with held(tmp_path / "run", PARTS), pytest.raises(StreamaugError, match=r"another process writes to .*run; wait until it ends"):
        run_all(run_, tmp_path / "run")
    assert run_all(run_, tmp_path / "run") is not None
    assert not (tmp_path / "run" / PARTS).exists()


def test_a_part_that_is_damaged_is_named(store: Store, tmp_path: Path) -> None:
    run_ = prepared(store)
    run_all(run_, tmp_path / "run")
    (tmp_path / "run" / PARTS).mkdir()
    part_path(tmp_path / "run", "mp3_64").write_bytes(b"PAR1")
    with pytest.raises(StreamaugError, match=r"parts/mp3_64.parquet: not readable.* remove it and run 'streamaug stress' again"):
        run_all(run_, tmp_path / "run")


def test_two_ranks_under_torchrun_give_the_same_bytes_as_one(store: Store, tmp_path: Path, expected: bytes) -> None:
    port = programs.rank_environments(1)[0]["MASTER_PORT"]
    launcher = ["torch.distributed.run", "--nproc-per-node", "2", "--master-port", port]
    done = subprocess.run(
        [sys.executable, "-m", *launcher, "-m", "streamaug", *programs.arguments(store, tmp_path / "run")],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "GLOO_SOCKET_IFNAME": "lo"},
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("written: ") == 1
    assert "evaluating on rank 0 of 2: 6" in done.stderr
    assert (tmp_path / "run" / "predictions.parquet").read_bytes() == expected


def test_a_rank_that_dies_is_an_error_of_the_others(store: Store, tmp_path: Path, expected: bytes) -> None:
    stopping = [{**environment, "STOP_RANK": "1", "STOP_AFTER": "4"} for environment in programs.rank_environments(2)]
    (first, log), (second, _) = programs.run(store, tmp_path / "run", *stopping)
    assert (first, second) == (1, -signal.SIGKILL)
    assert "rank 0 lost another rank, which ended with an error of its own" in log
    [(code, log)] = programs.run(store, tmp_path / "run", {})
    assert code == 0, log
    assert (tmp_path / "run" / "predictions.parquet").read_bytes() == expected


def test_ranks_with_different_models_are_refused(store: Store, tmp_path: Path) -> None:
    first, second = programs.rank_environments(2)
    (one, log), (two, _) = programs.run(store, tmp_path / "run", first, {**second, "BIAS": "1"})
    assert (one, two) == (1, 1)
    assert "the ranks have different models, settings or stores" in log
    assert not (tmp_path / "run").exists()
