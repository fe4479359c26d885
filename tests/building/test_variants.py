"""Encoders of one codec are conditions of their own, next to each other in a store."""

from pathlib import Path

import numpy as np
import pytest

from streamaug import Store, Stream
from streamaug.building.build import build
from streamaug.codecs import calibrate, choose_encoder, load_settings
from streamaug.codecs.alignment import measure_delay
from streamaug.conditions import Condition, parse_conditions
from streamaug.errors import ConditionError, EncoderError
from streamaug.planning.open_plan import open_plan
from streamaug.recipes import load_recipe
from streamaug.verifying.verify import verify
from tests.building.clips import write_clips
from tests.codecs.signals import RATE, noise
from tests.in_process import InProcess

SIBLINGS = ("mp3_64", "mp3_64@lame-vbr", "opus_32", "opus_32@cbr")
ALL = ("mp3_64@shine", "mp3_64@lame-vbr", "aac_64@fdk", "opus_32@cbr", "opus-voip_24@dtx")


ROUNDING = {"opus-voip_24@dtx": 1}
"""Samples by which the peak may move: Opus codes speech at 16 kHz."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("variants")
    table = write_clips(folder / "clips", 8)
    build(table, str(folder / "store"), conditions=parse_conditions(",".join(("original", *SIBLINGS))), executor=InProcess())
    return Store.open(str(folder / "store"))


def test_each_has_a_folder_an_index_and_bytes_of_its_own(store: Store) -> None:
    assert store.conditions == ("original", *SIBLINGS)
    assert (Path(store.url) / "mp3_64@lame-vbr").is_dir()
    (step,) = store.index("mp3_64@lame-vbr").meta.steps
    assert (step.step, step.encoder, step.arguments["abr"]) == ("mp3_64@lame-vbr", "libmp3lame", "1")
    hashes = {name: store.index(name).table["sha256"].to_pylist() for name in SIBLINGS}
    assert all(not set(hashes[one]) & set(hashes[other]) for one in SIBLINGS for other in SIBLINGS if one != other)


def test_a_store_with_them_verifies(store: Store) -> None:
    assert verify(store, decode=True, executor=InProcess()).findings == ()


def test_they_are_read_planned_and_streamed_by_name(store: Store) -> None:
    clip_id = store.clips["clip_id"][0].as_py()
    assert len(store.read("opus_32@cbr", clip_id).samples) == len(store.read("original", clip_id).samples)
    recipe = {"draw": "union", "mixture": dict.fromkeys(("original", *SIBLINGS), 1)}
    assert set(open_plan(load_recipe(recipe), store).recipe.conditions) == {"original", *SIBLINGS}
    batches = list(Stream({**recipe, "mixture": {"mp3_64@lame-vbr": 1}}, store.url, batch_size=2, features="waveform", threads=1))
    assert {name for batch in batches for name in batch["condition"]} == {"mp3_64@lame-vbr"}


@pytest.mark.parametrize("name", ALL)
def test_clips_of_each_are_aligned(name: str) -> None:
    try:
        encoder = calibrate(Condition.parse(name).steps[0], load_settings(), RATE)
    except EncoderError as error:
        if "on this machine" not in str(error):
            raise
        pytest.skip(str(error))
    for signal in (noise(), noise()[:-700]):
        assert abs(measure_delay(encoder.decode(encoder.encode(signal), len(signal)), signal, 3_000)[0]) <= ROUNDING.get(name, 0)


def test_an_unknown_variant_is_answered_with_those_that_there_are() -> None:
    for name, message in (
        ("mp3_64@shien", "Did you mean 'shine'?"),
        ("sbc_64@x", "Available: none"),
        ("lc3_32@x", "leave the variant out"),
    ):
        with pytest.raises(EncoderError, match=message.replace("?", r"\?")):
            choose_encoder(Condition.parse(name).steps[0], load_settings())


def test_settings_add_variants_to_those_that_there_are(tmp_path: Path) -> None:
    changes = tmp_path / "settings.yaml"
    fast = "{adapter: pyav, encoder: libmp3lame, muxer: mp3, arguments: {compression_level: '9'}}"
    changes.write_text(f"codecs: {{mp3: {{variants: {{fast: {{encoders: [{fast}]}}}}}}}}")
    settings = load_settings(changes)
    assert set(settings.codecs["mp3"].variants) == {"shine", "lame-vbr", "fast"}
    signals = {name: calibrate(Condition.parse(name).steps[0], settings, RATE).encode(noise()) for name in ("mp3_64", "mp3_64@fast")}
    assert signals["mp3_64"] != signals["mp3_64@fast"]
    changes.write_text("codecs: {mp3: {variants: {Fast: {encoders: [{adapter: pyav, encoder: libmp3lame, muxer: mp3}]}}}}")
    with pytest.raises(ConditionError, match=r"codecs.mp3.variants.Fast"):
        load_settings(changes)


def test_an_encoder_that_drops_the_end_is_refused_with_the_key_that_helps(tmp_path: Path) -> None:
    changes = tmp_path / "settings.yaml"
    shine = "{adapter: ffmpeg, encoder: libshine, muxer: mp3}"
    changes.write_text(f"codecs: {{mp3: {{variants: {{shine: {{encoders: [{shine}]}}}}}}}}")
    with pytest.raises(EncoderError, match=r"'mp3_64@shine': libshine drops the end .* set 'drops' in the settings"):
        calibrate(Condition.parse("mp3_64@shine").steps[0], load_settings(changes), RATE)


def test_a_variant_that_makes_the_same_bytes_is_refused(tmp_path: Path) -> None:
    changes = tmp_path / "settings.yaml"
    changes.write_text("codecs: {mp3: {variants: {same: {encoders: [{adapter: pyav, encoder: libmp3lame, muxer: mp3}]}}}}")
    with pytest.raises(
        ConditionError, match="'mp3_64' and 'mp3_64@same' would hold the same bytes: libmp3lame makes the same of both variants"
    ):
        build(
            write_clips(tmp_path / "clips", 4),
            str(tmp_path / "store"),
            conditions=parse_conditions("mp3_64,mp3_64@same"),
            settings=load_settings(changes),
            executor=InProcess(),
        )


def test_frames_of_variable_bitrate_vary() -> None:
    quiet = noise().copy()
    quiet[: len(quiet) // 2] = 0
    sizes = {}
    for name in ("mp3_64", "mp3_64@lame-vbr"):
        encoder = calibrate(Condition.parse(name).steps[0], load_settings(), RATE)
        sizes[name] = len(encoder.encode(quiet)) / len(encoder.encode(noise()))
    assert sizes["mp3_64"] == pytest.approx(1, abs=0.02)
    assert sizes["mp3_64@lame-vbr"] < 0.95
    assert np.isfinite(list(sizes.values())).all()
