"""Find the checkpoint that a store was built with, among those that this machine names.

A store says only which checkpoint decodes it, by its sha256. Where the file is, and which class its
weights belong to, says a settings file of this machine, which an environment variable names. So no
store can make a reader run code that the reader has not chosen.
"""

import os
from functools import cache
from pathlib import Path

from streamaug.codecs.neural.codec import DIGITS, NeuralCodec
from streamaug.codecs.neural.config import VARIABLE
from streamaug.codecs.settings import load_settings
from streamaug.errors import ConditionError, PluginError


def find_checkpoint(name: str, sha256: str) -> NeuralCodec:
    """The neural codec that decodes the bitstreams of a condition on this machine.

    Args:
        name: The codec's name in the store; settings may have another one, if only one class there is
            for this checkpoint.
        sha256: Of the checkpoint that the condition was built with, in hex.

    Raises:
        PluginError: The environment names no settings file with this checkpoint, or one with several
            classes for it, none under this name.
    """
    return _find(name, sha256, os.environ.get(VARIABLE, ""))


@cache  # a stream asks for every clip
def _find(name: str, sha256: str, settings: str) -> NeuralCodec:
    needed = f"codec '{name}' is decoded by the checkpoint with the sha256 {sha256[:DIGITS]}..."
    if not settings:
        raise PluginError(
            f"{needed}, and {VARIABLE} is not set; set it to the path of a settings file that names the checkpoint, such as the one "
            "of the build"
        )
    try:
        entries = load_settings(Path(settings)).neural
    except ConditionError as error:
        raise PluginError(f"{needed}, but {VARIABLE} names a file that cannot be used: {error}") from error
    codecs = [NeuralCodec.of(entry, config) for entry, config in entries.items()]
    same = {codec.name: codec for codec in codecs if codec.sha256 == sha256}
    if name in same or len({codec.config for codec in same.values()}) == 1:
        return same.get(name) or next(iter(same.values()))
    if same:  # the same weights in two classes are two codecs
        raise PluginError(
            f"{needed}, which {settings} ({VARIABLE}) names as {' and '.join(same)}, with other classes or folders; call the one that the "
            f"store was built with '{name}'"
        )
    found = ", ".join(f"{codec.config.path} ({codec.sha256[:DIGITS] + '...' if codec.sha256 else 'no such file'})" for codec in codecs)
    raise PluginError(f"{needed}, but {settings} ({VARIABLE}) names {found or 'no checkpoint'}; name the one that the store was built with")
