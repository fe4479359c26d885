"""A codec that has only some bitrates refuses others by name and lists its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from streamaug.codecs import calibrate, choose_encoder, load_settings
from streamaug.codecs.alignment import calibration_signal
from streamaug.conditions import Condition, Step
from streamaug.errors import ConditionError, EncoderError


@pytest.mark.parametrize(
    ("name", "channels", "message"),
    [
        ("msbc_64", 1, "'msbc_64': codec 'msbc' at 16000 Hz has 60 kbps, not 64; choose one that it has, such as msbc_60"),
        ("alaw_48", 1, "has 64 kbps, not 48; choose one that it has, such as alaw_64"),
        (
            "mp3_60",
            1,
            "'mp3_60': codec 'mp3' at 48000 Hz has 32, 40, 48, 56, .* or 320 kbps, not 60; choose one that it has, such as mp3_56",
        ),
        ("mp3_72@shine", 2, "with two channels has .* not 72; choose one that it has, such as mp3_64@shine"),
        ("ac3_30", 1, "has 32, 40, .* or 640 kbps, not 30; choose one that it has, such as ac3_32"),
        ("mp2_100", 1, "has 32, 48, .* or 384 kbps, not 100; choose one that it has, such as mp2_96"),
        ("amr-nb_13", 1, r"has 4.75, 5.15, .*, 10.2 or 12.2 kbps, not 13; choose one that it has, such as amr-nb_12.2"),
        ("lc3_33", 1, "codec 'lc3' at 48000 Hz has 16 to 320 kbps in steps of 0.8, not 33; choose one that it has, such as lc3_32.8"),
        ("lc3_400", 2, "codec 'lc3' at 48000 Hz with two channels has 32 to 640 kbps in steps of 1.6"),
        ("lc3_32.8", 2, "such as lc3_32"),
    ],
)
def test_a_bitrate_that_the_codec_lacks_is_refused_with_those_that_it_has(name: str, channels: int, message: str) -> None:
    if name == "lc3_400":
        calibrate(Condition.parse(name).steps[0], load_settings(), 48_000, channels)
        name = "lc3_401"
    with pytest.raises(EncoderError, match=message):
        calibrate(Condition.parse(name).steps[0], load_settings(), 48_000, channels)


def listed_bitrates() -> Iterator[tuple[str, float, int]]:
    """The codecs of one bitrate after the other: name, kbps, and sample rate at which they are coded."""
    for name in ("mp3", "mp2", "ac3"):
        config = load_settings().codecs[name]
        for rate in sorted({config.rates[0], 22_050, 44_100} & set(config.rates)):
            yield from ((name, kbps, rate) for kbps in config.bitrates(rate)[:: 1 if name == "mp3" else 4])


@pytest.mark.parametrize(("name", "kbps", "rate"), list(listed_bitrates()))
def test_a_listed_bitrate_is_what_the_bitstream_has(name: str, kbps: float, rate: int) -> None:
    _, encoder, _ = choose_encoder(Step(name=name, bitrate=f"{kbps:g}"), load_settings())
    signal = calibration_signal(rate)
    # What a longer signal takes more: without headers, and without what fills the last frame.
    sizes = [len(encoder.encode(signal[: seconds * rate], rate=rate, kbps=kbps, tail=0)) for seconds in (1, 3)]
    assert (sizes[1] - sizes[0]) * 8 / 2_000 == pytest.approx(kbps, rel=0.03)


@pytest.mark.parametrize(
    ("name", "rate"), [("mp3_24", 44_100), ("mp3_144", 44_100), ("mp3_80", 8_000), ("mp3_192", 22_050), ("mp2_144", 48_000)]
)
def test_a_bitrate_of_other_sample_rates_is_refused(name: str, rate: int) -> None:
    with pytest.raises(EncoderError, match=rf"at {rate} Hz has .* choose one that it has"):
        calibrate(Condition.parse(name).steps[0], load_settings(), rate)


def test_a_bitrate_above_what_an_encoder_can_spend_is_refused_by_what_it_delivers() -> None:
    with pytest.raises(EncoderError, match=r"'aac_300': aac delivers 2\d\d kbps at 44100 Hz instead of 300"):
        calibrate(Condition.parse("aac_300").steps[0], load_settings(), 44_100)


@pytest.mark.parametrize("name", ["mp3_60@lame-vbr", "eac3_31.5", "sbc_64"])
def test_encoders_that_have_every_bitrate_still_take_it(name: str) -> None:
    step = Condition.parse(name).steps[0]
    assert calibrate(step, load_settings(), 44_100).kbps == pytest.approx(step.kbps, rel=0.08)


def test_bitrates_by_sample_rate_need_every_rate(tmp_path: Path) -> None:
    changes = tmp_path / "settings.yaml"
    changes.write_text("codecs: {mp2: {kbps: {44100: [64]}}}\n")
    with pytest.raises(ConditionError, match=r"kbps: no bitrates for 16000 Hz"):
        load_settings(changes)


@pytest.mark.parametrize("kbps", [16, 16.8, 80, 96, 124, 320])
def test_lc3_delivers_what_it_lists(kbps: float) -> None:
    calibrated = calibrate(Condition.parse(f"lc3_{kbps:g}").steps[0], load_settings(), 48_000)
    assert 1 < calibrated.kbps / kbps < 1.11  # 2 bytes per frame more
