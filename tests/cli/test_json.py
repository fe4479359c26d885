"""`--json` and `--quiet`, as a script uses them: each command once in a process of its own, read from
pipes."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import streamaug
from streamaug.cli.json_output import strict
from streamaug.conditions import parse_conditions
from streamaug.planning.costs import estimate
from streamaug.planning.ledger import planned
from streamaug.planning.open_plan import label_columns
from streamaug.quality.measuring import measure_sample
from streamaug.quality.summary import summarise
from streamaug.store import Store
from streamaug.testing import build_store
from streamaug.verifying.verify import verify
from tests import in_process
from tests.servers import nginx
from tests.streaming.test_faults import flip
from tools.write_json_page import EXAMPLE, PAGE, write_folder

LONG = "mulaw_64+alaw_64+mp3_24+mulaw_64+alaw_64"
Done = subprocess.CompletedProcess[str]


def run(*arguments: object, cwd: Path | None = None) -> Done:
    command = [sys.executable, "-m", "streamaug", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


def refuse(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def document(done: Done) -> dict[str, Any]:
    """The one document that a command printed."""
    content: dict[str, Any] = json.loads(done.stdout, parse_constant=refuse)
    assert content["streamaug"] == streamaug.__version__
    return content


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of docs/json.md: a real store and a recipe."""
    folder = tmp_path_factory.mktemp("json")
    write_folder(folder, PAGE.read_text())
    return folder


@pytest.fixture(scope="module")
def store(folder: Path) -> Store:
    return Store.open(folder / "store")


@pytest.fixture(scope="module")
def printed(folder: Path) -> dict[str, Done]:
    """What each example of the page prints here, by command."""
    calls = [example["call"].split() for example in EXAMPLE.finditer(PAGE.read_text())]
    return {call[0]: run(*call, cwd=folder) for call in calls}


def test_info_has_the_store_its_clips_and_its_conditions(store: Store, printed: dict[str, Done]) -> None:
    content = document(printed["info"])
    assert (content["command"], content["store"], content["snapshot"]) == ("info", store.url, store.snapshot)
    assert content["clips"] == content["all"]["clips"] == 24
    assert content["seconds"] == pytest.approx(sum(store.clips["samples"].to_pylist()) / 8_000)
    split, label = store.clips["split"].to_pylist(), store.clips["label"].to_pylist()
    rows = list(zip(split, label, strict=True))
    assert {each["value"]: each["labels"] for each in content["counts"]} == {
        value: {name: rows.count((value, name)) for name in store.manifest.labels} for value in ("evaluate", "train")
    }
    conditions = {each["condition"]: each for each in content["conditions"]}
    assert tuple(conditions) == store.conditions
    index = store.index("mp3_24")
    assert conditions["mp3_24"]["bytes"] == sum(shard.bytes for shard in index.meta.shards)
    assert conditions["mp3_24"]["kbps"] == pytest.approx(float(index.column("kbps").mean()))
    assert conditions["mp3_24"]["steps"] == [step.model_dump() for step in index.meta.steps]


def test_plan_has_the_ledger_the_hash_and_the_costs_of_the_api(folder: Path, store: Store) -> None:
    done = in_process.streamaug(
        "plan", folder / "recipe.yaml", store.url, "--seed", 3, "--epochs", 2, "--ledger", folder / "ledger.csv", "--json"
    )
    content = document(done)
    recipe = streamaug.load_recipe(folder / "recipe.yaml")
    plan = streamaug.open_plan(recipe, store, seed=3)
    ledger = planned(plan, label_columns(store), range(2))
    costs = estimate(plan, store, [store.locations(name) for name in plan.conditions], range(2))
    assert (content["plan"], content["recipe_hash"], content["rows"]) == (plan.hash, recipe.hash, ledger.total)
    assert content["ledger"] == ledger.table().to_pylist()
    assert {each["condition"]: each["rows"] for each in content["conditions"]} == dict(
        zip(plan.conditions, ledger.condition_rows.tolist(), strict=True)
    )
    assert content["costs"] == pytest.approx(vars(costs))
    assert content["padding"]["bucketed"] <= content["padding"]["shuffled"]
    assert content["written"] == [str(folder / "ledger.csv")]
    assert (folder / "ledger.csv").exists()


