"""webdataset's own pipelines and loaders see the plan's rows, each once, and the stored bytes."""

import io
import json
import pickle
import shutil
import tarfile
from collections import Counter
from pathlib import Path

import fsspec
import numpy as np
import pytest
import torch
import webdataset as wds
from hypothesis import given, settings
from hypothesis import strategies as st

from streamaug import Stream
from streamaug.building.build import build
from streamaug.building.tar_clips import tar_clips
from streamaug.building.unpacking import unpack
from streamaug.cli.table import named_rows, write_rows
from streamaug.conditions import parse_conditions
from streamaug.errors import CorruptError, StateError, StoreError, StreamaugError
from streamaug.integrations.webdataset import Bitstream, decoder, pipeline
from streamaug.store import Store
from streamaug.testing import write_store
from tests.building.audio_bytes import by_soundfile, noise
from tests.building.clips import write_clips
from tests.in_process import InProcess

AUDIO = "flac;mp3;opus"
ROWS = 96


def metadata(sample) -> dict:
    return json.loads(sample["json"])


def positions(samples) -> list[int]:
    return [metadata(sample)["position"] for sample in samples]


def planned(folder: Path, epoch: int = 0) -> list[tuple[str, str]]:
    """Condition and clip_id of each row of an epoch."""
    stream = Stream(folder / "recipe.yaml", folder / "store", batch_size=24, threads=1)
    rows, ids = stream.plan.rows(epoch, np.arange(ROWS)), Store.open(folder / "store").clips["clip_id"].to_pylist()
    return [(stream.plan.conditions[condition], ids[clip]) for condition, clip in zip(rows.condition[:, 0], rows.clip, strict=True)]


def test_samples_are_the_plans_rows_with_the_stored_bytes(folder):
    source = pipeline(folder / "recipe.yaml", folder / "store")
    store = Store.open(folder / "store")
    stored = {(name, at.clip_id): at.read(store.folder) for name in store.conditions for at in store.index(name).locations()}
    for epoch in range(2):
        samples = list(wds.DataPipeline(source))
        described = [metadata(sample) for sample in samples]
        assert [(row["condition"], row["clip_id"]) for row in described] == planned(folder, epoch)
        assert [(row["epoch"], row["position"]) for row in described] == [(epoch, position) for position in range(ROWS)]
        for sample, row in zip(samples, described, strict=True):
            [extension] = set(sample) - {"__key__", "__url__", "json", "cls"}
            assert sample[extension] == stored[row["condition"], row["clip_id"]]
            assert sample["__key__"] == f"{row['position']:08d}-{row['clip_id']}"
            assert sample["__url__"] == f"{store.url}/{row['shard']}"
            assert source.labels[int(sample["cls"])] == row["label"]
            assert row["device"] in "ab"
        assert len({sample["__key__"] for sample in samples}) == ROWS


@pytest.mark.parametrize("workers", [0, 2, 3])
def test_batches_of_a_loader_are_those_of_a_stream(folder, workers):
    dataset = wds.FluidWrapper(pipeline(folder / "recipe.yaml", folder / "store", batch_size=24))
    dataset = dataset.decode(decoder).to_tuple(AUDIO, "cls", "json").map_tuple(lambda audio: audio[0][0]).batched(24)
    loader = wds.WebLoader(dataset, batch_size=None, num_workers=workers)
    stream = Stream(folder / "recipe.yaml", folder / "store", batch_size=24, features="waveform", threads=1)
    with stream:
        for _ in range(2):  # epochs
            for (audio, labels, rows), batch in zip(loader, stream, strict=True):
                assert torch.equal(torch.as_tensor(audio), batch["waveform"].reshape(24, -1))
                assert labels.tolist() == batch["label"].tolist()
                assert [row["position"] for row in rows] == batch["position"].tolist()
                assert {row["epoch"] for row in rows} == {batch["epoch"]}


