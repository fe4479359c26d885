"""Snapshots: what a reader opened stays, what nobody needs can be pruned, small shards can be joined."""

import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch.utils.data import DataLoader
from torchdata.stateful_dataloader import StatefulDataLoader
from typer.testing import CliRunner

from streamaug.building.build import build
from streamaug.building.compact import compact
from streamaug.building.prune import find_prunable
from streamaug.cli.main import app
from streamaug.codecs import Settings, load_settings
from streamaug.conditions import parse_conditions
from streamaug.errors import FeatureError, StateError, StoreError
from streamaug.features import LogMel
from streamaug.planning.open_plan import replan
from streamaug.planning.sequential import SequentialPlan
from streamaug.progress import Silent
from streamaug.store import Store
from streamaug.store.manifest import read_manifest
from streamaug.streaming import Stream, StreamLoader
from streamaug.testing import build_store
from streamaug.verifying.verify import verify
from tests.building.clips import write_clips
from tests.in_process import InProcess

RECIPE = {"draw": "union", "mixture": {"original": 1, "mp3_32": 1}}
DAY = 86_400


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clips(tmp_path_factory.mktemp("clips"), 24, seconds=0.25)


@pytest.fixture(scope="module")
def other_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    path = tmp_path_factory.mktemp("settings") / "settings.yaml"
    path.write_text('codecs: {mp3: {encoders: [{adapter: pyav, encoder: libmp3lame, muxer: mp3, arguments: {reservoir: "0"}}]}}')
    return load_settings(path)


def make(clips: Path, store: Path, conditions: str = "original,mp3_32", **settings: Any) -> Store:
    with ThreadPoolExecutor(2) as executor:
        build(clips, str(store), conditions=parse_conditions(conditions), executor=executor, clips_per_shard=4, **settings)
    return Store.open(store)


def findings(store: Store) -> list[str]:
    with ThreadPoolExecutor(2) as executor:
        return [str(finding) for finding in verify(store, decode=True, executor=executor).findings]


def sounds(store: Store) -> dict[tuple[str, str], bytes]:
    ids = store.clips["clip_id"].to_pylist()
    return {(name, clip): store.read(name, clip).samples.tobytes() for name in store.conditions for clip in ids}


def stream(store: Path) -> Stream:
    return Stream(RECIPE, store, batch_size=6, features="waveform", threads=1)


def persistent(opened: Stream) -> DataLoader:
    return DataLoader(opened, batch_size=None, num_workers=2, persistent_workers=True)


def rows(batches: Any) -> list[tuple[int, str, str, bytes]]:
    return [
        (int(position), clip, condition, np.asarray(wave).tobytes())
        for batch in batches
        for position, clip, condition, wave in zip(batch["position"], batch["clip_id"], batch["condition"], batch["waveform"], strict=True)
    ]


def test_a_stream_goes_on_while_its_condition_is_replaced_and_its_position_resumes_on_its_snapshot(
    clips: Path, other_settings: Settings, tmp_path: Path
) -> None:
    make(clips, tmp_path / "store")
    wanted = rows(stream(tmp_path / "store"))
    running = stream(tmp_path / "store")
    batches = iter(running)
    served = rows([next(batches)])
    make(clips, tmp_path / "store", settings=other_settings, replace=True)
    state = json.loads(json.dumps(running.state_dict()))
    assert served + rows(batches) == wanted
    resumed = stream(tmp_path / "store")
    resumed.load_state_dict(state)
    assert rows(resumed) == wanted[6:]
    fresh = rows(stream(tmp_path / "store"))
    assert [row[:3] for row in fresh] == [row[:3] for row in wanted]
    assert fresh != wanted
    assert resumed.state_dict()["snapshot"] == state["snapshot"], "the next epoch would be on another snapshot"


