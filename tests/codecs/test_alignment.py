"""Every decoded clip is as long as its original and sample-aligned with it."""

import numpy as np
import pytest

from streamaug.building.chains import Chain, encode_clip
from streamaug.codecs import calibrate, decode, load_settings
from streamaug.codecs.alignment import measure_delay
from streamaug.codecs.pcm import to_float
from streamaug.conditions import Condition
from tests.codecs.signals import RATE, chirp, noise, recordings

PAPER = load_settings().conditions[1:]
BEYOND = ("g722_64", "amr-nb_12.2", "alaw_64", "mulaw_64", "ac3_64", "mp2_64", "lc3_32", "msbc_60", "opus-voip_24")
CHAINS = ("sbc_64+aac_64", "mp3_32+opus_32", "amr-nb_12.2+mp3_64+he-aac_32")
# Dog bark, rain, crackling fire: sharp, dense and sparse.
CLIPS = ("1-30226-A", "1-17367-A", "1-17150-A")
ROUNDING = {"opus-voip_24": 1, "opus-voip_16": 2}
"""Samples by which the peak may move: Opus codes speech at 16 kHz, of which a sample has nearly three
of 44.1 kHz."""
_CALIBRATED = {}


def chain_of(name: str) -> Chain:
    condition = Condition.parse(name)
    for step in condition.steps:
        if step not in _CALIBRATED:
            _CALIBRATED[step] = calibrate(step, load_settings(), RATE)
    return Chain(condition=condition, steps=tuple(_CALIBRATED[step] for step in condition.steps), rate=RATE)


def view_of(chain: Chain, signal: np.ndarray) -> np.ndarray:
    (coded,) = encode_clip([chain], signal, {"clip_id": "clip"}, load=lambda _: signal)
    return decode(coded.payload, decoding=chain.decoding, rate=RATE, delay=chain.delay, samples=len(signal))


@pytest.mark.parametrize("name", [*PAPER, *BEYOND, *CHAINS])
def test_noise_and_chirps_come_back_at_delay_0_and_as_long(name):
    chain = chain_of(name)
    for signal in (noise(), chirp(), noise(seconds=1.2345, seed=7)):
        view = view_of(chain, signal)
        assert view.dtype == np.float32
        assert len(view) == len(signal)
        assert abs(measure_delay(view, signal, 3_000)[0]) <= ROUNDING.get(name, 0)


@pytest.mark.parametrize("name", [*PAPER, *BEYOND, *CHAINS])
def test_recordings_come_back_at_delay_0_and_as_long(name, shared_data):
    chain = chain_of(name)
    for signal in recordings(shared_data / "esc10" / "audio", CLIPS):
        view = view_of(chain, signal)
        assert len(view) == len(signal)
        assert abs(measure_delay(view, signal, 3_000)[0]) <= ROUNDING.get(name, 0)


@pytest.mark.parametrize("name", PAPER)
def test_the_end_of_the_clip_is_there_and_not_padded(name):
    signal = noise()
    view = view_of(chain_of(name), signal)
    tail = slice(-400, None)
    assert np.corrcoef(view[tail], to_float(signal)[tail])[0, 1] > 0.5


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_the_delay_is_measured_anew_at_other_store_rates(rate):
    signal = noise(seconds=1.5)
    for name in ("aac_32", "opus_32", "g722_64", "sbc_64", "lc3_32", "msbc_60", "opus-voip_16"):
        step = Condition.parse(name).steps[0]
        coding = calibrate(step, load_settings(), rate)
        view = decode(coding.encode(signal), decoding=coding.decoding, rate=rate, delay=coding.delay, samples=len(signal))
        assert abs(measure_delay(view, signal, 3_000)[0]) <= ROUNDING.get(name, 0)


def test_a_shift_by_one_sample_is_noticed():
    signal = noise()
    assert measure_delay(np.roll(signal, 1), signal, 3_000)[0] == 1
