"""Plug-ins are found by group and name, and what is wrong with one is an error that names its
package."""

import sys
from pathlib import Path

import pytest

from streamaug import plugins
from streamaug.errors import PluginError

GROUP = "streamaug.effects"


@pytest.fixture
def announce(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put a package on the path that announces one plug-in."""

    def announced(package: str, name: str, value: str) -> None:
        metadata = tmp_path / package / f"{package}-2.0.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 2.0\n")
        (metadata / "entry_points.txt").write_text(f"[{GROUP}]\n{name} = {value}\n")
        monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / package)])

    return announced


def test_a_plug_in_is_what_its_entry_point_names(announce):
    announce("outside", "decoder-json", "json:JSONDecoder")
    assert "decoder-json" in plugins.names(GROUP)
    assert plugins.find(GROUP, "decoder-json").__name__ == "JSONDecoder"


def test_an_unknown_name_is_answered_with_the_nearest_or_with_all():
    with pytest.raises(PluginError, match=r"no plug-in 'noize' in the entry-point group 'streamaug\.effects'\. Did you mean 'noise'\?"):
        plugins.find(GROUP, "noize")
    with pytest.raises(PluginError, match="Available: add, noise, pitch"):
        plugins.find(GROUP, "quite-another")


@pytest.mark.parametrize("value", ["no_such_module:Effect", "json:NoSuchClass"])
def test_a_plug_in_that_cannot_be_imported_is_named_with_its_package_and_entry_point(announce, value):
    announce("outside", "broken", value)
    with pytest.raises(PluginError, match=rf"plug-in 'broken' of package outside 2\.0 cannot be imported \(entry point '{value}'"):
        plugins.find(GROUP, "broken")


def test_a_name_that_two_packages_announce_is_refused_with_both(announce):
    announce("outside", "twice", "json:JSONDecoder")
    announce("elsewhere", "twice", "json:JSONEncoder")
    with pytest.raises(PluginError, match=r"comes from elsewhere 2\.0 and outside 2\.0"):
        plugins.find(GROUP, "twice")
