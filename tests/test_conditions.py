import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamaug.conditions import Condition, Step, parse_conditions
from streamaug.errors import ConditionError

NAMES = st.from_regex(r"[a-z][a-z0-9]{0,6}(-[a-z0-9]{1,4})?", fullmatch=True).filter(lambda name: name != "original")
BITRATES = st.none() | st.integers(1, 512).map(str) | st.sampled_from(["12.2", "4.75", "0.7"])
VARIANTS = st.just("") | st.from_regex(r"[a-z0-9]{1,6}(-[a-z0-9]{1,4})?", fullmatch=True)
STEPS = st.builds(
    lambda name, bitrate, variant: Step(name=name, bitrate=bitrate, variant=variant if bitrate else ""), NAMES, BITRATES, VARIANTS
)
CHAINS = st.lists(STEPS, max_size=4)


@given(CHAINS)
def test_every_condition_has_one_spelling_and_is_read_back_from_it(steps):
    condition = Condition(steps=tuple(steps))
    assert Condition.parse(str(condition)) == condition


@pytest.mark.parametrize(
    "text",
    [
        "",
        "MP3_64",
        "mp3_",
        "mp3_064",
        "mp3_64.0",
        "mp3_0",
        "mp3_-1",
        "mp3 64",
        "original+mp3_64",
        "+mp3_64",
        "mp3_64+",
        "mp3__64",
        "../x",
        "mp3_64/x",
        "mp3_64@",
        "mp3_64@Shine",
        "mp3_64@-x",
        "mp3_64@x/y",
        "mp3_64@x@y",
        "mp3@shine_64",
        "pitch@fast",
        "original@x",
    ],
)
def test_another_spelling_is_refused_and_the_message_shows_how_to_write_one(text):
    with pytest.raises(ConditionError, match="write 'original'"):
        Condition.parse(text)


def test_an_effect_has_no_bitrate_and_a_codec_has():
    pitch, mp3 = Condition.parse("pitch+mp3_64").steps
    assert (pitch.is_codec, mp3.is_codec, mp3.kbps) == (False, True, 64.0)
    with pytest.raises(ConditionError, match="pitch"):
        _ = pitch.kbps


def test_generations_count_codings_and_not_effects():
    assert [Condition.parse(text).generations for text in ("original", "pitch", "pitch+mp3_64", "sbc_64+aac_64")] == [0, 0, 1, 2]


def test_a_list_keeps_its_order_and_drops_repeats():
    assert [str(condition) for condition in parse_conditions("mp3_64, original,mp3_64")] == ["mp3_64", "original"]
    with pytest.raises(ConditionError, match="list of conditions is empty"):
        parse_conditions(" , ")
