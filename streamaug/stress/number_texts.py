"""Numbers as a card's tables show them."""


def number_text(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def signed_text(value: float | None) -> str:
    return "" if value is None else f"{value:+.3f}".replace("-", "−")


def interval_text(low: float | None, high: float | None) -> str:
    """
    >>> interval_text(0.5, 0.625), interval_text(None, None)
    ('0.500 to 0.625', '')
    """
    return "" if low is None or high is None else f"{number_text(low)} to {number_text(high)}"


def signed_interval_text(low: float | None, high: float | None) -> str:
    """
    >>> signed_interval_text(-0.5, 0.25)
    '−0.500 to +0.250'
    """
    return "" if low is None or high is None else f"{signed_text(low)} to {signed_text(high)}"


def share_text(value: float) -> str:
    """
    >>> share_text(0.125)
    '12.5 %'
    """
    return f"{100 * value:.1f} %"


def thousands(value: int) -> str:
    """
    >>> thousands(10_000)
    '10 000'
    """
    return f"{value:,}".replace(",", " ")


def score_text(value: float) -> str:
    """
    >>> score_text(0.5), score_text(-2.25)
    ('0.5', '−2.25')
    """
    return f"{value:g}".replace("-", "−")


def counted(count: int, one: str) -> str:
    """
    >>> counted(1, "label"), counted(3, "score"), counted(2, "class")
    ('1 label', '3 scores', '2 classes')
    """
    return f"{count} {one}" if count == 1 else f"{count} {one}{'es' if one.endswith('s') else 's'}"
