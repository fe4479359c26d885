"""The decoders besides FFmpeg's: those that conceal lost packets themselves."""

from collections.abc import Callable, Mapping

from streamaug.codecs.packets.amr import AmrPackets
from streamaug.codecs.packets.base import Packets
from streamaug.codecs.packets.opus import OpusPackets
from streamaug.errors import PluginError

DECODERS: Mapping[str, Callable[[bytes], Packets]] = {"libopus": OpusPackets.of, "opencore": AmrPackets.of}
"""What takes a bitstream apart for a decoder, by the name that settings and indexes have for it."""


def open_packets(payload: bytes, decoder: str) -> Packets:
    """Take a bitstream apart.

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
