"""Stores of two channels: what is kept, what is refused, and that mono stays what it was."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
from typer.testing import CliRunner

from streamaug.building.build import Built, build
from streamaug.building.mixdown import MixDown
from streamaug.building.problems import BrokenSourcesError
from streamaug.cli.main import app
from streamaug.codecs import load_settings
from streamaug.codecs.alignment import measure_delay, shift
from streamaug.conditions import parse_conditions
from streamaug.errors import ClipsError, ConditionError, EncoderError, StoreError
from streamaug.store import Store
from streamaug.verifying.verify import verify
from tests.building.clips import RATE, Log, content, write_clips, write_table
from tests.building.test_same_bytes import Quieter
from tests.codecs.signals import noise
from tests.in_process import InProcess

CODED = "original,mp3_64,aac_64,opus_64,sbc_128+aac_64"


def write_stereo(folder: Path, channels: dict[str, int], *, rate: int = RATE, subtype: str = "PCM_16") -> Path:
    """Clips of noise, each channel with its own, and their table."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, (name, count) in enumerate(channels.items()):
        sound = 0.2 * np.random.default_rng(number).standard_normal((rate // 2, count))
        soundfile.write(folder / f"{name}.wav", np.clip(sound, -0.99, 0.99), rate, subtype=subtype)
        rows.append((f"{name}.wav", "ab"[number % 2], "evaluate" if number % 4 == 3 else "train", name, number))
    return write_table(folder / "clips.csv", rows)


def make(table: Path, store: Path, conditions: str | None = CODED, **settings: Any) -> Built:
    parsed = None if conditions is None else parse_conditions(conditions)
    with ThreadPoolExecutor(2) as executor:
        return build(table, str(store), conditions=parsed, executor=executor, **settings)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_stereo(tmp_path_factory.mktemp("clips"), {f"clip{number}": 2 for number in range(6)})


@pytest.fixture(scope="module")
def store(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("built") / "store"
    make(clips, folder, channels="keep")
    return Store.open(folder)


def test_a_store_keeps_both_channels_in_every_condition(clips: Path, store: Store):
    assert store.manifest.channels == 2
    for condition in store.conditions:
        assert store.index(condition).meta.decoding.channels == 2
        for clip_id in store.clips["clip_id"].to_pylist():
            source = soundfile.read(clips.parent / f"{clip_id}.wav", dtype="float32")[0].T
            samples = store.read(condition, clip_id).samples
            assert samples.shape == source.shape
            if condition == "original":
                np.testing.assert_array_equal(samples, source)
            for own, other in ((0, 1), (1, 0)):
                assert measure_delay(samples[own], source[own], 1_000)[0] == 0
                assert np.corrcoef(samples[own], source[own])[0, 1] > 0.5
                assert abs(np.corrcoef(samples[own], source[other])[0, 1]) < 0.1


def test_the_same_build_gives_the_same_bytes(clips: Path, store: Store, tmp_path: Path):
    make(clips, tmp_path / "store", channels="keep", name=store.manifest.name)
    assert content(tmp_path / "store") == content(Path(store.url))


def test_a_store_of_two_channels_is_verified_sample_by_sample(store: Store):
    assert verify(store, decode=True, executor=InProcess()).findings == ()


def test_a_manifest_of_other_channels_than_the_indexes_is_found(store: Store, tmp_path: Path):
    copy = shutil.copytree(store.url, tmp_path / "store")
    manifest = json.loads((copy / "store.json").read_text())
    (copy / "store.json").write_text(json.dumps({**manifest, "channels": 1}))
    messages = [finding.message for finding in verify(Store.open(copy), executor=InProcess()).findings]
    assert sum("has clips of 2 channels, but the store of 1" in message for message in messages) == len(manifest["conditions"])


def test_bitrates_count_both_channels(store: Store):
    kbps = store.index("mp3_64").column("kbps")
    assert ((kbps > 60) & (kbps < 85)).all()
    assert store.index("mp3_64").meta.steps[0].arguments["channels"] == "2"


def test_rates_and_depths_are_converted_channel_by_channel(tmp_path: Path):
    table = write_stereo(tmp_path / "clips", {"a": 2, "b": 2}, rate=24_000, subtype="PCM_24")
    make(table, tmp_path / "store", "original", channels="keep", rate=RATE, seconds=0.6)
    store = Store.open(tmp_path / "store")
    assert store.clips["depth"].to_pylist() == [24, 24]
    make(table, tmp_path / "left", "original", channel="left", rate=RATE, seconds=0.6)
    make(table, tmp_path / "right", "original", channel="right", rate=RATE, seconds=0.6)
    for clip_id in ("a", "b"):
        apart = [Store.open(tmp_path / side).read("original", clip_id).samples for side in ("left", "right")]
        np.testing.assert_array_equal(store.read("original", clip_id).samples, np.stack(apart))


def test_excerpts_of_a_recording_keep_both_channels(tmp_path: Path):
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, (3 * RATE, 2))
    soundfile.write(tmp_path / "long.flac", sound, RATE)
    whole = soundfile.read(tmp_path / "long.flac", dtype="float32")[0].T
    (tmp_path / "clips.csv").write_text(
        "clip_id,path,label,split,start,stop\na,long.flac,a,train,0,0.5\nb,long.flac,a,train,1.25,2\nc,long.flac,b,train,2,\n"
    )
    make(tmp_path / "clips.csv", tmp_path / "store", "original", channels="keep")
    store = Store.open(tmp_path / "store")
    for clip_id, start, stop in (("a", 0, 0.5), ("b", 1.25, 2), ("c", 2, 3)):
        np.testing.assert_array_equal(store.read("original", clip_id).samples, whole[:, round(start * RATE) : round(stop * RATE)])


def test_mono_stays_the_default(clips: Path, tmp_path: Path):
    make(clips, tmp_path / "store", "original,mp3_64")
    store = Store.open(tmp_path / "store")
    assert store.manifest.channels == 1
    assert store.read("mp3_64", "clip0").samples.shape == (RATE // 2,)
    assert b"channels" not in pq.read_metadata(next((tmp_path / "store" / "mp3_64").glob("index-*"))).metadata[b"streamaug"]


def test_sources_of_one_channel_that_are_kept_give_the_store_of_mono(tmp_path: Path):
    table = write_clips(tmp_path / "clips", 4)
    make(table, tmp_path / "kept", "original,mp3_64,alaw_64", channels="keep", name="same")
    make(table, tmp_path / "mono", "original,mp3_64,alaw_64", name="same")
    assert content(tmp_path / "kept") == content(tmp_path / "mono")


def test_sources_of_other_channels_are_named_all_together(tmp_path: Path):
    table = write_stereo(tmp_path / "clips", {"a": 2, "b": 1, "c": 2, "d": 6, "e": 2})
    with pytest.raises(BrokenSourcesError) as raised:
        make(table, tmp_path / "store", channels="keep")
    assert [(problem.clip_id, problem.message.partition(";")[0]) for problem in raised.value.problems] == [
        ("b", "has 1 channel, but the store has 2"),
        ("d", "has 6 channels, but the store has 2"),
    ]
    assert make(table, tmp_path / "store", "original", channels="keep", skip_bad=True).rejected == 2
    assert Store.open(tmp_path / "store").clips["clip_id"].to_pylist() == ["a", "c", "e"]


def test_more_than_two_channels_are_refused_with_what_to_do(tmp_path: Path):
    table = write_stereo(tmp_path / "clips", {"a": 6, "b": 6})
    with pytest.raises(ClipsError, match=r"have 6 channels, and a store has 2 at most; use --channels mono"):
        make(table, tmp_path / "store", channels="keep")


def test_a_store_keeps_its_channels(clips: Path, store: Store, tmp_path: Path):
    make(clips, tmp_path / "store", "original", channels="keep")
    make(clips, tmp_path / "store", "mp3_64")
    assert Store.open(tmp_path / "store").read("mp3_64", "clip0").samples.shape == (2, RATE // 2)
    with pytest.raises(StoreError, match=r"has 2 channels, but --channels mono makes one; leave --channels out"):
        make(clips, tmp_path / "store", "aac_64", channels="mono")
    make(clips, tmp_path / "one", "original")
    with pytest.raises(BrokenSourcesError, match="has 2 channels, but the store has 1"):
        make(clips, tmp_path / "one", "mp3_64", channels="keep")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"channels": "both"}, "channels 'both' does not exist; use one of mono, keep"),
        ({"channels": "keep", "channel": "left"}, "--channels keep keeps all channels, and --channel left one of them"),
    ],
)
def test_options_that_make_no_sense_are_refused(clips: Path, tmp_path: Path, settings: dict, message: str):
    with pytest.raises(ClipsError, match=message):
        make(clips, tmp_path / "store", "original", **settings)