@pytest.mark.parametrize("loader", [lambda opened: StreamLoader(opened, num_workers=2), persistent])
def test_workers_that_live_longer_than_a_plan_go_over_to_the_snapshot_of_a_position_and_back(
    clips: Path, other_settings: Settings, tmp_path: Path, loader: Callable[[Stream], DataLoader]
) -> None:
    make(clips, tmp_path / "store")
    wanted = rows(stream(tmp_path / "store"))
    running = stream(tmp_path / "store")
    next(iter(running))
    state = running.state_dict()
    make(clips, tmp_path / "store", settings=other_settings, replace=True)
    opened = stream(tmp_path / "store")
    batches = loader(opened)
    current, new = rows(batches), opened.next_position_dict()
    opened.set_epoch(1)
    opened.load_state_dict(state)
    assert rows(batches) == wanted[6:]
    assert opened.next_position_dict()["snapshot"] == state["snapshot"]
    opened.load_state_dict({**new, "epoch": 0})
    assert rows(batches) == current


def test_a_stream_whose_position_torchdata_has_its_workers_load_stays_on_the_snapshot_of_the_position(
    clips: Path, other_settings: Settings, tmp_path: Path
) -> None:
    def loader(opened: Stream) -> StatefulDataLoader:
        return StatefulDataLoader(opened, batch_size=None, num_workers=2, snapshot_every_n_steps=1)

    make(clips, tmp_path / "store")
    whole = stream(tmp_path / "store")
    wanted, wanted_next = rows(whole), rows(whole)
    first = stream(tmp_path / "store")
    position = first.state_dict()
    stopped = loader(first)
    next(iter(stopped))
    state = stopped.state_dict()
    make(clips, tmp_path / "store", settings=other_settings, replace=True)
    opened = stream(tmp_path / "store")
    resumed = loader(opened)
    resumed.load_state_dict(state)
    served = list(resumed)
    assert rows(served) == wanted[6:]
    assert opened.state_after(served[0])["snapshot"] == position["snapshot"]
    assert rows(resumed) == wanted_next


def test_a_position_whose_snapshot_was_pruned_is_an_error_that_says_so(clips: Path, other_settings: Settings, tmp_path: Path) -> None:
    make(clips, tmp_path / "store")
    state = stream(tmp_path / "store").state_dict()
    store = make(clips, tmp_path / "store", settings=other_settings, replace=True)
    find_prunable(store, 0, now=time.time() + 1).delete()
    with pytest.raises(
        StateError, match=rf"condition 'mp3_32' has another content.*no snapshot '{state['snapshot']}' any more: it was pruned"
    ):
        stream(tmp_path / "store").load_state_dict(state)


def test_a_position_is_good_on_later_snapshots_with_the_same_rows(clips: Path, tmp_path: Path) -> None:
    make(clips, tmp_path / "store")
    state = stream(tmp_path / "store").state_dict()
    store = make(clips, tmp_path / "store", "original,alaw_64")
    resumed = stream(tmp_path / "store")
    resumed.load_state_dict(state)
    assert resumed.state_dict()["snapshot"] == store.snapshot


def test_a_build_that_changes_nothing_publishes_nothing(clips: Path, tmp_path: Path) -> None:
    first = make(clips, tmp_path / "store")
    assert make(clips, tmp_path / "store").manifest == first.manifest
    assert len(list((tmp_path / "store" / "snapshots").glob("*.json"))) == 1


def test_pruning_deletes_what_no_kept_snapshot_names_and_nothing_else(clips: Path, other_settings: Settings, tmp_path: Path) -> None:
    first = make(clips, tmp_path / "store")
    second = make(clips, tmp_path / "store", settings=other_settings, replace=True)
    old = {f"mp3_32/{shard.name}" for shard in first.index("mp3_32").meta.shards}
    old |= {f"mp3_32/{first.manifest.conditions['mp3_32'].file}", f"snapshots/{first.snapshot}.json"}
    assert find_prunable(second, DAY).files == {}, "both were current within a day"
    pruning = find_prunable(second, DAY, now=time.time() + 2 * DAY)
    assert set(pruning.files) == old
    assert [manifest.snapshot for manifest in pruning.snapshots] == [first.snapshot]
    heard = sounds(second)
    pruning.delete()
    assert sounds(second.reopen()) == heard
    assert findings(second) == []
    with pytest.raises(StoreError, match=r"no snapshot .* any more"):
        read_manifest(second.folder, first.snapshot)


