"""Tables and archives that a store is built from."""

import io
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import soundfile

from streamaug.building.excerpts import excerpts_of
from streamaug.building.table_reading import read_table
from streamaug.building.tar_clips import tar_clips
from streamaug.building.targets import label_values
from streamaug.building.unpacking import arrow_clips, unpack
from tests.fuzz.edits import edit_text
from tests.fuzz.table_edits import edit_table
from tests.fuzz.target import Target
from tests.store.test_tars import tar

_CSV = (
    "path,label,split,group,device\nd/a.wav,dog,train,x,a\nd/b.wav,cat,evaluate,y,\n",
    'path;labels;split;start;stop\n"a;1.wav";dog|cat;train;0;2.5\na.wav;;train;2.5;\n',
    "clip_id\tpath\ttarget\tsplit\na\ta.wav\t0.5\ttrain\nb\tb.wav\t-1\tevaluate\n",
)


def _parquet(columns: dict[str, list[object]], metadata: dict[str, str] | None = None) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), sink)
    return sink.getvalue()


def _parquets() -> Sequence[bytes]:
    plain: dict[str, list[object]] = {"path": ["a.wav", "b.wav", "a.wav"], "split": ["train", "train", "evaluate"], "fold": [1, 2, 3]}
    return [
        _parquet({**plain, "label": ["dog", "cat", "dog"]}),
        _parquet({**plain, "labels": [["dog"], ["cat", "dog"], []], "start": [0.0, None, 1.5], "stop": [1.0, None, None]}),
        _parquet({**plain, "target": [0.5, -1.0, 7.0], "clip_id": ["a", "b", "c"], "group": ["x", None, "y"]}),
    ]


def _parse_table(data: bytes, path: Path) -> None:
    path.write_bytes(data)
    table = read_table(path, "split")
    excerpts_of(table)
    label_values(table)


def _parse_csv(data: bytes, folder: Path) -> None:
    _parse_table(data, folder / "clips.csv")


def _parse_parquet(data: bytes, folder: Path) -> None:
    _parse_table(data, folder / "clips.parquet")


def _wav() -> bytes:
    sink = io.BytesIO()
    soundfile.write(sink, [0.0] * 100, 8_000, format="WAV")
    return sink.getvalue()


def _parse_tar(data: bytes, folder: Path) -> None:
    path = folder / "train-000.tar"
    path.write_bytes(data)
    for row in unpack(tar_clips([str(path)], Counter()), folder / "audio").rows:
        assert (folder / "audio") in Path(row["path"] or "").resolve().parents, "unpacked to somewhere else"


def _tars() -> Sequence[bytes]:
    about = json.dumps({"label": "dog", "split": "train", "take": 3, "tags": ["a", None], "path": "x.wav"}).encode()
    return [
        tar({"d/a.wav": _wav(), "d/a.json": about, "d/b.wav": _wav(), "d/b.cls": b"dog", "d/b.txt": "é".encode()}),
        tar({"a.wav": _wav()}),
    ]


def _parse_dataset(data: bytes, folder: Path) -> None:
    path = folder / "train-00000-of-00001.parquet"
    path.write_bytes(data)
    unpack(arrow_clips(path), folder / "audio")


def _datasets() -> Sequence[bytes]:
    label, tag = ({"_type": "ClassLabel", "names": names} for names in (["cat", "dog"], ["x"]))
    features = {"info": {"features": {"label": label, "tags": [tag]}}}
    audio: list[object] = [{"bytes": _wav(), "path": "a.wav"}, {"bytes": _wav(), "path": None}]
    columns: dict[str, list[object]] = {"audio": audio, "label": [0, 1], "tags": [[0], []]}
    return [_parquet(columns, {"huggingface": json.dumps(features)})]


TARGETS = (
    Target("clips-csv", _parse_csv, lambda: [text.encode() for text in _CSV], (edit_text,)),
    Target("clips-parquet", _parse_parquet, _parquets, (edit_table,)),
    Target("webdataset", _parse_tar, _tars),
    Target("dataset", _parse_dataset, _datasets, (edit_table,)),
)
