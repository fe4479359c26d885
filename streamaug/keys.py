"""Keys of random numbers that are computed, not drawn: the same for the same names, on every machine."""

import hashlib
from typing import Any

import numpy as np

_M64 = (1 << 64) - 1


def named_key(seed: int, *words: object) -> int:
    """A 64-bit key from a seed and words, the same on every machine.

    >>> named_key(0, "order", "mp3_64") == named_key(0, "order", "mp3_64")
    True
    >>> named_key(0, "a", "bc") == named_key(0, "ab", "c")
    False
    """
    text = repr((int(seed), *map(str, words))).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def derived_key(key: Any, number: Any) -> Any:
    """The key with a number in a family of keys, by the finaliser of splitmix64.

    Args:
        key: Names the family; an integer or a uint64 array.
        number: Which key; an integer or an array.
    """
    if isinstance(key, int) and isinstance(number, int):
        word = (key + (number + 1) * 0x9E3779B97F4A7C15) & _M64
        word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _M64
        word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _M64
        return word ^ (word >> 31)
    step = (np.atleast_1d(number).astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    words = np.asarray(key, np.uint64) + step
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
