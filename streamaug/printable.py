"""Escape characters that a terminal obeys or does not show, in text that came from elsewhere.

Names of files, clips, labels and recipes are other people's text. An escape sequence in one can
rename a window or hide a line; a direction override can make a name read backwards.
"""

import re

_CONTROLS = re.compile(
    r"[\x00-\x1f\x7f-\x9f"  # C0 and C1
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # direction marks, embeddings, overrides, isolates
    r"\u200b\u2028\u2029\u2060-\u2065\ufeff"  # separators of lines, and what has no width
    r"\ud800-\udfff]"  # bytes of a file name that are not UTF-8; printing them would raise
)


def has_controls(text: str) -> bool:
    """Whether a text has a character that `escape_controls` would escape.

    >>> has_controls("dog\\u202e"), has_controls("собака 犬")
    (True, False)
    """
    return _CONTROLS.search(text) is not None


def escape_controls(text: str) -> str:
    r"""A text with every control and direction character written as in a Python string.

    Args:
        text: For example a name. Line breaks are escaped, too.

    >>> print(escape_controls("good\x1b]0;title\x07.wav"))
    good\x1b]0;title\x07.wav
    >>> print(escape_controls("one\u202etwo\nthree"))
    one\u202etwo\nthree
    """
    return _CONTROLS.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def escape_lines(text: str) -> str:
    r"""Like `escape_controls`, but line breaks stay, for messages of several lines.

    >>> print(escape_lines("two lines,\none bell: \x07"))
    two lines,
    one bell: \x07
    """
    return "\n".join(map(escape_controls, text.split("\n")))
