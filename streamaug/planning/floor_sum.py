"""Sums of floor functions, as exact as integers."""

from typing import Any


def floor_sum(n: Any, m: Any, a: Any, b: Any) -> Any:
    """The sum of floor((a i + b) / m) over i = 0 .. n-1, in O(log m) steps.

    The steps are those of Euclid's algorithm: the lattice points under a line, counted with the
    axes exchanged again and again.

    Args:
        n: Number of terms; an integer or an array of them, as all arguments.
        m: Divisor, above 0.
        a: Slope, 0 or more.
        b: Offset, 0 or more.

    >>> floor_sum(4, 10, 6, 3) == sum((6 * i + 3) // 10 for i in range(4))
    True
    """
    total = n * 0
    while n > 0 if isinstance(n, int) else n.any():
        total = total + (n - 1) * n // 2 * (a // m) + n * (b // m)
        a, b = a % m, b % m
        top = a * n + b
        n, b, a, m = top // m, top % m, m, a + (a == 0)
    return total
