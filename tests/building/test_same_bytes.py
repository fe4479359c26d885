"""The bytes of shards, and the rows of indexes and clips tables, are the same in every version of
the builder.

The audio encoder is a stand-in, so that the digests depend neither on libFLAC nor on any other
library's version. A digest that changes here means that stores which users have built can no longer
be added to.
"""

import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from streamaug.building.build import build
from streamaug.codecs import pcm
from streamaug.conditions import parse_conditions
from streamaug.effects.common import Unfitted
from streamaug.store import Store
from tests.building.clips import RATE, content, write_table

TARS = {
    "original": "4e59548c9892e896",
    "quieter": "416865329293747b",
    "evaluated+quieter": "dfc5f42a6ef7c524",
}
INDEXES = {
    "original": "79dc7c8c8a5a1efd",
    "quieter": "aeab2e0e848dae57",
    "evaluated+quieter": "7b5d8a24cb882494",
}
CLIPS = "49e8e44ba1e5f064"


@dataclass(frozen=True)
class Quieter(Unfitted):
    version = "1"

    @property
    def arguments(self) -> Mapping[str, str]:
        return {"gain": "0.5"}

    def apply(self, signal: np.ndarray, rate: int, clip: Mapping[str, Any], load) -> np.ndarray:
        return signal * np.float32(0.5)


@dataclass(frozen=True)
class Evaluated(Unfitted):
    """Adds the split's first clip to clips of `evaluate`, and takes no others."""

    version = "2"

    @property
    def arguments(self) -> Mapping[str, str]:
        return {}

    def applies_to(self, clip: Mapping[str, Any]) -> bool:
        return clip["split"] == "evaluate"

    def apply(self, signal: np.ndarray, rate: int, clip: Mapping[str, Any], load) -> np.ndarray:
        return np.float32(0.5) * (signal + load("clip003"))


def integer_clips(folder: Path) -> Path:
    """Twelve clips of random integers, which no mathematical library rounds differently."""
    rows = []
    for number in range(12):
        samples = np.random.default_rng(number).integers(-30_000, 30_000, RATE // 4, np.int16)
        soundfile.write(folder / f"clip{number:03d}.wav", samples, RATE)
        rows.append((f"clip{number:03d}.wav", "ab"[number % 2], "evaluate" if number % 4 == 3 else "train", f"place{number}", number % 3))
    return write_table(folder / "clips.csv", rows)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built") / "store"
    table = integer_clips(tmp_path_factory.mktemp("clips"))
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(2) as executor:
        patch.setattr(pcm, "encode_flac", lambda signal, rate: rate.to_bytes(4, "little") + signal.tobytes())
        patch.setattr(pcm, "flac_version", lambda: "stand-in 1")
        build(
            table,
            str(folder),
            conditions=parse_conditions("original,quieter,evaluated+quieter"),
            effects={"quieter": Quieter(), "evaluated": Evaluated()},
            name="pinned",
            clips_per_shard=4,
            executor=executor,
        )
    return folder


def digest(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()[:16]


@pytest.mark.parametrize("condition", TARS)
def test_the_shards_of_a_condition_have_the_same_names_and_bytes_as_ever(store, condition):
    tars = sorted((store / condition).glob("*.tar"))
    assert digest(*(part for tar in tars for part in (tar.name.encode(), tar.read_bytes()))) == TARS[condition]


@pytest.mark.parametrize("condition", INDEXES)
def test_an_index_has_the_same_rows_and_footer_as_ever(store, condition):
    index = Store.open(store).index(condition)
    rows = json.dumps(index.table.to_pylist(), default=bytes.hex)
    assert digest(str(index.table.schema).encode(), rows.encode(), index.meta.to_json().encode()) == INDEXES[condition]


def test_the_clips_table_has_the_same_rows_as_ever(store):
    clips = Store.open(store).clips
    rows = json.dumps(clips.to_pylist(), default=bytes.hex)
    assert digest(str(clips.schema).encode(), rows.encode(), content(store)["store.json"]) == CLIPS
