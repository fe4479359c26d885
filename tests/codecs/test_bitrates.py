"""A codec that has only some bitrates refuses others by name and lists its own."""

import pytest

from streamaug.codecs import calibrate, load_settings
from streamaug.conditions import Condition
from streamaug.errors import EncoderError


@pytest.mark.parametrize(
    ("name", "channels", "message"),
    [
        ("msbc_64", 1, "'msbc_64': codec 'msbc' has 60 kbps, not 64; choose one that it has, such as msbc_60"),
        ("alaw_48", 1, "has 64 kbps, not 48; choose one that it has, such as alaw_64"),
        ("amr-nb_13", 1, r"has 4.75, 5.15, .*, 10.2 or 12.2 kbps, not 13; choose one that it has, such as amr-nb_12.2"),
        ("lc3_33", 1, "codec 'lc3' has 16 to 320 kbps in steps of 0.8, not 33; choose one that it has, such as lc3_32.8"),
        ("lc3_400", 2, "codec 'lc3' with two channels has 32 to 640 kbps in steps of 1.6"),
        ("lc3_32.8", 2, "such as lc3_32"),
    ],
)
def test_a_bitrate_that_the_codec_lacks_is_refused_with_those_that_it_has(name: str, channels: int, message: str) -> None:
    if name == "lc3_400":
        calibrate(Condition.parse(name).steps[0], load_settings(), 48_000, channels)
        name = "lc3_401"
    with pytest.raises(EncoderError, match=message):
        calibrate(Condition.parse(name).steps[0], load_settings(), 48_000, channels)


@pytest.mark.parametrize("kbps", [16, 16.8, 80, 96, 124, 320])
def test_lc3_delivers_what_it_lists(kbps: float) -> None:
    calibrated = calibrate(Condition.parse(f"lc3_{kbps:g}").steps[0], load_settings(), 48_000)
    assert 1 < calibrated.kbps / kbps < 1.11  # 2 bytes per frame more
