"""Concealment of G.711 gives the samples of phonesim, from which it was taken."""

import hashlib

import numpy as np
import pytest
from phonesim import plc

from streamaug.codecs.packets.appendix_i import conceal


@pytest.mark.parametrize(("rate", "digest"), [(8_000, "1f735a0117bc41b5"), (16_000, "122b9f623a25f726")])
def test_gaps_of_all_lengths_are_filled_with_the_same_bits(rate: int, digest: str) -> None:
    random, number = np.random.default_rng(4), np.arange(rate)
    voice = random.integers(-9_000, 9_000, rate) / 32_768 + 0.3 * (number // (rate // 200) % 2)
    samples = voice.astype(np.float32)
    lost = random.random(50) < 0.4
    theirs = plc.conceal(samples, rate, lost, rate // 50)
    conceal(samples, np.repeat(lost, 2), rate)
    own, other = (np.rint(each * 32_768).astype("<i2").tobytes() for each in (samples, theirs))
    assert own == other
    assert hashlib.sha256(own).hexdigest()[:16] == digest


def test_what_arrived_is_changed_next_to_gaps_alone() -> None:
    arrived = np.random.default_rng(1).uniform(-0.5, 0.5, 8_000).astype(np.float32)
    lost = np.zeros(100, bool)
    filled = arrived.copy()
    conceal(filled, lost, 8_000)
    np.testing.assert_array_equal(filled, arrived)
    lost[40:46] = True
    conceal(filled, lost, 8_000)
    changed = np.flatnonzero(filled != arrived)
    assert 3_200 - 30 <= changed[0] < 3_200
    assert 3_680 <= changed[-1] < 3_760
