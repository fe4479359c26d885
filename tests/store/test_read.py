"""Store.read: from a condition and a clip to its sound, from any kind of store, and errors that
name what is wrong."""

import pickle
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pytest
import soundfile

from streamaug.building.build import build
from streamaug.codecs import alignment
from streamaug.conditions import parse_conditions
from streamaug.effects import LoadClip
from streamaug.errors import ConditionError, CorruptError, StoreError
from streamaug.store import Location, Store
from tests.building.clips import RATE, write_clips

CONDITIONS = ("original", "mp3_64", "mulaw_64+opus_32", "quieter", "quieter+aac_64")


@dataclass(frozen=True)
class Quieter:
    """An effect that halves the signal of the clips of device 0."""

    version: str = "1"
    arguments: Mapping[str, str] = ()  # type: ignore[assignment]  # none; a dataclass takes no dict as a default

    def fit(self, clips: pa.Table, load: LoadClip, rate: int) -> "Quieter":
        return self

    def applies_to(self, clip: Mapping[str, Any]) -> bool:
        return clip["device"] == "0"

    def apply(self, signal: np.ndarray, rate: int, clip: Mapping[str, Any], load: LoadClip) -> np.ndarray:
        return signal / 2


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clips(tmp_path_factory.mktemp("clips"), 6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, clips: Path) -> Path:
    folder = tmp_path_factory.mktemp("built") / "store"
    with ThreadPoolExecutor(2) as executor:
        requested = parse_conditions(",".join(CONDITIONS))
        build(clips, str(folder), conditions=requested, clips_per_shard=2, effects={"quieter": Quieter()}, executor=executor)
    return folder


@pytest.fixture(params=["disk", "memory"])
def store(request: pytest.FixtureRequest, folder: Path) -> Store:
    if request.param == "disk":
        return Store.open(folder)
    memory = fsspec.filesystem("memory")
    if not memory.exists("/read-store"):
        memory.put(str(folder), "/read-store", recursive=True)
    return Store.open("memory://read-store")


def source(clips: Path, clip_id: str) -> np.ndarray:
    samples, _ = soundfile.read(clips.parent / f"{clip_id}.wav", dtype="float32")
    return samples


def test_an_original_is_its_source_to_the_bit(store: Store, clips: Path) -> None:
    for clip_id in store.clips["clip_id"].to_pylist():
        audio = store.read("original", clip_id)
        assert audio.rate == RATE
        assert audio.samples.dtype == np.float32
        np.testing.assert_array_equal(audio.samples, source(clips, clip_id))


@pytest.mark.parametrize(("condition", "gain"), [("mp3_64", 1), ("mulaw_64+opus_32", 1), ("quieter", 0.5), ("quieter+aac_64", 0.5)])
def test_every_condition_is_as_long_as_its_original_and_aligned_with_it(store: Store, clips: Path, condition: str, gain: float) -> None:
    audio, expected = store.read(condition, "clip003"), gain * source(clips, "clip003")
    assert audio.samples.shape == expected.shape
    assert alignment.shift(audio.samples, expected, RATE) == 0
    assert np.abs(audio.samples - expected).mean() < 0.75 * np.abs(expected).mean()


def test_a_misspelt_clip_or_condition_is_an_error_with_a_suggestion(store: Store) -> None:
    with pytest.raises(StoreError, match=r"(?i)no clip 'clp003' in condition 'mp3_64' of store .*\. did you mean 'clip003'\?"):
        store.read("mp3_64", "clp003")
    with pytest.raises(StoreError, match=r"(?i)no condition 'mp3_46' in store .*\. did you mean 'mp3_64'\?"):
        store.read("mp3_46", "clip003")
    with pytest.raises(StoreError, match=r"It has original, .*'streamaug build CLIPS.csv .* --conditions noise'"):
        store.read("noise", "clip003")
    with pytest.raises(ConditionError):
        store.read("MP3", "clip003")


def test_a_clip_that_only_this_condition_lacks_is_an_error_that_says_so(store: Store) -> None:
    with pytest.raises(StoreError, match=r"no clip 'clip001' in condition 'quieter' of store .*, which has 2 of the store's 6 clips"):
        store.read("quieter", "clip001")


def test_altered_bytes_are_an_error_that_names_shard_and_clip(folder: Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.put(str(folder), "/damaged-store", recursive=True)
    store = Store.open("memory://damaged-store")
    location = store.location("mp3_64", "clip002")
    data = bytearray(store.folder.read(location.shard))
    data[location.offset + location.size // 2] ^= 1
    store.folder.write(location.shard, bytes(data))
    with pytest.raises(CorruptError, match=rf"damaged-store/{location.shard}: clip 'clip002': does not match its sha256 in the index"):
        store.read("mp3_64", "clip002")
    store.folder.remove(location.shard)
    with pytest.raises(StoreError, match=rf"damaged-store/{location.shard}: clip 'clip002': the shard does not exist"):
        store.read("mp3_64", "clip002")


def test_a_location_knows_its_bytes_and_can_be_pickled(store: Store) -> None:
    location = store.location("quieter+aac_64", "clip003")
    copy: Location = pickle.loads(pickle.dumps(location))
    assert copy == location
    payload = copy.read(store.folder)
    assert (len(payload), copy.matches(payload), copy.matches(payload + b"x")) == (location.size, True, False)
    np.testing.assert_array_equal(copy.decode(payload, RATE).samples, store.read("quieter+aac_64", "clip003").samples)


def test_the_index_of_one_shard_has_the_same_locations(store: Store) -> None:
    index = store.index("mp3_64")
    parts = [index.shard(number) for number in range(len(index.meta.shards))]
    assert len(parts) == 4
    assert [location for part in parts for location in part.locations()] == index.locations()
