"""streamaug plan, diff and recipe, as a user types them."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from streamaug.cli.main import app
from streamaug.errors import LeakageError, StoreError, StreamaugError
from streamaug.planning.ledger import planned
from streamaug.planning.open_plan import column_of, open_plan
from streamaug.recipes import load_recipe
from streamaug.store import Store
from streamaug.testing import build_store, replace_tables, tau2020_store

RECIPES = Path(__file__).parents[2] / "train" / "recipes"
TABLE3 = RECIPES.parent / "paper" / "recipes" / "table3"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return tau2020_store(tmp_path_factory.mktemp("stores") / "tau", train=600, evaluate=120, device_a=440)


def streamaug(*arguments: object) -> str:
    """What a command prints. Raises what it raises."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_plan_prints_the_count_the_ledger_the_hash_and_the_costs(store: Store) -> None:
    output = streamaug("plan", TABLE3 / "row_7.yaml", store.url)
    assert "epoch 0: 7040 rows" in output
    assert open_plan(load_recipe(TABLE3 / "row_7.yaml"), store).hash in output
    line = next(line for line in output.splitlines() if "spectrum-correction" in line)
    assert [int(cell) for cell in line.split("│")[2:-1]] == [44] * 10 + [440]
    assert "19.6 h of audio" in output
    assert "in 7040 requests" in output
    assert "for bitstreams, 776.8 MB for features" in output


def test_plan_adds_several_epochs_up_and_counts_by_any_columns(store: Store, tmp_path: Path) -> None:
    output = streamaug(
        "plan", RECIPES / "row_6_one_per_clip.yaml", store.url, "--epochs", 3, "--by", "label,device", "--ledger", tmp_path / "ledger.csv"
    )
    assert "epochs 0 to 2: 1800 rows" in output
    table = csv.read_csv(tmp_path / "ledger.csv")
    assert table.column_names == ["condition", "label", "device", "rows"]
    assert sum(table["rows"].to_pylist()) == 1800
    streamaug("plan", TABLE3 / "row_1.yaml", store.url, "--ledger", tmp_path / "ledger.parquet")
    assert sum(pq.read_table(tmp_path / "ledger.parquet")["rows"].to_pylist()) == 600


@pytest.mark.parametrize("name", ["condition", "rows", "leakage"])
def test_a_column_that_is_called_as_the_ledgers_own_is_refused(store: Store, name: str) -> None:
    plan = open_plan(load_recipe(TABLE3 / "row_1.yaml"), store)
    with pytest.raises(StoreError, match=rf"by a column '{name}': the ledger has a column of that name"):
        planned(plan, {name: column_of(store.clips, "device")})


