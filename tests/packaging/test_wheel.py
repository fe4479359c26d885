"""What pip installs: complete, typed, and content with the torch that is already there."""

import re
import stat
import subprocess
import sys
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import streamaug
from streamaug.explore.page import SCRIPTS, STYLES, WAVESURFER_LICENCE
from tests.packaging.conftest import ROOT


@pytest.fixture(scope="module")
def requirements() -> dict[str, Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    every = [*project["dependencies"], *(text for extra in project["optional-dependencies"].values() for text in extra)]
    return {requirement.name: requirement for requirement in map(Requirement, every)}


def test_the_wheel_holds_the_package_its_types_and_settings_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        links = [info.filename for info in archive.infolist() if stat.S_ISLNK(info.external_attr >> 16)]
        settings = archive.read("streamaug/codecs/paper.yaml").decode()
    assert {name.partition("/")[0] for name in names} == {"streamaug", f"streamaug-{streamaug.__version__}.dist-info"}
    assert {"streamaug/py.typed", "streamaug/pages/page.html.jinja"} <= names
    assert {f"streamaug/explore/static/{name}" for name in (*SCRIPTS, *STYLES, WAVESURFER_LICENCE)} <= names
    assert links == []
    assert settings == (ROOT / "shards" / "paper.yaml").read_text()


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        return Parser().parsestr(archive.read(next(n for n in archive.namelist() if n.endswith("/METADATA"))).decode())


def test_twine_would_upload_it(distributions: Path) -> None:
    files = [path.name for path in sorted(distributions.iterdir())]
    assert [name.removeprefix(f"streamaug-{streamaug.__version__}") for name in files] == ["-py3-none-any.whl", ".tar.gz"]
    command = [sys.executable, "-m", "twine", "check", "--strict", *files]
    done = subprocess.run(command, cwd=distributions, capture_output=True, text=True)
    assert (done.returncode, done.stdout.count("PASSED")) == (0, 2), done.stdout


def test_the_package_page_has_absolute_links_into_the_projects_own_repository(metadata: Message) -> None:
    address = next(text.split(", ")[1] for text in metadata.get_all("Project-URL", []) if text.startswith("Source, "))
    page = str(metadata.get_payload())
    targets = re.findall(r"\]\(([^)]+)\)", page)
    assert [target for target in targets if not target.startswith("https://")] == []
    own = [target.removeprefix(address) for target in targets if target.startswith(address)]
    assert len(own) > 10
    for target in own:
        path = re.fullmatch(r"/(blob|raw)/main/([^#]+)(#.*)?", target)
        assert path, target
        assert (ROOT / path[2]).exists(), target
        assert (path[1] == "raw") == (Path(path[2]).suffix in (".png", ".flac", ".mp3", ".opus")), target


def test_the_metadata_names_the_project_its_pages_and_its_extras(metadata: Message) -> None:
    pages = dict(text.split(", ") for text in metadata.get_all("Project-URL", []))
    assert set(pages) == {"Homepage", "Documentation", "Source", "Issues", "Changelog"}
    assert "Typing :: Typed" in metadata.get_all("Classifier", [])
    assert {"s3", "cluster", "augmentation", "explore", "train", "dev"} <= set(metadata.get_all("Provides-Extra", []))
    assert metadata["Version"] == streamaug.__version__ == version("streamaug")


def test_no_dependency_is_pinned_and_torch_is_a_range_that_holds_the_tested_releases(requirements: dict[str, Requirement]) -> None:
    exact = [str(requirement) for requirement in requirements.values() for part in requirement.specifier if "==" in part.operator]
    assert exact == []
    for release in ("2.9.1", "2.11.0", "2.13.0"):
        assert Version(release) in requirements["torch"].specifier


def test_the_exact_set_that_the_tests_run_with_is_inside_the_ranges(requirements: dict[str, Requirement]) -> None:
    lines = (ROOT / "constraints.txt").read_text().lower().replace("_", "-").split()
    exact = dict(line.split("==") for line in lines)
    for name, requirement in requirements.items():
        if name != "streamaug":
            assert requirement.specifier.contains(exact[name.lower()], prereleases=True), name
