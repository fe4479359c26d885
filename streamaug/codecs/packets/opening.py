"""Find what takes a bitstream apart into packets, and which codecs' packets a link can lose."""

from collections.abc import Callable, Mapping
from typing import Any

from streamaug.codecs.base import Codec, Decoding
from streamaug.codecs.packets.amr import AmrPackets
from streamaug.codecs.packets.base import Packets
from streamaug.codecs.packets.opus import OpusPackets
from streamaug.codecs.packets.sbc import SbcPackets
from streamaug.codecs.packets.telephony import TelephonyPackets
from streamaug.errors import PluginError

Opener = Callable[[bytes], Packets]
"""Takes a bitstream apart; raises ValueError if the bytes are not in its format."""

DECODERS: Mapping[str, Opener] = {"libopus": OpusPackets.of, "opencore": AmrPackets.of}
"""The decoders besides FFmpeg's, which conceal lost packets themselves, by the name that settings and
indexes have for them."""

_ENCODERS: Mapping[str, Opener] = {
    "sbc": SbcPackets.of,
    "g722": TelephonyPackets.of,
    "pcm_alaw": TelephonyPackets.of,
    "pcm_mulaw": TelephonyPackets.of,
}
"""Formats that FFmpeg decodes and whose lost packets are concealed here, by the encoder."""


def open_packets(payload: bytes, decoder: str) -> Packets:
    """Take a bitstream apart for its decoder.

    Args:
        payload: The bitstream.
        decoder: What decodes it, as its index says.

    Raises:
        PluginError: This version of streamaug does not have this decoder.
        ValueError: The bytes are not in a format of this decoder.
    """
    if decoder not in DECODERS:
        raise PluginError(f"the decoder '{decoder}' is not one of {', '.join(DECODERS)}; install the version of streamaug that has it")
    return DECODERS[decoder](payload)


def plugin_packets(codec: Codec) -> Opener | None:
    """What takes a plug-in's bitstreams apart: its method `packets(payload)`; None without one.

    Args:
        codec: The plug-in.
    """
    opener: Any = getattr(codec, "packets", None)
    return opener if callable(opener) else None


def packet_opener(decoding: Decoding, encoder: str) -> Opener | None:
    """What takes the bitstreams of a condition apart, except those of a plug-in; None if a link cannot
    lose their packets.

    Args:
        decoding: What decodes them.
        encoder: Name of the encoder that made them.
    """
    if decoding.decoder is not None:
        return DECODERS.get(decoding.decoder)
    return _ENCODERS.get(encoder) if decoding.demuxer is not None else None
