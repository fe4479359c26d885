"""Crops as pure functions: the place of each, its bounds, and what is refused."""

import numpy as np
import pytest

from streamaug import Crop
from streamaug.errors import StreamaugError

RATE = 8_000


def test_random_words_reach_every_place_equally_often() -> None:
    room, crop = 9, Crop(100 / RATE)
    words = [((2 * number + 1) << 63) // 10_000 for number in range(10_000)]  # evenly spread over 64 bits
    starts = np.array([crop.span(100 + room, rate=RATE, word=word).start for word in words])
    assert np.bincount(starts).tolist() == [1000] * (room + 1)


@pytest.mark.parametrize("where", ["random", "start", "centre"])
@pytest.mark.parametrize("pad", ["zeros", "repeat", "none"])
@pytest.mark.parametrize("word", [0, 1 << 63, (1 << 64) - 1])
def test_a_crop_lies_in_its_clip_and_rows_have_its_length(where: str, pad: str, word: int) -> None:
    crop = Crop(0.1, where=where, pad=pad)
    for samples in (1, 799, 800, 801, 1600, 1601):
        span = crop.span(samples, rate=RATE, word=word)
        assert 0 <= span.start < span.stop <= samples
        assert span.stop - span.start == min(samples, 800)
        assert span.samples == (min(samples, 800) if pad == "none" else 800)
        assert span.length == (span.stop - span.start if pad != "repeat" else 800)
        assert len(span.fill(np.ones(span.stop - span.start))) == span.samples


def test_the_centre_of_an_odd_rest_is_the_earlier_one() -> None:
    assert Crop(0.1, where="centre").span(805, rate=RATE).start == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seconds": True}, r"Crop\(seconds=True\): write a length in seconds above 0"),
        ({"seconds": 0}, r"Crop\(seconds=0\): write a length in seconds above 0"),
        ({"seconds": -1.5}, "above 0"),
        ({"seconds": float("nan")}, "above 0"),
        ({"seconds": float("inf")}, "above 0"),
        ({"seconds": "1"}, "above 0"),
        ({"seconds": 1, "where": "middle"}, r"Crop\(where='middle'\): write 'random', 'start' or 'centre'"),
        ({"seconds": 1, "pad": "silence"}, r"Crop\(pad='silence'\): write 'zeros', 'repeat' or 'none'"),
    ],
)
def test_what_is_no_crop_is_refused_with_what_to_write(arguments: dict, message: str) -> None:
    with pytest.raises(StreamaugError, match=message):
        Crop(**arguments)


def test_less_than_a_sample_is_refused_when_the_rate_is_known() -> None:
    with pytest.raises(StreamaugError, match="less than one sample at 8000 Hz"):
        Crop(1e-5).samples(RATE)
