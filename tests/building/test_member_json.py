"""The JSON of a member is strict, whatever a Parquet table holds."""

import json
import tarfile
from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq

from streamaug.building.build import build
from streamaug.conditions import Condition
from tests.building.clips import write_clips
from tests.in_process import InProcess


def refuse(word):
    raise ValueError(word)


def members(store):
    """The JSON of every clip, by clip_id."""
    found = {}
    for shard in (store / "original").glob("*.tar"):
        with tarfile.open(shard) as tar:
            for member in tar:
                if member.name.endswith(".json"):
                    clip = json.loads(tar.extractfile(member).read(), parse_constant=refuse)
                    found[clip["clip_id"]] = clip
    return found


def test_every_type_of_an_own_column_is_strict_json(tmp_path):
    write_clips(tmp_path, 2)
    own = {
        "snr": [1.5, float("nan")],
        "gain": [float("-inf"), -3.0],
        "mark": [b"\xff\x00", None],
        "levels": [[1.0, float("nan")], []],
        "place": [{"city": "Oslo", "height": float("inf")}, None],
        "day": [date(2021, 3, 1), None],
        "begun": pa.array([datetime(2021, 3, 1, 12), None], pa.timestamp("ns")),
        "price": [Decimal("1.20"), None],
        "speaker": pa.array(["0012", "012"]).dictionary_encode(),
    }
    table = pa.table({"path": ["clip000.wav", "clip001.wav"], "label": ["a", "b"], "split": ["train"] * 2, **own})
    pq.write_table(table, tmp_path / "clips.parquet")
    build(tmp_path / "clips.parquet", str(tmp_path / "store"), conditions=[Condition()], executor=InProcess())
    clips = members(tmp_path / "store")
    first, second = clips["clip000"], clips["clip001"]
    assert {name: first.get(name) for name in own} == {
        "snr": 1.5,
        "gain": None,
        "mark": "ff00",
        "levels": [1.0, None],
        "place": {"city": "Oslo", "height": None},
        "day": "2021-03-01",
        "begun": "2021-03-01T12:00:00",
        "price": "1.20",
        "speaker": "0012",
    }
    assert "gain" not in first
    assert set(second) & set(own) == {"gain", "levels", "speaker"}
    assert second["speaker"] == "012"
