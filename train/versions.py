"""Versions of what a run depends on, for its folder and its report."""

import platform
from importlib import metadata

LIBRARIES = ("streamaug", "torch", "torchaudio", "av", "lightning", "numpy", "pyarrow", "soxr")
"""Distributions whose versions are recorded if they are installed.
"""


def versions() -> dict[str, str]:
    """Versions of Python, the machine's architecture and the installed libraries, by name."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
