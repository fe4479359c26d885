"""Name the package to install when an import fails.

Building, planning and verifying work without torch; cloud storage, clusters and some effects need
packages of their own. A missing package shows only when it is imported: this module turns the
failed import into one line.
"""

from streamaug.errors import StreamaugError

PIP_LINES = {
    "ai_edge_litert": "pip install 'streamaug[speech]'",
    "distributed": "pip install 'streamaug[cluster]'",
    "h5py": "pip install 'streamaug[train]'",
    "librosa": "pip install 'streamaug[augmentation]'",
    "lightning": "pip install 'streamaug[train]'",
    "onnxruntime": "pip install 'streamaug[stress]'",
    "obstore": "pip install 'streamaug[s3]'",
    "pesq": "pip install pesq",
    "pyroomacoustics": "pip install 'streamaug[augmentation]'",
    "s3fs": "pip install 'streamaug[s3]'",
    "safetensors": "pip install 'streamaug[train]'",
    "scipy": "pip install 'streamaug[augmentation]'",
    "smbclient": "pip install smbprotocol",
    "starlette": "pip install 'streamaug[explore]'",
    "statsmodels": "pip install 'streamaug[train]'",
    "tensorboard": "pip install 'streamaug[train]'",
    "torch": "pip install torch",
    "torchaudio": "pip install torchaudio",
    "uvicorn": "pip install 'streamaug[explore]'",
    "visqol": "pip install 'streamaug[speech]'",
}
"""For each package that may be absent: the command that installs it."""


class MissingPackageError(StreamaugError, ImportError):
    """A package that this part of streamaug needs is not installed."""


def missing_package_error(error: ModuleNotFoundError) -> MissingPackageError | None:
    """Turn a failed import into an error that says which package to install.

    Args:
        error: What the import raised.

    Returns:
        The error to raise instead, or None if the module is of no package in `PIP_LINES`.

    >>> print(missing_package_error(ModuleNotFoundError(name="torch.utils")))
    the package 'torch' is needed for this and is not installed; run: pip install torch
    """
    package = (error.name or "").partition(".")[0]
    if package not in PIP_LINES:
        return None
    return MissingPackageError(f"the package '{package}' is needed for this and is not installed; run: {PIP_LINES[package]}")