def test_verify_has_each_finding_and_the_same_exit_code(store: Store, printed: dict[str, Done], tmp_path: Path) -> None:
    content = document(printed["verify"])
    assert (printed["verify"].returncode, content["ok"], content["findings"]) == (0, True, [])
    copy = tmp_path / "copy"
    shutil.copytree(store.url, copy)
    flip(copy, "mp3_24", "clip07")
    done = in_process.streamaug("verify", copy, "--json")
    content = document(done)
    report = verify(Store.open(copy), executor=in_process.InProcess())
    assert (done.returncode, content["ok"], len(report.findings) > 0) == (1, False, True)
    assert content["findings"] == [vars(finding) for finding in report.findings]
    assert {each["condition"]: each["findings"] for each in content["conditions"]}["mp3_24"] == len(report.findings)


def test_doctor_has_what_can_be_built_and_why_the_rest_cannot() -> None:
    done = in_process.streamaug("doctor", "--conditions", "original,mulaw_64+pitch,mp3_900", "--rate", 8_000, "--json")
    content = document(done)
    original, chain, refused = content["conditions"]
    assert (done.returncode, content["ok"]) == (1, False)
    assert [step["step"] for step in chain["steps"]] == ["mulaw_64", "pitch", "flac"]
    assert (original["delay"], original["error"]) == (0, None)
    assert (refused["steps"], refused["delay"], refused["decoder"]) == ([], None, None)
    assert "has 8, 16, 24, 32, 40, 48, 56 or 64 kbps, not 900" in refused["error"]
    assert {each["package"] for each in content["packages"]} == {"s3fs", "distributed"}


def test_stream_has_what_was_planned_and_served(folder: Path, store: Store, printed: dict[str, Done]) -> None:
    content = document(printed["stream"])
    plan = streamaug.open_plan(streamaug.load_recipe(folder / "recipe.yaml"), store)
    ledger = planned(plan, label_columns(store))
    assert (content["plan"], content["batch_size"], content["rows"]) == (plan.hash, 4, ledger.total)
    assert [(each["condition"], each["planned"], each["served"]) for each in content["conditions"]] == [
        (name, rows, rows) for name, rows in zip(plan.conditions, ledger.condition_rows.tolist(), strict=True)
    ]
    assert content["metrics"]["clips"] == sum(content["metrics"]["decoded_clips"].values()) == ledger.total


def test_quality_has_the_summaries_of_the_api(folder: Path, store: Store, printed: dict[str, Done]) -> None:
    content = document(printed["quality"])
    graded = measure_sample(store, ["alaw_64", "mp3_24"], 4, executor=in_process.InProcess())
    assert {each["condition"]: each for each in content["conditions"]} == {
        name: pytest.approx(vars(summarise(table))) for name, table in graded.items()
    }
    assert all((folder / path).exists() for path in content["written"])


