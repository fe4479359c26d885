"""Versions of what a run depends on, for its folder and its report."""

import platform
from importlib import metadata

from streamaug.codecs import decoder_version

LIBRARIES = ("streamaug", "torch", "torchaudio", "lightning", "numpy", "pyarrow")
"""Distributions whose versions are recorded if they are installed."""


def versions() -> dict[str, str]:
    """Versions of Python, the machine's architecture, the installed libraries and the decoders, by name."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found | {"decoders": decoder_version()}
