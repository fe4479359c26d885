"""Keyed permutations: a shuffle that is computed element by element, with nothing stored in memory.

Positions 0 .. size-1 are put on a grid of a x b squares, with a = ceil(sqrt(size)) and b =
ceil(size / a), and go through a numeric Feistel network: alternately, the row is moved by a hash of
the column, and the column by a hash of the row. Each round can be undone, so the whole is a
bijection of the grid. What lands on one of the fewer than a squares past `size` goes through again
("cycle walking"). Six rounds are needed: with three or four the position is uniform, but neighbours
at the distances a and b are not.

Small sets are harder for a Feistel network. Below 1024 it has twelve rounds; below 16 it is
replaced by a Fisher-Yates shuffle in which one element is followed through its swaps.
"""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

_SMALL, _TINY = 1024, 16
_CHUNK = 1 << 15
"""Elements that are permuted together, so that arrays stay in the processor's cache."""

_M32 = (1 << 32) - 1
MAX_SIZE = 1 << 50
"""The largest size: up to here, roots and quotients in floating point are exact after rounding."""


def hash32(words: np.ndarray) -> np.ndarray:
    """Scramble uint32 words in place; the constants are those of C. Wellons' "lowbias32"."""
    words ^= words >> np.uint32(16)
    words *= np.uint32(0x7FEB352D)
    words ^= words >> np.uint32(15)
    words *= np.uint32(0x846CA68B)
    words ^= words >> np.uint32(16)
    return words


def _hash32_one(word: int) -> int:
    word ^= word >> 16
    word = word * 0x7FEB352D & _M32
    word ^= word >> 15
    word = word * 0x846CA68B & _M32
    return word ^ (word >> 16)


def permute_one(position: int, size: int, key: int) -> int:
    """Where one position goes: the same as `permute`, at the speed of Python integers.

    Args:
        position: An integer in [0, size).
        size: Elements of the permutation.
        key: Names the permutation.

    >>> [permute_one(3, 1000, key=1)] == permute([3], 1000, key=1).tolist()
    True
    """
    first, second = key & _M32, (key >> 32) | 1
    if size < _TINY:
        for i in range(size - 1, 0, -1):
            other = (_hash32_one((first + i * second) & _M32) * (i + 1)) >> 32
            position = other if position == i else i if position == other else position
        return position
    a = math.isqrt(size - 1) + 1
    b = -(-size // a)
    while True:
        row, column = divmod(position, b)
        subkey = first
        for _ in range(_rounds(size) // 2):
            row = (row + ((_hash32_one(column ^ subkey) * a) >> 32)) % a
            subkey = (subkey + second) & _M32
            column = (column + ((_hash32_one(row ^ subkey) * b) >> 32)) % b
            subkey = (subkey + second) & _M32
        position = row * b + column
        if position < size:
            return position


def permute(positions: ArrayLike, size: ArrayLike, key: ArrayLike) -> np.ndarray:
    """Where positions go under the permutation of 0..size-1 that a key names.

    Args:
        positions: Integers in [0, size), shape (n,).
        size: Elements of the permutation; an integer, or one per position, so that elements of many
            sets are permuted in one call.
        key: Names the permutation; an integer, or one per position.

    Returns:
        The new positions, int64 of shape (n,).

    Raises:
        ValueError: A size is above MAX_SIZE.

    >>> sorted(permute(range(1000), 1000, key=7)) == list(range(1000))
    True
    """
    elements = np.asarray(positions, np.int64)
    sizes, keys = np.asarray(size, np.int64), np.asarray(key, np.uint64)
    if sizes.size and sizes.max() > MAX_SIZE:
        raise ValueError(f"a permutation of {sizes.max()} elements cannot be exact; at most {MAX_SIZE}")
    result = np.empty_like(elements)
    for start in range(0, len(elements), _CHUNK):
        part = slice(start, start + _CHUNK)
        result[part] = _permute_chunk(elements[part], sizes[part] if sizes.ndim else sizes, keys[part] if keys.ndim else keys)
    return result


def _permute_chunk(positions: np.ndarray, sizes: np.ndarray, keys: np.ndarray) -> np.ndarray:
    if not sizes.ndim:
        return _method(int(sizes))(positions, sizes, keys)
    result = np.empty_like(positions)
    for low, high in ((0, _TINY), (_TINY, _SMALL), (_SMALL, MAX_SIZE + 1)):
        chosen = (sizes >= low) & (sizes < high)
        if chosen.all():
            return _method(low)(positions, sizes, keys)
        if chosen.any():
            result[chosen] = _method(low)(positions[chosen], sizes[chosen], keys[chosen] if keys.ndim else keys)
    return result


def _method(size: int) -> Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]:
    return _swaps if size < _TINY else partial(_walk, rounds=_rounds(size))


def _rounds(size: int) -> int:
    return 12 if size < _SMALL else 6


def _halves(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A key's start and (odd) step, uint32: round i is keyed by start + i * step."""
    return (keys & np.uint64(_M32)).astype(np.uint32), (keys >> np.uint64(32)).astype(np.uint32) | np.uint32(1)


def _swaps(positions: np.ndarray, sizes: np.ndarray, keys: np.ndarray) -> np.ndarray:
    first, second = _halves(np.atleast_1d(keys))
    for i in range(_TINY - 2, 0, -1):
        other = (hash32(first + np.uint32(i) * second).astype(np.int64) * (i + 1)) >> 32
        swapped = np.where(positions == i, other, np.where(positions == other, i, positions))
        positions = np.where(i < sizes, swapped, positions)
    return positions


def _walk(positions: np.ndarray, sizes: np.ndarray, keys: np.ndarray, rounds: int) -> np.ndarray:
    a = np.ceil(np.sqrt(sizes.astype(np.float64))).astype(np.int64)
    b = -(-sizes // a)
    result = _feistel(positions, a, b, keys, rounds)
    while True:
        outside = np.flatnonzero(result >= sizes)
        if not len(outside):
            return result
        again = [value[outside] if value.ndim else value for value in (a, b, keys)]
        result[outside] = _feistel(result[outside], again[0], again[1], again[2], rounds)


def _feistel(positions: np.ndarray, a: np.ndarray, b: np.ndarray, keys: np.ndarray, rounds: int) -> np.ndarray:
    quotient = (positions / b).astype(np.int64)
    half, other = quotient.astype(np.uint32), (positions - quotient * b).astype(np.uint32)
    size, other_size = a.astype(np.uint32), b.astype(np.uint32)
    subkey, step = _halves(np.atleast_1d(keys))
    for _ in range(rounds):
        move = hash32(other ^ subkey).astype(np.uint64)
        move *= size
        move >>= np.uint64(32)
        half = half + move.astype(np.uint32)
        half = np.minimum(half, half - size)  # modulo the size: below it the difference wraps round to a large number
        half, other, size, other_size = other, half, other_size, size
        subkey = subkey + step
    return np.asarray(half * b + other)
