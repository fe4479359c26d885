"""Grades of conditions on links, of encoder variants and of chains, by several measures."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow.dataset as ds
import pytest
import soundfile
from typer.testing import CliRunner

from streamaug.building.build import build
from streamaug.cli.main import app
from streamaug.conditions import parse_conditions
from streamaug.errors import LinkError, StoreError
from streamaug.quality.measures import open_measure
from streamaug.quality.measuring import measure, measure_sample
from streamaug.quality.pcm import at_rate
from streamaug.quality.table import find_quality, load_quality
from streamaug.store import Store
from streamaug.verifying.verify import verify
from tests.in_process import InProcess
from tests.quality.test_measures import speech

RATE = 8_000
STORED = ("alaw_64", "amr-nb_12.2", "mp3_24@lame-vbr", "alaw_64+mp3_24")
HALF = {"bad": {"loss": 0.5, "burst": 2}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of three spoken clips, and a recipe that defines a link."""
    folder = tmp_path_factory.mktemp("calls")
    for number in range(3):
        soundfile.write(folder / f"clip{number}.wav", speech(RATE, 1 + number / 5), RATE)
    rows = [f"clip{number}.wav,{'ab'[number % 2]},train" for number in range(3)]
    (folder / "clips.csv").write_text("\n".join(["path,label,split", *rows]))
    with ThreadPoolExecutor(1) as executor:
        conditions = parse_conditions(f"original,{','.join(STORED)}")
        build(folder / "clips.csv", folder / "store", conditions=conditions, clips_per_shard=2, executor=executor)
    text = "draw: union\nmixture: {original: 1, alaw_64~bad: 1, alaw_64~wifi@1: 1}\nlinks: {bad: {loss: 0.5, burst: 2}}\n"
    (folder / "recipe.yaml").write_text(text)
    return folder


@pytest.fixture
def store(folder: Path, tmp_path: Path) -> Store:
    return Store.open(shutil.copytree(folder / "store", tmp_path / "store"))


def test_variants_and_chains_have_grades(store: Store, thread: ThreadPoolExecutor) -> None:
    graded = measure(store, STORED, measure="pesq-nb", executor=thread)
    assert all(np.isfinite(quality.column("grade")).all() for quality in graded.values())
    means = {condition: quality.column("grade").mean() for condition, quality in graded.items()}
    assert means["alaw_64"] > means["alaw_64+mp3_24"]


def test_a_clip_on_a_link_is_graded_with_the_losses_of_every_evaluation(store: Store, thread: ThreadPoolExecutor) -> None:
    pesq = open_measure("pesq-nb")
    quality = measure(store, ["alaw_64~bad"], measure="pesq-nb", links=HALF, executor=thread)["alaw_64~bad"]
    for row in quality.table.to_pylist():
        sounds = (store.read(name, row["clip_id"], links=HALF).samples for name in ("original", "alaw_64~bad"))
        assert row["grade"] == pesq.compare(*(at_rate(sound, RATE, pesq.rate) for sound in sounds))["grade"]
    without = measure(store, ["alaw_64"], measure="pesq-nb", executor=thread)["alaw_64"]
    assert quality.column("grade").max() < without.column("grade").min()
    assert measure_sample(store, ["alaw_64~bad"], 3, measure="pesq-nb", links=HALF, executor=thread)["alaw_64~bad"].meta == quality.meta


def test_grades_of_another_link_with_the_same_name_are_not_taken_for_its_own(store: Store, thread: ThreadPoolExecutor) -> None:
    bad, worse = HALF, {"bad": {"loss": 0.9, "burst": 20}}
    first = measure(store, ["alaw_64~bad"], measure="pesq-nb", links=bad, executor=thread)["alaw_64~bad"]
    assert load_quality(store, "alaw_64~bad", "pesq-nb", links=bad).table == first.table
    assert find_quality(store, "alaw_64~bad", "pesq-nb", links=worse) is None
    with pytest.raises(StoreError, match=r"no grades of 'alaw_64~bad'.*--conditions alaw_64~bad --measure pesq-nb"):
        load_quality(store, "alaw_64~bad", "pesq-nb", links=worse)
    second = measure(store, ["alaw_64~bad"], measure="pesq-nb", links=worse, executor=thread)["alaw_64~bad"]
    assert second.table != first.table


def test_what_cannot_lose_packets_or_is_not_defined_is_refused_before_anything_is_graded(store: Store) -> None:
    for condition, problem in (
        ("alaw_64+mp3_24~wifi@1", "codec 'mp3' takes no link"),
        ("alaw_64~bad", "no link 'bad' is defined"),
        ("amr-nb_12.2~wifi@2", "no preset '~wifi@2'"),
    ):
        with pytest.raises(LinkError, match=problem):
            measure(store, ["alaw_64", condition], executor=InProcess())
    assert not [name for name in store.folder.names("alaw_64") if name.startswith("quality")]


def test_measures_and_links_stand_side_by_side_in_one_table(store: Store, thread: ThreadPoolExecutor) -> None:
    names = ["alaw_64", "alaw_64~wifi@1"]
    each = {name: measure(store, names, measure=name, executor=thread) for name in ("peaq", "pesq-nb")}
    assert each == {name: measure(store, names, measure=name, executor=thread) for name in each}  # read again
    root = store.folder.local_path("alaw_64")
    files = sorted(str(path) for path in root.glob("quality*"))
    assert [path.rpartition("/")[2] for path in files] == [
        "quality-pesq-nb.parquet",
        "quality-pesq-nb~wifi@1.parquet",
        "quality.parquet",
        "quality~wifi@1.parquet",
    ]
    together = ds.dataset(files).to_table(columns=["clip_id", "measure", "grade"])
    assert together["measure"].to_pylist() == ["pesq-nb"] * 6 + ["peaq"] * 6
    assert not verify(store, executor=InProcess()).findings


@pytest.mark.parametrize("conditions", [[], ["--conditions", "alaw_64~bad,alaw_64~wifi@1"]], ids=["all", "named"])
def test_the_command_grades_the_conditions_of_a_recipe(store: Store, folder: Path, tmp_path: Path, conditions: list[str]) -> None:
    arguments = ["--recipe", str(folder / "recipe.yaml"), *conditions, "--output", str(tmp_path), "--workers", "1"]
    done = CliRunner().invoke(app, ["quality", store.url, *arguments, "--measure", "pesq-nb", "--json"])
    assert done.exit_code == 0, done.output
    content = json.loads(done.stdout)
    assert (content["measure"], content["notes"]) == ("pesq-nb", [])
    assert content["method"].startswith("PESQ, narrow band")
    assert [(row["condition"], row["clips"], row["saturated"]) for row in content["conditions"]] == [
        ("alaw_64~wifi@1", 3, None),
        ("alaw_64~bad", 3, None),
    ]
    assert [Path(path).name for path in content["written"]] == ["summary-pesq-nb.csv", "violins-pesq-nb.png"]
    assert all(Path(path).stat().st_size for path in content["written"])


def test_peaq_of_a_store_at_8_khz_says_what_it_is_not_made_for(store: Store, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["quality", store.url, "--sample", "1", "--output", str(tmp_path), "--workers", "1", "--json"])
    assert done.exit_code == 0, done.output
    [note] = json.loads(done.stdout)["notes"]
    assert note.startswith("peaq compares at 48000 Hz, and the store has 8000: clips are resampled")
