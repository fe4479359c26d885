"""One run on two stores: one model for the labels of both, evaluated in each condition of each."""

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
import soundfile

from streamaug.building.build import build
from streamaug.conditions import parse_conditions
from streamaug.errors import StoreError
from streamaug.recipes.familiarity import familiarity
from streamaug.store import Store
from streamaug.testing import replace_tables
from tests.in_process import InProcess
from tests.train.conftest import RATE, recording
from tests.train.runs import config_of
from train.config import RunConfig, read_config
from train.predictions import read_predictions
from train.preparing import prepare
from train.results import paper_order
from train.run import run_training


@pytest.fixture(scope="module")
def built_rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 training and 6 evaluation clips of two labels, one of them another name for a label of the
    other store."""
    folder = tmp_path_factory.mktemp("rooms")
    lines = ["path,label,split,group"]
    for number in range(18):
        sound = ("hum", "hiss")[number % 2]
        soundfile.write(folder / f"{number}.wav", 0.5 * recording(sound, 100 + number), RATE, subtype="PCM_16")
        lines.append(f"{number}.wav,{('mains', 'hiss')[number % 2]},{'train' if number < 12 else 'evaluate'},room-{number}")
    (folder / "clips.csv").write_text("\n".join(lines) + "\n")
    build(folder / "clips.csv", str(folder / "store"), conditions=parse_conditions("original,mp3_64"), executor=InProcess())
    return folder / "store"


@pytest.fixture
def rooms(built_rooms: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(built_rooms, tmp_path / "rooms"))


@pytest.fixture
def config(built: Path, rooms: Path, tmp_path: Path) -> RunConfig:
    recipe = tmp_path / "row_1.yaml"
    recipe.write_text(
        f"title: both\ndraw: union\nstores: {{sounds: {built}, rooms: {rooms}}}\nrename_labels: {{rooms: {{mains: hum}}}}\n"
        "mixture: {sounds:original: 1, rooms:original: 1, rooms:mp3_64: 1}\n"
    )
    return config_of("null", recipe, tmp_path)


def test_each_condition_of_each_store_is_evaluated_on_the_clips_of_its_store(config: RunConfig, built: Path, rooms: Path) -> None:
    run_training(config, row="1", quiet=True)
    predictions = read_predictions(config.run / "predictions.parquet")
    conditions = ["rooms:original", "rooms:mp3_64", "sounds:original", "sounds:mp3_64", "sounds:opus_32"]
    assert predictions["condition"].unique().to_pylist() == conditions
    for condition in conditions:
        chosen = predictions.filter(pc.equal(predictions["condition"], condition))
        store = Store.open(built if condition.startswith("sounds") else rooms)
        own = store.clips.filter(pc.equal(store.clips["split"], "evaluate"))
        assert chosen["clip_id"].to_pylist() == own["clip_id"].to_pylist()
        assert chosen["group"].to_pylist() == [f"{condition.partition(':')[0]}:{group}" for group in own["group"].to_pylist()]
    assert set(predictions["label"].to_pylist()) == {"hiss", "hum", "tick"}
    assert [line.split(",")[0] for line in (config.run / "table.csv").read_text().splitlines()] == ["condition", *conditions]
    assert (config.run / "ledger.csv").read_text().startswith("condition,hiss,hum,tick,all\nrooms:original,6,6,0,12\n")


def test_a_run_names_the_snapshot_of_each_store_and_is_prepared_on_them_again(config: RunConfig, rooms: Path, built: Path) -> None:
    first = prepare(config)
    assert first.config.snapshot == {"rooms": Store.open(rooms).snapshot, "sounds": Store.open(built).snapshot}
    store = Store.open(rooms)
    later = replace_tables(store, clips=pa.concat_tables([store.clips.slice(0, 5), store.clips.slice(6)]))
    assert prepare(config).store.snapshot != first.store.snapshot
    again = prepare(first.config)
    assert again.store.snapshot == first.store.snapshot
    assert again.plan.hash == first.plan.hash
    assert later.snapshot != store.snapshot


def test_a_snapshot_of_one_store_is_refused_for_several(config: RunConfig) -> None:
    with pytest.raises(StoreError, match="'0123456789abcdef' is not one of rooms"):
        prepare(config.model_copy(update={"snapshot": "0123456789abcdef"}))


def test_settings_without_a_store_are_read(tmp_path: Path) -> None:
    assert read_config(None, ["recipe=row.yaml", f"run={tmp_path}", "steps=1"]).store is None


def test_conditions_of_several_stores_are_compared_by_what_was_done_to_the_clips() -> None:
    trained = ["tau:original", "tau:mp3_64"]
    assert [familiarity(name, trained) for name in ("esc:original", "esc:mp3_64", "esc:mp3_32", "esc:sbc_64")] == [
        "original", "seen", "unseen bitrate", "unseen codec",
    ]  # fmt: skip
    assert paper_order(["tau:mp3_64", "tau:original", "esc:sbc_64"]) == ["esc:sbc_64", "tau:original", "tau:mp3_64"]
