"""A table whose own columns change: what was made of the old values is not passed off as made of the new ones."""

import csv
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import soundfile

from streamaug.building.build import build
from streamaug.conditions import parse_conditions
from streamaug.effects import LoadClip
from streamaug.errors import ClipsError, StateError, StoreError
from streamaug.progress import Silent
from streamaug.store import Store
from streamaug.streaming import Stream
from tests.building.clips import write_clips


class OnDevice:
    """Holds the clips of device 0; mixes each with the clip `clip001`, if asked to."""

    version = "1"

    def __init__(self, *, is_mixing: bool = False) -> None:
        self.arguments = {"mixing": str(is_mixing)}

    def fit(self, clips: pa.Table, load: LoadClip, rate: int) -> "OnDevice":  # the seam's signature
        return self

    def applies_to(self, clip: Mapping[str, Any]) -> bool:
        return bool(clip["device"] == "0")

    def apply(self, signal: np.ndarray, rate: int, clip: Mapping[str, Any], load: LoadClip) -> np.ndarray:
        return (signal + load("clip001")) / 2 if self.arguments["mixing"] == "True" else signal / 2


EFFECTS = {"on-device": OnDevice(), "mixing": OnDevice(is_mixing=True)}


def make(table: Path, store: Path, conditions: str, **settings: Any) -> Store:
    with ThreadPoolExecutor(2) as executor:
        build(table, str(store), conditions=parse_conditions(conditions), executor=executor, effects=EFFECTS, **settings)
    return Store.open(store)


def change_devices(table: Path) -> None:
    with table.open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["device"] = str((int(row["device"]) + 1) % 3)
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def held(store: Store) -> tuple[list[str], list[str]]:
    """The clips that the condition holds, and those that it should hold."""
    of_device = [row["clip_id"] for row in store.clips.to_pylist() if row["device"] == "0"]
    return sorted(store.index("on-device").table["clip_id"].to_pylist()), of_device


@pytest.mark.parametrize("conditions", ["original", "original,on-device"])
def test_effects_do_not_stay_beside_values_that_they_did_not_see(tmp_path: Path, conditions: str) -> None:
    table = write_clips(tmp_path / "clips", 8, seconds=0.1)
    first = make(table, tmp_path / "store", "original,on-device")
    change_devices(table)
    with pytest.raises(StoreError, match=r"clip 'clip000' has another 'device'.*rebuild these with --replace --conditions on-device"):
        make(table, tmp_path / "store", conditions)
    assert first.reopen().manifest == first.manifest
    store = make(table, tmp_path / "store", "on-device", replace=True)
    assert held(store)[0] == held(store)[1] == ["clip002", "clip005"]


def test_codecs_and_new_columns_do_not_mind(tmp_path: Path) -> None:
    table = write_clips(tmp_path / "clips", 8, seconds=0.1)
    make(table, tmp_path / "store", "original,mulaw_64")
    change_devices(table)
    assert make(table, tmp_path / "store", "original,on-device").conditions == ("original", "mulaw_64", "on-device")
    lines = table.read_text().splitlines()
    table.write_text("\n".join([f"{lines[0]},fold", *(f"{line},1" for line in lines[1:])]) + "\n")
    assert "fold" in make(table, tmp_path / "store", "original").clips.column_names


def test_effects_are_not_published_beside_values_that_another_build_has_changed(tmp_path: Path) -> None:
    table = write_clips(tmp_path / "clips", 8, seconds=0.1)
    make(table, tmp_path / "store", "original")
    changed = tmp_path / "clips" / "changed.csv"
    changed.write_bytes(table.read_bytes())
    change_devices(changed)

    class Interrupting(Silent):
        def __init__(self, table: Path, conditions: str) -> None:
            self.job = table, conditions

        def begin(self, stage: str, total: int) -> None:  # the protocol's signature
            if "encoding" in stage:
                make(self.job[0], tmp_path / "store", self.job[1], name="clips")

    with pytest.raises(StoreError, match=r"effects may depend on the clips"):
        make(table, tmp_path / "store", "on-device", progress=Interrupting(changed, "original"))
    with pytest.raises(StoreError, match=r"effects may depend on the clips"):
        make(table, tmp_path / "store", "original", progress=Interrupting(changed, "on-device"))
    store = Store.open(tmp_path / "store")
    assert held(store)[0] == held(store)[1]


def test_a_clip_that_an_effect_mixes_in_must_be_the_one_that_was_checked(tmp_path: Path) -> None:
    table = write_clips(tmp_path / "clips", 8, seconds=0.1)
    make(table, tmp_path / "store", "original", clips_per_shard=1)
    path = tmp_path / "clips" / "clip001.wav"
    before = path.stat()
    samples, rate = soundfile.read(path, dtype="int16")
    soundfile.write(path, samples[::-1], rate, subtype="PCM_16")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(ClipsError, match=r"clip 'clip001' .* has changed since it was checked; .*--recheck"):
        make(table, tmp_path / "store", "mixing", clips_per_shard=1)


def test_an_evaluation_resumes_on_the_clips_that_it_was_saved_on(tmp_path: Path) -> None:
    table = write_clips(tmp_path / "clips", 8, seconds=0.1)
    make(table, tmp_path / "store", "original")

    def evaluation() -> Stream:
        return Stream.evaluation(
            tmp_path / "store", "original", split="device=1", batch_size=1, features="waveform", threads=1, rank=0, world=1
        )

    running = evaluation()
    batches = iter(running)
    next(batches)
    state = running.state_dict()
    wanted = [batch["clip_id"] for batch in batches]
    change_devices(table)
    make(table, tmp_path / "store", "original")
    resumed = evaluation()
    resumed.load_state_dict(state)
    assert [batch["clip_id"] for batch in resumed] == wanted
    del state["snapshot"]
    with pytest.raises(StateError):
        evaluation().load_state_dict(state)


class After(Silent):
    """Does something when the first step of a stage is done."""

    def __init__(self, stage: str, action: Callable[[], None]) -> None:
        self.stage, self.action, self.stages = stage, action, list[str]()

    def begin(self, stage: str, total: int) -> None:
        self.stages.append(f"{stage} {total}")

    def advance(self, steps: int) -> None:  # the protocol's signature
        if self.stage in self.stages[-1]:
            self.action()


def test_what_was_found_out_about_a_file_is_not_taken_for_facts_about_the_one_that_replaced_it_meanwhile(tmp_path: Path) -> None:
    table = write_clips(tmp_path / "clips", 3, seconds=0.1)

    def stop() -> None:
        raise KeyboardInterrupt

    def replace() -> None:
        path = tmp_path / "clips" / "clip001.wav"
        samples, rate = soundfile.read(path, dtype="int16")
        soundfile.write(path, samples[::-1], rate, subtype="PCM_16")

    with pytest.raises(KeyboardInterrupt):
        make(table, tmp_path / "store", "original", progress=After("encoding", stop))
    make(table, tmp_path / "store", "original", progress=After("checking", replace))
    with pytest.raises(StoreError, match="clip 'clip001' has other audio"):
        make(table, tmp_path / "store", "original")
