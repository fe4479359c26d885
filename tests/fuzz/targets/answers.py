"""What a stress test leaves: settings, predictions, card; finished runs; and tables of grades."""

import io
import shutil
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from streamaug.quality.measures import MEASURES
from streamaug.quality.table import FOOTER, Quality, QualityMeta, meta_of, table_of
from streamaug.stress.analysis.answers import answers_of
from streamaug.stress.card_file import CARD_FILE
from streamaug.stress.compare import compare, open_card
from streamaug.stress.predictions import PREDICTIONS_FILE, read_predictions
from streamaug.stress.runs import load_runs
from streamaug.stress.settings import SETTINGS_FILE, read_settings, write_settings
from tests.fuzz.edits import edit_json
from tests.fuzz.table_edits import edit_table
from tests.fuzz.target import Target
from tests.fuzz.targets.stores import small_store
from tests.stress.made import settings_of, store_predictions, write_card_without_page

_RECIPE = "draw: union\nmixture: {original: 1, mp3_64: 1}\n"


@cache
def _examples() -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {CARD_FILE: [], PREDICTIONS_FILE: [], "grades": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = small_store(folder / "store")
        card = write_card_without_page(folder / "card", store_predictions(store, 0), store)
        found[CARD_FILE].append((card / CARD_FILE).read_bytes())
        found[PREDICTIONS_FILE].append((card / PREDICTIONS_FILE).read_bytes())
        coded, peaq = store.index("mp3_64"), MEASURES["peaq"]
        names = coded.table["clip_id"].to_pylist()
        grade = {field.name: 1 for field in peaq.schema if field.name not in ("clip_id", "measure")}
        meta = meta_of("mp3_64", coded, store.index("original"), peaq)
        found["grades"].append(Quality(meta=meta, table=table_of(peaq, names, [grade] * len(names))).to_bytes())
    return found


def _parse_card_folder(data: bytes, folder: Path, fuzzed: str) -> None:
    """Compare a card one of whose files is foreign with itself."""
    for file in (CARD_FILE, PREDICTIONS_FILE):
        (folder / file).write_bytes(data if file == fuzzed else _examples()[file][0])
    opened = open_card(folder)
    compare([opened, opened])


def _parse_card(data: bytes, folder: Path) -> None:
    _parse_card_folder(data, folder, CARD_FILE)


def _parse_predictions(data: bytes, folder: Path) -> None:
    path = folder / "answers.parquet"
    path.write_bytes(data)
    answers = answers_of(read_predictions(path), ["cat", "dog"], "answers.parquet")
    assert answers.values.shape == (len(answers.conditions),)
    _parse_card_folder(data, folder, PREDICTIONS_FILE)


def _parse_settings(data: bytes, folder: Path) -> None:
    (folder / SETTINGS_FILE).write_bytes(data)
    settings = read_settings(folder)
    assert settings is not None
    settings.differences(settings_of())


def _settings() -> Sequence[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        write_settings(Path(folder), settings_of())
        return [(Path(folder) / SETTINGS_FILE).read_bytes()]


def _parse_run(data: bytes, folder: Path) -> None:
    run = folder / "run"
    run.mkdir()
    (run / "recipe.yaml").write_text(_RECIPE)
    (run / "predictions.parquet").write_bytes(data)
    load_runs([folder])
    shutil.rmtree(run)


def _runs() -> Sequence[bytes]:
    clips = ["clip0", "clip1", "clip2"]
    columns = {
        "condition": ["mp3_64"] * 3 + ["original"] * 3,
        "clip_id": clips * 2,
        "group": ["x", "x", "y"] * 2,
        "label": ["cat", "dog", "cat"] * 2,
        "predicted": ["cat", "cat", "dog", "cat", "dog", "cat"],
    }
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return [sink.getvalue()]


def _parse_grades(data: bytes, _folder: Path) -> None:
    footer = pq.read_schema(io.BytesIO(_examples()["grades"][0])).metadata[FOOTER]
    quality = Quality.from_bytes(data, "quality.parquet", QualityMeta.model_validate_json(footer).key)
    if quality is not None:
        assert quality.table.schema.names == quality.measure.schema.names


TARGETS = (
    Target("card", _parse_card, lambda: _examples()[CARD_FILE], (edit_json,)),
    Target("predictions", _parse_predictions, lambda: _examples()[PREDICTIONS_FILE], (edit_table,)),
    Target("stress-settings", _parse_settings, _settings, (edit_json,)),
    Target("run", _parse_run, _runs, (edit_table,)),
    Target("grades", _parse_grades, lambda: _examples()["grades"], (edit_table,)),
)
