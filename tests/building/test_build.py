import csv
import json
import os
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import numpy as np
import pytest
import soundfile

from streamaug.building.build import Built, build
from streamaug.codecs import FLAC, decode, load_settings
from streamaug.codecs.pcm import digest
from streamaug.conditions import parse_conditions
from streamaug.errors import StoreError
from streamaug.store import Store
from tests.building.clips import RATE, content, write_clips, write_table
from tests.in_process import streamaug

CONDITIONS = "original,mp3_32,sbc_64+aac_32"


def run(table, store, conditions=CONDITIONS, **changes) -> Built:
    """Build on threads, which start faster than processes."""
    with ThreadPoolExecutor(2) as pool:
        return build(table, str(store), conditions=parse_conditions(conditions), executor=pool, **changes)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return write_clips(tmp_path_factory.mktemp("clips"), 40)


@pytest.fixture(scope="module")
def store(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("built") / "store"
    run(table, folder)
    return folder


def test_the_original_is_the_source_to_the_bit(store, table):
    opened = Store.open(store)
    index = opened.index("original")
    for row in range(len(index)):
        clip_id = index.table["clip_id"][row].as_py()
        payload = payload_of(opened, index, row)
        expected, _ = soundfile.read(table.parent / f"{clip_id}.wav", dtype="float32")
        samples = int(index.column("samples")[row])
        np.testing.assert_array_equal(decode(payload, decoding=FLAC, rate=RATE, delay=0, samples=samples), expected)


def payload_of(opened, index, row) -> bytes:
    return index.locations([row])[0].read(opened.folder)


def test_index_members_and_hashes_agree_in_every_condition(store):
    opened = Store.open(store)
    assert opened.conditions == ("original", "mp3_32", "sbc_64+aac_32")
    for condition in opened.conditions:
        index = opened.index(condition)
        assert len(index) == 40
        for info in index.meta.shards:
            data = (store / condition / info.name).read_bytes()
            assert (len(data), sha256(data).hexdigest()) == (info.bytes, info.sha256)
        for row in range(len(index)):
            assert sha256(payload_of(opened, index, row)).digest() == index.table["sha256"][row].as_py()


def test_members_are_adjacent_sorted_and_carry_no_time(store):
    for path in store.rglob("*.tar"):
        with tarfile.open(path) as tar:
            members = tar.getmembers()
        ids = [member.name.split(".")[0] for member in members[::2]]
        assert ids == sorted(ids)
        assert [member.name for member in members[1::2]] == [f"{clip_id}.json" for clip_id in ids]
        assert {member.mtime for member in members} == {0}


def test_no_shard_mixes_splits_and_a_clip_is_in_the_same_shard_in_every_condition(store):
    opened = Store.open(store)
    split = dict(zip(opened.clips["clip_id"].to_pylist(), opened.clips["split"].to_pylist(), strict=True))
    shards_of = {}
    for condition in opened.conditions:
        index = opened.index(condition)
        shards = {}
        for clip_id, shard in zip(index.table["clip_id"].to_pylist(), index.column("shard").tolist(), strict=True):
            shards.setdefault(shard, []).append(clip_id)
        assert all(len({split[clip_id] for clip_id in ids}) == 1 for ids in shards.values())
        shards_of[condition] = list(shards.values())
    assert shards_of["original"] == shards_of["mp3_32"] == shards_of["sbc_64+aac_32"]


def test_the_json_of_a_clip_has_its_provenance(store, table):
    path = next((store / "sbc_64+aac_32").glob("*.tar"))
    with tarfile.open(path) as tar:
        payload, metadata = (tar.extractfile(member).read() for member in tar.getmembers()[:2])
    metadata = json.loads(metadata)
    source, _ = soundfile.read(table.parent / f"{metadata['clip_id']}.wav", dtype="int16")
    assert metadata["source_sha256"] == digest(source).hex()
    assert metadata["sha256"] == sha256(payload).hexdigest()
    assert (metadata["condition"], metadata["generations"], metadata["requested_kbps"], metadata["rate"], metadata["samples"]) == (
        "sbc_64+aac_32",
        2,
        32.0,
        RATE,
        len(source),
    )
    assert metadata["kbps"] == pytest.approx(len(payload) * 8 * RATE / len(source) / 1000, abs=1e-3)
    assert [(step["step"], step["encoder"], step["adapter"]) for step in metadata["steps"]] == [
        ("sbc_64", "sbc", "pyav"),
        ("aac_32", "aac", "pyav"),
    ]
    assert all(step["version"].startswith("PyAV") for step in metadata["steps"])
    assert metadata["delay"] == Store.open(store).index("sbc_64+aac_32").column("delay")[0]
    assert metadata["device"] in ("0", "1", "2")


def test_one_worker_or_many_processes_give_the_same_bytes(store, table, tmp_path):
    build(table, str(tmp_path / "one"), conditions=parse_conditions(CONDITIONS), workers=1)
    build(table, str(tmp_path / "two"), conditions=parse_conditions(CONDITIONS), workers=2)
    assert content(tmp_path / "one") == content(tmp_path / "two") == content(store)


def test_nothing_is_left_besides_store_clips_and_conditions(store):
    clips = Store.open(store).manifest.clips.file
    names = [clips, "mp3_32", "original", "sbc_64+aac_32", "snapshots", "sources.parquet", "store.json"]
    assert sorted(path.name for path in store.iterdir()) == names


def test_a_second_build_adds_conditions_and_keeps_the_others(table, tmp_path):
    run(table, tmp_path / "store", "original,mp3_32")
    before = content(tmp_path / "store")
    built = run(table, tmp_path / "store", "mp3_32,opus_32")
    after = content(tmp_path / "store")
    assert built.shards_reused == 6
    before.pop("store.json")  # it names the conditions
    assert {name: after[name] for name in before} == before
    assert Store.open(tmp_path / "store").conditions == ("original", "mp3_32", "opus_32")


def test_a_second_build_adds_clips_in_new_shards(tmp_path):
    folder = tmp_path / "clips"
    table = write_clips(folder, 20)
    run(table, tmp_path / "store")
    before = content(tmp_path / "store")
    rows = list(csv.reader(table.open()))[1:]
    write_clips(folder, 12, first=20)
    more = list(csv.reader(table.open()))[1:]
    write_table(table, [tuple(row) for row in rows + more])
    built = run(table, tmp_path / "store")
    opened = Store.open(tmp_path / "store")
    after = content(tmp_path / "store")
    shards = {name: data for name, data in before.items() if name.endswith(".tar")}
    assert {name: after[name] for name in shards} == shards
    assert built.shards_reused == len(shards)
    assert [len(opened.index(condition)) for condition in opened.conditions] == [32, 32, 32]
    assert opened.clips.num_rows == 32


def test_other_settings_are_refused_with_the_difference_and_replaced_when_asked(table, tmp_path):
    store = tmp_path / "store"
    run(table, store, "mp3_32,opus_32")
    before = content(store)
    changes = tmp_path / "settings.yaml"
    changes.write_text("codecs: {opus: {encoders: [{adapter: pyav, encoder: libopus, muxer: ogg, arguments: {application: voip}}]}}")
    with pytest.raises(StoreError, match=r"opus_32.*audio.*voip.*--replace"):
        run(table, store, "mp3_32,opus_32", settings=load_settings(changes))
    assert content(store) == before
    reader = Store.open(store)
    old = reader.index("opus_32")
    run(table, store, "mp3_32,opus_32", settings=load_settings(changes), replace=True)
    after = content(store)
    del before["store.json"]
    assert {name: after[name] for name in before} == before, "a snapshot lost what it names"
    assert Store.open(store, snapshot=reader.snapshot).index("opus_32").meta == old.meta
    fresh = Store.open(store).index("opus_32")
    assert fresh.meta.settings != old.meta.settings
    assert fresh.meta.steps[0].arguments["application"] == "voip"


def test_a_difference_in_a_codecs_sample_rate_alone_is_named(tmp_path):
    table = write_clips(tmp_path / "clips", 4)
    run(table, tmp_path / "store", "opus_32")
    changes = tmp_path / "settings.yaml"
    changes.write_text("codecs: {opus: {rates: [24000]}}")
    with pytest.raises(StoreError, match=r"store: opus_32: .* at 48000 Hz.* requested: opus_32: .* at 24000 Hz"):
        run(table, tmp_path / "store", "opus_32", settings=load_settings(changes))


def test_a_table_that_lacks_clips_of_the_store_or_changes_them_is_refused(tmp_path):
    folder = tmp_path / "clips"
    table = write_clips(folder, 8)
    run(table, tmp_path / "store", "original")
    rows = [tuple(row) for row in csv.reader(table.open())][1:]
    write_table(table, rows[1:])
    with pytest.raises(StoreError, match="clip000"):
        run(table, tmp_path / "store", "mp3_32")
    write_table(table, [(rows[0][0], "b", *rows[0][2:]), *rows[1:]])
    with pytest.raises(StoreError, match=r"clip000.*another label"):
        run(table, tmp_path / "store", "mp3_32")
    soundfile.write(folder / "clip003.wav", np.full(RATE // 2, 0.1), RATE)
    write_table(table, rows)
    with pytest.raises(StoreError, match=r"clip003.*other audio"):
        run(table, tmp_path / "store", "mp3_32")


def test_a_folder_of_other_files_is_not_built_into(table, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(StoreError, match=r"thesis\.tex"):
        run(table, tmp_path, "original")
    assert content(tmp_path) == {"thesis.tex": b"years of work"}


@pytest.mark.parametrize(
    ("rate", "channels", "subtype", "container"),
    [
        (16_000, 1, "PCM_24", "WAV"),
        (44_100, 2, "FLOAT", "WAV"),
        (8_000, 6, "PCM_16", "FLAC"),
        (48_000, 2, "VORBIS", "OGG"),
        (22_050, 1, "MPEG_LAYER_III", "MP3"),
    ],
)
def test_sources_of_any_rate_depth_and_channels_are_converted_to_those_of_the_store(tmp_path, rate, channels, subtype, container):
    time = np.arange(rate) / rate
    signal = np.stack([0.5 * np.sin(2 * np.pi * 440 * time + channel / 9) for channel in range(channels)], 1)
    soundfile.write(tmp_path / f"tone.{container.lower()}", signal, rate, subtype=subtype, format=container)
    table = write_table(tmp_path / "clips.csv", [(f"tone.{container.lower()}", "tone", "train", "", 0)])
    messages = []

    class Log:
        def begin(self, stage, total): ...
        def advance(self, steps): ...
        def say(self, message):
            messages.append(message)

    run(table, tmp_path / "store", "original", rate=RATE, seconds=1.0, progress=Log())
    opened = Store.open(tmp_path / "store")
    assert opened.clips["depth"].to_pylist() == [24 if subtype in ("PCM_24", "FLOAT") else 16]
    view = opened.read("original", opened.clips["clip_id"][0].as_py()).samples
    expected = np.mean([0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE + channel / 9) for channel in range(channels)], 0)
    middle = slice(2_000, -2_000)
    assert np.abs(view - expected)[middle].max() < (0.02 if subtype in ("VORBIS", "MPEG_LAYER_III") else 2e-4)
    assert any("mixed down" in line for line in messages) == (channels > 1)
    assert any("resampled" in line for line in messages) == (rate != RATE)


@pytest.mark.parametrize(
    ("splits", "expected"),
    [("train,test,train,dev", "1 group is in several splits, for example 'x' in test, train"), ("train,test,test,", "")],
)
def test_the_command_warns_of_a_group_in_several_splits(tmp_path, splits, expected):
    """Clips without a split, as the fourth one in the second table, are in none."""
    for number in range(4):
        soundfile.write(tmp_path / f"c{number}.wav", np.random.default_rng(number).normal(0, 0.1, RATE), RATE)
    rows = [
        f"c{number}.wav,a,{split},{group},1"
        for number, (split, group) in enumerate(zip(splits.split(","), "xxyz" if expected else "xyyx", strict=True))
    ]
    (tmp_path / "clips.csv").write_text("\n".join(["path,label,split,group,fold", *rows, ""]))
    options = ("--conditions", "original", "--shard-by", "fold", "--workers", 1)
    done = streamaug("build", tmp_path / "clips.csv", tmp_path / "store", *options)
    assert done.returncode == 0, done.stderr
    assert ("several splits" in done.stderr) == bool(expected)
    assert expected in done.stderr


def test_the_home_folder_is_meant_by_a_tilde_in_every_path_of_the_command(tmp_path):
    soundfile.write(tmp_path / "c0.wav", np.random.default_rng(0).normal(0, 0.1, RATE), RATE)
    (tmp_path / "clips.csv").write_text("path,label,split\n~/c0.wav,a,train\n")
    (tmp_path / "settings.yaml").write_text("codecs: {}\n")
    (tmp_path / "empty").mkdir()
    command = ["build", "~/clips.csv", "~/store", "--settings=~/settings.yaml", "--conditions", "original", "--workers", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "streamaug", *command],
        env={**os.environ, "HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)},
        cwd=tmp_path / "empty",
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert len(Store.open(tmp_path / "store").clips) == 1
    assert not any((tmp_path / "empty").iterdir())