def test_what_a_plug_in_prints_goes_to_stderr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metadata = tmp_path / "loud-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: loud\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[streamaug.effects]\nloud = loud:Loud\n")
    prints = 'print("hello")\nos.write(1, b"from C")'
    (tmp_path / "loud.py").write_text(f"import os\nfrom streamaug.effects.noise import Noise as Loud\n{prints}\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    done = run("doctor", "--conditions", "loud", "--rate", 8_000, "--json")
    assert [step["step"] for step in document(done)["conditions"][0]["steps"]] == ["loud", "flac"]
    assert {"hello", "from C"} <= set(done.stderr.replace("from C", "from C\n").splitlines())


def test_what_is_not_a_number_is_null() -> None:
    assert strict({"mean": float("nan"), "sd": [float("-inf"), 0.5]}) == {"mean": None, "sd": [None, 0.5]}


def test_an_error_prints_no_document(tmp_path: Path) -> None:
    done = in_process.streamaug("info", tmp_path / "no", "--json", "--quiet")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: {tmp_path / 'no'} is not a store")


def test_quiet_hides_progress_and_notes_and_the_document_has_the_notes(store: Store, tmp_path: Path) -> None:
    with nginx(Path(store.url), tmp_path) as url:
        command = ("verify", url, "--conditions", "original", "--workers", 1)
        loud, quiet, documented = (in_process.streamaug(*command, *options) for options in ((), ("--quiet",), ("--json", "--quiet")))
    note = f"{url} does not list its folders: files that nothing names are not looked for"
    assert note in loud.stderr
    assert "verifying shards" in loud.stderr
    assert (quiet.stderr, documented.stderr) == ("", "")
    assert quiet.stdout == loud.stdout
    assert document(documented)["notes"] == [note]


def test_a_warning_is_one_line_and_quiet_hides_it() -> None:
    code = """
import typer, warnings
from streamaug.cli.console import begin, run
app = typer.Typer()
@app.callback(invoke_without_command=True)
def main(quiet: bool = typer.Option(False, "--quiet", callback=begin)) -> None:
    warnings.warn("a [red] one")
run(app)
"""
    commands = ([sys.executable, "-c", code, *more] for more in ((), ("--quiet",)))
    loud, quiet = (subprocess.run(command, capture_output=True, text=True, check=True) for command in commands)
    assert (loud.stderr, quiet.stderr) == ("warning: a [red] one\n", "")


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store whose tables are wider than any terminal."""
    folder = tmp_path_factory.mktemp("wide")
    build_store(folder, conditions="original", seconds=(0.1, 0.2))
    lines = (folder / "recordings" / "clips.csv").read_text().splitlines()
    rows = [f"{line},place-with-a-long-name-{number:02d}" for number, line in enumerate(lines[1:])]
    table = folder / "recordings" / "wide.csv"
    table.write_text("\n".join([f"{lines[0]},place", *rows]).replace("high", "h" * 100))
    built = streamaug.build(table, str(folder / "wide"), conditions=parse_conditions(f"original,{LONG}"), executor=in_process.InProcess())
    assert built.clips == 24
    return Store.open(folder / "wide")


def test_tables_in_pipes_are_neither_cut_nor_wrapped(wide: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")  # of the terminal, which some shells export
    (tmp_path / "recipe.yaml").write_text("draw: union\nmixture: {original: 1}\n")
    info = run("info", wide.url).stdout
    plan = run("plan", tmp_path / "recipe.yaml", wide.url, "--by", "place").stdout
    trained = [clip["place"] for clip in wide.clips.to_pylist() if clip["split"] == "train"]
    head = next(line for line in plan.splitlines() if "condition" in line)
    assert [cell.strip() for cell in head.strip("┃").split("┃")] == ["condition", *sorted(trained), "rows"]
    assert sum(LONG in line for line in info.splitlines()) == 1
    assert sum("h" * 100 in line for line in info.splitlines()) == 1
    assert "…" not in info + plan


def keys(value: Any) -> Any:
    """The shape of a document: keys and those below them, of all entries of a list together."""
    if isinstance(value, dict):
        return {key: keys(each) for key, each in value.items()}
    if isinstance(value, list):
        merged: dict[str, Any] = {}
        for each in filter(lambda each: isinstance(each, dict), value):
            merged |= keys(each)
        return [merged] if merged else []
    return None


def test_the_page_shows_what_the_commands_print(printed: dict[str, Done]) -> None:
    """Every example of docs/json.md, run again, has the keys of the page and prints nothing else."""
    shown = {example["call"].split()[0]: example["output"] for example in EXAMPLE.finditer(PAGE.read_text())}
    assert list(shown) == ["info", "plan", "verify", "doctor", "stream", "quality"]
    for command, done in printed.items():
        assert done.returncode == 0, done.stderr
        assert keys(document(done)) == keys(json.loads(shown[command])), command
