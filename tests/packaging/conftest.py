"""The wheel, a few synthetic clips, an environment that has the wheel but not torch, and one that has
all that the wheel requires but not the wheel.
"""

import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

import numpy as np
import pytest
import soundfile
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
RATE = 16_000
ABSENT = {"torch", "torchaudio"}


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the source distribution of this checkout, and the wheel that is built from that.

    Without isolation, since that would download the build's packages, which `dev` has.
    """
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "build", "--no-isolation", "--outdir", folder], cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def wheel(distributions: Path) -> Path:
    """The wheel of this checkout, as pip would build it."""
    return next(distributions.glob("*.whl"))


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clips table: 40 clips of one second, four labels, 32 of them to train on."""
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(3)
    time = np.arange(RATE) / RATE
    lines = ["path,label,split"]
    for number in range(40):
        label = ("bus", "park", "tram", "metro")[number % 4]
        tone = 0.3 * np.sin(2 * np.pi * (300 + 170 * (number % 4) + 3 * number) * time) + 0.05 * rng.standard_normal(RATE)
        soundfile.write(folder / f"clip{number:02d}.wav", tone, RATE, subtype="PCM_16")
        lines.append(f"clip{number:02d}.wav,{label},{'train' if number < 32 else 'evaluate'}")
    (folder / "clips.csv").write_text("\n".join(lines) + "\n")
    return folder / "clips.csv"


@pytest.fixture(scope="session")
def python_without_torch(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment with the wheel and what it requires, but not torch."""
    folder = tmp_path_factory.mktemp("without_torch")
    venv.create(folder, with_pip=False, symlinks=True)
    site = next(folder.glob("lib/python*/site-packages"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    (built,) = (Distribution.at(path) for path in site.glob("streamaug-*.dist-info"))
    link(required_by(built, set(ABSENT)), site)
    return folder / "bin" / "python"


@pytest.fixture(scope="session")
def python_without_streamaug(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment with pip and what the wheel requires, but not the wheel."""
    folder = tmp_path_factory.mktemp("without_streamaug")
    venv.create(folder, with_pip=True, symlinks=True)
    link(required_by(distribution("streamaug"), set()), next(folder.glob("lib/python*/site-packages")))
    return folder / "bin" / "python"


def link(packages: Iterable[Distribution], site: Path) -> None:
    """Put packages of the running environment into another: links need no download and take no minutes."""
    for needed in packages:
        for name in {path.parts[0] for path in needed.files or () if path.parts[0] not in ("..", "__pycache__")}:
            if not (site / name).exists():
                (site / name).symlink_to(Path(str(needed.locate_file(name))).resolve())


def required_by(built: Distribution, seen: set[str]) -> Iterator[Distribution]:
    """Every installed distribution that one requires, directly or not, except the names in `seen`."""
    for text in built.requires or ():
        requirement = Requirement(text)
        name = requirement.name.lower().replace("_", "-")
        wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if not wanted or name in seen:
            continue
        seen.add(name)
        needed = distribution(requirement.name)
        yield needed
        yield from required_by(needed, seen)
        for extra in requirement.extras:
            for inner in map(Requirement, needed.requires or ()):
                if inner.marker is not None and inner.marker.evaluate({"extra": extra}) and inner.name.lower() not in seen:
                    seen.add(inner.name.lower())
                    yield distribution(inner.name)
                    yield from required_by(distribution(inner.name), seen)
