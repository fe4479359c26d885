"""Suggest what to write instead of an unknown name.

Both functions give sentences of their own, to follow the message's full stop: `f"no column
'{name}'. {nearest(...)}"`.
"""

from collections.abc import Iterable
from difflib import get_close_matches

_LISTED = 20


def guessed(name: str, known: Iterable[str]) -> str:
    """The nearest known name as a question, or an empty string where none is near.

    Args:
        name: The unknown name.
        known: Names that exist.

    >>> guessed("uinon", ["union", "views"]), guessed("mix", ["union", "views"])
    ("Did you mean 'union'?", '')
    """
    near = get_close_matches(name, list(known), 1)
    return f"Did you mean '{near[0]}'?" if near else ""


def nearest(name: str, known: Iterable[str]) -> str:
    """The nearest known name as a question, or else the list of known names, shortened to 20.

    Args:
        name: The unknown name.
        known: Names that exist, in the order in which they are listed.

    >>> nearest("mp3_46", ["original", "mp3_64"])
    "Did you mean 'mp3_64'?"
    >>> nearest("device", ["city", "group"])
    'Available: city, group'
    """
    known = list(known)
    guess = guessed(name, known)
    if guess:
        return guess
    more = f" and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
    return f"Available: {', '.join(known[:_LISTED]) or 'none'}{more}"