@pytest.mark.parametrize(("start", "ranks"), [("fork", (0, 1)), ("spawn", (1,))])
def test_two_ranks_with_two_workers_get_their_slices_of_every_batch(folder, monkeypatch, start, ranks):
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank in ranks:
        monkeypatch.setenv("RANK", str(rank))
        source = pipeline(folder / "recipe.yaml", folder / "store", batch_size=20)
        dataset = wds.DataPipeline(source, wds.batched(10, collation_fn=None))
        loader = wds.WebLoader(dataset, batch_size=None, num_workers=2, multiprocessing_context=start)
        slices = [list(range(20 * batch + 10 * rank, 20 * batch + 10 * rank + 10)) for batch in range(4)]
        assert [positions(batch) for batch in loader] == [*slices, list(range(80 + 8 * rank, 88 + 8 * rank))]


@given(
    batch_size=st.integers(1, 12).map(lambda size: 12 * size),
    world=st.sampled_from([1, 2, 3, 4]),
    tail=st.sampled_from(["keep", "drop", "pad"]),
)
@settings(max_examples=25, deadline=None)
def test_counts_are_exact_for_every_batch_size_and_number_of_ranks(store_path, batch_size, world, tail):
    sources = [
        pipeline(
            {"draw": "union", "mixture": {"original": 2, "mp3_64": 1}}, store_path, batch_size=batch_size, tail=tail, rank=rank, world=world
        )
        for rank in range(world)
    ]
    counts = Counter(position for source in sources for position in positions(source))
    rows = sources[0].plan.epoch_size(0)
    whole = rows // batch_size * batch_size
    expected = {"keep": rows, "drop": whole, "pad": -(-rows // batch_size) * batch_size}[tail]
    assert counts == Counter(range(expected))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_saved_position_resumes_with_other_workers_and_ranks(folder, workers):
    recipe, store = folder / "recipe.yaml", folder / "store"
    source = pipeline(recipe, store, batch_size=24)
    loader = iter(wds.WebLoader(wds.DataPipeline(source, wds.batched(24, collation_fn=None)), batch_size=None, num_workers=workers))
    next(loader)
    last = next(loader)
    state = json.loads(json.dumps(source.state_after(metadata(last[-1]))))
    assert (state["epoch"], state["rows"]) == (0, 48)
    parts = []
    for rank in range(2):
        other = pipeline(recipe, store, batch_size=12, rank=rank, world=2)
        other.load_state_dict(state)
        parts += positions(other)
        assert {metadata(sample)["epoch"] for sample in other} == {1}
    assert sorted(parts) == list(range(48, 96))
    with Stream(recipe, store, batch_size=24, threads=1) as stream:  # a position is a position
        stream.load_state_dict(state)
        assert next(iter(stream))["position"].tolist() == list(range(48, 72))
        source.load_state_dict(stream.state_dict())
    assert positions(source) == list(range(72, 96))
    last_of_epoch = {"epoch": 0, "consumed": ROWS}
    assert source.state_after(last_of_epoch)["epoch"] == 1
    with pytest.raises(StateError, match="seed"):
        pipeline(recipe, store, seed=1).load_state_dict(state)


def test_an_epoch_can_be_set_and_an_iteration_that_was_left_costs_no_rows(folder):
    source = pipeline(folder / "recipe.yaml", folder / "store")
    next(iter(source))
    assert {metadata(sample)["epoch"] for sample in source} == {1}
    source.set_epoch(7)
    assert {metadata(sample)["epoch"] for sample in wds.WebLoader(wds.DataPipeline(source), batch_size=None, num_workers=2)} == {7}


@pytest.mark.parametrize("stage", [wds.split_by_node, wds.split_by_worker])
def test_a_second_division_is_refused(folder, stage):
    dataset = wds.DataPipeline(pipeline(folder / "recipe.yaml", folder / "store"), stage)
    with pytest.raises(StreamaugError, match=f"{stage.__name__} would divide the samples once more"):
        next(iter(dataset))


def test_a_loader_that_hands_over_out_of_order_gives_no_position(folder):
    source = pipeline(folder / "recipe.yaml", folder / "store", batch_size=24)
    samples = list(torch.utils.data.DataLoader(wds.DataPipeline(source), batch_size=None, num_workers=2, in_order=False))
    assert sorted(positions(samples)) == list(range(ROWS))
    with pytest.raises(StateError, match="in_order=False"):
        source.state_after(metadata(samples[0]))


def test_views_of_a_row_are_members_of_one_sample(folder):
    recipe = {"draw": "views", "views": 2, "mixture": {"original": 1, "mp3_64": 1, "opus_32": 1}}
    samples = list(wds.FluidWrapper(pipeline(recipe, folder / "store")).decode(decoder))
    for sample in samples:
        views = [(int(key[0]), key[2:], value) for key, value in sample.items() if key[0] in "01"]
        assert [number for number, _, _ in views] == [0, 1]
        for (number, extension, (audio, rate)), view in zip(views, sample["json"]["views"], strict=True):
            assert view["condition"].startswith({"flac": "original"}.get(extension, extension)), number
            assert (audio.shape, rate) == ((1, view["samples"]), view["rate"])


def test_a_damaged_bitstream_is_an_error_that_names_shard_and_clip(folder, tmp_path):
    shutil.copytree((folder / "store").resolve(), tmp_path / "damaged")
    shard = sorted((tmp_path / "damaged" / "mp3_64").glob("*.tar"))[0]
    data = bytearray(shard.read_bytes())
    data[600] ^= 1
    shard.write_bytes(data)
    with pytest.raises(CorruptError, match=rf"{shard.name}: clip 'clip\d\d': does not match its sha256"):
        list(wds.DataPipeline(pipeline(folder / "recipe.yaml", tmp_path / "damaged")))


def test_a_remote_store_gives_the_same_samples_and_fills_a_cache(folder, tmp_path):
    memory = fsspec.filesystem("memory")
    memory.put(str((folder / "store").resolve()), "/bridge", recursive=True)
    local = list(pipeline(folder / "recipe.yaml", folder / "store"))
    for _ in range(2):
        remote = list(pipeline(folder / "recipe.yaml", "memory://bridge", byte_cache=tmp_path / "cache"))
        assert [{**sample, "__url__": ""} for sample in remote] == [{**sample, "__url__": ""} for sample in local]
        assert sum(path.stat().st_size for path in (tmp_path / "cache").rglob("*") if path.is_file()) > 10_000


def test_a_bitstream_can_be_pickled_with_what_aligns_it(folder):
    sample = next(iter(pipeline(folder / "recipe.yaml", folder / "store")))
    [bitstream] = (value for value in sample.values() if isinstance(value, Bitstream))
    copy = pickle.loads(pickle.dumps(bitstream))
    assert (copy, vars(copy)) == (bitstream, vars(bitstream))
    assert torch.equal(decoder(".x", copy)[0], decoder(".x", bitstream)[0])
    assert decoder(".mp3", bytes(bitstream)) is None


def test_rows_of_several_stores_name_their_store(folder, tmp_path):
    build(
        write_clips(tmp_path / "more", 8, seconds=1.0),
        str(tmp_path / "tones"),
        conditions=parse_conditions("original"),
        executor=InProcess(),
    )
    recipe = {"draw": "union", "mixture": {"small:mp3_64": 1, "tones:original": 2}}
    source = pipeline(recipe, {"small": folder / "store", "tones": tmp_path / "tones"}, batch_size=16)
    samples = list(wds.WebLoader(wds.FluidWrapper(source).decode(decoder), batch_size=None, num_workers=2))
    seen = Counter((sample["json"]["store"], sample["json"]["condition"], sample["__url__"].rpartition("/")[0]) for sample in samples)
    shards = {name: f"{Store.open(path).url}/" for name, path in (("small", folder / "store"), ("tones", tmp_path / "tones"))}
    assert seen == {
        ("small", "small:mp3_64", f"{shards['small']}mp3_64"): 32,
        ("tones", "tones:original", f"{shards['tones']}original"): 12,
    }
    assert all(source.labels[sample["cls"]] == sample["json"]["label"] for sample in samples)


def test_excerpts_of_two_channels_and_several_lengths_come_as_they_are(tmp_path):
    sound = np.stack([noise(1, 32_000), noise(2, 32_000)], axis=1)
    (tmp_path / "rec.wav").write_bytes(by_soundfile(sound, "WAV"))
    times = {"a": (0, 0.5), "b": (0.75, 2), "c": (0.5, 0.875)}
    lines = [f"rec.wav,{name},x,train,{start},{stop}" for name, (start, stop) in times.items()]
    (tmp_path / "clips.csv").write_text("\n".join(["path,clip_id,label,split,start,stop", *lines]) + "\n")
    build(tmp_path / "clips.csv", str(tmp_path / "store"), conditions=parse_conditions("original"), channels="keep", executor=InProcess())
    source = pipeline({"draw": "union", "mixture": {"original": 1}}, tmp_path / "store")
    seen = {sample["json"]["clip_id"]: sample["flac"] for sample in wds.FluidWrapper(source).decode(decoder)}
    assert seen.keys() == times.keys()
    for name, (start, stop) in times.items():
        expected = torch.from_numpy(sound[round(start * 16_000) : round(stop * 16_000)].T / np.float32(32_768))
        assert torch.equal(seen[name][0], expected)
        assert seen[name][1] == 16_000


def test_tars_become_a_store_whose_samples_are_the_tars_audio(tmp_path):
    sounds = {f"{shard}/{number}": noise(10 * shard + number, 8000) for shard in range(2) for number in range(6)}
    for shard in range(2):
        with tarfile.open(tmp_path / f"train-{shard}.tar", "w") as tar:
            for number in range(6):
                audio = by_soundfile(sounds[f"{shard}/{number}"], "FLAC" if number % 2 else "WAV")
                for name, data in (
                    ("flac" if number % 2 else "wav", audio),
                    ("cls", b"%d" % (number % 3)),
                    ("json", b'{"snr": %d}' % number),
                ):
                    info = tarfile.TarInfo(f"{number}.{name}")
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
    rows = named_rows(unpack(tar_clips([str(tmp_path / f"train-{n}.tar") for n in range(2)], Counter()), tmp_path / "clips-audio").rows, {})
    write_rows(tmp_path / "clips.csv", rows)
    build(tmp_path / "clips.csv", str(tmp_path / "store"), conditions=parse_conditions("original,mp3_64"), executor=InProcess())
    dataset = wds.FluidWrapper(pipeline({"draw": "union", "mixture": {"original": 1, "mp3_64": 1}}, tmp_path / "store")).decode(decoder)
    seen = Counter()
    for sample in dataset:
        row = sample["json"]
        _, shard, number = row["clip_id"].split("-")
        sound = torch.from_numpy(sounds[f"{shard}/{number}"] / np.float32(32_768))
        audio, _ = sample["flac" if row["condition"] == "original" else "mp3"]
        if row["condition"] == "original":
            assert torch.equal(audio[0], sound)
        else:
            assert torch.corrcoef(torch.stack([audio[0], sound]))[0, 1] > 0.5
        assert (row["label"], row["snr"]) == (str(int(number) % 3), number)
        seen[row["condition"], shard, number] += 1
    assert seen == Counter((condition, shard, number) for condition in ("original", "mp3_64") for shard in "01" for number in "012345")


@pytest.mark.parametrize("target", ["labels", "target", None])
def test_only_one_label_per_clip_is_a_member_and_other_targets_are_in_the_json(kinds, target):
    store = Store.open(kinds[target])
    clips = {clip["clip_id"]: clip for clip in store.clips.to_pylist()}
    samples = list(wds.DataPipeline(pipeline({"draw": "union", "mixture": {"original": 1}}, store, batch_size=6)))
    assert len(samples) == 18
    for sample in samples:
        row = metadata(sample)
        assert "cls" not in sample
        assert {name: row.get(name) for name in ("label", "labels", "target")} == {
            name: clips[row["clip_id"]].get(name) for name in ("label", "labels", "target")
        }


def test_a_column_with_the_name_of_something_else_in_the_json_is_refused(folder, tmp_path):
    recipe = {"draw": "union", "mixture": {"original": 1}}
    row = metadata(next(iter(pipeline(recipe, folder / "store"))))
    for column in {*row, "views"} - {*Store.open(folder / "store").clips.column_names}:
        clips = {"clip_id": ["a", "b"], "label": ["x", "y"], "split": ["train", "train"], "group": ["a", "b"], column: ["1", "2"]}
        store = write_store(tmp_path / column, clips, {"original": None}, labels="xy")
        with pytest.raises(StoreError, match=f"has a column '{column}', but the JSON of a sample has that key already; build the store"):
            pipeline(recipe, store)