def test_plan_counts_by_the_columns_that_a_recipe_weights(store: Store, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("draw: union\nmixture: {original: 1}\nweights: {device: equal}\n")
    output = streamaug("plan", tmp_path / "recipe.yaml", store.url)
    assert "weights by device: equal" in output
    line = next(line for line in output.splitlines() if "original" in line)
    assert [int(cell) for cell in line.split("│")[2:-1]] == [100] * 6 + [600]


def test_plan_estimates_what_an_epoch_takes_here_and_on_more_clips(tmp_path: Path) -> None:
    sounds = build_store(tmp_path, clips=16, seconds=(1.3, 1.3))
    (tmp_path / "recipe.yaml").write_text("draw: union\nmixture: {original: 1, mp3_24: 1}\n")
    output = streamaug("plan", tmp_path / "recipe.yaml", sounds.url, "--estimate", "--clips", 16_000)
    assert "from measurements on this machine with a store of 16 clips, extrapolated to 16000 clips" in output
    assert "24000 rows in " in output
    assert "S3 Standard" in output
    content = json.loads(streamaug("plan", tmp_path / "recipe.yaml", sounds.url, "--estimate", "--json"))
    estimate = content["estimate"]
    assert (estimate["rows"], estimate["clips"], estimate["measured_clips"]) == (content["rows"], 16, 16)
    assert [each["condition"] for each in estimate["conditions"]] == ["original", "mp3_24"]
    assert estimate["bill"].keys() == {"storage_per_month", "writes", "requests", "egress", "cores", "resume"}
    assert estimate["prices"]["currency"] == "USD"
    for option in (["--clips", 5], ["--prices", tmp_path / "prices.yaml"]):
        with pytest.raises(StreamaugError, match="--clips and --prices belong to --estimate; add it"):
            streamaug("plan", tmp_path / "recipe.yaml", sounds.url, *option)


def test_an_estimate_is_kept_apart_from_the_split_that_is_named(tmp_path: Path) -> None:
    sounds = build_store(tmp_path, clips=8, conditions="original")
    splits = ["dev" if number == 0 else split for number, split in enumerate(sounds.clips["split"].to_pylist())]
    clips = sounds.clips
    for name, values in (("split", splits), ("group", ["one" if split != "evaluate" else "other" for split in splits])):
        at = clips.schema.get_field_index(name)
        clips = clips.set_column(at, clips.schema.field(at), pa.array(values))
    replace_tables(sounds, clips=clips)
    (tmp_path / "recipe.yaml").write_text("draw: union\nmixture: {original: 1}\n")
    arguments = ("plan", tmp_path / "recipe.yaml", sounds.url, "--estimate")
    with pytest.raises(LeakageError, match="1 group is on both sides"):
        streamaug(*arguments)
    assert "estimate for epoch 0" in streamaug(*arguments, "--evaluate", "evaluate")


def test_plan_prints_the_padding_of_buckets(store: Store, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("draw: union\nmixture: {original: 1}\nshuffle: {bucket: 128, batch: 32}\n")
    output = streamaug("plan", tmp_path / "recipe.yaml", store.url)
    assert "buckets of 128 rows in batches of 32" in output
    assert "padding in epoch 0: 0.0% of the samples, and 0.0% in a full shuffle" in output  # all clips are 10 s long


def test_plan_writes_every_row_with_the_location_of_its_bytes(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    streamaug("plan", RECIPES / "views.yaml", store.url, "--rows", path, "--epoch", 2, "--seed", 5)
    table = pq.read_table(path)
    assert table.column_names == ["epoch", "position", "view", "clip_id", "condition", "label", "shard", "offset", "size"]
    plan = open_plan(load_recipe(RECIPES / "views.yaml"), store, seed=5)
    lines = table.to_pylist()
    assert len(lines) == 2 * plan.epoch_size(2)
    rows = plan.rows(2, range(600))
    indexes = {}
    for name in plan.conditions:
        index = store.index(name)
        paths = [f"{name}/{shard.name}" for shard in index.meta.shards]
        indexes[name] = {row["clip_id"]: (paths[row["shard"]], row["offset"], row["size"]) for row in index.table.to_pylist()}
    for number, line in enumerate(lines):
        position, view = divmod(number, 2)
        clip = int(rows.clip[position])
        name = plan.conditions[rows.condition[position, view]]
        assert (line["epoch"], line["position"], line["view"], line["condition"]) == (2, position, view, name)
        assert line["clip_id"] == store.clips["clip_id"][clip].as_py()
        assert line["label"] == store.clips["label"][clip].as_py()
        assert (line["shard"], line["offset"], line["size"]) == indexes[name][line["clip_id"]]


def test_plan_draws_a_picture(store: Store, tmp_path: Path) -> None:
    for number, name in enumerate(("picture.png", "again.png", "picture.svg")):
        streamaug("plan", RECIPES / "views.yaml", store.url, "--picture", tmp_path / name)
        assert (tmp_path / name).stat().st_size > 10_000, number
    assert (tmp_path / "picture.png").read_bytes() == (tmp_path / "again.png").read_bytes()


def test_plan_draws_the_shares_of_all_counted_epochs(store: Store, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("draw: one-per-clip\nmixture: {original: 1, mp3_64: {ramp: {0: 0, 5: 1}}}\n")
    sizes = set()
    for epochs in (1, 6, 300):
        streamaug("plan", tmp_path / "recipe.yaml", store.url, "--epochs", epochs, "--picture", tmp_path / "picture.svg")
        sizes.add((tmp_path / "picture.svg").read_text().split("rows of each condition")[1])
    assert len(sizes) == 3


def test_files_that_cannot_be_written_are_errors_and_leave_nothing(store: Store, tmp_path: Path) -> None:
    for arguments, message in (
        (("--rows", tmp_path / "rows.csv"), "must have the ending .parquet"),
        (("--ledger", tmp_path / "ledger.txt"), "must have the ending .csv or .parquet"),
        (("--ledger", tmp_path / "no" / "ledger.csv"), "cannot be written"),
        (("--picture", tmp_path / "picture.txt"), "ending"),
        (("--epoch", 1, "--epochs", 2), "use one of them"),
        (("--by", "labl"), "Did you mean 'label'?"),
    ):
        with pytest.raises(StreamaugError, match=message):
            streamaug("plan", TABLE3 / "row_1.yaml", store.url, *arguments)
    assert list(tmp_path.iterdir()) == []


def test_diff_prints_what_changes_in_settings_counts_and_rows(store: Store, tmp_path: Path) -> None:
    output = streamaug("diff", TABLE3 / "row_3.yaml", TABLE3 / "row_4.yaml", store.url, "--rows", tmp_path / "rows.csv")
    assert "+  he-aac_16: 1" in output
    line = next(line for line in output.splitlines() if line.startswith("│ he-aac_16"))
    assert line.split("│")[-2].strip() == "0 -> 600"
    assert "clips in a condition: 1200 in both, 0 removed, 600 added" in output
    table = csv.read_csv(tmp_path / "rows.csv")
    assert {(line["condition"], line["before"], line["after"]) for line in table.to_pylist()} == {("he-aac_16", 0, 1)}
    assert table.num_rows == 600


def test_diff_of_a_recipe_and_its_retitled_self_finds_every_row_in_place(store: Store, tmp_path: Path) -> None:
    (tmp_path / "same.yaml").write_text(f"title: other\nextends: [{TABLE3 / 'row_3.yaml'}]\n")
    output = streamaug("diff", TABLE3 / "row_3.yaml", tmp_path / "same.yaml", store.url)
    assert "0 removed, 0 added" in output
    assert "1200 rows are at the same position in both" in output


def test_recipe_schema_show_and_leave_one_out(tmp_path: Path) -> None:
    assert json.loads(streamaug("recipe", "schema"))["title"] == "streamaug recipe"
    output = streamaug("recipe", "show", TABLE3 / "row_7.yaml")
    (tmp_path / "written.yaml").write_text(output)
    assert load_recipe(tmp_path / "written.yaml").hash == load_recipe(TABLE3 / "row_7.yaml").hash
    streamaug("recipe", "leave-one-out", RECIPES / "all_codecs.yaml", tmp_path / "family")
    written = sorted(path.name for path in (tmp_path / "family").iterdir())
    assert written == [f"without_{codec}.yaml" for codec in ("aac", "he_aac", "mp3", "opus", "sbc")]
    assert "mp3_32" not in load_recipe(tmp_path / "family" / "without_mp3.yaml").conditions
    output = streamaug("recipe", "leave-one-out", "--encoders", RECIPES / "all_codecs.yaml", tmp_path / "encoders")
    assert sorted(path.name for path in (tmp_path / "encoders").iterdir()) == ["without_aac_default.yaml", "without_he_aac_default.yaml"]
    assert "he-aac_32" in output
    assert "aac_32" not in load_recipe(tmp_path / "encoders" / "without_aac_default.yaml").conditions


def test_plan_runs_without_torch_and_prints_errors_in_one_line(store: Store) -> None:
    """In a process of its own, as a user runs it."""
    code = "import sys; from streamaug.cli.main import main\ntry: main()\nfinally: print('torch' in sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", code, "plan", str(TABLE3 / "row_7.yaml"), store.url], capture_output=True, text=True, check=False
    )
    assert ran.stdout.splitlines()[-1] == "False", ran.stderr
    ran = subprocess.run([sys.executable, "-c", code, "plan", "no.yaml", store.url], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stderr == "error: no.yaml: no such file; choose a recipe (a YAML file, see docs/recipes.md)\n"