def test_pruning_keeps_what_a_build_that_was_stopped_has_finished_until_it_is_old(clips: Path, tmp_path: Path) -> None:
    store = make(clips, tmp_path / "store", "original")

    class StopError(Exception):
        pass

    class Stopping:
        def begin(self, stage: str, total: int) -> None:
            self.stage = stage

        def advance(self, steps: int) -> None:
            if "encoding" in self.stage:
                raise StopError

        def say(self, message: str) -> None: ...

    with pytest.raises(StopError):
        make(clips, tmp_path / "store", progress=Stopping())
    tars = list((tmp_path / "store" / "mp3_32").glob("*.tar"))
    assert tars
    assert findings(store) == [], "work of a build that was stopped is not damage"
    assert find_prunable(store, DAY).files == {}
    later = find_prunable(store, DAY, now=time.time() + 2 * DAY)
    assert {f"mp3_32/{tar.name}" for tar in tars} <= set(later.files)
    later.delete()
    assert not list((tmp_path / "store" / "mp3_32").glob("*.tar"))
    assert len(make(clips, tmp_path / "store").index("mp3_32")) == 24


def test_small_shards_are_joined_and_sound_and_rows_stay_the_same(clips: Path, tmp_path: Path) -> None:
    lines = clips.read_text().splitlines()
    table = clips.parent / "growing.csv"
    for count in (9, 17, 25):
        table.write_text("\n".join(lines[:count]) + "\n")
        store = make(table, tmp_path / "store", name="growing")
    heard, shards = sounds(store), len(store.index("mp3_32").meta.shards)
    state = stream(tmp_path / "store").state_dict()
    wanted = rows(stream(tmp_path / "store"))
    with ThreadPoolExecutor(2) as executor:
        joined = compact(store, executor=executor)
    after = store.reopen()
    assert joined.before == {"original": shards, "mp3_32": shards}
    assert joined.after == {"original": 2, "mp3_32": 2} == {name: len(after.index(name).meta.shards) for name in after.conditions}
    assert sounds(after) == heard == sounds(store)
    assert findings(after) == []
    resumed = stream(tmp_path / "store")
    resumed.load_state_dict(state)
    assert rows(resumed) == wanted
    with ThreadPoolExecutor(2) as executor:
        assert compact(after, executor=executor).before == joined.after, "nothing is left to join"
    assert make(table, tmp_path / "store", name="growing").manifest == after.manifest


def test_shards_are_not_joined_under_a_condition_that_another_build_has_added(clips: Path, tmp_path: Path) -> None:
    store = make(clips, tmp_path / "store")

    class Interrupting(Silent):
        def begin(self, stage: str, total: int) -> None:  # the protocol's signature
            make(clips, tmp_path / "store", "original,alaw_64")

    with ThreadPoolExecutor(2) as executor, pytest.raises(StoreError, match="another build has changed conditions"):
        compact(store, executor=executor, progress=Interrupting())
    assert findings(store.reopen()) == []
    assert store.reopen().conditions == ("original", "alaw_64", "mp3_32")


def test_the_commands_list_prune_and_join(clips: Path, other_settings: Settings, tmp_path: Path) -> None:
    first = make(clips, tmp_path / "store", "original")
    second = make(clips, tmp_path / "store")
    third = make(clips, tmp_path / "store", settings=other_settings, replace=True)
    store = str(tmp_path / "store")

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    log = run("log", store)
    assert [line.split()[1] for line in log.splitlines() if any(s.snapshot in line for s in (first, second, third))] == [
        third.snapshot,
        second.snapshot,
        first.snapshot,
    ]
    settings = [opened.manifest.conditions["mp3_32"].settings for opened in (second, third)]
    assert f"mp3_32: added, 24 clips, settings {settings[0]}" in log
    assert f"mp3_32: replaced, settings {settings[1]} instead of {settings[0]}" in log
    time.sleep(1.1)
    assert "would delete 2 snapshots and 8 other files" in run("prune", store, "--older-than", "0s")
    assert Store.open(store, snapshot=second.snapshot).index("mp3_32")
    assert "deleted 2 snapshots and 8 other files" in run("prune", store, "--older-than", "0s", "--delete")
    assert "nothing to delete" in run("prune", store, "--older-than", "0s")
    assert "joined" in run("compact", store, "--workers", "1")
    assert findings(Store.open(store)) == []


