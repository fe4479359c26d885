"""Models of loss: packets are lost independently, or in bursts."""

import hashlib
import json
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from streamaug.errors import LinkError


def threshold(probability: Fraction) -> np.uint64:
    """The word that a random word is below with some probability, less than 1.

    >>> threshold(Fraction(1, 2)).item() == 1 << 63
    True
    """
    return np.uint64(int(probability * (1 << 64)))


def _check_loss(loss: float) -> None:
    if not 0 <= loss < 1:
        raise LinkError(f"loss={loss}: write the share of packets that are lost, from 0 to below 1, such as 0.1 for 10 %")


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps({key: str(Fraction(str(value))) for key, value in content.items()}).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Independent:
    """Each packet is lost with the same probability, whatever happens to the others.

    Args:
        loss: Probability that a packet is lost, from 0 to below 1.

    Raises:
        LinkError: The probability is none.

    >>> Independent(loss=0.5).lost(np.array([0, 1 << 62, 3 << 62], np.uint64)).tolist()
    [True, True, False]
    """

    loss: float

    def __post_init__(self) -> None:
        _check_loss(self.loss)

    def lost(self, words: np.ndarray) -> np.ndarray:
        return np.asarray(words < threshold(Fraction(str(self.loss))))

    def plain(self) -> dict[str, Any]:
        return {"loss": self.loss}

    @property
    def digest(self) -> str:
        return _digest(self.plain())


@dataclass(frozen=True, kw_only=True)
class Bursts:
    """The Gilbert model, that of Gilbert and Elliott with a good state that loses nothing and a bad
    one that loses all: a chain of two states. With r the probability to leave the bad state and p
    that to enter it, a burst has 1 / r packets in the mean, and p / (p + r) of all packets are lost.

        r = 1 / burst        p = r * loss / (1 - loss)

    E. N. Gilbert, "Capacity of a burst-noise channel", Bell System Technical Journal 39, 1960; G.
    Hasslinger and O. Hohlfeld, "The Gilbert-Elliott model for packet loss in real time services on the
    internet", MMB 2008. The chain begins in its stationary state, so that every packet is lost with the
    same probability.

    Args:
        loss: Share of packets that are lost, from 0 to below 1.
        burst: Mean number of packets that are lost in a row, at least 1 / (1 - loss): that is what
            independent losses have.

    Raises:
        LinkError: The numbers are none of these.

    >>> Bursts(loss=0.5, burst=4).enter, Bursts(loss=0.5, burst=4).leave
    (Fraction(1, 4), Fraction(1, 4))
    """

    loss: float
    burst: float

    def __post_init__(self) -> None:
        _check_loss(self.loss)
        least = 1 / (1 - Fraction(str(self.loss)))
        if not 1 <= self.burst <= 1e6 or Fraction(str(self.burst)) < least:
            raise LinkError(
                f"burst={self.burst}: write the mean number of packets that are lost in a row, {float(least):.3g} or more, which is what "
                f"independent losses of {self.loss:.3g} have"
            )

    @property
    def leave(self) -> Fraction:
        """Probability that a packet arrives after one that was lost."""
        return 1 / Fraction(str(self.burst))

    @property
    def enter(self) -> Fraction:
        """Probability that a packet is lost after one that arrived."""
        loss = Fraction(str(self.loss))
        return self.leave * loss / (1 - loss)

    @cached_property
    def _words(self) -> tuple[np.uint64, np.uint64, np.uint64]:
        """Words below which a packet is lost after one that arrived, after one that was lost, and first."""
        return threshold(self.enter), threshold(1 - self.leave), threshold(Fraction(str(self.loss)))

    def lost(self, words: np.ndarray) -> np.ndarray:
        # A word below `enter` means a loss in both states, and one from 1 - leave on an arrival in both:
        # only words between them leave the state as it is. So no packet has to wait for the one before.
        enter, stay, first = self._words
        enters, stays = words < enter, words < stay
        is_decided = enters | ~stays
        if len(words):
            enters[0], is_decided[0] = words[0] < first, True
        last = np.maximum.accumulate(np.where(is_decided, np.arange(len(words)), 0))
        return np.asarray(enters[last])

    def plain(self) -> dict[str, Any]:
        return {"loss": self.loss, "burst": self.burst}

    @property
    def digest(self) -> str:
        return _digest(self.plain())
