"""What to write instead of an unknown name."""

from collections.abc import Sequence
from difflib import get_close_matches

_LISTED = 20


def guessed(name: str, known: Sequence[str]) -> str:
    """The nearest known name as a question, or nothing.

    >>> guessed("uinon", ["union", "views"]), guessed("mix", ["union", "views"])
    ("did you mean 'union'?", '')
    """
    near = get_close_matches(name, known, 1)
    return f"did you mean '{near[0]}'?" if near else ""


def nearest(name: str, known: Sequence[str]) -> str:
    """The nearest known name as a question, or else what there is.

    >>> nearest("mp3_46", ["original", "mp3_64"])
    "did you mean 'mp3_64'?"
    >>> nearest("device", ["city"])
    'there is city'
    """
    guess = guessed(name, known)
    if guess:
        return guess
    more = f" and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
    return f"there is {', '.join(known[:_LISTED]) or 'none'}{more}"
