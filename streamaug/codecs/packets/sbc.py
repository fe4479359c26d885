"""Decode SBC and mSBC where packets are lost: the frames that arrive by FFmpeg, the gaps as the
Hands-Free Profile has it, see `hfp.py`.

A packet of mSBC is one frame of 7.5 ms, as a headset gets it. One of SBC holds as many whole frames as
fit into 20 ms, about what senders of music put together.
"""

from dataclasses import dataclass

import numpy as np

from streamaug.codecs.frames import decode_frames
from streamaug.codecs.packets import hfp
from streamaug.codecs.packets.runs import runs_of, spread

_SBC, _MSBC = 0x9C, 0xAD
"""First byte of a frame."""

_RATES = (16_000, 32_000, 44_100, 48_000)
_PACKETS_PER_S = 50
_MONO, _DUAL, _STEREO, _JOINT = range(4)


@dataclass(frozen=True)
class _Header:
    """Args:
    size: Bytes of the frame.
    samples: Samples of the frame, per channel.
    rate: Sample rate in Hz.
    """

    size: int
    samples: int
    rate: int


def _header(frame: bytes) -> _Header:
    """What the first bytes of a frame say (Advanced Audio Distribution Profile 1.3, appendix B).

    Raises:
        ValueError: They are not the header of a frame.
    """
    if len(frame) < 4 or frame[0] not in (_SBC, _MSBC):
        raise ValueError("a frame of SBC is damaged")
    if frame[0] == _MSBC:
        return _Header(57, 120, 16_000)
    settings, bitpool = frame[1], frame[2]
    blocks, mode, subbands = 4 * (1 + (settings >> 4 & 3)), settings >> 2 & 3, 8 if settings & 1 else 4
    channels = 1 if mode == _MONO else 2
    bits = blocks * bitpool * (channels if mode in (_MONO, _DUAL) else 1) + (subbands if mode == _JOINT else 0)
    return _Header(4 + subbands * channels // 2 + -(-bits // 8), blocks * subbands, _RATES[settings >> 6])


@dataclass(frozen=True)
class SbcPackets:
    """A clip in SBC.

    Args:
        rate: Sample rate in Hz.
        payload: The whole bitstream.
        ends: Bytes after each packet.
        starts: Samples at which each packet begins, and those of all.
    """

    rate: int
    payload: bytes
    ends: list[int]
    starts: np.ndarray

    @classmethod
    def of(cls, payload: bytes) -> "SbcPackets":
        """Read the headers of all frames.

        Raises:
            ValueError: A frame is damaged or cut off.
        """
        first = _header(payload)
        together = 1 if payload[0] == _MSBC else max(1, first.rate // _PACKETS_PER_S // first.samples)
        size = first.size
        if len(payload) % size == 0 and payload[::size] == payload[:1] * (len(payload) // size) and len(set(payload[2::size])) == 1:
            ends = list(range(size, len(payload) + 1, size))  # all frames have the settings of the first, as encoders make them
        else:
            ends = _ends(payload)
        frames = len(ends)
        packets = -(-frames // together)
        return cls(
            first.rate,
            payload,
            [ends[min((number + 1) * together, frames) - 1] for number in range(packets)],
            np.minimum(np.arange(packets + 1) * together, frames) * first.samples,
        )

    def decode(self, lost: np.ndarray, until: int | None = None) -> np.ndarray:
        count = len(lost) if until is None else min(len(lost), int(np.searchsorted(self.starts, until)))
        begins, runs = [0, *self.ends], list(runs_of(lost[:count]))
        arrived = b"".join(self.payload[begins[run.first] : begins[run.last]] for run in runs if not run.is_lost)
        decoded = decode_frames(arrived, "sbc")[0] if arrived else np.zeros((1, 0), np.float32)
        if not lost[:count].any():
            return decoded
        whole, gaps = spread(decoded, runs, self.starts)
        for channel in whole:
            hfp.conceal(channel, gaps, self.rate)
        return whole


def _ends(payload: bytes) -> list[int]:
    ends, at = [], 0
    while at < len(payload):
        at += _header(payload[at : at + 4]).size
        ends.append(at)
    if at > len(payload):
        raise ValueError("its last frame of SBC is cut off")
    return ends
