"""Take the packets out of an Ogg file of one stream (RFC 3533)."""

_HEADER = 27
"""Bytes of a page before the sizes of its segments."""


def read_ogg(payload: bytes) -> list[bytes]:
    """The packets of a file, in their order.

    Raises:
        ValueError: It is not Ogg, is cut off, or ends in the middle of a packet.
    """
    packets: list[bytes] = []
    begun, at = b"", 0
    while at < len(payload):
        if payload[at : at + 4] != b"OggS" or at + _HEADER > len(payload):
            raise ValueError("an Ogg page is damaged")
        sizes = payload[at + _HEADER : at + _HEADER + payload[at + 26]]
        start = at + _HEADER + payload[at + 26]
        at = start + sum(sizes)
        if at > len(payload):
            raise ValueError("its last Ogg page is cut off")
        length = 0
        for size in sizes:
            length += size
            if size < 255:
                packets.append(begun + payload[start : start + length])
                begun, start, length = b"", start + length, 0
        begun += payload[start : start + length]
    if begun:
        raise ValueError("its last Ogg packet is cut off")
    return packets
