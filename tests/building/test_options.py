"""What a build is asked for is checked first, and what a store fixes need not be said again."""

import math
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from streamaug.building.build import build
from streamaug.cli.main import app
from streamaug.conditions import parse_conditions
from streamaug.errors import ConditionError, EncoderError, StoreError, StreamaugError
from streamaug.store import Store
from tests.building.clips import RATE, content, write_clips


class Log:
    """A Progress that remembers what is said."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def begin(self, stage: str, total: int) -> None: ...

    def advance(self, steps: int) -> None: ...

    def say(self, message: str) -> None:
        self.messages.append(message)


def run(table: Path, store: Path, conditions: str | None = "original", **settings):
    with ThreadPoolExecutor(1) as executor:
        parsed = parse_conditions(conditions) if conditions else None
        return build(table, str(store), conditions=parsed, executor=executor, **settings)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return write_clips(tmp_path_factory.mktemp("clips"), 8)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rate": -5}, "rate -5 Hz is not a sample rate"),
        ({"rate": 0}, "rate 0 Hz is not a sample rate"),
        ({"rate": 655_351}, "rate 655351 Hz is not a sample rate"),
        ({"seconds": math.inf}, "seconds inf is not a length"),
        ({"seconds": math.nan}, "seconds nan is not a length"),
        ({"seconds": -1.0}, "seconds -1 is not a length"),
        ({"seconds": 1e9}, r"clips of 1e\+09 s are longer than the longest source that is read, 3600 s"),
        ({"seconds": 1e-9}, "seconds 1e-09 is less than one sample at 16000 Hz"),
        ({"clips_per_shard": 0}, "clips_per_shard 0 is not a number of clips"),
        ({"name": " "}, "name of the data set is empty"),
    ],
)
def test_numbers_out_of_range_and_empty_names_are_refused_by_name(table, tmp_path, settings, message):
    with pytest.raises(StreamaugError, match=message):
        run(table, tmp_path / "store", **settings)
    assert not (tmp_path / "store").exists()


def test_workers_below_one_and_a_store_without_a_path_are_refused(table, tmp_path):
    with pytest.raises(StreamaugError, match="workers: 0 is not a number of processes"):
        build(table, str(tmp_path / "store"), workers=0)
    with pytest.raises(StoreError, match="path of the store is empty"):
        build(table, "")


def test_the_command_takes_an_empty_list_of_conditions_for_a_mistake_not_for_the_default(table, tmp_path):
    result = CliRunner().invoke(app, ["build", str(table), str(tmp_path / "store"), "--conditions", ""])
    assert isinstance(result.exception, ConditionError)
    assert "list of conditions is empty" in str(result.exception)


def test_a_condition_is_added_without_saying_rate_and_length_again(table, tmp_path):
    store = tmp_path / "store"
    run(table, store, seconds=0.3, rate=8_000)
    run(table, store, "mulaw_64")
    added = Store.open(store).index("mulaw_64")
    assert (len(added), set(added.column("samples"))) == (8, {2_400})


def test_clips_are_added_to_a_store_of_a_fixed_length_without_saying_it_again(table, tmp_path):
    store = tmp_path / "store"
    run(table, store, seconds=0.3)
    more = write_clips(tmp_path / "clips", 8, seconds=0.5)
    soundfile.write(tmp_path / "clips" / "long.wav", np.random.default_rng(9).uniform(-0.5, 0.5, RATE), RATE)
    more.write_text(more.read_text() + "long.wav,a,train,place9,1\n")
    log = Log()
    run(more, store, progress=log)
    assert set(Store.open(store).clips["samples"].to_pylist()) == {round(0.3 * RATE)}
    assert "9 clips cut to 0.3 s" in log.messages


def test_clips_keep_their_own_lengths_also_those_that_a_later_build_adds(table, tmp_path):
    store = tmp_path / "store"
    run(table, store)
    more = write_clips(tmp_path / "clips", 8)
    soundfile.write(tmp_path / "clips" / "long.wav", np.random.default_rng(9).uniform(-0.5, 0.5, RATE), RATE)
    more.write_text(more.read_text() + "long.wav,a,train,place9,1\n")
    log = Log()
    run(more, store, "mulaw_64", progress=log)
    opened = Store.open(store)
    expected = {f"clip{number:03d}": RATE // 2 for number in range(8)} | {"long": RATE}
    assert dict(zip(opened.clips["clip_id"].to_pylist(), opened.clips["samples"].to_pylist(), strict=True)) == expected
    for condition in opened.conditions:
        assert {
            location.clip_id: len(opened.read(condition, location.clip_id).samples) for location in opened.index(condition).locations()
        } == expected
    assert "clips of 0.50 to 1.00 s, each with its own length; --seconds would give all the same" in log.messages
    with pytest.raises(StoreError, match=r"have their own lengths, but --seconds 0.5 gives all 8000 samples; leave --seconds out"):
        run(more, store, seconds=0.5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seconds": 0.25}, r"have 4800 samples, but --seconds 0.25 are 4000; leave --seconds out or give --seconds 0.3"),
        ({"rate": 8_000}, "has a sample rate of 16000 Hz, but this build 8000 Hz; leave --rate out"),
    ],
)
def test_another_rate_or_length_than_the_stores_is_one_error(table, tmp_path, settings, message):
    store = tmp_path / "store"
    run(table, store, seconds=0.3)
    before = content(store)
    with pytest.raises(StoreError, match=message):
        run(table, store, "mulaw_64", **settings)
    assert content(store) == before


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    return write_clips(tmp_path_factory.mktemp("narrow"), 4, rate=8_000)


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ("aac_48,aac_49", r"conditions 'aac_48' and 'aac_49' would hold the same bytes: 45 kbps is the ceiling of aac at 8000 Hz"),
        ("mulaw_64+aac_48,mulaw_64+aac_49", r"'mulaw_64\+aac_48' and 'mulaw_64\+aac_49' would hold the same bytes: 45 kbps is the ceiling"),
        ("sbc_65,sbc_66", r"'sbc_65' and 'sbc_66' would hold the same bytes: sbc at 16000 Hz makes 66 kbps of both"),
    ],
)
def test_two_names_for_the_same_bytes_are_refused(narrow, tmp_path, conditions, message):
    with pytest.raises(ConditionError, match=message):
        run(narrow, tmp_path / "store", conditions)
    assert not (tmp_path / "store").exists()


def test_a_second_name_for_bytes_that_the_store_has_is_refused(narrow, tmp_path):
    run(narrow, tmp_path / "store", "aac_48")
    with pytest.raises(ConditionError, match="conditions 'aac_48' and 'aac_49' would hold the same bytes"):
        run(narrow, tmp_path / "store", "aac_49")
    run(narrow, tmp_path / "store", "aac_32,aac_48")
    assert Store.open(tmp_path / "store").conditions == ("original", "aac_32", "aac_48")


def test_of_the_default_conditions_one_whose_bitrate_cannot_be_kept_is_skipped_with_the_reason(narrow, tmp_path):
    built = run(narrow, tmp_path / "store", None)
    assert re.search(r"aac delivers \d+ kbps at 8000 Hz instead of 64", built.skipped_conditions["aac_64"])
    assert "aac_48" in built.conditions


@pytest.mark.parametrize("conditions", ["mp2_64", "mulaw_64+mp2_64"])
def test_clips_that_are_too_short_for_a_codec_are_refused_before_the_store_is_begun(tmp_path, conditions):
    table = write_clips(tmp_path / "clips", 4, seconds=0.01)
    with pytest.raises(EncoderError, match=r"condition '.*mp2_64', clip 'clip000', the shortest: mp2 cannot code 160 samples \(10 ms\)"):
        run(table, tmp_path / "store", conditions)
    assert not (tmp_path / "store").exists()
    run(table, tmp_path / "store", "original,mulaw_64,opus_32")
    assert Store.open(tmp_path / "store").conditions == ("original", "mulaw_64", "opus_32")


@pytest.mark.parametrize("url", ["zip://store::{folder}/store.zip", "http://127.0.0.1:9/store"])
def test_what_can_only_be_read_takes_no_build(table, tmp_path, url):
    (tmp_path / "store.zip").write_bytes(b"PK\x05\x06" + bytes(18))  # an archive of nothing
    with pytest.raises(StoreError, match="can only be read; build into a folder or a bucket"):
        run(table, url.format(folder=tmp_path))
