"""Building, verifying and planning do not load torch, which takes seconds and which build workers
need not install."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "module",
    [
        "streamaug.building.build",
        "streamaug.planning.open_plan",
        "streamaug.planning.sequential",
        "streamaug.quality.measuring",
        "streamaug.reading.fetch",
        "streamaug.store",
        "streamaug.verifying.verify",
    ],
)
def test_importing_it_does_not_import_torch(module: str) -> None:
    code = f"import sys, {module}; assert '{module}' in sys.modules; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
