"""Recognise a bitstream by the first bytes of its sha256."""

import hashlib

DIGEST = 16
"""Bytes remembered of each bitstream's sha256: enough to distinguish bitstreams and to notice
damage."""


def is_right(data: bytes, sha256: bytes) -> bool:
    """Whether bytes have a hash.

    Args:
        data: The bytes.
        sha256: First DIGEST bytes of the hash that they should have.
    """
    return hashlib.sha256(data).digest()[:DIGEST] == sha256