def test_facts_about_sources_are_kept_until_a_file_changes(tmp_path: Path) -> None:
    table = write_clips(tmp_path / "clips", 6)

    class Counting:
        checked = 0

        def begin(self, stage: str, total: int) -> None:
            if "checking" in stage:
                self.checked += total

        def advance(self, steps: int) -> None: ...

        def say(self, message: str) -> None: ...

    def checked(**settings: Any) -> int:
        counting = Counting()
        make(table, tmp_path / "store", progress=counting, **settings)
        return counting.checked

    assert [checked(), checked(), checked(recheck=True)] == [6, 0, 6]
    first = tmp_path / "clips" / "clip000.wav"
    os.utime(first, ns=(0, 0))
    assert [checked(), checked()] == [1, 0]


@pytest.mark.parametrize("size", [0.0, -1.0, float("nan"), float("inf")])
def test_a_size_that_is_none_is_refused_before_shards_are_joined(clips: Path, tmp_path: Path, size: float) -> None:
    with pytest.raises(StoreError, match="is not a size of shards"):
        compact(make(clips, tmp_path / "store", "original"), shard_mb=size, executor=InProcess())


def lengths_of_two_snapshots(folder: Path) -> tuple[Store, Store]:
    """A store whose clips with `use=yes` were of 0.1 to 2 s and are of 0.5 to 1 s now."""
    built = build_store(folder, clips=12, seconds=(0.1, 2.0), conditions="original,alaw_64")
    table = folder / "recordings" / "clips.csv"
    seconds = {f"{clip['clip_id']}.wav": clip["samples"] / 8_000 for clip in built.clips.to_pylist()}
    header, *lines = table.read_text().splitlines()
    snapshots = []
    for shortest, longest in ((0.0, 2.0), (0.5, 1.0)):
        used = [f"{line},{'yes' if shortest <= seconds[line.split(',')[0]] <= longest else 'no'}" for line in lines]
        table.write_text("\n".join([f"{header},use", *used]) + "\n")
        build(table, str(folder / "store"), conditions=parse_conditions("original,alaw_64"), clips_per_shard=5, executor=InProcess())
        snapshots.append(Store.open(folder / "store"))
    return snapshots[0], snapshots[1]


def test_a_position_on_a_snapshot_with_shorter_and_longer_clips_resumes_with_features_of_their_lengths(tmp_path: Path) -> None:
    def opened(store: Store, features: Any) -> Stream:
        recipe = {"draw": "union", "mixture": {"original": 1, "alaw_64": 1}}
        return Stream(recipe, store, split="use=yes", batch_size=4, tail="keep", threads=1, features=features)

    first, second = lengths_of_two_snapshots(tmp_path)
    state = opened(first, "waveform").state_dict()
    resumed = opened(second, "waveform")
    assert max(int(batch["length"].max()) for batch in resumed) <= 8_000
    resumed.load_state_dict(state)
    assert max(int(batch["length"].max()) for batch in resumed) == 16_000
    picky = opened(second, LogMel(n_fft=2048, hop=512, deltas=False))
    before = [batch["clip_id"] for batch in picky]
    with pytest.raises(FeatureError, match=r"needs 1025 samples or more; the shortest is clip '"):
        picky.load_state_dict(state)
    picky.set_epoch(0)  # it stays on its own snapshot
    assert [batch["clip_id"] for batch in picky] == before


def test_a_plan_in_the_order_of_the_shards_keeps_it_on_another_snapshot(clips: Path, other_settings: Settings, tmp_path: Path) -> None:
    first = make(clips, tmp_path / "store")
    plan = SequentialPlan.of(first, ["mp3_32"], "train", by_shard=True)
    second = make(clips, tmp_path / "store", settings=other_settings, replace=True)
    assert replan(plan, first).identity == plan.identity
    opened = Stream(SequentialPlan.of(second, ["mp3_32"], "train", by_shard=True), second, batch_size=4, features="waveform", threads=1)
    opened.load_state_dict(Stream(plan, first, batch_size=4, features="waveform", threads=1).state_dict())
    assert opened.plan.identity == plan.identity