def test_what_takes_one_channel_is_refused_or_skipped_with_the_reason(clips: Path, tmp_path: Path):
    with pytest.raises(EncoderError, match="codec 'g722' takes one channel, but the store has 2"):
        make(clips, tmp_path / "store", "original,g722_64", channels="keep")
    with pytest.raises(ConditionError, match=r"effect 'quieter' takes one channel, but the store has 2; .* --channels mono"):
        make(clips, tmp_path / "store", "original,quieter", channels="keep", effects={"quieter": Quieter()})
    log = Log()
    changes = tmp_path / "settings.yaml"
    changes.write_text("conditions: [original, alaw_64, mp3_64]\n")
    built = make(clips, tmp_path / "store", None, channels="keep", settings=load_settings(changes), progress=log)
    assert built.conditions == ("original", "mp3_64")
    assert "codec 'alaw' takes one channel" in built.skipped_conditions["alaw_64"]


def test_effects_change_both_channels_in_the_same_way(clips: Path, tmp_path: Path):
    make(clips, tmp_path / "store", "original,pitch,pitch+mp3_64,noise", channels="keep")
    make(clips, tmp_path / "left", "original,pitch,noise", channel="left")
    stereo, left = Store.open(tmp_path / "store"), Store.open(tmp_path / "left")
    for clip_id in stereo.clips["clip_id"].to_pylist():
        assert stereo.read("pitch", clip_id).samples.shape == (2, RATE // 2)
        assert np.corrcoef(stereo.read("pitch", clip_id).samples[0], left.read("pitch", clip_id).samples)[0, 1] > 0.999
        added = stereo.read("noise", clip_id).samples - stereo.read("original", clip_id).samples
        assert abs(np.corrcoef(added)[0, 1]) < 0.1  # noise of its own in each channel
    assert verify(stereo, decode=True, executor=InProcess()).findings == ()


def test_opus_may_be_early_where_it_takes_both_channels_for_speech_and_nothing_else_may(tmp_path: Path):
    rows = []
    for number in range(9):
        common, apart = (noise(2.0, seed=seed).astype(float) for seed in (number, number + 100))
        soundfile.write(
            tmp_path / f"clip{number}.wav", np.stack([0.8 * common + 0.2 * apart, 0.8 * common - 0.2 * apart], 1) / 32_768, 44_100
        )
        rows.append((f"clip{number}.wav", "ab"[number % 2], "train", f"clip{number}", number))
    table = write_table(tmp_path / "clips.csv", rows)
    make(table, tmp_path / "store", "original,opus_32,mp3_64", channels="keep")
    store = Store.open(tmp_path / "store")
    original, coded = (store.read(name, "clip0").samples for name in ("original", "opus_32"))
    assert shift(coded, original, 44_100) in (-3, -2, -1)
    assert verify(store, decode=True, executor=InProcess()).findings == ()


def test_a_shard_of_stereo_has_half_as_many_clips(tmp_path: Path):
    table = write_stereo(tmp_path / "clips", {f"clip{number:02d}": 2 for number in range(16)})
    one = 0.6 * 2 * RATE / 2 / 1e6  # MB of a clip of one channel, by estimate
    make(table, tmp_path / "store", "original", channels="keep", shard_mb=4.1 * one)
    make(table, tmp_path / "mono", "original", shard_mb=4.1 * one)
    shards = [len(Store.open(tmp_path / name).index("original").meta.shards) for name in ("store", "mono")]
    assert shards == [8, 4]


def test_dead_channels_are_named_and_none_cancels():
    mix = MixDown(2, "mix", keep=True)
    sound = np.random.default_rng(0).integers(-9_000, 9_000, 1_000).astype(np.int16)
    mix.add(np.stack([sound, -sound], 1))
    assert mix.lost_db == 0
    np.testing.assert_array_equal(mix.signal(), [sound, -sound])
    mix = MixDown(2, "mix", keep=True)
    mix.add(np.stack([sound, 0 * sound], 1))
    assert mix.dead_channels == "right"


def test_the_command_builds_and_shows_stereo(clips: Path, tmp_path: Path):
    runner = CliRunner()
    arguments = ["build", str(clips), str(tmp_path / "store"), "--conditions", "original,mp3_64", "--channels", "keep", "--workers", "1"]
    result = runner.invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "mixed down" not in result.output
    assert "16000 Hz, stereo" in runner.invoke(app, ["info", str(tmp_path / "store")]).output
    assert json.loads((tmp_path / "store" / "store.json").read_text())["channels"] == 2
