"""shards/README.md describes the format as it is."""

import hashlib
import io
import json
import re
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from streamaug.building.build import build
from streamaug.codecs import load_settings
from streamaug.codecs.lc3.codec import Lc3
from streamaug.codecs.neural.codec import NeuralCodec
from streamaug.conditions import parse_conditions
from streamaug.store import Store
from streamaug.store.format import FORMAT, INDEX_SCHEMA, TARGET_FIELDS, CodingStep, IndexMeta, ShardInfo, clips_schema
from streamaug.store.manifest import ClipsFile, IndexFile, Manifest
from tests.building.clips import write_clips

README = (Path(__file__).parents[2] / "shards" / "README.md").read_text("utf-8")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built") / "store"
    with ThreadPoolExecutor(2) as executor:
        table = write_clips(tmp_path_factory.mktemp("clips"), 6, subtype="PCM_24")
        build(table, str(folder), conditions=parse_conditions("original,mp3_64"), clips_per_shard=2, executor=executor)
    return folder


def section(title: str) -> str:
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def table(title: str) -> dict[str, list[str]]:
    """Rows of a section's table by their first cell."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section(title).splitlines() if line.startswith("| `")]
    return {re.findall(r"`([^`]+)`", row[0])[0]: row[1:] for row in rows}


@pytest.mark.parametrize(
    ("title", "schema"), [*(("The clips table", clips_schema(target)) for target in (*TARGET_FIELDS, None)), ("The index", INDEX_SCHEMA)]
)
def test_the_columns_are_those_of_the_schema_in_its_order(title: str, schema: pa.Schema) -> None:
    others = TARGET_FIELDS.keys() - set(schema.names)
    described = {name: cells[0] for name, cells in table(title).items() if len(cells) == 2 and name not in others}
    assert described == {field.name: f"{field.type}{' or null' if field.nullable else ''}" for field in schema}


def test_the_keys_are_those_of_the_models() -> None:
    assert list(table("store.json")) == list(Manifest.model_fields)
    assert [name for name, cells in table("The index").items() if len(cells) == 1] == list(IndexMeta.model_fields)
    for name in (*CodingStep.model_fields, *ShardInfo.model_fields):
        assert f"`{name}`" in section("The index")
    for name in (*ClipsFile.model_fields, *IndexFile.model_fields):
        assert f"`{name}`" in section("store.json")
    assert f"version {FORMAT}" in README


def test_every_extension_is_described() -> None:
    described = {
        name
        for line in section("Shards").splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`([a-z0-9]+)`", line.split("|")[1])
    }
    assert described == {"flac", Lc3().extension, NeuralCodec.extension, *(codec.extension for codec in load_settings().codecs.values())}


def test_its_examples_read_a_clip(store: Path) -> None:
    with_library, without = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names: dict[str, Any] = {"store": str(store)}
    exec(with_library, names)  # shards/README.md is part of this repository; its examples must run unchanged
    assert names["audio"].rate == Store.open(store).manifest.rate
    exec(without, names)
    assert hashlib.sha256(names["bitstream"]).digest() == names["row"]["sha256"]
    assert names["bitstream"] == Store.open(store).location("mp3_64", names["row"]["clip_id"]).read(Store.open(store).folder)


def first_member(store: Path, condition: str, extension: str) -> tuple[str, bytes]:
    """clip_id and bytes of the first member of a kind."""
    with tarfile.open(min((store / condition).glob("*.tar"))) as tar:
        member = next(member for member in tar if member.name.endswith(f".{extension}"))
        return member.name.partition(".")[0], tar.extractfile(member).read()


def test_the_hashes_are_computed_as_it_says(store: Path) -> None:
    clip_id, payload = first_member(store, "original", "flac")
    (clip,) = (clip for clip in Store.open(store).clips.to_pylist() if clip["clip_id"] == clip_id)
    samples, _ = soundfile.read(io.BytesIO(payload), dtype="int32")
    assert clip["depth"] == 24
    assert hashlib.sha256(b"24" + samples.astype("<i4").tobytes()).digest() == clip["sha256"]
    path = store / "mp3_64" / Store.open(store).manifest.conditions["mp3_64"].file
    footer = json.loads(pq.read_schema(path).metadata[b"streamaug"])
    assert hashlib.sha256(json.dumps(footer["steps"], sort_keys=True).encode()).hexdigest()[:8] == footer["settings"]
    assert all(shard["name"].startswith(footer["settings"]) for shard in footer["shards"])


def test_the_json_has_the_keys_that_it_lists(store: Path) -> None:
    clip_id, data = first_member(store, "mp3_64", "json")
    (clip,) = (clip for clip in Store.open(store).clips.to_pylist() if clip["clip_id"] == clip_id)
    description = section("Shards").split("The JSON contains")[1]
    keys = set(re.findall(r"`([a-z0-9_]+)`", description.split(":", 1)[1]))
    own = {name for name, value in clip.items() if value is not None and name not in ("shard", "samples", "depth", "sha256")}
    assert set(json.loads(data)) == (keys | own) - {"class_numbers"}  # this store has one label per clip
