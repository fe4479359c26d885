"""Write the JSON next to a bitstream: strict JSON, whatever types the clips table has."""

import json
import math
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any


def member_json(metadata: Mapping[str, Any]) -> bytes:
    """A clip's metadata as JSON that every parser accepts, with sorted keys.

    Numbers that JSON lacks are left out: a gap that was written as NaN, and infinity. Inside a list
    they are null. Bytes become hex digits, dates and times ISO
    8601; what else JSON lacks, such as a decimal, becomes text.

    >>> member_json({"snr": float("nan"), "mark": b"\\xff\\x00", "gains": [1.5, float("inf")]})
    b'{"gains": [1.5, null], "mark": "ff00"}'
    >>> member_json({"take": chr(0xDCFF)})
    b'{"take": "\\\\udcff"}'

    Args:
        metadata: Values as pyarrow's `to_pylist` gives them.
    """
    plain = {key: _plain(value) for key, value in metadata.items()}
    present = {key: value for key, value in plain.items() if value is not None or metadata[key] is None}
    # Half of a surrogate pair, which JSON can write and UTF-8 cannot, stays an escape.
    return json.dumps(present, sort_keys=True, ensure_ascii=False, allow_nan=False).encode(errors="backslashreplace")


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, (date, datetime, time)):
        return value.isoformat()
    return str(value)
