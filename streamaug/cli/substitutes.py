"""Print characters that the encoding of a terminal or log file lacks."""

import codecs
import io
import sys

_HANDLER = "streamaug-substitutes"
_ASCII = {"−": "-", "…": "...", "–": "-", "×": "x"}
"""Characters of the project's own texts, and what takes their place."""


def print_substitutes() -> None:
    """Let this process print every text, whatever the encoding of stdout and stderr: a character that
    it lacks is replaced, or escaped as in a Python string."""
    codecs.register_error(_HANDLER, _substituted)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def _substituted(error: UnicodeError) -> tuple[str, int]:
    """What to write instead of characters that cannot be encoded, and where to continue."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_ASCII.get(each) or each.encode("ascii", "backslashreplace").decode() for each in text), error.end
