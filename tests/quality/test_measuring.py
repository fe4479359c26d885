import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from streamaug.building.build import build
from streamaug.cli.main import app
from streamaug.codecs import load_settings
from streamaug.conditions import parse_conditions
from streamaug.dask_executor import DaskExecutor
from streamaug.errors import CorruptError, StoreError
from streamaug.progress import Silent
from streamaug.quality.measuring import measure, measure_sample
from streamaug.quality.pcm import at_48_khz
from streamaug.quality.peaq import VARIABLES, peaq
from streamaug.quality.summary import summarise
from streamaug.quality.table import load_quality, quality_file
from streamaug.store import Index, Store
from streamaug.testing import replace_tables
from tests.quality.stores import CODED, build_store


class Counted(Executor):
    """Runs calls immediately and counts them."""

    def __init__(self) -> None:
        self.calls = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.calls += 1
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class Seen(Silent):
    """Records its calls, and interrupts after a number of clips."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.total, self.done, self.stop_at = 0, 0, stop_at

    def begin(self, stage: str, total: int) -> None:
        self.total = total

    def advance(self, steps: int) -> None:
        self.done += steps
        if self.done == self.stop_at:
            raise KeyboardInterrupt


def test_every_clip_is_graded_against_its_original(store: Store, thread: ThreadPoolExecutor):
    seen = Seen()
    measured = measure(store, CODED, executor=thread, progress=seen)
    assert tuple(measured) == CODED
    assert (seen.total, seen.done) == (12, 12)
    for condition, quality in measured.items():
        index = store.index(condition)
        assert quality.table["clip_id"].to_pylist() == index.table["clip_id"].to_pylist()
        row = quality.table.to_pylist()[3]
        pair = (at_48_khz(store.read(name, row["clip_id"]).samples, store.manifest.rate) for name in ("original", condition))
        by_hand = peaq(*pair, 48_000)
        assert row["grade"] == pytest.approx(by_hand.odg, abs=1e-9)
        assert [row[name] for name in VARIABLES] == pytest.approx(list(by_hand.movs.values()), rel=1e-9, abs=1e-9)
        assert load_quality(store, condition).table == quality.table


def test_what_was_measured_is_not_measured_again(store: Store):
    first, second = Counted(), Counted()
    measured = measure(store, CODED, executor=first)
    assert first.calls == 6
    assert measure(store, CODED, executor=second) == measured
    assert second.calls == 0


def test_a_stopped_run_publishes_nothing_and_resumes_with_the_missing_shards(store: Store, clips_table: Path, tmp_path: Path):
    with pytest.raises(KeyboardInterrupt):
        measure(store, ["mp3_32"], executor=Counted(), progress=Seen(stop_at=4))
    assert not store.folder.exists(quality_file("mp3_32"))
    rest = Counted()
    measured = measure(store, ["mp3_32"], executor=rest)
    assert rest.calls == 1
    assert "quality-parts" not in store.folder.names("mp3_32")
    whole = measure(build_store(clips_table, str(tmp_path / "other")), ["mp3_32"], executor=Counted())
    assert measured["mp3_32"].to_bytes() == whole["mp3_32"].to_bytes()


def test_a_killed_run_resumes_where_it_stopped(store: Store):
    command = [sys.executable, "-c", "from streamaug.cli.main import main; main()", "quality", store.url, "--workers", "1"]
    process = subprocess.Popen([*command, "--output", f"{store.url}-figures"], stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 120
    root = store.folder.local_path("")
    while not [*root.glob("*/quality-parts/[!.]*"), *root.glob("*/quality.parquet")]:  # a dot begins the name of a file half written
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    rest = Counted()
    measured = measure(store, CODED, executor=rest)
    assert rest.calls < 6
    assert [len(quality) for quality in measured.values()] == [6, 6]
    assert all("quality-parts" not in store.folder.names(condition) for condition in CODED)


def test_a_condition_that_was_built_again_is_measured_again(store: Store, clips_table: Path, tmp_path: Path, thread: ThreadPoolExecutor):
    measure(store, CODED, executor=thread)
    (tmp_path / "settings.yaml").write_text(
        "codecs: {mp3: {encoders: [{adapter: pyav, encoder: libmp3lame, muxer: mp3, arguments: {reservoir: '0'}}]}}"
    )
    settings = load_settings(tmp_path / "settings.yaml")
    build(
        clips_table, store.url, conditions=parse_conditions("mp3_32"), clips_per_shard=2, settings=settings, replace=True, executor=thread
    )
    store = store.reopen()
    with pytest.raises(StoreError, match="no grades of 'mp3_32' as it is now; run 'streamaug quality"):
        load_quality(store, "mp3_32")
    again = Counted()
    measure(store, CODED, executor=again)
    assert again.calls == 3
    assert len(load_quality(store, "mp3_32")) == 6


def test_a_sample_takes_the_same_clips_everywhere_and_keeps_nothing(store: Store, thread: ThreadPoolExecutor):
    small = measure_sample(store, CODED, 2, executor=thread)
    large = measure_sample(store, CODED, 4, executor=thread)
    chosen = [set(quality.table["clip_id"].to_pylist()) for quality in (*small.values(), *large.values())]
    assert [len(ids) for ids in chosen] == [2, 2, 4, 4]
    assert chosen[0] == chosen[1] < chosen[2] == chosen[3]
    assert all("quality.parquet" not in store.folder.names(condition) for condition in CODED)
    whole = measure(store, CODED, executor=thread)
    rows = {row["clip_id"]: row for row in whole["sbc_64"].table.to_pylist()}
    assert all(rows[row["clip_id"]] == row for row in large["sbc_64"].table.to_pylist())


def test_grades_go_to_a_remote_store_too(clips_table: Path, thread: ThreadPoolExecutor):
    store = build_store(clips_table, f"memory://quality-{uuid.uuid4().hex}")
    measure(store, ["sbc_64"], executor=thread)
    assert len(load_quality(store, "sbc_64")) == 6


def test_a_dask_cluster_can_grade(store: Store):
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=1, processes=False, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        assert len(measure(store, ["mp3_32"], executor=DaskExecutor(client))["mp3_32"]) == 6


def test_altered_bytes_are_refused_with_shard_and_clip(store: Store, thread: ThreadPoolExecutor):
    location = store.index("mp3_32").locations([4])[0]
    shard = store.folder.local_path(location.shard)
    data = bytearray(shard.read_bytes())
    data[location.offset + 50] ^= 1
    shard.write_bytes(data)
    with pytest.raises(CorruptError, match=rf"{shard.name}: clip '{location.clip_id}': does not match its sha256"):
        measure(store, ["mp3_32"], executor=thread)


def test_a_clip_without_an_original_is_refused(store: Store, thread: ThreadPoolExecutor):
    original = store.index("original")
    store = replace_tables(store, indexes=[Index(meta=original.meta, table=original.table.slice(1))])
    lost = original.table["clip_id"][0].as_py()
    with pytest.raises(StoreError, match=f"clip '{lost}' of 'mp3_32' has no original"):
        measure(store, ["mp3_32"], executor=thread)


def test_a_damaged_table_of_grades_is_refused(store: Store):
    store.folder.write(quality_file("mp3_32"), b"PAR1 but nothing more")
    with pytest.raises(CorruptError, match=r"quality.parquet: not readable as a table of grades"):
        measure(store, ["mp3_32"], executor=Counted())


def test_clips_without_a_grade_are_counted_and_left_out_of_the_mean(store: Store):
    quality = measure(store, ["mp3_32"], executor=Counted())["mp3_32"]
    odg = quality.column("grade").copy()
    odg[:2] = np.nan
    blind = type(quality)(meta=quality.meta, table=quality.table.set_column(2, "grade", pa.array(odg)))
    summary = summarise(blind)
    assert (summary.clips, summary.graded) == (6, 4)
    assert summary.mean == pytest.approx(odg[2:].mean())
    assert np.isnan(summarise(type(quality)(meta=quality.meta, table=quality.table.slice(0, 0))).mean)


def test_the_command_prints_a_summary_and_draws_violins(store: Store, tmp_path: Path):
    output = tmp_path / "figures"
    done = CliRunner().invoke(app, ["quality", store.url, "--output", str(output), "--sample", "2", "--workers", "1"])
    assert done.exit_code == 0, done.output
    assert "sbc_64" in done.output
    assert (output / "summary.csv").read_text().splitlines()[0].startswith("condition,measure,clips,graded,mean")
    assert (output / "violins.png").read_bytes().startswith(b"\x89PNG")


def test_a_store_of_the_original_alone_is_refused(clips_table: Path, tmp_path: Path, thread: ThreadPoolExecutor):
    url = str(tmp_path / "bare")
    build(clips_table, url, conditions=parse_conditions("original"), executor=thread)
    refused = CliRunner().invoke(app, ["quality", url])
    assert isinstance(refused.exception, StoreError)
    assert "has only the original" in str(refused.exception)
