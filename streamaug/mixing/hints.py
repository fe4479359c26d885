"""What to write instead of an unknown name."""

from collections.abc import Sequence
from difflib import get_close_matches

_LISTED = 20


def nearest(name: str, known: Sequence[str]) -> str:
    """The nearest known name as a question, or else what there is.

    >>> nearest("mp3_46", ["original", "mp3_64"])
    "did you mean 'mp3_64'?"
    >>> nearest("device", ["city"])
    'there is city'
    """
    near = get_close_matches(name, known, 1)
    if near:
        return f"did you mean '{near[0]}'?"
    more = f" and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
    return f"there is {', '.join(known[:_LISTED]) or 'none'}{more}"
